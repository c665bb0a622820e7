"""What type checkers make of bulk writes, in both twins."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false

from __future__ import annotations

from typing_extensions import assert_type

from cendry import (
    DELETE_FIELD,
    AsyncBulk,
    AsyncCendry,
    AsyncFirestoreBackend,
    AsyncMemoryBackend,
    Bulk,
    BulkError,
    BulkFailure,
    BulkProgress,
    BulkResult,
    Cendry,
    Field,
    FirestoreBackend,
    Increment,
    MemoryBackend,
    Model,
    Query,
    Ref,
    field,
)
from cendry.backend import AsyncWritesMany, WritesMany


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int] = field(default=0)
    note: Field[str | None] = field(default=None)


class Area(Model, collection="areas", parent=City):
    name: Field[str]


ctx = Cendry()
actx = AsyncCendry()
city = City(name="Rome")
area = Area(name="Monti")


def report(failure: BulkFailure) -> None:
    assert_type(failure.path, str)
    assert_type(failure.error, Exception)
    assert_type(failure.attempts, int)


def show(progress: BulkProgress) -> bool:
    assert_type(progress.written, int)
    assert_type(progress.failed, int)
    assert_type(progress.rate, float)
    return True


def shout(text: str) -> None:
    print(text)


# The block

with ctx.bulk() as bulk:
    assert_type(bulk, Bulk)
    assert_type(bulk.save(city), str)
    assert_type(bulk.save(area, parent=city, merge=True), str)
    assert_type(bulk.create(area, parent=Ref(City, "SF")), str)
    assert_type(bulk.update(City, "SF", {"population": 3}), None)
    assert_type(bulk.update(city, {City.population: Increment(1), City.note: DELETE_FIELD}), None)
    bulk.update(Ref(City, "SF"), City.name.set("x"), City.population.set(Increment(1)))
    bulk.update(city, fields=[City.name], if_unchanged=True)
    assert_type(bulk.merge(City, "SF", City.name.set("x")), None)
    bulk.merge(city, {"name": "x"})
    assert_type(bulk.delete(City, "SF", must_exist=True), None)
    bulk.delete(city)
    assert_type(bulk.flush(), None)
    bulk.save(City)  # error: mypy pyright ty
    bulk.delete("SF")  # error: mypy pyright ty
    bulk.update(City, {"population": 3})  # error: mypy pyright ty
    bulk.merge(City, "SF")  # error: mypy pyright ty
    City.population.set("x")  # error: mypy pyright ty
assert_type(bulk.result, BulkResult)
assert_type(bulk.result.written, int)
assert_type(bulk.result.failed, tuple[BulkFailure, ...])

ctx.bulk(max_rate=50)
ctx.bulk(max_rate=0.5, on_progress=show, on_error=report)
ctx.bulk(max_rate="fast")  # error: mypy pyright ty
ctx.bulk(on_error=show)  # error: mypy pyright ty
ctx.bulk(on_progress=shout)  # error: mypy pyright ty
ctx.bulk(500)  # error: mypy pyright ty

try:
    pass
except BulkError as error:
    assert_type(error.failed, tuple[BulkFailure, ...])
    assert_type(error.written, int)


# Many instances, and many ids

assert_type(ctx.save_many([city, area], atomic=False), list[str])
ctx.save_many((City(name=str(number)) for number in range(3)), atomic=False, merge=True)
assert_type(ctx.delete_many([city, Ref(City, "SF")], atomic=False), None)
assert_type(ctx.delete_many(City, ["SF", "LA"], must_exist=True, atomic=False), None)
ctx.save_many([city], atomic="no")  # error: mypy pyright ty


# All documents of a query

assert_type(ctx.select(City, City.population > 3).update({City.population: Increment(1)}), BulkResult)
assert_type(ctx.select(City).update({"population": 3, "note": DELETE_FIELD}), BulkResult)
assert_type(ctx.select(City).update(City.name.set("x"), City.population.set(Increment(1))), BulkResult)
assert_type(ctx.select_group(Area).update(Area.name.set("x"), max_rate=50, on_error=report), BulkResult)
assert_type(ctx.select(Query(City)).delete(), BulkResult)
assert_type(ctx.select(City, limit=5).delete(max_rate=50, on_progress=show, on_error=report), BulkResult)
ctx.select(City).update()  # error: mypy pyright ty
ctx.select(City).update(City.name)  # error: mypy pyright ty
ctx.select(City).delete(City.name == "x")  # error: mypy pyright ty
ctx.select(City).values(City.name).delete()  # error: mypy pyright ty


# A document and everything below it

assert_type(ctx.delete_recursive(city), BulkResult)
assert_type(ctx.delete_recursive(Ref(City, "SF")), BulkResult)
assert_type(ctx.delete_recursive(City, "SF", max_rate=50, on_progress=show, on_error=report), BulkResult)
assert_type(ctx.delete_recursive(Area, "a", parent=city), BulkResult)
ctx.delete_recursive(City)  # error: mypy pyright ty
ctx.delete_recursive("SF")  # error: mypy pyright ty


# The async twin


async def run() -> None:
    async with actx.bulk(max_rate=50, on_progress=show, on_error=report) as queue:
        assert_type(queue, AsyncBulk)
        assert_type(await queue.save(city), str)
        assert_type(await queue.create(area, parent=city), str)
        await queue.update(City, "SF", {"population": 3})
        await queue.update(city, City.name.set("x"))
        await queue.merge(City, "SF", {City.name: "x"})
        await queue.delete(city)
        await queue.flush()
        await queue.save(City)  # error: mypy pyright ty
        queue.save(city).upper()  # error: mypy pyright ty
    assert_type(queue.result, BulkResult)
    with actx.bulk():  # error: mypy pyright ty
        pass
    assert_type(await actx.save_many([city], atomic=False), list[str])
    await actx.delete_many(City, ["SF"], atomic=False)
    assert_type(await actx.select(City).update(City.name.set("x")), BulkResult)
    assert_type(await actx.select(City).update({"name": "x"}, on_error=report), BulkResult)
    assert_type(await actx.select(City).delete(), BulkResult)
    assert_type(await actx.delete_recursive(city), BulkResult)
    assert_type(await actx.delete_recursive(City, "SF"), BulkResult)


# Backends

sync_ones: list[WritesMany] = [FirestoreBackend(), MemoryBackend()]
async_ones: list[AsyncWritesMany] = [AsyncFirestoreBackend(), AsyncMemoryBackend()]
