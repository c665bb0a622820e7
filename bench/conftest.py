"""Lets the benchmarks share their models and the emulator, and ends a run with the table of figures."""

from __future__ import annotations

import platform
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from emulators import any_emulator
from figures import Figures, table

_FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Takes what is measured."""
    return pytestconfig.stash[_FIGURES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    noted = config.stash[_FIGURES].noted
    if noted:
        terminalreporter.section(f"figures: Python {platform.python_version()}, {platform.machine()}")
        for line in table(noted):
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def project() -> Iterator[str]:
    """A project of an emulator."""
    with any_emulator():
        yield f"bench-{uuid.uuid4().hex[:12]}"
