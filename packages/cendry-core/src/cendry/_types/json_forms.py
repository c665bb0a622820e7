"""How JSON holds values: one row for each type that JSON lacks, and the types in JSON of the values of a shape."""

from __future__ import annotations

import re
import sys
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import UUID

from .._immutable import dataclass
from .._interop.google import class_of
from ..errors import CendryError, InvalidDocumentIdError
from ..paths import check_document_path
from ..reference import Ref
from ..values import GeoPoint, Vector
from .converted import CONVERSION_OF
from .kinds import STORED_TYPE, UTC, Mismatch, refuse, to_finite, to_str, to_timestamp
from .shapes import (
    Array,
    Constrained,
    Converted,
    EnumMember,
    FixedArray,
    OneOf,
    OneValue,
    Record,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    children,
    describe,
    plain_value,
)

JsonType: TypeAlias = Literal["null", "bool", "int", "float", "str", "array", "object"]
"""The types of JSON values, as Python's `json` tells them apart."""

PYTHON_TYPE: Final[Mapping[JsonType, type[Any]]] = {
    "null": type(None), "bool": bool, "int": int, "float": float, "str": str, "array": list, "object": dict
}  # fmt: skip
"""The type of each in Python."""

_NAMES: Final[Mapping[JsonType, str]] = {
    "null": "null", "bool": "booleans", "int": "integers", "float": "numbers", "str": "strings", "array": "arrays",
    "object": "objects",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JsonRow:
    """How JSON holds the values of one type.

    Source can use the names in `names()`; `{v}` is a local variable that holds the value, and `{x}` an unused one.

    Attributes:
        python: The class.
        type: The type in JSON.
        text: A description, for messages.
        dump: Returns the form of a value, or raises `Mismatch`.
        load: Returns the value of a form, or raises `Mismatch`; anything may be given.
        write: As `dump`, for values of exactly the class for which `write_if` holds.
        read: As `load`, for forms of exactly the type.
        write_if: The condition on a value for `write`.
    """

    python: type[Any]
    type: JsonType
    text: str
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]
    write: str
    read: str
    write_if: str = ""


# Numbers


def _decimal_to_json(value: Decimal) -> str:
    return Decimal.__str__(value) if value.is_finite() else refuse("JSON has no NaN or infinity")


def _decimal_from_json(value: Any) -> Decimal:
    number = cast("Decimal", CONVERSION_OF[Decimal].from_stored(value))
    return number if number.is_finite() else refuse("JSON has no NaN or infinity")


# Dates and times

_UTC: Final = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?Z"
_CLOCK: Final = r"([01]\d|2[0-3]):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
_MOMENT: Final = rf"(\d{{4}})-(\d\d)-(\d\d)[Tt ]{_CLOCK}(?:[Zz]|([+-])([01]\d|2[0-3]):?([0-5]\d))?"
_TIME: Final = rf"{_CLOCK}(?:[Zz]|[+-]00:?00)?"
_DATE: Final = r"\d{4}-\d\d-\d\d"
_DURATION: Final = (
    r"([+-])?P(?=.)(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?=.)(?:(\d{1,12})H)?(?:(\d{1,12})M)?(?:(\d{1,12})(?:[.,](\d{1,9}))?S)?)?"
)
_IN_DATABASE: Final = r"(projects/[^/]+/databases/[^/]+)/documents/(.+)"


@cache
def _matching(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """Matches whole texts; compiled at first use, since `import cendry` needs none of these."""
    return re.compile(pattern, re.ASCII | re.DOTALL).fullmatch


_TWO: Final = tuple(f"{number:02}" for number in range(60))


def utc_to_json(value: datetime) -> str:
    """The form of a datetime in UTC; `isoformat()` takes twice as long."""
    year, fraction = value.year, value.microsecond
    return (
        f"{year if year > 999 else f'{year:04}'}-{_TWO[value.month]}-{_TWO[value.day]}"
        f"T{_TWO[value.hour]}:{_TWO[value.minute]}:{_TWO[value.second]}{f'.{fraction:06}' if fraction else ''}Z"
    )


def moment_to_json(value: datetime) -> str:
    """The form of a stored datetime, which is aware."""
    offset = value.utcoffset()
    # RFC 3339 has no seconds in offsets.
    is_kept = offset and offset.microseconds == 0 == offset.seconds % 60
    return datetime.isoformat(value) if is_kept else utc_to_json(value.astimezone(UTC))


def _parse_utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:-1]}+00:00")


