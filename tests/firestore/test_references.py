"""References of the SDK in contexts: usable on their own database, foreign on every other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    Cendry,
    CendryError,
    Field,
    ForeignReferenceError,
    Map,
    Model,
    Query,
    Ref,
    field,
    from_dict,
)
from cendry.plan import Set
from cendry_firestore import AsyncFirestoreBackend
from cendry_memory.testing import Database
from cendry_memory.testing.driver import Driven
from firestore.faulty import FaultyServer
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore as sdk


class Trip(Model, collection="trips"):
    start: Field[Ref[Trip] | None] = field(default=None)
    stops: Field[list[Ref[Any]]] = field(default_factory=list)
    more: Field[Any] = field(default=None)


@pytest.fixture
def ctx(db: Database) -> Any:
    """A context of either twin."""
    if not db.is_async:
        return Cendry(backend=db.backend)
    assert db._loop is not None
    return Driven(AsyncCendry(backend=db.backend), db._loop)


@pytest.fixture(params=[sdk.Client, sdk.AsyncClient], ids=["Client", "AsyncClient"])
def client(request: pytest.FixtureRequest, firestore_emulator: str, project: str) -> Any:
    """A client of the context's database; a reference of either kind fits a context of either twin."""
    return request.param(project=project)


@pytest.fixture
def home(project: str) -> str:
    return f"projects/{project}/databases/(default)"


def event(client: Any) -> Trip:
    there, other = client.document("trips/there"), client.document("trips/other")
    return from_dict(Trip, {"start": there, "stops": [there, other], "more": {"x": [other]}}, doc_id="t")


def test_a_document_with_references_of_the_sdk_is_written(ctx: Any, db: Database, client: Any, home: str) -> None:
    trip = event(client)
    assert trip.start is not None
    assert home == trip.start.database
    there, other = Ref(Trip, "there"), Ref.from_path("trips/other")
    stored = {"start": there, "stops": [there, other], "more": {"x": [other]}}
    ctx.save(trip)
    assert stored == db.data("trips/t")
    read = ctx.get(Trip, "t")
    assert (None, None) == (read.start.database, read.more["x"][0].database)
    ctx.delete(trip)
    ctx.create(trip)
    assert stored == db.data("trips/t")
    ctx.save(Trip(id="t"))
    ctx.update(trip, fields=[Trip.start, Trip.stops])
    ctx.update(Trip, "t", Trip.more.set(trip.more))
    assert stored == db.data("trips/t")
    with ctx.batch() as batch:
        batch.save(Trip(id="u", start=trip.start))
    assert there == (db.data("trips/u") or {})["start"]


def test_references_of_the_sdk_filter_and_are_followed(ctx: Any, client: Any, home: str) -> None:
    trip = event(client)
    ctx.save_many([trip, Trip(id="there"), Trip(id="other")])
    start: Any = trip.start
    assert ["t"] == ctx.select(Trip, Trip.start == start).ids()
    assert ["t"] == ctx.select(Trip, Trip.stops.array_contains(trip.stops[1])).ids()
    assert ["there"] == ctx.select(Trip, Trip.id == start).ids()
    assert ["there"] == ctx.select(Trip, Trip.id.is_in([start])).ids()
    assert ["t", "there"] == ctx.select(Trip, order_by=Trip.id, start_after={Trip.id: trip.stops[1]}).ids()
    assert ["t"] == ctx.select(Trip, order_by=Trip.start, start_at={Trip.start: start}).ids()
    assert "there" == ctx.get(start).id
    assert "there" == ctx.find(start).id
    assert ctx.exists(start)
    assert ["there", "other"] == [one.id for one in ctx.get_many([start, trip.stops[1].as_model(Trip)])]
    assert ["there"] == [one.id for one in ctx.get_many(Trip, [start])]
    assert ["there", None] == [one and one.id for one in ctx.find_many([start, Ref(Trip, "nowhere")])]
    # They are the keys as they stand in the instances, and as what is stored reads.
    assert "there" == ctx.fetch_refs([trip], Trip.start)[start].id
    assert [Ref(Trip, "there")] == list(ctx.fetch_refs([ctx.get(Trip, "t")], Trip.start))
    ctx.update(start, Trip.more.set(5))
    assert 5 == ctx.refresh(start).more
    ctx.delete(start, must_exist=True)
    ctx.delete_many(Trip, [trip.stops[1]], must_exist=True)
    assert ["t"] == ctx.select(Trip).ids()


