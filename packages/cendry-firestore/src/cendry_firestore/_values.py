"""Stored values, core's to Firestore's and back. Reading never fails: what is unknown comes out as it came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final, cast

from cendry.errors import ForeignReferenceError, InvalidDocumentIdError
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

from . import _sdk

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The kinds that protobuf holds as Python holds them.
_PLAIN: Final = frozenset({"string_value", "integer_value", "double_value", "boolean_value", "bytes_value"})
_DOCUMENTS: Final = "/documents/"


def document_name(database: str, path: str) -> str:
    """The full name of a document: `projects/P/databases/D/documents/cities/SF`."""
    return f"{database}{_DOCUMENTS}{path}"


def document_path(database: str, name: str) -> str:
    """The path, below the database, of a document of this database."""
    return name[len(database) + len(_DOCUMENTS) :]


def to_datetime(timestamp: Any) -> datetime:
    """A protobuf timestamp to the microsecond, which is all that Firestore keeps."""
    return _EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1000)


def to_datetime_or_none(message: Any, field: str) -> datetime | None:
    """A timestamp field of a message, or `None` where it is not set."""
    return to_datetime(getattr(message, field)) if message.HasField(field) else None


def write_timestamp(target: Any, moment: datetime) -> None:
    """Set a protobuf timestamp; a naive moment is taken as UTC."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) - _EPOCH
    target.seconds = since.days * 86400 + since.seconds
    target.nanos = since.microseconds * 1000
    # The epoch itself sets nothing, and must still be there.
    target.SetInParent()


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
            return to_datetime(value.timestamp_value)
        case "map_value":
            return _decode_map(value.map_value.fields, database)
        case "array_value":
            return [decode_value(element, database) for element in value.array_value.values]
        case "null_value":
            return None
        case "reference_value":
            return _decode_reference(value, database)
        case "geo_point_value" if (
            abs(value.geo_point_value.latitude) <= 90 and abs(value.geo_point_value.longitude) <= 180
        ):
            return GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude)
        case _:
            return value


def _decode_map(fields: Any, database: str) -> Any:
    # Firestore stores a vector as a map of this form.
    if "__type__" in fields and "value" in fields and fields["__type__"].string_value == "__vector__":
        components = [decode_value(component, database) for component in fields["value"].array_value.values]
        if all(type(component) in (float, int) for component in components):
            return Vector(components)
    return decode_fields(fields, database)


def _decode_reference(value: Any, database: str) -> Any:
    home, separator, path = value.reference_value.partition(_DOCUMENTS)
    if not separator:
        return value
    try:
        return Ref.from_path(path, database=None if home == database else home)
    except InvalidDocumentIdError:
        # A name that this version refuses to write can still be stored; saying its database lets it be read.
        return Ref.from_path(path, database=home)


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
        case datetime():
            write_timestamp(target.timestamp_value, value)
        case bytes() if not hasattr(value, "subtype"):  # the SDK's BSON binaries have one
            target.bytes_value = value
        case Ref(database=home):
            if home is not None and home != database:
                raise ForeignReferenceError(cast(object, value), database)
            target.reference_value = document_name(database, value.path)
        case GeoPoint():
            target.geo_point_value.latitude = value.latitude
            target.geo_point_value.longitude = value.longitude
            target.geo_point_value.SetInParent()
        case Vector():
            write_value(target, {"__type__": "__vector__", "value": list(value)}, database)
        case list() | tuple():
            target.array_value.SetInParent()
            for element in cast("Sequence[Any]", value):
                write_value(target.array_value.values.add(), element, database)
        case dict():
            target.map_value.SetInParent()
            write_fields(target.map_value.fields, cast("dict[str, Any]", value), database)
        case _ if isinstance(value, _sdk.Value):
            target.CopyFrom(value)
        case _:
            target.CopyFrom(_sdk.encode_sdk_value(value)._pb)
