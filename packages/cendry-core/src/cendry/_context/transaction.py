"""The state of transactions, their queued writes and the pauses between their attempts; the same for both twins."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from ..errors import CendryError, OutcomeUnknownError, TransactionContentionError
from ..plan import Create, Delete, Set, Update, Write
from .batch import WriteQueue
from .versions import Known
from .writes import Pending

FIRST_PAUSE: Final = 0.5
"""Seconds: the longest pause before the second attempt; it doubles from then on.

Long enough for other transactions to finish meanwhile: two attempts that collide again wait for each other's locks,
which takes 2 seconds each time on the emulator. Of 0.1, 0.3 and 0.6, the last was fastest for 4 threads with 5
increments each.
"""

LONGEST_PAUSE: Final = 4.0
"""Seconds: the longest pause of all. Pauses are drawn between zero and their maximum (full jitter)."""


@dataclass(slots=True)
class TransactionState:
    """One attempt at a transaction: the state that reads and writes share.

    Reads run in a `with` on it: that returns the handle, and records if the database aborts the transaction, even if
    the user's function catches the error.

    Attributes:
        backend: The backend.
        handle: The backend's handle of the transaction.
        read_only: Whether it takes no writes.
        writes: The number of queued writes.
        ended: Whether it was committed or rolled back.
        aborted: Whether the database aborted one of its reads.
        outside: A write that was made through the context meanwhile, and so outside the transaction.
        outside_aborted: Whether the database aborted such a write. Then another attempt would end the same way.
        versions: The versions of the documents that were read, by path.
    """

    backend: Any
    handle: Any
    read_only: bool
    writes: int = 0
    ended: bool = False
    aborted: bool = False
    outside: Write | None = None
    outside_aborted: bool = False
    versions: dict[str, Known] = field(default_factory=dict[str, Known])

    def __enter__(self) -> Any:
        self.check_read()
        return self.handle

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TransactionContentionError):
            self.aborted = True

    def check_open(self, cause: BaseException | None = None) -> None:
        """Check that the transaction has not ended.

        Args:
            cause: The error of a read that may have failed because of that.

        Raises:
            CendryError: The transaction has ended.
        """
        if self.ended:
            raise CendryError("This transaction has ended; nothing can be read or written in it any more.") from cause

    def check_read(self) -> None:
        """Check that reads are allowed: before the end and before the first write.

        Raises:
            CendryError: The transaction has ended, or a write is queued.
        """
        self.check_open()
        if self.writes:
            raise CendryError("In a transaction, all reads come before the first write; move this read up.")

    def outside_error(self, write: Write, error: BaseException) -> CendryError | None:
        """The error for a write through the context that failed meanwhile, if the transaction may be the reason.

        Args:
            write: The write.
            error: Its error.
        """
        if isinstance(error, TransactionContentionError):
            self.outside, self.outside_aborted = write, True
            return contention(error.attempts, write)
        if isinstance(error, OutcomeUnknownError):
            # It may have waited for a lock until its time was up.
            self.outside = write
            method = _METHODS[type(write)]
            hint = f"it stood outside the transaction that runs here, and may have waited for it: use txn.{method}()"
            return OutcomeUnknownError(*error.paths, detail=f"{error.detail}; {hint}")
        return None

    def start(self) -> None:
        """Record that it is running, so that another one can't begin here."""
        running.set((*(one for one in running.get() if not one.ended), self))

    def end(self) -> None:
        """Allow no more reads and writes."""
        self.ended = True
        running.set(tuple(one for one in running.get() if one is not self))


running: Final[ContextVar[tuple[TransactionState, ...]]] = ContextVar("cendry_transactions", default=())
"""The transactions that run in this thread or task; mostly none."""


_METHODS: Final[dict[type, str]] = {Set: "save", Create: "create", Update: "update", Delete: "delete"}


def contention(attempts: int, outside: Write | None) -> TransactionContentionError:
    """The error for contention, which names a write outside the transaction if there was one."""
    if outside is None:
        return TransactionContentionError(attempts)
    return TransactionContentionError(attempts, outside=outside.path, method=_METHODS[type(outside)])


def running_on(backend: object) -> TransactionState | None:
    """The transaction that runs on a backend, in this thread or task."""
    for one in running.get():
        if one.backend is backend and not one.ended:
            return one
    return None


def check_none_runs(backend: object) -> None:
    """Check that a transaction does not begin inside another.

    Raises:
        CendryError: One is running on this backend, in this thread or task.
    """
    if running_on(backend) is not None:
        raise CendryError(
            "A transaction is already running here, and the new one could wait for it forever (writes of some fields "
            "of a model with versions begin one, too). Use the outer one, or begin this one after it has ended."
        )


def check_outside(backend: object) -> None:
    """Check that bulk writes don't begin inside a transaction.

    Raises:
        CendryError: One is running on this backend, in this thread or task.
    """
    if running_on(backend) is not None:
        raise inside_transaction()


def inside_transaction() -> CendryError:
    """The error for bulk writes inside a transaction."""
    return CendryError(
        "Bulk writes can't be part of the transaction that runs here, and could wait for it forever. "
        "Make them after it has ended, or write inside it: a transaction takes up to 500 writes."
    )


class TransactionQueue(WriteQueue):
    """The writes of a transaction, until its commit."""

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


def check_attempts(function: object, max_attempts: object) -> None:
    """Check the arguments of a transaction with retries.

    Raises:
        TypeError: The function is not callable.
        ValueError: `max_attempts` is less than 1.
    """
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
        raise ValueError(f"max_attempts= takes an int of 1 or more, not {max_attempts!r}.")
    if not callable(function):
        raise TypeError(f"transaction() takes a function of one argument, the transaction, not {function!r}.")


def pause_after(attempt: int, random: Random) -> float:
    """How many seconds to wait after an aborted attempt."""
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
