"""A walk through the entities of a kind in key order: what it asks for next, and when it has ended. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from cendry._immutable import dataclass
from cendry._interop.protobuf import EPOCH, to_datetime, write_timestamp

from .. import _sdk
from .._keys import Partition

KEY: Final = "__key__"
_NOT_FINISHED: Final = 1
_NO_MORE_RESULTS: Final = 3


@dataclass(frozen=True, slots=True)
class Page:
    """Some entities, in key order.

    Attributes:
        results: `EntityResult` messages, at least one.
        last_key: The `Key` message of the last one, serialized.
        read_time: When they were read, by the server's clock; `None` if it doesn't say.
    """

    results: Sequence[Any]
    last_key: bytes
    read_time: datetime | None


def key_bytes(key: Any) -> bytes:
    """A `Key` message, serialized; equal keys of one database give equal bytes."""
    return bytes(key.SerializeToString(deterministic=True))


class KeyWalk:
    """How far a walk has come.

    Within a run it goes on by cursors, which cost less than comparing keys; it begins, and begins again after an error,
    after the last key.

    Args:
        partition: Where the entities live.
        kind: Their kind; `None` for all kinds.
        after: The key before the first one, serialized; empty to begin with the first one.
        end: The last key, serialized; empty to end with the last one there is.
        read_time: The past moment to read at, or `None`.
        size: Entities of one page, at most.
        keys_only: Whether entities are to come without properties.

    Attributes:
        is_complete: Whether nothing is left to ask for.
    """

    def __init__(
        self,
        partition: Partition,
        kind: str | None,
        *,
        after: bytes = b"",
        end: bytes = b"",
        read_time: datetime | None = None,
        size: int = 500,
        keys_only: bool = False,
    ) -> None:
        self.is_complete = False
        self._partition = partition
        self._kind = kind
        self._after = after
        self._end = end
        self._read_time = read_time
        self._size = size
        self._keys_only = keys_only
        self._last = after
        self._cursor = b""
        self._is_confirming = False

    def request(self) -> Any:
        """The next request."""
        partition = self._partition
        request = _sdk.RunQueryRequest(project_id=partition.project, database_id=partition.database)
        partition.fill(request.partition_id)
        if self._read_time is not None:
            write_timestamp(request.read_options.read_time, self._read_time)
        query = request.query
        if self._kind is not None:
            query.kind.add(name=self._kind)
        query.order.add(direction="ASCENDING").property.name = KEY
        bounds = [("GREATER_THAN", self._after), ("LESS_THAN_OR_EQUAL", self._end)]
        given = [(op, key) for op, key in bounds if key]
        if len(given) == 2:
            query.filter.composite_filter.op = "AND"
        for op, key in given:
            whole = query.filter
            if len(given) == 2:
                whole = whole.composite_filter.filters.add()
            one = whole.property_filter
            one.property.name = KEY
            one.op = op
            one.value.key_value.ParseFromString(key)
        if self._keys_only:
            query.projection.add().property.name = KEY
        query.start_cursor = self._cursor
        query.limit.value = self._size
        return request

    def take(self, response: Any) -> Page | None:
        """The entities in a response; `None` if there are none."""
        batch = response.batch
        results = batch.entity_results
        if results:
            self._is_confirming = False
            self._last = key_bytes(results[-1].entity.key)
            self._cursor = batch.end_cursor
            if not self._cursor:
                self.begin_again()
            self.is_complete = batch.more_results == _NO_MORE_RESULTS
            return Page(results, self._last, _read_time(batch))
        if batch.more_results == _NOT_FINISHED:
            self._cursor = batch.end_cursor or self._cursor
        elif batch.more_results == _NO_MORE_RESULTS or self._is_confirming:
            self.is_complete = True
        else:
            # The classic emulator never says that there are no more; and a page may be empty before the last one.
            self.begin_again()
            self._is_confirming = True
        return None

    def begin_again(self) -> None:
        """Ask for what comes after the last key, without a cursor."""
        # A cursor belongs to the query with the key after which this one began.
        self._after = self._last
        self._cursor = b""

    def halve(self) -> bool:
        """Ask for smaller pages from now on; returns whether that is possible."""
        possible = self._size > 1
        self._size = max(self._size // 2, 1)
        return possible


def _read_time(batch: Any) -> datetime | None:
    if not batch.HasField("read_time"):
        return None
    found = to_datetime(batch.read_time)
    return found if found > EPOCH else None


def kind_request(partition: Partition, what: str, after: str, read_time: datetime | None) -> Any:
    """The request for names of kinds or namespaces, which Datastore lists as entities.

    Args:
        partition: The database and the namespace.
        what: `__kind__` or `__namespace__`.
        after: The name before the first one; empty to begin with the first one.
        read_time: The past moment to read at, or `None`.
    """
    request = _sdk.RunQueryRequest(project_id=partition.project, database_id=partition.database)
    partition.fill(request.partition_id)
    if what == "__namespace__":
        request.partition_id.namespace_id = ""
    query = request.query
    query.kind.add(name=what)
    query.projection.add().property.name = KEY
    query.order.add(direction="ASCENDING").property.name = KEY
    if after:
        condition = query.filter.property_filter
        condition.property.name = KEY
        condition.op = "GREATER_THAN"
        key = condition.value.key_value
        key.partition_id.CopyFrom(request.partition_id)
        key.path.add(kind=what, name=after)
    if read_time is not None:
        write_timestamp(request.read_options.read_time, read_time)
    return request


def scatter_request(partition: Partition, kind: str, count: int) -> Any:
    """The request for the keys of a random sample of a kind's entities.

    `__scatter__` is a property of a few entities in a thousand, and is always random.
    """
    request = _sdk.RunQueryRequest(project_id=partition.project, database_id=partition.database)
    partition.fill(request.partition_id)
    query = request.query
    query.kind.add(name=kind)
    query.order.add(direction="ASCENDING").property.name = "__scatter__"
    query.projection.add().property.name = KEY
    query.limit.value = count
    return request


def count_request(partition: Partition, kind: str, read_time: datetime | None) -> Any:
    """The request for the number of a kind's entities."""
    request = _sdk.RunAggregationQueryRequest(project_id=partition.project, database_id=partition.database)
    partition.fill(request.partition_id)
    request.aggregation_query.nested_query.kind.add(name=kind)
    request.aggregation_query.aggregations.add(alias="count").count.SetInParent()
    if read_time is not None:
        write_timestamp(request.read_options.read_time, read_time)
    return request


