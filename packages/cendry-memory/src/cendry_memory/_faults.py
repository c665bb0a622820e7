"""Failures that tests order in advance. Nothing here happens by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from cendry import _fork
from cendry.errors import OutcomeUnknownError, TransactionContentionError
from cendry.plan import Write

from ._lock import Lock

Call = Literal["get", "run", "aggregate", "commit", "rollback", "listen"]

_READS: Final = frozenset({"get", "run", "aggregate"})


class ServiceUnavailableError(ConnectionError):
    """The database could not be reached, or its answer got lost, because a test ordered it."""


class Faults:
    """What shall go wrong with the calls to come; `backend.faults`.

    Orders of one kind add up, and each call uses up at most one. They hold for all backends over one store. Each write
    of a bulk counts as a commit of its own.
    """

    def __init__(self) -> None:
        self.after_fork()
        _fork.register(self)
        self._commits_to_abort = 0
        self._reads_to_abort = 0
        self._unavailable: list[frozenset[str] | None] = []
        self._ambiguous: list[bool] = []

    def after_fork(self) -> None:
        """Renew the lock: in a forked child, no other thread holds it."""
        self._lock = Lock()

    def abort_next_commit(self, times: int = 1) -> None:
        """Abort the next commits by contention: nothing is written, `TransactionContentionError` is raised.

        Args:
            times: How many commits, in transactions or not.
        """
        with self._lock:
            self._commits_to_abort += times

    def abort_next_read(self, times: int = 1) -> None:
        """Abort the next reads inside of transactions by contention, which ends those transactions.

        Args:
            times: How many reads.
        """
        with self._lock:
            self._reads_to_abort += times

    def unavailable_next(self, times: int = 1, *calls: Call) -> None:
        """Let the next calls fail with `ServiceUnavailableError` before they do anything.

        Args:
            times: How many calls.
            calls: Which kinds of call; by default every one counts.
        """
        with self._lock:
            self._unavailable.extend([frozenset(calls) or None] * times)

    def ambiguous_next_commit(self, times: int = 1, *, applied: bool = True) -> None:
        """Let the answers to the next commits get lost: `OutcomeUnknownError` is raised.

        Args:
            times: How many commits.
            applied: Whether the commits were done all the same.
        """
        with self._lock:
            self._ambiguous.extend([applied] * times)

    def clear(self) -> None:
        """Call off all that was ordered."""
        with self._lock:
            self._commits_to_abort = self._reads_to_abort = 0
            self._unavailable.clear()
            self._ambiguous.clear()

    @property
    def pending(self) -> int:
        """How many orders are still to be used up."""
        with self._lock:
            ordered = self._commits_to_abort + self._reads_to_abort
            return ordered + len(self._unavailable) + len(self._ambiguous)

    # --- for the store ---

    def strike(self, call: Call, *, in_transaction: bool) -> None:
        """Raise what was ordered for a call of this kind, and use it up."""
        if not (self._unavailable or self._commits_to_abort or self._reads_to_abort):
            return
        with self._lock:
            for number, calls in enumerate(self._unavailable):
                if calls is None or call in calls:
                    del self._unavailable[number]
                    raise ServiceUnavailableError(f"Unavailable, as scheduled by a test: {call} was not done.")
            if call == "commit" and self._commits_to_abort:
                self._commits_to_abort -= 1
                raise TransactionContentionError
            if in_transaction and call in _READS and self._reads_to_abort:
                self._reads_to_abort -= 1
                raise TransactionContentionError

    def ambiguity(self) -> bool | None:
        """Whether the answer to this commit gets lost: `None` if not, else whether the commit is done."""
        if not self._ambiguous:
            return None
        with self._lock:
            return self._ambiguous.pop(0) if self._ambiguous else None

    @staticmethod
    def lost(writes: Sequence[Write]) -> Exception:
        """The error of a commit whose answer got lost."""
        cause = ServiceUnavailableError("Unavailable, as scheduled by a test: the answer to the commit got lost.")
        if not writes:
            return cause
        error = OutcomeUnknownError(*(write.path for write in writes), detail=str(cause))
        error.__cause__ = cause
        return error
