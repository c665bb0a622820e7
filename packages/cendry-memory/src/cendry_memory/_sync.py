# Generated from cendry_memory/_aio.py by tools/twins.py; do not edit.
"""The backend of the sync twin. It only calls: what is done is done in the store that both twins share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

from cendry import _threads
from cendry._urls import DatabaseUrl
from cendry.backend import (
    DEFAULT_OPTIONS,
    CallOptions,
    CommitResult,
    DocumentResult,
    ListenHandle,
    ListenResult,
    WriteResult,
)
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

from ._clock import Clock
from ._faults import Faults
from ._opening import left, named, opened, path_and_name
from ._store import MemoryStore
from ._values import DATABASE


class MemoryBackend:
    """Firestore's semantics in process, for `Cendry`.

    Nothing ever waits: where Firestore's locks would make a call wait for a transaction, the transaction is aborted
    at its next read or its commit instead, and contexts try it again.

    Args:
        path: A file to keep everything in; `None` for memory alone. One process at a time can have it open, and all
            backends in it share the documents; what was committed is there again after the process was killed.
        strict_indexes: `False` answers every query. Else queries that Firestore refuses for want of an index are
            refused: give the declared indexes, as the path of a `firestore.indexes.json` or its content, or `None`
            if none is declared.
        clock: Gives the present moment, aware; by default the computer's clock.
        store: The store of another backend, to share its documents; excludes the other arguments.

    Raises:
        StoreFileError: The file belongs to another program, is damaged, or is open in another process, or in this one
            with other arguments.
        UsedBeforeForkError: The file was opened before this process was forked.
        ValueError: The declared indexes are not of their form.
    """

    name = "Memory"
    system = "gcp.firestore"
    database = DATABASE
    namespace = "memory"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        strict_indexes: str | os.PathLike[str] | Mapping[str, Any] | Literal[False] | None = False,
        clock: Clock | None = None,
        store: MemoryStore | None = None,
    ) -> None:
        self._store = opened(self, path, strict_indexes, clock, store)

    @classmethod
    def opener(cls, url: DatabaseUrl) -> Callable[[], MemoryBackend]:
        """A function that makes the backend of a URL, checked now: `memory:`, `memory:NAME` or `memory:///path`."""
        path, name = path_and_name(url)
        if name is not None:
            return partial(named, name, lambda store: cls(store=store))
        return partial(cls, path)

    @property
    def client(self) -> None:
        """There is no client."""
        return

    @property
    def store(self) -> MemoryStore:
        """What this backend answers from; give it to another backend to share it."""
        return self._store

    @property
    def faults(self) -> Faults:
        """Failures of calls to come, to be ordered by tests."""
        return self._store.faults

    def check_read_time(self, moment: datetime) -> None:
        """Check that a moment can be read at: not in the future, and not further back than an hour or what is kept."""
        self._store.check_read_time(moment)

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        """Read documents by path, in the order of the plan."""
        return iter(self._store.get(plan, transaction))

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        """Find the documents of a query, as they are now; later changes don't show while it is iterated."""
        return self._store.run(plan, transaction)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        return self._store.aggregate(plan, transaction)

    def partition(
        self,
        plan: QueryPlan,
        count: int,
        *,
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> list[str]:
        """Find the paths at which up to `count` parts of a query begin."""
        return self._store.partition(plan, count)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        return self._store.commit(writes, transaction)

    def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        """Apply writes to different documents, each by itself: one result for each."""
        return self._store.write_many(writes)

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction, which its first read begins."""
        return self._store.begin(read_only)

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        self._store.rollback(transaction)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> ListenHandle:
        """Call `on_change` with the first state and with every later change, from one of the backend's threads.

        Each commit that changes what is listened to gives one call, in the order of the commits.
        """
        if not _threads.CAN_START:
            raise _threads.no_listeners(self.name)
        return self._store.listen(plan, on_change, on_error, self)

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until listeners were notified of every earlier commit.

        Args:
            timeout: The most seconds to wait; `None` to wait as long as it takes.

        Returns:
            Whether all were notified in time.

        Raises:
            RuntimeError: A listener's callback asks for it, and would wait for itself.

        Raises:
            ValueError: `timeout` is not a number of seconds.
        """
        return self._store.drain(timeout)

    def close(self) -> None:
        """End the listeners of this backend. A file is closed with the last backend in this process that uses it.

        Documents in memory alone remain. May be called twice.
        """
        self._store = left(self, self._store)

    def __enter__(self) -> MemoryBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
