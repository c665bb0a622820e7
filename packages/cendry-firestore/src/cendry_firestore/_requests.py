"""Plans to Firestore's requests, and its documents to results. Pure functions: nothing here sends or waits."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from cendry._immutable import replace
from cendry._interop.protobuf import (
    OPERATORS,
    aggregation_values,
    check_read_time,
    fill_aggregations,
    to_datetime,
    write_timestamp,
)
from cendry.backend import DocumentResult, NearResult
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    AggregationPlan,
    Bound,
    Condition,
    GetPlan,
    Nearest,
    Order,
    QueryPlan,
    Where,
    check_counts,
    check_elements,
)

from . import _sdk
from ._transactions import TransactionHandle
from ._values import decode_fields, decode_value, document_name, document_path, write_value

ASCENDING: Final = 1
DESCENDING: Final = 2

DISTANCE_FIELD: Final = f"cendry_distance_{os.urandom(16).hex()}"
"""The field of a result that holds its distance. The server overwrites a stored field of that name, so nobody knows it
in advance, and it is taken out of the document again."""

_DISTANCE_MEASURES: Final = {"euclidean": "EUCLIDEAN", "cosine": "COSINE", "dot_product": "DOT_PRODUCT"}
_OPERATORS: Final = {**OPERATORS, "array-contains": "ARRAY_CONTAINS", "array-contains-any": "ARRAY_CONTAINS_ANY"}
_UNARY_OPERATORS: Final = {
    "is-null": "IS_NULL",
    "is-not-null": "IS_NOT_NULL",
    "is-nan": "IS_NAN",
    "is-not-nan": "IS_NOT_NAN",
}


# --- transactions ---


def rollback_request(database: str, transaction: bytes) -> Any:
    """The request that ends a transaction without writing."""
    return _sdk.RollbackRequest(database=database, transaction=transaction)


# --- reads ---


def get_request(plan: GetPlan, paths: Sequence[str], database: str, transaction: TransactionHandle | None) -> Any:
    """The request for those documents of the plan that are still to come."""
    request = _sdk.BatchGetDocumentsRequest(
        database=database, documents=[document_name(database, path) for path in paths]
    )
    if plan.projection is not None:
        request.mask.field_paths.extend(map(str, plan.projection or (DOCUMENT_ID,)))
    _fill_moment(request, plan.read_time, transaction)
    return request


def query_request(plan: QueryPlan, database: str, transaction: TransactionHandle | None) -> Any:
    """The request that runs a query."""
    request = _sdk.RunQueryRequest(parent=parent_name(plan, database))
    fill_query(request.structured_query, plan, database)
    _fill_moment(request, plan.read_time, transaction)
    return request


def aggregation_request(plan: AggregationPlan, database: str, transaction: TransactionHandle | None) -> Any:
    """The request for figures over a query."""
    if plan.query.read_time is not None:
        check_read_time(plan.query.read_time)
    request = _sdk.RunAggregationQueryRequest(parent=parent_name(plan.query, database))
    query = request.structured_aggregation_query
    fill_query(query.structured_query, plan.query, database)
    fill_aggregations(query.aggregations, plan.aggregations, _write_path)
    _fill_moment(request, plan.query.read_time, transaction)
    return request


def _fill_moment(request: Any, read_time: datetime | None, transaction: TransactionHandle | None) -> None:
    # A read with a moment of its own is not part of a transaction.
    if read_time is not None:
        write_timestamp(request.read_time, read_time)
    elif transaction is not None:
        transaction.fill(request)


def partition_request(plan: QueryPlan, count: int, database: str) -> Any:
    """The request for the places at which up to `count` parts of a query begin."""
    if plan.read_time is not None:
        check_read_time(plan.read_time)
    request = _sdk.PartitionQueryRequest(parent=parent_name(plan, database), partition_count=count - 1)
    # The only order that it takes, and one that has to be given.
    fill_query(request.structured_query, replace(plan, orders=(Order(DOCUMENT_ID),)), database)
    _fill_moment(request, plan.read_time, None)
    return request


def cuts_of(response: Any, database: str) -> list[str]:
    """The paths of the documents at which parts begin."""
    return [document_path(database, cursor.values[0].reference_value) for cursor in response.partitions]


def _write_path(function: Any, path: FieldPath) -> None:
    function.field.field_path = str(path)


def aggregation_result(plan: AggregationPlan, response: Any, database: str) -> tuple[int | float | None, ...]:
    """The figures, in the order of the plan."""
    fields = response.result.aggregate_fields
    return aggregation_values(fields, len(plan.aggregations), lambda value: decode_value(value, database))


def parent_name(plan: QueryPlan, database: str) -> str:
    """The name of the document that holds the plan's collection, or of the root."""
    return document_name(database, plan.parent) if plan.parent else f"{database}/documents"


