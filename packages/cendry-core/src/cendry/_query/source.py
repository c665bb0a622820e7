"""What a query needs of the context or transaction that runs it, and the stream of its results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol, TypeVar

from .._types.analysis import TypeRegistry
from ..backend import StoredDocument
from ..plan import QueryPlan
from .flow import Flow
from .snapshots import Listener, Snapshot
from .spec import QuerySpec

R = TypeVar("R")


class Source(Protocol):
    """What a `Query` needs of the context or transaction that it is bound to."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    def stream(self, plan: QueryPlan) -> Iterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        ...

    def listen(
        self,
        spec: QuerySpec,
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query."""
        ...


class AsyncSource(Protocol):
    """What an `AsyncQuery` needs of the context or transaction that it is bound to."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    def stream(self, plan: QueryPlan) -> AsyncIterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    async def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        ...


def in_order(source: Source, plan: QueryPlan, backwards: bool) -> Iterator[StoredDocument]:
    """The results of a query as they arrive; those that come last one first, reversed."""
    stream = source.stream(plan)
    return iter([*stream][::-1]) if backwards else stream


def in_order_async(source: AsyncSource, plan: QueryPlan, backwards: bool) -> AsyncIterator[StoredDocument]:
    """The results of a query as they arrive; those that come last one first, reversed."""
    stream = source.stream(plan)
    return _reversed(stream) if backwards else stream


async def _reversed(stream: AsyncIterator[StoredDocument]) -> AsyncIterator[StoredDocument]:
    for result in [result async for result in stream][::-1]:
        yield result
