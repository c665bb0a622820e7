"""What the transforms share: what a worker must know, the sides that it opens, and the pace of its process."""

from __future__ import annotations

import os
import secrets
import threading
import zlib
from contextlib import ExitStack
from typing import Any, Final, cast

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared
from cendry._immutable import dataclass
from cendry.jobs import AdaptiveThrottle, Store
from cendry.jobs.state import dump
from cendry.jobs.throttle import INITIAL_RATE

from ..source import Source
from ..target import Target
from ..values import Place, Plan
from .stores import open_store

NAMESPACE: Final = "cendry"
"""The namespace of the counters."""

THROTTLED: Final = "cumulativeThrottlingSeconds"
"""The counter by which Dataflow knows that more workers would be of no use."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each worker must know; small, and picklable.

    Attributes:
        state: The place of the state.
        source: The source.
        target: The target.
        page: Entities that are read and written together.
    """

    state: str
    source: Place
    target: Place
    page: int

    def store(self) -> Store:
        """The store of the state."""
        return open_store(self.state)


def job_of(plan: Plan, state: str | os.PathLike[str], page: int) -> Job:
    """The job of a plan.

    Raises:
        TypeError: The plan is none, or the state has no path.
        ValueError: The state can't be there, or the size of a page is not positive.
    """
    given: Any = plan
    if not isinstance(given, Plan):
        raise TypeError(f"A plan is needed, not {given!r}: read one by Plan.from_json, or make one by plan().")
    if not isinstance(cast("object", state), (str, os.PathLike)):
        raise TypeError(
            f"state= takes the path of a directory or gs://bucket/folder, not {state!r}: each worker opens it anew."
        )
    check_count("page", page)
    open_store(state)
    return Job(os.fspath(state), plan.source, plan.target, page)


def check_count(name: str, number: int) -> None:
    """Check a number.

    Raises:
        ValueError: It is not a whole number of at least 1.
    """
    if cast("object", type(number)) is not int or number < 1:
        raise ValueError(f"{name}= takes a whole number of at least 1, not {number!r}.")


def packed(plan: Plan) -> bytes:
    """A plan, small enough for the description of a pipeline, whose size runners limit."""
    return zlib.compress(dump(plan.to_json()))


def unpacked(data: bytes) -> Plan:
    """What `packed` was given."""
    return Plan.from_json(zlib.decompress(data))


def new_token(_: object) -> str:
    """What marks one run of a pipeline; made when it runs, as a template can run more than once."""
    return secrets.token_hex(8)


class SidesDoFn(beam.DoFn):  # type: ignore[misc]  # Beam has no types.
    """A step that has both sides open.

    Args:
        job: What each worker must know.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def setup(self) -> None:
        """Open both sides."""
        place = self.job.source
        self.sides = ExitStack()
        self.source = self.sides.enter_context(
            Source(project=place.project, database=place.database, namespace=place.namespace or None)
        )
        self.target = self.sides.enter_context(
            Target(project=self.job.target.project, database=self.job.target.database)
        )
        self.store = self.job.store()

    def teardown(self) -> None:
        """Close both sides."""
        self.sides.close()


class ProcessPace:
    """The pace of a process, for all of its threads.

    Args:
        throttle: Limits the rate.
    """

    def __init__(self, throttle: AdaptiveThrottle) -> None:
        self.throttle = throttle
        self._mutex = threading.Lock()
        self._told = 0

    def tell(self) -> None:
        """Tell the runner for how many more seconds documents were held."""
        with self._mutex:
            seconds = int(self.throttle.throttled) - self._told
            self._told += seconds
        if seconds:
            Metrics.counter(NAMESPACE, THROTTLED).inc(seconds)


def pace_of(shared: Shared, store: Store, target: Target, *, rate: float | None, workers: int) -> ProcessPace:
    """The pace of this process; made by the first thread that asks.

    Args:
        shared: What the threads have in common.
        store: The state.
        target: The target.
        rate: Documents per second of all processes, or `None`.
        workers: How many processes there may be.
    """
    initial = None if target.emulator else INITIAL_RATE

    def opened() -> ProcessPace:
        return ProcessPace(AdaptiveThrottle.open(store, initial=initial, max_rate=rate, workers=workers))

    pace: ProcessPace = shared.acquire(opened)
    return pace