_parse: Final = datetime.fromisoformat if sys.version_info >= (3, 11) else _parse_utc


def moment_from_json(value: Any) -> datetime:
    """A datetime of its form; without an offset, it is in UTC."""
    try:
        if type(value) is str and _matching(_UTC)(value):
            return _parse_utc(value)
        found = _matching(_MOMENT)(to_str(value))
        if found is None:
            refuse()
        year, month, day, *clock, sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset) if offset else UTC
        return to_timestamp(datetime(int(year), int(month), int(day), *_clock(clock), tzinfo=zone))
    except ValueError as error:
        refuse(str(error))


def _clock(groups: list[str | None]) -> tuple[int, int, int, int]:
    """Hours, minutes, seconds and microseconds; digits beyond these are dropped, as Firestore does."""
    hours, minutes, seconds, fraction = (each or "0" for each in groups)
    return int(hours), int(minutes), int(seconds), int(f"{fraction[:6]:0<6}")


def _date_from_json(value: Any) -> date:
    text = to_str(value)
    try:
        return date.fromisoformat(text) if _matching(_DATE)(text) else refuse()
    except ValueError as error:
        refuse(str(error))


def _time_from_json(value: Any) -> time:
    found = _matching(_TIME)(to_str(value))
    try:
        return time(*_clock(list(found.groups()))) if found else refuse()
    except ValueError as error:
        refuse(str(error))


def _duration_to_json(value: timedelta) -> str:
    CONVERSION_OF[timedelta].to_stored(value)
    positive = -value if value.days < 0 else value
    minutes, seconds = divmod(positive.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}H" if hours else ""
    if minutes:
        text += f"{minutes}M"
    if positive.microseconds:
        text += f"{seconds}.{positive.microseconds:06}".rstrip("0") + "S"
    elif seconds or not (text or positive.days):
        text += f"{seconds}S"
    days = f"{positive.days}D" if positive.days else ""
    return f"{'-' if value.days < 0 else ''}P{days}{'T' if text else ''}{text}"


def _duration_from_json(value: Any) -> timedelta:
    found = _matching(_DURATION)(to_str(value))
    if found is None:
        refuse()
    sign, *numbers, fraction = found.groups()
    years, months, weeks, days, hours, minutes, seconds = (int(each or 0) for each in numbers)
    microseconds = int(f"{(fraction or '')[:6]:0<6}")
    try:
        # Years and months as pydantic counts them.
        every = timedelta(days + 7 * weeks + 30 * months + 365 * years, seconds, microseconds, 0, minutes, hours)
    except OverflowError as error:
        refuse(str(error))
    found_value = -every if sign == "-" else every
    CONVERSION_OF[timedelta].to_stored(found_value)
    return found_value


# Bytes, and Firestore's own values


