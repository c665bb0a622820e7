"""The compiler of the direct way: a codec and a dialect in, functions out that go straight from and to messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._types.shapes import Shape
from .dialect import Dialect
from .emit import Module
from .leaves import Mismatch
from .message_read import emit_message_decode
from .message_write import emit_message_encode
from .reader import STORED, Reader
from .writer import Writer

if TYPE_CHECKING:
    from .compiler import Codec

M = TypeVar("M")


def compile_decoder(codec: Codec[M], dialect: Dialect) -> Callable[[Any, str, str, Any], M]:
    """`decode(fields, document_id, path, base)`: an instance from the fields of a message.

    What it doesn't take at first sight goes by way of stored values, where the codec takes or refuses it.
    """

    def explain(_: Exception, fields: Any, document_id: str, path: str, base: Any) -> M:
        return codec.decode(dialect.decode_fields(fields, base), document_id, path)

    def slow(shape: Shape, message: Any, base: Any) -> Any:
        reader = Reader(STORED)
        value = reader.read(shape, dialect.decode_value(message, base))
        if reader.problems:
            raise Mismatch
        return value

    module = Module()
    module.known("explain", explain)
    emit_message_decode(module, codec.shape, dialect, slow)
    return _compiled(module, codec, dialect, "decode")


def compile_encoder(codec: Codec[M], dialect: Dialect) -> Callable[[M, Any, Any], Any]:
    """`encode(instance, message, base)`: fills the message of a document, and gives it, or another in its place.

    What it doesn't take at first sight goes by way of stored values, where the codec takes or refuses it.
    """

    def explain(_: Exception, instance: M, base: Any) -> Any:
        document = dialect.new_document()
        dialect.write_fields(getattr(document, dialect.inner), codec.encode(instance), base)
        return document

    def slow(shape: Shape, value: Any) -> Any:
        writer = Writer()
        stored = writer.write(shape, value)
        if writer.problems:
            raise Mismatch
        return stored

    module = Module()
    module.known("explain", explain)
    emit_message_encode(module, codec.shape, dialect, slow)
    return _compiled(module, codec, dialect, "encode")


def _compiled(module: Module, codec: Codec[Any], dialect: Dialect, function: str) -> Callable[..., Any]:
    model = codec.model
    title = f"{dialect.name} {function} of {model.__module__}.{model.__qualname__}"
    return cast("Callable[..., Any]", module.compile(title, model)[function])
