"""A delta, a retry of dead letters or a verification that is killed, at whatever point, goes on when it runs again."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cendry.errors import JobLockedError, JobStoreError, LockLostError
from cendry.jobs import DeadLetters, JobLock, LocalStore, RealFiles
from cendry_datastore.migrate import Plan, Proof, Source, copy, delta, repair, retry_dead, verify
from cendry_datastore.migrate.intents import IntentLog, open_intents
from cendry_datastore.migrate.target import Write
from google.cloud import datastore
from migrate.copies import CountingTarget, plan_of, seed, sent
from migrate.killed import STEP_POINTS
from migrate.kills import Killed
from migrate.seeding import entity, put

pytestmark = pytest.mark.slow

KINDS, EACH, PAGE = 10, 20, 10
UPDATED, CREATED, DELETED, BAD = 40, 10, 40, 20
WRITTEN = UPDATED + CREATED + BAD // 2
"""What a delta writes. Of the entities that were bad, each second one isn't any more; as many others became bad."""


class Moved(NamedTuple):
    """A source that has changed since its plan was made."""

    source: Source
    plan: Plan


@pytest.fixture(scope="module")
def moved(cendry_datastore_mode_host: str) -> Iterator[Moved]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
        client: Any = datastore.Client(project=f"steps-{uuid.uuid4().hex[:12]}")
    seed(client, KINDS, EACH)
    foreign = datastore.Key("X", 1, project="elsewhere")
    kinds = [f"K{number % KINDS:02}" for number in range(BAD)]
    put(client, [entity(client, kind, f"bad {number}", to=foreign) for number, kind in enumerate(kinds)])
    source = Source(client)
    plan = plan_of(source, source.place)
    changed = [entity(client, f"K{number % KINDS:02}", 2 * (number // KINDS) + 2, n=-1) for number in range(UPDATED)]
    created = [entity(client, f"K{number:02}", "new", n=-2) for number in range(CREATED)]
    mended = [entity(client, kind, f"bad {number}", n=-3) for number, kind in enumerate(kinds) if number % 2]
    spoilt = [entity(client, kinds[number], f"spoilt {number}", to=foreign) for number in range(BAD // 2)]
    put(client, [*changed, *created, *mended, *spoilt])
    gone = [client.key(f"K{number % KINDS:02}", f"n/{2 * (number // KINDS)}") for number in range(DELETED)]
    client.delete_multi(gone)
    yield Moved(source, plan)
    client.close()


@pytest.fixture
def target(firestore_emulator: str, project: str, tmp_path: Path) -> Iterator[CountingTarget]:
    with CountingTarget(project=project) as target:
        target.log = tmp_path / "sent"
        yield target


class Steps(Killed):
    """A migration that is copied, and what runs after the copy."""

    @property
    def where(self) -> dict[str, Any]:
        return {"state": self.state, "source": self.source, "target": self.target}

    def delta(self) -> None:
        delta(self.plan, page=self.page, **self.where)

    def verify(self) -> Proof:
        return verify(self.plan, **self.where)

    def check_equal(self) -> None:
        """Whether both sides are equal, and the entities that can't be documents are known."""
        proof = self.verify()
        dead = DeadLetters.read(LocalStore(self.state))
        assert proof.ok, proof.differences
        assert (0, 0, 0, 0) == (proof.missing, proof.extra, proof.different, proof.changed)
        assert (BAD, BAD) == (proof.dead, len(dead))
        assert KINDS * EACH + CREATED + BAD // 2 - DELETED == proof.target == proof.source - BAD


@pytest.fixture
def steps(moved: Moved, target: CountingTarget, tmp_path: Path) -> Steps:
    plan = replace(moved.plan, target=target.place)
    steps = Steps(moved.source, target, tmp_path, PAGE, plan)
    result = copy(plan, page=PAGE, **steps.where)
    assert (KINDS * EACH, BAD) == (result.copied, result.dead)
    return steps


@pytest.mark.parametrize("point", STEP_POINTS["delta"])
def test_a_delta_that_is_killed_goes_on(steps: Steps, point: str) -> None:
    before = sent(steps.target.log)
    steps.kill_at(point, STEP_POINTS["delta"][point], "delta")
    steps.delta()
    steps.check_equal()
    assert WRITTEN + DELETED <= sent(steps.target.log) - before <= WRITTEN + DELETED + PAGE


@pytest.mark.parametrize("point", STEP_POINTS["retry-dead"])
def test_a_retry_of_dead_letters_that_is_killed_goes_on(steps: Steps, point: str) -> None:
    before = sent(steps.target.log)
    steps.page = 5
    steps.kill_at(point, STEP_POINTS["retry-dead"][point], "retry-dead")
    result = retry_dead(steps.plan, page=5, **steps.where)
    assert BAD // 2 == len(result.failed) == len(DeadLetters.read(LocalStore(steps.state)))
    assert BAD // 2 <= sent(steps.target.log) - before <= BAD // 2 + 5
    steps.delta()
    steps.check_equal()


@pytest.mark.parametrize("point", STEP_POINTS["verify"])
def test_a_verification_that_is_killed_leaves_no_proof_or_a_whole_one(steps: Steps, point: str) -> None:
    steps.delta()
    before = sent(steps.target.log)
    steps.kill_at(point, STEP_POINTS["verify"][point], "verify")
    proof = LocalStore(steps.state).get("verify.json")
    assert (point == "proof renamed") == (proof is not None)
    assert proof is None or Proof.from_json(proof).ok
    steps.check_equal()
    assert before == sent(steps.target.log)


def test_a_signal_ends_a_delta_at_whole_pages(steps: Steps) -> None:
    child = steps.start("SIGTERM", 4, "delta")
    shown, errors = child.communicate(timeout=120)
    assert 3 == child.returncode, errors
    assert shown.startswith("The delta was stopped after ")
    before = sent(steps.target.log)
    steps.delta()
    steps.check_equal()
    assert before < sent(steps.target.log)


# --- locks and disks ---


def run_delta(steps: Steps, **options: Any) -> None:
    delta(steps.plan, page=PAGE, **{**steps.where, **options})


def run_retry(steps: Steps, **options: Any) -> None:
    retry_dead(steps.plan, page=5, **{**steps.where, **options})


def run_repair(steps: Steps, **options: Any) -> None:
    repair(steps.plan, **{**steps.where, **options})


RUNS = pytest.mark.parametrize("run", [run_delta, run_retry, run_repair])
Run = Callable[..., None]


@pytest.fixture
def with_intents(steps: Steps) -> Steps:
    """With writes that were not mirrored, by a process that is gone."""
    log = IntentLog(LocalStore(steps.state), "gone")
    kind = steps.plan.kinds[0].kind
    for number in range(4):
        steps.target.commit([Write(delete=f"{steps.target.name}/documents/{kind}/__id{2 * number + 2}__")])
        log.open([f"{kind}/__id{2 * number + 2}__"], "forward")
    return steps


@RUNS
def test_a_second_process_is_refused(with_intents: Steps, run: Run) -> None:
    before = sent(with_intents.target.log)
    with JobLock(LocalStore(with_intents.state), what="copy", host="another", pid=7):
        with pytest.raises(JobLockedError, match="^A copy runs on host another since "):
            run(with_intents)
        assert before == sent(with_intents.target.log)
    run(with_intents)
    assert before < sent(with_intents.target.log)


@RUNS
def test_a_step_whose_lock_is_taken_over_writes_nothing_more(with_intents: Steps, run: Run) -> None:
    steps = with_intents
    other = JobLock(LocalStore(steps.state), what="copy", take_over=True)
    log = steps.target.log
    commits = len(log.read_bytes().split())
    steps.target.after = lambda number: other.__enter__() if number == commits + 2 else None

    with pytest.raises(LockLostError, match="has lost its lock"):
        run(steps)
    assert commits + 2 == len(log.read_bytes().split())
    other.__exit__(None, None, None)
    steps.target.after = lambda number: None
    run_repair(steps)
    run_retry(steps)
    run_delta(steps)
    steps.check_equal()
    assert [] == list(open_intents(LocalStore(steps.state)))


class FullDisk(RealFiles):
    """A disk that is full after some files of some folders."""

    def __init__(self, folders: tuple[str, ...], good: int) -> None:
        self.folders, self.good = folders, good

    def open(self, path: Path, flags: int) -> int:
        if path.parent.name in self.folders and flags & (os.O_WRONLY | os.O_RDWR):
            self.good -= 1
            if self.good < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().open(path, flags)


@pytest.mark.parametrize(
    ("run", "folders"), [(run_delta, ("0001", "dead")), (run_retry, ("dead",)), (run_repair, ("steps",))]
)
@pytest.mark.parametrize("good", [0, 1])
def test_a_disk_that_is_full_ends_a_step_and_it_goes_on(
    with_intents: Steps, run: Run, folders: tuple[str, ...], good: int
) -> None:
    steps = with_intents
    full = LocalStore(steps.state, FullDisk(folders, good))
    with pytest.raises(JobStoreError, match=os.strerror(errno.ENOSPC)) as raised:
        run(steps, state=full)
    assert raised.value.resumable
    for again in (run_repair, run_retry, run_delta):
        again(steps)
    steps.check_equal()


def test_a_disk_that_is_full_leaves_no_proof(steps: Steps) -> None:
    steps.delta()
    with pytest.raises(JobStoreError, match=os.strerror(errno.ENOSPC)):
        verify(steps.plan, **{**steps.where, "state": LocalStore(steps.state, FullDisk(("migration",), 0))})
    assert LocalStore(steps.state).get("verify.json") is None
    steps.check_equal()