def _bytes_to_json(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


_URL_SAFE: Final = str.maketrans("-_", "+/")


def bytes_from_json(value: Any) -> bytes:
    """The bytes of Base64 of either alphabet; the padding may be absent."""
    if type(value) is str and len(value) % 4 == 0 and "-" not in value and "_" not in value:
        text = value
    else:
        text = to_str(value).translate(_URL_SAFE)
        text += "=" * (-len(text) % 4)
    try:
        found = a2b_base64(text)
    except ValueError as error:
        refuse(str(error))
    return found if _bytes_to_json(found) == text else refuse("not Base64")


def _point_to_json(value: GeoPoint) -> dict[str, float]:
    return {"latitude": value.latitude, "longitude": value.longitude}


def _point_from_json(value: Any) -> GeoPoint:
    if not isinstance(value, Mapping):
        refuse()
    given = cast("Any", value)
    if set(given) != {"latitude", "longitude"}:
        refuse()
    try:
        return GeoPoint(given["latitude"], given["longitude"])
    except ValueError as error:
        refuse(str(error))


def vector_to_json(value: Vector) -> list[float]:
    """The components of a vector."""
    return [each if each - each == 0 else refuse("JSON has no NaN or infinity") for each in value]


def vector_from_json(value: Any) -> Vector:
    """A vector of its components."""
    if not isinstance(value, (list, tuple)):
        refuse()
    given = cast("list[Any]", value)
    return Vector([each if type(each) is float and each - each == 0 else to_finite(each) for each in given])


def reference_to_json(value: Ref[Any]) -> str:
    """The path of a document; with the name of its database, if it has one."""
    return value.path if value.database is None else f"{value.database}/documents/{value.path}"


def reference_from_json(value: Any, model: type[Any] | None = None) -> Ref[Any]:
    """A reference of a path in the model's collection; or of an id, if the model has a collection at the root."""
    text = to_str(value)
    try:
        if model is not None and "/" not in text:
            return Ref(model, text)
        # Paths of documents have an even number of segments, so that one with a database can't be another document's.
        named = _matching(_IN_DATABASE)(text) if text.count("/") % 2 == 0 else None
        database, path = named.groups() if named else (None, text)
        found: Ref[Any] = Ref.from_path(check_document_path(path), model=model, database=database)
    except InvalidDocumentIdError as error:
        refuse(error.reason)
    except (CendryError, TypeError) as error:
        refuse(str(error))
    # Whoever sends a path chooses which document is read later.
    if model is not None and model.__collection__ not in {None, found.collection}:
        refuse(f"{model.__qualname__} is stored in {model.__collection__!r}")
    return found


ROWS: Final = (
    JsonRow(
        *(float, "float", "a finite number", to_finite, to_finite, "{v}", "{v}"),
        write_if="{v} - {v} == 0",
    ),
    JsonRow(
        *(datetime, "str", "ISO 8601", moment_to_json, moment_from_json),
        # Only those in UTC get here.
        write="utc_to_json({v})",
        # Impossible dates raise an error, for the reader to explain.
        read="(parse_utc({v}) if is_utc({v}) else moment_from_json({v}))",
    ),
    JsonRow(
        *(bytes, "str", "Base64", _bytes_to_json, bytes_from_json),
        write="to_base64({v}, newline=False).decode()",
        read="bytes_from_json({v})",
    ),
    JsonRow(
        *(Ref, "str", "the path of a document", reference_to_json, reference_from_json),
        write="{v}.path",
        read="reference_from_json({v})",
    ),
    JsonRow(
        *(GeoPoint, "object", "an object with latitude and longitude", _point_to_json, _point_from_json),
        write="{{'latitude': {v}.latitude, 'longitude': {v}.longitude}}",
        # Other keys, and coordinates out of range, raise an error, for the reader to explain.
        read="(GeoPoint({v}['latitude'], {v}['longitude']) if len({v}) == 2 else point_from_json({v}))",
    ),
    JsonRow(
        *(Vector, "array", "an array of finite numbers", vector_to_json, vector_from_json),
        write="vector_to_json({v})",
        read="vector_from_json({v})",
    ),
    JsonRow(
        *(Decimal, "str", "a str of digits", _decimal_to_json, _decimal_from_json),
        write="str({v})",
        read="({x} if {v}.isascii() and ({x} := Decimal({v})).is_finite() else decimal_from_json({v}))",
        write_if="{v}.is_finite()",
    ),
    JsonRow(UUID, "str", "a str", str, CONVERSION_OF[UUID].from_stored, "str({v})", "UUID({v})"),
    JsonRow(
        *(date, "str", "ISO 8601, as '2026-01-31'", date.isoformat, _date_from_json),
        write="{v}.isoformat()",
        read="date_from_json({v})",
    ),
    JsonRow(
        *(time, "str", "ISO 8601, as '23:59:59'", time.isoformat, _time_from_json),
        write="{v}.isoformat()",
        read="time_from_json({v})",
    ),
    JsonRow(
        *(timedelta, "str", "ISO 8601, as 'P1DT2H'", _duration_to_json, _duration_from_json),
        write="duration_to_json({v})",
        read="duration_from_json({v})",
    ),
)
"""The types that JSON lacks, or holds in part."""

FORM_OF: Final[Mapping[type[Any], JsonRow]] = {row.python: row for row in ROWS}


@cache
def names() -> Mapping[str, Any]:
    """The names that the source in the rows can use."""
    return {
        "bytes_from_json": bytes_from_json,
        "date_from_json": _date_from_json,
        "decimal_from_json": _decimal_from_json,
        "duration_from_json": _duration_from_json,
        "duration_to_json": _duration_to_json,
        "is_utc": _matching(_UTC),
        "moment_from_json": moment_from_json,
        "parse_utc": _parse,
        "point_from_json": _point_from_json,
        "reference_from_json": reference_from_json,
        "time_from_json": _time_from_json,
        "to_base64": b2a_base64,
        "utc_to_json": utc_to_json,
        "vector_from_json": vector_from_json,
        "vector_to_json": vector_to_json,
    }


def to_json(value: Any) -> Any:
    """The form of one stored value that is neither a map nor an array.

    Raises:
        Mismatch: JSON can't hold it.
    """
    form = FORM_OF.get(class_of(value))
    return value if form is None else form.dump(value)


# Shapes


def describe_in_json(shape: Shape) -> str:
    """The description of a shape in error messages about JSON."""
    return describe(shape, _described)


def _described(python: type[Any]) -> str:
    form = FORM_OF.get(python)
    return python.__name__ if form is None else f"{python.__name__} ({form.text})"


def json_types(shape: Shape) -> frozenset[JsonType]:
    """The types of the forms of values of a shape that can be in a union."""
    match shape:
        case Scalar(kind) | SdkValue(kind):
            return frozenset((_type_of(STORED_TYPE[kind]),))
        case Reference() | Converted():
            return frozenset[JsonType](("str",))
        case EnumMember(python, by):
            return frozenset(_type_of(str if by == "name" else class_of(plain_value(each))) for each in python)
        case OneValue(values):
            return frozenset(_type_of(class_of(plain_value(value))) for value in values)
        case Array() | FixedArray():
            return frozenset[JsonType](("array",))
        case Constrained(inner):
            return json_types(inner)
        case _:  # Maps; other shapes are in no union.
            return frozenset[JsonType](("object",))


def _type_of(python: type[Any]) -> JsonType:
    form = FORM_OF.get(python)
    return form.type if form else next(name for name, each in PYTHON_TYPE.items() if each is python)


def check_readable(record: Record) -> None:
    """Check that the values of a class can be told apart in JSON.

    Raises:
        TypeError: They can't; the error names the field.
    """
    waiting, seen = [record], {record}
    while waiting:
        holder = waiting.pop()
        for field in holder.fields:
            for shape in _inside(field.shape):
                if isinstance(shape, Record):
                    if shape not in seen:
                        seen.add(shape)
                        waiting.append(shape)
                elif alike := _alike(shape):
                    raise TypeError(
                        f"{holder.python.__qualname__}.{field.name}: {alike}, so they can't be told apart when they "
                        'are read: use mode="python", or a type whose values differ in JSON.'
                    )


def _inside(shape: Shape) -> Iterator[Shape]:
    """A shape and all that it contains, without the fields of records."""
    yield shape
    if not isinstance(shape, Record):
        for child in children(shape):
            yield from _inside(child)


def _alike(shape: Shape) -> str:
    """What looks alike in JSON, if anything does."""
    match shape:
        case OneOf(members):
            for index, member in enumerate(members):
                for other in members[:index]:
                    for common in json_types(member) & json_types(other):
                        return f"{describe(other)} and {describe(member)} are both {_NAMES[common]} in JSON"
        case EnumMember(python, by) if by == "value":
            return _alike_values(list(python))
        case OneValue(values):
            return _alike_values(values)
        case Tagged():
            return _alike_values([value for values in shape.values for value in values])
        case _:
            pass
    return ""


def _alike_values(values: Any) -> str:
    known: dict[tuple[type[Any], Any], Any] = {}
    for value in values:
        try:
            form = to_json(plain_value(value))
        except Mismatch:
            return f"JSON can't hold {value!r}"
        first = known.setdefault((class_of(form), repr(form)), value)
        if first is not value and plain_value(first) != plain_value(value):
            return f"{first!r} and {value!r} are alike in JSON"
    return ""
