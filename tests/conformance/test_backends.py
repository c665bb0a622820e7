"""The suite held against Firestore, on Google's emulator."""

from __future__ import annotations

import pytest
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend
from cendry_memory.testing import BackendConformance


class TestFirestore(BackendConformance):
    @pytest.fixture
    def backend(self, firestore_emulator: str, project: str) -> FirestoreBackend:
        return FirestoreBackend(project=project)


class TestAsyncFirestore(BackendConformance):
    @pytest.fixture
    def backend(self, firestore_emulator: str, project: str) -> AsyncFirestoreBackend:
        return AsyncFirestoreBackend(project=project)
