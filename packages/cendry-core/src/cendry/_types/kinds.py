"""Firestore's kinds of value: one row each has all that the library knows about it, except for containers.

Adding a kind takes a new row here, and its Python class in `values.py`.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, TypeAlias, Union, cast

from .._immutable import dataclass
from .._interop.google import from_sdk, plain_datetime, sdk_kind
from .._interop.protobuf import (
    EPOCH,
    MICROSECOND,
    decode_geo_point,
    decode_timestamp,
    decode_vector,
    write_geo_point,
    write_timestamp,
    write_vector,
)
from ..paths import exact_text
from ..reference import Ref
from ..values import GeoPoint, Vector
from . import keys

Kind = Literal[
    "null", "bool", "int", "float", "timestamp", "str", "bytes", "reference", "geo_point", "array", "vector", "map"
]
"""Firestore's kinds of value."""

if TYPE_CHECKING:
    FirestoreValue: TypeAlias = Union[
        None,
        bool,
        int,
        float,
        str,
        bytes,
        datetime,
        GeoPoint,
        Vector,
        Ref[Any],
        "list[FirestoreValue]",
        "dict[str, FirestoreValue]",
    ]
else:
    # Without forward references, which can't be resolved in users' modules.
    FirestoreValue = Union[
        None, bool, int, float, str, bytes, datetime, GeoPoint, Vector, Ref[Any], list[Any], dict[str, Any]
    ]
"""Any value that Firestore can store; fields with this annotation are stored and read unchanged."""

INT64: Final = range(-(2**63), 2**63)
UTC: Final = timezone.utc


class Mismatch(Exception):
    """A value doesn't fit; the text is the reason, if there is more to report."""


def refuse(reason: str = "") -> NoReturn:
    """Raise a `Mismatch`, as an expression."""
    raise Mismatch(reason)


