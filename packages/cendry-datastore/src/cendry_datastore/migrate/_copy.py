"""Copies the entities of a plan, page by page: read, translate, write, and only then save how far it has come.

Once a `DualBackend` has registered in the state, others write the target as well: then each page's entities are looked
up after its commit, and those that have changed since the moment of the plan are mirrored as they are now.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Final, cast

from cendry._immutable import dataclass, replace
from cendry.errors import JobStoppedError
from cendry.jobs import (
    AdaptiveThrottle,
    DeadLetter,
    DeadLetters,
    JobLock,
    Progress,
    ShardState,
    Stop,
    Store,
    Tracker,
    open_store,
    write_json,
)
from cendry.jobs.throttle import INITIAL_RATE

from .._keys import key_path
from ._delta import delta
from .batches import batches
from .checks import check_sides, opened
from .errors import TargetNotEmptyError
from .files import COPY_FILE, check_plan, find_copy, load_shard, save_shard, write_plan
from .messages import MessageMirror
from .paging import Page, key_bytes
from .reports import Result
from .source import PAGE, Source
from .steps import note_step
from .target import RefusedWritesError, Target, Write
from .translate import UntranslatableError
from .values import Plan, Shard
from .walk import run_shards
from .writers import has_writers

WHAT: Final = "copy"


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
            stop=stop,
        )
    store = open_store(state)
    stop = Stop() if stop is None else stop
    with opened(plan, source, target) as (source, target):
        check_sides(source, target, allow_mixed=allow_mixed, assume_modes=assume_modes)
        job = _Job(plan, source, target, stop, on_progress, page)
        with stop.on_signals():
            if dry_run:
                check_plan(store, plan)
                return _DryRun(job).run(workers)
            with JobLock(store, what=WHAT, take_over=take_over) as lock:
                pace = AdaptiveThrottle.open(store, initial=None if target.emulator else INITIAL_RATE, max_rate=rate)
                return _Copy(job, store, lock, pace).run(workers, into_existing)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be copied, and how.

    Attributes:
        plan: The plan.
        source: The source.
        target: The target.
        stop: Asks to end.
        on_progress: Called after each page.
        page: Entities of a page.
    """

    plan: Plan
    source: Source
    target: Target
    stop: Stop
    on_progress: Callable[[Progress], object] | None
    page: int


class _DryRun:
    """Reads and translates all entities.

    Args:
        job: What is to be copied.
    """

    phase = "dry run"

    def __init__(self, job: _Job) -> None:
        self._plan = plan = job.plan
        self._source = job.source
        self._target = job.target
        self._stop = job.stop
        self._on_progress = job.on_progress
        self._page = job.page
        self._mirror = MessageMirror.of_plan(plan, job.source, job.target)
        self._translator = self._mirror.translator
        self._mutex = threading.Lock()
        self._traps: Counter[str] = Counter()
        self._tracker = Tracker(self.phase, plan.count)
        self._dead = 0
        self._started = time.monotonic()

    def run(self, workers: int) -> Result:
        """Do it, in some threads."""
        run_shards(self._plan.shards, self._count, workers=workers, stop=self._stop)
        self._check_stopped()
        return self._result(self._tracker.done - self._dead, self._dead)

    def _count(self, shard: Shard) -> None:
        for page in self._source.pages(shard, read_time=self._plan.read_time, page=self._page):
            _, dead = self._translated(page)
            with self._mutex:
                self._dead += len(dead)
            self._note(len(page.results))
            if self._stop.is_requested:
                return

    def _check_stopped(self) -> None:
        if self._stop.is_requested:
            raise JobStoppedError(self.phase, self._tracker.done)

    def _result(self, copied: int, dead: int) -> Result:
        seconds = time.monotonic() - self._started
        return Result(copied, dead, seconds, self._plan.read_time, traps=dict(self._traps))

    def _translated(self, page: Page) -> tuple[list[Any], list[DeadLetter]]:
        """The writes of the entities of a page, and the entities that can't be documents."""
        writes: list[Any] = []
        dead: list[DeadLetter] = []
        traps: Counter[str] = Counter()
        for result in page.results:
            entity, write = result.entity, Write()
            try:
                traps.update(trap.name for trap in self._translator.document(entity, write.update))
            except UntranslatableError as error:
                dead.append(self._letter(entity.key, str(error)))
            else:
                writes.append(write)
        if traps:
            with self._mutex:
                self._traps.update(traps)
        return writes, dead

    def _letter(self, key: Any, error: str) -> DeadLetter:
        return DeadLetter(key_bytes(key).hex(), key_path(key, self._source.partition), error)

    def _note(self, count: int, throttled: float = 0.0) -> None:
        with self._mutex:
            self._tracker.note(count)
            if self._on_progress is not None:
                self._on_progress(self._tracker.progress(throttled))


