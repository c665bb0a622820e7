"""Stored values, core's to Datastore's and back. Reading never fails: what is unknown comes out as it came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from cendry._interop.protobuf import decode_geo_point, decode_timestamp, write_geo_point, write_timestamp
from cendry.paths import FieldPath
from cendry.plan import MISSING, outermost, projected, value_at
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

from . import _sdk
from ._indexing import MAX_INDEXED_BYTES, NO_MARKS, Marks, is_too_long, marks_at
from ._keys import Home, decode_key, fill_reference
from ._unsupported import unsupported

# The kinds that protobuf holds as Python holds them.
_PLAIN: Final = frozenset({"string_value", "integer_value", "double_value", "boolean_value", "blob_value"})


# --- reading ---


def decode_properties(properties: Any, home: Home) -> dict[str, Any]:
    """The properties of an entity or a map, as stored values."""
    # A string that is not empty proves its kind, and most values are strings.
    return {name: value.string_value or decode_value(value, home) for name, value in properties.items()}


def decode_value(value: Any, home: Home) -> Any:
    """One `Value` message as a stored value of core; a kind that is unknown here comes as the message itself."""
    kind = value.WhichOneof("value_type")
    if kind in _PLAIN:
        return getattr(value, kind)
    match kind:
        case "timestamp_value":
            return decode_timestamp(value)
        case "entity_value":
            # An embedded entity may have a key of its own, which no map of core's can hold.
            return decode_properties(value.entity_value.properties, home)
        case "array_value":
            return [decode_value(element, home) for element in value.array_value.values]
        case "null_value":
            return None
        case "key_value":
            return decode_key(value.key_value, home)
        case "geo_point_value":
            return decode_geo_point(value)
        case _:
            return value


def decode_projected(properties: Any, paths: Sequence[FieldPath], home: Home) -> dict[str, Any]:
    """Some properties of an entity, nested as they are stored; absent ones are left out."""
    names = {path.segments[0] for path in paths}
    # Asking a protobuf map for what it lacks would add it.
    data = {name: decode_value(properties[name], home) for name in names if name in properties}
    return projected(data, outermost(paths))


# --- writing ---


def write_properties(
    target: Any, data: Mapping[str, Any], home: Home, marks: Marks = NO_MARKS, at: tuple[str, ...] = ()
) -> None:
    """Fill a map of `Value` messages; properties that are marked stay out of the indexes."""
    for name, value in data.items():
        write_value(target[name], value, home, marks, (*at, name))


def write_value(target: Any, value: Any, home: Home, marks: Marks = NO_MARKS, at: tuple[str, ...] = ()) -> None:
    """Fill one `Value` message, in place: nested messages are never copied.

    Besides core's stored values this takes the SDK's own (its `Key`, `Entity` and `GeoPoint`) and `Value` messages.
    What is too long for an index is kept out of it.

    Args:
        target: The message; an empty one.
        value: The value.
        home: Where the documents of the backend live.
        marks: The properties to keep out of the indexes.
        at: The path of the value among them.

    Raises:
        TypeError: The value is of no kind that Datastore stores.
        ValueError: An integer has more than 64 bits.
        ForeignReferenceError: A reference points into another project, database or namespace.
        UnsupportedByBackendError: It is a vector.
    """
    match value:
        case None:
            target.null_value = 0
        case bool():
            target.boolean_value = value
        case int():
            target.integer_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = value
            if is_too_long(value):
                target.exclude_from_indexes = True
        case datetime():
            write_timestamp(target.timestamp_value, value)
        case bytes():
            target.blob_value = value
            if len(value) > MAX_INDEXED_BYTES:
                target.exclude_from_indexes = True
        case list() | tuple():
            target.array_value.SetInParent()
            for element in cast("Sequence[Any]", value):
                write_value(target.array_value.values.add(), element, home, marks, at)
            # Datastore keeps the elements out, never the array.
            return
        case dict() if not isinstance(value, _sdk.SdkEntity):
            target.entity_value.SetInParent()
            write_properties(target.entity_value.properties, cast("dict[str, Any]", value), home, marks, at)
        case _:
            _write_object(target, value, home)
    if at in marks:
        target.exclude_from_indexes = True


def _write_object(target: Any, value: Any, home: Home) -> None:
    match value:
        case Ref():
            fill_reference(target.key_value, cast("Any", value), home)
        case GeoPoint():
            write_geo_point(target, value)
        case Vector():
            raise unsupported("vectors")
        case _ if isinstance(value, _sdk.Value):
            target.CopyFrom(value)
        case _ if isinstance(value, _sdk.SdkKey):
            target.key_value.CopyFrom(_sdk.key_message(value))
        case _ if isinstance(value, _sdk.SdkEntity):
            target.entity_value.CopyFrom(_sdk.entity_message(value))
        case _ if isinstance(value, _sdk.SdkGeoPoint):
            write_geo_point(target, value)
        case _:
            raise TypeError(f"{type(value).__qualname__} is of no kind that Datastore stores.")


def write_masked(properties: Any, data: Mapping[str, Any], mask: Sequence[FieldPath], home: Home) -> None:
    """Change the masked properties of a stored entity, in place; all others stay, bit for bit.

    A masked one that `data` lacks is removed; one that is written stays out of the indexes if it was.
    """
    for path in mask:
        *parents, last = path.segments
        value = value_at(data, path.segments)
        if value is MISSING:
            _remove(properties, parents, last)
        else:
            target = _holder(properties, parents)[last]
            marks = marks_at(target, (last,))
            target.Clear()
            write_value(target, value, home, marks, (last,))


def _holder(properties: Any, parents: Sequence[str]) -> Any:
    for segment in parents:
        value = properties[segment]
        if value.WhichOneof("value_type") != "entity_value":
            # Firestore, too, makes a map of what isn't one, if a path leads through it.
            value.Clear()
            value.entity_value.SetInParent()
        properties = value.entity_value.properties
    return properties


def _remove(properties: Any, parents: Sequence[str], last: str) -> None:
    for segment in parents:
        if segment not in properties:
            return
        properties = properties[segment].entity_value.properties
    if last in properties:
        del properties[last]
