"""The SDK's clients of a backend: one for all threads, or one for each event loop; and what the sync one has alone."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from cendry import _fork
from cendry._interop.grpc import check_process
from cendry.backend import ListenResult
from cendry.paths import exact_text
from cendry.plan import GetPlan, QueryPlan
from google.cloud.firestore_v1 import AsyncClient, Client

from ._channel import Connection, check_arguments, keep_client
from ._single_threaded import single_threaded_channel

if TYPE_CHECKING:
    from cendry.codec import Codec

    from ._listener import FirestoreListener
    from ._loop_listener import AsyncFirestoreListener


class Clients:
    """The client of the sync twin, and the listeners that use it."""

    def __init__(self, client: Any, project: str | None, database: str | None) -> None:
        check_arguments(client, Client, "AsyncFirestoreBackend", project, database)
        self._given = client
        self._project = exact_text(project)
        self._database = exact_text(database)
        self._lock = threading.Lock()
        self._opened: Connection | None = None
        self._listeners: weakref.WeakSet[FirestoreListener] = weakref.WeakSet()
        _fork.register(self)

    def after_fork(self) -> None:
        """Leave the connection and the listeners to the parent of this process."""
        self._lock = threading.Lock()
        for listener in list(self._listeners):
            listener.after_fork()
        keep_client(self._given)
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.after_fork()

    @property
    def client(self) -> Any:
        """The SDK's `Client`; made now if there is none yet."""
        return self._connection.client

    @property
    def database(self) -> str:
        """How references name the database of the client: `projects/P/databases/D`."""
        return self._connection.database

    @property
    def server(self) -> tuple[str, int] | None:
        """The host and port of the database or its emulator, if they are known."""
        return self._connection.server

    @property
    def _connection(self) -> Connection:
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened
                if opened is None:
                    opened = self._opened = self._connect()
        return opened

    def _connect(self) -> Connection:
        check_process(Connection.database_kind)
        if self._given is not None:
            return Connection(self._given, is_async=False)
        client = Client(project=self._project, database=self._database)
        return Connection(client, single_threaded_channel(client), is_async=False)

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """A function from an instance to its stored fields, as `commit` sends them."""
        return self._connection.encoder(codec)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> FirestoreListener:
        """Call `on_change` with the first state and every later change, from a thread of this listener's own."""
        from ._listener import FirestoreListener

        listener = FirestoreListener(self._connection, plan, on_change, on_error)
        self._listeners.add(listener)
        listener.start()
        return listener

    def close(self) -> None:
        """End the listeners, and close the client with its channel if this backend made it.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        for listener in list(self._listeners):
            listener.close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and self._given is None:
            opened.close()


class AsyncClients:
    """The clients of the async twin, one for each event loop."""

    def __init__(self, client: Any, project: str | None, database: str | None) -> None:
        check_arguments(client, AsyncClient, "FirestoreBackend", project, database)
        self._given = client
        self._project = exact_text(project)
        self._database = exact_text(database)
        self._lock = threading.Lock()
        # A gRPC channel belongs to the event loop that it was opened in, and holds it, so weak keys would keep all.
        self._opened: dict[asyncio.AbstractEventLoop, Connection] = {}
        self._listeners: weakref.WeakSet[AsyncFirestoreListener] = weakref.WeakSet()
        _fork.register(self)

    def after_fork(self) -> None:
        """Leave the connections and the listeners to the parent of this process."""
        self._lock = threading.Lock()
        for listener in list(self._listeners):
            listener.after_fork()
        keep_client(self._given)
        opened, self._opened = self._opened, {}
        for connection in opened.values():
            connection.after_fork()

    @property
    def client(self) -> Any:
        """The SDK's `AsyncClient` for the running event loop; made now if there is none yet."""
        return self._given or self._connection.client

    @property
    def database(self) -> str:
        """How references name the database of the clients: `projects/P/databases/D`."""
        try:
            return self._connection.database
        except RuntimeError:
            # A batch may be filled where no event loop runs; a client that isn't used opens no channel.
            client: Any = self._given or AsyncClient(project=self._project, database=self._database)
            name: str = client._database_string
            return name

    @property
    def server(self) -> tuple[str, int] | None:
        """The host and port of the database or its emulator, if they are known."""
        return self._connection.server

    @property
    def _connection(self) -> Connection:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # The child of a process that is forked inside its loop has none.
            check_process(Connection.database_kind)
            raise
        # One look needs no lock, and is all that most operations take.
        opened = self._opened.get(loop)
        if opened is None:
            with self._lock:
                for ended in [other for other in self._opened if other.is_closed()]:
                    self._opened.pop(ended).close_read_threads()
                check_process(Connection.database_kind)
                client = self._given or AsyncClient(project=self._project, database=self._database)
                opened = self._opened[loop] = Connection(client, is_async=True, reads_in_threads=self._given is None)
        return opened

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """A function from an instance to its stored fields, as `commit` sends them."""
        try:
            connection = self._connection
        except RuntimeError:
            # A batch may be filled where no event loop runs, and without one there is no connection.
            return codec.encode
        return connection.encoder(codec)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> AsyncFirestoreListener:
        """Call `on_change` with the first state and every later change, from a task in the event loop that runs now."""
        from ._loop_listener import AsyncFirestoreListener

        listener = AsyncFirestoreListener(self._connection, plan, on_change, on_error)
        self._listeners.add(listener)
        return listener

    async def close(self) -> None:
        """End the listeners, and close the clients that this backend made, each in its own event loop.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        running = asyncio.get_running_loop()
        for listener in list(self._listeners):
            if listener.loop is running:
                listener.close()
                await listener.wait_closed()
            elif listener.loop.is_running():
                listener.loop.call_soon_threadsafe(listener.close)
        with self._lock:
            opened, self._opened = self._opened, {}
        if self._given is not None:
            return
        for loop, connection in opened.items():
            connection.is_closed = True
            connection.close_read_threads()
            if loop is running:
                await connection.close_async()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(connection.close_async(), loop)
                await asyncio.wrap_future(closing)
            # Else the loop has ended, and with it the channel can't be awaited; it closes when it is collected.
