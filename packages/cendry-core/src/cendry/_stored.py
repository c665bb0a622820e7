"""Stored values as such: copies of them, and whether two are stored the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from struct import pack
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
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and _same_maps(cast("Any", one), cast("Any", other))
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and _same_lists(cast("Any", one), cast("Any", other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        # The SDKs have classes of their own.
        return one == other and _nanosecond(one) == _nanosecond(other)
    if cast("object", one).__class__ is not cast("object", other).__class__:
        return False
    if isinstance(one, float):
        return pack("d", one) == pack("d", other) or (one != one and other != other)
    return bool(one == other)


def _same_maps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())


def _same_lists(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def _nanosecond(moment: datetime) -> int:
    """The digits below a microsecond, which the SDK's class has."""
    return getattr(moment, "nanosecond", 0) % 1000
