"""What a backend needs of a client: the generated client below it, its names, and the transport of its requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cendry import _fork
from cendry._interop.emulator import Emulator
from cendry._interop.grpc import ClientConnection, check_client, note_channel
from google.api_core.exceptions import GoogleAPICallError

from . import _sdk
from ._single_threaded import single_threaded_channel
from ._threads import ReadThreads, reads_in_threads
from ._transport import open_transport
from ._values import DOCUMENTS

if TYPE_CHECKING:
    from cendry.codec import Codec
    from cendry.codec.dialect import Dialect


@cache
def _compiler() -> tuple[Callable[..., Callable[[Any], MutableMapping[str, Any]]], Dialect]:
    # Imported on first use, as the compiler would double what importing this package adds to importing the SDK.
    from cendry.codec.message import encoder

    from ._dialect import FIRESTORE

    return encoder, FIRESTORE


class Connection(ClientConnection):
    """A client, opened.

    Attributes:
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
        path_start: Where the path begins in the name of a document of that database.
        transport: Sends requests.

    Args:
        client: The client; its channel is opened, if it is not open yet.
        channel: Another channel to send on, which is closed with the connection.
        is_async: Whether it is a client of the async twin.
        reads_in_threads: Whether large reads of that twin may be made in threads, on a channel of their own.

    Raises:
        CendryError: The client is for an emulator, and what names it is not `host:port`.
    """

    __slots__ = ("_channel", "_read_threads", "_reads_in_threads", "database", "metadata", "path_start", "transport")
    database_kind = "Firestore"

    def __init__(self, client: Any, channel: Any = None, *, is_async: bool, reads_in_threads: bool = False) -> None:
        emulator = _emulator(client)
        note_channel(_fork.process)
        retry_kind = _sdk.API.async_retry if is_async else _sdk.API.retry
        super().__init__(client, client._firestore_api, emulator, retry_kind)
        self.database: str = client._database_string
        self.metadata: tuple[tuple[str, str], ...] = tuple(client._rpc_metadata)
        self.path_start = len(self.database) + len(DOCUMENTS)
        self._channel = channel
        self._reads_in_threads = reads_in_threads
        self._read_threads: ReadThreads | None = None
        self.transport = open_transport(self.api, channel, self.database, self.metadata, is_async=is_async)

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """A function from an instance to its stored fields: in a message, if the transport takes messages."""
        if not self.transport.is_direct:
            return codec.encode
        encoder, dialect = _compiler()
        return encoder(codec, dialect, self.database)

    def after_fork(self) -> None:
        """Leave the connection, and all streams, to the parent of this process."""
        super().after_fork()
        # Called until the interpreter ends, when functions no longer work.
        self.transport.release = _fork.kept.append

    def close(self) -> None:
        """Close the client of the sync twin, and its channels."""
        self.is_closed = True
        self.client.close()
        self.api.transport.close()
        if self._channel is not None:
            self._channel.close()

    async def close_async(self) -> None:
        """Close the channel of the async twin's client."""
        await self.api.transport.close()

    def read_threads(self) -> ReadThreads | None:
        """The threads for large reads; `None` if they are switched off or can't be used."""
        if self._reads_in_threads and self._read_threads is None:
            self._read_threads = self._open_read_threads()
            self._reads_in_threads = self._read_threads is not None
        return self._read_threads

    def _open_read_threads(self) -> ReadThreads | None:
        if self.is_closed or not self.transport.is_direct or not reads_in_threads():
            return None
        channel = single_threaded_channel(self.client)
        if channel is None:
            return None
        transport = open_transport(self.api, channel, self.database, self.metadata, is_async=False)
        return ReadThreads(transport, channel)

    def close_read_threads(self) -> None:
        """End the threads for large reads, and the reads in them."""
        threads, self._read_threads = self._read_threads, None
        self._reads_in_threads = False
        if threads is not None:
            threads.close()

    def raise_meaning(self, raised: BaseException, meaning_of: Callable[[Any], BaseException | None]) -> None:
        """Raise the meaning of an error of a call, if it has one but its own.

        Args:
            raised: One of `_sdk.CALL_ERRORS`.
            meaning_of: Finds the meaning of a `GoogleAPICallError`.

        Raises:
            BaseException: The meaning.
        """
        error = self.call_error(raised)
        meaning = meaning_of(error)
        if meaning is not None:
            raise meaning from meaning.__cause__ or error
        if error is not raised:
            raise error

    def is_unreached(self, _error: object = None) -> bool:
        """Whether this is an emulator that no call has reached yet."""
        return self.emulator is not None and not self.emulator.is_reached()

    def stream_error(self, raised: BaseException) -> Any:
        """The `GoogleAPICallError` that broke a stream.

        Args:
            raised: One of `_sdk.STREAM_ERRORS`.

        Raises:
            CendryError: The connection was closed in the middle of the read.
            BaseException: The error itself, if it is not one of a call.
        """
        error = self.call_error(raised)
        self.check_open(error)
        if not isinstance(error, GoogleAPICallError):
            raise error
        return error

    def call_error(self, raised: BaseException) -> Any:
        """An error of gRPC's as the SDK's; gRPC cancels the task that waits if the channel is closed.

        Raises:
            CancelledError: It was something else that cancelled the task.
        """
        if not isinstance(raised, asyncio.CancelledError):
            return _sdk.API.call_error(raised)
        # Before Python 3.11, a task can't report whether it is being cancelled; then the error stays as it is.
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        if not self.is_closed or cancelling is None or cancelling():
            raise raised
        closed = _sdk.Cancelled("The connection to Firestore was closed during the call.")
        closed.__cause__ = raised
        return closed


def _emulator(client: Any) -> Emulator | None:
    host = client._emulator_host
    if host is None:
        return None
    emulator = Emulator("FIRESTORE_EMULATOR_HOST", host, Connection.database_kind)
    emulator.warn_beside_credentials(has_credentials=not isinstance(client._credentials, _sdk.AnonymousCredentials))
    return emulator


def keep_client(client: Any) -> None:
    """Leave a client to the parent of this process, if it has opened its channel."""
    if client is not None and client._firestore_api_internal is not None:
        note_channel(_fork.process)
        _fork.keep(client)


def check_arguments(client: Any, kind: type[Any], twin: str, project: str | None, database: str | None) -> None:
    """Refuse arguments that contradict each other, and the client of the other twin.

    Raises:
        TypeError: The client is of another kind, or comes with the project or database that it already has.
    """
    name, hint = f"google.cloud.firestore.{kind.__name__}", f" {twin} is for the other kind."
    check_client(client, kind, name, hint, project=project, database=database)
