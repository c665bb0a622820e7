"""What type checkers make of tagged models: several in one collection."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from cendry import (
    AsyncCendry,
    AsyncQuery,
    Cendry,
    Field,
    Map,
    Model,
    Page,
    Query,
    Ref,
    Txn,
    count,
    field,
    from_dict,
    json_schema,
    to_dict,
)


class Place(Map):
    room: Field[str] = field(default="hall")


class Event(Model, collection="events", tag_field="type"):
    at: Field[int]


class Click(Event, Place, tag="click"):
    x: Field[int] = field(default=0)
    target: Field[Ref[Event] | None] = field(default=None)


class DoubleClick(Click, tag="double"):
    pause: Field[float] = field(default=0.0)


class Scroll(Event, tag="scroll"):
    dy: Field[int]


class Note(Model, collection="notes", tag_field="kind", tag=None): ...


class Animal(Model, collection="Animal", tag_field="class", tag=("Animal",)): ...


class Cat(Animal, tag=("Animal", "Cat")): ...


class Numbered(Event, tag=5): ...  # error: pyright ty


class Listed(Event, tag=["a"]): ...  # error: pyright ty


class Odd(Model, collection="odd", tag_field=5): ...  # error: pyright ty


ctx = Cendry()
actx = AsyncCendry()

# Construction: the fields of the bases, and no tag.

assert_type(Click(at=1), Click)
DoubleClick(at=1, x=2, room="r", pause=0.5)
Scroll(at=1, dy=2)
Scroll(at=1)  # error: mypy pyright ty
Click(at=1, type="click")  # error: mypy pyright ty

# Reading the base gives the base, which isinstance narrows.

assert_type(ctx.select(Event), Query[Event])
assert_type(ctx.select(Click), Query[Click])
assert_type(actx.select(Event, Click.x > 1, order_by=Click.x.desc()), AsyncQuery[Event])
assert_type(ctx.select(Event, Click.x == 1).to_list(), list[Event])
assert_type(ctx.select_group(Event).page(3), Page[Event])
assert_type(ctx.get(Event, "a"), Event)
assert_type(ctx.get(Ref(Event, "a")), Event)
assert_type(ctx.find(Click, "a"), Click | None)
assert_type(ctx.get_many(Event, ["a"]), list[Event])
assert_type(ctx.select(Event).values(Event.at, Click.x, Scroll.dy).to_list(), list[tuple[int, int, int]])
assert_type(ctx.select(Event).sum(Click.x), int)
assert_type(from_dict(Event, {"type": "click", "at": 1}), Event)

assert_type(ctx.select(Event).project(Event.at, Click.x).to_list(), list[dict[str, Any]])
assert_type(ctx.select(Event).aggregate(count(), Click.x.sum()), tuple[int, int])
assert_type(ctx.find_many(Event, ["a"]), list[Event | None])
assert_type(ctx.fetch_refs([Click(at=1)], Click.target), dict[Ref[Event], Event])
assert_type(ctx.get_or_create(Click, "a", {"at": 1}), tuple[Click, bool])
assert_type(ctx.update_or_create(Click, "a", [Click.x.set(1), Event.at.set(1)]), tuple[Click, bool])
assert_type(json_schema(Event), dict[str, Any])
assert_type(to_dict(Click(at=1)), dict[str, Any])


def read_again(txn: Txn) -> Click | None:
    assert_type(txn.get(Event, "a"), Event)
    return txn.find(Click, "a")


assert_type(ctx.transaction(read_again), Click | None)

event = ctx.get(Event, "a")
event.x  # error: mypy pyright ty
if isinstance(event, Click):
    assert_type(event.x, int)
    assert_type(event.target, Ref[Event] | None)
elif isinstance(event, Scroll):
    assert_type(event.dy, int)


async def read() -> None:
    assert_type(await actx.get(Event, "a"), Event)
    assert_type(await actx.select(Click).first(), Click | None)
    assert_type(await actx.find_many(Event, ["a"]), list[Event | None])
    assert_type(await actx.get_or_create(Click, "a", {"at": 1}), tuple[Click, bool])
    assert_type([row async for row in actx.select(Event).values(Event.id, Click.x)], list[tuple[str, int]])


# Filters, changes and references

ctx.select(Event, Click.x == "text")  # error: mypy pyright ty
ctx.update(Event, "a", Click.x.set(1), Event.at.set(2))
ctx.update(Event, "a", {Click.x: 1, "at": 2})
ctx.save(Click(at=1, target=Ref(Scroll, "b")))
Click(at=1, target=Ref(Note, "b"))  # error: mypy pyright ty
ctx.select(Click, Click.target == Scroll(at=1, dy=1))
