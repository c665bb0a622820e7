"""Contexts of both twins over the recording backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from cendry import AsyncCendry, Cendry
from cendry_memory.testing.driver import Driven, LoopThread
from core.documents import NOW
from core.recording import AsyncRecordingBackend, RecordingBackend


class NoPauses(Random):
    """Draws no pause at all, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append(b)
        return 0.0


@pytest.fixture
def pauses() -> NoPauses:
    return NoPauses()


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def backend(twin: str) -> Any:
    return RecordingBackend() if twin == "sync" else AsyncRecordingBackend()


@pytest.fixture
def make(twin: str) -> Iterator[Callable[..., Any]]:
    """Makes contexts of the twin that the test is run for."""
    if twin == "sync":
        yield Cendry
        return
    loop = LoopThread()
    yield lambda *arguments, **options: Driven(AsyncCendry(*arguments, **options), loop)
    loop.close()


@pytest.fixture
def ctx(make: Callable[..., Any], backend: Any, pauses: NoPauses) -> Any:
    return make(backend=backend, clock=lambda: NOW, random=pauses)
