"""The clock that a store lives by, and one that stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from cendry import _fork

from ._lock import Lock

Clock = Callable[[], datetime]
"""Gives the present moment, aware."""


def system_clock() -> datetime:
    """The computer's own clock."""
    return datetime.now(timezone.utc)


class ManualClock:
    """A clock that tests control: it stands still until a test moves it.

    It fits `MemoryBackend(clock=...)` and `Cendry(clock=...)` alike. A store still gives every commit a time of its
    own: what is committed while the clock stands gets the microseconds after.

    Args:
        now: Where it stands at first, aware; by default 2024-01-01T00:00:00Z.
    """

    def __init__(self, now: datetime = datetime(2024, 1, 1, tzinfo=timezone.utc)) -> None:
        self.after_fork()
        _fork.register(self)
        self.set(now)

    def after_fork(self) -> None:
        """Renew the lock: in a forked child, no other thread holds it."""
        self._lock = Lock()

    def __call__(self) -> datetime:
        """The moment where the clock stands, in UTC."""
        return self._now

    def set(self, now: datetime) -> None:
        """Move the clock to a moment, back too.

        Raises:
            ValueError: The moment is naive.
        """
        if now.tzinfo is None:
            raise ValueError(f"ManualClock takes aware datetimes, not {now!r}.")
        self._now = now.astimezone(timezone.utc)

    def advance(self, seconds: float | timedelta) -> datetime:
        """Move the clock on, and give the new moment.

        Args:
            seconds: How far, in seconds or as a `timedelta`.
        """
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        with self._lock:
            self._now += step
            return self._now
