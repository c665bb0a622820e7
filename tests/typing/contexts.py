"""What type checkers make of contexts: reads, writes, batches, transactions, listeners, in both twins."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

from typing_extensions import assert_type

from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayUnion,
    AsyncBatch,
    AsyncCendry,
    AsyncSnapshots,
    AsyncTransaction,
    Batch,
    Cendry,
    Change,
    DecodeError,
    DocumentMetadata,
    Field,
    FieldPath,
    Increment,
    Listener,
    Map,
    Model,
    Ref,
    Snapshot,
    Snapshots,
    Transaction,
    Txn,
    field,
    Problem,
    from_dict,
    get_metadata,
    ref_of,
    to_dict,
    validate,
)


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int] = field(default=0)
    mayor: Field[Mayor | None] = field(default=None)
    capital_of: Field[Ref[City] | None] = field(default=None)


class Area(Model, collection="areas", parent=City):
    name: Field[str]


M = TypeVar("M", bound=Model)
ctx = Cendry()
actx = AsyncCendry()
city = City(name="Rome")
area = Area(name="Trastevere")


# Making contexts

Cendry(project="p", database="d", timeout=3.5)
Cendry(timeout="soon")  # error: mypy pyright ty
Cendry(backend="memory")  # error: mypy pyright ty
with Cendry() as opened:
    assert_type(opened, Cendry)

assert_type(Cendry.from_url("memory:"), Cendry)
assert_type(AsyncCendry.from_url("firestore://p/d", timeout=3, token_key="k", telemetry=False), AsyncCendry)
with Cendry.from_url("memory:shop") as of_url:
    assert_type(of_url, Cendry)
Cendry.from_url()  # error: mypy pyright ty
Cendry.from_url(5)  # error: mypy pyright ty
AsyncCendry.from_url("memory:", backend=None)  # error: mypy pyright ty


# Reading

assert_type(ctx.get(City, "SF"), City)
assert_type(ctx.get(Ref(City, "SF")), City)
assert_type(ctx.get(Area, "m", parent=city), Area)
assert_type(ctx.get(Area, "m", parent=Ref(City, "SF")), Area)
assert_type(ctx.find(City, "SF"), City | None)
assert_type(ctx.find(ref_of(city)), City | None)
assert_type(ctx.get_many(City, ["SF", "LA"]), list[City])
assert_type(ctx.get_many([Ref(City, "SF"), ref_of(city)]), list[City])
assert_type(ctx.exists(City, "SF"), bool)
assert_type(get_metadata(city), DocumentMetadata)
assert_type(get_metadata(city).path, str)
assert_type(get_metadata(city).update_time, datetime)
assert_type(ref_of(city), Ref[City])
assert_type(Ref(City, "SF"), Ref[City])
assert_type(Ref(Area, "m", parent=city), Ref[Area])
assert_type(ctx.at(datetime(2026, 1, 1, tzinfo=timezone.utc)), Cendry)
assert_type(actx.at(datetime(2026, 1, 1, tzinfo=timezone.utc)), AsyncCendry)
ctx.at("yesterday")  # error: mypy pyright ty
ctx.at()  # error: mypy pyright ty
ctx.get("cities", "SF")  # error: mypy pyright ty
ctx.get(City, 3)  # error: mypy pyright ty
ctx.get(City)  # error: mypy pyright ty
ctx.get(Mayor, "x")  # error: mypy pyright ty
ctx.get(City, "SF", parent="x")  # error: mypy pyright ty
ctx.get_many(City, [1])  # error: mypy pyright ty
ctx.get_many(["SF"])  # error: mypy pyright ty
ctx.find(City, "SF").name  # error: mypy pyright ty


def first_of(model: type[M], ids: Sequence[str]) -> M | None:
    found = ctx.get_many(model, ids)
    assert_type(found, list[M])
    return found[0] if found else None


assert_type(first_of(City, ["SF"]), City | None)


# Writing

assert_type(ctx.save(city), str)
assert_type(ctx.save(city, merge=True, if_unchanged=True), str)
assert_type(ctx.create(area, parent=city), str)
assert_type(ctx.save_many([city, area]), list[str])
ctx.update(city, {"population": 3, "mayor.name": "x"})
ctx.update(city, {City.population: Increment(1), City.name: "x"})
ctx.update(city, {City.population: 3, "name": "x", FieldPath("odd name"): DELETE_FIELD})
ctx.update(City, "SF", {"population": Increment(1), "at": SERVER_TIMESTAMP, "regions": ArrayUnion(["x"])})
ctx.update(Ref(City, "SF"), {"population": 3})
ctx.update(city, fields=[City.name, "population"])
ctx.update(City, "SF", {"population": 3}, if_unchanged=datetime(2026, 1, 1))
ctx.update(city, City.name.set("x"))
ctx.update(city, City.name.set("x"), City.population.set(Increment(1)), if_unchanged=True)
ctx.update(City, "SF", City.name.set("x"), City.population.set(3))
ctx.update(ref_of(city), City.mayor[Mayor.name].set("x"))
ctx.merge(city, {City.population: 3})
ctx.merge(City, "SF", {"population": 3}, parent=None)
ctx.merge(City, "SF", City.name.set("x"), City.population.set(Increment(1)))
ctx.merge(area, Area.name.set("x"), parent=city)
ctx.get_or_create(City, "SF", [City.name.set("x")])
ctx.update_or_create(City, "SF", [City.name.set("x")], create_defaults=[City.name.set("y")])
ctx.update(city, City.name)  # error: mypy pyright ty
ctx.update(City, City.name.set("x"))  # error: mypy pyright ty
ctx.update(city, City.name.set("x"), {"population": 3})  # error: mypy pyright ty
ctx.merge(City, "SF")  # error: mypy pyright ty
ctx.merge(city, City.name == "x")  # error: mypy pyright ty
ctx.get_or_create(City, "SF", [City.name])  # error: mypy pyright ty
assert_type(ctx.refresh(city), None)
assert_type(ctx.refresh(Ref(City, "SF")), City)
unchanged: datetime | None = None
ctx.save(city, if_unchanged=unchanged)
ctx.update(city, {"population": 3}, if_unchanged=None)
ctx.update(city, fields=["population"], if_unchanged=unchanged)
ctx.update(City, "SF", {"population": 3}, if_unchanged=unchanged)
ctx.delete(city, if_unchanged=None)
ctx.delete(City, "SF", if_unchanged=unchanged)
assert_type(get_metadata(city).etag, str)
ctx.save(city, if_unchanged=get_metadata(city).etag)
ctx.delete(City, "SF", if_unchanged="x")
ctx.save(city, if_unchanged=3)  # error: mypy pyright ty
ctx.delete(city, must_exist=True)
ctx.delete(City, "SF")
ctx.delete(Ref(City, "SF"))
ctx.delete_many([city, area])
ctx.delete_many(City, ["SF", "LA"])
ctx.refresh(city)
assert_type(ctx.get_or_create(City, "SF", defaults={"name": "x"}), tuple[City, bool])
assert_type(ctx.update_or_create(City, "SF", defaults={City.name: "x"}), tuple[City, bool])
ctx.save(City)  # error: mypy pyright ty
ctx.save("SF")  # error: mypy pyright ty
ctx.save(Mayor(name="x"))  # error: mypy pyright ty
ctx.update(City, {"population": 3})  # error: mypy pyright ty
ctx.update(city, "population")  # error: mypy pyright ty
ctx.update(city, {3: 3})  # error: mypy pyright ty
ctx.update(city)  # error: mypy pyright ty
ctx.delete("SF")  # error: mypy pyright ty
ctx.delete(City)  # error: mypy pyright ty
ctx.refresh(City)  # error: mypy pyright ty
ctx.save_many(city)  # error: mypy pyright ty


# Batches

with ctx.batch() as batch:
    assert_type(batch, Batch)
    assert_type(batch.save(city), str)
    batch.create(area, parent=city)
    batch.update(City, "SF", {"population": 3})
    batch.update(city, {City.population: Increment(1)})
    batch.delete(City, "SF")
    batch.delete(city)
    batch.save(City)  # error: mypy pyright ty
    batch.delete("SF")  # error: mypy pyright ty


# Transactions


def transfer(txn: Transaction) -> int:
    found = txn.get(City, "SF")
    assert_type(found, City)
    assert_type(txn.find(City, "LA"), City | None)
    assert_type(txn.get_many(City, ["SF"]), list[City])
    assert_type(txn.refresh(found), None)
    assert_type(txn.refresh(Ref(City, "SF")), City)
    assert_type(txn.get_or_create(City, "SF", {City.name: "x"}), tuple[City, bool])
    assert_type(txn.update_or_create(City, "SF", {City.population: 1}, create_defaults={}), tuple[City, bool])
    txn.get_or_create("SF")  # error: mypy pyright ty
    assert_type(txn.select(City, City.population > 3).to_list(), list[City])
    txn.save(found)
    txn.update(found, {City.population: 3})
    txn.update(found, City.population.set(3))
    txn.merge(City, "LA", City.name.set("x"))
    txn.delete(City, "LA")
    return found.population


def nothing(txn: Txn) -> None: ...


assert_type(ctx.transaction(transfer), int)
assert_type(ctx.transaction(transfer, max_attempts=50), int)
assert_type(ctx.transaction(lambda txn: txn.get(City, "SF").name, read_only=True), str)
ctx.transaction(nothing)
ctx.transaction(3)  # error: mypy pyright ty
ctx.transaction(transfer, max_attempts="many")  # error: mypy pyright ty
with ctx.transaction() as scope:
    assert_type(scope, Transaction)
    assert_type(scope.get(City, "SF"), City)


def after_the_block() -> int:
    with ctx.transaction() as txn:
        return txn.get(City, "SF").population


# Listeners


def changed(snapshot: Snapshot[City]) -> None:
    assert_type(snapshot.documents, tuple[City, ...])
    for change in snapshot.changes:
        assert_type(change, Change[City])
        assert_type(change.document, City)
        assert_type(change.new_index, int | None)


def other(snapshot: Snapshot[Area]) -> None: ...


assert_type(ctx.on_snapshot(City, "SF", changed), Listener)
assert_type(ctx.select(City).on_snapshot(changed), Listener)
ctx.on_snapshot(City, "SF", other)  # error: mypy pyright ty
ctx.select(City).on_snapshot(other)  # error: mypy pyright ty
with ctx.select(City).on_snapshot(changed) as listener:
    listener.close()


def unfit(error: DecodeError) -> None: ...


def broken(error: KeyError) -> None: ...


assert_type(ctx.select(City).snapshots(), Snapshots[Snapshot[City]])
assert_type(ctx.select(City).watch(on_error=unfit), Snapshots[Change[City]])
assert_type(ctx.select_group(Area).snapshots(), Snapshots[Snapshot[Area]])
assert_type(ctx.snapshots(City, "SF", on_error=unfit), Snapshots[Snapshot[City]])
assert_type(ctx.snapshots(Ref(City, "SF")), Snapshots[Snapshot[City]])
assert_type(ctx.watch(Area, "x", parent=city), Snapshots[Change[Area]])
assert_type(ctx.watch(Ref(City, "SF")), Snapshots[Change[City]])
ctx.select(City).snapshots(on_error=broken)  # error: mypy pyright ty
ctx.snapshots(City)  # error: mypy pyright ty
ctx.snapshots(city)  # error: mypy pyright ty
ctx.watch(City, 5)  # error: mypy pyright ty
with ctx.select(City).snapshots() as snapshots:
    assert_type(snapshots, Snapshots[Snapshot[City]])
    for snapshot in snapshots:
        assert_type(snapshot, Snapshot[City])
        changed(snapshot)
        other(snapshot)  # error: mypy pyright ty
for change in ctx.watch(City, "SF"):
    assert_type(change, Change[City])
    assert_type(change.document.name, str)


async def listening() -> None:
    assert_type(actx.select(City).snapshots(), AsyncSnapshots[Snapshot[City]])
    assert_type(actx.select(City).watch(), AsyncSnapshots[Change[City]])
    assert_type(actx.snapshots(City, "SF"), AsyncSnapshots[Snapshot[City]])
    assert_type(actx.watch(Ref(City, "SF")), AsyncSnapshots[Change[City]])
    assert_type(await anext(actx.snapshots(City, "SF")), Snapshot[City])
    async with actx.select(City).snapshots(on_error=unfit) as stream:
        async for one in stream:
            assert_type(one.documents, tuple[City, ...])
    async for change in actx.watch(Area, "x", parent=city):
        assert_type(change, Change[Area])
    await stream.aclose()
    for one in actx.select(City).snapshots():  # error: mypy pyright ty
        pass


# Conversion

assert_type(from_dict(City, {"name": "x"}), City)
assert_type(from_dict(Mayor, {"name": "x"}), Mayor)
assert_type(to_dict(city), dict[str, Any])
assert_type(to_dict(city, mode="json"), dict[str, Any])
assert_type(from_dict(City, {"name": "x"}, mode="json"), City)
assert_type(validate(City, {"name": "x"}, mode="json"), list[Problem])
assert_type(validate(City, {}), list[Problem])
from_dict(int, {})  # error: mypy pyright ty
to_dict({"name": "x"})  # error: mypy pyright ty
to_dict(city, mode="yaml")  # error: mypy pyright ty


# The async twin


async def twin() -> None:
    async with AsyncCendry() as other_ctx:
        assert_type(other_ctx, AsyncCendry)
    assert_type(await actx.get(City, "SF"), City)
    assert_type(await actx.get(Ref(City, "SF")), City)
    assert_type(await actx.find(City, "SF"), City | None)
    assert_type(await actx.get_many(City, ["SF"]), list[City])
    assert_type(await actx.exists(City, "SF"), bool)
    assert_type(await actx.save(city), str)
    assert_type(await actx.create(area, parent=city), str)
    assert_type(await actx.save_many([city]), list[str])
    await actx.update(city, {City.population: Increment(1)})
    await actx.update(City, "SF", {"population": 3})
    await actx.update(city, City.name.set("x"), City.population.set(3))
    await actx.merge(City, "SF", City.name.set("x"))
    await actx.update(city, fields=[City.name])
    await actx.delete(city)
    await actx.delete_many(City, ["SF"])
    await actx.refresh(city)
    assert_type(await actx.get_or_create(City, "SF", defaults={"name": "x"}), tuple[City, bool])
    assert_type(await actx.update_or_create(City, "SF", defaults={"name": "x"}), tuple[City, bool])
    await actx.save(City)  # error: mypy pyright ty
    await actx.get(City, 3)  # error: mypy pyright ty
    await actx.update(City, {"population": 3})  # error: mypy pyright ty
    (await actx.find(City, "SF")).name  # error: mypy pyright ty
    actx.get(City, "SF").name  # error: mypy pyright ty
    async with actx.batch() as queue:
        assert_type(queue, AsyncBatch)
        assert_type(queue.save(city), str)
        queue.update(City, "SF", {"population": 3})
    with actx.batch():  # error: mypy pyright ty
        pass
    assert_type(await actx.transaction(transfer_async), int)
    assert_type(await actx.transaction(transfer_async, max_attempts=50), int)
    await actx.transaction(transfer)  # error: mypy pyright ty
    async with actx.transaction() as txn:
        assert_type(txn, AsyncTransaction)
        assert_type(await txn.get(City, "SF"), City)


async def transfer_async(txn: AsyncTransaction) -> int:
    found = await txn.get(City, "SF")
    assert_type(found, City)
    assert_type(await txn.refresh(found), None)
    assert_type(await txn.get_or_create(City, "SF", {City.name: "x"}), tuple[City, bool])
    assert_type(await txn.update_or_create(City, "SF", {City.population: 1}), tuple[City, bool])
    assert_type(await txn.select(City).to_list(), list[City])
    txn.save(found)
    return found.population


coroutine: Coroutine[Any, Any, int] = actx.transaction(transfer_async)
