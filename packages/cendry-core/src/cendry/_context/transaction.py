"""Transactions of both twins: reads, then writes, that take effect together or not at all; retried on contention."""

# Its functions are the transaction's own, kept out of the names that users see on one.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from random import Random
from types import TracebackType
from typing import Any, Final, TypeVar, cast, final

from .._model.model import Model
from .._query.flow import Begin, Call, Flow, Pause, Rollback
from ..backend import AsyncBackend, Backend
from ..errors import CendryError, TransactionContentionError
from ..reference import Located
from . import flows as _shared
from .batch import WriteQueue
from .changes import Changes
from .misuse import AsyncOnly, SyncOnly
from .reads import AsyncReads, Reads
from .session import AsyncSession, Session, TransactionState
from .writes import Pending, commit, discard

M = TypeVar("M", bound=Model)
R = TypeVar("R")
T = TypeVar("T", bound="_AnyTransaction")

FIRST_PAUSE: Final = 0.5
"""Seconds: the longest pause before the second attempt; it doubles from then on.

Long enough for others to get through meanwhile: two attempts that meet again wait for each other's locks, and on the
emulator that costs 2 seconds each time. Of 0.1, 0.3 and 0.6, the last made 4 threads with 5 increments each quickest.
"""

LONGEST_PAUSE: Final = 4.0
"""Seconds: the longest pause at all. Pauses are drawn from zero to their longest (full jitter)."""

_running: ContextVar[tuple[TransactionState, ...]] = ContextVar("cendry_transactions", default=())


class _AnyTransaction(WriteQueue):
    __slots__ = ()
    _state: TransactionState

    def _check(self) -> None:
        self._state.check_open()
        if self._state.read_only:
            raise CendryError("This transaction is read-only; begin one without read_only=True to write.")
        super()._check()

    def _add(self, pending: Pending) -> str:
        document_id = super()._add(pending)
        self._state.writes = len(self._pending)
        return document_id


@final
class Transaction(Reads, _AnyTransaction):
    """One attempt at a transaction: reads first, then writes, which are committed together at its end.

    Made by `ctx.transaction()`. Queries made by `select` run inside it, and end with it.
    """

    __slots__ = ("_pending", "_state", "_writer")

    def __init__(self, session: Session, state: TransactionState) -> None:
        self._session = session.inside(state)
        self._state = state
        self._writer = session.settings.writer
        self._pending = []


@final
class AsyncTransaction(AsyncReads, _AnyTransaction):
    """One attempt at a transaction: reads first, then writes, which are committed together at its end.

    Made by `ctx.transaction()`. Queries made by `select` run inside it, and end with it. Reads are awaited; writes are
    queued without.
    """

    __slots__ = ("_pending", "_state", "_writer")

    def __init__(self, session: AsyncSession, state: TransactionState) -> None:
        self._session = session.inside(state)
        self._state = state
        self._writer = session.settings.writer
        self._pending = []


# One attempt


def _begin(
    backend: Backend | AsyncBackend, make: Callable[[TransactionState], T], read_only: bool, retry_of: Any = None
) -> Flow[T]:
    if any(not one.ended and one.backend is backend for one in _running.get()):
        raise CendryError(
            "A transaction is running here already, and the new one could wait for it forever. "
            "Use the outer one, or begin this one after it."
        )
    handle = yield Begin(read_only, retry_of)
    state = TransactionState(backend, handle, read_only)
    _running.set((*(one for one in _running.get() if not one.ended), state))
    return make(state)


def _end(transaction: _AnyTransaction) -> None:
    transaction._state.ended = True
    _running.set(tuple(one for one in _running.get() if one is not transaction._state))


def _finish(transaction: _AnyTransaction) -> Flow[None]:
    state = transaction._state
    if state.aborted:
        # The user's function caught the error of a read and went on with what it had.
        yield from _abandon(transaction)
        raise TransactionContentionError
    _end(transaction)
    try:
        yield from commit(transaction._pending, state.handle)
    except BaseException:
        yield from _rollback(state)
        raise


def _abandon(transaction: _AnyTransaction) -> Flow[None]:
    _end(transaction)
    discard(transaction._pending)
    yield from _rollback(transaction._state)


def _rollback(state: TransactionState) -> Flow[None]:
    try:
        yield Rollback(state.handle)
    except Exception:  # noqa: S110
        # The reason to roll back is on its way to the user, and the database ends idle transactions by itself.
        pass


