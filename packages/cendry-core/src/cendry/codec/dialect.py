"""How a database's messages hold core's kinds of value: what its compiled codec has to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._immutable import dataclass
from .._types.messages import MessageData, MessageValues
from .emit import Module


@dataclass(frozen=True, slots=True)
class Dialect:
    """The protobuf messages of one database.

    Messages of values have one field for each kind, of which one is set (`WhichOneof("value_type")`). Arrays have
    `values`; timestamps have `seconds` and `nanos`; geo points have `latitude` and `longitude`.

    Attributes:
        name: What generated code is called after; each dialect has its own.
        new_document: Makes an empty message of a document.
        data: Makes what a backend is given to write of such a message and the base.
        reference: The source of the statement that writes a `Ref` of this database; takes the module to name things
            in, and the sources of the value message and of the `Ref`.
    """

    name: str
    new_document: Callable[[], Any]
    data: type[MessageData]
    reference: Callable[[Module, str, str], str]

    @property
    def values(self) -> MessageValues:
        """How messages of the database hold values."""
        return self.data.translator
