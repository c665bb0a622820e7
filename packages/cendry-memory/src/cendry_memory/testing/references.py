"""References through contexts: documents by reference, and all that fields of instances refer to."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cendry import ArrayRemove, ArrayUnion, Field, ForeignReferenceError, Map, Model, Ref, field
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


class Key(Map):
    """A map with a reference that is shown nowhere."""

    door: Field[Ref[City] | None] = field(default=None, repr=False, alias="d")


class Vault(Model, collection="vaults"):
    """A document with references that are shown nowhere, and one that is."""

    code: Field[Ref[City] | None] = field(default=None, repr=False, alias="c")
    codes: Field[list[Ref[City]]] = field(default_factory=list, repr=False)
    keys: Field[list[Key]] = field(default_factory=list)
    by_name: Field[dict[str, Key]] = field(default_factory=dict)
    loose: Field[Any] = field(default=None, repr=False)
    city: Field[Ref[City] | None] = field(default=None, alias="place")
    cities: Field[list[Ref[City]]] = field(default_factory=list)


SECRET: Any = Ref.from_path("cities/s3cret", model=City, database="projects/other/databases/there")
"""A reference into another database."""

HIDDEN_WRITES: list[tuple[str, dict[str, Any]]] = [
    ("code", {"code": SECRET}),
    ("codes[0]", {"codes": [SECRET]}),
    ("keys[1].door", {"keys": [Key(), Key(door=SECRET)]}),
    ("by_name.a.door", {"by_name": {"a": Key(door=SECRET)}}),
    ("loose", {"loose": SECRET}),
]


def foreign(call: Callable[[], object], *, hidden: bool = True) -> tuple[str | None, str | None, str | None]:
    """The model, field and document that an error about `SECRET` names; if it is hidden, it shows it nowhere."""
    with pytest.raises(ForeignReferenceError) as caught:
        call()
    return place(caught.value, hidden=hidden)


def place(error: ForeignReferenceError, *, hidden: bool = True) -> tuple[str | None, str | None, str | None]:
    """The model, field and document that an error about `SECRET` names, as `foreign`."""
    texts = "\n".join([repr(error), str(vars(error)), *traceback.format_exception(error)])
    assert ("s3cret" in texts) is not hidden
    assert error.field is None or f" in {error.model}.{error.field}" in str(error)
    assert error.path is None or f" of document {error.path!r}" in str(error)
    assert (error.reference is None) is hidden
    return error.model, error.field, error.path


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
    @pytest.mark.parametrize(("name", "values"), HIDDEN_WRITES)
    def test_a_refused_reference_in_a_hidden_field_is_not_shown(self, ctx: Any, name: str, values: Any) -> None:
        vault = Vault(id="a", **values)
        expected = ("Vault", name, "vaults/a")
        assert expected == foreign(lambda: ctx.save(vault))
        assert expected == foreign(lambda: ctx.create(vault))
        assert expected == foreign(lambda: ctx.save_many([Vault(id="b", city=Ref(City, "x")), vault]))
        assert expected == foreign(lambda: in_transaction(ctx, lambda txn: txn.save(vault)))
        assert [] == [one for one in ctx.find_many(Vault, ["a", "b"]) if one is not None]
        ctx.save(Vault(id="a"))
        assert expected == foreign(lambda: ctx.update(vault, values))
        assert expected == foreign(lambda: ctx.update(Vault, "a", values))

    @needs(Feature.TRANSACTIONS)
    def test_a_refused_reference_is_named(self, ctx: Any) -> None:
        vault = Vault(id="a", city=SECRET)
        assert ("Vault", "city", "vaults/a") == foreign(lambda: ctx.save(vault), hidden=False)
        ctx.save(Vault(id="a"))
        change = {Vault.cities: [Ref(City, "x"), SECRET]}
        assert ("Vault", "cities[1]", "vaults/a") == foreign(lambda: ctx.update(Vault, "a", change), hidden=False)
        # Of two, the first one.
        both = Vault(id="a", code=SECRET, city=SECRET)
        assert ("Vault", "code", "vaults/a") == foreign(lambda: ctx.save(both))

    @needs(Feature.MERGES, Feature.TRANSFORMS)
    def test_a_refused_reference_in_a_merge_or_a_transform_is_named(self, ctx: Any) -> None:
        expected = ("Vault", "code", "vaults/a")
        assert expected == foreign(lambda: ctx.merge(Vault, "a", {Vault.code: SECRET}))
        for transform in (ArrayUnion, ArrayRemove):
            added = {Vault.cities: transform([Ref(City, "x"), SECRET]), Vault.code: None}
            removed = {Vault.code: None, Vault.codes: transform([SECRET])}
            shown = foreign(partial(ctx.update, Vault, "a", added), hidden=False)
            assert ("Vault", "cities", "vaults/a") == shown
            assert ("Vault", "codes", "vaults/a") == foreign(partial(ctx.update, Vault, "a", removed))
        vault = Vault(id="a")
        union: Any = ArrayUnion([SECRET])
        vault.codes = union
        assert ("Vault", "codes", "vaults/a") == foreign(lambda: ctx.save(vault))

    @needs(Feature.TRANSACTIONS, Feature.QUERIES)
    def test_a_refused_reference_in_a_query_is_named(self, ctx: Any) -> None:
        def sent(*filters: Any) -> Callable[[], object]:
            return lambda: ctx.select(Vault, *filters).to_list()

        assert ("Vault", "code", None) == foreign(sent(Vault.code == SECRET))
        assert ("Vault", "city", None) == foreign(sent(Vault.city == SECRET), hidden=False)
        assert ("Vault", "code", None) == foreign(lambda: ctx.select(Vault, Vault.code == SECRET).first())

    @needs(Feature.CURSORS, Feature.TRANSACTIONS)
    def test_a_refused_reference_in_a_cursor_is_named(self, ctx: Any) -> None:
        cursor = ctx.select(Vault).order_by(Vault.code).start_at({Vault.code: SECRET})
        assert ("Vault", "code", None) == foreign(cursor.to_list)

    @needs(Feature.IN, Feature.ARRAY_FILTERS, Feature.WHOLE_VALUES, Feature.TRANSACTIONS)
    def test_a_refused_reference_in_a_filter_by_several_values_is_named(self, ctx: Any) -> None:
        filters = [
            (Vault.code.is_in([None, SECRET]), "code"),
            (Vault.codes.array_contains(SECRET), "codes"),
            (Vault.codes.array_contains_any([SECRET]), "codes"),
            (Vault.codes == [SECRET], "codes"),
            (Vault.keys == [Key(door=SECRET)], "keys"),
        ]

        def find(condition: Any) -> Any:
            return ctx.select(Vault, condition).to_list()

        for one, name in filters:
            assert ("Vault", name, None) == foreign(partial(find, one))

    @needs(Feature.BULK)
    def test_a_bulk_write_with_a_refused_reference_fails_alone_and_is_named(self, ctx: Any) -> None:
        failures: list[Any] = []
        bulk = ctx.bulk(on_error=failures.append)
        with bulk:
            bulk.save(Vault(id="a", code=SECRET))
            bulk.create(Vault(id="b", city=SECRET))
            bulk.save(Vault(id="c", city=Ref(City, "x")))
            bulk.update(Vault, "d", {Vault.code: SECRET})
        errors = {each.path: each.error for each in failures}
        assert ("Vault", "code", "vaults/a") == place(errors["vaults/a"])
        assert ("Vault", "city", "vaults/b") == place(errors["vaults/b"], hidden=False)
        assert ("Vault", "code", "vaults/d") == place(errors["vaults/d"])
        assert 3 == len(failures)
        assert [None, None, Ref(City, "x")] == [one and one.city for one in ctx.find_many(Vault, ["a", "b", "c"])]

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
