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
from ..plan import Bound
from .fields import FieldRef


@dataclass(frozen=True, slots=True)
class OwnCursor:
    """A cursor of a database that has its own.

    Attributes:
        data: The cursor.
        backend: The name of the backend.
    """

    data: bytes
    backend: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where results begin or end: values by field, an instance that has values for the orders of the query, or a token.

    Attributes:
        before: Whether it is before the documents at its values (`start_at`, `end_before`) or after them.
        values: Fields and their Python values; empty with an instance or a token.
        instance: The instance, or `None`.
        token: The page token, or `None`. It is not checked before the query runs.
        within: The cursor of the query that the token belongs to, at this end; or `None`.
        place: Where the token leads to, once it is checked: a place by value, or the cursor of a database that has
            its own.
    """

    before: bool
    values: tuple[tuple[FieldRef, Any], ...] = field(repr=False, default=())
    instance: Model | None = None
    token: str | None = None
    within: Cursor | None = None
    place: Bound | OwnCursor | None = None

    def _key(self) -> tuple[Any, ...]:
        values = frozenset((field_key(field), freeze(value)) for field, value in self.values)
        within = None if self.within is None else self.within._key()
        # A token is a place between two results.
        return self.before and self.token is None, values, freeze(self.instance), self.token, within

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
        database: The database that the reference to the parent names; or `None`, for that of the context.
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
    database: str | None = None
    group: bool = False
    read_time: datetime | None = None


def comparisons(filters: tuple[Filter, ...]) -> Iterator[Comparison]:
    """Every comparison in these filters, including those under AND and OR."""
    for one in filters:
        if isinstance(one, Comparison):
            yield one
        else:
            yield from comparisons(cast("And | Or", one).filters)
