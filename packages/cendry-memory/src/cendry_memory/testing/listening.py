"""Listeners: the first state, and every later one."""

from __future__ import annotations

import queue
import time
from typing import Any

import pytest
from cendry import Ref, Snapshot
from cendry.errors import InvalidRequestError
from cendry.paths import FieldPath
from cendry.plan import Composite, Condition, Delete, GetPlan, Order, QueryPlan, Set

from .documents import NAMES_BY_SEGMENT, City
from .driver import HEARING_SECONDS, Database
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
            pytest.skip("contexts of the async twin don't listen yet")
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
            pytest.skip("contexts of the async twin don't listen yet")
        heard: queue.Queue[Snapshot[City]] = queue.Queue()
        listener = ctx.on_snapshot(Ref(City, "a"), heard.put)
        assert () == heard.get(timeout=HEARING_SECONDS).documents
        ctx.save(City(id="a", name="A"))
        assert (City(id="a", name="A"),) == heard.get(timeout=HEARING_SECONDS).documents
        listener.close()
