"""A small application, as a team has one: models and service functions. It knows a context, and no database."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from cendry import Cendry, Field, Map, Model, Ref, field, ref_of


class Status(enum.Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


class Address(Map):
    street: Field[str]
    city: Field[str]
    zip: Field[str] = field(default="", alias="zip code")


class Customer(Model, collection="customers", extra="keep"):
    name: Field[str]
    email: Field[str]
    address: Field[Address | None] = field(default=None)
    tags: Field[set[str]] = field(default_factory=set)
    spent: Field[Decimal] = field(default=Decimal(0))
    joined: Field[datetime | None] = field(auto_now_add=True)


class Article(Model, collection="articles"):
    title: Field[str]
    price: Field[Decimal]
    stock: Field[int] = field(default=0)
    rating: Field[float | None] = field(default=None)


class Line(Map):
    article: Field[Ref[Article]]
    count: Field[int]
    price: Field[Decimal]


class Order(Model, collection="orders", parent=Customer):
    lines: Field[list[Line]]
    status: Field[Status] = field(default=Status.OPEN)
    total: Field[Decimal] = field(default=Decimal(0))
    number: Field[int] = field(default=0)
    changed: Field[datetime | None] = field(auto_now=True)


class SoldOutError(Exception):
    """There is less of an article than was ordered."""


class Shop:
    """The service functions."""

    def __init__(self, ctx: Cendry) -> None:
        self.ctx = ctx

    def sign_up(self, name: str, email: str) -> Customer:
        """A customer per address of mail; who signs up again is the same one."""
        customer, _ = self.ctx.get_or_create(Customer, email.replace("/", "_"), {"name": name, "email": email})
        return customer

    def stock_up(self, articles: Iterable[Article]) -> list[str]:
        return self.ctx.save_many(articles)

    def order(self, customer: Customer, wanted: dict[str, int]) -> Order:
        """Take from the stock, write the order and what was spent, all or nothing."""

        def place(txn) -> Order:  # type: ignore[no-untyped-def]
            articles = txn.get_many(Article, wanted)
            buyer = txn.get(ref_of(customer))
            lines: list[Line] = []
            for article in articles:
                count = wanted[article.id]
                if article.stock < count:
                    raise SoldOutError(article.title)
                txn.update(article, {Article.stock: article.stock - count})
                lines.append(Line(article=ref_of(article), count=count, price=article.price))
            total = sum((line.price * line.count for line in lines), Decimal(0))
            order = Order(lines=lines, total=total)
            txn.create(order, parent=buyer)
            txn.update(buyer, {Customer.spent: buyer.spent + total})
            return order

        return self.ctx.transaction(place, max_attempts=30)

    def advance(self, order: Order, status: Status) -> None:
        self.ctx.update(order, {Order.status: status})

    def move(self, customer: Customer, street: str, city: str) -> None:
        if customer.address is None:
            self.ctx.update(customer, {Customer.address: Address(street=street, city=city)})
        else:
            self.ctx.update(customer, {Customer.address[Address.street]: street, "address.city": city})

    def orders_of(self, customer: Customer, status: Status | None = None) -> list[Order]:
        filters = [] if status is None else [Order.status == status]
        return self.ctx.select(Order, *filters, order_by=Order.total.desc(), parent=customer).to_list()

    def bargains(self, most: Decimal, at_least: int) -> list[str]:
        # Prices are stored as text, so they are compared here.
        found = self.ctx.select(Article, Article.stock >= at_least, order_by=Article.stock)
        return [article.title for article in found if article.price <= most]

    def poorly_rated(self, below: float) -> list[str]:
        return [article.title for article in self.ctx.select(Article, Article.rating < below)]

    def people_of(self, city: str, tag: str) -> list[str]:
        query = self.ctx.select(Customer, Customer.address[Address.city] == city, Customer.tags.array_contains(tag))
        return sorted(customer.name for customer in query)

    def catalogue(self, page_size: int) -> Iterator[list[str]]:
        for page in self.ctx.select(Article, order_by=Article.title).paginate(page_size):
            yield [article.title for article in page]

    def price_list(self) -> list[tuple[str, Decimal]]:
        rows = self.ctx.select(Article, order_by=Article.title).project(Article.title, Article.price)
        return [(row["title"], row["price"]) for row in rows]

    def size(self) -> int:
        return self.ctx.select(Article).count()

    def forget(self, customer: Customer) -> None:
        with self.ctx.batch() as batch:
            for order in self.ctx.select(Order, parent=customer):
                batch.delete(order)
            batch.delete(customer, must_exist=True)
