"""The pages of a query: each continues where the previous one ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._immutable import replace
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..errors import DecodeError
from ..paths import DOCUMENT_ID
from ..plan import Bound, QueryPlan, value_at
from ..reference import Ref
from .builders import counted
from .output import Output
from .spec import QuerySpec

T = TypeVar("T")


def plan_after(plan: QueryPlan, last: StoredDocument, count: int = 1) -> QueryPlan:
    """The rest of a query after `count` results, of which the last is `last`.

    Args:
        plan: The plan that returned them; its orders must be complete, with `DOCUMENT_ID` last.
        last: The last result, including the fields that the plan sorts by.
        count: The number of results so far.
    """
    limit = None if plan.limit is None else plan.limit - count
    cursor: bytes | None = getattr(last, "cursor", None)
    if cursor is not None:
        return replace(plan, resume=cursor, limit=limit, offset=0)
    data = last.data or {}
    values = tuple(
        Ref.from_path(last.path) if order.path == DOCUMENT_ID else value_at(data, order.path.segments)
        for order in plan.orders
    )
    return replace(plan, start=Bound(values, before=False), limit=limit, offset=0)


class Paging(Generic[T]):
    """The pages of one run of a query: the fetched results and the next plan."""

    __slots__ = ("_backwards", "_fetched", "_next", "_on_error", "_read", "_size")

    def __init__(
        self,
        output: Output[T],
        spec: QuerySpec,
        registry: TypeRegistry,
        size: Any,
        on_error: Callable[[DecodeError], object] | None,
    ) -> None:
        counted("paginate", size)
        query, self._read = output.compiled(spec, registry, complete=True)
        self._next: QueryPlan | None = query.plan
        self._backwards = query.backwards
        self._size: int = size
        self._on_error = on_error
        self._fetched: list[StoredDocument] = []

    @property
    def next_plan(self) -> QueryPlan | None:
        """The plan whose results are needed for the next page, or `None` if there are enough."""
        plan = self._next
        if plan is None or self._backwards:
            return plan
        return replace(plan, limit=self._size if plan.limit is None else min(self._size, plan.limit))

    def add(self, results: list[StoredDocument]) -> None:
        """Add the results of the plan."""
        plan, self._next = self._next, None
        if plan is None or self._backwards:
            # The results arrive in reverse, so the first page needs all of them.
            self._fetched = results[::-1]
            return
        self._fetched = results
        size = self._size if plan.limit is None else min(self._size, plan.limit)
        if len(results) == size and plan.limit != size:
            self._next = plan_after(plan, results[-1], size)

    def take(self) -> list[T]:
        """A page of the fetched results; empty if none of them fits its model.

        A document that doesn't fit its model raises, unless there is a handler; the next call then returns the rest
        of that page.
        """
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
