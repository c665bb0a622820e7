"""Stored values as such: copies of them, and whether two are stored the same."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from cendry import GeoPoint, Ref, Vector
from cendry._stored import copied, same

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)

DIFFERENT: list[Any] = [
    None,
    True,
    1,
    1.0,
    2.5,
    math.nan,
    math.inf,
    0,
    0.0,
    -0.0,
    "1",
    b"1",
    NOW,
    NOW + timedelta(microseconds=1),
    Ref.from_path("c/a"),
    Ref.from_path("c/b"),
    GeoPoint(1, 2),
    Vector([1.0]),
    [],
    [1],
    [1.0],
    [1, 2],
    [1, {"a": [2]}],
    {},
    {"a": 1},
    {"a": 1.0},
    {"b": 1},
]


class Moment(datetime):
    """As the SDK's class, which has nanoseconds too."""

    nanosecond = 0


@pytest.mark.parametrize("place", range(len(DIFFERENT)))
def test_a_value_is_the_same_as_itself_alone(place: int) -> None:
    assert [place] == [index for index, other in enumerate(DIFFERENT) if same(DIFFERENT[place], other)]


def test_nan_is_the_same_as_another_nan() -> None:
    assert same([float("nan")], [-math.nan])


def test_lists_and_maps_may_be_of_other_classes() -> None:
    assert same((1, [2]), [1, (2,)])
    assert same({"a": 1}, MappingProxyType({"a": 1}))


def test_moments_may_be_of_other_classes_and_zones() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    moment = Moment(2026, 11, 29, 12, tzinfo=timezone.utc)
    assert same(NOW, there)
    assert same(NOW, moment)
    moment.nanosecond = 1
    assert not same(NOW, moment)


def test_a_copy_shares_nothing_that_can_be_changed() -> None:
    point = GeoPoint(1.0, 2.0)
    data: dict[str, Any] = {"a": [{"b": [1]}, point]}
    copy = copied(data)
    data["a"][0]["b"].append(2)
    assert {"a": [{"b": [1]}, point]} == copy
    assert copy["a"][1] is point
