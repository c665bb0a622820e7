"""Shapes: how a Python type is stored, as frozen values that any number of emitters can read.

A shape describes what is stored (kinds) and what it becomes in Python. It holds neither compiled code nor a registry.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

from .._immutable import dataclass, replace
from .._interop.google import class_of
from ..reference import Ref
from .converted import CONVERSION_OF
from .kinds import KIND_OF, STORED_TYPE, Kind
from .rules import Rule

MAX_DEPTH: Final = 20
"""The nesting limit of maps and arrays, with that of the field (measured on the emulator: 20 pass, 21 are refused)."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is stored as it is."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Reference:
    """A `Ref`; `model` is the class of its document, or `None` if the annotation has none."""

    model: type[Any] | None


@dataclass(frozen=True, slots=True)
class Converted:
    """A standard type that is stored as another, according to its row in `converted.py`."""

    kind: Kind
    python: type[Any]


@dataclass(frozen=True, slots=True)
class SdkValue:
    """One of the Google SDK's own classes, also used for reading."""

    kind: Kind
    python: type[Any]


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enum, stored by its value or its name."""

    python: type[enum.Enum]
    by: Literal["value", "name"]


@dataclass(frozen=True, slots=True)
class OneValue:
    """One of a few given values (`Literal`), which are plain values or enum members (stored by value)."""

    values: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneValue) and self._typed() == other._typed()

    def __hash__(self) -> int:
        return hash(self._typed())

    def _typed(self) -> tuple[tuple[type[Any], Any], ...]:
        return tuple((class_of(value), value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Array:
    """An array of any length: a `list`, `tuple`, `set` or `frozenset` in Python."""

    item: Shape
    python: type[Any]


@dataclass(frozen=True, slots=True)
class FixedArray:
    """An array with one shape per position: a `tuple[A, B]` or a `NamedTuple` class.

    Attributes:
        items: The shapes.
        python: `tuple`, or the `NamedTuple` class.
        required: How many elements must be present; the others have defaults in the class.
    """

    items: tuple[Shape, ...]
    python: type[Any]
    required: int


@dataclass(frozen=True, slots=True)
class Dict:
    """A map with any keys and values of one shape."""

    value: Shape


FOREIGN_STYLES: Final = ("attrs", "msgspec", "pydantic")
"""The styles of classes that validate their own values: nothing inside them is written alone."""


@dataclass(frozen=True, slots=True)
class Constrained:
    """A value for which rules hold, on write alone.

    Attributes:
        inner: How it is stored; neither `Nullable` nor a union nor `Constrained`.
        rules: The rules.
    """

    inner: Shape
    rules: tuple[Rule, ...]

    def broken(self, value: Any) -> Rule | None:
        """The first rule that a value breaks."""
        for rule in self.rules:
            if any(map(rule.breaks, value)) if rule.of_keys else rule.breaks(value):
                return rule
        return None


Style = Literal["model", "map", "dataclass", "attrs", "msgspec", "pydantic", "typeddict"]
"""How instances are built: `model` and `map` attribute by attribute, the others with their own constructor."""


@dataclass(frozen=True, slots=True)
class RecordField:
    """One declared field of a record.

    Attributes:
        name: Its Python name.
        stored: The name under which it is stored.
        shape: The shape of its value.
        required: Whether a map without it doesn't fit.
        argument: The keyword of the class's constructor.
        default: The value of an absent field, or `MISSING`. Only for styles `model` and `map`.
        factory: Creates the value of an absent field, or is `MISSING`. Only for styles `model` and `map`.
        also: Other keys under which it may be stored.
        get: Returns its value for an instance, if that is not simply the attribute.
        hidden: Whether its value is shown nowhere.
        omits_none: Whether `None` is stored as absence.
    """

    name: str
    stored: str
    shape: Shape
    required: bool
    argument: str
    default: Any
    factory: Any
    also: tuple[str, ...] = ()
    get: Callable[[Any], Any] | None = None
    hidden: bool = False
    omits_none: bool = False

    def value_of(self, instance: Any) -> Any:
        """The value in an instance.

        Raises:
            AttributeError: The attribute is not set.
        """
        return getattr(instance, self.name) if self.get is None else self.get(instance)


TagValue: TypeAlias = "str | tuple[str, ...]"
"""What tells the documents of a class from others in its collection: text, or an array of texts."""


class _Untagged(enum.Enum):
    UNTAGGED = "no tag"


UNTAGGED: Final = _Untagged.UNTAGGED
"""The tag of a class of a family that has none, so that its own instances can't be stored."""


