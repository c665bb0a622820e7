"""Bulk writes: what is queued, in which order it may be sent, and what came of it. Nothing here sends or waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple, cast

from .. import _fork
from ..backend import MAX_BULK_WRITES, WriteResult
from ..errors import (
    BulkError,
    BulkFailure,
    CendryError,
    OutcomeUnknownError,
    UnsupportedByBackendError,
    UsedBeforeForkError,
)
from ..jobs.meter import Meter
from ..jobs.results import BulkOptions, BulkProgress, BulkResult
from ..jobs.throttle import Throttle
from ..plan import Create, Write, is_repeatable
from .transaction import check_outside
from .workers import Finished
from .writes import Pending, discard, is_refusal, name_reference, settle_one

MAX_IN_FLIGHT: Final = 8
"""Requests that are sent at once, at most."""

MAX_HELD: Final = (MAX_IN_FLIGHT + 2) * MAX_BULK_WRITES
"""Writes that are held in memory, at most: those in flight, those that wait for them, and some more."""

MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""The same for their fields, as far as the backend knows how large they are."""

LARGE: Final = 4096
"""Fields of fewer bytes don't count for that: of so many writes, they are at most 10 MiB."""

MAX_ATTEMPTS: Final = 10
"""How often a write is sent, at most, unless a timeout ends it before."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
"""Seconds between the attempts at a write: random, up to the first pause doubled each time."""


class Request(NamedTuple):
    """Writes that are sent together.

    Attributes:
        pending: The writes.
        moment: When they are sent, by the clock of the bulk.
    """

    pending: list[Pending]
    moment: float

    @property
    def writes(self) -> tuple[Write, ...]:
        """What is sent."""
        return tuple([one.write for one in self.pending])


class Trial:
    """The failed attempts at a write.

    Attributes:
        attempts: How often it was sent.
        since: When it was first sent.
        error: The error of its last attempt.
        lost: The error of the first attempt after which it may have been done.
    """

    __slots__ = ("attempts", "error", "lost", "since")

    def __init__(self, since: float) -> None:
        self.attempts = 0
        self.since = since
        self.error: Exception | None = None
        self.lost: Exception | None = None


class BulkQueue:
    """The writes of a bulk: those that wait, and the outcomes of those that were sent.

    Two writes to one document are never under way together, so that they keep their order.

    Args:
        options: The arguments of the bulk.
        throttle: Limits the rate.
        random: Source of the pauses before other attempts.
        timeout: Seconds after which a write is not sent again; `None` for no limit but that of the attempts.
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = (
        "_active",
        "_bytes",
        "_clock",
        "_delayed",
        "_failed",
        "_held",
        "_large",
        "_meter",
        "_number",
        "_options",
        "_random",
        "_ready",
        "_size",
        "_throttle",
        "_timeout",
        "_trials",
        "_written",
    )

    def __init__(
        self,
        options: BulkOptions,
        throttle: Throttle,
        random: Random,
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._throttle = throttle
        self._random = random
        self._timeout = timeout
        self._clock = clock
        self._meter = Meter(clock)
        self._size = int(min(throttle.burst, MAX_BULK_WRITES))
        self._ready: deque[Pending] = deque()
        # By path: the writes that wait until an earlier one to the same document is done.
        self._active: dict[str, deque[Pending] | None] = {}
        self._delayed: list[tuple[float, int, Pending]] = []
        # By the id of a write, as few have any: the bytes of large ones, and failed attempts.
        self._large: dict[int, int] = {}
        self._trials: dict[int, Trial] = {}
        self._number = 0
        self._held = self._bytes = 0
        self._written = 0
        self._failed: list[BulkFailure] = []

    @property
    def held(self) -> int:
        """How many writes are not done yet."""
        return self._held

    @property
    def count(self) -> int:
        """How many writes were queued so far, done or not."""
        return self._held + self._written + len(self._failed)

    @property
    def is_full(self) -> bool:
        """Whether no more may be queued."""
        return self._held >= MAX_HELD or self._bytes >= MAX_HELD_BYTES

    @property
    def is_due(self) -> bool:
        """Whether there is enough for another request, or no more may be queued."""
        return not len(self._ready) % self._size or self._held >= MAX_HELD or self._bytes >= MAX_HELD_BYTES

    @property
    def result(self) -> BulkResult:
        """What came of the writes so far."""
        return BulkResult(self._written, tuple(self._failed))

    def add(self, pending: Pending) -> None:
        """Queue a write."""
        write = pending.write
        self._held += 1
        size: int = getattr(getattr(write, "data", None), "size", 0)
        if size > LARGE:
            self._large[id(pending)] = size
            self._bytes += size
        path, active = write.path, self._active
        if path not in active:
            active[path] = None
            self._ready.append(pending)
            return
        followers = active[path]
        if followers is None:
            followers = active[path] = deque()
        followers.append(pending)

    def next_request(self, *, urgent: bool) -> Request | None:
        """The writes to send now, if there are any.

        Args:
            urgent: Whether fewer writes than fit are sent, too.
        """
        now = self._clock()
        ready = self._ready
        while self._delayed and self._delayed[0][0] <= now:
            ready.append(heappop(self._delayed)[2])
        count = min(len(ready), self._size)
        if not count or (count < self._size and not urgent) or self._throttle.wait_for(count):
            return None
        self._throttle.take(count)
        return Request([ready.popleft() for _ in range(count)], now)

    def pause(self) -> float | None:
        """Seconds after which there is something to send; `None` if nothing is waiting for that."""
        pauses: list[float] = []
        if self._ready:
            pauses.append(self._throttle.wait_for(min(len(self._ready), self._size)))
        if self._delayed:
            pauses.append(max(self._delayed[0][0] - self._clock(), 0.0))
        return min(pauses) if pauses else None

    def take(self, request: Request, results: Sequence[WriteResult]) -> None:
        """Take what became of a request, and call the user's handlers."""
        failures: list[BulkFailure] = []
        for pending, result in zip(request.pending, results, strict=True):
            if result.error is None:
                self._written += 1
                settle_one(pending, result.update_time)
            else:
                trial = self._trial(pending, request, result.error, is_lost=result.is_lost)
                if result.is_transient and self._is_sent_again(pending, trial, is_lost=result.is_lost):
                    continue
                failures.append(_failure(pending, trial))
            self._release(pending)
        self._report(len(request.pending), failures)

    def take_error(self, request: Request, error: BaseException) -> None:
        """Take that a request raised an error: either nothing was sent, or nothing is known."""
        for pending in request.pending:
            if is_refusal(error):
                discard([pending])
            else:
                lost = error if isinstance(error, Exception) else RuntimeError(f"The call ended by {error!r}.")
                self._failed.append(_failure(pending, self._trial(pending, request, lost, is_lost=True)))
            self._release(pending)

    def settle_rest(self, finished: Iterable[Finished]) -> None:
        """Take what became of the last requests after an error; no handler is called, and nothing is sent again."""
        self._options = BulkOptions()
        for request, results, error in finished:
            if error is not None:
                self.take_error(request, error)
            else:
                self.take(request, results)
        self.abandon()

    def abandon(self) -> None:
        """Discard what was not sent; what was sent, and was to be sent again, has failed."""
        waiting = [*self._ready, *(pending for _, _, pending in self._delayed)]
        for followers in self._active.values():
            waiting += followers or ()
        self._ready.clear()
        self._delayed.clear()
        self._active.clear()
        for pending in waiting:
            trial = self._trials.get(id(pending))
            if trial is None:
                discard([pending])
            else:
                self._failed.append(_failure(pending, trial))
        self._held -= len(waiting)

    def check_result(self) -> None:
        """Raise the failures that nobody was told of.

        Raises:
            BulkError: There are some.
        """
        if self._failed and self._options.on_error is None:
            raise BulkError(self._failed, self._written) from self._failed[0].error

    def _trial(self, pending: Pending, request: Request, error: Exception, *, is_lost: bool) -> Trial:
        """Record a failed attempt."""
        trial = self._trials.get(id(pending))
        if trial is None:
            trial = self._trials[id(pending)] = Trial(request.moment)
        trial.attempts += 1
        trial.error = error
        if is_lost and trial.lost is None:
            trial.lost = error
        return trial

    def _is_sent_again(self, pending: Pending, trial: Trial, *, is_lost: bool) -> bool:
        """Plan another attempt after an error that passes, if there may be one."""
        write = pending.write
        if is_lost and (isinstance(write, Create) or not is_repeatable((write,))):
            return False
        if trial.attempts >= MAX_ATTEMPTS:
            return False
        now = self._clock()
        pause = self._random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (trial.attempts - 1)))
        if self._timeout is not None and now + pause - trial.since >= self._timeout:
            return False
        self._number += 1
        # Rarely needed, and slow to import.
        import logging

        logging.getLogger("cendry").debug(
            "bulk: %s is written again in %.1f s after %s", write.path, pause, type(trial.error).__qualname__
        )
        heappush(self._delayed, (now + pause, self._number, pending))
        return True

    def _release(self, pending: Pending) -> None:
        """Forget a write that is done, and let the next one to its document go on."""
        self._held -= 1
        if self._large:
            self._bytes -= self._large.pop(id(pending), 0)
        if self._trials:
            self._trials.pop(id(pending), None)
        path, active = pending.write.path, self._active
        followers = active.pop(path, None)
        if followers:
            self._ready.append(followers.popleft())
            active[path] = followers

    def _report(self, count: int, failures: list[BulkFailure]) -> None:
        self._failed += failures
        # All is in order before users are called, who may queue more or raise.
        self._meter.note(count)
        on_error, on_progress = self._options.on_error, self._options.on_progress
        if on_error is not None:
            for failure in failures:
                on_error(failure)
        if on_progress is not None:
            on_progress(BulkProgress(self._written, len(self._failed), self._meter.rate))


