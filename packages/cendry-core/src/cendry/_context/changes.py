"""The changes of `update` as a mask, data and transforms, and their effect on an instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from .._interop.google import from_sdk_change
from .._model.model import Model
from .._query.cursors import value_at
from .._query.fields import FieldKey, is_iterable, resolve_key
from .._types.foreign import can_refuse
from .._types.shapes import Record, describe
from ..codec import Codec, ResolvedField, codec_for
from ..codec.change_writer import without_changes
from ..codec.compiler import unreadable
from ..codec.resolve import alternatives
from ..errors import CendryError, DecodeError, InvalidValueError
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import FieldTransform, overlap, put_at
from ..values import DELETE_FIELD, ArrayUnion, is_transform

M = TypeVar("M", bound=Model)


class Changes(Protocol):
    """Fields and their new values: a dict whose keys are declared names, descriptors or stored paths."""

    def items(self) -> Iterable[tuple[FieldKey, Any]]: ...


Names: TypeAlias = "tuple[str, ...]"


@dataclass(slots=True)
class Masked:
    """The stored form of some changes.

    Attributes:
        data: The new values, nested as they are stored.
        paths: The fields that are written or removed.
        transforms: The changes that the server computes.
        values: The values of instances after the commit: new values by Python names.
    """

    data: dict[str, Any] = field(default_factory=dict[str, Any])
    paths: dict[FieldPath, str] = field(default_factory=dict[FieldPath, str])
    transforms: dict[FieldPath, FieldTransform] = field(default_factory=dict[FieldPath, FieldTransform])
    values: list[tuple[Names, Any]] = field(default_factory=list[tuple["tuple[str, ...]", Any]])

    def put(self, path: FieldPath, text: str, stored: Any) -> None:
        """Write one field."""
        self.paths[path] = text
        put_at(self.data, path.segments, stored)

    def touches(self, path: FieldPath) -> bool:
        """Whether a field, a part of it or a field that contains it is changed."""
        known = [*self.paths, *self.transforms]
        return any(one.is_prefix_of(path) or path.is_prefix_of(one) for one in known)


def masked(codec: Codec[Any], model: type[Any], changes: Iterable[tuple[Any, Any]]) -> Masked:
    """The stored form of the changes passed to `update`.

    Args:
        codec: The codec of the model.
        model: The model.
        changes: Fields and their new values.

    Raises:
        UnknownFieldError: A name is not declared.
        InvalidValueError: A value doesn't fit its field.
        CendryError: Two changes overlap.
    """
    fields: list[tuple[ResolvedField, str, Any]] = []
    named: dict[FieldPath, str] = {}
    for key, value in changes:
        into = resolve_key(codec, key, "update")
        text = into.text
        if into.path == DOCUMENT_ID:
            raise CendryError(
                f"The id of a document can't be updated; save() this {model.__qualname__} under another id."
            )
        owner = codec.guarded(into.path)
        if owner is not None:
            name = owner.__qualname__
            raise InvalidValueError(
                model.__qualname__, text, f"a whole {name}, which validates its own values", "a part of it"
            )
        if into.path in named:
            raise CendryError(f"The update of {model.__qualname__} names {text!r} twice.")
        named[into.path] = text
        fields.append((into, text, from_sdk_change(value)))
    if len(named) > 1:
        _refuse_overlaps(model, named)
    found = Masked()
    for into, text, value in fields:
        if value is DELETE_FIELD:
            found.paths[into.path] = text
            _forget(found, model, into, text)
        elif value is None and into.field is not None and into.field.omits_none:
            found.paths[into.path] = text
            found.values.append((into.names, None))
        elif is_transform(value):
            found.transforms[into.path] = _transform(into, value)
        else:
            _write(found, into, text, value)
    return found


def _write(found: Masked, into: ResolvedField, text: str, value: Any) -> None:
    try:
        stored = into.encode(value)
    except InvalidValueError:
        # Checking for transforms is only needed if a value doesn't fit.
        marked = into.encode_changes(value)
        if marked is None:
            raise
        found.paths[into.path] = text
        transforms: list[FieldTransform] = []
        plain = without_changes(marked, transforms, into.path.segments)
        if plain:
            put_at(found.data, into.path.segments, plain)
        found.transforms.update((one.path, one) for one in transforms)
        return
    found.put(into.path, text, stored)
    if into.names:
        found.values.append((into.names, _read_back(into, stored)))


def _transform(into: ResolvedField, value: Any) -> FieldTransform:
    stored = into.encode_changes(value)
    if isinstance(stored, ArrayUnion) and can_refuse(into.shape):
        _read_back(into, list(stored.values))
    return FieldTransform(into.path, stored)


def _read_back(into: ResolvedField, stored: Any) -> Any:
    try:
        return into.decode(stored)
    except DecodeError as error:
        raise unreadable(error) from error.__cause__


def current_values(instance: Model, fields: object) -> list[tuple[FieldKey, Any]]:
    """The current values of an instance, for `update(x, fields=[...])`.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: The instance has no such value.
    """
    if isinstance(fields, (str, FieldPath)) or not is_iterable(fields):
        raise TypeError(f"fields= takes a list of fields, not {fields!r}.")
    codec = codec_for(type(instance))
    return [(one, value_at(instance, resolve_key(codec, one, "fields="))) for one in fields]


def check_maps(codec: Codec[Any], instance: Model, keys: Iterable[Any]) -> None:
    """Check that the maps around the fields of an update are there, as far as the instance knows.

    Raises:
        CendryError: A map is `None` or absent; the update would leave one without its other fields.
    """
    for key in keys:
        into = resolve_key(codec, key, "update")
        if len(into.names) < 2:
            continue
        value: Any = instance
        for depth, name in enumerate(into.names[:-1], 1):
            value = cast("Any", value).get(name) if isinstance(value, Mapping) else getattr(value, name, None)
            if value is None:
                around = codec.resolve(into.names[:depth])
                if any(isinstance(shape, Record) for shape in alternatives(around.shape)):
                    raise CendryError(
                        f"{around.text!r} is None in this {type(instance).__qualname__} (id {instance.id!r}): writing "
                        f"{into.text!r} alone would leave a map without its other fields; set the whole map."
                    )
                break


def items_of(changes: object, what: str) -> list[tuple[Any, Any]]:
    """Fields and their values, in the order given; empty for `None`.

    Raises:
        TypeError: It is not a mapping.
    """
    if changes is None:
        return []
    if isinstance(changes, type) or not callable(getattr(changes, "items", None)):
        raise TypeError(f"{what} as a dict ({{City.name: 'x'}}), not {changes!r}.")
    return list(cast("Changes", changes).items())


def built(model: type[M], document_id: str, values: Changes | None, what: str) -> M:
    """A new instance from top-level fields by name or descriptor.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: A key is not a field of the model itself, or a value is only for updates.
    """
    codec = codec_for(model)
    arguments: dict[str, Any] = {}
    for key, given in items_of(values, f"{what}= takes values"):
        value = from_sdk_change(given)
        field = resolve_key(codec, key, what)
        if len(field.names) != 1 or field.path == DOCUMENT_ID:
            raise CendryError(
                f"{field.text!r} can't be in {what} for a new {model.__qualname__}: use whole top-level "
                "fields, and pass the values of a new document to update_or_create() as create_defaults=."
            )
        if is_transform(value) or value is DELETE_FIELD:
            raise CendryError(
                f"{value!r} changes what is stored, and a new {model.__qualname__} has nothing stored: "
                "pass the values of a new document to update_or_create() as create_defaults=."
            )
        arguments[field.names[0]] = value
    return model(id=document_id, **arguments)


def _refuse_overlaps(model: type[Any], named: Mapping[FieldPath, str]) -> None:
    nested = overlap(named)
    if nested is not None:
        outer, inner = nested
        raise CendryError(
            f"The update of {model.__qualname__} names {named[outer]!r} and {named[inner]!r}, which is inside it; "
            "name only one of them."
        )


def _forget(found: Masked, model: type[Any], into: ResolvedField, text: str) -> None:
    """Remove a field; an absent field is read as its default, so a field without a default can't be removed."""
    if not into.names:
        return
    declared = into.field
    if declared is None:
        # A key of a dict is simply removed.
        found.values.append((into.names, MISSING))
        return
    if declared.required:
        expected = f"{describe(into.shape)} (the field is required)"
        raise InvalidValueError(model.__qualname__, text, expected, "DELETE_FIELD")
    found.values.append((into.names, into.absent()))


def show(instance: Model, values: Iterable[tuple[Names, Any]]) -> None:
    """Update an instance with the written values; those that it can't hold are left to `refresh`."""
    for names, value in values:
        holder: Any = instance
        for name in names[:-1]:
            holder = cast("Any", holder).get(name) if isinstance(holder, dict) else getattr(holder, name, None)
        if isinstance(holder, dict):
            mapping = cast("dict[str, Any]", holder)
            if value is MISSING:
                mapping.pop(names[-1], None)
            else:
                mapping[names[-1]] = value
        elif holder is not None and value is not MISSING:
            # Frozen instances too: they must show what is stored. Some foreign classes allow no changes at all.
            with suppress(AttributeError, TypeError):
                object.__setattr__(holder, names[-1], value)
