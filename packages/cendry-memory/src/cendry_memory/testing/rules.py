"""What a model accepts on write, it can read; and its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from cendry import DELETE_FIELD, CendryError, Field, InvalidValueError, Map, Model, ValidationError, field, to_dict
from cendry.plan import Set

from .driver import Database
from .features import Feature, needs
from .suite import Suite, in_transaction


class Span(Map):
    """A map that refuses to be built with its ends swapped."""

    first: Field[int]
    last: Field[int] = field(default=9)

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first is after last")


@dataclass
class Amount:
    """The same of a dataclass."""

    units: int

    def __post_init__(self) -> None:
        if self.units < 0:
            raise ValueError("units are negative")


class Order(Model, collection="orders"):
    """A document that refuses to be built without a number, or with parts that refuse."""

    number: Field[int]
    span: Field[Span | None] = field(default=None)
    spans: Field[list[Span]] = field(default_factory=list)
    amounts: Field[dict[str, Amount]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("the number is negative")


class RuleConformance(Suite):
    """Writes of what could not be read, and of what breaks a rule."""

    @needs(Feature.TRANSACTIONS)
    @pytest.mark.parametrize("name", ["number", "span", "spans", "amounts"])
    def test_what_could_not_be_read_is_not_written(self, db: Database, ctx: Any, name: str) -> None:
        """Constructors don't run again when attributes change; before a write, they do."""
        known = Order(id="a", number=1, amounts={"k": Amount(2)})
        ctx.save(known)
        before = db.data("orders/a")
        swapped, negative = Span(first=1), Amount(1)
        swapped.last, negative.units = 0, -1
        value = {"number": -1, "span": swapped, "spans": [Span(first=1), swapped], "amounts": {"k": negative}}[name]
        order = Order(number=1)
        setattr(order, name, value)

        def queue() -> None:
            with ctx.batch() as batch:
                batch.save(order)

        for write in (
            lambda: ctx.save(order),
            lambda: ctx.create(order),
            lambda: ctx.save_many([Order(id="b", number=1), order]),
            lambda: in_transaction(ctx, lambda txn: txn.save(order)),
            queue,
        ):
            with pytest.raises(ValidationError) as caught:
                write()
            assert caught.value.field.startswith("" if name == "number" else name)
        with pytest.raises(InvalidValueError):
            ctx.update(known, {name: value})
        assert (None, before) == (order.id, db.data("orders/a"))
        assert Order(id="a", number=1, amounts={"k": Amount(2)}) == known == ctx.get(Order, "a")
        assert ctx.find(Order, "b") is None

    def test_an_update_of_an_instance_is_checked_as_a_whole(self, ctx: Any) -> None:
        order = Order(id="a", number=1, span=Span(first=3, last=5))
        ctx.save(order)
        with pytest.raises(ValidationError, match="first is after last"):
            ctx.update(order, {"span.first": 6})
        with pytest.raises(ValidationError, match="first is after last"):
            ctx.update(order, {"span.first": 10, "span.last": DELETE_FIELD})
        ctx.update(order, {"span.first": 6, "span.last": 7, "number": 2})
        assert Order(id="a", number=2, span=Span(first=6, last=7)) == order == ctx.get(Order, "a")
        ctx.update(order, {"span.last": DELETE_FIELD})
        assert Order(id="a", number=2, span=Span(first=6)) == order == ctx.get(Order, "a")


class Between:
    """A constraint by its attributes alone, as other libraries have it."""

    def __init__(self, ge: int, le: int) -> None:
        self.ge, self.le = ge, le


class Length:
    """The same for lengths, with an attribute that says nothing."""

    def __init__(self, min_length: int) -> None:
        self.min_length, self.max_length = min_length, None


