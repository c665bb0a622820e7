"""A reader for App Engine's own serialized entities (`EntityProto`, "v3"), which old compressed blobs of ndb hold.

It reads the wire format itself, since no package of Google's has the message any more, and fills the one of today.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from . import _sdk

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2
_GROUP: Final = 3
_END: Final = 4
_FIXED32: Final = 5
_DEEPEST: Final = 30
"""Groups and entities inside each other; Datastore itself takes 20."""

# The fields of an entity: kind, kind_uri, key, property, raw_property, entity_group, owner.
ENTITY_FIELDS: Final = frozenset({4, 5, 13, 14, 15, 16, 17})
_PROPERTY: Final = 14
_RAW_PROPERTY: Final = 15

_GD_WHEN: Final = 7
_BLOB: Final = 14
_BYTE_STRING: Final = 16
_BLOB_KEY: Final = 17
_ENTITY: Final = 19
_USER: Final = 20
_COMPRESSED: Final = 22
_EMPTY_LIST: Final = 24
_ZLIB: Final = b"ZLIB"
_MICROSECONDS: Final = 1_000_000


class WireError(ValueError):
    """The bytes are not a message."""


def fields_of(data: bytes, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """The fields of a message by number: an int, bytes, 8 or 4 bytes, or for a group its fields.

    Raises:
        WireError: The bytes are not a message.
    """
    at = 0
    while at < len(data):
        number, kind, value, at = _field(data, at, depth)
        if kind == _END:
            raise WireError("a group ends that didn't begin")
        yield number, value


def _field(data: bytes, at: int, depth: int) -> tuple[int, int, Any, int]:
    tag, at = _varint(data, at)
    number, kind = tag >> 3, tag & 7
    if number == 0 or depth > _DEEPEST:
        raise WireError("not a field")
    match kind:
        case 0:
            value, at = _varint(data, at)
            return number, kind, value, at
        case 1 | 5:
            return number, kind, *_taken(data, at, 8 if kind == _FIXED64 else 4)
        case 2:
            size, at = _varint(data, at)
            return number, kind, *_taken(data, at, size)
        case 3:
            found: list[tuple[int, Any]] = []
            while True:
                inner, inner_kind, value, at = _field(data, at, depth + 1)
                if inner_kind == _END:
                    if inner != number:
                        raise WireError("another group ends")
                    return number, kind, found, at
                found.append((inner, value))
        case 4:
            return number, kind, None, at
        case _:
            raise WireError("not a kind of field")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("a number doesn't end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
        shift += 7


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise WireError("the bytes end too early")
    return data[at : at + size], at + size


def read_entity(data: bytes, depth: int = 0) -> Any:
    """The `Entity` message of a serialized `EntityProto`, without its key.

    Raises:
        ValueError: The bytes are not one.
    """
    entity = _sdk.Entity()
    try:
        for number, value in fields_of(data, depth):
            if number not in ENTITY_FIELDS:
                raise WireError("not a field of an entity")
            if number in (_PROPERTY, _RAW_PROPERTY):
                _add_property(entity.properties, dict(fields_of(value)), number == _RAW_PROPERTY, depth)
    except (TypeError, AttributeError, KeyError, struct.error) as error:
        # A field is of another kind than it should be, or one is missing.
        raise WireError("not an entity") from error
    return entity


def _add_property(properties: Any, found: dict[int, Any], is_raw: bool, depth: int) -> None:
    name, meaning = found[3].decode(), found.get(1, 0)
    if meaning == _EMPTY_LIST:
        properties[name].array_value.SetInParent()
        return
    value = properties[name].array_value.values.add() if found.get(4) else properties[name]
    content = list(fields_of(found.get(5, b"")))
    if not content:
        value.null_value = 0
    else:
        [(number, inner)] = content
        _fill(value, number, inner, _COMPRESSED if found.get(2) == _ZLIB else meaning, depth)
    if is_raw:
        value.exclude_from_indexes = True


def _fill(value: Any, number: int, content: Any, meaning: int, depth: int) -> None:
    match number:
        case 1:
            integer = content - 2**64 if content >= 2**63 else content
            if meaning == _GD_WHEN:
                seconds, micros = divmod(integer, _MICROSECONDS)
                value.timestamp_value.seconds, value.timestamp_value.nanos = seconds, micros * 1000
                value.timestamp_value.SetInParent()
            else:
                value.integer_value = integer
        case 2:
            value.boolean_value = bool(content)
        case 3:
            _fill_bytes(value, content, meaning, depth)
        case 4:
            [value.double_value] = struct.unpack("<d", content)
        case 5:
            point = dict(content)
            [value.geo_point_value.latitude] = struct.unpack("<d", point[6])
            [value.geo_point_value.longitude] = struct.unpack("<d", point[7])
        case 8:
            user = dict(content)
            for field, name in ((9, "email"), (10, "auth_domain"), (19, "user_id")):
                if field in user:
                    value.entity_value.properties[name].string_value = user[field].decode()
            value.entity_value.SetInParent()
            value.meaning = _USER
        case 12:
            _fill_key(value.key_value, content)
        case _:
            raise WireError("not a kind of value")


def _fill_bytes(value: Any, content: bytes, meaning: int, depth: int) -> None:
    if meaning == _ENTITY:
        value.entity_value.CopyFrom(read_entity(content, depth + 1))
        return
    if meaning not in (_BLOB, _BYTE_STRING, _COMPRESSED):
        try:
            value.string_value = content.decode()
        except UnicodeDecodeError:
            pass
        else:
            if meaning == _BLOB_KEY:
                value.meaning = meaning
            return
    value.blob_value = content
    if meaning == _COMPRESSED:
        value.meaning = meaning


def _fill_key(key: Any, content: list[tuple[int, Any]]) -> None:
    for number, found in content:
        match number:
            case 13:
                # The application's id, with the place of its servers before it: s~app.
                key.partition_id.project_id = found.decode().rpartition("~")[2]
            case 20:
                key.partition_id.namespace_id = found.decode()
            case 23:
                key.partition_id.database_id = found.decode()
            case 14:
                element = dict(found)
                step = key.path.add(kind=element[15].decode())
                if 17 in element:
                    step.name = element[17].decode()
                else:
                    step.id = element[16]
            case _:
                pass
