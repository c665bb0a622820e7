"""Copies: complete, resumable, and never more than asked for."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.errors import CendryError, JobFileError, JobLockedError, JobStoppedError, JobStoreError, LockLostError
from cendry.jobs import DeadLetters, JobLock, LocalStore, Pace, Progress, RealFiles, Stop, write_pace
from cendry_datastore.migrate import Place, Source, Target, copy
from cendry_datastore.migrate.admin import DATASTORE_MODE, NATIVE, DatabaseFacts
from cendry_datastore.migrate.checks import check_sides
from cendry_datastore.migrate.errors import (
    DatabaseCallError,
    MixedEmulatorsError,
    MomentExpiredError,
    OtherPlaceError,
    TargetNotEmptyError,
    UnknownModeError,
    WrongModeError,
)
from cendry_datastore.migrate.files import read_plan, write_plan
from cendry_datastore.migrate.target import Write
from cendry_datastore.migrate.walk import run_shards
from cendry_datastore.migrate.writers import Registration
from firestore.faulty import Fault, FaultyServer
from google.auth.credentials import AnonymousCredentials
from google.cloud import datastore, firestore
from migrate.copies import CountingTarget, check_equal, plan_of, seed, sent
from migrate.seeding import entity, put


@pytest.fixture
def target(firestore_emulator: str, project: str, tmp_path: Path) -> Iterator[CountingTarget]:
    """The target, empty for this test, which counts what is sent."""
    with CountingTarget(project=project) as target:
        target.log = tmp_path / "sent"
        assert project in target.name, "it is opened now"
        yield target


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "migration"


def test_a_copy_has_all_entities_of_all_kinds(
    any_datastore: str, sdk: Any, source: Source, target: CountingTarget, state: Path
) -> None:
    count = seed(sdk, 3, 90)
    plan = plan_of(source, target.place, 40)
    assert 9 == len(plan.shards)
    seen: list[Progress] = []

    result = copy(plan, state=state, page=20, source=source, target=target, on_progress=seen.append)

    assert (270, 0, plan.read_time) == (result.copied, result.dead, result.read_time)
    assert count == check_equal(plan, source, target) == sent(target.log)
    assert (270, 270, "copy", 0.0) == (seen[-1].done, seen[-1].total, seen[-1].phase, seen[-1].eta)
    assert sorted(one.done for one in seen) == [one.done for one in seen]
    assert plan == read_plan(LocalStore(state))
    states = [json.loads(one.read_text()) for one in sorted((state / "state").iterdir())]
    assert 9 == len(states)
    assert all(one["done"] and one["plan"] == plan.hash for one in states)
    assert 270 == sum(one["copied"] for one in states)
    assert not (state / "lock").exists()

    # Once more, it has nothing to do.
    again = copy(plan, state=state, source=source, target=target)
    assert (270, 0) == (again.copied, again.dead)
    assert count == sent(target.log)


def test_sides_are_opened_from_the_plan(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    put(sdk, [entity(sdk, "K", 1)])
    plan = plan_of(source, Place(source.place.project, "native"))

    assert 1 == copy(plan, state=str(state)).copied
    with Target(project=source.place.project, database="native") as native:
        assert native.has_documents("K")


def test_a_dry_run_writes_nothing(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 2, 60)
    put(sdk, [entity(sdk, "K00", "bad", to=datastore.Key("X", 1, project="elsewhere"))])
    plan = plan_of(source, target.place)
    seen: list[Progress] = []

    result = copy(plan, state=state, dry_run=True, source=source, target=target, on_progress=seen.append)

    assert (120, 1) == (result.copied, result.dead)
    assert not state.exists()
    assert 0 == sent(target.log)
    assert not target.has_documents("K00")
    assert (121, "dry run") == (seen[-1].done, seen[-1].phase)
    stop = Stop()
    with pytest.raises(JobStoppedError):
        copy(
            plan,
            state=state,
            dry_run=True,
            source=source,
            target=target,
            stop=stop,
            page=1,
            on_progress=lambda _: stop.request(),
        )


def test_entities_that_can_not_be_documents_become_dead_letters(
    sdk: Any, source: Source, target: CountingTarget, state: Path
) -> None:
    seed(sdk, 1, 30)
    put(sdk, [entity(sdk, "K00", name, to=datastore.Key("X", 1, project="elsewhere")) for name in ("bad", "worse")])
    plan = plan_of(source, target.place)

    result = copy(plan, state=state, source=source, target=target, page=7)

    assert (30, 2) == (result.copied, result.dead)
    letters = DeadLetters.read(LocalStore(state))
    assert {"K00/bad", "K00/worse"} == {one.path for one in letters.values()}
    assert all("to" in str(one.error) for one in letters.values())
    assert 30 == check_equal(plan, source, target)
    assert 2 == copy(plan, state=state, source=source, target=target).dead


class Refusing(FaultyServer):
    """A server that refuses each commit with a certain text in it."""

    poison = b"poison"

    def _answer(self, details: Any, request: Any, context: Any) -> Iterator[bytes]:
        if details.method.endswith("Commit") and self.poison in request:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "it is poison")
        return super()._answer(details, request, context)


@pytest.fixture
def refusing(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    handler = Refusing(firestore_emulator)
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
    yield handler
    handler.close()
    server.stop(0).wait()


def test_a_document_that_the_database_refuses_is_found_and_the_others_are_written(
    sdk: Any, source: Source, refusing: Refusing, project: str, state: Path
) -> None:
    put(sdk, [entity(sdk, "K", number, text="poison" if number in (7, 61) else "x") for number in range(1, 101)])
    with Target(project=project) as target:
        result = copy(plan_of(source, target.place), state=state, source=source, target=target)

        assert (98, 2) == (result.copied, result.dead)
        letters = DeadLetters.read(LocalStore(state))
        assert {("K/__id7__", "it is poison"), ("K/__id61__", "it is poison")} == {
            (one.path, one.error) for one in letters.values()
        }
        assert 98 == sum(len(page) for page in target.pages("K"))


# --- what is refused ---


def test_a_target_with_documents_is_refused_unless_that_is_asked_for(
    sdk: Any, source: Source, target: CountingTarget, state: Path
) -> None:
    seed(sdk, 2, 10)
    plan = plan_of(source, target.place)
    copy(plan, state=state, source=source, target=target)

    with pytest.raises(TargetNotEmptyError) as raised:
        copy(plan, state=state / "other", source=source, target=target)
    assert ("K00", "K01") == raised.value.collections
    assert not (state / "other" / "plan.json").exists()
    assert 20 == copy(plan, state=state / "other", source=source, target=target, into_existing=True).copied


def test_the_state_of_another_plan_is_refused(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 1, 10)
    plan, other = plan_of(source, target.place), plan_of(source, target.place)
    copy(plan, state=state, source=source, target=target)

    for dry_run in (False, True):
        with pytest.raises(JobFileError, match=r"plan.json belongs to plan .*: use a fresh directory"):
            copy(other, state=state, source=source, target=target, dry_run=dry_run)
    (state / "plan.json").unlink()
    with pytest.raises(JobFileError, match=r"state/K00-000.json belongs to plan"):
        copy(other, state=state, source=source, target=target)
    for one in (state / "state").iterdir():
        one.unlink()
    with pytest.raises(JobFileError, match=r"copy.json belongs to plan"):
        copy(other, state=state, source=source, target=target)
    with pytest.raises(JobFileError, match=r"plan.json does not exist"):
        read_plan(LocalStore(state))


def test_clients_of_other_databases_are_refused(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    plan = plan_of(source, target.place)
    with pytest.raises(OtherPlaceError, match="The source of the plan is"):
        copy(plan, state=state, source=Source(project="elsewhere"), target=target)
    with pytest.raises(OtherPlaceError, match="The target of the plan is"):
        copy(plan, state=state, source=source, target=Target(project="elsewhere"))


@pytest.mark.parametrize("arguments", [{"workers": 0}, {"workers": True}, {"page": -1}, {"page": 1.5}, {"rate": 0}])
def test_figures_that_are_not_positive_are_refused(
    sdk: Any, source: Source, target: CountingTarget, state: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        copy(plan_of(source, target.place), state=state, source=source, target=target, **arguments)


@pytest.fixture
def production(project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Source, Target]]:
    """Both sides as databases of Google Cloud, to which nothing is sent."""
    monkeypatch.delenv("DATASTORE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    credentials: Any = AnonymousCredentials()
    one: Any = datastore.Client(project=project, credentials=credentials)
    other = firestore.Client(project=project, credentials=credentials)
    yield Source(one), Target(other)
    one.close()
    other.close()


def test_one_emulator_alone_is_refused(
    sdk: Any, source: Source, target: CountingTarget, production: tuple[Source, Target]
) -> None:
    with pytest.raises(MixedEmulatorsError) as raised:
        check_sides(source, production[1])
    assert (source.emulator, None) == (raised.value.source, raised.value.target)
    assert f"The source is an emulator ({source.emulator}), and the target is a database" in str(raised.value)
    assert "Set FIRESTORE_EMULATOR_HOST as well" in str(raised.value)
    with pytest.raises(MixedEmulatorsError, match="The target is an emulator"):
        check_sides(production[0], target)
    production[1]._facts = DatabaseFacts(NATIVE)
    check_sides(source, production[1], allow_mixed=True)


def test_missing_credentials_name_the_database(monkeypatch: pytest.MonkeyPatch, project: str) -> None:
    monkeypatch.delenv("DATASTORE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    for side in (Source(project=project), Target(project=project)):
        with pytest.raises(DatabaseCallError, match=rf"^{project}/\(default\): File /nowhere/key.json was not found"):
            side.place  # noqa: B018


def test_modes_are_asked_for(production: tuple[Source, Target], project: str) -> None:
    source, target = production
    source._facts, target._facts = DatabaseFacts(DATASTORE_MODE), DatabaseFacts(NATIVE)
    check_sides(source, target)
    target._facts = DatabaseFacts(DATASTORE_MODE)
    with pytest.raises(WrongModeError) as raised:
        check_sides(source, target)
    assert f"{project}/(default) is in Datastore mode; the target must be in Native mode. Nothing was written." == str(
        raised.value
    )
    source._facts = DatabaseFacts(NATIVE)
    expected = f"{project}/(default) is in Native mode; the source must be in Datastore mode. Nothing was written."
    with pytest.raises(WrongModeError) as raised:
        check_sides(source, target)
    assert expected == str(raised.value)
    source._facts = DatabaseFacts(DATASTORE_MODE)
    target._facts = DatabaseFacts(reason="403 no")
    with pytest.raises(UnknownModeError, match=r"--assume-modes .* Google Cloud answered: 403 no"):
        check_sides(source, target)
    check_sides(source, target, assume_modes=True)


# --- while others write ---


def keys_and_counts(target: Target, collection: str) -> dict[str, int]:
    """The ids of a collection, with the field `n`."""
    found = [one for page in target.pages(collection) for one in page]
    return {one.name.rpartition("/")[2]: one.fields["n"].integer_value for one in found}


@pytest.mark.parametrize("is_dual", [True, False])
def test_what_others_write_meanwhile_survives_where_they_have_registered(
    sdk: Any, source: Source, target: CountingTarget, state: Path, is_dual: bool
) -> None:
    put(sdk, [entity(sdk, "K", str(number), n=0) for number in range(20)])
    put(sdk, [entity(sdk, "K", "bad", n=0, to=datastore.Key("X", 1, project="elsewhere"))])
    plan = plan_of(source, target.place)
    if is_dual:
        Registration(LocalStore(state)).register("shadow-write")

    def write(number: int) -> None:
        # As an application with a DualBackend: the source first, then the target, before the copy commits what it read.
        if number == 1:
            put(sdk, [entity(sdk, "K", "3", n=1), entity(sdk, "K", "bad", n=1)])
            put(sdk, [entity(sdk, "K", "4", n=1, to=datastore.Key("X", 1, project="elsewhere"))])
            sdk.delete(sdk.key("K", "5"))

    target.before = write
    result = copy(plan, state=state, source=source, target=target)

    letters = {one.path for one in DeadLetters.read(LocalStore(state)).values()}
    found = keys_and_counts(target, "K")
    if is_dual:
        assert {**{str(number): 0 for number in range(20) if number != 5}, "3": 1, "bad": 1} == found
        assert {"K/4"} == letters
    else:
        assert {str(number): 0 for number in range(20)} == found
        assert {"K/bad"} == letters
    assert 1 == result.dead


def test_a_copy_begins_beside_documents_of_those_who_have_registered(
    sdk: Any, source: Source, target: CountingTarget, state: Path
) -> None:
    put(sdk, [entity(sdk, "K", "a", n=1)])
    plan = plan_of(source, target.place)
    Registration(LocalStore(state)).register("shadow-write")
    write = Write()
    write.update.name = f"{target.name}/documents/K/a"
    Target.commit(target, [write])

    assert 1 == copy(plan, state=state, source=source, target=target).copied
    assert {"a": 1} == keys_and_counts(target, "K")


def test_what_has_changed_since_is_copied(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    put(sdk, [entity(sdk, "K", str(number), n=0) for number in range(10)])
    plan = plan_of(source, target.place)
    result = copy(plan, state=state, source=source, target=target)
    put(sdk, [entity(sdk, "K", "3", n=1), entity(sdk, "K", "new", n=1)])
    sdk.delete(sdk.key("K", "5"))

    changed = copy(plan, state=state, since=result.read_time, source=source, target=target)

    assert (2, 8, 1) == (changed.copied, changed.skipped, changed.deleted)
    assert {**{str(number): 0 for number in range(10) if number != 5}, "3": 1, "new": 1} == keys_and_counts(target, "K")
    with pytest.raises(ValueError, match="dry_run="):
        copy(plan, state=state, since=result.read_time, dry_run=True)


# --- what interrupts it ---


def test_a_copy_that_is_stopped_goes_on(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 4, 60)
    plan = plan_of(source, target.place)
    stop = Stop()
    target.before = lambda number: stop.request() if number == 3 else None

    with pytest.raises(JobStoppedError, match=r"The copy was stopped after \d+ documents"):
        copy(plan, state=state, source=source, target=target, page=10, workers=2, stop=stop)
    assert 0 < sent(target.log) < 240
    before = sent(target.log)
    result = copy(plan, state=state, source=source, target=target, page=10, workers=2)

    assert 240 == result.copied == check_equal(plan, source, target)
    # It ended at whole pages: nothing is sent twice.
    assert 240 == sent(target.log)
    assert before < 240


def test_a_paused_copy_can_be_stopped(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 2, 20)
    plan = plan_of(source, target.place)
    write_pace(LocalStore(state), Pace(paused=True))
    stop = Stop()
    timer = threading.Timer(0.3, stop.request)
    timer.start()

    with pytest.raises(JobStoppedError):
        copy(plan, state=state, source=source, target=target, stop=stop)
    assert 0 == sent(target.log)
    write_pace(LocalStore(state), Pace(rate=1e6))
    assert 40 == copy(plan, state=state, source=source, target=target, rate=1e6).copied
    timer.join()


class FailingFiles(RealFiles):
    """Files on a disk that is full, or can't be written, from a number of state files on."""

    def __init__(self, good: int, error: int) -> None:
        self.good = good
        self.error = error

    def open(self, path: Path, flags: int) -> int:
        if path.parent.name == "state" and flags & os.O_WRONLY:
            self.good -= 1
            if self.good < 0:
                raise OSError(self.error, os.strerror(self.error))
        return super().open(path, flags)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("good", [0, 5])
