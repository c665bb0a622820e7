"""Going on where a query stopped: the next page, or the rest of a stream. Pure functions and flows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..errors import DecodeError
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import Bound, QueryPlan
from ..reference import Ref
from .compile import planned
from .criteria import Criteria
from .flow import Flow
from .results import reader

T = TypeVar("T")


def plan_after(plan: QueryPlan, last: StoredDocument, count: int = 1) -> QueryPlan:
    """The rest of a query whose last `count` results are there already, the last of them being `last`.

    Args:
        plan: The plan that gave them; its orders must name all that it sorts by, `DOCUMENT_ID` last.
        last: The last result, with the fields that the plan sorts by.
        count: How many results are there already.
    """
    limit = None if plan.limit is None else plan.limit - count
    cursor: bytes | None = getattr(last, "cursor", None)
    if cursor is not None:
        return replace(plan, resume=cursor, limit=limit, offset=0)
    data = last.data or {}
    values = tuple(
        Ref.from_path(last.path) if order.path == DOCUMENT_ID else _stored(data, order.path) for order in plan.orders
    )
    return replace(plan, start=Bound(values, before=False), limit=limit, offset=0)


def _stored(data: Any, path: FieldPath) -> Any:
    for segment in path:
        data = data[segment]
    return data


class Pages(Generic[T]):
    """The pages of one run of a query: what is fetched, and what comes next."""

    __slots__ = ("_fetched", "_next", "_on_error", "_read", "_size", "_turned")

    def __init__(
        self,
        criteria: Criteria,
        registry: TypeRegistry,
        size: Any,
        on_error: Callable[[DecodeError], object] | None,
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"paginate takes an int, not {size!r}.")
        if size < 1:
            raise ValueError(f"paginate takes pages of 1 or more, not {size}.")
        whole = planned(criteria, registry, whole_order=True)
        self._next: QueryPlan | None = whole.plan
        self._turned = whole.backwards
        self._read: Callable[[StoredDocument], T] = reader(whole.codec)
        self._size: int = size
        self._on_error = on_error
        self._fetched: list[StoredDocument] = []

    def step(self) -> Flow[list[T] | None]:
        """The next page, or `None` at the end.

        A document that doesn't fit its model raises, unless there is a handler; the next step then gives the rest
        of that page.
        """
        while True:
            page = self._page()
            if page:
                return page
            if self._next is None:
                return None
            yield from self._fetch(self._next)

    def _page(self) -> list[T]:
        page: list[T] = []
        for result in self._fetched[: self._size]:
            try:
                page.append(self._read(result))
            except DecodeError as error:
                self._fetched.remove(result)
                if self._on_error is None:
                    raise
                self._on_error(error)
        del self._fetched[: len(page)]
        return page

    def _fetch(self, plan: QueryPlan) -> Flow[None]:
        if self._turned:
            # The last ones come first, so there is no page before all are there.
            self._fetched = (yield plan)[::-1]
            self._next = None
            return
        size = self._size if plan.limit is None else min(self._size, plan.limit)
        results: list[StoredDocument] = yield replace(plan, limit=size)
        self._fetched = results
        rest = plan_after(plan, results[-1], len(results)) if len(results) == size else None
        self._next = None if rest is None or rest.limit == 0 else rest
