"""What the tests of migrations share: a source on the emulators of Datastore, and a target on that of Firestore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cendry_datastore.migrate import Source, Target
from google.cloud import datastore
from migrate.sides import Sides


@pytest.fixture
def datastore_mode(cendry_datastore_mode_host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The `host:port` of Google's emulator in Datastore mode, which the SDK is told for this test."""
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
    return cendry_datastore_mode_host


@pytest.fixture(params=["mode", "classic"])
def any_datastore(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test on both emulators of Datastore; the SDK is told the one."""
    name = "cendry_datastore_mode_host" if request.param == "mode" else "cendry_classic_datastore_host"
    host: str = request.getfixturevalue(name)
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", host)
    which: str = request.param
    return which


@pytest.fixture
def sdk(project: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The SDK's client on the source: in Datastore mode, unless the test runs on both emulators."""
    request.getfixturevalue("any_datastore" if "any_datastore" in request.fixturenames else "datastore_mode")
    client: Any = datastore.Client(project=project)
    yield client
    client.close()


@pytest.fixture
def source(sdk: Any) -> Source:
    """The source, empty for this test."""
    return Source(sdk)


@pytest.fixture
def target(firestore_emulator: str, project: str) -> Iterator[Target]:
    """The target, empty for this test."""
    with Target(project=project) as target:
        yield target


@pytest.fixture
def sides(any_datastore: str, firestore_emulator: str, project: str) -> Iterator[Sides]:
    """Both sides as messages, past Cendry; on both emulators of Datastore."""
    sides = Sides(project)
    yield sides
    sides.close()