class JsonForm(NamedTuple):
    """How JSON holds the values of a kind that it lacks: as an object with one name, which Firestore has reserved.

    Attributes:
        tag: The name.
        dump: Makes what stands under it.
        load: The reverse; a `ValueError` or a `TypeError` says that it can't be one.
    """

    tag: str
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind.

    Generated code is built from templates, in which `{v}` is a local variable that holds the value or the message,
    `{m}` the source of the message to fill, `{field}` the message's field and `{x}` an unused variable.
    They can use the names in `NAMES`.

    Attributes:
        name: The kind.
        python: The exact class of its stored values.
        take: Converts a compatible value to the exact one, in either direction, or raises `Mismatch`.
        key: Makes the sort key.
        size: The bytes that Firestore counts, for each value or for a given one.
        message: The field of a `Value` message that holds it.
        accepts: The classes whose instances `take` handles, besides the Google SDK's own class for the kind; by
            default `python` alone.
        test: The condition for a value of the class to be stored as it is; empty for none.
        stored_test: The condition for a stored value of the class to be returned as it is.
        in_arrays: Whether it can be in an array.
        json: Its form in JSON, if JSON has none of its own.
        plain: Whether protobuf stores it as the Python value, and checks it when it is set.
        marker: The key of a map that represents it, which other maps lack.
        read: Returns the value of a `Value` message; the message itself if it is not a valid value.
        write: Stores a value in a `Value` message.
        read_source: As `read`, where source is faster than a call.
        write_source: As `write`, likewise.
    """

    name: Kind
    python: type[Any]
    take: Callable[[Any], Any]
    key: Callable[[Any], bytes]
    size: int | Callable[[Any], int]
    message: str
    accepts: tuple[type[Any], ...] = ()
    test: str = ""
    stored_test: str = ""
    in_arrays: bool = True
    json: JsonForm | None = None
    plain: bool = False
    marker: str = ""
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any, Any], None] | None = None
    read_source: str = ""
    write_source: str = ""


def _to_null(value: Any) -> None:
    if value is not None:
        refuse()


def _to_bool(value: Any) -> bool:
    return value if type(value) is bool else refuse()


def to_int(value: Any) -> int:
    """A 64-bit `int`; an integral float is accepted, a bool is not."""
    if isinstance(value, int) and not isinstance(value, bool):
        plain = int.__int__(value)
    elif isinstance(value, float) and value.is_integer():
        plain = int(value)
    else:
        refuse("not integral" if isinstance(value, float) else "")
    return plain if plain in INT64 else refuse("outside 64 bits")


def to_float(value: Any) -> float:
    """A `float`; an int that is exactly a float is accepted, a bool is not."""
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            plain = float(value)
        except OverflowError:
            refuse("too large for a float")
        return plain if plain == value else refuse("a float would round it")
    refuse()


def to_finite(value: Any) -> float:
    """A `float` that JSON can hold."""
    number = to_float(value)
    return number if number - number == 0 else refuse("JSON has no NaN or infinity")


def to_str(value: Any) -> str:
    """A `str` that UTF-8 can encode."""
    if not isinstance(value, str):
        refuse()
    plain: str = exact_text(value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        refuse("it holds a lone surrogate, which UTF-8 can't")
    return plain


def to_timestamp(value: Any) -> datetime:
    """An aware `datetime` of the exact class; a naive one is UTC."""
    if not isinstance(value, datetime):
        refuse()
    plain = value if type(value) is datetime else plain_datetime(value)
    if plain.tzinfo is UTC:
        return plain
    if plain.utcoffset() is None:
        return plain.replace(tzinfo=UTC)
    try:
        plain.astimezone(UTC)
    except OverflowError:
        refuse("in UTC it is outside the years 1 to 9999")
    return plain


def _own_or_sdk(kind: Kind, python: type[Any]) -> Callable[[Any], Any]:
    """Returns a function that takes values of one of core's own classes, or of the equivalent SDK class."""

    def take(value: Any) -> Any:
        if type(value) is python:
            return value
        if sdk_kind(value) != kind:
            refuse()
        try:
            return from_sdk(value)
        except ValueError as error:
            refuse(str(error))

    return take


to_reference: Final[Callable[[Any], Ref[Any]]] = _own_or_sdk("reference", Ref)
"""A `Ref`, or the SDK's reference; only the backend knows whether a database that it names is its own."""

_INT64_TEST: Final = f"{INT64[0]} <= {{v}} <= {INT64[-1]}"
_BUFFERS: Final = (bytes, bytearray, memoryview)


def _to_bytes(value: Any) -> bytes:
    return bytes(cast(bytes, value)) if isinstance(value, _BUFFERS) else refuse()


# Sizes


def name_size(path: str) -> int:
    """The bytes that Firestore counts for a document's name."""
    return len(path.encode()) + 1 + 16


def _str_size(value: str) -> int:
    return len(value.encode()) + 1


def _reference_size(value: Ref[Any]) -> int:
    return name_size(value.path)


def _vector_size(value: Vector) -> int:
    return 8 * len(value)


# Forms in JSON and in messages