def test_a_disk_that_is_full_or_read_only_ends_it_and_it_goes_on(
    sdk: Any, source: Source, target: CountingTarget, state: Path, error: int, good: int
) -> None:
    seed(sdk, 4, 60)
    plan = plan_of(source, target.place)

    with pytest.raises(JobStoreError, match=os.strerror(error)) as raised:
        copy(plan, state=LocalStore(state, FailingFiles(good, error)), source=source, target=target, page=10)
    assert raised.value.resumable
    assert 240 == copy(plan, state=state, source=source, target=target, page=10).copied
    assert 240 == check_equal(plan, source, target)
    assert sent(target.log) <= 240 + 4 * 10


def test_two_copies_at_a_time_are_refused(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 1, 10)
    plan = plan_of(source, target.place)
    with JobLock(LocalStore(state), what="copy", host="another", pid=7):
        with pytest.raises(JobLockedError, match="Another copy runs on host another"):
            copy(plan, state=state, source=source, target=target)
        assert 0 == sent(target.log)
    assert 10 == copy(plan, state=state, source=source, target=target).copied


def test_a_copy_whose_lock_is_taken_over_writes_nothing_more(
    sdk: Any, source: Source, target: CountingTarget, state: Path
) -> None:
    seed(sdk, 1, 60)
    plan = plan_of(source, target.place)
    other = JobLock(LocalStore(state), what="copy", take_over=True)
    target.after = lambda number: other.__enter__() if number == 2 else None

    with pytest.raises(LockLostError, match="has lost its lock"):
        copy(plan, state=state, source=source, target=target, page=10, workers=1)
    assert 20 == sent(target.log)
    saved = json.loads((state / "state" / "K00-000.json").read_text())
    # The page of the commit that was under way is not saved.
    assert 10 == saved["copied"]
    other.__exit__(None, None, None)
    target.after = lambda number: None
    assert 60 == copy(plan, state=state, source=source, target=target, page=10).copied
    assert 70 == sent(target.log)


