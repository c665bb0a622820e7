"""Instances as dicts of Python values, or without some of their values, as pydantic's `model_dump` gives them."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, Final, cast

from .._types.shapes import (
    Array,
    Constrained,
    Dict,
    FixedArray,
    Nullable,
    OneOf,
    Record,
    RecordField,
    Shape,
    Tagged,
)
from ..codec.leaves import is_map
from ..codec.reader import default


def plain(shape: Shape, value: Any) -> Any:
    """A value whose instances are dicts of Python values; its lists, tuples and dicts are copied."""
    match shape:
        case Record() if _is_of(shape, value):
            found: dict[str, Any] = {"id": value.id} if has_id(shape) else {}
            if shape.tag is not None and shape.tag.value is not None:
                found[shape.tag.field] = shape.tag.stored
            for field in shape.fields:
                if not isinstance(value, dict) or field.name in value:
                    found[field.name] = plain(field.shape, _value_of(field, value))
            return found
        case Constrained(inner) | Nullable(inner):
            return plain(inner, value)
        case Array(item, python) if isinstance(value, (list, tuple)):
            made = [plain(item, each) for each in cast("list[Any]", value)]
            return made if python is list else tuple(made)
        case Array() if _holds_dataclasses(value):
            # Pydantic makes dicts of dataclasses, points among them, which a set can't hold.
            return list(cast("set[Any]", value))
        case FixedArray(items, python) if isinstance(value, tuple):
            parts = [plain(item, each) for item, each in zip(items, cast("Any", value), strict=False)]
            return tuple(parts) if python is tuple else python(*parts)
        case Dict(inner) if isinstance(value, dict):
            return {key: plain(inner, each) for key, each in cast("dict[str, Any]", value).items()}
        case Tagged() | OneOf():
            member = _member(shape, value)
            return value if member is None else plain(member, value)
        case _:
            return value


def trimmed(shape: Shape, value: Any, dumped: Any, *, none: bool, defaults: bool) -> Any:
    """What was dumped of a value, without fields that are `None`, or that have their defaults."""

    def is_left_out(inner: Any, usual: Any) -> bool:
        return (none and inner is None) or (defaults and inner == usual)

    def inside(inner: Shape, each: Any, made: Any) -> Any:
        return trimmed(inner, each, made, none=none, defaults=defaults)

    match shape:
        case Record() if _is_of(shape, value):
            kept = dict(dumped)
            if has_id(shape) and is_left_out(value.id, None):
                del kept["id"]
            for field in shape.fields:
                if field.name not in kept:
                    continue
                each = _value_of(field, value)
                usual = default(field) if shape.style in ("model", "map") and not field.required else kept
                if is_left_out(each, usual):
                    del kept[field.name]
                else:
                    kept[field.name] = inside(field.shape, each, kept[field.name])
            return kept
        case Constrained(inner) | Nullable(inner):
            return inside(inner, value, dumped)
        case Array(item) if isinstance(value, (list, tuple)):
            pairs = zip(cast("list[Any]", value), dumped, strict=True)
            return type(dumped)([inside(item, each, made) for each, made in pairs])
        case Dict(inner) if isinstance(value, dict):
            every = cast("dict[str, Any]", value).items()
            return {key: inside(inner, each, dumped[key]) for key, each in every}
        case Tagged() | OneOf():
            member = _member(shape, value)
            return dumped if member is None else inside(member, value, dumped)
        case _:
            return dumped


def chosen(dumped: Any, include: Any, exclude: Any) -> Any:
    """What was dumped, with or without some keys and elements, as pydantic's `include=` and `exclude=` name them."""
    if isinstance(dumped, dict):
        every = cast("dict[str, Any]", dumped).items()
        return {key: found for key, each in every if (found := _chosen(each, key, include, exclude)) is not _LEFT_OUT}
    if isinstance(dumped, (list, tuple)):
        elements = enumerate(cast("list[Any]", dumped))
        kept = [found for key, each in elements if (found := _chosen(each, key, include, exclude)) is not _LEFT_OUT]
        return kept if isinstance(dumped, list) else tuple(kept)
    return dumped


_LEFT_OUT: Final = object()


def _chosen(value: Any, key: str | int, include: Any, exclude: Any) -> Any:
    included, excluded = _below(include, key), _below(exclude, key)
    if excluded is True or (include is not None and not included):
        return _LEFT_OUT
    return chosen(value, None if included is True else included, excluded or None)


def _below(names: Any, key: str | int) -> Any:
    """What is said about a key: `True` for the whole of it."""
    if names is None:
        return None
    if not is_map(names):
        return key in names or "__all__" in names
    found = names.get(key, names.get("__all__"))
    return True if found is ... else found


def has_id(record: Record) -> bool:
    """Whether dicts of a class have the document's id."""
    return record.style == "model" and (record.subset is None or record.subset.takes("id"))


def _holds_dataclasses(value: object) -> bool:
    """Whether it is a set with dataclasses in it."""
    return isinstance(value, (set, frozenset)) and any(map(is_dataclass, cast("set[Any]", value)))


def _is_of(record: Record, value: object) -> bool:
    return isinstance(value, dict if record.style == "typeddict" else record.python)


def _value_of(field: RecordField, instance: Any) -> Any:
    if isinstance(instance, dict):
        return cast("dict[str, Any]", instance)[field.name]
    return field.value_of(instance)


def _member(shape: Tagged | OneOf, value: Any) -> Shape | None:
    """The class of a union to which a value belongs."""
    if isinstance(shape, Tagged):
        return shape.of_instance(value)
    unions = (each.of_instance(value) for each in shape.members if isinstance(each, Tagged))
    records = (each for each in shape.members if isinstance(each, Record) and _is_of(each, value))
    return next((each for each in (*unions, *records) if each is not None), None)
