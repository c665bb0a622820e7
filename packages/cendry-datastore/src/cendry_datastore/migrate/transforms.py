"""Forms in which ndb stores values, changed to those that models have in Firestore. Nothing here sends or waits.

Which of them a plan has is decided in `choices.py`; here they are applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass as mutable
from dataclasses import field
from typing import Any, Final, Protocol

from cendry.paths import FieldPath

from .. import _sdk
from .._ndb import COMPRESSED, TooLarge, inflate, json_value, nest, unpack
from .sizes import MAX_DOCUMENT_BYTES
from .values import Change, Transform

MAX_INFLATED: Final = MAX_DOCUMENT_BYTES
"""Bytes of an inflated value: more would not fit in a document, and would fill memory."""

_Options = Mapping[str, "str | int | bool"]


class Notes(Protocol):
    """What is told of the work of transforms; the names are paths of fields in Firestore's string form."""

    def done(self, path: str, do: Change, size: int) -> None:
        """A value was changed; `size` is that of the new one in bytes, 0 if it is not larger than the old one."""

    def kept(self, path: str, do: Change, reason: str) -> None:
        """A value can't be changed, and stays as it is stored."""

    def noted(self, path: str, name: str, detail: str) -> None:
        """A value was changed, and there is something about it that people should know of."""

    def too_large(self, path: str) -> None:
        """A value would have more than `MAX_INFLATED` bytes; it stays as it is stored, unless this raises an error."""


@mutable(slots=True)
class _Node:
    """What is done with one field, and with those below it.

    Attributes:
        path: Its path.
        do: The transforms of the field itself, with their options.
        below: The fields below it, by name.
        lists: The dotted paths, from its own name on, of groups that are lists of maps.
    """

    path: str = ""
    do: dict[Change, _Options] = field(default_factory=dict[Change, _Options])
    below: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    lists: frozenset[str] = frozenset()


class Tree:
    """The transforms of one kind.

    Args:
        transforms: The transforms; one of a field below another is applied to what that gives.
    """

    __slots__ = ("_root",)

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self._root = _Node()
        for transform in transforms:
            node = self._root
            segments = FieldPath.parse(transform.field).segments
            for index, segment in enumerate(segments):
                path = str(FieldPath(*segments[: index + 1]))
                node = node.below.setdefault(segment, _Node(path))
            node.do[transform.do] = transform.options
        for name, node in self._root.below.items():
            _find_lists(node, name)

    def apply(self, properties: Any, notes: Notes) -> dict[str, Any]:
        """The properties of an entity, changed: new `Value` messages beside those that stay.

        Args:
            properties: A mapping of `Value` messages, which is not changed.
            notes: Is told what was done.
        """
        return _properties(self._root, properties, notes)


def _find_lists(node: _Node, name: str) -> frozenset[str]:
    found = {name} if node.do.get("nest", {}).get("list") else set[str]()
    for inner, below in node.below.items():
        found.update(f"{name}.{path}" for path in _find_lists(below, inner))
    node.lists = frozenset(found)
    return node.lists


def _properties(node: _Node, properties: Any, notes: Notes) -> dict[str, Any]:
    found: dict[str, Any] = dict(properties.items())
    for name, below in node.below.items():
        if "nest" in below.do:
            nested = nest(found, name, below.lists)
            if nested is not None:
                for part in nested.parts:
                    del found[part]
                found[name] = nested.value
                notes.done(below.path, "nest", 0)
                if nested.uneven:
                    notes.noted(below.path, "uneven", "its arrays are not equally long, and are padded with null")
                if nested.both:
                    notes.noted(below.path, "both", "stored as a whole as well; parts take precedence")
        if name in found:
            found[name] = _value(below, found[name], notes, in_array=False)
    return found


def _value(node: _Node, value: Any, notes: Notes, *, in_array: bool) -> Any:
    """A value, changed; the same object if it stays."""
    match value.WhichOneof("value_type"):
        case "array_value" if not in_array:
            elements = list(value.array_value.values)
            changed = [_value(node, element, notes, in_array=True) for element in elements]
            if all(one is other for one, other in zip(elements, changed, strict=True)):
                return value
            array = _sdk.Value()
            array.array_value.values.extend(changed)
            return array
        case "entity_value" if node.below:
            return _entity(node, value, notes)
        case "blob_value":
            return _blob(node, value, notes, in_array=in_array)
        case _:
            return value


def _entity(node: _Node, value: Any, notes: Notes) -> Any:
    before = value.entity_value.properties
    changed = _properties(node, before, notes)
    if len(changed) == len(before) and all(one is before.get(name) for name, one in changed.items()):
        return value
    found = _sdk.Value(meaning=value.meaning, exclude_from_indexes=value.exclude_from_indexes)
    entity = found.entity_value
    if value.entity_value.HasField("key"):
        entity.key.CopyFrom(value.entity_value.key)
    for name, one in changed.items():
        entity.properties[name].CopyFrom(one)
    return found


def _blob(node: _Node, value: Any, notes: Notes, *, in_array: bool) -> Any:
    do, path = node.do, node.path
    data: bytes = value.blob_value
    is_inflated = False
    if value.meaning == COMPRESSED:
        if "inflate" not in do:
            return value
        content = inflate(value, MAX_INFLATED)
        if content is None:
            notes.kept(path, "inflate", "it is marked as compressed, and isn't")
            return value
        if isinstance(content, type):
            assert content is TooLarge
            notes.too_large(path)
            return value
        data, is_inflated = content, True
        notes.done(path, "inflate", len(data))
    if "unpack" in do:
        entity = unpack(data)
        if entity is not None:
            notes.done(path, "unpack", 0)
            found = _sdk.Value(entity_value=entity)
            if not do["unpack"].get("key"):
                found.entity_value.ClearField("key")
            return _entity(node, found, notes) if node.below else found
        if "json" not in do:
            notes.kept(path, "unpack", "it is not a serialized entity")
    whole = "json" in do and do["json"].get("whole")
    if "json" in do and not (whole and in_array):
        found = json_value(data)
        is_array = found is not None and found.HasField("array_value")
        # Arrays can't be in arrays; and where a list is expected, nothing else is.
        if found is not None and (is_array if whole else not (is_array and in_array)):
            notes.done(path, "json", 0)
            return found
        notes.kept(path, "json", "it is not JSON, or holds what Firestore can't store")
    if not is_inflated:
        return value
    if do["inflate"].get("text"):
        try:
            return _sdk.Value(string_value=data.decode())
        except UnicodeDecodeError:
            notes.noted(path, "bytes", "its content is not UTF-8, and stays bytes")
    return _sdk.Value(blob_value=data)
