"""Copies the entities of a plan, in some threads of one process.

Once a `DualBackend` has registered in the state, others write the target as well: then each page's entities are looked
up after its commit, and those that have changed since the moment of the plan are mirrored as they are now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from os import PathLike
from typing import cast

from cendry.errors import JobStoppedError
from cendry.jobs import (
    AdaptiveThrottle,
    DeadLetters,
    JobLock,
    Progress,
    ShardState,
    Stop,
    Store,
    Tracker,
    open_store,
)
from cendry.jobs.throttle import INITIAL_RATE

from ._delta import delta
from .checks import check_sides, opened
from .copying import WHAT, ShardCopier, ShardReader, begin, end
from .files import check_plan, load_shard
from .reports import Result
from .source import PAGE, Source
from .target import Target
from .values import Plan, Shard
from .walk import run_shards


def copy(
    plan: Plan,
    *,
    state: str | PathLike[str] | Store,
    workers: int = 4,
    rate: float | None = None,
    since: datetime | None = None,
    dry_run: bool = False,
    into_existing: bool = False,
    take_over: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    source: Source | None = None,
    target: Target | None = None,
    allow_mixed: bool = False,
    assume_modes: bool = False,
    page: int = PAGE,
    stop: Stop | None = None,
) -> Result:
    """Copy the entities of a plan to Firestore in Native mode.

    A copy that ended early, for whatever reason, goes on when it is called again with the same state: at most one page
    for each worker is written once more. SIGINT and SIGTERM end it at whole pages.

    Args:
        plan: The plan.
        state: The directory for plan, state and dead letters, or a store.
        workers: How many threads read and write.
        rate: Documents per second of all workers together, at most. `None` for what Firestore recommends: 500 at first
            and 50 % more every 5 minutes; on an emulator there is no limit then.
        since: If it is given, only what changed after this moment is copied, and documents whose entities are gone are
            deleted, as `delta` does it.
        dry_run: Whether to read, translate and count, and to write nothing: no document, and no state.
        into_existing: Whether the target may have documents in the collections of the plan.
        take_over: Whether to take the lock from another copy, which must not run any more.
        on_progress: Called after each page, by one thread at a time.
        source: The source; `None` for one with the default credentials.
        target: The target; `None` for one with the default credentials.
        allow_mixed: Whether one of both may be an emulator.
        assume_modes: Whether the modes of both are right if Google Cloud doesn't say.
        page: Entities that are read and written together; what a kill costs for each worker.
        stop: Ends the copy early, from another thread.

    Returns:
        What was copied, by earlier calls too.

    Raises:
        JobStoppedError: It was stopped; call it again to go on.
        JobLockedError: Another copy runs.
        LockLostError: Another copy has taken over.
        JobFileError: The state belongs to another plan, or is damaged.
        JobStoreError: The state can't be read or written; call it again to go on.
        DatabaseCallError: A database can't be read or written; call it again to go on.
        MomentExpiredError: The moment of the plan is too long ago; renew the plan, and call it again to go on.
        TargetNotEmptyError: The target has documents already.
        MixedEmulatorsError: One side is an emulator.
        WrongModeError: A database is in the wrong mode.
        OtherPlaceError: A side is not that of the plan.
        TooManyDeletesError: With `since`, more documents would be deleted than `delta` deletes without being told.
        ValueError: The number of workers, the size of pages or the rate is not positive; or a dry run is to copy what
            changed.
    """
    for name, number in (("workers", workers), ("page", page)):
        if cast("object", type(number)) is not int or number < 1:
            raise ValueError(f"{name}= takes a whole number of at least 1, not {number!r}.")
    if since is not None:
        if dry_run:
            raise ValueError("dry_run= can't be combined with since=.")
        return delta(
            plan,
            state=state,
            since=since,
            take_over=take_over,
            on_progress=on_progress,
            source=source,
            target=target,
            page=page,
            stop=stop,
        )
    store = open_store(state)
    stop = Stop() if stop is None else stop
    with ExitStack() as stack:
        source, target = stack.enter_context(opened(plan, source, target))
        check_sides(source, target, allow_mixed=allow_mixed, assume_modes=assume_modes)
        stack.enter_context(stop.on_signals())
        if dry_run:
            check_plan(store, plan)
            return _DryRun(plan, ShardReader(plan, source, stop=stop, page=page), stop, on_progress).run(workers)
        lock = stack.enter_context(JobLock(store, what=WHAT, take_over=take_over))
        pace = AdaptiveThrottle.open(store, initial=None if target.emulator else INITIAL_RATE, max_rate=rate)
        copier = ShardCopier(plan, source, target, stop=stop, page=page, store=store, lock=lock, pace=pace)
        return _Copy(plan, copier, stop, on_progress, store, target, lock, pace).run(workers, into_existing)


class _DryRun:
    """Reads and translates all entities.

    Args:
        plan: The plan.
        reader: Does one shard.
        stop: Asks to end.
        on_progress: Called after each page.
    """

    phase = "dry run"

    def __init__(
        self, plan: Plan, reader: ShardReader, stop: Stop, on_progress: Callable[[Progress], object] | None
    ) -> None:
        self._plan = plan
        self._reader = reader
        self._stop = stop
        self._on_progress = on_progress
        self._mutex = threading.Lock()
        self._tracker = Tracker(self.phase, plan.count)
        self._dead = 0
        self._started = time.monotonic()

    def run(self, workers: int) -> Result:
        """Do it, in some threads."""
        run_shards(self._plan.shards, self._count, workers=workers, stop=self._stop)
        self._check_stopped()
        return self._result(self._tracker.done - self._dead, self._dead)

    def _count(self, shard: Shard) -> None:
        self._reader.count(shard, self._note)

    def _check_stopped(self) -> None:
        if self._stop.is_requested:
            raise JobStoppedError(self.phase, self._tracker.done)

    def _result(self, copied: int, dead: int) -> Result:
        seconds = time.monotonic() - self._started
        return Result(copied, dead, seconds, self._plan.read_time, traps=dict(self._reader.traps))

    @property
    def _throttled(self) -> float:
        return 0.0

    def _note(self, count: int, dead: int) -> None:
        with self._mutex:
            self._dead += dead
            self._tracker.note(count)
            if self._on_progress is not None:
                self._on_progress(self._tracker.progress(self._throttled))


class _Copy(_DryRun):
    """Writes them as well.

    Args:
        plan: The plan.
        copier: Does one shard.
        stop: Asks to end.
        on_progress: Called after each page.
        store: Where the state is.
        target: The target.
        lock: The lock of the state.
        pace: Limits the rate.
    """

    phase = WHAT

    def __init__(
        self,
        plan: Plan,
        copier: ShardCopier,
        stop: Stop,
        on_progress: Callable[[Progress], object] | None,
        store: Store,
        target: Target,
        lock: JobLock,
        pace: AdaptiveThrottle,
    ) -> None:
        super().__init__(plan, copier, stop, on_progress)
        self._copier = copier
        self._store = store
        self._target = target
        self._lock = lock
        self._pace = pace
        self._states: dict[str, ShardState] = {}

    def run(self, workers: int, into_existing: bool = False) -> Result:
        """Do it, in some threads."""
        plan, store = self._plan, self._store
        check_plan(store, plan)
        self._states = {shard.name: load_shard(store, plan, shard) for shard in plan.shards}
        started = begin(plan, store, self._target, into_existing=into_existing)
        self._tracker.done = sum(one.copied + one.dead for one in self._states.values())
        left = [shard for shard in plan.shards if not self._states[shard.name].done]
        run_shards(left, self._shard, workers=workers, stop=self._stop)
        self._check_stopped()
        result = self._result(sum(one.copied for one in self._states.values()), len(DeadLetters.read(store)))
        self._lock.check()
        end(plan, store, started, result)
        return result

    def _shard(self, shard: Shard) -> None:
        self._states[shard.name] = self._copier.copy(shard, self._states[shard.name], self._note)

    @property
    def _throttled(self) -> float:
        return self._pace.throttled
