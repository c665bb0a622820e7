from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry._order import inverted, key_of, path_key
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from hypothesis import given
from hypothesis import strategies as st

MOMENT = datetime(2024, 1, 1, tzinfo=timezone.utc)


def ref(path: str) -> Ref[Any]:
    return Ref.from_path(path)


ASCENDING: list[Any] = [
    None,
    False,
    True,
    math.nan,
    -math.inf,
    -(2**63),
    -1.5,
    -1,
    0,
    5e-324,
    1,
    1.5,
    2**53,
    2**53 + 1,
    2**53 + 2,
    2**63 - 1,
    2.0**63,
    math.inf,
    datetime(1, 1, 1, tzinfo=timezone.utc),
    MOMENT,
    MOMENT + timedelta(microseconds=1),
    "",
    "\0",
    "\0a",
    "a",
    "a\0",
    "a\0b",
    "aa",
    "b",
    "é",
    "\uffff",
    "😀",
    b"",
    b"\0",
    b"a",
    b"\xff",
    ref("c/__id-5__"),
    ref("c/__id9__"),
    ref("c/__id10__"),
    ref("c/a"),
    ref("c/a/d/e"),
    ref("c/b"),
    ref("c!/a"),
    ref("cc/a"),
    GeoPoint(-1.0, 0.0),
    GeoPoint(-0.0, 0.0),
    GeoPoint(0.0, -1.0),
    GeoPoint(0.0, 0.0),
    GeoPoint(0.0, 1.0),
    [],
    [None],
    [math.nan],
    [1],
    [1, 2],
    [2],
    ["a"],
    [{}],
    [{"a": 1}],
    Vector([1.0]),
    Vector([2.0]),
    Vector([0.0, 0.0]),
    Vector([0.0, 1.0]),
    {},
    {"a": None},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 2},
    {"a": [1]},
    {"aa": 0},
    {"b": 0},
    {"é": 1},
]


def test_values_of_all_types_stand_in_firestores_order() -> None:
    keys = [key_of(value) for value in ASCENDING]
    assert sorted(keys) == keys
    assert len(keys) == len(set(keys))


def test_inverted_keys_stand_the_other_way_round() -> None:
    keys = [inverted(key_of(value)) for value in ASCENDING]
    assert sorted(keys, reverse=True) == keys


def test_no_key_is_the_beginning_of_another() -> None:
    keys = [key_of(value) for value in ASCENDING]
    assert not [(one, other) for one in keys for other in keys if one != other and other.startswith(one)]


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0, -0.0), (0.0, -0.0), (2**53, 2.0**53), (math.nan, -math.nan), ([1], [1.0]), ({"a": 1}, {"a": 1.0})],
)
def test_these_are_equal_to_firestore(one: object, other: object) -> None:
    assert key_of(one) == key_of(other)


def test_true_is_not_one() -> None:
    assert key_of(True) != key_of(1)


@given(
    st.lists(
        st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.integers(2**53 - 3, 2**53 + 3)),
        min_size=2,
        max_size=2,
    )
)
def test_numbers_compare_by_value_whatever_their_type(pair: list[float]) -> None:
    one, other = pair
    assert (one < other, one == other) == (key_of(one) < key_of(other), key_of(one) == key_of(other))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@given(texts, texts)
def test_strings_compare_by_their_bytes_of_utf8(one: str, other: str) -> None:
    assert (one.encode() < other.encode()) == (key_of(one) < key_of(other))


@given(st.datetimes(timezones=st.just(timezone.utc)), st.integers(1, 10**6))
def test_moments_compare_to_the_microsecond(moment: datetime, step: int) -> None:
    try:
        following = moment + timedelta(microseconds=step)
    except OverflowError:
        return
    assert key_of(moment) < key_of(following)


def test_paths_stand_segment_by_segment_and_parents_before_children() -> None:
    ordered = ["c/__id2__", "c/__id10__", "c/a", "c/a/s/__id1__", "c/a/s/a", "c/a!", "c/b", "d/a"]
    assert sorted(ordered, key=path_key) == ordered


def test_references_into_other_databases_stand_by_project_database_and_path() -> None:
    local = [ref("a/a"), ref("z/z")]
    places = [("p", "d", "b/__id9__"), ("p", "d", "b/a"), ("p", "e", "a/a"), ("p-q", "d", "a/a")]
    foreign = [Ref.from_path(path, database=f"projects/{project}/databases/{name}") for project, name, path in places]
    keys = [key_of(value) for value in [*local, *foreign]]
    assert sorted(keys) == keys
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("value", [object(), [object()], {"a": {"b": object()}}])
def test_what_is_not_stored_has_no_key(value: object) -> None:
    with pytest.raises(KeyError):
        key_of(value)
