"""JSON Schema (draft 2020-12) of shapes: what their values look like in JSON, under Python names."""

from __future__ import annotations

import base64
import dataclasses
import enum
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from .._interop.google import class_of
from ..values import GeoPoint
from .kinds import Kind
from .rules import Rule
from .shapes import (
    UNTAGGED,
    Array,
    Constrained,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Nullable,
    OneOf,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Tagged,
    bare,
    plain_value,
    type_name,
)

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_GEO_POINT: Final[Schema] = {
    "type": "object",
    "properties": {
        "latitude": {"type": "number", "minimum": -90, "maximum": 90},
        "longitude": {"type": "number", "minimum": -180, "maximum": 180},
    },
    "required": ["latitude", "longitude"],
    "additionalProperties": False,
}
_KINDS: Final[Mapping[Kind, Schema]] = {
    "null": {"type": "null"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "timestamp": {"type": "string", "format": "date-time"},
    "geo_point": _GEO_POINT,
    "vector": {"type": "array", "items": {"type": "number"}},
    "reference": {"type": "string"},
}
_CONVERTED: Final[Mapping[type[Any], Schema]] = {
    Decimal: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
}
_NUMBERS: Final = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}
_LENGTHS: Final = {"string": "Length", "array": "Items", "object": "Properties"}
_ANNOTATIONS: Final = ("title", "description", "examples", "deprecated")


def schema_of(record: Record, others: Sequence[Record] = (), *, include_id: bool = True) -> Schema:
    """The schema of a class.

    Args:
        record: The class.
        others: For a class that shares its collection, its subclasses.
        include_id: Whether models have their `id`.
    """
    return Schemas(include_id).document(record, others)