def microseconds_of(moment: datetime) -> int:
    """The microseconds since 1970, in UTC."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(microseconds: int) -> datetime:
    """The reverse."""
    return EPOCH + microseconds * MICROSECOND


def _bytes_to_json(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def _bytes_from_json(text: str) -> bytes:
    value = a2b_base64(text)
    if _bytes_to_json(value) != text:
        raise ValueError(f"{text!r} is not Base64.")
    return value


_BASE64: Final = JsonForm("__bytes__", _bytes_to_json, _bytes_from_json)


def _point_from_json(form: tuple[float, float]) -> GeoPoint:
    return GeoPoint(*form)


def _read_null(_message: Any) -> None:
    return


def _write_null(message: Any, _value: None) -> None:
    message.null_value = 0


def _write_timestamp(message: Any, value: datetime) -> None:
    write_timestamp(message.timestamp_value, value)


ROWS: Final = (
    KindRow(
        *("null", type(None), _to_null, keys.null_key, 1, "null_value"),
        read=_read_null,
        write=_write_null,
        read_source="None",
        write_source="{m}.{field} = 0",
    ),
    KindRow("bool", bool, _to_bool, keys.bool_key, 1, "boolean_value", plain=True),
    KindRow("int", int, to_int, keys.int_key, 8, "integer_value", plain=True, test=_INT64_TEST),
    KindRow("float", float, to_float, keys.float_key, 8, "double_value", plain=True),
    KindRow(
        *("timestamp", datetime, to_timestamp, keys.timestamp_key, 8, "timestamp_value"),
        # In another time zone it may be outside the years 1 to 9999 in UTC.
        test="{v}.tzinfo is UTC",
        stored_test="{v}.tzinfo is UTC",
        json=JsonForm("__time__", microseconds_of, moment_of),
        read=decode_timestamp,
        write=_write_timestamp,
        read_source="EPOCH + timedelta(0, ({x} := {v}.{field}).seconds, {x}.nanos // 1000)",
        write_source="fill_timestamp({m}.{field}, {v})",
    ),
    KindRow("str", str, to_str, keys.str_key, _str_size, "string_value", plain=True, test="{v}.isascii()"),
    KindRow("bytes", bytes, _to_bytes, keys.bytes_key, len, "bytes_value", plain=True, accepts=_BUFFERS, json=_BASE64),
    KindRow(
        *("reference", Ref, to_reference, keys.reference_key, _reference_size, "reference_value"),
        test="{v}.database is None",
        json=JsonForm("__reference__", attrgetter("path"), Ref.from_path),
    ),
    KindRow(
        *("geo_point", GeoPoint, _own_or_sdk("geo_point", GeoPoint), keys.geo_point_key, 16, "geo_point_value"),
        json=JsonForm("__point__", attrgetter("latitude", "longitude"), _point_from_json),
        read=decode_geo_point,
        write=write_geo_point,
        read_source="GeoPoint(({x} := {v}.{field}).latitude, {x}.longitude)",
    ),
    KindRow(
        *("vector", Vector, _own_or_sdk("vector", Vector), keys.vector_key, _vector_size, "map_value"),
        in_arrays=False,
        json=JsonForm("__vector__", list, Vector),
        marker="__type__",
        read=decode_vector,
        write=write_vector,
    ),
)
"""The kinds of single values. If a value is of several kinds, the first one wins."""

ROW: Final[Mapping[Kind, KindRow]] = {row.name: row for row in ROWS}

STORED_TYPE: Final[Mapping[Kind, type[Any]]] = {**{row.name: row.python for row in ROWS}, "array": list, "map": dict}
"""The exact Python type of a stored value of each kind."""

KIND_OF: Final[Mapping[type[Any], Kind]] = {python: kind for kind, python in STORED_TYPE.items()}

NAMES: Final[Mapping[str, Any]] = {
    **{row.python.__name__: row.python for row in ROWS},
    **{f"{what}_{row.name}": getattr(row, what) for row in ROWS for what in ("take", "read", "write")},
    "EPOCH": EPOCH,
    "UTC": UTC,
    "timedelta": timedelta,
    "fill_timestamp": write_timestamp,
}
"""The names that the source in the rows can use."""


def message_fields(*, markers: bool, **other_names: str) -> dict[Kind, str]:
    """The field of a database's `Value` messages for each kind that the database supports.

    Args:
        markers: Whether it has the kinds that are represented by marked maps.
        other_names: The fields, by kind, whose names differ from the rows.
    """
    fields: dict[Kind, str] = {row.name: row.message for row in ROWS if markers or not row.marker}
    fields.update({"array": "array_value", "map": "map_value"})
    fields.update(cast("Any", other_names))
    return fields
