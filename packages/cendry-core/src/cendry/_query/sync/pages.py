# Generated from aio/pages.py by tools/twins.py; do not edit.
"""The pages of a query, each a query of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from ..pages import Paging
from .source import Source

T = TypeVar("T")


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
