"""Filters and orders to Datastore's. Pure functions: nothing here sends or waits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, cast

from cendry._interop.protobuf import OPERATORS
from cendry.errors import InvalidRequestError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Condition, QueryPlan, Where, check_counts

from ._exclusions import MAX_INDEXED_BYTES, is_too_long
from ._keys import Partition, fill_key
from ._unsupported import unsupported
from ._values import write_value

KEY: Final = "__key__"
_ASCENDING: Final = 1
_DESCENDING: Final = 2
_OPERATORS: Final = {
    **OPERATORS,
    # A filter on an array looks at its elements.
    "array-contains": "EQUAL",
    "array-contains-any": "IN",
    "is-null": "EQUAL",
    # Null comes before all other values.
    "is-not-null": "GREATER_THAN",
    "is-nan": "EQUAL",
    "is-not-nan": "NOT_EQUAL",
}
# Datastore lets these match null, which Firestore doesn't.
_MATCH_NULL: Final = frozenset({"<", "<=", "!=", "not-in", "is-not-nan"})
_FROM_BELOW: Final = frozenset({">", ">=", "is-not-null"})
_SEVERAL: Final = frozenset({"in", "not-in", "array-contains-any"})
_OPERANDS: Final = {"is-nan": math.nan, "is-not-nan": math.nan}


def check_query(plan: QueryPlan) -> None:
    """Refuse what Datastore mode doesn't support.

    Raises:
        UnsupportedByBackendError: The plan needs it.
    """
    if plan.group:
        raise unsupported("collection groups")
    if plan.start is not None or plan.end is not None:
        raise unsupported("cursors by value")
    if plan.nearest is not None:
        raise unsupported("search by vector")


def fill_query(query: Any, plan: QueryPlan, partition: Partition) -> None:
    """Fill a `Query` message with kind, filters and orders of a plan.

    Raises:
        UnsupportedByBackendError: Datastore mode doesn't have what the plan asks for.
        InvalidRequestError: A value is too long for an index, and so no filter finds it.
    """
    check_query(plan)
    check_counts(plan.limit, plan.offset)
    if partition.max_inflated:
        _check_wholes(plan)
    query.kind.add(name=plan.collection)
    filters = [] if plan.where is None else list(_conditions(plan.where))
    count = len(filters) + (plan.parent is not None)
    guarded = [] if not filters else _paths_that_null_would_match(filters)
    target = query.filter
    if count + len(guarded) > 1:
        target.composite_filter.op = "AND"
    for condition in filters:
        _fill_condition(_next(target, count + len(guarded)).property_filter, condition, partition)
    for path in guarded:
        property_filter = _next(target, count + len(guarded)).property_filter
        property_filter.property.name = property_name(path)
        property_filter.op = "GREATER_THAN"
        property_filter.value.null_value = 0
    if plan.parent is not None:
        property_filter = _next(target, count + len(guarded)).property_filter
        property_filter.property.name = KEY
        property_filter.op = "HAS_ANCESTOR"
        fill_key(property_filter.value.key_value, plan.parent, partition)
    for order in plan.orders[: len(plan.orders) - plan.implied]:
        query.order.add(direction=_DESCENDING if order.descending else _ASCENDING).property.name = property_name(
            order.path
        )


def _check_wholes(plan: QueryPlan) -> None:
    """Refuse orders by maps, and filters for those that are there: ndb stores them in parts, and they have no value.

    Raises:
        UnsupportedByBackendError: There is one.
    """
    # Imported here, as only what ndb stores needs it.
    from cendry._types.shapes import Dict, Record, Tagged, bare

    paths = [order.path for order in plan.orders[: len(plan.orders) - plan.implied]]
    if plan.where is not None:
        paths += [one.path for one in _conditions(plan.where) if one.op == "is-not-null" or _is_not_none(one)]
    for path in paths:
        shape: Any = plan.shape
        for segment in path.segments:
            fields = getattr(bare(shape), "fields", ())
            shape = cast("Any", next((one.shape for one in fields if one.stored == segment), None))
        if isinstance(bare(shape), (Record, Dict, Tagged)):
            raise unsupported("orders by maps, and filters that compare them with None by !=, of what ndb stores")


def _is_not_none(one: Condition) -> bool:
    return one.op == "!=" and one.value is None


def _next(target: Any, count: int) -> Any:
    return target if count == 1 else target.composite_filter.filters.add()


def _conditions(where: Where) -> Iterator[Condition]:
    if isinstance(where, Condition):
        yield where
        return
    if where.op == "OR" and len(where.conditions) > 1:
        raise unsupported("OR filters")
    for one in where.conditions:
        yield from _conditions(one)


def _paths_that_null_would_match(conditions: list[Condition]) -> list[FieldPath]:
    bounded = {one.path for one in conditions if one.op in _FROM_BELOW or one.op in ("==", "in")}
    # A list of values in which null is one matches no null anyway.
    matching = {
        one.path: None
        for one in conditions
        if one.op in _MATCH_NULL and (one.value is not None or one.op == "is-not-nan") and one.path != DOCUMENT_ID
    }
    return [path for path in matching if path not in bounded]


def _fill_condition(message: Any, condition: Condition, partition: Partition) -> None:
    message.property.name = property_name(condition.path)
    message.op = _OPERATORS[condition.op]
    value: Any = _OPERANDS.get(condition.op, condition.value)
    if condition.op == "!=" and value is None:
        # Null comes before all other values.
        message.op = "GREATER_THAN"
    operands: Any = value if condition.op in _SEVERAL else (value,)
    for one in operands:
        _check_operand(condition, one)
    write_value(message.value, value, partition)


def _check_operand(condition: Condition, value: Any) -> None:
    if isinstance(value, (list, tuple, dict)):
        raise unsupported("filters by whole arrays and maps")
    if (isinstance(value, str) and is_too_long(value)) or (isinstance(value, bytes) and len(value) > MAX_INDEXED_BYTES):
        raise InvalidRequestError(
            f"a filter on {str(condition.path)!r} has a value of more than {MAX_INDEXED_BYTES} bytes, and values as "
            "long as that are in no index; filter by something shorter"
        )


def property_name(path: FieldPath) -> str:
    """The name of a property in filters, orders and figures.

    Raises:
        UnsupportedByBackendError: It has no such name.
    """
    if path == DOCUMENT_ID:
        return KEY
    # A lone name is taken as it is, and a dot joins the names of a path; Datastore has no quotes to tell them apart.
    if len(path) > 1 and any("." in segment for segment in path):
        raise unsupported("names with a dot inside maps, in filters and orders")
    return ".".join(path)
