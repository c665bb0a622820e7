# What raises here is the end of a block, so that pytest.raises() has to hold one.

"""Contexts of both twins on Firestore, as far as the SDK is concerned; the conformance suite says the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    AsyncFirestoreBackend,
    AsyncTransaction,
    Cendry,
    CendryError,
    FieldFilter,
    FirestoreBackend,
)
from core.documents import City
from google.cloud import firestore as sdk

pytestmark = pytest.mark.usefixtures("firestore_emulator")


@pytest.fixture
def ctx(twin: str, make: Callable[..., Any], project: str) -> Iterator[Any]:
    with make(project=project) as context:
        yield context


def ids(cities: Any) -> list[str]:
    return [city.id for city in cities]


@pytest.fixture
def cities(ctx: Any) -> Any:
    ctx.save_many(
        City(id=name, name=name.upper(), population=index, state="CA" if index < 2 else "NY", regions=[name, "all"])
        for index, name in enumerate("abcde")
    )
    return ctx.select(City, order_by=City.population)


def test_changes_of_the_sdk_are_taken_where_our_own_are(ctx: Any) -> None:
    ctx.save(City(id="x", name="X", population=1, regions=["a"], attributes={"k": 1}))
    ctx.update(
        City,
        "x",
        {
            City.population: sdk.Increment(2),
            "regions": sdk.ArrayUnion(["b"]),
            City.attributes["k"]: sdk.DELETE_FIELD,
            City.attributes["at"]: sdk.SERVER_TIMESTAMP,
        },
    )
    found = ctx.get(City, "x")
    assert (found.population, found.regions, list(found.attributes)) == (3, ["a", "b"], ["at"])
    ctx.save(City(id="x", name="X", population=sdk.Maximum(2), regions=sdk.ArrayRemove(["a"])))  # type: ignore[arg-type]
    found = ctx.get(City, "x")
    assert (found.population, found.regions) == (2, [])
    with pytest.raises(CendryError, match=r"Increment\(value=1\) changes what is stored, and a new City has nothing"):
        ctx.get_or_create(City, "new", {"name": "X", "population": sdk.Increment(1)})


def test_references_of_the_sdk_name_documents(cities: Any, ctx: Any, project: str) -> None:
    reference = sdk.Client(project=project).document("cities/b")
    assert cities.filter(FieldFilter("__name__", "==", reference)).ids() == ["b"]
    assert cities.filter(City.id.is_in([reference, "c"])).ids() == ["b", "c"]  # type: ignore[list-item]
    with pytest.raises(CendryError, match="a database other than"):
        cities.filter(City.id == sdk.Client(project="other").document("cities/b")).ids()


async def test_a_cancelled_transaction_leaves_no_lock(project: str) -> None:
    async with AsyncCendry(project=project) as ctx:
        await ctx.save(City(id="SF", name="x"))
        inside = asyncio.Event()

        async def wait(txn: AsyncTransaction) -> None:
            await txn.get(City, "SF")
            inside.set()
            await asyncio.sleep(60)

        task = asyncio.ensure_future(ctx.transaction(wait))
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        began = time.monotonic()
        await ctx.update(City, "SF", {"name": "y"})
        assert time.monotonic() - began < 15


def test_clients_of_the_user_stay_open(project: str, firestore_emulator: str) -> None:
    from google.cloud import firestore

    client = firestore.Client(project=project)
    for context in (Cendry(client), Cendry(client=client), Cendry(backend=FirestoreBackend(client))):
        with context as ctx:
            assert ctx.client is client
            ctx.save(City(id="SF", name="x"))
    assert (client.document("cities/SF").get().to_dict() or {})["displayName"] == "x"


async def test_async_clients_of_the_user_stay_open(project: str) -> None:
    from google.cloud import firestore

    client = firestore.AsyncClient(project=project)
    for context in (AsyncCendry(client), AsyncCendry(backend=AsyncFirestoreBackend(client))):
        async with context as ctx:
            assert ctx.client is client
            await ctx.save(City(id="SF", name="x"))
    assert ((await client.document("cities/SF").get()).to_dict() or {})["displayName"] == "x"


def test_a_module_level_context_serves_one_loop_after_another(project: str) -> None:
    ctx = AsyncCendry(project=project)

    async def write(name: str) -> int:
        await ctx.save(City(id=name, name=name))
        return await ctx.select(City).count()

    assert asyncio.run(write("a")) == 1
    assert asyncio.run(write("b")) == 2
    asyncio.run(ctx.close())
    with pytest.raises(CendryError, match="This context is closed"):
        asyncio.run(write("c"))
