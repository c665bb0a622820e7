"""What users of such libraries suffer from, tried from end to end on Firestore's emulator: data that gets lost or lands
in the wrong place, and surprises. What is shown nearer to its cause, in the tests of one room, isn't repeated here.
"""

from __future__ import annotations

import asyncio
import copy
import enum
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cendry import (
    DELETE_FIELD,
    ArrayRemove,
    ArrayUnion,
    AsyncCendry,
    Cendry,
    DecodeError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    Increment,
    Map,
    Model,
    Ref,
    StaleDocumentError,
    field,
    from_dict,
    get_metadata,
    to_dict,
)
from core.documents import Area, City, Spot, Stamped

pytestmark = pytest.mark.usefixtures("firestore_emulator")


@pytest.fixture
def ctx(make: Callable[..., Any], project: str) -> Iterator[Any]:
    with make(project=project) as context:
        yield context


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Part(Map):
    count: Field[int] = field(alias="how many")
    color: Field[Color | None] = field(default=None, enum_by="name")
    others: Field[dict[str, list[Part]]] = field(default_factory=dict)


class Thing(Model, collection="things"):
    parts: Field[list[Part] | None] = field(default=None)
    tags: Field[set[str] | None] = field(default=None)
    prices: Field[dict[str, Decimal] | None] = field(default=None)
    colors: Field[list[Color] | None] = field(default=None, enum_by="name")
    days: Field[dict[str, list[date]]] = field(default_factory=dict)
    pair: Field[tuple[int, str] | None] = field(default=None)
    key: Field[UUID | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    span: Field[timedelta | None] = field(default=None)
    part: Field[Part | None] = field(default=None)


def thing() -> Thing:
    return Thing(
        id="x",
        parts=[Part(count=1, others={"a.b": [Part(count=2, color=Color.RED)]})],
        tags={"b", "a"},
        prices={"net `1`": Decimal("1.10")},
        colors=[Color.BLUE],
        days={"/": [date(2024, 2, 29)]},
        pair=(1, "x"),
        key=UUID(int=7),
        price=Decimal("9.990"),
        day=date(2024, 2, 29),
        span=timedelta(microseconds=-1),
        part=Part(count=3, color=Color.BLUE),
    )


ODD_NAMES = ["a.b", "two words", "with-dash", "0digit", "ünï/код", "`\\", "__x", "a.`b`.c"]


def odd_model(alias: str) -> Any:
    class Odd(Model, collection="odd ones"):
        filter: Field[int] = field(default=0, alias=alias)
        owner: Field[dict[str, int]] = field(default_factory=dict)
        parent: Field[str] = field(default="p")

    return Odd


# Losing data


def test_containers_survive(ctx: Any) -> None:
    full, empty = thing(), Thing(id="empty", parts=[], tags=set(), prices={}, colors=[])
    ctx.save_many([full, empty])
    assert [full, empty] == ctx.get_many(Thing, ["x", "empty"])
    for one in (full, empty, Thing(id="blank")):
        assert one == from_dict(Thing, to_dict(one, include_id=True), include_id=True)
        assert one == from_dict(Thing, to_dict(one, include_id=True, by_alias=True), include_id=True, by_alias=True)


@pytest.mark.parametrize("alias", ODD_NAMES)
def test_a_field_of_any_stored_name_is_one_and_the_same_place_everywhere(ctx: Any, alias: str) -> None:
    odd = odd_model(alias)
    ctx.save_many(odd(id=str(number), filter=number, owner={alias: number}) for number in range(4))
    for place in (odd.filter, odd.owner[alias]):
        name = place.field_name
        assert ["2"] == ctx.select(odd, place == 2).ids()
        assert ["3", "2"] == ctx.select(odd, order_by=place.desc(), start_at={name: 3}, limit=2).ids()
        assert [{"id": "2", name: 2}] == ctx.select(odd, odd.id == "2").project(place).to_list()
        ctx.update(odd, "2", {place: Increment(10)})
        assert ["2"] == ctx.select(odd, place > 11).ids()
        two = ctx.get(odd, "2")
        ctx.update(two, {name: 2})
        assert two == ctx.get(odd, "2") == odd(id="2", filter=two.filter, owner=two.owner)
        assert {"0", "1", "2", "3"} == {one.id for page in ctx.select(odd, order_by=place).paginate(3) for one in page}
    ctx.update(odd, "1", {odd.owner[alias]: DELETE_FIELD})
    assert odd(id="1", filter=1) == ctx.get(odd, "1")


def test_a_partial_update_touches_only_what_it_names(ctx: Any, project: str) -> None:
    ctx.save(thing())
    with Cendry(project=project) as plain:
        document = plain.client.document("things/x")
        document.update({"part.unknown": 5, "elsewhere": 6})
        before = document.get().to_dict()
        ctx.update(Thing, "x", {"part.count": 4, Thing.prices["net `1`"]: Decimal("2.0")})
        after = document.get().to_dict()
    before["part"]["how many"] = 4
    before["prices"]["net `1`"] = "2.0"
    assert before == after


def test_values_are_converted_on_every_way_in(ctx: Any) -> None:
    ctx.save(thing())
    one = ctx.get(Thing, "x")
    part = Part(count=5, color=Color.RED)
    changes = {
        Thing.part[Part.color]: Color.RED,
        "colors": ArrayUnion([Color.RED]),
        "parts": ArrayUnion([part]),
        Thing.price: Decimal("1.00"),
        "day": date(2020, 1, 1),
        Thing.prices["x"]: Decimal(3),
    }
    ctx.update(one, changes)
    assert (Color.RED, Decimal("1.00"), date(2020, 1, 1)) == (one.part.color, one.price, one.day)
    for matches in (
        Thing.part[Part.color] == Color.RED,
        Thing.colors.array_contains(Color.RED),
        Thing.colors.array_contains_any({Color.RED}),
        Thing.parts.array_contains(part),
        Thing.price.is_in([Decimal("1.00")]),
        Thing.prices["x"] == Decimal(3),
        Thing.day == date(2020, 1, 1),
        Thing.key == UUID(int=7),
        Thing.span < timedelta(0),
    ):
        assert ["x"] == ctx.select(Thing, matches).ids()
    assert ["x"] == ctx.select(Thing, order_by=Thing.day, start_at={Thing.day: date(2020, 1, 1)}).ids()
    assert [] == ctx.select(Thing, order_by=Thing.day, start_after={Thing.day: date(2020, 1, 1)}).ids()
    ctx.update(Thing, "x", {"colors": ArrayRemove([Color.BLUE])})
    assert [Color.RED] == ctx.get(Thing, "x").colors


@pytest.mark.parametrize("way", ["read", "group", "copy", "pickle"])
def test_an_instance_is_written_where_it_lives_at_any_depth(ctx: Any, way: str) -> None:
    for city in ("a", "b"):
        area = Ref(Area, "same", parent=Ref(City, city))
        ctx.save(Spot(id="same", name=city), parent=area)
    spot = ctx.get(Spot, "same", parent=Ref(Area, "same", parent=Ref(City, "b")))
    if way == "group":
        spot = next(one for one in ctx.select_group(Spot) if one.name == "b")
    elif way != "read":
        spot = copy.deepcopy(spot) if way == "copy" else pickle.loads(pickle.dumps(spot))
    assert "cities/b/areas/same/spots/same" == get_metadata(spot).path
    spot.name = "saved"
    ctx.save(spot, if_unchanged=True)
    ctx.update(spot, {"name": "updated"})
    with ctx.batch() as batch:
        batch.update(spot, {"name": "batched"})
    with ctx.transaction() as txn:
        txn.update(spot, {"name": "transacted"})
    spot.name = "forgotten"
    ctx.refresh(spot)
    assert "transacted" == spot.name
    assert ["a", "transacted"] == [one.name for one in ctx.select_group(Spot)]
    assert ["cities/b/areas/same/spots/same"] == ctx.select_group(Spot, parent=Ref(City, "b")).ids()
    assert ["same"] == ctx.select(Spot, parent=Ref(Area, "same", parent=Ref(City, "b"))).ids()
    ctx.delete(spot)
    assert ["cities/a/areas/same/spots/same"] == ctx.select_group(Spot).ids()
    with pytest.raises(DocumentNotFoundError):
        ctx.refresh(spot)


def test_create_never_overwrites(ctx: Any) -> None:
    ctx.save(City(id="x", name="first"))

    def in_batch(city: City) -> None:
        with ctx.batch() as batch:
            batch.save(City(id="other", name="never"))
            batch.create(city)

    def in_transaction(city: City) -> None:
        with ctx.transaction() as txn:
            txn.save(City(id="other", name="never"))
            txn.create(city)

    for way in (ctx.create, in_batch, in_transaction):
        with pytest.raises(DocumentAlreadyExistsError):
            way(City(id="x", name="second"))
    assert [City(id="x", name="first")] == ctx.select(City).to_list()


# Dying in the middle


def test_one_unreadable_document_is_named_and_the_rest_is_read(ctx: Any, project: str) -> None:
    ctx.save_many(City(id=name, name=name) for name in "abcd")
    with Cendry(project=project) as plain:
        plain.client.document("cities/b").update({"population": "many"})
    told: list[DecodeError] = []
    assert ["a", "c", "d"] == [city.id for city in ctx.select(City, on_error=told.append)]
    assert [("cities/b", "population")] == [(error.path, error.field) for error in told]
    stream = iter(ctx.select(City))
    read: list[str | None] = []
    while len(read) < 4:
        try:
            read.append(next(stream).id)
        except DecodeError as error:
            read.append(error.path)
    assert ["a", "cities/b", "c", "d"] == read


def test_a_failed_write_leaves_the_instance_as_it_was(ctx: Any) -> None:
    stamped = Stamped(id="x")
    ctx.save(stamped)
    ctx.delete(Stamped, "x")
    before = dict(vars(stamped))

    def in_batch() -> None:
        with ctx.batch() as batch:
            batch.save(stamped)
            batch.update(Stamped, "gone", {"name": "x"})

    def in_transaction() -> None:
        with ctx.transaction() as txn:
            txn.save(stamped, if_unchanged=True)

    for error, way in (
        (DocumentNotFoundError, lambda: ctx.update(stamped, {"name": "new"})),
        (StaleDocumentError, lambda: ctx.save(stamped, if_unchanged=True)),
        (DocumentNotFoundError, in_batch),
        (StaleDocumentError, in_transaction),
        (DocumentNotFoundError, lambda: ctx.refresh(stamped)),
    ):
        with pytest.raises(error):
            way()
        assert before == vars(stamped)


def test_of_eight_threads_that_get_or_create_one_creates(project: str) -> None:
    found: list[tuple[City, bool]] = []
    start = threading.Barrier(8)
    with Cendry(project=project) as ctx:

        def run(number: int) -> None:
            start.wait()
            found.append(ctx.get_or_create(City, "x", {"name": str(number)}))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stored = ctx.get(City, "x")
    assert 8 == len(found)
    assert 1 == sum(created for _, created in found)
    assert {stored.name} == {city.name for city, _ in found}


@pytest.mark.slow
async def test_of_several_tasks_that_update_or_create_one_creates_and_none_is_lost(project: str) -> None:
    async with AsyncCendry(project=project) as ctx:
        put = [
            ctx.update_or_create(
                City, "x", {"population": Increment(1)}, create_defaults={"name": "n", "population": 1}
            )
            for _ in range(4)
        ]
        found = await asyncio.gather(*put)
        assert 1 == sum(created for _, created in found)
        assert 4 == (await ctx.get(City, "x")).population


# Surprising people


def test_limits_pages_and_cursors_agree(ctx: Any) -> None:
    ctx.save_many(City(id=f"{number:02}", name="x", population=number // 3) for number in range(10))
    by_id = ctx.select(City)
    for query in (
        by_id,
        ctx.select(City, order_by=City.population),
        ctx.select(City, order_by=City.population.desc()),
        ctx.select(City, (City.population > 0) | (City.name == "x")),
        ctx.select(City, City.population != 1, order_by=City.name),
    ):
        ids = query.ids()
        assert [3, 1] == [len(page) for page in query.limit(4).paginate(3)]
        for index, city in enumerate(query.to_list()):
            assert ids[index + 1 :] == query.start_after(city).ids()
            assert ids[:index] == query.end_before(city).ids()
        assert ids[3:7] == [one.id for page in query.offset(3).limit(4).paginate(2) for one in page]
        assert ids[0] == query.limit(1).one().id
        if query is not by_id:
            # By ids alone, Firestore reads downwards only where there is an index for it.
            assert ids[-2:] == query.limit_to_last(2).ids()
            assert ids[-1] == query.last().id
        with pytest.raises(ValueError, match="paginate takes 1 or more"):
            query.paginate(0)


def test_generators_are_as_good_as_lists(ctx: Any) -> None:
    ctx.save_many(City(id=name, name=name) for name in "abc")
    assert ["b", "a", "b"] == [city.id for city in ctx.get_many(City, iter("bab"))]
    assert ["a", "b"] == ctx.select(City, (one for one in [City.name.is_in(iter("ab"))]), order_by=iter(["name"])).ids()  # type: ignore[arg-type]
    one = ctx.get(City, "a")
    one.population = 5
    ctx.update(one, fields=iter(["population"]))
    ctx.update(City, "a", {"regions": ArrayUnion(name for name in "xy")})
    assert (5, ["x", "y"]) == (ctx.get(City, "a").population, ctx.get(City, "a").regions)
    ctx.delete_many(iter(ctx.select(City, City.id != "a").to_list()))
    ctx.delete_many(City, (name for name in "a"))
    assert 0 == ctx.select(City).count()


def test_a_read_at_a_moment_shows_that_moment(ctx: Any) -> None:
    city = City(id="x", name="before")
    ctx.save(city)
    moment = get_metadata(city).update_time
    ctx.update(city, {"name": "after"})
    assert ["before"] == [one.name for one in ctx.select(City).at(moment)]
    assert moment <= datetime.now(timezone.utc)
