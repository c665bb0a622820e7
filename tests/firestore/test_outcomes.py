"""What is sent when the answers to commits are lost, counted by a server before the emulator; what callers learn."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    AsyncCendry,
    Cendry,
    Field,
    Increment,
    Maximum,
    Minimum,
    Model,
    OutcomeUnknownError,
    field,
    get_metadata,
)
from cendry.backend import CallOptions
from cendry.errors import CendryError, TransactionContentionError
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, Create, Delete, FieldTransform, QueryPlan, Set, Update, Write
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend
from cendry_firestore._transport import GENERATED_VARIABLE
from cendry_memory.emulator import known
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from soak.proxy import Proxy

STATUS = grpc.StatusCode
LOST = [
    STATUS.UNAVAILABLE,
    STATUS.DEADLINE_EXCEEDED,
    STATUS.INTERNAL,
    STATUS.UNKNOWN,
    STATUS.CANCELLED,
    STATUS.DATA_LOSS,
]
X = FieldPath("x")


class Counter(Model, collection="c"):
    x: Field[int] = field(default=0)
    tags: Field[list[str]] = field(default_factory=list)
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True)


class Lost:
    """Lets the answers of commits get lost."""

    def __init__(self, faulty: FaultyServer) -> None:
        self.faulty = faulty

    def answer(self, code: Any = STATUS.UNAVAILABLE, *more: Fault, after: int = 1) -> None:
        """The next commit is applied (`after=1`) or not, its answer is lost, and `more` happens to those after it."""
        self.faulty.calls.clear()
        self.faulty.faults["Commit"] = [Fault(code, "Socket closed", after=after), *more]

    @property
    def commits(self) -> int:
        return self.faulty.calls.count("Commit")


@pytest.fixture
def lost(faulty: FaultyServer) -> Lost:
    return Lost(faulty)


def transform(change: Any) -> Update:
    return Update("c/a", {}, (), (FieldTransform(X, change),))


def policy(db: Database, **arguments: Any) -> CallOptions:
    return CallOptions(retry=(AsyncRetry if db.is_async else Retry)(**arguments))


# --- which commits are sent again ---


@pytest.mark.parametrize("generated", ["0", "1"])
@pytest.mark.parametrize("code", LOST)
def test_an_increment_is_never_sent_twice(
    lost: Lost, make_db: Callable[..., Database], code: Any, generated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GENERATED_VARIABLE, generated)
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    for options in (CallOptions(), policy(db, predicate=lambda error: True, initial=0.01)):
        db.commit(Set("c/a", {"x": 1}))
        lost.answer(code)
        with pytest.raises(OutcomeUnknownError, match="'c/a' was applied is unknown.*Socket closed") as caught:
            db.commit(transform(Increment(1)), options=options)
        assert code is caught.value.__cause__.grpc_status_code  # type: ignore[union-attr]
        assert ("c/a",) == caught.value.paths
        assert 1 == lost.commits
        assert {"x": 2} == db.data("c/a")


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ([1], ArrayUnion([1, 2]), [1, 2]),
        ([1, 2], ArrayRemove([1]), [2]),
        (1, Maximum(5), 5),
        (9, Minimum(5), 5),
    ],
)
def test_an_idempotent_transform_is_sent_again(
    lost: Lost, make_db: Callable[..., Database], before: Any, change: Any, after: Any
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": before}))
    lost.answer()
    db.commit(transform(change))
    assert 2 == lost.commits
    assert {"x": after} == db.data("c/a")


def test_an_answer_without_a_message_leaves_the_outcome_unknown(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.faulty.next_answers["Commit"] = [[]]
    with pytest.raises(OutcomeUnknownError, match="its end may be missing"):
        db.commit(Set("c/a", {"x": 1}))


@pytest.mark.skipif(
    os.environ.get(GENERATED_VARIABLE) == "1", reason="the generated client keeps back what a rollback is answered"
)
def test_a_rollback_answered_without_a_message_is_an_error(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.faulty.next_answers["Rollback"] = [[]]
    transaction = db.begin()
    db.get("c/a", transaction=transaction)
    with pytest.raises(exceptions.InternalServerError, match="its end may be missing"):
        db.rollback(transaction)


def test_a_server_timestamp_is_that_of_the_repetition(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    db.commit(Set("c/a", {}))
    lost.answer()
    [written] = db.commit(transform(SERVER_TIMESTAMP)).update_times
    assert 2 == lost.commits
    stamp = (db.data("c/a") or {})["x"]
    assert isinstance(stamp, datetime)
    assert written is not None
    assert abs((written - stamp).total_seconds()) < 10


def test_one_increment_keeps_a_whole_commit_from_being_sent_again(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.answer()
    with pytest.raises(OutcomeUnknownError, match="to all of its documents or to none") as caught:
        db.commit(Set("c/b", {"x": 1}), Set("c/a", {}, None, (FieldTransform(X, Increment(1)),)), Delete("c/none"))
    assert ("c/b", "c/a", "c/none") == caught.value.paths
    assert (1, {"x": 1}, {"x": 1}) == (lost.commits, db.data("c/a"), db.data("c/b"))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(STATUS.RESOURCE_EXHAUSTED, "quota"),
        Fault(STATUS.UNAVAILABLE, "failed to connect to all addresses; last error: refused"),
        Fault(STATUS.UNAVAILABLE, "DNS resolution failed for firestore.googleapis.com"),
        Fault(STATUS.UNAVAILABLE, "Getting metadata from plugin failed with error: ('invalid_grant',)"),
    ],
    ids=lambda fault: fault.text[:12],
)
def test_an_increment_that_was_not_executed_is_sent_again(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: Fault
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    faulty.calls.clear()
    faulty.faults["Commit"] = [fault]
    db.commit(transform(Increment(1)))
    assert 2 == faulty.calls.count("Commit")
    assert {"x": 2} == db.data("c/a")


def test_an_increment_in_a_transaction_counts_once(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    transaction = db.begin()
    db.get("c/a", transaction=transaction)
    lost.answer()
    with pytest.raises(OutcomeUnknownError, match=r"Socket closed.*sent again, and failed"):
        db.commit(transform(Increment(1)), transaction=transaction)
    assert 2 == lost.commits
    assert {"x": 2} == db.data("c/a")


def test_the_answer_to_a_repetition_in_a_transaction_may_be_any_error(
    lost: Lost, make_db: Callable[..., Database]
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    transaction = db.begin()
    db.get("c/a", transaction=transaction)
    lost.answer(STATUS.UNAVAILABLE, Fault(STATUS.INTERNAL, "Can't swap from CLOSED to ACTIVE"))
    with pytest.raises(OutcomeUnknownError, match="CLOSED to ACTIVE"):
        db.commit(transform(Increment(1)), transaction=transaction)
    assert {"x": 2} == db.data("c/a")


def test_a_transaction_without_writes_has_no_outcome(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    for status, error in (
        (STATUS.UNAVAILABLE, exceptions.ServiceUnavailable),
        (STATUS.INTERNAL, exceptions.InternalServerError),
    ):
        transaction = db.begin()
        db.get("c/a", transaction=transaction)
        lost.answer(status)
        with pytest.raises(error, match="Socket closed"):
            db.commit(transaction=transaction)


def test_a_transaction_that_has_read_nothing_is_a_commit_like_any_other(
    lost: Lost, make_db: Callable[..., Database]
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    lost.answer()
    with pytest.raises(OutcomeUnknownError, match="Socket closed"):
        db.commit(transform(Increment(1)), transaction=db.begin())
    assert (1, {"x": 2}) == (lost.commits, db.data("c/a"))
    lost.answer()
    db.commit(Set("c/a", {"x": 7}), transaction=db.begin())
    assert (2, {"x": 7}) == (lost.commits, db.data("c/a"))


def test_a_policy_that_gives_up_leaves_the_outcome_unknown(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.answer(STATUS.UNAVAILABLE, *(Fault(STATUS.RESOURCE_EXHAUSTED, "quota") for _ in range(500)))
    with pytest.raises(OutcomeUnknownError, match=r"Socket closed.*Timeout of 0\.2s exceeded"):
        db.commit(
            Set("c/a", {"x": 1}),
            options=policy(db, predicate=lambda error: True, initial=0.01, maximum=0.02, timeout=0.2),
        )
    assert {"x": 1} == db.data("c/a")
    lost.answer(STATUS.RESOURCE_EXHAUSTED, *(Fault(STATUS.RESOURCE_EXHAUSTED, "quota") for _ in range(500)), after=0)
    with pytest.raises(exceptions.RetryError):
        db.commit(
            Set("c/a", {"x": 2}),
            options=policy(db, predicate=lambda error: True, initial=0.01, maximum=0.02, timeout=0.2),
        )


def test_a_deadline_that_passes_leaves_the_outcome_unknown(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.faulty.faults["Commit"] = [Fault(STATUS.UNAVAILABLE, "Socket closed", after=1), Fault(STATUS.OK, after=None)]
    with pytest.raises(OutcomeUnknownError, match="Socket closed"):
        db.commit(Set("c/a", {"x": 1}), options=CallOptions(timeout=4.0))
    assert {"x": 1} == db.data("c/a")


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_a_connection_that_is_reset_after_sending(faulty: FaultyServer, project: str, twin: str) -> None:
    proxy = Proxy(int(faulty.host.rpartition(":")[2]))
    db = None
    try:
        with known(proxy.host):
            db = Database((FirestoreBackend if twin == "sync" else AsyncFirestoreBackend)(project=project))
            db.commit(Set("c/a", {"x": 1}))
            faulty.calls.clear()
            proxy.lose_answers(0.0)
            with pytest.raises(OutcomeUnknownError):
                db.commit(transform(Increment(1)))
            assert ["Commit"] == faulty.calls
            assert {"x": 2} == db.data("c/a")
            faulty.calls.clear()
            proxy.lose_answers(0.0)
            db.commit(Set("c/a", {"x": 5}))
            assert ["Commit", "Commit"] == faulty.calls
    finally:
        if db is not None:
            db.close()
        proxy.close()


# --- what callers learn, and what becomes of instances ---


def save(ctx: Any, counter: Counter) -> Any:
    return ctx.save(counter)


def create(ctx: Any, counter: Counter) -> Any:
    return ctx.create(counter)


def save_many(ctx: Any, counter: Counter) -> Any:
    return ctx.save_many([counter, Counter(id="other")])


def batch(ctx: Any, counter: Counter) -> Any:
    one = ctx.batch()
    one.create(counter)
    one.save(Counter(id="other"))
    return one.commit()


def transaction(ctx: Any, counter: Counter) -> Any:
    def write(txn: Any) -> None:
        txn.find(Counter, "other")
        txn.create(counter)

    return ctx.transaction(write)


WRITES = [save, create, save_many, batch, transaction]


@pytest.mark.parametrize("write", WRITES)
def test_an_automatic_id_is_kept_so_that_writing_again_makes_no_duplicate(
    lost: Lost, make_db: Callable[..., Database], write: Callable[..., Any]
) -> None:
    ctx = make_db().context()
    counter = Counter(x=7)
    lost.answer(STATUS.INTERNAL)
    with pytest.raises(OutcomeUnknownError) as caught:
        write(ctx, counter)
    assert 1 == lost.commits
    assert f"c/{counter.id}" in caught.value.paths
    assert counter.id is not None
    assert 7 == ctx.get(Counter, counter.id).x
    # The instance says nothing that isn't certain.
    assert (None, None) == (counter.created, counter.updated)
    with pytest.raises(CendryError, match="metadata"):
        get_metadata(counter)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(caught.value), caught.value.paths, 503) == (str(again), again.paths, again.http_status)
    ctx.save(counter)
    assert 1 == ctx.select(Counter, Counter.x == 7).count()


@pytest.mark.parametrize("write", WRITES)
def test_an_automatic_id_is_taken_back_where_nothing_was_written(
    lost: Lost, make_db: Callable[..., Database], write: Callable[..., Any]
) -> None:
    ctx = make_db().context()
    counter = Counter(x=7)
    lost.answer(STATUS.PERMISSION_DENIED, after=0)
    with pytest.raises(exceptions.PermissionDenied):
        write(ctx, counter)
    assert (None, None, None) == (counter.id, counter.created, counter.updated)


@pytest.mark.parametrize("code", LOST)
def test_every_way_to_write_tells_that_the_outcome_is_unknown(
    lost: Lost, make_db: Callable[..., Database], code: Any
) -> None:
    ctx = make_db().context(retry=None)
    counter = Counter(id="a")
    ctx.save(counter)
    before = (counter.updated, get_metadata(counter))

    def in_batch() -> None:
        with ctx.batch() as one:
            one.update(counter, {Counter.x: 9})

    ways: list[Callable[[], Any]] = [
        lambda: ctx.save(counter, if_unchanged=True),
        lambda: ctx.save(counter),
        lambda: ctx.update(counter, {Counter.x: 5}),
        lambda: ctx.update(Counter, "a", {Counter.x: Increment(1)}),
        lambda: ctx.save_many([counter]),
        in_batch,
        lambda: ctx.transaction(lambda txn: txn.update(counter, {Counter.x: 6}), max_attempts=3),
        lambda: ctx.get_or_create(Counter, "new"),
        lambda: ctx.update_or_create(Counter, "a", {Counter.x: 1}),
        lambda: ctx.delete(counter, must_exist=True),
        lambda: ctx.delete_many(Counter, ["a"]),
    ]
    for way in ways:
        lost.answer(code)
        with pytest.raises(OutcomeUnknownError):
            way()
        assert 1 == lost.commits
        assert (counter.x, (counter.updated, get_metadata(counter))) == (0, before)


def test_the_function_of_a_transaction_is_not_run_again(lost: Lost, make_db: Callable[..., Database]) -> None:
    ctx = make_db().context()
    ctx.save(Counter(id="a"))
    runs: list[int] = []

    def count(txn: Any) -> None:
        found = txn.get(Counter, "a")
        runs.append(found.x)
        txn.update(found, {Counter.x: Increment(1)})

    for code, more in [
        (STATUS.UNAVAILABLE, []),
        (STATUS.UNAVAILABLE, [Fault(STATUS.ABORTED, "contention")]),
        (STATUS.INTERNAL, []),
    ]:
        lost.answer(code, *more)
        with pytest.raises(OutcomeUnknownError):
            ctx.transaction(count)
    assert [0, 1, 2] == runs
    assert 3 == ctx.get(Counter, "a").x


async def test_a_connection_that_is_closed_during_a_commit(faulty: FaultyServer, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)
    ctx = AsyncCendry(backend=backend)
    await ctx.save(Counter(id="a"))
    silence = Fault(STATUS.OK, after=None)
    faulty.faults["Commit"] = [silence]
    writing = asyncio.ensure_future(ctx.save(Counter(id="b")))
    assert await asyncio.to_thread(silence.reached.wait, 20)
    await backend.close()
    # Before Python 3.11, a task can't tell this from being cancelled.
    with pytest.raises((OutcomeUnknownError, asyncio.CancelledError)):
        await writing


def test_a_client_that_is_closed_during_a_commit(faulty: FaultyServer, project: str) -> None:
    backend = FirestoreBackend(project=project)
    ctx = Cendry(backend=backend)
    ctx.save(Counter(id="a"))
    silence = Fault(STATUS.OK, after=None)
    faulty.faults["Commit"] = [silence]
    counter = Counter()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(ctx.save, counter)
        assert silence.reached.wait(60)
        backend.close()
        with pytest.raises(OutcomeUnknownError):
            writing.result(60)
    assert counter.id is not None


# --- no retries at all ---

COUNT = AggregationPlan(QueryPlan("c"))


def begun(db: Database) -> Any:
    """A transaction that the server doesn't know."""
    transaction = db.begin()
    transaction.id = b"none"
    return transaction


