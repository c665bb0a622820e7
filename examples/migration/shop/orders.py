"""What the shop does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from cendry import Ref, Txn, ref_of

from .database import ctx
from .models import Address, Customer, Line, Order, Payment, Product


class SoldOutError(Exception):
    """There is less of a product than was ordered."""


def customer_by_email(email: str) -> Customer | None:
    """The customer with an address for mail."""
    return ctx.select(Customer, Customer.email == email).first()


def customers_in(city: str) -> list[str]:
    """The names of the customers who live in a city."""
    return sorted(each.name for each in ctx.select(Customer, Customer.address[Address.city] == city))


def move_house(customer: Customer, address: Address) -> None:
    """A customer has moved: the address so far becomes an earlier one."""
    earlier = [*customer.earlier, *([customer.address] if customer.address else [])]
    ctx.update(customer, {Customer.address: address, Customer.earlier: earlier})
    ctx.refresh(customer)


def order(customer: Customer, basket: Mapping[str, int]) -> Order:
    """Order products, by their ids, if there are enough of them."""

    def place(txn: Txn) -> Order:
        products = {each.id: each for each in txn.get_many(Product, list(basket))}
        lines = []
        for name, count in basket.items():
            product = products[name]
            if product.stock < count:
                raise SoldOutError(f"There are {product.stock} of {product.name!r}, not {count}.")
            txn.update(product, {Product.stock: product.stock - count})
            lines.append(Line(product=Ref(Product, name), count=count, cents=product.cents))
        placed = Order(placed=datetime.now(timezone.utc), status="open", lines=lines)
        txn.create(placed, parent=customer)
        return placed

    return ctx.transaction(place)


def cancel(order: Order) -> None:
    """Cancel an order and put its products back."""

    def undo(txn: Txn) -> None:
        for line in order.lines:
            product = txn.get(line.product)
            txn.update(product, {Product.stock: product.stock + line.count})
        txn.update(order, {Order.status: "cancelled"})

    ctx.transaction(undo)


def orders_of(customer: Customer) -> list[Order]:
    """The orders of a customer, the newest first."""
    return ctx.select(Order, parent=customer, order_by=Order.placed.desc()).to_list()


def payments_of(order: Order) -> list[Payment]:
    """How an order was paid."""
    return ctx.select(Payment, Payment.order == ref_of(order)).to_list()


def on_sale() -> list[str]:
    """The names of the products that are on sale."""
    return sorted(each.name for each in ctx.select(Product, Product.tags.array_contains("sale")))


def change_setting(customer: Customer, name: str, value: object) -> None:
    """Change one of a customer's settings."""
    ctx.update(customer, {Customer.settings: {**(customer.settings or {}), name: value}})
    ctx.refresh(customer)
