"""Plans to Datastore's requests, and figures from responses. Pure functions: nothing here sends or waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from cendry._immutable import replace
from cendry._interop.protobuf import aggregation_values, fill_aggregations, write_timestamp
from cendry.paths import FieldPath
from cendry.plan import MAX_AGGREGATIONS, AggregationPlan, GetPlan, QueryPlan

from . import _sdk
from ._filters import KEY, fill_query, property_name
from ._keys import Partition
from ._transactions import TransactionHandle
from ._values import decode_value

_MOST_GAPS: Final = 3

# --- transactions ---


def begin_request(partition: Partition, transaction: TransactionHandle) -> Any:
    """The request that begins a transaction."""
    request = _sdk.BeginTransactionRequest(project_id=partition.project, database_id=partition.database)
    transaction.fill_new(request.transaction_options)
    return request


def rollback_request(partition: Partition, transaction: TransactionHandle) -> Any:
    """The request that ends a transaction without writing."""
    return _sdk.RollbackRequest(
        project_id=partition.project, database_id=partition.database, transaction=transaction.id
    )


# --- reads ---


def lookup_request(plan: GetPlan, keys: list[Any], partition: Partition, transaction: TransactionHandle | None) -> Any:
    """The request for the entities with these keys."""
    request = _sdk.LookupRequest(project_id=partition.project, database_id=partition.database, keys=keys)
    _fill_read_options(request.read_options, plan.read_time, transaction)
    _fill_property_mask(request.property_mask, plan.projection, wholes=bool(partition.max_inflated))
    return request


def query_request(plan: QueryPlan, partition: Partition, transaction: TransactionHandle | None) -> Any:
    """The request that begins a query; limit and offset are left out.

    Raises:
        UnsupportedByBackendError: Datastore mode doesn't have what the plan asks for.
        InvalidRequestError: A value is too long for an index.
    """
    request = _sdk.RunQueryRequest(project_id=partition.project, database_id=partition.database)
    partition.fill(request.partition_id)
    _fill_read_options(request.read_options, plan.read_time, transaction)
    query = request.query
    fill_query(query, plan, partition)
    if plan.projection == ():
        query.projection.add().property.name = KEY
    else:
        _fill_property_mask(request.property_mask, plan.projection, plan.parts, wholes=bool(partition.max_inflated))
    query.start_cursor = plan.resume or b""
    return request


def is_plain_count(plan: AggregationPlan) -> bool:
    """Whether the plan does nothing but count, in a way that the server would accept."""
    aggregations = plan.aggregations
    return 0 < len(aggregations) <= MAX_AGGREGATIONS and all(
        one.path is None and (one.up_to is None or one.up_to >= 0) for one in aggregations
    )


def keys_plan(plan: AggregationPlan) -> QueryPlan:
    """The query for the keys that are to be counted: no more than the aggregations ask for."""
    limits = [one.up_to for one in plan.aggregations if one.path is None]
    if len(limits) < len(plan.aggregations) or None in limits:
        return replace(plan.query, projection=())
    most = max(one for one in limits if one is not None)
    limit = plan.query.limit
    return replace(plan.query, projection=(), limit=most if limit is None else min(most, limit))


def counts_of(plan: AggregationPlan, count: int) -> tuple[int, ...]:
    """The figures of a plan that only counts, for this many documents."""
    return tuple(count if one.up_to is None else min(count, one.up_to) for one in plan.aggregations)


def aggregation_request(plan: AggregationPlan, partition: Partition, transaction: TransactionHandle | None) -> Any:
    """The request for figures over a query."""
    request = _sdk.RunAggregationQueryRequest(project_id=partition.project, database_id=partition.database)
    partition.fill(request.partition_id)
    _fill_read_options(request.read_options, plan.query.read_time, transaction)
    query = request.aggregation_query.nested_query
    fill_query(query, plan.query, partition)
    query.start_cursor = plan.query.resume or b""
    query.offset = plan.query.offset
    if plan.query.limit is not None:
        query.limit.value = plan.query.limit
        query.limit.SetInParent()
    fill_aggregations(request.aggregation_query.aggregations, plan.aggregations, _write_path)
    return request


def _write_path(function: Any, path: FieldPath) -> None:
    function.property.name = property_name(path)


def aggregation_result(plan: AggregationPlan, response: Any, partition: Partition) -> tuple[int | float | None, ...]:
    """The figures, in the order of the plan."""
    [result] = response.batch.aggregation_results
    fields = result.aggregate_properties
    return aggregation_values(fields, len(plan.aggregations), lambda value: decode_value(value, partition))


def namespace_request(partition: Partition) -> Any:
    """The request that asks whether a namespace exists."""
    request = _sdk.RunQueryRequest(project_id=partition.project, database_id=partition.database)
    request.partition_id.project_id = partition.project
    request.partition_id.database_id = partition.database
    query = request.query
    query.kind.add(name="__namespace__")
    query.projection.add().property.name = KEY
    query.limit.value = 1
    condition = query.filter.property_filter
    condition.property.name = KEY
    condition.op = "EQUAL"
    key = condition.value.key_value
    key.partition_id.CopyFrom(request.partition_id)
    key.path.add(kind="__namespace__", name=partition.namespace)
    return request


def _fill_read_options(options: Any, read_time: datetime | None, transaction: TransactionHandle | None) -> None:
    if transaction is not None:
        transaction.fill(options)
    elif read_time is not None:
        write_timestamp(options.read_time, read_time)


def _fill_property_mask(
    mask: Any,
    projection: tuple[FieldPath, ...] | None,
    parts: tuple[FieldPath, ...] | None = (),
    *,
    wholes: bool,
) -> None:
    """Fill the mask of a read; with `wholes`, all of a map is fetched, since it may be stored as a blob."""
    if projection is None or parts is None:
        return
    paths = dict.fromkeys(FieldPath(path.segments[0]) for path in projection) if wholes else projection
    mask.paths.extend(map(str, paths) if paths else (KEY,))
    for path in (*projection, *parts):
        mask.paths.extend(map(str, _joined(path.segments)))


def _joined(segments: tuple[str, ...]) -> Iterator[FieldPath]:
    """The paths of a field that is stored in parts: some or all of its segments are one name, joined by dots.

    Of a path that is deep, only the one of all segments is tried.
    """
    gaps = len(segments) - 1
    for joined in range(1, 2**gaps) if gaps <= _MOST_GAPS else (2**gaps - 1,):
        names = [segments[0]]
        for gap, segment in enumerate(segments[1:]):
            if joined >> gap & 1:
                names[-1] += f".{segment}"
            else:
                names.append(segment)
        yield FieldPath(*names)
