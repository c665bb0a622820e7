"""In which fields two documents differ. Nothing here sends, and no value leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cendry.paths import quote_segment

MOST_FIELDS: Final = 20
"""Fields that are named for one document."""


def differing_fields(one: Any, other: Any) -> tuple[str, ...]:
    """The paths of the fields in which two `Document` messages differ, in Firestore's string form; the first 20.

    What is in maps is compared field by field, and arrays as a whole.
    """
    found: list[str] = []
    for path in _differing(one.fields, other.fields, ""):
        found.append(path)
        if len(found) == MOST_FIELDS:
            break
    return tuple(found)


def _differing(one: Any, other: Any, above: str) -> Iterator[str]:
    for name in sorted({*one, *other}):
        path = f"{above}{quote_segment(name)}"
        if name not in one or name not in other:
            yield path
            continue
        first, second = one[name], other[name]
        if first.HasField("map_value") and second.HasField("map_value"):
            yield from _differing(first.map_value.fields, second.map_value.fields, f"{path}.")
        # NaN isn't equal to itself, but its bytes are.
        elif first.SerializeToString(deterministic=True) != second.SerializeToString(deterministic=True):
            yield path
