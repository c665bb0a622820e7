"""What type checkers make of models: construction, attributes, options, inheritance."""

# pyright: reportUnusedExpression=false

from __future__ import annotations

import copy
import dataclasses
import enum
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from typing_extensions import assert_type

from cendry import Field, FieldDescriptor, Map, Model, field, indexes, resolve
from cendry.paths import FieldPath


class Status(enum.Enum):
    OPEN = "open"


class Mayor(Map):
    name: Field[str]
    since: Field[int] = field(default=2000)


class City(Model, collection="cities"):
    LIMIT: ClassVar[int] = 3
    name: Annotated[Field[str], field(alias="displayName")]
    state: Field[str] = field(alias="st")
    population: Field[int] = field(default=0)
    regions: Field[list[str]] = field(default_factory=list)
    status: Field[Status] = field(default=Status.OPEN, enum_by="name")
    mayor: Field[Mayor | None] = field(default=None)
    attributes: Field[dict[str, int]] = field(default_factory=lambda: {"a": 1})
    created: Field[datetime | None] = field(auto_now_add=True)
    updated: Field[datetime | None] = field(auto_now=True, alias="changed at")

    def shout(self) -> str:
        return self.name.upper()


# Construction

assert_type(City(name="Rome", state="IT"), City)
City(id="SF", name="Rome", state="IT", population=3, regions=["a"], status=Status.OPEN, mayor=None, attributes={})
City(name="Rome", state="IT", mayor=Mayor(name="x"), created=None, updated=None)
# What has a `=` is optional to checkers: a required field with options is best written with Annotated.
City(name="Rome")
City()  # error: mypy pyright ty
City(state="IT")  # error: mypy pyright ty
City("Rome", state="IT")  # error: mypy pyright ty
City(name=1, state="IT")  # error: mypy pyright ty
City(name="Rome", state="IT", population="many")  # error: mypy pyright ty
City(name="Rome", state="IT", population=None)  # error: mypy pyright ty
City(name="Rome", state="IT", mayor="x")  # error: mypy pyright ty
City(displayName="Rome", state="IT")  # error: mypy pyright ty
City(name="Rome", st="IT")  # error: mypy pyright ty
City(name="Rome", state="IT", id=3)  # error: mypy pyright ty
City(name="Rome", state="IT", LIMIT=3)  # error: mypy pyright ty
Mayor(id="x", name="y")  # error: mypy pyright ty

# Attributes of instances

city = City(name="Rome", state="IT")
assert_type(city.id, "str | None")
assert_type(city.name, str)
assert_type(city.state, str)
assert_type(city.population, int)
assert_type(city.regions, "list[str]")
assert_type(city.status, Status)
assert_type(city.mayor, "Mayor | None")
assert_type(city.created, "datetime | None")
assert_type(city.shout(), str)
assert_type(City.LIMIT, int)
city.name = "Milan"
city.mayor = Mayor(name="x")
city.mayor = None
city.id = "SF"
city.name = 3  # error: mypy pyright ty
city.population = None  # error: mypy pyright ty
city.mayor = "x"  # error: mypy pyright ty
city.id = 7  # error: mypy pyright ty
city.nmae  # error: mypy pyright ty

# On the class

assert_type(City.name, FieldDescriptor[str])
assert_type(City.population, FieldDescriptor[int])
assert_type(City.id, FieldDescriptor[str])
assert_type(City.mayor, "FieldDescriptor[Mayor | None]")
assert_type(City.name.field_name, str)
assert_type(City.name.alias, str)
assert_type(City.name.owner, "type[Any]")
City.nmae  # error: mypy pyright ty

# Options of fields


class Account(Model, collection="accounts"):
    password: Annotated[Field[str], field(repr=False, compare=False, hash=False, metadata={"description": "secret"})]
    token: Field[str] = field(default="", repr=False, hash=None)
    scopes: Field[list[str]] = field(default_factory=list, compare=True, metadata={1: 2})
    seen: Field[datetime | None] = field(auto_now=True, repr=False)
    bad_repr: Field[str] = field(default="", repr="no")  # error: mypy pyright ty
    bad_metadata: Field[str] = field(default="", metadata=["no"])  # error: mypy pyright ty


Account()  # error: mypy pyright ty
Account(password="x")


class Options(Model, collection="options"):
    good: Field[int] = field(default=3)
    optional: Field[int | None] = field(default=None)
    made: Field[set[str]] = field(default_factory=set)
    called: Field[int] = field(default_factory=lambda: 3)
    bad_default: Field[int] = field(default="text")  # error: mypy pyright ty
    bad_none: Field[int] = field(default=None)  # error: mypy pyright ty
    bad_factory: Field[int] = field(default_factory=list)  # error: mypy pyright ty
    bad_keyword: Field[int] = field(defualt=3)  # error: mypy pyright ty
    bad_enum_by: Field[Status] = field(enum_by="label")  # error: mypy pyright ty
    clash: Field[int] = field(default=3, default_factory=int)  # error: mypy pyright ty
    bare: Field[int | None] = None  # error: mypy pyright ty
    plain: Field[int] = 3  # error: mypy pyright ty


