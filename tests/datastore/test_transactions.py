"""Transactions that begin with their first read: what is sent, and what becomes of first reads that fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import Cendry, CendryError, Field, Model, TransactionContentionError, Txn, field
from cendry.paths import FieldPath
from cendry.plan import Aggregation, AggregationPlan, QueryPlan, Set, Update
from cendry_datastore import DatastoreBackend, _sdk, _transactions
from cendry_memory.testing import Database
from cendry_memory.testing.driver import together
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions

STATUS = grpc.StatusCode


class City(Model, collection="City"):
    n: Field[int] = field(default=0)


@pytest.fixture
def beginning(emulator: str) -> list[str]:
    """What begins a transaction: its first read, but not on the emulator of Datastore mode."""
    return [] if emulator == "classic" else ["BeginTransaction"]


@pytest.fixture
def behind(faulty: FaultyServer, project: str) -> Iterator[DatastoreBackend]:
    """A backend on the server, with two documents."""
    backend = DatastoreBackend(project=project)
    Cendry(backend=backend).save_many([City(id="a", n=1), City(id="b", n=2)])
    faulty.calls.clear()
    faulty.requests.clear()
    yield backend
    backend.close()


@pytest.fixture
def ctx(behind: DatastoreBackend) -> Cendry:
    return Cendry(backend=behind)


@pytest.fixture
def db(behind: DatastoreBackend) -> Database:
    return Database(behind)


def grow(txn: Txn) -> None:
    city = txn.get(City, "a")
    txn.update(city, {City.n: city.n + 1})


CALLS: dict[str, tuple[Callable[[Cendry], Any], list[str]]] = {
    "read, change, write": (lambda ctx: ctx.transaction(grow), ["*", "Lookup", "Commit"]),
    "only reads": (lambda ctx: ctx.transaction(lambda txn: txn.find(City, "a")), ["*", "Lookup", "Rollback"]),
    "only writes": (lambda ctx: ctx.transaction(lambda txn: txn.save(City(id="a"))), ["Commit"]),
    "only updates": (
        lambda ctx: ctx.transaction(lambda txn: txn.update(City, "a", {City.n: 3})),
        ["*", "Lookup", "Commit"],
    ),
    "nothing": (lambda ctx: ctx.transaction(lambda txn: None), []),
    "read-only": (
        lambda ctx: ctx.transaction(lambda txn: [txn.find(City, "a"), txn.find(City, "b")], read_only=True),
        ["*", "Lookup", "Lookup"],
    ),
    "read-only, nothing": (lambda ctx: ctx.transaction(lambda txn: None, read_only=True), []),
    "update": (lambda ctx: ctx.update(City, "a", {City.n: 3}), ["*", "Lookup", "Commit"]),
    "update_or_create": (lambda ctx: ctx.update_or_create(City, "a", {City.n: 3}), ["*", "Lookup", "Commit"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_sent(ctx: Cendry, faulty: FaultyServer, beginning: list[str], name: str) -> None:
    call, expected = CALLS[name]
    call(ctx)
    assert [one for each in expected for one in (beginning if each == "*" else [each])] == faulty.calls


def test_a_query_begins_a_transaction(db: Database, faulty: FaultyServer, beginning: list[str]) -> None:
    db.commit(Set("City/a/Area/x", {"n": 1}))
    faulty.calls.clear()
    below = QueryPlan("Area", parent="City/a")
    transaction = db.begin()
    assert ["x"] == db.names(below, transaction=transaction)
    assert [] == db.names(QueryPlan("None", parent="City/a"), transaction=transaction)
    db.commit(Update("City/a/Area/x", {"n": 2}, (FieldPath("n"),)), transaction=transaction)
    assert "Lookup" not in faulty.calls
    assert beginning == faulty.calls[: len(beginning)]
    assert {"n": 2} == db.data("City/a/Area/x")


def test_figures_of_the_server_begin_no_transaction(db: Database, faulty: FaultyServer, emulator: str) -> None:
    if emulator == "classic":
        pytest.skip("it computes none")
    plan = AggregationPlan(QueryPlan("City"), (Aggregation("sum", FieldPath("n")),))
    transaction = db.begin()
    assert (3,) == db.aggregate(plan, transaction=transaction)
    assert (3,) == db.aggregate(plan, transaction=transaction)
    db.rollback(transaction)
    assert ("BeginTransaction", 1) == (faulty.calls[0], faulty.calls.count("BeginTransaction"))


def test_an_attempt_names_the_one_before_it(db: Database, faulty: FaultyServer, emulator: str) -> None:
    first = db.begin()
    db.get("City/a", transaction=first)
    db.rollback(first)
    third = db.begin(retry_of=db.begin(retry_of=first))
    db.get("City/a", transaction=third)
    db.rollback(third)
    if emulator == "classic":
        sent = [_sdk.LookupRequest.FromString(each) for name, each in faulty.requests if name == "Lookup"]
        options = [each.read_options.new_transaction for each in sent]
    else:
        begun = [each for name, each in faulty.requests if name == "BeginTransaction"]
        options = [_sdk.BeginTransactionRequest.FromString(each).transaction_options for each in begun]
    assert [b"", first.id] == [each.read_write.previous_transaction for each in options]


def test_contention_is_tried_again_wherever_it_strikes(ctx: Cendry, faulty: FaultyServer, beginning: list[str]) -> None:
    for method in (*beginning, "Lookup", "Commit"):
        faulty.calls.clear()
        faulty.faults[method] = [Fault(STATUS.ABORTED), Fault(STATUS.ABORTED)]
        ctx.transaction(grow)
        assert 3 == faulty.calls.count(method)
    assert 3 + len(beginning) == ctx.get(City, "a").n


def test_a_first_read_that_fails_leaves_nothing_to_end(
    db: Database, faulty: FaultyServer, beginning: list[str]
) -> None:
    method = [*beginning, "Lookup"][0]
    transaction = db.begin()
    for status, error in (
        (STATUS.PERMISSION_DENIED, exceptions.PermissionDenied),
        (STATUS.ABORTED, TransactionContentionError),
    ):
        faulty.faults[method] = [Fault(status)]
        with pytest.raises(error):
            db.get("City/a", transaction=transaction)
    assert transaction.id is None
    faulty.calls.clear()
    db.get("City/a", transaction=transaction)
    db.rollback(transaction)
    assert [*beginning, "Lookup", "Rollback"] == faulty.calls


def test_of_first_reads_at_the_same_time_one_begins(db: Database, faulty: FaultyServer, beginning: list[str]) -> None:
    transaction = db.begin()
    together(*[lambda: db.get("City/a", "City/b", transaction=transaction)] * 5)
    assert [*beginning, *["Lookup"] * 5] == sorted(faulty.calls)
    db.commit(Set("City/a", {"n": 7}), transaction=transaction)
    assert {"n": 7} == db.data("City/a")


class Gate:
    """A lock that tells when a transaction's end waits for it, and is not to be had in time unless that is patient."""

    def __init__(self, is_patient: bool) -> None:
        self._lock = threading.Lock()
        self._seconds = 60.0 if is_patient else 0.0
        self.awaited = threading.Event()
        self.locked = self._lock.locked
        self.release = self._lock.release

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        self._lock.release()

    def acquire(self, timeout: float) -> bool:
        assert timeout == _transactions.PATIENCE
        self.awaited.set()
        return self._lock.acquire(timeout=self._seconds)


