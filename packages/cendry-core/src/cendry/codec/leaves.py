"""Single values: what each kind of leaf takes, in Python and as stored. Says why not, never where."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, NoReturn, Union, cast
from uuid import UUID

from typing_extensions import TypeIs

from .._interop.google import class_of, from_sdk, plain_datetime, sdk_kind
from .._types.shapes import EnumMember, Kind, OneValue, plain_value
from ..paths import check_field_name
from ..reference import Ref
from ..values import DELETE_FIELD, SERVER_TIMESTAMP, TRANSFORMS, GeoPoint, Vector

INT64: Final = range(-(2**63), 2**63)
UTC: Final = timezone.utc
MIDNIGHT: Final = time(0)
EPOCH_DAY: Final = date(1970, 1, 1)
MICROSECOND: Final = timedelta(microseconds=1)


class Mismatch(Exception):
    """A value doesn't fit; the text says why, if there is more to say than that."""


def refuse(reason: str = "") -> NoReturn:
    """Raise a `Mismatch`, as an expression."""
    raise Mismatch(reason)


def is_map(value: Any) -> TypeIs[Mapping[Any, Any]]:
    """Whether a value is a dict or the like."""
    return isinstance(value, Mapping)


def is_array(value: Any) -> TypeIs[Union[list[Any], tuple[Any, ...]]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, (list, tuple))


def is_set(value: Any) -> TypeIs[Union[set[Any], frozenset[Any]]]:
    """Whether a value is a set, of either kind."""
    return isinstance(value, (set, frozenset))


def show(value: Any) -> str:
    """A value in the words of error messages: its type and the beginning of its repr."""
    if value is None:
        return "None"
    if value is DELETE_FIELD or value is SERVER_TIMESTAMP or sdk_kind(value) == "marker":
        return f"{from_sdk(value)!r}, a marker that only update() takes"
    if isinstance(value, TRANSFORMS) or sdk_kind(value) == "operation":
        return f"{from_sdk(value)!r}, a transform that only update() takes"
    try:
        text = repr(value)
    except Exception as error:  # A repr of somebody else's must not hide what we have to say.
        text = f"<repr raised {type(error).__name__}>"
    if len(text) > 80:
        text = text[:77] + "..."
    return f"{type(value).__qualname__} {text}"


def to_null(value: Any) -> None:
    """`None`."""
    if value is not None:
        refuse()


def to_bool(value: Any) -> bool:
    """A `bool`; nothing else is one."""
    return value if type(value) is bool else refuse()


def to_int(value: Any) -> int:
    """An `int` of 64 bits; an integral float is one, a bool is not."""
    if isinstance(value, int) and not isinstance(value, bool):
        plain = int.__int__(value)
    elif isinstance(value, float) and value.is_integer():
        plain = int(value)
    else:
        refuse("not integral" if isinstance(value, float) else "")
    return plain if plain in INT64 else refuse("outside 64 bits")


def to_float(value: Any) -> float:
    """A `float`; an int is one, a bool is not."""
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            refuse("too large for a float")
    refuse()