class Schemas:
    """The definitions of one schema.

    Args:
        include_id: Whether models have their `id`.
    """

    def __init__(self, include_id: bool) -> None:
        self.include_id = include_id
        self.definitions: dict[str, Schema] = {}
        self.names: dict[Any, str] = {}

    def document(self, record: Record, others: Sequence[Record]) -> Schema:
        if others and record.tag is not None:
            found = self.kinds(record.tag.field, (record, *others))
        else:
            reference = self.define(record, record.python.__name__, partial(self.record, record))
            name = self.names[record]
            # A class that contains itself stays among the definitions.
            is_inside = _refers_to(self.definitions, reference["$ref"])
            found = reference if is_inside else self.definitions.pop(name)
        found = {"$schema": DIALECT, **found}
        return {**found, "$defs": self.definitions} if self.definitions else found

    def kinds(self, tag: str, classes: Sequence[Record]) -> Schema:
        """The classes that share a collection, without those that have no documents."""
        classes = [each for each in classes if each.python.__dict__.get("__cendry_tag__") is not UNTAGGED]
        references = [self.define(each, each.python.__name__, partial(self.record, each)) for each in classes]
        values = [cast("Any", each.tag).stored for each in classes]
        if None in values:
            return {"anyOf": references}
        found: Schema = {"oneOf": references, "required": [tag]}
        if all(isinstance(value, str) for value in values):
            mapping = {value: each["$ref"] for value, each in zip(values, references, strict=True)}
            found["discriminator"] = {"propertyName": tag, "mapping": mapping}
        return found

    def define(self, key: Any, hint: str, make: Callable[[], Schema]) -> Schema:
        """A reference to a definition, which is made if it isn't there."""
        if key not in self.names:
            hint = re.sub(r"[^A-Za-z0-9_.-]", "_", hint)
            name, number = hint, 1
            while name in self.definitions:
                number += 1
                name = f"{hint}_{number}"
            self.names[key] = name
            self.definitions[name] = {}
            self.definitions[name].update(make())
        return {"$ref": f"#/$defs/{self.names[key]}"}

    def of(self, shape: Shape) -> Schema:
        match shape:
            case Scalar(kind) | SdkValue(kind):
                return dict(_KINDS[kind])
            case Reference():
                return dict(_KINDS["reference"])
            case Converted(_, python):
                return dict(_CONVERTED[python])
            case Nullable(inner):
                return {"anyOf": [self.of(inner), {"type": "null"}]}
            case Constrained(inner, rules):
                return self.ruled(inner, rules)
            case OneOf(members):
                return {"anyOf": [self.of(member) for member in members]}
            case EnumMember(python, by):
                values = [each.name if by == "name" else plain_value(each) for each in python]
                return self.define((python, by), python.__name__, lambda: _titled(python, _one_of(values)))
            case OneValue(values):
                return _one_of([plain_value(value) for value in values])
            case Array(item, python):
                unique = {"uniqueItems": True} if python in (set, frozenset) else {}
                return {"type": "array", "items": self.of(item), **unique}
            case FixedArray(items, _, required):
                found: Schema = {"type": "array", "minItems": required, "maxItems": len(items)}
                return {**found, "prefixItems": [self.of(item) for item in items]} if items else found
            case Dict(value):
                return {"type": "object", "additionalProperties": self.of(value)}
            case Tagged():
                return self.tagged(shape)
            case Record():
                return self.define(shape, record_name(shape), partial(self.record, shape))
            case _:
                return {}

    def tagged(self, shape: Tagged) -> Schema:
        """A union by its tag, in the way of OpenAPI; unlike a member alone, it needs the tag."""
        references = [self.of(member) for member in shape.members]
        # OpenAPI has mappings of text only.
        mapping = {
            value: cast("str", each["$ref"])
            for each, values in zip(references, shape.values, strict=True)
            for value in map(plain_value, values)
            if isinstance(value, str)
        }
        discriminator = {"propertyName": shape.name, "mapping": mapping}
        found: Schema = {"oneOf": references, "required": [shape.name]}
        is_text = len(mapping) == sum(map(len, shape.values))
        return {**found, "discriminator": discriminator} if is_text else found

    def ruled(self, inner: Shape, rules: Iterable[Rule]) -> Schema:
        found = self.of(inner)
        for rule in rules:
            if rule.of_keys:
                keys = found.setdefault("propertyNames", {})
                keys.update(_keyword(rule, "string", ""))
            else:
                found.update(_keyword(rule, found.get("type"), "" if _is_plain(inner) else "other"))
        return found

    def record(self, record: Record) -> Schema:
        """An object with declared fields."""
        properties: Schema = {}
        required: list[str] = []
        if record.style == "model" and self.include_id and (record.subset is None or record.subset.takes("id")):
            properties["id"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
        if record.tag is not None and record.tag.value is not None:
            properties[record.tag.field] = {"const": record.tag.stored, "default": record.tag.stored}
        infos: Mapping[str, Any] = getattr(record.python, "__cendry_fields__", {})
        for field in record.fields:
            metadata: Mapping[str, Any] = infos[field.name].metadata if field.name in infos else {}
            annotations = {name: metadata[name] for name in _ANNOTATIONS if name in metadata}
            properties[field.name] = {**self.of(field.shape), **_default(field), **annotations}
            if field.required:
                required.append(field.name)
        if hasattr(record.python, "__pydantic_fields__"):
            theirs = _pydantic_properties(record.python)
            for field in record.fields:
                properties[field.name] = _refined(properties[field.name], theirs.get(field.name, {}), field.hidden)
        found = _titled(record.python, {"type": "object", "properties": properties})
        if required:
            found["required"] = required
        if record.extra != "allow":
            found["additionalProperties"] = False
        return found


_SAID: Final = ("description", "examples", "deprecated", "default")
_BOUNDS: Final = frozenset(
    (*_NUMBERS.values(), "pattern", *(f"{end}{each}" for end in ("min", "max") for each in _LENGTHS.values()))
)


def _pydantic_properties(python: type[Any]) -> Schema:
    """The schemas of the fields of a class as pydantic writes them; empty if it can't."""
    try:
        schema: Schema = sys.modules["pydantic"].TypeAdapter(python).json_schema(by_alias=False)
    except Exception:  # It has errors of its own for types without a schema, and fields can have any functions.
        return {}
    if "$ref" in schema:
        schema = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return cast("Schema", schema.get("properties", {}))


def _refined(own: Schema, theirs: Schema, hidden: bool) -> Schema:
    """A schema with what pydantic knows about the same field: its constraints, at any depth, and what is said of it."""
    # Pydantic doesn't write bytes in Base64.
    said = _SAID[:-1] if hidden or "contentEncoding" in own else _SAID
    return _bounded({**own, **{name: theirs[name] for name in said if name in theirs}}, theirs)


def _bounded(own: Schema, theirs: Schema) -> Schema:
    found = dict(own)
    if own.get("type") == theirs.get("type"):
        found.update({name: bound for name, bound in theirs.items() if name in _BOUNDS})
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), dict) and isinstance(theirs.get(name), dict):
            found[name] = _bounded(found[name], theirs[name])
    if "anyOf" in own and "anyOf" in theirs:
        by_type = {each.get("type"): each for each in theirs["anyOf"]}
        found["anyOf"] = [_bounded(each, by_type.get(each.get("type"), {})) for each in own["anyOf"]]
    return found


