"""Typed changes: one field and its new value. Nothing here knows models or converts values."""

# What fields know about their values is private, so as not to clash with the fields inside them.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import Any, cast, final

from ._frozen import freeze, own_copy
from .filters import Filter, ModelField, field_key

__all__ = ["FieldChange"]


@final
class FieldChange:
    """One field and its new value, for writes; the result of `City.name.set("x")`. Immutable.

    Two changes are equal if they have the same field, and values of the same type and value.

    Args:
        field: A field (`City.name`).
        value: A Python value, a transform or `DELETE_FIELD`; converted by the field's type when it is written.

    Raises:
        TypeError: It is not a field, or the value is a field or a filter.
    """

    __slots__ = ("_field", "_value")
    _field: ModelField
    _value: Any

    def __init__(self, field: ModelField, value: Any) -> None:
        if not isinstance(cast(object, field), ModelField):
            raise TypeError(f"A change has a field (City.name), not {field!r}.")
        if isinstance(value, (ModelField, Filter, FieldChange)):
            raise TypeError(f"{field!r} can't be set to {value!r}, which is not a value.")
        object.__setattr__(self, "_field", field)
        object.__setattr__(self, "_value", own_copy(value))

    @property
    def field(self) -> ModelField:
        """The field."""
        return self._field

    @property
    def value(self) -> Any:
        """The Python value, not yet converted; a new copy on each access."""
        return own_copy(self._value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"FieldChange is immutable; can't set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"FieldChange is immutable; can't delete {name!r}.")

    def _key(self) -> tuple[Any, ...]:
        return (field_key(self._field), freeze(self._value))

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, FieldChange) else NotImplemented

    def __hash__(self) -> int:
        return hash((FieldChange, self._key()))

    def __repr__(self) -> str:
        return f"{self._field!r}.set({self._field._cendry_source(self._value)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FieldChange, (self._field, self._value)
