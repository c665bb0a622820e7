"""References through contexts: documents by reference, and all that fields of instances refer to."""

from __future__ import annotations

from typing import Any

from cendry import Field, Map, Model, Ref, field
from cendry.plan import Set

from .documents import Area, City
from .driver import Database
from .features import Feature, needs
from .suite import Suite, in_transaction


class Person(Model, collection="people"):
    """Whom teams refer to."""

    name: Field[str]


class Venue(Map):
    """A map with a reference."""

    city: Field[Ref[City]]


class Team(Model, collection="teams"):
    """A document with references of every form."""

    captain: Field[Ref[Person] | None] = field(default=None, alias="the captain")
    players: Field[list[Ref[Person]]] = field(default_factory=list)
    home: Field[Venue | None] = field(default=None)
    away: Field[dict[str, Ref[City]]] = field(default_factory=dict)
    area: Field[Ref[Area] | None] = field(default=None)


class ReferenceConformance(Suite):
    """What a backend has to do with references."""

    def test_find_many_gives_none_for_absent_documents(self, ctx: Any) -> None:
        ctx.save_many([City(id="a", name="A"), City(id="b", name="B"), Person(id="a", name="P")])
        ctx.save(Area(id="x", name="X"), parent=Ref(City, "a"))
        found = ctx.find_many(City, ["b", "no", "a", "b", "no"])
        assert ["B", None, "A", "B", None] == [one and one.name for one in found]
        refs = [Ref(Person, "a"), Ref(City, "a"), Ref(Person, "b"), Ref(Area, "x", parent=Ref(City, "a"))]
        assert [Person, City, None, Area] == [one and type(one) for one in ctx.find_many(refs)]
        assert ["X", None] == [one and one.name for one in ctx.find_many(Area, ["x", "y"], parent=Ref(City, "a"))]
        assert [] == ctx.find_many(City, [])

    def test_references_in_fields_are_fetched(self, db: Database, ctx: Any) -> None:
        ann, bob, gone = (Ref(Person, name) for name in ("ann", "bob", "gone"))
        rome, oslo = Ref(City, "rome"), Ref(City, "oslo")
        area = Ref(Area, "x", parent=rome)
        db.commit(
            Set("people/ann", {"name": "Ann"}),
            Set("people/bob", {"name": "Bob"}),
            Set("cities/rome", {"displayName": "Rome"}),
            Set("cities/oslo", {"displayName": "Oslo"}),
            Set("cities/rome/areas/x", {"name": "X"}),
        )
        ctx.save_many(
            [
                Team(id="a", captain=ann, players=[bob, ann, gone], home=Venue(city=rome)),
                Team(id="b", away={"first": oslo, "second": rome}, area=area),
                Team(id="c"),
            ]
        )
        teams = ctx.get_many(Team, ["a", "b", "c"])
        found = ctx.fetch_refs(teams, Team.captain, Team.players, Team.home[Venue.city], Team.away, Team.area)
        assert {ann: "Ann", bob: "Bob", rome: "Rome", oslo: "Oslo", area: "X"} == {
            ref: one.name for ref, one in found.items()
        }
        assert "Ann" == found[teams[0].captain].name
        assert "Bob" == found[teams[0].players[0]].name
        assert teams[0].players[2] not in found
        assert {ann: "Ann"} == {ref: one.name for ref, one in ctx.fetch_refs(iter(teams), Team.captain).items()}
        assert {} == ctx.fetch_refs(teams[2:], Team.captain, Team.players)
        # What was fetched knows where it lives.
        ctx.delete(found[area])
        assert None is db.data("cities/rome/areas/x")

    @needs(Feature.TRANSACTIONS)
    def test_references_are_fetched_inside_transactions(self, ctx: Any) -> None:
        ctx.save_many([Person(id="a", name="A"), Team(id="t", captain=Ref(Person, "a"), players=[Ref(Person, "b")])])

        def rename(txn: Any) -> list[Any]:
            [team, absent] = txn.find_many(Team, ["t", "u"])
            found = txn.fetch_refs([team], Team.captain, Team.players)
            for person in found.values():
                txn.update(person, {Person.name: person.name * 2})
            return [absent, *found]

        assert [None, Ref(Person, "a")] == in_transaction(ctx, rename)
        assert "AA" == ctx.get(Person, "a").name
