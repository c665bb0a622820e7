"""What stored values are marked with: exclusion from indexes, meanings, and the keys of embedded entities.

Stored values of core have no such marks. Where a document is written again, those are kept that say something about
what is written:

- An exclusion of a value that an index would have taken was set on purpose, and belongs to the property. That of a
  longer one says nothing.
- A meaning (how App Engine's libraries mark compressed bytes, for example) belongs to the value, as long as it is the
  same.
- The key of an embedded entity belongs to the property.
- In an array, all this belongs to the elements. An exclusion of all of them belongs to the property.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

from . import _sdk
from ._exclusions import excess_of, is_indexable

# How protobuf writes that a value is excluded: the field's number and kind, then true.
_EXCLUDED: Final = b"\x98\x01\x01"

# How it writes a meaning: before a string, a blob or an exclusion; or one of those that values of other kinds have,
# after what is in them. Other data may look like that, which costs only a closer look.
_MEANING: Final = re.compile(rb"p(?:[\x01-\x20](?=[\x8a\x92\x98]\x01)|[\x07\x09\x0d\x14\x15\x17])")
_AFTER_MEANING: Final = (b"\x8a\x01", b"\x92\x01", b"\x98\x01")
_MOMENT_POINT_OR_INTEGER: Final = re.compile(
    rb"(?:R[\x00-\x14](?:\x08[\x80-\xff]{0,9}[\x00-\x7f])?(?:\x10[\x80-\xff]{0,9}[\x00-\x7f])?"
    rb"|B[\x00\t\x12](?:[\t\x11][\x00-\xff]{8}){0,2}"
    rb"|\x10[\x80-\xff]{0,9}[\x00-\x7f])\Z"
)
_LONGEST: Final = 24
_USER: Final = 20
_USER_PROPERTY: Final = b"auth_domain"

# How it begins an embedded entity that has a key; again, other data may look like that.
_EMBEDDED_KEY: Final = re.compile(rb"2(?:[\x80-\xff]{1,3})?[\x00-\x7f]\n(?:[\x80-\xff][\x00-\x7f]|[\x01-\x7f])[\n\x12]")


class Marks(NamedTuple):
    """The marks of one value.

    Attributes:
        excluded: Whether the property is excluded from indexes, whatever it holds.
        meaning: Its meaning; 0 for none.
        digest: Of its content, which has the meaning; for elements always.
        key: The key of an embedded entity, as bytes.
        fields: The marks inside an embedded entity, by name; for an array those that all its elements share.
        elements: The marks of the elements of an array, if it is not enough to know those of the array.
        is_map: Whether an element is an embedded entity.
    """

    excluded: bool = False
    meaning: int = 0
    digest: bytes = b""
    key: bytes = b""
    fields: Mapping[str, Any] = {}
    elements: tuple[Any, ...] = ()
    is_map: bool = False


PropertyMarks = Mapping[str, Marks]
"""The marks of the properties of an entity, by name; those without any are left out."""

NO_MARKS: Final = Marks()
NO_PROPERTY_MARKS: Final[PropertyMarks] = {}
EXCLUDED: Final = Marks(True)


class EntityPath(str):
    """A document path that knows the marks of its entity.

    It is the path in results and metadata, and so comes back with a write of what was read.

    Args:
        path: The path.
        marks: The marks.
    """

    __slots__ = ("marks",)
    marks: PropertyMarks

    def __new__(cls, path: str, marks: PropertyMarks) -> EntityPath:
        """A path and its marks; `str` takes its value here."""
        self = super().__new__(cls, path)
        self.marks = marks
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return EntityPath, (str(self), self.marks)


class NdbPath(EntityPath):
    """The same for an entity that ndb may have stored, which also knows in which forms its fields are stored.

    Args:
        path: The path.
        marks: The marks.
        stored: The fields of which that has to be known, as a serialized entity.
    """

    __slots__ = ("stored",)
    stored: bytes

    def __new__(cls, path: str, marks: PropertyMarks, stored: bytes) -> NdbPath:
        """A path, its marks and the fields."""
        self = cast("NdbPath", super().__new__(cls, path, marks))
        self.stored = stored
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return NdbPath, (str(self), self.marks, self.stored)


def marks_of_path(path: str) -> PropertyMarks:
    """The marks that a path knows; none if it is a plain one."""
    return path.marks if isinstance(path, EntityPath) else NO_PROPERTY_MARKS


def marks_at(marks: PropertyMarks, segments: Sequence[str]) -> Marks:
    """The marks of a value in an entity."""
    found = NO_MARKS
    for segment in segments:
        found = marks.get(segment, NO_MARKS)
        marks = found.fields
    return found


# --- reading ---


UNMARKED: Final = 0
ONLY_EXCLUSIONS: Final = 1
ALL_KINDS: Final = 2


def kinds_of_marks(message: Any) -> int:
    """What marks there may be in a message, quicker than looking for them: none, only exclusions, or all kinds."""
    data = message.SerializeToString()
    if _has_others(data):
        return ALL_KINDS
    return ONLY_EXCLUSIONS if _EXCLUDED in data else UNMARKED


def _has_others(data: bytes) -> bool:
    if _EMBEDDED_KEY.search(data) is not None:
        return True
    return any(_is_meaning(data, found.start()) for found in _MEANING.finditer(data))


def _is_meaning(data: bytes, at: int) -> bool:
    """Whether something else than a meaning would be a coincidence."""
    if data.startswith(_AFTER_MEANING, at + 2) or (data[at + 1] == _USER and _USER_PROPERTY in data):
        return True
    return _MOMENT_POINT_OR_INTEGER.search(data, max(0, at - _LONGEST), at) is not None


class MarksFinder:
    """Finds the marks of entity after entity of one kind, which mostly are those of the one before."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        # All at once, for several threads.
        self._last: tuple[tuple[str, ...], list[str], PropertyMarks] = ((), [], NO_PROPERTY_MARKS)

    def find(self, entity: Any, kinds: int) -> PropertyMarks:
        """The marks of the properties of an entity, in a message that has no others than of these kinds."""
        data, properties = entity.SerializeToString(), entity.properties
        count = data.count(_EXCLUDED)
        has_others = kinds == ALL_KINDS and _has_others(data)
        if not count and not has_others:
            return NO_PROPERTY_MARKS
        names, indexable, marks = self._last
        # As many as are written, and all of them where they were: then there are no others.
        if count == len(names) and not has_others:
            now: list[str] = []
            for name in names:
                if name not in properties:
                    break
                value = properties[name]
                if not value.exclude_from_indexes:
                    break
                if is_indexable(value):
                    now.append(name)
            else:
                if now != indexable:
                    marks = dict.fromkeys(now, EXCLUDED)
                    self._last = names, now, marks
                return marks
        marks = marks_in(entity)
        names = tuple(name for name, value in properties.items() if value.exclude_from_indexes)
        indexable = [name for name in names if is_indexable(properties[name])]
        if marks == dict.fromkeys(indexable, EXCLUDED):
            self._last = names, indexable, marks
        return marks


