"""Results of a query, one by one as they arrive, or in pages, each of which is a separate query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar

from ...backend import StoredDocument
from ...errors import DecodeError
from ..results import ErrorHandler, Read, pass_on
from .source import AsyncSource

if TYPE_CHECKING:
    from ..pages import Paging

T = TypeVar("T")


class AsyncDocuments(AsyncIterator[T], Generic[T]):
    """The results of a query, one by one as they arrive.

    A document that doesn't fit its model raises a `DecodeError` for that document; `anext()` continues with the next
    one. With a handler, the error is passed to it, and the iteration continues.
    """

    __slots__ = ("_on_error", "_read", "_results")

    def __init__(
        self,
        results: AsyncIterator[StoredDocument],
        read: Read[T],
        on_error: ErrorHandler | None = None,
    ) -> None:
        self._results = aiter(results)
        self._read = read
        self._on_error = on_error

    async def __anext__(self) -> T:
        async for result in self._results:
            try:
                return self._read(result)
            except DecodeError as error:
                pass_on(error, self._on_error)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop the stream and release its resources."""
        close = getattr(self._results, "aclose", None)
        if close is not None:
            await close()


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
            await self._source.run(plan, paging.add)
        return page
