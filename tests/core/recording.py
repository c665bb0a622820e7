"""A small backend, written from the words of `cendry.backend` and `cendry.plan` alone, as a third party would.

It keeps documents in a dict, answers plans in the plainest way, and records every call. Its honest limits: it sorts
values of one type only, and listeners are told at once, in the thread that writes.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from cendry import Increment, Maximum, Minimum, Ref
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, DocumentResult, SnapshotResult
from cendry.errors import (
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    StaleDocumentError,
    TransactionContentionError,
)
from cendry.paths import DOCUMENT_ID, FieldPath, split_path
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    Create,
    Delete,
    GetPlan,
    Order,
    QueryPlan,
    Set,
    Update,
    Where,
    Write,
)
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion

MISSING = object()


def lookup(data: dict[str, Any], path: FieldPath) -> Any:
    """The stored value at a path, or `MISSING`."""
    value: Any = data
    for segment in path:
        if not isinstance(value, dict) or segment not in value:
            return MISSING
        value = value[segment]
    return value


def assign(data: dict[str, Any], path: FieldPath, value: Any) -> None:
    """Write the value at a path, or remove it if it is `MISSING`."""
    *parents, last = path
    for segment in parents:
        if not isinstance(data.get(segment), dict):
            data[segment] = {}
        data = data[segment]
    if value is MISSING:
        data.pop(last, None)
    else:
        data[last] = copy.deepcopy(value)


@dataclass
class Stored:
    """One document and its two times."""

    data: dict[str, Any]
    created: datetime
    updated: datetime


@dataclass
class Handle:
    """One attempt at a transaction: it commits only while what it read is as it was."""

    read_only: bool
    retry_of: Any
    versions: int
    ended: bool = False


def field_of(path: str, stored: Stored, place: FieldPath) -> Any:
    return Ref.from_path(path) if place == DOCUMENT_ID else lookup(stored.data, place)


def key(value: Any) -> Any:
    """What a value sorts by, among values of its own type."""
    return value.path.split("/") if isinstance(value, Ref) else value


def comparable(a: Any, b: Any) -> bool:
    numbers = (int, float)
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    return type(a) is type(b) or (isinstance(a, numbers) and isinstance(b, numbers))


def holds(condition: Condition, found: Any) -> bool:
    wanted = condition.value
    if found is MISSING:
        return False
    match condition.op:
        case "==":
            return comparable(found, wanted) and found == wanted
        case "!=":
            return found is not None and not (comparable(found, wanted) and found == wanted)
        case "<" | "<=" | ">" | ">=" as op:
            if not comparable(found, wanted):
                return False
            a, b = key(found), key(wanted)
            return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
        case "in":
            return found in wanted
        case "not-in":
            return found is not None and found not in wanted
        case "array-contains":
            return isinstance(found, list) and wanted in found
        case "array-contains-any":
            return isinstance(found, list) and any(one in found for one in wanted)
        case "is-null":
            return found is None
        case "is-not-null":
            return found is not None
        case "is-nan":
            return isinstance(found, float) and math.isnan(found)
        case "is-not-nan":
            return not (isinstance(found, float) and math.isnan(found))


def matches(where: Where | None, path: str, stored: Stored) -> bool:
    if where is None:
        return True
    if isinstance(where, Composite):
        return (all if where.op == "AND" else any)(matches(one, path, stored) for one in where.conditions)
    return holds(where, field_of(path, stored, where.path))


def inequalities(where: Where | None) -> list[FieldPath]:
    if isinstance(where, Composite):
        return [path for one in where.conditions for path in inequalities(one)]
    if where is None or where.op not in ("<", "<=", ">", ">=", "!=", "not-in", "is-not-null", "is-not-nan"):
        return []
    return [where.path]


def complete_orders(plan: QueryPlan) -> list[Order]:
    orders = list(plan.orders)
    descending = orders[-1].descending if orders else False
    for path in [*sorted(set(inequalities(plan.where)) - {DOCUMENT_ID}), DOCUMENT_ID]:
        if path not in [order.path for order in orders]:
            orders.append(Order(path, descending))
    return orders


def compare(a: Any, b: Any) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    return (key(a) > key(b)) - (key(a) < key(b))


def position(path: str, stored: Stored, orders: Sequence[Order], bound: Bound) -> int:
    """Whether a document lies before (-1), at (0) or after (1) the values of a bound."""
    for order, value in zip(orders, bound.values, strict=False):
        found = compare(field_of(path, stored, order.path), value)
        if found:
            return -found if order.descending else found
    return 0


class Store:
    """The documents, and what both twins of the backend do with them."""

    def __init__(self) -> None:
        self.documents: dict[str, Stored] = {}
        self.calls: list[tuple[str, Any]] = []
        self.options: list[CallOptions] = []
        self.failures: list[tuple[str, BaseException]] = []
        self.transactions: list[Handle] = []
        self.closed = 0
        self.with_times = True
        self._now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        self._versions = 0
        self._lock = threading.RLock()
        self._listeners: list[Listening] = []

    name = "Recording"
    client: Any = None

    # What tests do to it

    def put(self, path: str, data: dict[str, Any]) -> None:
        """Write a document behind everyone's back."""
        self._apply(Set(path, data))
        self._tell()

    def fail(self, call: str, error: BaseException, times: int = 1) -> None:
        """Let the next calls of this name raise."""
        self.failures.extend([(call, error)] * times)

    def data(self, path: str) -> dict[str, Any]:
        return self.documents[path].data

    def plans(self, call: str) -> list[Any]:
        return [plan for name, plan in self.calls if name == call]

    # What both twins share

    def record(self, call: str, plan: Any, options: CallOptions) -> None:
        self.calls.append((call, plan))
        self.options.append(options)
        for index, (name, error) in enumerate(self.failures):
            if name == call:
                del self.failures[index]
                raise error

    def answer_get(self, plan: GetPlan, transaction: Handle | None) -> list[DocumentResult]:
        with self._lock:
            self._check(transaction)
            return [self._result(path, self.documents.get(path), plan.projection) for path in reversed(plan.paths)]

    def answer_run(self, plan: QueryPlan, transaction: Handle | None) -> list[DocumentResult]:
        with self._lock:
            self._check(transaction)
            found = self._found(plan)
            return [self._result(path, stored, plan.projection) for path, stored in found]

    def answer_aggregate(self, plan: AggregationPlan, transaction: Handle | None) -> tuple[int | float | None, ...]:
        with self._lock:
            self._check(transaction)
            found = self._found(plan.query)
            return tuple(self._figure(one, found) for one in plan.aggregations)

    def answer_commit(self, writes: Sequence[Write], transaction: Handle | None) -> CommitResult:
        with self._lock:
            self._check(transaction)
            if transaction is not None:
                transaction.ended = True
                if writes and transaction.versions != self._versions:
                    raise TransactionContentionError
            before = {path: copy.deepcopy(stored) for path, stored in self.documents.items()}
            try:
                times = tuple(self._apply(write) for write in writes)
            except BaseException:
                self.documents = before
                raise
            self._tell()
            return CommitResult(times, self._now if self.with_times else None)

    def answer_begin(self, read_only: bool, retry_of: Any) -> Handle:
        with self._lock:
            handle = Handle(read_only, retry_of, self._versions)
            self.transactions.append(handle)
            return handle

    def answer_rollback(self, transaction: Handle) -> None:
        transaction.ended = True

    # The database

    def _check(self, transaction: Handle | None) -> None:
        if transaction is not None and transaction.ended:
            raise RuntimeError("The transaction has ended.")

    def _found(self, plan: QueryPlan) -> list[tuple[str, Stored]]:
        orders = complete_orders(plan)
        found = [
            (path, stored)
            for path, stored in self.documents.items()
            if self._below(plan, path)
            and matches(plan.where, path, stored)
            and all(field_of(path, stored, order.path) is not MISSING for order in orders)
        ]
        for order in reversed(orders):
            found.sort(key=lambda one: self._rank(one, order), reverse=order.descending)
        if plan.start is not None:
            first = 0 if plan.start.before else 1
            found = [one for one in found if position(*one, orders, plan.start) >= first]
        if plan.end is not None:
            last = -1 if plan.end.before else 0
            found = [one for one in found if position(*one, orders, plan.end) <= last]
        found = found[plan.offset :]
        return found if plan.limit is None else found[: plan.limit]

    @staticmethod
    def _rank(one: tuple[str, Stored], order: Order) -> Any:
        value = field_of(*one, order.path)
        return (value is not None, key(value)) if value is not None else (False,)

    @staticmethod
    def _below(plan: QueryPlan, path: str) -> bool:
        parent, collection, _ = split_path(path)
        if collection != plan.collection:
            return False
        if plan.group:
            return plan.parent is None or path.startswith(plan.parent + "/")
        return parent == plan.parent

    def _result(self, path: str, stored: Stored | None, projection: tuple[FieldPath, ...] | None) -> DocumentResult:
        now = self._now if self.with_times else None
        if stored is None:
            return DocumentResult(path, None, read_time=now)
        data = copy.deepcopy(stored.data)
        if projection is not None:
            data = {}
            for place in projection:
                value = lookup(stored.data, place)
                if value is not MISSING:
                    assign(data, place, value)
        if not self.with_times:
            return DocumentResult(path, data)
        return DocumentResult(path, data, stored.created, stored.updated, now)

    @staticmethod
    def _figure(aggregation: Aggregation, found: list[tuple[str, Stored]]) -> int | float | None:
        if aggregation.path is None:
            return len(found) if aggregation.up_to is None else min(len(found), aggregation.up_to)
        figures = [
            value for _, stored in found if isinstance(value := lookup(stored.data, aggregation.path), (int, float))
        ]
        if aggregation.function == "sum":
            return sum(figures)
        return sum(figures) / len(figures) if figures else None

    def _apply(self, write: Write) -> datetime | None:
        self._now += timedelta(milliseconds=1)
        self._versions += 1
        stored = self.documents.get(write.path)
        expected = None if isinstance(write, Create) else write.update_time
        if expected is not None and (stored is None or stored.updated != expected):
            raise StaleDocumentError(write.path)
        match write:
            case Delete():
                if write.must_exist and stored is None:
                    raise DocumentNotFoundError(write.path)
                self.documents.pop(write.path, None)
                return None
            case Create():
                if stored is not None:
                    raise DocumentAlreadyExistsError(write.path)
                data = copy.deepcopy(dict(write.data))
            case Set(mask=None):
                data = copy.deepcopy(dict(write.data))
            case Set() | Update():
                if stored is None and isinstance(write, Update):
                    raise DocumentNotFoundError(write.path)
                data = {} if stored is None else stored.data
                for place in write.mask or ():
                    assign(data, place, lookup(dict(write.data), place))
        for one in write.transforms:
            assign(data, one.path, self._transformed(lookup(data, one.path), one.transform))
        created = self._now if stored is None else stored.created
        self.documents[write.path] = Stored(data, created, self._now)
        return self._now if self.with_times else None

    def _transformed(self, old: Any, transform: Any) -> Any:
        match transform:
            case Increment(value):
                return old + value if isinstance(old, (int, float)) else value
            case Maximum(value):
                return max(old, value) if isinstance(old, (int, float)) else value
            case Minimum(value):
                return min(old, value) if isinstance(old, (int, float)) else value
            case ArrayUnion():
                kept = old if isinstance(old, list) else []
                return kept + [one for one in transform.values if one not in kept]
            case ArrayRemove():
                return [one for one in old if one not in transform.values] if isinstance(old, list) else []
        assert transform is SERVER_TIMESTAMP
        return self._now

    def _tell(self) -> None:
        for listening in list(self._listeners):
            listening.tell()


