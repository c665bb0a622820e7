# Generated from aio/documents.py by tools/twins.py; do not edit.
"""What a query gives: documents or rows, one by one as they arrive, or pages, each of which is a query of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ...backend import StoredDocument
from ...errors import DecodeError
from ..pages import Paging
from ..results import ErrorHandler, Read, pass_on
from .source import Source

T = TypeVar("T")


class Documents(Iterator[T], Generic[T]):
    """What a query gives, one by one as it arrives.

    A document that doesn't fit its model raises a `DecodeError` for that document; `next()` goes on with the one
    after it. With a handler, the error goes there, and the iteration goes on by itself.
    """

    __slots__ = ("_on_error", "_read", "_results")

    def __init__(
        self,
        results: Iterator[StoredDocument],
        read: Read[T],
        on_error: ErrorHandler | None = None,
    ) -> None:
        self._results = iter(results)
        self._read = read
        self._on_error = on_error

    def __next__(self) -> T:
        for result in self._results:
            try:
                return self._read(result)
            except DecodeError as error:
                pass_on(error, self._on_error)
        raise StopIteration

    def close(self) -> None:
        """Stop the stream and release what it holds."""
        close = getattr(self._results, "close", None)
        if close is not None:
            close()


class Rows(Generic[T]):
    """The rows of a projection: iterate over them, or take them as a list. Each time, the query runs anew."""

    __slots__ = ("_on_error", "_open", "_read")

    def __init__(
        self, open_stream: Callable[[], Iterator[StoredDocument]], read: Read[T], on_error: ErrorHandler | None
    ) -> None:
        self._open = open_stream
        self._read = read
        self._on_error = on_error

    def __iter__(self) -> Iterator[T]:
        return Documents(self._open(), self._read, self._on_error)

    def to_list(self) -> list[T]:
        """All rows, in memory at once."""
        return list(self)


class Pages(Iterator[list[T]], Generic[T]):
    """The pages of one run of a query."""

    __slots__ = ("_paging", "_source")

    def __init__(self, source: Source, paging: Paging[T]) -> None:
        self._source = source
        self._paging = paging

    def __next__(self) -> list[T]:
        paging = self._paging
        while not (page := paging.take()):
            plan = paging.next_plan
            if plan is None:
                raise StopIteration
            paging.add(self._source.run(plan))
        return page
