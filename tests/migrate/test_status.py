"""Whether an application may cut over, and every reason against it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry.jobs import DeadLetter, DeadLetters, JobFileError, LocalStore, ShardState, save_state, write_json
from cendry_datastore.migrate import KindPlan, Place, Plan, Proof, Shard
from cendry_datastore.migrate._status import status
from cendry_datastore.migrate.intents import IntentLog
from cendry_datastore.migrate.steps import note_step
from cendry_datastore.migrate.writers import Registration

VERIFIED = 10_000.0
"""When it was verified, in seconds since 1970."""


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


PLAN = Plan(
    "id",
    Place("p"),
    Place("p", "native"),
    moment(1000),
    "raw",
    (),
    (KindPlan("City", "City", 7, (Shard("City", 0, b"", b"\1"), Shard("City", 1, b"\1", b""))),),
)


def proof(store: LocalStore, **options: Any) -> None:
    given: dict[str, Any] = {"source_time": moment(VERIFIED), "plan": PLAN.hash, **options}
    write_json(store, "verify.json", Proof(7, 7, **given).to_json())


def register(store: LocalStore, mode: Any, now: float) -> Registration:
    registration = Registration(store, clock=lambda: now, elapsed=lambda: now)
    registration.register(mode)
    return registration


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A migration that is ready."""
    store = LocalStore(tmp_path)
    write_json(store, "plan.json", PLAN.to_json())
    for shard in PLAN.shards:
        save_state(store, f"state/{shard.name}.json", ShardState(PLAN.hash, "", 3, 0, done=True))
    write_json(store, "copy.json", {"plan": PLAN.hash, "started": 8000.0, "ended": 9000.0, "copied": 6, "dead": 0})
    store.put("firestore.indexes.json", b'{"indexes": [], "fieldOverrides": []}')
    store.put("index.yaml", b"indexes:")
    proof(store)
    return store


def test_a_migration_that_is_copied_and_verified_can_be_cut_over(store: LocalStore) -> None:
    found = status(store)
    assert (True, "verified", ()) == (found.can_cut_over, found.phase, found.reasons)
    assert ((2, 2), (6, 7), None) == ((found.shards_done, found.shards), (found.copied, found.total), found.mode)
    assert "nothing here shows whether the source was written" in found.notes[0]
    assert {
        "phase": "verified",
        "shards": 2,
        "shards_done": 2,
        "copied": 6,
        "total": 7,
        "dead": 0,
        "open_intents": 0,
        "failed_intents": 0,
        "mode": None,
        "writers": 0,
        "compared": 0,
        "mismatches": 0,
        "verified": "1970-01-01T02:46:40Z",
        "can_cut_over": True,
        "reasons": [],
        "notes": list(found.notes),
    } == found.to_json()


def unfinished(store: LocalStore) -> None:
    save_state(store, "state/City-001.json", ShardState(PLAN.hash, "01", 1, 0, done=False))


def running(store: LocalStore) -> None:
    write_json(store, "copy.json", {"plan": PLAN.hash, "started": 8000.0})


def given_up(store: LocalStore) -> None:
    DeadLetters(store, "City-000").extend([DeadLetter("0a", "City/a", "no"), DeadLetter("0b", "City/b", "no")])


def copied_again(store: LocalStore) -> None:
    write_json(store, "copy.json", {"plan": PLAN.hash, "started": 8000.0, "ended": VERIFIED + 1})


def delta(store: LocalStore, *, ended: bool) -> None:
    facts = {"plan": PLAN.hash, "run": 1, "read_time": "1970-01-01T02:00:00Z", "ended": ended}
    write_json(store, "delta.json", facts)


def intent(store: LocalStore) -> None:
    log = IntentLog(store, "process")
    log.open(["City/c"], "forward")
    log.failed(log.open(["City/d"], "forward"), {"City/d": "no"})


def mismatch(store: LocalStore) -> None:
    write_json(store, "dual/compared/a.json", {"periods": [[0.0, 500, 2, ["City/e", "City/f"]]]})


def mismatches_without_paths(store: LocalStore) -> None:
    write_json(store, "dual/compared/a.json", {"periods": [[0.0, 1, 1, []]]})


def late_writer(store: LocalStore) -> None:
    register(store, "shadow-write", VERIFIED + 5)


def frozen_late(store: LocalStore) -> None:
    register(store, "frozen", VERIFIED + 5)


