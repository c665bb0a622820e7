"""Several classes in one place: unions that a `Literal` tells apart."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from cendry import DELETE_FIELD, CendryError, DecodeError, Field, Increment, Map, Model, ValidationError, field
from cendry.plan import Set

from .driver import Database
from .features import Feature, needs
from .suite import Suite


class Card(Map):
    """One of the classes; both have a `number`, stored under other names."""

    kind: Field[Literal["card"]] = field(default="card", alias="type")
    number: Field[str] = field(alias="no")
    year: Field[int] = field(default=2030)


class Bank(Map):
    """Another one, with two tags."""

    kind: Field[Literal["bank", "giro"]] = field(default="bank", alias="type")
    number: Field[int] = field(alias="nr")
    owner: Field[str | None] = field(default=None)


class Order(Model, collection="orders"):
    """A document with unions of classes."""

    payment: Field[Card | Bank | None] = field(default=None)
    parts: Field[list[Card | Bank]] = field(default_factory=list)
    by_name: Field[dict[str, Bank | Card | None]] = field(default_factory=dict)
    mixed: Field[int | Card | Bank] = field(default=0)


class KeptOrder(Order, collection="orders", extra="keep"):
    """The same, of a model that keeps what it doesn't know."""


def order(document_id: str = "a", **values: Any) -> Order:
    """A document with each class in each place."""
    given: dict[str, Any] = {
        "payment": Bank(number=1, owner="x"),
        "parts": [Card(number="2"), Bank(kind="giro", number=3)],
        "by_name": {"a": Card(number="4"), "b": None},
        "mixed": Card(number="5", year=2031),
        **values,
    }
    return Order(id=document_id, **given)


MIXED: Any = Order.mixed
"""Checkers only see what is below a union of nothing but maps."""

NUMBER: Any = Order.payment[Bank.number]

STORED = {
    "payment": {"type": "bank", "nr": 1, "owner": "x"},
    "parts": [{"type": "card", "no": "2", "year": 2030}, {"type": "giro", "nr": 3, "owner": None}],
    "by_name": {"a": {"type": "card", "no": "4", "year": 2030}, "b": None},
    "mixed": {"type": "card", "no": "5", "year": 2031},
}


