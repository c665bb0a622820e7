from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from cendry.backend import CallOptions
from cendry.errors import CendryError, DocumentAlreadyExistsError, TransactionContentionError
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, Create, Delete, GetPlan, QueryPlan, Set, Update
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend
from google.api_core import exceptions


async def test_a_transaction_writes_at_its_commit(firestore: Any) -> None:
    transaction = await firestore.begin()
    [before] = await firestore.get("c/a", transaction=transaction)
    result = await firestore.commit(Set("c/a", {"x": 1}), transaction=transaction)
    assert (None, 1) == (before.data, len(result.update_times))
    assert {"x": 1} == await firestore.data("c/a")


async def test_a_rollback_writes_nothing_and_ends_it(firestore: Any) -> None:
    transaction = await firestore.begin()
    await firestore.get("c/a", transaction=transaction)
    await firestore.rollback(transaction)
    with pytest.raises(CendryError):
        await firestore.commit(Set("c/a", {"x": 1}), transaction=transaction)
    assert await firestore.data("c/a") is None


async def test_a_transaction_may_do_nothing(firestore: Any) -> None:
    result = await firestore.commit(transaction=await firestore.begin())
    assert () == result.update_times


async def test_reads_see_the_transactions_snapshot(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"x": 1}), Set("c/b", {"x": 1}))
    transaction = await firestore.begin(read_only=True)
    await firestore.get("c/a", transaction=transaction)
    await firestore.commit(Set("c/a", {"x": 2}), Delete("c/b"))
    assert [{"x": 1}, {"x": 1}] == [
        result.data for result in await firestore.run(QueryPlan("c"), transaction=transaction)
    ]
    assert (2,) == await firestore.aggregate(AggregationPlan(QueryPlan("c")), transaction=transaction)
    await firestore.rollback(transaction)


async def test_a_read_only_transaction_refuses_writes(firestore: Any) -> None:
    transaction = await firestore.begin(read_only=True)
    await firestore.get("c/a", transaction=transaction)
    with pytest.raises(CendryError):
        await firestore.commit(Set("c/a", {}), transaction=transaction)


async def test_a_transaction_can_be_the_retry_of_another(firestore: Any) -> None:
    first = await firestore.begin()
    await firestore.rollback(first)
    second = await firestore.begin(retry_of=first)
    await firestore.commit(Create("c/a", {}), transaction=second)
    assert {} == await firestore.data("c/a")


async def test_errors_of_a_commit_are_told_in_a_transaction_too(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {}))
    with pytest.raises(DocumentAlreadyExistsError):
        await firestore.commit(Create("c/a", {}), transaction=await firestore.begin())


async def test_contention_has_its_own_error(firestore: Any) -> None:
    await firestore.commit(Set("c/a", {"x": 0}))
    first, second = await firestore.begin(), await firestore.begin()
    # Both hold a lock that the other needs; the emulator lets one of them go after about two seconds.
    await firestore.get("c/a", transaction=first)
    await firestore.get("c/a", transaction=second)
    with pytest.raises(TransactionContentionError) as caught:
        await firestore.commit(Set("c/a", {"x": 1}), transaction=first)
    assert isinstance(caught.value.__cause__, exceptions.Aborted)
    await firestore.commit(Set("c/a", {"x": 2}), transaction=second)
    assert {"x": 2} == await firestore.data("c/a")


async def test_a_write_outside_meets_contention_too(firestore: Any) -> None:
    transaction = await firestore.begin()
    await firestore.get("c/a", transaction=transaction)
    with pytest.raises(TransactionContentionError):
        await firestore.commit(Set("c/a", {"x": 1}), options=CallOptions(timeout=30))
    await firestore.rollback(transaction)


THREADS, INCREMENTS = 3, 3


def increment(data: dict[str, Any] | None) -> Update:
    assert data is not None
    return Update("c/a", {"n": data["n"] + 1}, (FieldPath("n"),))


def test_nothing_is_lost_under_threads(backend: FirestoreBackend) -> None:
    backend.commit([Set("c/a", {"n": 0})])

    def work() -> None:
        for _ in range(INCREMENTS):
            transaction = None
            while True:
                transaction = backend.begin(retry_of=transaction)
                try:
                    [read] = backend.get(GetPlan(("c/a",)), transaction=transaction)
                    backend.commit([increment(read.data)], transaction=transaction)
                    break
                except TransactionContentionError:
                    time.sleep(0.05 * (1 + threading.get_ident() % 7))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [{"n": THREADS * INCREMENTS}] == [result.data for result in backend.get(GetPlan(("c/a",)))]


async def test_nothing_is_lost_under_tasks(firestore_emulator: str, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)
    await backend.commit([Set("c/a", {"n": 0})])

    async def work(number: int) -> None:
        for _ in range(INCREMENTS):
            transaction = None
            while True:
                transaction = await backend.begin(retry_of=transaction)
                try:
                    [read] = [result async for result in backend.get(GetPlan(("c/a",)), transaction=transaction)]
                    await backend.commit([increment(read.data)], transaction=transaction)
                    break
                except TransactionContentionError:
                    await asyncio.sleep(0.05 * (1 + number))

    await asyncio.gather(*map(work, range(THREADS)))
    results = [result.data async for result in backend.get(GetPlan(("c/a",)))]
    await backend.close()
    assert [{"n": THREADS * INCREMENTS}] == results
