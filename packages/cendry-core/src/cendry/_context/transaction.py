"""The state of transactions, their queued writes and the pauses between their attempts; the same for both twins."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from ..errors import CendryError, TransactionContentionError
from .batch import WriteQueue
from .writes import Pending

FIRST_PAUSE: Final = 0.5
"""Seconds: the longest pause before the second attempt; it doubles from then on.

Long enough for others to get through meanwhile: two attempts that meet again wait for each other's locks, and on the
emulator that costs 2 seconds each time. Of 0.1, 0.3 and 0.6, the last made 4 threads with 5 increments each quickest.
"""

LONGEST_PAUSE: Final = 4.0
"""Seconds: the longest pause at all. Pauses are drawn from zero to their longest (full jitter)."""


@dataclass(slots=True)
class TransactionState:
    """One attempt at a transaction, as far as reads and writes have to know.

    In a `with`, it is read in: that gives the handle, and notes if the database aborts the transaction, even if the
    user's function catches the error.
    """

    backend: Any
    handle: Any
    read_only: bool
    writes: int = 0
    ended: bool = False
    aborted: bool = False

    def __enter__(self) -> Any:
        self.check_read()
        return self.handle

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TransactionContentionError):
            self.aborted = True

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

    def start(self) -> None:
        """Note that it runs, for whoever begins another one here."""
        _running.set((*(one for one in _running.get() if not one.ended), self))

    def end(self) -> None:
        """Take no more reads and writes."""
        self.ended = True
        _running.set(tuple(one for one in _running.get() if one is not self))


_running: ContextVar[tuple[TransactionState, ...]] = ContextVar("cendry_transactions", default=())


def check_none_runs(backend: object) -> None:
    """Refuse a transaction inside another.

    Raises:
        CendryError: One is running on this backend, in this thread or task.
    """
    if any(not one.ended and one.backend is backend for one in _running.get()):
        raise CendryError(
            "A transaction is already running here, and the new one could wait for it forever. "
            "Use the outer one, or begin this one after it has ended."
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
        TypeError: There is nothing to call.
        ValueError: There would be no attempt.
    """
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
        raise ValueError(f"max_attempts= takes an int of 1 or more, not {max_attempts!r}.")
    if not callable(function):
        raise TypeError(f"transaction() takes a function of one argument, the transaction, not {function!r}.")


def pause_after(attempt: int, random: Random) -> float:
    """How many seconds to wait after an attempt that was aborted."""
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)))