def marks_in(entity: Any) -> PropertyMarks:
    """The marks of the properties of an entity."""
    marks = _marks_of_all(entity.properties)
    for name in excess_of(entity) if marks else ():
        if name in marks:
            marks[name] = _without_exclusions(marks[name])
    return marks


def marks_of(value: Any) -> Marks:
    """The marks of one value."""
    if value.HasField("array_value"):
        return _marks_of_array(value.array_value.values)
    excluded = value.exclude_from_indexes and is_indexable(value)
    meaning = value.meaning
    if not value.HasField("entity_value"):
        if meaning:
            return Marks(excluded, meaning, _digest(value))
        return EXCLUDED if excluded else NO_MARKS
    entity = value.entity_value
    key = entity.key.SerializeToString() if entity.HasField("key") else b""
    fields = _marks_of_all(entity.properties)
    if not (excluded or meaning or key or fields):
        return NO_MARKS
    return Marks(excluded, meaning, _digest(value) if meaning else b"", key, fields)


def _marks_of_all(properties: Any) -> dict[str, Marks]:
    return {name: marks for name, value in properties.items() if (marks := marks_of(value)) is not NO_MARKS}


def _marks_of_array(values: Sequence[Any]) -> Marks:
    each = [marks_of(value) for value in values]
    shared = _shared(values)
    if all(marks is NO_MARKS or (marks is EXCLUDED and shared.excluded) for marks in each):
        return shared
    elements = (
        marks._replace(digest=_digest(value), is_map=value.HasField("entity_value"))
        for value, marks in zip(values, each, strict=True)
    )
    return shared._replace(elements=tuple(elements))


