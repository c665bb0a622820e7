"""Dead letters: documents that a job has given up, with the reasons, and without their data."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Final, cast

from .._immutable import dataclass
from ..errors import JobFileError
from .state import dump, parse
from .store import LocalStore, Store

FOLDER: Final = "dead/"
_END: Final = ".jsonl"
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document that a job has given up.

    Attributes:
        key: Its key in hexadecimal.
        path: Its path, for people.
        error: Why; `None` in a line that takes back the earlier ones, since the document is done now.
    """

    key: str
    path: str
    error: str | None


class DeadLetters:
    """The dead letters of a shard.

    A directory has a file per shard, with a line per letter. Any other store, which can't append, has an object per
    call, and so has a directory in which several processes work on one shard.

    Args:
        store: Where they are.
        shard_name: The name of the shard, as in the name of its state.
        shared: Whether another process may add letters of this shard at the same time.
    """

    __slots__ = ("_appends", "_mutex", "_number", "_shard", "_store")

    def __init__(self, store: Store, shard_name: str, *, shared: bool = False) -> None:
        self._store = store
        self._shard = shard_name
        self._appends = isinstance(store, LocalStore) and not shared
        self._mutex = threading.Lock()
        self._number: int | None = None

    def append(self, key_hex: str, path: str, error: str | None) -> None:
        """Add a letter; when this returns, it is durable. Call it before the state of the shard moves on.

        Args:
            key_hex: The document's key in hexadecimal.
            path: Its path.
            error: Why it is given up; `None` if it is done now.

        Raises:
            JobStoreError: It can't be written.
        """
        self.extend([DeadLetter(key_hex, path, error)])

    def extend(self, letters: Iterable[DeadLetter]) -> None:
        """Add letters at once.

        Raises:
            JobStoreError: They can't be written.
        """
        lines = b"".join([dump({"key": one.key, "path": one.path, "error": one.error}) for one in letters])
        if not lines:
            return
        with self._mutex:
            if self._number is None:
                self._number = self._last_number()
            # Objects are read after the file: where there are some, what is to count after them is one, too.
            if self._appends and not self._number:
                cast("LocalStore", self._store).append(f"{FOLDER}{self._shard}{_END}", lines)
                return
            self._number += 1
            # Another process may have come to the same number.
            name = f"{self._number:0{_DIGITS}d}-{secrets.token_hex(4)}"
            self._store.put(f"{FOLDER}{self._shard}/{name}{_END}", lines)

    def _last_number(self) -> int:
        names = self._store.list(f"{FOLDER}{self._shard}/")
        return int(names[-1].rpartition("/")[2][:_DIGITS]) if names else 0

    @staticmethod
    def read(store: Store) -> dict[str, DeadLetter]:
        """The letters of all shards by key: the last of each, unless it says that the document is done.

        Raises:
            JobFileError: A file has a line that is not a dead letter. (What a kill left of the last line is ignored.)
            JobStoreError: They can't be read.
        """
        found: dict[str, DeadLetter] = {}
        for name in store.list(FOLDER):
            lines = (store.get(name) or b"").split(b"\n")
            for number, line in enumerate(lines, 1):
                if not line:
                    continue
                try:
                    letter = _letter(name, number, line)
                except JobFileError:
                    if number == len(lines):
                        continue
                    raise
                if letter.error is None:
                    found.pop(letter.key, None)
                else:
                    found[letter.key] = letter
        return found


def _letter(name: str, number: int, line: bytes) -> DeadLetter:
    data = parse(name, line, line=number)
    key, path, error = data.get("key"), data.get("path"), data.get("error")
    if not isinstance(key, str) or not isinstance(path, str) or not (error is None or isinstance(error, str)):
        raise JobFileError(name, "it is not a dead letter", line=number)
    return DeadLetter(key, path, error)
