from __future__ import annotations

import threading
from typing import Any

import pytest
from cendry.errors import (
    DocumentAlreadyExistsError,
    InvalidRequestError,
    TransactionContentionError,
)
from cendry.plan import AggregationPlan, Create, Delete, GetPlan, QueryPlan, Set
from cendry.values import Increment
from cendry_memory import MemoryBackend, _versions
from memory.asking import by, changed, fill, is_, merge, paths, stored

ALL = QueryPlan("c")


@pytest.fixture
def filled(backend: MemoryBackend) -> MemoryBackend:
    fill(backend, "c", {"a": {"v": 1}, "b": {"v": 2}, "d": {"v": 3}})
    return backend


def write(backend: MemoryBackend, path: str = "c/a", value: int = 9) -> None:
    backend.commit([Set(path, {"v": value})])


class TestWhatIsSeen:
    def test_reads_see_what_is_committed_now(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        write(filled)
        assert stored(filled, "c/a", transaction=txn) == {"v": 9}
        write(filled, "c/b")
        assert stored(filled, "c/b", transaction=txn) == {"v": 9}
        filled.commit([Set("c/x", {})], transaction=txn)
        assert stored(filled, "c/x") == {}

    def test_writes_show_after_the_commit_only(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        filled.rollback(txn)
        assert stored(filled, "c/x") is None

    def test_a_transaction_never_sees_two_states(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        stored(filled, "c/a", transaction=txn)
        filled.commit([Set("c/a", {"v": 8}), Set("c/b", {"v": 8})])
        with pytest.raises(TransactionContentionError):
            stored(filled, "c/b", transaction=txn)
        with pytest.raises(InvalidRequestError, match="has ended"):
            stored(filled, "c/b", transaction=txn)

    def test_a_read_only_transaction_sees_the_state_at_its_first_read(self, filled: MemoryBackend) -> None:
        txn = filled.begin(read_only=True)
        filled.commit([Set("c/b", {"v": 2, "seen": True})])
        assert stored(filled, "c/b", transaction=txn) == {"v": 2, "seen": True}
        write(filled)
        filled.commit([Delete("c/b"), Set("c/x", {"v": 0})])
        assert stored(filled, "c/a", transaction=txn) == {"v": 1}
        assert paths(filled, ALL, transaction=txn) == ["c/a", "c/b", "c/d"]
        assert filled.aggregate(AggregationPlan(ALL), transaction=txn) == (3,)
        with pytest.raises(InvalidRequestError, match="read-only"):
            filled.commit([Set("c/a", {})], transaction=txn)
        filled.commit([], transaction=txn)

    @pytest.mark.parametrize("path", ["c", "c/a/"])
    def test_a_read_that_is_refused_is_not_the_first_one(self, filled: MemoryBackend, path: str) -> None:
        txn = filled.begin(read_only=True)
        for refuse in (
            lambda: filled.get(GetPlan(("c/a", path)), transaction=txn),
            lambda: filled.run(QueryPlan("c", where=is_("v", "in", [])), transaction=txn),
            lambda: filled.aggregate(AggregationPlan(ALL, ()), transaction=txn),
        ):
            with pytest.raises(InvalidRequestError):
                refuse()
        write(filled)
        assert stored(filled, "c/a", transaction=txn) == {"v": 9}
        write(filled, value=10)
        assert stored(filled, "c/a", transaction=txn) == {"v": 9}

    def test_a_read_with_a_moment_of_its_own_is_not_the_first_one(self, filled: MemoryBackend) -> None:
        [result] = filled.get(GetPlan(("c/a",)))
        moment = result.read_time
        txn = filled.begin(read_only=True)
        write(filled)
        assert len(list(filled.run(QueryPlan("c", read_time=moment), transaction=txn))) == 3
        [before] = filled.get(GetPlan(("c/a",), read_time=moment), transaction=txn)
        write(filled, value=10)
        assert [before.data, stored(filled, "c/a", transaction=txn)] == [{"v": 1}, {"v": 10}]

    def test_the_end_of_a_read_only_transaction_is_no_call(self, filled: MemoryBackend) -> None:
        txn = filled.begin(read_only=True)
        stored(filled, "c/a", transaction=txn)
        paths(filled, ALL, transaction=txn)
        filled.faults.unavailable_next(1, "rollback")
        filled.rollback(txn)
        assert (False, 1) == (txn.is_open, filled.faults.pending)

    def test_a_read_only_transaction_without_changes_uses_the_indexes(self, filled: MemoryBackend) -> None:
        txn = filled.begin(read_only=True)
        assert paths(filled, ALL, transaction=txn) == ["c/a", "c/b", "c/d"]


def read_document(backend: MemoryBackend, txn: Any) -> None:
    stored(backend, "c/a", transaction=txn)


def read_absence(backend: MemoryBackend, txn: Any) -> None:
    stored(backend, "c/none", transaction=txn)


def read_all(backend: MemoryBackend, txn: Any) -> None:
    paths(backend, ALL, transaction=txn)


def read_some(backend: MemoryBackend, txn: Any) -> None:
    paths(backend, QueryPlan("c", where=is_("v", ">=", 2)), transaction=txn)


def read_first(backend: MemoryBackend, txn: Any) -> None:
    paths(backend, QueryPlan("c", orders=by("v"), limit=1), transaction=txn)


def count(backend: MemoryBackend, txn: Any) -> None:
    backend.aggregate(AggregationPlan(QueryPlan("c", where=is_("v", ">=", 2))), transaction=txn)


class TestSerializability:
    @pytest.mark.parametrize(
        ("read", "change"),
        [
            (read_document, Set("c/a", {"v": 7})),
            (read_document, Delete("c/a")),
            (read_absence, Create("c/none", {})),
            (read_all, Create("c/new", {})),
            (read_all, Delete("c/b")),
            (read_some, Set("c/a", {"v": 2})),
            (read_some, Set("c/b", {"v": 0})),
            (read_some, Set("c/b", {"v": 9})),
            (read_first, Set("c/0", {"v": 0})),
            (read_first, Delete("c/a")),
            (count, Set("c/new", {"v": 5})),
        ],
    )
    def test_what_was_read_must_hold_at_the_commit(self, filled: MemoryBackend, read: Any, change: Any) -> None:
        txn = filled.begin()
        read(filled, txn)
        filled.commit([change])
        with pytest.raises(TransactionContentionError):
            filled.commit([Set("c/mine", {})], transaction=txn)
        assert stored(filled, "c/mine") is None

    @pytest.mark.parametrize(
        ("read", "change"),
        [
            (read_document, Set("c/b", {"v": 7})),
            (read_document, Set("c/a", {"v": 1})),
            (read_absence, Create("c/other", {})),
            (read_all, Create("c/a/c/new", {})),
            (read_some, Set("c/a", {"v": 1.5})),
            (read_some, Set("x/a", {"v": 2})),
            (read_first, Set("c/0", {"v": 5})),
            (read_first, Delete("c/d")),
            (count, Delete("c/a")),
        ],
    )
    def test_what_was_not_read_may_change(self, filled: MemoryBackend, read: Any, change: Any) -> None:
        txn = filled.begin()
        read(filled, txn)
        filled.commit([change])
        filled.commit([Set("c/mine", {})], transaction=txn)
        assert stored(filled, "c/mine") == {}

    def test_blind_writes_never_contend(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        write(filled)
        filled.commit([merge("c/a", {}, transforms=(changed("v", Increment(1)),))], transaction=txn)
        assert stored(filled, "c/a") == {"v": 10}

    def test_a_transaction_that_outlives_the_memory_of_changes_is_aborted(
        self, filled: MemoryBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_versions, "MAX_HISTORY", 3)
        txn = filled.begin()
        stored(filled, "c/a", transaction=txn)
        for number in range(5):
            write(filled, "x/x", number)
        with pytest.raises(TransactionContentionError):
            filled.commit([], transaction=txn)

    def test_no_increment_is_lost_among_threads(self, filled: MemoryBackend) -> None:
        write(filled, value=0)

        def add() -> None:
            for _ in range(50):
                while True:
                    txn = filled.begin()
                    try:
                        value = stored(filled, "c/a", transaction=txn)["v"]
                        filled.commit([Set("c/a", {"v": value + 1})], transaction=txn)
                        break
                    except TransactionContentionError:
                        continue

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(filled, "c/a") == {"v": 200}


class TestHandles:
    def test_a_commit_ends_a_transaction(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        filled.commit([], transaction=txn)
        with pytest.raises(InvalidRequestError, match="has ended"):
            filled.commit([], transaction=txn)
        filled.rollback(txn)

    def test_a_failed_precondition_ends_it_too(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        with pytest.raises(DocumentAlreadyExistsError):
            filled.commit([Create("c/a", {})], transaction=txn)
        with pytest.raises(InvalidRequestError, match="has ended"):
            filled.commit([], transaction=txn)

    def test_what_is_refused_as_malformed_doesnt_end_it(self, filled: MemoryBackend) -> None:
        txn = filled.begin()
        with pytest.raises(InvalidRequestError):
            filled.commit([Set("c/a", {"__x__": 1})], transaction=txn)
        filled.commit([Set("c/a", {"x": 1})], transaction=txn)
        assert stored(filled, "c/a") == {"x": 1}

    def test_a_rollback_may_come_twice(self, filled: MemoryBackend) -> None:
        txn = filled.begin(retry_of=filled.begin())
        filled.rollback(txn)
        filled.rollback(txn)
        with pytest.raises(InvalidRequestError, match="has ended"):
            list(filled.get(GetPlan(("c/a",)), transaction=txn))

    def test_foreign_handles_are_refused(self, filled: MemoryBackend) -> None:
        for handle in (b"zz", MemoryBackend().begin()):
            with pytest.raises(InvalidRequestError, match="not a transaction of this database"):
                filled.commit([], transaction=handle)
            with pytest.raises(InvalidRequestError, match="not a transaction of this database"):
                filled.rollback(handle)
