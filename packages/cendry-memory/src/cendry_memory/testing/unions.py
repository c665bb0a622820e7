"""Several classes in one place: unions that a `Literal` tells apart."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from cendry import DecodeError, Field, Map, Model, ValidationError, field
from cendry.plan import Set

from .driver import Database
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
