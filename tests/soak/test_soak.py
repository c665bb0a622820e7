"""Threads and tasks read and write, while their connections and the emulator fare badly.

Each life of the emulator is an epoch: at its end the workers come to rest, and what is stored is held against what
they were told. Then they go on while the emulator is stopped and started again, which loses its documents, and the
contexts, which stay open throughout, find their way back.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from cendry import Cendry, Ref
from cendry_firestore._threads import THREADS as READ_THREADS
from cendry_memory.emulator import EmulatorUnavailableError, emulators_required, known
from soak import counted, gauges
from soak.counted import count, missing
from soak.ledger import Epoch, Frozen, Hits, Row, Tally, faults_of, frozen_text
from soak.plan import ENDS, KINDS, Life, Weather, draw
from soak.process import Emulator
from soak.proxy import Proxy
from soak.watching import Watcher
from soak.work import FROZEN, MANNERS, REACHED, Face, Round, Worker, drive

pytestmark = pytest.mark.slow

SECONDS = {"ci": 30.0, "deep": 600.0}
SHORT = 8.0
MOST_UNREACHED = {"ci": 6, "deep": 0}
THREADS, TASKS = 3, 3
REST_SECONDS = 120.0
"""In which all workers have come to rest; the longest bound of a call is that of a transaction."""

GROWTH_BYTES = 32 * 2**20
_NO_LIMIT = 1_000
"""Threads; the first reading has none before it."""

GROWTH_OBJECTS = 300
"""In each life: what leaks does so in all of them, whereas something that is loaded or cached once shows in one."""

MORE_LIVES = 4
"""Where the few lives of a short soak all show growth, so many more tell a leak from what is loaded once."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    if sys.platform == "win32":
        pytest.skip("Windows has no signals that pause a process")
    # Without it, whoever ends the tests leaves java behind.
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))
    one: Emulator | None = None
    try:
        one = Emulator()
        one.start()
        yield one
    except EmulatorUnavailableError as error:
        if emulators_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    finally:
        if one is not None:
            one.stop()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    one = Proxy(emulator.port)
    with known(one.host):
        yield one
    one.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, for as long as the async contexts live."""
    one = asyncio.new_event_loop()
    thread = threading.Thread(target=one.run_forever, name="tasks", daemon=True)
    thread.start()
    yield one
    one.call_soon_threadsafe(one.stop)
    thread.join(10)
    one.close()


class Soak:
    """The contexts, for the whole run, and one round of workers after the other."""

    def __init__(self, weather: Weather, loop: asyncio.AbstractEventLoop, seed: str) -> None:
        project = f"cendry-{uuid4().hex[:16]}"
        self.weather = weather
        self.pulse = gauges.Pulse()
        self.loop = loop
        self.seed = seed
        self.threads = [Face(manner, False, project) for manner in MANNERS]
        self.tasks = [Face(manner, True, project) for manner in MANNERS]
        self.checker: Cendry = self.threads[0].ctx
        self.longest: dict[str, float] = {}
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """Note the seconds that something takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.spent[what] += time.monotonic() - started

    def fill(self, epoch: Ref[Epoch]) -> None:
        """Write what is only read from then on."""
        rows = [Frozen(id=f"{number:04}", number=number, text=frozen_text(number)) for number in range(FROZEN)]
        self.checker.save_many(rows, parent=epoch)

    @contextmanager
    def working(self, around: Round) -> Iterator[list[Worker]]:
        """Workers that work meanwhile; at the end, all have come to rest."""
        # Numbers of their own, so that no document is meant by two, in one epoch.
        first = 50 if around.is_restart else 0
        workers = [
            Worker(first + number, self.threads if number < THREADS else self.tasks, around, self.seed)
            for number in range(THREADS + TASKS)
        ]
        running = [_in_thread(worker) for worker in workers[:THREADS]]
        running += [asyncio.run_coroutine_threadsafe(worker.run(), self.loop) for worker in workers[THREADS:]]
        try:
            yield workers
        finally:
            around.ended.set()
            with self.spending("coming to rest"):
                _wait_for(running, around)
            for name, over in around.longest.items():
                self.longest[name] = max(over, self.longest.get(name, over))

    def live(self, number: int, life: Life) -> None:
        """One life of the emulator, and what is stored at its end."""
        epoch = Ref(Epoch, f"life-{number}")
        self.fill(epoch)
        around = Round(epoch, self.weather, self.pulse, is_restart=False)
        started = time.monotonic()
        with self.watching(around), self.working(around) as workers, self.spending("faults and work"):
            for fault in life.faults:
                self.weather.over.wait(fault.pause)
                self.weather.bring(fault)
            self.weather.over.wait(max(0.0, life.seconds - (time.monotonic() - started)))
        with self.spending("looking after it"):
            self.check(epoch, around, workers)

    @contextmanager
    def watching(self, around: Round) -> Iterator[None]:
        """A listener in each twin meanwhile; at the end, both have seen what is stored, and are closed."""
        thread, task = (Watcher(faces[0], around.epoch, around.fail, self.seed) for faces in (self.threads, self.tasks))
        thread.in_thread()
        asyncio.run_coroutine_threadsafe(task.in_task(), self.loop)
        try:
            yield
            with self.spending("listeners coming to rest"):
                for watcher in (thread, task):
                    watcher.settle(self.checker, around.epoch)
        finally:
            thread.snapshots.close()
            asyncio.run_coroutine_threadsafe(task.snapshots.aclose(), self.loop).result(REST_SECONDS)
            for watcher in (thread, task):
                watcher.ended.result(REST_SECONDS)

    def check(self, epoch: Ref[Epoch], around: Round, workers: list[Worker]) -> None:
        """Hold what is stored against what the workers were told."""
        rows = self.checker.select(Row, parent=epoch).to_list()
        tallies = self.checker.select(Tally, parent=epoch).to_list()
        hits = self.checker.select(Hits, parent=epoch).to_list()
        frozen = self.checker.select(Frozen, parent=epoch).to_list()
        around.failures += list(faults_of([worker.ledger for worker in workers], rows, tallies, hits))[:50]
        assert [] == around.failures, "\n".join(around.failures)
        assert list(range(FROZEN)) == [row.number for row in frozen]
        count("checked at the end of lives", "documents", len(rows))
        count("checked at the end of lives", "counted in transactions", sum(tally.times for tally in tallies))
        count("checked at the end of lives", "counted outside", sum(hit.times for hit in hits))
        blind = [hit for worker in workers for hit in worker.ledger.hits.values()]
        count("blind increments", "acknowledged", sum(hit.told for hit in blind))
        count("blind increments", "of unknown outcome", sum(hit.unknown for hit in blind))
        entries = [entry for worker in workers for entry in worker.ledger.entries.values()]
        stored = {row.token for row in rows}
        unknown = [entry for entry in entries if len(entry.allowed) > 1]
        count("writes of unknown outcome", "there", sum(entry.token in stored for entry in unknown))
        count("writes of unknown outcome", "not there", sum(entry.token not in stored for entry in unknown))

    def restart(self, number: int, life: Life) -> None:
        """The end of that life, and the beginning of the next, in the midst of work."""
        around = Round(Ref(Epoch, f"life-{number}"), self.weather, self.pulse, is_restart=True)
        with self.working(around), self.spending("restarts"):
            self.weather.over.wait(0.3)
            self.weather.restart(life.end)
            self.weather.over.wait(0.5)
        assert [] == around.failures, "\n".join(around.failures)

    def close(self) -> None:
        """Close all contexts; twice is once."""
        for face in self.threads:
            face.ctx.close()
        for face in self.tasks:
            asyncio.run_coroutine_threadsafe(face.ctx.close(), self.loop).result(30)


