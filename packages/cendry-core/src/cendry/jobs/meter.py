"""The rate at which documents are done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW: Final = 10.0
"""Seconds over which a rate is measured."""


class Meter:
    """Measures a rate.

    Args:
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = ("_clock", "_counts", "_started", "_sum")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def note(self, count: int) -> None:
        """Record that some documents are done now."""
        self._counts.append((self._clock(), count))
        self._sum += count

    @property
    def rate(self) -> float:
        """Documents per second over the last ten seconds, or since the beginning if that is less ago."""
        now = self._clock()
        counts = self._counts
        while counts and counts[0][0] <= now - WINDOW:
            self._sum -= counts.popleft()[1]
        seconds = min(now - self._started, WINDOW)
        return self._sum / seconds if seconds > 0 else 0.0
