"""Firestore's kinds of value: one row each has all that the library knows about it, except for containers.

Adding a kind takes a new row here, and its Python class in `values.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias, Union, cast

from .._immutable import dataclass
from .._interop.google import from_sdk, plain_datetime, sdk_kind
from .._interop.protobuf import (
    EPOCH,
    decode_geo_point,
    decode_timestamp,
    decode_vector,
    write_geo_point,
    write_timestamp,
    write_vector,
)
from ..reference import Ref
from ..values import GeoPoint, Vector

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


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind.

    Generated code is built from templates, in which `{v}` is a local variable that holds the value or the message,
    `{m}` the source of the message to fill, `{field}` the message's field and `{x}` an unused variable.
    They can use the names in `NAMES`.

    Attributes:
        name: The kind.
        python: The exact class of its stored values.
        message: The field of a `Value` message that holds it.
        take: Converts a compatible value to the exact one, in either direction, or raises `Mismatch`.
        accepts: The classes whose instances `take` handles, besides the Google SDK's own class for the kind.
        plain: Whether protobuf stores it as the Python value, and checks it when it is set.
        test: The condition for a value of the class to be stored as it is; empty for none.
        stored_test: The condition for a stored value of the class to be returned as it is.
        in_arrays: Whether it can be in an array.
        marker: The key of a map that represents it, which other maps lack.
        read: Returns the value of a `Value` message; the message itself if it is not a valid value.
        write: Stores a value in a `Value` message.
        read_source: As `read`, where source is faster than a call.
        write_source: As `write`, likewise.
    """

    name: Kind
    python: type[Any]
    message: str
    take: Callable[[Any], Any]
    accepts: tuple[type[Any], ...]
    plain: bool = False
    test: str = ""
    stored_test: str = ""
    in_arrays: bool = True
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
    """A `float`; an int is accepted, a bool is not."""
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            refuse("too large for a float")
    refuse()


def to_str(value: Any) -> str:
    """A `str` that UTF-8 can encode."""
    if not isinstance(value, str):
        refuse()
    plain = str.__str__(value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        refuse("it holds a lone surrogate, which UTF-8 can't")
    return plain


def _to_bytes(value: Any) -> bytes:
    return bytes(cast(bytes, value)) if isinstance(value, (bytes, bytearray, memoryview)) else refuse()


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


def _own_or_sdk(kind: Kind, python: type[Any], value: Any) -> Any:
    """A value of one of core's own classes, or of the equivalent SDK class."""
    if type(value) is python:
        return value
    if sdk_kind(value) != kind:
        refuse()
    try:
        return from_sdk(value)
    except ValueError as error:
        refuse(str(error))


def to_reference(value: Any) -> Ref[Any]:
    """A `Ref` into the context's own database, or the SDK's reference."""
    found: Ref[Any] = _own_or_sdk("reference", Ref, value)
    return found if found is not value or found.database is None else refuse("it points into another database")


def _own(kind: Kind, python: type[Any], message: str, **known: Any) -> KindRow:
    """The row of a kind whose values are of a class of core's own."""
    return KindRow(kind, python, message, partial(_own_or_sdk, kind, python), (python,), **known)


def _write_null(message: Any, _value: None) -> None:
    message.null_value = 0


ROWS: Final = (
    KindRow(
        *("null", type(None), "null_value", _to_null, (type(None),)),
        read=lambda _: None,
        write=_write_null,
        read_source="None",
        write_source="{m}.{field} = 0",
    ),
    KindRow("bool", bool, "boolean_value", _to_bool, (bool,), plain=True),
    KindRow("int", int, "integer_value", to_int, (int,), plain=True, test=f"{INT64[0]} <= {{v}} <= {INT64[-1]}"),
    KindRow("float", float, "double_value", to_float, (float,), plain=True),
    KindRow(
        *("timestamp", datetime, "timestamp_value", to_timestamp, (datetime,)),
        # In another time zone it may be outside the years 1 to 9999 in UTC.
        test="{v}.tzinfo is UTC",
        stored_test="{v}.tzinfo is UTC",
        read=decode_timestamp,
        write=lambda message, value: write_timestamp(message.timestamp_value, value),
        read_source="EPOCH + timedelta(0, ({x} := {v}.{field}).seconds, {x}.nanos // 1000)",
        write_source="write_timestamp({m}.{field}, {v})",
    ),
    KindRow("str", str, "string_value", to_str, (str,), plain=True, test="{v}.isascii()"),
    KindRow("bytes", bytes, "bytes_value", _to_bytes, (bytes, bytearray, memoryview), plain=True),
    KindRow("reference", Ref, "reference_value", to_reference, (Ref,), test="{v}.database is None"),
    _own(
        *("geo_point", GeoPoint, "geo_point_value"),
        read=decode_geo_point,
        write=write_geo_point,
        read_source="GeoPoint(({x} := {v}.{field}).latitude, {x}.longitude)",
    ),
    _own("vector", Vector, "map_value", in_arrays=False, marker="__type__", read=decode_vector, write=write_vector),
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
    "write_timestamp": write_timestamp,
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
