"""Classes of pydantic, msgspec and attrs with rules of their own about names and values, and instances of them."""

from __future__ import annotations

import enum
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

import attrs
import msgspec
import pydantic
from cendry._model.fields import Field, field
from cendry._model.model import Model
from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath, ConfigDict
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(pydantic.BaseModel):
    """Frozen, with validators that may refuse."""

    model_config = ConfigDict(frozen=True)
    x: int = pydantic.Field(ge=0)
    at: datetime


class Box(pydantic.BaseModel, Generic[T]):
    value: T
    kind: Literal["box"] = "box"


class Roots(pydantic.RootModel[dict[str, list[int]]]):
    pass


class Account(pydantic.BaseModel):
    """Generated aliases, aliases of each kind, extras, a serializer, a computed and an excluded field."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)
    display_name: str
    price: Decimal = Decimal(0)
    either: int = pydantic.Field(default=1, validation_alias=AliasChoices("first", "second"))
    written: int = pydantic.Field(default=2, validation_alias="in", serialization_alias="out")
    nested: int = pydantic.Field(default=3, validation_alias=AliasPath("outer", "inner"))
    shown: int = 4
    left_out: int = pydantic.Field(default=5, exclude=True)
    points: list[Point] = pydantic.Field(default_factory=list)
    box: Box[Decimal] | None = None
    roots: Roots | None = None
    _private: int = 6

    @pydantic.field_serializer("shown")
    def _show(self, value: int) -> str:
        return f"{value:+d}"

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        return len(self.display_name)


account: Any = Account
"""The same, without what checkers know of its arguments: they don't know its aliases."""


class Chosen(pydantic.BaseModel):
    """Values of enums instead of members, and no unknown keys."""

    model_config = ConfigDict(use_enum_values=True, extra="forbid")
    color: Color = Color.RED
    colors: dict[str, Color | None] = pydantic.Field(default_factory=dict)


class Whole(pydantic.BaseModel):
    """Dumped as a whole by a serializer of its own."""

    low: int
    high: int

    @pydantic.model_serializer
    def _dump(self) -> dict[str, Any]:
        return {"range": [self.low, self.high]}

    @pydantic.model_validator(mode="before")
    @classmethod
    def _load(cls, data: Any) -> Any:
        return {"low": data["range"][0], "high": data["range"][1]} if "range" in data else data


@pydantic.dataclasses.dataclass
class Sized:
    count: int = pydantic.Field(default=1, alias="theCount", ge=0)


class Shape(msgspec.Struct, rename="camel", tag="shape", tag_field="kind", forbid_unknown_fields=True, kw_only=True):
    side_length: Decimal
    corner_count: int = msgspec.field(default=4, name="corners")
    last_seen: datetime


@attrs.define
class Private:
    _secret: Decimal
    count: int = attrs.field(default=1, converter=int, validator=attrs.validators.ge(0))
    named: str = attrs.field(default="x", alias="theName")


class Holder(Model, collection="holders"):
    account: Field[Account]
    chosen: Field[Chosen]
    whole: Field[Whole]
    sized: Field[Sized]
    shape: Field[Shape]
    private: Field[Private]
    shapes: Field[list[Shape]] = field(default_factory=list)
    accounts: Field[dict[str, Account]] = field(default_factory=dict)


int64 = st.integers(-(2**63), 2**63 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))
prices = st.decimals(allow_nan=False, allow_infinity=False)
points = st.builds(Point, x=st.integers(0, 9), at=moments)
extras = st.dictionaries(st.sampled_from(["a", "b.c", "ä/"]), int64 | text | st.lists(text, max_size=2), max_size=2)


def _account(more: dict[str, Any], **values: Any) -> Account:
    return Account(**values, **more)


accounts = st.builds(
    _account,
    extras,
    displayName=text,
    price=prices,
    first=int64,
    # Pydantic has no key under which it writes this one and reads it again, except for the first.
    **{"in": int64, "nested": int64, "shown": int64},
    points=st.lists(points, max_size=2),
    box=st.none() | st.builds(Box[Decimal], value=prices),
    roots=st.none() | st.builds(Roots, st.dictionaries(st.sampled_from(["a", "b"]), st.lists(int64, max_size=2))),
)
shapes = st.builds(Shape, side_length=prices, corner_count=int64, last_seen=moments)
colors = st.sampled_from(["red", "blue"])
holders = st.builds(
    Holder,
    account=accounts,
    chosen=st.builds(Chosen, color=colors, colors=st.dictionaries(st.sampled_from("xy"), st.none() | colors)),
    whole=st.builds(Whole, low=int64, high=int64),
    sized=st.builds(Sized, theCount=st.integers(0, 9)),
    shape=shapes,
    private=st.builds(Private, secret=prices, count=st.integers(0, 9), theName=text),
    shapes=st.lists(shapes, max_size=2),
    accounts=st.dictionaries(st.sampled_from(["x", "y z"]), accounts, max_size=1),
)
