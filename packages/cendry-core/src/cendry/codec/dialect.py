"""Dialects: how a database's messages store core's kinds of value, as compiled codecs need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._immutable import dataclass
from .._types.kinds import Kind
from .._types.messages import MessageData
from .emit import Module


@dataclass(frozen=True, slots=True)
class Dialect:
    """The protobuf messages of one database.

    Messages of values have one field for each kind, of which one is set (`WhichOneof("value_type")`). Arrays have
    `values`; timestamps have `seconds` and `nanos`; geo points have `latitude` and `longitude`.

    Attributes:
        name: The prefix of the names of generated code; unique for each dialect.
        fields: The field of a value message for each kind that the database supports.
        inner: The field of a document, and of a map, that contains its fields: `fields` or `properties`.
        new_document: Returns an empty document message.
        data: Returns the data for a backend to write, from such a message and the base.
        decode_fields: Converts the fields of a document to stored values; takes them and the base.
        write_fields: Writes stored values to the fields of a document; takes these, the values and the base.
        decode_value: Converts a value message to a stored value; takes the message and the base.
        decode_reference: Converts a value message with a reference to a `Ref`; likewise.
        write_value: Writes a stored value to a message; takes the message, the value and the base.
        reference: The source of the statement that writes a `Ref` of this database; takes the module in which to
            bind names, and the sources of the value message and of the `Ref`.
    """

    name: str
    fields: Mapping[Kind, str]
    inner: str
    new_document: Callable[[], Any]
    data: Callable[[Any, Any], MessageData]
    decode_fields: Callable[[Any, Any], dict[str, Any]]
    write_fields: Callable[[Any, Mapping[str, Any], Any], None]
    decode_value: Callable[[Any, Any], Any]
    decode_reference: Callable[[Any, Any], Any]
    write_value: Callable[[Any, Any, Any], None]
    reference: Callable[[Module, str, str], str]

    @classmethod
    def of(
        cls,
        data: type[MessageData],
        *,
        name: str,
        new_document: Callable[[], Any],
        reference: Callable[[Module, str, str], str],
    ) -> Dialect:
        """The dialect of a database whose values are translated like those of `data`."""
        values = data.translator
        return cls(
            name=name,
            fields=values.fields,
            inner=values.inner,
            new_document=new_document,
            data=data,
            decode_fields=values.decode_fields,
            write_fields=values.write_fields,
            decode_value=values.decode_value,
            decode_reference=values.decode_reference,
            write_value=values.write_value,
            reference=reference,
        )