@pytest.mark.parametrize(
    "call",
    [
        lambda ctx, trip: ctx.save(trip),
        lambda ctx, trip: ctx.create(trip),
        lambda ctx, trip: ctx.save(Trip(id="t", stops=trip.stops)),
        lambda ctx, trip: ctx.save(Trip(id="t", more=trip.more)),
        lambda ctx, trip: ctx.update(Trip, "kept", Trip.start.set(trip.start)),
        lambda ctx, trip: ctx.select(Trip, Trip.start == trip.start).to_list(),
        lambda ctx, trip: ctx.select(Trip, Trip.id == trip.start).to_list(),
        lambda ctx, trip: ctx.select(Trip, order_by=Trip.start, start_at={Trip.start: trip.start}).to_list(),
        lambda ctx, trip: ctx.get(trip.start),
        lambda ctx, trip: ctx.find(trip.start),
        lambda ctx, trip: ctx.exists(trip.start),
        lambda ctx, trip: ctx.get_many([trip.start]),
        lambda ctx, trip: ctx.find_many([trip.start]),
        lambda ctx, trip: ctx.fetch_refs([trip], Trip.start),
        lambda ctx, trip: ctx.delete(trip.start),
    ],
)
@pytest.mark.parametrize("given", [{"project": "other"}, {"database": "other"}], ids=["project", "database"])
def test_references_of_the_sdk_into_another_database_are_refused(
    ctx: Any, db: Database, home: str, project: str, call: Callable[[Any, Trip], object], given: dict[str, str]
) -> None:
    db.commit(Set("trips/kept", {"more": 1}))
    there = sdk.Client(**{"project": project, "credentials": AnonymousCredentials(), **given})
    with pytest.raises(ForeignReferenceError, match="points into a database other than") as caught:
        call(ctx, event(there))
    assert home == caught.value.database
    assert {"more": 1} == db.data("trips/kept")
    assert None is db.data("trips/t")


def test_a_batch_follows_references_where_no_event_loop_runs(firestore_emulator: str, project: str, home: str) -> None:
    own: Ref[Trip] = Ref.from_path("trips/own", model=Trip, database=home)
    foreign = Ref.from_path("trips/own", model=Trip, database="projects/other/databases/(default)")

    async def send(batch: Any) -> None:
        await batch.commit()

    for backend in (AsyncFirestoreBackend(project=project), AsyncFirestoreBackend(sdk.AsyncClient(project=project))):
        assert home == backend.database
        ctx = AsyncCendry(backend=backend)
        batch = ctx.batch()
        batch.merge(own, Trip.more.set(5))
        batch.save(Trip(id="t", start=own))
        with pytest.raises(ForeignReferenceError):
            batch.delete(foreign)
        asyncio.run(send(batch))

        async def read(ctx: AsyncCendry = ctx) -> Trip:
            start = (await ctx.get(Trip, "t")).start
            assert start is not None
            return await ctx.get(start)

        if backend._given is None:
            assert 5 == asyncio.run(read()).more


def test_nothing_is_opened_for_references_that_name_no_database(firestore_emulator: str, project: str) -> None:
    ctx = Cendry(project=project)
    with pytest.raises(CendryError, match="use ref.as_model"):
        ctx.get(Ref.from_path("trips/t"))
    assert None is ctx._sender.holder._backend


