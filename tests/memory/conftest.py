from __future__ import annotations

import pytest
from cendry_memory import ManualClock, MemoryBackend
from cendry_memory import _query as search


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture(params=["scan", "index"])
def looking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to find documents: by looking at each of them, and by sorted indexes."""
    monkeypatch.setattr(search, "_FEW", 64 if request.param == "scan" else -1)
    name: str = request.param
    return name
