"""What a backend needs of a client: the generated client below it, its names and its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cendry.errors import CendryError


@dataclass(slots=True, eq=False)
class Connection:
    """One client, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it, which sends.
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
        is_closed: Whether the backend has closed it.
    """

    client: Any
    api: Any
    database: str
    metadata: tuple[tuple[str, str], ...]
    is_closed: bool = False

    def check_open(self, error: Exception) -> None:
        """Say what broke a read, if it was the end of the connection.

        Raises:
            CendryError: The connection was closed.
        """
        if self.is_closed:
            raise CendryError(
                "The connection to Firestore was closed in the middle of a read; end all reads before you close "
                "the context or its backend."
            ) from error


def connect(client: Any) -> Connection:
    """Open the channel of a client, if it is not open yet."""
    return Connection(client, client._firestore_api, client._database_string, tuple(client._rpc_metadata))


def check_arguments(client: Any, kind: type[Any], twin: str, project: str | None, database: str | None) -> None:
    """Refuse what contradicts itself, and the client of the other twin.

    Raises:
        TypeError: The client is of another kind, or comes with the project or database that it already has.
    """
    if client is None:
        return
    if not isinstance(client, kind):
        raise TypeError(
            f"client= takes a google.cloud.firestore.{kind.__name__}, not {client!r}. {twin} is for the other kind."
        )
    if project is not None or database is not None:
        raise TypeError("Give either client=, which knows its project and database, or project= and database=.")
