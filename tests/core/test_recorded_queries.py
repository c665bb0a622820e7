"""Queries that are recorded: those of all contexts, when the database has answered them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cendry import AsyncMemoryBackend, Cendry, InvalidRequestError, MemoryBackend, MissingIndexError, count
from cendry._context.observing import Observer, record_queries
from cendry.plan import AggregationPlan, QueryPlan
from core.documents import City
from core.test_explain import AsyncExplaining, Explaining


@pytest.fixture
def recorded() -> Iterator[list[tuple[QueryPlan, AggregationPlan | None]]]:
    found: list[tuple[QueryPlan, AggregationPlan | None]] = []
    former = record_queries(lambda plan, aggregation: found.append((plan, aggregation)))
    yield found
    record_queries(former)


@pytest.fixture
def ctx(twin: str, make: Callable[..., Any]) -> Any:
    return make(backend=MemoryBackend() if twin == "sync" else AsyncMemoryBackend())


def test_a_query_is_recorded_when_it_ends(ctx: Any, recorded: list[Any]) -> None:
    ctx.save(City(id="SF", name="x"))
    ctx.find(City, "SF")
    ctx.get_many(City, ["SF"])
    query = ctx.select(City, order_by=City.population)
    assert [] == recorded
    query.to_list()
    ((plan, aggregation),) = recorded
    assert ("cities", None) == (plan.collection, aggregation)
    query.count()
    assert recorded[1] == (plan, AggregationPlan(plan, recorded[1][1].aggregations))
    # Nothing is sent, so nothing is needed.
    ctx.select(City, City.name.is_in([])).to_list()
    assert 2 == len(recorded)


def test_a_query_that_is_refused_is_not_recorded(ctx: Any, recorded: list[Any]) -> None:
    with pytest.raises(InvalidRequestError):
        ctx.select(City).limit(2**31).to_list()
    assert [] == recorded


def test_a_query_that_lacks_its_index_is(recorded: list[Any]) -> None:
    with Cendry(backend=MemoryBackend(strict_indexes=None)) as ctx:
        with pytest.raises(MissingIndexError):
            ctx.select(City, City.name == "x", order_by=City.population).to_list()
        assert 1 == len(recorded)


def test_listeners_are_recorded_where_they_begin(recorded: list[Any]) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.select(City, City.name == "x").on_snapshot(lambda snapshot: None).close()
        assert 1 == len(recorded)
        ctx.on_snapshot(City, "SF", lambda snapshot: None).close()
    assert 1 == len(recorded)


def test_explanations_are_recorded(twin: str, make: Callable[..., Any], recorded: list[Any]) -> None:
    ctx = make(backend=Explaining() if twin == "sync" else AsyncExplaining())
    ctx.select(City).explain()
    ctx.select(City).explain(count())
    assert [False, True] == [aggregation is not None for _, aggregation in recorded]


def test_nothing_is_recorded_afterwards(ctx: Any) -> None:
    found: list[Any] = []
    former = record_queries(lambda plan, aggregation: found.append(plan))
    recorder = record_queries(former)
    assert recorder is not None
    ctx.select(City).to_list()
    assert [] == found
    # One that began before.
    record_queries(recorder)
    observed = Observer(False, lambda: None).query("select", QueryPlan("cities"))
    record_queries(None)
    observed.end()
    assert [] == found
    record_queries(former)


def test_while_nothing_is_recorded_operations_are_not_asked_about_it() -> None:
    former = record_queries(None)
    idle = Observer.is_idle
    assert "_recorder" not in idle.__code__.co_names
    record_queries(lambda plan, aggregation: None)
    assert not Observer(False, lambda: None).is_idle()
    record_queries(None)
    assert Observer.is_idle is idle
    record_queries(former)
