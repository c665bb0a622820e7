"""What type checkers make of fields and filters: operators, operands, nested fields, orders."""

# pyright: reportUnusedExpression=false

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict, assert_type

from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    And,
    ArrayRemove,
    ArrayUnion,
    Asc,
    Comparison,
    Desc,
    Field,
    FieldChange,
    FieldDescriptor,
    FieldFilter,
    FieldPath,
    Filter,
    Increment,
    Map,
    Maximum,
    Minimum,
    Model,
    Or,
    Ref,
    field,
)


class Status(enum.Enum):
    OPEN = "open"


class Street(Map):
    name: Field[str]


class Mayor(Map):
    name: Field[str]
    since: Field[int]
    street: Field[Street | None] = field(default=None)


class Extra(TypedDict):
    color: str


class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int]
    area: Field[float]
    nick: Field[str | None] = field(default=None)
    rank: Field[int | None] = field(default=None)
    capital: Field[bool] = field(default=False)
    status: Field[Status] = field(default=Status.OPEN)
    founded: Field[datetime | None] = field(default=None)
    regions: Field[list[str]] = field(default_factory=list)
    tags: Field[set[str] | None] = field(default=None)
    codes: Field[frozenset[int]] = field(default_factory=frozenset)
    corners: Field[tuple[int, ...]] = field(default=())
    mayor: Field[Mayor] = field(default_factory=lambda: Mayor(name="x", since=1))
    vice: Field[Mayor | None] = field(default=None)
    attributes: Field[dict[str, int]] = field(default_factory=dict)
    notes: Field[dict[str, Mayor] | None] = field(default=None)
    anything: Field[Any] = field(default=None)


    twin: Field[Ref[City] | None] = field(default=None)
    twins: Field[list[Ref[City]]] = field(default_factory=list)


def use(*filters: Filter) -> None: ...


def some_city() -> City:
    return City(name="x", population=1, area=1.0)


other = some_city()


# Comparisons

assert_type(City.name == "x", Comparison)
assert_type(City.name != "x", Comparison)
assert_type(City.population > 3, Comparison)
assert_type(City.population >= 3, Comparison)
assert_type(City.population < 3, Comparison)
assert_type(City.population <= 3, Comparison)
assert_type(City.nick == None, Comparison)  # noqa: E711
assert_type(City.nick == "x", Comparison)
assert_type(City.id == "SF", Comparison)
assert_type(City.capital == True, Comparison)  # noqa: E712
assert_type(City.status == Status.OPEN, Comparison)
assert_type(City.area > 3, Comparison)
assert_type(City.name.eq("x"), Comparison)
assert_type(City.name.ne("x"), Comparison)
assert_type(City.population.lt(3), Comparison)
assert_type(City.population.lte(3), Comparison)
assert_type(City.population.gt(3), Comparison)
assert_type(City.population.gte(3), Comparison)
use(City.population > "x")  # error: mypy pyright ty
use(City.population >= None)  # error: mypy pyright ty
use(City.population < "x")  # error: mypy pyright ty
use(City.population <= "x")  # error: mypy pyright ty
use(City.population.eq("x"))  # error: mypy pyright ty
use(City.name.ne(3))  # error: mypy pyright ty
use(City.population.gt("x"))  # error: mypy pyright ty
use(City.status.eq("open"))  # error: mypy pyright ty
use(City.name == None)  # error: mypy pyright ty
use(City.population == "x")  # error: mypy pyright ty
use(City.population != "x")  # error: mypy pyright ty

# Several values

assert_type(City.name.is_in(["x"]), Comparison)
assert_type(City.name.not_in(("x", "y")), Comparison)
use(City.name.is_in({"x"}), City.population.is_in(range(3)), City.name.is_in({"x": 1}.keys()))
use(City.nick.is_in(["x"]), City.nick.is_in([None, "x"]), City.id.is_in(["SF"]))
use(City.name.is_in("x"))  # error: mypy pyright ty
use(City.name.is_in(name for name in ["x"]))  # error: mypy pyright ty
use(City.name.is_in([1]))  # error: mypy pyright ty
use(City.population.not_in(["x"]))  # error: mypy pyright ty
use(City.name.is_in("x", "y"))  # error: mypy pyright ty

# Arrays

assert_type(City.regions.array_contains("x"), Comparison)
assert_type(City.tags.array_contains("x"), Comparison)
assert_type(City.codes.array_contains(1), Comparison)
assert_type(City.corners.array_contains(1), Comparison)
assert_type(City.regions.array_contains_any(["x"]), Comparison)
assert_type(City.tags.array_contains_any({"x"}), Comparison)
assert_type(City.codes.array_contains_any((1, 2)), Comparison)
assert_type(City.corners.array_contains_any([1]), Comparison)
use(City.regions.array_contains(1))  # error: mypy pyright ty
use(City.tags.array_contains(1))  # error: mypy pyright ty
use(City.codes.array_contains("x"))  # error: mypy pyright
use(City.name.array_contains("x"))  # error: mypy pyright ty
use(City.population.array_contains(3))  # error: mypy pyright ty
use(City.regions.array_contains_any([1]))  # error: mypy pyright ty
use(City.regions.array_contains_any("x"))  # error: mypy pyright ty
use(City.name.array_contains_any(["x"]))  # error: mypy pyright ty

# By type

assert_type(City.nick.is_null(), Comparison)
assert_type(City.nick.is_not_null(), Comparison)
assert_type(City.area.is_nan(), Comparison)
assert_type(City.name.startswith("x"), Filter)
assert_type(City.nick.startswith("x"), Filter)
assert_type(City.id.startswith("x"), Filter)
use(City.name.is_nan())  # error: mypy pyright ty
use(City.population.startswith("x"))  # error: mypy pyright ty
use(City.name.startswith(3))  # error: mypy pyright ty