@dataclass(frozen=True, slots=True)
class Tag:
    """How the documents of a class are told from others in its collection.

    Attributes:
        field: The stored name.
        value: The tag; `None` if none is stored.
    """

    field: str
    value: TagValue | None

    @property
    def stored(self) -> Any:
        """The stored value, a new one on each access."""
        return list(self.value) if isinstance(self.value, tuple) else self.value


@dataclass(frozen=True, slots=True)
class Subset:
    """Some fields of a class, by Python name.

    Attributes:
        names: Names of fields; for one of which only a part is meant, with the names in the classes below it.
        only: Whether these are the fields that the subset has, rather than those that it lacks.
    """

    names: tuple[tuple[str, Subset | None], ...]
    only: bool

    def takes(self, name: str) -> bool:
        """Whether the subset has a field, or a part of it."""
        known = dict(self.names)
        return (name in known) is self.only or known.get(name) is not None

    def inside(self, name: str) -> Subset | None:
        """Which part of a field it has; `None` for the whole."""
        return dict(self.names).get(name)

    def beside(self, name: str) -> Subset:
        """The same with a whole field that it must have."""
        return replace(self, names=(*self.names, (name, None))) if self.only and not self.takes(name) else self

    def __str__(self) -> str:
        inner = (name if below is None else f"{name}({below})" for name, below in self.names)
        return f"{'only' if self.only else 'without'} {' '.join(inner)}"


