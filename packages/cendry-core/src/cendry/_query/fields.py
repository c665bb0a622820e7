"""Field references: how users name fields, how queries hold them, and how they are resolved."""

# A descriptor's own attributes are private, so as not to clash with the fields inside it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, TypeGuard, Union, cast

from .._frozen import redefined
from .._interop.google import class_of
from ..codec import Codec, ResolvedField, codec_for
from ..filters import ModelField
from ..paths import DOCUMENT_ID, FieldPath

FieldKey: TypeAlias = Union[str, ModelField, FieldPath]
"""A field by its Python name (dotted for nested ones), by descriptor, or by stored path."""

FieldRef: TypeAlias = Union[ModelField, FieldPath]
"""A field as queries hold it: a descriptor, or a stored path that is used as it is."""


class FieldValues(Protocol):
    """Values by field: a dict whose keys are declared names, descriptors or stored paths."""

    def items(self) -> Iterable[tuple[FieldKey, Any]]: ...


class Changes(Protocol):
    """Fields and their new values: a dict whose keys are declared names, descriptors or stored paths."""

    def items(self) -> Iterable[tuple[FieldKey, Any]]: ...


_ID = ("id",)


def named_field(model: type[Any], key: object, what: str) -> FieldRef:
    """The reference to a field that the user named.

    Args:
        model: The model that the field belongs to.
        key: A declared name, a descriptor, or a stored path.
        what: The method or argument that received it, for the error.

    Raises:
        UnknownFieldError: A name is not declared.
        TypeError: It is not a field, or one of another model.
    """
    if isinstance(key, ModelField) and (key._cendry_owner is model or is_of_subclass(model, key)):
        return key
    if isinstance(key, FieldPath) and key != DOCUMENT_ID:
        return key
    return descriptor_of(resolve_key(codec_for(model), key, what))


def resolve_key(codec: Codec[Any], key: object, what: str) -> ResolvedField:
    """The field that a user named, resolved.

    Args:
        codec: The codec of the model that the field belongs to.
        key: A declared name, a descriptor, or a stored path.
        what: The method or argument that received it, for the error.

    Raises:
        UnknownFieldError: A name is not declared.
        TypeError: It is not a field, or one of another model.
    """
    if isinstance(key, str):
        return codec.resolve_text(key)
    model = codec.model
    if isinstance(key, ModelField):
        check_owner(model, key)
    elif not isinstance(key, FieldPath):
        raise TypeError(f"{what} takes a field of {model.__qualname__} (City.name, 'name' or FieldPath), not {key!r}.")
    return resolved(codec, key)


def resolved(codec: Codec[Any], field: FieldRef | str) -> ResolvedField:
    """Where a field is stored, and how its values are converted; with a stored path they are not."""
    if isinstance(field, ModelField):
        if field._cendry_owner is not codec.model and is_of_subclass(codec.model, field):
            codec = codec.of(field._cendry_owner)
        return codec.resolve(field._cendry_names)
    # Names become descriptors when a query is built.
    assert isinstance(field, FieldPath)
    return codec.resolve(_ID) if field == DOCUMENT_ID else codec.resolve_stored(field)


def descriptor_of(field: ResolvedField) -> ModelField:
    """The descriptor of a resolved field that has Python names."""
    found: Any = getattr(field.owner, str(field.key[0]))
    for name in field.key[1:]:
        found = found[name] if isinstance(name, str) else found._cendry_member(name)
    return cast("ModelField", found)


def check_owner(model: type[Any], field: ModelField) -> None:
    """Check that a descriptor belongs to a class whose fields `model` has.

    Raises:
        TypeError: The field belongs to another class.
    """
    owner = field._cendry_owner
    if owner is model or issubclass(model, owner) or is_of_subclass(model, field):
        return
    hint = ""
    again = redefined(owner, model)
    if again:
        hint = f" {again[0].upper()}{again[1:]}."
    elif owner.__cendry_kind__ == "map":
        hint = f" For an embedded map, write {model.__qualname__}.<field>[{field!r}]."
    raise TypeError(f"{field!r} is a field of {owner.__qualname__}, not of {model.__qualname__}.{hint}")


def is_of_subclass(model: type[Any], field: ModelField) -> bool:
    """Whether a field is one of a subclass whose documents are in the collection of `model`, told apart by tags."""
    owner = field._cendry_owner
    return owner.__cendry_family__ is not None and owner is not model and issubclass(owner, model)


def check_own(instance: Any, changes: Iterable[tuple[Any, Any]]) -> None:
    """Check that changes of an instance of a tagged class name no fields that only its subclasses have.

    Raises:
        TypeError: They do.
    """
    model = class_of(instance)
    for key, _ in changes:
        if isinstance(key, ModelField) and is_of_subclass(model, key):
            owner = key._cendry_owner.__qualname__
            raise TypeError(
                f"{key!r} is a field of {owner}, and this instance (id {instance.id!r}) is a {model.__qualname__}, "
                f"which lacks it. To make the document one of {owner}, save() an instance of that."
            )


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether it is iterable; with `isinstance` alone, type checkers would lose the type arguments."""
    return isinstance(value, Iterable)
