"""Entities as Cendry stores them, brought into the forms in which ndb stores them: those of what was stored before.

What has not changed stays as it is stored, byte for byte.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from cendry.errors import InvalidValueError
from cendry.paths import FieldPath

from . import _sdk
from ._keys import Partition, key_path
from ._marks import NO_MARKS, NdbPath, content_of, mark_value, marks_in
from ._ndb import COMPRESSED, MAX_INFLATED, inflated, parts_below, unpack
from ._ndb_forms import ANY, COMPRESSED_HINT, JSON_HINT, LOCAL_HINT, Fields, Form
from ._ndb_read import Scope, is_compressed, unfolded_group, unfolded_value, without_declared
from ._values import NdbChanges, NdbData, write_masked

_NOT_STORED: Final = _sdk.Value()

NOTHING: Final[Mapping[str, Any]] = {}
"""The properties of an entity that isn't there."""


def fold_entity(entity: Any, path: str, data: NdbData) -> None:
    """Bring an entity that replaces another one, in place, into the forms that are known of that one."""
    fields = data.fields
    stored = path.stored if isinstance(path, NdbPath) else b""
    if not stored and not fields.structural:
        return
    raw = _sdk.Entity.FromString(stored).properties
    names = [name for name, _ in fields.structural]
    names += [name for name in fields if name in raw or (fields[name].is_group and parts_below(raw, name))]
    scope = Scope(data.base.max_inflated or MAX_INFLATED, path, data.model)
    properties = entity.properties
    for name in dict.fromkeys(names):
        if name in properties:
            found = folded({name: properties[name]}, raw, fields, scope)
            if found.get(name) is not properties[name]:
                del properties[name]
                _put(properties, found)


