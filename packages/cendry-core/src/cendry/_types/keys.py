"""The sort keys of single values, as bytes, for the rows of `kinds.py`; `_order.py` describes the format of keys.

The first byte of a key is the rank of its kind, which only integers and floats share.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import Any, Final

from .._interop.protobuf import EPOCH, MICROSECOND
from ..reference import Ref
from ..values import GeoPoint, Vector

# There are gaps between the ranks, so that "just after a kind" is a key as well.
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

END: Final = b"\0"
"""Comes before all that could go on."""

_STRING_END: Final = b"\0\0"
_NUMBERED_ID: Final = re.compile(r"__id(-?[0-9]+)__\Z")
_EXACT_INTEGERS: Final = range(-(2**53), 2**53 + 1)
_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1

_pack_double: Final = struct.Struct(">d").pack
_unpack_bits: Final = struct.Struct(">Q").unpack
_pack_bits: Final = struct.Struct(">Q").pack
_pack_number: Final = struct.Struct(">cQH").pack
_pack_long: Final = struct.Struct(">cQ").pack


def path_key(path: str) -> bytes:
    """The key of a document path: segment by segment, numbered ids before all others, parents before children."""
    return b"".join(map(_segment_key, path.split("/"))) + END


def _segment_key(segment: str) -> bytes:
    if segment.startswith("__id") and (found := _NUMBERED_ID.match(segment)):
        return _pack_long(b"\x01", int(found[1]) + _SIGN)
    return b"\x02" + escaped(segment.encode())


def escaped(text: bytes) -> bytes:
    """Text in a key."""
    # What ends a text must come before anything that could go on.
    return (text.replace(b"\0", b"\0\xff") if b"\0" in text else text) + _STRING_END


def _double_bits(value: float) -> int:
    bits: int = _unpack_bits(_pack_double(value))[0]
    return bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN


def null_key(_value: None) -> bytes:
    """Null comes before all."""
    return NULL


def bool_key(value: bool) -> bytes:
    """False comes first."""
    return BOOLEAN + (b"\x01" if value else b"\0")


def str_key(value: str) -> bytes:
    """By code points."""
    return STRING + escaped(value.encode())


def bytes_key(value: bytes) -> bytes:
    """Byte by byte."""
    return BYTES + escaped(value)


def float_key(value: float) -> bytes:
    """NaN comes before all numbers."""
    if value != value:
        return NAN
    # Adding zero makes -0.0 and 0.0 one.
    return _pack_number(NUMBER, _double_bits(value + 0.0), 0x8000)


def int_key(value: int) -> bytes:
    """Integers and floats are sorted together."""
    nearest = float(value)
    # Between two doubles there is room for integers: what the nearest one misses decides.
    rest = 0 if value in _EXACT_INTEGERS else value - int(nearest)
    return _pack_number(NUMBER, _double_bits(nearest), 0x8000 + rest)


def timestamp_key(value: datetime) -> bytes:
    """By the moment."""
    return _pack_long(TIMESTAMP, (value - EPOCH) // MICROSECOND + _SIGN)


def reference_key(value: Ref[Any]) -> bytes:
    """By the path."""
    if value.database is None:
        return REFERENCE + path_key(value.path)
    # Firestore compares full names. What this database is called is not known here; its own documents come first.
    return REFERENCE + b"\x03" + path_key(f"{value.database}/documents/{value.path}")


def geo_point_key(value: GeoPoint) -> bytes:
    """By the latitude, then by the longitude."""
    # Here the emulator holds -0.0 and 0.0 apart.
    return GEO_POINT + _pack_bits(_double_bits(value.latitude)) + _pack_bits(_double_bits(value.longitude))


def vector_key(value: Vector) -> bytes:
    """Shorter ones first."""
    return _pack_long(VECTOR, len(value)) + b"".join(map(float_key, value))
