"""How Datastore's messages say what core's kinds of value are, for core's compiler."""

from __future__ import annotations

from typing import Any, Final

from cendry._types.kinds import message_fields
from cendry.codec.dialect import Dialect
from cendry.codec.emit import Module

from . import _sdk
from ._keys import Home, decode_key, fill_reference
from ._values import decode_properties, decode_value, write_properties, write_value


def _reference(module: Module, target: str, value: str) -> str:
    return f"{module.known('fill_reference', fill_reference)}({target}.key_value, {value}, base)"


def _decode_reference(message: Any, home: Home) -> Any:
    return decode_key(message.key_value, home)


DATASTORE: Final = Dialect(
    name="entity",
    fields=message_fields(markers=False, bytes="blob_value", reference="key_value", map="entity_value"),
    inner="properties",
    new_document=_sdk.Entity,
    decode_fields=decode_properties,
    write_fields=write_properties,
    decode_value=decode_value,
    decode_reference=_decode_reference,
    write_value=write_value,
    reference=_reference,
)
"""How Datastore's messages hold core's kinds."""
