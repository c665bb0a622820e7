"""How Firestore's messages say what core's kinds of value are, for core's compiler."""

from __future__ import annotations

from typing import Final

from cendry._types.kinds import message_fields
from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module

from . import _sdk
from ._values import decode_fields, decode_reference, decode_value, write_fields, write_value


def _reference(_: Module, target: str, value: str) -> str:
    return f"{target}.reference_value = f'{{base}}/documents/{{{value}.path}}'"


FIRESTORE: Final = Dialect(
    name="wire",
    fields=message_fields(markers=True),
    inner="fields",
    new_document=_sdk.Document,
    decode_fields=decode_fields,
    write_fields=write_fields,
    decode_value=decode_value,
    decode_reference=decode_reference,
    write_value=write_value,
    reference=_reference,
)
"""How Firestore's messages hold core's kinds; what generated code calls its base is the name of the database."""
