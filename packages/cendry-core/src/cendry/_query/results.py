"""From the results of a backend to instances: the hot path of all reads, and what iterates over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

from .._model.metadata import DocumentMetadata, new_metadata
from ..backend import DocumentResult, StoredDocument
from ..codec import Codec
from ..errors import DecodeError

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
