"""How Datastore's messages say what core's kinds of value are, for core's compiler."""

from __future__ import annotations

from typing import Any, Final

from cendry._interop.protobuf import write_geo_point, write_timestamp
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
    new_document=_sdk.Entity,
    decode_fields=decode_properties,
    write_fields=write_properties,
    decode_value=decode_value,
    decode_reference=_decode_reference,
    write_value=write_value,
    write_timestamp=write_timestamp,
    write_geo_point=write_geo_point,
    reference=_reference,
)
"""How Datastore's messages hold core's kinds."""
