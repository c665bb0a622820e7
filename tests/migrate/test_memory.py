"""The memory that a copy takes doesn't grow with the number of entities."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from cendry_datastore.migrate import copy
from migrate.generated import Generated, Sink

SHARDS, WORKERS = 4, 2


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs are given addresses where nothing is, so that they need no credentials; nothing is sent."""
    for name in ("DATASTORE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"):
        monkeypatch.setenv(name, "127.0.0.1:1")


def peak(entities: int, state: Path) -> int:
    """The most bytes that Python's objects had during a copy."""
    with Generated(entities // SHARDS) as source, Sink() as target:
        plan = source.plan(SHARDS)
        tracemalloc.start()
        try:
            result = copy(plan, state=state, workers=WORKERS, page=50, source=source, target=target)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert entities == result.copied == target.documents
    return most


def test_four_times_the_entities_take_no_more_memory(tmp_path: Path) -> None:
    peak(500, tmp_path / "warm")
    small, large = peak(2_000, tmp_path / "small"), peak(8_000, tmp_path / "large")
    # A reference to each entity that is kept would take 50 bytes and more. (Memory of protobuf's is not counted.)
    assert large < small + 6_000 * 16, (small, large)
