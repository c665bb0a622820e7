"""What is excluded from indexes: what was when it was read, and what is too large for them."""

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

# How protobuf writes that a value is excluded: the field's number and kind, then true.
_EXCLUDED: Final = b"\x98\x01\x01"

Exclusions = frozenset[tuple[str, ...]]
"""Paths of properties that are excluded from indexes; what is in an array has the array's path."""

NO_EXCLUSIONS: Final[Exclusions] = frozenset()


class EntityPath(str):
    """A document path that knows which properties of its entity are excluded from indexes.

    It is the path in results and metadata, and so comes back with a write of what was read.

    Args:
        path: The path.
        exclusions: The properties.
    """

    __slots__ = ("exclusions",)
    exclusions: Exclusions

    def __new__(cls, path: str, exclusions: Exclusions) -> EntityPath:
        """A path and its exclusions; `str` takes its value here."""
        self = super().__new__(cls, path)
        self.exclusions = exclusions
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return EntityPath, (str(self), self.exclusions)


def exclusions_of(path: str) -> Exclusions:
    """The exclusions that a path knows; none if it is a plain one."""
    return path.exclusions if isinstance(path, EntityPath) else NO_EXCLUSIONS


def exclusions_in(properties: Any) -> Exclusions:
    """The properties of an entity, or of a map in it, that are excluded from indexes."""
    found: list[tuple[str, ...]] = []
    for name, value in properties.items():
        if value.exclude_from_indexes:
            found.append((name,))
        # What is inside is looked at if there is anything to see, since most has nothing.
        if (value.HasField("array_value") or value.HasField("entity_value")) and may_have_exclusions(value):
            _add_inner(found, value, (name,))
    return frozenset(found)


class ExclusionsFinder:
    """Finds the exclusions of entity after entity of one kind, which mostly are those of the one before."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        # Both at once, for several threads.
        self._last: tuple[tuple[str, ...], Exclusions] = ((), NO_EXCLUSIONS)

    def find(self, entity: Any) -> Exclusions:
        """The properties of an entity that are excluded from indexes."""
        count, properties = entity.SerializeToString().count(_EXCLUDED), entity.properties
        if not count:
            return NO_EXCLUSIONS
        names, exclusions = self._last
        # As many as are written, and all of them where they were: then there are no others.
        if count == len(names) and all(name in properties and properties[name].exclude_from_indexes for name in names):
            return exclusions
        exclusions = exclusions_in(properties)
        if all(len(path) == 1 for path in exclusions):
            self._last = tuple(name for (name,) in exclusions), exclusions
        return exclusions


def exclusions_at(value: Any, at: tuple[str, ...]) -> Exclusions:
    """The exclusions in one value, whose path is `at`."""
    found = [at] if value.exclude_from_indexes else []
    _add_inner(found, value, at)
    return frozenset(found)


def _add_inner(found: list[tuple[str, ...]], value: Any, at: tuple[str, ...]) -> None:
    for element in value.array_value.values:
        if element.exclude_from_indexes:
            found.append(at)
        _add_inner(found, element, at)
    for name, inner in value.entity_value.properties.items():
        path = (*at, name)
        if inner.exclude_from_indexes:
            found.append(path)
        _add_inner(found, inner, path)


def may_have_exclusions(message: Any) -> bool:
    """Whether anything in a message may be excluded from indexes; quicker than looking for it."""
    return _EXCLUDED in message.SerializeToString()


def exclude(properties: Any, exclusions: Exclusions) -> None:
    """Exclude properties from indexes: those that were, and those that are too long."""
    for name, value in properties.items():
        exclude_value(value, exclusions, (name,))


def exclude_value(value: Any, exclusions: Exclusions, at: tuple[str, ...]) -> None:
    """The same for one value, whose path is `at`."""
    match value.WhichOneof("value_type"):
        case "array_value":
            # Datastore excludes the elements, never the array.
            for element in value.array_value.values:
                exclude_value(element, exclusions, at)
            return
        case "entity_value":
            for name, inner in value.entity_value.properties.items():
                exclude_value(inner, exclusions, (*at, name))
        case "string_value" if is_too_long(value.string_value):
            value.exclude_from_indexes = True
        case "blob_value" if len(value.blob_value) > MAX_INDEXED_BYTES:
            value.exclude_from_indexes = True
        case _:
            pass
    if at in exclusions:
        value.exclude_from_indexes = True


def is_too_long(text: str) -> bool:
    """Whether a string has more bytes than an index takes."""
    return len(text) > _SHORT and len(text.encode()) > MAX_INDEXED_BYTES


def exclude_excess(entity: Any, most: int = MAX_INDEXED_VALUES) -> None:
    """Exclude the largest properties of an entity from indexes, if it has more values than they take."""
    if entity.ByteSize() < _FEW_BYTES:
        return
    sizes = {name: sum(1 for _ in _indexed(value)) for name, value in entity.properties.items()}
    rest = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if rest <= most:
            return
        rest -= sizes[name]
        for value in _indexed(entity.properties[name]):
            value.exclude_from_indexes = True


def _indexed(value: Any) -> Iterable[Any]:
    kind = value.WhichOneof("value_type")
    if kind == "entity_value":
        for inner in value.entity_value.properties.values():
            yield from _indexed(inner)
    elif kind == "array_value":
        for element in value.array_value.values:
            yield from _indexed(element)
            # A map in an array counts as well, whatever is in it.
            if element.HasField("entity_value") and not element.exclude_from_indexes:
                yield element
    elif not value.exclude_from_indexes:
        yield value
