"""Classes with fields, from any library: which fields they have and how their instances are built.

Libraries are recognised by the attributes of their classes; none is imported.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, field
from typing import Annotated, Any, Final, ForwardRef, Generic, Literal, TypeVar, Union, cast, get_args, get_origin

from typing_extensions import NotRequired, ReadOnly, Required, get_original_bases, get_type_hints, is_typeddict

from .._immutable import dataclass
from .registry import KnownTypes
from .shapes import Handled, Record, Shape, Style, children

# For values that are known at run time only.
_literal: Final = cast("Any", Literal)


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
    also: tuple[str, ...] = ()
    get: Callable[[Any], Any] | None = None
    registry: KnownTypes | None = None
    hidden: bool = False
    omits_none: bool = False


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
            omits_none=cls.__cendry_omit_none__,
        )


def _foreign(
    name: str, annotation: Any, required: bool, argument: str | None = None, *, hidden: bool = False
) -> DeclaredField:
    return DeclaredField(name, annotation, required, stored=name, argument=argument or name, hidden=hidden)


def _typed_dict_fields(cls: Any) -> Iterator[DeclaredField]:
    for name, annotation in hints_of(cls).items():
        required = name in cls.__required_keys__
        # Annotations written as strings keep these wrappers, and __required_keys__ does not reflect them.
        while (origin := get_origin(annotation)) in (Required, NotRequired, ReadOnly):
            required = required if origin is ReadOnly else origin is Required
            (annotation,) = get_args(annotation)
        yield _foreign(name, annotation, required)


def _pydantic_fields(cls: Any) -> Iterator[DeclaredField]:
    serialized = _serialized(cls)
    for name, info in cls.model_fields.items():
        if isinstance(info.annotation, (str, ForwardRef)):
            raise TypeError(f"{cls.__qualname__}.{name} is not resolved; call {cls.__qualname__}.model_rebuild() first")
        if info.exclude:
            if info.is_required():
                raise TypeError(f"{cls.__qualname__}.{name} is required, but exclude=True keeps it from being stored")
            continue
        key, also = _pydantic_keys(cls, name, info)
        if serialized & {name, "*"} or _has_serializer((info.annotation, *info.metadata)):
            # It is stored as the class itself dumps it.
            dumped = _dumped(name)
            yield DeclaredField(name, Any, info.is_required(), key, key, also=also, get=dumped, hidden=not info.repr)
        else:
            annotation = info.annotation
            if cls.model_config.get("use_enum_values"):
                annotation = _with_enum_values(annotation)
            yield DeclaredField(name, annotation, info.is_required(), key, key, also=also, hidden=not info.repr)


def _with_enum_values(annotation: Any) -> Any:
    """A type with its enums replaced by the values of their members; the members are there by default."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if not issubclass(annotation, enum.Enum):
            return cast("Any", annotation)
        members = tuple(annotation)
        return _literal[tuple(member.value for member in members) + members]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _with_enum_values(arguments[0])
    if not arguments or origin is Literal:
        return annotation
    inner = tuple(map(_with_enum_values, arguments))
    return Union[inner] if origin in (Union, types.UnionType) else cast(Any, origin)[inner]


def _pydantic_keys(cls: Any, name: str, info: Any) -> tuple[str, tuple[str, ...]]:
    """The key under which a field is stored, and the other keys from which its class reads it.

    That is the key by which the class dumps it, if the class also reads it under that key.
    """
    config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", {})
    alias = info.validation_alias
    by_name = alias is None or config.get("populate_by_name") or config.get("validate_by_name")
    choices = [] if config.get("validate_by_alias") is False else getattr(alias, "choices", [alias])
    accepted = [key for each in choices if (key := _plain_alias(each)) is not None]
    if by_name:
        accepted.append(name)
    if not accepted:
        raise TypeError(
            f"{cls.__qualname__}.{name} is only read from inside another value, and could not be read back: "
            "give it an alias that is a name, or set validate_by_name=True"
        )
    written = name if info.serialization_alias is None else info.serialization_alias
    key = written if written in accepted else accepted[0]
    return key, tuple(each for each in dict.fromkeys(accepted) if each != key)


def _plain_alias(alias: Any) -> str | None:
    path = getattr(alias, "path", None)
    if path is not None and len(path) == 1:
        (alias,) = path
    return alias if isinstance(alias, str) else None


def _serialized(cls: Any) -> set[str]:
    """The fields for which a pydantic class has serializers of its own; `"*"` means all."""
    found: set[str] = set()
    for decorator in cls.__pydantic_decorators__.field_serializers.values():
        if not decorator.info.when_used.startswith("json"):
            found.update(decorator.info.fields)
    return found


def _has_serializer(parts: Iterable[Any]) -> bool:
    names = ("PlainSerializer", "WrapSerializer")
    for part in parts:
        if any(_is_of(part, "pydantic", name) for name in names) and not part.when_used.startswith("json"):
            return True
        if get_origin(part) is Annotated and _has_serializer(part.__metadata__):
            return True
        if _has_serializer(get_args(part)):
            return True
    return False


def _is_of(value: Any, library: str, name: str) -> bool:
    """Whether a value is an instance of a library's class, if that library is loaded."""
    cls = getattr(sys.modules.get(library), name, None)
    return cls is not None and isinstance(value, cls)


