"""Subsets of fields: what is left of a shape, and which names there are. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from .._immutable import replace
from ..errors import UnknownFieldError, near_names
from ..paths import quote_segment
from .shapes import (
    Array,
    Constrained,
    Dict,
    FixedArray,
    Nullable,
    OneOf,
    Record,
    RecordField,
    Shape,
    Subset,
    Tagged,
    children,
)

Names = tuple[str, ...]


def subset_of(paths: Iterable[Names], *, only: bool) -> Subset:
    """The subset for the paths of fields, in order; one inside another adds nothing to it."""
    first: dict[str, list[Names] | None] = {}
    for name, *inner in paths:
        below = first.setdefault(name, [])
        if not inner:
            first[name] = None
        elif below is not None:
            below.append(tuple(inner))
    names = ((name, below if below is None else subset_of(below, only=only)) for name, below in sorted(first.items()))
    return Subset(tuple(names), only)


def restricted(shape: Shape, subset: Subset) -> Shape:
    """A shape whose classes have only the fields of a subset, in lists, dicts and unions too.

    The field that tells the classes of a union apart always stays.
    """
    match shape:
        case Record():
            return _restricted(shape, subset)
        case Array(item, python):
            return Array(restricted(item, subset), python)
        case Dict(value):
            return Dict(restricted(value, subset))
        case Nullable(inner):
            return Nullable(restricted(inner, subset))
        case Constrained(inner, rules):
            return Constrained(restricted(inner, subset), rules)
        case FixedArray(items):
            return replace(shape, items=tuple(restricted(each, subset) for each in items))
        case OneOf(members):
            return replace(shape, members=tuple(restricted(each, subset) for each in members))
        case Tagged(members, name):
            kept = subset.beside(name)
            return replace(shape, members=tuple(restricted(each, kept) for each in members))
        case _:
            return shape


def _restricted(record: Record, subset: Subset) -> Record:
    @cache
    def load() -> tuple[RecordField, ...]:
        return tuple(part(each) for each in record.fields if subset.takes(each.name))

    @cache
    def load_rest() -> tuple[RecordField, ...]:
        return tuple(each for each in record.fields if not subset.takes(each.name))

    def part(field: RecordField) -> RecordField:
        below = subset.inside(field.name)
        return field if below is None else replace(field, shape=restricted(field.shape, below))

    return replace(record, load=load, load_rest=load_rest, subset=subset)


def records_in(shape: Shape) -> Iterator[Record]:
    """The classes that a value of a shape can hold, or the elements of it, without the fields of these classes."""
    if isinstance(shape, Record):
        yield shape
    else:
        for child in children(shape):
            yield from records_in(child)


def left_out(record: Record, outer: Names = ()) -> Iterator[Names]:
    """The required fields that a subset leaves out, so that no instance can be made of the others."""
    for field in record.rest:
        if field.required:
            yield (*outer, field.name)
    for field in record.fields:
        for inner in records_in(field.shape):
            if inner.subset is not None:
                yield from left_out(inner, (*outer, field.name))


def check_path(records: Iterable[Record], path: Names, model: str, *, only: bool) -> None:
    """Check that a path leads to a field, through lists and dicts.

    Args:
        records: The classes that have the first field.
        path: Python names.
        model: The name of the model, for errors.
        only: Whether the field is one that stays.

    Raises:
        UnknownFieldError: There is no such field.
        TypeError: The field tells classes apart, so it can't be left out.
    """
    shapes: list[Shape] = []
    holders = list(records)
    for index, name in enumerate(path):
        text = text_of(path[: index + 1])
        found = [field.shape for each in holders for field in each.fields if field.name == name]
        is_id = index == 0 and name == "id" and any(each.style == "model" for each in holders)
        tags = {each.tag.field for each in holders if each.tag is not None}
        tags.update(each.name for shape in shapes for each in _unions_in(shape))
        if name in tags and index == len(path) - 1:
            if only:
                return
            raise TypeError(f"{model}.{text} tells which class a value is of, so it can't be left out.")
        if not found and not (is_id and len(path) == 1):
            known = {field.name for each in holders for field in each.fields}
            if index == 0 and any(each.style == "model" for each in holders):
                known.add("id")
            near = (text_of((*path[:index], each)) for each in near_names(name, sorted(known), 2))
            raise UnknownFieldError(model, text_of(path), tuple(near))
        shapes = found
        holders = [each for shape in found for each in records_in(shape)]


def _unions_in(shape: Shape) -> Iterator[Tagged]:
    if isinstance(shape, Tagged):
        yield shape
    elif not isinstance(shape, Record):
        for child in children(shape):
            yield from _unions_in(child)


def text_of(names: Iterable[str]) -> str:
    """Python names as a path."""
    return ".".join(map(quote_segment, names))
