"""The places of documents, and what a model declares for each. Nothing here sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cendry._scan import Histogram, is_record
from cendry._types.families import Family
from cendry._types.shapes import Array, Dict, FixedArray, Nullable, OneOf, Record, Shape, Tagged, bare, describe
from cendry.codec import Codec
from cendry.paths import quote_segment

from .reports import FieldReport

DEPTH: Final = 20
"""Levels of maps and arrays that a document can have."""

_NOTHING: Final = Histogram()


def declared_of(codec: Codec[Any]) -> dict[str, list[Shape]]:
    """What a model and the subclasses in its collection declare, by stored name."""
    family: Family | None = codec.family
    classes = {codec.model, *(() if family is None else family.classes_of(codec.model).values())}
    in_order = sorted(classes, key=lambda each: (each is not codec.model, each.__qualname__))
    return _fields_of([codec.of(each).shape for each in in_order])


def field_reports(
    found: Histogram, declared: Mapping[str, list[Shape]] | None, before: str = "", depth: int = 0
) -> Iterator[FieldReport]:
    """What stands at each place inside some maps.

    Args:
        found: Those maps.
        declared: What is declared inside, by stored name; `None` if nothing is known of it.
        before: The path of those maps, with a dot.
        depth: How deep they are.
    """
    total = found.kinds["map"]
    names = [*(declared or ()), *sorted(found.fields.keys() - (declared or {}).keys())]
    for name in names:
        here = found.fields.get(name, _NOTHING)
        shapes = None if declared is None else declared.get(name, [])
        yield from _reports(here, shapes, f"{before}{quote_segment(name)}", max(total - here.count, 0), depth)


def _reports(
    found: Histogram, shapes: list[Shape] | None, path: str, missing: int, depth: int
) -> Iterator[FieldReport]:
    declared = None if not shapes else " | ".join(dict.fromkeys(describe(each) for each in shapes))
    yield FieldReport(path, declared, found.count, missing, dict(found.kinds.most_common()), dict(found.samples))
    if depth >= DEPTH:
        return
    members = [] if shapes is None else [each for shape in shapes for each in _members(shape)]
    if found.items is not None:
        items = [each for member in members for each in _items_of(member)]
        yield from _reports(found.items, items or None, f"{path}[]", 0, depth + 1)
    if not found.kinds["map"]:
        return
    records = [each for each in members if isinstance(each, Record)]
    values = [each.value for each in members if isinstance(each, Dict)]
    if records or (not values and is_record(found)):
        yield from field_reports(found, _fields_of(records) or None, f"{path}.", depth + 1)
    else:
        yield from _reports(found.values(), values or None, f"{path}.*", 0, depth + 1)


def _fields_of(records: list[Any]) -> dict[str, list[Shape]]:
    fields: dict[str, list[Shape]] = {}
    for record in records:
        for each in record.fields:
            fields.setdefault(each.stored, []).append(each.shape)
    return fields


def _members(shape: Shape) -> Iterator[Shape]:
    """The shapes of which one fits, without what is around them."""
    shape = bare(shape)
    match shape:
        case Nullable():
            yield from _members(shape.inner)
        case OneOf() | Tagged():
            for each in shape.members:
                yield from _members(each)
        case _:
            yield shape


def _items_of(shape: Shape) -> tuple[Shape, ...]:
    match shape:
        case Array():
            return (shape.item,)
        case FixedArray():
            return shape.items
        case _:
            return ()
