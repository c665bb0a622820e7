"""The dead letters of a backfill, tried again: each document rewritten exactly once, whatever fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cendry import Field, Model
from cendry.errors import JobFileError, JobStoppedError
from cendry.jobs import DeadLetters, LocalStore, Progress, Stop, pace
from cendry.paths import FieldPath
from cendry.plan import Delete, Set, Update
from cendry_firestore.tools import backfill, ranges, retry_dead, retrying, shards
from cendry_memory import MemoryBackend
from firestore.filling import Killed, Wrapped, fill, numbers, stored

broken = True


class City(Model, collection="cities"):
    name: Field[str]
    n: Field[int]


def add_one(data: dict[str, Any]) -> dict[str, Any] | None:
    if broken and data["n"] % 2:
        raise ValueError(f"{data['n']} is odd")
    return None if data.get("done") else {**data, "n": data["n"] + 100}


@pytest.fixture(params=["memory", "emulator"])
def database(request: pytest.FixtureRequest) -> Any:
    return MemoryBackend() if request.param == "memory" else request.getfixturevalue("backend")


@pytest.fixture
def is_broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The function fails on half of the documents, in small parts and commits, until it is mended."""
    monkeypatch.setattr(f"{__name__}.broken", True)
    monkeypatch.setattr(ranges, "SHARD", 6)
    monkeypatch.setattr(ranges, "PAGE", 4)
    monkeypatch.setattr(ranges, "FIRST_PAGE", 4)
    monkeypatch.setattr(shards, "MAX_WRITES", 2)
    monkeypatch.setattr(shards, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(retrying, "PAGE", 4)
    monkeypatch.setattr(pace, "PAUSE", 0.001)
    return monkeypatch


def mend(patched: pytest.MonkeyPatch) -> None:
    patched.setitem(globals(), "broken", False)


def expected(count: int, **others: int) -> list[int]:
    return [n + 100 for n in range(count)]


def test_dead_letters_are_tried_again(database: Any, is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(database, 20)
    result = backfill(database, City, add_one, state=tmp_path)
    assert (10, 0, 10) == (result.rewritten, result.unchanged, result.dead)
    same = retry_dead(database, City, add_one, state=tmp_path)
    assert (10, 0, 10) == (same.rewritten, same.unchanged, same.dead)
    mend(is_broken)
    # What was deleted, or needs nothing any more, is no dead letter.
    database.commit([Delete("cities/c00001"), Update("cities/c00003", {"done": True}, (FieldPath("done"),))])
    seen: list[Progress] = []
    result = retry_dead(database, City, add_one, state=tmp_path, on_progress=seen.append)
    assert (18, 2, 0) == (result.rewritten, result.unchanged, result.dead)
    assert ("retry", 10, 10) == (seen[-1].phase, seen[-1].done, seen[-1].total)
    assert [n + 100 if n != 3 else 3 for n in range(20) if n != 1] == numbers(database)
    assert {} == stored(database, "_cendry_jobs")
    again = retry_dead(database, City, add_one, state=tmp_path)
    assert (18, 2, 0) == (again.rewritten, again.unchanged, again.dead)
    # As does the backfill itself.
    whole = backfill(database, City, add_one, state=tmp_path)
    assert (18, 2, 0) == (whole.rewritten, whole.unchanged, whole.dead)


def test_killed_anywhere_each_is_rewritten_once(database: Any, is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Store(LocalStore):
        """Ends the process before or after it writes a file."""

        kills_at = ""

        def append(self, name: str, data: bytes, /) -> None:
            if self.kills_at == "letter":
                raise Killed
            super().append(name, data)

        def put(self, name: str, data: bytes, /) -> None:
            if self.kills_at == "position" and name == "state/retried.json":
                raise Killed
            super().put(name, data)

    def kill(number: int, writes: Any) -> None:
        raise Killed

    fill(database, 24)
    backfill(database, City, add_one, state=tmp_path)
    mend(is_broken)
    for place in ("before", "after", "letter", "position", "last") * 2:
        wrapped, store = Wrapped(database), Store(tmp_path)
        if place in ("before", "after"):
            setattr(wrapped, place, kill)
        elif place == "last":
            # The answer to the third commit.
            wrapped.after = lambda number, writes: kill(number, writes) if number == 2 else None
        else:
            store.kills_at = place
        with pytest.raises(Killed):
            retry_dead(wrapped, City, add_one, state=store)
    result = retry_dead(database, City, add_one, state=tmp_path)
    assert (24, 0, 0) == (result.rewritten, result.unchanged, result.dead)
    assert expected(24) == numbers(database)


def test_a_conflict_reads_the_document_again(is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = MemoryBackend()
    fill(memory, 4)
    backfill(memory, City, add_one, state=tmp_path)
    mend(is_broken)
    wrapped = Wrapped(memory)

    def change(number: int, writes: Any) -> None:
        if number == 1:
            memory.commit([Update("cities/c00001", {"n": 501}, (FieldPath("n"),))])
        elif number == 3:
            memory.commit([Update("cities/c00003", {"done": True}, (FieldPath("done"),))])

    wrapped.before = change
    result = retry_dead(wrapped, City, add_one, state=tmp_path)
    assert (3, 1, 0) == (result.rewritten, result.unchanged, result.dead)
    assert [100, 601, 102, 3] == numbers(memory)


def test_a_document_that_can_not_be_written_stays_dead(is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = MemoryBackend()
    fill(memory, 2)
    backfill(memory, City, add_one, state=tmp_path)
    mend(is_broken)
    wrapped = Wrapped(memory)

    def refuse(number: int, writes: Any) -> None:
        raise ValueError("too large")

    wrapped.before = refuse
    result = retry_dead(wrapped, City, add_one, state=tmp_path)
    assert (1, 0, 1) == (result.rewritten, result.unchanged, result.dead)
    [letter] = DeadLetters.read(LocalStore(tmp_path)).values()
    assert ("cities/c00001", "it can't be written: too large") == (letter.path, letter.error)


def test_a_kill_after_a_letter_takes_it_back(is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The document is read again, and no dead letter once it is rewritten; a retry would rewrite it twice."""
    memory = MemoryBackend()
    fill(memory, 4)
    wrapped = Wrapped(memory)

    def kill(number: int, writes: Any) -> None:
        raise Killed

    wrapped.before = kill
    with pytest.raises(Killed):
        backfill(wrapped, City, add_one, state=tmp_path)
    assert 2 == len(DeadLetters.read(LocalStore(tmp_path)))
    with pytest.raises(JobStoppedError, match="backfill"):
        retry_dead(memory, City, add_one, state=tmp_path)
    mend(is_broken)
    result = backfill(memory, City, add_one, state=tmp_path)
    assert (4, 0, 0) == (result.rewritten, result.unchanged, result.dead)
    retry_dead(memory, City, add_one, state=tmp_path)
    assert expected(4) == numbers(memory)


def test_wrong_state_and_a_stop(is_broken: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = MemoryBackend()
    memory.commit([Set("cities/a", {"n": 1})])
    with pytest.raises(JobFileError, match=r"backfill\.json does not exist"):
        retry_dead(memory, City, add_one, state=tmp_path)
    backfill(memory, City, add_one, state=tmp_path)
    with pytest.raises(JobFileError, match=r"belongs to .*\.add_one on"):
        retry_dead(memory, City, dict, state=tmp_path)
    stop = Stop()
    stop.request()
    with pytest.raises(JobStoppedError, match="retry"):
        retry_dead(memory, City, add_one, state=tmp_path, stop=stop)
    with pytest.raises(TypeError, match="takes a function"):
        retry_dead(memory, City, 3, state=tmp_path)  # type: ignore[arg-type]
