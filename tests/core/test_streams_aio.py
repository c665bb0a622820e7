"""The streams of a query's documents."""

from __future__ import annotations

from typing import Any

from cendry._query.aio.documents import AsyncDocuments


class AsyncEmpty:
    """A stream that holds nothing, and so has nothing to close."""

    def __aiter__(self) -> AsyncEmpty:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


async def test_closing_asks_nothing_of_a_stream_that_holds_nothing() -> None:
    documents = AsyncDocuments(AsyncEmpty(), lambda result: result)
    await documents.aclose()
    assert [one async for one in documents] == []