class UnionConformance(Suite):
    """Documents whose fields hold one of several classes."""

    def test_each_class_is_stored_and_read_by_its_tag(self, db: Database, ctx: Any) -> None:
        saved = order()
        ctx.save(saved)
        assert STORED == db.data("orders/a")
        assert saved == ctx.get(Order, "a")
        saved.payment, saved.mixed = Card(number="6"), 7
        ctx.save(saved)
        assert saved == ctx.get(Order, "a")

    def test_an_unknown_tag_is_a_decode_error_with_the_known_ones(self, db: Database, ctx: Any) -> None:
        known = "expected 'card' (Card) or 'bank' (Bank) or 'giro' (Bank), found "
        for payment, found in (({"type": "cash"}, "str 'cash'"), ({"type": 1}, "int 1"), ({"no": "1"}, "nothing")):
            db.commit(Set("orders/a", {"payment": payment}))
            with pytest.raises(DecodeError) as caught:
                ctx.get(Order, "a")
            assert f"Document 'orders/a' doesn't fit Order: payment.kind: {known}{found}." == str(caught.value)

    def test_an_instance_of_another_class_is_refused(self, db: Database, ctx: Any) -> None:
        with pytest.raises(ValidationError, match=r"Order\.payment: expected Card or Bank, found Order"):
            ctx.save(order(payment=order()))
        assert db.data("orders/a") is None

    def test_a_whole_map_is_replaced_by_one_of_another_class(self, db: Database, ctx: Any) -> None:
        saved = order()
        ctx.save(saved)
        ctx.update(saved, {Order.payment: Card(number="6")})
        ctx.update(Order, "a", Order.mixed.set(Bank(number=8)))
        assert Card(number="6") == saved.payment
        ctx.refresh(saved)
        assert (Card(number="6"), Bank(number=8)) == (saved.payment, saved.mixed)
        assert {"type": "card", "no": "6", "year": 2030} == (db.data("orders/a") or {})["payment"]

    # --- fields below a union ---

    @needs(Feature.QUERIES)
    def test_filters_and_orders_below_a_union(self, ctx: Any) -> None:
        ctx.save_many(
            [
                order("a", payment=Card(number="2")),
                order("b", payment=Bank(number=2)),
                order("c", payment=Card(number="1", year=2031)),
                order("d", payment=None),
            ]
        )
        assert ["a"] == ctx.select(Order, Order.payment[Card.number] == "2").ids()
        assert ["b"] == ctx.select(Order, Order.payment[Bank.number] == 2).ids()
        assert ["a", "c"] == ctx.select(Order, Order.payment[Card.kind] == "card").ids()
        assert ["b"] == ctx.select(Order, Order.payment["kind"] == "bank").ids()
        assert ["c"] == ctx.select(Order, Order.payment.year > 2030).ids()
        assert ["c", "a"] == ctx.select(Order, order_by=Order.payment[Card.number]).ids()
        by_number = ctx.select(Order, order_by=Order.payment[Card.number])
        assert [order("c", payment=Card(number="1", year=2031)).payment, Card(number="2")] == [
            each.payment for each in by_number
        ]

    @needs(Feature.QUERIES, Feature.CURSORS)
    def test_cursors_below_a_union(self, ctx: Any) -> None:
        ctx.save_many([order(str(number), payment=Card(number=str(number))) for number in range(3)])
        query = ctx.select(Order, order_by=Order.payment[Card.number])
        assert ["1", "2"] == query.start_at({Order.payment[Card.number]: "1"}).ids()
        assert ["2"] == query.start_after(ctx.get(Order, "1")).ids()
        with pytest.raises(CendryError, match=r"has no value for 'payment\.number'"):
            query.start_after(order("x")).ids()

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_rows_of_fields_below_a_union(self, ctx: Any) -> None:
        ctx.save_many(
            [
                order("a", payment=Card(number="2")),
                order("b", payment=Bank(number=3, owner="x")),
                order("c", payment=None),
            ]
        )
        query = ctx.select(Order, order_by="id") if Feature.ID_FILTERS in self.features else ctx.select(Order)
        numbers = query.values(Order.payment[Card.number], Order.payment[Bank.number], Order.payment[Bank.kind])
        assert [("2", None, None), (None, 3, "bank"), (None, None, None)] == list(numbers)
        assert ["card", "bank", None] == list(query.values(Order.payment["kind"], flat=True))
        assert [2030, None, None] == list(query.values(Order.payment.year, flat=True))
        rows = [{key: value for key, value in row.items() if key != "id"} for row in query.project("payment.owner")]
        assert [{"payment.owner": None}, {"payment.owner": "x"}, {"payment.owner": None}] == rows

    def test_updates_below_a_union(self, ctx: Any) -> None:
        saved = order()
        ctx.save(saved)
        ctx.update(saved, {Order.payment[Bank.number]: 5})
        ctx.update(saved, Order.payment[Bank.owner].set("y"), MIXED[Card.year].set(2040))
        assert Bank(number=5, owner="y") == saved.payment
        assert saved == ctx.get(Order, "a")
        with pytest.raises(CendryError, match=r"'payment\.no' in Card and as 'payment\.nr' in Bank; name the class"):
            ctx.update(saved, {"payment.number": 6})
        ctx.update(saved, {Order.payment[Bank.number]: 6})
        ctx.update(Order, "a", {MIXED[Card.number]: "z", "payment.owner": None})
        ctx.refresh(saved)
        assert (Bank(number=6), Card(number="z", year=2040)) == (saved.payment, saved.mixed)
        ctx.update(saved, fields=[Order.payment[Bank.owner], MIXED[Card.year]])

    def test_updates_below_a_union_that_do_not_fit_are_refused(self, db: Database, ctx: Any) -> None:
        saved = order()
        ctx.save(saved)
        refused: list[tuple[Any, str]] = [
            (Order.payment[Card.number].set("1"), r"'payment\.number' is a field of Card, and .* holds a Bank"),
            (Order.payment[Card.year].set(1), "'payment.year' is a field of Card"),
            (Order.payment[Card.kind].set("card"), "'payment.kind' tells which class 'payment' holds"),
            (Order.payment["kind"].set(DELETE_FIELD), "set 'payment' as a whole"),
            (NUMBER.set("text"), r"payment\.number: expected int"),
            (Order.by_name["a"][Card.kind].set("card"), r"'by_name\.a\.kind' tells which class 'by_name\.a' holds"),
            (Order.by_name["a"][Bank.owner].set("x"), r"'by_name\.a' of this Order"),
        ]
        for change, text in refused:
            with pytest.raises(CendryError, match=text):
                ctx.update(saved, change)
        with pytest.raises(CendryError, match="tells which class"):
            ctx.update(Order, "a", {Order.payment[Card.kind]: "card"})
        with pytest.raises(CendryError, match=r"payment\.number: expected str"):
            ctx.update(Order, "a", {Order.payment[Card.number]: 5})
        assert STORED == db.data("orders/a")

    @needs(Feature.MERGES)
    def test_a_merge_below_a_union_needs_the_whole(self, db: Database, ctx: Any) -> None:
        with pytest.raises(CendryError, match=r"without 'payment\.kind', .* set 'payment' as a whole, or use update"):
            ctx.merge(Order, "a", {Order.payment[Card.number]: "1"})
        ctx.merge(Order, "a", {Order.payment: Card(number="1")})
        assert {"payment": {"type": "card", "no": "1", "year": 2030}} == db.data("orders/a")

    @needs(Feature.TRANSFORMS)
    def test_transforms_below_a_union(self, ctx: Any) -> None:
        saved = order(payment=Card(number="1"))
        ctx.save(saved)
        ctx.update(Order, "a", {Order.payment[Card.year]: Increment(2)})
        ctx.refresh(saved)
        assert Card(number="1", year=2032) == saved.payment
        odd: Any = Increment(3)
        ctx.save(order(payment=Card(number="1", year=odd)))
        assert 3 == ctx.get(Order, "a").payment.year

    @needs(Feature.MASKS)
    def test_a_save_with_a_mask_leaves_nothing_of_another_class(self, db: Database, ctx: Any) -> None:
        known = {"type": "card", "no": "1", "year": 2030}
        db.commit(Set("orders/a", {**STORED, "payment": {**known, "newer": 1}, "other": 1}))
        found = ctx.get(KeptOrder, "a")
        found.payment.number = "2"
        ctx.save(found)
        assert {**STORED, "payment": {**known, "no": "2", "newer": 1}, "other": 1} == db.data("orders/a")
        found.payment = Bank(number=3)
        ctx.save(found)
        assert {"type": "bank", "nr": 3, "owner": None, "newer": 1} == (db.data("orders/a") or {})["payment"]
        assert found == ctx.get(KeptOrder, "a")
