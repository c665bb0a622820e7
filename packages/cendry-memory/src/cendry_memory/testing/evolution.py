"""Models with versions: old documents are upgraded when they are read, and no change of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from cendry import (
    DELETE_FIELD,
    CendryError,
    DecodeError,
    DocumentNotFoundError,
    Field,
    Increment,
    Map,
    Model,
    StaleDocumentError,
    field,
    get_metadata,
    upgrade,
)
from cendry.plan import Delete, Set

from .driver import Database, together
from .features import Feature, needs
from .suite import Suite, in_transaction

VERSION = "_cendry_version"
VISITS_ADDED = 100
"""What an upgrade adds to a stored number; one that runs twice would add it twice."""


class Home(Map):
    """A map that an upgrade writes."""

    city: Field[str]
    zip: Field[str | None] = field(default=None)


class Person(Model, collection="people", version=3):
    """A model whose documents have changed twice: the name became two, and the number of visits was corrected."""

    first: Field[str]
    last: Field[str] = field(default="")
    home: Field[Home | None] = field(default=None)
    visits: Field[int] = field(default=0)
    note: Field[str | None] = field(default=None)


@upgrade(Person, to=2)
def split_name(data: dict[str, Any]) -> dict[str, Any]:
    """From one name to two, and from a city to a map."""
    others = {name: value for name, value in data.items() if name not in ("name", "city")}
    first, _, last = data["name"].partition(" ")
    home = {"home": {"city": data["city"]}} if "city" in data else {}
    return {**others, **home, "first": first, "last": last}


@upgrade(Person, to=3)
def add_visits(data: dict[str, Any]) -> dict[str, Any]:
    """More visits."""
    return {**data, "visits": data.get("visits", 0) + VISITS_ADDED}


class Keeper(Model, collection="people", version=3, extra="keep"):
    """The same documents, in a program that keeps what it doesn't know."""

    first: Field[str]
    visits: Field[int] = field(default=0)


upgrade(Keeper, to=2)(split_name)
upgrade(Keeper, to=3)(add_visits)


class Before(Model, collection="people", version=2, extra="keep"):
    """The same documents, in a program that runs since before the last change."""

    first: Field[str]
    visits: Field[int] = field(default=0)


upgrade(Before, to=2)(split_name)


class Current(Model, collection="people", version=3, oldest=3):
    """The same documents, after a backfill."""

    first: Field[str]
    visits: Field[int] = field(default=0)


class CurrentKeeper(Model, collection="people", version=3, oldest=3, extra="keep"):
    """The same, in a program that keeps what it doesn't know."""

    first: Field[str]
    visits: Field[int] = field(default=0)


class Shape(Model, collection="shapes", tag_field="kind", version=2, version_field="v"):
    """A base with versions, and a name for them."""

    size: Field[int]


class Round(Shape, tag="round"):
    """A shape."""

    color: Field[str | None] = field(default=None)


@upgrade(Shape, to=2)
def double_size(data: dict[str, Any]) -> dict[str, Any]:
    """Twice as large."""
    return {**data, "size": 2 * data["size"]}


class Broken(Model, collection="broken", version=2):
    """A model whose upgrade fails on some documents."""

    n: Field[int]


