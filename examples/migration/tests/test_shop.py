"""The shop's own tests: they know nothing of the move, and pass before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone

import pytest
from shop import orders
from shop.database import ctx
from shop.models import Address, BankPayment, CardPayment, Customer, Order, Product, Size


@pytest.fixture
def customer() -> Iterator[Customer]:
    """A customer of this test alone."""
    found = Customer(
        name="Ada",
        email="ada@example.com",
        address=Address(street="First Street 1", city="Paris"),
        notes="Likes machines.",
        settings={"newsletter": True},
    )
    ctx.save(found)
    yield found
    for order in orders.orders_of(found):
        ctx.delete(order)
    ctx.delete(found)


@pytest.fixture
def product() -> Iterator[Product]:
    """A product of this test alone."""
    found = Product(id="engine", name="Engine", cents=99_900, stock=2, size=Size(width=3, height=4))
    ctx.save(found)
    yield found
    ctx.delete(found)


def test_an_old_customer_is_complete() -> None:
    found = orders.customer_by_email("customer5@example.com")
    assert found is not None
    assert found.name == "Customer 5"
    assert found.born is None
    assert found.joined == datetime(2019, 3, 6, 9, 30, 0, 5, tzinfo=timezone.utc)
    assert found.address == Address(street="Main Street 5", city="Oslo")
    assert found.earlier == [Address(street="Old Street 0", city="Rome"), Address(street="Old Street 1")]
    assert found.notes == "Calls in the morning. " * 6
    assert found.settings == {"newsletter": False, "colours": ["red", "blue"]}


def test_all_customers_are_there() -> None:
    found = [each for each in ctx.select(Customer) if each.name.startswith("Customer ")]
    assert len(found) == 20
    assert {each.born for each in found} >= {None, date(1980, 1, 1) + 200 * (date(2000, 1, 2) - date(2000, 1, 1))}
    assert sum(len(each.earlier) for each in found) == sum(number % 3 for number in range(20))


def test_customers_are_found_by_city() -> None:
    assert orders.customers_in("Lima") == sorted(f"Customer {number}" for number in range(2, 20, 4))


def test_old_orders_belong_to_their_customer_and_name_their_products() -> None:
    customer = orders.customer_by_email("customer7@example.com")
    assert customer is not None
    found = orders.orders_of(customer)
    assert [each.placed.day for each in found] == [2, 1, 31]
    assert found == sorted(found, key=lambda each: each.placed, reverse=True)
    [line, *_] = found[-1].lines
    product = ctx.get(line.product)
    assert (product.name, line.count, line.cents) == ("Product 3", 2, product.cents)


def test_old_payments_have_their_classes() -> None:
    customer = orders.customer_by_email("customer7@example.com")
    assert customer is not None
    for order in orders.orders_of(customer):
        [payment] = orders.payments_of(order)
        assert payment.cents == order.cents
        assert isinstance(payment, CardPayment | BankPayment)
    assert ctx.select(CardPayment).count() + ctx.select(BankPayment).count() == 54


def test_products_on_sale() -> None:
    assert orders.on_sale() == sorted(f"Product {number}" for number in (0, 3, 4, 6, 8, 9))


def test_moving_house(customer: Customer) -> None:
    orders.move_house(customer, Address(street="New Street 9", city="Berlin"))
    found = ctx.get(Customer, customer.id)
    assert found.address == Address(street="New Street 9", city="Berlin")
    assert found.earlier == [Address(street="First Street 1", city="Paris")]
    assert found.notes == "Likes machines."
    assert orders.customers_in("Berlin") == ["Ada"]


def test_changing_a_setting(customer: Customer) -> None:
    orders.change_setting(customer, "colours", ["green"])
    assert ctx.get(Customer, customer.id).settings == {"newsletter": True, "colours": ["green"]}


def test_an_order_takes_from_the_stock_and_a_cancelled_one_gives_back(customer: Customer, product: Product) -> None:
    placed = orders.order(customer, {"engine": 2})
    assert placed.cents == 199_800
    assert ctx.get(Product, "engine").stock == 0
    [found] = orders.orders_of(customer)
    assert found == placed
    orders.cancel(found)
    assert ctx.get(Product, "engine").stock == 2
    assert [each.status for each in orders.orders_of(customer)] == ["cancelled"]
    assert ctx.get(Product, "engine").size == product.size


def test_nothing_is_ordered_that_is_sold_out(customer: Customer, product: Product) -> None:
    with pytest.raises(orders.SoldOutError, match="There are 2 of 'Engine', not 3"):
        orders.order(customer, {product.id: 3})
    assert ctx.get(Product, "engine").stock == 2
    assert not ctx.select(Order, parent=customer).exists()
