"""Stored values, core's to Firestore's and back. Reading never fails: what is unknown comes out as it came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cendry._interop.protobuf import decode_geo_point, decode_timestamp, write_geo_point, write_timestamp
from cendry.errors import ForeignReferenceError, InvalidDocumentIdError
from cendry.paths import FieldPath
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

from . import _sdk

# The kinds that protobuf holds as Python holds them.
_PLAIN: Final = frozenset({"string_value", "integer_value", "double_value", "boolean_value", "bytes_value"})
DOCUMENTS: Final = "/documents/"


def document_name(database: str, path: str) -> str:
    """The full name of a document: `projects/P/databases/D/documents/cities/SF`."""
    return f"{database}{DOCUMENTS}{path}"


def document_path(database: str, name: str) -> str:
    """The path, below the database, of a document of this database."""
    return name[len(database) + len(DOCUMENTS) :]


def decode_fields(fields: Any, database: str) -> dict[str, Any]:
    """The fields of a document or a map, as stored values."""
    # A string that is not empty proves its kind, and most values are strings.
    return {name: value.string_value or decode_value(value, database) for name, value in fields.items()}


def decode_value(value: Any, database: str) -> Any:
    """One `Value` message as a stored value of core; a kind that is unknown here comes as the message itself."""
    kind = value.WhichOneof("value_type")
    if kind in _PLAIN:
        return getattr(value, kind)
    match kind:
        case "timestamp_value":
            return decode_timestamp(value)
        case "map_value":
            return _decode_map(value.map_value.fields, database)
        case "array_value":
            return [decode_value(element, database) for element in value.array_value.values]
        case "null_value":
            return None
        case "reference_value":
            return decode_reference(value, database)
        case "geo_point_value":
            return decode_geo_point(value)
        case _:
            return value


def _decode_map(fields: Any, database: str) -> Any:
    # Firestore stores a vector as a map of this form.
    if "__type__" in fields and "value" in fields and fields["__type__"].string_value == "__vector__":
        # A double that is not zero proves its kind.
        components = [one.double_value or decode_value(one, database) for one in fields["value"].array_value.values]
        if all(type(component) in (float, int) for component in components):
            return Vector(components)
    return decode_fields(fields, database)


def decode_reference(value: Any, database: str) -> Any:
    """The reference in a `Value` message; the message itself, if what it holds is none."""
    home, separator, path = value.reference_value.partition(DOCUMENTS)
    if not separator:
        return value
    try:
        return Ref.from_path(path, database=None if home == database else home)
    except InvalidDocumentIdError:
        # A name that this version refuses to write can still be stored; saying its database lets it be read.
        return Ref.from_path(path, database=home)


def field_at(fields: Any, path: FieldPath) -> Any:
    """The `Value` message at a field path, or `None`."""
    value: Any = None
    for segment in path.segments:
        # Asking a protobuf map for what it lacks would add it.
        if segment not in fields:
            return None
        value = fields[segment]
        fields = value.map_value.fields
    return value


def write_fields(target: Any, data: Mapping[str, Any], database: str) -> None:
    """Fill a map of `Value` messages."""
    for name, value in data.items():
        write_value(target[name], value, database)


def encode_value(value: Any, database: str) -> Any:
    """One stored value as a `Value` message of its own."""
    message = _sdk.Value()
    write_value(message, value, database)
    return message


def write_value(target: Any, value: Any, database: str) -> None:
    """Fill one `Value` message, in place: nested messages are never copied.

    Besides core's stored values this takes the SDK's own (its `GeoPoint`, `Vector`, `DocumentReference` and the
    like) and `Value` messages.

    Raises:
        TypeError: The value is of no kind that Firestore stores.
        ValueError: An integer has more than 64 bits.
        ForeignReferenceError: A reference points into another database.
    """
    kind = value.__class__
    field = _FIELDS.get(kind)
    if field is not None:
        setattr(target, field, value)
    elif (write := _WRITERS.get(kind)) is not None:
        write(target, value, database)
    else:
        _write_other(target, value, database)


def _write_reference(target: Any, value: Ref[Any], database: str) -> None:
    if value.database is not None and value.database != database:
        raise ForeignReferenceError(value, database)
    target.reference_value = document_name(database, value.path)


def _write_vector(target: Any, value: Vector, _database: str) -> None:
    fields = target.map_value.fields
    fields["__type__"].string_value = "__vector__"
    array = fields["value"].array_value
    array.SetInParent()
    add = array.values.add
    for component in value:
        add(double_value=component)


def _write_array(target: Any, value: Sequence[Any], database: str) -> None:
    array = target.array_value
    array.SetInParent()
    add = array.values.add
    for element in value:
        write_value(add(), element, database)


def _write_map(target: Any, value: Mapping[str, Any], database: str) -> None:
    target.map_value.SetInParent()
    write_fields(target.map_value.fields, value, database)


_FIELDS: Final[dict[type[Any], str]] = {
    bool: "boolean_value",
    int: "integer_value",
    float: "double_value",
    str: "string_value",
    bytes: "bytes_value",
}
"""Where a `Value` message holds what Python holds as protobuf does."""

_Write = Callable[[Any, Any, str], None]


def _write_null(target: Any, _value: None, _database: str) -> None:
    target.null_value = 0


_WRITERS: Final[dict[type[Any], _Write]] = {
    type(None): _write_null,
    datetime: lambda target, value, _: write_timestamp(target.timestamp_value, value),
    Ref: _write_reference,
    GeoPoint: lambda target, value, _: write_geo_point(target, value),
    Vector: _write_vector,
    list: _write_array,
    tuple: _write_array,
    dict: _write_map,
}
"""How values of exactly these types are written."""


def _write_other(target: Any, value: Any, database: str) -> None:
    """Write a value of a class that derives from one of those, or of the SDK's own."""
    if isinstance(value, bytes) and not hasattr(value, "subtype"):  # the SDK's BSON binaries have one
        target.bytes_value = value
        return
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            setattr(target, _FIELDS[kind], value)
            return
    for other in (datetime, list, tuple, dict):
        if isinstance(value, other):
            _WRITERS[other](target, value, database)
            return
    target.CopyFrom(value if isinstance(value, _sdk.Value) else _sdk.encode_sdk_value(value)._pb)
