"""How Python types are stored: annotations in, shapes out."""

from __future__ import annotations

import enum
import functools
import types
from collections import abc
from collections.abc import Mapping
from dataclasses import MISSING, InitVar, replace
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from typing_extensions import get_type_hints

from .._interop.google import sdk_class_kind
from ..paths import check_field_name, exact_text
from ..reference import Ref
from .constrain import constrained
from .converted import CONVERSIONS
from .evolutions import evolution_of
from .foreign import declared_fields, dump, dumps_whole, extra_of, is_named_tuple, style_of, substitute, type_arguments
from .kinds import INT64, ROW, ROWS, FirestoreValue, Kind
from .registry import TYPE_ALIASES, KnownTypes, TypeRegistry, default_registry
from .rules import discriminator_in, fitted, rules_in, whole_rule
from .shapes import (
    UNTAGGED,
    Anything,
    Array,
    Constrained,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Handled,
    Nullable,
    OneOf,
    OneValue,
    Record,
    RecordField,
    Reference,
    Scalar,
    SdkValue,
    Shape,
    Style,
    Tag,
    Tagged,
    bare,
    kinds_of,
    module_advice,
    plain_value,
    takes_none,
    type_name,
)


def shape_of(
    annotation: Any,
    registry: TypeRegistry = default_registry,
    *,
    enum_by: Literal["value", "name"] = "value",
    of_class: TypeRegistry | None = None,
) -> Shape:
    """How values of a type are stored.

    Args:
        annotation: A type, evaluated.
        registry: The registry in which types are looked up.
        enum_by: Whether enums are stored by value or by name, in containers too. Records inside have their own setting.
        of_class: The registry of the class whose field it is. Maps inside have their own.

    Raises:
        TypeError: Firestore can't store the type, or a type inside it, which the message names.
    """
    return _Survey(registry.known, enum_by, of_class).shape(annotation)


_KNOWN: Final[Mapping[Any, Shape]] = {
    None: Scalar("null"),
    **{row.python: Scalar(row.name) for row in ROWS},
    **{row.python: Converted(row.kind, row.python) for row in CONVERSIONS},
    Ref: Reference(None),
    Any: Anything(),
    FirestoreValue: Anything(),
}
_PLAIN: Final = frozenset((type(None), *(row.python for row in ROWS if row.plain)))
_NOT_IN_ARRAYS: Final = frozenset(row.name for row in ROWS if not row.in_arrays)
_ARRAYS: Final = (list, set, frozenset)
_INSTEAD: Final[dict[Any, str]] = {
    abc.Sequence: "list[...]",
    abc.MutableSequence: "list[...]",
    abc.Iterable: "list[...]",
    abc.Collection: "list[...]",
    abc.Set: "frozenset[...]",
    abc.MutableSet: "set[...]",
    abc.Mapping: "dict[str, ...]",
    abc.MutableMapping: "dict[str, ...]",
    bytearray: "bytes",
    complex: "list[float] or register_type(complex, serialize=..., deserialize=...)",
    object: "Any",
}


