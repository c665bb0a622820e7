"""What a backend needs of a client: the generated client below it, its names and its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """One client, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it, which sends.
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
    """

    client: Any
    api: Any
    database: str
    metadata: tuple[tuple[str, str], ...]


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
