"""How far a long job has come, as a value; nothing here prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field

from .._immutable import dataclass
from .meter import Meter


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come.

    Attributes:
        done: How many documents are done.
        total: How many there are, or `None` if that is not known.
        rate: Documents per second, over the last ten seconds.
        throttled: Seconds for which the job was held by its limits, of all workers together.
        eta: Seconds until the end at this rate, or `None` if that is not known.
        phase: What the job does at present, such as `"copy"`.
    """

    done: int
    total: int | None
    rate: float = field(compare=False)
    throttled: float = field(compare=False)
    eta: float | None = field(compare=False)
    phase: str


class Tracker:
    """Counts what a job has done.

    Args:
        phase: What it does.
        total: How many documents there are, or `None`.
        done: How many are done already.
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = ("_meter", "done", "phase", "total")

    def __init__(
        self,
        phase: str,
        total: int | None = None,
        *,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.phase = phase
        self.total = total
        self.done = done
        self._meter = Meter(clock)

    def note(self, count: int) -> None:
        """Record that some documents are done now."""
        self.done += count
        self._meter.note(count)

    def progress(self, throttled: float = 0.0) -> Progress:
        """How far the job has come.

        Args:
            throttled: Seconds for which it was held.
        """
        rate = self._meter.rate
        eta = None
        if self.total is not None:
            left = max(self.total - self.done, 0)
            eta = left / rate if rate else (None if left else 0.0)
        return Progress(self.done, self.total, rate, throttled, eta, self.phase)
