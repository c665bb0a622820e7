"""Filters that allow one of no values match nothing, and nothing is sent for them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cendry import And, Cendry, DocumentNotFoundError, FieldPath, Or, Query, Snapshot, count, default_registry
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry.plan import NOTHING, Composite, Condition, QueryPlan
from core.documents import City
from core.recording import RecordingBackend

EMPTY = City.name.is_in([])
NONE_OF = City.tags.array_contains_any(())
SF = City.name == "SF"
BIG = City.population > 5


@pytest.fixture
def stored(backend: Any) -> Any:
    for name in ("SF", "LA"):
        backend.put(f"cities/{name}", {"displayName": name, "population": 6, "tags": [1]})
    backend.calls.clear()
    return backend


def plan_of(query: Query[Any]) -> QueryPlan:
    return compiled(spec_of(query), default_registry).plan


@pytest.mark.parametrize(
    "filters",
    [
        [EMPTY],
        [NONE_OF],
        [City.id.is_in([])],
        [SF, EMPTY],
        [And(SF, And(BIG, NONE_OF))],
        [Or(EMPTY, NONE_OF)],
        [SF, Or(EMPTY, And(NONE_OF, BIG))],
    ],
)
def test_nothing_is_sent_for_what_matches_nothing(ctx: Any, stored: Any, filters: list[Any]) -> None:
    query = ctx.select(City, *filters)
    assert [] == query.to_list()
    assert [] == list(query)
    assert [] == list(query.limit_to_last(2).order_by(City.name))
    assert (None, None, None) == (query.first(), query.last(), query.one_or_none())
    with pytest.raises(DocumentNotFoundError):
        query.one()
    assert not query.exists()
    assert [] == query.ids()
    assert (0, 0, None) == (query.count(), query.sum(City.population), query.avg(City.population))
    assert (0,) == query.aggregate(count(up_to=3))
    assert [] == list(query.paginate(2))
    for page in (query.page(2), query.values(City.name).page(2), query.order_by(City.population).page(1)):
        assert ([], None, None) == (page.items, page.next_token, page.previous_token)
    assert [] == query.values(City.name, flat=True).to_list()
    assert [] == list(query.project(City.name))
    assert [] == ctx.select_group(City, *filters).to_list()
    assert [] == stored.calls


def test_nothing_is_sent_inside_a_transaction(ctx: Any, stored: Any) -> None:
    def run(txn: Any) -> None:
        query = txn.select(City, EMPTY)
        assert ([], [], 0) == (query.to_list(), list(query), query.count())

    ctx.transaction(run)
    assert {"begin", "commit", "rollback"} >= {call[0] for call in stored.calls}


def test_an_empty_part_drops_out_of_an_or() -> None:
    name = Condition(FieldPath("displayName"), "==", "SF")
    big = Condition(FieldPath("population"), ">", 5)
    for filters, where in (
        ([Or(EMPTY, SF)], name),
        ([Or(SF, And(BIG, NONE_OF))], name),
        ([Or(SF, EMPTY, BIG)], Composite("OR", (name, big))),
        ([BIG, Or(SF, EMPTY)], Composite("AND", (big, name))),
        ([Or(SF, BIG)], Composite("OR", (name, big))),
        ([Or(SF, BIG), BIG], Composite("AND", (Composite("OR", (name, big)), big))),
    ):
        assert where == plan_of(Query(City, *filters)).where


def test_the_rest_of_the_query_is_checked_all_the_same() -> None:
    query = Query(City, EMPTY, BIG, start_at={City.population: 5})
    assert plan_of(query).where is NOTHING
    assert ["population"] == [str(order.path) for order in plan_of(query).orders]


def test_other_parts_of_an_or_find_their_documents(ctx: Any, stored: Any) -> None:
    assert ["SF"] == ctx.select(City, Or(EMPTY, SF)).ids()
    assert 1 == len(stored.calls)


def test_a_listener_gets_one_empty_snapshot() -> None:
    backend = RecordingBackend()
    arrived, found = threading.Event(), list[Snapshot[City]]()

    def take(snapshot: Snapshot[City]) -> None:
        found.append(snapshot)
        arrived.set()

    with Cendry(backend=backend) as ctx:
        listener = ctx.select(City, EMPTY).on_snapshot(take)
        assert arrived.wait(60)
        states = [listener.closed]
    assert [False, True] == [*states, listener.closed]
    assert [((), (), None)] == [(one.documents, one.changes, one.read_time) for one in found]
    assert [] == backend.calls
