"""What only the server can compute: the transforms of a write, applied to stored fields."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

from cendry._order import key_of
from cendry.errors import InvalidRequestError
from cendry.plan import MISSING, FieldTransform, overlap, value_at
from cendry.values import ArrayRemove, ArrayUnion, Increment, Maximum, Minimum

from ._filters import checked_field
from ._values import Fields, bytes_of_element, kind_of, taken_in_element

_LEAST: Final = -(2**63)
_GREATEST: Final = 2**63 - 1


def checked(transforms: tuple[FieldTransform, ...]) -> int:
    """Refuse what Firestore refuses whatever is stored.

    Returns:
        The bytes of the elements of arrays.

    Raises:
        InvalidRequestError: A path is not legal, or one transform lies inside another's field.
    """
    nested = overlap([checked_field(transform.path) for transform in transforms])
    if nested is not None:
        outer, inner = nested
        raise InvalidRequestError(f"{outer} and {inner}, which lies inside it, can't be transformed at once.")
    size = 0
    for transform in transforms:
        if isinstance(transform.transform, (ArrayUnion, ArrayRemove)):
            size += sum(map(bytes_of_element, transform.transform.values))
    return size


def apply(fields: Fields, transforms: tuple[FieldTransform, ...], now: datetime) -> None:
    """Change fields, which nobody else has yet, in place."""
    for transform in transforms:
        segments = transform.path.segments
        value = result_of(transform.transform, value_at(fields, segments), now)
        put(fields, segments, value)


def put(fields: Fields, segments: tuple[str, ...], value: Any) -> None:
    """Set a field; values on the way that are not maps become maps, and maps on the way are copied."""
    target = fields
    for segment in segments[:-1]:
        inner: Any = target.get(segment)
        target[segment] = inner = dict(inner) if kind_of(inner) is dict else {}
        target = inner
    target[segments[-1]] = value


def remove(fields: Fields, segments: tuple[str, ...]) -> None:
    """Remove a field if it is there; maps on the way are copied."""
    target = fields
    for segment in segments[:-1]:
        inner: Any = target.get(segment)
        if kind_of(inner) is not dict:
            return
        target[segment] = inner = dict(inner)
        target = inner
    target.pop(segments[-1], None)


def result_of(transform: Any, stored: Any, now: datetime) -> Any:
    """What a transform makes of a stored value, or of `MISSING`."""
    match transform:
        case Increment(value):
            return _added(stored, value) if _is_number(stored) else value
        case Maximum(value):
            return _larger(stored, value, 1) if _is_number(stored) else value
        case Minimum(value):
            return _larger(stored, value, -1) if _is_number(stored) else value
        case ArrayUnion():
            return _union(stored if kind_of(stored) is list else [], transform.values)
        case ArrayRemove():
            unwanted = {key_of(taken_in_element(element)) for element in transform.values}
            return [element for element in stored if key_of(element) not in unwanted] if kind_of(stored) is list else []
        case _:
            return now


def _is_number(value: Any) -> bool:
    return value is not MISSING and kind_of(value) in (int, float)


def _added(stored: float, value: float) -> float:
    if kind_of(stored) is int and kind_of(value) is int:
        return min(max(stored + value, _LEAST), _GREATEST)
    return float(stored) + float(value)


def _larger(stored: float, value: float, sign: int) -> float:
    """The larger one, or with a sign of -1 the smaller one; NaN wins, and of equals the stored one stays."""
    if math.isnan(stored) or math.isnan(value):
        return math.nan
    return value if sign * (value > stored) - sign * (value < stored) > 0 else stored


def _union(stored: list[Any], elements: tuple[Any, ...]) -> list[Any]:
    result = list(stored)
    known = {key_of(element) for element in stored}
    for element in map(taken_in_element, elements):
        key = key_of(element)
        if key not in known:
            known.add(key)
            result.append(element)
    return result
