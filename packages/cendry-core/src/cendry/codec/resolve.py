"""Field references: from declared names to stored paths, and the conversions of a field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any, cast

from .._immutable import dataclass
from .._types.shapes import (
    FOREIGN_STYLES,
    Anything,
    Array,
    AsIs,
    Constrained,
    Dict,
    FixedArray,
    Handled,
    Nullable,
    OneOf,
    Record,
    RecordField,
    Shape,
    Tagged,
    describe,
    hides,
)
from ..errors import DecodeError, UnknownFieldError, near_names, shown_parts
from ..paths import MAX_FIELD_SEGMENTS, FieldPath, quote_segment
from ..plan import parts_of
from .reading import STORED, Reading


@dataclass(frozen=True, slots=True)
class ResolvedField:
    """A field reference in the documents of a model.

    Attributes:
        model: The name of the model.
        names: The Python names, from the document down; dict keys as they are. Empty for a stored path.
        path: The stored path.
        shape: The shape of its values.
        encode: Converts a Python value to a stored one; raises `InvalidValueError` if it doesn't fit.
        encode_new: As `encode`, for a value to be written, which must keep the rules of its annotation.
        decode: Converts a stored value to a Python one; raises `DecodeError` if it doesn't fit. The path of the
            document, for the error, may be passed as second argument, and the decode options as third.
        encode_changes: As `encode`, for a value with transforms in it, which the result contains with their operands as
            stored values; `None` if there are none.
        encode_element: As `encode`, for one element of the array; `None` if the field can't be an array.
        field: The declared field, or `None` for a dict key and the id.
        holders: The declared fields that contain it; `None` for dict keys.
        hidden: Whether its values are shown nowhere.
        owner: The class on which it was looked up.
    """

    model: str
    names: tuple[str, ...]
    path: FieldPath
    shape: Shape
    encode: Callable[[Any], Any]
    encode_new: Callable[[Any], Any]
    decode: Callable[..., Any]
    encode_changes: Callable[[Any], Any]
    encode_element: Callable[[Any], Any] | None = None
    field: RecordField | None = None
    holders: tuple[RecordField | None, ...] = ()
    hidden: bool = False
    owner: type[Any] | None = None

    @property
    def text(self) -> str:
        """The field as written in a string: its names, or its stored path if it has none."""
        return text_of(self.names or self.path.segments)

    def read(self, data: Any, document: str | None = None, reading: Reading = STORED) -> Any:
        """The Python value from a document's stored data.

        An absent field is read as its default, and as `None` if a map around it may be null, or a dict key is absent.

        Args:
            data: The stored data of the whole document, or of a projection.
            document: The path of the document, for the error.
            reading: The decode options of its database.

        Raises:
            DecodeError: A required field is absent, or the value doesn't fit.
        """
        *outer, last = self.path.segments
        for index, segment in enumerate(outer):
            self._refuse_parts(data, segment, document, reading)
            data = data.get(segment, MISSING)
            if data is MISSING:
                return self._in_absent(index, document)
            if data is None:
                return None
            if not isinstance(data, dict):
                raise DecodeError(document, self.model, self.text, "a map on the way to it", f"{type(data).__name__}")
            data = cast("dict[str, Any]", data)
        self._refuse_parts(data, last, document, reading)
        value = data.get(last, MISSING)
        return self.absent(document) if value is MISSING else self.decode(value, document, reading)

    def _refuse_parts(self, data: Mapping[str, Any], name: str, document: str | None, reading: Reading) -> None:
        if reading.parts and data.get(name) is None and (parts := parts_of(data, (name,)).get(name)):
            found = shown_parts(parts, reading.parts)
            raise DecodeError(document, self.model, self.text, describe(self.shape), found)

    def absent(self, document: str | None = None) -> Any:
        """The value of the field in a document that lacks it.

        Raises:
            DecodeError: The field is required.
        """
        if self.field is None:
            return None
        if self.field.required:
            raise DecodeError(document, self.model, self.text, describe(self.shape), "nothing")
        return default_of(self.field)

    def _in_absent(self, index: int, document: str | None) -> Any:
        """The value of the field if one that contains it is absent.

        A projection leaves out the map as well when only the field is absent in it, and when it is null.
        """
        holders = self.holders[index:]
        if not holders or any(holder is None or isinstance(holder.shape, Nullable) for holder in holders):
            return None
        holder = holders[0]
        if self.field is None or not self.field.required or holder is None or holder.required:
            return self.absent(document)
        value = default_of(holder)
        for name in self.names[index + 1 :]:
            value = cast("Any", value)[name] if isinstance(value, Mapping) else getattr(value, name)
        return value


def default_of(field: RecordField) -> Any:
    """The default of a field; `None` if it has none."""
    if field.factory is not MISSING:
        return field.factory()
    return None if field.default is MISSING else field.default


def text_of(names: tuple[str, ...]) -> str:
    """Names as written in a string: joined by dots, in backticks where needed."""
    return ".".join(map(quote_segment, names))


def step(shape: Shape, name: str) -> tuple[Shape, str, RecordField | None] | None:
    """Resolve a name inside a shape: its shape, stored name and declaration; `None` if there is no such name."""
    for each in alternatives(shape):
        match each:
            case Record():
                for field in each.fields:
                    if field.name == name:
                        return field.shape, field.stored, field
            case Dict(value):
                return value, name, None
            case Anything() | Handled() | AsIs():
                return Anything(), name, None
            case _:
                pass
    return None


def hides_stored(shape: Shape, segments: tuple[str, ...]) -> bool:
    """Whether a stored path leads to, into or around a field whose value is shown nowhere."""
    if not segments:
        return hides(shape)
    stored, *inner = segments
    return any(
        field.hidden or hides_stored(field.shape, tuple(inner))
        for each in alternatives(shape)
        if isinstance(each, Record)
        for field in each.fields
        if field.stored == stored
    )


def alternatives(shape: Shape) -> Iterator[Shape]:
    """A shape without `None` around it; the members of a union."""
    match shape:
        case Nullable(inner) | Constrained(inner):
            yield from alternatives(inner)
        case OneOf(members) | Tagged(members):
            for member in members:
                yield from alternatives(member)
        case _:
            yield shape


def guarded(shape: Shape, path: FieldPath) -> type[Any] | None:
    """The class that validates its own values, if a stored path leads to a part of one of them."""
    for segment in path.segments[:-1]:
        inner = _stored_step(shape, segment)
        if inner is None:
            return None
        shape = inner
        for each in alternatives(shape):
            match each:
                case Record(python, style) if style in FOREIGN_STYLES:
                    return python
                case Handled(python) if hasattr(python, "__pydantic_validator__"):
                    return cast("type[Any]", python)
                case _:
                    pass
    return None


def _stored_step(shape: Shape, segment: str) -> Shape | None:
    for each in alternatives(shape):
        match each:
            case Record():
                for field in each.fields:
                    if field.stored == segment:
                        return field.shape
            case Dict(value):
                return value
            case _:
                pass
    return None


def unknown_field(record: Record, shape: Shape, names: tuple[str, ...], at: int) -> UnknownFieldError:
    """The error for a name that isn't declared, with the nearest ones."""
    outer = names[:at]
    declared = [field.name for each in alternatives(shape) if isinstance(each, Record) for field in each.fields]
    if not outer and record.style == "model":
        declared.append("id")
    near = near_names(names[at], declared, 2)
    nearest = tuple(text_of((*outer, name, *names[at + 1 :])) for name in near)
    return UnknownFieldError(record.python.__qualname__, text_of(names), nearest)


