"""What is left of earlier steps: intents of dual writes that were not mirrored, and entities that were given up."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from cendry._immutable import dataclass
from cendry.jobs import DeadLetter, DeadLetters, JobLock, Store, open_store

from .backward import BackwardMirror
from .checks import opened
from .cut import key_order
from .intents import Direction, keep, open_intents
from .messages import MessageMirror, key_of
from .mirror import Mirrored
from .source import PAGE, Source
from .steps import note_step
from .target import Target
from .values import Plan, Shard
from .writers import live_writers

MirrorPaths = Callable[[Sequence[str]], Mirrored]
"""Mirrors documents by path, in one direction."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        done: How many documents are the same in both databases now.
        failed: The documents that could not be mirrored by path, each with the error; they stay in the log.
        waiting: How many writes are under way in processes that run.
    """

    done: int
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    waiting: int = 0

    def to_json(self) -> dict[str, Any]:
        """The result in JSON."""
        return {"done": self.done, "failed": dict(self.failed), "waiting": self.waiting}


def repair(
    plan: Plan,
    *,
    state: str | os.PathLike[str] | Store,
    source: Source | None = None,
    target: Target | None = None,
    take_over: bool = False,
) -> Repaired:
    """Mirror the documents of dual writes that were not mirrored: the process was killed, or the shadow was away.

    Writes that are under way in a process that runs are left to it.

    Args:
        plan: The plan of the migration.
        state: Its directory or store.
        source: The database in Datastore mode; by default that of the plan.
        target: The one in Native mode; by default that of the plan.
        take_over: Whether to go on although another step seems to run.

    Raises:
        JobLockedError: Another step runs.
        DatabaseCallError: A database can't be read or written; the call may be repeated.
    """
    store = open_store(state)
    with (
        JobLock(store, what="repair", take_over=take_over) as lock,
        opened(plan, source, target) as (source, target),
    ):
        mirrors: dict[Direction, MirrorPaths] = {
            "forward": MessageMirror.of_plan(plan, source, target).mirror_paths,
            "backward": BackwardMirror(plan, source, target).mirror_paths,
        }
        return repair_intents(store, mirrors, check=lock.check)


def repair_intents(
    store: Store,
    mirrors: Mapping[Direction, MirrorPaths],
    clock: Callable[[], float] = time.time,
    *,
    check: Callable[[], object] = lambda: None,
) -> Repaired:
    """The same with any databases.

    Args:
        store: The state.
        mirrors: For each direction, what mirrors documents.
        clock: Returns the seconds since 1970.
        check: Called before documents are written, and before the log is; raises if another step has taken over.
    """
    live = {writer.process for writer in live_writers(store, clock)}
    done, waiting = set[str](), 0
    failed: dict[str, str] = {}
    for intent in list(open_intents(store)):
        if intent.error is None and intent.process in live:
            waiting += 1
            continue
        if not done and not failed:
            note_step(store, "repair", clock)
        check()
        outcome = mirrors[intent.direction](intent.paths)
        check()
        done.update(outcome.done)
        failed.update(outcome.failed)
        if outcome.is_complete:
            store.delete(intent.name)
        else:
            keep(store, intent, outcome.failed)
    if done or failed:
        note_step(store, "repair", clock)
    return Repaired(len(done - failed.keys()), failed, waiting)


def retry_dead(
    plan: Plan,
    *,
    state: str | os.PathLike[str] | Store,
    source: Source | None = None,
    target: Target | None = None,
    take_over: bool = False,
    page: int = PAGE,
) -> Repaired:
    """Read the entities anew that were given up, and mirror them.

    Args:
        plan: As in `repair`.
        state: As in `repair`.
        source: As in `repair`.
        target: As in `repair`.
        take_over: As in `repair`.
        page: Entities that are read and written together.

    Raises:
        JobLockedError: As in `repair`.
        DatabaseCallError: As in `repair`.
    """
    store = open_store(state)
    with (
        JobLock(store, what="retry of dead letters", take_over=take_over) as lock,
        opened(plan, source, target) as (source, target),
    ):
        letters = list(DeadLetters.read(store).values())
        mirror = MessageMirror.of_plan(plan, source, target)
        done, failed = 0, dict[str, str]()
        for start in range(0, len(letters), page):
            part = letters[start : start + page]
            note_step(store, "retry-dead")
            lock.check()
            outcome = mirror.mirror([key_of(letter.key) for letter in part])
            lock.check()
            paths = {letter.key: letter.path for letter in part}
            note_outcome(store, plan, outcome, paths)
            done += len(outcome.done)
            failed.update((paths[key], error) for key, error in outcome.failed.items())
        if letters:
            note_step(store, "retry-dead")
        return Repaired(done, failed)


def note_outcome(store: Store, plan: Plan, outcome: Mirrored, paths: Mapping[str, str]) -> None:
    """Write dead letters for what could not be mirrored, and take back those of what is done.

    Args:
        store: The state.
        plan: The plan of the migration.
        outcome: Names are serialized keys in hexadecimal digits.
        paths: The path of each key that is to be noted.
    """
    lines: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    for key, path in paths.items():
        shard = shard_of(plan, key_of(key))
        lines[shard.name].append(DeadLetter(key, path, outcome.failed.get(key)))
    for name, letters in lines.items():
        DeadLetters(store, name).extend(letters)


def shard_of(plan: Plan, key: Any) -> Shard:
    """The shard of a plan that a `Key` message belongs to; a further one for a kind that the plan doesn't have."""
    kind, order = key.path[-1].kind, key_order(key)
    for shard in plan.shards:
        if shard.kind == kind and (not shard.end or order <= key_order(key_of(shard.end.hex()))):
            return shard
    return Shard(kind, len(plan.shards))
