"""The backend of the async twin. It only sends: requests and results are made in the modules that both twins share."""

from __future__ import annotations

from asyncio import sleep  # sync: from time import sleep
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from cendry._interop.grpc import Deadline, Method, check_process
from cendry._interop.grpc_aio import send
from cendry._interop.protobuf import check_read_time
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, ExplainResult, StoredDocument, WriteResult
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

from . import _sdk
from ._bulk import INITIAL_RATE, bulk_requests
from ._channel import Connection
from ._clients import AsyncClients
from ._commit import CommitAttempts, commit_result
from ._errors import meaning_of
from ._explain import ExplainedAggregation, ExplainedQuery
from ._requests import (
    aggregation_request,
    aggregation_result,
    begin_request,
    cuts_of,
    partition_request,
    rollback_request,
)
from ._stream import GetStream, QueryStream


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
    initial_rate = INITIAL_RATE

    def __init__(self, client: Any = None, *, project: str | None = None, database: str | None = None) -> None:
        super().__init__(client, project, database)

    def check_read_time(self, moment: datetime) -> None:
        """Check that a moment to read at is not in the future; a difference between clocks is allowed for."""
        check_read_time(moment)

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
        meaning = partial(meaning_of, collection=plan.query.collection, moment=plan.query.read_time)
        response = await _call(connection, connection.transport.aggregate, request, options, meaning)
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
        attempts = CommitAttempts(writes, connection.database, transaction)
        method, meaning = connection.transport.commit, attempts.meaning_of
        response = await _call(connection, method, attempts.request, options, meaning, attempts.may_repeat)
        return commit_result(response, writes)

    async def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        """Apply writes to different documents, each by itself, in one attempt: one result for each."""
        connection = self._connection
        method, deadline = connection.transport.batch_write, connection.deadline(options)
        waiting = bulk_requests(writes, connection.database)
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
        return results

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


async def _call(
    connection: Connection,
    method: Method,
    request: Any,
    options: CallOptions,
    meaning_of: Callable[[Any], BaseException | None] = meaning_of,
    may_repeat: Callable[[Any], bool] | None = None,
) -> Any:
    """Send a request that has one response."""
    return await _call_within(connection, method, request, connection.deadline(options), meaning_of, may_repeat)


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
        return await send(partial(method.start, request), deadline, method.policy, may_repeat)
    except _sdk.CALL_ERRORS as error:
        connection.raise_meaning(error, meaning_of)
        raise


async def _open(stream: GetStream | QueryStream | ExplainedAggregation) -> tuple[Any, Any]:
    """A call and its first response, or `EOF` if it has none: only with that it has proved to work.

    A single response comes without a stream.
    """
    transport, start, request = stream.connection.transport, stream.method.start, stream.request()

    async def attempt(seconds: float) -> tuple[Any, Any]:
        # It falls back to a stream after a time without an answer, which would be another attempt.
        is_single = stream.is_single and stream.deadline.has_retries
        if is_single and (get_single := transport.get_single) is not None:
            try:
                response = await get_single(request, seconds)
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

    return await send(attempt, stream.deadline, stream.method.policy)


async def _documents(stream: GetStream | QueryStream | ExplainedAggregation) -> AsyncIterator[StoredDocument]:
    """What a stream gives, over as many calls as it takes."""
    connection = stream.connection
    while True:
        if connection.is_inherited:
            check_process(connection.database_kind)
        call: Any = None
        try:
            call, response = await _open(stream)
            while response is not _sdk.EOF:
                result = stream.result(response)
                if result is not None:
                    yield result
                    if connection.is_inherited:
                        check_process(connection.database_kind)
                    if stream.needs_no_end and stream.is_complete:
                        break
                if call is None:
                    break
                response = await call.read()  # sync: response = next(call, _sdk.EOF)
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
