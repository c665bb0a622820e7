"""The references in fields of instances: the documents they name, and their models. Nothing is read here."""

# A descriptor's own attributes are private, so as not to clash with the fields inside it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, Union, cast

from .._immutable import dataclass
from .._interop.google import class_of
from .._model.fields import FieldDescriptor
from .._model.metadata import remembered
from .._model.model import Model
from .._query.fields import check_owner, resolved
from .._types.registry import TypeRegistry
from .._types.shapes import (
    Array,
    Constrained,
    Dict,
    FixedArray,
    Nullable,
    OneOf,
    Record,
    Reference,
    Shape,
    children,
    describe,
)
from ..codec import ResolvedField, codec_for
from ..errors import CendryError, ForeignReferenceError
from ..filters import ModelField
from ..paths import shortened
from ..reference import Ref, is_ref, located_path
from .targets import Home, at_home, several

M = TypeVar("M", bound=Model)

RefField: TypeAlias = FieldDescriptor[
    Union[Ref[M], Iterable[Union[Ref[M], None]], Mapping[str, Union[Ref[M], None]], None]
]
"""A field that holds references."""


@dataclass(frozen=True, slots=True)
class WantedReferences:
    """Documents to read, as references name them.

    Attributes:
        paths: The path of each reference.
        models: The class as which the document of each path is read.
    """

    paths: dict[Ref[Any], str]
    models: dict[str, type[Any]]


def wanted_references(
    instances: object, fields: tuple[object, ...], registry: TypeRegistry, home: Home
) -> WantedReferences:
    """The references in some fields of instances; equal ones once.

    Args:
        instances: The instances.
        fields: Descriptors of fields that hold references.
        registry: The registry of the context.
        home: How references name the database of the context.

    Raises:
        TypeError: An argument is of the wrong kind, or a field holds no references or is one of another model.
        InvalidValueError: A value doesn't fit its field.
        CendryError: An instance lacks an attribute; or a reference doesn't know its model, or another one gives its
            document an unrelated model.
        ForeignReferenceError: A reference points into another database.
    """
    given = several(instances, "fetch_refs() takes instances")
    descriptors = [_descriptor(field) for field in fields]
    if not descriptors:
        raise TypeError("fetch_refs() takes at least one field that holds references: (cities, City.capital).")
    known: dict[type[Any], list[ResolvedField]] = {}
    wanted = WantedReferences({}, {})
    for instance in given:
        model = class_of(instance)
        if model not in known:
            if not isinstance(instance, Model):
                raise TypeError(f"fetch_refs() takes model instances, not {shortened(instance)}.")
            own = [field for field in descriptors if not _is_of_other_kind(model, field)]
            known[model] = [_resolved(model, field, registry) for field in own]
        for field in known[model]:
            value = _value(instance, field)
            if value is not None:
                for ref, declared in _references(field.encode(value), field.shape):
                    _add(wanted, ref, declared, field, instance, home)
    if not known:
        for descriptor in descriptors:
            _resolved(descriptor._cendry_owner, descriptor, registry)
    return wanted


def _is_of_other_kind(model: type[Any], field: ModelField) -> bool:
    """Whether a field is one of another model of the same collection, which this one's instances don't have."""
    owner = field._cendry_owner
    family = owner.__cendry_family__
    return family is not None and family is model.__cendry_family__ and not issubclass(model, owner)


def _descriptor(field: object) -> ModelField:
    if not isinstance(field, ModelField):
        raise TypeError(f"fetch_refs() takes fields as descriptors (City.capital), not {shortened(field)}.")
    if field._cendry_owner.__cendry_kind__ == "map":
        raise TypeError(
            f"{field!r} is a field of an embedded map; write it as part of a model's field: Model.field[{field!r}]."
        )
    return field


def _resolved(model: type[Any], descriptor: ModelField, registry: TypeRegistry) -> ResolvedField:
    check_owner(model, descriptor)
    field = resolved(codec_for(model, registry), descriptor)
    if _holds_references(field.shape):
        return field
    raise TypeError(
        f"{descriptor!r} is declared as {describe(field.shape)}, not as references. fetch_refs() takes fields of "
        "references, and of lists or dicts of them; to fetch others, pass them to find_many()."
    )


def _value(instance: Model, field: ResolvedField) -> Any:
    """The value of a field; `None` if a map around it is, or a dict lacks the key.

    Raises:
        CendryError: An attribute is not set.
    """
    value: Any = instance
    if field.chosen(instance) is None:
        return None
    for name in field.names:
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(name)
        elif value is not None:
            try:
                value = getattr(value, name)
            except AttributeError:
                raise CendryError(
                    f"This {type(instance).__qualname__} (id {instance.id!r}) has no value for {field.text!r}."
                ) from None
    return value


def _holds_references(shape: Shape) -> bool:
    """Whether it is references, or lists or dicts of them; what is inside maps has fields of its own."""
    if isinstance(shape, Record):
        return False
    return isinstance(shape, Reference) or any(map(_holds_references, children(shape)))


def _references(value: Any, shape: Shape) -> Iterator[tuple[Ref[Any], type[Any] | None]]:
    """The references in a stored value, with the models that the field declares."""
    match shape:
        case Reference(model):
            if is_ref(value):
                yield value, model
        case Nullable(inner) | Constrained(inner):
            yield from _references(value, inner)
        case Dict(item) if isinstance(value, dict):
            for one in cast("dict[str, Any]", value).values():
                yield from _references(one, item)
        case Array(item):
            for one in _elements(value):
                yield from _references(one, item)
        case FixedArray(items):
            for one, item in zip(_elements(value), items, strict=False):
                yield from _references(one, item)
        case OneOf(members):
            for member in members:
                yield from _references(value, member)
        case _:
            pass


def _known_path(instance: Model) -> str | None:
    """The path of the document that an instance was read from or written to."""
    known = remembered(instance)
    return None if known is None else known.path


def _of_document(instance: Model) -> str:
    path = _known_path(instance)
    return "" if path is None else f" of document {path!r}"


def _elements(value: Any) -> Iterable[Any]:
    """The elements of an array; none of anything else, which another member of a union takes."""
    return cast("Any", value) if isinstance(value, list) else ()


def _add(
    wanted: WantedReferences,
    ref: Ref[Any],
    declared: type[Any] | None,
    field: ResolvedField,
    instance: Model,
    home: Home,
) -> None:
    model = declared if ref.model is None else ref.model
    if model is None:
        shown = "A reference that is not shown" if field.hidden else repr(ref)
        raise CendryError(
            f"{shown} in {field.model}.{field.text}{_of_document(instance)} doesn't know the model of its document; "
            "declare the model of the field (Ref[City]), or pass ref.as_model(City) to find_many()."
        )
    path = wanted.paths.get(ref)
    if path is None:
        try:
            path = wanted.paths[ref] = located_path(at_home(ref, home))
        except ForeignReferenceError as error:
            error._cendry_locate(field.model, field.text, _known_path(instance), is_hidden=field.hidden)
            raise
    known = wanted.models.setdefault(path, model)
    if known is not model:
        if issubclass(model, known):
            wanted.models[path] = model
        elif not issubclass(known, model):
            raise CendryError(
                f"References name the document {path!r} as {known.__qualname__} and as {model.__qualname__}, and it "
                "can only be read as one of them; fetch the two fields separately."
            )
