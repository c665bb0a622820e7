"""From what a backend answers to instances: the read path, and the flows behind a query's methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from .._model.metadata import DocumentMetadata, new_metadata
from .._types.registry import TypeRegistry
from ..backend import DocumentResult, StoredDocument
from ..codec import Codec
from ..errors import DecodeError, DocumentNotFoundError, MultipleResultsError
from ..plan import Aggregation, AggregationPlan
from .compile import Planned, planned
from .criteria import ID_PLACE, Criteria, place_of, place_text, resolved
from .flow import Flow

T = TypeVar("T")
Read = Callable[[StoredDocument], T]
ErrorHandler = Callable[[DecodeError], object]


def reader(codec: Codec[T]) -> Read[T]:
    """A function that makes an instance of a result, with its metadata; the hot path of all reads."""
    known: Read[T] | None = codec.outputs.get(reader)
    if known is not None:
        return known
    readers: dict[type[Any], Callable[[Any], T]] = {DocumentResult: plain_reader(codec)}

    def read(result: StoredDocument) -> T:
        kind = type(result)
        own = readers.get(kind)
        if own is None:
            own = readers[kind] = cast("Any", kind).reader(codec)
        return own(result)

    codec.outputs[reader] = read
    return read


def plain_reader(codec: Codec[T]) -> Callable[[DocumentResult], T]:
    """A function that makes an instance of a `DocumentResult`."""
    decode, put = codec.decode, object.__setattr__
    new = new_metadata

    def read(result: DocumentResult) -> T:
        path, data, create_time, update_time, read_time = result
        instance = decode(data, path[path.rfind("/") + 1 :], path)
        known = new(DocumentMetadata, (path, create_time, update_time, read_time))
        put(instance, "_cendry_metadata", known)
        return instance

    return read


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
        self._results = results
        self._read = read
        self._on_error = on_error

    def __next__(self) -> T:
        for result in self._results:
            try:
                return self._read(result)
            except DecodeError as error:
                _handle(error, self._on_error)
        raise StopIteration

    def close(self) -> None:
        """Stop the stream and release what it holds."""
        close = getattr(self._results, "close", None)
        if close is not None:
            close()


class AsyncDocuments(AsyncIterator[T], Generic[T]):
    """The async twin of `Documents`."""

    __slots__ = ("_on_error", "_read", "_results")

    def __init__(
        self,
        results: AsyncIterator[StoredDocument],
        read: Read[T],
        on_error: ErrorHandler | None = None,
    ) -> None:
        self._results = results
        self._read = read
        self._on_error = on_error

    async def __anext__(self) -> T:
        async for result in self._results:
            try:
                return self._read(result)
            except DecodeError as error:
                _handle(error, self._on_error)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop the stream and release what it holds."""
        close = getattr(self._results, "aclose", None)
        if close is not None:
            await close()


def _handle(error: DecodeError, handler: ErrorHandler | None) -> None:
    if handler is None:
        raise error
    handler(error)


def read_all(results: Iterable[StoredDocument], read: Read[T], on_error: ErrorHandler | None) -> list[T]:
    """Instances of all results; those that don't fit go to the handler, or raise."""
    if on_error is None:
        return [read(result) for result in results]
    return list(Documents(iter(results), read, on_error))


def to_list(criteria: Criteria, registry: TypeRegistry, on_error: ErrorHandler | None) -> Flow[list[Any]]:
    """All documents of a query."""
    whole = planned(criteria, registry)
    results: list[StoredDocument] = yield whole.plan
    return read_all(results[::-1] if whole.backwards else results, reader(whole.codec), on_error)


def first(criteria: Criteria, registry: TypeRegistry) -> Flow[Any]:
    """The first document, or `None`."""
    whole = planned(criteria, registry)
    # Turned round, the first one of the last n comes at the end.
    results: list[StoredDocument] = yield whole.plan if whole.backwards else whole.limited(1)
    return reader(whole.codec)(results[-1 if whole.backwards else 0]) if results else None


def last(criteria: Criteria, registry: TypeRegistry) -> Flow[Any]:
    """The last document, or `None`."""
    bounded = not criteria.from_last and (criteria.limit is not None or criteria.offset > 0)
    whole = planned(criteria if bounded else criteria._replace(from_last=True), registry)
    results: list[StoredDocument] = yield whole.plan if bounded else whole.limited(1)
    return reader(whole.codec)(results[-1]) if results else None


def one_or_none(criteria: Criteria, registry: TypeRegistry) -> Flow[Any]:
    """The only document, or `None` if there is none."""
    whole = planned(criteria, registry)
    results: list[StoredDocument] = yield whole.limited(2)
    if len(results) > 1:
        raise MultipleResultsError(whole.plan.collection)
    return reader(whole.codec)(results[0]) if results else None


def one(criteria: Criteria, registry: TypeRegistry) -> Flow[Any]:
    """The only document."""
    found = yield from one_or_none(criteria, registry)
    if found is None:
        raise DocumentNotFoundError.by_query(criteria.model.__collection__)
    return found


def exists(criteria: Criteria, registry: TypeRegistry) -> Flow[bool]:
    """Whether there is any document."""
    results: list[StoredDocument] = yield replace(planned(criteria, registry).limited(1), projection=())
    return bool(results)


def count(criteria: Criteria, registry: TypeRegistry) -> Flow[int]:
    """How many documents there are."""
    figures: tuple[int] = yield AggregationPlan(planned(criteria, registry).plan, (Aggregation("count"),))
    return figures[0]


def ids(criteria: Criteria, registry: TypeRegistry) -> Flow[list[str]]:
    """The ids of all documents; of a collection group, their paths."""
    whole = planned(criteria, registry)
    results: list[StoredDocument] = yield replace(whole.plan, projection=())
    paths = [result.path for result in results]
    if not criteria.group:
        paths = [path[path.rfind("/") + 1 :] for path in paths]
    return paths[::-1] if whole.backwards else paths


def projected(
    criteria: Criteria, registry: TypeRegistry, fields: tuple[Any, ...]
) -> tuple[Planned, Read[dict[str, Any]]]:
    """The plan that fetches these fields only, and a function that makes a dict of a result.

    Raises:
        TypeError: No field is named.
        UnknownFieldError: A name is not declared.
    """
    if not fields:
        raise TypeError("project() takes at least one field.")
    whole = planned(criteria, registry)
    places = [place_of(criteria.model, field, "project") for field in fields]
    columns = [(place_text(place), resolved(whole.codec, place)) for place in places if place != ID_PLACE]
    paths = {column.path for _, column in columns}
    # What lies inside a field that travels anyway must not be asked for twice.
    outer = tuple(path for path in sorted(paths) if not any(p != path and p.is_prefix_of(path) for p in paths))

    def read(result: StoredDocument) -> dict[str, Any]:
        row: dict[str, Any] = {"id": result.path[result.path.rfind("/") + 1 :]}
        for name, column in columns:
            row[name] = column.read(result.data, result.path)
        return row

    plan = replace(whole.plan, projection=outer)
    return replace(whole, plan=plan), read
