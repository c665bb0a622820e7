"""Transactions that begin with their first read: what is sent, and what becomes of first reads that fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    AsyncCendry,
    AsyncFirestoreBackend,
    AsyncTransaction,
    Cendry,
    Field,
    FirestoreBackend,
    Model,
    TransactionContentionError,
    field,
)
from cendry.backend import DEFAULT_OPTIONS
from cendry.errors import CendryError, InvalidRequestError
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Set
from cendry_firestore import _aio, _sync
from cendry_firestore._stream import GetStream
from cendry_memory.testing import Database
from cendry_memory.testing.driver import together
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import types

STATUS = grpc.StatusCode
COUNT = AggregationPlan(QueryPlan("c"))
LOCKED = 15.0
"""Seconds in which nothing is locked any more; a lock that is left behind lasts a minute."""

READS: dict[str, Callable[..., Any]] = {
    "BatchGetDocuments": lambda db, **options: db.get("c/a", **options),
    "RunQuery": lambda db, **options: db.run(QueryPlan("c"), **options),
    "RunAggregationQuery": lambda db, **options: db.aggregate(COUNT, **options),
}


class City(Model, collection="c"):
    n: Field[int] = field(default=0)


@pytest.fixture
def filled(faulty: FaultyServer, make_db: Callable[..., Database]) -> Database:
    """Two documents behind the server."""
    db = make_db()
    db.commit(Set("c/a", {"n": 1}), Set("c/b", {"n": 2}))
    faulty.calls.clear()
    faulty.requests.clear()
    return db


def sent(faulty: FaultyServer, method: str) -> list[Any]:
    """The requests of a method."""
    kind = getattr(types, f"{method}Request").pb()
    return [kind.FromString(request) for name, request in faulty.requests if name == method]


def selectors(faulty: FaultyServer, method: str) -> list[str]:
    """How the requests of a method name what they read."""
    return [request.WhichOneof("consistency_selector") for request in sent(faulty, method)]


# --- what begins a transaction, and what ends it ---


@pytest.mark.parametrize("method", READS)
def test_the_first_read_begins_the_transaction(filled: Database, faulty: FaultyServer, method: str) -> None:
    transaction = filled.begin()
    READS[method](filled, transaction=transaction)
    READS[method](filled, transaction=transaction)
    assert ["new_transaction", "transaction"] == selectors(faulty, method)
    filled.commit(Set("c/a", {"n": 3}), transaction=transaction)
    assert [method, method, "Commit"] == faulty.calls
    assert transaction.id == sent(faulty, "Commit")[0].transaction
    # Its locks are free.
    filled.commit(Set("c/a", {"n": 4}))


@pytest.mark.parametrize("method", READS)
def test_a_rollback_frees_what_was_read(filled: Database, faulty: FaultyServer, method: str) -> None:
    transaction = filled.begin()
    READS[method](filled, transaction=transaction)
    filled.rollback(transaction)
    assert [method, "Rollback"] == faulty.calls
    started = time.monotonic()
    filled.commit(Set("c/a", {"n": 4}))
    assert time.monotonic() - started < LOCKED


def test_an_empty_result_begins_it_too(filled: Database, faulty: FaultyServer) -> None:
    for read in (
        lambda **options: filled.get("c/none", **options),
        lambda **options: filled.run(QueryPlan("none"), **options),
    ):
        transaction = filled.begin()
        read(transaction=transaction)
        assert transaction.id
        filled.rollback(transaction)


def test_a_transaction_that_has_read_nothing_sends_nothing_of_its_own(filled: Database, faulty: FaultyServer) -> None:
    filled.rollback(filled.begin())
    assert () == filled.commit(transaction=filled.begin()).update_times
    assert [] == faulty.calls
    filled.commit(Set("c/a", {"n": 3}), transaction=filled.begin())
    assert ["Commit"] == faulty.calls
    assert b"" == sent(faulty, "Commit")[0].transaction


def test_an_attempt_names_the_one_before_it(filled: Database, faulty: FaultyServer) -> None:
    first = filled.begin()
    filled.get("c/a", transaction=first)
    filled.rollback(first)
    # One that was aborted before it had an id passes that of the one before it on.
    third = filled.begin(retry_of=filled.begin(retry_of=first))
    filled.get("c/a", transaction=third)
    options = [request.new_transaction.read_write for request in sent(faulty, "BatchGetDocuments")]
    assert [b"", first.id] == [each.retry_transaction for each in options]
    filled.rollback(third)


def test_after_the_end_nothing_is_sent(filled: Database, faulty: FaultyServer) -> None:
    for end in (filled.rollback, lambda ended: filled.commit(transaction=ended)):
        for read_only in (False, True):
            transaction = filled.begin(read_only=read_only)
            end(transaction)
            for use in (*READS.values(), lambda db, **options: db.commit(Set("c/a", {}), **options)):
                with pytest.raises(InvalidRequestError, match="the transaction has ended"):
                    use(filled, transaction=transaction)
    assert [] == faulty.calls


# --- first reads that fail ---


@pytest.mark.parametrize("method", READS)
def test_a_first_read_that_fails_may_be_repeated(filled: Database, faulty: FaultyServer, method: str) -> None:
    transaction = filled.begin()
    faulty.faults[method] = [Fault(STATUS.PERMISSION_DENIED)]
    with pytest.raises(exceptions.PermissionDenied):
        READS[method](filled, transaction=transaction)
    READS[method](filled, transaction=transaction)
    assert ["new_transaction", "new_transaction"] == selectors(faulty, method)
    filled.rollback(transaction)
    assert [method, method, "Rollback"] == faulty.calls


@pytest.mark.parametrize("method", READS)
def test_failures_that_pass_are_retried(filled: Database, faulty: FaultyServer, method: str) -> None:
    transaction = filled.begin()
    faulty.faults[method] = [Fault(STATUS.UNAVAILABLE), Fault(STATUS.UNAVAILABLE)]
    READS[method](filled, transaction=transaction)
    assert [method] * 3 == faulty.calls
    filled.commit(Set("c/new", {}), transaction=transaction)


@pytest.mark.parametrize("method", READS)
def test_a_first_read_that_is_aborted_leaves_nothing_to_end(
    filled: Database, faulty: FaultyServer, method: str
) -> None:
    transaction = filled.begin()
    faulty.faults[method] = [Fault(STATUS.ABORTED)]
    with pytest.raises(TransactionContentionError):
        READS[method](filled, transaction=transaction)
    filled.rollback(transaction)
    assert [method] == faulty.calls


@pytest.mark.parametrize(
    ("method", "answers"),
    [
        ("BatchGetDocuments", []),
        ("BatchGetDocuments", [types.BatchGetDocumentsResponse()]),
        ("RunQuery", []),
        ("RunQuery", [types.RunQueryResponse()]),
        ("RunAggregationQuery", [types.RunAggregationQueryResponse(result=types.AggregationResult())]),
    ],
)
def test_a_server_that_begins_no_transaction_is_not_trusted(
    filled: Database, faulty: FaultyServer, method: str, answers: list[Any]
) -> None:
    faulty.answers[method] = [type(answer).serialize(answer) for answer in answers]
    with pytest.raises(CendryError, match="without beginning it"):
        READS[method](filled, transaction=filled.begin())


def test_a_stream_that_breaks_after_it_began_the_transaction_leaves_an_end_to_it(
    filled: Database, faulty: FaultyServer
) -> None:
    transaction = filled.begin()
    faulty.faults["RunQuery"] = [Fault(STATUS.UNAVAILABLE, after=2)]
    with pytest.raises(exceptions.ServiceUnavailable):
        filled.run(QueryPlan("c"), transaction=transaction)
    filled.rollback(transaction)
    assert ["RunQuery", "Rollback"] == faulty.calls


def test_a_first_stream_may_be_broken_off(filled: Database, faulty: FaultyServer) -> None:
    transaction = filled.begin()
    stream = filled.stream(QueryPlan("c"), transaction=transaction)
    assert "c/a" == next(stream).path
    stream.close()
    [found] = filled.get("c/b", transaction=transaction)
    assert {"n": 2} == found.data
    filled.commit(Set("c/a", {"n": 5}), transaction=transaction)
    assert {"n": 5} == filled.data("c/a")
    started = time.monotonic()
    filled.commit(Set("c/a", {"n": 6}), Set("c/b", {"n": 6}))
    assert time.monotonic() - started < LOCKED


# --- first reads at the same time ---


def test_of_first_reads_at_the_same_time_one_begins_and_others_wait(filled: Database, faulty: FaultyServer) -> None:
    transaction = filled.begin()
    faulty.faults["BatchGetDocuments"] = [Fault(STATUS.UNAVAILABLE)]
    together(*[lambda: filled.get("c/a", "c/b", transaction=transaction)] * 5)
    assert ["new_transaction"] * 2 + ["transaction"] * 4 == selectors(faulty, "BatchGetDocuments")
    filled.commit(Set("c/a", {"n": 7}), transaction=transaction)
    assert 7 == len(faulty.calls)


def test_if_the_first_read_fails_another_one_begins(filled: Database, faulty: FaultyServer) -> None:
    transaction = filled.begin()
    faulty.faults["BatchGetDocuments"] = [Fault(STATUS.PERMISSION_DENIED)]
    failed: list[BaseException] = []

    def read() -> None:
        try:
            filled.get("c/a", "c/b", transaction=transaction)
        except exceptions.PermissionDenied as error:
            failed.append(error)

    together(*[read] * 4)
    assert 1 == len(failed)
    assert ["new_transaction"] * 2 + ["transaction"] * 2 == selectors(faulty, "BatchGetDocuments")
    filled.rollback(transaction)


def test_the_end_waits_for_a_first_read_under_way(filled: Database, faulty: FaultyServer) -> None:
    transaction = filled.begin()
    slow = Fault(STATUS.OK, pause=1.0)
    faulty.faults["BatchGetDocuments"] = [slow]
    faulty.answers["BatchGetDocuments"] = []
    outcomes: list[Any] = []

    def read() -> None:
        try:
            filled.get("c/a", "c/b", transaction=transaction)
        except CendryError as error:
            outcomes.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    assert slow.reached.wait(60)
    del faulty.answers["BatchGetDocuments"]
    filled.rollback(transaction)
    reading.join()
    assert 1 == len(outcomes)
    assert ["BatchGetDocuments"] == faulty.calls


def test_a_transaction_that_began_too_late_is_rolled_back(
    filled: Database, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_aio, _sync):
        monkeypatch.setattr(module, "PATIENCE", 0.05)
    transaction = filled.begin()
    faulty.faults["BatchGetDocuments"] = [slow] = [Fault(STATUS.OK, after=None)]
    outcomes: list[Any] = []

    def read() -> None:
        try:
            filled.get("c/a", "c/b", transaction=transaction)
        except InvalidRequestError as error:
            outcomes.append(error)

    # The server has no answer until it is stopped: it waits with the first message.
    faulty.hold.add("BatchGetDocuments")
    reading = threading.Thread(target=read)
    reading.start()
    assert faulty.held.wait(60)
    filled.rollback(transaction)
    assert transaction.has_ended
    faulty.hold.clear()
    faulty.release.set()
    reading.join()
    slow.reached.clear()
    assert [InvalidRequestError] == [type(each) for each in outcomes]
    assert "Rollback" == faulty.calls[-1]
    started = time.monotonic()
    filled.commit(Set("c/a", {"n": 6}))
    assert time.monotonic() - started < LOCKED


# --- cancelled first reads ---


@pytest.fixture
async def actx(faulty: FaultyServer, project: str) -> AsyncIterator[AsyncCendry]:
    async with AsyncCendry(backend=AsyncFirestoreBackend(project=project)) as ctx:
        await ctx.save_many([City(id="a", n=1), City(id="b", n=2)])
        faulty.calls.clear()
        yield ctx


async def test_a_transaction_that_is_cancelled_in_its_first_read_leaves_no_lock(
    actx: AsyncCendry, faulty: FaultyServer
) -> None:
    async def work(txn: AsyncTransaction) -> None:
        await txn.get(City, "a")

    faulty.hold.add("BatchGetDocuments")
    task = asyncio.create_task(actx.transaction(work))
    assert await asyncio.to_thread(faulty.held.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    faulty.hold.clear()
    faulty.release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["BatchGetDocuments", "Rollback"] == faulty.calls
    started = time.monotonic()
    await actx.update(City, "a", {"n": 3})
    assert time.monotonic() - started < LOCKED


async def test_of_several_first_reads_one_may_be_cancelled(actx: AsyncCendry, faulty: FaultyServer) -> None:
    async def work(txn: AsyncTransaction) -> int:
        faulty.hold.add("BatchGetDocuments")
        first = asyncio.create_task(txn.get(City, "a"))
        await asyncio.to_thread(faulty.held.wait, 10)
        other = asyncio.create_task(txn.get(City, "b"))
        first.cancel()
        await asyncio.sleep(0)
        faulty.hold.clear()
        faulty.release.set()
        city = await other
        txn.update(city, {City.n: city.n + 1})
        return city.n

    assert 2 == await actx.transaction(work)
    assert ["new_transaction", "transaction"] == selectors(faulty, "BatchGetDocuments")[:2]
    assert 3 == (await actx.get(City, "b")).n


async def test_a_cancelled_first_read_that_gets_no_answer_is_given_up(
    actx: AsyncCendry, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_aio, "PATIENCE", 0.05)

    async def work(txn: AsyncTransaction) -> None:
        await txn.get(City, "a")

    faulty.hold.add("BatchGetDocuments")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.ensure_future(actx.transaction(work)), 0.3)
    await asyncio.to_thread(faulty.held.wait, 10)
    faulty.hold.clear()
    faulty.release.set()
    assert "Rollback" not in faulty.calls


async def test_first_reads_under_gather(actx: AsyncCendry, faulty: FaultyServer) -> None:
    async def work(txn: AsyncTransaction) -> int:
        a, b, count = await asyncio.gather(txn.get(City, "a"), txn.get(City, "b"), txn.select(City).count())
        txn.update(a, {City.n: b.n + count})
        return b.n + count

    faulty.requests.clear()
    assert 4 == await actx.transaction(work)
    assert 4 == len(faulty.calls)
    assert 4 == (await actx.get(City, "a")).n
    begun = [one for method in READS for one in selectors(faulty, method) if one == "new_transaction"]
    assert 1 == len(begun)


async def test_a_function_that_fails_beside_a_first_read_leaves_no_lock(
    actx: AsyncCendry, faulty: FaultyServer
) -> None:
    reading: list[asyncio.Task[City]] = []

    async def work(txn: AsyncTransaction) -> None:
        reading.append(asyncio.create_task(txn.get(City, "a")))
        await asyncio.sleep(0)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await actx.transaction(work)
    await asyncio.gather(*reading, return_exceptions=True)
    assert ["BatchGetDocuments", "Rollback"] == faulty.calls
    started = time.monotonic()
    await actx.update(City, "a", {"n": 3})
    assert time.monotonic() - started < LOCKED


# --- read-only transactions ---


@pytest.mark.parametrize("method", READS)
def test_a_read_only_transaction_reads_at_the_moment_of_its_first_read(
    filled: Database, faulty: FaultyServer, method: str
) -> None:
    transaction = filled.begin(read_only=True)
    first = READS[method](filled, transaction=transaction)
    filled.commit(Set("c/a", {"n": 9}), Set("c/z", {"n": 9}))
    again = READS[method](filled, transaction=transaction)
    shown = [each if method == "RunAggregationQuery" else (each.path, each.data) for each in first]
    assert shown == [each if method == "RunAggregationQuery" else (each.path, each.data) for each in again]
    filled.rollback(transaction)
    assert [method, "Commit", method] == faulty.calls
    assert [None, "read_time"] == selectors(faulty, method)
    with pytest.raises(InvalidRequestError, match="ended"):
        filled.commit(transaction=transaction)


def test_a_read_only_transaction_takes_no_writes(filled: Database, faulty: FaultyServer) -> None:
    with pytest.raises(InvalidRequestError, match="a read-only transaction takes no writes"):
        filled.commit(Set("c/a", {}), transaction=filled.begin(read_only=True))
    assert [] == faulty.calls


def test_a_read_only_transaction_goes_on_after_a_break(filled: Database, faulty: FaultyServer) -> None:
    transaction = filled.begin(read_only=True)
    faulty.faults["RunQuery"] = [Fault(STATUS.UNAVAILABLE, after=1)]
    stream = filled.stream(QueryPlan("c"), transaction=transaction)
    assert "c/a" == next(stream).path
    filled.commit(Set("c/b", {"n": 9}))
    assert [("c/b", {"n": 2})] == [(each.path, each.data) for each in stream]
    assert ["RunQuery", "Commit", "RunQuery"] == faulty.calls


def test_a_read_with_a_moment_of_its_own_stands_outside(filled: Database, faulty: FaultyServer) -> None:
    [read] = filled.get("c/a")
    faulty.requests.clear()
    for read_only in (False, True):
        transaction = filled.begin(read_only=read_only)
        assert read.read_time is not None
        filled.run(QueryPlan("c", read_time=read.read_time), transaction=transaction)
        filled.aggregate(AggregationPlan(QueryPlan("c", read_time=read.read_time)), transaction=transaction)
        filled.get_plan(GetPlan(("c/a",), read_time=read.read_time), transaction=transaction)
        assert not transaction.is_begun
    assert {"read_time"} == {one for method in READS for one in selectors(faulty, method)}


# A long read may move on to later moments; no emulator does.
T1 = datetime(2026, 5, 1, tzinfo=timezone.utc)
T2 = T1 + timedelta(seconds=1)


def found(name: str, moment: datetime) -> types.RunQueryResponse:
    document = types.Document(name=f"projects/p/databases/(default)/documents/c/{name}", create_time=T1, update_time=T1)
    return types.RunQueryResponse(document=document, read_time=moment)


def test_a_first_stream_that_moves_on_takes_the_transaction_with_it(filled: Database, faulty: FaultyServer) -> None:
    faulty.answers["RunQuery"] = [
        types.RunQueryResponse.serialize(each) for each in (types.RunQueryResponse(), found("a", T1), found("b", T2))
    ]
    transaction = filled.begin(read_only=True)
    assert 2 == len(filled.run(QueryPlan("c"), transaction=transaction))
    assert T2 == transaction.moment


def test_a_first_stream_stays_at_the_moment_of_reads_that_came_after_it(filled: Database, faulty: FaultyServer) -> None:
    serialize = types.RunQueryResponse.serialize
    faulty.answers["RunQuery"] = [serialize(found("a", T1)), serialize(found("b", T2))]
    faulty.answers["RunAggregationQuery"] = [
        types.RunAggregationQueryResponse.serialize(
            types.RunAggregationQueryResponse(result=types.AggregationResult(), read_time=T1)
        )
    ]
    transaction = filled.begin(read_only=True)
    stream = filled.stream(QueryPlan("c"), transaction=transaction)
    next(stream)
    filled.aggregate(COUNT, transaction=transaction)
    faulty.answers["RunQuery"] = [serialize(found("b", T1))]
    assert 1 == len(list(stream))
    assert [None, "read_time"] == selectors(faulty, "RunQuery")
    [_, rest] = sent(faulty, "RunQuery")
    assert rest.structured_query.start_at.values[0].reference_value.endswith("/c/a")
    assert T1 == transaction.moment


def test_documents_of_a_first_read_at_several_moments_are_read_again(backend: FirestoreBackend) -> None:
    connection = backend._connection

    def answer(name: str, moment: datetime) -> Any:
        document = types.Document(name=f"{connection.database}/documents/c/{name}", create_time=T1, update_time=T1)
        return types.BatchGetDocumentsResponse.pb(types.BatchGetDocumentsResponse(found=document, read_time=moment))

    transaction = backend.begin(read_only=True)
    stream = GetStream(GetPlan(("c/a", "c/b")), connection, transaction, DEFAULT_OPTIONS)
    assert stream.request().WhichOneof("consistency_selector") is None
    first = stream.result(answer("a", T1))
    assert first is not None
    # Another read is sent for that moment.
    transaction.fill(types.RunQueryRequest.pb()())
    assert stream.result(answer("b", T2)) is None
    assert stream.has_drifted
    assert stream.goes_on()
    rest = stream.request()
    assert [f"{connection.database}/documents/c/b"] == rest.documents
    assert T1 == rest.read_time.ToDatetime(tzinfo=timezone.utc)
    second = stream.result(answer("b", T1))
    assert second is not None
    assert (["c/a", "c/b"], False) == ([first.path, second.path], stream.goes_on())


# --- contexts ---


def test_contention_is_tried_again_wherever_it_strikes(faulty: FaultyServer, project: str) -> None:
    with Cendry(backend=FirestoreBackend(project=project)) as ctx:
        ctx.save(City(id="a", n=1))
        for method in ("BatchGetDocuments", "Commit"):
            faulty.calls.clear()
            faulty.requests.clear()
            faulty.faults[method] = [Fault(STATUS.ABORTED), Fault(STATUS.ABORTED)]

            def grow(txn: Any) -> int:
                city = txn.get(City, "a")
                txn.update(city, {City.n: city.n + 1})
                return int(city.n)

            ctx.transaction(grow)
            assert 3 == faulty.calls.count("BatchGetDocuments")
            options = [each.new_transaction.read_write for each in sent(faulty, "BatchGetDocuments")]
            # An aborted first read has no id to name.
            assert [False, *[method == "Commit"] * 2] == [bool(each.retry_transaction) for each in options]
        assert 3 == ctx.get(City, "a").n
