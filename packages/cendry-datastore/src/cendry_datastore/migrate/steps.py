"""When the steps of a migration last ended: a proof is older than what was written after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from cendry.jobs import JobFileError, Store, find_json, write_json

_FOLDER: Final = "steps/"


def note_step(store: Store, name: str, clock: Callable[[], float] = time.time) -> None:
    """Record that a step writes the target now: at its beginning, and again at its end.

    Args:
        store: The state of the migration.
        name: The step: `copy`, `delta`, `repair`.
        clock: Returns the seconds since 1970.

    Raises:
        JobStoreError: The state can't be written.
    """
    write_json(store, f"{_FOLDER}{name}.json", {"ended": clock()})


def steps(store: Store) -> dict[str, float]:
    """When each step last wrote the target, in seconds since 1970.

    Raises:
        JobFileError: A file is not one of `note_step`.
    """
    found: dict[str, float] = {}
    for name in store.list(_FOLDER):
        ended = (find_json(store, name) or {}).get("ended")
        if not isinstance(ended, (int, float)):
            raise JobFileError(name, f"'ended' is {ended!r}, not a number of seconds")
        found[name.removeprefix(_FOLDER).removesuffix(".json")] = ended
    return found
