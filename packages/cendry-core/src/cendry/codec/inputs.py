"""Data from outside, for other libraries that report errors in their own way: nothing here raises for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from ..errors import Problem, ValidationError
from .checker import FAILED
from .compiler import Codec
from .reader import Reader
from .reading import Reading
from .writer import Writer


def read_changes(codec: Codec[Any], data: Mapping[str, Any], reading: Reading) -> tuple[dict[str, Any], list[Problem]]:
    """Returns the values of some fields by Python name, as `update()` takes them, and the problems of others.

    Each value is complete: a map in it has all of its required fields. The rules of annotations hold; those of the
    class for the whole are not asked, since the rest of the document isn't known. The id and the tag of a class, and
    the fields that a subset leaves out, are unknown names, also where other unknown names are ignored.

    Args:
        codec: The codec of a class, or of a subset of its fields.
        data: Values of any of the fields, under Python names.
        reading: The decode options.

    Raises:
        TypeError: Values of a field could not be told apart in JSON.
    """
    codec.check(reading)
    reader = Reader(reading, compiled=partial(codec.compiled, reading))
    found = reader.walk(_changes, codec, reader, data)
    return {} if cast("Any", found) is FAILED else found, reader.problems


def _changes(codec: Codec[Any], reader: Reader, data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    fields = {reader.reading.key(field): field for field in codec.shape.fields}
    for key, field in fields.items():
        if key in data:
            quickly, _ = reader.quickly(field.shape, 1)
            value = quickly(data[key])
            if value is FAILED:
                value = reader.part(field, key, reader.read, field.shape, data[key], reader.place("", field), 1)
            if value is not FAILED:
                found[field.name] = value
    record = codec.shape
    others: Mapping[str, Any] = data
    if not reader.reading.forbids(record):
        fixed = {"id", *(each.name for each in record.rest), *([] if record.tag is None else [record.tag.field])}
        others = {key: data[key] for key in data if key in fixed}
    reader.unknown(record, set(fields), others, "")
    return found


def write_fields(codec: Codec[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the forms in JSON of the values of some fields, under Python names.

    Args:
        codec: As in `read_changes`.
        values: Python values by Python name.

    Raises:
        ValidationError: Values don't fit their fields, or JSON can't hold them.
    """
    writer = Writer("python", json=True)
    shapes = {field.name: field.shape for field in codec.shape.fields}
    found = {name: writer.walk(writer.write, shapes[name], value, name, 1) for name, value in values.items()}
    if writer.problems:
        raise ValidationError(codec.model.__qualname__, writer.problems)
    return found
