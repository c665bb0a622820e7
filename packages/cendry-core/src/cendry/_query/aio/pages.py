"""The pages of a query, each a query of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from ..pages import Paging
from .source import AsyncSource

T = TypeVar("T")


class AsyncPages(AsyncIterator[list[T]], Generic[T]):
    """The pages of one run of a query."""

    __slots__ = ("_paging", "_source")

    def __init__(self, source: AsyncSource, paging: Paging[T]) -> None:
        self._source = source
        self._paging = paging

    async def __anext__(self) -> list[T]:
        paging = self._paging
        while not (page := paging.take()):
            plan = paging.next_plan
            if plan is None:
                raise StopAsyncIteration
            paging.add(await self._source.run(plan))
        return page
