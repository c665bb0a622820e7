"""The part of a context or transaction that queries need to run, and the stream of results."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from ...backend import ExplainResult, StoredDocument
from ...jobs.results import BulkOptions, BulkResult
from ...plan import AggregationPlan, QueryPlan
from ..source import TokenSource


class AsyncSource(TokenSource, Protocol):
    """The part of a context or transaction that an `AsyncQuery` needs to run."""

    async def run(self, plan: QueryPlan) -> list[StoredDocument]:
        """All results of a query."""
        ...

    def stream(self, plan: QueryPlan) -> AsyncIterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    async def aggregate(self, plan: AggregationPlan) -> tuple[int | float | None, ...]:
        """The results of the plan's aggregations over a query."""
        ...

    async def explain(self, plan: QueryPlan | AggregationPlan, analyze: bool) -> ExplainResult:
        """How the database runs a query, and with `analyze` what comes of it."""
        ...

    async def update_found(
        self, model: type[Any], plan: QueryPlan, given: tuple[Any, ...], options: BulkOptions
    ) -> BulkResult:
        """Make the same changes of all documents of a query."""
        ...

    async def delete_found(self, plan: QueryPlan, options: BulkOptions) -> BulkResult:
        """Delete all documents of a query."""
        ...

    async def partition(self, plan: QueryPlan, count: int) -> list[str]:
        """The paths at which up to `count` parts of a query begin, in any order; none if it can't be divided."""
        ...


def in_order(source: AsyncSource, plan: QueryPlan, backwards: bool) -> AsyncIterator[StoredDocument]:
    """The results of a query as they arrive; if the plan runs backwards, reversed."""
    stream = source.stream(plan)
    return _reversed(stream) if backwards else stream


async def _reversed(stream: AsyncIterator[StoredDocument]) -> AsyncIterator[StoredDocument]:
    # sync: yield from list(stream)[::-1]
    for result in [result async for result in stream][::-1]:  # async-only
        yield result
