"""Explanations: what a backend is asked, and what comes of its answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cendry import (
    AsyncMemoryBackend,
    CendryError,
    ExecutionStats,
    Explanation,
    MemoryBackend,
    PlanSummary,
    UnsupportedByBackendError,
    count,
)
from cendry.backend import ExplainResult
from cendry.plan import AggregationPlan, QueryPlan
from core.documents import City

PLAN = PlanSummary(({"properties": "(population ASC, __name__ ASC)"},))
STATS = ExecutionStats(1, timedelta(seconds=2), 3, {"documents_scanned": "4"})


class Explaining(MemoryBackend):
    """A database that explains queries."""

    def explain(
        self, plan: QueryPlan | AggregationPlan, *, analyze: bool, options: Any, transaction: Any
    ) -> ExplainResult:
        if not analyze:
            return ExplainResult([], PLAN, None)
        found: list[Any]
        if isinstance(plan, AggregationPlan):
            found = [self.aggregate(plan, options=options, transaction=transaction)]
        else:
            found = list(self.run(plan, options=options, transaction=transaction))
        return ExplainResult(found, PLAN, STATS)


class AsyncExplaining(AsyncMemoryBackend):
    """The same, for the async twin."""

    async def explain(self, plan: QueryPlan | AggregationPlan, **options: Any) -> ExplainResult:
        backend = Explaining(store=self.store)
        return backend.explain(plan, **options)


@pytest.fixture
def explaining(twin: str, make: Callable[..., Any]) -> Any:
    ctx = make(backend=Explaining() if twin == "sync" else AsyncExplaining())
    ctx.save_many(City(id=name, name=name.upper(), population=place) for place, name in enumerate("abc"))
    return ctx


def test_queries_rows_and_aggregates_are_explained(explaining: Any) -> None:
    query = explaining.select(City, order_by=City.population)
    assert Explanation(PLAN, None, []) == query.explain()
    found = query.explain(analyze=True)
    assert (PLAN, STATS, query.to_list()) == (found.plan, found.stats, found.documents)
    assert ["b", "c"] == [city.id for city in query.limit_to_last(2).explain(analyze=True).documents]
    assert [("B", 1), ("C", 2)] == query.limit_to_last(2).values(City.name, City.population).explain(
        analyze=True
    ).documents
    assert [(3, 1.0)] == query.explain(count(), City.population.avg(), analyze=True).documents
    assert Explanation(PLAN, None, []) == query.explain(count())


def test_a_query_after_a_page_is_explained(explaining: Any) -> None:
    query = explaining.select(City, order_by=City.population)
    rest = query.start_after(query.page(1).next_token)
    assert ["b", "c"] == [city.id for city in rest.explain(analyze=True).documents]
    assert [(2,)] == rest.explain(count(), analyze=True).documents


def test_nothing_is_asked_where_nothing_matches(explaining: Any) -> None:
    query = explaining.select(City, City.name.is_in([]))
    none, nothing = PlanSummary(()), ExecutionStats(0, timedelta(), 0, {})
    assert Explanation(none, None, []) == query.explain() == query.explain(count())
    assert Explanation(none, nothing, []) == query.explain(analyze=True)
    assert Explanation(none, nothing, [(0, None)]) == query.explain(count(), City.area.avg(), analyze=True)


def test_transactions_explain_too(explaining: Any) -> None:
    with explaining.transaction(read_only=True) as txn:
        query = txn.select(City)
        assert 3 == len(query.explain(analyze=True).documents)
    with pytest.raises(CendryError, match="has ended"):
        query.explain()


def test_other_arguments_are_refused(explaining: Any) -> None:
    query = explaining.select(City)
    for explain in (query.explain, query.values(City.name).explain, lambda **given: query.explain(count(), **given)):
        with pytest.raises(TypeError, match="takes True or False as analyze=, not 1"):
            explain(analyze=1)
    with pytest.raises(TypeError, match="not True"):
        query.explain(True)
    with pytest.raises(CendryError, match="at most 5"):
        query.explain(*[count()] * 6)


def test_a_backend_that_explains_nothing_says_so(ctx: Any) -> None:
    query = ctx.select(City)
    for explain in (query.explain, query.values(City.name).explain, lambda: query.explain(count())):
        with pytest.raises(
            UnsupportedByBackendError, match=r"does not support explain\(\)\. Firestore does, in production alone\."
        ):
            explain()
