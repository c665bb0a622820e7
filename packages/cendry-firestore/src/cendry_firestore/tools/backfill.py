"""`backfill`: rewrite the stored documents of a collection by a function, each of them exactly once."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Final, cast

from cendry.backend import Backend
from cendry.errors import JobStoppedError
from cendry.jobs import AdaptiveThrottle, DeadLetter, JobLock, Progress, Stop, Store, Tracker, open_store
from cendry.jobs.pace import is_rate

from .chains import Chain
from .ledger import clear, load
from .ranges import BackfillPlan, make_plan, open_plan, pages
from .results import BackfillResult, result_of
from .retrying import Retry
from .rewriting import Diff, Upgrade, rewrite
from .shards import Halted, Shard, Tools, letters_by_shard
from .targets import Source, Work, is_emulated, opened, work_of

if TYPE_CHECKING:
    from cendry import Model

WHAT: Final = "backfill"
MAX_WORKERS: Final = 64

SHOWN: Final = 3
"""Changes that a dry run returns, and documents that it can't change."""

_EVERY: Final = 0.5
"""Seconds between two reports of progress, at least."""


def backfill(
    source: Source,
    target: type[Model] | str,
    upgrade: Upgrade | None = None,
    /,
    *,
    state: str | os.PathLike[str] | Store | None = None,
    group: bool | None = None,
    workers: int = 4,
    rate: float | None = None,
    dry_run: bool = False,
    take_over: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    stop: Stop | None = None,
) -> BackfillResult:
    """Rewrite the stored documents of a collection by a function, or by the upgrades of a model.

    Each document is rewritten exactly once, also if the process is killed, an answer is lost, or a part is tried again:
    how far the work has come is written to the database in the same commits, to the collection `_cendry_jobs`. A
    document is written only if it has not changed since it was read; else it is read again, and the function is called
    again. Only the top-level fields that change are written. Documents that are created meanwhile may be left out.

    The same call with the same `state` goes on where the last one ended.

    Args:
        source: A context, a backend, or the SDK's client.
        target: A model, or the id of a collection.
        upgrade: Takes the stored fields of a document, by their stored names, and returns them as they are to be; it
            may change what it is given. `None` leaves the document as it is. Called in several threads, and more than
            once for a document that others change. Left out, each document of an older version is brought to that of
            the model by its upgrades, and gets the version; fields that they remove are deleted. Documents of newer
            versions stay as they are, and what the model could not read afterwards is given up.
        state: A directory, which is made, or a store: how far the work has come, and the documents that were given up.
            Needed unless `dry_run` is set.
        group: Whether all collections of that id are meant (a collection group), or only that at the root; by default,
            all for a model with a `parent`.
        workers: How many threads work at once, 1 to 64.
        rate: The most documents per second that are written, all workers together. By default, and at most, 500 at the
            beginning and 50 % more every 5 minutes; without limits on an emulator.
        dry_run: Whether only to read all, call the function, and count; nothing is written, not even state.
        take_over: Whether to go on without a process that has the lock of the state.
        on_progress: Called with a `Progress` about twice a second, in this thread.
        stop: Ends the work early, with all saved.

    Returns:
        What was done.

    Raises:
        JobStoppedError: It was asked to stop.
        JobLockedError: Another process works on this state.
        LockLostError: Another process has taken over.
        JobFileError: The state is that of another backfill, or not readable.
        JobStoreError: The state can't be read or written.
        UnsupportedByBackendError: The database keeps no time of each document's last change.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value.
    """
    work = work_of(source, target, upgrade, group)
    if not isinstance(cast("object", workers), int) or isinstance(workers, bool) or not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers= takes a number from 1 to {MAX_WORKERS}, not {workers!r}.")
    if rate is not None and not is_rate(rate):
        raise ValueError(f"rate= takes a positive number of documents per second, not {rate!r}.")
    stop = Stop() if stop is None else stop
    begun = time.monotonic()
    with opened(source) as backend:
        if dry_run:
            return _dry_run(backend, work, on_progress, stop, begun)
        if state is None:
            raise TypeError("backfill() needs state=, a directory, to go on after a kill; dry_run=True needs none.")
        store = open_store(state)
        with JobLock(store, what=WHAT, take_over=take_over) as lock:
            plan = open_plan(store, backend, work.selection, work.name)
            throttle = _throttle(store, backend, rate)
            _run(backend, store, plan, work.upgrade, lock, throttle, workers, stop, on_progress)
            lock.check()
            clear(backend, plan)
        return result_of(store, plan, time.monotonic() - begun)


