"""How a database's messages hold core's kinds of value: what its compiled codec has to know."""

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
        name: What generated code is called after; each dialect has its own.
        fields: The field of a value message that holds a kind, for each kind that the database has.
        inner: The field of a document, and of a map, that holds its own fields: `fields` or `properties`.
        new_document: Makes an empty message of a document.
        data: Makes what a backend is given to write of such a message and the base.
        decode_fields: The fields of a document to stored values; takes them and the base.
        write_fields: Stored values to the fields of a document; takes these, the values and the base.
        decode_value: A value message to a stored value; takes the message and the base.
        decode_reference: A value message that holds a reference to a `Ref`; likewise.
        write_value: A stored value to a message; takes the message, the value and the base.
        reference: The source of the statement that writes a `Ref` of this database; takes the module to name things
            in, and the sources of the value message and of the `Ref`.
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
        """The dialect of a database whose values are translated as those of `data` are."""
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
