"""What has changed in the source since it was copied: changed entities are mirrored, documents of deleted ones deleted.

The source is read as it is now, page by page. Entities are written as `mirror` does it, so a delta may run while
the application writes, also through a `DualBackend`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from cendry._immutable import dataclass
from cendry._interop.protobuf import EPOCH, to_datetime
from cendry.errors import JobError
from cendry.jobs import (
    DeadLetters,
    JobLock,
    JobStoppedError,
    Progress,
    ShardState,
    Stop,
    Store,
    Tracker,
    find_json,
    load_state,
    open_store,
    save_state,
    write_json,
)

from .._keys import key_path
from ._repair import note_outcome
from .checks import opened
from .forms import Form, moment_text
from .messages import MessageMirror, key_of_path
from .paging import key_bytes
from .reports import Result
from .source import PAGE, Source
from .steps import note_step
from .target import Target
from .translate import UntranslatableError
from .values import KindPlan, Plan, Shard

MAX_DELETES: Final = 100
MAX_DELETED_SHARE: Final = 0.01
"""More deletions than both, and more of the documents than this, are taken for a mistake."""

DELTA_FILE: Final = "delta.json"
_KEYS: Final = ("plan", "run", "since", "read_time", "ended")


class TooManyDeletesError(JobError):
    """A delta would delete many documents, which may be a mistake; it deleted none.

    Attributes:
        deletes: How many.
    """

    def __init__(self, deletes: int, what: str, paths: list[str]) -> None:
        self.deletes = deletes
        shown = f", the first {paths[0]!r}" if paths else ""
        super().__init__(
            f"{what}, so {deletes:,} documents would be deleted{shown}; none was. If that is right, run it again with "
            f"--allow-deletes {deletes} (allow_deletes={deletes})."
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """One delta, from its beginning until it has ended.

    Attributes:
        plan: The hash of the plan.
        number: Counts the deltas of a migration.
        since: Entities that changed at this moment or before are already copied; `None` for that of the copy.
        read_time: When it began, by the server's clock: the next one begins there.
        ended: Whether it has ended.
    """

    plan: str
    number: int
    since: datetime | None
    read_time: datetime
    ended: bool

    def save(self, store: Store) -> None:
        since = {} if self.since is None else {"since": moment_text(self.since)}
        facts = {"plan": self.plan, "run": self.number, "read_time": moment_text(self.read_time), "ended": self.ended}
        write_json(store, DELTA_FILE, {**facts, **since})


def delta(
    plan: Plan,
    *,
    state: str | os.PathLike[str] | Store,
    since: datetime | None = None,
    allow_deletes: int | None = None,
    take_over: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    source: Source | None = None,
    target: Target | None = None,
    page: int = PAGE,
    stop: Stop | None = None,
) -> Result:
    """Bring to the target what has changed in the source since the copy or the last delta.

    All entities are read, and those are written that changed; where the database doesn't say when an entity changed,
    as the classic emulator, all are. Documents without an entity are deleted in collections that were empty when the
    migration was planned.

    Args:
        plan: The plan of the migration.
        state: Its directory or store.
        since: What changed at this moment or before is in the target already, in all shards that are copied; by default
            the moment of the last complete delta, or of the copy.
        allow_deletes: How many documents may be deleted; by default 100, or 1 % if that is more.
        take_over: Whether to go on although another step seems to run.
        on_progress: Called after each page.
        source: The database in Datastore mode; by default that of the plan.
        target: The one in Native mode; by default that of the plan.
        page: Entities that are read and written together; what a kill costs.
        stop: Asks it to end after a page.

    Raises:
        TooManyDeletesError: More documents would be deleted, or a kind is empty that was not; nothing was deleted.
        JobStoppedError: It was asked to end; the same call goes on.
        JobLockedError: Another step runs.
        DatabaseCallError: A database can't be read or written; the same call goes on.
    """
    store = open_store(state)
    started = time.monotonic()
    stop = Stop() if stop is None else stop
    with (
        JobLock(store, what="delta", take_over=take_over) as lock,
        opened(plan, source, target) as (source, target),
        stop.on_signals(),
    ):
        run = _begin(store, plan, since, source)
        note_step(store, "delta")
        job = _Delta(plan, store, lock, run, source, target, stop, on_progress, page)
        written = skipped = dead = 0
        for kind in plan.kinds:
            for shard in kind.shards:
                done, left, given_up = job.shard(shard)
                written, skipped, dead = written + done, skipped + left, dead + given_up
        deleted = job.deletions(allow_deletes)
        lock.check()
        note_step(store, "delta")
        _Run(run.plan, run.number, run.since, run.read_time, True).save(store)
        seconds = time.monotonic() - started
        return Result(written, dead, seconds, run.read_time, deleted=deleted, skipped=skipped)


def last_run(store: Store) -> tuple[datetime, bool] | None:
    """When the last delta began, and whether it has ended; `None` if there was none.

    Raises:
        JobFileError: The file can't be read.
    """
    run = _last(store)
    return None if run is None else (run.read_time, run.ended)


def baseline(store: Store) -> datetime | None:
    """The moment up to which all changes of the source are in the target; `None` for that of the copy.

    Raises:
        JobFileError: The file can't be read.
    """
    run = _last(store)
    if run is None:
        return None
    return run.read_time if run.ended else run.since


def _last(store: Store) -> _Run | None:
    content = store.get(DELTA_FILE)
    if content is None:
        return None
    form = Form.read(content, DELTA_FILE, _KEYS)
    since = form.moment("since") if form.has("since") else None
    return _Run(form.text("plan"), form.count("run"), since, form.moment("read_time"), form.flag("ended"))


def _begin(store: Store, plan: Plan, since: datetime | None, source: Source) -> _Run:
    """The delta to go on with, or a new one."""
    last = _last(store)
    if last is not None and not last.ended and last.plan in plan.hashes and (since is None or since == last.since):
        return last
    if since is None and last is not None and last.ended:
        since = last.read_time
    run = _Run(plan.hash, 1 if last is None else last.number + 1, since, source.now(), False)
    run.save(store)
    return run


class _Delta:
    """A delta at work."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        lock: JobLock,
        run: _Run,
        source: Source,
        target: Target,
        stop: Stop,
        on_progress: Callable[[Progress], object] | None,
        page: int,
    ) -> None:
        self._plan, self._store, self._lock, self._run = plan, store, lock, run
        self._source, self._target = source, target
        self._stop = stop
        self._on_progress = on_progress
        self._page = page
        self._mirror = MessageMirror.of_plan(plan, source, target)
        self._tracker = Tracker("delta", plan.count)
        self._dead = DeadLetters.read(store)

    def shard(self, shard: Shard) -> tuple[int, int, int]:
        """Mirror what has changed in a shard; returns how many were written, skipped and given up."""
        name = f"delta/{self._run.number:04d}/{shard.name}.json"
        state = load_state(self._store, name, self._run.plan)
        if state.done:
            return state.copied, 0, state.dead
        since = self._since(shard)
        after, written, skipped, dead = state.after, state.copied, 0, state.dead
        for page in self._source.pages(shard, after=bytes.fromhex(after), page=self._page):
            changed = [one.entity.key for one in page.results if since is None or _changed(one, since)]
            failed = self._mirror_all(changed)
            skipped += len(page.results) - len(changed)
            written += len(changed) - failed
            dead += failed
            after = page.last_key.hex()
            self._lock.check()
            save_state(self._store, name, ShardState(self._run.plan, after, written, dead))
            self._report(len(page.results), "delta")
        self._lock.check()
        save_state(self._store, name, ShardState(self._run.plan, after, written, dead, done=True))
        return written, skipped, dead

    def _since(self, shard: Shard) -> datetime | None:
        """What changed at this moment or before is in the target; `None` if that isn't known."""
        name = f"state/{shard.name}.json"
        found = find_json(self._store, name)
        if found is None:
            return None
        state = ShardState.from_json(name, found)
        if not state.done or state.plan not in self._plan.hashes:
            return None
        return self._plan.moment(state.plan) if self._run.since is None else self._run.since

    def _mirror_all(self, keys: list[Any]) -> int:
        """Mirror entities; returns how many could not be, which are in the dead letters now."""
        if not keys:
            return 0
        self._lock.check()
        outcome = self._mirror.mirror(keys)
        self._lock.check()
        paths = {key_bytes(key).hex(): key_path(key, self._source.partition) for key in keys}
        noted = {key: path for key, path in paths.items() if key in outcome.failed or key in self._dead}
        note_outcome(self._store, self._plan, outcome, noted)
        return len(outcome.failed)

    def _report(self, count: int, phase: str) -> None:
        self._tracker.phase = phase
        self._tracker.note(count)
        if self._on_progress is not None:
            self._on_progress(self._tracker.progress())
        if self._stop.is_requested:
            raise JobStoppedError("delta", self._tracker.done)

    # --- deletions ---

    def deletions(self, allow: int | None) -> int:
        """Delete the documents whose entities are gone; returns how many."""
        found: list[str] = []
        for kind in self._plan.kinds:
            if kind.was_empty:
                found += self._without_entity(kind, found, allow)
        most = max(MAX_DELETES, int(self._plan.count * MAX_DELETED_SHARE)) if allow is None else allow
        if len(found) > most:
            what = f"{len(found):,} documents of the target have no entity"
            raise TooManyDeletesError(len(found), what, found)
        deleted = 0
        for start in range(0, len(found), self._page):
            keys = [key_of_path(path, self._source.partition) for path in found[start : start + self._page]]
            # What exists after all is not deleted, but written.
            present = sum(entity is not None for entity in self._source.lookup(keys).values())
            failed = self._mirror_all(keys)
            deleted += len(keys) - failed - present
            self._report(0, "deletions")
        return deleted

    def _without_entity(self, kind: KindPlan, before: list[str], allow: int | None) -> Iterator[str]:
        """The paths, as in Datastore mode, of the documents of a kind that have no entity."""
        known = set[bytes]()
        for key in self._source.keys(kind.kind):
            try:
                known.add(_digest(self._mirror.translator.name(key)))
            except UntranslatableError:
                continue
        found: list[str] = []
        for page in self._target.pages(kind.collection, names_only=True):
            for document in page:
                if _digest(document.name) not in known:
                    key = self._mirror.translator.key(document.name)
                    if key is not None and self._is_own(key, document.name):
                        found.append(key_path(key, self._source.partition))
            self._report(0, "deletions")
        if found and not known and (allow is None or len(before) + len(found) > allow):
            what = f"{kind.kind} is empty now, and had {kind.count:,} entities when the migration was planned"
            raise TooManyDeletesError(len(found), what, found)
        return iter(found)

    def _is_own(self, key: Any, name: str) -> bool:
        """Whether a document can have come from an entity: no other is ever deleted."""
        try:
            return self._mirror.translator.name(key) == name
        except UntranslatableError:
            return False


def _changed(result: Any, since: datetime) -> bool:
    """Whether an entity changed after a moment, as far as the database says."""
    if not result.HasField("update_time"):
        return True
    changed = to_datetime(result.update_time)
    return changed == EPOCH or changed > since


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