def retry_dead(
    source: Source,
    target: type[Model] | str,
    upgrade: Upgrade | None = None,
    /,
    *,
    state: str | os.PathLike[str] | Store,
    group: bool | None = None,
    take_over: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    stop: Stop | None = None,
) -> BackfillResult:
    """Rewrite the documents that a backfill has given up, after the function or the documents were mended.

    Each is read anew, and rewritten exactly once, as by `backfill`. Those that fail again stay dead letters, with the
    new reason; documents that were deleted since are none any more.

    Args:
        source: As of the backfill.
        target: As of the backfill.
        upgrade: The function, of the same name; it may have been mended. Left out, the upgrades of the model.
        state: The state of the backfill, which must be complete.
        group: As of the backfill.
        take_over: Whether to go on without a process that has the lock of the state.
        on_progress: Called with a `Progress` after each part.
        stop: Ends the work early, with all saved.

    Returns:
        What was done by the backfill and this together.

    Raises:
        JobStoppedError: It was asked to stop, or the backfill is not complete.
        JobLockedError: Another process works on this state.
        LockLostError: Another process has taken over.
        JobFileError: The state is that of another backfill, or not readable, or there is none.
        JobStoreError: The state can't be read or written.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value.
    """
    work = work_of(source, target, upgrade, group)
    stop = Stop() if stop is None else stop
    begun = time.monotonic()
    with opened(source) as backend:
        store = open_store(state)
        with JobLock(store, what=WHAT, take_over=take_over) as lock:
            plan = open_plan(store, backend, work.selection, work.name, may_make=False)
            done = [load(store, plan, number)[0] for number in range(len(plan.cuts) + 1)]
            if not all(each.done for each in done):
                raise JobStoppedError(WHAT, sum(each.seen for each in done))
            letters = letters_by_shard(store, plan)
            tracker = Tracker("retry", sum(map(len, letters.values())))

            def note(count: int) -> None:
                tracker.note(count)
                if on_progress is not None:
                    on_progress(tracker.progress(throttle.throttled))

            throttle = _throttle(store, backend, None)
            tools = Tools(backend, store, plan, work.upgrade, lock, throttle, (stop,), Random(), letters, note)  # noqa: S311
            try:
                Retry(tools).run()
            except Halted:
                raise JobStoppedError("retry", tracker.done) from None
        return result_of(store, plan, time.monotonic() - begun)


def _throttle(store: Store, backend: Backend, rate: float | None) -> AdaptiveThrottle:
    initial = None if is_emulated(backend) else getattr(backend, "initial_rate", None)
    return AdaptiveThrottle.open(store, initial=initial, max_rate=rate)


def _run(
    backend: Backend,
    store: Store,
    plan: BackfillPlan,
    upgrade: Upgrade | Chain,
    lock: JobLock,
    throttle: AdaptiveThrottle,
    workers: int,
    stop: Stop,
    on_progress: Callable[[Progress], object] | None,
) -> None:
    numbers = range(len(plan.cuts) + 1)
    done = sum(load(store, plan, number)[0].seen for number in numbers)
    tracker = Tracker(WHAT, plan.count, done=done)
    halt = Stop()
    events: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    letters = letters_by_shard(store, plan)
    tools = Tools(backend, store, plan, upgrade, lock, throttle, (stop, halt), Random(), letters, events.put)  # noqa: S311

    def finish(_future: Future[None]) -> None:
        events.put(None)

    with ThreadPoolExecutor(workers, thread_name_prefix="cendry-backfill") as pool:
        futures = [pool.submit(Shard(tools, number).run) for number in numbers]
        try:
            for future in futures:
                future.add_done_callback(finish)
            _follow(events, futures, halt, tracker, throttle, on_progress)
        finally:
            # Also after Ctrl-C, and an error of on_progress.
            halt.request()
    failed = [error for future in futures if (error := future.exception()) is not None]
    for error in failed:
        if not isinstance(error, Halted):
            raise error
    if failed:
        raise JobStoppedError(WHAT, tracker.done)


def _follow(
    events: queue.SimpleQueue[int | None],
    futures: list[Future[None]],
    halt: Stop,
    tracker: Tracker,
    throttle: AdaptiveThrottle,
    on_progress: Callable[[Progress], object] | None,
) -> None:
    """Count what the workers do until all have ended; the first error ends the others."""
    ended, reported = 0, 0.0
    while ended < len(futures):
        count = events.get()
        if count is None:
            ended += 1
            if any(future.done() and future.exception() is not None for future in futures):
                halt.request()
        else:
            tracker.note(count)
        now = time.monotonic()
        if on_progress is not None and (now - reported >= _EVERY or ended == len(futures)):
            reported = now
            on_progress(tracker.progress(throttle.throttled))


def _dry_run(
    backend: Backend,
    work: Work,
    on_progress: Callable[[Progress], object] | None,
    stop: Stop,
    begun: float,
) -> BackfillResult:
    plan = make_plan(backend, work.selection, "", divides=False)
    tracker = Tracker("dry run", plan.count)
    rewritten = unchanged = dead = 0
    diffs: list[Diff] = []
    failures: list[DeadLetter] = []
    for page in pages(backend, work.selection, "", "", ""):
        if stop.is_requested:
            raise JobStoppedError("dry run", tracker.done)
        for document in page:
            made = rewrite(document, work.upgrade)
            if made is None:
                unchanged += 1
            elif isinstance(made, str):
                dead += 1
                if len(failures) < SHOWN:
                    failures.append(DeadLetter(document.path.encode().hex(), document.path, made))
            else:
                rewritten += 1
                if len(diffs) < SHOWN:
                    diffs.append(made.diff(work.hides))
        tracker.note(len(page))
        if on_progress is not None:
            on_progress(tracker.progress())
    return BackfillResult(rewritten, unchanged, dead, time.monotonic() - begun, tuple(diffs), tuple(failures))
