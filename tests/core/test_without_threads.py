"""Where Python can't start threads: in WebAssembly."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from cendry import BulkError, BulkResult, Cendry, DocumentAlreadyExistsError, UnsupportedByBackendError, _threads
from cendry.backend import MAX_BULK_WRITES
from cendry_memory import MemoryBackend
from core.documents import City


@pytest.fixture(autouse=True)
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_threads, "CAN_START", False)
    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize(
    ("platform", "built", "can_start"),
    [
        ("linux", None, True),
        ("wasi", None, False),
        ("emscripten", SimpleNamespace(pthreads=False), False),
        ("emscripten", SimpleNamespace(pthreads=True), True),
    ],
)
def test_whether_there_are_threads(monkeypatch: pytest.MonkeyPatch, platform: str, built: Any, can_start: bool) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "_emscripten_info", built, raising=False)
    assert can_start == _threads._can_start()


@pytest.mark.parametrize(
    "listen",
    [
        lambda ctx: ctx.on_snapshot(City, "SF", print),
        lambda ctx: ctx.select(City).on_snapshot(print),
        lambda ctx: ctx.select(City, City.name.is_in([])).on_snapshot(print),
        lambda ctx: next(ctx.select(City).watch()),
        lambda ctx: next(ctx.select(City, City.name.is_in([])).watch()),
        lambda ctx: next(ctx.watch(City, "SF")),
    ],
)
def test_the_sync_twin_refuses_listeners(listen: Callable[[Cendry], object]) -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        with pytest.raises(UnsupportedByBackendError, match="Use AsyncCendry: its listeners run in the event loop"):
            listen(ctx)
        ctx.save(City(id="SF", name="San Francisco"))


def test_bulk_sends_one_request_at_a_time() -> None:
    many = MAX_BULK_WRITES + 1
    with Cendry(backend=MemoryBackend()) as ctx:
        with ctx.bulk() as bulk:
            for number in range(many):
                bulk.save(City(id=f"c{number}", name="x"))
        assert BulkResult(many) == bulk.result
        assert many == ctx.select(City).count()


def test_a_bulk_reports_what_fails() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(City(id="SF", name="San Francisco"))
        with pytest.raises(BulkError) as caught, ctx.bulk() as bulk:
            bulk.create(City(id="SF", name="Another"))
        assert [DocumentAlreadyExistsError] == [type(failure.error) for failure in caught.value.failed]
