"""Field references: from declared names to stored paths, and the conversions of a field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any, cast

from .._immutable import dataclass, replace
from .._types.shapes import (
    FOREIGN_STYLES,
    Anything,
    Array,
    AsIs,
    Constrained,
    Dict,
    FixedArray,
    Handled,
    MemberName,
    Nullable,
    OneOf,
    Record,
    RecordField,
    Shape,
    Tagged,
    bare,
    describe,
    hides,
    union_of,
)
from ..errors import (
    DecodeError,
    InvalidRequestError,
    InvalidValueError,
    UnknownFieldError,
    near_names,
    shown_parts,
)
from ..paths import MAX_FIELD_SEGMENTS, FieldPath, quote_segment
from ..plan import parts_of
from .leaves import HIDDEN, show
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
        guard: The class that validates its own values, if the field is inside one of them.
        choice: The forms of the field in the classes of a union around it, if they are not all the same.
        is_tag: Whether the field tells the classes of a union apart.
        own_key: The names, if some of them say which classes of a union they are of.
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
    guard: type[Any] | None = None
    choice: Choice | None = None
    is_tag: bool = False
    own_key: tuple[str | MemberName, ...] = ()
    owner: type[Any] | None = None

    @property
    def key(self) -> tuple[str | MemberName, ...]:
        """The names by which the field was resolved."""
        return self.own_key or self.names

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
        choice, whole = self.choice, data
        *outer, last = (self.path if choice is None else choice.tag).segments
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
        if choice is not None:
            return choice.read(self, whole, data, document, reading)
        self._refuse_parts(data, last, document, reading)
        value = data.get(last, MISSING)
        return self.absent(document) if value is MISSING else self.decode(value, document, reading)

    def chosen(self, instance: Any) -> ResolvedField | None:
        """The field in the classes that an instance holds; `None` if there is none in them."""
        found: ResolvedField | None = self
        while found is not None and found.choice is not None:
            found = found.choice.of_instance(found, instance)
        return found

    def lacking(self, instance: Any) -> tuple[tuple[str, ...], str, Any]:
        """Where an instance holds none of the classes of this field, which these are, and what it holds there."""
        found: ResolvedField = self
        choice = cast("Choice", found.choice)
        while (inner := choice.of_instance(found, instance)) is not None:
            found, choice = inner, cast("Choice", inner.choice)
        owners = " or ".join(dict.fromkeys(record.python.__qualname__ for record in choice.variants))
        around = found.names[: choice.depth]
        return around, owners, _inside(instance, around)

    @property
    def tags(self) -> Iterator[FieldPath]:
        """The paths of the fields that have to be read to know whether a document has this field."""
        if self.choice is not None:
            yield self.choice.tag
            for each in self.choice.variants.values():
                yield from each.tags

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
        choice = self.choice
        holders = self.holders[index:] if choice is None else self.holders[index : choice.depth]
        if not holders or any(holder is None or isinstance(holder.shape, Nullable) for holder in holders):
            return None
        holder = holders[0]
        if choice is not None and holder is not None and not holder.required:
            return choice.in_default(self, default_of(holder), index)
        if choice is not None:
            raise DecodeError(document, self.model, self.text, describe(self.shape), "nothing")
        if self.field is None or not self.field.required or holder is None or holder.required:
            return self.absent(document)
        value = default_of(holder)
        for name in self.names[index + 1 :]:
            value = cast("Any", value)[name] if isinstance(value, Mapping) else getattr(value, name)
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """A field below a union of classes that do not all declare it, or not alike.

    Attributes:
        union: The union.
        depth: The number of names that lead to it.
        tag: The stored path of the field that tells the classes apart.
        variants: The field in each class that has it.
    """

    union: Tagged
    depth: int
    tag: FieldPath
    variants: Mapping[Record, ResolvedField]

    def of(self, member: Shape | None) -> ResolvedField | None:
        """The field in a member of the union."""
        return None if member is None else self.variants.get(cast("Record", bare(member)))

    def of_instance(self, field: ResolvedField, instance: Any) -> ResolvedField | None:
        """The field in the class that an instance of the model holds."""
        return self.of(self.union.of_instance(_inside(instance, field.names[: self.depth])))

    def read(
        self, field: ResolvedField, whole: Any, data: Mapping[str, Any], document: str | None, reading: Reading
    ) -> Any:
        """The value from the stored data of a document; `None` if its class in the union lacks the field.

        Args:
            field: The field.
            whole: The data.
            data: The data of the map that the union is.
            document: The path of the document, for the error.
            reading: The decode options of its database.

        Raises:
            DecodeError: The tag belongs to no class, or the value doesn't fit.
        """
        tag = data.get(self.union.stored, MISSING)
        member = self.union.of_tag(tag)
        if member is None:
            text = text_of((*field.names[: self.depth], self.union.name))
            found = "nothing" if tag is MISSING else HIDDEN if self.union.is_hidden else show(tag)
            raise DecodeError(document, field.model, text, self.union.options, found)
        variant = self.of(member)
        return None if variant is None else variant.read(whole, document, reading)

    def in_default(self, field: ResolvedField, default: Any, index: int) -> Any:
        """The value in the default of the field with this index that contains it."""
        held = _inside(default, field.names[index + 1 : self.depth])
        variant = self.of(self.union.of_instance(held))
        return None if variant is None else _inside(held, field.names[self.depth :])


def _inside(value: Any, names: Iterable[str]) -> Any:
    """A part of an instance; `None` if there is none."""
    for name in names:
        is_map = isinstance(value, Mapping)
        value = cast("Mapping[str, Any]", value).get(name) if is_map else getattr(value, name, None)
    return value


def default_of(field: RecordField) -> Any:
    """The default of a field; `None` if it has none."""
    if field.factory is not MISSING:
        return field.factory()
    return None if field.default is MISSING else field.default


def text_of(names: tuple[str, ...]) -> str:
    """Names as written in a string: joined by dots, in backticks where needed."""
    return ".".join(map(quote_segment, names))


def step(shape: Shape, name: str) -> tuple[Shape, str, RecordField | None, type[Any] | None] | None:
    """Resolve a name inside a shape: its shape, stored name, declaration and guard (see `guard_of`).

    It is `None` if there is no such name.
    """
    for each in alternatives(shape):
        match each:
            case Record():
                for field in each.fields:
                    if field.name == name:
                        return field.shape, field.stored, field, guard_of(each)
            case Dict(value):
                return value, name, None, None
            case Anything() | Handled() | AsIs():
                return Anything(), name, None, guard_of(each)
            case _:
                pass
    return None


def joined(model: type[Any], union: Tagged, tag: FieldPath, variants: Mapping[Record, ResolvedField]) -> ResolvedField:
    """A field of several classes of a union.

    Args:
        model: The model.
        union: The union.
        tag: The stored path of the field that tells its classes apart.
        variants: The field in each class that has it.

    Raises:
        InvalidRequestError: It is stored under several names.
    """
    from .._types.unions import combined, one_of_several

    first, *others = fields = list(variants.values())
    for record, other in zip(list(variants)[1:], others, strict=True):
        if other.path != first.path:
            owner = next(iter(variants)).python.__qualname__
            holder = f"{model.__qualname__}.{text_of(first.names[: len(tag) - 1])}"
            raise InvalidRequestError.not_sent(
                f"{model.__qualname__} stores {first.text!r} as {str(first.path)!r} in {owner} and as "
                f"{str(other.path)!r} in {record.python.__qualname__}; "
                f"{one_of_several(holder, variants, str(first.names[len(tag) - 1]), repr(first.path))}"
            )
    if len(fields) == len(union.records) and all(_is_alike(first, other) for other in others):
        return first
    elements = [each.encode_element for each in fields if each.encode_element is not None]
    declared = None if first.field is None else _joined_declaration(fields)
    return replace(
        first,
        shape=combined(each.shape for each in fields),
        encode=_any_of([each.encode for each in fields]),
        encode_new=_any_of([each.encode_new for each in fields]),
        decode=_any_of([each.decode for each in fields]),
        encode_changes=_any_of([each.encode_changes for each in fields]),
        encode_element=_any_of(elements) if elements else None,
        field=declared,
        hidden=any(each.hidden for each in fields),
        guard=next((each.guard for each in fields if each.guard is not None), None),
        choice=Choice(union, len(tag) - 1, tag, variants),
    )


def _is_alike(one: ResolvedField, other: ResolvedField) -> bool:
    if one.choice is not None or other.choice is not None or one.shape != other.shape or one.guard is not other.guard:
        return False
    first, second = one.field, other.field
    if first is None or second is None:
        return first is second
    names = ("required", "default", "factory", "hidden", "omits_none")
    return all(getattr(first, name) is getattr(second, name) for name in names)


def _joined_declaration(fields: list[ResolvedField]) -> RecordField:
    from .._types.unions import combined

    declared = [cast("RecordField", each.field) for each in fields]
    return replace(
        declared[0],
        shape=combined(each.shape for each in declared),
        required=any(each.required for each in declared),
        omits_none=all(each.omits_none for each in declared),
        hidden=any(each.hidden for each in declared),
    )


def _any_of(functions: list[Callable[..., Any]]) -> Callable[..., Any]:
    """The first of several conversions that takes a value."""

    def convert(*arguments: Any) -> Any:
        errors: list[InvalidValueError | DecodeError] = []
        for function in functions:
            try:
                return function(*arguments)
            except (InvalidValueError, DecodeError) as error:
                errors.append(error)
        first = errors[0]
        if isinstance(first, DecodeError) or any(error.field != first.field for error in errors):
            raise first
        expected = " or ".join(dict.fromkeys(error.expected for error in errors))
        raise InvalidValueError(first.model, first.field, expected, first.found, code=first.code)

    return convert


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


def guard_of(shape: Shape) -> type[Any] | None:
    """The class that validates its own values, if a part of a value of this shape is a part of such a value."""
    match shape:
        case Record(python, style) if style in FOREIGN_STYLES:
            return python
        case Handled(python) if hasattr(python, "__pydantic_validator__"):
            return cast("type[Any]", python)
        case _:
            return None


def guarded(shape: Shape, segments: tuple[str, ...]) -> type[Any] | None:
    """The class that validates its own values, if a stored path leads to a part of one of them."""
    if not segments:
        return None
    stored, *inner = segments
    for each in alternatives(shape):
        guard = guard_of(each)
        if guard is not None:
            return guard
        for below in _stored_below(each, stored):
            guard = guarded(below, tuple(inner))
            if guard is not None:
                return guard
    return None


def _stored_below(shape: Shape, stored: str) -> Iterator[Shape]:
    match shape:
        case Record():
            yield from (field.shape for field in shape.fields if field.stored == stored)
        case Dict(value):
            yield value
        case _:
            pass


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
    """The declared fields of a record's stored data, as a tree that is built only as far as data needs it.

    Args:
        record: The record.
        outer: Its stored path.
        others: The other classes of the union that it is in. Their fields are part of the mask, so that nothing of an
            instance of another class is left behind.
    """

    __slots__ = ("_inner", "_leaves")

    def __init__(self, record: Record, *outer: str, others: tuple[Record, ...] = ()) -> None:
        own = {field.stored: field.shape for field in record.fields}
        foreign = {field.stored: field.shape for other in others for field in other.fields}
        self._leaves = [
            (stored, FieldPath(*outer, stored), _maps_in(shape) if foreign.get(stored, shape) == shape else None)
            for stored, shape in own.items()
        ]
        self._leaves += [(stored, FieldPath(*outer, stored), None) for stored in foreign if stored not in own]
        self._inner: dict[tuple[str, Record], Mask] = {}

    def of(self, data: Mapping[str, Any]) -> Iterator[FieldPath]:
        """The paths to write: maps with declared fields are descended into, all else is written whole."""
        for stored, path, maps in self._leaves:
            value = None if maps is None else data.get(stored)
            if maps is None or len(path) == MAX_FIELD_SEGMENTS or not isinstance(value, dict):
                yield path
                continue
            inside = cast("dict[str, Any]", value)
            record, others = _record_of(maps, inside)
            if not record.fields:
                yield path
                continue
            if (stored, record) not in self._inner:
                self._inner[stored, record] = Mask(record, *path.segments, others=others)
            yield from self._inner[stored, record].of(inside)


def _maps_in(shape: Shape) -> Record | Tagged | None:
    """The maps with declared fields that values of a shape are, if there are some."""
    # What a class keeps without declaring it can only be written with the whole.
    records = [each for each in alternatives(shape) if isinstance(each, Record)]
    if any(each.extra == "allow" for each in records):
        return None
    return union_of(shape) or next(iter(records), None)


def _record_of(maps: Record | Tagged, data: Mapping[str, Any]) -> tuple[Record, tuple[Record, ...]]:
    """The record of stored data, and the others of its union."""
    if isinstance(maps, Record):
        return maps, ()
    record = cast("Record", bare(cast("Shape", maps.of_tag(data[maps.stored]))))
    return record, tuple(each for each in maps.records if each is not record)
