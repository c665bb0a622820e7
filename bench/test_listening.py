"""What a change costs those who listen: beside the SDK, as the number of documents grows, and those not concerned."""

from __future__ import annotations

import gc
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cendry import Cendry, Field, Map, MemoryBackend, Model, field
from figures import Figures, best

MANY = 5_000
CURVE = (100, 1_000, 10_000)
CHANGES = 100
BYSTANDERS = 1_000
WAIT = 120.0


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    name: Field[str] = field(alias="displayName")
    population: Field[int] = field(default=0)
    area: Field[float] = field(default=0.0)
    regions: Field[list[str]] = field(default_factory=lambda: ["west", "coast"])
    mayor: Field[Mayor | None] = field(default=None)


class Other(Model, collection="others"):
    n: Field[int]


class Server:
    """`listen_server.py`, which runs, and is known to the SDK."""

    def __init__(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = f"bench-{uuid.uuid4().hex[:12]}"
        command = [sys.executable, str(Path(__file__).with_name("listen_server.py")), self.project, str(count)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{int(self.process.stdout.readline())}")

    def change(self, number: int) -> None:
        """Let a document change."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Server]]:
    servers: list[Server] = []

    def start(count: int) -> Server:
        servers.append(Server(count, monkeypatch))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class Heard:
    """A callback, and whether it was called."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self, *_: Any) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(WAIT)
        self._event.clear()


def cpu_of_changes(change: Callable[[int], None], heard: Heard, count: int, changes: int = CHANGES) -> float:
    """The median of the CPU seconds that a change takes, until its callback was called."""
    taken: list[float] = []
    numbers = itertools.cycle(range(0, count, 37))
    heard.wait()
    gc.collect()
    for round_ in range(changes + 5):
        began = time.process_time()
        change(next(numbers))
        heard.wait()
        if round_ >= 5:
            taken.append(time.process_time() - began)
    return statistics.median(taken)


def on_firestore(server: Server, count: int) -> float:
    heard = Heard()
    with Cendry(project=server.project) as ctx, ctx.select(City, order_by=City.population).on_snapshot(heard):
        return cpu_of_changes(server.change, heard, count)


@contextmanager
def filled(count: int, backend: MemoryBackend | None = None) -> Iterator[tuple[Cendry, Callable[[int], None]]]:
    """A context on memory, and a function that changes a document."""
    with Cendry(backend=backend or MemoryBackend()) as ctx:
        for start in range(0, count, 500):
            numbers = range(start, min(start + 500, count))
            ctx.save_many([City(id=f"{number:06}", name=f"city {number}", population=number) for number in numbers])
        versions = itertools.count()

        def change(number: int) -> None:
            version = next(versions)
            # Writing what is there already would be no change.
            area = version + 0.5
            ctx.save(City(id=f"{number:06}", name=f"city {number}", population=version * 7919 % count, area=area))

        yield ctx, change


def in_memory(count: int) -> float:
    heard = Heard()
    with filled(count) as (ctx, change), ctx.select(City, order_by=City.population).on_snapshot(heard):
        return cpu_of_changes(change, heard, count)


def test_a_change_on_firestore_beside_the_sdk(serve: Callable[[int], Server], figures: Figures) -> None:
    from google.cloud import firestore

    server = serve(MANY)
    ours = on_firestore(server, MANY)
    heard = Heard()
    query: Any = firestore.Client(project=server.project).collection("cities").order_by("population")
    watch = query.on_snapshot(heard)
    theirs = cpu_of_changes(server.change, heard, MANY, 10)
    watch.unsubscribe()
    detail = f"{ours * 1e3:.2f} ms of CPU, the SDK's on_snapshot {theirs * 1e3:.1f} ms"
    figures("a change among 5,000 listened documents, Firestore", ours * 1e3, unit="ms", budget=1.0, detail=detail)
    figures("the same / the SDK's on_snapshot", ours / theirs, budget=0.01, detail=detail)


def test_a_change_in_memory(figures: Figures) -> None:
    figures("a change among 5,000 listened documents, memory", in_memory(MANY) * 1e3, unit="ms", budget=0.3)


def test_a_change_costs_as_much_among_many_documents(serve: Callable[[int], Server], figures: Figures) -> None:
    found = {
        "Firestore": [on_firestore(serve(count), count) for count in CURVE],
        "memory": [in_memory(count) for count in CURVE],
    }
    for name, seconds in found.items():
        curve = ", ".join(f"{count:,}: {each * 1e3:.3f} ms" for count, each in zip(CURVE, seconds, strict=True))
        growth = (seconds[-1] - seconds[0]) * 1e3
        figures(f"a change among 10,000 rather than 100, {name}", growth, unit="ms", budget=0.2, detail=curve)


def test_listeners_that_are_not_concerned(figures: Figures) -> None:
    with filled(100) as (ctx, change), filled(100) as (other, change_alone):
        listeners = [ctx.select(Other, Other.n == number).on_snapshot(print) for number in range(BYSTANDERS - 2)]
        listeners += [ctx.on_snapshot(City, "none", print), ctx.select_group(Other).on_snapshot(print)]
        numbers = itertools.cycle(range(100))
        with_them, alone = best(lambda: change(next(numbers)), lambda: change_alone(next(numbers)), calls=200)
        for listener in listeners:
            listener.close()
        assert other is not ctx
    detail = f"{with_them * 1e6:.1f} us a save, {alone * 1e6:.1f} us without them"
    added = (with_them - alone) * 1e6
    figures("what 1,000 listeners to other documents add to a save", added, unit="us", budget=30.0, detail=detail)


def test_listeners_of_the_same_collection_that_are_not_concerned(figures: Figures) -> None:
    """What the thread that tells listeners does is counted, too."""
    backend, backend_alone = MemoryBackend(), MemoryBackend()
    with filled(100, backend) as (ctx, change), filled(100, backend_alone) as (other, change_alone):
        least = 10**9
        quarter = range(least, least + BYSTANDERS // 4)
        queries = [ctx.select(City, City.population > number) for number in quarter]
        queries += [ctx.select(City, City.area < -number) for number in quarter]
        queries += [ctx.select(City, City.population.is_in([number, -number])) for number in quarter]
        queries += [ctx.select(City, City.regions.array_contains(f"{number}")) for number in quarter]
        listeners = [query.on_snapshot(print) for query in queries]
        # One that is, on either side, so that there is something to tell.
        listeners += [one.select(City).on_snapshot(lambda _: None) for one in (ctx, other)]
        assert backend.drain(WAIT)
        numbers = itertools.cycle(range(100))

        def tell(change: Callable[[int], None], backend: MemoryBackend) -> None:
            change(next(numbers))
            assert backend.drain(WAIT)

        with_them, alone = best(lambda: tell(change, backend), lambda: tell(change_alone, backend_alone), calls=200)
        for listener in listeners:
            listener.close()
    detail = f"{with_them * 1e6:.1f} us a save, {alone * 1e6:.1f} us without them"
    added = (with_them - alone) * 1e6
    figures("what 1,000 listeners with other filters add to a save", added, unit="us", budget=30.0, detail=detail)