@pytest.mark.parametrize("is_patient", [False, True])
def test_a_transaction_that_began_too_late_is_rolled_back(
    db: Database, faulty: FaultyServer, beginning: list[str], is_patient: bool
) -> None:
    transaction = db.begin()
    transaction.gate = gate = Gate(is_patient)
    outcomes: list[Any] = []

    def read() -> None:
        try:
            outcomes.append(db.get("City/a", transaction=transaction))
        except CendryError as error:
            outcomes.append(error)

    faulty.hold.add([*beginning, "Lookup"][0])
    reading = threading.Thread(target=read)
    reading.start()
    assert faulty.held.wait(60)
    faulty.hold.clear()
    ending = threading.Thread(target=db.rollback, args=(transaction,))
    ending.start()
    assert gate.awaited.wait(60)
    if not is_patient:
        # The read itself is left to end what it has begun.
        ending.join()
        assert [] == outcomes
    faulty.release.set()
    reading.join()
    ending.join()
    assert 1 == len(outcomes)
    assert 1 == faulty.calls.count("Rollback")
    db.commit(Set("City/a", {"n": 9}))
    with pytest.raises(CendryError, match="has ended"):
        db.commit(Set("City/a", {"n": 9}), transaction=transaction)


@pytest.mark.parametrize("code", [STATUS.INTERNAL, STATUS.INVALID_ARGUMENT])
def test_a_read_that_fails_as_its_transaction_has_ended_says_so(db: Database, faulty: FaultyServer, code: Any) -> None:
    transaction = db.begin()
    db.get("City/a", transaction=transaction)
    faulty.hold.add("Lookup")
    faulty.faults["Lookup"] = [Fault(code, "Can't swap from CLOSED to ACTIVE.")]
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(db.get, "City/b", transaction=transaction)
        assert faulty.held.wait(60)
        db.rollback(transaction)
        faulty.release.set()
        with pytest.raises(CendryError, match="This transaction has ended"):
            reading.result()


def test_a_server_that_begins_no_transaction_is_not_trusted(
    db: Database, faulty: FaultyServer, beginning: list[str]
) -> None:
    faulty.answers[[*beginning, "Lookup"][0]] = [b""]
    with pytest.raises(CendryError, match="without beginning it"):
        db.get("City/a", transaction=db.begin())


def test_after_the_end_nothing_is_read(db: Database, faulty: FaultyServer) -> None:
    transaction = db.begin()
    db.rollback(transaction)
    with pytest.raises(CendryError, match="has ended"):
        db.get("City/a", transaction=transaction)
    assert [] == faulty.calls
