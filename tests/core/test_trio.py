"""The async twin needs asyncio, and says so where another library's loop could run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import pytest
from cendry import AsyncCendry, AsyncMemoryBackend, CendryError, Field, Model


class City(Model, collection="cities"):
    name: Field[str]


async def first_of(ctx: AsyncCendry) -> None:
    async for _ in ctx.select(City):
        break


async def page(ctx: AsyncCendry) -> None:
    async for _ in ctx.select(City).paginate(2):
        break


async def no_op(_: Any) -> None:
    pass


async def bulk(ctx: AsyncCendry) -> None:
    ctx.bulk()


CALLS: list[Callable[[AsyncCendry], Coroutine[Any, Any, Any]]] = [
    lambda ctx: ctx.save(City(name="x")),
    lambda ctx: ctx.get(City, "x"),
    lambda ctx: ctx.get_many(City, ["x", "y"]),
    lambda ctx: ctx.select(City).to_list(),
    page,
    lambda ctx: ctx.select(City).count(),
    lambda ctx: ctx.select_group(City).partitions(2),
    lambda ctx: ctx.select(City).explain(),
    first_of,
    lambda ctx: ctx.transaction(no_op),
    lambda ctx: ctx.snapshots(City, "x").__anext__(),
    bulk,
]


@pytest.mark.parametrize("call", CALLS)
def test_calls_under_trio_are_refused(monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    # Stands for the library, which is not among the dependencies of the tests: only its presence is looked at.
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    coroutine = call(AsyncCendry(backend=AsyncMemoryBackend()))
    with pytest.raises(CendryError, match=r"AsyncCendry needs asyncio, .* Under trio, use Cendry in a thread"):
        coroutine.send(None)


async def test_asyncio_may_run_where_trio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    ctx = AsyncCendry(backend=AsyncMemoryBackend())
    city = City(name="x")
    assert await ctx.save(city) == city.id
    assert [city] == await ctx.select(City).to_list()


def test_trio_itself() -> None:
    trio = pytest.importorskip("trio", reason="trio is not installed")

    async def main() -> None:
        await AsyncCendry(backend=AsyncMemoryBackend()).save(City(name="x"))

    with pytest.raises(CendryError, match="AsyncCendry needs asyncio"):
        trio.run(main)
