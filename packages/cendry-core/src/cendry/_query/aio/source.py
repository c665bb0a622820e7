"""The part of a context or transaction that queries need to run, and the stream of results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from ...backend import ExplainResult, StoredDocument
from ...errors import DecodeError
from ...jobs.results import BulkOptions, BulkResult
from ...plan import AggregationPlan, QueryPlan
from ..results import ErrorHandler, Read
from ..source import TokenSource

T = TypeVar("T")


class AsyncSource(TokenSource, Protocol):
    """The part of a context or transaction that an `AsyncQuery` needs to run."""

    async def run(self, plan: QueryPlan, read: Callable[[list[StoredDocument]], T], operation: str = "select") -> T:
        """All results of a query, read together."""
        ...

    async def run_each(self, plan: QueryPlan, read: Read[T], on_error: ErrorHandler | None) -> list[T]:
        """All results of a query, each read as it arrives."""
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


async def read_each(results: AsyncIterator[StoredDocument], read: Read[T], on_error: ErrorHandler | None) -> list[T]:
    """Read results as they arrive, so that none is held in two forms; on an error, the stream is closed.

    Args:
        results: The results.
        read: Reads one.
        on_error: Called with the errors of those that don't fit; without it, they are raised.
    """
    try:
        if on_error is None:
            return [read(result) async for result in results]
        found: list[T] = []
        async for result in results:
            try:
                found.append(read(result))
            except DecodeError as error:
                on_error(error)
        return found
    except BaseException:
        close = getattr(results, "aclose", None)
        if close is not None:
            await close()
        raise


def in_order(source: AsyncSource, plan: QueryPlan, backwards: bool) -> AsyncIterator[StoredDocument]:
    """The results of a query as they arrive; if the plan runs backwards, reversed."""
    stream = source.stream(plan)
    return _reversed(stream) if backwards else stream


async def _reversed(stream: AsyncIterator[StoredDocument]) -> AsyncIterator[StoredDocument]:
    # sync: yield from list(stream)[::-1]
    for result in [result async for result in stream][::-1]:  # async-only
        yield result
