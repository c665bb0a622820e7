"""Cursors: checked against the orders of a query, and compiled to the bounds of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from .._immutable import replace
from .._model.metadata import upgraded
from .._model.model import Model
from ..codec import Codec, ResolvedField, codec_for
from ..errors import CendryError
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import Bound, Composite, Condition, Order, Where, full_orders
from ..reference import located_path
from .conditions import encoder
from .fields import descriptor_of, resolved
from .spec import Cursor, QuerySpec, comparisons

Values: TypeAlias = "Sequence[tuple[ResolvedField, Any]]"


def settled(spec: QuerySpec) -> QuerySpec:
    """The same query with cursors by value: an instance becomes one value for each order, the id last.

    Raises:
        CendryError: The instance has no value for a field that the query sorts by.
    """
    if not _has_instance(spec.start) and not _has_instance(spec.end):
        return spec
    codec = codec_for(spec.model)
    # The values are not converted: the default registry may not accept them, and the orders hardly depend on them.
    conditions = [Condition(resolved(codec, one.field).path, one.op, one.value) for one in comparisons(spec.filters)]
    where = Composite("AND", tuple(conditions)) if conditions else None
    start, end = _given(codec, spec.start), _given(codec, spec.end)
    _, orders = _sort_orders(where, compiled_orders(spec, codec), start, end)
    return replace(spec, start=_settled(spec, codec, spec.start, orders), end=_settled(spec, codec, spec.end, orders))


def _has_instance(cursor: Cursor | None) -> bool:
    return cursor is not None and (cursor.instance is not None or _has_instance(cursor.within))


def _settled(spec: QuerySpec, codec: Codec[Any], cursor: Cursor | None, orders: tuple[Order, ...]) -> Cursor | None:
    if cursor is None:
        return None
    if cursor.within is not None:
        return replace(cursor, within=_settled(spec, codec, cursor.within, orders))
    if cursor.instance is None:
        return cursor
    values = _instance_values(spec, codec, cursor.instance, orders)
    return Cursor(cursor.before, tuple([(descriptor_of(field), value) for field, value in values]))


def compiled_orders(spec: QuerySpec, codec: Codec[Any]) -> tuple[Order, ...]:
    """The orders that a query names."""
    return tuple([Order(resolved(codec, one.field).path, one.descending) for one in spec.orders])


def compiled_bounds(
    spec: QuerySpec, codec: Codec[Any], where: Where | None, named: tuple[Order, ...], *, complete: bool
) -> tuple[tuple[Order, ...], int, Bound | None, Bound | None]:
    """The orders of a query, and the bounds for its cursors in that order.

    Args:
        spec: The query.
        codec: The codec of its model.
        where: The compiled filters.
        named: The orders that the query names.
        complete: Whether the plan has to include the implied orders, so that any document can be a cursor.

    Returns:
        The orders, how many of the last ones are implied, the start and the end.

    Raises:
        CendryError: A cursor doesn't fit the orders.
        InvalidValueError: A value doesn't fit its field.
    """
    start, end = _given(codec, spec.start), _given(codec, spec.end)
    explicit, orders = _sort_orders(where, named, start, end)
    if not complete and not any(map(_needs_all_orders, (spec.start, spec.end))):
        # If a cursor has values for implied orders, exactly these become explicit.
        orders = orders[: max(len(explicit), len(start), len(end))]
    implied = len(orders) - len(explicit)
    return orders, implied, _bound(spec, codec, spec.start, start, orders), _bound(spec, codec, spec.end, end, orders)


def _needs_all_orders(cursor: Cursor | None) -> bool:
    return cursor is not None and (cursor.instance is not None or cursor.token is not None)


def _given(codec: Codec[Any], cursor: Cursor | None) -> Values:
    if cursor is not None and cursor.token is not None:
        cursor = cursor.within
    return [] if cursor is None else [(resolved(codec, field), value) for field, value in cursor.values]


def _sort_orders(
    where: Where | None, named: tuple[Order, ...], start: Values, end: Values
) -> tuple[tuple[Order, ...], tuple[Order, ...]]:
    """The explicit orders of a query (by default the fields of its longest cursor), and all its orders."""
    if not named:
        orders = full_orders(where, ())
        paths = [field.path for field, _ in max(start, end, key=len)]
        if {order.path for order in orders[: len(paths)]} == set(paths):
            return (), orders
        named = tuple([Order(path) for path in paths])
    return named, full_orders(where, named)


def _bound(
    spec: QuerySpec, codec: Codec[Any], cursor: Cursor | None, values: Values, orders: tuple[Order, ...]
) -> Bound | None:
    if cursor is None:
        return None
    if cursor.token is not None:
        assert cursor.place is not None, "tokens are checked before a query is compiled"
        return cursor.place if isinstance(cursor.place, Bound) else None
    if cursor.instance is not None:
        values = _instance_values(spec, codec, cursor.instance, orders)
    given = {field.path: (field, value) for field, value in values}
    stored: list[Any] = []
    for order in orders[: len(given)]:
        if order.path not in given:
            raise CendryError(
                f"The cursor has values for {_texts(given)}, but the query sorts by "
                f"{_fields(spec, codec)[order.path].text!r} before that. "
                "A cursor needs values for the first orders of its query, without gaps."
            )
        field, value = given.pop(order.path)
        stored.append(encoder(spec, field)(value))
    if given:
        raise CendryError(
            f"The cursor has a value for {_texts(given)}, but the query doesn't sort by it; add order_by."
        )
    return Bound(tuple(stored), cursor.before)


def _texts(given: Mapping[FieldPath, tuple[ResolvedField, Any]]) -> str:
    return " and ".join(repr(field.text) for field, _ in given.values())


def _instance_values(spec: QuerySpec, codec: Codec[Any], instance: Model, orders: tuple[Order, ...]) -> Values:
    fields = _fields(spec, codec)
    paths = [order.path for order in orders]
    # Ids are unique, so orders after the id have no effect.
    sorted_by = [fields[path] for path in paths[: paths.index(DOCUMENT_ID)]]
    _refuse_upgraded(instance, sorted_by)
    return [*((field, value_at(instance, field)) for field in sorted_by), (fields[DOCUMENT_ID], _id_of(spec, instance))]


def _refuse_upgraded(instance: Model, sorted_by: Sequence[ResolvedField]) -> None:
    """Check that the values of an instance are those that its document is sorted by.

    Raises:
        CendryError: An upgrade has changed one after it was read.
    """
    other = upgraded(instance)
    if other is None:
        return
    for field in sorted_by:
        if field.path.segments[0] in other.changed:
            name = type(instance).__qualname__
            raise CendryError(
                f"This {name} (id {instance.id!r}) can't be a cursor: the query sorts by {field.text!r}, and its "
                f"document is stored as version {other.version}, in which that field has another value. Use a page "
                "token, sort by another field, or save() the instance first."
            )


def _fields(spec: QuerySpec, codec: Codec[Any]) -> dict[FieldPath, ResolvedField]:
    """All fields that the query may sort by, by stored path."""
    refs: list[Any] = [one.field for one in (*comparisons(spec.filters), *spec.orders)]
    for one in (spec.start, spec.end):
        if one is not None:
            refs += [field for field, _ in (one if one.within is None else one.within).values]
    refs.append(DOCUMENT_ID)
    return {field.path: field for field in (resolved(codec, ref) for ref in refs)}


def value_at(instance: Model, field: ResolvedField) -> Any:
    """The current value of a field of an instance, nested ones too.

    Raises:
        CendryError: It has none.
    """
    if not field.names:
        raise CendryError(
            f"{field.path!r} is a stored path, but values of an instance are found by Python name: "
            f"use a declared field of {type(instance).__qualname__}."
        )
    value: Any = instance
    if field.chosen(instance) is None:
        raise _valueless(instance, field)
    for name in field.names:
        try:
            value = cast("Any", value)[name] if isinstance(value, Mapping) else getattr(value, name)
        except (KeyError, AttributeError):
            raise _valueless(instance, field) from None
    return value


def _valueless(instance: Model, field: ResolvedField) -> CendryError:
    return CendryError(f"This {type(instance).__qualname__} (id {instance.id!r}) has no value for {field.text!r}.")


def _id_of(spec: QuerySpec, instance: Model) -> str:
    if instance.id is None:
        raise CendryError(f"This {type(instance).__qualname__} can't be a cursor: it has no id.")
    return located_path(instance) if spec.group else instance.id
