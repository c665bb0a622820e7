"""Lends the examples an emulator: a running one, or one that is started. The tests find theirs by the same code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from emulators import EmulatorUnavailableError, running


@contextlib.contextmanager
def lent() -> Iterator[str]:
    """Yield the `host:port` of an emulator that the SDK will find, or end the program with one line of advice."""
    try:
        with running() as host:
            yield host
    except EmulatorUnavailableError as error:
        sys.exit(f"The example needs Google's emulator: {error}")
