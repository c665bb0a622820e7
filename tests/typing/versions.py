"""What type checkers make of models with versions, and of their upgrades."""

# pyright: reportUnusedExpression=false

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from cendry import Cendry, Field, Map, Model, Problem, field, from_dict, upgrade, validate


class City(Model, collection="cities", version=3):
    name: Field[str]
    population: Field[int] = field(default=0)


class Town(Model, collection="towns", version=2, version_field="v", oldest=1, extra="keep", frozen=True):
    name: Field[str]


class Event(Model, collection="events", tag_field="type", version=2): ...


class Click(Event, tag="click"): ...


class Place(Model, abstract=True, version=2): ...


class Worded(Model, collection="odd", version="2"): ...  # error: pyright ty


class Numbered(Model, collection="odd", version=2, version_field=5): ...  # error: pyright ty


class Old(Model, collection="odd", version=2, oldest="1"): ...  # error: pyright ty


@upgrade(City, to=2)
def add_name(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "name": data["title"]}


assert_type(add_name({}), dict[str, Any])


def rename(data: dict[str, Any], *, by: str = "name") -> dict[str, Any]:
    return {**data, by: data["title"]}


# The function keeps its own type.
assert_type(upgrade(City, to=2)(rename)({}, by="title"), dict[str, Any])
upgrade(Place, to=2)(add_name)
upgrade(Event, to=2)(add_name)


@upgrade(City, to=3)  # error: mypy pyright ty
def no_dict(data: dict[str, Any]) -> str:
    return str(data)


@upgrade(City, to=3)  # error: mypy pyright ty
def of_two(data: dict[str, Any], more: int) -> dict[str, Any]:
    return {**data, "more": more}


@upgrade(City, to=3)  # error: mypy pyright ty
async def later(data: dict[str, Any]) -> dict[str, Any]:
    return data


class Part(Map): ...


upgrade(Part, to=2)  # error: mypy pyright ty
upgrade(City(name="a"), to=2)  # error: mypy pyright ty
upgrade(City, to="2")  # error: mypy pyright ty
upgrade(City, 2)  # error: mypy pyright ty
upgrade(City)  # error: mypy pyright ty

# Versions are no part of instances.

City(name="a", version=3)  # error: mypy pyright ty
assert_type(City(name="a").population, int)
assert_type(Cendry().get(Town, "a").name, str)
assert_type(from_dict(City, {"title": "a"}, by_alias=True, version=1), City)
assert_type(validate(City, {"title": "a"}, by_alias=True, version=1), list[Problem])
from_dict(City, {"title": "a"}, version="1")  # error: mypy pyright ty
