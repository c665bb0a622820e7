"""The rate at which many documents are written: it begins low and grows, so that the database can keep up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

INITIAL_RATE: Final = 500.0
"""Documents per second at the beginning (https://firebase.google.com/docs/firestore/best-practices#ramping_up_traffic)."""

GROWTH: Final = 1.5
"""The rate is multiplied by this after each period."""

PERIOD: Final = 300.0
"""Seconds after which the rate grows."""

MAX_PERIODS: Final = 100
"""Periods after which the rate no longer grows, which is then far beyond what anybody sends; a float has an end."""


class Throttle:
    """Limits a rate by the rule 500/50/5: 500 documents per second, and 50 % more every 5 minutes.

    What was not used of the rate of one second can be used later at once, and no more.

    Args:
        initial: Documents per second at the beginning; `None` for no limit but `max_rate`.
        max_rate: The maximum of documents per second, or `None`.
        elapsed: Seconds for which the rate has been growing already, in a process before.
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = ("_available", "_clock", "_initial", "_max_rate", "_started", "_updated")

    def __init__(
        self,
        initial: float | None = INITIAL_RATE,
        *,
        max_rate: float | None = None,
        elapsed: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._initial = initial
        self._max_rate = max_rate
        self._clock = clock
        self._updated = clock()
        self._started = self._updated - elapsed
        self._available = self.burst

    @property
    def rate(self) -> float | None:
        """Documents per second at present; `None` if they are not limited."""
        return self._rate_at(self._updated)

    @property
    def elapsed(self) -> float:
        """Seconds for which the rate has been growing."""
        return self._clock() - self._started

    @property
    def max_rate(self) -> float | None:
        """The maximum of documents per second, or `None`; it can be changed at any time."""
        return self._max_rate

    @max_rate.setter
    def max_rate(self, max_rate: float | None) -> None:
        # What was earned until now was earned at the rate until now.
        self._earn()
        self._max_rate = max_rate
        self._available = min(self._available, self.burst)

    def _rate_at(self, moment: float) -> float | None:
        if self._initial is None:
            return self._max_rate
        grown = self._initial * GROWTH ** min(int((moment - self._started) / PERIOD), MAX_PERIODS)
        return grown if self._max_rate is None else min(grown, self._max_rate)

    @property
    def burst(self) -> float:
        """The most documents that can be written at once: those of a second, at least one."""
        rate = self.rate
        return float("inf") if rate is None else max(rate, 1.0)

    def wait_for(self, count: float) -> float:
        """Return how many seconds to wait until some documents may be written; 0 if now.

        Args:
            count: How many, at most `burst`.
        """
        self._earn()
        rate = self.rate
        if rate is None:
            return 0.0
        missing = count - self._available
        # What is missing by rounding alone would be waited for in vain.
        return missing / rate if missing > 1e-6 else 0.0

    def take(self, count: int) -> None:
        """Record that some documents are written now."""
        if self.rate is not None:
            self._available -= count

    def _earn(self) -> None:
        now, rate = self._clock(), self.rate
        # At the end of a period by the lower rate, so that no moment has more than its own.
        earned = 0.0 if rate is None else (now - self._updated) * rate
        self._updated = now
        self._available = min(self._available + earned, self.burst)