class Matching:
    """The same for text."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern


class Item(Map):
    """A map with constraints, and a rule for the whole."""

    code: Field[Annotated[str, Matching("^[a-z]+$")]]
    count: Field[Annotated[int, Between(0, 9)]] = field(default=1)

    def __validate__(self) -> None:
        if self.code == "none" and self.count:
            raise ValueError("none are not counted")


class Basket(Model, collection="baskets"):
    """A document with rules at each depth."""

    items: Field[list[Item]] = field(default_factory=list)
    by_shelf: Field[dict[str, Annotated[list[Annotated[int, Between(1, 5)]], Length(1)]]] = field(default_factory=dict)
    gift: Field[Item | None] = field(default=None)
    total: Field[Annotated[int, Between(0, 100)]] = field(default=0)
    limit: Field[int] = field(default=100)

    def __validate__(self) -> None:
        if self.total > self.limit:
            raise ValueError("over the limit")


def broken() -> Basket:
    """A basket that breaks many rules."""
    return Basket(
        items=[Item(code="a"), Item(code="A", count=10)],
        by_shelf={"low": [], "high": [1, 6]},
        gift=Item(code="none"),
        total=101,
    )


STORED_BROKEN: dict[str, Any] = {
    "items": [{"code": "A", "count": 10}],
    "by_shelf": {},
    "gift": None,
    "total": 101,
    "limit": 50,
}


class ConstraintConformance(Suite):
    """Constraints and rules of the whole: on write, never on reading."""

    @needs(Feature.TRANSACTIONS)
    def test_every_write_of_an_instance_is_checked(self, db: Database, ctx: Any) -> None:
        basket, known = broken(), Basket(id="a", limit=9)
        ctx.save(known)
        before = db.data("baskets/a")

        def queue() -> None:
            with ctx.batch() as batch:
                batch.create(basket)

        for write in (
            lambda: ctx.save(basket),
            lambda: ctx.create(basket),
            lambda: ctx.save_many([Basket(id="b"), basket]),
            lambda: in_transaction(ctx, lambda txn: txn.save(basket)),
            queue,
        ):
            with pytest.raises(ValidationError) as caught:
                write()
            assert [
                ("items[1].code", "pattern"),
                ("items[1].count", "le"),
                ("by_shelf.low", "min_length"),
                ("by_shelf.high[1]", "le"),
                ("gift", "rule"),
                ("total", "le"),
            ] == [(problem.path, problem.code) for problem in caught.value.problems]
        basket = Basket(total=50, limit=20)
        with pytest.raises(ValidationError, match="Basket: expected a valid Basket, found ValueError: over the"):
            ctx.save(basket)
        assert (None, before) == (basket.id, db.data("baskets/a"))
        assert ctx.find(Basket, "b") is None

    @needs(Feature.MASKS)
    def test_a_merge_is_checked_too(self, ctx: Any) -> None:
        with pytest.raises(ValidationError, match=r"by_shelf\.low"):
            ctx.save(broken(), merge=True)

    def test_named_values_are_checked(self, db: Database, ctx: Any) -> None:
        known = Basket(id="a", gift=Item(code="x"))
        ctx.save(known)
        before = db.data("baskets/a")
        several: list[dict[Any, Any]] = [
            {"total": -1},
            {Basket.gift[Item.count]: 10},
            {"gift": Item(code="")},
            {"by_shelf.low": []},
            {"items": [Item(code="a", count=-1)]},
        ]
        for changes in several:
            for target in ((Basket, "a"), (known,)):
                with pytest.raises(InvalidValueError):
                    ctx.update(*target, changes)
        with pytest.raises(ValidationError, match="over the limit"):
            ctx.update(known, {"total": 60, "limit": 50})
        with pytest.raises(ValidationError, match="none are not counted"):
            ctx.update(known, {"gift.code": "none"})
        assert before == db.data("baskets/a")
        assert Basket(id="a", gift=Item(code="x")) == known
        ctx.update(known, {"gift.code": "none", "gift.count": 0, "total": 60})
        assert Basket(id="a", gift=Item(code="none", count=0), total=60) == known == ctx.get(Basket, "a")

    def test_a_document_that_breaks_a_rule_stays_readable_and_repairable(self, db: Database, ctx: Any) -> None:
        db.commit(Set("baskets/a", STORED_BROKEN))
        found = ctx.get(Basket, "a")
        assert (101, Item(code="A", count=10)) == (found.total, found.items[0])
        assert STORED_BROKEN == to_dict(found)
        with pytest.raises(ValidationError, match="total"):
            ctx.save(found)
        # By class and id, the rule of the whole is not asked.
        ctx.update(Basket, "a", {"total": 60})
        found = ctx.get(Basket, "a")
        found.items[0].code, found.items[0].count, found.limit = "a", 1, 70
        ctx.save(found)
        assert found == ctx.get(Basket, "a")

    @needs(Feature.QUERIES)
    def test_queries_find_what_breaks_a_rule(self, db: Database, ctx: Any) -> None:
        db.commit(Set("baskets/a", STORED_BROKEN), Set("baskets/b", {**STORED_BROKEN, "total": 1}))
        assert ["a"] == ctx.select(Basket, Basket.total > 100).ids()
        assert ["a"] == ctx.select(Basket, Basket.total == 101).ids()
        assert 2 == len(ctx.select(Basket).to_list())


class Point(Map, frozen=True):
    """A frozen map, with a map that isn't."""

    x: Field[int]
    tags: Field[dict[str, int]] = field(default_factory=dict)
    inner: Field[Item | None] = field(default=None)


