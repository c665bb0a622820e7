"""What a model accepts on write, it can read; and its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from cendry import DELETE_FIELD, Field, InvalidValueError, Map, Model, ValidationError, field

from .driver import Database
from .features import Feature, needs
from .suite import Suite


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
            lambda: ctx.transaction(lambda txn: txn.save(order)),
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
