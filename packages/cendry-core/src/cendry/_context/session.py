"""The two functions that send: one loop per twin drives flows, and hands their requests to a backend."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from inspect import isawaitable, iscoroutine
from random import Random
from typing import Any, Generic, TypeVar, cast

from .._query.compile import planned
from .._query.criteria import Criteria
from .._query.flow import Begin, Commit, Flow, Pause, Request, Rollback
from .._query.results import Read, reader
from .._types.registry import TypeRegistry
from ..backend import AsyncBackend, Backend, CallOptions, StoredDocument
from ..codec import Codec
from ..errors import CendryError, TransactionContentionError
from ..plan import AggregationPlan, GetPlan, QueryPlan
from .watch import Listener, Snapshot
from .writes import Encode, Encoder, Writer

B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a context was told, once and for all its calls."""

    registry: TypeRegistry
    options: CallOptions
    writer: Writer
    random: Random


class Door(Generic[B]):
    """The way to the backend: made at first use, shared by all threads, closed once."""

    __slots__ = ("_backend", "_closed", "_lock", "_make", "owned")

    def __init__(self, backend: B | None, make: Callable[[], B]) -> None:
        self._backend = backend
        self._make = make
        self._closed = False
        self._lock = threading.Lock()
        self.owned = backend is None

    def backend(self) -> B:
        """The backend.

        Raises:
            CendryError: The context is closed.
        """
        backend = self._backend
        if backend is None or self._closed:
            with self._lock:
                self.check_open()
                backend = self._backend
                if backend is None:
                    backend = self._backend = self._make()
        return backend

    def encoder(self, codec: Codec[Any]) -> Encode:
        """What makes the stored fields of an instance: the backend's own, or the codec's.

        Raises:
            CendryError: The context is closed.
        """
        own: Encoder | None = getattr(self.backend(), "encoder", None)
        return codec.encode if own is None else own(codec)

    def check_open(self) -> None:
        """Refuse use after the end.

        Raises:
            CendryError: The context is closed.
        """
        if self._closed:
            raise CendryError("This context is closed; make a new one.")

    def shut(self) -> B | None:
        """Close the door; gives the backend if it is the context's own to close."""
        with self._lock:
            self._closed = True
            return self._backend if self.owned else None


@dataclass(slots=True)
class TransactionState:
    """One attempt at a transaction, as far as reads and writes have to know."""

    backend: Any
    handle: Any
    read_only: bool
    writes: int = 0
    ended: bool = False
    aborted: bool = False

    def check_open(self) -> None:
        """Refuse use after the end.

        Raises:
            CendryError: The transaction has ended.
        """
        if self.ended:
            raise CendryError("This transaction has ended; nothing can be read or written in it any more.")

    def check_read(self) -> None:
        """Refuse reads after the end or after a write.

        Raises:
            CendryError: The transaction has ended, or a write is queued.
        """
        self.check_open()
        if self.writes:
            raise CendryError("In a transaction, all reads come before the first write; move this read up.")


