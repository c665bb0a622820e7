"""The pace of a running job: a rate that grows, what its user says meanwhile, less while the database refuses."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from .._immutable import dataclass
from ..errors import JobFileError, JobStoreError
from .state import find_json, write_json
from .store import Store
from .throttle import INITIAL_RATE, Throttle

THROTTLE_FILE: Final = "throttle.json"
RAMP_FILE: Final = "ramp.json"

READ_EVERY: Final = 1.0
"""Seconds between two looks at what the user says."""

SAVE_EVERY: Final = 10.0
"""Seconds after which the growth of the rate is saved again."""

WINDOW: Final = 120.0
"""Seconds of requests from which the share of refused ones is taken."""

RATIO: Final = 1.25
"""More requests than this, per accepted one, are held back (https://sre.google/sre-book/handling-overload/)."""

PAUSE: Final = 1.0
"""Seconds until another attempt, of a job that is paused or held back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the user of a running job says about its pace.

    Attributes:
        rate: The most documents per second of all workers together, or `None` for what the job began with.
        paused: Whether it does nothing for now.
    """

    rate: float | None = None
    paused: bool = False

    def to_json(self) -> dict[str, Any]:
        """The pace as an object of JSON."""
        return {"rate": self.rate, "paused": self.paused}

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> Pace:
        """The pace that an object of JSON describes.

        Args:
            name: The name of its file.
            data: The object.

        Raises:
            JobFileError: It describes none.
        """
        rate, paused = data.get("rate"), data.get("paused", False)
        if rate is not None and not is_rate(rate):
            raise JobFileError(name, f"'rate' is {rate!r}, not a positive number of documents per second, nor null")
        if not isinstance(paused, bool):
            raise JobFileError(name, f"'paused' is {paused!r}, neither true nor false")
        return cls(rate, paused)


def is_rate(value: object) -> bool:
    """Whether a value is a positive number of documents per second."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def read_pace(store: Store) -> Pace:
    """What the user of a job says about its pace; a `Pace()` if nothing.

    Raises:
        JobFileError: The file is not one of those.
        JobStoreError: It can't be read.
    """
    found = find_json(store, THROTTLE_FILE)
    return Pace() if found is None else Pace.from_json(THROTTLE_FILE, found)


def write_pace(store: Store, pace: Pace) -> None:
    """Say what the pace of a job is to be. A running one follows within a second.

    Raises:
        JobStoreError: It can't be written.
    """
    write_json(store, THROTTLE_FILE, pace.to_json())


class AdaptiveThrottle:
    """The pace of a job, for all threads of a process.

    The rate grows by the rule 500/50/5. While the database refuses more than a fifth of the requests, a part of them is
    not sent at all: (requests - 1.25 * accepted) / (requests + 1), over two minutes. The file `throttle.json` limits
    the rate further, or pauses the job; it is read once a second.

    Args:
        throttle: Limits the rate.
        store: Where the files of the job are; without it, nobody can change the pace meanwhile.
        clock: Returns a time in seconds that never runs back.
        random: Draws which requests are held back.
        workers: How many processes share what `throttle.json` says, at most.

    Raises:
        JobFileError: `throttle.json` is not what it must be. (If it becomes so later, its last good content counts.)
        JobStoreError: It can't be read.
    """

    __slots__ = (
        "_accepted",
        "_clock",
        "_held_until",
        "_max_rate",
        "_mutex",
        "_pace",
        "_random",
        "_read",
        "_requests",
        "_saved",
        "_store",
        "_throttle",
        "_throttled",
        "_window",
        "_workers",
    )

    def __init__(
        self,
        throttle: Throttle,
        *,
        store: Store | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        workers: int = 1,
    ) -> None:
        self._throttle = throttle
        self._max_rate = throttle.max_rate
        self._store = store
        self._workers = workers
        self._clock = clock
        self._random = Random() if random is None else random  # noqa: S311 - no secret
        self._mutex = threading.Lock()
        self._window: deque[tuple[float, int, int]] = deque()
        self._requests = self._accepted = 0
        self._throttled = self._held_until = 0.0
        self._read = self._saved = clock()
        self._pace = Pace()
        if store is not None:
            self._follow(read_pace(store))

    @classmethod
    def open(
        cls,
        store: Store,
        *,
        initial: float | None = INITIAL_RATE,
        max_rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
        workers: int = 1,
    ) -> AdaptiveThrottle:
        """The pace of a job that may have run before: its rate grows on from where it was.

        Args:
            store: Where the files of the job are.
            initial: Documents per second at the beginning; `None` for no limit but `max_rate`, as on emulators.
            max_rate: The most documents per second, or `None`.
            clock: Returns a time in seconds that never runs back.
            random: Draws which requests are held back.
            workers: How many processes work on the job, at most; each has its share of all rates.

        Raises:
            JobFileError: A file is not what it must be.
            JobStoreError: A file can't be read.
            ValueError: The rate is not a positive number.
        """
        if max_rate is not None and not is_rate(max_rate):
            raise ValueError(f"rate= takes a positive number of documents per second, not {max_rate!r}.")
        ramp = find_json(store, RAMP_FILE) or {}
        elapsed = ramp.get("elapsed", 0.0)
        if not is_rate(elapsed) and elapsed != 0:
            raise JobFileError(RAMP_FILE, f"'elapsed' is {elapsed!r}, not a number of seconds")
        throttle = Throttle(_share(initial, workers), max_rate=_share(max_rate, workers), elapsed=elapsed, clock=clock)
        return cls(throttle, store=store, clock=clock, random=random, workers=workers)

    @property
    def rate(self) -> float | None:
        """The most documents per second at present; `None` if they are not limited."""
        return self._throttle.rate

    @property
    def burst(self) -> float:
        """The most documents that may be sent at once without being early."""
        return self._throttle.burst

    @property
    def paused(self) -> bool:
        """Whether the user has paused the job."""
        return self._pace.paused

    @property
    def throttled(self) -> float:
        """Seconds for which documents were held, without pauses, of all threads together."""
        return self._throttled

    def acquire(self, count: int) -> float:
        """Ask to send some documents in one request.

        Args:
            count: How many. More than `burst` are sent when that many may be, and what follows waits for the rest.

        Returns:
            Zero if they are to be sent now, and then they count; else the seconds after which to ask again.
        """
        with self._mutex:
            now = self._clock()
            self._look(now)
            if self._pace.paused:
                return PAUSE
            wait = self._held_until - now
            if wait <= 0:
                wait = self._throttle.wait_for(min(count, self._throttle.burst))
                if not wait and self._is_held_back(now):
                    self._held_until = now + PAUSE
                    wait = PAUSE
            if wait:
                if self._store is not None:
                    # By then its user may have said something else.
                    wait = min(wait, READ_EVERY)
                self._throttled += wait
                return wait
            self._throttle.take(count)
            return 0.0

    def note(self, *, accepted: bool) -> None:
        """Record what became of a request.

        Args:
            accepted: Whether the database took it; `False` if it was too much for it (`RESOURCE_EXHAUSTED`,
                `UNAVAILABLE`, `DEADLINE_EXCEEDED`, `ABORTED`).
        """
        with self._mutex:
            self._count(self._clock(), int(accepted))

    def save(self) -> None:
        """Save how far the rate has grown, if that is ten seconds ago; call it after `JobLock.check`.

        Of several processes, each does it as many times less often.

        Raises:
            JobStoreError: It can't be written.
        """
        with self._mutex:
            now = self._clock()
            # A bucket takes one write of an object per second.
            if self._store is None or now - self._saved < SAVE_EVERY * self._workers:
                return
            self._saved = now
            write_json(self._store, RAMP_FILE, {"elapsed": round(self._throttle.elapsed, 3)})

    def _look(self, now: float) -> None:
        if self._store is None or now - self._read < READ_EVERY:
            return
        self._read = now
        try:
            pace = read_pace(self._store)
        except (JobFileError, JobStoreError):
            # Somebody is editing it; a job of hours does not end by that.
            return
        if pace != self._pace:
            self._follow(pace)

    def _follow(self, pace: Pace) -> None:
        self._pace = pace
        self._throttle.max_rate = self._max_rate if pace.rate is None else _share(pace.rate, self._workers)

    def _is_held_back(self, now: float) -> bool:
        self._forget(now)
        share = (self._requests - RATIO * self._accepted) / (self._requests + 1)
        if share <= 0 or self._random.random() >= share:
            return False
        self._count(now, 0)
        return True

    def _count(self, now: float, accepted: int) -> None:
        self._requests += 1
        self._accepted += accepted
        window = self._window
        if window and now - window[-1][0] < 1.0:
            since, requests, before = window[-1]
            window[-1] = (since, requests + 1, before + accepted)
        else:
            window.append((now, 1, accepted))

    def _forget(self, now: float) -> None:
        window = self._window
        while window and window[0][0] <= now - WINDOW:
            _, requests, accepted = window.popleft()
            self._requests -= requests
            self._accepted -= accepted


def _share(rate: float | None, workers: int) -> float | None:
    return None if rate is None else rate / workers