@upgrade(Broken, to=2)
def divide(data: dict[str, Any]) -> dict[str, Any]:
    """Fails on zero."""
    return {**data, "n": 100 // data["n"]}


class Cluttered(Model, collection="broken", version=2, extra="keep"):
    """A model whose upgrade makes an undeclared field."""

    n: Field[int]
    new: ClassVar[Any] = None


@upgrade(Cluttered, to=2)
def clutter(data: dict[str, Any]) -> dict[str, Any]:
    """Adds whatever a test needs."""
    return {**data, "new": Cluttered.new}


OLD: dict[str, Any] = {"name": "Ada Lovelace", "city": "London", "visits": 1, "unknown": [1]}
STORED: dict[str, Any] = {
    "first": "Ada",
    "last": "Lovelace",
    "home": {"city": "London"},
    "visits": 101,
    "unknown": [1],
    VERSION: 3,
}
"""The same, upgraded."""


def upgraded_person() -> Person:
    """The instance of both."""
    return Person(id="a", first="Ada", last="Lovelace", home=Home(city="London"), visits=101)


class EvolutionConformance(Suite):
    """Models with versions."""

    # --- reading ---

    def test_old_documents_are_upgraded_when_they_are_read_by_id(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD), Set("people/b", {**STORED, "visits": 1}))
        db.commit(Set("people/c", {"first": "C", VERSION: 2}))
        found = ctx.get_many(Person, ["a", "b", "c"])
        assert (101, 1) == (found[0].visits, found[1].visits)
        assert Person(id="c", first="C", visits=100) == found[2]
        assert [upgraded_person(), upgraded_person()] == [ctx.get(Person, "a"), ctx.find(Person, "a")]
        again = Person(id="a", first="")
        ctx.refresh(again)
        assert upgraded_person() == again
        # Reading writes nothing.
        assert OLD == db.data("people/a")

    @needs(Feature.QUERIES)
    def test_documents_that_cannot_be_upgraded_are_errors_of_their_own(self, db: Database, ctx: Any) -> None:
        db.commit(Set("broken/a", {"n": 0}), Set("broken/b", {"n": 4}), Set("broken/c", {"n": 5, VERSION: 3}))
        errors: list[DecodeError] = []
        assert [Broken(id="b", n=25)] == ctx.select(Broken, order_by=Broken.n, on_error=errors.append).to_list()
        assert ["broken/a", "broken/c"] == [error.path for error in errors]
        with pytest.raises(DecodeError, match=r"'broken/a' can't be upgraded to version 2 of Broken: divide\(\)"):
            ctx.get(Broken, "a")
        with pytest.raises(DecodeError, match=r"'broken/c' was written by a newer model \(version 3\); this one is 2"):
            ctx.get(Broken, "c")

    @needs(Feature.LISTENERS, Feature.QUERIES)
    def test_listeners_upgrade_old_documents_that_change(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", {**OLD, "visits": 5}), Set("people/b", {"first": "B", "visits": 3, VERSION: 3}))
        snapshots = ctx.select(Person, order_by=Person.visits).snapshots()
        one = ctx.snapshots(Person, "a")
        # In the order of what is stored, where the first has 5 visits.
        assert [("b", 3), ("a", 105)] == [(each.id, each.visits) for each in next(snapshots).documents]
        assert 105 == next(one).documents[0].visits
        db.commit(Set("people/a", OLD))
        assert [("a", 101), ("b", 3)] == [(each.id, each.visits) for each in next(snapshots).documents]
        assert (upgraded_person(),) == next(one).documents
        for each in (snapshots, one):
            each.close()

    # --- writing whole documents ---

    def test_whole_documents_have_the_current_version(self, db: Database, ctx: Any) -> None:
        ctx.save(Person(id="a", first="A"))
        ctx.create(Person(id="b", first="B"))
        ctx.save_many([Person(id="c", first="C"), Round(id="r", size=1)])
        with ctx.batch() as batch:
            batch.save(Person(id="d", first="D"))
            batch.create(Person(id="e", first="E"))
        paths = [f"people/{name}" for name in "abcde"]
        assert [3] * 5 == [(result.data or {})[VERSION] for result in db.get(*paths)]
        assert {"kind": "round", "size": 1, "color": None, "v": 2} == db.data("shapes/r")

    @needs(Feature.BULK)
    def test_whole_documents_of_a_bulk_have_the_current_version(self, db: Database, ctx: Any) -> None:
        with ctx.bulk() as bulk:
            bulk.save(Person(id="a", first="A"))
            bulk.create(Person(id="b", first="B"))
        assert [3, 3] == [(result.data or {})[VERSION] for result in db.get("people/a", "people/b")]

    def test_a_save_replaces_an_old_document(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ada = ctx.get(Person, "a")
        ada.note = "x"
        ctx.save(ada)
        whole = {"first": "Ada", "last": "Lovelace", "home": {"city": "London", "zip": None}, "visits": 101}
        assert {**whole, "note": "x", VERSION: 3} == db.data("people/a")
        assert ada == ctx.get(Person, "a")

    # --- changing some fields ---

    @needs(Feature.TRANSACTIONS)
    def test_an_update_upgrades_an_old_document(self, db: Database, ctx: Any) -> None:
        for number, given in enumerate([(Person, "a", {Person.note: "x"}), (upgraded_person(), {Person.note: "x"})]):
            db.commit(Set("people/a", OLD))
            ctx.update(*given)
            assert {**STORED, "note": "x"} == db.data("people/a"), number
        ada = ctx.get(Person, "a")
        ctx.update(ada, {Person.visits: 7, Person.note: DELETE_FIELD})
        assert {**STORED, "visits": 7} == db.data("people/a")
        db.commit(Set("people/a", OLD))
        ctx.update(ada, fields=[Person.visits])
        assert {**STORED, "visits": 7} == db.data("people/a")

    @needs(Feature.TRANSACTIONS)
    def test_an_update_of_a_current_document_writes_the_change_alone(self, db: Database, ctx: Any) -> None:
        odd = {"first": "A", "last": 5, VERSION: 3}
        db.commit(Set("people/a", odd))
        ctx.update(Person, "a", {Person.note: "x"})
        assert {**odd, "note": "x"} == db.data("people/a")
        with pytest.raises(DocumentNotFoundError):
            ctx.update(Person, "none", {Person.note: "x"})
        assert db.data("people/none") is None

    @needs(Feature.TRANSACTIONS)
    def test_an_update_changes_what_an_upgrade_has_made(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ctx.update(Person, "a", {"home.zip": "W1", Person.last: DELETE_FIELD, Person.visits: 1})
        expected = {**STORED, "home": {"city": "London", "zip": "W1"}, "visits": 1}
        del expected["last"]
        assert expected == db.data("people/a")

    @needs(Feature.TRANSACTIONS, Feature.TRANSFORMS)
    def test_transforms_change_what_an_upgrade_has_made(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ctx.update(Person, "a", {Person.visits: Increment(1)})
        ctx.update(Person, "a", {Person.visits: Increment(1)})
        assert {**STORED, "visits": 103} == db.data("people/a")

    @needs(Feature.TRANSACTIONS)
    def test_an_instance_that_was_written_is_current(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ada = ctx.get(Person, "a")
        ctx.update(ada, {Person.note: "x"})
        assert ("x", ctx.get(Person, "a")) == (ada.note, ada)

    @needs(Feature.TRANSACTIONS)
    def test_a_document_that_cannot_be_upgraded_is_not_changed(self, db: Database, ctx: Any) -> None:
        found: dict[str, dict[str, Any]] = {
            "broken/a": {"n": 0},
            "broken/b": {"n": 5, VERSION: 3},
            "broken/c": {"n": 5, VERSION: "3"},
        }
        db.commit(*(Set(path, data) for path, data in found.items()))
        for name, message in (("a", "can't be upgraded"), ("b", "by a newer model"), ("c", "a version, which is")):
            with pytest.raises(DecodeError, match=message):
                ctx.update(Broken, name, {Broken.n: 1})
        assert found == {path: db.data(path) for path in found}

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    def test_an_upgrade_that_the_model_cannot_read_is_not_written(self, db: Database, ctx: Any) -> None:
        odd = {"name": "Ada Lovelace", "city": 5}
        db.commit(Set("people/a", odd))
        writes: list[Callable[[], object]] = [
            lambda: ctx.update(Person, "a", {Person.note: "x"}),
            lambda: ctx.save(Person(id="a", first="A"), merge=True),
        ]
        for write in writes:
            with pytest.raises(DecodeError, match=r"'people/a' .* home.city: expected str, .* from version 1 to 3\)"):
                write()
        # What the upgrade would have removed is still there.
        assert odd == db.data("people/a")

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    @pytest.mark.parametrize(
        ("new", "message"),
        [
            (object(), r"new: expected a value that Firestore can hold, found object <object .*"),
            ({1, 2}, r"new: expected a value that Firestore can hold, found set \{1, 2\}"),
            ({"a": [{"b": Decimal(1)}]}, r"new.a\[0\].b: expected a value that Firestore can hold, found Decimal .*"),
            (2**63, r"new: expected a value that Firestore can hold, found int 9223372036854775808 \(outside 64.*"),
            (Increment(1), r"new: expected a value that Firestore can hold, found Increment\(value=1\), a transform"),
            ([[1]], r"new\[0\]: expected no array directly in an array, found list \[1\]"),
            ({"": 1}, r"new: expected keys that Firestore can hold, found str '' \(a key must not be empty\)"),
        ],
        ids=["object", "set", "inside", "int", "transform", "arrays", "key"],
    )
    def test_an_upgrade_that_cannot_be_stored_is_not_written(
        self, db: Database, ctx: Any, monkeypatch: pytest.MonkeyPatch, new: object, message: str
    ) -> None:
        monkeypatch.setattr(Cluttered, "new", new)
        db.commit(Set("broken/a", {"n": 1}))
        writes: list[Callable[[], object]] = [
            lambda: ctx.update(Cluttered, "a", {Cluttered.n: 2}),
            lambda: ctx.save(ctx.get(Cluttered, "a")),
            lambda: ctx.save_many([Cluttered(id="a", n=2)], merge=True),
            lambda: ctx.update_or_create(Cluttered, "a", {Cluttered.n: 2}),
            lambda: in_transaction(ctx, lambda txn: txn.update(Cluttered, "a", {Cluttered.n: 2})),
        ]
        for write in writes:
            with pytest.raises(DecodeError, match=rf"'broken/a' .* Cluttered: {message} \(after its upgrade"):
                write()
        assert {"n": 1} == db.data("broken/a")

    @needs(Feature.TRANSACTIONS)
    def test_what_an_upgrade_makes_is_stored_as_a_save_stores_it(
        self, db: Database, ctx: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Cluttered, "new", {"moment": datetime(2024, 1, 2), "pair": (1, 2)})
        db.commit(Set("broken/a", {"n": 1}))
        ctx.update(Cluttered, "a", {Cluttered.n: 2})
        new = {"moment": datetime(2024, 1, 2, tzinfo=timezone.utc), "pair": [1, 2]}
        assert {"n": 2, "new": new, VERSION: 2} == db.data("broken/a")

    @needs(Feature.TRANSACTIONS, Feature.PRECONDITIONS)
    def test_an_old_document_that_must_be_unchanged(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ada, stale = ctx.get(Person, "a"), ctx.get(Person, "a")
        ctx.update(ada, {Person.note: "x"}, if_unchanged=True)
        assert {**STORED, "note": "x"} == db.data("people/a")
        assert get_metadata(ada) == get_metadata(ctx.get(Person, "a"))._replace(read_time=get_metadata(ada).read_time)
        db.commit(Set("people/a", OLD))
        with pytest.raises(StaleDocumentError):
            ctx.update(stale, {Person.note: "y"}, if_unchanged=True)
        ctx.update(Person, "a", {Person.note: "y"}, if_unchanged="*")
        assert {**STORED, "note": "y"} == db.data("people/a")

    @needs(Feature.TRANSACTIONS)
    def test_changes_at_the_same_time_upgrade_a_document_once(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        together(
            lambda: ctx.update(Person, "a", {Person.note: "x"}),
            lambda: ctx.update(Person, "a", {Person.last: "King"}),
        )
        assert {**STORED, "note": "x", "last": "King"} == db.data("people/a")

    @needs(Feature.TRANSACTIONS)
    def test_updates_of_a_tagged_base(self, db: Database, ctx: Any) -> None:
        db.commit(Set("shapes/a", {"kind": "round", "size": 1}), Set("shapes/b", {"kind": "round", "size": 1, "v": 2}))
        for name in "ab":
            ctx.update(Shape, name, {Round.color: "red"})
        assert [4 // 2, 1] == [ctx.get(Round, name).size for name in "ab"]
        assert {"kind": "round", "size": 2, "color": "red", "v": 2} == db.data("shapes/a")

    # --- writing some fields of documents that may not exist ---

    @needs(Feature.TRANSACTIONS, Feature.MERGES)
    def test_merges(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD), Set("people/b", {"first": "B", "unknown": 1, VERSION: 3}))
        for name in "abc":
            ctx.merge(Person, name, {Person.first: "X", Person.visits: 5})
        assert {**STORED, "first": "X", "visits": 5} == db.data("people/a")
        assert {"first": "X", "visits": 5, "unknown": 1, VERSION: 3} == db.data("people/b")
        assert {"first": "X", "visits": 5, VERSION: 3} == db.data("people/c")

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    def test_saves_that_keep_other_fields(self, db: Database, ctx: Any) -> None:
        newer = {"first": "N", "visits": 0, "newest": 1, VERSION: 4}
        db.commit(Set("people/a", OLD), Set("people/n", newer))
        db.commit(Set("people/b", {"first": "B", "unknown": 1, VERSION: 3}))
        read = ctx.get(Keeper, "a")
        assert (101, "Ada") == (read.visits, read.first)
        for instance in (read, Keeper(id="b", first="X"), Keeper(id="c", first="X")):
            ctx.save(instance)
        # What the upgrades removed is gone.
        assert STORED == db.data("people/a")
        assert {"first": "X", "visits": 0, "unknown": 1, VERSION: 3} == db.data("people/b")
        assert {"first": "X", "visits": 0, VERSION: 3} == db.data("people/c")
        # A version is never lowered.
        for instance in (ctx.get(Keeper, "n"), Keeper(id="n", first="X")):
            instance.visits = 9
            ctx.save(instance)
            assert {**newer, "first": instance.first, "visits": 9} == db.data("people/n")
        automatic = Keeper(first="X")
        ctx.save(automatic)
        assert {"first": "X", "visits": 0, VERSION: 3} == db.data(f"people/{automatic.id}")

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    def test_saves_of_declared_fields(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        ctx.save(Person(id="a", first="X", visits=5), merge=True)
        expected = {**STORED, "first": "X", "last": "", "home": None, "visits": 5, "note": None}
        assert expected == db.data("people/a")
        db.commit(Set("people/a", OLD))
        people = [Person(id="a", first="X", visits=5), Person(id="b", first="B"), Person(first="C")]
        ids = ctx.save_many(people, merge=True)
        assert expected == db.data("people/a")
        assert [3, 3] == [(db.data(f"people/{each}") or {})[VERSION] for each in ids[1:]]
        assert people == ctx.get_many(Person, ids)

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    def test_a_program_from_before_keeps_what_a_newer_one_wrote(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", STORED), Set("people/b", {"name": "B C"}))
        for name in "ab":
            person = ctx.get(Before, name)
            person.visits += 1
            ctx.save(person)
            ctx.update(Before, name, {Before.first: "X"})
        assert {**STORED, "first": "X", "visits": 102} == db.data("people/a")
        assert {"first": "X", "last": "C", "visits": 1, VERSION: 2} == db.data("people/b")
        assert [102, 101] == [each.visits for each in ctx.get_many(Person, ["a", "b"])]

    # --- transactions ---

    @needs(Feature.TRANSACTIONS)
    def test_transactions_upgrade_what_they_change(self, db: Database, ctx: Any) -> None:
        def work(txn: Any) -> None:
            for name in "ab":
                txn.update(Person, name, {Person.note: "x"})
            txn.update(Person, "a", {Person.last: "King"})

        def read_and_work(txn: Any) -> None:
            txn.get_many(Person, ["a", "b"])
            work(txn)

        for function in (work, read_and_work):
            db.commit(Set("people/a", OLD), Set("people/b", {"first": "B", VERSION: 3}))
            in_transaction(ctx, function)
            assert {**STORED, "note": "x", "last": "King"} == db.data("people/a")
            assert {"first": "B", "note": "x", VERSION: 3} == db.data("people/b")

    @needs(Feature.TRANSACTIONS, Feature.MASKS)
    def test_what_a_transaction_has_written_is_not_upgraded(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD), Set("people/b", OLD))

        def work(txn: Any) -> None:
            txn.save(Person(id="a", first="A"))
            txn.update(Person, "a", {Person.note: "x"})
            txn.delete(Person, "b")
            txn.save(Keeper(id="b", first="B"))

        in_transaction(ctx, work)
        assert {"first": "A", "last": "", "home": None, "visits": 0, "note": "x", VERSION: 3} == db.data("people/a")
        assert {"first": "B", "visits": 0, VERSION: 3} == db.data("people/b")

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_that_cannot_upgrade_writes_nothing(self, db: Database, ctx: Any) -> None:
        db.commit(Set("broken/a", {"n": 0}))
        new = Broken(n=1)

        def work(txn: Any) -> None:
            txn.save(new)
            txn.update(Broken, "a", {Broken.n: 1})

        with pytest.raises(DecodeError, match="can't be upgraded"):
            in_transaction(ctx, work)
        assert new.id is None
        assert {"n": 0} == db.data("broken/a")

    @needs(Feature.TRANSACTIONS)
    def test_old_documents_are_updated_or_found(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        assert (upgraded_person(), False) == ctx.get_or_create(Person, "a", {Person.first: "X"})
        found, created = ctx.update_or_create(Person, "a", {Person.first: "X"})
        assert ("X", 101, False) == (found.first, found.visits, created)
        assert {**STORED, "first": "X"} == db.data("people/a")
        ctx.update_or_create(Person, "b", {Person.first: "B"})
        assert 3 == (db.data("people/b") or {})[VERSION]

    # --- writes that read nothing ---

    @needs(Feature.MASKS)
    def test_a_batch_changes_no_documents_that_may_be_old(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        new = Person(first="A")
        batch = ctx.batch()
        batch.save(new)
        queues: list[Callable[[], object]] = [
            lambda: batch.update(Person, "a", {Person.note: "x"}),
            lambda: batch.save(Person(id="a", first="A"), merge=True),
            lambda: batch.save(Keeper(id="a", first="A")),
        ]
        for queue in queues:
            with pytest.raises(CendryError, match=r"A batch can't read the stored version .* declare oldest=3"):
                queue()
        batch.commit()
        assert OLD == db.data("people/a")
        assert new == ctx.get(Person, new.id)

    @needs(Feature.MERGES, Feature.BULK, Feature.QUERIES)
    def test_a_bulk_changes_no_documents_that_may_be_old(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD))
        with ctx.bulk() as bulk:
            queues: list[Callable[[], object]] = [
                lambda: bulk.update(Person, "a", {Person.note: "x"}),
                lambda: bulk.merge(Person, "a", {Person.first: "x"}),
                lambda: bulk.save(Keeper(id="a", first="A")),
            ]
            for queue in queues:
                with pytest.raises(CendryError, match="A bulk can't read the stored version"):
                    queue()
        with pytest.raises(CendryError, match="An update of the documents of a query can't read the stored version"):
            ctx.select(Person).update({Person.note: "x"})
        with pytest.raises(CendryError, match="A bulk can't read the stored version"):
            ctx.save_many([Keeper(id="a", first="A")], atomic=False)
        assert OLD == db.data("people/a")

    @needs(Feature.TRANSACTIONS)
    def test_documents_of_a_collection_without_old_ones(self, db: Database, ctx: Any) -> None:
        current = {"first": "A", "unknown": 1, VERSION: 3}
        db.commit(Set("people/a", current), Set("people/old", OLD))
        ctx.update(Current, "a", {Current.visits: 5})
        with ctx.batch() as batch:
            batch.update(Current, "a", {Current.first: "X"})
        assert {**current, "first": "X", "visits": 5} == db.data("people/a")
        with pytest.raises(DecodeError, match="is of version 1, and Current declares oldest=3"):
            ctx.get(Current, "old")

    @needs(Feature.MERGES, Feature.TRANSFORMS, Feature.BULK, Feature.QUERIES)
    def test_writes_that_read_nothing_lower_no_version(self, db: Database, ctx: Any) -> None:
        newer = {"first": "N", "newest": 1, VERSION: 4}
        db.commit(Set("people/a", newer), Set("people/b", newer), Set("people/c", {"first": "C", VERSION: 3}))
        with ctx.batch() as batch:
            batch.merge(Current, "a", {Current.first: "X"})
            batch.save(CurrentKeeper(id="b", first="X"))
            batch.merge(Current, "d", {Current.first: "X"})
        with ctx.bulk() as bulk:
            bulk.merge(Current, "e", {Current.first: "X"})
            bulk.update(Current, "c", {Current.visits: 5})
            bulk.save(CurrentKeeper(id="f", first="X"))
        assert {**newer, "first": "X"} == db.data("people/a")
        assert {**newer, "first": "X", "visits": 0} == db.data("people/b")
        assert {"first": "C", "visits": 5, VERSION: 3} == db.data("people/c")
        for name in "de":
            assert {"first": "X", VERSION: 3} == db.data(f"people/{name}")
        assert {"first": "X", "visits": 0, VERSION: 3} == db.data("people/f")
        assert 5 == ctx.select(Current, Current.first == "X").update({Current.visits: 1}).written

    # --- cursors ---

    @needs(Feature.QUERIES, Feature.CURSORS)
    def test_an_instance_whose_place_is_not_known_is_no_cursor(self, db: Database, ctx: Any) -> None:
        db.commit(Set("people/a", OLD), Set("people/b", {"first": "B", "visits": 2, "note": "x", VERSION: 3}))
        ada = ctx.get(Person, "a")
        by_visits, by_note = (ctx.select(Person, order_by=each) for each in (Person.visits, Person.note))
        for query in (by_visits.start_at(ada), by_visits.end_before(ada)):
            with pytest.raises(CendryError, match=r"can't be a cursor: the query sorts by 'visits'.* as version 1"):
                query.to_list()
        assert ["b"] == by_note.start_at(ada).ids()
        assert ["b"] == by_visits.start_at(ctx.get(Person, "b")).ids()
        ctx.save(ada)
        assert ["a"] == by_visits.start_at(ada).ids()

    @needs(Feature.QUERIES, Feature.PAGES)
    def test_pages_go_on_after_old_documents(self, db: Database, ctx: Any) -> None:
        db.commit(*(Set(f"people/{name}", {"name": name, "visits": n}) for n, name in enumerate("abcd")))
        query, token = ctx.select(Person, order_by=Person.visits), None
        found: list[Any] = []
        while True:
            page = query.page(1, after=token)
            found += [(each.id, each.visits) for each in page]
            token = page.next_token
            if token is None:
                break
        assert [("a", 100), ("b", 101), ("c", 102), ("d", 103)] == found

    # --- deletes ---

    def test_deletes_need_no_version(self, db: Database, ctx: Any) -> None:
        db.commit(*(Set(f"people/{name}", OLD) for name in "abc"))
        ctx.delete(Person, "a")
        ctx.delete(ctx.get(Person, "b"), must_exist=True)
        with ctx.batch() as batch:
            batch.delete(Person, "c")
        assert [None] * 3 == [db.data(f"people/{name}") for name in "abc"]
        db.commit(Delete("people/a"))