def to_str(value: Any) -> str:
    """A `str` that UTF-8 can hold."""
    if not isinstance(value, str):
        refuse()
    plain = str.__str__(value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        refuse("it holds a lone surrogate, which UTF-8 can't")
    return plain


def to_bytes(value: Any) -> bytes:
    """`bytes`, or a copy of another buffer."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        refuse()
    return bytes(cast(bytes, value))


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


def to_geo_point(value: Any) -> GeoPoint:
    """A `GeoPoint`, or the SDK's."""
    if type(value) is not GeoPoint and sdk_kind(value) != "geo_point":
        refuse()
    try:
        point: GeoPoint = from_sdk(value)
    except ValueError as error:
        refuse(str(error))
    return point


def to_vector(value: Any) -> Vector:
    """A `Vector`, or the SDK's."""
    if type(value) is not Vector and sdk_kind(value) != "vector":
        refuse()
    vector: Vector = from_sdk(value)
    return vector


def to_reference(value: Any) -> Ref[Any]:
    """A `Ref` into the context's own database, or the SDK's reference."""
    if type(value) is not Ref:
        if sdk_kind(value) != "reference":
            refuse()
        try:
            reference: Ref[Any] = from_sdk(value)
        except ValueError as error:
            refuse(str(error))
        return reference
    if value.database is not None:
        refuse("it points into another database")
    return value


SCALARS: Final[dict[Kind, Callable[[Any], Any]]] = {
    "null": to_null,
    "bool": to_bool,
    "int": to_int,
    "float": to_float,
    "str": to_str,
    "bytes": to_bytes,
    "timestamp": to_timestamp,
    "geo_point": to_geo_point,
    "vector": to_vector,
}
"""For the kinds that are the same in Python and stored: anything sensible in, the exact value out, or a `Mismatch`."""


def _decimal_from_stored(value: Any) -> Decimal:
    try:
        return Decimal(value if isinstance(value, str) else to_int(value))
    except ArithmeticError:
        refuse("no number")


def _uuid_from_stored(value: Any) -> UUID:
    try:
        return UUID(to_str(value))
    except ValueError:
        refuse("no UUID")


def _date_from_stored(value: Any) -> date:
    moment = to_timestamp(value).astimezone(UTC)
    return moment.date() if moment.time() == MIDNIGHT else refuse("not at midnight")


def _time_from_stored(value: Any) -> time:
    moment = to_timestamp(value).astimezone(UTC)
    return moment.time() if moment.date() == EPOCH_DAY else refuse("on another day")


def _timedelta_from_stored(value: Any) -> timedelta:
    return timedelta(microseconds=to_int(value))


def _date_to_stored(value: date) -> datetime:
    return (
        refuse("a moment, not a day")
        if isinstance(value, datetime)
        else datetime(value.year, value.month, value.day, tzinfo=UTC)
    )


def _time_to_stored(value: time) -> datetime:
    return datetime.combine(EPOCH_DAY, value, UTC) if value.tzinfo is None else refuse("it has a time zone")


def _timedelta_to_stored(value: timedelta) -> int:
    return to_int(value // MICROSECOND)


FROM_STORED: Final[dict[type[Any], Callable[[Any], Any]]] = {
    Decimal: _decimal_from_stored,
    UUID: _uuid_from_stored,
    date: _date_from_stored,
    time: _time_from_stored,
    timedelta: _timedelta_from_stored,
}
TO_STORED: Final[dict[type[Any], Callable[[Any], Any]]] = {
    Decimal: str,
    UUID: str,
    date: _date_to_stored,
    time: _time_to_stored,
    timedelta: _timedelta_to_stored,
}


def enum_members(shape: EnumMember) -> dict[Any, enum.Enum]:
    """The members by what they are stored as; names that are aliases are read too."""
    if shape.by == "name":
        return dict(shape.python.__members__)
    return {plain_value(member): member for member in shape.python}


def enum_from_stored(shape: EnumMember, value: Any) -> enum.Enum:
    """The member that is stored like this; by value, the enum's own `_missing_` has its say."""
    if shape.by == "name":
        member = shape.python.__members__.get(to_str(value))
        return refuse() if member is None else member
    # 1, 1.0 and True are equal, and only one of them is the member's value.
    for member in shape.python:
        if type(plain_value(member)) is type(value) and plain_value(member) == value:
            return member
    types = {class_of(plain_value(member)) for member in shape.python}
    if type(value) in types or not types:
        candidate = value
    elif int in types and isinstance(value, (int, float)):
        candidate = to_int(value)
    elif float in types and isinstance(value, int):
        candidate = to_float(value)
    elif str in types and isinstance(value, str):
        candidate = to_str(value)
    else:
        refuse()
    try:
        return shape.python(candidate)
    except (ValueError, TypeError, KeyError):
        refuse()


def enum_to_stored(shape: EnumMember, value: Any) -> Any:
    """What a member is stored as."""
    if not isinstance(value, shape.python):
        refuse()
    if shape.by == "value":
        return plain_value(value)
    return value.name if value.name in shape.python.__members__ else refuse("a combination without a name")


def literal_from_stored(shape: OneValue, value: Any) -> Any:
    """The given value that is stored like this."""
    for option in shape.values:
        plain = plain_value(option)
        if plain == value and isinstance(plain, bool) == isinstance(value, bool) and isinstance(value, type(plain)):
            return option
    refuse()


def literal_to_stored(shape: OneValue, value: Any) -> Any:
    """What one of the given values is stored as."""
    for option in shape.values:
        if type(option) is type(value) and option == value:
            return plain_value(option)
    return (
        literal_from_stored(shape, value) if not isinstance(value, enum.Enum) and value in _plain(shape) else refuse()
    )


def _plain(shape: OneValue) -> list[Any]:
    return [option for option in shape.values if not isinstance(option, enum.Enum)]


def to_key(value: Any) -> str:
    """A map key that Firestore takes."""
    if type(value) is str and value.isascii() and value.isidentifier() and len(value) <= 1500 and value[:2] != "__":
        return value
    reason = check_field_name(value)
    return refuse(reason) if reason else str.__str__(value)


def stable(values: list[Any]) -> list[Any]:
    """The elements of a set in an order that doesn't depend on hashes."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, repr(value)))


def deeper_than(value: Any, limit: int) -> bool:
    """Whether maps and arrays are nested over `limit` levels."""
    if is_map(value):
        return limit == 0 or any(deeper_than(each, limit - 1) for each in value.values())
    if is_array(value):
        return limit == 0 or any(deeper_than(each, limit - 1) for each in value)
    return False


_TRUSTED: Final = frozenset((type(None), bool, float, bytes, GeoPoint))
_BY_CLASS: Final[tuple[tuple[Any, Kind], ...]] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    (datetime, "timestamp"),
    ((bytes, bytearray, memoryview), "bytes"),
)


def any_leaf(value: Any, in_array: bool = False) -> Any:
    """A value of no declared type, in its stored form; neither a map nor an array."""
    kind = class_of(value)
    if kind in _TRUSTED:
        return value
    if kind is Vector or sdk_kind(value) == "vector":
        return refuse("a vector can't be in an array") if in_array else to_vector(value)
    if kind is Ref or sdk_kind(value) == "reference":
        return to_reference(value)
    if sdk_kind(value) == "geo_point":
        return to_geo_point(value)
    for python, name in _BY_CLASS:
        if isinstance(value, python):
            return SCALARS[name](value)
    refuse()


def copy_stored(value: Any, in_array: bool = False) -> Any:
    """A deep copy of a value of no declared type, in its stored form; a `Mismatch` doesn't tell where it is."""
    kind = class_of(value)
    if (kind is str and value.isascii()) or kind in _TRUSTED:
        return value
    if is_map(value):
        return {to_key(key): copy_stored(each) for key, each in value.items()}
    if is_array(value):
        return refuse("an array directly in an array") if in_array else [copy_stored(each, True) for each in value]
    return any_leaf(value, in_array)
