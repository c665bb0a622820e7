"""The suite held against two databases behind one backend: it shows what the one that answers shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cendry_datastore import DatastoreBackend, DualBackend
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from cendry_memory.testing import BackendConformance
from conformance import test_datastore


class TestDualMemory(BackendConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[DualBackend]:
        with DualBackend(MemoryBackend(), MemoryBackend(), state=tmp_path) as dual:
            yield dual


@pytest.mark.slow
class TestDualDatastoreAndFirestore(test_datastore.TestDatastoreMode):
    features = test_datastore.DATASTORE

    @pytest.fixture
    def backend(
        self,
        cendry_datastore_mode_host: str,
        firestore_emulator: str,
        project: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[DualBackend]:
        monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
        primary, shadow = DatastoreBackend(project=project), FirestoreBackend(project=project)
        with DualBackend(primary, shadow, state=tmp_path, mode="shadow-read") as dual:
            yield dual
        primary.close()
        shadow.close()
