"""Types that are nested as deep as Firestore allows, each with a value; for every emitter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, Optional, Union

from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from making import make_map

MAX_DEPTH = 20

Deep = tuple[Any, Any]
Wrap = Callable[[Any, Any], Deep]
"""A type and a value of it, in a container."""


def in_dict(inner: Any, value: Any) -> Deep:
    return dict[str, inner], {"a": value}


def in_list(inner: Any, value: Any) -> Deep:
    return list[inner], [value]


def in_tuple(inner: Any, value: Any) -> Deep:
    return tuple[int, inner], (1, value)


def in_long_tuple(inner: Any, value: Any) -> Deep:
    return tuple[inner, ...], (value,)


def in_named_tuple(inner: Any, value: Any) -> Deep:
    python: Any = NamedTuple("Holder", [("x", inner)])  # type: ignore[name-match]
    return python, python(value)


def in_map(inner: Any, value: Any) -> Deep:
    python = make_map({"x": inner})
    return python, python(x=value)


def in_optional_dict(inner: Any, value: Any) -> Deep:
    return Optional[dict[str, inner]], {"a": value}


def in_union(inner: Any, value: Any) -> Deep:
    return Union[dict[str, inner], bool, str, None], {"a": value}


def in_wide_union(inner: Any, value: Any) -> Deep:
    union = Union[bool, int, float, str, bytes, datetime, GeoPoint, Vector, Ref, list[int], dict[str, inner], None]
    return union, {"a": value}


def in_list_of_unions(inner: Any, value: Any) -> Deep:
    return list[Union[inner, int]], [value, 1]


WRAPS: dict[str, tuple[Wrap, ...]] = {
    "dicts": (in_dict,),
    "optional dicts": (in_optional_dict,),
    "unions": (in_union,),
    "unions of all kinds": (in_wide_union,),
    "Maps": (in_map,),
    "lists of Maps": (in_map, in_list),
    "lists of dicts": (in_dict, in_list),
    "lists of unions": (in_dict, in_list_of_unions),
    "long tuples of dicts": (in_dict, in_long_tuple),
    "tuples of dicts": (in_dict, in_tuple),
    "tuples of unions": (in_union, in_tuple),
    "tuples of Maps": (in_map, in_tuple),
    "NamedTuples of dicts": (in_dict, in_named_tuple),
}


def deep(name: str, levels: int = MAX_DEPTH) -> Deep:
    """A type that is nested in this way, and a value of it."""
    wraps = WRAPS[name]
    found: Deep = (int, 5)
    for level in range(levels):
        found = wraps[level % len(wraps)](*found)
    return found