def test_a_moment_that_expires_meanwhile_is_renewed(
    sdk: Any, target: CountingTarget, state: Path, project: str
) -> None:
    seed(sdk, 2, 60)
    now = datetime.now(timezone.utc).timestamp()
    moments = iter([now] * 40)
    # The clock is set forward by two hours while the copy runs.
    source = Source(sdk, clock=lambda: next(moments, now + 7200))
    plan = plan_of(source, target.place)
    moments = iter([now] * 4)

    with pytest.raises(MomentExpiredError, match=r"is 1[12]. min old"):
        copy(plan, state=state, source=source, target=target, page=10, workers=1)
    assert 0 < sent(target.log) < 120
    put(sdk, [entity(sdk, "K01", "late", n=1)])
    honest = Source(sdk)
    renewed = plan.renew(honest.now())
    with pytest.raises(JobFileError, match=r"plan.json belongs to plan"):
        copy(renewed, state=state, source=honest, target=target)
    write_plan(LocalStore(state), renewed)
    with pytest.raises(JobFileError, match=r"plan.json belongs to plan"):
        copy(plan, state=state, source=honest, target=target)
    assert 121 == copy(renewed, state=state, source=honest, target=target, page=10).copied
    assert 121 == check_equal(renewed, honest, target)
    first, last = (json.loads((state / "state" / name).read_text()) for name in ("K00-000.json", "K01-001.json"))
    assert (plan.hash, renewed.hash) == (first["plan"], last["plan"])


