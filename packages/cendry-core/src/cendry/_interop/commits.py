"""Commits: whether one may have been applied, and whether it may be sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..errors import OutcomeUnknownError
from ..plan import Write, is_repeatable
from .grpc import explained, status_of, text_of

_LOST: Final = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "CANCELLED", "DATA_LOSS"))
"""The statuses of calls that may have been executed."""

_UNSENT: Final = (
    "failed to connect to all addresses",
    "DNS resolution failed",
    "errors resolving",
    "Getting metadata from plugin failed",
)
"""Parts of gRPC's messages for calls that were not sent: without a connection, an address or credentials."""


def is_lost(error: BaseException) -> bool:
    """Whether a call that failed may have been executed all the same: it was sent, and not answered."""
    status = status_of(error)
    if status and status not in _LOST:
        return False
    text = text_of(error)
    return not any(part in text for part in _UNSENT)


class CommitAttempts:
    """What is known of a commit after failed attempts.

    A commit whose answer was lost may have been applied. If it is sent again, it meets its own success: the document
    exists already, or has been changed since. Such a refusal doesn't show whether the first attempt was applied, so
    the outcome is unknown.

    Args:
        writes: The writes of the commit.
        in_transaction: Whether it ends a transaction that the database knows by its id.
    """

    __slots__ = ("_in_transaction", "_lost", "_writes")

    def __init__(self, writes: Sequence[Write], *, in_transaction: bool) -> None:
        self._writes = writes
        self._in_transaction = in_transaction
        self._lost: Any = None

    def may_repeat(self, error: Any) -> bool:
        """Record an attempt that failed, and return whether there may be another; may be called twice with an error."""
        if not is_lost(error):
            return True
        if self._lost is None:
            self._lost = error
        return is_repeatable(self._writes, in_transaction=self._in_transaction)

    def unknown(self, error: Any) -> Any:
        """The error to raise instead of the last one, or `None` if that says what happened.

        Args:
            error: The error of the last attempt, or of the policy that allows no other.
        """
        if status_of(error) == "CANCELLED":
            # A channel that is closed during a call ends it without a decision about a retry.
            self.may_repeat(error)
        lost = self._lost
        if lost is None:
            return None
        if not self._writes:
            # Nothing is at stake, and the server refuses to end a transaction twice.
            return None if error is lost else lost
        detail = str(lost) if error is lost else f"{lost}. It was sent again, and failed: {error}"
        return explained(lost, OutcomeUnknownError(*(write.path for write in self._writes), detail=detail))
