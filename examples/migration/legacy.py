"""The shop as it was: models of google-cloud-ndb, and the data that years of it left behind.

ndb stores addresses and lines of orders in parts (`address.street`, `lines.count`), sizes as embedded entities, notes
compressed, settings as JSON in bytes, and payments of both classes as one kind with the names of their classes.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import google.cloud.ndb as ndb
from google.cloud.ndb import polymodel

START = datetime(2019, 3, 1, 9, 30)
CITIES = ["Rome", "Oslo", "Lima", "Kyoto"]


class Address(ndb.Model):  # type: ignore[misc]
    street = ndb.StringProperty()
    city = ndb.StringProperty()


class Customer(ndb.Model):  # type: ignore[misc]
    name = ndb.StringProperty(required=True)
    email = ndb.StringProperty(required=True)
    born = ndb.DateProperty()
    joined = ndb.DateTimeProperty()
    address = ndb.StructuredProperty(Address)
    earlier = ndb.StructuredProperty(Address, repeated=True)
    notes = ndb.TextProperty(compressed=True)
    settings = ndb.JsonProperty()


class Size(ndb.Model):  # type: ignore[misc]
    width = ndb.IntegerProperty()
    height = ndb.IntegerProperty()


class Product(ndb.Model):  # type: ignore[misc]
    name = ndb.StringProperty(required=True)
    cents = ndb.IntegerProperty(required=True)
    stock = ndb.IntegerProperty(default=0)
    tags = ndb.StringProperty(repeated=True)
    size = ndb.LocalStructuredProperty(Size)


class Line(ndb.Model):  # type: ignore[misc]
    product = ndb.KeyProperty(kind=Product)
    count = ndb.IntegerProperty()
    cents = ndb.IntegerProperty()


class Order(ndb.Model):  # type: ignore[misc]
    placed = ndb.DateTimeProperty()
    status = ndb.StringProperty(choices=["open", "paid", "cancelled"])
    lines = ndb.StructuredProperty(Line, repeated=True)


class Payment(polymodel.PolyModel):  # type: ignore[misc]
    order = ndb.KeyProperty(kind=Order)
    cents = ndb.IntegerProperty()


class CardPayment(Payment):
    last_digits = ndb.StringProperty()


class BankPayment(Payment):
    iban = ndb.StringProperty()


def fill(project: str) -> int:
    """Store the data of the old shop, as the old shop did, and return how many entities there are."""
    # Transactions of a client would need more of the emulator than these writes do.
    with ndb.Client(project=project).context():
        products = [
            Product(
                id=f"product-{number}",
                name=f"Product {number}",
                cents=500 + 250 * number,
                stock=100,
                tags=["sale"] if number % 3 == 0 else ["new", "sale"] if number % 4 == 0 else [],
                size=Size(width=10 * number, height=20) if number % 2 else None,
            )
            for number in range(12)
        ]
        customers = [
            Customer(
                name=f"Customer {number}",
                email=f"customer{number}@example.com",
                born=date(1980, 1, 1) + timedelta(days=200 * number) if number % 5 else None,
                joined=START + timedelta(days=number, microseconds=number),
                address=Address(street=f"Main Street {number}", city=CITIES[number % 4]),
                earlier=[Address(street=f"Old Street {n}", city=None if n else "Rome") for n in range(number % 3)],
                notes="Calls in the morning. " * (number + 1) if number % 2 else None,
                settings={"newsletter": number % 2 == 0, "colours": ["red", "blue"][: number % 3]},
            )
            for number in range(20)
        ]
        ndb.put_multi([*products, *customers])
        orders = [
            Order(
                parent=customers[number % 20].key,
                placed=START + timedelta(days=30, hours=number),
                status="cancelled" if number % 10 == 9 else "paid",
                lines=[
                    Line(product=each.key, count=1 + number % 3, cents=each.cents)
                    for each in products[number % 4 : number % 4 + 1 + number % 3]
                ],
            )
            for number in range(60)
        ]
        ndb.put_multi(orders)
        payments = [
            (CardPayment(last_digits=f"{number:04}") if number % 2 else BankPayment(iban=f"DE{number:020}"))
            for number, order in enumerate(orders)
            if order.status == "paid"
        ]
        paid = [order for order in orders if order.status == "paid"]
        for payment, order in zip(payments, paid, strict=True):
            payment.order = order.key
            payment.cents = sum(line.count * line.cents for line in order.lines)
        ndb.put_multi(payments)
        return len(products) + len(customers) + len(orders) + len(payments)


def names_and_cities(project: str) -> dict[str, str]:
    """What the old shop reads: the city of each customer."""
    with ndb.Client(project=project).context():
        return {customer.name: customer.address.city for customer in Customer.query()}
