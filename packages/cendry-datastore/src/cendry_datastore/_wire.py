"""The direct way between models and Datastore's messages, compiled once per class and registry by core's compiler.

What it doesn't take at first sight goes by way of stored values and core's codec, errors included, so the two can't
differ in what they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final, NamedTuple, TypeVar, cast

from cendry.codec import Codec
from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module
from cendry.codec.leaves import Mismatch
from cendry.codec.message_read import emit_message_decode
from cendry.codec.message_write import emit_message_encode
from cendry.codec.reader import STORED, Reader
from cendry.codec.writer import Writer
from cendry.metadata import DocumentMetadata, new_metadata
from cendry.shapes import Shape

from . import _sdk
from ._indexing import EntityPath, MarksFinder
from ._keys import Home, decode_key, fill_reference
from ._values import decode_properties, decode_value, write_geo_point, write_properties, write_timestamp, write_value

M = TypeVar("M")


def _reference(module: Module, target: str, value: str) -> str:
    return f"{module.known('fill_reference', fill_reference)}({target}.key_value, {value}, base)"


def _decode_reference(message: Any, home: Home) -> Any:
    return decode_key(message.key_value, home)


DATASTORE: Final = Dialect(
    fields={
        "null": "null_value",
        "bool": "boolean_value",
        "int": "integer_value",
        "float": "double_value",
        "str": "string_value",
        "bytes": "blob_value",
        "timestamp": "timestamp_value",
        "geo_point": "geo_point_value",
        "reference": "key_value",
        "array": "array_value",
        "map": "entity_value",
    },
    inner="properties",
    has_vectors=False,
    decode_value=decode_value,
    decode_reference=_decode_reference,
    write_value=write_value,
    write_timestamp=write_timestamp,
    write_geo_point=write_geo_point,
    reference=_reference,
)
"""How Datastore's messages hold core's kinds."""


class WireResult(NamedTuple):
    """An `Entity` message that was read, as a `StoredDocument` of core: decoded where somebody asks for it.

    Attributes:
        path: The document's path.
        entity: The message.
        home: Where the documents live.
        may_have_marks: Whether any property may be kept out of the indexes.
        cursor: Datastore's opaque cursor: where the query goes on after this result; `None` for what no query gave.
    """

    path: str
    entity: Any
    home: Home
    may_have_marks: bool
    cursor: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether there is such a document: what is absent comes as core's own result."""
        return True

    @property
    def data(self) -> dict[str, Any]:
        """The stored fields, made anew each time."""
        return decode_properties(self.entity.properties, self.home)

    @property
    def create_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def update_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def read_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[WireResult], M]:
        """A function that makes an instance of a result, with its path and what it has outside the indexes."""
        decode, put, new, metadata = decoder(codec), object.__setattr__, new_metadata, DocumentMetadata
        find_marks = MarksFinder().find

        def read(result: WireResult) -> M:
            path, entity, home, may_have_marks, _ = result
            properties = entity.properties
            instance: M = decode(properties, path[path.rfind("/") + 1 :], path, home)
            if may_have_marks and (marks := find_marks(entity)):
                path = EntityPath(path, marks)
            put(instance, "_cendry_metadata", new(metadata, (path, None, None, None)))
            return instance

        return read


new_result = cast("Callable[[type[WireResult], tuple[Any, ...]], WireResult]", cast("Any", tuple).__new__)
"""Quicker than the class itself."""


def decoder(codec: Codec[M]) -> Callable[[Any, str, str, Home], M]:
    """`decode(properties, document_id, path, home)`: an instance from the properties of an `Entity` message.

    It raises `DecodeError` for the first field that doesn't fit, as `codec.decode` does.
    """
    found: Callable[..., M] | None = codec.outputs.get(decoder)
    if found is None:

        def explain(_: Exception, properties: Any, document_id: str, path: str, home: Home) -> M:
            return codec.decode(decode_properties(properties, home), document_id, path)

        def slow(shape: Shape, message: Any, home: Home) -> Any:
            reader = Reader(STORED)
            value = reader.read(shape, decode_value(message, home))
            if reader.problems:
                raise Mismatch
            return value

        module = Module()
        module.known("explain", explain)
        emit_message_decode(module, codec.shape, DATASTORE, slow)
        found = codec.outputs[decoder] = _compiled(module, codec, "decode")
    return found


def encoder(codec: Codec[M], home: Home) -> Callable[[M], WireData]:
    """`encode(instance)`: the stored fields, in a message.

    It raises `InvalidValueError` for the first field that doesn't fit, as `codec.encode` does.
    """
    compiled: Callable[..., Any] | None = codec.outputs.get(encoder)
    if compiled is None:

        def explain(_: Exception, instance: M, home: Home) -> Any:
            entity = _sdk.Entity()
            write_properties(entity.properties, codec.encode(instance), home)
            return entity

        def slow(shape: Shape, value: Any) -> Any:
            writer = Writer()
            stored = writer.write(shape, value)
            if writer.problems:
                raise Mismatch
            return stored

        module = Module()
        module.known("explain", explain)
        emit_message_encode(module, codec.shape, DATASTORE, slow)
        compiled = codec.outputs[encoder] = _compiled(module, codec, "encode")
    encode = compiled

    def encoded(instance: M) -> WireData:
        return WireData(encode(instance, _sdk.Entity(), home), home)

    return encoded


def _compiled(module: Module, codec: Codec[Any], function: str) -> Callable[..., Any]:
    model = codec.model
    namespace = module.compile(f"entity {function} of {model.__module__}.{model.__qualname__}", model)
    return cast("Callable[..., Any]", namespace[function])


class WireData(MutableMapping[str, Any]):
    """The stored fields of a document that is to be written, kept in an `Entity` message without a key.

    To others it is a mapping of stored values, made where somebody asks for them.

    Args:
        entity: The message.
        home: Where the documents of its backend live.
    """

    __slots__ = ("entity", "home")

    def __init__(self, entity: Any, home: Home) -> None:
        self.entity = entity
        self.home = home

    def __getitem__(self, name: str) -> Any:
        properties = self.entity.properties
        # Asking a protobuf map for what it lacks would add it.
        if name not in properties:
            raise KeyError(name)
        return decode_value(properties[name], self.home)

    def __setitem__(self, name: str, value: Any) -> None:
        properties = self.entity.properties
        properties.pop(name, None)
        write_value(properties[name], value, self.home)

    def __delitem__(self, name: str) -> None:
        del self.entity.properties[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entity.properties

    def __iter__(self) -> Iterator[str]:
        return iter(self.entity.properties)

    def __len__(self) -> int:
        return len(self.entity.properties)

    def __repr__(self) -> str:
        return f"WireData({dict(self)!r})"
