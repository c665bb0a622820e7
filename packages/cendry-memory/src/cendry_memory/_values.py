"""Stored values: taken in with every check that Firestore makes, never changed, handed out as copies."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Final, NoReturn, cast

from cendry._types.kinds import ROWS
from cendry.errors import ForeignReferenceError, InvalidDocumentIdError, InvalidRequestError
from cendry.paths import check_document_path
from cendry.reference import Ref
from cendry.values import MAX_DIMENSIONS, GeoPoint, Vector

MAX_DOCUMENT_BYTES: Final = 1_048_576
"""Bytes of a document, as Firestore counts them (https://firebase.google.com/docs/firestore/storage-size)."""

MAX_VALUE_BYTES: Final = 1_048_487
"""Bytes of one string or byte string (https://firebase.google.com/docs/firestore/quotas)."""

MAX_DEPTH: Final = 20
"""Maps and arrays within each other, in one field (https://firebase.google.com/docs/firestore/quotas)."""

_MAX_KEY_BYTES: Final = 1500
MAX_PATH_BYTES: Final = 1500
"""Bytes of the names from a document's field down to one in a nested map, joined by dots."""

_INT64: Final = range(-(2**63), 2**63)
# A depth that never reaches the limit, and marks operands, which are not stored.
_OPERAND: Final = -MAX_DOCUMENT_BYTES

Fields = dict[str, Any]

kind_of: Final = cast("Callable[[Any], Any]", type)
"""`type`, for values that stay `Any` to type checkers whatever it gives."""

DATABASE: Final = "the one in memory"
"""Unlike the names that references carry: one that names its database is foreign here."""

# --- out: copies ---

_ROWS: Final = {row.python: row for row in ROWS}
_SHARED: Final = frozenset(_ROWS)


def copy_of(value: Any) -> Any:
    """A copy of a stored list or map that shares nothing that can be changed."""
    if kind_of(value) is dict:
        return copy_of_map(value)
    return [element if kind_of(element) in _SHARED else copy_of(element) for element in value]


def copy_of_map(fields: Mapping[str, Any]) -> Fields:
    """A copy of stored fields that shares nothing that can be changed."""
    return {key: value if kind_of(value) in _SHARED else copy_of(value) for key, value in fields.items()}


Copier = Callable[[Any], Any]
Copiers = tuple[tuple[str, Copier], ...]


def copiers_of(fields: Fields) -> Copiers:
    """The fields that a shallow copy would share, each with the quickest way to copy it."""
    return tuple([(key, _copier_of(value)) for key, value in fields.items() if kind_of(value) not in _SHARED])


def _copier_of(value: Any) -> Copier:
    if _SHARED.issuperset(map(kind_of, value.values() if kind_of(value) is dict else value)):
        return _FLAT_COPY[kind_of(value)]
    if kind_of(value) is list and all(kind_of(row) is dict and _is_flat(row) for row in value):
        return _row_copy
    return copy_of


def _is_flat(fields: Fields) -> bool:
    return _SHARED.issuperset(map(kind_of, fields.values()))


_FLAT_COPY: Final[Mapping[Any, Copier]] = {dict: dict[str, Any].copy, list: list[Any].copy}


def _row_copy(value: list[Fields]) -> list[Fields]:
    return [row.copy() for row in value]


def identical(one: Any, other: Any) -> bool:
    """Whether writing `other` over `one` changes nothing: types count, and the sign of zero; NaN is itself."""
    if one is other:
        return True
    kind = kind_of(one)
    if kind is not kind_of(other):
        return False
    if kind is dict:
        # Most are the same objects after an update, and the call costs more than the look.
        return one.keys() == other.keys() and all(
            value is other[key] or identical(value, other[key]) for key, value in one.items()
        )
    if kind is list or kind is Vector:
        return len(one) == len(other) and all(map(identical, one, other))
    if kind is float:
        return (one == other and math.copysign(1, one) == math.copysign(1, other)) or (one != one and other != other)
    if kind is GeoPoint:
        return identical(one.latitude, other.latitude) and identical(one.longitude, other.longitude)
    return bool(one == other)


# --- in: checks, and copies of what could be changed ---


def taken_in(data: Mapping[str, Any]) -> tuple[Fields, int]:
    """Check the fields of a document, and give a copy and the bytes that Firestore counts for them.

    Raises:
        InvalidRequestError: Firestore refuses a value or a name.
        TypeError: A value is of no kind that Firestore stores.
        ValueError: An integer has more than 64 bits.
    """
    # The document itself is not a level of its fields.
    result, size = _take_map(data, -1)
    if size > MAX_PATH_BYTES:
        _check_field_paths(result, 0)
    return result, size


def _check_field_paths(value: Any, above: int) -> None:
    """Refuse names that are legal one by one, and too long together; arrays between them don't count."""
    if kind_of(value) is list:
        for element in value:
            _check_field_paths(element, above)
    elif kind_of(value) is dict:
        for name, inner in value.items():
            length = above + _NAMES[name][1] - 1
            if length > MAX_PATH_BYTES:
                raise InvalidRequestError(f"a field's path has {length} bytes, and the limit is {MAX_PATH_BYTES}.")
            _check_field_paths(inner, length + 1)


def bytes_of_element(value: Any) -> int:
    """Check a value that is to stand in an array, and give the bytes that Firestore counts for it."""
    return _take(value, 1, True)[1]


def taken_in_element(value: Any) -> Any:
    """Check a value that is to stand in an array, and give a copy of it."""
    return _take(value, 1, True)[0]


def taken_as_operand(value: Any) -> tuple[Any, int]:
    """Check what a query compares with, and give a copy and its bytes; it may be nested as no stored value can be."""
    return _take(value, _OPERAND, False)


def restored(data: Mapping[str, Any]) -> Fields:
    """Fields that were kept elsewhere, fit to be stored again."""
    return _take_map(data, _OPERAND)[0]


def bytes_of(fields: Fields) -> int:
    """The bytes that Firestore counts for fields that are stored, or will be."""
    return _take_map(fields, _OPERAND)[1]


class _Names(dict[str, "tuple[str, int]"]):
    """The names that were seen to be legal, one string object for each, with their bytes."""

    def __missing__(self, name: str) -> tuple[str, int]:
        known = self._checked(name)
        if len(self) >= 10_000:
            self.clear()
        self[name] = known
        return known

    @staticmethod
    def _checked(name: str) -> tuple[str, int]:
        if kind_of(name) is not str:
            raise TypeError(f"A field name must be a str, not {name!r}.")
        if not name:
            raise InvalidRequestError("a field name is empty.")
        if len(name) > 4 and name.startswith("__") and name.endswith("__"):
            raise InvalidRequestError(f"the field name {name!r} is reserved.")
        size = len(_utf8(name))
        if size > _MAX_KEY_BYTES:
            raise InvalidRequestError(f"a field name has {size} bytes, and the limit is {_MAX_KEY_BYTES}.")
        return sys.intern(name), size + 1


_NAMES: Final = _Names()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(f"{text[:40]!r} contains a lone surrogate, which UTF-8 can't hold.") from None


def _take_map(data: Mapping[str, Any], depth: int, _in_array: bool = False) -> tuple[Fields, int]:
    depth = depth + 1 if depth < MAX_DEPTH else _too_deep()
    result: Fields = {}
    total = 0
    for key, value in data.items():
        name, size = _NAMES[key]
        kind = kind_of(value)
        if kind is str and value.isascii() and len(value) < MAX_VALUE_BYTES:
            total += size + len(value) + 1
        elif kind is int and -0x8000_0000_0000_0000 <= value <= 0x7FFF_FFFF_FFFF_FFFF:
            total += size + 8
        elif kind in _SIZES:
            total += size + _SIZES[kind]
        else:
            value, value_size = _TAKERS.get(kind, _take_kin)(value, depth, False)
            total += size + value_size
        result[name] = value
    return result, total


def _take(value: Any, depth: int, in_array: bool) -> tuple[Any, int]:
    return _TAKERS.get(kind_of(value), _take_kin)(value, depth, in_array)


_KIN: Final[tuple[Callable[[Any], Any], ...]] = (int, float, str, bytes)


def _take_kin(value: Any, depth: int, in_array: bool) -> tuple[Any, int]:
    """Subclasses (an `IntEnum`, the SDK's datetime with nanoseconds) become what they derive from."""
    for kind in _KIN:
        if isinstance(value, cast("type[Any]", kind)):
            return _take(kind(value), depth, in_array)
    if isinstance(value, datetime):
        return _take_datetime(value, depth, in_array)
    if isinstance(value, Mapping):
        return _take_map(dict(cast("Any", value)), depth, in_array)
    if isinstance(value, tuple):
        return _take_list(list(cast("Any", value)), depth, in_array)
    raise TypeError(f"{value!r} is of type {kind_of(value).__name__}, which Firestore doesn't store.")


def _take_fixed(value: Any, _depth: int, _in_array: bool) -> tuple[Any, int]:
    return value, _FIXED[kind_of(value)]


def _take_single(value: Any, depth: int, in_array: bool) -> tuple[Any, int]:
    row = _ROWS[kind_of(value)]
    if in_array and depth >= 0 and not row.in_arrays:
        raise InvalidRequestError(f"an array can't hold a {row.name}.")
    return value, row.size if isinstance(row.size, int) else row.size(value)


def _take_int(value: int, _depth: int, _in_array: bool) -> tuple[Any, int]:
    if value not in _INT64:
        raise ValueError(f"{value} is not a 64-bit integer.")
    return value, _FIXED[int]


def _take_str(value: str, _depth: int, _in_array: bool) -> tuple[Any, int]:
    size = len(value) if value.isascii() else len(_utf8(value))
    return value, _checked_size(size) + 1


def _checked_size(size: int) -> int:
    if size > MAX_VALUE_BYTES:
        raise InvalidRequestError(f"a value has {size} bytes, and the limit is {MAX_VALUE_BYTES}.")
    return size


def _take_datetime(value: datetime, _depth: int, _in_array: bool) -> tuple[Any, int]:
    if kind_of(value) is datetime and value.tzinfo is timezone.utc and not value.fold:
        return value, _FIXED[datetime]
    aware = value.astimezone(timezone.utc) if value.tzinfo else value
    parts = (aware.year, aware.month, aware.day, aware.hour, aware.minute, aware.second, aware.microsecond)
    return datetime(*parts, tzinfo=timezone.utc), _FIXED[datetime]


def _take_ref(value: Ref[Any], depth: int, in_array: bool) -> tuple[Any, int]:
    referred_path(value)
    if value.model is not None:
        # A store knows no models, and should not keep any alive.
        value = Ref.from_path(value.path)
    return _take_single(value, depth, in_array)


def _take_geo_point(value: GeoPoint, _depth: int, _in_array: bool) -> tuple[Any, int]:
    if kind_of(value.latitude) is not float or kind_of(value.longitude) is not float:
        value = GeoPoint(float(value.latitude), float(value.longitude))
    return value, _FIXED[GeoPoint]


def _take_vector(value: Vector, depth: int, in_array: bool) -> tuple[Any, int]:
    if not 1 <= len(value) <= MAX_DIMENSIONS:
        raise InvalidRequestError(f"a vector has 1 to {MAX_DIMENSIONS} dimensions, not {len(value)}.")
    if depth >= 0 and any(map(math.isnan, value)):
        raise InvalidRequestError("a vector can't hold NaN.")
    return _take_single(value, depth, in_array)


def _take_list(value: list[Any], depth: int, in_array: bool) -> tuple[Any, int]:
    if in_array and depth >= 0:
        raise InvalidRequestError("an array can't hold an array directly; put a map between them.")
    if not value:
        return [], 0
    depth = depth + 1 if depth < MAX_DEPTH else _too_deep()
    result: list[Any] = []
    total = 0
    for element in value:
        kind = kind_of(element)
        if kind is str and element.isascii() and len(element) < MAX_VALUE_BYTES:
            total += len(element) + 1
        else:
            element, size = _TAKERS.get(kind, _take_kin)(element, depth, True)
            total += size
        result.append(element)
    return result, total


def _too_deep() -> NoReturn:
    raise InvalidRequestError(f"a field holds maps and arrays over {MAX_DEPTH} levels deep.")


_FIXED: Final = {row.python: row.size for row in ROWS if isinstance(row.size, int)}
_SIZES: Final[dict[type, int]] = {python: _FIXED[python] for python in (type(None), bool, float)}
"""The bytes of values that are always legal, and always shared."""

_TAKERS: Final[dict[type, Callable[[Any, int, bool], tuple[Any, int]]]] = {
    **dict.fromkeys(_ROWS, _take_single),
    **dict.fromkeys(_SIZES, _take_fixed),
    int: _take_int,
    str: _take_str,
    bytes: lambda value, _depth, _in_array: (value, _checked_size(len(value))),
    datetime: _take_datetime,
    Ref: _take_ref,
    GeoPoint: _take_geo_point,
    Vector: _take_vector,
    list: _take_list,
    dict: _take_map,
}


# --- names ---


def checked_path(path: str) -> str:
    """Give back a legal document path.

    Raises:
        InvalidRequestError: It is none; contexts refuse such paths before they get here.
    """
    try:
        return check_document_path(path)
    except InvalidDocumentIdError as error:
        raise InvalidRequestError(str(error)) from error


def referred_path(value: Ref[Any]) -> str:
    """The path of a reference into this database.

    Raises:
        ForeignReferenceError: It points into another one.
        InvalidRequestError: It names no document.
    """
    if value.database is not None:
        raise ForeignReferenceError(value, DATABASE)
    return checked_path(value.path)
