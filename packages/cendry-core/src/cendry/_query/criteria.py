"""What a query says, part by part: fields in one canonical form, orders made explicit, cursors held against them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeGuard, Union, cast

from .._frozen import freeze, source
from .._model.model import Model
from ..codec import Codec, ResolvedField, codec_for
from ..errors import CendryError
from ..filters import And, Asc, Comparison, Desc, Filter, ModelField, Or
from ..paths import DOCUMENT_ID, FieldPath, quote_segment
from ..plan import is_inequality
from ..reference import Ref, located_path

FieldKey: TypeAlias = Union[str, ModelField, FieldPath]
"""A field by its Python name (dotted for nested ones), by descriptor, or by stored path."""

Place: TypeAlias = Union["tuple[str, ...]", FieldPath]
"""A field in one canonical form: Python names from the model down, or a stored path."""

ID_PLACE = ("id",)


class Cursor:
    """Where results begin or end: values by field, or an instance whose values count."""

    __slots__ = ("before", "instance", "values")

    def __init__(self, before: bool, values: tuple[tuple[Place, Any], ...], instance: Model | None) -> None:
        self.before = before
        self.values = values
        self.instance = instance


class Criteria(NamedTuple):
    """All that a query says."""

    model: type[Any]
    filters: tuple[Filter, ...] = ()
    orders: tuple[Asc | Desc, ...] = ()
    limit: int | None = None
    from_last: bool = False
    offset: int = 0
    start: Cursor | None = None
    end: Cursor | None = None
    parent: str | None = None
    group: bool = False
    read_time: datetime | None = None


# What type checkers can't see through isinstance without losing the type arguments


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether one can iterate over it."""
    return isinstance(value, Iterable)


def is_ref(value: object) -> TypeGuard[Ref[Any]]:
    """Whether it is a reference."""
    return isinstance(value, Ref)


# Fields


def place_of(model: type[Any], key: object, what: str) -> Place:
    """The canonical form of a field that the user named.

    Args:
        model: The model that the field belongs to.
        key: A declared name, a descriptor, or a stored path.
        what: Who takes it, for the error.

    Raises:
        UnknownFieldError: A name is not declared.
        TypeError: It is no field, or one of another model.
    """
    if isinstance(key, ModelField):
        check_owner(model, key)
        return names_of(key)
    if isinstance(key, FieldPath):
        return ID_PLACE if key == DOCUMENT_ID else key
    if isinstance(key, str):
        return ID_PLACE if key == "id" else codec_for(model).resolve_text(key).names
    raise TypeError(f"{what} takes a field of {model.__qualname__} (City.name, 'name' or FieldPath), not {key!r}.")


def names_of(field: ModelField) -> tuple[str, ...]:
    """The Python names of a descriptor, from its owner down."""
    return cast("tuple[str, ...]", cast("Any", field)._cendry_names)


def check_owner(model: type[Any], field: ModelField) -> None:
    """Refuse a descriptor of a class that `model` has nothing of.

    Raises:
        TypeError: The field belongs to another class.
    """
    descriptor = cast("Any", field)
    owner = descriptor._cendry_owner
    if owner is model or issubclass(model, owner):
        return
    hint = ""
    if owner.__cendry_kind__ == "map":
        hint = f" For an embedded map, write {model.__qualname__}.<field>[{field!r}]."
    raise TypeError(f"{field!r} is a field of {owner.__qualname__}, not of {model.__qualname__}.{hint}")


def resolved(codec: Codec[Any], place: Place) -> ResolvedField:
    """Where a field is stored, and how its values are converted; those of a stored path are taken as they are."""
    return codec.resolve_stored(place) if isinstance(place, FieldPath) else codec.resolve(place)


def place_text(place: Place) -> str:
    """A field as a user would write it in a string."""
    return str(place) if isinstance(place, FieldPath) else ".".join(map(quote_segment, place))


def described(model: type[Any], place: Place) -> Any:
    """The descriptor (or stored path) of a place."""
    if isinstance(place, FieldPath):
        return place
    field: Any = getattr(model, place[0])
    for name in place[1:]:
        field = field[name]
    return field


# Orders


class Sorting(NamedTuple):
    """One field that a query sorts by."""

    place: Place
    path: FieldPath
    descending: bool


def order_place(order: Asc | Desc) -> Place:
    """The field of an order, in its canonical form."""
    return field_place(order.field)


def field_place(field: ModelField | FieldPath | str) -> Place:
    """The canonical form of a field that stands in a filter or an order."""
    if isinstance(field, ModelField):
        return names_of(field)
    # A name was turned into its descriptor when the query was built.
    assert isinstance(field, FieldPath)
    return ID_PLACE if field == DOCUMENT_ID else field


