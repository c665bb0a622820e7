"""The backend protocol: the interface that contexts need of a database. Values in, values out.

A backend translates plans into its database's own terms and results back; it knows nothing of models, codecs,
instances or contexts. It raises Cendry's errors where the database's own have an equivalent, with the original as
`__cause__`, and lets all others propagate unchanged:

- `DocumentAlreadyExistsError`, `DocumentNotFoundError`, `StaleDocumentError` from `commit`, with the paths of the
  writes that can be at fault;
- `OutcomeUnknownError` from `commit` where a request was sent and its answer was lost, unless sending it again is
  harmless (`plan.is_repeatable`) and settled it;
- `TransactionContentionError` where the database aborted a call because of contention;
- `MissingIndexError` from `run` and `aggregate`;
- `UnsupportedByBackendError`, before anything is sent, for features that the database doesn't have.

An optional method, `write_many`, makes bulk writes, which are not atomic (`WritesMany`, `AsyncWritesMany`). A backend
that has it also answers queries with `group` and an empty `collection`: all documents below `parent`, by name. It may
have an attribute `initial_rate`, the documents per second that it takes at the beginning; without it, any number.
Contexts refuse bulk writes on a backend that lacks the method, with `UnsupportedByBackendError`.

Seven optional hooks are for backends that can be faster without dicts:

- results of a class of the backend's own, with the attributes of `StoredDocument` and a class method
  `reader(codec)`, which returns a function from such a result to an instance with its metadata (as
  `results.plain_reader` does);
- a method `top_fields(names)` of such results, which returns the fields of `data` that have these names;
- a class method `sort_key(orders)`, which returns a function from such a result to its place in a query with these
  orders, as bytes that compare as the documents do; without it, listeners sort by `data`;
- a method `encoder(codec)`, which returns a function from an instance to its stored fields, as a mutable mapping that
  the backend's own `commit` can send. It may have an attribute `size`, its bytes, by which bulk writes bound their
  memory;
- a method `changes(codec, data)`, which returns the data of an `Update` in the form in which `commit` wants it;
- a static method `fields_by(codec, result)` of such results, which returns the fields of `data` in the forms in which
  Cendry stores those of a model, if `data` may have others; upgrades get them when a write needs one;
- a class method `columns(fields)` of results of projections, which returns a function from such a result to its stored
  data, as the columns need it.

A backend that can explain queries has a method `explain(plan, *, analyze, options, transaction)`, which returns an
`ExplainResult` for a `QueryPlan` or an `AggregationPlan` (in the async twin, it is awaited).

A backend that can divide a query has a method `partition(plan, count, *, options)`, which returns up to `count - 1`
paths at which parts begin, in any order (in the async twin, it is awaited). The plan is that of all documents of a
collection group, maybe at an earlier moment. Without the method, and if it returns no path, the query is one part.

A database whose queries continue from opaque cursors returns results with one more attribute, `cursor` (`bytes`); the
plan of the next page has that of the last result as `resume`, and no bound by value. Its backend has an attribute
`has_cursors` that is true.

Results of a plan with `nearest` have one more attribute, `distance` (`float`); `NearResult` has it. A backend without
search by vector refuses such a plan.

A backend may have a method `check_read_time(moment)`, which raises an `InvalidRequestError` for a moment that can't be
read at, such as one in the future; `ctx.at(moment)` calls it, before anything is read.

References of the SDK name their database. A backend may have an attribute `database`, which is how they name its own:
`projects/P/databases/D`. Contexts read it if they are given such a reference as a target, and not before.

A sync backend without an async twin may have a method `async_twin_error()`, which returns the error that `AsyncCendry`
raises for that backend.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from ._immutable import dataclass
from .plan import AggregationPlan, GetPlan, QueryPlan, Write, shown_int


class StoredDocument(Protocol):
    """The result of a read: a `DocumentResult`, or a backend's own equivalent."""

    @property
    def path(self) -> str:
        """The document's path."""
        ...

    @property
    def exists(self) -> bool:
        """Whether the document exists; faster than reading `data`."""
        ...

    @property
    def data(self) -> dict[str, Any] | None:
        """Its stored fields, owned by the caller; `None` if there is no such document."""
        ...

    @property
    def create_time(self) -> datetime | None:
        """When it was created, to the microsecond, aware; `None` if absent or if the database keeps no times."""
        ...

    @property
    def update_time(self) -> datetime | None:
        """When it was last changed, likewise."""
        ...

    @property
    def read_time(self) -> datetime | None:
        """The moment of the read, likewise."""
        ...


