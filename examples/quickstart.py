"""The heart of Cendry: a model, then save, query, update, batch and transaction. Runs in process, in a moment.

`--emulator` runs it on Google's emulator, `--project ID` on Firestore itself.
"""

from __future__ import annotations

from datetime import datetime

from cendry import Cendry, Field, Increment, Map, Model, Txn, field
from database import chosen


class Mayor(Map):
    name: Field[str]
    since: Field[int]


class City(Model, collection="cities"):
    name: Field[str]
    state: Field[str]
    population: Field[int] = field(default=0)
    mayor: Field[Mayor | None] = field(default=None)
    updated: Field[datetime | None] = field(auto_now=True)


def move(txn: Txn, people: int) -> int:
    """Move people from Los Angeles to San Francisco. May run several times, if others write there too."""
    source, target = txn.get(City, "LA"), txn.get(City, "SF")
    txn.update(source, {City.population: source.population - people})
    txn.update(target, {City.population: target.population + people})
    return target.population + people


def main(ctx: Cendry) -> None:
    city = City(id="SF", name="San Francisco", state="CA", mayor=Mayor(name="Ada", since=2024))
    ctx.save(city)
    print("saved:      ", city.name, "with the id", city.id)

    with ctx.batch() as batch:  # all or nothing
        batch.create(City(id="LA", name="Los Angeles", state="CA", population=3_900_000))
        batch.create(City(id="LV", name="Las Vegas", state="NV", population=640_000))
    print("batch:      ", ctx.select(City).count(), "cities now")

    ctx.update(city, {City.population: Increment(870_000), City.mayor[Mayor.name]: "Grace"})  # only these two fields
    ctx.refresh(city)
    print("updated:    ", city.population, "people,", city.mayor)

    query = ctx.select(City, City.population > 700_000, order_by=City.population.desc())
    print("query:      ", query)
    print("found:      ", [found.name for found in query])

    print("transaction:", ctx.transaction(lambda txn: move(txn, 1_000)), "people in San Francisco")

    ctx.delete_many(City, ctx.select(City).ids())
    print("deleted:    ", ctx.select(City).count(), "cities left")


if __name__ == "__main__":
    with chosen(__doc__, City) as ctx:
        main(ctx)
