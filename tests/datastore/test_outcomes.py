"""What is sent when the answers to commits are lost, counted by a server before the emulator; what callers learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    Cendry,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    Model,
    OutcomeUnknownError,
    Ref,
    TransactionContentionError,
    field,
)
from cendry.backend import CallOptions
from cendry.errors import CendryError
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, QueryPlan, Set, Update, Write
from cendry_datastore import DatastoreBackend
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.api_core.retry import Retry

STATUS = grpc.StatusCode
LOST = [STATUS.UNAVAILABLE, STATUS.DEADLINE_EXCEEDED, STATUS.INTERNAL, STATUS.UNKNOWN, STATUS.CANCELLED]
X = FieldPath("x")
SECONDS = 20.0


class Counter(Model, collection="c"):
    x: Field[int] = field(default=0)


@pytest.fixture
def db(faulty: FaultyServer, project: str) -> Iterator[Database]:
    """A backend that talks to the server that can fail."""
    backend = DatastoreBackend(project=project)
    yield Database(backend)
    backend.close()


@pytest.fixture
def ctx(db: Database) -> Cendry:
    return db.context()  # type: ignore[no-any-return]


def lose(faulty: FaultyServer, code: Any = STATUS.UNAVAILABLE, *more: Fault, after: int = 1) -> None:
    """The next commit is applied (`after=1`) or not, its answer is lost, and `more` happens to those after it."""
    faulty.calls.clear()
    faulty.faults["Commit"] = [Fault(code, "Socket closed", after=after), *more]


def commits(faulty: FaultyServer) -> int:
    return faulty.calls.count("Commit")


def test_a_create_does_not_report_its_own_success_as_already_existing(faulty: FaultyServer, db: Database) -> None:
    lose(faulty)
    with pytest.raises(OutcomeUnknownError, match=r"'c/a' was applied is unknown.*Socket closed.*sent again") as caught:
        db.commit(Create("c/a", {"x": 1}))
    assert isinstance(caught.value.__cause__, exceptions.ServiceUnavailable)
    assert (2, {"x": 1}) == (commits(faulty), db.data("c/a"))


@pytest.mark.parametrize("write", [Set("c/a", {"x": 2}), Delete("c/a")], ids=["set", "delete"])
def test_a_commit_that_has_the_same_result_twice_is_sent_again(
    faulty: FaultyServer, db: Database, write: Write
) -> None:
    db.commit(Set("c/a", {"x": 1}))
    lose(faulty)
    db.commit(write)
    assert (2, {"x": 2} if isinstance(write, Set) else None) == (commits(faulty), db.data("c/a"))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (Set("c/a", {"x": 2}, (X,)), {"x": 2, "y": 1}),
        (Update("c/a", {"x": 2}, (X,)), {"x": 2, "y": 1}),
        (Delete("c/a", must_exist=True), None),
    ],
    ids=["set in part", "update", "delete what exists"],
)
def test_a_commit_that_read_before_takes_effect_once(
    faulty: FaultyServer, db: Database, write: Write, expected: Any
) -> None:
    db.commit(Set("c/a", {"x": 1, "y": 1}))
    lose(faulty)
    # It has a transaction, and the emulators refuse to commit one twice.
    with pytest.raises(OutcomeUnknownError, match="sent again, and failed") as caught:
        db.commit(write)
    assert ("c/a",) == caught.value.paths
    assert (2, expected) == (commits(faulty), db.data("c/a"))


@pytest.mark.parametrize("code", LOST)
def test_without_retries_every_lost_answer_is_told(faulty: FaultyServer, db: Database, code: Any) -> None:
    db.commit(Set("c/a", {"x": 1}))
    for write in (Set("c/b", {}), Create("c/c", {}), Update("c/a", {"x": 2}, (X,)), Delete("c/b")):
        lose(faulty, code)
        with pytest.raises(OutcomeUnknownError) as caught:
            db.commit(write, options=CallOptions(retry=None))
        assert code is caught.value.__cause__.grpc_status_code  # type: ignore[union-attr]
        assert 1 == commits(faulty)
    assert ({}, {"x": 2}) == (db.data("c/c"), db.data("c/a"))


def test_what_was_not_executed_leaves_no_doubt(faulty: FaultyServer, db: Database) -> None:
    db.commit(Set("c/a", {"x": 1}))
    lose(faulty, STATUS.UNAVAILABLE, after=0)
    faulty.faults["Commit"][0].text = "failed to connect to all addresses; last error: refused"
    with pytest.raises(DocumentAlreadyExistsError):
        db.commit(Create("c/a", {"x": 2}))
    assert 2 == commits(faulty)
    lose(faulty, STATUS.RESOURCE_EXHAUSTED, after=0)
    with pytest.raises(exceptions.ResourceExhausted):
        db.commit(Set("c/a", {"x": 2}))
    with pytest.raises(DocumentNotFoundError):
        db.commit(Update("c/none", {"x": 2}, (X,)))


def test_a_policy_that_gives_up_leaves_the_outcome_unknown(faulty: FaultyServer, db: Database) -> None:
    lose(faulty, STATUS.UNAVAILABLE, *(Fault(STATUS.UNAVAILABLE, "again") for _ in range(500)))
    retry = Retry(predicate=lambda error: True, initial=0.01, maximum=0.02, timeout=0.2)
    with pytest.raises(OutcomeUnknownError, match="Socket closed"):
        db.commit(Set("c/a", {"x": 1}), options=CallOptions(retry=retry))


def test_contention_is_not_retried_without_retries(faulty: FaultyServer, db: Database) -> None:
    lose(faulty, STATUS.ABORTED, after=0)
    with pytest.raises(TransactionContentionError, match="after 1 attempt"):
        db.commit(Set("c/a", {}), options=CallOptions(retry=None))
    assert 1 == commits(faulty)
    lose(faulty, STATUS.ABORTED, after=0)
    db.commit(Set("c/a", {}))
    assert 2 == commits(faulty)


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("Lookup", lambda db, **options: db.get("c/a", **options)),
        ("RunQuery", lambda db, **options: db.run(QueryPlan("c"), **options)),
    ],
)
def test_without_retries_every_call_is_sent_once(
    faulty: FaultyServer, db: Database, method: str, call: Callable[..., Any]
) -> None:
    for timeout in (None, SECONDS):
        faulty.calls.clear()
        faulty.faults[method] = [Fault(STATUS.UNAVAILABLE, "broken")]
        with pytest.raises(exceptions.ServiceUnavailable, match="broken"):
            call(db, options=CallOptions(timeout=timeout, retry=None))
        assert [method] == faulty.calls


# --- contexts ---


def test_an_automatic_id_is_kept_so_that_writing_again_makes_no_duplicate(faulty: FaultyServer, ctx: Cendry) -> None:
    def batch(counter: Counter) -> None:
        with ctx.batch() as one:
            one.create(counter)

    def transaction(counter: Counter) -> None:
        ctx.transaction(lambda txn: txn.create(counter))

    ways: list[Callable[[Counter], Any]] = [ctx.save, ctx.create, lambda one: ctx.save_many([one]), batch, transaction]
    for number, write in enumerate(ways):
        counter = Counter(x=number)
        lose(faulty, STATUS.INTERNAL)
        with pytest.raises(OutcomeUnknownError):
            write(counter)
        assert counter.id is not None
        ctx.save(counter)
        refused = Counter(x=number)
        lose(faulty, STATUS.PERMISSION_DENIED, after=0)
        with pytest.raises(exceptions.PermissionDenied):
            write(refused)
        assert refused.id is None
    assert [0, 1, 2, 3, 4] == sorted(one.x for one in ctx.select(Counter))


def test_the_function_of_a_transaction_is_not_run_again(faulty: FaultyServer, ctx: Cendry) -> None:
    ctx.save(Counter(id="a"))
    runs: list[int] = []

    def count(txn: Any) -> None:
        found = txn.get(Counter, "a")
        runs.append(found.x)
        txn.update(found, {Counter.x: found.x + 1})

    for code in (STATUS.INTERNAL, STATUS.UNKNOWN):
        lose(faulty, code)
        with pytest.raises(OutcomeUnknownError):
            ctx.transaction(count)
    assert [0, 1] == runs
    assert 2 == ctx.get(Counter, "a").x


def test_an_iterator_out_of_a_transaction_that_ended(ctx: Cendry) -> None:
    parent = Ref(Counter, "parent")
    ctx.save_many([Counter(id=f"{number}") for number in range(3)], parent=parent)
    with ctx.transaction() as txn:
        late = [iter(txn.select(Counter, parent=parent)), iter(txn.select(Counter, parent=parent))]
        assert "0" == next(late[0]).id
    for one in late:
        with pytest.raises(CendryError, match="This transaction has ended"):
            next(one)