def test_pages_begin_at_references_of_the_sdk(ctx: Any, client: Any) -> None:
    start: Any = event(client).start
    a: Any = client.document("trips/a")
    stops = {"x": [start]}
    ctx.save_many([Trip(id=name, start=start, stops=[start], more=stops) for name in "ab"])
    for query in (
        ctx.select(Trip, order_by=Trip.stops, start_at={Trip.stops: [start]}, end_at={Trip.stops: [start]}),
        ctx.select(Trip, order_by=Trip.more, start_at={Trip.more: stops}, end_at={Trip.more: stops}),
        ctx.select(Trip, order_by=Trip.start, start_at={Trip.start: start}, end_at={Trip.start: start}),
        ctx.select(Trip, order_by=Trip.id, start_at={Trip.id: a}),
    ):
        first = query.page(1)
        second = query.page(1, after=first.next_token)
        assert ["a", "b"] == [first.items[0].id, second.items[0].id]
        assert ["b"] == query.start_after(first.next_token).ids()


class Leg(Model, collection="legs", parent=Trip):
    n: Field[int]


def test_queries_below_references_of_the_sdk(ctx: Any, client: Any, project: str) -> None:
    start: Any = event(client).start
    ctx.save(Leg(id="a", n=1), parent=Ref(Trip, "there"))
    for query in (ctx.select(Leg).under(start), ctx.select_group(Leg).under(start), Query(Leg, parent=start)):
        assert ["a"] == [leg.id for leg in ctx.select(query)]
    assert 1 == ctx.get(Ref(Leg, "a", parent=start)).n
    below = Ref(Leg, "b", parent=start)
    ctx.merge(below, Leg.n.set(2))
    assert [1, 2] == ctx.select(Leg).under(Ref(Trip, "there")).values(Leg.n, flat=True).to_list()
    other: Any = event(sdk.Client(project="other", credentials=AnonymousCredentials())).start
    for query in (Query(Leg, parent=other), Query(Leg).under(other)):
        with pytest.raises(ForeignReferenceError, match="points into a database other than"):
            ctx.select(query).to_list()
    with pytest.raises(ForeignReferenceError):
        ctx.get(Ref(Leg, "a", parent=other))


class Home(Map):
    town: Field[Ref[Town] | None] = field(default=None)


class Town(Model, collection="towns"):
    n: Field[int]


class Player(Model, collection="players"):
    home: Field[Home]
    capital: Field[Ref[Town] | None] = field(default=None)
    friends: Field[list[Ref[Player]]] = field(default_factory=list)


def test_all_references_of_many_instances_are_one_call(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    ctx = db.context()
    ctx.save_many([Town(id=f"t{number}", n=number) for number in range(300)])
    players = [
        Player(
            id=f"p{number}",
            home=Home(town=Ref(Town, f"t{number % 290}")),
            capital=None if number % 5 == 0 else Ref(Town, f"t{number % 7 + 290}"),
            friends=[Ref(Player, f"p{friend}") for friend in range(number, number + 4)],
        )
        for number in range(500)
    ]
    ctx.save_many(players)
    faulty.calls.clear()
    found = ctx.fetch_refs(players, Player.home[Home.town], Player.capital, Player.friends)
    assert ["BatchGetDocuments"] == faulty.calls
    assert 297 + 500 == len(found)
    for player in players:
        town = player.home.town
        assert town is not None
        assert found[town].n == int(town.id[1:])
        assert all(found[friend].id == friend.id for friend in player.friends if friend.id < "p5")
    faulty.calls.clear()

    def inside(txn: Any) -> int:
        towns = txn.fetch_refs(txn.get_many(Player, ["p0", "p1"]), Player.home[Home.town], Player.capital)
        return len(towns)

    assert 3 == ctx.transaction(inside)
    assert 2 == faulty.calls.count("BatchGetDocuments")
