"""Reads: their requests, what their answers say, and how far a query has come. Nothing here sends or waits.

This is the seam of reading: the backend sends `request()` and hands each response to `take`, until nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from cendry._interop.protobuf import write_timestamp
from cendry.backend import DocumentResult, StoredDocument
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, GetPlan, QueryPlan

from . import _sdk
from ._entities import WireResult, new_result
from ._exclusions import may_have_marks
from ._filters import fill_query, property_name
from ._keys import Home, fill_key, key_path, shown_id
from ._values import decode_projected, decode_value

_KEY: Final = "__key__"
_NO_MORE_RESULTS: Final = 3

MOST_KEYS: Final = 1000
"""Keys of one lookup (https://cloud.google.com/datastore/docs/concepts/limits)."""

FIRST_PAGE: Final = 1000
"""Entities that one call asks for at first. The emulator of Datastore mode answers with all of them at once, and gRPC
takes 4 MiB; so a page that is too large is asked for again by halves."""


class EntityResult(DocumentResult):
    """A result that knows its place in its query.

    Attributes:
        cursor: Datastore's opaque cursor: where the query goes on after this result; `None` for what no query gave.
    """

    cursor: bytes | None = None

    @classmethod
    def reader(cls, codec: Any) -> Any:
        """A function that makes an instance of a result."""
        # Whoever has a codec has this module already.
        return import_module("cendry._query.results").plain_reader(codec)


def projected_result(path: str, entity: Any, home: Home, projection: Sequence[FieldPath]) -> EntityResult:
    """Some properties of an `Entity` message as a result."""
    return EntityResult(path, decode_projected(entity.properties, projection, home))


class Lookup:
    """Documents by path, over as many calls as it takes.

    Args:
        plan: What is read.
        home: Where the documents live.
        transaction: The transaction that reads, or `None`.

    Raises:
        InvalidDocumentIdError: An id has the form of an escaped name, and no name is escaped so.
    """

    def __init__(self, plan: GetPlan, home: Home, transaction: bytes | None) -> None:
        self._plan = plan
        self._home = home
        self._transaction = transaction
        self._page = MOST_KEYS
        self._left: list[Any] = []
        for path in plan.paths:
            key = _sdk.Key()
            fill_key(key, path, home)
            self._left.append(key)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask for."""
        return not self._left

    def request(self) -> Any:
        """What to send now."""
        request = _sdk.LookupRequest(
            project_id=self._home.project, database_id=self._home.database, keys=self._left[: self._page]
        )
        _fill_read_options(request.read_options, self._plan.read_time, self._transaction)
        _fill_property_mask(request.property_mask, self._plan.projection)
        return request

    def halve(self) -> bool:
        """Ask for fewer documents at once from now on; whether that is possible."""
        asked = min(len(self._left), self._page)
        self._page = asked // 2
        return asked > 1

    def take(self, response: Any) -> Iterator[StoredDocument]:
        """The results of a response."""
        # Datastore may put off some keys.
        self._left = [*response.deferred, *self._left[self._page :]]
        home, projection = self._home, self._plan.projection
        marked = may_have_marks(response)
        for found in response.found:
            entity = found.entity
            path = key_path(entity.key, home)
            if projection is None:
                yield new_result(WireResult, (path, entity, home, marked, None))
            else:
                yield projected_result(path, entity, home, projection)
        for missing in response.missing:
            yield DocumentResult(key_path(missing.entity.key, home), None)


class QueryReading:
    """The documents of a query, page by page.

    Args:
        plan: What is read.
        home: Where the documents live.
        transaction: The transaction that reads, or `None`.

    Attributes:
        is_complete: Whether nothing is left to ask for.
    """

    def __init__(self, plan: QueryPlan, home: Home, transaction: bytes | None) -> None:
        self._plan = plan
        self._home = home
        self._page = FIRST_PAGE
        self._limit = plan.limit
        self._request = _sdk.RunQueryRequest(project_id=home.project, database_id=home.database)
        home.fill_partition(self._request.partition_id)
        _fill_read_options(self._request.read_options, plan.read_time, transaction)
        query = self._request.query
        fill_query(query, plan, home)
        if plan.projection == ():
            query.projection.add().property.name = _KEY
        else:
            _fill_property_mask(self._request.property_mask, plan.projection)
        query.offset = plan.offset
        query.start_cursor = plan.resume or b""
        # A kind is all entities of its name, however deep below the ancestor; a collection is those right below.
        self._depth = 1 if plan.parent is None else plan.parent.count("/") // 2 + 2
        self._prefix = f"{plan.collection}/" if plan.parent is None else f"{plan.parent}/{plan.collection}/"
        self.is_complete = plan.limit == 0

    def request(self) -> Any:
        """What to send now."""
        self._request.query.limit.value = self._page if self._limit is None else min(self._page, self._limit)
        return self._request

    def halve(self) -> bool:
        """Ask for smaller pages from now on; whether that is possible."""
        asked: int = self._request.query.limit.value
        self._page = asked // 2
        return asked > 1

    def take(self, response: Any) -> Iterator[StoredDocument]:
        """The results of a response."""
        batch, query = response.batch, self._request.query
        is_stuck = not batch.entity_results and not batch.skipped_results
        self.is_complete = is_stuck or batch.more_results == _NO_MORE_RESULTS
        query.start_cursor = batch.end_cursor
        query.offset -= batch.skipped_results
        home, projection, prefix = self._home, self._plan.projection, self._prefix
        marked = projection is None and may_have_marks(response)
        for found in batch.entity_results:
            entity = found.entity
            elements = entity.key.path
            if len(elements) != self._depth:
                continue
            path = prefix + shown_id(elements[-1], home)
            if projection is None:
                yield new_result(WireResult, (path, entity, home, marked, found.cursor))
            else:
                result = projected_result(path, entity, home, projection)
                result.cursor = found.cursor
                yield result
            if self._limit is not None:
                self._limit -= 1
                if not self._limit:
                    self.is_complete = True
                    return


def aggregation_request(plan: AggregationPlan, home: Home, transaction: bytes | None) -> Any:
    """The request for figures over a query."""
    request = _sdk.RunAggregationQueryRequest(project_id=home.project, database_id=home.database)
    home.fill_partition(request.partition_id)
    _fill_read_options(request.read_options, plan.query.read_time, transaction)
    query = request.aggregation_query.nested_query
    fill_query(query, plan.query, home)
    query.offset = plan.query.offset
    if plan.query.limit is not None:
        query.limit.value = plan.query.limit
        query.limit.SetInParent()
    for number, aggregation in enumerate(plan.aggregations):
        message = request.aggregation_query.aggregations.add(alias=_alias(number))
        target = getattr(message, aggregation.function)
        target.SetInParent()
        if aggregation.path is not None:
            target.property.name = property_name(aggregation.path)
        if aggregation.up_to is not None:
            target.up_to.value = aggregation.up_to
    return request


def aggregation_result(plan: AggregationPlan, response: Any, home: Home) -> tuple[int | float | None, ...]:
    """The figures, in the order of the plan."""
    [result] = response.batch.aggregation_results
    return tuple(
        decode_value(result.aggregate_properties[_alias(number)], home) for number in range(len(plan.aggregations))
    )


def namespace_request(home: Home) -> Any:
    """The request that asks whether a namespace exists."""
    request = _sdk.RunQueryRequest(project_id=home.project, database_id=home.database)
    request.partition_id.project_id = home.project
    request.partition_id.database_id = home.database
    query = request.query
    query.kind.add(name="__namespace__")
    query.projection.add().property.name = _KEY
    query.limit.value = 1
    condition = query.filter.property_filter
    condition.property.name = _KEY
    condition.op = "EQUAL"
    key = condition.value.key_value
    key.partition_id.CopyFrom(request.partition_id)
    key.path.add(kind="__namespace__", name=home.namespace)
    return request


def _alias(number: int) -> str:
    return f"figure_{number}"


def _fill_read_options(options: Any, read_time: datetime | None, transaction: bytes | None) -> None:
    if transaction is not None:
        options.transaction = transaction
    elif read_time is not None:
        write_timestamp(options.read_time, read_time)


def _fill_property_mask(mask: Any, projection: tuple[FieldPath, ...] | None) -> None:
    if projection is not None:
        mask.paths.extend(map(str, projection) if projection else (_KEY,))
