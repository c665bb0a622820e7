"""Prints at the end what the lockstep machine has reached."""

from __future__ import annotations

import pytest
from lockstep import reached


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not reached.REACHED:
        return
    terminalreporter.section("what the lockstep machine reached")
    for line in reached.lines():
        terminalreporter.write_line(line)
    absent = reached.missing()
    shown = absent if len(absent) < 40 else [*absent[:40], f"and {len(absent) - 40} more"]
    terminalreporter.write_line(f"never reached: {', '.join(shown) or 'nothing'}")
