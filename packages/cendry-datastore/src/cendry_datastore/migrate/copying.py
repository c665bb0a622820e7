"""Copies one shard, page by page: read, translate, write, and only then save how far it has come.

What a copy does on one machine and what it does on many is the same; who gives out the shards differs.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from cendry._immutable import replace
from cendry.jobs import AdaptiveThrottle, DeadLetter, DeadLetters, JobLock, ShardState, Stop, Store, write_json

from .._keys import key_path
from .batches import batches
from .errors import TargetNotEmptyError
from .files import COPY_FILE, check_plan, find_copy, load_shard, save_shard, write_plan
from .messages import MessageMirror, translator_of
from .paging import Page, key_bytes
from .reports import Result
from .source import Source
from .steps import note_step
from .target import RefusedWritesError, Target, Write
from .translate import UntranslatableError
from .values import Plan, Shard
from .writers import has_writers

WHAT: Final = "copy"
"""What the lock and the steps call it."""

Note = Callable[[int, int], object]
"""Is told how many entities of a page were read, and how many of those can't be documents."""


def begin(plan: Plan, store: Store, target: Target, *, into_existing: bool = False) -> float:
    """Check that a copy may begin or go on, and record that it does.

    Args:
        plan: The plan.
        store: The state of the migration; its lock must be held.
        target: The target.
        into_existing: Whether the target may have documents in the collections of the plan.

    Returns:
        The present, which `end` takes.

    Raises:
        TargetNotEmptyError: The target has documents already.
        JobFileError: The state belongs to another plan, or is damaged.
        JobStoreError: The state can't be read or written.
        DatabaseCallError: The target can't be read.
    """
    check_plan(store, plan)
    # Where a DualBackend writes, documents are there before the copy.
    if find_copy(store, plan) is None and not into_existing and not has_writers(store):
        collections = dict.fromkeys(kind.collection for kind in plan.kinds)
        taken = tuple(each for each in collections if target.has_documents(each))
        if taken:
            raise TargetNotEmptyError(target.place, taken)
    write_plan(store, plan)
    started = time.time()
    _record(plan, store, started)
    note_step(store, WHAT)
    return started


def end(plan: Plan, store: Store, started: float, result: Result) -> None:
    """Record that all shards are complete; the lock must be held.

    Args:
        plan: The plan.
        store: The state of the migration.
        started: When it began.
        result: What was copied.

    Raises:
        JobStoreError: The state can't be written.
    """
    note_step(store, WHAT)
    _record(plan, store, started, ended=time.time(), copied=result.copied, dead=result.dead)


def _record(plan: Plan, store: Store, started: float, **facts: float) -> None:
    write_json(store, COPY_FILE, {"plan": plan.hash, "started": started, **facts})


class _StopRequested(Exception):
    """Ends a shard while it waits."""


class ShardReader:
    """Reads and translates shards, for all threads of a process.

    Args:
        plan: The plan.
        source: The source.
        stop: Asks to end.
        page: Entities of a page.

    Attributes:
        traps: How often each trap was found.
    """

    def __init__(self, plan: Plan, source: Source, *, stop: Stop, page: int) -> None:
        self._plan = plan
        self._source = source
        self._stop = stop
        self._page = page
        self._translator = translator_of(plan, source.partition)
        self._mutex = threading.Lock()
        self.traps: Counter[str] = Counter()

    def count(self, shard: Shard, note: Note) -> None:
        """Read and translate a shard."""
        for page in self._source.pages(shard, read_time=self._plan.read_time, page=self._page):
            _, dead = self._translated(page)
            note(len(page.results), len(dead))
            if self._stop.is_requested:
                break

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
                self.traps.update(traps)
        return writes, dead

    def _letter(self, key: Any, error: str) -> DeadLetter:
        return DeadLetter(key_bytes(key).hex(), key_path(key, self._source.partition), error)


class ShardCopier(ShardReader):
    """Writes them as well.

    Args:
        plan: The plan.
        source: The source.
        target: The target.
        stop: Asks to end.
        page: Entities of a page.
        store: Where the state is.
        lock: The lock of the state.
        pace: Limits the rate.
        shared: Whether another process may copy the same shard at the same time, as runners of pipelines do that start
            work once more before they know that the first attempt has failed.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source,
        target: Target,
        *,
        stop: Stop,
        page: int,
        store: Store,
        lock: JobLock,
        pace: AdaptiveThrottle,
        shared: bool = False,
    ) -> None:
        super().__init__(plan, source, stop=stop, page=page)
        self._target = target
        self._store = store
        self._lock = lock
        self._pace = pace
        self._shared = shared
        self._mirror = MessageMirror(source, target, self._translator)

    def copy(self, shard: Shard, state: ShardState, note: Note) -> ShardState:
        """Copy what is left of a shard.

        Args:
            shard: The shard.
            state: How far it has come.
            note: Called after each page.

        Returns:
            How far it has come now; it is not `done` if it was asked to stop.
        """
        letters = DeadLetters(self._store, shard.name, shared=self._shared)
        try:
            while not state.done:
                state, is_ahead = self._pages(shard, state, letters, note)
                if not is_ahead:
                    break
        except _StopRequested:
            return load_shard(self._store, self._plan, shard)
        return state

    def _pages(self, shard: Shard, state: ShardState, letters: DeadLetters, note: Note) -> tuple[ShardState, bool]:
        """Copy page after page; returns how far it has come, and whether another process is further ahead than that."""
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
            other = self._save(shard, state)
            note(len(page.results), len(dead))
            if other is not None:
                return other, True
            if self._stop.is_requested:
                return state, False
        state = replace(state, done=True)
        self._save(shard, state)
        return state, False

    def _save(self, shard: Shard, state: ShardState) -> ShardState | None:
        """Save how far a shard has come; returns how far another process has come with it, if that is further."""
        self._lock.check()
        if self._shared:
            # Each state that was ever saved is true, also an older one: so it does no harm if the other one saves
            # between this look and the next line.
            found = load_shard(self._store, self._plan, shard)
            if found.done or found.copied + found.dead > state.copied + state.dead:
                return found
        save_shard(self._store, shard, state)
        self._pace.save()
        return None

    def _commit(self, page: Page, writes: Sequence[Any]) -> list[DeadLetter]:
        """Write documents of a page; returns those that the database refuses."""
        # Never more at once than a second allows: of many processes, each may have a small share of the rate.
        size = int(min(self._pace.burst, len(writes)))
        if size < len(writes):
            parts = [writes[start : start + size] for start in range(0, len(writes), size)]
            return [letter for part in parts for letter in self._commit(page, part)]
        while seconds := self._pace.acquire(len(writes)):
            if self._stop.wait(seconds):
                raise _StopRequested
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
