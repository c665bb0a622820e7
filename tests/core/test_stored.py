"""Stored values as such: copies of them, and whether two are stored the same."""

from __future__ import annotations

import math
from typing import Any

from cendry import GeoPoint
from cendry._stored import copied, same


def test_stored_values_are_compared_as_they_are_stored() -> None:
    different: list[Any] = [1, 1.0, True, "1", b"1", None, -0.0, 0.0, [1], [1, 1], {"a": 1}, {"a": 1.0}, {}, []]
    for place, one in enumerate(different):
        assert same(one, one)
        assert not any(same(one, other) for other in different[place + 1 :])
    assert same((1, math.nan), [1, math.nan])


def test_a_copy_shares_nothing_that_can_be_changed() -> None:
    point = GeoPoint(1.0, 2.0)
    data: dict[str, Any] = {"a": [{"b": [1]}, point]}
    copy = copied(data)
    data["a"][0]["b"].append(2)
    assert {"a": [{"b": [1]}, point]} == copy
    assert copy["a"][1] is point
