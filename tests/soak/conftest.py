"""Prints at the end what the soak did and saw."""

from __future__ import annotations

import pytest
from soak import counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not counted.LINES:
        return
    terminalreporter.section("what the soak did and saw")
    for line in counted.lines():
        terminalreporter.write_line(line)
