"""Real contention, in the deep profile only, since the emulator waits for seconds: on both sides, one of two wins.

Who wins differs: the emulator lets the other wait for the transaction's locks, and aborts it; memory never waits, and
aborts the transaction.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cendry import Cendry, Field, Model, Txn, field
from cendry.backend import CallOptions
from cendry.errors import TransactionContentionError
from cendry.paths import FieldPath
from cendry.plan import Aggregation, AggregationPlan, Condition, Create, Delete, GetPlan, QueryPlan, Set, Update
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend

pytestmark = pytest.mark.slow

A = FieldPath("a")
PLAN = QueryPlan("c", where=Condition(A, ">=", 2))

READS = {
    "get": lambda backend, handle: list(backend.get(GetPlan(("c/two",)), transaction=handle)),
    "get of an absent one": lambda backend, handle: list(backend.get(GetPlan(("c/new",)), transaction=handle)),
    "query": lambda backend, handle: list(backend.run(PLAN, transaction=handle)),
    "aggregation": lambda backend, handle: backend.aggregate(
        AggregationPlan(PLAN, (Aggregation("count"),)), transaction=handle
    ),
}
OTHERS = {
    "update": Update("c/two", {"a": 3}, (A,)),
    "delete": Delete("c/two"),
    "create": Create("c/new", {"a": 5}),
    "move into the query": Set("c/one", {"a": 7}),
    "somewhere else": Set("d/one", {"a": 7}),
}
CONFLICTS = {
    "get": {"update", "delete"},
    "get of an absent one": {"create"},
    "query": {"update", "delete", "create", "move into the query"},
    "aggregation": {"update", "delete", "create", "move into the query"},
}


@pytest.fixture(autouse=True)
def _deep(request: pytest.FixtureRequest) -> None:
    if request.config.option.hypothesis_profile != "deep":
        pytest.skip("contention takes seconds on the emulator: CENDRY_HYPOTHESIS_PROFILE=deep")


@pytest.fixture(params=["memory", "firestore"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    request.getfixturevalue("firestore_emulator")
    backend = FirestoreBackend(project=request.getfixturevalue("project"))
    yield backend
    backend.close()


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("read", READS)
def test_of_a_transaction_and_a_write_to_what_it_read_one_wins(backend: Any, read: str, other: str) -> None:
    backend.commit([Set("c/one", {"a": 1}), Set("c/two", {"a": 2})])
    handle = backend.begin()
    READS[read](backend, handle)
    wins = []
    try:
        backend.commit([OTHERS[other]], options=CallOptions(timeout=30))
        wins.append("other")
    except TransactionContentionError:
        pass
    try:
        backend.commit([Set("seen/it", {"by": "transaction"})], transaction=handle)
        wins.append("transaction")
    except TransactionContentionError:
        pass
    if other in CONFLICTS[read]:
        assert len(wins) == 1
    else:
        assert wins == ["other", "transaction"]
    [seen] = backend.get(GetPlan(("seen/it",)))
    assert ("transaction" in wins) == (seen.data is not None)


class Counter(Model, collection="counters"):
    count: Field[int] = field(default=0)


@pytest.mark.timeout(600)
def test_no_increment_is_lost_among_threads(backend: Any) -> None:
    threads, times = 4, 5
    with Cendry(backend=backend, random=random.Random(7)) as ctx:
        ctx.save(Counter(id="it"))

        def increment(txn: Txn) -> None:
            counter = txn.get(Counter, "it")
            txn.update(counter, {Counter.count: counter.count + 1})

        def work() -> None:
            for _ in range(times):
                ctx.transaction(increment, max_attempts=100)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert threads * times == ctx.get(Counter, "it").count