@dataclass(frozen=True, slots=True)
class Record:
    """A map with declared fields.

    Attributes:
        python: The class.
        style: How its instances are built.
        arguments: The types for the class's type parameters.
        load: Returns the fields. They are resolved late, because classes can refer to each other.
        types: The registry of the class whose field it is, for classes of other libraries, which have none.
        extra: What a class of another library does with undeclared keys, unless it ignores them.
        validate: The rule for the whole, which raises `ValueError`, if there is one.
        tag: The tag of a class that shares its collection with others.
        subset: Which of the fields of the class these are, if not all.
        load_rest: Returns the others: they are neither read nor written, and instances get their defaults.
        version_field: The stored name of the version, for a class with one; else empty.
    """

    python: type[Any]
    style: Style
    arguments: tuple[tuple[Any, Any], ...] = ()
    load: Callable[[], tuple[RecordField, ...]] = field(compare=False, repr=False, default=tuple)
    types: object = None
    extra: Literal["allow", "forbid"] | None = field(compare=False, repr=False, default=None)
    validate: Callable[[Any], None] | None = field(compare=False, repr=False, default=None)
    tag: Tag | None = field(compare=False, repr=False, default=None)
    subset: Subset | None = None
    load_rest: Callable[[], tuple[RecordField, ...]] = field(compare=False, repr=False, default=tuple)
    version_field: str = field(compare=False, repr=False, default="")

    @property
    def fields(self) -> tuple[RecordField, ...]:
        """The declared fields, in order, without a Model's `id`."""
        return self.load()

    @property
    def rest(self) -> tuple[RecordField, ...]:
        """The fields that the subset leaves out."""
        return self.load_rest()


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value or null."""

    inner: Shape


@dataclass(frozen=True, slots=True)
class OneOf:
    """A union whose members are stored as different kinds, so that stored values are unambiguous."""

    members: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """Maps of several classes, which one common field tells apart: a `Literal` that has other values in each.

    Attributes:
        members: The shapes of the classes: records, perhaps with rules.
        name: The Python name of the field.
        stored: Its stored name.
        values: The values of the field in each class, in the order of `members`.
    """

    members: tuple[Shape, ...]
    name: str
    stored: str
    values: tuple[tuple[Any, ...], ...] = field(compare=False, repr=False)

    @property
    def records(self) -> tuple[Record, ...]:
        """The members without their rules."""
        return tuple(cast("Record", bare(member)) for member in self.members)

    @property
    def of_dicts(self) -> Tagged | None:
        """The same with nothing but its `TypedDict`s; `None` if there are none."""
        every = zip(self.members, self.records, self.values, strict=True)
        found = [(member, values) for member, record, values in every if record.style == "typeddict"]
        members, values = zip(*found, strict=True) if found else ((), ())
        return replace(self, members=members, values=values) if found else None

    @property
    def options(self) -> str:
        """The tags and the classes that they stand for, for messages."""
        shown = [
            f"{plain_value(value)!r} ({record.python.__qualname__})"
            for record, values in zip(self.records, self.values, strict=True)
            for value in values
        ]
        return " or ".join(shown) if len(shown) <= 8 else f"{', '.join(shown[:8])}, ..."

    @property
    def is_hidden(self) -> bool:
        """Whether values of the field are shown nowhere."""
        return any(each.hidden for record in self.records for each in record.fields if each.name == self.name)

    def of_tag(self, tag: object) -> Shape | None:
        """The member with this tag, which may be given as it is stored."""
        for member, values in zip(self.members, self.values, strict=True):
            for value in values:
                plain = plain_value(value)
                # 1, 1.0 and True are equal.
                is_kin = isinstance(plain, bool) == isinstance(tag, bool) and isinstance(tag, type(plain))
                if value is tag or (is_kin and plain == tag):
                    return member
        return None

    def of_instance(self, instance: Any) -> Shape | None:
        """The member to which an instance belongs: by its class, and by its tag where several have that class."""
        every = list(zip(self.members, self.records, strict=True))
        python = class_of(instance)
        found = [member for member, each in every if python is (dict if each.style == "typeddict" else each.python)]
        if len(found) == 1 and python is not dict:
            return found[0]
        if found:
            by_tag = self.of_tag(self.tag_of(instance))
            if any(by_tag is each for each in found):
                return by_tag
        # A subclass, or an instance with the tag of another class: its class rejects it.
        kin = (member for member, each in every if each.style != "typeddict" and isinstance(instance, each.python))
        return next(kin, None)

    def tag_of(self, instance: Any) -> Any:
        """The tag in an instance, or `MISSING`."""
        if isinstance(instance, dict):
            return cast("dict[str, Any]", instance).get(self.name, MISSING)
        return getattr(instance, self.name, MISSING)


@dataclass(frozen=True, slots=True)
class MemberName:
    """The name of a field that only some classes of a union declare, or that they declare differently.

    Attributes:
        name: The Python name.
        owner: The class that declares it, or a base of several.
    """

    name: str
    owner: type[Any] | Record

    def covers(self, record: Record) -> bool:
        """Whether the field is one of this class."""
        return self.owner == record if isinstance(self.owner, Record) else issubclass(record.python, self.owner)

    def __str__(self) -> str:
        return self.name


def union_of(shape: Shape) -> Tagged | None:
    """The union of classes that a shape is, or that is a member of it."""
    shape = bare(shape)
    members = shape.members if isinstance(shape, OneOf) else (shape,)
    return next((each for each in members if isinstance(each, Tagged)), None)


@dataclass(frozen=True, slots=True)
class Anything:
    """Any stored value, unchanged."""


@dataclass(frozen=True, slots=True)
class Handled:
    """A type with a registered handler.

    Attributes:
        python: The registered type, or one that a registered predicate matches.
        serialize: Python value to a value that can be stored; `None` for a value that can be stored itself.
        deserialize: The reverse; `None` to return the stored value as it is.
    """

    python: Any
    serialize: Callable[[Any], Any] | None
    deserialize: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class AsIs:
    """A registered type whose values are passed to and from the backend unchanged."""

    python: Any


@dataclass(frozen=True, slots=True)
class DocumentId:
    """The id of a document: not a stored field, but part of its name."""


Shape = Union[
    Scalar,
    Reference,
    Converted,
    SdkValue,
    EnumMember,
    OneValue,
    Array,
    FixedArray,
    Dict,
    Record,
    Nullable,
    OneOf,
    Tagged,
    Anything,
    Handled,
    AsIs,
    DocumentId,
    Constrained,
]
"""How a type is stored: one of these."""


def kinds_of(shape: Shape) -> frozenset[Kind] | None:
    """The kinds under which values of this shape are stored, or `None` if unknown."""
    match shape:
        case Scalar(kind) | Converted(kind) | SdkValue(kind):
            return frozenset[Kind]((kind,))
        case Reference():
            return frozenset[Kind](("reference",))
        case EnumMember(python, by):
            return _kinds(str if by == "name" else class_of(plain_value(member)) for member in python)
        case OneValue(values):
            return _kinds(class_of(plain_value(value)) for value in values)
        case Array() | FixedArray():
            return frozenset[Kind](("array",))
        case Dict() | Record() | Tagged():
            return frozenset[Kind](("map",))
        case Constrained(inner):
            return kinds_of(inner)
        case Nullable(inner):
            inside = kinds_of(inner)
            return None if inside is None else inside | frozenset[Kind](("null",))
        case OneOf(members):
            found: frozenset[Kind] = frozenset()
            for member in members:
                found |= kinds_of(member) or frozenset()
            return found
        case _:
            return None


def holds_numbers(shape: Shape) -> bool:
    """Whether values of this shape can be numbers in Python as well as in the database; true if unknown."""
    match shape:
        case Nullable(inner) | Constrained(inner):
            return holds_numbers(inner)
        case OneOf(members):
            return any(map(holds_numbers, members))
        case Scalar() | EnumMember() | OneValue():
            return not _NUMBERS.isdisjoint(kinds_of(shape) or ())
        case _:
            return isinstance(shape, (Anything, Handled, AsIs))


def holds_vectors(shape: Shape) -> bool:
    """Whether values of this shape can be vectors in the database; true if unknown."""
    match shape:
        case Nullable(inner) | Constrained(inner):
            return holds_vectors(inner)
        case OneOf(members):
            return any(map(holds_vectors, members))
        case Scalar(kind) | SdkValue(kind):
            return kind == "vector"
        case _:
            return isinstance(shape, (Anything, Handled, AsIs))


def dimension_of(shape: Shape) -> int | None:
    """The dimension that is declared for vectors of this shape, or `None`."""
    match shape:
        case Nullable(inner):
            return dimension_of(inner)
        case Constrained(_, rules):
            return next((rule.bound for rule in rules if rule.code == "dimension"), None)
        case OneOf(members):
            return next(filter(None, map(dimension_of, members)), None)
        case _:
            return None


_NUMBERS: Final = frozenset[Kind](("int", "float"))


def _kinds(types: Iterable[type[Any]]) -> frozenset[Kind]:
    return frozenset(KIND_OF[each] for each in types)


def plain_value(value: Any) -> Any:
    """The value of an enum member, which is plain for `IntEnum` and `StrEnum` too; other values as they are."""
    return value._value_ if isinstance(value, enum.Enum) else value


def children(shape: Shape) -> Iterator[Shape]:
    """The shapes directly inside."""
    match shape:
        case Array(item) | Dict(item) | Nullable(item) | Constrained(item):
            yield item
        case FixedArray(items) | OneOf(items) | Tagged(items):
            yield from items
        case Record():
            for each in shape.fields:
                yield each.shape
        case _:
            pass


def bare(shape: Shape) -> Shape:
    """A shape without `None` and rules around it."""
    while isinstance(shape, (Nullable, Constrained)):
        shape = shape.inner
    return shape


def has_rules(shape: Shape, inside: tuple[Record, ...] = ()) -> bool:
    """Whether any rules hold for values of a shape."""
    match shape:
        case Constrained():
            return True
        case Record():
            if shape.validate is not None:
                return True
            return shape not in inside and any(has_rules(each, (*inside, shape)) for each in children(shape))
        case _:
            return any(has_rules(each, inside) for each in children(shape))


def has_whole_rules(shape: Shape, inside: tuple[Record, ...] = ()) -> bool:
    """Whether a `__validate__` holds for values of a shape, or for parts of them."""
    if isinstance(shape, Record):
        if shape.validate is not None:
            return True
        if shape in inside:
            return False
        inside = (*inside, shape)
    return any(has_whole_rules(each, inside) for each in children(shape))


def takes_none(shape: Shape) -> bool:
    """Whether `None` is a value of this shape."""
    return isinstance(shape, (Nullable, Anything)) or shape == Scalar("null")


def hides(shape: Shape, inside: tuple[Record, ...] = ()) -> bool:
    """Whether values of this shape can contain those of fields that are shown nowhere."""
    if isinstance(shape, Record):
        if shape in inside:
            return False
        inside = (*inside, shape)
        return any(field.hidden or hides(field.shape, inside) for field in shape.fields)
    return any(hides(child, inside) for child in children(shape))


def can_exceed_depth(shape: Shape) -> bool:
    """Whether a value of this shape can be nested deeper than Firestore allows, so that the depth has to be checked."""
    return _depth(shape, ()) > MAX_DEPTH


def _depth(shape: Shape, inside: tuple[Record, ...]) -> float:
    match shape:
        case Anything() | Handled() | AsIs():
            return float("inf")
        case Record():
            if shape in inside:
                return float("inf")
            return 1 + max((_depth(child, (*inside, shape)) for child in children(shape)), default=0)
        case Array() | FixedArray() | Dict():
            return 1 + max((_depth(child, inside) for child in children(shape)), default=0)
        case _:
            return max((_depth(child, inside) for child in children(shape)), default=0)


def type_name(annotation: Any) -> str:
    """A type as written in source."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return " | ".join(map(type_name, arguments))
    if isinstance(origin, type) and all(type(each) is not list for each in arguments):
        return f"{type_name(origin)}[{', '.join(map(type_name, arguments))}]"
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type):
        return annotation.__qualname__
    if annotation is ...:
        return "..."
    name = getattr(annotation, "__name__", None) if origin is None else None
    return name if isinstance(name, str) else repr(annotation).replace("typing.", "").replace("collections.abc.", "")


