"""The whole road: things done with models through contexts, whose answers have to be the same on both sides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Literal

from cendry import (
    DELETE_FIELD,
    ArrayRemove,
    ArrayUnion,
    BulkFailure,
    Cendry,
    CendryError,
    Field,
    Increment,
    Map,
    Maximum,
    Model,
    Query,
    Ref,
    Txn,
    Vector,
    count,
    field,
    get_metadata,
    ref_of,
    upgrade,
)

_CLOCK = datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=timezone.utc)


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Mayor(Map):
    name: Field[str]
    since: Field[int] = field(default=0)


class City(Model, collection="cities"):
    name: Field[str] = field(alias="full.name")
    state: Field[str]
    population: Field[int] = field(default=0)
    size: Field[Size] = field(default=Size.SMALL)
    mayor: Field[Mayor | None] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)
    nearest: Field[Ref[City] | None] = field(default=None)
    updated: Field[datetime | None] = field(auto_now=True)
    notes: Field[Any] = field(default=None)


class Photo(Model, collection="photos"):
    state: Field[str]
    embedding: Field[Vector] = field(dimension=2)


class Street(Model, collection="streets", parent=City):
    name: Field[str]
    length: Field[float] = field(default=0.0)


class Event(Model, collection="events", tag_field="type"):
    at: Field[int] = field(alias="when", default=0)


class Click(Event, tag="click"):
    x: Field[int]
    target: Field[Ref[Event] | None] = field(default=None)


class DoubleClick(Click, tag="double click", extra="keep"):
    pause: Field[float] = field(default=0.5)


class Scroll(Event, tag="scroll"):
    x: Field[str] = field(default="")
    dy: Field[int] = field(default=0)


class Animal(Model, collection="animals", tag_field="class", tag=("Animal",)):
    age: Field[int] = field(default=0)


class Cat(Animal, tag=("Animal", "Cat")):
    lives: Field[int] = field(default=9)


class Siamese(Cat, tag=("Animal", "Cat", "Siamese")):
    pass


_EVENTS: list[type[Event]] = [Event, Click, DoubleClick, Scroll]
_ANIMALS: list[type[Animal]] = [Animal, Cat, Siamese]


class Card(Map):
    kind: Field[Literal["card"]] = field(default="card", alias="type")
    number: Field[str]
    year: Field[int] = field(default=0)


class Bank(Map):
    kind: Field[Literal["bank", "giro"]] = field(default="bank", alias="type")
    number: Field[int] = field(alias="the.number")
    year: Field[float | None] = field(default=None)


class Order(Model, collection="orders", extra="keep"):
    payment: Field[Card | Bank | None] = field(default=None)
    parts: Field[list[Card | Bank]] = field(default_factory=list)
    mixed: Field[int | Card | Bank] = field(default=0)


IDS = ["SF", "LA", "é", "__id7__"]
_STATES = ["CA", "NV"]


class OldPerson(Model, collection="people"):
    name: Field[str]
    visits: Field[int] = field(default=0)
    home: Field[dict[str, int] | None] = field(default=None)


class Person(Model, collection="people", version=2):
    first: Field[str]
    visits: Field[int] = field(default=0)
    home: Field[dict[str, int] | None] = field(default=None)


class Keeper(Model, collection="people", version=2, extra="keep"):
    first: Field[str]
    visits: Field[int] = field(default=0)


class Backfilled(Model, collection="people", version=2, oldest=2, extra="keep"):
    first: Field[str]
    visits: Field[int] = field(default=0)


@upgrade(Keeper, to=2)
@upgrade(Person, to=2)
def _split(data: dict[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in data.items() if name != "name"}
    home = {"home": {**data["home"], "new": 1}} if data.get("home") else {}
    return {**others, **home, "first": data["name"], "visits": data["visits"] + 100}


def _more(n: int) -> Any:
    return Increment(n)


# No map has transforms alone: such a map is made by the transform, and the emulator then takes the next write of the
# same document for a change.
_NOTES: list[Callable[[int], Any]] = [
    lambda n: None,
    lambda n: {"n": Increment(n), "s": 1, "x": {"y": Maximum(n), "s": 1}},
    lambda n: {"x": {}, "tags": {"all": ArrayUnion([n, "a"]), "s": 1}},
    lambda n: Increment(n),
]


def _city(n: list[int]) -> City:
    return City(
        id=IDS[n[0] % 4],
        name=f"city {n[1]}",
        state=_STATES[n[2] % 2],
        population=n[3] * 10,
        size=list(Size)[n[4] % 2],
        mayor=Mayor(name="Ada", since=_more(n[5]) if n[5] > 4 else n[5]) if n[5] % 2 else None,
        tags=[["a", "b", "c"][each % 3] for each in n[: n[4] % 4]],
        nearest=Ref(City, IDS[n[5] % 4]) if n[4] > 4 else None,
        notes=_NOTES[n[2] % 4](n[1]),
    )


def _ref(n: list[int]) -> Ref[City]:
    return Ref(City, IDS[n[0] % 4])


def _shown(city: City | None) -> Any:
    return None if city is None else repr(dataclasses.replace(city, notes=_sorted(city.notes)))


def _sorted(value: Any) -> Any:
    """A value whose maps are sorted: the keys of a map have no order."""
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _save(ctx: Cendry, n: list[int]) -> Any:
    return ctx.save(_city(n), merge=n[5] > 5)


def _create(ctx: Cendry, n: list[int]) -> Any:
    return ctx.create(_city(n))


def _update(ctx: Cendry, n: list[int]) -> None:
    changes: list[dict[Any, Any]] = [
        {City.population: Increment(n[1])},
        {City.population: n[1], City.mayor: Mayor(name="Grace", since=n[2])},
        {City.mayor[Mayor.since]: n[1]},
        {City.tags: ArrayUnion(["a", "d"])},
        {City.tags: ArrayRemove(["a"]), City.size: Size.LARGE},
        {City.name: "other", "state": "CA"},
        {City.notes: {"n": Increment(n[1]), "tags": {"all": ArrayUnion(["a"]), "s": 1}}},
        {City.state: "CA", City.mayor: Mayor(name="Grace", since=_more(n[2]))},
        {City.notes: {"a": {}, "b": {"s": 1, "c": {"d": ArrayRemove([n[1]]), "s": 1}}}},
    ]
    ctx.update(_ref(n), changes[n[5] % len(changes)])


def _merge(ctx: Cendry, n: list[int]) -> None:
    changes = [
        [City.name.set("merged"), City.state.set("CA"), City.population.set(Increment(n[1]))],
        [City.name.set("merged"), City.state.set("CA"), City.mayor[Mayor.name].set("Ada")],
        [City.name.set("merged"), City.state.set("CA"), City.mayor.set(DELETE_FIELD)],
        [City.state.set("CA")],
    ]
    ctx.merge(_ref(n), *changes[n[5] % len(changes)])


def _delete(ctx: Cendry, n: list[int]) -> None:
    ctx.delete(_ref(n), must_exist=bool(n[1] % 2))


def _read_change_save(ctx: Cendry, n: list[int]) -> Any:
    if n[3] % 4:
        ctx.save(_city(n))
    city = ctx.get(City, IDS[n[0] % 4])
    city.population += n[1]
    if n[2] % 2:
        ctx.update(_ref(n), {City.population: Increment(1)})
    ctx.save(city, if_unchanged=True)
    ctx.refresh(city)
    return _shown(city)


def _streets(ctx: Cendry, n: list[int]) -> Any:
    for number in range(1 + n[1] % 3):
        ctx.save(Street(id=f"s{number}", name=f"street {n[2]}", length=n[3] / 2), parent=_ref(n))
    return [
        [repr(street) for street in ctx.select(Street, order_by=Street.length.desc(), parent=_ref(n))],
        [(street.id, ref_of(street).path) for street in ctx.select_group(Street, Street.length > 1)],
    ]


def _select(ctx: Cendry, n: list[int]) -> Any:
    filters = [
        City.population > n[1] * 10,
        City.state == _STATES[n[2] % 2],
        (City.state == "CA") | (City.population >= 30),
        City.name.is_in(["city 1", "city 2", "city 3"]),
        City.tags.array_contains("a"),
        City.mayor[Mayor.since] > 2,
        City.id > "LA",
        City.size != Size.LARGE,
    ]
    query = ctx.select(City, filters[n[0]], order_by=None if n[3] % 2 else City.population.desc())
    return [list(map(_shown, query)), query.count(), query.exists(), query.ids(), _shown(query.first())]


def _last(ctx: Cendry, n: list[int]) -> Any:
    query = ctx.select(City, order_by=[City.state.asc(), City.population.desc()])
    return [
        query.limit_to_last(1 + n[0] % 3).ids(),
        _shown(query.last()),
        query.start_at({City.state: "CA", City.population: n[1] * 10}).ids(),
    ]


def _partitions(ctx: Cendry, n: list[int]) -> Any:
    for number in range(1 + n[1] % 4):
        ctx.save(Street(id=f"s{number}", name=f"street {n[2]}"), parent=Ref(City, IDS[(n[0] + number) % 4]))
    # The emulator gives one part, and memory several: what they are together has to be the same.
    parts = ctx.select_group(Street).partitions(1 + n[3])
    return [[(ref_of(street).path, street.name) for part in parts for street in part], sum(map(Query.count, parts))]


def _past(ctx: Cendry, n: list[int]) -> Any:
    city = _city(n)
    ctx.save(city)
    past = ctx.at(get_metadata(city).update_time)
    if n[1] % 2:
        ctx.delete(_ref(n))
    else:
        ctx.save(City(id=IDS[n[0] % 4], name="later", state="NV"))
    ctx.save(City(id=IDS[n[2] % 4], name="later", state="CA"))
    query = past.select(City, order_by=[City.state, City.population])
    seen = [list(map(_shown, query)), query.count(), query.exists(), query.values(City.name, City.id).to_list()]
    return [*seen, _shown(past.find(City, IDS[n[3] % 4])), [past.exists(City, id) for id in IDS], len(query.page(2))]


def _pages(ctx: Cendry, n: list[int]) -> Any:
    query = ctx.select(City, order_by=City.population.asc())
    pages = [[city.id for city in page] for page in query.paginate(1 + n[0] % 3)]
    first = query.first()
    after = [] if first is None else query.start_after(first).ids()
    return [pages, after, list(query.project(City.name, City.mayor[Mayor.name]))]


def _rows(ctx: Cendry, n: list[int]) -> Any:
    orders: list[Any] = [City.population, City.mayor[Mayor.since].desc(), [City.state, City.population.desc()]]
    query = ctx.select(City, order_by=orders[n[0] % 3], limit=None if n[1] % 2 else 1 + n[2] % 3)
    rows = query.values(City.id, City.name, City.size, City.mayor[Mayor.since], City.notes["x"]["y"], City.tags)
    pages = query.values(City.mayor, flat=True).paginate(1 + n[3] % 3)
    projected = query.project(City.mayor[Mayor.name], City.nearest, "notes.x.y", City.updated)
    return repr([rows.to_list(), rows.first(), rows.last(), list(pages), list(projected)])


def _figures(ctx: Cendry, n: list[int]) -> Any:
    limit = None if n[1] % 2 else 1 + n[2] % 3
    query = ctx.select(City, City.population >= n[0], order_by=City.population, limit=limit)
    total, mean = City.population.sum(), City.mayor[Mayor.since].avg()
    several = [(count(), total), (count(up_to=1 + n[3] % 3), total, mean), (mean, City.notes["n"].sum())]
    found = query.aggregate(*several[n[4] % 3]), dict(query.aggregate(n=count(), total=total, mean=mean))
    return [*found, query.count(1 + n[3] % 3), query.sum(City.population), query.avg(City.mayor[Mayor.since])]


def _batch(ctx: Cendry, n: list[int]) -> None:
    with ctx.batch() as batch:
        batch.save(_city(n))
        batch.update(Ref(City, IDS[n[1] % 4]), {City.population: Increment(n[2])})
        batch.delete(Ref(City, IDS[n[3] % 4]))


def _bulk(ctx: Cendry, n: list[int]) -> Any:
    failures: list[BulkFailure] = []
    with ctx.bulk(on_error=failures.append) as bulk:
        bulk.save(_city(n))
        bulk.update(Ref(City, IDS[n[1] % 4]), {City.population: Increment(n[2])})
        bulk.create(City(id=IDS[n[2] % 4], name="made", state="CA"))
        bulk.delete(Ref(City, IDS[n[3] % 4]), must_exist=n[4] % 2 == 0)
        bulk.update(Ref(City, IDS[n[3] % 4]), City.tags.set(ArrayUnion(["a"])))
        bulk.merge(City, IDS[n[4] % 4], {City.name: "merged", City.state: "NV", City.population: Maximum(n[5])})
    # Those to different documents fail in any order.
    return bulk.result.written, sorted((one.path, type(one.error).__name__, one.attempts) for one in failures)


def _update_all(ctx: Cendry, n: list[int]) -> Any:
    ctx.save_many([_city([place, *n[1:]]) for place in range(4)], atomic=False)
    query = ctx.select(City, City.population >= n[0] * 10, order_by=City.name.desc(), limit=1 + n[1] % 4)
    changes: list[dict[Any, Any]] = [
        {City.population: Increment(-n[2])},
        {City.name: "all", City.mayor: None},
        {City.tags: ArrayUnion(["z"]), City.notes: DELETE_FIELD},
    ]
    result = query.update(changes[n[5] % 3])
    return result.written, [_shown(city) for city in ctx.select(City, order_by=City.id)]


def _delete_all(ctx: Cendry, n: list[int]) -> Any:
    ctx.save_many([City(id=id, name=id, state=_STATES[place % 2]) for place, id in enumerate(IDS)], atomic=False)
    streets = ctx.select_group(Street, Street.length >= n[1]) if n[0] % 2 else ctx.select(Street, parent=_ref(n))
    written = [query.delete().written for query in (streets, ctx.select(City, City.state == _STATES[n[2] % 2]))]
    return [*written, ctx.select(City).ids(), sorted(ctx.select_group(Street).ids())]


def _delete_below(ctx: Cendry, n: list[int]) -> Any:
    for place in range(1 + n[1] % 3):
        ctx.save(Street(id=f"s{place}", name="x", length=float(place)), parent=Ref(City, IDS[(n[0] + place) % 4]))
    if n[2] % 2:
        ctx.save(_city(n))
    result = ctx.delete_recursive(_ref(n))
    return result.written, ctx.select(City).ids(), sorted(ctx.select_group(Street).ids())


def _transaction(ctx: Cendry, n: list[int]) -> Any:
    if n[3] % 2:
        ctx.save(_city(n))

    def move(txn: Txn) -> int:
        source, target = txn.get(City, IDS[n[0] % 4]), txn.find(City, IDS[n[1] % 4])
        txn.update(source, {City.population: source.population - n[2]})
        if target is None:
            txn.save(City(id=IDS[n[1] % 4], name="new", state="NV", population=n[2]))
        elif target.id != source.id:
            txn.update(target, {City.population: target.population + n[2]})
        return source.population

    return ctx.transaction(move)


def _get_or_create(ctx: Cendry, n: list[int]) -> Any:
    changes = {"name": "made", "state": "CA", "population": n[1]}
    if n[2] % 2:
        city, made = ctx.get_or_create(City, IDS[n[0] % 4], changes)
    else:
        city, made = ctx.update_or_create(City, IDS[n[0] % 4], changes)
    return [_shown(city), made]


def _many(ctx: Cendry, n: list[int]) -> Any:
    ids = IDS[: 1 + n[0] % 4]
    ctx.save_many([City(id=id, name="many", state="CA", population=place) for place, id in enumerate(ids)])
    if n[1] % 3 == 0:
        ctx.delete_many([_ref(n)])
    return [_shown(city) for city in ctx.get_many(City, ids)]


def _event(n: list[int]) -> Event:
    options: dict[str, Any] = {"id": IDS[n[0] % 4], "at": n[1]}
    kinds: list[Callable[[], Event]] = [
        lambda: Click(**options, x=n[2], target=Ref(Event, IDS[n[3] % 4])),
        lambda: DoubleClick(**options, x=n[2], pause=n[3] / 2),
        lambda: Scroll(**options, x=f"{n[2]}", dy=_more(n[3]) if n[3] > 4 else n[3]),
        lambda: Click(**options, x=_more(n[2])),
    ]
    return kinds[n[5] % 4]()


def _write_events(ctx: Cendry, n: list[int]) -> None:
    ctx.save(_event(n), merge=n[4] > 5)
    with ctx.batch() as batch:
        for number in range(1 + n[0] % 3):
            batch.save(_event([n[1] + number, n[2], n[3], n[4] % 4, n[5], n[0] + number]))
    changes: list[dict[Any, Any]] = [
        {Event.at: Increment(n[1]), Click.x: n[2]},
        {DoubleClick.pause: n[3] / 2},
        {Click.x: Increment(1), Scroll.dy: n[4]},
    ]
    ctx.update(Event, IDS[n[4] % 4], changes[n[2] % 3])
    if n[3] % 2:
        ctx.merge(Scroll, IDS[n[5] % 4], {Scroll.x: "merged", Scroll.dy: Increment(n[1])})


def _events(ctx: Cendry, n: list[int]) -> Any:
    _write_events(ctx, n)
    errors: list[str] = []
    model = _EVENTS[n[0] % 4]
    filters = [Event.at >= n[1], (Event.at < n[1]) | (Event.at > n[2]), Event.id > "LA"]
    by_time = ctx.select(model, order_by=[Event.at, Event.id], on_error=lambda error: errors.append(str(error)))
    queries = [by_time, by_time.filter(filters[n[3] % 3]), ctx.select(Event, Click.x == n[2])]
    pages = [[one.id for one in page] for page in by_time.paginate(1 + n[4] % 3)]
    page = by_time.page(1 + n[5] % 2)
    later = [] if page.next_token is None else by_time.page(2, after=page.next_token).items
    rows = ctx.select(Event, order_by=Event.id).values(Event.id, DoubleClick.pause, Scroll.dy)
    figures = by_time.count(), by_time.sum(Event.at), ctx.select(Event).sum(Click.x)
    known = [(ctx.exists(model, name), repr(ctx.find(Event, name))) for name in IDS]
    found = [list(map(repr, query)) for query in queries]
    return [found, pages, list(map(repr, [*page, *later])), list(rows), figures, known, errors]


def _one_event(ctx: Cendry, n: list[int]) -> Any:
    """Reads one kind by id, in a transaction that changes it; a document of another kind is refused."""
    ctx.save(_event(n))
    model = _EVENTS[n[3] % 4]

    def change(txn: Txn) -> str:
        event = txn.get(model, IDS[n[0] % 4])
        txn.update(event, {Event.at: n[4]})
        return repr(event)

    return [ctx.transaction(change), list(map(repr, ctx.find_many(model, IDS)))]


def _animals(ctx: Cendry, n: list[int]) -> Any:
    ctx.save(_ANIMALS[n[2] % 3](id=IDS[n[0] % 4], age=n[1]))
    ctx.save([Siamese, Cat][n[3] % 2](id=IDS[n[4] % 4], age=n[5], lives=n[2]))
    query = ctx.select(_ANIMALS[n[5] % 3], order_by=[Animal.age, Animal.id])
    older = query.filter(Animal.age > n[3]).ids()
    return [list(map(repr, query)), older, query.count(), ctx.exists(Cat, IDS[n[0] % 4])]


def _payment(n: int, year: int) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: Card(number=f"{n}", year=_more(year) if year > 5 else year),
        lambda: Bank(kind="giro" if n % 2 else "bank", number=n, year=year / 2),
        lambda: Bank(number=n),
        lambda: None,
    ]
    return kinds[year % 4]()


def _orders(ctx: Cendry, n: list[int]) -> Any:
    """Unions of classes: written, changed below, read and found by the fields of one class."""
    parts = [each for each in (_payment(n[3], n[4] % 4), _payment(n[4], n[5] % 4)) if each is not None]
    ctx.save(Order(id=IDS[n[0] % 4], payment=_payment(n[1], n[2]), parts=parts, mixed=_payment(n[2], n[3] % 4) or 7))
    found = ctx.find(Order, IDS[n[3] % 4])
    error = ""
    if found is not None and found.payment is not None:
        changes: list[Any] = [
            Order.payment.set(_payment(n[5], n[4] % 4)),
            Order.payment[Card.year].set(Increment(n[1])),
            Order.payment[Card.number].set("changed"),
            Order.payment[Bank.number].set(n[1]),
        ]
        try:
            ctx.update(found, changes[n[4] % 4])
        except CendryError as refused:
            error = str(refused)
        if n[4] % 4:
            ctx.update(Order, IDS[n[3] % 4], {"payment.year": n[2]})
    by_year = ctx.select(Order, order_by=[Order.payment["year"], Order.id])
    queries = [
        by_year,
        ctx.select(Order, Order.payment[Card.number] >= "3"),
        ctx.select(Order, Order.payment[Bank.number] == n[1]),
        ctx.select(Order, Order.payment[Bank.kind].is_in(["bank", "giro"])),
        ctx.select(Order, Order.parts.array_contains(Card(number=f"{n[3]}"))),
    ]
    rows = by_year.values(Order.id, Order.payment["kind"], Order.payment[Card.number], Order.payment[Bank.number])
    return [error, [list(map(repr, query)) for query in queries], rows.to_list(), by_year.count()]


def _tokens(ctx: Cendry, n: list[int]) -> Any:
    orders: list[Any] = [City.population, City.population.desc(), [City.state, City.population], City.name]
    query = ctx.select(City, order_by=orders[n[0] % 4])
    if n[0] % 4 < 2 and n[1] % 3 == 0:
        query = query.start_at({City.population: n[2] * 10})
    page = query.page(1 + n[1] % 2)
    if page.next_token is None:
        return [[city.id for city in page]]
    if n[4] % 2:
        ctx.save(_city(n))
    after, before = query.start_after(page.next_token), query.end_before(page.next_token)
    rest = after.page(1 + n[2] % 2)
    both = [] if rest.next_token is None else query.start_after(page.next_token).limit(1 + n[5] % 2).ids()
    ends = [after.count(), before.count(), [city.id for city in before.limit_to_last(1 + n[3] % 2)], both]
    return [after.ids(), [city.id for city in before], [city.id for city in rest], _shown(after.last()), *ends]


def _references(ctx: Cendry, n: list[int]) -> Any:
    ids = [IDS[each % 4] for each in n[:3]]
    cities = ctx.find_many(City, ids)
    found = ctx.fetch_refs([city for city in cities if city is not None], City.nearest)
    streets = ctx.find_many([Ref(Street, f"s{n[3] % 3}", parent=_ref(n)), _ref(n)])
    return [*map(_shown, cities), {ref.path: _shown(city) for ref, city in found.items()}, repr(streets[0])]


def _nearest(ctx: Cendry, n: list[int]) -> Any:
    ctx.save_many([Photo(id=f"p{k}", state=_STATES[k % 2], embedding=Vector([n[k], n[k + 1]])) for k in range(5)])
    query = ctx.select(Photo, Photo.state == "CA") if n[0] % 2 else ctx.select(Photo, order_by=Photo.state.desc())
    target = Vector([n[5] - 3, n[4] - 3])
    products = query.find_nearest(Photo.embedding, target, limit=1 + n[1] % 5, distance="dot_product")
    lengths = query.find_nearest("embedding", target, limit=3, distance="euclidean", threshold=n[2] + 0.3)
    first = query.find_nearest(Photo.embedding, target, limit=2, distance="euclidean").first()
    # Of small integers, roots are the same but for the last digit.
    every: list[Any] = [*products, *lengths, first]
    return [(repr(each.document), round(each.distance, 9)) for each in every]


def _people(ctx: Cendry, n: list[int]) -> Any:
    """Changes of documents of two versions, and of some that don't exist."""
    ids = [IDS[n[k] % 4] for k in (0, 2, 3)]
    ctx.save(OldPerson(id=ids[0], name="Ada", visits=n[1], home={"a": n[2]} if n[2] % 2 else None))
    if n[4] % 2:
        ctx.save(Person(id=ids[1], first="Grace", visits=n[1]))
    changes: list[Any] = [
        Person.visits.set(Increment(n[1])),
        Person.home["a"].set(n[4]),
        Person.home.set(DELETE_FIELD),
        Person.first.set("x"),
    ]
    writes: list[Callable[[], object]] = [
        lambda: ctx.update(Person, ids[2], changes[n[1] % 4], changes[3]) if n[1] % 4 < 3 else None,
        lambda: ctx.merge(Person, ids[2], Person.first.set("merged"), changes[n[1] % 3]),
        lambda: ctx.save(Keeper(id=ids[2], first="kept", visits=n[1])),
        lambda: ctx.transaction(_change_people(ids, changes[n[4] % 4])),
        lambda: ctx.update_or_create(Person, ids[2], [changes[3]]),
        lambda: _blind(ctx, ids),
    ]
    error = ""
    try:
        writes[n[5] % 6]()
    except CendryError as refused:
        error = str(refused)
    errors: list[str] = []
    query = ctx.select(Person, order_by=[Person.visits, Person.id], on_error=lambda each: errors.append(str(each)))
    page = query.page(1)
    later = [] if page.next_token is None else query.page(3, after=page.next_token).items
    people = [repr(dataclasses.replace(each, home=_sorted(each.home))) for each in query]
    return [error, people, [one.id for one in [*page, *later]], errors]


