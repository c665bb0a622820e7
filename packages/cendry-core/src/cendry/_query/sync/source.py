# Generated from aio/source.py by tools/twins.py; do not edit.
"""The part of a context or transaction that queries need to run, and the stream of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from ...backend import ExplainResult, StoredDocument
from ...errors import DecodeError
from ...jobs.results import BulkOptions, BulkResult
from ...plan import AggregationPlan, QueryPlan
from ..results import ErrorHandler, Read
from ..source import TokenSource

T = TypeVar("T")


class Source(TokenSource, Protocol):
    """The part of a context or transaction that a `Query` needs to run."""

    def run(self, plan: QueryPlan, read: Callable[[list[StoredDocument]], T], operation: str = "select") -> T:
        """All results of a query, read together."""
        ...

    def run_each(self, plan: QueryPlan, read: Read[T], on_error: ErrorHandler | None) -> list[T]:
        """All results of a query, each read as it arrives."""
        ...

    def stream(self, plan: QueryPlan) -> Iterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    def aggregate(self, plan: AggregationPlan) -> tuple[int | float | None, ...]:
        """The results of the plan's aggregations over a query."""
        ...

    def explain(self, plan: QueryPlan | AggregationPlan, analyze: bool) -> ExplainResult:
        """How the database runs a query, and with `analyze` what comes of it."""
        ...

    def update_found(
        self, model: type[Any], plan: QueryPlan, given: tuple[Any, ...], options: BulkOptions
    ) -> BulkResult:
        """Make the same changes of all documents of a query."""
        ...

    def delete_found(self, plan: QueryPlan, options: BulkOptions) -> BulkResult:
        """Delete all documents of a query."""
        ...

    def partition(self, plan: QueryPlan, count: int) -> list[str]:
        """The paths at which up to `count` parts of a query begin, in any order; none if it can't be divided."""
        ...


def read_each(results: Iterator[StoredDocument], read: Read[T], on_error: ErrorHandler | None) -> list[T]:
    """Read results as they arrive, so that none is held in two forms; on an error, the stream is closed.

    Args:
        results: The results.
        read: Reads one.
        on_error: Called with the errors of those that don't fit; without it, they are raised.
    """
    try:
        if on_error is None:
            return [read(result) for result in results]
        found: list[T] = []
        for result in results:
            try:
                found.append(read(result))
            except DecodeError as error:
                on_error(error)
        return found
    except BaseException:
        close = getattr(results, "close", None)
        if close is not None:
            close()
        raise


def in_order(source: Source, plan: QueryPlan, backwards: bool) -> Iterator[StoredDocument]:
    """The results of a query as they arrive; if the plan runs backwards, reversed."""
    stream = source.stream(plan)
    return _reversed(stream) if backwards else stream


def _reversed(stream: Iterator[StoredDocument]) -> Iterator[StoredDocument]:
    yield from list(stream)[::-1]
