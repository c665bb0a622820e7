# What raises here is the end of a block, so that pytest.raises() has to hold one.
# ruff: noqa: PT012

"""Contexts of both twins over Firestore's emulator: what the recording backend says must hold there too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    AsyncCendry,
    AsyncFirestoreBackend,
    AsyncTransaction,
    Cendry,
    CendryError,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    FieldFilter,
    FirestoreBackend,
    Increment,
    InvalidRequestError,
    Maximum,
    Minimum,
    MissingIndexError,
    Ref,
    Snapshot,
    StaleDocumentError,
    Transaction,
    get_metadata,
)
from core.documents import Area, City, Kept, Mayor, Spot, Stamped, Status
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


def test_documents_come_back_as_they_were_saved(ctx: Any) -> None:
    city = City(
        name="x",
        area=1.5,
        tags={Status.OPEN, Status.CLOSED},
        status=Status.CLOSED,
        mayor=Mayor(name="m"),
        attributes={"a.b": [1, {"c": None}], "`": True},
        budget=Decimal("1.50"),
        twin=Ref(City, "LA"),
    )
    document_id = ctx.save(city)
    found = ctx.get(City, document_id)
    assert found == city
    assert get_metadata(found).update_time == get_metadata(city).update_time
    assert get_metadata(found).create_time == get_metadata(found).update_time
    stamped = Stamped()
    ctx.create(stamped)
    assert ctx.get(Stamped, stamped.id) == stamped


def test_errors_have_their_meaning(ctx: Any) -> None:
    city = City(id="SF", name="x")
    ctx.create(city)
    with pytest.raises(DocumentAlreadyExistsError, match="cities/SF"):
        ctx.create(City(id="SF", name="y"))
    with pytest.raises(DocumentNotFoundError, match="cities/LA"):
        ctx.update(City, "LA", {"name": "y"})
    with pytest.raises(DocumentNotFoundError, match="cities/LA"):
        ctx.delete(City, "LA", must_exist=True)
    other = ctx.get(City, "SF")
    ctx.save(city.__class__(id="SF", name="z"), if_unchanged=get_metadata(city).update_time)
    for write in (
        lambda: ctx.save(other, if_unchanged=True),
        lambda: ctx.update(other, {"name": "y"}, if_unchanged=True),
        lambda: ctx.delete(other, if_unchanged=True),
    ):
        with pytest.raises(StaleDocumentError, match="cities/SF"):
            write()
    with pytest.raises(DocumentNotFoundError) as caught:
        ctx.get_many(City, ["SF", "LA", "NY"])
    assert caught.value.candidates == ("cities/LA", "cities/NY")
    new = City(name="x", attributes={"k": "x" * 1_100_000})
    with pytest.raises(InvalidRequestError):
        ctx.save(new)
    assert new.id is None


def test_updates(ctx: Any) -> None:
    city = City(id="SF", name="x", mayor=Mayor(name="m"), attributes={"k": 1})
    ctx.save(city)
    ctx.update(city, {City.name: "y", "mayor.since": 5, City.attributes["a.b"]: 2, City.population: DELETE_FIELD})
    assert ctx.get(City, "SF") == city
    ctx.update(city, {City.population: Increment(2), "regions": ArrayUnion(["a", "b"]), City.area: Maximum(2)})
    ctx.update(city, {"regions": ArrayRemove(["a"]), "area": Minimum(1.5)})
    ctx.refresh(city)
    assert (city.population, city.regions, city.area) == (2, ["b"], 1.5)
    ctx.update(Stamped, ctx.save(Stamped(id="s")), {"created": SERVER_TIMESTAMP})
    assert ctx.get(Stamped, "s").created is not None
    stamped = Stamped(id="t", created=SERVER_TIMESTAMP)  # type: ignore[arg-type]
    ctx.save(stamped)
    ctx.refresh(stamped)
    assert stamped.created is not None


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
    assert cities.filter(City.id.is_in([reference, "c"])).ids() == ["b", "c"]
    with pytest.raises(CendryError, match="another database"):
        cities.filter(City.id == sdk.Client(project="other").document("cities/b")).ids()


def test_what_the_model_does_not_know_is_kept(ctx: Any) -> None:
    ctx.save(City(id="SF", name="x", population=5, mayor=Mayor(name="m", since=3)))
    kept = ctx.get(Kept, "SF")
    kept.name = "y"
    ctx.save(kept)
    assert ctx.get(City, "SF") == City(id="SF", name="y", population=5, mayor=Mayor(name="m", since=3))
    ctx.save(Kept(id="SF", name="z"), merge=True)
    assert ctx.get(City, "SF").population == 5


def test_get_or_create_and_update_or_create(ctx: Any) -> None:
    assert ctx.get_or_create(City, "SF", {"name": "x"}) == (City(id="SF", name="x"), True)
    assert ctx.get_or_create(City, "SF", {"name": "y"}) == (City(id="SF", name="x"), False)
    assert ctx.update_or_create(City, "SF", {"population": 2}) == (City(id="SF", name="x", population=2), False)
    assert ctx.update_or_create(City, "LA", {"name": "l"}) == (City(id="LA", name="l"), True)


def test_queries(cities: Any, ctx: Any) -> None:
    assert ids(cities) == list("abcde")
    assert ids(cities.filter(City.state == "CA")) == ["a", "b"]
    assert ids(cities.filter((City.population > 3) | (City.name == "A"))) == ["a", "e"]
    assert ids(cities.filter(FieldFilter("displayName", "in", ["A", "B"]))) == ["a", "b"]
    assert ids(ctx.select(City, City.id.is_in(["b", "d", "x"]))) == ["b", "d"]
    assert ids(ctx.select(City, City.id.startswith("c"))) == ["c"]
    assert ids(cities.filter(City.regions.array_contains("a"))) == ["a"]
    assert ids(cities.filter(City.budget.is_null())) == list("abcde")
    assert (cities.first().id, cities.last().id, cities.count(), cities.exists()) == ("a", "e", 5, True)
    assert cities.ids() == list("abcde")
    assert ids(cities.limit_to_last(2)) == ["d", "e"]
    # By id alone, downwards, Firestore doesn't go; the error of the database says so.
    with pytest.raises(MissingIndexError, match="descending key scans"):
        ctx.select(City).last()
    assert ids(ctx.select(City, order_by=City.id.desc()).limit_to_last(2)) == ["b", "a"]
    assert ids(cities.limit_to_last(2).end_before({"population": 3})) == ["b", "c"]
    assert cities.limit(1).one().id == "a"
    assert [ids(page) for page in cities.paginate(2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [ids(page) for page in ctx.select(City, City.population > 0, City.area < 1).paginate(3)] == [
        ["b", "c", "d"],
        ["e"],
    ]
    by_state = ctx.select(City, order_by=City.state.desc())
    assert ids(by_state.start_after(ctx.get(City, "d"))) == ["c", "b", "a"]
    assert ids(ctx.select(City, start_at={"id": "c"}, end_before={"id": "e"})) == ["c", "d"]
    assert cities.filter(City.population < 2).project(City.name, "mayor.name").to_list() == [
        {"id": "a", "name": "A", "mayor.name": None},
        {"id": "b", "name": "B", "mayor.name": None},
    ]


def test_subcollections_and_groups(ctx: Any) -> None:
    city = City(id="SF", name="x")
    area = Area(id="a", name="x")
    ctx.save(area, parent=city)
    ctx.save(Spot(id="s", name="y"), parent=area)
    ctx.save(Area(id="a", name="z"), parent=Ref(City, "LA"))
    assert ids(ctx.select(Area, parent=city)) == ["a"]
    spot = ctx.select_group(Spot).one()
    ctx.update(spot, {"name": "new"})
    assert ctx.get(Spot, "s", parent=area).name == "new"
    group = ctx.select_group(Area, order_by="id")
    assert group.ids() == ["cities/LA/areas/a", "cities/SF/areas/a"]
    assert group.filter(Area.id == "cities/SF/areas/a").one().name == "x"
    assert [one.name for one in group.start_after(group.first())] == ["x"]
    assert [[one.name for one in page] for page in group.paginate(1)] == [["z"], ["x"]]


def test_batches(ctx: Any, cities: Any) -> None:
    new = City(name="n")
    with ctx.batch() as batch:
        batch.save(new)
        batch.update(City, "a", {"population": Increment(9)})
        batch.delete(City, "b")
    assert set(cities.ids()) == {"a", "c", "d", "e", new.id}
    assert ctx.get(City, new.id) == new
    with pytest.raises(DocumentAlreadyExistsError), ctx.batch() as batch:
        batch.delete(City, "c")
        batch.create(City(id="a", name="x"))
    assert ctx.exists(City, "c")


def test_a_transaction_of_one_attempt(ctx: Any, cities: Any) -> None:
    with ctx.transaction() as txn:
        city = txn.get(City, "a")
        assert txn.select(City, City.state == "CA").count() == 2
        txn.update(city, {City.population: city.population + 5})
        txn.delete(City, "b")
    assert (ctx.get(City, "a").population, ctx.exists(City, "b")) == (5, False)
    with ctx.transaction(read_only=True) as txn:
        assert ids(txn.select(City, order_by="id")) == ["a", "c", "d", "e"]
    with pytest.raises(RuntimeError), ctx.transaction() as txn:
        txn.delete(City, "a")
        raise RuntimeError
    assert ctx.exists(City, "a")


def test_listening(project: str) -> None:
    with Cendry(project=project) as ctx:
        seen: list[Snapshot[City]] = []
        errors: list[BaseException] = []
        changed = threading.Condition()

        def callback(snapshot: Snapshot[City]) -> None:
            with changed:
                seen.append(snapshot)
                changed.notify_all()

        def wait_for(condition: Callable[[], bool]) -> None:
            with changed:
                assert changed.wait_for(condition, timeout=20)

        query = ctx.select(City, order_by=City.population).limit_to_last(2)
        with query.on_snapshot(callback, on_error=errors.append):
            wait_for(lambda: len(seen) == 1)
            ctx.save_many([City(id=name, name=name, population=index) for index, name in enumerate("abc")])
            wait_for(lambda: ids(seen[-1].documents) == ["b", "c"])
            ctx.update(City, "b", {"name": "new"})
            wait_for(lambda: seen[-1].documents[0].name == "new")
            assert [(one.type, one.document.id) for one in seen[-1].changes] == [("modified", "b")]
            ctx.delete(City, "c")
            wait_for(lambda: ids(seen[-1].documents) == ["a", "b"])
        assert errors == []


def test_nothing_is_lost_under_threads(project: str) -> None:
    with Cendry(project=project) as ctx:
        ctx.save(City(id="SF", name="x"))

        def grow(txn: Transaction) -> None:
            city = txn.get(City, "SF")
            txn.update(city, {City.population: city.population + 1})

        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(5):
                    ctx.transaction(grow, max_attempts=50)
            except BaseException as error:
                failures.append(error)

        began = time.monotonic()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert ctx.get(City, "SF").population == 20
        assert time.monotonic() - began < 60


async def test_nothing_is_lost_under_tasks(project: str) -> None:
    async with AsyncCendry(project=project) as ctx:
        await ctx.save(City(id="SF", name="x"))

        async def grow(txn: AsyncTransaction) -> None:
            city = await txn.get(City, "SF")
            txn.update(city, {City.population: city.population + 1})

        async def work() -> None:
            for _ in range(5):
                await ctx.transaction(grow, max_attempts=50)

        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(4)))
        assert (await ctx.get(City, "SF")).population == 20
        assert time.monotonic() - began < 60


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
        assert time.monotonic() - began < 1.5


def test_clients_of_the_user_stay_open(project: str, firestore_emulator: str) -> None:
    from google.cloud import firestore

    client = firestore.Client(project=project)
    for context in (Cendry(client), Cendry(client=client), Cendry(backend=FirestoreBackend(client))):
        with context as ctx:
            assert ctx.client is client
            ctx.save(City(id="SF", name="x"))
    assert client.document("cities/SF").get().to_dict()["displayName"] == "x"


async def test_async_clients_of_the_user_stay_open(project: str) -> None:
    from google.cloud import firestore

    client = firestore.AsyncClient(project=project)
    for context in (AsyncCendry(client), AsyncCendry(backend=AsyncFirestoreBackend(client))):
        async with context as ctx:
            assert ctx.client is client
            await ctx.save(City(id="SF", name="x"))
    assert (await client.document("cities/SF").get()).to_dict()["displayName"] == "x"


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


def test_a_stored_document_that_does_not_fit(ctx: Any, project: str) -> None:
    from google.cloud import firestore

    client = firestore.Client(project=project)
    for name in "abc":
        client.document(f"cities/{name}").set({"displayName": name, "population": "many" if name == "b" else 1})
    documents = iter(ctx.select(City))
    assert next(documents).id == "a"
    with pytest.raises(DecodeError, match="Document 'cities/b' doesn't fit City: population: expected int, found str"):
        next(documents)
    assert next(documents).id == "c"
    errors: list[DecodeError] = []
    assert ids(ctx.select(City, on_error=errors.append).to_list()) == ["a", "c"]
    assert [error.path for error in errors] == ["cities/b"]
