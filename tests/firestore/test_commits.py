"""Commits whose outcome nobody knows, and commits and reads that are too large for one request."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncCendry, AsyncTxn, Cendry, Field, Model, Txn, field
from cendry.backend import CallOptions
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    OutcomeUnknownError,
    StaleDocumentError,
)
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, GetPlan, Set, Update, Write
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend, _stream
from cendry_firestore._transport import GENERATED_VARIABLE
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry

UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
MIB = 1024 * 1024
X = FieldPath("x")


class Counter(Model, collection="counters"):
    count: Field[int] = field(default=0)


class Lost:
    """Lets the answers of commits get lost after they were applied."""

    def __init__(self, faulty: FaultyServer, fault: type[Fault]) -> None:
        self.faulty = faulty
        self.fault = fault

    def answers(self, count: int = 1, *more: Any) -> None:
        """The answers to the next commits, and what happens to those after."""
        self.faulty.calls.clear()
        lost = [self.fault(UNAVAILABLE, "Socket closed", after=1) for _ in range(count)]
        self.faulty.faults["Commit"] = [*lost, *more]

    @property
    def commits(self) -> int:
        return self.faulty.calls.count("Commit")


@pytest.fixture
def lost(faulty: FaultyServer, fault: type[Fault]) -> Lost:
    return Lost(faulty, fault)


def own_success(db: Database, write: Write) -> Any:
    """What is raised for a write that met its own success."""
    with pytest.raises(OutcomeUnknownError, match=r"is unknown.*Socket closed.*sent again, and failed") as caught:
        db.commit(write)
    assert isinstance(caught.value.__cause__, exceptions.ServiceUnavailable)
    assert (write.path,) == caught.value.paths
    return caught.value


@pytest.mark.parametrize("generated", ["0", "1"])
def test_a_create_does_not_report_its_own_success_as_already_existing(
    lost: Lost, make_db: Callable[..., Database], generated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GENERATED_VARIABLE, generated)
    db = make_db()
    lost.answers()
    own_success(db, Create("c/a", {"x": 1}))
    assert 2 == lost.commits
    assert {"x": 1} == db.data("c/a")


def test_conditional_writes_do_not_report_their_own_success_as_stale(
    lost: Lost, make_db: Callable[..., Database]
) -> None:
    db = make_db()
    for value in (2, 3):
        [version] = (db.commit(Set("c/a", {"x": 1}))).update_times
        write = Set("c/a", {"x": 2}, None, (), version) if value == 2 else Update("c/a", {"x": 3}, (X,), (), version)
        lost.answers()
        own_success(db, write)
        assert {"x": value} == db.data("c/a")


def test_a_delete_does_not_report_its_own_success_as_missing(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    lost.answers()
    own_success(db, Delete("c/a", must_exist=True))
    assert db.data("c/a") is None


def test_a_write_that_may_be_repeated_is_repeated(lost: Lost, make_db: Callable[..., Database]) -> None:
    db = make_db()
    lost.answers()
    db.commit(Set("c/a", {"x": 1}))
    assert 2 == lost.commits


def test_what_was_never_sent_leaves_no_doubt(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    faulty.faults["Commit"] = [fault(UNAVAILABLE, "failed to connect to all addresses; last error: refused")]
    with pytest.raises(DocumentAlreadyExistsError):
        db.commit(Create("c/a", {"x": 2}))


def test_a_refusal_of_resources_leaves_no_doubt(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    faulty.faults["Commit"] = [fault(EXHAUSTED, "quota")]
    with pytest.raises(StaleDocumentError):
        db.commit(Set("c/a", {"x": 2}, update_time=datetime(2001, 1, 1, tzinfo=timezone.utc)))
    with pytest.raises(DocumentNotFoundError):
        db.commit(Update("c/none", {"x": 2}, (X,)))


def test_a_doubt_outlives_refusals_of_another_kind(
    lost: Lost, fault: type[Fault], make_db: Callable[..., Database]
) -> None:
    db = make_db()
    lost.answers(1, fault(EXHAUSTED, "quota"))
    kind = AsyncRetry if db.is_async else Retry
    only_unavailable = kind(predicate=lambda error: isinstance(error, exceptions.ServiceUnavailable), initial=0.01)
    with pytest.raises(OutcomeUnknownError, match=r"Socket closed.*quota"):
        db.commit(Create("c/a", {"x": 1}), options=CallOptions(retry=only_unavailable))


def test_where_no_attempt_is_left_the_outcome_is_unknown(
    faulty: FaultyServer, fault: type[Fault], make_db: Callable[..., Database]
) -> None:
    db = make_db()
    faulty.faults["Commit"] = [fault(UNAVAILABLE, "one"), fault(UNAVAILABLE, "two")]
    kind = AsyncRetry if db.is_async else Retry
    with pytest.raises(OutcomeUnknownError, match=r"one.*sent again.*two"):
        db.commit(Create("c/a", {"x": 1}), options=CallOptions(retry=kind(predicate=_unless_two, initial=0.01)))


def _unless_two(error: Exception) -> bool:
    return "two" not in str(error)


def test_an_id_is_kept_where_the_outcome_is_unknown(lost: Lost, project: str) -> None:
    with Cendry(project=project) as ctx:
        counter = Counter(count=1)
        lost.answers()
        with pytest.raises(OutcomeUnknownError):
            ctx.create(counter)
        assert counter.id is not None
        assert 1 == ctx.get(Counter, counter.id).count


def test_a_transaction_of_unknown_outcome_is_not_run_again(lost: Lost, project: str) -> None:
    with Cendry(project=project) as ctx:
        ctx.save(Counter(id="one"))
        calls: list[int] = []

        def count(txn: Txn) -> None:
            counter = txn.get(Counter, "one")
            calls.append(counter.count)
            txn.update(counter, {Counter.count: counter.count + 1})

        lost.answers()
        with pytest.raises(OutcomeUnknownError):
            ctx.transaction(count)
        assert [0] == calls
        assert 1 == ctx.get(Counter, "one").count


async def test_an_async_transaction_of_unknown_outcome_is_not_run_again(lost: Lost, project: str) -> None:
    async with AsyncCendry(project=project) as ctx:
        await ctx.save(Counter(id="one"))
        calls: list[int] = []

        async def count(txn: AsyncTxn) -> None:
            counter = await txn.get(Counter, "one")
            calls.append(counter.count)
            txn.update(counter, {Counter.count: counter.count + 1})

        lost.answers()
        with pytest.raises(OutcomeUnknownError):
            await ctx.transaction(count)
        assert [0] == calls
        assert 1 == (await ctx.get(Counter, "one")).count


# --- what is too large for one request ---


def large(mib: float) -> list[Write]:
    """Writes of so many MiB in all."""
    return [Set(f"c/d{number}", {"x": "x" * (MIB // 2)}) for number in range(int(mib * 2))]


def test_a_commit_that_no_server_takes_is_not_sent(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    with pytest.raises(
        InvalidRequestError,
        match=r"commit of 22 writes is 11\.0 MiB large.*at most 10 MiB.*document 'c/d21', is 0\.50 MiB",
    ):
        make_db().commit(*large(11))
    assert [] == faulty.calls


def test_a_commit_that_the_emulator_refuses_for_its_size_is_refused_at_once(db: Database) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidRequestError, match=r"commit of 10 writes is 5\.0 MiB large.*at most 4 MiB"):
        db.commit(*large(5))
    # The SDK's policy would try for a minute.
    assert time.monotonic() - started < 20


def test_a_commit_of_some_size_passes(db: Database) -> None:
    db.commit(*large(3))
    assert ["c/d0"] == [found.path for found in db.get("c/d0")]


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that take few names."""
    monkeypatch.setattr(_stream, "_FEW", 2)
    monkeypatch.setattr(_stream, "MAX_NAMES_BYTES", 400)


