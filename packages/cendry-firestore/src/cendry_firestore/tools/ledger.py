"""How far a part of a backfill has come: in a file, and in the database, where it moves on with the documents' commit.

The document in the database is why each document is rewritten exactly once: it is in the commit that rewrites them, and
the commit fails if it isn't as the last one has left it. So after a kill, an answer that was lost, or a process that
wakes too late, it tells what was done, and nothing is done twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from cendry._immutable import dataclass, replace
from cendry._order import path_key
from cendry.backend import Backend
from cendry.errors import JobFileError
from cendry.jobs import ShardState, Store, find_json, shard_name, write_json
from cendry.plan import Create, Delete, GetPlan, Set, Write

from .ranges import BackfillPlan

LEDGER: Final = "_cendry_jobs"
"""The collection of those documents; they are deleted when the backfill is complete."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a part has come.

    Attributes:
        after: The path of the last document that is done, or empty.
        rewritten: How many were rewritten.
        seen: How many were read.
        done: Whether the part is complete.
    """

    after: str = ""
    rewritten: int = 0
    seen: int = 0
    done: bool = False


class Ledger:
    """The position of a part in the database.

    Attributes:
        path: The path of its document.
        update_time: When it was written last; `None` before that.

    Args:
        backend: The database.
        plan: The backfill.
        number: The number of the part; `None` for the dead letters that are tried again.
    """

    __slots__ = ("_backend", "path", "update_time")

    def __init__(self, backend: Backend, plan: BackfillPlan, number: int | None) -> None:
        self._backend = backend
        self.path = f"{LEDGER}/{plan.id}-{'dead' if number is None else f'{number:04d}'}"
        self.update_time: datetime | None = None

    def read(self) -> tuple[str, Position] | None:
        """The commit that has written it, and the position then; `None` if it was never written."""
        [found] = self._backend.get(GetPlan((self.path,)))
        data = found.data
        if data is None:
            return None
        self.update_time = found.update_time
        return data["commit"], Position(data["after"], data["rewritten"], data["seen"])

    def write(self, commit: str, position: Position) -> Write:
        """The write that moves it on, and fails if another commit has done that."""
        data = {
            "commit": commit,
            "after": position.after,
            "rewritten": position.rewritten,
            "seen": position.seen,
        }
        if self.update_time is None:
            return Create(self.path, data)
        return Set(self.path, data, update_time=self.update_time)


def clear(backend: Backend, plan: BackfillPlan) -> None:
    """Delete the positions of all parts from the database; of dead letters that are tried again, none is left."""
    paths = [Ledger(backend, plan, number).path for number in range(len(plan.cuts) + 1)]
    for start in range(0, len(paths), 500):
        backend.commit([Delete(path) for path in paths[start : start + 500]])


def name_of(plan: BackfillPlan, number: int | None) -> str:
    """The name of a part in the names of files; `None` for the dead letters that are tried again."""
    return "retried" if number is None else shard_name(plan.selection.collection, number)


def load(store: Store, plan: BackfillPlan, number: int | None) -> tuple[Position, int]:
    """The position of a part in its file, and its number of dead letters; the beginning if there is none.

    Raises:
        JobFileError: It is not one, or that of another backfill.
        JobStoreError: It can't be read.
    """
    name = f"state/{name_of(plan, number)}.json"
    found = find_json(store, name)
    if found is None:
        return Position(), 0
    state = ShardState.from_json(name, found)
    if state.plan != plan.id:
        raise JobFileError.of_another_plan(name, state.plan, plan.id)
    seen = found.get("seen")
    if not isinstance(seen, int):
        raise JobFileError(name, f"'seen' is {seen!r}, not a count")
    try:
        after = bytes.fromhex(state.after).decode()
    except ValueError:
        raise JobFileError(name, "'after' is not a path in hexadecimal") from None
    return Position(after, state.copied, seen, state.done), state.dead


def save(store: Store, plan: BackfillPlan, number: int | None, position: Position, dead: int) -> None:
    """Write the position of a part to its file.

    Raises:
        JobStoreError: It can't be written.
    """
    state = ShardState(plan.id, position.after.encode().hex(), position.rewritten, dead, position.done)
    data: dict[str, Any] = {**state.to_json(), "seen": position.seen}
    write_json(store, f"state/{name_of(plan, number)}.json", data)


def later(one: Position, other: Position) -> Position:
    """The position that is further on."""
    if not one.after or not other.after:
        return one if one.after else other
    return one if path_key(one.after) >= path_key(other.after) else other


def moved(position: Position, after: str, *, rewritten: int = 0, seen: int) -> Position:
    """A position further on.

    Args:
        position: The one before.
        after: The last document that is done then.
        rewritten: How many more are rewritten then.
        seen: How many are read then, in all.
    """
    return replace(position, after=after, rewritten=position.rewritten + rewritten, seen=seen)