@dataclass
class Listening:
    """One listener."""

    store: Store
    plan: QueryPlan | GetPlan
    on_snapshot: Callable[[SnapshotResult], None]
    on_error: Callable[[BaseException], None]
    closed: bool = field(default=False)

    def tell(self) -> None:
        if isinstance(self.plan, GetPlan):
            found = [one for one in self.store.answer_get(self.plan, None) if one.data is not None]
        else:
            found = self.store.answer_run(self.plan, None)
        self.on_snapshot(SnapshotResult(tuple(found), self.store._now))

    def close(self) -> None:
        self.closed = True
        if self in self.store._listeners:
            self.store._listeners.remove(self)


class RecordingBackend(Store):
    """The sync twin."""

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        self.record("get", plan, options)
        yield from self.answer_get(plan, transaction)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        self.record("run", plan, options)
        yield from self.answer_run(plan, transaction)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        self.record("aggregate", plan, options)
        return self.answer_aggregate(plan, transaction)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        self.record("commit", tuple(writes), options)
        return self.answer_commit(writes, transaction)

    def begin(self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS) -> Handle:
        self.record("begin", read_only, options)
        return self.answer_begin(read_only, retry_of)

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        self.record("rollback", transaction, options)
        self.answer_rollback(transaction)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
    ) -> Listening:
        self.record("listen", plan, DEFAULT_OPTIONS)
        listening = Listening(self, plan, on_snapshot, on_error)
        self._listeners.append(listening)
        listening.tell()
        return listening

    def close(self) -> None:
        self.closed += 1


class AsyncRecordingBackend(Store):
    """The async twin."""

    async def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        self.record("get", plan, options)
        for result in self.answer_get(plan, transaction):
            yield result

    async def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        self.record("run", plan, options)
        for result in self.answer_run(plan, transaction):
            yield result

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        self.record("aggregate", plan, options)
        return self.answer_aggregate(plan, transaction)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        self.record("commit", tuple(writes), options)
        return self.answer_commit(writes, transaction)

    async def begin(
        self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS
    ) -> Handle:
        self.record("begin", read_only, options)
        return self.answer_begin(read_only, retry_of)

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        self.record("rollback", transaction, options)
        self.answer_rollback(transaction)

    async def close(self) -> None:
        self.closed += 1