def declared_inside(shape: Shape, path: FieldPath) -> tuple[FieldPath, ...] | None:
    """The stored paths of all fields declared in the maps of a field; `None` if they can't be listed."""
    found: dict[FieldPath, None] = {}
    return tuple(found) if _list_inside(shape, path, found, ()) else None


def _list_inside(shape: Shape, path: FieldPath, found: dict[FieldPath, None], around: tuple[Shape, ...]) -> bool:
    for each in alternatives(shape):
        match each:
            case Record():
                if each in around or each.extra == "allow":
                    return False
                for field in each.fields:
                    inner = FieldPath(*path.segments, field.stored)
                    found[inner] = None
                    if not _list_inside(field.shape, inner, found, (*around, each)):
                        return False
            case Array(item):
                if not _list_inside(item, path, found, around):
                    return False
            case FixedArray(items):
                if not all(_list_inside(item, path, found, around) for item in items):
                    return False
            case Anything() | Dict():
                return False
            case _:
                pass
    return True


def element_of(shape: Shape) -> Shape | None:
    """The shape of the elements if the field can be an array, or `None`."""
    for each in alternatives(shape):
        match each:
            case Array(item):
                return item
            case FixedArray(items):
                return items[0] if len(set(items)) == 1 else OneOf(tuple(dict.fromkeys(items)))
            case Anything() | Handled() | AsIs():
                return Anything()
            case _:
                pass
    return None


class Mask:
    """The declared fields of a record's stored data, as a tree that is built only as far as data needs it."""

    __slots__ = ("_inner", "_leaves", "_record")

    def __init__(self, record: Record, *outer: str) -> None:
        self._record = record
        self._leaves = [
            (field.stored, FieldPath(*outer, field.stored), _map_record(field.shape)) for field in record.fields
        ]
        self._inner: dict[str, Mask] = {}

    def of(self, data: Mapping[str, Any]) -> Iterator[FieldPath]:
        """The paths to write: maps with declared fields are descended into, all else is written whole."""
        for stored, path, record in self._leaves:
            value = None if record is None else data.get(stored)
            is_deepest = len(path) == MAX_FIELD_SEGMENTS
            if record is None or is_deepest or not isinstance(value, dict) or not record.fields:
                yield path
                continue
            if stored not in self._inner:
                self._inner[stored] = Mask(record, *path.segments)
            yield from self._inner[stored].of(cast("dict[str, Any]", value))


def _map_record(shape: Shape) -> Record | None:
    # What a class keeps without declaring it can only be written with the whole.
    records = (each for each in alternatives(shape) if isinstance(each, Record) and each.extra != "allow")
    return next(records, None)
