"""Each request of the catalogue of refusals, on an empty database and on one with documents, in lockstep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cendry.plan import Set
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from lockstep.pair import Pair
from lockstep.refusals import REFUSALS

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(firestore_emulator: str, project: str) -> Iterator[Pair]:
    firestore, memory = FirestoreBackend(project=project), MemoryBackend()
    yield Pair(firestore, memory)
    firestore.close()
    memory.close()


@pytest.mark.parametrize("name", REFUSALS)
def test_memory_refuses_what_firestore_refuses(pair: Pair, name: str) -> None:
    REFUSALS[name](pair)
    writes = [
        Set("c/d1", {"a": 1, "b": None, "t": [1, "a"], "m": {"x": 1, "y": {"z": 1}}}),
        Set("c/d2", {"a": float("nan"), "b": 2, "t": []}),
        Set("c/d3", {"a": 2.0, "b": "a", "m": {}}),
        Set("c/d1/s/d1", {"a": 1}),
        Set("c/refused", {"a": "a", "t": 5, "m": {"x": "x"}}),
    ]
    pair.commit(writes, writes)
    REFUSALS[name](pair)
