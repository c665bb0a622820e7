"""The backend of the async twin. It only sends: requests and results are made in the rooms that both twins share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, DocumentResult
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1 import AsyncClient

from . import _sdk
from ._calls import TRANSIENT_COMMIT, Allowance, send_async
from ._clients import Connection, check_arguments, connect
from ._errors import translated
from ._reading import GetReading, QueryReading
from ._translate import (
    aggregation_request,
    aggregation_result,
    begin_request,
    commit_request,
    commit_result,
    rollback_request,
)


class AsyncFirestoreBackend:
    """Firestore, for `AsyncCendry`.

    Args:
        client: A `google.cloud.firestore.AsyncClient`, which stays open when this is closed. Without it one is made
            at first use in each event loop, from the default credentials or for the emulator that
            `FIRESTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of the clients that are made.
        database: The id of their database; `None` for the default one.

    Raises:
        TypeError: The client is a sync `Client` or no client at all, or comes together with `project` or `database`.
    """

    name = "Firestore"

    def __init__(self, client: Any = None, *, project: str | None = None, database: str | None = None) -> None:
        check_arguments(client, AsyncClient, "FirestoreBackend", project, database)
        self._given = client
        self._project = project
        self._database = database
        self._lock = threading.Lock()
        # A gRPC channel belongs to the event loop that it was opened in, and holds it, so weak keys would keep all.
        self._opened: dict[asyncio.AbstractEventLoop, Connection] = {}

    @property
    def client(self) -> Any:
        """The SDK's `AsyncClient` for the running event loop; made now if there is none yet."""
        return self._given or self._connection.client

    @property
    def _connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        with self._lock:
            opened = self._opened.get(loop)
            if opened is None:
                for ended in [other for other in self._opened if other.is_closed()]:
                    del self._opened[ended]
                client = self._given or AsyncClient(project=self._project, database=self._database)
                opened = self._opened[loop] = connect(client)
        return opened

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        reading = GetReading(plan, connection.database, transaction, Allowance(options))
        return _stream(reading, connection.api.batch_get_documents, connection)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        connection = self._connection
        reading = QueryReading(plan, connection.database, transaction, Allowance(options))
        return _stream(reading, connection.api.run_query, connection)

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        request = aggregation_request(plan, connection.database, transaction)
        with translated(collection=plan.query.collection), _noticing_close(connection):
            stream = await send_async(
                connection.api.run_aggregation_query, request, connection.metadata, Allowance(options)
            )
            [response] = [response._pb async for response in stream if response._pb.HasField("result")]
        return aggregation_result(plan, response, connection.database)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        request = commit_request(writes, connection.database, transaction)
        allowance = Allowance(options, TRANSIENT_COMMIT)
        with translated(writes=writes), _noticing_close(connection):
            response = await send_async(connection.api.commit, request, connection.metadata, allowance)
        return commit_result(response._pb, writes)

    async def begin(
        self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS
    ) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        with translated(), _noticing_close(connection):
            response = await send_async(
                connection.api.begin_transaction, request, connection.metadata, Allowance(options)
            )
        return response.transaction

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        request = rollback_request(connection.database, transaction)
        with translated(), _noticing_close(connection):
            await send_async(connection.api.rollback, request, connection.metadata, Allowance(options))

    async def close(self) -> None:
        """Close the clients that this backend made, each in its own event loop.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        with self._lock:
            opened, self._opened = self._opened, {}
        if self._given is not None:
            return
        running = asyncio.get_running_loop()
        for loop, connection in opened.items():
            connection.is_closed = True
            if loop is running:
                await connection.api.transport.close()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_close(connection), loop)
                await asyncio.wrap_future(closing)
            # Else the loop has ended, and with it the channel can't be awaited; it closes when it is collected.


@contextmanager
def _noticing_close(connection: Connection) -> Generator[None]:
    """Tell the end of a connection from a cancellation of the task that waits: gRPC raises the same for both.

    Raises:
        Cancelled: The connection was closed; whether the call had an effect is unknown.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        # Before Python 3.11, a task doesn't tell whether it is being cancelled; then the error stays as it is.
        cancelling = getattr(asyncio.current_task(), "cancelling", None)
        if not connection.is_closed or cancelling is None or cancelling():
            raise
        raise _sdk.Cancelled("The connection to Firestore was closed during the call.") from error


async def _close(connection: Connection) -> None:
    await connection.api.transport.close()


async def _stream(
    reading: GetReading | QueryReading, method: Callable[..., Any], connection: Connection
) -> AsyncIterator[DocumentResult]:
    while True:
        stream: Any = None
        try:
            with _noticing_close(connection):
                stream = await send_async(method, reading.request(), connection.metadata, reading.allowance)
                async for response in stream:
                    result = reading.result(response._pb)
                    if result is not None:
                        yield result
            return
        except GoogleAPICallError as error:
            connection.check_open(error)
            pause = reading.pause_after(error)
        except _sdk.UsageError as error:
            # So gRPC refuses to call on a channel that was closed.
            connection.check_open(error)
            raise
        finally:
            if stream is not None:
                stream.cancel()
        if reading.is_complete:
            return
        await asyncio.sleep(pause)
