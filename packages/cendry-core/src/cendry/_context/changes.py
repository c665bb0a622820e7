"""What `update` is told, turned into a mask, data and transforms; and what it means for an instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, cast

from .._interop.google import from_sdk_change
from .._model.model import Model
from .._query.criteria import ID_PLACE, FieldKey, Place, is_iterable, place_of, place_text, resolved, value_at
from .._types.shapes import describe
from ..codec import Codec, ResolvedField
from ..errors import CendryError, InvalidValueError
from ..paths import FieldPath
from ..plan import FieldTransform, overlap, put_at
from ..values import DELETE_FIELD, SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, Increment, Maximum, Minimum, is_transform


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
        transforms: What the server computes.
        values: What instances show after the commit: new values by Python names.
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
        """Whether a field, a part of it or what holds it is changed."""
        known = [*self.paths, *self.transforms]
        return any(one.is_prefix_of(path) or path.is_prefix_of(one) for one in known)


def masked(codec: Codec[Any], model: type[Any], changes: Iterable[tuple[Any, Any]], now: datetime) -> Masked:
    """The stored form of what `update` was told.

    Args:
        codec: The codec of the model.
        model: The model.
        changes: Fields and their new values.
        now: The time of the context's clock.

    Raises:
        UnknownFieldError: A name is not declared.
        InvalidValueError: A value doesn't fit its field.
        CendryError: Two changes overlap.
    """
    places: list[tuple[Place, str, ResolvedField, Any]] = []
    named: dict[FieldPath, str] = {}
    for key, value in changes:
        place = place_of(model, key, "update")
        text = place_text(place)
        if place == ID_PLACE:
            raise CendryError(f"The id of a document can't be updated; save() this {model.__qualname__} under another.")
        into = resolved(codec, place)
        if into.path in named:
            raise CendryError(f"The update of {model.__qualname__} names {text!r} twice.")
        named[into.path] = text
        places.append((place, text, into, from_sdk_change(value)))
    if len(named) > 1:
        _refuse_overlaps(model, named)
    found = Masked()
    for place, text, into, value in places:
        if value is DELETE_FIELD:
            found.paths[into.path] = text
            _forget(found, codec, model, place, text)
        elif is_transform(value):
            found.transforms[into.path] = FieldTransform(into.path, stored_transform(model, into, text, value, now))
        else:
            stored = into.encode(value)
            found.put(into.path, text, stored)
            if not isinstance(place, FieldPath):
                found.values.append((place, into.decode(stored)))
    return found


def current_values(instance: Model, fields: object) -> list[tuple[FieldKey, Any]]:
    """The values that an instance has now, for `update(x, fields=[...])`.

    Raises:
        UnknownFieldError: A name is not declared.
        CendryError: The instance has no such value.
    """
    if isinstance(fields, (str, FieldPath)) or not is_iterable(fields):
        raise TypeError(f"fields= takes a list of fields, not {fields!r}.")
    model = type(instance)
    return [(one, value_at(instance, place_of(model, one, "fields="))) for one in fields]


def stored_transform(model: type[Any], into: ResolvedField, text: str, value: Any, now: datetime) -> Any:
    """A transform with its operands as stored values.

    Raises:
        InvalidValueError: The field can't hold what it would make.
    """
    match value:
        case ArrayUnion() | ArrayRemove():
            encode = into.encode_element
            if encode is None:
                raise InvalidValueError(model.__qualname__, text, describe(into.shape), f"{type(value).__name__}")
            return type(value)([encode(one) for one in value.values])
        case Increment() | Maximum() | Minimum():
            operand = into.encode(value.value)
            if isinstance(operand, bool) or not isinstance(operand, (int, float)):
                raise InvalidValueError(model.__qualname__, text, describe(into.shape), f"{type(value).__name__}")
            return type(value)(operand)
        case _:
            if not isinstance(into.encode(now), datetime):
                raise InvalidValueError(model.__qualname__, text, describe(into.shape), "SERVER_TIMESTAMP")
            return SERVER_TIMESTAMP


def _refuse_overlaps(model: type[Any], named: Mapping[FieldPath, str]) -> None:
    nested = overlap(named)
    if nested is not None:
        outer, inner = nested
        raise CendryError(
            f"The update of {model.__qualname__} names {named[outer]!r} and {named[inner]!r}, which lies in it; "
            "name one of them."
        )


def _forget(found: Masked, codec: Codec[Any], model: type[Any], place: Place, text: str) -> None:
    """Remove a field; an absent one reads as its default, so that one without a default must stay."""
    if isinstance(place, FieldPath):
        return
    into = codec.resolve(place)
    declared = into.field
    if declared is None:
        # A key of a dict goes without a trace.
        found.values.append((place, MISSING))
        return
    if declared.required:
        expected = f"{describe(into.shape)} (the field is required)"
        raise InvalidValueError(model.__qualname__, text, expected, "DELETE_FIELD")
    found.values.append((place, into.absent()))


def show(instance: Model, values: Iterable[tuple[Names, Any]]) -> None:
    """Bring an instance up to date with values that were written; what it has no place for is left to `refresh`."""
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
            # Frozen instances too: what they show is what is stored. Some foreign classes let no one in.
            with suppress(AttributeError, TypeError):
                object.__setattr__(holder, names[-1], value)