def _shared(values: Sequence[Any]) -> Marks:
    """The exclusions that all of these values have in common that an index would take."""
    indexable = [value for value in values if is_indexable(value)]
    excluded = bool(indexable) and all(value.exclude_from_indexes for value in indexable)
    groups: dict[str, list[Any]] = {}
    for value in indexable:
        for name, inner in value.entity_value.properties.items():
            groups.setdefault(name, []).extend(inner.array_value.values if inner.HasField("array_value") else (inner,))
    fields = {name: marks for name, group in groups.items() if (marks := _shared(group)) is not NO_MARKS}
    if fields:
        return Marks(excluded, fields=fields)
    return EXCLUDED if excluded else NO_MARKS


def _without_exclusions(marks: Marks) -> Marks:
    return marks._replace(
        excluded=False,
        fields={name: _without_exclusions(inner) for name, inner in marks.fields.items()},
        elements=tuple(map(_without_exclusions, marks.elements)),
    )


# --- writing ---


def mark(properties: Any, marks: PropertyMarks) -> None:
    """Mark properties that are to be written, and exclude from indexes what is too long for them."""
    for name, value in properties.items():
        mark_value(value, marks.get(name, NO_MARKS))


def mark_value(value: Any, marks: Marks) -> None:
    """The same for one value."""
    if value.HasField("array_value"):
        # Datastore marks the elements, never the array.
        values = value.array_value.values
        for element, own in zip(values, _marks_of_elements(values, marks), strict=True):
            mark_value(element, own)
        return
    if value.HasField("entity_value"):
        entity = value.entity_value
        mark(entity.properties, marks.fields)
        if marks.key and not entity.HasField("key"):
            entity.key.ParseFromString(marks.key)
    if marks.excluded or not is_indexable(value):
        value.exclude_from_indexes = True
    if marks.meaning and not value.meaning and marks.digest == _digest(value):
        value.meaning = marks.meaning


def _marks_of_elements(values: Sequence[Any], marks: Marks) -> list[Marks]:
    """The marks of the elements of an array that is to be written, where `marks` are those of what was stored."""
    shared, stored = _exclusions_of(marks), marks.elements
    if not stored:
        return [shared] * len(values)
    digests = [_digest(value) for value in values]
    unused = set(range(len(stored)))
    found: dict[int, Marks] = {}
    for index, (digest, own) in enumerate(zip(digests, stored, strict=False)):
        if own.digest == digest:
            found[index] = own
            unused.remove(index)
    # An element may be elsewhere now.
    elsewhere: dict[bytes, list[int]] = {}
    for index in sorted(unused, reverse=True):
        elsewhere.setdefault(stored[index].digest, []).append(index)
    for index, digest in enumerate(digests):
        if index not in found and elsewhere.get(digest):
            before = elsewhere[digest].pop()
            unused.remove(before)
            found[index] = stored[before]
    # In an array that is as long as before, an embedded entity that is not the same was changed.
    if len(values) == len(stored):
        for index in unused:
            if index not in found and stored[index].is_map and values[index].HasField("entity_value"):
                found[index] = stored[index]
    return [found.get(index, shared) for index in range(len(values))]


def _exclusions_of(marks: Marks) -> Marks:
    """The marks that any element of an array gets: exclusions from indexes, and nothing else."""
    if marks is NO_MARKS or marks is EXCLUDED:
        return marks
    return Marks(marks.excluded, fields={name: _exclusions_of(inner) for name, inner in marks.fields.items()})


# --- content ---


def content_of(value: Any) -> bytes:
    """A value without its marks, serialized."""
    content = _sdk.Value()
    content.CopyFrom(value)
    _clear_marks(content)
    data: bytes = content.SerializeToString(deterministic=True)
    return data


def _digest(value: Any) -> bytes:
    """A digest of a value without its marks."""
    return blake2b(content_of(value), digest_size=16).digest()


def _clear_marks(value: Any) -> None:
    value.exclude_from_indexes = False
    value.ClearField("meaning")
    for element in value.array_value.values:
        _clear_marks(element)
    if value.HasField("entity_value"):
        value.entity_value.ClearField("key")
        for inner in value.entity_value.properties.values():
            _clear_marks(inner)
