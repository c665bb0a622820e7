from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from cendry.backend import AsyncBackend, Backend, ListenResult
from cendry.errors import DocumentAlreadyExistsError, TransactionContentionError
from cendry.plan import AggregationPlan, Create, GetPlan, QueryPlan, Set
from cendry_memory import AsyncMemoryBackend, ManualClock, MemoryBackend, ServiceUnavailableError
from cendry_memory._loop import LoopListener
from memory.asking import is_, stored


def unheard(what: object) -> None:
    """A callback that nobody may call."""
    pytest.fail(str(what))


async def read(backend: AsyncMemoryBackend, path: str, **options: Any) -> Any:
    [result] = [each async for each in backend.get(GetPlan((path,)), **options)]
    return result.data


async def test_every_call_has_its_async_form() -> None:
    backend: Any = AsyncMemoryBackend()
    result = await backend.commit([Set("c/a", {"x": 1}), Set("c/b", {"x": 2})])
    assert len(result.update_times) == 2
    assert await read(backend, "c/a") == {"x": 1}
    found = [each.path async for each in backend.run(QueryPlan("c", where=is_("x", ">", 1)))]
    assert found == ["c/b"]
    assert await backend.aggregate(AggregationPlan(QueryPlan("c"))) == (2,)
    txn = backend.begin()
    assert await read(backend, "c/a", transaction=txn) == {"x": 1}
    await backend.rollback(txn)
    with pytest.raises(DocumentAlreadyExistsError):
        await backend.commit([Create("c/a", {})])
    assert (backend.name, backend.client) == ("Memory", None)
    await backend.close()


async def test_both_twins_can_have_one_store() -> None:
    sync = MemoryBackend()
    twin = AsyncMemoryBackend(store=sync.store)
    assert (twin.store is sync.store, twin.faults is sync.faults) == (True, True)
    await twin.commit([Set("c/a", {"x": 1})])
    assert stored(sync, "c/a") == {"x": 1}
    sync.faults.unavailable_next()
    with pytest.raises(ServiceUnavailableError):
        await read(twin, "c/a")
    assert (sync.name, sync.client) == ("Memory", None)


@pytest.mark.parametrize("kind", [MemoryBackend, AsyncMemoryBackend])
@pytest.mark.parametrize("option", [{"path": "x.db"}, {"strict_indexes": None}, {"clock": ManualClock()}])
def test_a_store_is_given_alone(kind: Any, option: Any) -> None:
    with pytest.raises(TypeError, match="pass it alone"):
        kind(store=MemoryBackend().store, **option)


async def test_every_call_lets_other_tasks_run() -> None:
    backend = AsyncMemoryBackend()
    await backend.commit([Set("c/a", {"n": 0})])

    async def add() -> None:
        value = (await read(backend, "c/a"))["n"]
        await backend.commit([Set("c/a", {"n": value + 1})])

    await asyncio.gather(*[add() for _ in range(5)])
    assert await read(backend, "c/a") == {"n": 1}


async def test_transactions_of_tasks_lose_nothing() -> None:
    backend = AsyncMemoryBackend()
    await backend.commit([Set("c/a", {"n": 0})])

    async def add() -> None:
        while True:
            txn = backend.begin()
            try:
                value = (await read(backend, "c/a", transaction=txn))["n"]
                await backend.commit([Set("c/a", {"n": value + 1})], transaction=txn)
                return
            except TransactionContentionError:
                await asyncio.sleep(0)

    await asyncio.gather(*[add() for _ in range(10)])
    assert await read(backend, "c/a") == {"n": 10}


class TestListening:
    async def test_callbacks_run_in_the_event_loop(self) -> None:
        backend = AsyncMemoryBackend()
        heard: list[tuple[int, asyncio.AbstractEventLoop]] = []

        def hear(result: ListenResult) -> None:
            heard.append((len(result.documents), asyncio.get_running_loop()))

        handle = backend.listen(QueryPlan("c"), hear, unheard)
        await backend.commit([Set("c/a", {})])
        assert await backend.drain(10)
        assert heard == [(0, asyncio.get_running_loop()), (1, asyncio.get_running_loop())]
        handle.close()
        handle.close()
        await backend.commit([Set("c/b", {})])
        assert await backend.drain()
        assert len(heard) == 2

    async def test_what_is_on_its_way_at_close_is_not_told(self) -> None:
        backend = AsyncMemoryBackend()
        heard: list[object] = []
        handle = backend.listen(QueryPlan("c"), heard.append, heard.append)
        assert await backend.drain(10)
        assert len(heard) == 1
        heard.clear()
        handle = backend.listen(QueryPlan("c"), heard.append, heard.append)
        backend.store.drain(10)
        handle.close()
        await asyncio.sleep(0)
        assert heard == []
        await backend.close()

    async def test_errors_are_told_too(self) -> None:
        backend = AsyncMemoryBackend()
        errors: list[BaseException] = []
        backend.listen(QueryPlan("c", where=is_("a", "in", [])), unheard, errors.append)
        await backend.drain()
        assert [type(error).__name__ for error in errors] == ["InvalidRequestError"]

    def test_a_loop_that_has_ended_ends_its_listeners(self) -> Any:
        backend = AsyncMemoryBackend()

        async def listen() -> LoopListener:
            handle = backend.listen(QueryPlan("c"), lambda snapshot: None, lambda error: None)
            await backend.drain()
            assert isinstance(handle, LoopListener)
            return handle

        asyncio.run(listen())
        backend.store.commit([Set("c/a", {})])
        assert backend.store.drain(10)
        assert backend.store._dispatcher._listeners == {}


@pytest.mark.parametrize(("protocol", "kind"), [(Backend, MemoryBackend), (AsyncBackend, AsyncMemoryBackend)])
def test_the_backends_have_the_signatures_of_the_protocol(protocol: type[Any], kind: type[Any]) -> None:
    for name, member in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        ours = inspect.signature(getattr(kind, name))
        assert str(ours.replace(return_annotation=None)) == str(
            inspect.signature(member).replace(return_annotation=None)
        )
