"""What the suites of the Datastore backend share: they run on both of Google's emulators."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import Cendry
from cendry_datastore import DatastoreBackend, _channel
from cendry_memory.testing import Database
from firestore.faulty import FaultyServer


@pytest.fixture(params=["mode", "classic"])
def emulator(request: pytest.FixtureRequest) -> str:
    """Which emulator the test runs on: of Firestore in Datastore mode, or the older one of Datastore alone."""
    name: str = request.param
    return name


@pytest.fixture
def datastore_host(emulator: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The `host:port` of the emulator, which the SDK is told for this test."""
    fixture = "cendry_datastore_mode_host" if emulator == "mode" else "cendry_classic_datastore_host"
    host: str = request.getfixturevalue(fixture)
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", host)
    # As in production; the emulator of Datastore mode can't.
    monkeypatch.setattr(_channel, "READS_BEGIN_ON_EMULATORS", emulator == "classic")
    return host


@pytest.fixture
def backend(datastore_host: str, project: str) -> Iterator[DatastoreBackend]:
    """A backend on an emulator that is empty for this test."""
    backend = DatastoreBackend(project=project)
    yield backend
    backend.close()


@pytest.fixture
def db(backend: DatastoreBackend) -> Database:
    """The backend, asked in short words."""
    return Database(backend)


@pytest.fixture
def ctx(backend: DatastoreBackend) -> Cendry:
    """A context on the backend."""
    return Cendry(backend=backend)


@pytest.fixture
def sdk(backend: DatastoreBackend) -> Any:
    """The SDK's own client on the same documents."""
    return backend.client


@pytest.fixture
def faulty(datastore_host: str, project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server before the emulator that backends made in this test talk to."""
    handler = FaultyServer(datastore_host)
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.host = f"127.0.0.1:{port}"
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", handler.host)
    yield handler
    handler.close()
    server.stop(0).wait()
