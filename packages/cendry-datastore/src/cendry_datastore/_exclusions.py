"""What is too large for indexes: long values, and the largest properties of entities that have too many values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MAX_INDEXED_BYTES: Final = 1500
"""Bytes of an indexed string or blob (https://cloud.google.com/datastore/docs/concepts/limits)."""

MAX_INDEXED_VALUES: Final = 20_000
"""Indexed values of one entity, those inside arrays and maps included (the same page)."""

FEWER_INDEXED_VALUES: Final = 5_000
"""As many as the emulator of Datastore mode takes."""

# As few characters can be too many bytes, and as few bytes too many values.
_SHORT: Final = MAX_INDEXED_BYTES // 4
_FEW_BYTES: Final = FEWER_INDEXED_VALUES * 2


def is_too_long(text: str) -> bool:
    """Whether a string has more bytes than an index takes."""
    return len(text) > _SHORT and len(text.encode()) > MAX_INDEXED_BYTES


def is_indexable(value: Any) -> bool:
    """Whether an index takes a value by its length."""
    text = value.string_value
    return (len(text) <= _SHORT or not is_too_long(text)) and len(value.blob_value) <= MAX_INDEXED_BYTES


def exclude_excess(entity: Any, most: int = MAX_INDEXED_VALUES) -> None:
    """Exclude the largest properties of an entity from indexes, if it has more values than they take."""
    if not is_excessive(entity):
        return
    sizes = {name: sum(1 for _ in _indexed(value)) for name, value in entity.properties.items()}
    for name in _largest(sizes, most):
        for value in _indexed(entity.properties[name]):
            value.exclude_from_indexes = True


def is_excessive(entity: Any) -> bool:
    """Whether an entity may have more values than indexes take."""
    size: int = entity.ByteSize()
    return size >= _FEW_BYTES


def excess_of(entity: Any) -> frozenset[str]:
    """The properties that would be excluded from indexes if all values were indexed that can be."""
    if not is_excessive(entity):
        return frozenset()
    sizes = {name: sum(1 for _ in _indexable(value)) for name, value in entity.properties.items()}
    return frozenset(_largest(sizes, MAX_INDEXED_VALUES))


def _largest(sizes: dict[str, int], most: int) -> Iterable[str]:
    rest = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if rest <= most:
            return
        rest -= sizes[name]
        yield name


def _indexed(value: Any) -> Iterable[Any]:
    return (one for one in _counted(value) if not one.exclude_from_indexes)


def _indexable(value: Any) -> Iterable[Any]:
    return filter(is_indexable, _counted(value))


def _counted(value: Any) -> Iterable[Any]:
    """The values that count if they are indexed."""
    kind = value.WhichOneof("value_type")
    if kind == "entity_value":
        for inner in value.entity_value.properties.values():
            yield from _counted(inner)
    elif kind == "array_value":
        for element in value.array_value.values:
            yield from _counted(element)
            # A map in an array counts as well, whatever is in it.
            if element.HasField("entity_value"):
                yield element
    else:
        yield value
