from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cendry.errors import CendryError, InvalidRequestError, OutcomeUnknownError, TransactionContentionError
from cendry.plan import AggregationPlan, Delete, GetPlan, QueryPlan, Set
from cendry_memory import ManualClock, MemoryBackend, ServiceUnavailableError
from memory.asking import MOMENT, ask, stored


def save(backend: MemoryBackend, number: int = 1) -> None:
    backend.commit([Set("c/a", {"x": number})])


def test_the_next_commits_are_aborted(backend: MemoryBackend) -> None:
    backend.faults.abort_next_commit()
    backend.faults.abort_next_commit(1)
    assert backend.faults.pending == 2
    for _ in range(2):
        with pytest.raises(TransactionContentionError):
            save(backend)
    assert (backend.faults.pending, stored(backend, "c/a")) == (0, None)
    save(backend)


def test_an_aborted_commit_ends_its_transaction(backend: MemoryBackend) -> None:
    txn = backend.begin()
    backend.faults.abort_next_commit()
    with pytest.raises(TransactionContentionError):
        backend.commit([Set("c/a", {})], transaction=txn)
    with pytest.raises(InvalidRequestError, match="has ended"):
        backend.commit([Set("c/a", {})], transaction=txn)


def test_only_reads_of_transactions_are_aborted(backend: MemoryBackend) -> None:
    backend.faults.abort_next_read()
    save(backend)
    assert ask(backend) == ["a"]
    txn = backend.begin()
    with pytest.raises(TransactionContentionError):
        stored(backend, "c/a", transaction=txn)
    with pytest.raises(InvalidRequestError, match="has ended"):
        stored(backend, "c/a", transaction=txn)


def test_the_next_calls_of_any_kind_fail(backend: MemoryBackend) -> None:
    backend.faults.unavailable_next(4)
    for call in (
        lambda: save(backend),
        lambda: stored(backend, "c/a"),
        lambda: ask(backend),
        lambda: backend.aggregate(AggregationPlan(QueryPlan("c"))),
    ):
        with pytest.raises(ServiceUnavailableError, match="scheduled"):
            call()
    assert not issubclass(ServiceUnavailableError, CendryError)
    assert ask(backend) == []


def test_calls_of_one_kind_fail(backend: MemoryBackend) -> None:
    backend.faults.unavailable_next(2, "run", "rollback")
    txn = backend.begin()
    backend.rollback(txn)
    save(backend)
    with pytest.raises(ServiceUnavailableError):
        ask(backend)
    txn = backend.begin()
    stored(backend, "c/a", transaction=txn)
    with pytest.raises(ServiceUnavailableError):
        backend.rollback(txn)
    backend.faults.unavailable_next(1, "listen")
    with pytest.raises(ServiceUnavailableError):
        backend.listen(GetPlan(("c/a",)), lambda snapshot: None, lambda error: None)
    backend.rollback(txn)


@pytest.mark.parametrize("applied", [True, False])
def test_the_answer_to_a_commit_gets_lost(backend: MemoryBackend, applied: bool) -> None:
    backend.faults.ambiguous_next_commit(applied=applied)
    txn = backend.begin()
    with pytest.raises(OutcomeUnknownError, match="scheduled by a test") as caught:
        backend.commit([Set("c/a", {"x": 1}), Delete("c/b")], transaction=txn)
    assert isinstance(caught.value.__cause__, ServiceUnavailableError)
    assert ("c/a", "c/b") == caught.value.paths
    assert stored(backend, "c/a") == ({"x": 1} if applied else None)
    with pytest.raises(InvalidRequestError, match="has ended"):
        backend.commit([], transaction=txn)
    save(backend, 2)


@pytest.mark.parametrize("applied", [True, False])
def test_a_commit_without_writes_has_no_outcome(backend: MemoryBackend, applied: bool) -> None:
    backend.faults.ambiguous_next_commit(applied=applied)
    with pytest.raises(ServiceUnavailableError):
        backend.commit([], transaction=backend.begin())


def test_all_orders_can_be_called_off(backend: MemoryBackend) -> None:
    backend.faults.abort_next_commit(3)
    backend.faults.abort_next_read(3)
    backend.faults.unavailable_next(3)
    backend.faults.ambiguous_next_commit(3)
    assert backend.faults.pending == 12
    backend.faults.clear()
    assert backend.faults.pending == 0
    save(backend)


class TestManualClock:
    def test_it_stands_until_it_is_moved(self) -> None:
        clock = ManualClock()
        assert clock() == clock() == MOMENT
        assert clock.advance(1.5) == clock() == MOMENT + timedelta(seconds=1.5)
        assert clock.advance(timedelta(days=1)) == MOMENT + timedelta(days=1, seconds=1.5)

    def test_it_is_set_to_aware_moments(self) -> None:
        clock = ManualClock(datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
        assert clock() == datetime(2020, 1, 1, tzinfo=timezone.utc)
        assert clock().tzinfo is timezone.utc
        clock.set(MOMENT)
        assert clock() == MOMENT
        with pytest.raises(ValueError, match="aware"):
            clock.set(datetime(2020, 1, 1))
