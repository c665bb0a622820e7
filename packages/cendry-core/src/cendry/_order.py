"""Firestore's order of values, as bytes: comparing two keys with `<` or `==` compares the values they stand for.

Every key is prefix-free: no key is the beginning of another one. So keys can be joined to one that compares field by
field, and inverted to one that compares in the other direction.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from .reference import Ref
from .values import GeoPoint, Vector

EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND: Final = timedelta(microseconds=1)

# The first byte of a key says the type; the numbers leave room, so that "just after a type" is a key as well.
NULL: Final = b"\x10"
BOOLEAN: Final = b"\x20"
NAN: Final = b"\x28"
NUMBER: Final = b"\x30"
TIMESTAMP: Final = b"\x38"
STRING: Final = b"\x40"
BYTES: Final = b"\x48"
REFERENCE: Final = b"\x50"
GEO_POINT: Final = b"\x58"
ARRAY: Final = b"\x60"
VECTOR: Final = b"\x68"
MAP: Final = b"\x70"

AFTER_ALL: Final = b"\xff"
"""Comes after every key, and appended to a key after everything that begins with it."""

_END: Final = b"\0"
_STRING_END: Final = b"\0\0"
_NUMBERED_ID: Final = re.compile(r"__id(-?[0-9]+)__\Z")
_EXACT_INTEGERS: Final = range(-(2**53), 2**53 + 1)
_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
_INVERTED: Final = bytes(255 - byte for byte in range(256))

_pack_double: Final = struct.Struct(">d").pack
_unpack_bits: Final = struct.Struct(">Q").unpack
_pack_bits: Final = struct.Struct(">Q").pack
_pack_number: Final = struct.Struct(">cQH").pack
_pack_long: Final = struct.Struct(">cQ").pack


def key_of(value: Any) -> bytes:
    """The key of a stored value.

    Raises:
        KeyError: The value, or one in it, is not of a type that is stored.
    """
    return _KEYS[type(value)](value)


def inverted(key: bytes) -> bytes:
    """The key that compares the other way round among inverted keys."""
    return key.translate(_INVERTED)


def path_key(path: str) -> bytes:
    """The key of a document path: segment by segment, numbered ids before all others, parents before children."""
    return b"".join(map(_segment_key, path.split("/"))) + _END


def _segment_key(segment: str) -> bytes:
    if segment.startswith("__id") and (found := _NUMBERED_ID.match(segment)):
        return _pack_long(b"\x01", int(found[1]) + _SIGN)
    return b"\x02" + _escaped(segment.encode())


def _escaped(text: bytes) -> bytes:
    # What ends a text must come before anything that could go on.
    return (text.replace(b"\0", b"\0\xff") if b"\0" in text else text) + _STRING_END


def _double_bits(value: float) -> int:
    bits: int = _unpack_bits(_pack_double(value))[0]
    return bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN


def _float_key(value: float) -> bytes:
    if value != value:
        return NAN
    # Adding zero makes -0.0 and 0.0 one.
    return _pack_number(NUMBER, _double_bits(value + 0.0), 0x8000)


def _int_key(value: int) -> bytes:
    nearest = float(value)
    # Between two doubles there is room for integers: what the nearest one misses decides.
    rest = 0 if value in _EXACT_INTEGERS else value - int(nearest)
    return _pack_number(NUMBER, _double_bits(nearest), 0x8000 + rest)


def _datetime_key(value: datetime) -> bytes:
    return _pack_long(TIMESTAMP, (value - EPOCH) // MICROSECOND + _SIGN)


def _reference_key(value: Ref[Any]) -> bytes:
    if value.database is None:
        return REFERENCE + path_key(value.path)
    # Firestore compares full names. What this database is called is not known here; its own documents come first.
    return REFERENCE + b"\x03" + path_key(f"{value.database}/documents/{value.path}")


def _geo_point_key(value: GeoPoint) -> bytes:
    # Here the emulator holds -0.0 and 0.0 apart.
    return GEO_POINT + _pack_bits(_double_bits(value.latitude)) + _pack_bits(_double_bits(value.longitude))


def _vector_key(value: Vector) -> bytes:
    return _pack_long(VECTOR, len(value)) + b"".join(map(_float_key, value))


def _array_key(value: list[Any]) -> bytes:
    return ARRAY + b"".join([_KEYS[type(element)](element) for element in value]) + _END


def _map_key(value: Mapping[str, Any]) -> bytes:
    # Python sorts strings by code points, and UTF-8 keeps their order.
    pairs = [b"\x01" + _escaped(key.encode()) + _KEYS[type(value[key])](value[key]) for key in sorted(value)]
    return MAP + b"".join(pairs) + _END


_KEYS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: NULL,
    bool: lambda value: BOOLEAN + (b"\x01" if value else b"\0"),
    int: _int_key,
    float: _float_key,
    datetime: _datetime_key,
    str: lambda value: STRING + _escaped(value.encode()),
    bytes: lambda value: BYTES + _escaped(value),
    Ref: _reference_key,
    GeoPoint: _geo_point_key,
    list: _array_key,
    Vector: _vector_key,
    dict: _map_key,
}
