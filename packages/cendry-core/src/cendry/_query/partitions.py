"""Partitions: the parts of a query, which together are the whole. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeVar

from .._order import path_key
from ..paths import DOCUMENT_ID
from ..plan import Order, QueryPlan
from .builders import QueryBuilder

Q = TypeVar("Q", bound="QueryBuilder[Any]")

_BY_ID = (Order(DOCUMENT_ID),)


def is_divisible(plan: QueryPlan) -> bool:
    """Whether a query has parts on a server: all documents of a collection group, by id."""
    return (
        plan.group
        and plan.parent is None
        and plan.where is None
        and plan.orders in ((), _BY_ID)
        and plan.start is None
        and plan.end is None
        and plan.limit is None
        and not plan.offset
    )


def divided(query: Q, cuts: Iterable[str], count: int) -> list[Q]:
    """The parts of a query.

    Args:
        query: The query, which is divisible.
        cuts: The paths at which parts begin, in any order: servers sort them on each of their pages only.
        count: The most parts.
    """
    # More cuts than were asked for would be parts too many.
    paths = sorted(set(cuts), key=path_key)[: count - 1]
    if not paths:
        return [query]
    first, last = query.end_before({"id": paths[0]}), query.start_at({"id": paths[-1]})
    middle = [query.start_at({"id": start}).end_before({"id": end}) for start, end in pairwise(paths)]
    return [first, *middle, last]
