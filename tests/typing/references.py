"""What type checkers make of references: documents by reference, and all that the fields of instances refer to."""

# pyright: reportUnusedCoroutine=false

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from cendry import AsyncCendry, AsyncTransaction, Cendry, Field, Map, Model, Ref, Transaction, field, ref_of


class Person(Model, collection="people"):
    name: Field[str]


class Mayor(Map):
    person: Field[Ref[Person]]
    rivals: Field[list[Ref[Person]]] = field(default_factory=list)


class City(Model, collection="cities"):
    name: Field[str]
    mayor: Field[Mayor | None] = field(default=None)
    twin: Field[Ref[City] | None] = field(default=None)
    twins: Field[list[Ref[City]]] = field(default_factory=list)
    rivals: Field[tuple[Ref[City], ...]] = field(default=())
    friends: Field[set[Ref[Person]]] = field(default_factory=set)
    roads: Field[dict[str, Ref[City]]] = field(default_factory=dict)
    holes: Field[list[Ref[City] | None] | None] = field(default=None)
    odd: Field[Ref | None] = field(default=None)


class Country(Model, collection="countries"):
    capital: Field[Ref[City]]
    head: Field[Ref[Person] | None] = field(default=None)
    continent: Field[Ref[Continent] | None] = field(default=None)
    neighbour: Field[Ref[Country] | None] = field(default=None)


class Continent(Model, collection="continents"):
    name: Field[str]


ctx = Cendry()
actx = AsyncCendry()
city = City(name="Rome")
cities = [city]
countries = [Country(capital=ref_of(city))]


# Documents by id, where they exist

assert_type(ctx.find_many(City, ["SF", "LA"]), list[City | None])
assert_type(ctx.find_many(City, [Ref(City, "SF"), "LA"], parent=None), list[City | None])
assert_type(ctx.find_many([Ref(City, "SF"), ref_of(city)]), list[City | None])
assert_type(ctx.find_many(country.capital for country in countries), list[City | None])
mixed: list[Ref[City | Person]] = [Ref(City, "SF"), Ref(Person, "ada")]
assert_type(ctx.find_many(mixed), list[City | Person | None])
assert_type(ctx.get_many(mixed), list[City | Person])
ctx.find_many(City, [1])  # error: mypy pyright ty
ctx.find_many(["SF"])  # error: mypy pyright ty
ctx.find_many(City)  # error: mypy pyright ty
ctx.find_many(City, ["SF"])[0].name  # error: mypy pyright ty


# All that fields refer to

assert_type(ctx.fetch_refs(cities, City.twin), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.twins), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.rivals), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.friends), dict[Ref[Person], Person])
assert_type(ctx.fetch_refs(cities, City.roads), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.roads["A1"]), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.holes), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.mayor[Mayor.person]), dict[Ref[Person], Person])
assert_type(ctx.fetch_refs(cities, City.mayor[Mayor.rivals]), dict[Ref[Person], Person])
assert_type(ctx.fetch_refs(iter(cities), City.twin, City.twins, City.roads), dict[Ref[City], City])
assert_type(ctx.fetch_refs(ctx.select(City), City.twin), dict[Ref[City], City])
assert_type(ctx.fetch_refs(cities, City.odd), dict[Ref[Any], Any])
assert_type(ctx.fetch_refs(cities, City.twin, City.friends), dict[Ref[City | Person], City | Person])
found = ctx.fetch_refs(countries, Country.capital, Country.head, Country.continent, Country.neighbour)
assert_type(found, dict[Ref[City | Person | Continent | Country], City | Person | Continent | Country])
assert_type(ctx.fetch_refs(cities, City.twin, City.twins, City.roads, City.rivals, City.holes), dict[Ref[City], City])
capitals = ctx.fetch_refs(countries, Country.capital)
for country in countries:
    assert_type(capitals[country.capital].name, str)
    assert_type(capitals.get(country.capital), City | None)
ctx.fetch_refs(cities)  # error: mypy pyright ty
ctx.fetch_refs(cities, City.name)  # error: mypy pyright ty
ctx.fetch_refs(cities, City.mayor)  # error: mypy pyright ty
ctx.fetch_refs(cities, "twin")  # error: mypy pyright ty
ctx.fetch_refs(city, City.twin)  # error: mypy pyright ty
ctx.fetch_refs(["SF"], City.twin)  # error: mypy pyright ty
ctx.fetch_refs(ctx.find_many(City, ["SF"]), City.twin)  # error: mypy pyright ty


def inside(txn: Transaction) -> None:
    assert_type(txn.find_many(City, ["SF"]), list[City | None])
    assert_type(txn.fetch_refs(cities, City.twin), dict[Ref[City], City])


async def in_async_code(atxn: AsyncTransaction) -> None:
    assert_type(await actx.find_many(City, ["SF"]), list[City | None])
    assert_type(await actx.find_many([Ref(City, "SF")]), list[City | None])
    assert_type(await actx.fetch_refs(cities, City.twin, City.friends), dict[Ref[City | Person], City | Person])
    assert_type(await atxn.find_many(City, ["SF"]), list[City | None])
    assert_type(await atxn.fetch_refs(cities, City.twin), dict[Ref[City], City])
    actx.fetch_refs(cities, City.twin)["x"]  # error: mypy pyright ty