# Nested fields

assert_type(City.mayor[Mayor.name], FieldDescriptor[str])
assert_type(City.vice[Mayor.since], "FieldDescriptor[int | None]")
assert_type(City.vice[Mayor.street][Street.name], "FieldDescriptor[str | None]")
assert_type(City.vice[Mayor.street[Street.name]], "FieldDescriptor[str | None]")
assert_type(City.attributes["k"], "FieldDescriptor[int | None]")
assert_type(City.mayor.name, FieldDescriptor[Any])
assert_type(City.vice.name, FieldDescriptor[Any])
use(City.mayor[Mayor.name] == "x", City.vice[Mayor.since] > 3, City.attributes["k"] > 3, City.mayor.name == "x")
use(City.mayor["name"] == "x")
use(City.anything["k"]["l"] == "x")
use(City.mayor[Mayor.name] > 3)  # error: mypy pyright ty
use(City.attributes["k"] > "x")  # error: mypy pyright ty
use(City.attributes[3] == 3)  # error: mypy pyright ty
use(City.name["k"] == "x")  # error: mypy pyright ty
use(City.name.length == 3)  # error: mypy pyright ty
use(City.attributes.k == 3)  # error: mypy pyright ty
use(City.regions[0] == "x")  # error: mypy pyright ty

# Together

one, two = City.name == "x", City.population > 3
assert_type(one & two, And)
assert_type(one | two, Or)
assert_type((one | two) & one, And)
assert_type(And(one, two), And)
assert_type(And([one, two]), And)
assert_type(Or(one, [two]), Or)
use(one & two, one | two, City.name.startswith("x") & one)
assert_type(one & FieldFilter("a.b", "==", 3), And)
assert_type(Or(one, FieldFilter("a.b", "==", 3)), Or)
use(one & True)  # error: mypy pyright ty
use(one | City.name)  # error: mypy pyright ty
use(one & City.name.asc())  # error: mypy pyright ty
use(one & (City.name == None))  # error: mypy pyright ty
use(City.name)  # error: mypy pyright ty
use("name")  # error: mypy pyright ty
And("name")  # error: mypy pyright ty
Or(City.name)  # error: mypy pyright ty

# Orders

assert_type(City.name.asc(), Asc)
assert_type(City.name.desc(), Desc)
Asc(City.name), Desc("name"), Asc(FieldPath("a", "b"))
Asc(3)  # error: mypy pyright ty
Desc(one)  # error: mypy pyright ty

# What also fails at run time

for each in City.regions:  # error: mypy pyright ty
    pass
"x" in City.regions  # error: mypy pyright ty
City.population & 3  # error: mypy pyright ty


# Typed changes

assert_type(City.name.set("x"), FieldChange)
assert_type(City.name.set(DELETE_FIELD), FieldChange)
assert_type(City.nick.set(None), FieldChange)
assert_type(City.population.set(Increment(1)), FieldChange)
assert_type(City.rank.set(Maximum(1)), FieldChange)
assert_type(City.area.set(Minimum(1.5)), FieldChange)
assert_type(City.area.set(1), FieldChange)
assert_type(City.regions.set(["x"]), FieldChange)
assert_type(City.regions.set(ArrayUnion(["x"])), FieldChange)
assert_type(City.tags.set(ArrayRemove(["x"])), FieldChange)
assert_type(City.corners.set(ArrayUnion([1])), FieldChange)
assert_type(City.founded.set(SERVER_TIMESTAMP), FieldChange)
assert_type(City.founded.set(datetime(2026, 1, 1)), FieldChange)
assert_type(City.status.set(Status.OPEN), FieldChange)
assert_type(City.mayor[Mayor.name].set("x"), FieldChange)
assert_type(City.vice.set(Mayor(name="x", since=1)), FieldChange)
assert_type(City.attributes["k"].set(1), FieldChange)
assert_type(City.anything.set("x"), FieldChange)
assert_type(City.twin.set(Ref(City, "x")), FieldChange)
assert_type(City.twin.set(other), FieldChange)
assert_type(City.twin.set(None), FieldChange)

City.population.set("x")  # error: mypy pyright ty
City.name.set(None)  # error: mypy pyright ty
City.name.set(5)  # error: mypy pyright ty
City.name.set(Increment(1))  # error: mypy pyright ty
City.name.set(ArrayUnion(["x"]))  # error: mypy pyright ty
City.name.set(SERVER_TIMESTAMP)  # error: mypy pyright ty
City.population.set(SERVER_TIMESTAMP)  # error: mypy pyright ty
City.regions.set(Increment(1))  # error: mypy pyright ty
City.regions.set([1])  # error: mypy pyright ty
City.mayor[Mayor.name].set(5)  # error: mypy pyright ty
City.twin.set("x")  # error: mypy pyright ty
City.name.set(City.nick)  # error: mypy pyright ty


# Instances as references

use(City.twin == other, City.twin != other, City.twin.eq(other), City.twin.ne(other))
use(City.twin == Ref(City, "x"), City.twin.is_in([other]), City.twin.is_in([Ref(City, "x"), other]))
use(City.twins.array_contains(other), City.twins.array_contains(Ref(City, "x")))
use(City.name == other)  # error: mypy pyright ty
use(City.twin == "x")  # error: mypy pyright ty
City.twin.eq("x")  # error: mypy pyright ty
