"""What google-cloud-ndb stores in forms of its own, read: dotted groups, compressed values, serialized blobs, JSON.

Pure functions on Datastore's messages, which the backend and the migration share. They never change their input and
never raise for bad data: `None` stands for what is to be kept as it is stored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from . import _sdk
from ._ndb_v3 import ENTITY_FIELDS, WireError, fields_of, read_entity

COMPRESSED: Final = 22
"""The meaning of a value that ndb has compressed."""

MAX_INFLATED: Final = 16 * 1024 * 1024
"""Bytes of one decompressed value, unless another limit is set: an entity has at most 1 MiB, and so little can be
inflated to a gigabyte."""

# The fields of the serialized form of today: key and properties.
_V1_FIELDS: Final = frozenset({1, 3})
_MOST_LEVELS: Final = 20


class TooLarge:
    """Stands for a value that would be longer than the limit."""


class Nested(NamedTuple):
    """A group of properties as the one value that they stand for.

    Attributes:
        value: The value: an entity, or an array of entities.
        parts: The names of the properties, its own excluded.
        uneven: Whether arrays were not equally long, and so were filled up with null.
        both: Whether something is stored under its own name, too, that is neither null nor absent.
    """

    value: Any
    parts: tuple[str, ...]
    uneven: bool
    both: bool


# --- compressed values ---


def inflate(value: Any, limit: int = MAX_INFLATED) -> bytes | type[TooLarge] | None:
    """The content of a compressed value.

    Args:
        value: A `Value` message.
        limit: The most bytes that it may have.

    Returns:
        The bytes; `TooLarge` if there would be more; `None` if it isn't marked as compressed, or is not zlib's.
    """
    if value.meaning != COMPRESSED or not value.HasField("blob_value"):
        return None
    return inflated(value.blob_value, limit)


def inflated(data: bytes, limit: int = MAX_INFLATED) -> bytes | type[TooLarge] | None:
    """The same for bytes, which are taken as compressed."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, limit + 1)
    except zlib.error:
        return None
    if len(found) > limit:
        return TooLarge
    return found if stream.eof else None


# --- serialized entities ---


def unpack(data: bytes) -> Any:
    """The `Entity` of a serialized one of either form; `None` if it is neither."""
    found = unpack_v1(data)
    return unpack_v3(data) if found is None else found


def unpack_v1(data: bytes) -> Any:
    """The `Entity` that google-cloud-ndb serialized; `None` if it isn't one, and has nothing but its fields."""
    try:
        if not all(number in _V1_FIELDS for number, _ in fields_of(data)):
            return None
        return _sdk.Entity.FromString(data)
    except (WireError, _sdk.ParseError):
        return None


def unpack_v3(data: bytes) -> Any:
    """The `Entity` that App Engine's own ndb serialized; `None` if it isn't one."""
    try:
        numbers = {number for number, _ in fields_of(data)}
        return read_entity(data) if numbers and numbers <= ENTITY_FIELDS else None
    except (ValueError, RecursionError):
        return None


# --- JSON ---


def json_value(data: bytes, *, strict: bool = True) -> Any:
    """JSON text as a `Value`.

    Args:
        data: The text, in UTF-8.
        strict: Whether it must be a value that Firestore stores in Native mode.

    Returns:
        The value; `None` if it isn't JSON, or can't be one: it has integers over 64 bit, or with `strict` arrays in
        arrays, more than 20 levels, and names that are empty or have the form `__x__`.
    """
    value = _sdk.Value()
    try:
        _write_json(value, json.loads(data.decode()), 0, strict=strict)
    except (ValueError, RecursionError):
        return None
    return value


