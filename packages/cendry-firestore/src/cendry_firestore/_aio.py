"""The backend of the async twin. It only sends: requests and results are made in the modules that both twins share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cendry._interop.grpc import Deadline, Method
from cendry._interop.grpc_aio import send
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, StoredDocument
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.cloud.firestore_v1 import AsyncClient

from . import _sdk
from ._channel import Connection, check_arguments
from ._commit import CommitAttempts, commit_result
from ._errors import meaning_of
from ._requests import aggregation_request, aggregation_result, begin_request, rollback_request
from ._stream import GetStream, QueryStream

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
        """A function from an instance to its stored fields, as `commit` sends them."""
        try:
            connection = self._connection
        except RuntimeError:
            # A batch may be filled where no event loop runs, and without one there is no connection.
            return codec.encode
        return connection.encoder(codec)

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        return _documents(GetStream(plan, self._connection, transaction, options))

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        return _documents(QueryStream(plan, self._connection, transaction, options))

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        request = aggregation_request(plan, connection.database, transaction)
        meaning = partial(meaning_of, collection=plan.query.collection)
        response = await _call(connection, connection.transport.aggregate, request, options, meaning)
        return aggregation_result(plan, response, connection.database)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        attempts = CommitAttempts(writes, connection.database, transaction)
        method, meaning = connection.transport.commit, attempts.meaning_of
        response = await _call(connection, method, attempts.request, options, meaning, attempts.failed)
        return commit_result(response, writes)

    async def begin(
        self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS
    ) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        response = await _call(connection, connection.transport.begin, request, options)
        return response.transaction

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        request = rollback_request(connection.database, transaction)
        await _call(connection, connection.transport.rollback, request, options)

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
                await connection.close_async()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(connection.close_async(), loop)
                await asyncio.wrap_future(closing)
            # Else the loop has ended, and with it the channel can't be awaited; it closes when it is collected.


async def _call(
    connection: Connection,
    method: Method,
    request: Any,
    options: CallOptions,
    meaning_of: Callable[[Any], BaseException | None] = meaning_of,
    on_failure: Callable[[Any], None] | None = None,
) -> Any:
    """Send a request that has one response."""
    deadline = Deadline(options.timeout, options.retry)
    try:
        return await send(partial(method.start, request), deadline, method.policy, on_failure)
    except _sdk.CALL_ERRORS as error:
        connection.raise_meaning(error, meaning_of)
        raise


async def _open(stream: GetStream | QueryStream) -> tuple[Any, Any]:
    """A call and its first response, or `EOF` if it has none: only with that it has proved to work.

    A single response comes without a stream.
    """
    transport, start, request = stream.connection.transport, stream.method.start, stream.request()

    async def attempt(seconds: float) -> tuple[Any, Any]:
        if stream.is_single and (get_single := transport.get_single) is not None:
            try:
                response = await get_single(request, seconds)
            except _sdk.RpcError as error:
                seconds = transport.stream_instead(request, error, seconds)
            else:
                return None, _sdk.EOF if response is None else response
        call = await start(request, seconds)
        try:
            return call, await call.read()
        except BaseException:
            transport.release(call)
            raise

    return await send(attempt, stream.deadline, stream.method.policy)


async def _documents(stream: GetStream | QueryStream) -> AsyncIterator[StoredDocument]:
    """What a stream gives, over as many calls as it takes."""
    connection = stream.connection
    while True:
        call: Any = None
        try:
            call, response = await _open(stream)
            while response is not _sdk.EOF:
                result = stream.result(response)
                if result is not None:
                    yield result
                    if stream.needs_no_end and stream.is_complete:
                        break
                response = _sdk.EOF if call is None else await call.read()
            if stream.goes_on():
                continue
            return
        except _sdk.STREAM_ERRORS as raised:
            pause = stream.pause_after(connection.stream_error(raised))
        finally:
            if call is not None:
                connection.transport.release(call)
        if stream.is_complete and not stream.goes_on():
            return
        await asyncio.sleep(pause)
