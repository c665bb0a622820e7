"""What the suites of the Firestore backends share: a backend of either twin, and a server that can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend, _listen, _stream
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer

pytest.register_assert_rewrite("firestore.comparing")


@pytest.fixture(params=["sync", "async"])
def make_db(request: pytest.FixtureRequest, project: str) -> Iterator[Callable[..., Database]]:
    """Makes backends of one twin, by default on this test's project, and closes them."""
    made: list[Database] = []

    def make(**arguments: Any) -> Database:
        kind = FirestoreBackend if request.param == "sync" else AsyncFirestoreBackend
        made.append(Database(kind(**(arguments or {"project": project}))))
        return made[-1]

    yield make
    for db in made:
        db.close()


@pytest.fixture
def db(make_db: Callable[..., Database], firestore_emulator: str) -> Database:
    """Either twin, on an emulator that is empty for this test."""
    return make_db()


@pytest.fixture
def backend(firestore_emulator: str, project: str) -> Iterator[FirestoreBackend]:
    """The sync twin alone."""
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()


@pytest.fixture
def fault() -> type[Fault]:
    """Makes faults."""
    return Fault


@pytest.fixture
def faulty(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server before the emulator that backends made in this test talk to, and try again soon."""
    for module in (_listen, _stream):
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    handler = FaultyServer(firestore_emulator)
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.host = f"127.0.0.1:{port}"
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", handler.host)
    yield handler
    handler.close()
    server.stop(0).wait()