Options()

# Class keywords


class Point(Model, collection="points", frozen=True, order=True):
    x: Field[int]


point = Point(x=1)
point.x = 2  # error: mypy pyright ty
point < Point(x=2)
point < 3  # error: mypy pyright ty
{point: 1}


class Misspelt(Model, colection="x"):  # error: pyright ty
    x: Field[int]


class WrongExtra(Model, collection="x", extra="drop"):  # error: pyright ty
    x: Field[int]


class Area(Model, collection="areas", parent=City, extra="keep"):
    name: Field[str]


class WrongParent(Model, collection="areas", parent="City"):  # error: pyright ty
    name: Field[str]


# Rules


class Limit:
    def __init__(self, gt: int) -> None:
        self.gt = gt


class Sized(Model, collection="sized"):
    width: Field[Annotated[int, Limit(0)]]
    parts: Field[list[Annotated[str, Limit(0)]]] = field(default_factory=list)

    def __validate__(self) -> None:
        assert_type(self.width, int)


sized = Sized(width=1)
assert_type(sized.width, int)
assert_type(sized.parts, list[str])
sized.width = "x"  # error: mypy pyright ty
Sized(width="x")  # error: mypy pyright ty
Sized.width > 1
Sized.width > "x"  # error: mypy pyright ty

# Inheritance


class Timestamps(Map):
    created: Field[datetime | None] = field(auto_now_add=True)


class Base(Model, abstract=True):
    owner: Field[str]


class Note(Timestamps, Base, collection="notes"):
    text: Field[str]


assert_type(Note(owner="me", text="x").created, "datetime | None")
assert_type(Note.owner, FieldDescriptor[str])
Note(text="x")  # error: mypy pyright ty


class LongNote(Note, collection="long"):
    pages: Field[int]


assert_type(LongNote(owner="me", text="x", pages=3).text, str)
LongNote(owner="me", text="x")  # error: mypy pyright ty


class Shape(ABC):
    @abstractmethod
    def area(self) -> int: ...


class Named(Protocol):
    def label(self) -> str: ...


class Square(Model, Shape, Named, collection="squares"):
    side: Field[int]

    def area(self) -> int:
        return self.side * self.side

    def label(self) -> str:
        return "square"


def takes_named(named: Named) -> str:
    return named.label()


takes_named(Square(side=2))
takes_named(city)  # error: mypy pyright ty

T = TypeVar("T")
M = TypeVar("M", bound=Model)


class Page(Model, Generic[T], collection="pages"):
    items: Field[list[T]]
    number: Field[int] = field(default=1)


assert_type(Page(items=[1, 2]).items, "list[int]")
assert_type(Page.number, FieldDescriptor[int])


class IntPage(Page[int], collection="int_pages"):
    pass


assert_type(IntPage(items=[1]).items, "list[int]")
IntPage(items=["a"])  # error: mypy pyright ty


def make(model: type[M]) -> M:
    assert_type(model.id, FieldDescriptor[str])
    raise NotImplementedError


assert_type(make(City), City)
make(Mayor)  # error: mypy pyright ty

# It is a dataclass

assert_type(dataclasses.replace(city, name="x"), City)
assert_type(copy.copy(city), City)
assert_type(dataclasses.asdict(city), "dict[str, Any]")
dataclasses.fields(City)
dataclasses.is_dataclass(city)
match city:
    case City(name=matched, population=3):
        assert_type(matched, str)
    case _:
        pass
{city: 1}  # error: pyright

resolve()
resolve(City, Mayor)


# Indexes


class Session(Model, collection="sessions"):
    until: Field[datetime] = field(ttl=True)
    blob: Field[str] = field(default="", index=False)
    wrong: Field[str] = field(default="", index="no")  # error: mypy pyright ty


assert_type(indexes.derive(City, Session), indexes.Indexes)
assert_type(indexes.read_indexes("firestore.indexes.json").warnings, "tuple[str, ...]")
assert_type(indexes.merge("{}", indexes.derive(City), []), str)
assert_type(indexes.check(indexes.Indexes(), []).unused, "tuple[indexes.Index, ...]")
assert_type(indexes.to_gcloud(indexes.from_datastore("")), "list[str]")
assert_type(indexes.from_datastore("", paths=lambda kind, name: FieldPath(kind, name)).overrides[0].ttl, "bool | None")
indexes.derive(Mayor)  # error: mypy pyright ty
indexes.merge({"indexes": []})  # error: mypy pyright ty
indexes.from_datastore("", paths={"City": "cities"})  # error: mypy pyright ty
