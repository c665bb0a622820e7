"""Listeners: the first state, and every later one."""

from __future__ import annotations

import queue
import time
from itertools import islice
from typing import Any

import pytest
from cendry import CendryError, Change, DecodeError, Ref, Snapshot, get_metadata
from cendry.errors import InvalidRequestError
from cendry.paths import FieldPath
from cendry.plan import Composite, Condition, Delete, GetPlan, Order, QueryPlan, Set

from .documents import NAMES_BY_SEGMENT, Area, City
from .driver import HEARING_SECONDS, Database, together
from .features import Feature, needs
from .suite import Suite

N = FieldPath("n")
BY_N = QueryPlan("c", where=Condition(N, ">", 0), orders=(Order(N),))
SILENCE_SECONDS = 0.3


def changes_of(snapshot: Snapshot[City]) -> list[tuple[str, str | None, int | None, int | None]]:
    """The changes of a snapshot, with ids for documents."""
    return [(each.type, each.document.id, each.old_index, each.new_index) for each in snapshot.changes]


def assert_silent(*queues: queue.Queue[Any]) -> None:
    """No further notification arrives."""
    time.sleep(SILENCE_SECONDS)
    assert all(one.empty() for one in queues)


class ListenConformance(Suite):
    """Listeners."""

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_query_is_told_at_first_and_after_every_change(self, db: Database) -> None:
        ear = db.listen(BY_N)
        assert [] == ear.names()
        db.commit(Set("c/b", {"n": 2}), Set("c/a", {"n": 1}), Set("c/out", {"n": 0}))
        assert ["a", "b"] == ear.names()
        db.commit(Set("c/a", {"n": 3}))
        assert ["b", "a"] == ear.names()
        db.commit(Set("c/b", {"n": -1}))
        assert ["a"] == ear.names()
        db.commit(Delete("c/a"))
        assert [] == ear.names()
        assert_silent(ear.snapshots, ear.errors)

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_snapshot_carries_data_and_times(self, db: Database) -> None:
        result = db.commit(Set("c/a", {"n": 1, "tags": ["x"]}))
        snapshot = db.listen(BY_N).hear()
        [document] = snapshot.documents
        assert ("c/a", {"n": 1, "tags": ["x"]}) == (document.path, document.data)
        assert (result.commit_time, result.commit_time) == (document.create_time, document.update_time)
        assert snapshot.read_time == document.read_time

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_result_belongs_to_its_receiver(self, db: Database) -> None:
        ear = db.listen(BY_N)
        ear.hear()
        db.commit(Set("c/a", {"n": 1, "tags": ["x"]}))
        [document] = ear.hear().documents
        assert document.data is not None
        document.data["tags"].append("changed")
        assert {"n": 1, "tags": ["x"]} == db.data("c/a")
        assert [{"n": 1, "tags": ["x"]}] == [one.data for one in db.listen(BY_N).hear().documents]

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_only_what_changes_is_given_again(self, db: Database) -> None:
        db.commit(*(Set(f"c/d{n}", {"n": n}) for n in range(1, 5)))
        ear = db.listen(BY_N)
        first = ear.hear().documents
        db.commit(Set("c/d2", {"n": 9}), Delete("c/d3"))
        second = ear.hear()
        assert ["d1", "d4", "d2"] == [one.path[2:] for one in second.documents]
        assert (first[0], first[3]) == second.documents[:2]
        assert all(one is other for one, other in zip((first[0], first[3]), second.documents, strict=False))
        assert [("removed", 2, None), ("modified", 1, 2)] == [
            (each.type, each.old_index, each.new_index) for each in second.changes
        ]

    @needs(Feature.LISTENERS)
    def test_one_document_is_there_or_not(self, db: Database) -> None:
        ear = db.listen(GetPlan(("c/a",)))
        assert () == ear.hear().documents
        db.commit(Set("c/a", {"n": 1}), Set("c/other", {}))
        assert [{"n": 1}] == [document.data for document in ear.hear().documents]
        db.commit(Set("c/other", {"n": 5}))
        db.commit(Delete("c/a"))
        assert () == ear.hear().documents

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.GROUPS)
    def test_groups_limits_and_descending_orders(self, db: Database) -> None:
        db.commit(*(Set(f"p/{n}/c/d{n}", {"n": n}) for n in range(1, 5)))
        assert ["d4", "d3"] == db.listen(QueryPlan("c", group=True, orders=(Order(N, True),), limit=2)).names()
        assert ["d2"] == db.listen(QueryPlan("c", parent="p/2")).names()

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.SEVERAL_INEQUALITIES)
    @pytest.mark.parametrize(("first", "second"), NAMES_BY_SEGMENT)
    def test_a_listener_has_the_order_of_its_query(self, db: Database, first: str, second: str) -> None:
        db.commit(*(Set(f"c/{name}", {first: n, second: -n}) for n, name in enumerate("dbca")))
        where = Composite("AND", tuple(Condition(FieldPath(name), "<", 9) for name in (second, first)))
        plan = QueryPlan("c", where=where)
        assert list("dbca") == db.names(plan) == db.listen(plan).names()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_what_falls_out_of_a_limit_makes_room(self, db: Database) -> None:
        db.commit(*(Set(f"c/d{n}", {"n": n}) for n in range(1, 4)))
        ear = db.listen(QueryPlan("c", orders=(Order(N),), limit=2))
        assert ["d1", "d2"] == ear.names()
        db.commit(Delete("c/d1"))
        assert ["d2", "d3"] == ear.names()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_close_ends_it_and_may_come_twice(self, db: Database) -> None:
        ear = db.listen(BY_N)
        ear.hear()
        ear.handle.close()
        ear.handle.close()
        db.commit(Set("c/a", {"n": 1}))
        assert_silent(ear.snapshots, ear.errors)

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.LIMITS, Feature.IN)
    def test_a_malformed_query_is_told_once(self, db: Database) -> None:
        ear = db.listen(QueryPlan("c", where=Condition(N, "in", [])))
        assert isinstance(ear.error(), InvalidRequestError)
        assert_silent(ear.snapshots, ear.errors)

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_context_tells_instances_and_what_changed(self, db: Database, ctx: Any) -> None:
        if db.is_async:
            pytest.skip("callbacks are for sync code; the async twin has iterators alone")
        heard: queue.Queue[Snapshot[City]] = queue.Queue()
        ctx.save_many([City(id="a", name="A", population=1), City(id="b", name="B", population=2)])
        listener = ctx.select(City, order_by=City.population).on_snapshot(heard.put)
        first = heard.get(timeout=HEARING_SECONDS)
        assert ["a", "b"] == [city.id for city in first.documents]
        assert [("added", "a", None, 0), ("added", "b", None, 1)] == changes_of(first)
        ctx.update(City, "a", {City.population: 3})
        assert [("modified", "a", 0, 1)] == changes_of(heard.get(timeout=HEARING_SECONDS))
        ctx.delete(City, "b")
        assert [("removed", "b", 0, None)] == changes_of(heard.get(timeout=HEARING_SECONDS))
        listener.close()
        ctx.delete(City, "a")
        assert_silent(heard)

    @needs(Feature.LISTENERS)
    def test_a_context_tells_of_one_document(self, db: Database, ctx: Any) -> None:
        if db.is_async:
            pytest.skip("callbacks are for sync code; the async twin has iterators alone")
        heard: queue.Queue[Snapshot[City]] = queue.Queue()
        listener = ctx.on_snapshot(Ref(City, "a"), heard.put)
        assert () == heard.get(timeout=HEARING_SECONDS).documents
        ctx.save(City(id="a", name="A"))
        assert (City(id="a", name="A"),) == heard.get(timeout=HEARING_SECONDS).documents
        listener.close()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_snapshots_of_a_query(self, ctx: Any) -> None:
        ctx.save_many([City(id="a", name="A", population=1), City(id="b", name="B", population=2)])
        with ctx.select(City, order_by=City.population).snapshots() as snapshots:
            first = next(snapshots)
            assert [City(id="a", name="A", population=1), City(id="b", name="B", population=2)] == list(first.documents)
            assert [("added", "a", None, 0), ("added", "b", None, 1)] == changes_of(first)
            ctx.update(City, "a", {City.population: 3})
            second = next(snapshots)
            assert [("modified", "a", 0, 1)] == changes_of(second)
            assert second.documents[0] is first.documents[1]
            assert second.read_time is not None
            ctx.delete(City, "b")
            third = next(snapshots)
            assert [("removed", "b", 0, None)] == changes_of(third)
            assert "cities/a" == get_metadata(third.documents[0]).path
        assert snapshots.closed
        assert [] == list(snapshots)

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_changes_one_by_one(self, ctx: Any) -> None:
        ctx.save(City(id="a", name="A", population=1))
        changes = iter(ctx.select(City, order_by=City.population).watch())
        assert Change("added", City(id="a", name="A", population=1), None, 0) == next(changes)
        with ctx.batch() as batch:
            batch.delete(City, "a")
            batch.save(City(id="b", name="B", population=2))
        assert [("removed", "a"), ("added", "b")] == [(one.type, one.document.id) for one in islice(changes, 2)]
        changes.close()

    @needs(Feature.LISTENERS)
    def test_snapshots_and_changes_of_one_document(self, ctx: Any) -> None:
        snapshots, changes = ctx.snapshots(City, "a"), ctx.watch(Ref(City, "a"))
        assert () == next(snapshots).documents
        ctx.save(City(id="a", name="A"))
        ctx.save(City(id="b", name="B"))
        assert (City(id="a", name="A"),) == next(snapshots).documents
        assert ("added", City(id="a", name="A")) == (lambda one: (one.type, one.document))(next(changes))
        ctx.delete(City, "a")
        assert () == next(snapshots).documents
        assert "removed" == next(changes).type
        for one in (snapshots, changes):
            one.close()

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.GROUPS)
    def test_snapshots_of_a_group(self, ctx: Any) -> None:
        snapshots = ctx.select_group(Area).snapshots()
        assert () == next(snapshots).documents
        ctx.save(Area(id="x", name="X"), parent=Ref(City, "a"))
        ctx.save(Area(id="x", name="Y"), parent=Ref(City, "b"))
        seen: set[str] = set()
        while len(seen) < 2:
            seen.update(get_metadata(one).path for one in next(snapshots).documents)
        assert {"cities/a/areas/x", "cities/b/areas/x"} == seen
        snapshots.close()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    @pytest.mark.parametrize("last", [False, True])
    def test_a_slow_consumer_gets_the_latest_state_and_all_changes_to_it(self, ctx: Any, last: bool) -> None:
        query = ctx.select(City, order_by=City.population)
        snapshots = (query.limit_to_last(3) if last else query.limit(3)).snapshots()
        rows: list[City] = []
        next(snapshots)
        for step in range(4):
            for number in range(5):
                ctx.save(City(id="abcde"[(step + number) % 5], name=f"{step}", population=number * step))
            expected = sorted(ctx.select(City), key=lambda city: (city.population, city.id))
            expected = expected[-3:] if last else expected[:3]
            while rows != expected:
                snapshot = next(snapshots)
                for change in snapshot.changes:
                    if change.old_index is not None:
                        assert change.document.id == rows.pop(change.old_index).id
                    if change.new_index is not None:
                        rows.insert(change.new_index, change.document)
                assert list(snapshot.documents) == rows
        snapshots.close()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_document_that_does_not_fit_is_raised_and_the_iterator_goes_on(self, db: Database, ctx: Any) -> None:
        ctx.save(City(id="a", name="A"))
        errors: list[DecodeError] = []
        query = ctx.select(City)
        raising, handling = query.snapshots(), query.snapshots(on_error=errors.append)
        assert [["a"], ["a"]] == [[city.id for city in next(one).documents] for one in (raising, handling)]
        db.commit(Set("cities/b", {"displayName": 5}))
        with pytest.raises(DecodeError, match="cities/b"):
            next(raising)
        ctx.save(City(id="c", name="C"))
        assert ["a", "c"] == [city.id for city in next(raising).documents]
        assert ["a", "c"] == [city.id for city in next(handling).documents]
        assert ["cities/b"] == [error.path for error in errors]
        for one in (raising, handling):
            one.close()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_a_closed_context_ends_the_iteration(self, db: Database) -> None:
        with db.context() as ctx:
            query = ctx.select(City)
            snapshots, unused = query.snapshots(), query.snapshots()
            assert () == next(iter(snapshots)).documents
        assert [] == list(snapshots)
        with pytest.raises(CendryError, match="context is closed"):
            next(unused)
        with pytest.raises(CendryError, match="context is closed"):
            query.snapshots()

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_one_that_waits_is_ended_by_close(self, ctx: Any) -> None:
        snapshots = ctx.select(City).snapshots()
        next(snapshots)
        rest: list[Any] = []
        together(lambda: rest.extend(snapshots), snapshots.close)
        assert ([], True) == (rest, snapshots.closed)

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.LIMITS, Feature.IN)
    def test_what_ends_a_listener_is_raised_once(self, ctx: Any) -> None:
        names = [str(number) for number in range(20)]
        many = ctx.select(City, City.name.is_in(names), City.state.is_in(names)).snapshots()
        with pytest.raises(InvalidRequestError):
            next(many)
        assert ([], True) == (list(many), many.closed)

    @needs(Feature.LISTENERS, Feature.QUERIES, Feature.TRANSACTIONS)
    def test_transactions_have_no_listeners(self, ctx: Any) -> None:
        def listen(txn: Any) -> None:
            for begin in (txn.select(City).snapshots, txn.select(City).watch):
                with pytest.raises(CendryError, match="A transaction has no listeners"):
                    begin()

        ctx.transaction(listen)
