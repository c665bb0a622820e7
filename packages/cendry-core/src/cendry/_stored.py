"""Stored values as such: copies of them, and whether two are stored the same."""

from __future__ import annotations

import struct
from typing import Any, cast


def copied(value: Any) -> Any:
    """A copy of what can be changed in a stored value."""
    if isinstance(value, dict):
        fields: dict[Any, Any] = cast("Any", value)
        return {name: copied(each) for name, each in fields.items()}
    if isinstance(value, list):
        elements: list[Any] = cast("Any", value)
        return list(map(copied, elements))
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two stored values are stored the same: `1`, `1.0` and `True` are not, and NaN is itself."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        first: list[Any] = cast("Any", one)
        second: list[Any] = cast("Any", other)
        return len(first) == len(second) and all(map(same, first, second))
    if cast("object", one).__class__ is not cast("object", other).__class__:
        return False
    if isinstance(one, dict):
        mine: dict[Any, Any] = cast("Any", one)
        return mine.keys() == other.keys() and all(same(value, other[name]) for name, value in mine.items())
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    return bool(one == other)
