"""`backfill`: rewrite the stored documents of a collection by a function, each of them exactly once."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

from cendry._context.holder import backend_of
from cendry._immutable import dataclass
from cendry.backend import Backend
from cendry.codec import codec_for
from cendry.codec.resolve import hides_stored
from cendry.errors import JobStoppedError
from cendry.jobs import AdaptiveThrottle, DeadLetters, JobLock, Progress, Stop, Store, Tracker, open_store
from cendry.jobs.pace import is_rate
from cendry.paths import check_collection_id
from google.cloud.firestore_v1 import Client

from .._sync import FirestoreBackend
from .ledger import LEDGER, clear, load
from .ranges import BackfillPlan, Selection, make_plan, open_plan, pages
from .rewriting import Diff, Upgrade, rewrite
from .shards import Halted, Shard, Tools

if TYPE_CHECKING:
    from cendry import Cendry, Model
    from cendry._types.shapes import Shape

WHAT: Final = "backfill"
MAX_WORKERS: Final = 64

SHOWN: Final = 3
"""Changes that a dry run returns."""

_EVERY: Final = 0.5
"""Seconds between two reports of progress, at least."""


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a backfill has done, in all its runs together.

    Attributes:
        rewritten: How many documents were rewritten; with `dry_run`, how many would be.
        unchanged: How many were left as they are.
        dead: How many were given up: their paths and the reasons are in the directory `dead` of the state.
        seconds: How long this run took.
        diffs: With `dry_run`, the first three changes.
    """

    rewritten: int
    unchanged: int
    dead: int
    seconds: float
    diffs: tuple[Diff, ...] = ()


def backfill(
    source: Cendry | FirestoreBackend | Client | Backend,
    target: type[Model] | str,
    upgrade: Upgrade,
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
    """Rewrite the stored documents of a collection by a function.

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
            once for a document that others change.
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
    selection, hides = _selection(target, group)
    _check(upgrade, workers, rate)
    stop = Stop() if stop is None else stop
    begun = time.monotonic()
    with _backend(source) as backend:
        if dry_run:
            return _dry_run(backend, selection, upgrade, hides, on_progress, stop, begun)
        if state is None:
            raise TypeError("backfill() needs state=, a directory, to go on after a kill; dry_run=True needs none.")
        store = open_store(state)
        with JobLock(store, what=WHAT, take_over=take_over) as lock:
            plan = open_plan(store, backend, selection, _name_of(upgrade))
            initial = None if _is_emulated(backend) else getattr(backend, "initial_rate", None)
            throttle = AdaptiveThrottle.open(store, initial=initial, max_rate=rate)
            _run(backend, store, plan, upgrade, lock, throttle, workers, stop, on_progress)
            lock.check()
            clear(backend, plan)
        return _result(store, plan, time.monotonic() - begun)


def _run(
    backend: Backend,
    store: Store,
    plan: BackfillPlan,
    upgrade: Upgrade,
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
    tools = Tools(backend, store, plan, upgrade, lock, throttle, (stop, halt), Random(), events.put)  # noqa: S311

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


def _result(store: Store, plan: BackfillPlan, seconds: float) -> BackfillResult:
    positions = [load(store, plan, number)[0] for number in range(len(plan.cuts) + 1)]
    rewritten, seen = sum(one.rewritten for one in positions), sum(one.seen for one in positions)
    dead = len(DeadLetters.read(store))
    return BackfillResult(rewritten, max(seen - rewritten - dead, 0), dead, seconds)


def _dry_run(
    backend: Backend,
    selection: Selection,
    upgrade: Upgrade,
    hides: Callable[[str], bool],
    on_progress: Callable[[Progress], object] | None,
    stop: Stop,
    begun: float,
) -> BackfillResult:
    plan = make_plan(backend, selection, "", divides=False)
    tracker = Tracker("dry run", plan.count)
    rewritten = unchanged = dead = 0
    diffs: list[Diff] = []
    for page in pages(backend, selection, "", "", ""):
        if stop.is_requested:
            raise JobStoppedError("dry run", tracker.done)
        for document in page:
            made = rewrite(document, upgrade)
            if made is None:
                unchanged += 1
            elif isinstance(made, str):
                dead += 1
            else:
                rewritten += 1
                if len(diffs) < SHOWN:
                    diffs.append(made.diff(hides))
        tracker.note(len(page))
        if on_progress is not None:
            on_progress(tracker.progress())
    return BackfillResult(rewritten, unchanged, dead, time.monotonic() - begun, tuple(diffs))


def _selection(target: object, group: object) -> tuple[Selection, Callable[[str], bool]]:
    if group is not None and not isinstance(group, bool):
        raise TypeError(f"group= takes True, False or None, not {group!r}.")
    if isinstance(target, str):
        selection = Selection(check_collection_id(target), bool(group))
        hides: Callable[[str], bool] = _hides_nothing
    elif getattr(target, "__cendry_kind__", None) == "model" and cast("Any", target).__collection__ is not None:
        model: Any = target
        is_group = model.__parent__ is not None if group is None else group
        shape = codec_for(model).shape
        selection = Selection(model.__collection__, is_group)
        hides = partial(_hides, shape)
    else:
        raise TypeError(f"backfill() takes a model with a collection, or the id of one, not {target!r}.")
    if selection.collection == LEDGER:
        raise ValueError(f"{LEDGER!r} is where backfills keep how far they have come; it can't be backfilled.")
    return selection, hides


def _hides(shape: Shape, name: str) -> bool:
    return hides_stored(shape, (name,))


def _hides_nothing(_name: str) -> bool:
    return False


def _check(upgrade: object, workers: object, rate: object) -> None:
    if not callable(upgrade):
        raise TypeError(f"backfill() takes a function from a dict to a dict or None, not {upgrade!r}.")
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers= takes a number from 1 to {MAX_WORKERS}, not {workers!r}.")
    if rate is not None and not is_rate(rate):
        raise ValueError(f"rate= takes a positive number of documents per second, not {rate!r}.")


def _name_of(upgrade: Any) -> str:
    module, name = getattr(upgrade, "__module__", None), getattr(upgrade, "__qualname__", None)
    return f"{module}.{name}" if module and name else type(upgrade).__qualname__


def _is_emulated(backend: Any) -> bool:
    """Whether a backend is on an emulator, which needs no limits."""
    return getattr(getattr(backend, "_connection", None), "emulator", None) is not None


@contextmanager
def _backend(source: object) -> Generator[Backend, None, None]:
    if isinstance(source, Client):
        made = FirestoreBackend(source)
        try:
            yield made
        finally:
            made.close()
    else:
        yield backend_of(source)
