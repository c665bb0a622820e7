"""What a benchmark does where there is no emulator: it is skipped, or fails where one is required."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cendry_memory.emulator import EmulatorUnavailableError, emulators_required, known, running, start, stop


@contextmanager
def any_emulator() -> Iterator[None]:
    """One that runs, started if there is none."""
    with _needed(), running():
        yield


@contextmanager
def new_emulator() -> Iterator[None]:
    """One that has just been started: with each thousand of calls, they get quicker."""
    with _needed():
        process, host = start()
        try:
            with known(host):
                yield
        finally:
            stop(process)


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except EmulatorUnavailableError as error:
        if emulators_required():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
