"""What type checkers make of unions of classes, and of JSON Schema."""

# pyright: reportUnusedExpression=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from typing_extensions import assert_type

from cendry import AsyncCendry, Cendry, Field, FieldDescriptor, Map, Model, Query, Rows, field, json_schema


class Payment(Map):
    amount: Field[int] = field(default=0)


class Card(Payment):
    kind: Field[Literal["card"]] = field(default="card")
    number: Field[str]


class Bank(Payment):
    kind: Field[Literal["bank", "giro"]] = field(default="bank")
    iban: Field[str]
    owner: Field[str | None] = field(default=None)


@dataclass
class Cash:
    kind: Literal["cash"] = "cash"


class Order(Model, collection="orders"):
    payment: Field[Card | Bank]
    optional: Field[Card | Bank | None] = field(default=None)
    parts: Field[list[Card | Bank]] = field(default_factory=list)
    by_name: Field[dict[str, Card | Bank]] = field(default_factory=dict)
    noted: Field[Annotated[Card | Bank, "note"]] = field(default_factory=lambda: Card(number="1"))
    foreign: Field[Card | Cash] = field(default_factory=Cash)


ctx = Cendry()
actx = AsyncCendry()
order = Order(payment=Card(number="1"), parts=[Bank(iban="2"), Card(number="3")])

# Construction and attributes

Order(payment=Bank(iban="1", kind="giro"), optional=None)
Order(payment=None)  # error: mypy pyright ty
Order(payment="card")  # error: mypy pyright ty
Card(number="1", kind="bank")  # error: mypy pyright ty
assert_type(order.payment, Card | Bank)
assert_type(order.optional, Card | Bank | None)
assert_type(order.payment.amount, int)
order.payment = Bank(iban="1")
order.payment = Payment()  # error: mypy pyright ty


def number(found: Order) -> str:
    if found.payment.kind == "card":
        return found.payment.number  # error: pyright
    return found.payment.iban  # error: pyright


def owner(found: Order) -> str | None:
    if isinstance(found.payment, Bank):
        return found.payment.owner
    return found.payment.owner  # error: mypy pyright ty


# Fields below a union

assert_type(Order.payment, FieldDescriptor[Card | Bank])
assert_type(Order.payment[Card.number], FieldDescriptor[str])
assert_type(Order.payment[Bank.owner], FieldDescriptor[str | None])
assert_type(Order.optional[Card.number], FieldDescriptor[str | None])
assert_type(Order.payment[Payment.amount], FieldDescriptor[int])
assert_type(Order.noted[Card.number], FieldDescriptor[str])
assert_type(Order.payment["kind"], FieldDescriptor[Any])
assert_type(ctx.select(Order, Order.payment[Card.number] == "1"), Query[Order])
assert_type(ctx.select(Order, Order.optional[Card.kind] == "card"), Query[Order])
ctx.select(Order, Order.payment[Card.kind] == "bank")  # error: mypy pyright ty
ctx.select(Order, Order.payment[Card.number] > 5)  # error: mypy pyright ty
Order.parts[Card.number]  # error: mypy pyright ty
assert_type(ctx.select(Order).values(Order.optional[Card.number], Order.id), Rows[tuple[str | None, str]])
ctx.select(Order, Order.payment == Card(number="1"))
ctx.select(Order, Order.parts.array_contains(Bank(iban="1")))
ctx.select(Order, Order.parts.array_contains("1"))  # error: mypy pyright ty

# Changes

ctx.update(order, Order.payment[Card.number].set("1"), Order.payment.set(Bank(iban="2")))
ctx.update(Order, "a", {Order.payment[Card.number]: "1"})
Order.payment.set("1")  # error: mypy pyright ty
Order.payment[Card.number].set(1)  # error: mypy pyright ty

# JSON Schema

assert_type(json_schema(Order), dict[str, Any])
assert_type(json_schema(Card, include_id=False), dict[str, Any])
json_schema(Order, True)  # error: mypy pyright ty
json_schema(Cash)  # error: mypy pyright ty
json_schema(order)  # error: mypy pyright ty