def fill_query(query: Any, plan: QueryPlan, database: str) -> None:
    """Fill a `StructuredQuery` message with what the plan asks for."""
    query.from_.add(collection_id=plan.collection, all_descendants=plan.group)
    if plan.projection is not None:
        for path in plan.projection or (DOCUMENT_ID,):
            query.select.fields.add(field_path=str(path))
    if plan.where is not None:
        check_elements(plan.where)
        _fill_filter(query.where, plan.where, database)
    for order in plan.orders:
        query.order_by.add(direction=DESCENDING if order.descending else ASCENDING).field.field_path = str(order.path)
    _fill_cursor(query, "start_at", plan.start, database)
    _fill_cursor(query, "end_at", plan.end, database)
    check_counts(plan.limit, plan.offset)
    query.offset = plan.offset
    if plan.limit is not None:
        query.limit.value = plan.limit
        query.limit.SetInParent()
    if plan.nearest is not None:
        _fill_nearest(query.find_nearest, plan.nearest, database)


def _fill_nearest(message: Any, nearest: Nearest, database: str) -> None:
    message.vector_field.field_path = str(nearest.path)
    write_value(message.query_vector, nearest.vector, database)
    message.distance_measure = _DISTANCE_MEASURES[nearest.distance]
    message.limit.value = nearest.limit
    message.limit.SetInParent()
    message.distance_result_field = DISTANCE_FIELD
    if nearest.threshold is not None:
        message.distance_threshold.value = nearest.threshold
        message.distance_threshold.SetInParent()


def distance_in(document: Any) -> float:
    """The distance in a `Document` message that a search by vector found; it is taken out of it."""
    fields = document.fields
    distance: float = fields[DISTANCE_FIELD].double_value
    del fields[DISTANCE_FIELD]
    return distance


def _fill_cursor(query: Any, name: str, bound: Bound | None, database: str) -> None:
    if bound is None:
        return
    cursor = getattr(query, name)
    cursor.before = bound.before
    for value in bound.values:
        write_value(cursor.values.add(), value, database)


def _fill_filter(message: Any, where: Where, database: str) -> None:
    if isinstance(where, Condition):
        _fill_condition(message, where, database)
    elif len(where.conditions) == 1:
        _fill_filter(message, where.conditions[0], database)
    else:
        message.composite_filter.op = where.op
        for condition in where.conditions:
            _fill_filter(message.composite_filter.filters.add(), condition, database)


def _fill_condition(message: Any, condition: Condition, database: str) -> None:
    unary = _UNARY_OPERATORS.get(condition.op) or _unary_of(condition)
    if unary is not None:
        message.unary_filter.op = unary
        message.unary_filter.field.field_path = str(condition.path)
    else:
        message.field_filter.op = _OPERATORS[condition.op]
        message.field_filter.field.field_path = str(condition.path)
        write_value(message.field_filter.value, condition.value, database)


def _unary_of(condition: Condition) -> str | None:
    """Firestore compares with null and NaN by operators of their own."""
    if condition.op not in ("==", "!="):
        return None
    negation = "IS_NOT_" if condition.op == "!=" else "IS_"
    if condition.value is None:
        return negation + "NULL"
    if isinstance(condition.value, float) and math.isnan(condition.value):
        return negation + "NAN"
    return None


def document_result(document: Any, read_time: datetime | None, database: str) -> DocumentResult:
    """A `Document` message as a result."""
    return DocumentResult(
        document_path(database, document.name),
        decode_fields(document.fields, database),
        to_datetime(document.create_time),
        to_datetime(document.update_time),
        read_time,
    )


def near_result(document: Any, read_time: datetime | None, database: str, distance: float) -> NearResult:
    """A `Document` message that a search by vector found, as a result."""
    result = NearResult(*document_result(document, read_time, database))
    result.distance = distance
    return result