class DocumentResult(NamedTuple):
    """A document as it is stored.

    Attributes:
        path: The document's path.
        data: Its stored fields, owned by the caller; `None` if there is no such document.
        create_time: When it was created, to the microsecond, aware; `None` if absent or if the database keeps no times.
        update_time: When it was last changed, likewise.
        read_time: The moment of the read, likewise.
    """

    path: str
    data: dict[str, Any] | None
    create_time: datetime | None = None
    update_time: datetime | None = None
    read_time: datetime | None = None

    @property
    def exists(self) -> bool:
        """Whether there is such a document."""
        return self.data is not None

    def __repr__(self) -> str:
        # Without the values, since a model may hide them.
        shown = ("path", "create_time", "update_time", "read_time")
        return f"DocumentResult({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class NearResult(DocumentResult):
    """A document that a search by vector found.

    Attributes:
        distance: How far its vector is from the one that was searched for.
    """

    distance: float


class CommitResult(NamedTuple):
    """The result of a commit.

    Attributes:
        update_times: For each write, the time of the version it made; `None` for deletes and where the database
            has no such times.
        commit_time: The moment of the commit, or `None`.
    """

    update_times: tuple[datetime | None, ...]
    commit_time: datetime | None = None


class WriteResult(NamedTuple):
    """What became of one write of `write_many`.

    Attributes:
        update_time: The time of the version that it made; `None` for deletes, failures, and where the database has no
            such times.
        error: Why it was not done, or may not have been; `None` if it was done.
        is_lost: Whether it may have been done in spite of the error.
        is_transient: Whether another attempt may succeed, by the retry policy of the call.
    """

    update_time: datetime | None = None
    error: Exception | None = None
    is_lost: bool = False
    is_transient: bool = False


class ListenResult(NamedTuple):
    """What has changed in a query or document that is listened to.

    Attributes:
        documents: The documents that match, and that are new or have another version than before; each once, in any
            order. One that is repeated although it didn't change costs time, and nothing else.
        removed: The paths of the documents that no longer match, or that the limit of the query no longer includes.
        read_time: The moment of this state; `None` if the database doesn't report it.
        is_reset: Whether `documents` are all that match, whatever was reported before; so it is at the first time.
    """

    documents: tuple[StoredDocument, ...]
    removed: tuple[str, ...]
    read_time: datetime | None
    is_reset: bool = False


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """How a database runs a query.

    Attributes:
        indexes_used: The indexes that it uses, as Firestore describes them: for example
            `{"query_scope": "Collection", "properties": "(state ASC, __name__ ASC)"}`.
    """

    indexes_used: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ExecutionStats:
    """What it took to run a query.

    Attributes:
        results_returned: The number of results.
        execution_duration: The time that it took in the database.
        read_operations: The number of reads that are billed.
        debug_stats: More figures, as Firestore names them; they may change.
    """

    results_returned: int
    execution_duration: timedelta
    read_operations: int
    debug_stats: Mapping[str, Any]


class ExplainResult(NamedTuple):
    """How a query is run, and with `analyze` what came of it.

    Attributes:
        results: The documents; of aggregations, one tuple of figures. Without `analyze`, none.
        plan: The plan.
        stats: The statistics; `None` without `analyze`.
    """

    results: list[Any]
    plan: PlanSummary
    stats: ExecutionStats | None


MAX_TIMEOUT: Final = 1_000_000_000
"""Seconds; with a few times more, gRPC's calls end at once."""


class _Default(Enum):
    RETRY = "the default of the backend"

    def __repr__(self) -> str:
        return "DEFAULT_RETRY"


DEFAULT_RETRY: Final = _Default.RETRY
"""Stands for the retry policy of the backend, where no other is given; `None` means that nothing is retried."""


def is_wait(seconds: object) -> bool:
    """Whether an object is a number of seconds that can be waited for."""
    # NaN is in no range.
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds <= MAX_TIMEOUT


def check_wait(timeout: object) -> None:
    """Check a time to wait for, which may be 0.

    Raises:
        ValueError: It is not a number of seconds.
    """
    if not is_wait(timeout):
        raise ValueError(f"timeout takes a number of seconds from 0 to {MAX_TIMEOUT}, not {_shown(timeout)}.")


def _shown(value: object) -> str:
    return shown_int(value) if isinstance(value, int) and not isinstance(value, bool) else repr(value)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Options of a call; the same for every method.

    Attributes:
        timeout: Seconds that the whole call may take, retries included; `None` for the backend's default.
        retry: A retry policy of the kind that the backend takes; `None` for no retries.

    Raises:
        ValueError: The timeout is not a number of seconds.
    """

    timeout: float | None = None
    retry: Any = DEFAULT_RETRY

    def __post_init__(self) -> None:
        timeout = self.timeout
        if timeout is not None and not (is_wait(timeout) and timeout > 0):
            raise ValueError(
                f"timeout= takes a positive number of seconds, at most {MAX_TIMEOUT}, not {_shown(timeout)}."
            )


DEFAULT_OPTIONS = CallOptions()


class AsyncListenHandle(Protocol):
    """A running listener."""

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        ...

    async def wait_closed(self) -> None:  # async-only
        """Wait, after `close`, until nothing of it is left: no task and no call."""
        ...


# Generated from AsyncListenHandle by tools/twins.py; do not edit.
class ListenHandle(Protocol):
    """A running listener."""

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        ...


# End of what is generated.

MAX_BULK_WRITES: Final = 250
"""Writes in one call of `write_many`, at most.

