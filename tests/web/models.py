"""Models that the suite shares."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

from annotated_types import Ge, MaxLen
from cendry import Field, GeoPoint, Map, Model, field
from typing_extensions import TypedDict


class Status(enum.Enum):
    """How far a task is."""

    OPEN = "open"
    DONE = "done"


class Item(Map):
    """One step of a task."""

    title: Field[str]
    done: Field[bool] = field(default=False)


class Card(Map):
    kind: Field[Literal["card"]]
    number: Field[str]


class Bank(Map):
    kind: Field[Literal["bank"]]
    iban: Field[str]


class Task(Model, collection="tasks"):
    """Something to do."""

    title: Field[Annotated[str, MaxLen(20)]] = field(
        alias="t", metadata={"description": "What to do.", "examples": ["Call home"]}
    )
    points: Field[Annotated[int, Ge(0)]] = field(default=1)
    status: Field[Status] = field(default=Status.OPEN)
    checklist: Field[list[Item]] = field(default_factory=list)
    steps: Field[dict[str, Item]] = field(default_factory=dict)
    payment: Field[Card | Bank | None] = field(default=None)
    note: Field[str | None] = field(default=None)


class Node(Map):
    name: Field[str]
    children: Field[dict[str, Node]] = field(default_factory=dict)


class Tree(Model, collection="trees"):
    root: Field[Node]


class Event(Model, collection="events", tag_field="type"):
    at: Field[int]


class Click(Event, tag="click"):
    x: Field[int]


class View(Event, tag="view"):
    page: Field[str]
    hidden: Field[str] = field(default="", repr=False)


T = TypeVar("T")


class Box(Map, Generic[T]):
    content: Field[T]


class Shelf(Model, collection="shelves"):
    numbers: Field[Box[int]]
    items: Field[list[Box[Item]]]


class Account(Model, collection="accounts", extra="ignore"):
    """Ignores what it doesn't know."""

    name: Field[str]
    password: Field[str] = field(repr=False)
    color: Field[Status] = field(default=Status.OPEN, enum_by="name")


class Point(Map, frozen=True, unsafe_hash=True):
    x: Field[int] = field(default=0)
    y: Field[int] = field(default=0)


class Options(TypedDict, total=False):
    color: str
    size: int


class Pair(NamedTuple):
    first: Item
    second: int = 2


@dataclass
class Size:
    width: int
    height: int = 1


class Base(Model, Generic[T], abstract=True):
    content: Field[T]


class Everything(Model, collection="everything"):
    """Maps in all places where they can be."""

    points: Field[set[Point]] = field(default_factory=set)
    places: Field[frozenset[GeoPoint]] = field(default_factory=frozenset)
    both: Field[tuple[Item, int]] = field(default_factory=lambda: (Item(title="a"), 1))
    many: Field[tuple[Item, ...]] = field(default=())
    pair: Field[Pair] = field(default_factory=lambda: Pair(Item(title="b")))
    either: Field[Item | int] = field(default=5)
    paid: Field[int | Card | Bank] = field(default=1)
    options: Field[Options | None] = field(default=None)
    size: Field[Size | None] = field(default=None)
    few: Field[Annotated[list[Item], MaxLen(2)]] = field(default_factory=list)
    tags: Field[set[str]] = field(default_factory=set)
