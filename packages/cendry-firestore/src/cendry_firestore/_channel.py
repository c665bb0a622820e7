"""What a backend needs of a client: the generated client below it, its names, and the road to the server."""

from __future__ import annotations

from typing import Any

from cendry.errors import CendryError

from ._documents import home_of
from ._transport import road_to


class Connection:
    """One client, opened.

    Attributes:
        client: The SDK's client.
        api: The generated client below it.
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
        road: What sends.
        home: What results are told of where they are from.
        is_closed: Whether the backend has closed it.

    Args:
        client: The client; its channel is opened, if it is not open yet.
        channel: Another channel to send on, which is closed with the connection.
        is_async: Whether it is a client of the async twin.
    """

    __slots__ = ("_channel", "api", "client", "database", "home", "is_closed", "metadata", "road")

    def __init__(self, client: Any, channel: Any = None, *, is_async: bool) -> None:
        self.client = client
        self.api: Any = client._firestore_api
        self.database: str = client._database_string
        self.metadata: tuple[tuple[str, str], ...] = tuple(client._rpc_metadata)
        self._channel = channel
        self.road = road_to(self.api, channel, self.database, self.metadata, is_async=is_async)
        self.home = home_of(self.database)
        self.is_closed = False

    def close(self) -> None:
        """Close the client of the sync twin, and its channels."""
        self.is_closed = True
        self.client.close()
        self.api.transport.close()
        if self._channel is not None:
            self._channel.close()

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