Firestore takes 500 (https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#batchwriterequest),
but the writes of a call wait for each other, so fewer are better where one of them waits for a lock.
"""


class AsyncWritesMany(Protocol):
    """The part of a backend of the async twin that makes bulk writes, if it has one."""

    async def write_many(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS
    ) -> Sequence[WriteResult]:
        """Apply writes to different documents, each by itself, in one attempt: one result for each, in their order.

        Args:
            writes: At most `MAX_BULK_WRITES`; none to the same document as another.
            options: The timeout is that of the attempt; the policy only decides whether errors are transient.

        Raises:
            Exception: An error for which no write is to blame, and which ends the bulk; nothing was sent.
        """
        ...


# Generated from AsyncWritesMany by tools/twins.py; do not edit.
class WritesMany(Protocol):
    """The part of a backend of the sync twin that makes bulk writes, if it has one."""

    def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> Sequence[WriteResult]:
        """Apply writes to different documents, each by itself, in one attempt: one result for each, in their order.

        Args:
            writes: At most `MAX_BULK_WRITES`; none to the same document as another.
            options: The timeout is that of the attempt; the policy only decides whether errors are transient.

        Raises:
            Exception: An error for which no write is to blame, and which ends the bulk; nothing was sent.
        """
        ...


# End of what is generated.


class AsyncBackend(Protocol):
    """A database, for the async twin. All methods may be called from several tasks and event loops at once.

    A `transaction` is a handle returned by `begin`, opaque to core. Reads and the commit that receive it are part of
    that transaction; core ends each by `commit` if it writes, else by `rollback`.
    """

    @property
    def name(self) -> str:
        """The name of this backend in error messages: `Firestore`."""
        ...

    @property
    def client(self) -> Any:
        """The raw client of the database for the running event loop, or `None`."""
        ...

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        ...

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[StoredDocument]:
        """Stream the documents of a query, in its order. The iterator has `aclose()` if it holds resources."""
        ...

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute the aggregations of the plan: one result for each."""
        ...

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it.

        With one that has read nothing, it is a commit like any other.
        """
        ...

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction. Nothing is sent: the first read with the handle begins it.

        Reads with a handle may run at the same time; the first one begins the transaction for all.

        Args:
            read_only: Whether it takes no writes: all its reads see the moment of the first one that isn't refused.
            retry_of: The handle of the attempt that was aborted.
        """
        ...

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing; if it has read nothing, nothing is sent."""
        ...

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> AsyncListenHandle:
        """Call `on_change` with the first state and every later change, in the event loop that runs now.

        `on_error` is called once if the listener ends and can't reconnect. A `GetPlan` has one path here, and no plan
        has a projection or a time. Core sorts the documents; the backend decides which of them a limit includes.
        """
        ...

    async def close(self) -> None:
        """Release what this backend opened, but nothing that was passed to it. May be called twice."""
        ...


# Generated from AsyncBackend by tools/twins.py; do not edit.
class Backend(Protocol):
    """A database, for the sync twin. All methods may be called from several threads at once.

    A `transaction` is a handle returned by `begin`, opaque to core. Reads and the commit that receive it are part of
    that transaction; core ends each by `commit` if it writes, else by `rollback`.
    """

    @property
    def name(self) -> str:
        """The name of this backend in error messages: `Firestore`."""
        ...

    @property
    def client(self) -> Any:
        """The raw client of the database, or `None`."""
        ...

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        ...

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query, in its order. The iterator has `close()` if it holds resources."""
        ...

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute the aggregations of the plan: one result for each."""
        ...

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it.

        With one that has read nothing, it is a commit like any other.
        """
        ...

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction. Nothing is sent: the first read with the handle begins it.

        Reads with a handle may run at the same time; the first one begins the transaction for all.

        Args:
            read_only: Whether it takes no writes: all its reads see the moment of the first one that isn't refused.
            retry_of: The handle of the attempt that was aborted.
        """
        ...

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing; if it has read nothing, nothing is sent."""
        ...

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> ListenHandle:
        """Call `on_change` with the first state and every later change, from one of the backend's threads.

        `on_error` is called once if the listener ends and can't reconnect. A `GetPlan` has one path here, and no plan
        has a projection or a time. Core sorts the documents; the backend decides which of them a limit includes.
        """
        ...

    def close(self) -> None:
        """Release what this backend opened, but nothing that was passed to it. May be called twice."""
        ...


# End of what is generated.
