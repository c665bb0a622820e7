"""The message compiler: from a codec and a dialect to functions that convert directly from and to messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._types.evolutions import Evolution
from .._types.families import Family
from .._types.messages import MessageData
from .._types.shapes import Shape
from ..plan import MISSING
from .checker import converted
from .dialect import Dialect
from .emit import Module
from .message_read import emit_message_decode
from .message_write import emit_message_encode
from .reader import Reader
from .tagged import Dispatch
from .writer import Writer

if TYPE_CHECKING:
    from .compiler import Codec

M = TypeVar("M")


def decoder(codec: Codec[M], dialect: Dialect) -> Callable[[Any, str, str, Any], M]:
    """`decode(fields, document_id, path, base)`: an instance from the fields of a message; compiled once per codec.

    With tags, it is one of the class or of a subclass. It raises `DecodeError` for the first field that doesn't fit,
    as `codec.decode` does. Documents of older versions are upgraded.
    """
    evolution = codec.evolution
    if evolution is None:
        return _own_decoder(codec, dialect) if codec.family is None else _tagged_decoder(codec, dialect, codec.family)
    key = "versioned decoder", dialect.name
    known = cast("Callable[[Any, str, str, Any], M] | None", codec.outputs.get(key))
    if known is None:
        evolution.check()
        known = codec.outputs[key] = (
            compile_decoder(codec, dialect, evolution.version)
            if codec.family is None
            else _versioned_decoder(codec, dialect, codec.family, evolution)
        )
    return known


def _versioned_decoder(
    codec: Codec[M], dialect: Dialect, family: Family, evolution: Evolution
) -> Callable[[Any, str, str, Any], M]:
    read, upgrade = _tagged_decoder(codec, dialect, family), upgrader(codec, dialect)
    field, version, number = evolution.version_field, evolution.version, attrgetter(dialect.values.fields["int"])

    def decode(fields: Any, document_id: str, path: str, base: Any) -> M:
        value = fields.get(field)
        if (version == 1) if value is None else number(value) == version:
            return read(fields, document_id, path, base)
        return upgrade(fields, document_id, path, base)

    return decode


def upgrader(codec: Codec[M], dialect: Dialect) -> Callable[[Any, str, str, Any], M]:
    """As `decoder`, for documents that may be of another version than the current one."""

    def upgrade(fields: Any, document_id: str, path: str, base: Any) -> M:
        return codec.upgrade(dialect.reading, dialect.values.decode_fields(fields, base), document_id, path)

    return upgrade


def _own_decoder(codec: Codec[M], dialect: Dialect) -> Callable[[Any, str, str, Any], M]:
    key = "decoder", dialect.name
    compiled = cast("Callable[[Any, str, str, Any], M] | None", codec.outputs.get(key))
    if compiled is None:
        compiled = codec.outputs[key] = compile_decoder(codec, dialect)
    return compiled


def _tagged_decoder(codec: Codec[M], dialect: Dialect, family: Family) -> Callable[[Any, str, str, Any], M]:
    key = "tagged decoder", dialect.name
    known = cast("Callable[[Any, str, str, Any], M] | None", codec.outputs.get(key))
    if known is not None:
        return known
    dispatch = Dispatch(family, codec.model, lambda cls: _own_decoder(codec.of(cls), dialect))
    table, name, find, decode_value = dispatch.table, family.field, dispatch.find, dialect.values.decode_value

    def decode(fields: Any, document_id: str, path: str, base: Any) -> M:
        tag: Any = MISSING
        # Looking up a missing key in a protobuf map would add it.
        if name in fields:
            value = fields[name]
            # No tag is empty, as the text of a value of another kind is; the bytes of an array tell it from others.
            tag = value.string_value or value.SerializeToString()
        known = table.get(tag)
        read: Callable[..., M] | None = None if known is None else known()
        if read is None:
            read = find(MISSING if tag is MISSING else decode_value(fields[name], base), path, tag)
        return read(fields, document_id, path, base)

    codec.outputs[key] = decode
    return decode


def encoder(codec: Codec[M], dialect: Dialect, base: Any) -> Callable[[M], MessageData]:
    """`encode(instance)`: the stored fields, in a message; compiled once per codec.

    It raises `InvalidValueError` for the first field that doesn't fit, as `codec.encode` does.
    """
    if codec.is_untagged:
        return codec.refuse
    key = "encoder", dialect.name
    compiled: Callable[[M, Any, Any], Any] | None = codec.outputs.get(key)
    if compiled is None:
        compiled = codec.outputs[key] = compile_encoder(codec, dialect)
    return partial(_encoded, compiled, dialect.new_document, dialect.data, base)


def _encoded(
    compiled: Callable[[Any, Any, Any], Any],
    new_document: Callable[[], Any],
    data: Callable[[Any, Any], MessageData],
    base: Any,
    instance: Any,
) -> MessageData:
    return data(compiled(instance, new_document(), base), base)


def compile_decoder(codec: Codec[M], dialect: Dialect, version: int | None = None) -> Callable[[Any, str, str, Any], M]:
    """`decode(fields, document_id, path, base)`: an instance from the fields of a message.

    Anything unexpected falls back to the reader, which accepts or rejects the stored values. With a version, documents
    of any other are upgraded.
    """

    def explain(error: Exception, fields: Any, document_id: str, path: str, base: Any) -> M:
        stored = dialect.values.decode_fields(fields, base)
        return codec.explain_decode(error, stored, document_id, path, dialect.reading)

    def slow(shape: Shape, message: Any, base: Any) -> Any:
        value = dialect.values.decode_value(message, base)
        return converted(Reader(dialect.reading, raising=True, limit=0), Reader.read, shape, value)

    module = Module()
    module.known("explain", explain)
    if version is not None:
        module.known("upgrade", upgrader(codec, dialect))
    emit_message_decode(module, codec.shape, dialect, slow, version)
    return module.compile(f"{dialect.name} decode of", codec.model, "decode")


def compile_encoder(codec: Codec[M], dialect: Dialect) -> Callable[[M, Any, Any], Any]:
    """`encode(instance, message, base)`: fills the message of a document, and returns it, or another one instead.

    Anything unexpected falls back to the writer, which returns stored values or raises.
    """
    if codec.evolution is not None:
        codec.evolution.check()

    def explain(error: Exception, instance: M, _message: Any, base: Any) -> Any:
        document, values = dialect.new_document(), dialect.values
        stored = codec.explain_encode("stored", True, error, instance)
        values.write_fields(getattr(document, values.inner), stored, base)
        return document

    def slow(shape: Shape, value: Any) -> Any:
        return converted(Writer(limit=0, constraints=True, whole=True), Writer.write, shape, value)

    module = Module()
    module.known("explain", explain)
    emit_message_encode(module, codec.shape, dialect, slow)
    return module.compile(f"{dialect.name} encode of", codec.model, "encode")