def switched(store: LocalStore) -> None:
    register(store, "frozen", 1.0)
    register(store, "switched", 2.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unfinished, "the copy has not ended: 1 of 2 shards are done"),
        (running, "the copy has not ended: 2 of 2 shards are done"),
        (given_up, "2 dead letters, the first of 'City/a'"),
        (lambda store: delta(store, ended=False), "the last delta has not ended"),
        (lambda store: store.delete("verify.json"), "it was not verified"),
        (lambda store: proof(store, plan="other"), "verify.json belongs to another plan: verify again"),
        (lambda store: proof(store, missing=1, extra=2, different=3), "verify found missing 1, extra 2, different 3"),
        (
            lambda store: proof(store, changed=1),
            "1 entity had changed when it was verified: delta, then verify again",
        ),
        (lambda store: proof(store, sample=0.01), "only a sample was verified (1%)"),
        (
            lambda store: proof(store, source_time=None),
            "verify.json doesn't say when the source was read: verify again",
        ),
        (copied_again, "verify is older than the last copy: verify again"),
        (
            lambda store: note_step(store, "repair", lambda: VERIFIED + 1),
            "verify is older than the last repair: verify again",
        ),
        (intent, "2 open intents of dual writes, the first of 'City/c': repair"),
        (mismatch, "2 mismatches in the last 500 compared reads, the first of 'City/e'"),
        (mismatches_without_paths, "1 mismatch in the last 1 compared reads"),
        (frozen_late, "writes are frozen since 1970-01-01T02:46:45Z, and it was verified before: verify again"),
        (switched, "the application has cut over already: processes register in 'switched'"),
        (
            lambda store: store.put("firestore.indexes.json", b'{"indexes": [{}, {}]}'),
            "2 composite indexes of firestore.indexes.json must be READY in the target: check that, then "
            "--indexes-checked",
        ),
        (
            lambda store: store.delete("index.yaml"),
            "which composite indexes the application needs is not known, as plan was not given an --index-yaml: check "
            "that those of the target are READY, then --indexes-checked",
        ),
    ],
)
def test_each_reason_against_a_cut_over(store: LocalStore, change: Callable[[LocalStore], None], reason: str) -> None:
    change(store)
    found = status(store)
    assert (False, (reason,)) == (found.can_cut_over, found.reasons)


def test_a_process_that_began_to_write_both_after_the_proof(store: LocalStore) -> None:
    late_writer(store)
    [reason] = status(store).reasons
    assert "writes both databases since 1970-01-01T02:46:45Z, and it was verified before: verify again" in reason


def test_processes_that_write_both_since_before_the_proof(store: LocalStore) -> None:
    registration = register(store, "shadow-read", VERIFIED - 5)
    found = status(store, clock=lambda: VERIFIED + 10)
    assert (True, "shadow-read", 1) == (found.can_cut_over, found.mode, found.writers)
    registration.leave()
    assert 0 == status(store, clock=lambda: VERIFIED + 10).writers


def test_all_frozen_since_before_the_proof(store: LocalStore) -> None:
    register(store, "shadow-write", VERIFIED - 500).leave()
    register(store, "frozen", VERIFIED - 5)
    assert status(store).can_cut_over


def test_a_writer_that_goes_on_while_others_are_frozen_has_to_mirror_since_before_the_proof(store: LocalStore) -> None:
    register(store, "shadow-write", VERIFIED - 30)
    register(store, "frozen", VERIFIED - 5)
    assert status(store).can_cut_over


def test_steps_before_the_proof_are_no_reason(store: LocalStore) -> None:
    note_step(store, "delta", lambda: VERIFIED - 1)
    note_step(store, "copy", lambda: VERIFIED - 1)
    delta(store, ended=True)
    assert status(store).can_cut_over


def test_dead_letters_are_waived_by_name(store: LocalStore) -> None:
    given_up(store)
    assert 1 == status(store, waive=["City/a"]).dead
    found = status(store, waive=["City/a", "0b"])
    assert (True, 0) == (found.can_cut_over, found.dead)


def test_indexes_that_were_checked(store: LocalStore) -> None:
    store.delete("index.yaml")
    assert status(store.directory, indexes_checked=True).can_cut_over


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"{", "firestore.indexes.json can't be read"), (b"[]", "it holds no object")],
)
def test_indexes_that_can_not_be_read(store: LocalStore, content: bytes, reason: str) -> None:
    store.put("firestore.indexes.json", content)
    with pytest.raises(JobFileError, match=reason):
        status(store)


def test_the_phases(store: LocalStore) -> None:
    store.delete("verify.json")
    assert "copied" == status(store).phase
    unfinished(store)
    assert "copying" == status(store).phase
    for name in ("copy.json", "state/City-000.json", "state/City-001.json"):
        store.delete(name)
    found = status(store)
    assert ("planned", ("the copy has not ended: 0 of 2 shards are done", "it was not verified")) == (
        found.phase,
        found.reasons,
    )


def test_a_directory_without_a_plan_and_one_of_another(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(JobFileError, match=r"plan\.json does not exist"):
        status(tmp_path / "other")
    save_state(store, "state/City-000.json", ShardState("ab" * 32, "", 0, 0))
    with pytest.raises(JobFileError, match=r"state/City-000\.json belongs to plan abababab"):
        status(store)


def test_a_step_that_is_damaged(store: LocalStore) -> None:
    write_json(store, "steps/copy.json", {"ended": "soon"})
    with pytest.raises(JobFileError, match="'ended' is 'soon', not a number of seconds"):
        status(store)
