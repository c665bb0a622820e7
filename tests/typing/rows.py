"""What type checkers make of rows and aggregates, in both twins."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from typing_extensions import assert_type

from cendry import (
    Aggregate,
    AggregateResult,
    AsyncCendry,
    AsyncQuery,
    AsyncRows,
    Cendry,
    Field,
    FieldPath,
    Map,
    Model,
    Query,
    Rows,
    count,
    field,
)


class Street(Map):
    name: Field[str]


class Mayor(Map):
    name: Field[str]
    street: Field[Street | None] = field(default=None)


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int] = field(default=0)
    area: Field[float] = field(default=0.0)
    height: Field[int | None] = field(default=None)
    slope: Field[float | None] = field(default=None)
    mayor: Field[Mayor | None] = field(default=None)
    founder: Field[Mayor] = field(default_factory=lambda: Mayor(name=""))
    counters: Field[dict[str, int]] = field(default_factory=dict)
    tags: Field[list[str]] = field(default_factory=list)


ctx = Cendry()
actx = AsyncCendry()
cities = ctx.select(City)


# Values

assert_type(cities.values(City.name), Rows[tuple[str]])
assert_type(cities.values(City.name, City.population), Rows[tuple[str, int]])
assert_type(cities.values(City.name, City.population, City.area), Rows[tuple[str, int, float]])
assert_type(cities.values(City.id, City.name, City.area, City.tags), Rows[tuple[str, str, float, list[str]]])
assert_type(
    cities.values(City.name, City.population, City.area, City.tags, City.mayor),
    "Rows[tuple[str, int, float, list[str], Mayor | None]]",
)
assert_type(
    cities.values(City.name, City.name, City.name, City.name, City.name, City.population),
    Rows[tuple[str, str, str, str, str, int]],
)
assert_type(
    cities.values(City.name, City.name, City.name, City.name, City.name, City.name, City.population),
    Rows[tuple[str, str, str, str, str, str, int]],
)
assert_type(
    cities.values(City.name, City.name, City.name, City.name, City.name, City.name, City.name, City.population),
    Rows[tuple[str, str, str, str, str, str, str, int]],
)
assert_type(
    cities.values(City.name, City.name, City.name, City.name, City.name, City.name, City.name, City.name, City.area),
    Rows[tuple[Any, ...]],
)
assert_type(cities.values(City.name, flat=True), Rows[str])
assert_type(cities.values(City.height, flat=True), "Rows[int | None]")
assert_type(cities.values(City.id, flat=True), Rows[str])
assert_type(cities.values(City.name, flat=False), Rows[tuple[str]])
assert_type(cities.values(City.mayor[Mayor.name], City.founder[Mayor.name]), "Rows[tuple[str | None, str]]")
assert_type(cities.values(City.mayor[Mayor.street], flat=True), "Rows[Street | None]")
assert_type(cities.values(City.founder[Mayor.street][Street.name], flat=True), "Rows[str | None]")
assert_type(cities.values(City.mayor[Mayor.street[Street.name]], flat=True), "Rows[str | None]")
assert_type(cities.values(City.counters["k"], flat=True), "Rows[int | None]")
assert_type(cities.values("name", City.population), Rows[tuple[Any, ...]])
assert_type(cities.values("name", flat=True), Rows[Any])
assert_type(cities.values(FieldPath("raw")), Rows[tuple[Any, ...]])
cities.values()  # error: mypy pyright ty
cities.values(flat=True)  # error: mypy pyright ty
cities.values(City.name, City.population, flat=True)  # error: mypy pyright ty
cities.values(3)  # error: mypy pyright ty
cities.values([City.name])  # error: mypy pyright ty

assert_type(cities.project(City.name, "population"), Rows[dict[str, Any]])
cities.project(3)  # error: mypy pyright ty


# Rows run as queries do

rows = Query(City, limit=3).values(City.name, City.population)
assert_type(ctx.select(rows), Rows[tuple[str, int]])
assert_type(ctx.select(AsyncQuery(City).values(City.name, flat=True)), Rows[str])
for row in ctx.select(rows):
    assert_type(row, tuple[str, int])
for name, population in ctx.select(rows):
    assert_type(name, str)
    assert_type(population, int)
assert_type(iter(rows), Iterator[tuple[str, int]])
assert_type(rows.to_list(), list[tuple[str, int]])
assert_type(rows.first(), "tuple[str, int] | None")
assert_type(rows.last(), "tuple[str, int] | None")
assert_type(rows.one(), tuple[str, int])
assert_type(rows.one_or_none(), "tuple[str, int] | None")
for page in rows.paginate(100):
    assert_type(page, list[tuple[str, int]])
rows.limit(3)  # error: mypy pyright ty
rows.filter(City.name == "x")  # error: mypy pyright ty
rows[0]  # error: mypy pyright ty


# Aggregates

assert_type(cities.count(), int)
assert_type(cities.count(up_to=1000), int)
assert_type(cities.sum(City.population), int)
assert_type(cities.sum(City.height), int)
assert_type(cities.sum(City.area), float)
assert_type(cities.sum(City.slope), float)
assert_type(cities.sum(City.counters["k"]), int)
assert_type(cities.sum("population"), "int | float")
assert_type(cities.sum(FieldPath("raw")), "int | float")
assert_type(cities.avg(City.population), "float | None")
assert_type(cities.avg(City.slope), "float | None")
assert_type(cities.avg("population"), "float | None")
cities.count(up_to="3")  # error: mypy pyright ty
cities.sum(City.name)  # error: mypy pyright ty
cities.avg(City.name)  # error: mypy pyright ty
cities.sum(City.mayor)  # error: mypy pyright ty
cities.avg(City.tags)  # error: mypy pyright ty
cities.sum()  # error: mypy pyright ty

assert_type(count(), Aggregate[int])
assert_type(count(up_to=3), Aggregate[int])
assert_type(City.population.sum(), Aggregate[int])
assert_type(City.height.sum(), Aggregate[int])
assert_type(City.area.sum(), Aggregate[float])
assert_type(City.population.avg(), "Aggregate[float | None]")
assert_type(City.counters["k"].avg(), "Aggregate[float | None]")
City.name.sum()  # error: mypy pyright ty
City.tags.avg()  # error: mypy pyright ty
City.mayor.sum()  # error: mypy pyright ty

total = City.population.sum()
mean = City.area.avg()
assert_type(cities.aggregate(count()), tuple[int])
assert_type(cities.aggregate(count(), total), tuple[int, int])
assert_type(cities.aggregate(count(), total, mean), "tuple[int, int, float | None]")
assert_type(cities.aggregate(count(), total, mean, City.area.sum()), "tuple[int, int, float | None, float]")
assert_type(
    cities.aggregate(count(), total, mean, City.area.sum(), City.height.sum()),
    "tuple[int, int, float | None, float, int]",
)
result = cities.aggregate(n=count(), total=total, mean=mean)
assert_type(result, AggregateResult)
assert_type(result.n, Any)
assert_type(result["n"], Any)
assert_type(result[total], int)
assert_type(result[mean], "float | None")
assert_type(dict(result), dict[str, Any])
cities.aggregate(count(), count(), count(), count(), count(), count())  # error: mypy pyright ty
cities.aggregate(count(), n=count())  # error: mypy pyright ty
cities.aggregate("count")  # error: mypy pyright ty
cities.aggregate(City.population)  # error: mypy pyright ty
cities.aggregate(n=City.population)  # error: mypy pyright ty
result.n = 3  # error: mypy pyright ty


# The async twin


async def twin() -> None:
    query = actx.select(City)
    assert_type(query.values(City.name, City.population), AsyncRows[tuple[str, int]])
    assert_type(query.values(City.id, flat=True), AsyncRows[str])
    assert_type(query.project(City.name), AsyncRows[dict[str, Any]])
    assert_type(actx.select(Query(City).values(City.name)), AsyncRows[tuple[str]])
    async for row in query.values(City.name, City.population):
        assert_type(row, tuple[str, int])
    assert_type(query.values(City.name).__aiter__(), AsyncIterator[tuple[str]])
    assert_type(await query.values(City.name, flat=True).to_list(), list[str])
    assert_type(await query.values(City.name, flat=True).first(), "str | None")
    assert_type(await query.values(City.name, flat=True).one(), str)
    assert_type(await query.count(up_to=3), int)
    assert_type(await query.sum(City.population), int)
    assert_type(await query.sum(City.area), float)
    assert_type(await query.avg(City.population), "float | None")
    assert_type(await query.aggregate(count(), City.area.avg()), "tuple[int, float | None]")
    assert_type(await query.aggregate(n=count()), AggregateResult)
    for each in query.values(City.name):  # error: mypy pyright ty
        pass
    await query.sum(City.name)  # error: mypy pyright ty
