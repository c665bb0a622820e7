"""The log of dual writes: which documents may differ between the two databases, and in which direction to repair them.

An intent is one object of the state, below the id of the process that wrote it: written before the commit to the
primary database, and deleted when the shadow has the same. One object for all intents of a process would be rewritten
at each of them, and Cloud Storage allows that once a second
(https://cloud.google.com/storage/quotas#objects).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

from cendry._immutable import dataclass
from cendry.jobs import Store, find_json, write_json

Direction = Literal["forward", "backward"]
"""From Datastore mode to Native mode, as before the cut-over; or back."""

FOLDER: Final = "dual/intents/"


@dataclass(frozen=True, slots=True)
class Intent:
    """Documents that may differ between the two databases.

    Attributes:
        name: The name of its object in the state.
        process: The id of the process that wrote it.
        direction: Which database has the truth.
        paths: The paths of the documents.
        opened: When it was written, in seconds since 1970.
        error: Why they could not be mirrored; `None` as long as that wasn't tried.
    """

    name: str
    process: str
    direction: Direction
    paths: tuple[str, ...]
    opened: float
    error: str | None = None


class IntentLog:
    """Writes the intents of one process.

    Args:
        store: The state, which all processes share.
        process: The id of this process.
        clock: Returns the seconds since 1970.
    """

    __slots__ = ("_clock", "_numbers", "_process", "_store")

    def __init__(self, store: Store, process: str, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._process = process
        self._clock = clock
        # Taking the next number is atomic, so threads need no lock.
        self._numbers = itertools.count(1)

    def open(self, paths: Sequence[str], direction: Direction) -> Intent:
        """Write an intent, before the documents are changed.

        Raises:
            Exception: The state can't be written.
        """
        name = f"{FOLDER}{self._process}/{next(self._numbers):09d}.json"
        intent = Intent(name, self._process, direction, tuple(paths), self._clock())
        _put(self._store, intent)
        return intent

    def done(self, intent: Intent) -> None:
        """Delete an intent whose documents are the same in both databases."""
        self._store.delete(intent.name)

    def failed(self, intent: Intent, errors: Mapping[str, str]) -> None:
        """Keep an intent for the documents that could not be mirrored."""
        keep(self._store, intent, errors)


def keep(store: Store, intent: Intent, errors: Mapping[str, str]) -> None:
    """Rewrite an intent, for the documents that could not be mirrored.

    Args:
        store: The state.
        intent: The intent.
        errors: For each of these documents, the error.
    """
    error = next(iter(errors.values()))
    _put(store, Intent(intent.name, intent.process, intent.direction, tuple(errors), intent.opened, error))


def open_intents(store: Store) -> Iterator[Intent]:
    """All intents in the state, of every process.

    Raises:
        JobFileError: One of them can't be read.
    """
    for name in store.list(FOLDER):
        data = find_json(store, name)
        # It may have been deleted meanwhile.
        if data is not None:
            direction = cast("Direction", data["direction"])
            paths = tuple(data["paths"])
            yield Intent(name, data["process"], direction, paths, data["opened"], data.get("error"))


def _put(store: Store, intent: Intent) -> None:
    data: dict[str, Any] = {
        "process": intent.process,
        "direction": intent.direction,
        "paths": list(intent.paths),
        "opened": intent.opened,
    }
    if intent.error is not None:
        data["error"] = intent.error
    write_json(store, intent.name, data)
