"""What steps do for which no database is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry.errors import LockLostError
from cendry.jobs import AdaptiveThrottle, JobLock, LocalStore, ShardState, Stop
from cendry_datastore.migrate import delta, status
from cendry_datastore.migrate.copying import ShardCopier
from cendry_datastore.migrate.files import write_plan
from core.stores import Clock
from migrate.generated import Generated, Sink


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs are given addresses where nothing is, so that they need no credentials; nothing is sent."""
    for name in ("DATASTORE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"):
        monkeypatch.setenv(name, "127.0.0.1:1")


class Ticking(Stop):
    """Lets a clock run instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def wait(self, seconds: float | None = None) -> bool:
        self.clock.now += seconds or 0.0
        return False


class Noting(Sink):
    """A target that notes when how many documents came."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.commits: list[tuple[float, int]] = []

    def commit(self, writes: Sequence[Any], **options: Any) -> None:
        super().commit(writes, **options)
        self.commits.append((self.clock.now, len(writes)))


def test_one_of_many_workers_never_writes_more_at_once_than_its_share(tmp_path: Path) -> None:
    clock, store = Clock(100.0), LocalStore(tmp_path)
    with Generated(120) as source, Noting(clock) as target, JobLock(store) as lock:
        plan = source.plan(1)
        pace = AdaptiveThrottle.open(store, max_rate=400, workers=20, clock=clock)
        copier = ShardCopier(plan, source, target, stop=Ticking(clock), page=60, store=store, lock=lock, pace=pace)
        state = copier.copy(plan.shards[0], ShardState(plan.hash), lambda count, dead: None)

    assert (120, True) == (state.copied, state.done)
    assert [20] * 6 == [count for _, count in target.commits]
    assert pytest.approx([100, 101, 102, 103, 104, 105]) == [when for when, _ in target.commits]


class Overtaken(Generated):
    """A source while whose moment is asked for another process takes over."""

    other: JobLock

    def now(self) -> datetime:
        self.other.__enter__()
        return datetime(2026, 11, 28, tzinfo=timezone.utc)


def test_a_delta_that_found_nothing_to_write_does_not_end_after_another_step_has_taken_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with Overtaken(0) as source, Sink() as target:
        source.other = JobLock(store, what="delta", take_over=True)
        plan = source.plan(0)
        write_plan(store, plan)
        with pytest.raises(LockLostError, match="has lost its lock"):
            delta(plan, state=store, source=source, target=target)
        source.other.__exit__(None, None, None)
    assert "the last delta has not ended" in status(store).reasons
