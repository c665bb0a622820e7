"""Some fields of each document of a query, and ids alone; the other fields don't travel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from .._immutable import replace
from .._types.analysis import TypeRegistry
from ..backend import StoredDocument
from ..paths import DOCUMENT_ID
from ..plan import outermost
from .compile import CompiledQuery, compiled
from .fields import resolve_key
from .flow import Flow
from .results import AsyncDocuments, Documents, ErrorHandler, Read
from .spec import QuerySpec

T = TypeVar("T")


def ids(spec: QuerySpec, registry: TypeRegistry) -> Flow[list[str]]:
    """The ids of all documents; of a collection group, their paths."""
    query = compiled(spec, registry)
    results: list[StoredDocument] = yield replace(query.plan, projection=())
    paths = [result.path for result in results]
    if not spec.group:
        paths = [path[path.rfind("/") + 1 :] for path in paths]
    return paths[::-1] if query.backwards else paths


def projection(
    spec: QuerySpec, registry: TypeRegistry, keys: tuple[Any, ...]
) -> tuple[CompiledQuery, Read[dict[str, Any]]]:
    """The query that fetches these fields only, and a function that makes a dict of a result.

    Raises:
        TypeError: No field is named.
        UnknownFieldError: A name is not declared.
    """
    if not keys:
        raise TypeError("project() takes at least one field.")
    query = compiled(spec, registry)
    fields = [resolve_key(query.codec, key, "project") for key in keys]
    columns = [(field.text, field) for field in fields if field.path != DOCUMENT_ID]

    def read(result: StoredDocument) -> dict[str, Any]:
        row: dict[str, Any] = {"id": result.path[result.path.rfind("/") + 1 :]}
        for name, field in columns:
            row[name] = field.read(result.data, result.path)
        return row

    # A field inside one that travels anyway must not be asked for twice.
    plan = replace(query.plan, projection=outermost(field.path for _, field in columns))
    return replace(query, plan=plan), read


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


class AsyncRows(Generic[T]):
    """The rows of a projection: iterate over them, or take them as a list. Each time, the query runs anew."""

    __slots__ = ("_on_error", "_open", "_read")

    def __init__(
        self, open_stream: Callable[[], AsyncIterator[StoredDocument]], read: Read[T], on_error: ErrorHandler | None
    ) -> None:
        self._open = open_stream
        self._read = read
        self._on_error = on_error

    def __aiter__(self) -> AsyncIterator[T]:
        return AsyncDocuments(self._open(), self._read, self._on_error)

    async def to_list(self) -> list[T]:
        """All rows, in memory at once."""
        return [row async for row in self]
