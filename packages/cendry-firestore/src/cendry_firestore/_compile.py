"""The compiler of the direct way: a codec in, functions out that go straight from and to Firestore's messages."""

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
from ._values import (
    decode_fields,
    decode_reference,
    decode_value,
    write_fields,
    write_geo_point,
    write_timestamp,
    write_value,
)

M = TypeVar("M")


def _reference(_: Module, target: str, value: str) -> str:
    return f"{target}.reference_value = f'{{base}}/documents/{{{value}.path}}'"


FIRESTORE: Final = Dialect(
    fields={
        "null": "null_value",
        "bool": "boolean_value",
        "int": "integer_value",
        "float": "double_value",
        "str": "string_value",
        "bytes": "bytes_value",
        "timestamp": "timestamp_value",
        "geo_point": "geo_point_value",
        "reference": "reference_value",
        "array": "array_value",
        "map": "map_value",
    },
    inner="fields",
    has_vectors=True,
    decode_value=decode_value,
    decode_reference=decode_reference,
    write_value=write_value,
    write_timestamp=write_timestamp,
    write_geo_point=write_geo_point,
    reference=_reference,
)
"""How Firestore's messages hold core's kinds; what generated code calls its base is the name of the database."""


def compile_decoder(codec: Codec[M]) -> Callable[[Any, str, str, str], M]:
    """`decode(fields, document_id, path, database)` for a class; what it doesn't take, the codec does, or refuses."""

    def explain(_: Exception, fields: Any, document_id: str, path: str, database: str) -> M:
        return codec.decode(decode_fields(fields, database), document_id, path)

    def slow(shape: Shape, message: Any, database: str) -> Any:
        reader = Reader(STORED)
        value = reader.read(shape, decode_value(message, database))
        if reader.problems:
            raise Mismatch
        return value

    module = Module()
    module.known("explain", explain)
    emit_message_decode(module, codec.shape, FIRESTORE, slow)
    return _compiled(module, codec, "decode")


def compile_encoder(codec: Codec[Any]) -> Callable[[Any, Any, str], Any]:
    """`encode(instance, message, database)` for a class: fills a `Document`, and gives that or another in its place."""

    def explain(_: Exception, instance: Any, database: str) -> Any:
        document = _sdk.Document()
        write_fields(document.fields, codec.encode(instance), database)
        return document

    def slow(shape: Shape, value: Any) -> Any:
        writer = Writer()
        stored = writer.write(shape, value)
        if writer.problems:
            raise Mismatch
        return stored

    module = Module()
    module.known("explain", explain)
    emit_message_encode(module, codec.shape, FIRESTORE, slow)
    return _compiled(module, codec, "encode")


def _compiled(module: Module, codec: Codec[Any], function: str) -> Callable[..., Any]:
    model = codec.model
    namespace = module.compile(f"wire {function} of {model.__module__}.{model.__qualname__}", model)
    return cast("Callable[..., Any]", namespace[function])
