"""The application's tests, on each backend there is. Only the line that makes the context differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from cendry import Cendry, DocumentNotFoundError, Ref, ref_of
from cendry_datastore import DatastoreBackend
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from cendry_memory.testing.driver import together
from swap.application import Address, Article, Customer, Order, Shop, SoldOutError, Status


@pytest.fixture(params=["memory", "firestore", "datastore mode", "classic datastore"])
def ctx(request: pytest.FixtureRequest, project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cendry]:
    match request.param:
        case "memory":
            backend: object = MemoryBackend()
        case "firestore":
            request.getfixturevalue("firestore_emulator")
            backend = FirestoreBackend(project=project)
        case "datastore mode":
            monkeypatch.setenv("DATASTORE_EMULATOR_HOST", request.getfixturevalue("cendry_datastore_mode_host"))
            backend = DatastoreBackend(project=project)
        case _:
            monkeypatch.setenv("DATASTORE_EMULATOR_HOST", request.getfixturevalue("cendry_classic_datastore_host"))
            backend = DatastoreBackend(project=project)
    yield Cendry(backend=backend)  # type: ignore[arg-type]
    backend.close()  # type: ignore[attr-defined]


@pytest.fixture
def shop(ctx: Cendry) -> Shop:
    shop = Shop(ctx)
    shop.stock_up(
        Article(id=name, title=name.title(), price=Decimal(price), stock=stock, rating=rating)
        for name, price, stock, rating in [
            ("pen", "1.50", 10, 4.5),
            ("ink", "7.25", 3, None),
            ("pad", "3.00", 0, 2.5),
            ("007", "9.99", 5, 1.0),
        ]
    )
    return shop


def test_who_signs_up_again_is_the_same_one(shop: Shop) -> None:
    first = shop.sign_up("Ada", "ada@example.org")
    again = shop.sign_up("Somebody", "ada@example.org")
    assert ("Ada", first.joined) == (again.name, again.joined)
    assert first.joined is not None


def test_an_order_is_all_or_nothing(shop: Shop, ctx: Cendry) -> None:
    ada = shop.sign_up("Ada", "ada@example.org")
    order = shop.order(ada, {"pen": 2, "007": 1})
    assert (Decimal("12.99"), "orders") == (order.total, ref_of(order).collection)
    with pytest.raises(SoldOutError, match="Pad"):
        shop.order(ada, {"pen": 1, "pad": 1})
    with pytest.raises(DocumentNotFoundError):
        shop.order(ada, {"pen": 1, "nothing": 1})
    assert [8, 4, 0] == [article.stock for article in ctx.get_many(Article, ["pen", "007", "pad"])]
    assert [order] == shop.orders_of(ada)
    assert Decimal("12.99") == ctx.get(ref_of(ada)).spent
    assert "Pen" == ctx.get(order.lines[0].article).title


@pytest.mark.slow
def test_of_several_that_buy_the_last_ones_each_gets_what_is_there(shop: Shop, ctx: Cendry) -> None:
    buyers = [shop.sign_up(name, f"{name}@example.org") for name in ("ada", "bob", "cyd", "dot")]
    outcomes: list[str] = []

    def buy(buyer: Customer) -> None:
        try:
            shop.order(buyer, {"ink": 1})
            outcomes.append("bought")
        except SoldOutError:
            outcomes.append("sold out")

    together(*(lambda buyer=buyer: buy(buyer) for buyer in buyers))
    assert ["bought"] * 3 + ["sold out"] == sorted(outcomes)
    assert 0 == ctx.get(Article, "ink").stock
    assert 3 == sum(len(shop.orders_of(buyer)) for buyer in buyers)


def test_orders_are_found_by_their_customer_and_status(shop: Shop, ctx: Cendry) -> None:
    ada, bob = shop.sign_up("Ada", "ada@example.org"), shop.sign_up("Bob", "bob@example.org")
    orders = [shop.order(ada, {"pen": count}) for count in (1, 3, 2)]
    shop.order(bob, {"pen": 1})
    shop.advance(orders[1], Status.PAID)
    assert [orders[1].id] == [order.id for order in shop.orders_of(ada, Status.PAID)]
    assert [orders[2].id, orders[0].id] == [order.id for order in shop.orders_of(ada, Status.OPEN)]
    changed = orders[1].changed
    found = ctx.get(Order, orders[1].id or "", parent=ada)
    assert (Status.PAID, changed) == (found.status, found.changed)


def test_people_move(shop: Shop, ctx: Cendry) -> None:
    ada = shop.sign_up("Ada", "ada@example.org")
    shop.move(ada, "Main", "Rome")
    ctx.update(ada, {Customer.tags: {"vip", "new"}})
    assert ["Ada"] == shop.people_of("Rome", "vip")
    shop.move(ada, "Side", "Bern")
    assert Address(street="Side", city="Bern") == ctx.get(ref_of(ada)).address
    assert ([], ["Ada"]) == (shop.people_of("Rome", "vip"), shop.people_of("Bern", "new"))
    assert ada == ctx.get(ref_of(ada))


def test_searching(shop: Shop) -> None:
    assert ["Pen"] == shop.bargains(Decimal(5), 1)
    assert ["007", "Pad"] == shop.poorly_rated(3.0)
    assert [["007", "Ink", "Pad"], ["Pen"]] == list(shop.catalogue(3))
    assert ("Pad", Decimal("3.00")) == shop.price_list()[2]


def test_counting(shop: Shop) -> None:
    assert 4 == shop.size()


def test_forgetting(shop: Shop, ctx: Cendry) -> None:
    ada = shop.sign_up("Ada", "ada@example.org")
    shop.order(ada, {"pen": 1})
    shop.forget(ada)
    assert (None, []) == (ctx.find(Ref(Customer, "ada@example.org")), shop.orders_of(ada))
    with pytest.raises(DocumentNotFoundError):
        shop.forget(ada)