def _failure(pending: Pending, trial: Trial) -> BulkFailure:
    error, lost, path = cast("Exception", trial.error), trial.lost, pending.write.path
    if lost is not None:
        detail = str(lost) if error is lost else f"{lost}. It was sent again, and failed: {error}"
        error = OutcomeUnknownError(path, detail=detail)
        error.__cause__ = lost
    elif is_refusal(error):
        discard([pending])
        name_reference(error, [pending])
    return BulkFailure(path, error, trial.attempts)


class BulkLife:
    """From the beginning to the end of a bulk: whether it may be used, and what it has after its end."""

    __slots__ = ("_process", "_result", "_stage", "backend")

    def __init__(self, backend: Any) -> None:
        check_has_bulk(backend)
        check_outside(backend)
        self.backend = backend
        self._process = _fork.process
        self._stage = "new"
        self._result: BulkResult | None = None

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a forked child of the one that began the bulk."""
        return _fork.process != self._process

    def begin(self) -> None:
        """Begin.

        Raises:
            CendryError: It has begun before.
        """
        if self._stage != "new":
            raise CendryError("This bulk has begun already; make a new one with ctx.bulk().")
        check_outside(self.backend)
        self._stage = "open"

    def check_open(self) -> None:
        """Check that it may be used.

        Raises:
            CendryError: It has not begun, or has ended.
            UsedBeforeForkError: This process is a forked child of the one that began it.
        """
        if self._stage == "open" and not self.is_inherited:
            return
        if self._stage == "new":
            raise CendryError("A bulk is used in a block: 'with ctx.bulk() as bulk:'; 'async with' in async code.")
        if self._stage == "ended":
            raise CendryError("This bulk has ended; make a new one with ctx.bulk().")
        raise UsedBeforeForkError(
            self.backend.name, self._process, "its bulk writes are made by the parent. Begin another bulk in the child."
        )

    def end(self, result: BulkResult) -> None:
        """End, with a result."""
        self._stage = "ended"
        self._result = result

    @property
    def result(self) -> BulkResult:
        """The result.

        Raises:
            CendryError: It has not ended.
        """
        if self._result is None:
            raise CendryError("A bulk has its result after the end of its block.")
        return self._result


def check_has_bulk(backend: Any) -> None:
    """Check that a backend makes bulk writes.

    Raises:
        UnsupportedByBackendError: It doesn't.
    """
    if getattr(backend, "write_many", None) is None:
        raise UnsupportedByBackendError(
            "bulk writes",
            backend.name,
            "Write up to 500 documents at once with save_many(), delete_many() or a batch; Firestore in Native mode "
            "has bulk(), which writes any number.",
        )


def throttle_of(backend: Any, options: BulkOptions) -> Throttle:
    """The throttle of a bulk on a backend."""
    return Throttle(getattr(backend, "initial_rate", None), max_rate=options.max_rate)
