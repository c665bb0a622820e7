"""Dialects: how a database's messages store core's kinds of value, as compiled codecs need to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._immutable import dataclass
from .._types.messages import MessageData, MessageValues
from .emit import Module
from .reading import STORED, Reading


@dataclass(frozen=True, slots=True)
class Dialect:
    """The protobuf messages of one database.

    Messages of values have one field for each kind, of which one is set (`WhichOneof("value_type")`). Arrays have
    `values`; timestamps have `seconds` and `nanos`; geo points have `latitude` and `longitude`.

    Attributes:
        name: The prefix of the names of generated code; unique for each dialect.
        new_document: Returns an empty document message.
        data: The class of the data for a backend to write; takes such a message and the base.
        reference: The source of the statement that writes a `Ref` of this database; takes the module in which to
            bind names, and the sources of the value message and of the `Ref`.
        reading: The decode options for documents.
    """

    name: str
    new_document: Callable[[], Any]
    data: type[MessageData]
    reference: Callable[[Module, str, str], str]
    reading: Reading = STORED

    @property
    def values(self) -> MessageValues:
        """How messages of the database hold values."""
        return self.data.translator
