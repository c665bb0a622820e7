"""Data from outside: `from_dict` and `validate` take it or name what is wrong, whatever it is, and soon."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    CendryError,
    Field,
    GeoPoint,
    Increment,
    Map,
    Model,
    Ref,
    ValidationError,
    Vector,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry_firestore._sdk import Document
from cendry_firestore._values import write_fields
from core.strategies import cases
from firestore.comparing import exact
from fuzz.fuzzing import cpu_limit, fuzz, hostile_text
from hypothesis import strategies as st
from making import one_field
from typing_extensions import TypedDict

SECONDS = 2.0


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Mayor(Map):
    name: Field[str] = field(alias="display name")
    since: Field[int | None] = field(default=None)


@dataclass
class Address:
    street: str
    zip: str | None = None


class Pair(NamedTuple):
    first: int
    second: str | None


class Options(TypedDict, total=False):
    color: Color


class Card(Map):
    kind: Field[Literal["card", "S"]] = field(default="card", alias="the kind")
    number: Field[str] = field(default="")


class Node(Map):
    kind: Field[Literal["red"]] = field(default="red", alias="the kind")
    number: Field[list[Card | Node | None]] = field(default_factory=list)


class City(Model, collection="cities"):
    name: Field[str]
    any: Field[Any] = field(default=None)
    flag: Field[bool] = field(default=False)
    number: Field[int] = field(default=0)
    share: Field[float] = field(default=0.0)
    raw: Field[bytes] = field(default=b"")
    when: Field[datetime | None] = field(default=None)
    day: Field[date | None] = field(default=None)
    hour: Field[time | None] = field(default=None)
    pause: Field[timedelta | None] = field(default=None)
    price: Field[Decimal | None] = field(default=None)
    key: Field[UUID | None] = field(default=None)
    color: Field[Color] = field(default=Color.RED, enum_by="name")
    level: Field[Level | None] = field(default=None)
    size: Field[Literal["S", "M", 1]] = field(default="S")
    either: Field[int | str] = field(default=0)
    place: Field[GeoPoint | None] = field(default=None)
    vector: Field[Vector | None] = field(default=None)
    twin: Field[Ref[City] | None] = field(default=None)
    tags: Field[set[str]] = field(default_factory=set)
    fixed: Field[tuple[int, str]] = field(default=(0, ""))
    pair: Field[Pair | None] = field(default=None)
    options: Field[Options] = field(default_factory=Options)
    address: Field[Address | None] = field(default=None)
    mayor: Field[Mayor | None] = field(default=None, alias="the mayor")
    mayors: Field[list[Mayor]] = field(default_factory=list)
    byname: Field[dict[str, Mayor]] = field(default_factory=dict)
    payment: Field[Card | Node | None] = field(default=None)
    payments: Field[list[int | Card | Node]] = field(default_factory=list)


NAMES = [*City.__annotations__, "id", "the mayor", "display name", "since", "street", "first", "names", "nam"]
NAMES += ["kind", "the kind"]
TEXTS = ["red", "RED", "S", "1", "1.5", "NaN", "sNaN", "1e9", "2024-01-01", "2024-01-01T00:00:00Z", "cities/SF"]
_json_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e400, -0.0, 1e308, 5e-324]),
    st.floats(),
    st.sampled_from(TEXTS),
    hostile_text,
)
json_leaves = st.deferred(lambda: _json_leaves)
"""What `json.loads` can give."""


class Strange:
    """An object of a class that nobody knows, which can't be hashed."""

    __hash__ = None  # type: ignore[assignment]


other_leaves = st.one_of(
    st.binary(max_size=3),
    st.datetimes(),
    st.dates(),
    st.decimals(),
    st.sets(st.integers(), max_size=2),
    st.tuples(st.integers(), st.text(max_size=1)),
    st.sampled_from([DELETE_FIELD, SERVER_TIMESTAMP, Increment(1), Color.RED, Level.LOW, City, int, ...]),
    st.builds(Strange),
    st.builds(Vector, st.lists(st.floats(), max_size=2)),
    st.just("SF").map(lambda one: Ref(City, one)),
)
keys = st.sampled_from(NAMES) | hostile_text


def nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any] = keys) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=8,
    )


odd_keys = keys | st.integers(-1, 1) | st.none() | st.binary(max_size=1)
anything = nested(json_leaves) | nested(json_leaves | other_leaves, odd_keys)
bodies = st.one_of(
    st.dictionaries(keys, anything, max_size=8),
    st.dictionaries(st.sampled_from(NAMES), anything, max_size=5).map(lambda data: {**data, "name": "SF"}),
)
options = st.fixed_dictionaries(
    {},
    optional={
        "by_alias": st.booleans(),
        "include_id": st.booleans(),
        "extra": st.sampled_from(["ignore", "forbid", "keep"]),
    },
)


def check(model: Any, data: Any, options: dict[str, Any]) -> None:
    """It fits, and then comes back as it is; or it doesn't, and both functions say so."""
    with cpu_limit(SECONDS):
        problems = validate(model, data, **options)
        try:
            found = from_dict(model, data, **options)
        except ValidationError as error:
            found = error
        if isinstance(found, ValidationError):
            assert problems == list(found.problems)
            assert len(problems) <= 100
            assert all(len(one.found) < 200 for one in problems)
            # Whoever logs it or sends it back must not fail.
            for text in (str(found), *(f"{one.path} {one.expected} {one.found}" for one in problems)):
                text.encode(errors="backslashreplace")
            return
        assert problems == []
        # What fits can be stored, and read again.
        write_fields(Document().fields, to_dict(found, by_alias=True), "projects/p/databases/d")
        stored = to_dict(found, include_id=True)
        assert exact(found) == exact(from_dict(model, stored, include_id=True))


@fuzz(bodies, options)
def test_a_body_fits_or_is_refused(data: dict[Any, Any], options: dict[str, Any]) -> None:
    check(City, data, options)


@fuzz(json_leaves | anything)
def test_one_value_fits_any_field_or_is_refused(value: Any) -> None:
    for name in NAMES:
        check(City, {"name": "SF", name: value}, {})


@fuzz(cases(), anything, options)
def test_a_value_fits_any_type_or_is_refused(case: Any, value: Any, options: dict[str, Any]) -> None:
    check(one_field(case[0]), {"x": value}, options)


@fuzz(anything)
def test_what_is_no_dict_is_refused(data: Any) -> None:
    if not isinstance(data, dict):
        with pytest.raises(ValidationError, match="a dict of the fields"):
            from_dict(City, data)
        assert len(validate(City, data)) == 1


@pytest.mark.parametrize(
    "data",
    [{"name": "SF", "y" * 50_000: 0}, {"name": "SF", "tags": [0] * 5_000}, {"name": "SF", "name" + ".a" * 9_999: 0}],
    ids=["long key", "long list", "dotted key"],
)
def test_what_is_said_about_a_hostile_body_is_short(data: dict[str, Any]) -> None:
    problems = validate(City, data)
    with pytest.raises(CendryError) as caught:
        from_dict(City, data)
    assert len(str(caught.value)) < 1000
    assert len(problems) <= 100
    assert all(len(one.path) + len(one.expected) + len(one.found) < 1000 for one in problems)
