"""The dead letters of a backfill, tried again, each document in a commit of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cendry.jobs import DeadLetter, DeadLetters
from cendry.plan import Delete, GetPlan

from .ledger import Ledger, load, name_of, save
from .shards import Shard, Tools

PAGE: Final = 100
"""Documents that are read at once."""


class Retry(Shard):
    """Tries the dead letters of a backfill again.

    The position in the database names the document of the last commit; its letter is taken back before the next commit
    is sent. So after a kill, that one document is known to be done, and all other letters stand for documents that
    are not.

    Args:
        tools: What it works with.
    """

    __slots__ = ("_buried", "_files", "_numbers")

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools, 0)
        self._ledger = Ledger(tools.backend, tools.plan, None)
        self._files: dict[int, DeadLetters] = {}
        self._numbers = {one.path: number for number, letters in tools.letters.items() for one in letters}
        self._buried: set[str] = set()

    def run(self) -> None:
        """Take all of them to their end.

        Raises:
            Halted: The worker was asked to end.
            CendryError: It failed; what it did is saved.
        """
        tools = self._tools
        self._position, _ = load(tools.store, tools.plan, None)
        written = self._ledger.read()
        if written is not None and written[1] != self._position:
            # A kill came before the letter was taken back.
            self._position = written[1]
            self._save()
        waiting = sorted(self._numbers)
        for start in range(0, len(waiting), PAGE):
            tools.check()
            self._try(waiting[start : start + PAGE])
        if self._ledger.update_time is not None:
            tools.lock.check()
            tools.backend.commit([Delete(self._ledger.path)])

    def _try(self, paths: list[str]) -> None:
        found = [one for one in self._tools.backend.get(GetPlan(tuple(paths))) if one.exists]
        self._buried.clear()
        rewrites = self._rewritten(found)
        for one in rewrites:
            self._write([one], one.path, {one.path: self._position.seen + 1})
            self._tools.note(1)
        # The others are gone, or have nothing to be done any more.
        for path in paths:
            if path not in self._buried:
                self._take_back(path)
        self._tools.note(len(paths) - len(rewrites))

    def _bury(self, letters: Sequence[tuple[str, str]]) -> None:
        for path, error in letters:
            self._buried.add(path)
            self._append(self._numbers[path], path, error)

    def _take_back(self, path: str) -> None:
        number = self._numbers.pop(path, None)
        if number is not None:
            self._append(number, path, None)

    def _append(self, number: int, path: str, error: str | None) -> None:
        tools = self._tools
        tools.lock.check()
        file = self._files.get(number)
        if file is None:
            # That of the earlier letters: the last line of a file counts.
            file = self._files[number] = DeadLetters(tools.store, name_of(tools.plan, number))
        file.extend([DeadLetter(path.encode().hex(), path, error)])

    def _save(self) -> None:
        tools = self._tools
        self._take_back(self._position.after)
        tools.lock.check()
        save(tools.store, tools.plan, None, self._position, 0)
        tools.throttle.save()
