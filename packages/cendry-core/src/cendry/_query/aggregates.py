"""Figures over a query, which the database computes."""

from __future__ import annotations

from .._types.analysis import TypeRegistry
from ..plan import Aggregation, AggregationPlan
from .compile import compiled
from .flow import Flow
from .spec import QuerySpec


def count(spec: QuerySpec, registry: TypeRegistry) -> Flow[int]:
    """How many documents there are."""
    figures: tuple[int] = yield AggregationPlan(compiled(spec, registry).plan, (Aggregation("count"),))
    return figures[0]