def _write_json(value: Any, found: Any, level: int, *, strict: bool) -> None:
    match found:
        case None:
            value.null_value = 0
        case bool():
            value.boolean_value = found
        case int():
            value.integer_value = found
        case float():
            if strict and found != found:
                raise ValueError("NaN")
            value.double_value = found
        case str():
            value.string_value = found
        case list():
            value.array_value.SetInParent()
            for element in cast("Iterable[Any]", found):
                if strict and isinstance(element, list):
                    raise ValueError("an array in an array")
                _write_json(value.array_value.values.add(), element, _deeper(level, strict), strict=strict)
        case _:
            value.entity_value.SetInParent()
            for name, inner in cast("dict[str, Any]", found).items():
                if strict and (not name or (name.startswith("__") and name.endswith("__"))):
                    raise ValueError("a name that can't be stored")
                _write_json(value.entity_value.properties[name], inner, _deeper(level, strict), strict=strict)


def _deeper(level: int, strict: bool) -> int:
    if strict and level >= _MOST_LEVELS:
        raise ValueError("too many levels")
    return level + 1


# --- dotted groups ---


def parts_below(names: Iterable[str], name: str) -> tuple[str, ...]:
    """The names that go on after this one with a dot, sorted."""
    prefix = f"{name}."
    return tuple(sorted(one for one in names if one.startswith(prefix) and all(one[len(prefix) :].split("."))))


def nest(properties: Mapping[str, Any], name: str, lists: Container[str] = ()) -> Nested | None:
    """The value that the parts of a structured property stand for, as ndb reads them.

    A part wins over what is stored in the whole; parts beside an empty array are ignored.

    Args:
        properties: The properties of an entity.
        name: The name before the dots.
        lists: The dotted paths of the groups that are arrays of entities, with `name` itself.

    Returns:
        The value; `None` if there are no parts.
    """
    parts = parts_below(properties, name)
    if not parts:
        return None
    group = _Group(lists)
    value = _sdk.Value()
    own = properties.get(name)
    both = own is not None and own.WhichOneof("value_type") not in (None, "null_value")
    group.fill(value, name, own, {part[len(name) + 1 :]: properties[part] for part in parts})
    return Nested(value, parts, group.uneven, both)


class _Group:
    """Builds one group.

    Args:
        lists: The dotted paths of arrays of entities.
    """

    def __init__(self, lists: Container[str]) -> None:
        self.lists = lists
        self.uneven = False

    def fill(self, value: Any, path: str, own: Any, parts: Mapping[str, Any]) -> None:
        """Fill a value from what is stored as a whole, if anything, and from the parts by their names below it."""
        if path in self.lists:
            self.fill_list(value, path, own, parts)
        else:
            self.fill_map(value, path, own, parts)

    def fill_map(self, value: Any, path: str, own: Any, parts: Mapping[str, Any]) -> None:
        value.entity_value.SetInParent()
        if own is not None and own.HasField("entity_value"):
            value.CopyFrom(own)
        properties = value.entity_value.properties
        below: dict[str, dict[str, Any]] = {}
        for name, part in parts.items():
            first, dot, rest = name.partition(".")
            if dot:
                below.setdefault(first, {})[rest] = part
            else:
                properties[first].CopyFrom(part)
        for first, inner in below.items():
            whole = None
            if first in properties:
                whole = _sdk.Value()
                whole.CopyFrom(properties[first])
                properties[first].Clear()
            self.fill(properties[first], f"{path}.{first}", whole, inner)

    def fill_list(self, value: Any, path: str, own: Any, parts: Mapping[str, Any]) -> None:
        value.array_value.SetInParent()
        wholes = list(own.array_value.values) if own is not None and own.HasField("array_value") else None
        if wholes == []:
            return
        columns = {name: _elements(part) for name, part in parts.items()}
        length = max(map(len, columns.values()))
        self.uneven = self.uneven or any(len(column) != length for column in columns.values())
        null = _sdk.Value(null_value=0)
        for index in range(max(length, len(wholes or ()))):
            row = {name: column[index] if index < len(column) else null for name, column in columns.items()}
            whole = wholes[index] if wholes is not None and index < len(wholes) else None
            if index < length:
                self.fill_map(value.array_value.values.add(), path, whole, row)
            else:
                value.array_value.values.add().CopyFrom(whole)


def _elements(part: Any) -> list[Any]:
    # A projection has one element for the array.
    return list(part.array_value.values) if part.HasField("array_value") else [part]
