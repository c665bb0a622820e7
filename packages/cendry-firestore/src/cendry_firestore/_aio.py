"""The backend of the async twin. It only sends: requests and results are made in the modules that both twins share."""

from __future__ import annotations

import asyncio  # async-only
from asyncio import Lock, sleep  # sync: from threading import Lock
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

# sync: from time import sleep
from typing import Any, Final

from cendry._interop.grpc import Deadline, Method, check_process
from cendry._interop.grpc_aio import send
from cendry._interop.protobuf import check_read_time
from cendry._urls import DatabaseUrl, project_and_database
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, ExplainResult, StoredDocument, WriteResult
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

from . import _sdk
from ._bulk import INITIAL_RATE, bulk_requests, in_order
from ._channel import Connection
from ._clients import AsyncClients
from ._commit import CommitAttempts, commit_result
from ._errors import meaning_of
from ._explain import ExplainedAggregation, ExplainedQuery
from ._requests import aggregation_request, aggregation_result, cuts_of, partition_request, rollback_request
from ._single import single_request, single_result  # async-only
from ._stream import GetStream, QueryStream, query_stream
from ._threads import ThreadedCall
from ._transactions import PATIENCE, TransactionHandle


class AsyncFirestoreBackend(AsyncClients):
    """Firestore, for `AsyncCendry`.

    Args:
        client: A `google.cloud.firestore.AsyncClient`, which stays open when this is closed. Without it one is made
            at first use in each event loop, from the default credentials or for the emulator that
            `FIRESTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of clients that are made.
        database: The id of their database; `None` for the default one.

    Raises:
        TypeError: The client is that of the other twin or not a client at all, or comes together with `project` or
            `database`.
    """

    name = "Firestore"
    system = "gcp.firestore"
    initial_rate = INITIAL_RATE

    def __init__(self, client: Any = None, *, project: str | None = None, database: str | None = None) -> None:
        super().__init__(client, project, database)

    @classmethod
    def opener(cls, url: DatabaseUrl) -> Callable[[], AsyncFirestoreBackend]:
        """A function that makes the backend of a URL, which is checked now: `firestore://PROJECT/DATABASE`."""
        project, database = project_and_database(url)
        url.check_query()
        return partial(cls, project=project, database=database)

    def check_read_time(self, moment: datetime) -> None:
        """Check that a moment to read at is not in the future; a difference between clocks is allowed for."""
        check_read_time(moment)

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        if transaction is None and plan.read_time is None and len(plan.paths) == 1:  # async-only
            return _SingleRead(plan, self._connection, options)
        return _documents(GetStream(plan, self._connection, transaction, options))

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        return _documents(query_stream(plan, self._connection, transaction, options))

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        method = connection.transport.aggregate
        meaning = partial(meaning_of, collection=plan.query.collection, moment=plan.query.read_time)

        async def read() -> tuple[None, Any]:
            request = aggregation_request(plan, connection.database, transaction)
            return None, await _call(connection, method, request, options, meaning)

        if transaction is None or plan.query.read_time is not None:
            _, response = await read()
        else:
            _, response = await _inside(transaction, read, connection)
        return aggregation_result(plan, response, connection.database)

    async def explain(
        self,
        plan: QueryPlan | AggregationPlan,
        *,
        analyze: bool,
        options: CallOptions = DEFAULT_OPTIONS,
        transaction: Any = None,
    ) -> ExplainResult:
        """Explain how a query is run, and with `analyze` run it.

        Raises:
            UnsupportedByBackendError: The server runs it without an explanation, as the emulator does.
        """
        connection = self._connection
        stream: ExplainedQuery | ExplainedAggregation
        if isinstance(plan, AggregationPlan):
            stream = ExplainedAggregation(plan, connection, transaction, options, analyze)
        else:
            stream = ExplainedQuery(plan, connection, transaction, options, analyze)
        return stream.explanation([document async for document in _documents(stream)])

    async def partition(self, plan: QueryPlan, count: int, *, options: CallOptions = DEFAULT_OPTIONS) -> list[str]:
        """Find the paths at which up to `count` parts of a query begin; none if the server can't, as the emulator."""
        connection = self._connection
        request = partition_request(plan, count, connection.database)
        meaning = partial(meaning_of, collection=plan.collection, moment=plan.read_time)
        deadline = connection.deadline(options)
        paths: list[str] = []
        while True:
            try:
                response = await _call_within(connection, connection.transport.partition, request, deadline, meaning)
            except _sdk.MethodNotImplemented:
                return []
            paths += cuts_of(response, connection.database)
            if not response.next_page_token:
                return paths
            request.page_token = response.next_page_token

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        begun: bytes | None = None
        if transaction is not None:
            await _settle(transaction)
            transaction.check_commit(writes)
            begun = transaction.id
        if transaction is None or writes or begun:
            attempts = CommitAttempts(writes, connection.database, begun)
            method, meaning = connection.transport.commit, attempts.meaning_of
            response = await _call(connection, method, attempts.request, options, meaning, attempts.may_repeat)
            result = commit_result(response, writes)
        else:
            result = CommitResult(())
        if transaction is not None:
            transaction.has_ended = True
        return result

    async def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        """Apply writes to different documents, each by itself, in one attempt: one result for each."""
        connection = self._connection
        method, deadline = connection.transport.batch_write, connection.deadline(options)
        waiting, refused = bulk_requests(writes, connection.database)
        results: list[WriteResult] = []
        while waiting:
            bulk = waiting.pop(0)
            try:
                start = partial(method.start, bulk.request)
                response = await send(start, deadline, method.policy, connection.is_unreached)
            except _sdk.CALL_ERRORS as raised:
                error = connection.call_error(raised)
                # Results are kept, and would keep the request by the traceback.
                error.__traceback__ = raised.__traceback__ = None
                # One write that is malformed is the end of all that are sent with it.
                parts = bulk.split(error)
                if not parts:
                    results += bulk.failures(error, deadline)
                waiting[:0] = parts
            else:
                results += bulk.results(response, deadline)
        return in_order(results, refused)

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction, which its first read begins."""
        return TransactionHandle(Lock(), read_only, retry_of)

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing; if it has read nothing or is read-only, nothing is sent."""
        await _settle(transaction)
        transaction.has_ended = True
        if transaction.id is not None:
            await _roll_back(self._connection, transaction.id, options)


