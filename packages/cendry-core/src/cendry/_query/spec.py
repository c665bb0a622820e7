"""The spec of a query, as a frozen value of named fields. Nothing is resolved or compiled here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import Any, cast

from .._frozen import freeze
from .._immutable import dataclass
from .._model.model import Model
from ..filters import And, Asc, Comparison, Desc, Filter, Or, field_key
from .fields import FieldRef


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where results begin or end: values by field, or an instance that has values for the orders of the query.

    Attributes:
        before: Whether it is before the documents at its values (`start_at`, `end_before`) or after them.
        values: Fields and their Python values; empty with an instance.
        instance: The instance, or `None`.
    """

    before: bool
    values: tuple[tuple[FieldRef, Any], ...] = field(repr=False, default=())
    instance: Model | None = None

    def _key(self) -> tuple[Any, ...]:
        values = frozenset((field_key(field), freeze(value)) for field, value in self.values)
        return self.before, values, freeze(self.instance)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Cursor) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """The spec of a query.

    Attributes:
        model: The class of the documents.
        filters: Filters that must all hold.
        orders: The explicit orders.
        limit: The maximum number of documents, or `None`.
        from_last: Whether `limit` counts from the last document.
        offset: How many documents to skip.
        start: Where results begin.
        end: Where results end.
        parent: The path of the parent document of the subcollection.
        group: Whether to query all collections of this name.
        read_time: The point in time to read at.
    """

    model: type[Any]
    filters: tuple[Filter, ...] = ()
    orders: tuple[Asc | Desc, ...] = ()
    limit: int | None = None
    from_last: bool = False
    offset: int = 0
    start: Cursor | None = None
    end: Cursor | None = None
    parent: str | None = None
    group: bool = False
    read_time: datetime | None = None


def comparisons(filters: tuple[Filter, ...]) -> Iterator[Comparison]:
    """Every comparison in these filters, including those under AND and OR."""
    for one in filters:
        if isinstance(one, Comparison):
            yield one
        else:
            yield from comparisons(cast("And | Or", one).filters)
