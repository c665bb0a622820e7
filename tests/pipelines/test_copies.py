"""A copy on Apache Beam writes what a copy in one process writes, however often its steps run."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from threading import Thread
from typing import Any

import apache_beam as beam
import pytest
from cendry.errors import JobLockedError, LockLostError
from cendry.jobs import (
    AdaptiveThrottle,
    DeadLetters,
    JobLock,
    LocalStore,
    ShardState,
    Stop,
    Throttle,
    find_json,
    read_holder,
    write_json,
)
from cendry_datastore.migrate import Plan, Result, Shard, Source, Target, copy, status
from cendry_datastore.migrate.beam import CopyShards, __main__, copies
from cendry_datastore.migrate.beam.jobs import ProcessPace
from cendry_datastore.migrate.copying import ShardCopier
from cendry_datastore.migrate.files import load_shard
from cendry_datastore.migrate.values import Place
from migrate.copies import CountingTarget, check_equal, plan_of, sent
from pipelines.conftest import BAD, COUNT
from pipelines.runs import RUNNER, Cancelled, Run, start

CHILD = str(Path(__file__).with_name("killed.py"))
PAGE = 50
RENDERS = "apache_beam.runners.render.RenderRunner"
"""A runner with options of its own."""


def test_a_pipeline_copies_what_a_copy_copies(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    run = Run(CopyShards(plan, state=state, page=PAGE))

    [result] = run.values
    assert isinstance(result, Result)
    assert (COUNT, BAD, plan.read_time) == (result.copied, result.dead, result.read_time)
    assert (COUNT, BAD) == (run.counters["copied"], run.counters["dead"])
    assert COUNT == check_equal(plan, seeded, target)
    # All other steps find what they know.
    store = LocalStore(state)
    assert BAD == len(DeadLetters.read(store))
    assert read_holder(store) is None
    assert all(load_shard(store, plan, shard).done for shard in plan.shards)
    found = find_json(store, "copy.json") or {}
    assert (COUNT, BAD) == (found["copied"], found["dead"])
    assert found["ended"] > found["started"]
    assert COUNT == status(state).copied
    again = copy(plan, state=state, source=seeded, target=target)
    assert (COUNT, BAD) == (again.copied, again.dead)


def test_what_is_complete_is_not_copied_again(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    first = copy(plan, state=state, source=seeded, target=target, page=PAGE)
    run = Run(CopyShards(plan, state=state))

    assert [(first.copied, first.dead)] == [(one.copied, one.dead) for one in run.values]
    assert {} == run.counters


def test_a_plan_without_entities_has_an_end(target: Target, seeded: Source, plan: Plan, state: Path) -> None:
    empty = Plan("empty", plan.source, plan.target, plan.read_time, "raw", (), ())
    assert [(0, 0)] == [(one.copied, one.dead) for one in Run(CopyShards(empty, state=state)).values]
    assert "ended" in (find_json(LocalStore(state), "copy.json") or {})


# --- what a runner may do ---


def test_a_killed_pipeline_goes_on(seeded: Source, target: Target, plan: Plan, state: Path, tmp_path: Path) -> None:
    log = tmp_path / "sent"
    store = LocalStore(state)
    done = set[str]()
    # The second one is killed further on: the numbers of commits count on.
    for when, number in (("before", "9"), ("after", "19"), ("never", "0")):
        child = start(
            plan, state, f"--page={PAGE}", script=(CHILD,), KILLED_LOG=str(log), KILLED_WHEN=when, KILLED_NUMBER=number
        )
        with child:
            try:
                output, errors = child.communicate(timeout=120)
            finally:
                child.kill()
        if when != "never":
            assert -signal.SIGKILL == child.returncode, errors
            now = {shard.name for shard in plan.shards if load_shard(store, plan, shard).done}
            assert done < now
            done = now
    # 1 is for dead letters.
    assert 1 == child.returncode, errors
    assert (COUNT, BAD) == (json.loads(output)["copied"], json.loads(output)["dead"])
    assert COUNT == check_equal(plan, seeded, target)
    assert COUNT <= sent(log) <= COUNT + 2 * PAGE
    assert BAD == len(DeadLetters.read(store))


class Begun:
    """A copy that has begun: its lock is taken, and its shards are given out.

    Args:
        plan: The plan.
        state: The state.
    """

    def __init__(self, plan: Plan, state: Path) -> None:
        # As a runner does it.
        self.steps = pickle.loads(pickle.dumps(CopyShards(plan, state=state, page=PAGE)))
        begin = self.steps._begin
        begin.setup()
        self.tasks = list(begin.process("run"))
        # It may run twice.
        assert [one.shard for one in self.tasks] == [one.shard for one in begin.process("run")]
        begin.teardown()

    def copy(self) -> list[copies.Copied]:
        """Do the work of one worker on all shards."""
        worker = pickle.loads(pickle.dumps(self.steps._copy))
        worker.setup()
        copied = [one for task in self.tasks for one in worker.process(task)]
        worker.teardown()
        return copied

    def end(self, copied: list[copies.Copied]) -> Result:
        """Do the last step."""
        end = copies._End(self.steps._job)
        end.setup()
        total = copies._total(copied)
        [result] = end.process(total)
        # It may run twice, as well.
        [again] = end.process(total)
        end.teardown()
        assert (result.copied, result.dead) == (again.copied, again.dead)
        return result


def test_workers_that_do_the_same_at_the_same_time_lose_and_double_nothing(
    seeded: Source, target: Target, plan: Plan, state: Path
) -> None:
    begun = Begun(plan, state)
    results: list[list[copies.Copied]] = []
    workers = [Thread(target=lambda: results.append(begun.copy())) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    for copied in results:
        assert COUNT == copies._total(copied).copied
    result = begun.end(results[-1])
    assert (COUNT, BAD) == (result.copied, result.dead)
    assert COUNT == check_equal(plan, seeded, target)
    assert all(load_shard(LocalStore(state), plan, shard).done for shard in plan.shards)
    assert read_holder(LocalStore(state)) is None


class Attempt:
    """An attempt at one shard, of which another one may run at the same time."""

    def __init__(self, plan: Plan, source: Source, target: Target, store: LocalStore) -> None:
        self.plan, self.store = plan, store
        self.lock = JobLock(store, token="run")
        pace = AdaptiveThrottle.open(store, initial=None)
        self.copier = ShardCopier(
            plan, source, target, stop=Stop(), page=10, store=store, lock=self.lock, pace=pace, shared=True
        )

    def run(self, shard: Shard, after: int = 0, then: Any = None, state: ShardState | None = None) -> ShardState:
        """Copy the shard; after some pages, do something else first."""
        pages = 0

        def note(count: int, dead: int) -> None:
            nonlocal pages
            pages += 1
            if pages == after:
                then()

        with self.lock.join():
            return self.copier.copy(shard, state or load_shard(self.store, self.plan, shard), note)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_attempt_goes_on_where_another_one_is(
    seeded: Source, target: Target, plan: Plan, state: Path, tmp_path: Path, after: int
) -> None:
    store = LocalStore(state)
    JobLock(store, token="run").take()
    shard = max(plan.shards, key=lambda one: one.number)
    with (
        CountingTarget(project=target.place.project) as counting,
        CountingTarget(project=target.place.project) as other,
    ):
        counting.log, other.log = tmp_path / "one", tmp_path / "other"
        one, two = (Attempt(plan, seeded, each, store) for each in (counting, other))
        fresh = ShardState(plan.hash)
        # The second attempt begins anew while the first one is in it, and overtakes it.
        found = one.run(shard, after, lambda: two.run(shard, state=fresh))

    assert found == load_shard(store, plan, shard)
    assert found.done
    every = found.copied
    # The second one left out what the first one had saved when it came to save itself; the first one wrote one more
    # page, or none.
    assert min(after * 10, every) <= sent(counting.log) <= (after + 1) * 10
    assert every - after * 10 <= sent(other.log) <= every
    assert found.dead == len(DeadLetters.read(store))


class FailsOnce(copies._CopyShard):
    """Copies shards, and fails once after a commit, in whatever process."""

    def setup(self) -> None:
        super().setup()
        mark = Path(self.job.state) / "failed"

        def fail(number: int) -> None:
            if number == 5 and not mark.exists():
                mark.touch()
                raise RuntimeError("the worker is gone")

        target = CountingTarget(project=self.job.target.project)
        target.log = mark.with_name("sent")
        target.after = fail
        self.target = self.sides.enter_context(target)


def test_a_bundle_that_fails_once_runs_again(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    steps = CopyShards(plan, state=state, page=PAGE)
    steps._copy.__class__ = FailsOnce
    [result] = Run(steps, runner="BundleBasedDirectRunner").values

    assert (state / "failed").exists()
    assert (COUNT, BAD) == (result.copied, result.dead)
    assert COUNT == check_equal(plan, seeded, target)
    assert COUNT <= sent(state / "sent") <= COUNT + PAGE


def test_shards_are_copied_by_several_processes(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    options = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")
    [result] = Run(CopyShards(plan, state=state, page=PAGE, workers=2), *options).values
    assert (COUNT, BAD) == (result.copied, result.dead)
    assert COUNT == check_equal(plan, seeded, target)


# --- one at a time ---


def test_a_second_pipeline_is_refused(target: Target, plan: Plan, state: Path) -> None:
    begun = Begun(plan, state)
    before = LocalStore(state).get("copy.json")
    with pytest.raises(RuntimeError, match="JobLockedError: Another copy runs on host"):
        Run(CopyShards(plan, state=state))
    assert before == LocalStore(state).get("copy.json")
    assert not target.has_documents("K00")
    # One that takes over ends the first one.
    [result] = Run(CopyShards(plan, state=state, take_over=True)).values
    assert COUNT == result.copied
    late = next(task for task in begun.tasks if task.shard is not None)
    LocalStore(state).delete(f"state/{late.shard.name}.json")
    with pytest.raises(LockLostError):
        begun.copy()


def test_a_copy_is_refused_while_a_pipeline_runs_and_the_other_way_round(
    seeded: Source, target: Target, plan: Plan, state: Path
) -> None:
    Begun(plan, state)
    with pytest.raises(JobLockedError):
        copy(plan, state=state, source=seeded, target=target)
    other = state.with_name("other")
    with JobLock(LocalStore(other), what="copy"), pytest.raises(RuntimeError, match="JobLockedError"):
        Run(CopyShards(plan, state=other))
    assert not target.has_documents("K00")


# --- bad input ---


def test_a_beginning_that_is_refused_leaves_no_lock(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    copy(plan, state=state.with_name("before"), source=seeded, target=target)
    with pytest.raises(RuntimeError, match="TargetNotEmptyError"):
        Run(CopyShards(plan, state=state))
    assert [] == LocalStore(state).list()
    [result] = Run(CopyShards(plan, state=state, into_existing=True)).values
    assert COUNT == result.copied


def test_the_state_of_another_plan_is_refused(seeded: Source, target: Target, plan: Plan, state: Path) -> None:
    other = plan_of(seeded, target.place, 100)
    store = LocalStore(state)
    write_json(store, "plan.json", other.to_json())
    with pytest.raises(RuntimeError, match=r"plan.json belongs to plan .*: use a fresh directory"):
        Run(CopyShards(plan, state=state))
    store.delete("plan.json")
    write_json(store, f"state/{plan.shards[0].name}.json", ShardState(other.hash).to_json())
    with pytest.raises(RuntimeError, match=r"state/K00-000.json belongs to plan .*: use a fresh directory"):
        Run(CopyShards(plan, state=state))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"plan": "plan.json"}, TypeError, "A plan is needed, not 'plan.json': read one by Plan.from_json"),
        ({"state": None}, TypeError, "takes the path of a directory or gs://bucket/folder, not None"),
        ({"state": ""}, ValueError, "takes the path of a directory"),
        ({"state": "s3://b/m"}, ValueError, "takes the path of a directory or gs://bucket/folder, not 's3://b/m'"),
        ({"workers": 0}, ValueError, "workers= takes a whole number of at least 1, not 0"),
        ({"page": True}, ValueError, "page= takes a whole number of at least 1, not True"),
        ({"rate": 0}, ValueError, "rate= takes a positive number of documents per second, not 0"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(
    plan: Plan, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    given: dict[str, Any] = {"plan": plan, "state": tmp_path, **arguments}
    with pytest.raises(error, match=message):
        CopyShards(given.pop("plan"), **given)


def run_command(*arguments: str) -> int:
    return __main__.main([*arguments, f"--runner={RUNNER}"])


def test_a_command_without_a_plan_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(f"{tmp_path}/plan.json")
    assert 2 == caught.value.code
    assert f"there is no {tmp_path}/plan.json: make a plan first, by `cendry-datastore plan`" in capsys.readouterr().err


def test_a_command_with_wrong_words_says_so(tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    store = LocalStore(tmp_path)
    write_json(store, "plan.json", plan.to_json())
    assert 2 == run_command(f"{tmp_path}/plan.json", "--rate=-1")
    assert "rate= takes a positive number of documents per second, not -1.0." in capsys.readouterr().err
    assert 2 == run_command(f"{tmp_path}/plan.json", "--state=s3://b/m")
    assert "takes the path of a directory or gs://bucket/folder, not 's3://b/m'" in capsys.readouterr().err
    store.put("plan.json", b"{")
    assert 2 == run_command(f"{tmp_path}/plan.json")
    assert f"{tmp_path}/plan.json can't be read (line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--workrs", "4"], "--workrs is not an option of this command or of Beam. Did you mean --workers?"),
        (["--work=4"], "--work is not an option of this command or of Beam."),
        (["--taker-over"], "--taker-over is not an option of this command or of Beam. Did you mean --take-over?"),
        (["--projct=p"], "--projct is not an option of this command or of Beam. Did you mean --project?"),
        (["--runner=DataflowRunner", "--regoin", "x"], "--regoin is not an option of this command or of Beam."),
        (["other.json"], "other.json is not an option of this command or of Beam."),
        (["--runner=NoSuch"], "Unexpected pipeline runner: NoSuch."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_refuses_options_that_nobody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main([f"{tmp_path}/plan.json", *arguments])
    assert 2 == caught.value.code
    assert f"error: {expected}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--job_name=x", "--experiments", "y"], [f"--runner={RENDERS}", "--render_port=5"], ["--", "--z=1"]]
)
def test_a_command_takes_the_options_of_beam_and_of_runners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit):
        __main__.main([f"{tmp_path}/plan.json", *arguments])
    # That is looked for next.
    assert f"error: there is no {tmp_path}/plan.json" in capsys.readouterr().err


def test_a_command_that_fails_says_how_to_go_on(
    seeded: Source, target: Target, plan: Plan, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(LocalStore(state), "plan.json", plan.to_json())
    with JobLock(LocalStore(state), what="copy"):
        assert 4 == run_command(f"{state}/plan.json")
    errors = capsys.readouterr().err
    assert "Another copy runs on host" in errors
    assert "What it has done is kept: run the same command to go on." in errors


@pytest.mark.parametrize("arguments", [[], ["--verify"]])
def test_a_command_that_was_cancelled_is_not_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    place = Place("p")
    empty = Plan("empty", place, place, datetime(2026, 11, 28, tzinfo=timezone.utc), "raw", (), ())
    store = LocalStore(tmp_path)
    write_json(store, "plan.json", empty.to_json())
    # An earlier run was fine.
    write_json(store, "copy.json", {"dead": 0})
    write_json(store, "verify.json", {"ok": True})
    runner = f"{Cancelled.__module__}.{Cancelled.__name__}"
    code = __main__.main([f"{tmp_path}/plan.json", f"--runner={runner}", *arguments])
    output = capsys.readouterr()
    assert (4, "") == (code, output.out)
    assert "The pipeline ended as CANCELLED. What it has done is kept: run the same command to go on." in output.err
    # Nor is one of which nobody knows how it ended.
    for name in ("copy.json", "verify.json"):
        store.put(name, b"{")
    assert 4 == __main__.main([f"{tmp_path}/plan.json", f"--runner={runner}", *arguments])
    assert "can't be read (line 1" in capsys.readouterr().err


# --- what the runner is told ---


class Held(beam.DoFn):  # type: ignore[misc]
    """Is held by the pace."""

    def process(self, held: float) -> Iterator[float]:
        throttle = AdaptiveThrottle(Throttle(10, clock=lambda: 0.0), clock=lambda: 0.0)
        pace = ProcessPace(throttle)
        assert 0 == throttle.acquire(10)
        for _ in range(5):
            pace.tell()
            throttle.acquire(5)
        pace.tell()
        yield throttle.throttled


def test_a_runner_is_told_for_how_long_documents_were_held() -> None:
    run = Run(beam.Create([1]) | beam.ParDo(Held()))
    assert [2.5] == run.values
    assert {"cumulativeThrottlingSeconds": 2} == run.counters


def test_a_migration_in_one_process_loads_nothing_of_beam() -> None:
    code = (
        "import sys, cendry_datastore.migrate as migrate; [getattr(migrate, name) for name in migrate.__all__]; "
        "print([name for name in sys.modules if name.split('.')[0] == 'apache_beam'])"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert "[]" == run.stdout.strip()
