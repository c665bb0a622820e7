"""Classes with fields, from any library: which fields they have and how their instances are built.

Libraries are recognised by the attributes of their classes; none is imported.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import MISSING, field
from typing import Any, ForwardRef, Generic, Literal, TypeVar, cast, get_args, get_origin

from typing_extensions import NotRequired, ReadOnly, Required, get_original_bases, get_type_hints, is_typeddict

from .._immutable import dataclass
from .registry import KnownTypes
from .shapes import Style


def _missing() -> Any:
    # As a plain default, MISSING would mean to dataclasses that there is none.
    return MISSING


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """A field as its class declares it, before its annotation is examined. See `shapes.RecordField`."""

    name: str
    annotation: Any
    required: bool = True
    stored: str = ""
    argument: str = ""
    default: Any = field(default_factory=_missing)
    factory: Any = field(default_factory=_missing)
    enum_by: Literal["value", "name"] = "value"
    nullable: bool = False
    registry: KnownTypes | None = None
    hidden: bool = False


def _library_class(cls: type[Any], library: str, name: str) -> bool:
    base = getattr(sys.modules.get(library), name, None)
    return base is not None and issubclass(cls, base)


def style_of(cls: type[Any]) -> Style | None:
    """How instances of a class with fields are built, or `None` if it is not such a class."""
    kind = getattr(cls, "__cendry_kind__", None)
    if kind is not None:
        return cast(Style, kind)
    if is_typeddict(cls):
        return "typeddict"
    if _library_class(cls, "pydantic", "BaseModel"):
        return "pydantic"
    if _library_class(cls, "msgspec", "Struct"):
        return "msgspec"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    return "dataclass" if dataclasses.is_dataclass(cls) else None


def is_named_tuple(cls: type[Any]) -> bool:
    """Whether a class was made by `NamedTuple` or `namedtuple`."""
    return hasattr(cls, "_fields") and issubclass(cls, tuple)


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """The evaluated annotations of a class that is not a Cendry class.

    Raises:
        TypeError: A name in them is not defined.
    """
    try:
        return get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise TypeError(f"the annotations of {cls.__qualname__} can't be evaluated: {error}") from error


def declared_fields(cls: type[Any], style: Style) -> Iterator[DeclaredField]:
    """The fields of a record class, in order.

    Raises:
        TypeError: An annotation can't be evaluated, or the class needs more than its fields to be built.
    """
    match style:
        case "model" | "map":
            return _cendry_fields(cls)
        case "typeddict":
            return _typed_dict_fields(cls)
        case "pydantic":
            return _pydantic_fields(cls)
        case "msgspec":
            return _msgspec_fields(cls)
        case "attrs":
            return _attrs_fields(cls)
        case _:
            return _dataclass_fields(cls)


def _cendry_fields(cls: Any) -> Iterator[DeclaredField]:
    for info in cls.__cendry_fields__.values():
        automatic = info.auto_now or info.auto_now_add
        required = info.required and not automatic
        no_default = info.default is MISSING and info.default_factory is MISSING
        yield DeclaredField(
            name=info.name,
            annotation=info.annotation,
            required=required,
            stored=info.alias,
            argument=info.name,
            default=None if automatic and no_default else info.default,
            factory=info.default_factory,
            enum_by=info.enum_by,
            nullable=automatic,
            registry=info.registry,
            hidden=not info.repr,
        )


def _foreign(name: str, annotation: Any, required: bool, argument: str | None = None) -> DeclaredField:
    return DeclaredField(name, annotation, required, stored=name, argument=argument or name)


def _typed_dict_fields(cls: Any) -> Iterator[DeclaredField]:
    for name, annotation in hints_of(cls).items():
        required = name in cls.__required_keys__
        # Annotations written as strings keep these wrappers, and __required_keys__ does not reflect them.
        while (origin := get_origin(annotation)) in (Required, NotRequired, ReadOnly):
            required = required if origin is ReadOnly else origin is Required
            (annotation,) = get_args(annotation)
        yield _foreign(name, annotation, required)


def _pydantic_fields(cls: Any) -> Iterator[DeclaredField]:
    for name, info in cls.model_fields.items():
        if isinstance(info.annotation, (str, ForwardRef)):
            raise TypeError(f"{cls.__qualname__}.{name} is not resolved; call {cls.__qualname__}.model_rebuild() first")
        key = info.validation_alias if isinstance(info.validation_alias, str) else name
        yield _foreign(name, info.annotation, info.is_required(), key)


def _msgspec_fields(cls: Any) -> Iterator[DeclaredField]:
    hints = hints_of(cls)
    names: tuple[str, ...] = cls.__struct_fields__
    # The defaults are those of the last fields; keyword-only fields without one hold a marker.
    defaults: dict[str, Any] = dict(zip(reversed(names), reversed(cls.__struct_defaults__), strict=False))
    no_default = sys.modules["msgspec"].NODEFAULT
    for name in names:
        yield _foreign(name, hints[name], defaults.get(name, no_default) is no_default)


def _attrs_fields(cls: Any) -> Iterator[DeclaredField]:
    hints = hints_of(cls)
    nothing = sys.modules["attr"].NOTHING
    for attribute in cls.__attrs_attrs__:
        if attribute.init:
            annotation = hints.get(attribute.name, attribute.type or Any)
            yield _foreign(attribute.name, annotation, attribute.default is nothing, attribute.alias)


def _dataclass_fields(cls: Any) -> Iterator[DeclaredField]:
    hints = hints_of(cls)
    for each in cls.__dataclass_fields__.values():
        no_default = each.default is MISSING and each.default_factory is MISSING
        if isinstance(hints[each.name], dataclasses.InitVar):
            if no_default:
                raise TypeError(f"{cls.__qualname__} takes an InitVar, {each.name!r}, which is not stored")
        elif each.init and each in dataclasses.fields(cls):
            yield _foreign(each.name, hints[each.name], no_default)


def type_arguments(cls: type[Any], arguments: tuple[Any, ...] = ()) -> dict[Any, Any]:
    """The types for the type parameters of a generic class and of its bases: `{T: int}` for `Box[int]`."""
    parameters = getattr(cls, "__parameters__", ())
    found = dict(zip(parameters, arguments, strict=False))
    for base in get_original_bases(cls):
        origin = get_origin(base)
        if isinstance(origin, type) and origin is not Generic:
            inner = tuple(substitute(argument, found) for argument in get_args(base))
            for parameter, argument in type_arguments(origin, inner).items():
                found.setdefault(parameter, argument)
        elif isinstance(base, type):
            for parameter, argument in type_arguments(base).items():
                found.setdefault(parameter, argument)
    return found


def substitute(annotation: Any, arguments: dict[Any, Any]) -> Any:
    """An annotation with its type parameters replaced where they are known."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    parameters: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not parameters or (isinstance(annotation, type) and get_origin(annotation) is None):
        return annotation
    return cast(Any, annotation)[tuple(arguments.get(parameter, parameter) for parameter in parameters)]