class KeyLookup:
    """A lookup of many entities, over as many calls as it takes.

    Args:
        partition: Where the entities live.
        keys: `Key` messages.
        read_time: The past moment to read at, or `None`.
    """

    MOST: Final = 1000

    def __init__(self, partition: Partition, keys: Sequence[Any], read_time: datetime | None) -> None:
        self._partition = partition
        self._left = list(keys)
        self._read_time = read_time
        self._size = self.MOST

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask for."""
        return not self._left

    def request(self) -> Any:
        """The next request."""
        partition = self._partition
        request = _sdk.LookupRequest(project_id=partition.project, database_id=partition.database)
        request.keys.extend(self._left[: self._size])
        if self._read_time is not None:
            write_timestamp(request.read_options.read_time, self._read_time)
        return request

    def take(self, response: Any) -> Iterator[tuple[bytes, Any]]:
        """The serialized keys in a response, each with its entity, or with `None` if there is none."""
        self._left = [*response.deferred, *self._left[self._size :]]
        for found in response.found:
            yield key_bytes(found.entity.key), found.entity
        for missing in response.missing:
            yield key_bytes(missing.entity.key), None

    def halve(self) -> bool:
        """Ask for fewer entities at once from now on; returns whether that is possible."""
        asked = min(self._size, len(self._left))
        self._size = max(asked // 2, 1)
        return asked > 1