class Session:
    """Sends, for the sync twin; with a transaction, inside that."""

    __slots__ = ("door", "listeners", "settings", "transaction")

    def __init__(self, door: Door[Backend], settings: Settings, transaction: TransactionState | None = None) -> None:
        self.door = door
        self.settings = settings
        self.transaction = transaction
        self.listeners: set[Listener] = set()

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        return self.settings.registry

    def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        try:
            request = next(flow)
            while True:
                try:
                    answer = self._answer(request)
                except BaseException as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(answer)
        except StopIteration as end:
            return cast("R", end.value)

    def stream(self, plan: QueryPlan) -> Iterator[StoredDocument]:
        """The results of a query as they arrive."""
        backend = self.door.backend()
        if self.transaction is None:
            return iter(backend.run(plan, options=self.settings.options))
        self.transaction.check_read()
        return self._stream_inside(backend, self.transaction, plan)

    def _stream_inside(
        self, backend: Backend, transaction: TransactionState, plan: QueryPlan
    ) -> Iterator[StoredDocument]:
        with _marking(transaction):
            for result in backend.run(plan, options=self.settings.options, transaction=transaction.handle):
                transaction.check_open()
                yield result

    def _answer(self, request: Request) -> Any:
        backend, options = self.door.backend(), self.settings.options
        with _marking(self.transaction):
            match request:
                case GetPlan():
                    return list(backend.get(request, options=options, transaction=_handle(self.transaction)))
                case QueryPlan():
                    return list(backend.run(request, options=options, transaction=_handle(self.transaction)))
                case AggregationPlan():
                    return backend.aggregate(request, options=options, transaction=_handle(self.transaction))
                case Commit(writes, transaction):
                    return backend.commit(writes, options=options, transaction=transaction)
                case Begin(read_only, retry_of):
                    return backend.begin(read_only=read_only, retry_of=retry_of, options=options)
                case Rollback(transaction):
                    return backend.rollback(transaction, options=options)
                case Pause(seconds):
                    return time.sleep(seconds)
                case _:
                    return _plain(request.function())

    def listen(
        self,
        criteria: Criteria,
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query."""
        whole = planned(criteria, self.registry)
        return self.listen_to(whole.plan, whole.backwards, reader(whole.codec), callback, on_error)

    def listen_to(
        self,
        plan: QueryPlan | GetPlan,
        backwards: bool,
        read: Read[Any],
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query or a document."""
        if self.transaction is not None:
            raise CendryError("A transaction has no listeners; call on_snapshot() on a query of the context.")
        if not callable(callback):
            raise TypeError(f"on_snapshot() takes a callback, not {callback!r}.")
        if on_error is not None and not callable(on_error):
            raise TypeError(f"on_error= takes a function of one argument, the error, not {on_error!r}.")
        listener = Listener(read, backwards, callback, on_error, self.listeners)
        listener.start(self.door.backend(), plan)
        return listener

    def inside(self, transaction: TransactionState) -> Session:
        """A session that reads inside a transaction."""
        return Session(self.door, self.settings, transaction)

    def close(self) -> None:
        """Close listeners, and what the context opened."""
        for listener in list(self.listeners):
            listener.close()
        backend = self.door.shut()
        if backend is not None:
            backend.close()

    def leave(self) -> None:
        """Close at the end of a block: an error there must not stand in front of what the block raised."""
        try:
            self.close()
        except Exception as error:
            _log_close(error)


class AsyncSession:
    """Sends, for the async twin; with a transaction, inside that."""

    __slots__ = ("door", "settings", "transaction")

    def __init__(
        self, door: Door[AsyncBackend], settings: Settings, transaction: TransactionState | None = None
    ) -> None:
        self.door = door
        self.settings = settings
        self.transaction = transaction

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        return self.settings.registry

    async def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        try:
            request = next(flow)
            while True:
                try:
                    answer = await self._answer(request)
                except BaseException as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(answer)
        except StopIteration as end:
            return cast("R", end.value)

    def stream(self, plan: QueryPlan) -> AsyncIterator[StoredDocument]:
        """The results of a query as they arrive."""
        backend = self.door.backend()
        if self.transaction is None:
            return backend.run(plan, options=self.settings.options)
        self.transaction.check_read()
        return self._stream_inside(backend, self.transaction, plan)

    async def _stream_inside(
        self, backend: AsyncBackend, transaction: TransactionState, plan: QueryPlan
    ) -> AsyncIterator[StoredDocument]:
        with _marking(transaction):
            async for result in backend.run(plan, options=self.settings.options, transaction=transaction.handle):
                transaction.check_open()
                yield result

    async def _answer(self, request: Request) -> Any:
        backend, options = self.door.backend(), self.settings.options
        with _marking(self.transaction):
            match request:
                case GetPlan():
                    found = backend.get(request, options=options, transaction=_handle(self.transaction))
                    return [result async for result in found]
                case QueryPlan():
                    found = backend.run(request, options=options, transaction=_handle(self.transaction))
                    return [result async for result in found]
                case AggregationPlan():
                    return await backend.aggregate(request, options=options, transaction=_handle(self.transaction))
                case Commit(writes, transaction):
                    return await backend.commit(writes, options=options, transaction=transaction)
                case Begin(read_only, retry_of):
                    return await backend.begin(read_only=read_only, retry_of=retry_of, options=options)
                case Rollback(transaction):
                    return await _to_the_end(backend.rollback(transaction, options=options))
                case Pause(seconds):
                    return await _sleep(seconds)
                case _:
                    return await _awaitable(request.function())

    def inside(self, transaction: TransactionState) -> AsyncSession:
        """A session that reads inside a transaction."""
        return AsyncSession(self.door, self.settings, transaction)

    async def close(self) -> None:
        """Close what the context opened."""
        backend = self.door.shut()
        if backend is not None:
            await _to_the_end(backend.close())

    async def leave(self) -> None:
        """Close at the end of a block: an error there must not stand in front of what the block raised."""
        try:
            await self.close()
        except Exception as error:
            _log_close(error)


class _marking:  # noqa: N801
    """Notes on a transaction that the database aborted it, even if the user's function catches the error."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: TransactionState | None) -> None:
        self._transaction = transaction

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._transaction is not None and isinstance(error, TransactionContentionError):
            self._transaction.aborted = True


def _handle(transaction: TransactionState | None) -> Any:
    if transaction is None:
        return None
    transaction.check_read()
    return transaction.handle


def _plain(result: Any) -> Any:
    if iscoroutine(result):
        result.close()
        raise TypeError("Cendry.transaction() takes a plain function; use AsyncCendry for an async one.")
    return result


async def _awaitable(result: Any) -> Any:
    if not isawaitable(result):
        raise TypeError(f"AsyncCendry.transaction() takes an async function; this one gave {result!r}.")
    return await result


def _log_close(error: Exception) -> None:
    # Rarely needed, and not quick to import.
    import logging

    logging.getLogger("cendry").error("A context was left, and its backend could not be closed.", exc_info=error)


# Tasks that must end even if nobody waits for them any more.
_finishing: set[Any] = set()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that a cancellation of the caller must not cut off."""
    # asyncio alone takes longer to import than all of Cendry.
    import asyncio

    task = asyncio.ensure_future(work)
    _finishing.add(task)
    task.add_done_callback(_finished)
    await asyncio.shield(task)


def _finished(task: Any) -> None:
    _finishing.discard(task)
    # Asking for the error keeps the loop from complaining that nobody did.
    if not task.cancelled():
        task.exception()


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)