def _call(
    connection: Connection,
    method: Method,
    request: Any,
    options: CallOptions,
    meaning_of: Callable[[Any], BaseException | None] = meaning_of,
    may_repeat: Callable[[Any], bool] | None = None,
) -> Awaitable[Any]:
    """Send a request that has one response."""
    return _call_within(connection, method, request, connection.deadline(options), meaning_of, may_repeat)


async def _call_within(
    connection: Connection,
    method: Method,
    request: Any,
    deadline: Deadline,
    meaning_of: Callable[[Any], BaseException | None],
    may_repeat: Callable[[Any], bool] | None = None,
) -> Any:
    """Send a request that has one response, as one of several within a deadline."""
    try:
        response = await send(partial(method.start, request), deadline, method.policy, may_repeat)
        if response is not None:
            return response
        # gRPC gives it for a message that can't be parsed, and for one that a server leaves out.
        missing = _sdk.unparsed()
        if may_repeat is not None:
            may_repeat(missing)
        raise missing
    except _sdk.CALL_ERRORS as error:
        connection.raise_meaning(error, meaning_of)
        raise


async def _roll_back(connection: Connection, transaction: bytes, options: CallOptions) -> None:
    request = rollback_request(connection.database, transaction)
    await _call(connection, connection.transport.rollback, request, options)


async def _inside(
    transaction: TransactionHandle, read: Callable[[], Awaitable[tuple[Any, Any]]], connection: Connection
) -> tuple[Any, Any]:
    """Send a read of a transaction. The first one begins it; others wait for that.

    Args:
        transaction: The transaction.
        read: Sends the read; returns its call, if that goes on, and its first response.
        connection: Where it is sent.
    """
    transaction.check_open()
    if not transaction.is_begun:
        first = await _kept(transaction, read, connection)  # sync: first = _first(transaction, read, connection)
        if first is not None:
            return first
    return await read()


async def _first(
    transaction: TransactionHandle, read: Callable[[], Awaitable[tuple[Any, Any]]], connection: Connection
) -> tuple[Any, Any] | None:
    """Send the first read of a transaction, unless it was begun meanwhile."""
    async with transaction.gate:
        if transaction.is_begun:
            return None
        transaction.check_open()
        call, response = await read()
        try:
            transaction.begin_by(response)
            if transaction.has_ended and transaction.id is not None:
                # Nobody else ends it any more.
                await _roll_back(connection, transaction.id, DEFAULT_OPTIONS)
            transaction.check_open()
        except BaseException:
            if call is not None:
                connection.transport.release(call)
            raise
        return call, response


async def _kept(  # async-only
    transaction: TransactionHandle, read: Callable[[], Awaitable[tuple[Any, Any]]], connection: Connection
) -> tuple[Any, Any] | None:
    """Send the first read of a transaction, and keep it if the caller is cancelled.

    Then it goes on until the id of the transaction is known, which it may have begun, and which holds locks.
    """
    first = _first(transaction, read, connection)
    if transaction.is_read_only:
        return await first
    reading = asyncio.ensure_future(first)
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        if not reading.done():
            transaction.reading = reading
            reading.add_done_callback(partial(_release_kept, connection))
        raise


def _release_kept(connection: Connection, reading: asyncio.Future[Any]) -> None:  # async-only
    if not reading.cancelled() and reading.exception() is None and (found := reading.result()) is not None:
        connection.transport.release(found[0])


