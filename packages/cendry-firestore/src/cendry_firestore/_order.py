"""Firestore's order of documents, for listeners: the server streams changes unsorted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, Final, cast

from cendry.backend import DocumentResult
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Order
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

_NUMBERED_ID: Final = re.compile(r"__id(-?[0-9]+)__\Z")


def in_order(documents: Iterable[DocumentResult], orders: tuple[Order, ...]) -> tuple[DocumentResult, ...]:
    """The documents as a query with these orders gives them; the last order is by `DOCUMENT_ID`."""
    result = list(documents)
    # Sorting is stable, so the first order comes last.
    for order in reversed(orders):
        result.sort(key=partial(_document_key, order.path), reverse=order.descending)
    return tuple(result)


def _document_key(path: FieldPath, document: DocumentResult) -> Any:
    if path == DOCUMENT_ID:
        return path_key(document.path)
    value: Any = document.data
    for segment in path:
        value = cast("dict[str, Any]", value).get(segment) if isinstance(value, dict) else None
    return value_key(value)


def path_key(path: str) -> tuple[tuple[int, Any], ...]:
    """A path's place: numbered ids come before the others, which compare by their bytes of UTF-8."""
    # Python compares by code points, and UTF-8 keeps their order.
    return tuple((0, int(found[1])) if (found := _NUMBERED_ID.match(part)) else (1, part) for part in path.split("/"))


def value_key(value: Any) -> tuple[Any, ...]:
    """A stored value's place among all values, of whatever type (https://firebase.google.com/docs/firestore/manage-data/data-types)."""
    match value:
        case None:
            return (0,)
        case bool():
            return (1, value)
        case float() if math.isnan(value):
            return (2,)
        case int() | float():
            return (3, value)
        case datetime():
            return (4, value)
        case str():
            return (5, value)
        case bytes():
            return (6, value)
        case Ref():
            return (7, value.database or "", path_key(value.path))
        case GeoPoint():
            return (8, value.latitude, value.longitude)
        case list():
            return (9, list(map(value_key, cast("Iterable[Any]", value))))
        case Vector():
            return (10, len(value), [value_key(component) for component in value])
        case dict():
            return (
                11,
                [
                    (key, value_key(item))
                    for key, item in sorted(cast("dict[str, Any]", value).items(), key=itemgetter(0))
                ],
            )
        case _:
            return (12, str(value))
