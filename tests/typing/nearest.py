"""What type checkers make of search by vector, in both twins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from typing_extensions import assert_type

from cendry import (
    AsyncCendry,
    AsyncQuery,
    AsyncRows,
    Cendry,
    Field,
    FieldPath,
    Map,
    Model,
    Neighbor,
    Query,
    Rows,
    Vector,
    field,
)


class Part(Map):
    embedding: Field[Vector] = field(default_factory=lambda: Vector([0.0]), dimension=1)


class City(Model, collection="cities"):
    name: Field[str]
    embedding: Field[Vector] = field(default=Vector([0.0, 0.0]), dimension=2)
    photo: Field[Vector | None] = field(default=None, dimension=768)
    tags: Field[list[float]] = field(default_factory=list)
    part: Field[Part | None] = field(default=None)
    notes: Field[dict[str, Vector]] = field(default_factory=dict)
    raw: Field[Any] = field(default=None)


ctx = Cendry()
actx = AsyncCendry()
cities = ctx.select(City)
vector = Vector([1.0, 2.0])

# Rows of neighbors

rows = cities.find_nearest(City.embedding, vector, limit=3)
assert_type(rows, Rows[Neighbor[City]])
assert_type(cities.find_nearest(City.photo, [1, 2.0], limit=3, distance="euclidean"), Rows[Neighbor[City]])
assert_type(cities.find_nearest("embedding", (1.0, 2.0), limit=3, distance="dot_product"), Rows[Neighbor[City]])
assert_type(cities.find_nearest(FieldPath("e"), vector, limit=3, threshold=1), Rows[Neighbor[City]])
assert_type(cities.find_nearest(City.part[Part.embedding], vector, limit=3, distance="cosine"), Rows[Neighbor[City]])
assert_type(cities.find_nearest(City.notes["a"], vector, limit=3, threshold=None), Rows[Neighbor[City]])
assert_type(cities.find_nearest(City.raw, vector, limit=3), Rows[Neighbor[City]])
assert_type(ctx.select_group(City).find_nearest(City.embedding, vector, limit=3), Rows[Neighbor[City]])
assert_type(Query(City).find_nearest(City.embedding, vector, limit=3), Rows[Neighbor[City]])
assert_type(ctx.select(AsyncQuery(City).find_nearest(City.embedding, vector, limit=3)), Rows[Neighbor[City]])

# What they give

for neighbor in rows:
    assert_type(neighbor, Neighbor[City])
    assert_type(neighbor.document, City)
    assert_type(neighbor.document.photo, "Vector | None")
    assert_type(neighbor.distance, float)
assert_type(rows.to_list(), list[Neighbor[City]])
assert_type(rows.first(), "Neighbor[City] | None")
assert_type(rows.one(), Neighbor[City])
assert_type(rows.one_or_none(), "Neighbor[City] | None")
assert_type(Neighbor(City(name="a"), 0.5), Neighbor[City])
as_models: Neighbor[Model] = rows.one()

# Misuse

cities.find_nearest(City.name, vector, limit=3)  # error: mypy pyright ty
cities.find_nearest(City.tags, vector, limit=3)  # error: mypy pyright ty
cities.find_nearest(City.embedding, ["1"], limit=3)  # error: mypy pyright ty
cities.find_nearest(City.embedding, 1.0, limit=3)  # error: mypy pyright ty
cities.find_nearest(City.embedding, vector)  # error: mypy pyright ty
cities.find_nearest(City.embedding, vector, 3)  # error: mypy pyright ty
cities.find_nearest(City.embedding, vector, limit="3")  # error: mypy pyright ty
cities.find_nearest(City.embedding, vector, limit=3, distance="manhattan")  # error: mypy pyright ty
cities.find_nearest(City.embedding, vector, limit=3, threshold="1")  # error: mypy pyright ty
neighbor.distance = 1.0  # error: mypy pyright ty


class Wrong(Model, collection="wrong"):
    embedding: Field[Vector | None] = field(default=None, dimension="768")  # error: mypy pyright ty


# The async twin


async def twin() -> None:
    found = actx.select(City).find_nearest(City.embedding, vector, limit=3)
    assert_type(found, AsyncRows[Neighbor[City]])
    assert_type(actx.select(rows), AsyncRows[Neighbor[City]])
    async for each in found:
        assert_type(each, Neighbor[City])
    assert_type(found.__aiter__(), AsyncIterator[Neighbor[City]])
    assert_type(await found.to_list(), list[Neighbor[City]])
    assert_type(await found.first(), "Neighbor[City] | None")
    assert_type(await found.one(), Neighbor[City])
    for each in found:  # error: mypy pyright ty
        pass
