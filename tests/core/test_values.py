"""Firestore's own kinds of value."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
from cendry import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    GeoPoint,
    Increment,
    Maximum,
    Minimum,
    Vector,
)
from cendry.values import is_transform

VALUES = [
    GeoPoint(37.5, -122.0),
    Vector([1, 2.5]),
    Increment(1),
    Maximum(2.5),
    Minimum(-1),
    ArrayUnion(["a", 1]),
    ArrayRemove([None]),
    DELETE_FIELD,
    SERVER_TIMESTAMP,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_equal_to_what_their_repr_gives_and_to_their_pickles_and_copies(value: Any) -> None:
    for again in (eval(repr(value)), pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert value == again
        assert hash(value) == hash(again)


@pytest.mark.parametrize(
    ("value", "name"), [(GeoPoint(1, 2), "latitude"), (Vector([1]), "_values"), (ArrayUnion([1]), "values")]
)
def test_values_are_immutable(value: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, name, 3)


@pytest.mark.parametrize("other", [GeoPoint(37.5, -121.0), Vector([1, 2]), ArrayRemove(["a", 1]), 1, "x", None])
def test_values_of_another_kind_or_content_differ(other: Any) -> None:
    assert [] == [value for value in VALUES if value == other]


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        (91, 0, "GeoPoint latitude must be a number from -90 to 90, not 91."),
        (0, -180.5, "GeoPoint longitude must be a number from -180 to 180, not -180.5."),
        (True, 0, "GeoPoint latitude must be a number from -90 to 90, not True."),
        ("1", 0, "GeoPoint latitude must be a number from -90 to 90, not '1'."),
        (0, math.nan, "GeoPoint longitude must be a number from -180 to 180, not nan."),
    ],
)
def test_a_point_must_be_on_earth(latitude: Any, longitude: Any, message: str) -> None:
    with pytest.raises(ValueError, match="GeoPoint") as caught:
        GeoPoint(latitude, longitude)
    assert message == str(caught.value)


def test_a_vector_is_a_sequence_of_floats() -> None:
    vector = Vector([1, 2, 3])
    assert (3, 2.0, [1.0, 2.0, 3.0]) == (len(vector), vector[1], list(vector))
    assert "Vector([1.0, 2.0, 3.0])" == repr(vector)
    assert vector != [1.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", [Increment, Maximum, Minimum])
def test_numeric_transforms_take_64_bit_numbers(kind: Any) -> None:
    assert (2**63 - 1) == kind(2**63 - 1).value
    with pytest.raises(TypeError, match=f"{kind.__name__} takes an int or a float, not True."):
        kind(True)
    with pytest.raises(TypeError, match=f"{kind.__name__} takes an int or a float, not '1'."):
        kind("1")
    with pytest.raises(ValueError, match=f"{kind.__name__} takes 64-bit integers, not {2**63}."):
        kind(2**63)


@pytest.mark.parametrize("kind", [ArrayUnion, ArrayRemove])
def test_array_transforms_take_any_iterable_but_text(kind: Any) -> None:
    assert (1, 2) == kind(number for number in (1, 2)).values
    for wrong in ("ab", b"ab", 3):
        with pytest.raises(TypeError, match=f"{kind.__name__} takes a list of elements, not "):
            kind(wrong)


@pytest.mark.parametrize("marker", [DELETE_FIELD, SERVER_TIMESTAMP])
def test_markers_have_no_truth_value(marker: Any) -> None:
    with pytest.raises(TypeError, match="is a marker for writes and has no truth value"):
        bool(marker)


def test_what_the_server_computes_is_a_transform() -> None:
    assert [Increment(1), SERVER_TIMESTAMP] == [
        value for value in (Increment(1), SERVER_TIMESTAMP, DELETE_FIELD, 1, None) if is_transform(value)
    ]
