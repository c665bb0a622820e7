"""Dual writes on Google's emulators: killed between the two commits and repaired, and beside a copy and a delta."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from cendry.jobs import LocalStore, ShardState, save_state, write_json
from cendry.paths import FieldPath
from cendry.plan import Delete, GetPlan, Set, Update
from cendry_datastore import DatastoreBackend, DualBackend, Mismatch
from cendry_datastore.migrate import KindPlan, Plan, Shard, Source, Target, verify
from cendry_datastore.migrate._delta import delta
from cendry_datastore.migrate._repair import Repaired, repair
from cendry_datastore.migrate.intents import open_intents
from cendry_datastore.migrate.messages import MessageMirror
from cendry_datastore.migrate.writers import has_writers
from cendry_firestore import FirestoreBackend
from migrate import dual_child
from migrate.seeding import entity, put


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "migration")


def plan_of(source: Source, target: Target) -> Plan:
    kinds = (KindPlan("City", "City", 3, (Shard("City", 0),), was_empty=True),)
    return Plan("id", source.place, target.place, source.now(), "raw", (), kinds)


def documents(backend: Any, names: str) -> dict[str, Any]:
    return {result.path: result.data for result in backend.get(GetPlan(tuple(f"City/{name}" for name in names)))}


@pytest.mark.parametrize("point", dual_child.POINTS)
def test_killed_at_any_point_of_a_write_and_repaired_both_are_equal(
    point: str, source: Source, target: Target, project: str, store: LocalStore
) -> None:
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    with DualBackend(primary, shadow, state=store) as dual:
        dual.commit([Set(f"City/{name}", {"n": 1}) for name in "abc"])
    command = [sys.executable, dual_child.__file__, str(store.directory), project, point, "shadow-write"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert -signal.SIGKILL == ended.returncode, ended.stderr.decode()
    there = documents(primary, "abc")
    is_written = there["City/c"] is None
    assert is_written == (dual_child.POINTS.index(point) >= 3)
    intents = list(open_intents(store))
    assert (point != "before the intent") == bool(intents)
    plan = plan_of(source, target)
    repaired = repair(plan, state=store, source=source, target=target)
    assert Repaired(3 if intents else 0) == repaired
    assert [] == list(open_intents(store))
    assert there == documents(primary, "abc") == documents(shadow, "abc")
    shadow.close()


@pytest.mark.parametrize("point", dual_child.POINTS)
def test_killed_at_any_point_after_the_roles_were_swapped_and_repaired_both_are_equal(
    point: str, source: Source, target: Target, project: str, store: LocalStore
) -> None:
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    plan = plan_of(source, target)
    write_json(store, "plan.json", plan.to_json())
    with DualBackend(primary, shadow, state=store) as dual:
        dual.commit([Set(f"City/{name}", {"n": 1}) for name in "abc"])
    command = [sys.executable, dual_child.__file__, str(store.directory), project, point, "switched"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert -signal.SIGKILL == ended.returncode, ended.stderr.decode()
    there = documents(shadow, "abc")
    assert (there["City/c"] is None) == (dual_child.POINTS.index(point) >= 3)
    intents = list(open_intents(store))
    assert (["backward"] if point != "before the intent" else []) == [one.direction for one in intents]
    assert Repaired(3 if intents else 0) == repair(plan, state=store, source=source, target=target)
    assert [] == list(open_intents(store))
    assert there == documents(primary, "abc") == documents(shadow, "abc")
    shadow.close()


def test_what_was_written_to_the_target_is_repaired_in_the_source(
    source: Source, target: Target, project: str, store: LocalStore
) -> None:
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    with DualBackend(primary, shadow, state=store, mode="frozen") as dual:
        dual.change_mode("switched")
        commit = primary.commit

        def fail(*_: Any, **__: Any) -> Any:
            raise ConnectionError("no route")

        primary.commit = fail  # type: ignore[method-assign]
        dual.commit([Set("City/a", {"n": 1})])
        primary.commit = commit  # type: ignore[method-assign]
        assert {"City/a": None} == documents(primary, "a")
        assert 1 == repair(plan_of(source, target), state=store, source=source, target=target).done
    assert {"City/a": {"n": 1}} == documents(primary, "a")
    shadow.close()


def test_with_a_plan_documents_are_what_a_copy_makes_of_them(
    sdk: Any, source: Source, target: Target, project: str, store: LocalStore
) -> None:
    inner = entity(sdk, "Town", "t", m=1)
    put(sdk, [entity(sdk, "City", "a", n=1, town=inner), entity(sdk, "City", "b", n=1)])
    write_json(store, "plan.json", plan_of(source, target).to_json())
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    found: list[Mismatch] = []
    with DualBackend(primary, shadow, state=store, mode="shadow-read", on_mismatch=found.append) as dual:
        update = Update("City/a", {"n": 2}, (FieldPath("n"),))
        dual.commit([update, Delete("City/b"), Set("City/c", {"n": 3})])
        # What the translator says, and a backend alone would not: the key of an embedded entity.
        name = f"{target.name}/documents/City/a"
        town = target.get([name])[name].fields["town"].map_value.fields
        assert ({"__name__", "__type__", "m"}, 1) == (town.keys(), town["m"].integer_value)
        assert {"City/b": None, "City/c": {"n": 3}} == documents(shadow, "bc")
        # That is no mismatch; a difference is one.
        documents(dual, "abc")
        dual.drain()
        assert [] == found
        shadow.commit([Set("City/c", {"n": 4})])
        documents(dual, "abc")
        dual.drain()
        assert [("City/c", ("n",))] == [(one.path, one.fields) for one in found]
    shadow.close()


def test_with_the_plan_of_another_database_nothing_is_mirrored(
    source: Source, target: Target, project: str, store: LocalStore
) -> None:
    plan = plan_of(source, target).to_json()
    write_json(store, "plan.json", {**plan, "target": {"project": "another", "database": "(default)"}})
    primary, shadow = DatastoreBackend(source.client), FirestoreBackend(project=project)
    with DualBackend(primary, shadow, state=store) as dual:
        dual.commit([Set("City/a", {"n": 1})])
        [intent] = open_intents(store)
        assert intent.error is not None
        assert "The target of the plan is another/(default)" in intent.error
        assert ({"City/a": {"n": 1}}, {"City/a": None}) == (documents(primary, "a"), documents(shadow, "a"))
    shadow.close()


def test_with_a_plan_a_target_that_is_away_is_logged_and_left_alone(
    source: Source, project: str, store: LocalStore, closing_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", closing_host)
    with Target(project=project) as away:
        mirror = MessageMirror.of_plan(plan_of(source, away), source, away, is_patient=False)
        DatastoreBackend(source.client).commit([Set("City/a", {"n": 1})])
        first = mirror.mirror_paths(["City/a"])
        assert ["City/a"] == list(first.failed)
        assert first == mirror.mirror_paths(["City/a"])


def test_writes_under_way_are_left_to_their_process(source: Source, target: Target, store: LocalStore) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(FirestoreBackend):
        def commit(self, *arguments: Any, **options: Any) -> Any:
            began.set()
            assert go_on.wait(60)
            return super().commit(*arguments, **options)

    shadow = Slow(target.client)
    with DualBackend(DatastoreBackend(source.client), shadow, state=store) as dual:
        write = threading.Thread(target=dual.commit, args=([Set("City/a", {"n": 1})],))
        write.start()
        assert began.wait(60)
        assert Repaired(0, waiting=1) == repair(plan_of(source, target), state=store, source=source, target=target)
        go_on.set()
        write.join(60)
    assert [] == list(open_intents(store))
    assert {"City/a": {"n": 1}} == documents(FirestoreBackend(target.client), "a")


def test_writers_beside_a_copy_and_a_delta_leave_both_equal_or_every_difference_in_the_log(
    source: Source, target: Target, project: str, store: LocalStore
) -> None:
    names = "abcdefgh"
    primary = DatastoreBackend(source.client)
    primary.commit([Set(f"City/{name}", {"n": 0}) for name in names])
    plan = plan_of(source, target)
    write_json(store, "plan.json", plan.to_json())
    errors: list[BaseException] = []

    def write(seed: int) -> None:
        drawn = random.Random(seed)
        shadow = FirestoreBackend(project=project)
        try:
            with DualBackend(DatastoreBackend(source.client), shadow, state=store) as dual:
                for number in range(15):
                    path = f"City/{drawn.choice(names)}"
                    dual.commit([Delete(path) if drawn.random() < 0.3 else Set(path, {"n": number, "by": seed})])
        except BaseException as error:
            errors.append(error)
        finally:
            shadow.close()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
    for thread in writers:
        thread.start()
    mirror = MessageMirror.of_plan(plan, source, target)
    for page in source.pages(plan.shards[0], page=3):
        mirror.mirror([result.entity.key for result in page.results])
    save_state(store, f"state/{plan.shards[0].name}.json", ShardState(plan.hash, "", 8, 0, done=True))
    delta(plan, state=store, source=source, target=target)
    for thread in writers:
        thread.join(120)
    assert [] == errors
    assert has_writers(store)
    repair(plan, state=store, source=source, target=target)
    left = {path for intent in open_intents(store) for path in intent.paths}
    shadow = FirestoreBackend(project=project)
    there, here = documents(primary, names), documents(shadow, names)
    assert [] == [path for path in there if there[path] != here[path] and path not in left]
    assert set() == left
    proof = verify(plan, state=store, source=source, target=target)
    assert (True, 0) == (proof.ok, proof.dead)
    shadow.close()