class _Copy(_DryRun):
    """Writes them as well.

    Args:
        job: What is to be copied.
        store: Where the state is.
        lock: The lock of the state.
        pace: Limits the rate.
    """

    phase = WHAT

    def __init__(self, job: _Job, store: Store, lock: JobLock, pace: AdaptiveThrottle) -> None:
        super().__init__(job)
        self._store = store
        self._lock = lock
        self._pace = pace
        self._states: dict[str, ShardState] = {}

    def run(self, workers: int, into_existing: bool = False) -> Result:
        """Do it, in some threads."""
        plan, store = self._plan, self._store
        check_plan(store, plan)
        self._states = {shard.name: load_shard(store, plan, shard) for shard in plan.shards}
        # Where a DualBackend writes, documents are there before the copy.
        if find_copy(store, plan) is None and not into_existing and not has_writers(store):
            self._check_empty()
        write_plan(store, plan)
        started = time.time()
        self._record(started)
        note_step(store, WHAT)
        self._tracker.done = sum(one.copied + one.dead for one in self._states.values())
        left = [shard for shard in plan.shards if not self._states[shard.name].done]
        run_shards(left, self._shard, workers=workers, stop=self._stop)
        self._check_stopped()
        result = self._result(sum(one.copied for one in self._states.values()), len(DeadLetters.read(store)))
        self._lock.check()
        note_step(store, WHAT)
        self._record(started, ended=time.time(), copied=result.copied, dead=result.dead)
        return result

    def _check_empty(self) -> None:
        collections = dict.fromkeys(kind.collection for kind in self._plan.kinds)
        taken = tuple(each for each in collections if self._target.has_documents(each))
        if taken:
            raise TargetNotEmptyError(self._target.place, taken)

    def _record(self, started: float, **facts: float) -> None:
        write_json(self._store, COPY_FILE, {"plan": self._plan.hash, "started": started, **facts})

    def _shard(self, shard: Shard) -> None:
        state = self._states[shard.name]
        letters = DeadLetters(self._store, shard.name)
        after = bytes.fromhex(state.after)
        for page in self._source.pages(shard, after=after, read_time=self._plan.read_time, page=self._page):
            writes, dead = self._translated(page)
            for batch in batches(writes, self._target.max_bytes):
                dead += self._commit(page, batch)
            # Not before the commit: a process that registers later mirrors later, too.
            if has_writers(self._store):
                dead = self._mirrored(page, dead)
            # First the letters, then the state: an entity that is in neither would be lost.
            self._lock.check()
            letters.extend(dead)
            state = replace(
                state,
                after=page.last_key.hex(),
                copied=state.copied + len(page.results) - len(dead),
                dead=state.dead + len(dead),
            )
            self._save(shard, state)
            self._note(len(page.results), self._pace.throttled)
            if self._stop.is_requested:
                return
        self._save(shard, replace(state, done=True))

    def _save(self, shard: Shard, state: ShardState) -> None:
        self._lock.check()
        save_shard(self._store, shard, state)
        self._states[shard.name] = state
        self._pace.save()

    def _commit(self, page: Page, writes: Sequence[Any]) -> list[DeadLetter]:
        """Write documents of a page; returns those that the database refuses."""
        while seconds := self._pace.acquire(len(writes)):
            if self._stop.wait(seconds):
                raise JobStoppedError(WHAT, self._tracker.done)
        self._lock.check()
        try:
            self._target.commit(writes, note=lambda accepted: self._pace.note(accepted=accepted), wait=self._stop.wait)
        except RefusedWritesError as error:
            if len(writes) > 1:
                # One of them is at fault, and nothing was written.
                half = len(writes) // 2
                return [*self._commit(page, writes[:half]), *self._commit(page, writes[half:])]
            name = writes[0].update.name
            [key] = (one.entity.key for one in page.results if self._has_name(one.entity.key, name))
            return [self._letter(key, error.reason)]
        return []

    def _mirrored(self, page: Page, dead: list[DeadLetter]) -> list[DeadLetter]:
        """Mirror the entities of a page that have changed since its moment; returns the dead letters of the page."""
        now = self._source.lookup([one.entity.key for one in page.results])
        read = {key_bytes(one.entity.key): one.entity for one in page.results}
        changed = [one.key for key, one in read.items() if not self._mirror.is_same(one, now[key])]
        if not changed:
            return dead
        self._lock.check()
        outcome = self._mirror.mirror(changed)
        failed = [
            self._letter(one, outcome.failed[name])
            for one in changed
            if (name := key_bytes(one).hex()) in outcome.failed
        ]
        settled = {*outcome.done, *outcome.failed}
        return [*(one for one in dead if one.key not in settled), *failed]

    def _has_name(self, key: Any, name: str) -> bool:
        try:
            return self._translator.name(key) == name
        except UntranslatableError:
            return False
