"""Reads of both databases compared: in a thread of its own, since nobody waits for it, and summed up in the state."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from operator import attrgetter
from typing import Any, Final, Protocol, TypeAlias

from cendry._immutable import dataclass
from cendry._stored import same
from cendry.jobs import Store, find_json, write_json

from .sides import different_fields

Fields: TypeAlias = "Mapping[str, Any] | None"
"""The stored fields of a document; `None` if there is no such document."""

LAST: Final = 1000
"""Compared reads of which none may differ before a cut-over."""

REREADS: Final = 3
REREAD_PAUSE: Final = 1.0
"""Seconds before a document that differs is read again from both: a write may be between the two."""

_QUEUE: Final = 1000
_SAVE_EVERY: Final = 10.0
_FOLDER: Final = "dual/compared/"
_PERIOD: Final = 60.0
_log: Final = logging.getLogger("cendry")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A document that is not the same in both databases, as it was read again several times.

    Attributes:
        path: The path of the document.
        primary: Its stored fields in the primary database; `None` if there is no such document.
        shadow: The same in the shadow.
        fields: The names of the fields that differ; empty if the document is missing in one of them, or if a
            comparison of your own found the difference.
    """

    path: str
    primary: Fields = field(repr=False)
    shadow: Fields = field(repr=False)
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """The last compared reads of all processes.

    Attributes:
        compared: How many; at most about a thousand.
        mismatches: How many documents differed.
        paths: The paths of some of them.
    """

    compared: int
    mismatches: int
    paths: tuple[str, ...]


class Reader(Protocol):
    """A database that can be read by path."""

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The stored fields of documents by path; `None` for each one that doesn't exist."""
        ...


class Comparer:
    """Compares what was read from the primary database with what the shadow has.

    Args:
        store: The state.
        process: The id of this process.
        primary: The primary database.
        shadow: The shadow.
        compare: Whether the stored fields of two documents are the same; `None` for the same in kind and value.
        on_mismatch: Called with each mismatch, in the thread that compares; or `None`.
        data_of: Returns the stored fields of a result of the primary database; by default its `data`.
        pause: Waits some seconds between two readings of a document that differs.
    """

    def __init__(
        self,
        store: Store,
        process: str,
        primary: Reader,
        shadow: Reader,
        *,
        compare: Callable[[Fields, Fields], bool] | None = None,
        on_mismatch: Callable[[Mismatch], object] | None = None,
        data_of: Callable[[Any], Fields] = attrgetter("data"),
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._name = f"{_FOLDER}{process}.json"
        self._store = store
        self._primary = primary
        self._shadow = shadow
        self._is_same: Callable[[Fields, Fields], bool] = same if compare is None else compare
        self._has_own = compare is not None
        self._on_mismatch = on_mismatch
        self._data_of = data_of
        self._pause = pause
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUE)
        self._periods: deque[list[Any]] = deque()
        self._saved = time.monotonic()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, documents: dict[str, Any]) -> None:
        """Compare documents, soon; if too many wait already, these are left out.

        Args:
            documents: Documents as the primary database gave them, with an attribute `data`, by path.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cendry-compare", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(documents)
        except queue.Full:
            return

    def drain(self) -> None:
        """Wait until all that was submitted is compared, and save the sums."""
        self._queue.join()
        self._save()

    def close(self) -> None:
        """Compare what was submitted, save the sums, and end the thread. May be called twice."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
            self._save()

    def _work(self) -> None:
        while True:
            documents = self._queue.get()
            try:
                if documents is None:
                    return
                self._compare({path: self._data_of(result) for path, result in documents.items()})
            except Exception as error:
                # The shadow's errors are recorded, never raised; and a comparison that raises is no comparison.
                _log.warning("Reads of both databases could not be compared: %s", error)
            finally:
                self._queue.task_done()

    def _compare(self, primary: dict[str, Any]) -> None:
        shadow = self._shadow.read(list(primary))
        differing = self._differing(primary, primary, shadow)
        for _ in range(REREADS):
            if not differing:
                break
            self._pause(REREAD_PAUSE)
            again, there = self._primary.read(differing), self._shadow.read(differing)
            primary, shadow = {**primary, **again}, {**shadow, **there}
            differing = self._differing(differing, primary, shadow)
        self._count(len(primary), differing)
        for path in differing:
            _log.warning("Document %r differs between the two databases", path)
            if self._on_mismatch is not None:
                one, other = primary[path], shadow[path]
                fields = () if self._has_own else different_fields(one, other)
                self._on_mismatch(Mismatch(path, one, other, fields))

    def _differing(self, paths: Iterable[str], primary: Mapping[str, Any], shadow: Mapping[str, Any]) -> list[str]:
        return [path for path in paths if not self._is_same(primary[path], shadow[path])]

    def _count(self, compared: int, differing: Sequence[str]) -> None:
        minute = time.time() // _PERIOD * _PERIOD
        if not self._periods or self._periods[-1][0] != minute:
            self._periods.append([minute, 0, 0, []])
        period = self._periods[-1]
        period[1] += compared
        period[2] += len(differing)
        period[3] = [*period[3], *differing][:10]
        while sum(each[1] for each in self._periods) - self._periods[0][1] >= LAST:
            self._periods.popleft()
        if differing or time.monotonic() - self._saved >= _SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self._periods:
            write_json(self._store, self._name, {"periods": [list(period) for period in self._periods]})


def last_compared(store: Store) -> Compared:
    """The last thousand compared reads of all processes, by the minute.

    Raises:
        JobFileError: A file can't be read.
    """
    periods: list[list[Any]] = []
    for name in store.list(_FOLDER):
        data = find_json(store, name)
        periods += [] if data is None else data["periods"]
    periods.sort(key=lambda period: -period[0])
    compared, mismatches, paths = 0, 0, dict[str, None]()
    for _, count, differing, some in periods:
        if compared >= LAST:
            break
        compared += count
        mismatches += differing
        paths.update(dict.fromkeys(some))
    return Compared(compared, mismatches, tuple(paths))
