"""Entities that ndb stored, as Cendry's models have them: groups become maps, what is packed is unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cendry.errors import DecodeError

from . import _sdk
from ._ndb import COMPRESSED, TooLarge, inflated, json_value, nest, unpack
from ._ndb_forms import COMPRESSED_HINT, JSON_HINT, Fields, Form, Lists

# How zlib begins at the levels that ndb knows; ndb goes by that where the property is declared as compressed.
_ZLIB = (b"x\x9c", b"x^")


class Scope(NamedTuple):
    """What is read.

    Attributes:
        limit: The most bytes of a value that is decompressed.
        document: The path of the document.
        model: The name of its model.
        field: The field.
    """

    limit: int
    document: str
    model: str
    field: str = ""


def is_folded(properties: Mapping[str, Any], fields: Fields, *, has_meanings: bool) -> bool:
    """Whether anything may be stored in a form of ndb's own."""
    if fields.groups and "." in "".join(properties):
        return True
    if has_meanings:
        # Wherever they are: compressed values are rare.
        return True
    for name in fields.lists:
        if name not in properties:
            return True
    for name, form in fields.structural:
        value = properties.get(name)
        if value is not None and _is_value_folded(value, form):
            return True
    return False


def _is_value_folded(value: Any, form: Form) -> bool:
    match value.WhichOneof("value_type"):
        case "blob_value":
            return True
        case "entity_value":
            return form.kind == "map" and is_folded(value.entity_value.properties, form.fields, has_meanings=False)
        case "array_value":
            return any(_is_value_folded(element, form) for element in value.array_value.values)
        case _:
            return False


def unfolded(properties: Mapping[str, Any], fields: Fields, scope: Scope) -> Mapping[str, Any]:
    """The properties as Cendry stores them; the same object if ndb stores them so as well.

    Raises:
        DecodeError: A value is too large when it is decompressed.
    """
    changed: dict[str, Any] = {}
    gone: set[str] = set()
    raw = without_declared(properties, fields)
    for name, form in fields.items():
        value, parts = unfolded_group(raw if form.is_group else properties, name, form, scope)
        if value is None:
            if name in fields.lists:
                changed[name] = _sdk.Value(array_value={})
        elif parts or value is not properties.get(name):
            changed[name] = value
            gone.update(parts)
    if not changed:
        return properties
    entity = _sdk.Entity()
    found: Mapping[str, Any] = entity.properties
    for name, value in properties.items():
        if name not in changed and name not in gone:
            found[name].CopyFrom(value)
    for name, value in changed.items():
        found[name].CopyFrom(value)
    return found


def kept_forms(properties: Mapping[str, Any], fields: Fields, *, has_meanings: bool) -> bytes:
    """The properties whose form has to be known when the entity is written again, as a serialized entity."""
    names = [name for name, _ in fields.structural if name in properties]
    if fields.groups and "." in "".join(properties):
        names += [name for name in properties if "." in name]
    if has_meanings:
        names += [
            name
            for name, value in properties.items()
            if any(one.meaning and one.HasField("blob_value") for one in (value, *value.array_value.values))
        ]
    if not names:
        return b""
    kept = _sdk.Entity()
    for name in names:
        kept.properties[name].CopyFrom(properties[name])
    data: bytes = kept.SerializeToString()
    return data


def without_declared(properties: Mapping[str, Any], fields: Fields) -> Mapping[str, Any]:
    """Properties without those that are declared under a name with a dot."""
    if not fields.dotted:
        return properties
    return {name: value for name, value in properties.items() if name not in fields.dotted}


def unfolded_group(raw: Mapping[str, Any], name: str, form: Form, scope: Scope) -> tuple[Any, tuple[str, ...]]:
    """One field as Cendry stores it, and the names of the parts that it is stored in; `None` if it is absent."""
    nested = nest(raw, name, Lists(name, form)) if form.is_group else None
    value = raw.get(name) if nested is None else nested.value
    scope = scope._replace(field=f"{scope.field}.{name}" if scope.field else name)
    return (
        None if value is None else unfolded_value(value, form, scope, repeated=form.repeated),
        () if nested is None else nested.parts,
    )


def unfolded_value(value: Any, form: Form, scope: Scope, *, repeated: bool = False) -> Any:
    """One value as Cendry stores it; the same object if ndb stores it so as well."""
    kind = value.WhichOneof("value_type")
    if repeated and kind == "array_value":
        elements = [unfolded_value(one, form, scope) for one in value.array_value.values]
        if all(one is before for one, before in zip(elements, value.array_value.values, strict=True)):
            return value
        found = _sdk.Value()
        found.array_value.values.extend(elements)
        return found
    if kind == "entity_value":
        return _unfolded_map(value, form, scope) if form.kind == "map" else value
    if kind != "blob_value":
        return value
    content = _content(value, form, scope)
    if JSON_HINT in form.hints:
        return json_value(content, strict=False) or value
    match form.kind:
        case "map":
            entity = unpack(content)
            if entity is None:
                return value
            found = _sdk.Value(exclude_from_indexes=value.exclude_from_indexes)
            found.entity_value.CopyFrom(entity)
            return _unfolded_map(found, form, scope)
        case "dict":
            found = json_value(content, strict=False)
            return found if found is not None and found.HasField("entity_value") else value
        case "text":
            return _text_of(content, value)
        case _ if content == value.blob_value:
            return value
        case _:
            return _sdk.Value(blob_value=content, exclude_from_indexes=value.exclude_from_indexes)


def _unfolded_map(value: Any, form: Form, scope: Scope) -> Any:
    before = value.entity_value.properties
    after = unfolded(before, form.fields, scope)
    if after is before:
        return value
    found = _sdk.Value(exclude_from_indexes=value.exclude_from_indexes, meaning=value.meaning)
    if value.entity_value.HasField("key"):
        found.entity_value.key.CopyFrom(value.entity_value.key)
    found.entity_value.SetInParent()
    for name, inner in after.items():
        found.entity_value.properties[name].CopyFrom(inner)
    return found


def is_compressed(value: Any, form: Form) -> bool:
    """Whether ndb would decompress a blob."""
    return value.meaning == COMPRESSED or (COMPRESSED_HINT in form.hints and value.blob_value.startswith(_ZLIB))


def _content(value: Any, form: Form, scope: Scope) -> bytes:
    data: bytes = value.blob_value
    if not is_compressed(value, form):
        return data
    content = inflated(data, scope.limit)
    if content is TooLarge:
        raise DecodeError(
            scope.document,
            scope.model,
            scope.field,
            f"at most {scope.limit} bytes (DatastoreBackend(max_inflated=) sets the limit)",
            f"a compressed value of {len(data)} bytes that holds more",
        )
    return content if isinstance(content, bytes) else data


def _text_of(content: bytes, value: Any) -> Any:
    if content == value.blob_value:
        return value
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return value
    return _sdk.Value(string_value=text, exclude_from_indexes=value.exclude_from_indexes)