def test_reading_many_documents_takes_several_requests_at_one_moment(
    small_requests: None, faulty: FaultyServer, make_db: Callable[..., Database]
) -> None:
    db = make_db()
    db.commit(*(Set(f"c/d{number}", {"x": number}) for number in range(20)))
    faulty.calls.clear()
    paths = [f"c/d{number}" for number in range(22)]
    found = db.get(*paths)
    assert 3 < faulty.calls.count("BatchGetDocuments") < 22
    assert {path: None if number > 19 else {"x": number} for number, path in enumerate(paths)} == {
        one.path: one.data for one in found
    }
    assert 22 == len(found)
    assert 1 == len({one.read_time for one in found})


@pytest.mark.parametrize("after", [0, 1, 3])
def test_several_requests_go_on_where_one_broke(
    small_requests: None, faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault], after: int
) -> None:
    db = make_db()
    db.commit(*(Set(f"c/d{number}", {"x": number}) for number in range(12)))
    faulty.faults["BatchGetDocuments"] = [fault(UNAVAILABLE, after=100), fault(UNAVAILABLE, after=after)]
    found = db.get(*(f"c/d{number}" for number in range(12)))
    assert [f"c/d{number}" for number in range(12)] == sorted(
        (one.path for one in found), key=lambda path: int(path[3:])
    )


def test_several_requests_in_a_transaction(
    small_requests: None, make_db: Callable[..., Database], firestore_emulator: str
) -> None:
    db = make_db()
    db.commit(*(Set(f"c/d{number}", {"x": number}) for number in range(12)))
    transaction = db.begin(read_only=True)
    found = db.get_plan(GetPlan(tuple(f"c/d{number}" for number in range(12))), transaction=transaction)
    db.rollback(transaction)
    assert 12 == len(found)


def test_shares_are_as_large_as_they_may_be() -> None:
    paths = [f"c/{number}" * 50 for number in range(20_000)]
    shares = list(_stream._shares(paths, 40))
    assert paths == [path for share in shares for path in share]
    sizes = [sum(len(path) + 44 for path in share) for share in shares]
    assert all(size <= _stream.MAX_NAMES_BYTES for size in sizes)
    assert len(shares) == -(-sum(sizes) // _stream.MAX_NAMES_BYTES)


def test_both_twins_can_be_asked_for_an_encoder_without_a_loop(firestore_emulator: str, project: str) -> None:
    from cendry.codec import codec_for

    codec = codec_for(Counter)
    backend = FirestoreBackend(project=project)
    assert {"count": 3} == dict(backend.encoder(codec)(Counter(count=3)))
    backend.close()
    assert {"count": 3} == dict(AsyncFirestoreBackend(project=project).encoder(codec)(Counter(count=3)))