# With retries


def attempts(
    backend: Backend | AsyncBackend,
    make: Callable[[TransactionState], T],
    function: Callable[[T], Any],
    max_attempts: Any,
    read_only: bool,
    random: Random,
) -> Flow[Any]:
    """Run a function in a transaction until it is committed, or `max_attempts` were aborted.

    Raises:
        TransactionContentionError: All attempts were aborted; the last one's error is the cause.
    """
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
        raise ValueError(f"max_attempts= takes an int of 1 or more, not {max_attempts!r}.")
    if not callable(function):
        raise TypeError(f"transaction() takes a function of one argument, the transaction, not {function!r}.")
    retry_of: Any = None
    for attempt in range(1, max_attempts + 1):
        try:
            transaction = yield from _begin(backend, make, read_only, retry_of)
            retry_of = transaction._state.handle
            return (yield from _attempt(transaction, function))
        except TransactionContentionError as error:
            if attempt == max_attempts:
                raise TransactionContentionError(attempt) from error.__cause__ or error
        yield Pause(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))))
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached


def _attempt(transaction: T, function: Callable[[T], Any]) -> Flow[Any]:
    try:
        result = yield Call(lambda: function(transaction))
    except BaseException:
        yield from _abandon(transaction)
        raise
    yield from _finish(transaction)
    return result


# As context managers


class Scope(SyncOnly):
    """A transaction of one attempt, in a `with`."""

    __slots__ = ("_read_only", "_session", "_transaction")
    _cendry_name = "transaction"

    def __init__(self, session: Session, read_only: bool) -> None:
        self._session = session
        self._read_only = read_only

    def __enter__(self) -> Transaction:
        session = self._session
        begin = _begin(session.door.backend(), lambda state: Transaction(session, state), self._read_only)
        self._transaction = session.drive(begin)
        return self._transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.drive(_finish(self._transaction) if error is None else _abandon(self._transaction))


class AsyncScope(AsyncOnly):
    """A transaction of one attempt, in an `async with`."""

    __slots__ = ("_read_only", "_session", "_transaction")
    _cendry_name = "transaction"

    def __init__(self, session: AsyncSession, read_only: bool) -> None:
        self._session = session
        self._read_only = read_only

    async def __aenter__(self) -> AsyncTransaction:
        session = self._session
        begin = _begin(session.door.backend(), lambda state: AsyncTransaction(session, state), self._read_only)
        self._transaction = await session.drive(begin)
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.drive(_finish(self._transaction) if error is None else _abandon(self._transaction))


def run(session: Session, function: Callable[[Transaction], R], max_attempts: int, read_only: bool) -> R:
    """Run a function in a transaction, with retries."""
    flow = attempts(
        session.door.backend(),
        lambda state: Transaction(session, state),
        function,
        max_attempts,
        read_only,
        session.settings.random,
    )
    return cast("R", session.drive(flow))


async def run_async(
    session: AsyncSession, function: Callable[[AsyncTransaction], Any], max_attempts: int, read_only: bool
) -> Any:
    """Run an async function in a transaction, with retries."""
    flow = attempts(
        session.door.backend(),
        lambda state: AsyncTransaction(session, state),
        function,
        max_attempts,
        read_only,
        session.settings.random,
    )
    return await session.drive(flow)


def update_or_create(
    model: type[M],
    document_id: str,
    defaults: Changes | None,
    create_defaults: Changes | None,
    parent: Located | None,
) -> Callable[[Transaction], tuple[M, bool]]:
    """What `update_or_create` does in its transaction."""

    def put(txn: Transaction) -> tuple[M, bool]:
        session = txn._session
        flow = _shared.update_or_create(txn, model, document_id, defaults, create_defaults, parent, session.registry)
        return session.drive(flow)

    return put


def update_or_create_async(
    model: type[M],
    document_id: str,
    defaults: Changes | None,
    create_defaults: Changes | None,
    parent: Located | None,
) -> Callable[[AsyncTransaction], Coroutine[Any, Any, tuple[M, bool]]]:
    """What `update_or_create` does in its transaction."""

    def put(txn: AsyncTransaction) -> Coroutine[Any, Any, tuple[M, bool]]:
        session = txn._session
        flow = _shared.update_or_create(txn, model, document_id, defaults, create_defaults, parent, session.registry)
        return session.drive(flow)

    return put
