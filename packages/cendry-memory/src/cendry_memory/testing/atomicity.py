"""Several writes at once, and transactions, through contexts: all or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from cendry import CendryError, DocumentAlreadyExistsError, DocumentNotFoundError

from .documents import City
from .driver import Database, together
from .features import Feature, needs
from .suite import Suite


class AtomicityConformance(Suite):
    """Batches, transactions, and what is built on them."""

    # --- several ---

    def test_save_many_and_delete_many(self, ctx: Any) -> None:
        assert ["a", "b"] == ctx.save_many(City(id=name, name=name) for name in "ab")
        assert [] == ctx.save_many([])
        ctx.delete_many(City, ["a", "never"])
        with pytest.raises(DocumentNotFoundError):
            ctx.delete_many(City, ["b", "never"], must_exist=True)
        assert [False, True] == [ctx.exists(City, "a"), ctx.exists(City, "b")]
        ctx.delete_many([ctx.get(City, "b")])
        assert not ctx.exists(City, "b")

    def test_a_batch_is_all_or_nothing(self, ctx: Any) -> None:
        ctx.save(City(id="there", name="there"))

        def create_both() -> None:
            with ctx.batch() as batch:
                batch.save(City(id="new", name="new"))
                batch.create(City(id="there", name="other"))

        def fail_inside() -> None:
            with ctx.batch() as batch:
                batch.save(City(id="new", name="new"))
                batch.delete(City, "there")
                raise ZeroDivisionError

        with pytest.raises(DocumentAlreadyExistsError):
            create_both()
        assert ctx.find(City, "new") is None
        with pytest.raises(ZeroDivisionError):
            fail_inside()
        assert [None, "there"] == [ctx.find(City, "new"), ctx.get(City, "there").name]
        with ctx.batch() as batch:
            batch.save(City(id="new", name="new"))
            batch.update(City, "there", {City.population: 5})
            assert 2 == len(batch)
            batch.delete(City, "never")
        assert ["new", 5] == [ctx.get(City, "new").name, ctx.get(City, "there").population]

    def test_500_writes_at_once_and_no_more(self, ctx: Any) -> None:
        with pytest.raises(CendryError, match="500"):
            ctx.save_many(City(id=str(number), name="x") for number in range(501))
        assert not ctx.exists(City, "0")
        assert 500 == len(ctx.save_many(City(id=str(number), name="x") for number in range(500)))
        assert ctx.exists(City, "499")

    # --- atomic helpers ---

    def test_get_or_create(self, ctx: Any) -> None:
        city, created = ctx.get_or_create(City, "SF", {City.name: "x"})
        assert (City(id="SF", name="x"), True) == (city, created)
        assert (city, False) == ctx.get_or_create(City, "SF", {City.name: "y"})

    def test_of_many_that_get_or_create_one_creates(self, ctx: Any) -> None:
        created: list[bool] = []

        def work() -> None:
            created.append(ctx.get_or_create(City, "SF", {City.name: "x"})[1])

        together(*[work] * 4)
        assert [False, False, False, True] == sorted(created)

    @needs(Feature.TRANSACTIONS)
    def test_update_or_create(self, ctx: Any) -> None:
        assert (City(id="SF", name="x"), True) == ctx.update_or_create(City, "SF", {City.name: "x"})
        city, created = ctx.update_or_create(City, "SF", {City.population: 5}, create_defaults={City.name: "never"})
        assert (City(id="SF", name="x", population=5), False) == (city, created)
        assert city == ctx.get(City, "SF")

    # --- transactions ---

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_gives_what_its_function_returns(self, ctx: Any) -> None:
        ctx.save_many([City(id="a", name="A", population=10), City(id="b", name="B")])

        def move(txn: Any) -> int:
            source, target = txn.get_many(City, ["a", "b"])
            txn.update(source, {City.population: source.population - 3})
            txn.update(target, {City.population: target.population + 3})
            txn.create(City(id="c", name="C"))
            moved: int = target.population + 3
            return moved

        assert 3 == ctx.transaction(move)
        assert [7, 3, 0] == [city.population for city in ctx.get_many(City, ["a", "b", "c"])]

    @needs(Feature.TRANSACTIONS)
    def test_an_exception_rolls_back_and_passes_untouched(self, ctx: Any) -> None:
        lost = City(name="lost")

        def fail(txn: Any) -> None:
            txn.find(City, "a")
            txn.save(lost)
            assert lost.id is not None
            raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            ctx.transaction(fail)
        assert lost.id is None

        def fail_in_a_block() -> None:
            with ctx.transaction() as txn:
                txn.save(City(id="a", name="A"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail_in_a_block()
        assert ctx.find(City, "a") is None

    @needs(Feature.TRANSACTIONS)
    def test_a_transaction_in_a_with_block(self, ctx: Any) -> None:
        with ctx.transaction() as txn:
            assert txn.find(City, "a") is None
            txn.save(City(id="a", name="A"))
        assert "A" == ctx.get(City, "a").name

    @needs(Feature.TRANSACTIONS)
    def test_reads_come_before_writes(self, ctx: Any) -> None:
        def read_late(txn: Any) -> None:
            txn.save(City(id="a", name="A"))
            txn.get(City, "a")

        with pytest.raises(CendryError):
            ctx.transaction(read_late)
        assert not ctx.exists(City, "a")

    @needs(Feature.TRANSACTIONS, Feature.READ_ONLY, Feature.QUERIES)
    def test_a_read_only_transaction(self, ctx: Any) -> None:
        ctx.save(City(id="a", name="A"))

        def read(txn: Any) -> Any:
            return txn.select(City).ids()

        def write(txn: Any) -> None:
            txn.save(City(id="b", name="B"))

        assert ["a"] == ctx.transaction(read, read_only=True)
        with pytest.raises(CendryError, match="read-only"):
            ctx.transaction(write, read_only=True)
        assert not ctx.exists(City, "b")

    @needs(Feature.TRANSACTIONS)
    def test_transactions_are_not_nested(self, ctx: Any) -> None:
        def outer(txn: Any) -> None:
            txn.find(City, "a")
            ctx.transaction(len)

        with pytest.raises(CendryError, match="already running here"):
            ctx.transaction(outer)

    @needs(Feature.TRANSACTIONS)
    def test_no_increment_is_lost(self, db: Database) -> None:
        ctx = db.context()
        ctx.save(City(id="a", name="A"))

        def increment(txn: Any) -> None:
            city = txn.get(City, "a")
            txn.update(city, {City.population: city.population + 1})

        def work() -> None:
            for _ in range(3):
                ctx.transaction(increment, max_attempts=50)

        together(*[work] * 3)
        assert 9 == ctx.get(City, "a").population
