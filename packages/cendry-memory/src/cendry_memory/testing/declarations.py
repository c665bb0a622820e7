"""What classes declare about their fields: stored names, and how values are stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from cendry import (
    DELETE_FIELD,
    Field,
    FieldPath,
    Increment,
    InvalidValueError,
    Map,
    Model,
    TypeRegistry,
    field,
    from_dict,
    to_dict,
)
from cendry.plan import Set

from .driver import Database
from .features import Feature, needs
from .suite import Suite


class Reading(Map):
    """A map of which two stored names are swapped."""

    low: Field[int] = field(alias="high")
    high: Field[int] = field(alias="low")


class Export(Model, collection="exports"):
    """A document with a stored field called `id`, and two and three fields with each other's stored names."""

    stored_id: Field[int] = field(alias="id")
    a: Field[int] = field(alias="b", default=1)
    b: Field[int] = field(alias="a", default=2)
    x: Field[int] = field(alias="y", default=3)
    y: Field[int] = field(alias="z", default=4)
    z: Field[int] = field(alias="x", default=5)
    inner: Field[Reading | None] = field(default=None)


class KeptExport(Export, collection="exports", extra="keep"):
    """The same, of a model that keeps what it doesn't know."""


STORED = {"id": 7, "b": 1, "a": 2, "y": 3, "z": 4, "x": 5, "inner": {"high": 10, "low": 20}}


def export(document_id: str = "first", **values: Any) -> Export:
    """A document whose fields all differ."""
    given: dict[str, Any] = {"id": document_id, "stored_id": 7, "inner": Reading(low=10, high=20), **values}
    return Export(**given)


class Length:
    """A type that only the registries of classes know."""

    def __init__(self, millimetres: int) -> None:
        self.millimetres = millimetres

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Length) and other.millimetres == self.millimetres

    __hash__ = None  # type: ignore[assignment]


def negative(length: Length) -> int:
    """A length as another registry stores it."""
    return -length.millimetres


def of_negative(stored: int) -> Length:
    """The reverse."""
    return Length(-stored)


LENGTHS = TypeRegistry()
LENGTHS.register(Length, serialize=lambda length: length.millimetres, deserialize=Length)


class Board(Map, type_registry=LENGTHS):
    """A map with a registry of its own."""

    width: Field[Length]


class Desk(Model, collection="desks"):
    """A document that knows nothing of lengths but through its map."""

    board: Field[Board]


class Seat(Map, omit_none=True):
    """A map that stores no nulls."""

    row: Field[int]
    note: Field[str | None] = field(default=None, alias="the note")


class Guest(Model, collection="guests", omit_none=True):
    """A document that stores no nulls, but for those in a dict."""

    name: Field[str]
    nick: Field[str | None]
    rank: Field[int | None] = field(default=5)
    seat: Field[Seat | None] = field(default=None)
    seats: Field[list[Seat]] = field(default_factory=list)
    free: Field[Any] = field(default=None)
    attributes: Field[dict[str, int | None]] = field(default_factory=dict)


class KeptGuest(Guest, collection="guests", extra="keep"):
    """The same, of a model that keeps what it doesn't know."""


class Timed(Model, collection="timed", omit_none=True):
    """A document with times that stores no nulls."""

    n: Field[int | None] = field(default=None)
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True, alias="changed at")


class KeptTimed(Timed, collection="timed", extra="keep"):
    """The same, of a model that keeps what it doesn't know."""


class Table(Model, collection="tables"):
    """A document that stores nulls, around maps that store none."""

    seat: Field[Seat | None] = field(default=None)


class Dish(Model, collection="dishes", parent=Table):
    """A document of a subcollection."""

    name: Field[str]


