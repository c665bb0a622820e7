"""The backend of the async twin. It only sends: requests and results are made in the rooms that both twins share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, StoredDocument
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1 import AsyncClient

from . import _sdk
from ._calls import Allowance, failure_of, send_async
from ._channel import Connection, check_arguments
from ._commit import Outcome, commit_request, commit_result
from ._documents import encoder
from ._errors import translated
from ._requests import aggregation_request, aggregation_result, begin_request, rollback_request
from ._stream import GetReading, QueryReading
from ._transport import Method, Road

if TYPE_CHECKING:
    from cendry.codec import Codec


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
                opened = self._opened[loop] = Connection(client, is_async=True)
        return opened

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """What makes the stored fields of instances of a class: straight into a message, on the direct road."""
        try:
            connection = self._connection
        except RuntimeError:
            # A batch may be filled where no event loop runs, and without one there is no connection.
            return codec.encode
        return encoder(codec, connection.database) if connection.road.is_direct else codec.encode

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        method = connection.road.get
        return _stream(GetReading(plan, connection, transaction, Allowance(options, method.policy)), method, connection)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        connection = self._connection
        method = connection.road.run
        return _stream(
            QueryReading(plan, connection, transaction, Allowance(options, method.policy)), method, connection
        )

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        method, request = connection.road.aggregate, aggregation_request(plan, connection.database, transaction)

        async def attempt(seconds: float) -> Any:
            stream = await method.start(request, seconds)
            [found] = [found async for found in _messages(stream) if found.HasField("result")]
            return found

        with translated(collection=plan.query.collection), _noticing_close(connection):
            response = await send_async(attempt, Allowance(options, method.policy))
        return aggregation_result(plan, response, connection.database)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        method, request = connection.road.commit, commit_request(writes, connection.database, transaction)
        outcome = Outcome(request, writes, connection.database)

        async def attempt(seconds: float) -> Any:
            try:
                return await method.start(request, seconds)
            except _sdk.RpcError as raised:
                raise outcome.failed(_sdk.error_of_rpc(raised)) from raised
            except GoogleAPICallError as error:
                outcome.failed(error)
                raise

        with translated(writes=writes), outcome.told(), _noticing_close(connection):
            response = await send_async(attempt, Allowance(options, method.policy))
        return commit_result(response, writes)

    async def begin(
        self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS
    ) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        method = connection.road.begin
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        with translated(), _noticing_close(connection):
            response = await send_async(partial(method.start, request), Allowance(options, method.policy))
        return response.transaction

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        method, request = connection.road.rollback, rollback_request(connection.database, transaction)
        with translated(), _noticing_close(connection):
            await send_async(partial(method.start, request), Allowance(options, method.policy))

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


async def _messages(stream: Any) -> AsyncIterator[Any]:
    while (message := await stream.read()) is not _sdk.EOF:
        yield message


async def _close(connection: Connection) -> None:
    await connection.api.transport.close()


async def _open(road: Road, method: Method, reading: GetReading | QueryReading) -> tuple[Any, Any]:
    """A stream and its first message, or `EOF` for one that has none: only with that a call proves to have worked.

    Where one message is all there is, it comes without a stream.
    """
    request = reading.request()

    async def attempt(seconds: float) -> tuple[Any, Any]:
        if reading.is_of_one and (get_one := road.get_one) is not None:
            try:
                found = await get_one(request, seconds)
            except _sdk.RpcError as error:
                seconds = road.give_up_one(request, error, seconds)
            else:
                return None, _sdk.EOF if found is None else found
        stream = await method.start(request, seconds)
        return stream, await stream.read()

    return await send_async(attempt, reading.allowance)


async def _stream(
    reading: GetReading | QueryReading, method: Method, connection: Connection
) -> AsyncIterator[StoredDocument]:
    while True:
        stream: Any = None
        try:
            with _noticing_close(connection):
                stream, response = await _open(connection.road, method, reading)
                while response is not _sdk.EOF:
                    result = reading.result(response)
                    if result is not None:
                        yield result
                        if reading.needs_no_end and reading.is_complete:
                            break
                    response = _sdk.EOF if stream is None else await stream.read()
            if reading.goes_on():
                continue
            return
        except (_sdk.RpcError, GoogleAPICallError) as raised:
            error = failure_of(raised)
            connection.check_open(error)
            pause = reading.pause_after(error)
        except _sdk.UsageError as error:
            # So gRPC refuses to call on a channel that was closed.
            connection.check_open(error)
            raise
        finally:
            if stream is not None:
                stream.cancel()
        if reading.is_complete and not reading.goes_on():
            return
        await asyncio.sleep(pause)
