"""The suite held against the memory backend, in process and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from cendry_memory.testing import BackendConformance


class TestMemory(BackendConformance):
    @pytest.fixture
    def backend(self) -> MemoryBackend:
        return MemoryBackend()


class TestAsyncMemory(BackendConformance):
    @pytest.fixture
    def backend(self) -> AsyncMemoryBackend:
        return AsyncMemoryBackend()


@pytest.mark.slow
class TestMemoryInAFile(BackendConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> MemoryBackend:
        return MemoryBackend(tmp_path / "store.db")


@pytest.mark.slow
class TestAsyncMemoryInAFile(BackendConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> AsyncMemoryBackend:
        return AsyncMemoryBackend(tmp_path / "store.db")