class Landmark(Model, collection="landmarks", frozen=True):
    """A frozen document."""

    name: Field[str]
    place: Field[Point] = field(default_factory=lambda: Point(x=1))


class Trail(Model, collection="trails"):
    """A document that can change, with a frozen part."""

    start: Field[Point]
    ends: Field[dict[str, Point]] = field(default_factory=dict)


class FrozenConformance(Suite):
    """The fields of frozen instances never change."""

    @needs(Feature.TRANSACTIONS)
    def test_a_frozen_instance_is_written_and_remembered(self, ctx: Any) -> None:
        written = [Landmark(id=name, name=name) for name in "abcd"]
        first, second, third, fourth = written
        ctx.create(first)
        ctx.save_many([second])
        with ctx.batch() as batch:
            batch.save(third)
        in_transaction(ctx, lambda txn: txn.create(fourth))
        for each, name in zip(written, "abcd", strict=True):
            assert Landmark(id=name, name=name) == each == ctx.get(Landmark, name)
        ctx.delete(first)
        assert ctx.find(Landmark, "a") is None
        assert Landmark(id="a", name="a") == first

    @needs(Feature.TRANSACTIONS)
    def test_one_without_an_id_is_refused(self, ctx: Any) -> None:
        landmark = Landmark(name="x")

        def queue() -> None:
            with ctx.batch() as batch:
                batch.save(landmark)

        for write in (
            lambda: ctx.save(landmark),
            lambda: ctx.create(landmark),
            lambda: ctx.save_many([landmark]),
            lambda: in_transaction(ctx, lambda txn: txn.create(landmark)),
            queue,
        ):
            with pytest.raises(CendryError, match="Landmark is frozen"):
                write()
        assert Landmark(name="x") == landmark

    @needs(Feature.TRANSACTIONS)
    def test_updates_and_refreshes_of_the_instance_are_refused(self, db: Database, ctx: Any) -> None:
        landmark = Landmark(id="a", name="x")
        ctx.save(landmark)
        before = db.data("landmarks/a")

        def queue() -> None:
            with ctx.batch() as batch:
                batch.update(landmark, {"name": "y"})

        for write in (
            lambda: ctx.update(landmark, {"name": "y"}),
            lambda: ctx.update(landmark, fields=["name"]),
            lambda: in_transaction(ctx, lambda txn: txn.update(landmark, {"place.x": 2})),
            lambda: ctx.refresh(landmark),
            queue,
        ):
            with pytest.raises(CendryError, match=r"Landmark is frozen, and (update|refresh)\(\)"):
                write()
        assert before == db.data("landmarks/a")
        ctx.update(Landmark, "a", {"name": "y", "place.x": 2})
        assert Landmark(id="a", name="x") == landmark
        assert Landmark(id="a", name="y", place=Point(x=2)) == ctx.get(Landmark, "a")
        changed = Landmark(id="a", name="z", place=Point(x=3))
        assert (changed, False) == ctx.update_or_create(Landmark, "a", {"name": "z", "place.x": 3})
        assert changed == ctx.get(Landmark, "a")
        assert (Landmark(id="b", name="n"), True) == ctx.update_or_create(Landmark, "b", {"name": "n"})
        assert (changed, False) == ctx.get_or_create(Landmark, "a", {"name": "n"})

    @needs(Feature.MASKS)
    def test_merges_of_the_instance_are_refused(self, ctx: Any) -> None:
        landmark = Landmark(id="a", name="x")
        with pytest.raises(CendryError, match=r"Landmark is frozen, and merge\(\)"):
            ctx.merge(landmark, {"name": "y"})
        ctx.save(landmark, merge=True)
        assert landmark == ctx.get(Landmark, "a")

    def test_a_frozen_part_is_replaced(self, ctx: Any) -> None:
        start = Point(x=1, tags={"a": 1}, inner=Item(code="a"))
        end = Point(x=2)
        trail = Trail(id="a", start=start, ends={"e": end})
        ctx.save(trail)
        ctx.update(trail, {"start.x": 5, "start.tags.b": 2, "start.inner.code": "b", "ends.e.x": 7})
        changed = Point(x=5, tags={"a": 1, "b": 2}, inner=Item(code="b"))
        assert Trail(id="a", start=changed, ends={"e": Point(x=7)}) == trail == ctx.get(Trail, "a")
        assert (Point(x=1, tags={"a": 1}, inner=Item(code="a")), Point(x=2)) == (start, end)
        ctx.update(trail, {"start.tags.a": DELETE_FIELD})
        assert {"b": 2} == trail.start.tags == ctx.get(Trail, "a").start.tags
        assert {"a": 1, "b": 2} == changed.tags
