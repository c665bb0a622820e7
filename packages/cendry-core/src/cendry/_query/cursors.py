"""Cursors, held against what a query sorts by: which values they have, and the bounds of a plan that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from .._immutable import replace
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
    """The same query, its cursors by values: an instance gives one for each order, the id last.

    Raises:
        CendryError: The instance has no value where the query sorts.
    """
    if (spec.start is None or spec.start.instance is None) and (spec.end is None or spec.end.instance is None):
        return spec
    codec = codec_for(spec.model)
    # The values stay as they are: they may not be what the default registry takes, and hardly matter to the orders.
    conditions = [Condition(resolved(codec, one.field).path, one.op, one.value) for one in comparisons(spec.filters)]
    where = Composite("AND", tuple(conditions)) if conditions else None
    start, end = _given(codec, spec.start), _given(codec, spec.end)
    _, orders = _sort_orders(where, compiled_orders(spec, codec), start, end)
    return replace(spec, start=_settled(spec, codec, spec.start, orders), end=_settled(spec, codec, spec.end, orders))


def _settled(spec: QuerySpec, codec: Codec[Any], cursor: Cursor | None, orders: tuple[Order, ...]) -> Cursor | None:
    if cursor is None or cursor.instance is None:
        return cursor
    values = _instance_values(spec, codec, cursor.instance, orders)
    return Cursor(cursor.before, tuple([(descriptor_of(spec.model, field), value) for field, value in values]))


def compiled_orders(spec: QuerySpec, codec: Codec[Any]) -> tuple[Order, ...]:
    """The orders that a query names."""
    return tuple([Order(resolved(codec, one.field).path, one.descending) for one in spec.orders])


def compiled_bounds(
    spec: QuerySpec, codec: Codec[Any], where: Where | None, named: tuple[Order, ...], *, complete: bool
) -> tuple[tuple[Order, ...], int, Bound | None, Bound | None]:
    """What a query sorts by, and the bounds that its cursors are in that order.

    Args:
        spec: The query.
        codec: The codec of its model.
        where: The compiled filters.
        named: The orders that the query names.
        complete: Whether the implied orders have to stand in the plan, so that any document can be a cursor.

    Returns:
        The orders, how many of the last ones are implied, the start and the end.

    Raises:
        CendryError: A cursor doesn't fit the orders.
        InvalidValueError: A value doesn't fit its field.
    """
    start, end = _given(codec, spec.start), _given(codec, spec.end)
    explicit, orders = _sort_orders(where, named, start, end)
    if not complete and not any(one is not None and one.instance is not None for one in (spec.start, spec.end)):
        # A cursor may have values for implied orders; then these are named, and no others.
        orders = orders[: max(len(explicit), len(start), len(end))]
    implied = len(orders) - len(explicit)
    return orders, implied, _bound(spec, codec, spec.start, start, orders), _bound(spec, codec, spec.end, end, orders)


def _given(codec: Codec[Any], cursor: Cursor | None) -> Values:
    return [] if cursor is None else [(resolved(codec, field), value) for field, value in cursor.values]


def _sort_orders(
    where: Where | None, named: tuple[Order, ...], start: Values, end: Values
) -> tuple[tuple[Order, ...], tuple[Order, ...]]:
    """The explicit orders of a query, which are else the fields of its longest cursor, and all that it sorts by."""
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
    # No two documents have one id, so what comes after it decides nothing.
    sorted_by = [fields[path] for path in paths[: paths.index(DOCUMENT_ID)]]
    return [*((field, value_at(instance, field)) for field in sorted_by), (fields[DOCUMENT_ID], _id_of(spec, instance))]


def _fields(spec: QuerySpec, codec: Codec[Any]) -> dict[FieldPath, ResolvedField]:
    """Every field that a query can sort by, by its stored path."""
    refs: list[Any] = [one.field for one in (*comparisons(spec.filters), *spec.orders)]
    refs += [field for one in (spec.start, spec.end) if one is not None for field, _ in one.values]
    refs.append(DOCUMENT_ID)
    return {field.path: field for field in (resolved(codec, ref) for ref in refs)}


def value_at(instance: Model, field: ResolvedField) -> Any:
    """The current value of a field of an instance, nested ones too.

    Raises:
        CendryError: There is none.
    """
    if not field.names:
        raise CendryError(
            f"{field.path!r} is a stored path, but values of an instance are found by Python name: "
            f"use a declared field of {type(instance).__qualname__}."
        )
    value: Any = instance
    for name in field.names:
        try:
            value = cast("Any", value)[name] if isinstance(value, Mapping) else getattr(value, name)
        except (KeyError, AttributeError):
            raise CendryError(
                f"This {type(instance).__qualname__} (id {instance.id!r}) has no value for {field.text!r}."
            ) from None
    return value


def _id_of(spec: QuerySpec, instance: Model) -> str:
    if instance.id is None:
        raise CendryError(f"This {type(instance).__qualname__} can't be a cursor: it has no id.")
    return located_path(instance) if spec.group else instance.id