def _wait_for(running: list[Future[Any]], around: Round) -> None:
    deadline = time.monotonic() + REST_SECONDS
    for future in running:
        try:
            future.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            faulthandler.dump_traceback()
            around.fail(f"a worker is still busy after {REST_SECONDS} s")
            return


def _in_thread(worker: Worker) -> Future[Any]:
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(drive(worker.run()))
        except BaseException as error:
            future.set_exception(error)

    # A daemon, so that one that is stuck does not keep the process.
    threading.Thread(target=work, name=f"worker {worker.ledger.worker}", daemon=True).start()
    return future


def _seed(request: pytest.FixtureRequest, profile: str) -> str:
    if profile == "ci":
        return "0"
    given = request.config.option.hypothesis_seed
    return str(random.SystemRandom().randrange(2**32) if given is None else given)


@pytest.mark.timeout(0)
def test_nothing_is_lost_doubled_stuck_or_leaked(
    emulator: Emulator,
    proxy: Proxy,
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    report: Callable[[str, Iterable[str]], None],
) -> None:
    profile = request.config.option.hypothesis_profile
    seconds = float(os.environ.get("CENDRY_SOAK_SECONDS") or SECONDS.get(profile, SHORT))
    seed = _seed(request, profile)
    lives = draw(seed, seconds)
    counted.LINES.append(
        f"{seconds:.0f} s in {len(lives)} lives, {THREADS} threads and {TASKS} tasks, --hypothesis-seed={seed}"
    )
    # Whatever hangs: everything that it can wait for ends, and the report tells where it stood.
    limit = 3 * seconds + 300
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(limit, exit=False, file=sys.__stderr__)

    def end_all() -> None:
        emulator.kill()
        proxy.refuse()

    watchdog = threading.Timer(limit, end_all)
    watchdog.daemon = True
    weather = Weather(emulator, proxy)
    soak = Soak(weather, loop, seed)
    readings: list[gauges.Reading] = []
    watchdog.start()
    try:
        number, more = 0, draw(f"{seed} more", seconds)[:1] * MORE_LIVES
        while number < len(lives):
            if number:
                soak.restart(number - 1, lives[number - 1])
            soak.live(number, lives[number])
            number += 1
            if gauges.is_measurable():
                # What is logged keeps its tracebacks, with all that their frames hold.
                caplog.clear()
                readings.append(gauges.read(proxy.port, min([one.threads for one in readings], default=_NO_LIMIT)))
                counted.LINES.append(f"after life {number - 1}: {readings[-1]}")
                if number == len(lives) and more and _growth(readings):
                    lives.append(more.pop())
        over = sorted(soak.longest.items(), key=lambda item: item[1])
        counted.LINES.append(f"kept from running: {soak.pulse.late:.1f} s")
        counted.LINES.append("longest over their bounds: " + ", ".join(f"{name} {s:.2f} s" for name, s in over[-4:]))
        counted.LINES.append("seconds: " + ", ".join(f"{what} {s:.0f}" for what, s in soak.spent.items()))
        soak.close()
        count("connections", "made", proxy.accepted)
        unreached = missing("operation", REACHED)
        counted.LINES.append(f"never reached: {', '.join(unreached) or 'nothing'}")
        if readings:
            # gRPC may keep the connection of an asyncio stream that was cancelled just when it broke.
            assert gauges.settles(lambda: gauges.connections(proxy.port) <= 1), "connections stay open"
            assert gauges.settles(lambda: gauges.readers() == 0), "threads that read stay"
            _assert_no_growth(readings)
    finally:
        soak.close()
        soak.pulse.close()
        watchdog.cancel()
        faulthandler.cancel_dump_traceback_later()
        report("what the soak did and saw", counted.lines())
    assert [] == missing("listening in a thread", {"changes"}) + missing("listening in a task", {"changes"})
    assert [] == missing("fault", {*KINDS, *(ENDS if len(lives) > 2 else {lives[0].end})})
    # How much is done in the short ones, the machine decides.
    assert len(unreached) <= MOST_UNREACHED.get(profile, len(REACHED)), unreached


