"""Backfill: each document rewritten exactly once, whatever fails, and nobody else's change lost."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from cendry import AsyncCendry, Cendry, CendryError, Field, GeoPoint, Increment, Model, Ref, Vector, field
from cendry._stored import same
from cendry.errors import (
    JobFileError,
    JobLockedError,
    JobStoppedError,
    LockLostError,
    OutcomeUnknownError,
    StaleDocumentError,
    UnsupportedByBackendError,
)
from cendry.jobs import DeadLetters, JobLock, LocalStore, Progress, Stop, pace, read_json, write_json
from cendry.paths import FieldPath
from cendry.plan import Delete, GetPlan, QueryPlan, Set, Update
from cendry_firestore import FirestoreBackend
from cendry_firestore.tools import BackfillResult, Diff, backfill, ranges, rewriting, shards
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from firestore.filling import Killed, Wrapped, fill, numbers, stored
from forking import forks, python
from google.api_core import exceptions


class City(Model, collection="cities"):
    name: Field[str]
    n: Field[int]
    secret: Field[str] = field(default="", repr=False)


class Area(Model, collection="areas", parent=City):
    n: Field[int]


def add_one(data: dict[str, Any]) -> dict[str, Any]:
    data["n"] += 1
    return data


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture(params=["memory", "emulator"])
def database(request: pytest.FixtureRequest) -> Any:
    """A backend without documents."""
    return MemoryBackend() if request.param == "memory" else request.getfixturevalue("backend")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts, pages and commits, so that few documents have many."""
    monkeypatch.setattr(ranges, "SHARD", 20)
    monkeypatch.setattr(ranges, "PAGE", 7)
    monkeypatch.setattr(ranges, "FIRST_PAGE", 5)
    monkeypatch.setattr(shards, "MAX_WRITES", 3)
    monkeypatch.setattr(shards, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(pace, "PAUSE", 0.001)


def test_each_document_is_rewritten_once(database: Any, small: None, tmp_path: Path) -> None:
    fill(database, 50)
    seen: list[Progress] = []
    result = backfill(Cendry(backend=database), City, add_one, state=tmp_path, on_progress=seen.append)
    assert (50, 0, 0, ()) == (result.rewritten, result.unchanged, result.dead, result.diffs)
    assert [number + 1 for number in range(50)] == numbers(database)
    assert ("backfill", 50, 50) == (seen[-1].phase, seen[-1].done, seen[-1].total)
    # Nothing is left behind in the database.
    assert {} == stored(database, "_cendry_jobs")
    # The same call again does nothing.
    again = backfill(database, City, add_one, state=tmp_path)
    assert (50, 0, 0) == (again.rewritten, again.unchanged, again.dead)
    assert [number + 1 for number in range(50)] == numbers(database)


def test_only_what_changes_is_written(backend: FirestoreBackend, tmp_path: Path) -> None:
    moment = datetime(2026, 11, 28, 14, 0, 0, 123456, tzinfo=timezone.utc)
    values: dict[str, Any] = {
        "n": 1,
        "a b.`c": [1, 1.0, True, None, math.nan, {"x": b"\0"}],
        "place": GeoPoint(41.9, 12.5),
        "ref": Ref.from_path("cities/Rome"),
        "vector": Vector([1.0, 2.0]),
        "moment": moment,
        "old": {"deep": ["x"]},
        "kind": 1,
    }
    backend.commit([Set("cities/a", values), Set("cities/b", {"n": 2, "old": 5})])

    def upgrade(data: dict[str, Any]) -> dict[str, Any] | None:
        if "old" not in data or data["n"] == 2:
            return None
        return {**{name: value for name, value in data.items() if name != "old"}, "new`": data["old"], "kind": 1.0}

    wrapped = Wrapped(backend)
    sent: list[Any] = []
    wrapped.before = lambda number, writes: sent.extend(writes)
    result = backfill(wrapped, "cities", upgrade, state=tmp_path)
    assert (1, 1) == (result.rewritten, result.unchanged)
    [write] = [one for one in sent if isinstance(one, Update)]
    assert {FieldPath("old"), FieldPath("new`"), FieldPath("kind")} == set(write.mask)
    assert {"new`": {"deep": ["x"]}, "kind": 1.0} == write.data
    found = stored(backend)
    expected = {**values, "new`": {"deep": ["x"]}, "kind": 1.0}
    del expected["old"]
    assert same(expected, found["cities/a"])
    assert {"n": 2, "old": 5} == found["cities/b"]


def test_killed_anywhere_each_is_rewritten_once(database: Any, small: None, tmp_path: Path) -> None:
    """The process ends in each kind of place, ten times; others write meanwhile."""
    fill(database, 60)
    others = 0

    def elsewhere(number: int, writes: Any) -> None:
        # Somebody changes another field, and the same one, of a document that is about to be written.
        nonlocal others
        path = writes[0].path
        if number % 2 and path.startswith("cities/"):
            others += 1
            [found] = database.get(GetPlan((path,)))
            data = {"n": found.data["n"] + 1000, "others": found.data.get("others", 0) + 1}
            database.commit([Update(path, data, (FieldPath("n"), FieldPath("others")))])

    class Store(LocalStore):
        """Ends the process before or after it writes state."""

        kills_at = ""

        def put(self, name: str, data: bytes, /) -> None:
            if name.startswith("state/") and self.kills_at == "before":
                raise Killed
            super().put(name, data)
            if name.startswith("state/") and self.kills_at == "after":
                raise Killed

    def kill(number: int, writes: Any) -> None:
        raise Killed

    kills = 0
    for place in ("plan", "before", "commit", "state", "saved") * 2:
        wrapped, store = Wrapped(database), Store(tmp_path)
        wrapped.before = elsewhere
        if place == "before":
            wrapped.before = kill
        elif place == "commit":
            wrapped.after = kill
        elif place in ("state", "saved"):
            store.kills_at = "before" if place == "state" else "after"
        else:
            cast("Any", wrapped).aggregate = kill_any
            if kills:
                cast("Any", wrapped).run = kill_any
        with pytest.raises(Killed):
            backfill(wrapped, City, add_one, state=store, workers=1)
        kills += 1
    assert 10 == kills
    wrapped = Wrapped(database)
    wrapped.before = elsewhere
    result = backfill(wrapped, City, add_one, state=tmp_path)
    assert (60, 0, 0) == (result.rewritten, result.unchanged, result.dead)
    found = stored(database)
    assert others >= 20
    assert others == sum(data.get("others", 0) for data in found.values())
    assert {path: int(path[-5:]) + 1 + 1000 * data.get("others", 0) for path, data in found.items()} == {
        path: data["n"] for path, data in found.items()
    }


def kill_any(*arguments: Any, **options: Any) -> Any:
    raise Killed


def test_what_a_function_returns_unchanged_is_not_written(memory: MemoryBackend, tmp_path: Path) -> None:
    fill(memory, 5)
    wrapped = Wrapped(memory)
    result = backfill(wrapped, City, dict, state=tmp_path)
    assert (0, 5) == (result.rewritten, result.unchanged)
    # That of the end, which removes the positions.
    assert 1 == wrapped.commits


def test_a_conflict_reads_the_document_again(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 9)
    wrapped = Wrapped(memory)

    def change(number: int, writes: Any) -> None:
        if number == 1:
            memory.commit([Update("cities/c00001", {"n": 500}, (FieldPath("n"),)), Delete("cities/c00002")])

    wrapped.before = change
    result = backfill(wrapped, City, add_one, state=tmp_path, workers=1)
    assert (8, 0) == (result.rewritten, result.dead)
    assert [1, 501, 4, 5, 6, 7, 8, 9] == numbers(memory)


def test_a_conflict_may_leave_nothing_to_do(memory: MemoryBackend, tmp_path: Path) -> None:
    fill(memory, 3)
    wrapped = Wrapped(memory)

    def change(number: int, writes: Any) -> None:
        if number == 1:
            memory.commit([Update(f"cities/c0000{at}", {"v": 2}, (FieldPath("v"),)) for at in range(3)])

    wrapped.before = change

    def mark(data: dict[str, Any]) -> dict[str, Any] | None:
        return None if "v" in data else {**data, "v": 2}

    result = backfill(wrapped, City, mark, state=tmp_path)
    assert (0, 3, 0) == (result.rewritten, result.unchanged, result.dead)


def test_who_is_changed_by_others_again_and_again_is_given_up(
    memory: MemoryBackend, small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards, "MAX_ATTEMPTS", 5)
    fill(memory, 3)
    wrapped = Wrapped(memory)

    def change(number: int, writes: Any) -> None:
        if any(write.path == "cities/c00001" for write in writes):
            memory.commit([Update("cities/c00001", {"n": 100 + number}, (FieldPath("n"),))])

    wrapped.before = change
    result = backfill(wrapped, City, add_one, state=tmp_path)
    assert (2, 1) == (result.rewritten, result.dead)
    [letter] = DeadLetters.read(LocalStore(tmp_path)).values()
    assert "cities/c00001" == letter.path
    assert "it was changed 5 times while it was rewritten" in (letter.error or "")


def unknown(number: int, writes: Any) -> None:
    raise OutcomeUnknownError(*[write.path for write in writes])


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_lost_answer_doubles_nothing(memory: MemoryBackend, small: None, tmp_path: Path, is_applied: bool) -> None:
    fill(memory, 30)
    wrapped = Wrapped(memory)

    def lose(number: int, writes: Any) -> None:
        if number % 3 == 1 and isinstance(writes[0], Update):
            unknown(number, writes)

    if is_applied:
        wrapped.after = lose
    else:
        wrapped.before = lose
    result = backfill(wrapped, City, add_one, state=tmp_path)
    assert 30 == result.rewritten
    assert [number + 1 for number in range(30)] == numbers(memory)


def test_a_commit_that_arrives_late_is_not_doubled(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 12)
    wrapped = Wrapped(memory)
    late: list[Any] = []

    def delay(number: int, writes: Any) -> None:
        if number == 1:
            late.append(writes)
            unknown(number, writes)
        elif late:
            # Before the second attempt, the first one arrives.
            memory.commit(late.pop())

    wrapped.before = delay
    result = backfill(wrapped, City, add_one, state=tmp_path, workers=1)
    assert 12 == result.rewritten
    assert [number + 1 for number in range(12)] == numbers(memory)


def test_contention_is_tried_again_and_an_outage_ends_the_run(
    memory: MemoryBackend, small: None, tmp_path: Path
) -> None:
    fill(memory, 9)
    wrapped = Wrapped(memory)

    def fail(number: int, writes: Any) -> None:
        if number == 1:
            raise cast("Any", exceptions).Aborted("too much contention")
        if number == 3:
            raise cast("Any", exceptions).ServiceUnavailable("gone")

    wrapped.before = fail
    with pytest.raises(exceptions.ServiceUnavailable):
        backfill(wrapped, City, add_one, state=tmp_path)
    wrapped.before = lambda number, writes: None
    assert 9 == backfill(wrapped, City, add_one, state=tmp_path).rewritten
    assert [number + 1 for number in range(9)] == numbers(memory)


def test_who_was_taken_over_writes_nothing_more(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 12)
    wrapped = Wrapped(memory)
    results: list[BackfillResult] = []

    def take_over(number: int, writes: Any) -> None:
        if number == 2:
            results.append(backfill(memory, City, add_one, state=tmp_path, take_over=True))

    wrapped.before = take_over
    with pytest.raises(LockLostError):
        backfill(wrapped, City, add_one, state=tmp_path, workers=1)
    assert [12] == [one.rewritten for one in results]
    assert [number + 1 for number in range(12)] == numbers(memory)


def test_two_at_once_are_refused(memory: MemoryBackend, tmp_path: Path) -> None:
    with JobLock(LocalStore(tmp_path), what="backfill"), pytest.raises(JobLockedError, match="Another backfill runs"):
        backfill(memory, City, add_one, state=tmp_path)


def test_even_without_its_lock_another_run_doubles_nothing(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    """The position in the database decides; the lock only saves work."""
    fill(memory, 12)
    wrapped = Wrapped(memory)

    class Blind(LocalStore):
        """A disk that shows each process a lock of its own."""

        def get(self, name: str, /) -> bytes | None:
            return super().get(f"{self.mine}/{name}" if name == "lock" else name)

        def put(self, name: str, data: bytes, /) -> None:
            super().put(f"{self.mine}/{name}" if name == "lock" else name, data)

        def lock(self, name: str, /) -> tuple[bool | None, int]:
            return super().lock(f"{self.mine}/{name}")

        mine = "a"

    second = Blind(tmp_path)
    second.mine = "b"

    def overtake(number: int, writes: Any) -> None:
        if number == 2:
            backfill(memory, City, add_one, state=second)

    wrapped.before = overtake
    with pytest.raises(LockLostError):
        backfill(wrapped, City, add_one, state=Blind(tmp_path), workers=1)
    assert [number + 1 for number in range(12)] == numbers(memory)


def failing(data: dict[str, Any]) -> Any:
    match data["n"]:
        case 0:
            raise KeyError("nme")
        case 1:
            return [data]
        case 2:
            return {**data, 5: "x"}
        case 3:
            return {**data, "": "x"}
        case 4:
            return {**data, "x": object()}
        case 5:
            return {**data, "x": 2**70}
        case 6:
            return None
        case _:
            return {**data, "x": 1}


def test_what_a_function_can_not_do_is_a_dead_letter(database: Any, small: None, tmp_path: Path) -> None:
    fill(database, 9)
    result = backfill(database, City, failing, state=tmp_path)
    assert (2, 1, 6) == (result.rewritten, result.unchanged, result.dead)
    letters = DeadLetters.read(LocalStore(tmp_path))
    assert [path.encode().hex() for path in sorted(stored(database))[:6]] == sorted(letters)
    found = [letters[key].error or "" for key in sorted(letters)]
    assert [
        "the function raised KeyError: 'nme'",
        "the function returned a list, not a dict or None",
        "the function returned the name 5, which is not text",
    ] == found[:3]
    assert "a field that can't be stored" in found[3]
    assert [
        f"the function returned a value that can't be stored: x: expected a value that Firestore can hold, found {what}"
        for what in ("object <object object at", f"int {2**70} (outside 64 bits)")
    ] == [found[4].partition(" 0x")[0], found[5]]
    assert [None] * 7 + [1, 1] == [data.get("x") for data in stored(database).values()]


def test_a_dry_run_shows_three_changes_and_writes_nothing(database: Any, tmp_path: Path) -> None:
    fill(database, 9)
    database.commit([Update("cities/c00000", {"secret": "s3cret"}, (FieldPath("secret"),))])
    wrapped = Wrapped(database)

    def upgrade(data: dict[str, Any]) -> dict[str, Any] | None:
        if data["n"] == 8:
            raise ValueError
        if data["n"] > 5:
            return None
        return {"name": data["name"].title(), "n": data["n"], "secret": data.get("secret", "") + "!"}

    seen: list[Progress] = []
    result = backfill(wrapped, City, upgrade, dry_run=True, on_progress=seen.append)
    assert (6, 2, 1, 0) == (result.rewritten, result.unchanged, result.dead, wrapped.commits)
    assert ("dry run", 9, 9) == (seen[-1].phase, seen[-1].done, seen[-1].total)
    first, second, _ = result.diffs
    hidden = "<hidden>"
    assert (
        Diff("cities/c00000", {"name": "city 0", "secret": hidden}, {"name": "City 0", "secret": hidden}),
        Diff("cities/c00001", {"name": "city 1"}, {"name": "City 1", "secret": hidden}),
    ) == (first, second)
    assert "cities/c00001\n  - name: 'city 1'\n  + name: 'City 1'\n  + secret: '<hidden>'" == str(second)
    assert "  - x: " + "'" + "y" * 196 + "..." == str(Diff("a/b", {"x": "y" * 500}, {})).splitlines()[1]
    assert [("cities/c00008", "the function raised ValueError: ")] == [
        (each.path, each.error) for each in result.failures
    ]
    assert "s3cret!" == backfill(database, "cities", upgrade, dry_run=True).diffs[0].after["secret"]
    # It fails on the same documents as the backfill itself.
    assert 6 == backfill(database, City, failing, dry_run=True).dead
    stop = Stop()
    stop.request()
    with pytest.raises(JobStoppedError):
        backfill(database, City, upgrade, dry_run=True, stop=stop)


def test_a_stopped_one_goes_on(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 50)
    wrapped, stop = Wrapped(memory), Stop()
    wrapped.after = lambda number, writes: stop.request() if number == 4 else None
    with pytest.raises(JobStoppedError, match="The backfill was stopped after") as caught:
        backfill(wrapped, City, add_one, state=tmp_path, stop=stop, workers=1)
    assert 0 < caught.value.done < 50
    seen: list[Progress] = []
    result = backfill(memory, City, add_one, state=tmp_path, on_progress=seen.append)
    assert 50 == result.rewritten == seen[-1].done
    assert [number + 1 for number in range(50)] == numbers(memory)


def test_an_error_of_a_handler_ends_it_and_it_goes_on(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 50)

    def fail(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(memory, City, add_one, state=tmp_path, on_progress=fail)
    assert 50 == backfill(memory, City, add_one, state=tmp_path).rewritten
    assert [number + 1 for number in range(50)] == numbers(memory)


def test_a_group_is_all_collections_of_its_id(database: Any, small: None, tmp_path: Path) -> None:
    fill(database, 30, "areas")
    fill(database, 30, "cities/c/areas")
    assert 30 == backfill(database, "areas", add_one, state=tmp_path / "a").rewritten
    assert {"areas": 30, "cities/c/areas": 0} == {
        path: sum(data["n"] != int(name[-5:]) for name, data in stored_in(database, path).items())
        for path in ("areas", "cities/c/areas")
    }
    assert 60 == backfill(database, Area, add_one, state=tmp_path / "b").rewritten
    assert 30 == backfill(database, Area, add_one, state=tmp_path / "c", group=False).rewritten


def stored_in(backend: Any, path: str) -> dict[str, dict[str, Any]]:
    parent, _, collection = path.rpartition("/")
    return {found.path: found.data for found in backend.run(QueryPlan(collection, parent=parent or None))}


@pytest.mark.parametrize("divides", [True, False])
def test_parts_are_the_servers_or_found_by_their_keys(
    memory: MemoryBackend, small: None, tmp_path: Path, divides: bool
) -> None:
    fill(memory, 70)
    wrapped = Wrapped(memory)
    asked: list[tuple[QueryPlan, int]] = []

    def partition(plan: QueryPlan, count: int) -> list[str]:
        asked.append((plan, count))
        return ["cities/c00030", "x/y/cities/z", "cities/c00010"] if divides else []

    cast("Any", wrapped).partition = partition
    assert 70 == backfill(wrapped, City, add_one, state=tmp_path).rewritten
    assert [number + 1 for number in range(70)] == numbers(memory)
    [(plan, count)] = asked
    assert (True, 4) == (plan.group, count)
    cuts = ["cities/c00010", "cities/c00030"] if divides else ["cities/c00020", "cities/c00040", "cities/c00060"]
    found = read_json(LocalStore(tmp_path), "backfill.json")
    assert cuts == [bytes.fromhex(cut).decode() for cut in found["cuts"]]
    assert len(cuts) + 1 == len(LocalStore(tmp_path).list("state/cities-"))


def test_a_backend_without_partitions(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 50)
    wrapped = Wrapped(memory)
    cast("Any", wrapped).partition = None
    assert 50 == backfill(wrapped, City, add_one, state=tmp_path).rewritten


def test_large_documents_make_small_pages_and_commits(
    memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ranges, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(shards, "MAX_BYTES", 7_000)
    fill(memory, 20)
    memory.commit([Update(f"cities/c{at:05d}", {"b": b"x" * 3000}, (FieldPath("b"),)) for at in range(20)])
    wrapped = Wrapped(memory)
    sizes: list[int] = []
    wrapped.before = lambda number, writes: sizes.append(len(writes) - 1)

    def double(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "b": data["b"][:2999] + b"y"}

    assert 20 == backfill(wrapped, City, double, state=tmp_path).rewritten
    assert 2 == max(sizes[:-1])


def test_the_rate_is_that_of_all_workers(memory: MemoryBackend, tmp_path: Path) -> None:
    fill(memory, 30)
    wrapped = Wrapped(memory)
    sizes: list[int] = []
    wrapped.before = lambda number, writes: sizes.append(len(writes))
    seen: list[Progress] = []
    backfill(wrapped, City, add_one, state=tmp_path, rate=20, on_progress=seen.append)
    # The position counts as well.
    assert 20 == max(sizes[:-1])
    assert seen[-1].throttled > 0


STATES: list[tuple[str, dict[str, Any], str]] = [
    ("backfill.json", {"id": "x"}, "it is not the plan of a backfill"),
    ("backfill.json", {"cuts": ["zz"]}, "'cuts' are not keys in hexadecimal"),
    ("state/cities-000.json", {"plan": "x"}, "belongs to plan x, this is "),
    ("state/cities-000.json", {"seen": None}, "'seen' is None, not a count"),
    ("state/cities-000.json", {"after": "ff"}, "'after' is not a path in hexadecimal"),
    ("state/cities-000.json", {"done": None}, "'done' is None"),
]


@pytest.mark.parametrize(("name", "change", "message"), STATES)
def test_a_state_that_is_none_is_refused(
    memory: MemoryBackend, tmp_path: Path, name: str, change: dict[str, Any], message: str
) -> None:
    fill(memory, 3)
    backfill(memory, City, add_one, state=tmp_path)
    store = LocalStore(tmp_path)
    write_json(store, name, change if "id" in change else {**read_json(store, name), **change})
    with pytest.raises(JobFileError, match=message):
        backfill(memory, City, add_one, state=tmp_path)


def test_the_state_of_another_backfill_is_refused(memory: MemoryBackend, tmp_path: Path) -> None:
    fill(memory, 3)
    backfill(memory, City, add_one, state=tmp_path)
    with pytest.raises(JobFileError) as caught:
        backfill(memory, City, failing, state=tmp_path)
    first, second = (
        f"{__name__}.{each} on the collection 'cities' of {memory.database}" for each in ("add_one", "failing")
    )
    assert f"backfill.json belongs to {first}, this is {second}: use a fresh directory." == str(caught.value)
    with pytest.raises(JobFileError, match="the collection group 'cities'"):
        backfill(memory, City, add_one, state=tmp_path, group=True)


class Instance:
    """A function with a state."""

    def __call__(self, data: dict[str, Any]) -> None: ...


def test_bad_arguments(memory: MemoryBackend, tmp_path: Path) -> None:
    run: Any = backfill

    class Base(Model, abstract=True):
        pass

    for target in (5, Base, dict):
        with pytest.raises(TypeError, match="takes a model with a collection, or the id of one"):
            run(memory, target, add_one, state=tmp_path)
    with pytest.raises(CendryError, match="collection"):
        run(memory, "a/b", add_one, state=tmp_path)
    with pytest.raises(ValueError, match="'_cendry_jobs' is where"):
        run(memory, "_cendry_jobs", add_one, state=tmp_path)
    with pytest.raises(TypeError, match="takes a function from a dict to a dict or None, not 5"):
        run(memory, City, 5, state=tmp_path)
    for workers in (0, 65, True, "4"):
        with pytest.raises(ValueError, match="workers= takes a number from 1 to 64, not"):
            run(memory, City, add_one, state=tmp_path, workers=workers)
    with pytest.raises(ValueError, match="rate= takes a positive number"):
        run(memory, City, add_one, state=tmp_path, rate=0)
    with pytest.raises(TypeError, match="group= takes True, False or None, not 1"):
        run(memory, City, add_one, state=tmp_path, group=1)
    with pytest.raises(TypeError, match="needs state=, a directory"):
        run(memory, City, add_one)
    for source in (5, AsyncCendry(backend=AsyncMemoryBackend()), AsyncMemoryBackend()):
        with pytest.raises(TypeError, match="takes a Cendry or a backend for it, not"):
            run(source, City, add_one, state=tmp_path)
    assert [] == LocalStore(tmp_path).list()
    assert 0 == run(memory, City, Instance(), state=tmp_path).rewritten
    assert "Instance" == read_json(LocalStore(tmp_path), "backfill.json")["function"].rpartition(".")[2]


def test_a_database_without_times_is_refused(memory: MemoryBackend, tmp_path: Path) -> None:
    fill(memory, 1)
    wrapped = Wrapped(memory)

    def run(plan: QueryPlan) -> Iterator[Any]:
        for found in memory.run(plan):
            yield type("Untimed", (), {"path": found.path, "data": found.data, "update_time": None})()

    cast("Any", wrapped).run = run
    with pytest.raises(UnsupportedByBackendError, match="keeps no time of each document's last change"):
        backfill(wrapped, City, add_one, state=tmp_path)


def test_the_client_of_the_sdk_is_taken(backend: FirestoreBackend, tmp_path: Path) -> None:
    fill(backend, 3)
    assert 3 == backfill(backend.client, City, add_one, state=tmp_path).rewritten
    # It stays open.
    assert [1, 2, 3] == numbers(backend)


def test_the_size_of_stored_values_is_estimated() -> None:
    assert rewriting.size_of({"a": [1, b"22", "333", None, Vector([1.0]), Ref.from_path("a/b")]}) > 40


def test_a_stale_error_without_a_reason_is_no_endless_loop(
    memory: MemoryBackend, small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards, "MAX_ATTEMPTS", 4)
    fill(memory, 2)
    wrapped = Wrapped(memory)

    def stale(number: int, writes: Any) -> None:
        if isinstance(writes[0], Update):
            raise StaleDocumentError(writes[0].path)

    wrapped.before = stale
    result = backfill(wrapped, City, add_one, state=tmp_path)
    assert (0, 2) == (result.rewritten, result.dead)


def test_workers_share_the_parts(memory: MemoryBackend, small: None, tmp_path: Path) -> None:
    fill(memory, 100)
    wrapped = Wrapped(memory)
    both = threading.Barrier(2, timeout=60)
    names: set[str] = set()

    def meet(number: int, writes: Any) -> None:
        if len(names) < 2 and isinstance(writes[0], Update):
            names.add(threading.current_thread().name)
            both.wait()

    wrapped.before = meet
    assert 100 == backfill(wrapped, City, add_one, state=tmp_path, workers=2).rewritten
    assert 2 == len(names)


KILLS = """
import itertools
from cendry_firestore import FirestoreBackend
from cendry_firestore.tools import backfill, ranges, shards

project, state = arguments
ranges.SHARD, ranges.PAGE, ranges.FIRST_PAGE, shards.MAX_WRITES, shards.FIRST_PAUSE = 40, 7, 7, 2, 0.001

def add_one(data):
    return {**data, "n": data["n"] + 1}

class Deadly(FirestoreBackend):
    '''Ends the process by its n-th commit: before it is sent, or when it is applied.'''

    def __init__(self, at, is_after):
        super().__init__(project=project)
        self.at, self.is_after, self.numbers = at, is_after, itertools.count(1)

    def commit(self, writes, **options):
        is_last = next(self.numbers) >= self.at
        if is_last and not self.is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = super().commit(writes, **options)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

def run(at, is_after):
    with Cendry(backend=Deadly(at, is_after)) as ctx:
        return backfill(ctx, "cities", add_one, state=state, workers=2)

for number in range(10):
    pid = os.fork()
    if not pid:
        run(number % 3 + 1, number % 2)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
result = run(1_000_000, False)
print(result.rewritten, result.unchanged, result.dead)
"""


@forks
def test_killed_ten_times_while_others_write(backend: FirestoreBackend, project: str, tmp_path: Path) -> None:
    fill(backend, 120)
    written = [0] * 120
    begun, ended = threading.Event(), threading.Event()

    def write() -> None:
        # The same field of one document after the other.
        ctx, number = Cendry(backend=backend), 0
        # Not as fast as it can: that is enough, and leaves the machine to the others.
        while not ended.wait(0.01):
            place = number * 7 % 120
            ctx.update(City, f"c{place:05d}", {City.n: Increment(1000)})
            written[place] += 1
            number += 1
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(60)
        printed = python(KILLS, project, tmp_path)
    finally:
        ended.set()
        writer.join()
    assert "120 0 0" == printed.strip()
    assert sum(written) > 0
    assert [place + 1 + 1000 * count for place, count in enumerate(written)] == numbers(backend)
    assert {} == stored(backend, "_cendry_jobs")
