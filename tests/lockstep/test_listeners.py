"""Listeners of memory and of the emulator, in both twins, on a few queries that each run of the suite shows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from cendry.paths import FieldPath
from cendry.plan import Condition, Delete, GetPlan, Order, QueryPlan, Set, Write
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from lockstep.pair import Pair

N = FieldPath("n")
PLANS = {
    "all": QueryPlan("c"),
    "filter and order": QueryPlan("c", where=Condition(N, ">", 1), orders=(Order(N, True),)),
    "limit": QueryPlan("c", orders=(Order(N),), limit=2),
    "limit of a filter": QueryPlan("c", where=Condition(N, "<", 4), orders=(Order(N, True),), limit=1),
    "group": QueryPlan("c", group=True),
    "document": GetPlan(("c/a",)),
}
COMMITS: list[list[Write]] = [
    [Set("c/a", {"n": 1}), Set("c/b", {"n": 2}), Set("c/d", {"n": 3})],
    [Set("c/a", {"n": 5}), Delete("c/b")],
    [Set("p/x/c/e", {"n": 2}), Set("c/d", {"n": 0})],
    [Set("c/f", {"n": 2}), Set("c/g", {"n": 1}), Delete("c/a")],
    [Delete("c/g"), Set("c/f", {})],
]


@pytest.fixture
def pair(firestore_emulator: str) -> Iterator[Pair]:
    firestore, memory = FirestoreBackend(project=f"lockstep-{uuid.uuid4().hex[:16]}"), MemoryBackend()
    yield Pair(firestore, memory)
    firestore.close()
    memory.close()


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_listeners_see_the_same(pair: Pair, plan: QueryPlan | GetPlan, twin: str) -> None:
    watch = pair.listen(plan, twin)
    watch.settle()
    for writes in COMMITS:
        pair.commit(writes, writes)
        watch.settle()
    watch.close()
