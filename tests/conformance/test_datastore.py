"""The suite held against Datastore mode, on both of Google's emulators: what there is, and that the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cendry.errors import InvalidRequestError
from cendry.plan import AggregationPlan, Condition, Order, QueryPlan, Set
from cendry_datastore import DatastoreBackend, _channel
from cendry_memory.testing import ALL_FEATURES, BackendConformance, Database, Feature
from cendry_memory.testing.documents import City
from cendry_memory.testing.driver import path_of

DATASTORE = ALL_FEATURES - {
    Feature.OR,
    Feature.WHOLE_VALUES,
    Feature.NAMES_WITH_DOTS,
    Feature.GROUPS,
    Feature.CURSORS,
    Feature.MERGES,
    Feature.TRANSFORMS,
    Feature.PRECONDITIONS,
    Feature.BULK,
    Feature.LISTENERS,
    Feature.VECTORS,
    Feature.NEAREST,
    Feature.TIMES,
    # Datastore has an order and limits of its own.
    Feature.KINDS,
    Feature.LIMITS,
}
"""What Datastore mode has."""

# The older emulator was not taught what Datastore has learned since.
CLASSIC = DATASTORE - {
    Feature.IN,
    Feature.NOT_EQUAL,
    Feature.SEVERAL_INEQUALITIES,
    Feature.NULL_FILTERS,
    Feature.SUMS,
    Feature.READ_TIMES,
}


@pytest.mark.slow
class TestDatastoreMode(BackendConformance):
    features = DATASTORE

    @pytest.fixture
    def backend(
        self, cendry_datastore_mode_host: str, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> DatastoreBackend:
        monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
        return DatastoreBackend(project=project)

    # On this emulator a request of its own begins a transaction, before a read of it is refused.
    def test_a_read_that_is_refused_is_not_the_first_one(self, db: Database) -> None:
        db.commit(Set("c/a", {"n": 1}))
        transaction = db.begin(read_only=True)
        with pytest.raises(InvalidRequestError):
            db.run(QueryPlan("c", where=Condition(path_of("n"), "in", [])), transaction=transaction)
        db.commit(Set("c/a", {"n": 2}))
        assert {"n": 1} == db.data("c/a", transaction=transaction)
        db.rollback(transaction)


@pytest.mark.slow
class TestClassicDatastore(BackendConformance):
    features = CLASSIC

    @pytest.fixture
    def backend(
        self, cendry_classic_datastore_host: str, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> DatastoreBackend:
        monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_classic_datastore_host)
        # As in production.
        monkeypatch.setattr(_channel, "READS_BEGIN_ON_EMULATORS", True)
        return DatastoreBackend(project=project)

    # What the backend lacks it refuses; what only this emulator lacks, the emulator refuses.
    def test_what_the_backend_lacks_is_refused_and_nothing_is_done(self, db: Database) -> None:
        self.features = DATASTORE  # type: ignore[misc]
        super().test_what_the_backend_lacks_is_refused_and_nothing_is_done(db)

    # It knows entity groups: a query inside a transaction has to name one, and a transaction touches 25 at most.
    def test_queries_in_transactions(self, ctx: Any) -> None:
        with pytest.raises(InvalidRequestError, match="ancestor"):
            ctx.transaction(lambda txn: txn.select(City).to_list())

    def test_pages_with_tokens_in_transactions(self, ctx: Any, cities: Any) -> None:
        with pytest.raises(InvalidRequestError, match="ancestor"):
            ctx.transaction(lambda txn: txn.select(cities).page(2))

    def test_queries_begin_at_tokens_in_transactions(self, ctx: Any, cities: Any) -> None:
        after = cities.start_after(cities.page(2).next_token)
        with pytest.raises(InvalidRequestError, match="ancestor"):
            ctx.transaction(lambda txn: txn.select(after).to_list())

    def test_a_read_only_transaction(self, ctx: Any) -> None:
        ctx.save(City(id="a", name="A"))
        assert "A" == ctx.transaction(lambda txn: txn.get(City, "a").name, read_only=True)

    def test_a_query_reads_what_is_not_there_as_well(self, db: Database) -> None:
        transaction = db.begin()
        with pytest.raises(InvalidRequestError, match="ancestor"):
            db.run(QueryPlan("c", where=Condition(path_of("n"), "==", 1)), transaction=transaction)
        assert [] == db.run(QueryPlan("d", parent="c/a"), transaction=transaction)
        db.rollback(transaction)

    def test_all_reads_see_one_moment(self, db: Database) -> None:
        db.commit(Set("c/a/d/a", {"x": 1}), Set("c/a/d/b", {"x": 1}))
        transaction, below = db.begin(read_only=True), QueryPlan("d", parent="c/a")
        assert (2,) == db.aggregate(AggregationPlan(below), transaction=transaction)
        assert [{"x": 1}, {"x": 1}] == [result.data for result in db.run(below, transaction=transaction)]
        # What is changed meanwhile it reads as changed, or not at all.
        db.rollback(transaction)

    def test_a_first_read_that_finds_nothing_fixes_the_moment(self, db: Database) -> None:
        transaction = db.begin(read_only=True)
        assert db.data("c/none", transaction=transaction) is None
        with pytest.raises(InvalidRequestError, match="ancestor"):
            db.run(QueryPlan("c"), transaction=transaction)
        db.rollback(transaction)

    def test_500_writes_at_once_and_no_more(self, ctx: Any) -> None:
        assert 25 == len(ctx.save_many(City(id=str(number), name="x") for number in range(25)))
        with pytest.raises(InvalidRequestError, match="too many entity groups"):
            ctx.save_many(City(id=f"more {number}", name="x") for number in range(26))
        assert not ctx.exists(City, "more 0")

    # Entities that are equal come in ascending order of their keys, whatever the query's direction.
    def test_orders(self, lettered: Database) -> None:
        lettered.commit(Set("cities/f", {"n": 1}), Set("cities/unordered", {}))
        by_n = Order(path_of("n"))
        assert list("afbcde") == lettered.names(QueryPlan("cities", orders=(by_n,)))
        assert list("edcbaf") == lettered.names(QueryPlan("cities", orders=(Order(path_of("n"), True),)))
        assert list("cde") == lettered.names(QueryPlan("cities", orders=(by_n,), where=Condition(by_n.path, ">", 2)))
