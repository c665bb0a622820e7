"""The backend of the async twin. It only calls: what is done is done in the store that both twins share."""

from __future__ import annotations

import asyncio  # async-only
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

# sync: from cendry import _threads
from cendry._urls import DatabaseUrl
from cendry.backend import (
    DEFAULT_OPTIONS,
    AsyncListenHandle,
    CallOptions,
    CommitResult,
    DocumentResult,
    ListenResult,
    WriteResult,
)
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

from ._clock import Clock
from ._faults import Faults
from ._loop import LoopListener, drained
from ._opening import left, named, opened, path_and_name
from ._store import MemoryStore
from ._values import DATABASE


class AsyncMemoryBackend:
    """Firestore's semantics in process, for `AsyncCendry`.

    Nothing ever waits for another task; but every call lets other tasks run once, as a call over a network would,
    so that races show.

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
    def opener(cls, url: DatabaseUrl) -> Callable[[], AsyncMemoryBackend]:
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

    async def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        """Read documents by path, in the order of the plan."""
        await asyncio.sleep(0)  # async-only
        for result in self._store.get(plan, transaction):  # async-only
            yield result
        # sync: return iter(self._store.get(plan, transaction))

    async def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        """Find the documents of a query, as they are now; later changes don't show while it is iterated."""
        await asyncio.sleep(0)  # async-only
        for result in self._store.run(plan, transaction):  # async-only
            yield result
        # sync: return self._store.run(plan, transaction)

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        await asyncio.sleep(0)  # async-only
        return self._store.aggregate(plan, transaction)

    async def partition(
        self,
        plan: QueryPlan,
        count: int,
        *,
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> list[str]:
        """Find the paths at which up to `count` parts of a query begin."""
        await asyncio.sleep(0)  # async-only
        return self._store.partition(plan, count)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        await asyncio.sleep(0)  # async-only
        return self._store.commit(writes, transaction)

    async def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        """Apply writes to different documents, each by itself: one result for each."""
        await asyncio.sleep(0)  # async-only
        return self._store.write_many(writes)

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction, which its first read begins."""
        return self._store.begin(read_only)

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        self._store.rollback(transaction)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> AsyncListenHandle:
        """Call `on_change` with the first state and with every later change, in the event loop that runs now.

        Each commit that changes what is listened to gives one call, in the order of the commits.
        """
        return LoopListener(self._store, plan, on_change, on_error, self)  # async-only
        # sync: if not _threads.CAN_START:
        # sync:     raise _threads.no_listeners(self.name)
        # sync: return self._store.listen(plan, on_change, on_error, self)

    async def drain(self, timeout: float | None = None) -> bool:
        """Wait until listeners were notified of every earlier commit.

        Args:
            timeout: The most seconds to wait; `None` to wait as long as it takes.

        Returns:
            Whether all were notified in time.

        Raises:
            ValueError: `timeout` is not a number of seconds.
        """
        return await drained(self._store, timeout)  # sync: return self._store.drain(timeout)

    async def close(self) -> None:
        """End the listeners of this backend. A file is closed with the last backend in this process that uses it.

        Documents in memory alone remain. May be called twice.
        """
        self._store = left(self, self._store)

    async def __aenter__(self) -> AsyncMemoryBackend:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
