"""What the tests of migrations share: a source on the emulators of Datastore, and a target on that of Firestore."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cendry_datastore.migrate import Source, Target
from google.cloud import datastore
from migrate.sides import Sides

ROOT = Path(__file__).parents[2]
SOURCES = [str(path) for path in sorted(ROOT.glob("packages/*/src"))]

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


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


def measured() -> dict[str, str]:
    """What has a process measure its coverage, if that of this one is measured."""
    coverage = sys.modules.get("coverage")
    current = None if coverage is None else coverage.Coverage.current()
    if current is None:
        return {}
    data = Path(current.config.data_file).absolute()
    return {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"), "COVERAGE_FILE": str(data)}


def environment_of(changes: Mapping[str, str | None]) -> dict[str, str]:
    """The variables of a command that is run from the sources.

    Args:
        changes: Further variables; `None` for one that is not to be there.
    """
    path = os.pathsep.join([*SOURCES, os.environ.get("PYTHONPATH", "")])
    own = {"PYTHONPATH": path, "COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
    found: dict[str, str | None] = {**os.environ, **own, **measured(), **changes}
    return {name: value for name, value in found.items() if value is not None}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs `cendry-datastore` with some arguments, in a process and a directory of its own."""

    def run(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cendry_datastore.cli", *arguments],
            cwd=tmp_path,
            env=environment_of(environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