class _Survey:
    """One walk over an annotation."""

    def __init__(
        self,
        known: KnownTypes,
        enum_by: Literal["value", "name"],
        of_class: KnownTypes | None,
        ruled: bool = True,
    ) -> None:
        self.known = known
        self.of_class = of_class
        self.enum_by: Literal["value", "name"] = enum_by
        # Whether constraints in annotations are rules of ours, and not for a class that checks them itself.
        self.ruled = ruled
        self.aliases: list[Any] = []
        self.surveyed: set[Any] = set()
        # The field that the annotation around a union names.
        self.discriminator: str | None = None

    def shape(self, annotation: Any) -> Shape:
        registered = self.known.lookup(annotation, self.of_class)
        if registered is not None:
            return registered
        if isinstance(annotation, (str, ForwardRef)):
            name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            raise TypeError(f"the name {name!r} is not resolved")
        try:
            known = _KNOWN.get(annotation)
        except TypeError:
            known = None
        if known is not None:
            return known
        if isinstance(annotation, TypeVar):
            return self.type_variable(annotation)
        if isinstance(annotation, NewType):
            return self.shape(annotation.__supertype__)
        origin = get_origin(annotation)
        arguments = get_args(annotation)
        if isinstance(annotation, TYPE_ALIASES) or isinstance(origin, TYPE_ALIASES):
            return self.alias(annotation, origin, arguments)
        if origin is Annotated:
            found = self.annotated(arguments[0], arguments[1:])
            return constrained(found, tuple(rules_in(arguments[1:]))) if self.ruled else found
        if origin is Union or origin is types.UnionType:
            return self.union(annotation, arguments)
        if origin is Literal:
            return self.literal(annotation, arguments)
        if origin is not None:
            registered = self.known.lookup(origin, self.of_class)
            if registered is not None:
                return registered
        python: Any = origin or annotation
        if not isinstance(python, type):
            raise self.unsupported(annotation)
        return self.class_(annotation, python, arguments)

    def annotated(self, annotation: Any, metadata: tuple[Any, ...]) -> Shape:
        before, self.discriminator = self.discriminator, discriminator_in(metadata)
        found = self.shape(annotation)
        self.discriminator = before
        return found

    def class_(self, annotation: Any, python: type[Any], arguments: tuple[Any, ...]) -> Shape:
        if python in _ARRAYS:
            return Array(self.item(annotation, python, *(arguments or (Any,))), python)
        if python is tuple:
            return self.tuple_(annotation, arguments)
        if python is dict:
            return self.dict_(annotation, *(arguments or (str, Any)))
        if python is Ref:
            return self.reference(annotation, arguments)
        if issubclass(python, enum.Enum):
            return self.enum_member(python)
        if is_named_tuple(python):
            return self.named_tuple(annotation, python, arguments)
        kind = sdk_class_kind(python)
        if kind == "reference":
            raise TypeError(f"{type_name(python)} needs a client to be read back; use cendry.Ref, which needs none")
        if kind in ROW:
            return SdkValue(cast(Kind, kind), python)
        style = style_of(python)
        if style == "model":
            raise TypeError(
                f"{type_name(python)} is a Model, and documents can't be embedded: "
                f"refer to it with Ref[{type_name(python)}], or make it a Map"
            )
        if style is None:
            raise self.unsupported(annotation)
        return self.record(python, style, arguments)

    def unsupported(self, annotation: Any) -> TypeError:
        if isinstance(annotation, types.ModuleType):
            return TypeError(module_advice(annotation))
        origin = get_origin(annotation)
        if isinstance(annotation, InitVar) or annotation in (ClassVar, Final) or origin in (ClassVar, Final):
            return TypeError(f"{type_name(annotation)} is not the type of a value; write the type alone")
        if isinstance(annotation, type) and self.known.has_namesake(annotation, self.of_class):
            return TypeError(f"{type_name(annotation)}: another class of that name is registered; register it again")
        instead = _INSTEAD.get(get_origin(annotation) or annotation)
        advice = f"use {instead}" if instead else "use register_type() or type_registry= to define how it is stored"
        return TypeError(f"Firestore can't hold {type_name(annotation)}; {advice}")

    def type_variable(self, variable: TypeVar) -> Shape:
        if variable.__constraints__:
            return self.union(variable, variable.__constraints__)
        return Anything() if variable.__bound__ is None else self.shape(variable.__bound__)

    def alias(self, annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
        if annotation in self.aliases:
            raise TypeError(
                f"{type_name(annotation)} contains itself; use FirestoreValue or Any for values of any depth"
            )
        self.aliases.append(annotation)
        value = annotation.__value__ if origin is None else origin.__value__[arguments]
        found = self.shape(value)
        self.aliases.pop()
        return found

    def item(self, annotation: Any, python: type[Any], item: Any) -> Shape:
        found = self.shape(item)
        kinds = kinds_of(found) or frozenset()
        if "array" in kinds:
            raise TypeError(
                f"{type_name(annotation)} has an array directly in an array, which Firestore can't hold; "
                "put the inner one into a Map"
            )
        if kinds & _NOT_IN_ARRAYS:
            (kind, *_) = kinds & _NOT_IN_ARRAYS
            raise TypeError(f"{type_name(annotation)} has a {kind} in an array, which Firestore can't hold; use a Map")
        if python in (set, frozenset) and _is_unhashable(found):
            raise TypeError(f"{type_name(annotation)} can't be built: {type_name(item)} is not hashable")
        return found

    def tuple_(self, annotation: Any, arguments: tuple[Any, ...]) -> Shape:
        if not arguments and annotation is tuple:
            arguments = (Any, ...)
        if len(arguments) == 2 and arguments[1] is ...:
            return Array(self.item(annotation, tuple, arguments[0]), tuple)
        # On Python 3.10, tuple[()] has one argument.
        items = tuple(self.item(annotation, tuple, argument) for argument in arguments if argument != ())
        return FixedArray(items, tuple, len(items))

    def named_tuple(self, annotation: Any, python: Any, arguments: tuple[Any, ...]) -> Shape:
        hints = get_type_hints(python, include_extras=True)
        known = type_arguments(python, arguments)
        names: tuple[str, ...] = python._fields
        items = tuple(self.item(annotation, tuple, substitute(hints.get(name, Any), known)) for name in names)
        return FixedArray(items, python, len(names) - len(python._field_defaults))

    def dict_(self, annotation: Any, key: Any, value: Any) -> Shape:
        plain = key
        metadata: list[Any] = []
        while isinstance(plain, NewType) or get_origin(plain) is Annotated:
            if isinstance(plain, NewType):
                plain = plain.__supertype__
            else:
                plain, *more = get_args(plain)
                metadata += more
        if plain is not str:
            raise TypeError(f"{type_name(annotation)} has keys of type {type_name(key)}; Firestore's keys are str")
        found = Dict(self.shape(value))
        rules = rules_in(metadata) if self.ruled else ()
        of_keys = tuple(replace(fitted(rule, [""], "keys"), of_keys=True) for rule in rules)
        return Constrained(found, of_keys) if of_keys else found

    def reference(self, annotation: Any, arguments: tuple[Any, ...]) -> Shape:
        model: Any = arguments[0] if arguments else Any
        if isinstance(model, TypeVar):
            model = model.__bound__ or Any
        if isinstance(model, (str, ForwardRef)):
            return self.shape(model)
        if model is Any or model is None or getattr(model, "__cendry_kind__", None) == "model":
            return Reference(None if model in (Any, None) else cast("type[Any]", model))
        raise TypeError(f"{type_name(annotation)} must name a Model; {type_name(model)} has no documents")

    def enum_member(self, python: type[enum.Enum]) -> Shape:
        if self.enum_by == "name":
            for name in python.__members__:
                if not _is_storable(name):
                    raise TypeError(f"{python.__qualname__} has a name that Firestore can't hold, {name!r}")
        else:
            for member in python:
                value = plain_value(member)
                if not _is_storable(value):
                    raise TypeError(
                        f"{member} has a value that Firestore can't hold as such, {value!r}; "
                        'store the enum with field(enum_by="name")'
                    )
        return EnumMember(python, self.enum_by)

    def literal(self, annotation: Any, arguments: tuple[Any, ...]) -> Shape:
        for value in arguments:
            if not _is_storable(plain_value(value)):
                raise TypeError(f"{type_name(annotation)} holds {value!r}, which Firestore can't hold as such")
        values = tuple(value for value in arguments if value is not None)
        if not values:
            return Scalar("null")
        return OneValue(values) if len(values) == len(arguments) else Nullable(OneValue(values))

    def union(self, annotation: Any, arguments: tuple[Any, ...]) -> Shape:
        discriminator, self.discriminator = self.discriminator, None
        members: dict[Shape, None] = {}
        nullable = False
        for argument in arguments:
            found = self.shape(argument)
            if isinstance(found, Nullable):
                nullable, found = True, found.inner
            if found == Scalar("null"):
                nullable = True
            else:
                members.update(dict.fromkeys(found.members if isinstance(found, OneOf) else (found,)))
        shapes = self.merge_records(_merge_literals(list(members)), discriminator)
        self.check_clear(annotation, shapes, nullable)
        inner: Shape = shapes[0] if len(shapes) == 1 else OneOf(tuple(shapes))
        return Nullable(inner) if nullable and not isinstance(inner, Anything) else inner

    def merge_records(self, shapes: list[Shape], discriminator: str | None) -> list[Shape]:
        inner = [bare(shape) for shape in shapes]
        if not any(isinstance(each, Tagged) for each in inner) and sum(isinstance(each, Record) for each in inner) < 2:
            return shapes
        from .unions import is_member, members_of, tagged

        records = members_of(shape for shape in shapes if is_member(shape))
        return [tagged(records, self.literals, discriminator), *(shape for shape in shapes if not is_member(shape))]

    def literals(self, annotation: Any) -> tuple[Any, ...] | None:
        """The values of an annotation if it is a `Literal`, without `None`, in whatever form."""
        origin = get_origin(annotation)
        if isinstance(annotation, (NewType, *TYPE_ALIASES)) and self.known.lookup(annotation, self.of_class) is None:
            inner: Any = annotation
            return self.literals(inner.__supertype__ if isinstance(annotation, NewType) else inner.__value__)
        if origin is Annotated:
            return self.literals(annotation.__origin__)
        if origin is Union or origin is types.UnionType:
            parts = [self.literals(each) for each in get_args(annotation)]
            return None if None in parts else tuple(value for part in parts for value in part or ())
        if origin is not Literal:
            return None
        shape = self.literal(annotation, get_args(annotation))
        return shape.values if isinstance(shape, OneValue) else None

    def check_clear(self, annotation: Any, shapes: list[Shape], nullable: bool) -> None:
        taken: dict[Kind, None] = {"null": None} if nullable else {}
        for shape in shapes:
            kinds = kinds_of(shape)
            if kinds is None and len(shapes) > 1:
                raise TypeError(f"{type_name(annotation)} is ambiguous: one of its members can be stored as anything")
            for kind in sorted(kinds or ()):
                if kind in taken:
                    raise TypeError(
                        f"{type_name(annotation)} is ambiguous: two of its members are stored as {kind}; "
                        "use one Map with a field that tells them apart, or register_type()"
                    )
            taken.update(dict.fromkeys(kinds or ()))

    def record(self, python: type[Any], style: Style, arguments: tuple[Any, ...]) -> Shape:
        if style == "pydantic" and (dumps_whole(python) or self.is_root(python)):
            return Handled(python, dump, cast(Any, python).model_validate)
        record = record_of(python, style, self.known, arguments, None if style == "map" else self.of_class)
        # Cendry's own classes were checked when they were defined.
        if style != "map" and (python, arguments) not in self.surveyed:
            self.surveyed.add((python, arguments))
            known = type_arguments(python, arguments)
            stored: set[str] = set()
            for declared in declared_fields(python, style):
                reason = check_field_name(declared.stored)
                if reason is None and declared.stored in stored:
                    reason = "another field has it too"
                if reason is not None:
                    where = f"{python.__qualname__}.{declared.name}"
                    raise TypeError(f"{where} can't be stored as {declared.stored!r}: {reason}")
                stored.add(declared.stored)
                try:
                    self.within(substitute(declared.annotation, known), _has_own_rules(python))
                except TypeError as error:
                    raise TypeError(f"{python.__qualname__}.{declared.name}: {error}") from None
        return record

    def is_root(self, python: Any) -> bool:
        """Whether a pydantic class only wraps a value, which must be stored as it is.

        Raises:
            TypeError: Its value is stored in another form.
        """
        if not python.__pydantic_root_model__:
            return False
        shape = _Survey(self.known, "value", self.of_class, ruled=False).shape(python.model_fields["root"].annotation)
        if not _is_plain(shape, set()):
            raise TypeError(
                f"{python.__qualname__} is a RootModel of a type that is stored as another; "
                "declare the field with the type itself"
            )
        return True

    def within(self, annotation: Any, has_own_rules: bool) -> None:
        before = self.enum_by, self.ruled
        self.enum_by, self.ruled = "value", self.ruled and not has_own_rules
        self.shape(annotation)
        self.enum_by, self.ruled = before


def record_of(
    python: type[Any],
    style: Style,
    known: KnownTypes,
    arguments: tuple[Any, ...] = (),
    of_class: KnownTypes | None = None,
) -> Record:
    """The shape of a class with fields; its fields are examined on access.

    Args:
        python: The class.
        style: How its instances are built.
        known: The types of the context.
        arguments: The types for the class's type parameters.
        of_class: The registry of the Cendry class whose field has this class as its type.
    """
    parameters = type_arguments(python, arguments)

    @functools.cache
    def load() -> tuple[RecordField, ...]:
        found: list[RecordField] = []
        for declared in declared_fields(python, style):
            survey = _Survey(known, declared.enum_by, declared.registry or of_class, not _has_own_rules(python))
            shape = survey.shape(substitute(declared.annotation, parameters))
            if declared.nullable and not isinstance(shape, (Nullable, Anything)):
                shape = Nullable(shape)
            # Where None is stored as absence, absence is read as None, whatever the default is.
            omits = declared.omits_none and takes_none(shape)
            found.append(
                RecordField(
                    exact_text(declared.name),
                    exact_text(declared.stored),
                    shape,
                    declared.required and not omits,
                    exact_text(declared.argument),
                    None if omits else declared.default,
                    MISSING if omits else declared.factory,
                    declared.also,
                    declared.get,
                    declared.hidden,
                    omits,
                )
            )
        return tuple(found)

    validate = whole_rule(python) if style in ("model", "map") else None
    tag = _tag_of(python) if style == "model" else None
    evolution = evolution_of(python) if style == "model" else None
    return Record(
        python,
        style,
        tuple(parameters.items()),
        load,
        of_class,
        extra_of(python, style),
        validate,
        tag,
        version_field="" if evolution is None else evolution.version_field,
    )


def _tag_of(python: Any) -> Tag | None:
    family = python.__cendry_family__
    if family is None:
        return None
    return Tag(family.field, None if python.__cendry_tag__ is UNTAGGED else python.__cendry_tag__)


def _has_own_rules(python: type[Any]) -> bool:
    return hasattr(python, "__pydantic_fields__")


def _is_plain(shape: Shape, inside: set[Any]) -> bool:
    """Whether values of a shape, dumped by pydantic, are stored as they are."""
    match shape:
        case Record(python, "pydantic"):
            if python in inside:
                return True
            inside.add(python)
            return all(_is_plain(each.shape, inside) for each in shape.fields)
        case Array(item, python):
            return python is list and _is_plain(item, inside)
        case Dict(inner) | Nullable(inner):
            return _is_plain(inner, inside)
        case OneOf(members) | Tagged(members):
            return all(_is_plain(each, inside) for each in members)
        case OneValue(values):
            return not any(isinstance(value, enum.Enum) for value in values)
        case _:
            return isinstance(shape, (Scalar, Anything))


def _is_storable(value: object) -> bool:
    """Whether a value of an enum or a literal can be stored as it is."""
    match value:
        case str():
            # Not of a subclass, which may have any methods; and no lone surrogates.
            return type(value) is str and value == value.encode(errors="replace").decode()
        case _:
            return type(value) in _PLAIN and (type(value) is not int or value in INT64)


def _is_unhashable(shape: Shape) -> bool:
    match shape:
        case Record(python, style):
            return style == "typeddict" or python.__hash__ is None
        case Dict():
            return True
        case Nullable(inner) | Constrained(inner):
            return _is_unhashable(inner)
        case OneOf(members) | Tagged(members):
            return any(map(_is_unhashable, members))
        case _:
            return False


def _merge_literals(shapes: list[Shape]) -> list[Shape]:
    """Literals of one kind are merged, and those that a plain type includes are dropped: `Literal["auto"] | str`."""
    values = [value for shape in shapes if isinstance(shape, OneValue) for value in shape.values]
    others: list[Shape] = [shape for shape in shapes if not isinstance(shape, OneValue)]
    plain = {shape.kind for shape in others if isinstance(shape, Scalar)}
    kept = tuple(
        value
        for value in values
        if isinstance(value, enum.Enum) or not (kinds_of(OneValue((value,))) or frozenset()) & plain
    )
    return [*others, OneValue(kept)] if kept else others
