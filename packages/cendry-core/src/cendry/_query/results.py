"""From the results of a backend to instances: the hot path of all reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from .._model.metadata import DocumentMetadata, new_metadata
from .._types.registry import TypeRegistry
from ..backend import DocumentResult, NearResult, StoredDocument
from ..codec import Codec, codec_for
from ..errors import DecodeError

T = TypeVar("T")
Read = Callable[[StoredDocument], T]
ErrorHandler = Callable[[DecodeError], object]


def reader(codec: Codec[T]) -> Read[T]:
    """The function from a result to an instance with its metadata; the hot path of all reads."""
    known: Read[T] | None = codec.outputs.get(reader)
    if known is not None:
        return known
    plain = plain_reader(codec)
    readers: dict[type[Any], Callable[[Any], T]] = {DocumentResult: plain, NearResult: plain}

    def read(result: StoredDocument) -> T:
        kind = type(result)
        own = readers.get(kind)
        if own is None:
            own = readers[kind] = cast("Any", kind).reader(codec)
        return own(result)

    codec.outputs[reader] = read
    return read


def readers(models: Iterable[type[Any]], registry: TypeRegistry) -> dict[type[Any], Read[Any]]:
    """The function from a result to an instance, for each of several models."""
    return {model: reader(codec_for(model, registry)) for model in models}


def read_by(read: Read[T], result: StoredDocument) -> T:
    """An instance of a result."""
    return read(result)


def or_none(read: Read[T], result: StoredDocument) -> T | None:
    """An instance of a result; `None` for a document of another model of the same collection."""
    try:
        return read(result)
    except DecodeError as error:
        if error.is_other_kind:
            return None
        raise


def plain_reader(codec: Codec[T]) -> Callable[[DocumentResult], T]:
    """The function from a `DocumentResult` to an instance."""
    decode, put = codec.decode, object.__setattr__
    new = new_metadata

    def read(result: DocumentResult) -> T:
        path, data, create_time, update_time, read_time = result
        instance = decode(data, path[path.rfind("/") + 1 :], path)
        known = new(DocumentMetadata, (path, create_time, update_time, read_time))
        put(instance, "_cendry_metadata", known)
        return instance

    return read


def stored_fields(codec: Codec[Any], result: StoredDocument) -> dict[str, Any]:
    """The stored fields of a document that exists, as upgrades get them: in the forms in which Cendry stores them.

    A class of results whose `data` may have other forms, which depend on the model, has the method `fields_by`.
    """
    own: Callable[[Codec[Any], StoredDocument], dict[str, Any]] | None = getattr(type(result), "fields_by", None)
    return (result.data or {}) if own is None else own(codec, result)


def paths_of(results: list[StoredDocument]) -> list[str]:
    """The paths of documents."""
    return [result.path for result in results]


def raised(found: list[Any]) -> list[Any]:
    """What was read.

    Raises:
        DecodeError: The first error among it.
    """
    for one in found:
        if isinstance(one, DecodeError):
            raise one
    return found


def pass_on(error: DecodeError, handler: ErrorHandler | None) -> None:
    """Pass an error to the handler; raise it if there is none."""
    if handler is None:
        raise error
    handler(error)


def read_all(results: Iterable[StoredDocument], read: Read[T], on_error: ErrorHandler | None) -> list[T]:
    """Instances of all results; those that don't fit are reported to the handler, or raise."""
    if on_error is None:
        return [read(result) for result in results]
    found: list[T] = []
    for result in results:
        try:
            found.append(read(result))
        except DecodeError as error:
            on_error(error)
    return found
