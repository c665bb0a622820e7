"""What `shape_of` makes of annotations, and how it refuses the others."""

# ruff: noqa: F821, UP006 - old spellings are tested on purpose

from __future__ import annotations

import enum
import sys
import types
import typing
from collections import abc
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, ForwardRef, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import pytest
from cendry._model.fields import Field
from cendry._model.model import Map, Model
from cendry._types.hints import shape_of
from cendry._types.kinds import FirestoreValue
from cendry._types.shapes import (
    Anything,
    Array,
    Converted,
    Dict,
    EnumMember,
    FixedArray,
    Nullable,
    OneOf,
    OneValue,
    Record,
    Reference,
    Scalar,
)
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from typing_extensions import TypeAliasType, TypedDict

T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Constrained = TypeVar("Constrained", int, str)
UserId = NewType("UserId", str)
Shown = NewType("Shown", UserId)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1


class Mixed(enum.Enum):
    TEXT = "a"
    NUMBER = 1
    NOTHING = None


class Odd(enum.Enum):
    PAIR = (1, 2)


class Huge(enum.Enum):
    MANY = 2**63


class Mayor(Map):
    name: Field[str]


class City(Model, collection="cities"):
    name: Field[str]


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Options(TypedDict, total=False):
    size: int


@dataclass
class Box:
    inside: list[str]


@dataclass
class Tree:
    value: int
    below: list[Tree]


@dataclass(frozen=True)
class Tag:
    name: str


INT, FLOAT, STR = Scalar("int"), Scalar("float"), Scalar("str")


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        (None, Scalar("null")),
        (type(None), Scalar("null")),
        (bool, Scalar("bool")),
        (int, INT),
        (float, FLOAT),
        (str, STR),
        (bytes, Scalar("bytes")),
        (datetime, Scalar("timestamp")),
        (GeoPoint, Scalar("geo_point")),
        (Vector, Scalar("vector")),
        (Decimal, Converted("str", Decimal)),
        (UUID, Converted("str", UUID)),
        (date, Converted("timestamp", date)),
        (time, Converted("timestamp", time)),
        (timedelta, Converted("int", timedelta)),
        (Any, Anything()),
        (FirestoreValue, Anything()),
        (Optional[FirestoreValue], Anything()),
        (list[int], Array(INT, list)),
        (list, Array(Anything(), list)),
        (typing.List[int], Array(INT, list)),
        (list[FirestoreValue], Array(Anything(), list)),
        (set[str], Array(STR, set)),
        (frozenset[str], Array(STR, frozenset)),
        (tuple[int, ...], Array(INT, tuple)),
        (tuple, Array(Anything(), tuple)),
        (tuple[int, str], FixedArray((INT, STR), tuple, 2)),
        (tuple[()], FixedArray((), tuple, 0)),
        (Point, FixedArray((INT, FLOAT), Point, 1)),
        (dict[str, int], Dict(INT)),
        (dict, Dict(Anything())),
        (dict[UserId, int], Dict(INT)),
        (dict[Annotated[Shown, "x"], int], Dict(INT)),
        (dict[str, list[dict[str, set[int]]]], Dict(Array(Dict(Array(INT, set)), list))),
        (Ref, Reference(None)),
        (Ref[Any], Reference(None)),
        (Ref[City], Reference(City)),
        (Color, EnumMember(Color, "value")),
        (Number, EnumMember(Number, "value")),
        (Mixed, EnumMember(Mixed, "value")),
        (Literal["a", 1], OneValue(("a", 1))),
        (Literal["a", None], Nullable(OneValue(("a",)))),
        (Literal[None], Scalar("null")),
        (Literal[Color.RED], OneValue((Color.RED,))),
        (Annotated[int, "meta"], INT),
        (Annotated[int, []], INT),
        (UserId, STR),
        (Optional[int], Nullable(INT)),
        (int | None, Nullable(INT)),
        (Union[int, str], OneOf((INT, STR))),
        (Union[int, str, None], Nullable(OneOf((INT, STR)))),
        (Union[int, float], OneOf((INT, FLOAT))),
        (Union[Literal["auto"], str, None], Nullable(STR)),
        (Union[Literal["a"], Literal["b"], int], OneOf((INT, OneValue(("a", "b"))))),
        (Union[Literal["a"], int], OneOf((INT, OneValue(("a",))))),
        (Union[list[int], dict[str, int]], OneOf((Array(INT, list), Dict(INT)))),
        (Union[Annotated[Union[int, str], 1], bytes], OneOf((INT, STR, Scalar("bytes")))),
        (Union[Annotated[Optional[int], 1], str], Nullable(OneOf((INT, STR)))),
        (Optional[Any], Anything()),
        (T, Anything()),
        (Bound, INT),
        (Constrained, OneOf((INT, STR))),
        (Ref[TypeVar("M", bound=City)], Reference(City)),  # type: ignore[misc]
        (Ref[TypeVar("N")], Reference(None)),  # type: ignore[misc]
        (TypeAliasType("Name", str), STR),
        (TypeAliasType("Names", list[T], type_params=(T,))[int], Array(INT, list)),  # type: ignore[arg-type]
        (Mayor, Record(Mayor, "map")),
        (Options, Record(Options, "typeddict")),
        (Box, Record(Box, "dataclass")),
        (Tree, Record(Tree, "dataclass")),
        (set[Tag], Array(Record(Tag, "dataclass"), set)),
        (list[Union[Mayor, None]], Array(Nullable(Record(Mayor, "map")), list)),
    ],
)
def test_each_type_has_its_shape(annotation: Any, shape: Any) -> None:
    assert shape_of(annotation) == shape
    hash(shape)


