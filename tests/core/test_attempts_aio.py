"""Attempts that are repeated: those of transactions, and those of get_or_create where others get in between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from cendry import AsyncCendry, AsyncTransaction, DocumentAlreadyExistsError, TransactionContentionError
from cendry.plan import Delete
from core.documents import NOW, City
from core.recording import AsyncRecordingBackend


async def clear(txn: AsyncTransaction) -> None:
    txn.delete(City, "LA")


@pytest.fixture
def store() -> AsyncRecordingBackend:
    return AsyncRecordingBackend()


@pytest.fixture
def ctx(store: AsyncRecordingBackend, pauses: Random) -> AsyncCendry:
    return AsyncCendry(backend=store, clock=lambda: NOW, random=pauses)


class SamePauses(Random):
    """Draws 50 milliseconds, whatever it is asked for."""

    def uniform(self, a: float, b: float) -> float:
        return 0.05


async def test_the_pause_that_was_drawn_passes(store: AsyncRecordingBackend) -> None:
    store.fail("commit", TransactionContentionError(), times=2)
    begun = time.monotonic()
    await AsyncCendry(backend=store, random=SamePauses()).transaction(clear)
    assert time.monotonic() - begun >= 0.1


async def test_exhausted_attempts_tell_their_number_and_cause(ctx: AsyncCendry, store: AsyncRecordingBackend) -> None:
    aborted = RuntimeError("409 Aborted")
    contention = TransactionContentionError()
    contention.__cause__ = aborted
    store.fail("commit", contention, times=9)
    with pytest.raises(TransactionContentionError) as caught:
        await ctx.transaction(clear, max_attempts=3)
    assert (caught.value.attempts, caught.value.__cause__) == (3, aborted)
    assert "after 3 attempts; nothing was written" in str(caught.value)
    assert [name for name, _ in store.calls] == ["begin", "commit", "rollback"] * 3
    another = TransactionContentionError()
    store.failures[:] = [("commit", another)] * 5
    with pytest.raises(TransactionContentionError) as caught:
        await ctx.transaction(clear)
    assert (caught.value.attempts, caught.value.__cause__) == (5, another)


class AsyncContested(AsyncRecordingBackend):
    """Lets someone else create the document between the read and the write, or delete it again."""

    def __init__(self, created: int, deleted: int = 0) -> None:
        super().__init__()
        self.created = created
        self.deleted = deleted

    async def commit(self, writes: Any, **options: Any) -> Any:
        if self.created:
            self.created -= 1
            self.put("cities/SF", {"displayName": "theirs"})
        return await super().commit(writes, **options)

    async def get(self, plan: Any, **options: Any) -> AsyncIterator[Any]:
        if self.deleted:
            self.deleted -= 1
            await super().commit([Delete("cities/SF")])
        async for result in super().get(plan, **options):  # async-only
            yield result
        # sync: yield from super().get(plan, **options)


async def test_of_several_creators_one_wins() -> None:
    ctx = AsyncCendry(backend=AsyncContested(created=1))
    city, created = await ctx.get_or_create(City, "SF", {"name": "mine"})
    assert (city.name, created) == ("theirs", False)


async def test_get_or_create_gives_up_where_others_create_and_delete_forever() -> None:
    backend = AsyncContested(created=9, deleted=9)
    with pytest.raises(DocumentAlreadyExistsError):
        await AsyncCendry(backend=backend).get_or_create(City, "SF", {"name": "mine"})
    assert len([writes for writes in backend.plans("commit") if not isinstance(writes[0], Delete)]) == 5