def stored_path(model: type[Any], place: Place) -> FieldPath:
    """Where a field is stored; types and registries play no part in it."""
    if isinstance(place, FieldPath):
        return place
    return DOCUMENT_ID if place == ID_PLACE else codec_for(model).resolve(place).path


def explicit_sortings(criteria: Criteria) -> tuple[Sorting, ...]:
    """What the query says to sort by: its orders, or else the fields of its cursors."""
    model = criteria.model
    if criteria.orders:
        orders = [(order_place(order), order.descending) for order in criteria.orders]
        return tuple([Sorting(place, stored_path(model, place), descending) for place, descending in orders])
    cursors = [one.values for one in (criteria.start, criteria.end) if one is not None]
    longest = max(cursors, key=len, default=())
    named = tuple(Sorting(place, stored_path(model, place), False) for place, _ in longest)
    implicit = {one.path for one in _implicit(criteria, ())[: len(named)]}
    return () if implicit == {one.path for one in named} else named


def complete_sortings(criteria: Criteria) -> tuple[Sorting, ...]:
    """All that the database sorts by: the explicit orders, fields with inequalities, then the id.

    See https://firebase.google.com/docs/firestore/query-data/order-limit-data; the implicit ones have the direction
    of the last explicit one.
    """
    explicit = explicit_sortings(criteria)
    return explicit + _implicit(criteria, explicit)


def _implicit(criteria: Criteria, explicit: tuple[Sorting, ...]) -> tuple[Sorting, ...]:
    descending = explicit[-1].descending if explicit else False
    known = {one.path for one in explicit}
    unequal = {
        stored_path(criteria.model, place): place
        for one in criteria.filters
        for place in _unequal_places(one)
        if place != ID_PLACE
    }
    ordered = [Sorting(unequal[path], path, descending) for path in sorted(unequal) if path not in known]
    if DOCUMENT_ID not in known:
        ordered.append(Sorting(ID_PLACE, DOCUMENT_ID, descending))
    return tuple(ordered)


def _unequal_places(one: Filter) -> Iterator[Place]:
    if isinstance(one, Comparison):
        if is_inequality(one.op, one.value):
            yield field_place(one.field)
        return
    for part in cast("And | Or", one).filters:
        yield from _unequal_places(part)


# Cursors, held against the orders


def cursor_values(criteria: Criteria, cursor: Cursor) -> tuple[tuple[Place, Any], ...]:
    """The values of a cursor; an instance gives one for each order, the id last.

    Raises:
        CendryError: The instance has no value where the query sorts.
    """
    if cursor.instance is None:
        return cursor.values
    places = [one.place for one in complete_sortings(criteria)]
    # No two documents have one id, so that what comes after it decides nothing.
    values = [(place, value_at(cursor.instance, place)) for place in places[: places.index(ID_PLACE)]]
    return (*values, (ID_PLACE, _id_value(criteria, cursor.instance)))


def value_at(instance: Model, place: Place) -> Any:
    """The current value of a field of an instance, nested ones too.

    Raises:
        CendryError: There is none.
    """
    if isinstance(place, FieldPath):
        raise CendryError(
            f"{place!r} is a stored path, and an instance is asked by Python names: "
            f"use a declared field of {type(instance).__qualname__}."
        )
    value: Any = instance
    for name in place:
        try:
            value = cast("Any", value)[name] if isinstance(value, Mapping) else getattr(value, name)
        except (KeyError, AttributeError):
            raise CendryError(
                f"This {type(instance).__qualname__} (id {instance.id!r}) has no value at {place_text(place)!r}."
            ) from None
    return value


def _id_value(criteria: Criteria, instance: Model) -> str:
    if instance.id is None:
        raise CendryError(f"This {type(instance).__qualname__} can't be a cursor: it has no id.")
    return located_path(instance) if criteria.group else instance.id


def cursor_key(criteria: Criteria, cursor: Cursor | None) -> Any:
    """What equality and hash of a cursor rest on."""
    if cursor is None:
        return None
    return cursor.before, frozenset((place, freeze(value)) for place, value in cursor_values(criteria, cursor))


def shown_cursor(criteria: Criteria, cursor: Cursor) -> str:
    """A cursor as Python."""
    shown = (
        f"{(place if isinstance(place, FieldPath) else place_text(place))!r}: {source(value)}"
        for place, value in cursor_values(criteria, cursor)
    )
    return "{" + ", ".join(shown) + "}"
