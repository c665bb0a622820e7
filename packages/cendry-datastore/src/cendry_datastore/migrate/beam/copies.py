"""The copy as a transform: one step takes the lock, many copy shards, one sums up and frees the lock."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared
from cendry._immutable import dataclass, replace
from cendry.jobs import DeadLetters, JobLock, Stop
from cendry.jobs.pace import is_rate

from ..checks import check_places, check_sides
from ..copying import WHAT, ShardCopier, begin, end
from ..files import find_copy, load_shard, read_plan
from ..reports import Result
from ..source import PAGE
from ..values import Plan, Shard
from .jobs import NAMESPACE, Job, SidesDoFn, check_count, job_of, new_token, pace_of, packed, unpacked


@dataclass(frozen=True, slots=True)
class Task:
    """A shard that is to be copied.

    Attributes:
        token: What marks this run.
        started: When it began, in seconds since 1970.
        shard: The shard; `None` so that a plan without any has an end as well.
    """

    token: str
    started: float
    shard: Shard | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied of a shard, or of several.

    Attributes:
        token: What marks this run.
        started: When it began, in seconds since 1970.
        copied: How many documents are done, by earlier runs too.
        traps: How often each trap was found, in this run.
    """

    token: str = ""
    started: float = 0.0
    copied: int = 0
    traps: Mapping[str, int] = dataclasses.field(default_factory=dict[str, int])


class CopyShards(beam.PTransform):  # type: ignore[misc]  # Beam has no types.
    """Copies the entities of a plan to Firestore in Native mode: `pipeline | CopyShards(plan, state="gs://b/m")`.

    It does what `copy` does, on many machines. A run that ended early goes on when the pipeline is run again with the
    same state. Gives one `Result`. Counters of the namespace `cendry`: `copied`, `dead`.

    Args:
        plan: The plan.
        state: Where plan, state and dead letters are: `gs://bucket/folder`, or a directory that all workers reach.
        workers: How many processes the runner may start, at most, each of which has its share of the rate. On Dataflow
            these are `max_num_workers` times the vCPUs of a machine.
        rate: Documents per second of all workers together, at most. `None` for what Firestore recommends: 500 at first
            and 50 % more every 5 minutes; on an emulator there is no limit then.
        into_existing: Whether the target may have documents in the collections of the plan.
        take_over: Whether to take the lock from another copy, which must not run any more.
        allow_mixed: Whether one of both sides may be an emulator.
        assume_modes: Whether the modes of both sides are right if Google Cloud doesn't say.
        page: Entities that are read and written together; what a failed worker costs.

    Raises:
        TypeError: The plan is none, or the state has no path.
        ValueError: The number of workers, the size of pages or the rate is not positive, or the state can't be there.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        state: str | os.PathLike[str],
        workers: int = 1,
        rate: float | None = None,
        into_existing: bool = False,
        take_over: bool = False,
        allow_mixed: bool = False,
        assume_modes: bool = False,
        page: int = PAGE,
    ) -> None:
        super().__init__()
        self._job = job_of(plan, state, page)
        check_count("workers", workers)
        if rate is not None and not is_rate(rate):
            raise ValueError(f"rate= takes a positive number of documents per second, not {rate!r}.")
        self._begin = _Begin(
            self._job,
            packed(plan),
            into_existing=into_existing,
            take_over=take_over,
            allow_mixed=allow_mixed,
            assume_modes=assume_modes,
        )
        self._copy = _CopyShard(self._job, rate, workers)

    def expand(self, begin: Any) -> Any:
        """Add the steps to a pipeline."""
        return (
            begin
            | "Begin" >> beam.Create([None])
            | "Name the run" >> beam.Map(new_token)
            # What is made by chance is kept: a step that runs again gets the same.
            | "Keep its name" >> beam.Reshuffle()
            | "Lock" >> beam.ParDo(self._begin)
            | "Spread" >> beam.Reshuffle()
            | "Copy" >> beam.ParDo(self._copy)
            | "Sum up" >> beam.CombineGlobally(_total)
            | "End" >> beam.ParDo(_End(self._job))
        )


class _Begin(SidesDoFn):
    """Checks all that `copy` checks, takes the lock, and gives out the shards."""

    def __init__(
        self,
        job: Job,
        plan: bytes,
        *,
        into_existing: bool,
        take_over: bool,
        allow_mixed: bool,
        assume_modes: bool,
    ) -> None:
        super().__init__(job)
        self._plan = plan
        self._into_existing = into_existing
        self._take_over = take_over
        self._allow_mixed = allow_mixed
        self._assume_modes = assume_modes

    def process(self, token: str) -> Iterator[Task]:
        """Begin one run."""
        plan = unpacked(self._plan)
        check_places(plan, self.source, self.target)
        check_sides(self.source, self.target, allow_mixed=self._allow_mixed, assume_modes=self._assume_modes)
        lock = JobLock(self.store, what=WHAT, token=token, take_over=self._take_over)
        lock.take()
        try:
            started = begin(plan, self.store, self.target, into_existing=self._into_existing)
        except BaseException:
            lock.release()
            raise
        yield Task(token, started)
        for shard in plan.shards:
            yield Task(token, started, shard)


class _CopyShard(SidesDoFn):
    """Copies shards."""

    def __init__(self, job: Job, rate: float | None, workers: int) -> None:
        super().__init__(job)
        self._rate = rate
        self._workers = workers
        self._shared = Shared()
        self._plan: Plan | None = None

    def process(self, task: Task) -> Iterator[Copied]:
        """Copy what is left of a shard."""
        shard, store = task.shard, self.store
        if shard is None:
            yield Copied(task.token, task.started)
            return
        # The first step has written it.
        plan = self._plan = read_plan(store) if self._plan is None else self._plan
        state = load_shard(store, plan, shard)
        traps: Mapping[str, int] = {}
        if not state.done:
            pace = pace_of(self._shared, store, self.target, rate=self._rate, workers=self._workers)
            copied, dead = (Metrics.counter(NAMESPACE, name) for name in ("copied", "dead"))

            def note(count: int, given_up: int) -> None:
                copied.inc(count - given_up)
                dead.inc(given_up)
                pace.tell()

            lock = JobLock(store, what=WHAT, token=task.token)
            copier = ShardCopier(
                plan,
                self.source,
                self.target,
                stop=Stop(),
                page=self.job.page,
                store=store,
                lock=lock,
                pace=pace.throttle,
                shared=True,
            )
            with lock.join():
                state = copier.copy(shard, state, note)
            traps = dict(copier.traps)
        yield Copied(task.token, task.started, state.copied, traps)


def _total(shards: Iterable[Copied]) -> Copied:
    copied = 0
    traps: Counter[str] = Counter()
    one = Copied()
    for each in shards:
        one = each if each.token else one
        copied += each.copied
        traps.update(each.traps)
    return replace(one, copied=copied, traps=dict(traps))


class _End(SidesDoFn):
    """Records that all shards are complete, and frees the lock."""

    def process(self, total: Copied) -> Iterator[Result]:
        """End one run."""
        plan = read_plan(self.store)
        seconds = time.time() - total.started
        dead = len(DeadLetters.read(self.store))
        result = Result(total.copied, dead, seconds, plan.read_time, traps=dict(total.traps))
        lock = JobLock(self.store, what=WHAT, token=total.token)
        ended = find_copy(self.store, plan) or {}
        if ended.get("started") != total.started or "ended" not in ended:
            with lock.join():
                lock.check()
                end(plan, self.store, total.started, result)
        # Else this step runs again, after all of it was done.
        lock.release()
        yield result
