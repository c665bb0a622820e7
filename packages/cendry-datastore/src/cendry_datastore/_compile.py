"""The compiler of the direct way: a codec in, functions out that go straight from and to Datastore's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from cendry.codec import Codec
from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module
from cendry.codec.leaves import Mismatch
from cendry.codec.message_read import emit_message_decode
from cendry.codec.message_write import emit_message_encode
from cendry.codec.reader import STORED, Reader
from cendry.codec.writer import Writer
from cendry.shapes import Shape

from . import _sdk
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


def compile_decoder(codec: Codec[M]) -> Callable[[Any, str, str, Home], M]:
    """A function from the properties of an `Entity` message to an instance."""

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
    return _compiled(module, codec, "decode")


def compile_encoder(codec: Codec[M]) -> Callable[[M, Any, Home], Any]:
    """A function that fills an `Entity` message from an instance."""

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
    return _compiled(module, codec, "encode")


def _compiled(module: Module, codec: Codec[Any], function: str) -> Callable[..., Any]:
    model = codec.model
    namespace = module.compile(f"entity {function} of {model.__module__}.{model.__qualname__}", model)
    return cast("Callable[..., Any]", namespace[function])