def test_enums_inside_containers_are_stored_by_name_too() -> None:
    by_name = EnumMember(Color, "name")
    annotation = dict[str, list[Optional[Color]]]
    assert shape_of(annotation, enum_by="name") == Dict(Array(Nullable(by_name), list))
    assert shape_of(Odd, enum_by="name") == EnumMember(Odd, "name")


def test_enums_in_records_keep_their_own_way() -> None:
    @dataclass
    class Car:
        color: Color

    shape = shape_of(list[Car], enum_by="name")
    assert isinstance(shape, Array)
    assert isinstance(shape.item, Record)
    assert shape.item.fields[0].shape == EnumMember(Color, "value")


def test_a_record_can_contain_itself() -> None:
    shape = shape_of(Tree)
    assert isinstance(shape, Record)
    below = shape.fields[1].shape
    assert below == Array(shape, list)


@dataclass
class Deep:
    fine: int
    bad: dict[str, list[complex]]


@dataclass
class Deeper:
    deep: list[Deep]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (
            complex,
            "Firestore can't hold complex; use list[float] or register_type(complex, serialize=..., deserialize=...)",
        ),
        (object, "Firestore can't hold object; use Any"),
        (types.ModuleType, "Firestore can't hold module; use register_type() or type_registry= to define"),
        (abc.Sequence[int], "Firestore can't hold Sequence[int]; use list[...]"),
        (abc.Mapping[str, int], "Firestore can't hold Mapping[str, int]; use dict[str, ...]"),
        (
            typing.Callable[[], int],
            "Firestore can't hold Callable[[], int]; use register_type() or type_registry= to define",
        ),
        (3, "Firestore can't hold 3; use register_type() or type_registry= to define"),
        ("Later", "the name 'Later' is not resolved"),
        (list["Later"], "the name 'Later' is not resolved"),  # type: ignore[name-defined]
        (ForwardRef("Later"), "the name 'Later' is not resolved"),
        (Ref["Later"], "the name 'Later' is not resolved"),  # type: ignore[name-defined]
        (dict[int, str], "dict[int, str] has keys of type int; Firestore's keys are str"),
        (dict[Color, str], "has keys of type Color; Firestore's keys are str"),
        (
            list[list[int]],
            "list[list[int]] has an array directly in an array, which Firestore can't hold; "
            "put the inner one into a Map",
        ),
        (dict[str, list[Optional[set[int]]]], "has an array directly in an array"),
        (tuple[int, tuple[int, int]], "has an array directly in an array"),
        (
            list[tuple[Optional[int], ...]],
            "list[tuple[int | None, ...]] has an array directly in an array",
        ),
        (list[Point], "has an array directly in an array"),
        (list[Vector], "list[Vector] has a vector in an array, which Firestore can't hold; use a Map"),
        (set[dict[str, int]], "set[dict[str, int]] can't be built: dict[str, int] is not hashable"),
        (frozenset[Union[Box, int]], "is not hashable"),
        (set[Optional[Options]], "is not hashable"),
        (
            City,
            "City is a Model, and documents can't be embedded: refer to it with Ref[City], or make it a Map",
        ),
        (dict[str, list[City]], "City is a Model"),
        (Ref[Mayor], "Ref[Mayor] must name a Model; Mayor has no documents"),  # type: ignore[type-var]
        (Ref[int], "must name a Model; int has no documents"),  # type: ignore[type-var]
        (
            Odd,
            "Odd.PAIR has a value that Firestore can't hold as such, (1, 2); "
            'store the enum with field(enum_by="name")',
        ),
        (Huge, "Huge.MANY has a value that Firestore can't hold as such, 9223372036854775808"),
        (Literal[Odd.PAIR], "which Firestore can't hold as such"),
        (
            Union[str, Decimal],
            "str | Decimal is ambiguous: two of its members are stored as str; "
            "use one Map with a field that tells them apart, or register_type()",
        ),
        (Union[Mayor, dict[str, int]], "two of its members are stored as map"),
        (Union[date, datetime], "two of its members are stored as timestamp"),
        (Union[Mixed, None], "two of its members are stored as null"),
        (Union[int, Any], "is ambiguous: one of its members can be stored as anything"),
        (Deep, "Deep.bad: Firestore can't hold complex"),
        (dict[str, Deeper], "Deeper.deep: Deep.bad: Firestore can't hold complex"),
    ],
)
def test_a_type_that_cant_be_stored_is_named_at_any_depth(annotation: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        shape_of(annotation)
    assert message in str(caught.value)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement came with Python 3.12")
def test_an_alias_that_contains_itself_is_refused() -> None:
    namespace: dict[str, Any] = {}
    exec("type Endless = dict[str, Endless]\ntype Pair[T] = tuple[T, T]", namespace)
    with pytest.raises(TypeError, match="Endless contains itself; use FirestoreValue or Any for values of any depth"):
        shape_of(namespace["Endless"])
    assert shape_of(namespace["Pair"][int]) == FixedArray((INT, INT), tuple, 2)
