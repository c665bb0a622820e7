"""Where Python can't start threads, in WebAssembly, the async twin listens all the same: in its event loop."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cendry import AsyncCendry, Field, Model, UnsupportedByBackendError, _threads
from cendry.backend import ListenResult
from cendry.errors import InvalidRequestError
from cendry.plan import QueryPlan, Set
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from memory.asking import is_


class City(Model, collection="cities"):
    name: Field[str]


@pytest.fixture(autouse=True)
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_threads, "CAN_START", False)
    monkeypatch.setattr(threading.Thread, "start", start)


def test_the_sync_backend_refuses_listeners() -> None:
    backend = MemoryBackend()
    with pytest.raises(UnsupportedByBackendError, match="Memory does not support listeners of the sync twin"):
        backend.listen(QueryPlan("c"), print, print)
    backend.commit([Set("c/a", {})])
    assert backend.drain()


async def test_each_commit_is_reported_in_the_loop() -> None:
    results: list[ListenResult] = []
    async with AsyncMemoryBackend() as backend:
        handle = backend.listen(QueryPlan("c"), results.append, print)
        await backend.commit([Set("c/a", {"v": 1})])
        await backend.commit([Set("c/a", {"v": 2}), Set("c/b", {"v": 3})])
        assert await backend.drain(10)
        assert [[], ["c/a"], ["c/a", "c/b"]] == [[each.path for each in result.documents] for result in results]
        handle.close()
        await backend.commit([Set("c/c", {})])
        await backend.drain()
        assert 3 == len(results)


async def test_a_commit_of_the_sync_twin_is_reported_too() -> None:
    results: list[ListenResult] = []
    backend = MemoryBackend()
    listening = AsyncMemoryBackend(store=backend.store)
    listening.listen(QueryPlan("c"), results.append, print)
    backend.commit([Set("c/a", {})])
    await listening.drain()
    assert 2 == len(results)


async def test_what_is_refused_is_reported() -> None:
    errors: list[BaseException] = []
    async with AsyncMemoryBackend() as backend:
        backend.listen(QueryPlan("c", where=is_("v", "in", [])), print, errors.append)
        await backend.drain()
    assert [InvalidRequestError] == [type(error) for error in errors]


async def test_a_listener_that_fails_ends_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    results: list[ListenResult] = []
    backend = AsyncMemoryBackend()
    backend.listen(QueryPlan("c"), results.append, print)

    def broken(error: BaseException) -> None:
        raise error

    def fail(result: ListenResult) -> None:
        raise ZeroDivisionError

    backend.store.listen(QueryPlan("c"), fail, broken)
    await backend.commit([Set("c/a", {})])
    await backend.drain()
    assert [ZeroDivisionError] == [each.exc_type for each in shown]
    assert 2 == len(results)


async def test_snapshots_give_each_state() -> None:
    async with AsyncCendry(backend=AsyncMemoryBackend()) as ctx:
        states = ctx.select(City).snapshots()
        assert () == (await anext_of(states)).documents
        await ctx.save(City(id="SF", name="San Francisco"))
        assert ["SF"] == [city.id for city in (await anext_of(states)).documents]


async def anext_of(states: Any) -> Any:
    return await states.__anext__()