def _change_people(ids: list[str], change: Any) -> Callable[[Txn], None]:
    def work(txn: Txn) -> None:
        txn.find(Person, ids[0])
        txn.update(Person, ids[0], change)
        txn.save(Keeper(id=ids[1], first="kept"))
        txn.merge(Person, ids[2], Person.first.set("merged"))
        txn.delete(Person, ids[0])
        txn.save(Person(id=ids[2], first="last"), merge=True)

    return work


def _blind(ctx: Cendry, ids: list[str]) -> None:
    with ctx.batch() as batch:
        batch.save(Backfilled(id=ids[0], first="blind"))
        batch.merge(Backfilled, ids[1], Backfilled.first.set("blind"))


ACTS: dict[str, Callable[[Cendry, list[int]], Any]] = {
    "save": _save,
    "create": _create,
    "update": _update,
    "merge": _merge,
    "delete": _delete,
    "read, change, save": _read_change_save,
    "streets": _streets,
    "select": _select,
    "last": _last,
    "rows": _rows,
    "nearest": _nearest,
    "figures": _figures,
    "pages": _pages,
    "partitions": _partitions,
    "past": _past,
    "batch": _batch,
    "bulk": _bulk,
    "update all": _update_all,
    "delete all": _delete_all,
    "delete with all below": _delete_below,
    "transaction": _transaction,
    "get or create": _get_or_create,
    "many": _many,
    "events": _events,
    "one event": _one_event,
    "animals": _animals,
    "orders": _orders,
    "tokens": _tokens,
    "references": _references,
    "people": _people,
}
"""What can be done, by name; each takes a context and six numbers from 0 to 7."""


def act_of(name: str, numbers: list[int]) -> Callable[[Any], Any]:
    """One act, to be done with a backend."""

    def act(backend: Any) -> Any:
        with Cendry(backend=backend, clock=lambda: _CLOCK, timeout=20) as ctx:
            return ACTS[name](ctx, list(numbers))

    return act
