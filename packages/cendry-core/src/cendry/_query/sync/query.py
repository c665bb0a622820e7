# Generated from aio/query.py by tools/twins.py; do not edit.
"""Queries: immutable values that a context runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..._immutable import replace
from ..._model.model import Model
from ...errors import DocumentNotFoundError, MultipleResultsError
from ...plan import Aggregation, AggregationPlan
from ..compile import compiled
from ..fields import FieldKey
from ..listening import ListenableQuery
from ..pages import Paging
from ..projections import projection
from ..results import Read, read_all, reader
from .documents import Documents, Pages, Rows
from .source import Source, in_order

M_co = TypeVar("M_co", bound=Model, covariant=True)


class Query(ListenableQuery[M_co]):
    """A query on one collection: an immutable value, run by a `Cendry`.

    Args:
        model: The class of the documents.
        filters: Filters that must all hold.
        order_by: One order or several; a bare field means ascending.
        limit: The maximum number of documents, from the first.
        limit_to_last: The maximum number of documents, from the last; not together with `limit`.
        offset: How many documents to skip; Firestore reads and bills them all the same.
        start_at: Where to begin: a dict of field values, or an instance.
        start_after: Where to begin, exclusive.
        end_at: Where to end.
        end_before: Where to end, exclusive.
        parent: The parent document of the subcollection.
        group: Whether to query all collections of this name.
        read_time: The point in time to read at, within the last hour.

    Raises:
        CendryError: The arguments contradict each other.
        TypeError: An argument is of the wrong kind.
        UnknownFieldError: A name is not declared.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[M_co]:
        source: Source = self._bound()
        query = compiled(self._spec, source.registry)
        return Documents(in_order(source, query.plan, query.backwards), reader(query.codec), self._on_error)

    if not TYPE_CHECKING:

        def __aiter__(self):
            raise TypeError("A Query runs in sync code: iterate over it with 'for', or select from an AsyncCendry.")

    def to_list(self) -> list[M_co]:
        """Return all documents, in memory at once.

        Raises:
            DecodeError: A document doesn't fit the model, and there is no `on_error` handler.
        """
        source: Source = self._bound()
        query = compiled(self._spec, source.registry)
        results = source.run(query.plan)
        return read_all(results[::-1] if query.backwards else results, reader(query.codec), self._on_error)

    def first(self) -> M_co | None:
        """Return the first document, or `None` if there is none."""
        source: Source = self._bound()
        query = compiled(self._spec, source.registry)
        read: Read[M_co] = reader(query.codec)
        # Reversed, the first of the last n comes at the end.
        results = source.run(query.plan if query.backwards else query.limited(1))
        return read(results[-1 if query.backwards else 0]) if results else None

    def last(self) -> M_co | None:
        """Return the last document, or `None` if there is none.

        The query runs in reverse order; see `limit_to_last`. With a limit from the first or an offset, all documents
        are read; otherwise one.
        """
        source: Source = self._bound()
        spec = self._spec
        bounded = not spec.from_last and (spec.limit is not None or spec.offset > 0)
        query = compiled(spec if bounded else replace(spec, from_last=True), source.registry)
        read: Read[M_co] = reader(query.codec)
        results = source.run(query.plan if bounded else query.limited(1))
        return read(results[-1]) if results else None

    def one(self) -> M_co:
        """Return the only document.

        Raises:
            DocumentNotFoundError: There is none.
            MultipleResultsError: There are several.
        """
        found = self.one_or_none()
        if found is None:
            raise DocumentNotFoundError.by_query(self._spec.model.__collection__)
        return found

    def one_or_none(self) -> M_co | None:
        """Return the only document, or `None` if there is none.

        Raises:
            MultipleResultsError: There are several.
        """
        source: Source = self._bound()
        query = compiled(self._spec, source.registry)
        read: Read[M_co] = reader(query.codec)
        results = source.run(query.limited(2))
        if len(results) > 1:
            raise MultipleResultsError(query.plan.collection)
        return read(results[0]) if results else None

    def exists(self) -> bool:
        """Return whether any document matches; no fields are transferred."""
        source: Source = self._bound()
        return bool(source.run(replace(compiled(self._spec, source.registry).limited(1), projection=())))

    def count(self) -> int:
        """Return the number of matching documents, counted by the database; `limit` and cursors apply."""
        source: Source = self._bound()
        plan = AggregationPlan(compiled(self._spec, source.registry).plan, (Aggregation("count"),))
        [count] = source.aggregate(plan)
        return cast("int", count)

    def ids(self) -> list[str]:
        """Return the ids of all documents, in the order of the query; no fields are transferred.

        Returns:
            The ids; of a collection group, the full paths, since one id can exist under many parents. Filters
            on `City.id` accept either.
        """
        source: Source = self._bound()
        query = compiled(self._spec, source.registry)
        paths = [result.path for result in source.run(replace(query.plan, projection=()))]
        if not self._spec.group:
            paths = [path[path.rfind("/") + 1 :] for path in paths]
        return paths[::-1] if query.backwards else paths

    def paginate(self, page_size: int) -> Iterator[list[M_co]]:
        """Return the documents in lists of `page_size`; the last may be shorter. Each page is a separate query.

        Args:
            page_size: The number of documents on a page, 1 or more.

        Returns:
            An iterator of lists; each continues after the last document of the previous one, so that documents added
            or removed in between neither shift nor repeat others. It respects the query's limit.

        Raises:
            ValueError: `page_size` is less than 1.
        """
        source: Source = self._bound()
        paging: Paging[M_co] = Paging(self._spec, source.registry, page_size, self._on_error)
        return Pages(source, paging)

    def project(self, *fields: FieldKey) -> Rows[dict[str, Any]]:
        """Return some fields of each document; only those are transferred.

        Args:
            fields: Fields, as descriptors, declared names (dotted for nested ones) or stored paths.

        Returns:
            An iterable of dicts by Python name (`"mayor.name"` for nested ones), with `id`, which is always the
            document's (a stored path `id` gets the key "`id`"); values converted. An absent field is read as its
            default; inside a map that may be `None`, as `None`, since the two can't be distinguished.

        Raises:
            UnknownFieldError: A name is not declared.
        """
        source: Source = self._bound()
        query, read = projection(self._spec, source.registry, fields)
        return Rows(lambda: in_order(source, query.plan, query.backwards), read, self._on_error)
