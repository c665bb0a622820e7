"""Listeners, one in a thread and one in a task, while all goes wrong: what they were given leads to what is stored."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from random import Random
from typing import Any, Final

from cendry import Cendry, Ref, Snapshot, get_metadata
from soak.counted import count
from soak.ledger import Epoch, Row
from soak.work import Face

SETTLING_SECONDS: Final = 60.0
_POKE_SECONDS: Final = 3.0
WATCHED: Final = 100
"""Rows that are listened to at most: the emulator answers each change with all of them."""


class Watcher:
    """A consumer of the first rows of an epoch, which is slow at times.

    Args:
        face: The context that it uses.
        epoch: The document under which the rows are.
        fail: Takes what must not be.
        seed: What its pauses are drawn from.
    """

    def __init__(self, face: Face, epoch: Ref[Epoch], fail: Callable[[str], None], seed: str) -> None:
        self._name = "task" if face.is_async else "thread"
        self.snapshots: Any = face.ctx.select(Row, parent=epoch, limit=WATCHED).snapshots()
        self._fail = fail
        self._draws = Random(f"{seed} {epoch.id} watcher {self._name}")
        self._rows: list[Row] = []
        self._changed = threading.Condition()
        self._versions: dict[str, Any] | None = None
        self.ended: Future[None] = Future()

    def in_thread(self) -> None:
        """Take snapshots until the end, in a thread of its own."""

        def run() -> None:
            try:
                for snapshot in self.snapshots:
                    self._take(snapshot)
                    time.sleep(self._pause())
            except Exception:
                self._fail(f"watcher in a {self._name}: {traceback.format_exc()}")
            self.ended.set_result(None)

        threading.Thread(target=run, name="watcher", daemon=True).start()

    async def in_task(self) -> None:
        """Take snapshots until the end."""
        try:
            async for snapshot in self.snapshots:
                self._take(snapshot)
                await asyncio.sleep(self._pause())
        except Exception:
            self._fail(f"watcher in a {self._name}: {traceback.format_exc()}")
        self.ended.set_result(None)

    def _pause(self) -> float:
        return self._draws.choice((0.0, 0.0, 0.02, 0.3))

    def _take(self, snapshot: Snapshot[Row]) -> None:
        """Replay the changes: each leads from what was seen to what is given, and none is there twice."""
        rows = self._rows
        for change in snapshot.changes:
            if change.old_index is not None:
                old = rows.pop(change.old_index)
                if old.id != change.document.id:
                    self._fail(f"watcher in a {self._name}: {change} is said of {old}")
                if change.type == "modified" and _version(old) >= _version(change.document):
                    self._fail(f"watcher in a {self._name}: {change} comes after {old}")
            if change.new_index is not None:
                rows.insert(change.new_index, change.document)
        if len(rows) != len(snapshot.documents) or any(
            one is not other for one, other in zip(rows, snapshot.documents, strict=False)
        ):
            self._fail(f"watcher in a {self._name}: the changes do not lead to the documents")
            self._rows = list(snapshot.documents)
        count(f"listening in a {self._name}", "snapshots")
        count(f"listening in a {self._name}", "changes", len(snapshot.changes))
        with self._changed:
            self._versions = {str(row.id): _version(row) for row in rows}
            self._changed.notify_all()

    def settle(self, checker: Cendry, epoch: Ref[Epoch]) -> None:
        """Wait until it has seen what is stored, which nobody changes any more.

        The emulator tells the first state of a listener while it tells what commits change, in any order: of a commit
        that comes then, the last that is told may be the state before it, until another one comes.
        """
        stored = {str(row.id): _version(row) for row in checker.select(Row, parent=epoch, limit=WATCHED)}
        deadline = time.monotonic() + SETTLING_SECONDS
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._versions == stored, _POKE_SECONDS):
                    return
            if time.monotonic() > deadline:
                seen = self._versions or {}
                differing = [id for id in {*seen, *stored} if seen.get(id) != stored.get(id)]
                self._fail(f"watcher in a {self._name} has not seen what is stored: {differing[:5]}")
                return
            count("listening", "the emulator was reminded")
            checker.save(Row(id="0", token="", group=""), parent=epoch)
            checker.delete(Row, "0", parent=epoch)


def _version(row: Row) -> Any:
    return get_metadata(row).update_time