def _dumped(name: str) -> Callable[[Any], Any]:
    def get(instance: Any) -> Any:
        (value,) = instance.model_dump(include={name}, by_alias=True).values()
        return value

    def get_json(instance: Any) -> Any:
        (value,) = instance.model_dump(mode="json", include={name}, by_alias=True).values()
        return value

    cast("Any", get).json = get_json
    return get


def dumps_whole(cls: Any) -> bool:
    """Whether a pydantic class has a serializer of its own for its instances as a whole."""
    serializers = cls.__pydantic_decorators__.model_serializers.values()
    return any(not each.info.when_used.startswith("json") for each in serializers)


def dump(instance: Any) -> Any:
    """What a pydantic class stores, by its own serializer."""
    return instance.model_dump(by_alias=True, round_trip=True)


def _dump_json(instance: Any) -> Any:
    return instance.model_dump(mode="json", by_alias=True, round_trip=True)


cast("Any", dump).json = _dump_json


def for_json(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What a function is replaced by when values are written as JSON: a pydantic class can dump its own values so."""
    return cast("Callable[[Any], Any]", getattr(function, "json", function))


def extra_of(cls: Any, style: Style) -> Literal["allow", "forbid"] | None:
    """What a class of another library does with keys that it doesn't declare, unless it ignores them."""
    if style == "pydantic":
        policy = cls.model_config.get("extra")
        return policy if policy in ("allow", "forbid") else None
    return "forbid" if style == "msgspec" and cls.__struct_config__.forbid_unknown_fields else None


def extras_of(instance: Any) -> Mapping[str, Any]:
    """The values of an instance of a pydantic class that it does not declare."""
    return cast("Mapping[str, Any]", instance.__pydantic_extra__ or {})


def _msgspec_fields(cls: Any) -> Iterator[DeclaredField]:
    config = cls.__struct_config__
    if config.array_like:
        raise TypeError(f"{cls.__qualname__} has array_like=True, and is stored as a map: leave array_like out")
    hints = hints_of(cls)
    names: tuple[str, ...] = cls.__struct_fields__
    # The defaults are those of the last fields; keyword-only fields without one hold a marker.
    defaults: dict[str, Any] = dict(zip(reversed(names), reversed(cls.__struct_defaults__), strict=False))
    no_default = sys.modules["msgspec"].NODEFAULT
    if config.tag is not None:
        # Written as msgspec does; on reading, it may be absent, but not be another one.
        tag = config.tag
        yield DeclaredField(config.tag_field, _literal[tag], False, config.tag_field, get=lambda _: tag)
    for name, stored in zip(names, cls.__struct_encode_fields__, strict=True):
        yield DeclaredField(name, hints[name], defaults.get(name, no_default) is no_default, stored, name)


def _attrs_fields(cls: Any) -> Iterator[DeclaredField]:
    hints = hints_of(cls)
    nothing = sys.modules["attr"].NOTHING
    for attribute in cls.__attrs_attrs__:
        if attribute.init:
            annotation = hints.get(attribute.name, attribute.type or Any)
            required, hidden = attribute.default is nothing, attribute.repr is False
            yield _foreign(attribute.name, annotation, required, attribute.alias, hidden=hidden)


def _dataclass_fields(cls: Any) -> Iterator[DeclaredField]:
    hints = hints_of(cls)
    for each in cls.__dataclass_fields__.values():
        no_default = each.default is MISSING and each.default_factory is MISSING
        if isinstance(hints[each.name], dataclasses.InitVar):
            if no_default:
                raise TypeError(f"{cls.__qualname__} takes an InitVar, {each.name!r}, which is not stored")
        elif each.init and each in dataclasses.fields(cls):
            info = getattr(cls, "__pydantic_fields__", {}).get(each.name)
            if info is None:
                yield _foreign(each.name, hints[each.name], no_default, hidden=not each.repr)
            else:
                key, also = _pydantic_keys(cls, each.name, info)
                required, hidden = info.is_required(), not info.repr
                yield DeclaredField(each.name, hints[each.name], required, key, key, also=also, hidden=hidden)


def can_refuse(shape: Shape, inside: tuple[Record, ...] = ()) -> bool:
    """Whether instances are built by user code, which can refuse values that fit their fields."""
    match shape:
        case Record(python, style):
            if shape in inside:
                return False
            return _can_refuse(python, style) or any(can_refuse(each, (*inside, shape)) for each in children(shape))
        case Handled(python):
            return hasattr(python, "__pydantic_validator__")
        case _:
            return any(can_refuse(each, inside) for each in children(shape))


def _can_refuse(cls: Any, style: Style) -> bool:
    match style:
        case "typeddict":
            return False
        case "pydantic":
            return True
        case "attrs":
            hooks = ("__attrs_pre_init__", "__attrs_post_init__", "__attrs_init__")
            checked = any(each.validator or each.converter for each in cls.__attrs_attrs__)
            return checked or any(hasattr(cls, hook) for hook in hooks)
        case _:
            # Where dataclasses made the constructor, its code is from no file.
            code = getattr(cls.__init__, "__code__", None)
            own = style == "dataclass" and getattr(code, "co_filename", "") != "<string>"
            return own or hasattr(cls, "__post_init__")


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