def _put(properties: Any, found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        properties[name].CopyFrom(value)


def write_masked_folded(
    entity: Any, data: NdbData | NdbChanges, mask: Sequence[FieldPath], partition: Partition
) -> None:
    """Change the masked properties of a stored entity, in place and in the forms that they are stored in."""
    fields = data.fields
    groups: dict[str, list[FieldPath]] = {}
    others: list[FieldPath] = []
    raw = without_declared(entity.properties, fields)
    for path in mask:
        name = path.segments[0]
        form = fields.get(name)
        is_group = form is not None and (form.is_structural or _is_packed_or_in_parts(raw, name, form))
        (groups.setdefault(name, []) if is_group else others).append(path)
    for name, paths in groups.items():
        _write_group(entity, name, fields, data, paths, partition)
    if others:
        write_masked(entity, data, others, partition)


def _is_packed_or_in_parts(raw: Mapping[str, Any], name: str, form: Form) -> bool:
    value = raw.get(name, _NOT_STORED)
    elements = value.array_value.values
    is_packed = any(one.meaning == COMPRESSED for one in (value, *elements))
    return is_packed or (form.is_group and bool(parts_below(raw, name)))


def _write_group(
    entity: Any,
    name: str,
    fields: Fields,
    data: NdbData | NdbChanges,
    paths: Sequence[FieldPath],
    partition: Partition,
) -> None:
    form, properties = fields[name], entity.properties
    raw = without_declared(properties, fields)
    parts = parts_below(raw, name) if form.is_group else ()
    before, work = _sdk.Entity(), _sdk.Entity()
    work.key.CopyFrom(entity.key)
    for one in (name, *parts):
        if one in properties:
            before.properties[one].CopyFrom(properties[one])
    scope = Scope(partition.max_inflated or MAX_INFLATED, key_path(entity.key, partition), data.model)
    old, _ = unfolded_group(before.properties, name, form, scope)
    if old is not None:
        work.properties[name].CopyFrom(old)
    write_masked(work, data, paths, partition)
    new = work.properties.get(name)
    found = {} if new is None else folded_group(name, new, form, before.properties, scope)
    marks = marks_in(before)
    for one in before.properties:
        del properties[one]
    for one, value in found.items():
        target = properties[one]
        target.CopyFrom(value)
        if value is not before.properties.get(one):
            mark_value(target, marks.get(one, NO_MARKS))


def folded(new: Mapping[str, Any], raw: Mapping[str, Any], fields: Fields, scope: Scope) -> dict[str, Any]:
    """The properties in the form of what is stored, by their names.

    Args:
        new: The properties as Cendry stores them.
        raw: What is stored, or what is known of it: whole groups.
        fields: The forms of the fields.
        scope: What is written.
    """
    found: dict[str, Any] = {}
    plain = without_declared(raw, fields)
    for name, value in new.items():
        form = fields.get(name, ANY)
        found.update(folded_group(name, value, form, plain if form.is_group else raw, scope))
    return found


def folded_group(name: str, new: Any, form: Form, raw: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """One field, as the properties that it is stored in.

    Args:
        name: The name of the field.
        new: Its value as Cendry stores it.
        form: Its form.
        raw: What is stored beside it, and of it.
        scope: What is written.
    """
    own = raw.get(name)
    parts = parts_below(raw, name) if form.is_group else ()
    if own is None and not parts and not form.is_structural:
        return {name: new}
    old, _ = unfolded_group(raw, name, form, scope)
    if old is not None and content_of(old) == content_of(new):
        return {one: raw[one] for one in (name, *parts) if one in raw}
    kind = new.WhichOneof("value_type")
    if kind == "null_value":
        return {name: new}
    is_new = own is None or own.HasField("null_value")
    in_parts = bool(parts) or (is_new and form.kind == "map" and form.is_group and LOCAL_HINT not in form.hints)
    inner = scope._replace(field=f"{scope.field}.{name}" if scope.field else name)
    if form.repeated and kind == "array_value" and JSON_HINT not in form.hints:
        if in_parts:
            rows = _rows(name, new.array_value.values, form, raw, parts, inner)
            if rows is not None:
                return rows
        return {name: _elements(new, form, own, inner)}
    if in_parts and kind == "entity_value":
        return _parts(name, new, form, raw, parts, inner)
    return {name: folded_value(new, form, None if is_new else own, inner)}


def _parts(
    name: str, new: Any, form: Form, raw: Mapping[str, Any], parts: Iterable[str], scope: Scope
) -> dict[str, Any]:
    """A map as one property for each of its values."""
    found = _fields_of_map(new, form, _below(name, raw.get(name), {part: raw[part] for part in parts}), scope)
    return {f"{name}.{inner}": value for inner, value in found.items()} or {name: new}


def _fields_of_map(new: Any, form: Form, raw: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    fields = form.fields
    # What a map holds that isn't declared can be in parts again.
    return folded(new.entity_value.properties, raw, fields, scope)


def _below(name: str, own: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of the values in a map: in the whole, or in a part, which wins."""
    found: dict[str, Any] = {}
    if own is not None and own.HasField("entity_value"):
        found.update(own.entity_value.properties)
    for part, value in parts.items():
        found[part[len(name) + 1 :]] = value
    return found


def _rows(
    name: str, new: Sequence[Any], form: Form, raw: Mapping[str, Any], parts: Iterable[str], scope: Scope
) -> dict[str, Any] | None:
    """An array of maps as arrays of one length; `None` if it can't be stored so."""
    if not new:
        return {}
    if not all(element.HasField("entity_value") for element in new):
        return None
    before = _stored_rows(name, raw, parts)
    rows = [
        _fields_of_map(element, form, before[min(index, len(before) - 1)], scope) for index, element in enumerate(new)
    ]
    names = list(dict.fromkeys(one for row in rows for one in row))
    if not names or any(value.HasField("array_value") for row in rows for value in row.values()):
        return None
    null = _sdk.Value(null_value=0)
    found: dict[str, Any] = {}
    for one in names:
        column = [row.get(one, null) for row in rows]
        if all(value.HasField("null_value") for value in column) and parts_below(names, one):
            # A map that is null in all elements where it isn't in parts.
            continue
        found[f"{name}.{one}"] = _sdk.Value(array_value={})
        found[f"{name}.{one}"].array_value.values.extend(column)
    return found


def _stored_rows(name: str, raw: Mapping[str, Any], parts: Iterable[str]) -> list[dict[str, Any]]:
    columns = {part[len(name) + 1 :]: raw[part].array_value.values for part in parts}
    length = max(map(len, columns.values()), default=0)
    rows = [{one: column[index] for one, column in columns.items() if index < len(column)} for index in range(length)]
    return rows or [{}]


def _elements(new: Any, form: Form, own: Any, scope: Scope) -> Any:
    """An array, each element in the form of the one that is stored at its place, or of the last one."""
    before = [] if own is None else list(own.array_value.values)
    if not before and not form.is_structural:
        return new
    found = _sdk.Value()
    found.array_value.SetInParent()
    for index, element in enumerate(new.array_value.values):
        guide = before[min(index, len(before) - 1)] if before else None
        found.array_value.values.append(folded_value(element, form, guide, scope))
    return found


def folded_value(new: Any, form: Form, own: Any, scope: Scope) -> Any:
    """One value in the form of what is stored in its place; `None` for a new one."""
    if own is not None and own.HasField("blob_value"):
        return _packed(new, form, own, scope)
    kind = new.WhichOneof("value_type")
    if own is not None and content_of(unfolded_value(own, form, scope)) == content_of(new):
        return own
    if kind == "entity_value" and form.kind == "map" and JSON_HINT not in form.hints:
        entity = None if own is None or not own.HasField("entity_value") else own.entity_value
        found = _map_of(new, form, NOTHING if entity is None else entity.properties, scope)
        if own is None and LOCAL_HINT in form.hints:
            found.exclude_from_indexes = True
        return found
    if own is not None or kind == "null_value":
        return new
    if _is_json(new, form):
        return _blob(_json_text(new, scope), compressed=COMPRESSED_HINT in form.hints)
    data = _bytes_of(new)
    if COMPRESSED_HINT in form.hints and data is not None:
        return _blob(data, compressed=True)
    return new


def _map_of(new: Any, form: Form, raw: Mapping[str, Any], scope: Scope) -> Any:
    found = _sdk.Value(exclude_from_indexes=new.exclude_from_indexes)
    found.entity_value.SetInParent()
    if new.entity_value.HasField("key"):
        found.entity_value.key.CopyFrom(new.entity_value.key)
    for name, value in _fields_of_map(new, form, raw, scope).items():
        found.entity_value.properties[name].CopyFrom(value)
    return found


def _packed(new: Any, form: Form, own: Any, scope: Scope) -> Any:
    """A value as a blob, as the stored one is; itself if it is no value that ndb packs."""
    before = unfolded_value(own, form, scope, repeated=form.repeated)
    if content_of(before) == content_of(new):
        return own
    compressed = is_compressed(own, form)
    was_packed = compressed or before is not own
    if was_packed and new.HasField("entity_value") and form.kind == "map" and JSON_HINT not in form.hints:
        content = inflated(own.blob_value, scope.limit) if compressed else own.blob_value
        stored = unpack(content) if isinstance(content, bytes) else None
        entity = _map_of(new, form, stored.properties if stored is not None else NOTHING, scope).entity_value
        if stored is not None and stored.HasField("key"):
            entity.key.CopyFrom(stored.key)
        data = entity.SerializeToString(deterministic=True)
    elif was_packed and _is_json(new, form):
        data = _json_text(new, scope)
    elif compressed and (plain := _bytes_of(new)) is not None:
        data = plain
    else:
        return new
    found = _blob(data, compressed=compressed)
    found.meaning, found.exclude_from_indexes = own.meaning, own.exclude_from_indexes
    return found


def _blob(data: bytes, *, compressed: bool) -> Any:
    if not compressed:
        return _sdk.Value(blob_value=data, exclude_from_indexes=True)
    return _sdk.Value(blob_value=zlib.compress(data), meaning=COMPRESSED, exclude_from_indexes=True)


def _bytes_of(value: Any) -> bytes | None:
    match value.WhichOneof("value_type"):
        case "string_value":
            return cast("str", value.string_value).encode()
        case "blob_value":
            return cast("bytes", value.blob_value)
        case _:
            return None


def _is_json(value: Any, form: Form) -> bool:
    return JSON_HINT in form.hints or (form.kind == "dict" and value.HasField("entity_value"))


def _json_text(value: Any, scope: Scope) -> bytes:
    # As ndb writes it, which reads nothing but ASCII.
    return json.dumps(_json_of(value, scope), separators=(",", ":"), sort_keys=True).encode()


def _json_of(value: Any, scope: Scope) -> Any:
    match value.WhichOneof("value_type"):
        case "null_value":
            return None
        case "entity_value":
            return {name: _json_of(inner, scope) for name, inner in value.entity_value.properties.items()}
        case "array_value":
            return [_json_of(element, scope) for element in value.array_value.values]
        case "boolean_value" | "integer_value" | "string_value" as field:
            return getattr(value, field)
        case "double_value" if math.isfinite(value.double_value):
            return value.double_value
        case kind:
            raise InvalidValueError(
                scope.model,
                scope.field,
                "what JSON holds, since ndb stores it as JSON text",
                f"a {str(kind).removesuffix('_value').replace('_', ' ')}",
            )
