# Generated from aio/source.py by tools/twins.py; do not edit.
"""What a query needs of the context or transaction that runs it, and the stream of its results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..._types.registry import TypeRegistry
from ...backend import StoredDocument
from ...plan import AggregationPlan, QueryPlan


class Source(Protocol):
    """What a `Query` needs of the context or transaction that it is bound to."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    def run(self, plan: QueryPlan) -> list[StoredDocument]:
        """All results of a query."""
        ...

    def stream(self, plan: QueryPlan) -> Iterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    def aggregate(self, plan: AggregationPlan) -> tuple[int | float | None, ...]:
        """Figures over a query, one for each aggregation of the plan."""
        ...


def in_order(source: Source, plan: QueryPlan, backwards: bool) -> Iterator[StoredDocument]:
    """The results of a query as they arrive; those that come last one first, reversed."""
    stream = source.stream(plan)
    return _reversed(stream) if backwards else stream


def _reversed(stream: Iterator[StoredDocument]) -> Iterator[StoredDocument]:
    yield from list(stream)[::-1]