def _assert_no_growth(readings: list[gauges.Reading]) -> None:
    first, last = readings[0], readings[-1]
    assert last.readers <= READ_THREADS * len(MANNERS), readings
    # A listener of the sync twin uses the channel of the SDK's client, beside that of Cendry's own.
    assert all(one.sockets <= 2 * len(MANNERS) + 1 for one in readings), readings
    # Made at first use, which may be in a later life: for each manner two of each twin's, and one for large reads.
    assert all(one.channels <= 5 * len(MANNERS) for one in readings), readings
    assert last.files <= first.files + 2 * len(MANNERS), f"{first} -> {last}"
    if len(readings) > 2:
        warm = readings[1]
        assert last.memory - warm.memory < GROWTH_BYTES, f"{warm} -> {last}"
    assert [] == _growth(readings), (readings, threading.enumerate())


def _growth(readings: list[gauges.Reading]) -> list[str]:
    """What there is more of after each life than after the one before."""
    pairs = list(pairwise(readings))
    if len(pairs) < 2:
        return []
    threads = [after.threads - before.threads for before, after in pairs]
    objects = [after.objects - before.objects for before, after in pairs]
    grown = [f"threads: {threads}"] if min(threads) > 0 else []
    return grown + ([f"objects: {objects}"] if min(objects) >= GROWTH_OBJECTS else [])
