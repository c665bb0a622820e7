"""The small pools that requests are drawn from: small, so that values meet and states come back."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from cendry.paths import DOCUMENT_ID, FieldPath, quote_segment
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lockstep.reached import expect

UTC = timezone.utc
DAY = datetime(2020, 2, 29, tzinfo=UTC)

# --- names ---

COMMON_IDS = ["d1", "d2", "d3", "d4"]
ODD_IDS = [
    "é",
    "e\u0301",
    "😀",
    "\ufffd",
    "\uffff",
    "\ue000",
    "\ud7ff",
    "__id7__",
    "__id10__",
    "__id-3__",
    "10",
    "9",
    "Z",
    "a b",
    "a.b",
    "`",
    "~",
    "\x01",
    "d1\u200b",
    "ß" * 750,
]
HOMES = ["c", "c", "c", "c", "c", "c/d1/s", "c/d1/s", "c/d2/s", "s", "c/d1/s/d2/s", "z/é/s", "c/d1/c", "é"]
"""Where collections are; parents may exist or be missing."""

ids: SearchStrategy[str] = st.one_of(st.sampled_from(COMMON_IDS), st.sampled_from(COMMON_IDS + ODD_IDS))
homes: SearchStrategy[str] = st.sampled_from(HOMES)
paths: SearchStrategy[str] = st.builds(lambda home, id: f"{home}/{id}", homes, ids)
refs: SearchStrategy[Ref[Any]] = st.builds(Ref.from_path, paths)

PLAIN_FIELDS = ["a", "b"]
ODD_FIELDS = ["a.b", "`", "x y", "é", "\\", "1a", "a`b.c\\d", "_", "__a", "/", "A", "\x00", "😀"]

QUOTED_FIELDS = [*(name for name in ODD_FIELDS if quote_segment(name) != name), "zip-code", "1st", "display name"]
"""Names that stand in backticks in a field path."""

quoted_paths: SearchStrategy[FieldPath] = st.sampled_from(QUOTED_FIELDS).map(FieldPath)
plain_paths: SearchStrategy[FieldPath] = st.sampled_from(
    [FieldPath("a"), FieldPath("z"), FieldPath("A"), FieldPath("_"), FieldPath("m", "x")]
)

FIELD_PATHS = [
    FieldPath("a"),
    FieldPath("a"),
    FieldPath("b"),
    FieldPath("b"),
    FieldPath("t"),
    FieldPath("m"),
    FieldPath("m", "x"),
    FieldPath("m", "x"),
    FieldPath("m", "y"),
    FieldPath("m", "x", "y"),
    FieldPath("absent"),
    FieldPath("d", "d", "d", "d", "d", "d"),
    *(FieldPath(name) for name in ODD_FIELDS),
    FieldPath("m", "x.y"),
]
"""Repeated ones are drawn more often."""

COMMON_PATHS = FIELD_PATHS[:10]
field_paths: SearchStrategy[FieldPath] = st.sampled_from(COMMON_PATHS * 6 + FIELD_PATHS[10:])
_SORTED = (
    [FieldPath("a")] * 5
    + [FieldPath("b")] * 4
    + [FieldPath("t")] * 2
    + [FieldPath("m")] * 2
    + [FieldPath("m", "x")] * 2
)
sort_paths: SearchStrategy[FieldPath] = st.sampled_from(_SORTED * 3 + [DOCUMENT_ID] * 12 + FIELD_PATHS[9:])

# --- values ---

SMALL: list[Any] = [None, False, True, 0, 1, 1.0, 2, 3, "a", "b", "", math.nan]

EDGES: list[Any] = [
    -0.0,
    0.0,
    0.1,
    -1,
    1.5,
    2**53 - 1,
    2**53,
    2.0**53,
    2**53 + 1,
    2.0**53 + 2,
    -(2**53),
    -(2.0**53),
    -(2**53) - 1,
    2**62 + 1,
    2**63 - 1,
    2**63 - 512,
    2.0**63,
    -(2**63),
    -(2.0**63),
    math.inf,
    -math.inf,
    5e-324,
    1.7976931348623157e308,
    "é",
    "e\u0301",
    "😀",
    "\uffff",
    "\ue000",
    "\0",
    "a\0",
    "a\0b",
    "aa",
    "A",
    "x" * 1500,
    b"",
    b"\0",
    b"a",
    b"\xff",
    DAY,
    DAY + timedelta(microseconds=1),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2020, 2, 29, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    GeoPoint(0.0, 0.0),
    GeoPoint(-0.0, 0.0),
    GeoPoint(90, -180),
    GeoPoint(-90.0, 180.0),
    GeoPoint(1e-9, 5),
    Ref.from_path("c/d1"),
    Ref.from_path("c/d1/s/d2"),
    Ref.from_path("c/__id7__"),
    Ref.from_path("c/__id10__"),
    Ref.from_path("z/z"),
    Vector([1.0]),
    Vector([2.0]),
    Vector([0.0, 2.0]),
    Vector([math.inf, -0.0, 1.0]),
]

ARRAYS: list[Any] = [
    [],
    [None],
    [1],
    [1.0],
    [1, 2],
    [2, 1],
    [1, 1.0, "a"],
    ["a"],
    ["a", "b"],
    [math.nan],
    [math.nan, None, -0.0],
    [True, False],
    [{}],
    [{"x": 1}],
    [{"x": [1]}, {"y": None}],
    [DAY, b"a"],
    [GeoPoint(0.0, 0.0), Ref.from_path("c/d1")],
    [2**53 + 1, 2.0**53],
]


def _deep(levels: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"d": value}
    return value


MAPS: list[Any] = [
    {},
    {"x": 1},
    {"x": 1.0},
    {"x": 2},
    {"x": None},
    {"x": math.nan},
    {"x": "a"},
    {"y": 1},
    {"x": 1, "y": 1},
    {"y": 1, "x": 1},
    {"x": 1, "y": None},
    {"x": {}},
    {"x": {"y": 1}},
    {"x": {"y": 2, "z": []}},
    {"x": {"y": {"z": {}}}},
    {"x": []},
    {"x": [1, {"y": 2}]},
    {"x.y": 1},
    {"`": "b"},
    {"é": 1, "e\u0301": 2},
    _deep(5, 1),
    _deep(6, 1),
]

# Legal as a field's value, and not one level further in.
DEEPEST: list[Any] = [_deep(20, 1), _deep(19, [1]), _deep(20, []), _deep(18, [{"x": 1}])]

scalars: SearchStrategy[Any] = st.one_of(st.sampled_from(SMALL), st.sampled_from(SMALL), st.sampled_from(EDGES))
values: SearchStrategy[Any] = st.one_of(
    st.sampled_from(SMALL),
    st.sampled_from(SMALL),
    st.sampled_from(EDGES),
    st.sampled_from(ARRAYS),
    st.sampled_from(MAPS),
)
NUMBERS = [
    value
    for value in [*SMALL, *EDGES, 2**63 - 2, 2**53 + 2, 1e16, -1e16, 0.7]
    if isinstance(value, (int, float)) and not isinstance(value, bool)
]
numbers: SearchStrategy[Any] = st.sampled_from(NUMBERS)
arrays: SearchStrategy[Any] = st.one_of(
    st.sampled_from(ARRAYS),
    st.lists(st.one_of(scalars, st.sampled_from(MAPS)).filter(lambda value: not isinstance(value, Vector)), max_size=3),
)
maps: SearchStrategy[Any] = st.one_of(
    st.sampled_from(MAPS),
    st.dictionaries(st.sampled_from(["x", "y", "z", "x.y"]), values, max_size=3),
)
elements: SearchStrategy[Any] = st.one_of(
    st.sampled_from(SMALL),
    st.sampled_from([value for value in EDGES if not isinstance(value, Vector)]),
    st.sampled_from(MAPS[:9]),
)


def twin_of(value: Any) -> Any:
    """A value that is equal for Firestore, wherever that is possible, and still another one."""
    if isinstance(value, dict):
        return {name: twin_of(each) for name, each in value.items()}
    if isinstance(value, list):
        return [twin_of(each) for each in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, float) and value == 0:
        return -value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    """The fields of a document: mostly the common ones, each now and then absent or of another type."""
    data: dict[str, Any] = {}
    for name, common in (("a", scalars), ("b", scalars), ("t", arrays), ("m", maps)):
        choice = draw(st.sampled_from(["common"] * 6 + ["any", "absent"]))
        if name == "m" and choice == "any":
            data[name] = draw(st.sampled_from(DEEPEST))
        elif choice != "absent":
            data[name] = draw(values if choice == "any" else common)
    if draw(st.integers(0, 5)) == 0:
        data[draw(st.sampled_from(ODD_FIELDS))] = draw(values)
    if draw(st.integers(0, 9)) == 0:
        data["d"] = draw(st.sampled_from([_deep(5, 1), _deep(5, "a"), _deep(4, 1), 1]))
    return data


# --- names of kinds, for counting ---

KINDS = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    datetime: "timestamp",
    GeoPoint: "geo point",
    Ref: "reference",
    Vector: "vector",
    list: "array",
    dict: "map",
}


def kind_of(value: Any) -> str:
    """The kind of a stored value, its remarkable cases apart."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
        return "-0.0"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return "big int"
    if value in ([], {}) and isinstance(value, (list, dict)):
        return f"empty {KINDS[type(value)]}"
    return KINDS[type(value)]


expect("stored", {*KINDS.values(), "NaN", "-0.0", "big int", "empty map", "empty array"})
expect("compared", {*KINDS.values(), "NaN", "-0.0", "big int", "empty map", "empty array"})