def test_an_error_of_a_database_ends_it_and_it_goes_on(
    sdk: Any, source: Source, refusing: Refusing, project: str, state: Path
) -> None:
    seed(sdk, 2, 60)
    with Target(project=project) as target:
        plan = plan_of(source, target.place)
        refusing.faults["Commit"] = [Fault(grpc.StatusCode.PERMISSION_DENIED, "no")]
        with pytest.raises(DatabaseCallError, match=r"PERMISSION_DENIED: no \(resumable: run the same command\)"):
            copy(plan, state=state, source=source, target=target, page=10, workers=2)
        assert 120 == copy(plan, state=state, source=source, target=target, page=10).copied


def test_an_error_of_the_caller_ends_it(sdk: Any, source: Source, target: CountingTarget, state: Path) -> None:
    seed(sdk, 2, 20)

    def fail(progress: Progress) -> None:
        raise CendryError("mine")

    with pytest.raises(CendryError, match="mine"):
        copy(plan_of(source, target.place), state=state, source=source, target=target, on_progress=fail)


def test_the_first_error_of_the_threads_is_raised() -> None:
    stop = Stop()
    begun = threading.Barrier(2)

    def work(number: int) -> None:
        begun.wait(30)
        if number:
            stop.wait(30)
            raise JobStoppedError("copy", 0)
        raise LookupError

    with pytest.raises(LookupError):
        run_shards([0, 1, 2], work, workers=2, stop=stop)
    assert stop.is_requested