def _refers_to(schema: Any, reference: str) -> bool:
    inner: Iterable[Any] = ()
    match schema:
        case {"$ref": found} if found == reference:
            return True
        case dict():
            inner = cast("dict[str, Any]", schema).values()
        case list():
            inner = cast("Iterable[Any]", schema)
        case _:
            pass
    return any(_refers_to(each, reference) for each in inner)


def record_name(record: Record) -> str:
    """The name of a class with fields, with the types for its type parameters."""
    arguments = [type_name(each) for _, each in record.arguments]
    return f"{record.python.__name__}[{', '.join(arguments)}]" if arguments else record.python.__name__


def _titled(python: type[Any], schema: Schema) -> Schema:
    """A schema with the name of a class, and its docstring, unless dataclasses or enum made it."""
    found: Schema = {"title": python.__name__}
    text = python.__dict__.get("__doc__")
    is_made = dataclasses.is_dataclass(python) and text is not None and text.startswith(f"{python.__name__}(")
    if text and not is_made and text != enum.Enum.__doc__ and text != "An enumeration.":
        found["description"] = inspect.cleandoc(text)
    return {**found, **schema}


def _one_of(values: Sequence[Any]) -> Schema:
    found = [_as_json(value) for value in values]
    types = {_JSON_TYPES[class_of(value)] for value in found}
    schema: Schema = {"const": found[0]} if len(found) == 1 else {"enum": found}
    return {**schema, "type": types.pop()} if len(types) == 1 else schema


_JSON_TYPES: Final = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}


def _is_plain(shape: Shape) -> bool:
    """Whether the length of a value is that of its JSON form."""
    return not isinstance(shape, Converted) and shape not in (Scalar("bytes"), Scalar("timestamp"))


def _keyword(rule: Rule, kind: Any, other: str) -> Schema:
    """The keyword for a rule, if there is one for this JSON type."""
    bound = rule.bound
    if rule.code in _NUMBERS:
        if kind not in ("integer", "number") or not _is_finite(bound):
            return {}
        return {_NUMBERS[rule.code]: bound}
    if other or kind not in _LENGTHS:
        return {}
    if rule.code == "pattern":
        pattern = getattr(bound, "pattern", bound)
        return {"pattern": pattern} if kind == "string" and isinstance(pattern, str) else {}
    if rule.code in ("min_length", "max_length"):
        return {f"{rule.code[:3]}{_LENGTHS[kind]}": bound}
    if rule.code == "dimension":
        return {"minItems": bound, "maxItems": bound}
    return {}


def _is_finite(bound: Any) -> bool:
    return isinstance(bound, (int, float)) and not isinstance(bound, bool) and math.isfinite(bound)


def _default(field: RecordField) -> Schema:
    """The default of a field, if it can be shown."""
    if field.hidden or field.required:
        return {}
    if field.factory is not dataclasses.MISSING:
        is_simple = field.factory in (list, set, frozenset, dict)
        return {"default": {} if field.factory is dict else []} if is_simple else {}
    if field.default is dataclasses.MISSING:
        return {}
    try:
        inner = bare(field.shape)
        is_name = isinstance(inner, EnumMember) and inner.by == "name"
        return {"default": field.default.name if is_name and field.default is not None else _as_json(field.default)}
    except TypeError:
        return {}


def _as_json(value: Any) -> Any:
    """A simple value in JSON.

    Raises:
        TypeError: It is none.
    """
    value = plain_value(value)
    match value:
        case bool() | int() | str() | None:
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            moment = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
            return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case GeoPoint():
            return {"latitude": value.latitude, "longitude": value.longitude}
        case tuple() | list() | frozenset() | set():
            return [_as_json(each) for each in cast("Iterable[Any]", value)]
        case _:
            raise TypeError