async def _settle(transaction: TransactionHandle) -> None:
    """Wait for a first read that is under way, so that the transaction which it begins can be ended."""
    if not transaction.gate.locked():
        return
    # sync: if transaction.gate.acquire(timeout=PATIENCE):
    # sync:     transaction.gate.release()
    try:  # async-only
        await asyncio.wait_for(transaction.gate.acquire(), PATIENCE)
        transaction.gate.release()
    except asyncio.TimeoutError:
        if transaction.reading is not None:
            transaction.reading.cancel()


class _SingleRead(AsyncIterator[StoredDocument]):  # async-only
    """The read of one document in the present, outside of transactions.

    `only` takes it without a generator and what else the documents of a stream need.

    Args:
        plan: The path of the document.
        connection: Where it is read.
        options: The options of the operation.
    """

    __slots__ = ("_connection", "_documents", "_options", "_plan")

    def __init__(self, plan: GetPlan, connection: Connection, options: CallOptions) -> None:
        self._plan = plan
        self._connection = connection
        self._options = options
        self._documents: AsyncIterator[StoredDocument] | None = None

    async def __anext__(self) -> StoredDocument:
        if self._documents is None:
            self._documents = _documents(GetStream(self._plan, self._connection, None, self._options))
        return await anext(self._documents)

    async def only(self) -> StoredDocument:
        """The document, or that it is absent.

        Raises:
            InternalServerError: The server says neither.
        """
        connection, plan = self._connection, self._plan
        deadline = connection.deadline(self._options)
        get_single = connection.transport.get_single
        tried: tuple[float, Any] | None = None
        if get_single is not None and deadline.has_retries and not connection.is_inherited:
            # The first attempt, as `_open` makes it.
            seconds = deadline.begin(connection.transport.get.policy)
            try:
                response = await get_single(single_request(plan, connection.database), seconds)
            except _sdk.STREAM_ERRORS as error:
                tried = seconds, error
            else:
                result = None if response is None else single_result(response, connection)
                if result is None:
                    raise _sdk.unparsed()
                return result
        stream = GetStream(plan, connection, None, self._options, deadline)
        stream.tried = tried
        found = [each async for each in _documents(stream)]
        if not found:
            raise _sdk.unparsed()
        return found[0]


async def _open(stream: GetStream | QueryStream | ExplainedAggregation) -> tuple[Any, Any]:
    """A call and its first response, or `EOF` if it has none: only with that it has proved to work.

    A single response comes without a stream.
    """
    transport, start, request = stream.connection.transport, stream.method.start, stream.request()
    if stream.is_large and (threads := stream.connection.read_threads()) is not None:  # async-only
        start = threads.start_of(stream.kind) or start

    tried, stream.tried = stream.tried, None  # async-only
    errors = [] if tried is None else [tried[1]]  # async-only

    async def attempt(seconds: float) -> tuple[Any, Any]:
        # It falls back to a stream after a time without an answer, which would be another attempt.
        is_single = stream.is_single and stream.deadline.has_retries
        if is_single and (get_single := transport.get_single) is not None:
            try:
                if errors:  # async-only
                    raise errors.pop()
                response = await get_single(request.SerializeToString(), seconds)
            except _sdk.RpcError as error:
                seconds = transport.stream_instead(request, error, seconds, stream.deadline)
            else:
                return None, _sdk.EOF if response is None else response
        call = await start(request, seconds)
        try:
            return call, await call.read()  # sync: return call, next(call, _sdk.EOF)
        except BaseException:
            transport.release(call)
            raise

    # sync: return send(attempt, stream.deadline, stream.method.policy)
    return await send(attempt, stream.deadline, stream.method.policy, begun=tried and tried[0])  # async-only


_NOTHING_READY: Final[list[Any]] = []  # async-only


async def _documents(stream: GetStream | QueryStream | ExplainedAggregation) -> AsyncIterator[StoredDocument]:
    """What a stream gives, over as many calls as it takes."""
    connection = stream.connection
    while True:
        if connection.is_inherited:
            check_process(connection.database_kind)
        call: Any = None
        try:
            if stream.transaction is None:
                call, response = await _open(stream)
            else:
                call, response = await _inside(stream.transaction, partial(_open, stream), connection)
            ready = call.ready if isinstance(call, ThreadedCall) else _NOTHING_READY  # async-only
            while response is not _sdk.EOF:
                if response is None:  # async-only
                    raise _sdk.unparsed()
                result = stream.result(response)
                if result is not None:
                    yield result
                    if connection.is_inherited:
                        check_process(connection.database_kind)
                    if stream.needs_no_end and stream.is_complete:
                        break
                elif stream.has_drifted:
                    break
                if call is None:
                    break
                response = ready.pop() if ready else await call.read()  # sync: response = next(call, _sdk.EOF)
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
        await sleep(pause)
