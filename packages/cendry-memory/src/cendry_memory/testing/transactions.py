"""Transactions, by the protocol: reads, then writes, that take effect together or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cendry.backend import CallOptions
from cendry.errors import CendryError, DocumentAlreadyExistsError, TransactionContentionError
from cendry.plan import AggregationPlan, Condition, Create, Delete, QueryPlan, Set, Update

from .driver import Database, path_of, together
from .features import Feature, needs
from .suite import Suite

N = path_of("n")
WORKERS, INCREMENTS = 3, 3


def assert_one_commits(db: Database, *commits: tuple[Any, Set]) -> None:
    """Commit two transactions that exclude each other; whichever is aborted, one is written."""
    outcomes: list[bool] = []
    for transaction, write in commits:
        try:
            db.commit(write, transaction=transaction)
            outcomes.append(True)
        except TransactionContentionError:
            outcomes.append(False)
    assert [False, True] == sorted(outcomes)
    assert [done for done, (_, write) in zip(outcomes, commits, strict=True) if db.data(write.path) == write.data] == [
        True
    ]


def increment(db: Database) -> None:
    """Add 1, as often as it takes."""
    transaction = None
    while True:
        transaction = db.begin(retry_of=transaction)
        try:
            [read] = db.get("c/a", transaction=transaction)
            assert read.data is not None
            db.commit(Update("c/a", {"n": read.data["n"] + 1}, (N,)), transaction=transaction)
            return
        except TransactionContentionError:
            time.sleep(0.05 * (1 + threading.get_ident() % 7))


class TransactionConformance(Suite):
    """Transactions."""

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_writes_at_its_commit(self, db: Database) -> None:
        transaction = db.begin()
        [before] = db.get("c/a", transaction=transaction)
        result = db.commit(Set("c/a", {"x": 1}), transaction=transaction)
        assert (None, 1) == (before.data, len(result.update_times))
        assert {"x": 1} == db.data("c/a")

    @needs(Feature.TRANSACTIONS)
    def test_a_rollback_writes_nothing_and_ends_it(self, db: Database) -> None:
        transaction = db.begin()
        db.get("c/a", transaction=transaction)
        db.rollback(transaction)
        with pytest.raises(CendryError):
            db.commit(Set("c/a", {"x": 1}), transaction=transaction)
        assert db.data("c/a") is None

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_may_do_nothing(self, db: Database) -> None:
        assert () == db.commit(transaction=db.begin()).update_times

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_that_has_read_nothing_commits_or_ends_like_any_other(self, db: Database) -> None:
        transaction = db.begin()
        assert 1 == len(db.commit(Set("c/a", {"x": 1}), transaction=transaction).update_times)
        with pytest.raises(CendryError):
            db.commit(Set("c/b", {}), transaction=transaction)
        other = db.begin()
        db.rollback(other)
        with pytest.raises(CendryError):
            db.get("c/a", transaction=other)
        assert [{"x": 1}, None] == [db.data("c/a"), db.data("c/b")]

    @needs(Feature.TRANSACTIONS)
    def test_first_reads_may_run_at_the_same_time(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": 1}))
        transaction = db.begin()
        together(*[lambda: db.get("c/a", "c/b", transaction=transaction)] * 3)
        db.commit(Set("c/a", {"n": 2}), transaction=transaction)
        assert {"n": 2} == db.data("c/a")

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY)
    def test_a_transaction_begins_with_its_first_read(self, db: Database) -> None:
        for read_only in (False, True):
            transaction = db.begin(read_only=read_only)
            db.commit(Set("c/a", {"x": read_only}))
            assert {"x": read_only} == db.data("c/a", transaction=transaction)
            db.rollback(transaction)

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY, Feature.QUERIES, Feature.COUNTS)
    def test_all_reads_see_one_moment(self, db: Database) -> None:
        db.commit(Set("c/a", {"x": 1}), Set("c/b", {"x": 1}))
        transaction = db.begin(read_only=True)
        db.get("c/a", transaction=transaction)
        db.commit(Set("c/a", {"x": 2}), Delete("c/b"))
        results = db.run(QueryPlan("c"), transaction=transaction)
        assert [{"x": 1}, {"x": 1}] == [result.data for result in results]
        assert (2,) == db.aggregate(AggregationPlan(QueryPlan("c")), transaction=transaction)
        db.rollback(transaction)

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY, Feature.QUERIES, Feature.COUNTS, Feature.IN)
    def test_a_read_that_is_refused_is_not_the_first_one(self, db: Database) -> None:
        refused = QueryPlan("c", where=Condition(N, "in", []))
        reads: tuple[Callable[[Any], object], ...] = (
            lambda transaction: db.run(refused, transaction=transaction),
            lambda transaction: db.aggregate(AggregationPlan(refused), transaction=transaction),
        )
        for read in reads:
            db.commit(Set("c/a", {"n": 1}))
            transaction = db.begin(read_only=True)
            with pytest.raises(CendryError):
                read(transaction)
            db.commit(Set("c/a", {"n": 2}))
            assert {"n": 2} == db.data("c/a", transaction=transaction)
            db.commit(Set("c/a", {"n": 3}))
            assert {"n": 2} == db.data("c/a", transaction=transaction)
            db.rollback(transaction)

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY)
    def test_to_read_no_documents_is_no_first_read(self, db: Database) -> None:
        transaction = db.begin(read_only=True)
        assert [] == db.get(transaction=transaction)
        db.commit(Set("c/a", {"n": 2}))
        assert {"n": 2} == db.data("c/a", transaction=transaction)
        db.rollback(transaction)

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY, Feature.QUERIES, Feature.COUNTS)
    def test_a_first_read_that_finds_nothing_fixes_the_moment(self, db: Database) -> None:
        nothing = QueryPlan("c", where=Condition(N, "==", 9))
        reads: tuple[Callable[[Any], object], ...] = (
            lambda transaction: db.data("c/none", transaction=transaction),
            lambda transaction: db.names(nothing, transaction=transaction),
            lambda transaction: db.aggregate(AggregationPlan(nothing), transaction=transaction),
        )
        for place, read in enumerate(reads):
            transaction = db.begin(read_only=True)
            assert read(transaction) in (None, [], (0,))
            db.commit(Set(f"c/{place}", {"n": 9}))
            assert [] == db.run(nothing, transaction=transaction)
            assert db.data(f"c/{place}", transaction=transaction) is None
            db.rollback(transaction)
            db.commit(Delete(f"c/{place}"))

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY)
    def test_a_read_only_transaction_refuses_writes(self, db: Database) -> None:
        transaction = db.begin(read_only=True)
        db.get("c/a", transaction=transaction)
        with pytest.raises(CendryError):
            db.commit(Set("c/a", {}), transaction=transaction)
        assert db.data("c/a") is None

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_can_be_the_retry_of_another(self, db: Database) -> None:
        first = db.begin()
        db.rollback(first)
        second = db.begin(retry_of=first)
        db.commit(Create("c/a", {}), transaction=second)
        assert {} == db.data("c/a")

    @needs(Feature.TRANSACTIONS)
    def test_errors_of_a_commit_are_told_in_a_transaction_too(self, db: Database) -> None:
        db.commit(Set("c/a", {"x": 1}))
        with pytest.raises(DocumentAlreadyExistsError):
            db.commit(Set("c/b", {}), Create("c/a", {}), transaction=db.begin())
        assert [{"x": 1}, None] == [db.data("c/a"), db.data("c/b")]

    @needs(Feature.TRANSACTIONS)
    def test_of_two_that_read_and_write_one_document_one_is_committed(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": 0}))
        first, second = db.begin(), db.begin()
        for transaction in (first, second):
            db.get("c/a", transaction=transaction)
        assert_one_commits(db, (first, Set("c/a", {"n": 1})), (second, Set("c/a", {"n": 2})))

    @needs(Feature.TRANSACTIONS, Feature.QUERIES)
    def test_a_query_reads_what_is_not_there_as_well(self, db: Database) -> None:
        none_yet = QueryPlan("c", where=Condition(N, "==", 1))
        first, second = db.begin(), db.begin()
        for transaction in (first, second):
            assert [] == db.run(none_yet, transaction=transaction)
        assert_one_commits(db, (first, Set("c/a", {"n": 1})), (second, Set("c/b", {"n": 1})))
        assert 1 == len(db.run(none_yet))

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_never_overwrites_what_it_did_not_see(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": 0}))
        transaction = db.begin()
        [read] = db.get("c/a", transaction=transaction)
        outside = inside = True
        try:
            db.commit(Set("c/a", {"n": 10}), options=CallOptions(timeout=30))
        except TransactionContentionError:
            outside = False
        assert read.data == {"n": 0}
        try:
            db.commit(Update("c/a", {"n": 1}, (N,)), transaction=transaction)
        except TransactionContentionError:
            inside = False
        # Where readers hold locks, the write from outside is the one that fails; else the transaction.
        assert outside is not inside
        assert {"n": 1 if inside else 10} == db.data("c/a")

    @needs(Feature.TRANSACTIONS)
    def test_nothing_is_lost_among_many(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": 0}))

        def work() -> None:
            for _ in range(INCREMENTS):
                increment(db)

        together(*[work] * WORKERS)
        assert {"n": WORKERS * INCREMENTS} == db.data("c/a")
