"""Whether two stored values are the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from struct import pack
from typing import Any, cast


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are stored the same: `1`, `1.0` and `True` are not, nor are `0.0` and `-0.0`; NaN and NaN are.

    Args:
        one: A stored value, as backends give them; a tuple is the same as a list.
        other: Another one.
    """
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and _are_same_maps(cast("Any", one), cast("Any", other))
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and _are_same_lists(cast("Any", one), cast("Any", other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        # The SDKs have classes of their own.
        return one == other and _nanosecond(one) == _nanosecond(other)
    if cast("object", type(one)) is not type(other):
        return False
    if isinstance(one, float):
        return pack("d", one) == pack("d", other) or (one != one and other != other)
    return bool(one == other)


def _are_same_maps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())


def _are_same_lists(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(is_same, one, other))


def _nanosecond(moment: datetime) -> int:
    """The digits below a microsecond, which the SDK's class has."""
    return getattr(moment, "nanosecond", 0) % 1000
