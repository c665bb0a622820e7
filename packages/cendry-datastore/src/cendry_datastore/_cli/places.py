"""The databases that commands work on: their names, and whether both are emulators or neither is."""

from __future__ import annotations

import os
from typing import Final

from .failing import WrongUseError

SOURCE_VARIABLE: Final = "DATASTORE_EMULATOR_HOST"
TARGET_VARIABLE: Final = "FIRESTORE_EMULATOR_HOST"


def check_both(*, allow_mixed: bool) -> None:
    """Refuse to copy between an emulator and Google Cloud, unless it is meant.

    Raises:
        WrongUseError: Exactly one side is an emulator.
    """
    hosts = {name: os.environ.get(name, "") for name in (SOURCE_VARIABLE, TARGET_VARIABLE)}
    given = [name for name, host in hosts.items() if host]
    if len(given) == 1 and not allow_mixed:
        (absent,) = set(hosts) - set(given)
        raise WrongUseError(
            f"{given[0]} is set and {absent} is not: one side is an emulator, the other one is not. Set both or "
            "neither, or use --allow-mixed if that is meant."
        )


def target_is_production() -> bool:
    """Whether documents are written to Google Cloud."""
    return not os.environ.get(TARGET_VARIABLE)


def addresses() -> str:
    """Where both sides are, for the question before a copy."""
    source, target = os.environ.get(SOURCE_VARIABLE), os.environ.get(TARGET_VARIABLE)
    return f"from {source or 'Google Cloud'} to {target or 'Google Cloud'}"
