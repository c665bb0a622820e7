"""The documents of the shop: the same before and after the move."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from cendry import Field, Map, Model, Ref, field


class Address(Map):
    street: Field[str | None] = field(default=None)
    city: Field[str | None] = field(default=None)


class Customer(Model, collection="Customer"):
    name: Field[str]
    email: Field[str]
    born: Field[date | None] = field(default=None)
    joined: Field[datetime | None] = field(default=None)
    address: Field[Address | None] = field(default=None)
    earlier: Field[list[Address]] = field(default_factory=list)
    notes: Field[str | None] = field(default=None, metadata={"ndb": "compressed"})
    settings: Field[dict[str, Any] | None] = field(default=None)


class Size(Map):
    width: Field[int | None] = field(default=None)
    height: Field[int | None] = field(default=None)


class Product(Model, collection="Product"):
    name: Field[str]
    cents: Field[int]
    stock: Field[int] = field(default=0)
    tags: Field[list[str]] = field(default_factory=list)
    size: Field[Size | None] = field(default=None)


class Line(Map):
    product: Field[Ref[Product]]
    count: Field[int]
    cents: Field[int]


class Order(Model, collection="Order", parent=Customer):
    placed: Field[datetime]
    status: Field[Literal["open", "paid", "cancelled"]]
    lines: Field[list[Line]] = field(default_factory=list)

    @property
    def cents(self) -> int:
        """What it costs."""
        return sum(line.count * line.cents for line in self.lines)


class Payment(Model, collection="Payment", tag_field="class"):
    order: Field[Ref[Order]]
    cents: Field[int]


class CardPayment(Payment, tag=("Payment", "CardPayment")):
    last_digits: Field[str]


class BankPayment(Payment, tag=("Payment", "BankPayment")):
    iban: Field[str]
