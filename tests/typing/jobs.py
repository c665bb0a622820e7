"""What type checkers make of long jobs, and of backfills."""

from __future__ import annotations

from typing import Any

from cendry_firestore.tools import (
    BackfillResult,
    Diff,
    DriftReport,
    FieldReport,
    Misfit,
    ModelReport,
    backfill,
    drift,
    infer,
    retry_dead,
)
from google.cloud.firestore_v1 import Client
from typing_extensions import assert_type

from cendry import AsyncCendry, Cendry, Field, FirestoreBackend, MemoryBackend, Model
from cendry.jobs import (
    AdaptiveThrottle,
    DeadLetter,
    DeadLetters,
    JobLock,
    LocalStore,
    Pace,
    Progress,
    ShardState,
    Stop,
    Store,
    find_json,
    load_state,
    open_store,
    read_json,
    read_pace,
    shard_name,
    write_pace,
)


class City(Model, collection="cities"):
    name: Field[str]


class Town(Model, collection="towns"):
    name: Field[str]


def upgrade(data: dict[str, Any]) -> dict[str, Any] | None:
    return data


def always(data: dict[str, Any]) -> dict[str, Any]:
    return data


def wrong(data: list[str]) -> dict[str, Any]:
    return {}


def show(progress: Progress) -> None:
    assert_type(progress.done, int)
    assert_type(progress.total, int | None)
    assert_type(progress.eta, float | None)


ctx = Cendry()
result = backfill(ctx, City, upgrade, state="state", on_progress=show)
assert_type(result, BackfillResult)
assert_type(result.rewritten, int)
assert_type(result.diffs, tuple[Diff, ...])
assert_type(result.failures, tuple[DeadLetter, ...])
backfill(FirestoreBackend(), "cities", always, dry_run=True)
backfill(MemoryBackend(), City, always, state=LocalStore("state"), workers=8, rate=100, group=True)
backfill(Client(), City, always, state="state", take_over=True, stop=Stop())
backfill(ctx, City, state="state")
assert_type(retry_dead(ctx, City, state="state"), BackfillResult)
assert_type(retry_dead(MemoryBackend(), "cities", upgrade, state=LocalStore("state"), take_over=True), BackfillResult)

report = drift(ctx, City)
assert_type(report, DriftReport)
assert_type(report.ok, bool)
assert_type(report.models, tuple[ModelReport, ...])
assert_type(report.models[0].misfits, tuple[Misfit, ...])
assert_type(report.models[0].fields, tuple[FieldReport, ...])
drift(FirestoreBackend(), [City, Town], sample=10_000, on_progress=show, stop=Stop())
assert_type(infer(Client(), "cities"), str)
infer(ctx, "cities", "towns", sample=None, group=True, on_progress=show)

backfill(ctx, City, wrong, state="state")  # error: mypy pyright ty
backfill(ctx, City("x"), upgrade, state="state")  # error: mypy pyright ty
backfill(ctx, City, upgrade, state=5)  # error: mypy pyright ty
backfill(ctx, City, upgrade, state="state", rate="fast")  # error: mypy pyright ty
backfill(ctx, City, upgrade, "state")  # error: mypy pyright ty
backfill(AsyncCendry(), City, upgrade, state="state")  # error: mypy pyright ty
retry_dead(ctx, City, upgrade)  # error: mypy pyright ty
retry_dead(ctx, City, state="state", dry_run=True)  # error: mypy pyright ty
drift(ctx, "cities")  # error: mypy pyright ty
drift(ctx, City, Town)  # error: mypy pyright ty
drift(AsyncCendry(), City)  # error: mypy pyright ty
infer(ctx, City)  # error: mypy pyright ty
infer(ctx, "cities", sample="all")  # error: mypy pyright ty

store = open_store("state")
assert_type(store, Store)
assert_type(store.get("plan.json"), bytes | None)
assert_type(store.list(), list[str])
assert_type(read_json(store, "plan.json"), dict[str, Any])
assert_type(find_json(store, "plan.json"), dict[str, Any] | None)
assert_type(load_state(store, shard_name("City", 1), "hash"), ShardState)
assert_type(DeadLetters.read(store), dict[str, DeadLetter])
assert_type(read_pace(store), Pace)
write_pace(store, Pace(rate=100))
throttle = AdaptiveThrottle.open(store, max_rate=100)
assert_type(throttle.acquire(5), float)
with JobLock(store) as lock:
    assert_type(lock, JobLock)
    lock.check()
with Stop().on_signals() as stop:
    assert_type(stop, Stop)
open_store(5)  # error: mypy pyright ty
throttle.note(True)  # error: mypy pyright ty
write_pace(store, 100)  # error: mypy pyright ty