def module_advice(module: types.ModuleType) -> str:
    """What to write instead of a module that stands where a type was meant."""
    name = module.__name__.rpartition(".")[2]
    found = [each for each, value in vars(module).items() if each.lower() == name.lower() and isinstance(value, type)]
    if not found:
        return f"{name} is a module, not a type; write the type"
    return f"{name} is a module, not a type; write {name}.{found[0]}, or from {module.__name__} import {found[0]}"


def _described(python: type[Any]) -> str:
    conversion = CONVERSION_OF.get(python)
    return f"{python.__name__} (stored as {conversion.form})" if conversion else python.__name__


def describe(shape: Shape, of_type: Callable[[type[Any]], str] = _described) -> str:
    """The description of a shape in error messages: `list of str or None`.

    Args:
        shape: The shape.
        of_type: Describes single values by their type.
    """
    described = partial(describe, of_type=of_type)
    match shape:
        case Scalar(kind):
            return "None" if kind == "null" else of_type(STORED_TYPE[kind])
        case Reference(model):
            name, _, form = of_type(Ref).partition(" ")
            return f"{name}{'' if model is None else f' to {model.__qualname__}'} {form}".rstrip()
        case Converted(_, python) | SdkValue(_, python):
            return of_type(python)
        case EnumMember(python, by):
            options = [member.name if by == "name" else plain_value(member) for member in python]
            return f"{python.__qualname__} by {by} ({_some(options)})"
        case OneValue(values):
            literals = _some(values, _literal)
            return literals if len(values) == 1 else f"one of {literals}"
        case Array(item, python):
            return f"{python.__name__} of {described(item)}"
        case FixedArray(items, python):
            return f"{python.__qualname__} of {len(items)} ({', '.join(map(described, items))})"
        case Dict(value):
            return f"dict of str to {described(value)}"
        case Record(python):
            return python.__qualname__
        case Constrained(inner, rules):
            texts = (f"with keys {rule.text}" if rule.of_keys else rule.text for rule in rules)
            comma = "," if isinstance(inner, (Array, Dict, FixedArray)) else ""
            return f"{described(inner)}{comma} {' and '.join(texts)}"
        case Nullable(inner):
            return f"{described(inner)} or None"
        case OneOf(members) | Tagged(members):
            return " or ".join(map(described, members))
        case Anything():
            return "a value that Firestore can hold"
        case Handled(python) | AsIs(python):
            return type_name(python)
        case _:
            return "a document id"


def _literal(value: Any) -> str:
    """One value of a `Literal`; of an enum member, which is not its value, both."""
    if not isinstance(value, enum.Enum):
        return repr(value)
    return f"{class_of(value).__qualname__}.{value.name} ({plain_value(value)!r})"


def _some(options: Sequence[Any], shown_as: Callable[[Any], str] = repr) -> str:
    shown = ", ".join(map(shown_as, options[:8]))
    return shown + ", ..." if len(options) > 8 else shown
