"""What the suites of the migration share: entities in Datastore mode, and the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cendry_datastore.migrate import Source
from google.cloud import datastore

ROOT = Path(__file__).parents[2]
SOURCES = [str(path) for path in sorted(ROOT.glob("packages/*/src"))]

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["mode", "classic"])
def datastore_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The `host:port` of each emulator in turn, which the SDK is told for this test."""
    fixture = "cendry_datastore_mode_host" if request.param == "mode" else "cendry_classic_datastore_host"
    host: str = request.getfixturevalue(fixture)
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", host)
    return host


@pytest.fixture
def sdk(datastore_host: str, project: str) -> Any:
    """The SDK's client on the entities."""
    return datastore.Client(project=project)


@pytest.fixture
def source(datastore_host: str, project: str) -> Iterator[Source]:
    """The entities, as a migration reads them."""
    with Source(project=project) as source:
        yield source


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs `cendry-datastore` with some arguments, in a directory of its own."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*SOURCES, os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-m", "cendry_datastore.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "PYTHONWARNINGS": "ignore", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run