CALLS: dict[str, tuple[str, Callable[..., Any]]] = {
    "get": ("BatchGetDocuments", lambda db, **options: db.get("c/a", **options)),
    "get two": ("BatchGetDocuments", lambda db, **options: db.get("c/a", "c/b", **options)),
    "run": ("RunQuery", lambda db, **options: db.run(QueryPlan("c"), **options)),
    "aggregate": ("RunAggregationQuery", lambda db, **options: db.aggregate(COUNT, **options)),
    "rollback": ("Rollback", lambda db, **options: db.rollback(begun(db), **options)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("timeout", [None, 20.0])
def test_without_retries_every_call_is_sent_once(
    faulty: FaultyServer, make_db: Callable[..., Database], name: str, timeout: float | None
) -> None:
    db = make_db()
    db.commit(*(Set(f"c/{number}", {"n": number}) for number in range(5)))
    method, call = CALLS[name]
    for code in (STATUS.UNAVAILABLE, STATUS.INTERNAL, STATUS.RESOURCE_EXHAUSTED):
        faulty.calls.clear()
        faulty.faults[method] = [Fault(code, "broken")]
        with pytest.raises(exceptions.GoogleAPICallError, match="broken"):
            call(db, options=CallOptions(timeout=timeout, retry=None))
        assert [method] == faulty.calls


def test_without_retries_a_broken_query_does_not_go_on(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    db.commit(*(Set(f"c/{number}", {"n": number}) for number in range(5)))
    faulty.calls.clear()
    faulty.faults["RunQuery"] = [Fault(STATUS.UNAVAILABLE, "broken", after=2)]
    stream = db.stream(QueryPlan("c"), options=CallOptions(retry=None))
    assert ["c/0", "c/1"] == [next(stream).path, next(stream).path]
    with pytest.raises(exceptions.ServiceUnavailable):
        next(stream)
    assert ["RunQuery"] == faulty.calls


@pytest.mark.parametrize(
    "write",
    [
        Set("c/b", {"x": 1}),
        Create("c/b", {"x": 1}),
        Update("c/a", {"x": 2}, (X,)),
        Delete("c/a"),
        transform(Increment(1)),
        Set("c/a", {}, update_time=datetime(2001, 1, 1, tzinfo=timezone.utc)),
    ],
    ids=lambda write: type(write).__name__,
)
def test_without_retries_a_commit_is_sent_once(lost: Lost, make_db: Callable[..., Database], write: Write) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    lost.answer(after=0)
    with pytest.raises(OutcomeUnknownError):
        db.commit(write, options=CallOptions(retry=None))
    assert 1 == lost.commits
    lost.answer(STATUS.RESOURCE_EXHAUSTED, after=0)
    with pytest.raises(exceptions.ResourceExhausted):
        db.commit(write, options=CallOptions(retry=None))
    assert 1 == lost.commits


def test_a_context_passes_it_on(faulty: FaultyServer, project: str) -> None:
    with Cendry(project=project, retry=None) as ctx, Cendry(project=project) as default:
        for one, expected in ((ctx, 1), (default, 2)):
            faulty.calls.clear()
            faulty.faults["BatchGetDocuments"] = [Fault(STATUS.UNAVAILABLE)]
            if one is ctx:
                with pytest.raises(exceptions.ServiceUnavailable):
                    one.find(Counter, "a")
            else:
                assert one.find(Counter, "a") is None
            assert expected == len(faulty.calls)


POLICIES = [3, True, "never", object(), Retry(), AsyncRetry()]


@pytest.mark.parametrize("retry", POLICIES, ids=lambda one: type(one).__name__)
def test_what_is_not_a_policy_of_the_twin_is_refused_before_anything_is_sent(
    faulty: FaultyServer, make_db: Callable[..., Database], retry: Any
) -> None:
    db = make_db()
    if isinstance(retry, AsyncRetry if db.is_async else Retry):
        assert db.context(retry=retry).find(Counter, "a") is None
        return
    ctx = db.context(retry=retry)
    expected = f"retry= takes a {'AsyncRetry' if db.is_async else 'Retry'} of google.api_core"
    with pytest.raises(TypeError, match=expected):
        ctx.find(Counter, "a")
    with pytest.raises(TypeError, match=expected):
        ctx.select(Counter).to_list()
    counter = Counter()
    with pytest.raises(TypeError, match=expected):
        ctx.save(counter)
    assert counter.id is None
    assert [] == faulty.calls


# --- writes beside a transaction, and reads after its end ---


@pytest.mark.parametrize("method", ["save", "update", "delete"])
def test_a_write_of_the_context_in_a_transaction_names_that_of_the_transaction(
    make_db: Callable[..., Database], firestore_emulator: str, method: str
) -> None:
    ctx = make_db().context()
    ctx.save(Counter(id="a"))
    runs: list[int] = []

    def count(txn: Any) -> None:
        found = txn.get(Counter, "a")
        runs.append(found.x)
        if method == "update":
            ctx.update(Counter, "a", {Counter.x: 5})
        elif method == "delete":
            ctx.delete(Counter, "a")
        else:
            ctx.save(Counter(id="a", x=5))

    expected = rf"'c/a' through the context.*use txn\.{method}\(\)"
    with pytest.raises(TransactionContentionError, match=expected) as caught:
        ctx.transaction(count)
    assert "c/a" == caught.value.outside
    # Another attempt would wait for its own lock again.
    assert [0] == runs
    assert 0 == ctx.get(Counter, "a").x


def test_a_write_that_waits_for_the_transaction_until_its_time_is_up(
    make_db: Callable[..., Database], firestore_emulator: str
) -> None:
    db = make_db()
    db.context().save(Counter(id="a"))
    # The emulator refuses after some three seconds.
    ctx = db.context(timeout=1.5, retry=None)

    def count(txn: Any) -> None:
        txn.get(Counter, "a")
        ctx.save(Counter(id="a", x=5))

    with pytest.raises(OutcomeUnknownError, match=r"stood outside the transaction.*use txn\.save\(\)"):
        ctx.transaction(count)


def test_an_iterator_out_of_a_transaction_that_ended(make_db: Callable[..., Database], firestore_emulator: str) -> None:
    ctx = make_db().context()
    ctx.save_many([Counter(id=f"{number:03}") for number in range(300)])
    ended = "This transaction has ended"
    with ctx.transaction() as txn:
        fresh, begun = iter(txn.select(Counter)), iter(txn.select(Counter))
        assert "000" == next(begun).id
        pages = iter(txn.select(Counter, order_by=Counter.id).paginate(10))
        assert 10 == len(next(pages))
        query = txn.select(Counter)
    for late in (fresh, begun, pages):
        with pytest.raises(CendryError, match=ended):
            next(late)
    with pytest.raises(CendryError, match=ended):
        query.to_list()
    with pytest.raises(CendryError, match=ended):
        next(iter(query))
