"""Memory's backends, which record what they are asked, fail when they are told to, and tell listeners at once."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from cendry.backend import (
    DEFAULT_OPTIONS,
    AsyncListenHandle,
    CallOptions,
    CommitResult,
    DocumentResult,
    ListenHandle,
    ListenResult,
)
from cendry.plan import AggregationPlan, Delete, GetPlan, QueryPlan, Set, Write
from cendry_memory import AsyncMemoryBackend, ManualClock, MemoryBackend, MemoryStore

Figures = tuple[int | float | None, ...]


class Record:
    """What both twins record, and what tests do to them.

    Attributes:
        calls: The calls: for each its name, and its plan, its writes or its transaction.
        options: The options of each call.
        failures: The calls that are to fail, each with its error.
        transactions: The handles of all transactions, each with that of the one that it tries again.
        listening: The listeners that run.
        ended: Released by each listener that has ended.
        closed: How often it was closed.
        with_times: Whether results carry times.
    """

    store: MemoryStore
    client: Any = None

    def __init__(self) -> None:
        # It stands still, so that what is read is as old as what was written.
        super().__init__(clock=ManualClock())  # type: ignore[call-arg]
        self.calls: list[tuple[str, Any]] = []
        self.options: list[CallOptions] = []
        self.failures: list[tuple[str, BaseException]] = []
        self.transactions: list[tuple[Any, Any]] = []
        self.listening: list[Listening] = []
        self.ended = threading.Semaphore(0)
        self.closed = 0
        self.with_times = True
        self._written: dict[str, None] = {}

    def put(self, path: str, data: dict[str, Any]) -> None:
        """Write a document behind everyone's back."""
        self._commit(Set(path, data))

    def remove(self, *paths: str) -> None:
        """Delete documents behind everyone's back."""
        self._commit(*map(Delete, paths))

    def fail(self, call: str, error: BaseException, times: int = 1) -> None:
        """Let the next calls of this name raise."""
        self.failures.extend([(call, error)] * times)

    @property
    def documents(self) -> dict[str, DocumentResult]:
        """What is stored, in the order in which it was first written."""
        return {result.path: result for result in self.store.get(GetPlan(tuple(self._written))) if result.exists}

    def data(self, path: str) -> dict[str, Any]:
        """The stored fields of a document that is there."""
        data = self.documents[path].data
        assert data is not None
        return data

    def plans(self, call: str) -> list[Any]:
        """What the calls of one name were given."""
        return [plan for name, plan in self.calls if name == call]

    def record(self, call: str, plan: Any, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """Note a call, and let it fail if it is to."""
        self.calls.append((call, plan))
        self.options.append(options)
        for index, (name, error) in enumerate(self.failures):
            if name == call:
                del self.failures[index]
                raise error
        if call == "commit":
            self._written |= dict.fromkeys(write.path for write in plan)

    def shown(self, result: DocumentResult) -> DocumentResult:
        """A result, with times if there are any."""
        return result if self.with_times else DocumentResult(result.path, result.data)

    def time(self, moment: datetime | None) -> datetime | None:
        """A time, if there are any."""
        return moment if self.with_times else None

    def committed(self, result: CommitResult) -> CommitResult:
        """The result of a commit, with times if there are any. All listeners were told."""
        self.store.drain()
        return CommitResult(tuple(map(self.time, result.update_times)), self.time(result.commit_time))

    def _commit(self, *writes: Write) -> None:
        self._written |= dict.fromkeys(write.path for write in writes)
        self.store.commit(writes)
        self.store.drain()


class Listening:
    """A listener that runs."""

    def __init__(
        self,
        record: Record,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.on_change = on_change
        self.on_error = on_error
        self.handle: Any = None
        self.last: ListenResult | None = None
        self._record = record

    def take(self, result: ListenResult) -> None:
        """Report a change, with times if there are any."""
        documents = tuple(self._record.shown(each) for each in result.documents if isinstance(each, DocumentResult))
        self.last = result._replace(documents=documents)
        self.on_change(self.last)

    def close(self) -> None:
        """Stop listening."""
        if self in self._record.listening:
            self._record.listening.remove(self)
        if self.handle is not None:
            self.handle.close()
            self._record.ended.release()

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left."""
        if self.handle is not None:
            await self.handle.wait_closed()


class AsyncRecordingBackend(Record, AsyncMemoryBackend):
    """The async twin. What it gets comes in another order than it was asked for, as Firestore's answers may."""

    async def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        self.record("get", plan, options)
        for result in reversed([result async for result in super().get(plan, transaction=transaction)]):
            yield self.shown(result)

    async def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> AsyncIterator[DocumentResult]:
        self.record("run", plan, options)
        async for result in super().run(plan, transaction=transaction):
            yield self.shown(result)

    async def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Figures:
        self.record("aggregate", plan, options)
        return await super().aggregate(plan, transaction=transaction)

    async def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        self.record("commit", tuple(writes), options)
        return self.committed(await super().commit(writes, transaction=transaction))

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        self.record("begin", read_only)
        self.transactions.append((super().begin(read_only=read_only), retry_of))
        return self.transactions[-1][0]

    async def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        self.record("rollback", transaction, options)
        await super().rollback(transaction)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> AsyncListenHandle:
        self.record("listen", plan)
        listening = Listening(self, on_change, on_error)
        self.listening.append(listening)
        listening.handle = super().listen(plan, listening.take, on_error)
        # sync: self.drain()
        return listening

    async def close(self) -> None:
        self.closed += 1


# Generated from AsyncRecordingBackend by tools/twins.py; do not edit.
class RecordingBackend(Record, MemoryBackend):
    """The sync twin. What it gets comes in another order than it was asked for, as Firestore's answers may."""

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        self.record("get", plan, options)
        for result in reversed(list(super().get(plan, transaction=transaction))):
            yield self.shown(result)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        self.record("run", plan, options)
        for result in super().run(plan, transaction=transaction):
            yield self.shown(result)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Figures:
        self.record("aggregate", plan, options)
        return super().aggregate(plan, transaction=transaction)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        self.record("commit", tuple(writes), options)
        return self.committed(super().commit(writes, transaction=transaction))

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        self.record("begin", read_only)
        self.transactions.append((super().begin(read_only=read_only), retry_of))
        return self.transactions[-1][0]

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        self.record("rollback", transaction, options)
        super().rollback(transaction)

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> ListenHandle:
        self.record("listen", plan)
        listening = Listening(self, on_change, on_error)
        self.listening.append(listening)
        listening.handle = super().listen(plan, listening.take, on_error)
        self.drain()
        return listening

    def close(self) -> None:
        self.closed += 1


# End of what is generated.
