"""What type checkers make of queries, in both twins."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import assert_type

from cendry import (
    And,
    Asc,
    AsyncCendry,
    AsyncQuery,
    Cendry,
    DecodeError,
    Desc,
    ExecutionStats,
    Explanation,
    Field,
    FieldDescriptor,
    Map,
    Model,
    Or,
    Page,
    PlanSummary,
    Query,
    Ref,
    count,
    field,
)


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int] = field(default=0)
    mayor: Field[Mayor | None] = field(default=None)


class Area(Model, collection="areas", parent=City):
    name: Field[str]


ctx = Cendry()
actx = AsyncCendry()
city = City(name="Rome")
big = Query(City, City.population > 1_000_000, order_by=City.population.desc(), limit=10)


# Making queries

assert_type(big, Query[City])
assert_type(ctx.select(City), Query[City])
assert_type(ctx.select(big), Query[City])
assert_type(ctx.select(AsyncQuery(City)), Query[City])
assert_type(ctx.select_group(Area), Query[Area])
assert_type(ctx.select(City, City.name == "x", City.population > 3, limit=3, offset=2), Query[City])
assert_type(ctx.select(City, (City.name == "x") | (City.name == "y")), Query[City])
ctx.select(City, And(City.name == "x", City.population > 3), Or(City.name == "x", City.name == "y"))
ctx.select(City, [City.name == "x", City.population > 3])
ctx.select(City, order_by=City.name)
ctx.select(City, order_by="name")
ctx.select(City, order_by=[City.name.asc(), Desc(City.population), Asc("name"), "population"])
ctx.select(City, start_after={"population": 3}, end_at={City.population: 5})
ctx.select(City, start_at=city)
ctx.select(Area, parent=city)
ctx.select(Area, parent=Ref(City, "SF"))
ctx.select(City, City.mayor[Mayor.name] == "x")
ctx.select("cities")  # error: mypy pyright ty
ctx.select(Mayor)  # error: mypy pyright ty
ctx.select(City, True)  # error: mypy pyright ty
ctx.select(City, "name == x")  # error: mypy pyright ty
ctx.select(City, City.name.asc())  # error: mypy pyright ty
ctx.select(City, City.name)  # error: mypy pyright ty
ctx.select(City, City.name == None)  # error: mypy pyright ty
ctx.select(City, City.population == "x")  # error: mypy pyright ty
ctx.select(City, City.population > "x")  # error: mypy pyright ty
ctx.select(City, limit="3")  # error: mypy pyright ty
ctx.select(City, order_by=City.name == "x")  # error: mypy pyright ty
ctx.select(City, start_after=3)  # error: mypy pyright ty
ctx.select(Area, parent="SF")  # error: mypy pyright ty
Query(City, True)  # error: mypy pyright ty
Query(City, "name == x")  # error: mypy pyright ty
Query(Mayor)  # error: mypy pyright ty


# Changing queries

assert_type(big.filter(City.name == "x"), Query[City])
assert_type(big.order_by(City.name, City.population.desc()), Query[City])
assert_type(big.limit(3), Query[City])
assert_type(big.limit_to_last(3), Query[City])
assert_type(big.offset(3), Query[City])
assert_type(big.start_at(city), Query[City])
assert_type(big.start_after({"population": 3}), Query[City])
assert_type(big.end_at({City.population: 3}), Query[City])
assert_type(big.end_before(city), Query[City])
assert_type(ctx.select(Area).under(city), Query[Area])
assert_type(big.at(datetime(2026, 1, 1, tzinfo=timezone.utc)), Query[City])
assert_type(big.partitions(3), list[Query[City]])
assert_type(big.explain(), Explanation[City])
assert_type(big.explain(analyze=True).documents, list[City])
assert_type(big.explain().plan, PlanSummary)
assert_type(big.explain().stats, ExecutionStats | None)
assert_type(big.values(City.name, City.population).explain(), Explanation[tuple[str, int]])
assert_type(big.explain(count()), Explanation[tuple[int]])
assert_type(
    big.explain(count(), City.population.sum(), City.population.avg(), analyze=True),
    Explanation[tuple[int, int, float | None]],
)
big.explain(City.population)  # error: mypy pyright ty
big.explain(analyze="yes")  # error: mypy pyright ty
big.explain().stats.read_operations  # error: mypy pyright ty
big.partitions()  # error: mypy pyright ty
big.partitions("3")  # error: mypy pyright ty
big.filter("x")  # error: mypy pyright ty
big.filter(True)  # error: mypy pyright ty
big.order_by(3)  # error: mypy pyright ty
big.limit("3")  # error: mypy pyright ty
assert_type(big.start_after("token").end_before("token"), Query[City])
assert_type(ctx.select(City, start_after="token", end_at="token"), Query[City])
Query(City, start_at="token")
cursor = {"population": 3}
big.start_after(cursor)
ctx.select(City, start_at=cursor)
by_field: dict[FieldDescriptor[int], int] = {City.population: 3}
big.end_at(by_field)
big.start_after({5: 3})  # error: mypy pyright ty
ctx.select(City, end_at={5: 3})  # error: mypy pyright ty
big.start_after(5)  # error: mypy pyright ty
big.start_after(None)  # error: mypy pyright ty
big.start_after(big.page(5).next_token)  # error: mypy pyright ty
big.under("SF")  # error: mypy pyright ty


def unfit(error: DecodeError) -> None:
    assert_type(error.path, str | None)


assert_type(big.on_error(unfit), Query[City])
assert_type(ctx.select(City, on_error=unfit), Query[City])


# Running queries

for each in ctx.select(City):
    assert_type(each, City)
assert_type(iter(ctx.select(City)), Iterator[City])
assert_type(ctx.select(City).to_list(), list[City])
assert_type(ctx.select(City).first(), City | None)
assert_type(ctx.select(City).last(), City | None)
assert_type(ctx.select(City).one(), City)
assert_type(ctx.select(City).one_or_none(), City | None)
assert_type(ctx.select(City).exists(), bool)
assert_type(ctx.select(City).count(), int)
assert_type(ctx.select(City).ids(), list[str])
for page in ctx.select(City).paginate(100):
    assert_type(page, list[City])
assert_type(ctx.select(City).page(10), Page[City])
assert_type(ctx.select(City).page(10, after=ctx.select(City).page(5).next_token).items, list[City])
assert_type(ctx.select(City).page(10, before="x").previous_token, str | None)
assert_type(ctx.select(City).values(City.name, City.population).page(3), Page[tuple[str, int]])
for each in ctx.select(City).page(10):
    assert_type(each, City)
assert_type(len(ctx.select(City).page(10)), int)
Cendry(token_key=["new", b"old"])
Cendry(token_key=5)  # error: mypy pyright ty
Cendry(telemetry=True)
Cendry(telemetry=None)
Cendry(telemetry=TracerProvider())
AsyncCendry(telemetry=trace.get_tracer_provider())
Cendry.from_url("memory:", telemetry=False)
Cendry(telemetry="yes")  # error: mypy pyright ty
ctx.select(City).page(10, "x")  # error: mypy pyright ty
ctx.select(City).page("10")  # error: mypy pyright ty
for row in ctx.select(City).project(City.name, City.mayor[Mayor.name], "population"):
    assert_type(row, dict[str, Any])
assert_type(ctx.select(City).project(City.name).to_list(), list[dict[str, Any]])
ctx.select(City).first().name  # error: mypy pyright ty
ctx.select(City).project(3)  # error: mypy pyright ty
ctx.select(City).paginate("3")  # error: mypy pyright ty
ctx.select(City)[0]  # error: mypy pyright ty


# The async twin


async def twin() -> None:
    assert_type(actx.select(City), AsyncQuery[City])
    assert_type(actx.select(big), AsyncQuery[City])
    assert_type(actx.select_group(Area), AsyncQuery[Area])
    assert_type(actx.select(City).filter(City.name == "x").limit(3), AsyncQuery[City])
    async for each in actx.select(City):
        assert_type(each, City)
    assert_type(actx.select(City).__aiter__(), AsyncIterator[City])
    assert_type([each async for each in actx.select(City)], list[City])
    assert_type(await actx.select(City).to_list(), list[City])
    assert_type(await actx.select(City).first(), City | None)
    assert_type(await actx.select(City).last(), City | None)
    assert_type(await actx.select(City).one(), City)
    assert_type(await actx.select(City).one_or_none(), City | None)
    assert_type(await actx.select(City).exists(), bool)
    assert_type(await actx.select(City).count(), int)
    assert_type(await actx.select(City).ids(), list[str])
    assert_type(await actx.select_group(Area).partitions(4), list[AsyncQuery[Area]])
    assert_type(await actx.select(City).explain(analyze=True), Explanation[City])
    assert_type(await actx.select(City).explain(count()), Explanation[tuple[int]])
    assert_type(await actx.select(City).values(City.name, flat=True).explain(), Explanation[str])
    async for page in actx.select(City).paginate(100):
        assert_type(page, list[City])
    assert_type(await actx.select(City).page(10, after=None), Page[City])
    assert_type(await actx.select(City).values(City.name, flat=True).page(10), Page[str])
    async for row in actx.select(City).project(City.name):
        assert_type(row, dict[str, Any])
    for each in actx.select(City):  # error: mypy pyright ty
        pass
    actx.select(City, True)  # error: mypy pyright ty
    actx.select(City, City.population > "x")  # error: mypy pyright ty
    (await actx.select(City).first()).name  # error: mypy pyright ty
