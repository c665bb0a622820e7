"""The documents of a query: all of them, the first, the last, the only one, or whether there are any."""

from __future__ import annotations

from typing import Any

from .._immutable import replace
from .._types.analysis import TypeRegistry
from ..backend import StoredDocument
from ..errors import DocumentNotFoundError, MultipleResultsError
from .compile import compiled
from .flow import Flow
from .results import ErrorHandler, read_all, reader
from .spec import QuerySpec


def to_list(spec: QuerySpec, registry: TypeRegistry, on_error: ErrorHandler | None) -> Flow[list[Any]]:
    """All documents of a query."""
    query = compiled(spec, registry)
    results: list[StoredDocument] = yield query.plan
    return read_all(results[::-1] if query.backwards else results, reader(query.codec), on_error)


def first(spec: QuerySpec, registry: TypeRegistry) -> Flow[Any]:
    """The first document, or `None`."""
    query = compiled(spec, registry)
    # Reversed, the first of the last n comes at the end.
    results: list[StoredDocument] = yield query.plan if query.backwards else query.limited(1)
    return reader(query.codec)(results[-1 if query.backwards else 0]) if results else None


def last(spec: QuerySpec, registry: TypeRegistry) -> Flow[Any]:
    """The last document, or `None`."""
    bounded = not spec.from_last and (spec.limit is not None or spec.offset > 0)
    query = compiled(spec if bounded else replace(spec, from_last=True), registry)
    results: list[StoredDocument] = yield query.plan if bounded else query.limited(1)
    return reader(query.codec)(results[-1]) if results else None


def one_or_none(spec: QuerySpec, registry: TypeRegistry) -> Flow[Any]:
    """The only document, or `None` if there is none."""
    query = compiled(spec, registry)
    results: list[StoredDocument] = yield query.limited(2)
    if len(results) > 1:
        raise MultipleResultsError(query.plan.collection)
    return reader(query.codec)(results[0]) if results else None


def one(spec: QuerySpec, registry: TypeRegistry) -> Flow[Any]:
    """The only document."""
    found = yield from one_or_none(spec, registry)
    if found is None:
        raise DocumentNotFoundError.by_query(spec.model.__collection__)
    return found


def exists(spec: QuerySpec, registry: TypeRegistry) -> Flow[bool]:
    """Whether there is any document."""
    results: list[StoredDocument] = yield replace(compiled(spec, registry).limited(1), projection=())
    return bool(results)
