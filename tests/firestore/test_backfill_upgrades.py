"""Backfill by the upgrades of a model: each document upgraded exactly once, and then current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cendry import Cendry, Field, Map, Model, field, upgrade
from cendry.errors import JobFileError
from cendry.jobs import DeadLetters, LocalStore, pace
from cendry.paths import FieldPath
from cendry.plan import GetPlan, QueryPlan, Set, Update
from cendry_firestore.tools import backfill, ranges, retry_dead, shards
from cendry_memory import MemoryBackend
from firestore.filling import Killed, Wrapped, stored

mended = False


class Place(Map):
    city: Field[str]


class City(Model, collection="cities", version=4):
    name: Field[str]
    n: Field[int]
    place: Field[Place | None] = field(default=None)
    secret: Field[str] = field(default="", repr=False)


@upgrade(City, to=2)
def add_one(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "n": data["n"] + 1}


@upgrade(City, to=3)
def add_ten(data: dict[str, Any]) -> dict[str, Any]:
    if data["n"] > 1000 and not mended:
        raise ValueError("too many")
    return {**data, "n": data["n"] + 10}


@upgrade(City, to=4)
def remove_old(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "old"}


class Animal(Model, collection="animals", tag_field="kind", version=2):
    n: Field[int]


class Cat(Animal, tag="cat"):
    pass


@upgrade(Animal, to=2)
def add_to_animal(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "n": data["n"] + 1}


class Plain(Model, collection="plain"):
    n: Field[int]


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture(params=["memory", "emulator"])
def database(request: pytest.FixtureRequest) -> Any:
    return MemoryBackend() if request.param == "memory" else request.getfixturevalue("backend")


def old(version: int | None, n: int, **more: Any) -> dict[str, Any]:
    stored = {} if version is None else {"_cendry_version": version}
    return {"name": "x", "n": n, "secret": "hidden", **stored, **more}


def test_each_version_is_brought_to_that_of_the_model(database: Any, tmp_path: Path) -> None:
    database.commit(
        [
            Set("cities/none", old(None, 0, old=True, unknown=[{"a": 1}])),
            Set("cities/one", old(1, 0, old=None)),
            Set("cities/three", old(3, 0, old=1.5)),
            Set("cities/current", old(4, 0, old="stays")),
            Set("cities/newer", old(5, 0, old="stays")),
        ]
    )
    dry = backfill(database, City, dry_run=True)
    assert (3, 2, 0) == (dry.rewritten, dry.unchanged, dry.dead)
    [diff] = [str(each) for each in dry.diffs if each.path == "cities/one"]
    assert [
        "cities/one",
        "  - _cendry_version: 1",
        "  + _cendry_version: 4",
        "  - n: 0",
        "  + n: 11",
        "  - old: None",
    ] == diff.splitlines()
    result = backfill(Cendry(backend=database), City, state=tmp_path)
    assert (3, 2, 0) == (result.rewritten, result.unchanged, result.dead)
    assert {
        "cities/none": old(4, 11, unknown=[{"a": 1}]),
        "cities/one": old(4, 11),
        "cities/three": old(4, 0),
        "cities/current": old(4, 0, old="stays"),
        "cities/newer": old(5, 0, old="stays"),
    } == stored(database)
    # With another state as well.
    again = backfill(database, City, state=tmp_path / "again")
    assert (0, 5, 0) == (again.rewritten, again.unchanged, again.dead)


def test_killed_anywhere_each_is_upgraded_once(database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ranges, "SHARD", 20)
    monkeypatch.setattr(ranges, "PAGE", 7)
    monkeypatch.setattr(ranges, "FIRST_PAGE", 5)
    monkeypatch.setattr(shards, "MAX_WRITES", 3)
    monkeypatch.setattr(shards, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(pace, "PAUSE", 0.001)
    count = 90
    database.commit([Set(f"cities/c{n:05d}", old(1 + n % 2, n, old=n)) for n in range(count)])
    ctx, others = Cendry(backend=database), 0

    def elsewhere(number: int, writes: Any) -> None:
        """Somebody changes a document that is about to be written, or brings it to the current version."""
        nonlocal others
        path = writes[0].path
        if not number % 2 or not path.startswith("cities/"):
            return
        others += 1
        if others % 2:
            [found] = database.get(GetPlan((path,)))
            data = {"n": found.data["n"] + 1000, "others": found.data.get("others", 0) + 1}
            database.commit([Update(path, data, (FieldPath("n"), FieldPath("others")))])
        else:
            current = {"n": ctx.get(City, path.partition("/")[2]).n, "_cendry_version": 4}
            database.commit([Update(path, current, tuple(map(FieldPath, ("n", "_cendry_version", "old"))))])

    def kill(number: int, writes: Any) -> None:
        if number == 2:
            raise Killed

    monkeypatch.setitem(globals(), "mended", True)
    for turn in range(10):
        wrapped = Wrapped(database)
        wrapped.before = elsewhere
        setattr(wrapped, "after" if turn % 2 else "before", kill if turn % 2 else chained(elsewhere, kill))
        with pytest.raises(Killed):
            backfill(wrapped, City, state=tmp_path, workers=1)
    wrapped = Wrapped(database)
    wrapped.before = elsewhere
    result = backfill(wrapped, City, state=tmp_path)
    assert 0 == result.dead
    assert others >= 20
    found = stored(database)
    expected = {
        path: int(path[-5:]) + (10 if int(path[-5:]) % 2 else 11) + 1000 * data.get("others", 0)
        for path, data in found.items()
    }
    assert expected == {path: data["n"] for path, data in found.items()}
    assert {4} == {data["_cendry_version"] for data in found.values()}
    assert not any("old" in data for data in found.values())


def chained(*functions: Any) -> Any:
    def run(number: int, writes: Any) -> None:
        for function in functions:
            function(number, writes)

    return run


def test_what_can_not_be_upgraded_is_given_up_and_tried_again(
    memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory.commit(
        [
            Set("cities/fails", old(1, 5000)),
            Set("cities/misfit", {"n": 1, "old": 1}),
            Set("cities/odd", old(None, 1, _cendry_version="two")),
            Set("cities/fine", old(1, 1)),
        ]
    )
    result = backfill(memory, City, state=tmp_path)
    assert (1, 0, 3) == (result.rewritten, result.unchanged, result.dead)
    letters = {one.path: str(one.error) for one in DeadLetters.read(LocalStore(tmp_path)).values()}
    assert "too many" not in letters["cities/fails"]  # A class with hidden fields shows no values.
    assert "add_ten" in letters["cities/fails"]
    assert "cities/misfit" in letters["cities/misfit"]
    assert "name" in letters["cities/misfit"]
    assert "a version, which is an int of at least 1" in letters["cities/odd"]
    assert {"n": 1, "old": 1} == stored(memory)["cities/misfit"]
    monkeypatch.setitem(globals(), "mended", True)
    memory.commit([Update("cities/misfit", {"name": "x"}, (FieldPath("name"),))])
    again = retry_dead(memory, City, state=tmp_path)
    assert (3, 0, 1) == (again.rewritten, again.unchanged, again.dead)
    assert 5011 == stored(memory)["cities/fails"]["n"]


def test_all_tags_of_a_collection_are_upgraded(memory: MemoryBackend, tmp_path: Path) -> None:
    memory.commit([Set("animals/a", {"n": 1, "kind": "cat"}), Set("animals/b", {"n": 1, "kind": "Animal"})])
    backfill(memory, Cat, state=tmp_path)
    found = [one.data for one in memory.run(QueryPlan("animals"))]
    assert {"n": 2, "kind": "cat", "_cendry_version": 2} in found


def test_state_and_models_that_do_not_fit(memory: MemoryBackend, tmp_path: Path) -> None:
    memory.commit([Set("cities/a", old(1, 1))])
    backfill(memory, City, state=tmp_path)
    with pytest.raises(JobFileError, match=r"belongs to the upgrades of .*City to version 4 on the collection"):
        backfill(memory, City, add_one, state=tmp_path)
    with pytest.raises(TypeError, match=r"^Plain has no version=, and so no upgrades: give it a version, or backfill"):
        backfill(memory, Plain, state=tmp_path)
    with pytest.raises(TypeError, match=r"^backfill\(\) takes a function from a dict to a dict or None, not None\.$"):
        backfill(memory, "cities", state=tmp_path)