class DeclarationConformance(Suite):
    """Stored names through every kind of call."""

    def test_a_stored_field_called_id_beside_the_id_of_the_document(self, db: Database, ctx: Any) -> None:
        ctx.save(export())
        assert STORED == db.data("exports/first")
        assert export() == ctx.get(Export, "first")
        ctx.update(Export, "first", {"stored_id": 8, FieldPath("b"): 11})
        assert (8, 11) == (ctx.get(Export, "first").stored_id, ctx.get(Export, "first").a)
        found = ctx.get(Export, "first")
        ctx.update(found, {Export.stored_id: 9})
        assert ("first", 9) == (found.id, found.stored_id)

    def test_swapped_names_change_together(self, db: Database, ctx: Any) -> None:
        found = export()
        ctx.save(found)
        ctx.update(found, {"a": 10, "b": 20, Export.x: 30, "y": 40, "z": 50, "inner.low": 1, "inner.high": 2})
        changed: dict[str, Any] = {"a": 10, "b": 20, "x": 30, "y": 40, "z": 50, "inner": Reading(low=1, high=2)}
        assert export(**changed) == found == ctx.get(Export, "first")
        stored = {"id": 7, "b": 10, "a": 20, "y": 30, "z": 40, "x": 50, "inner": {"high": 1, "low": 2}}
        assert stored == db.data("exports/first")
        found.a, found.b = 100, 200
        ctx.update(found, fields=["b", Export.a])
        assert {**stored, "b": 100, "a": 200} == db.data("exports/first")

    @needs(Feature.MASKS)
    def test_swapped_names_in_masks(self, db: Database, ctx: Any) -> None:
        db.commit(Set("exports/first", {**STORED, "c": 1}))
        found = ctx.get(KeptExport, "first")
        found.a, found.stored_id = 10, 70
        ctx.save(found)
        assert {**STORED, "b": 10, "id": 70, "c": 1} == db.data("exports/first")

    @needs(Feature.QUERIES)
    def test_queries_by_swapped_names(self, ctx: Any) -> None:
        ctx.save_many([export("p", stored_id=2, a=1, b=9), export("q", stored_id=1, a=2, b=8)])
        assert ["p"] == ctx.select(Export, Export.a == 1).ids() == ctx.select(Export, Export.b == 9).ids()
        assert ["q", "p"] == ctx.select(Export, order_by="stored_id").ids()
        assert ["q"] == ctx.select(Export, Export.stored_id == 1).ids()
        assert ["q", "p"] == ctx.select(Export, order_by="b").ids()

    @needs(Feature.QUERIES, Feature.CURSORS)
    def test_cursors_by_swapped_names(self, ctx: Any) -> None:
        ctx.save_many([export(name, stored_id=9 - at, a=at, b=at) for at, name in enumerate("pqr")])
        query = ctx.select(Export, order_by=["a", "stored_id"])
        assert ["q", "r"] == query.start_at({"stored_id": 8, "a": 1}).ids()
        assert ["r"] == query.start_after(ctx.get(Export, "q")).ids()
        by_both = ctx.select(Export, order_by=["stored_id", "id"])
        assert ["q", "p"] == by_both.start_at({"stored_id": 8, "id": "q"}).ids()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_a_row_has_the_id_of_the_document_and_the_stored_field_apart(self, ctx: Any) -> None:
        ctx.save(export())
        query = ctx.select(Export)
        assert [{"id": "first", "stored_id": 7, "a": 1, "b": 2}] == list(query.project("stored_id", "a", "b", "id"))
        assert [{"id": "first", "`id`": 7}] == list(query.project(FieldPath("id")))

    def test_dicts_and_back(self, ctx: Any) -> None:
        ctx.save(export())
        found = ctx.get(Export, "first")
        by_name = to_dict(found, include_id=True)
        assert ("first", 7, 1, 2) == (by_name["id"], by_name["stored_id"], by_name["a"], by_name["b"])
        assert found == from_dict(Export, by_name, include_id=True)
        assert STORED == to_dict(found, by_alias=True)
        assert found == from_dict(Export, STORED, by_alias=True, doc_id="first")

    def test_the_registry_of_a_class_holds_where_it_is_embedded(self, db: Database, ctx: Any) -> None:
        desk = Desk(id="a", board=Board(width=Length(5)))
        ctx.save(desk)
        assert {"board": {"width": 5}} == db.data("desks/a")
        assert desk == ctx.get(Desk, "a")
        ctx.update(Desk, "a", {Desk.board[Board.width]: Length(6)})
        assert {"board": {"width": 6}} == db.data("desks/a")
        other = TypeRegistry()
        other.register(Length, serialize=negative, deserialize=of_negative)
        there = db.context(type_registry=other)
        assert Length(-6) == there.get(Desk, "a").board.width
        there.save(desk)
        assert {"board": {"width": -5}} == db.data("desks/a")

    @needs(Feature.QUERIES)
    def test_the_registry_of_a_class_in_filters(self, ctx: Any) -> None:
        ctx.save_many([Desk(id=str(width), board=Board(width=Length(width))) for width in (1, 2)])
        assert ["2"] == ctx.select(Desk, Desk.board[Board.width] > Length(1)).ids()

    # --- None as absence ---

    def test_none_is_stored_as_absence(self, db: Database, ctx: Any) -> None:
        guest = Guest(
            id="a", name="n", nick=None, rank=None, seat=Seat(row=1), seats=[Seat(row=2)], attributes={"x": None}
        )
        stored = {"name": "n", "seat": {"row": 1}, "seats": [{"row": 2}], "attributes": {"x": None}}
        ctx.save(guest)
        assert stored == db.data("guests/a")
        assert guest == ctx.get(Guest, "a")
        whole = Guest(id="b", name="n", nick="x", rank=1, seat=Seat(row=1, note="y"), free={"z": None})
        ctx.create(whole)
        assert {"row": 1, "the note": "y"} == (db.data("guests/b") or {})["seat"]
        assert whole == ctx.get(Guest, "b")
        ctx.save(Table(id="a"))
        assert {"seat": None} == db.data("tables/a")
        assert stored == to_dict(guest)
        assert guest == from_dict(Guest, stored, doc_id="a")

    def test_times_are_set_where_none_is_absence(self, ctx: Any) -> None:
        saved, created = Timed(id="a"), Timed(id="b")
        ctx.save(saved)
        ctx.create(created)
        ctx.save_many([batched := Timed(id="c")])
        for one in (saved, created, batched):
            assert one.created == one.updated != None  # noqa: E711
            assert one == ctx.get(Timed, one.id or "")
        before = saved.created
        ctx.save(saved)
        assert before == saved.created
        assert saved == ctx.get(Timed, "a")

    @needs(Feature.MASKS, Feature.TRANSFORMS)
    def test_times_are_set_where_none_is_absence_and_masks_are_written(self, db: Database, ctx: Any) -> None:
        db.commit(Set("timed/a", {"n": 1, "more": 1}))
        increment: Any = Increment(1)
        kept: Any = KeptTimed(id="a", n=increment)
        ctx.save(kept)
        found = db.data("timed/a") or {}
        assert (2, 1) == (found["n"], found["more"])
        assert found["created"] == found["changed at"] == kept.updated

    def test_an_update_to_none_removes_the_field(self, db: Database, ctx: Any) -> None:
        guest = Guest(id="a", name="n", nick="x", rank=1, seat=Seat(row=1, note="y"), free=1, attributes={"x": 1})
        ctx.save(guest)
        ctx.update(guest, {Guest.nick: None, "rank": None, "seat.note": None, "free": None, "attributes.x": None})
        changed = (guest.nick, guest.rank, guest.seat, guest.free, guest.attributes)
        assert (None, None, Seat(row=1), None, {"x": None}) == changed
        assert {"name": "n", "seat": {"row": 1}, "seats": [], "attributes": {"x": None}} == db.data("guests/a")
        assert guest == ctx.get(Guest, "a")
        guest.seat = None
        ctx.update(guest, fields=[Guest.seat])
        assert "seat" not in (db.data("guests/a") or {})
        ctx.save(Table(id="a", seat=Seat(row=1, note="y")))
        ctx.update(Table, "a", {Table.seat[Seat.note]: None})
        assert {"seat": {"row": 1}} == db.data("tables/a")
        ctx.update(Table, "a", {"seat": None})
        assert {"seat": None} == db.data("tables/a")

    @needs(Feature.MASKS)
    def test_a_save_with_a_mask_removes_what_is_none(self, db: Database, ctx: Any) -> None:
        stored = {"name": "n", "nick": "x", "rank": 1, "seat": {"row": 1, "the note": "y", "more": 2}, "other": 3}
        db.commit(Set("guests/a", stored))
        guest = ctx.get(KeptGuest, "a")
        guest.nick = guest.rank = guest.seat.note = None
        ctx.save(guest)
        expected: dict[str, Any] = {"name": "n", "seat": {"row": 1, "more": 2}, "other": 3}
        expected |= {"seats": [], "attributes": {}}
        assert expected == db.data("guests/a")
        guest.seat = None
        ctx.save(guest)
        assert {"name": "n", "other": 3, "seats": [], "attributes": {}} == db.data("guests/a")
        ctx.save(Guest(id="a", name="m", nick=None), merge=True)
        assert {"name": "m", "rank": 5, "other": 3, "seats": [], "attributes": {}} == db.data("guests/a")

    @needs(Feature.QUERIES)
    def test_filters_by_none_are_refused_where_it_is_not_stored(self, ctx: Any) -> None:
        for make in (Guest.nick.is_null, lambda: Guest.nick == None, Table.seat[Seat.note].is_null):  # noqa: E711
            with pytest.raises(InvalidValueError, match="which this class stores as absence"):
                make()
        with pytest.raises(InvalidValueError, match="which this class stores as absence"):
            ctx.select(Guest, Guest.nick.is_in([None, "x"])).ids()

    @needs(Feature.QUERIES, Feature.NULL_FILTERS, Feature.NOT_EQUAL)
    def test_fields_that_are_not_none_are_found(self, ctx: Any) -> None:
        ctx.save_many([Guest(id="a", name="n", nick=None), Guest(id="b", name="n", nick="x")])
        assert ["b"] == ctx.select(Guest, Guest.nick.is_not_null()).ids() == ctx.select(Guest, Guest.nick != "y").ids()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_absence_in_rows_is_none(self, ctx: Any) -> None:
        ctx.save_many([Guest(id="a", name="n", nick=None, rank=None), Guest(id="b", name="m", nick="x", rank=1)])
        rows = list(ctx.select(Guest).project("name", "nick", "rank"))
        assert {"id": "a", "name": "n", "nick": None, "rank": None} == rows[0]
        assert {"id": "b", "name": "m", "nick": "x", "rank": 1} == rows[1]

    # --- what the guides promise ---

    @needs(Feature.MASKS)
    def test_a_merge_replaces_dicts_and_lists_whole(self, db: Database, ctx: Any) -> None:
        db.commit(Set("guests/a", {"name": "n", "attributes": {"x": 1}, "seats": [{"row": 1}], "other": 1}))
        ctx.save(Guest(id="a", name="m", nick=None, attributes={"y": 2}), merge=True)
        assert {"name": "m", "rank": 5, "attributes": {"y": 2}, "seats": [], "other": 1} == db.data("guests/a")

    def test_a_field_that_the_model_no_longer_names_is_removed_by_its_stored_path(self, db: Database, ctx: Any) -> None:
        db.commit(Set("tables/a", {"seat": None, "old-name": 1, "older": 2}))
        ctx.update(Table, "a", {FieldPath("old-name"): DELETE_FIELD})
        assert {"seat": None, "older": 2} == db.data("tables/a")

    def test_a_parent_and_its_children_fit_in_one_batch(self, ctx: Any) -> None:
        table = Table(seat=Seat(row=1))
        with ctx.batch() as batch:
            batch.create(table)
            order = Dish(name="soup")
            batch.create(order, parent=table)
        assert "soup" == ctx.get(Dish, order.id, parent=table).name
        assert table == ctx.get(Table, table.id)
