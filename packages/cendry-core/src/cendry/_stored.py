"""Stored values as such: copies of them, and whether two are stored the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from struct import pack
from typing import Any, Final, cast

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""The most frequent classes whose values can't be changed; asking for these first is faster."""


def copied(value: Any) -> Any:
    """A copy of what can be changed in a stored value."""
    every: Any = value
    if isinstance(value, dict):
        return {name: each if type(each) in _SCALARS else copied(each) for name, each in every.items()}
    if isinstance(value, list):
        return [each if type(each) in _SCALARS else copied(each) for each in every]
    return value


def copied_but(known: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of some fields, in which values that are also those of other fields are left as they are."""
    copy = {**fields}
    for name, value in fields.items():
        if type(value) not in _SCALARS and value is not known.get(name):
            copy[name] = copied(value)
    return copy


def same(one: Any, other: Any) -> bool:
    """Whether two stored values are stored the same: `1`, `1.0` and `True` are not, and NaN is itself."""
    if one is other:
        return True
    if type(one) in _SCALARS and type(one) is not float:
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and _same_lists(cast("Any", one), cast("Any", other))
    # The protocol last, which takes longer.
    if isinstance(one, dict) or isinstance(one, Mapping):  # noqa: SIM101
        return isinstance(other, Mapping) and _same_maps(cast("Any", one), cast("Any", other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        # The SDKs have classes of their own.
        return one == other and _nanosecond(one) == _nanosecond(other)
    if cast("object", one).__class__ is not cast("object", other).__class__:
        return False
    if isinstance(one, float):
        return pack("d", one) == pack("d", other) or (one != one and other != other)
    return bool(one == other)


def _same_maps(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    for name, value in one.items():
        found = other[name]
        if found is not value and not same(value, found):
            return False
    return True


def _same_lists(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def _nanosecond(moment: datetime) -> int:
    """The digits below a microsecond, which the SDK's class has."""
    return getattr(moment, "nanosecond", 0) % 1000
