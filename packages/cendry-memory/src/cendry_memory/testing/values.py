"""Values: each kind comes back as it went, and Firestore's order of kinds."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry.paths import FieldPath
from cendry.plan import Condition, Order, QueryPlan, Set
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

from .driver import Database
from .features import Feature, needs
from .suite import Suite

UTC = timezone.utc
V = FieldPath("v")
FOREIGN = "projects/other/databases/there"


def ref(path: str, database: str | None = None) -> Ref[Any]:
    """A reference."""
    return Ref[Any].from_path(path, database=database)


STORED: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    0.0,
    1.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    "",
    "text",
    "ünïcödé \U0001f600 \0 end",
    b"",
    b"\x00\xff",
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 45, 123456, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    GeoPoint(0, 0),
    GeoPoint(-90, 180),
    ref("cities/SF"),
    ref("cities/SF/areas/mission"),
    [],
    [1, "two", None, {"three": [3]}],
    {},
    {"a": {"b": {"c": [{}]}}, "with.dot": 1, "with `tick`": 2},
]

# Neighbours that are equal stand in the order of their ids.
ORDERED: list[Any] = [
    None,
    False,
    True,
    math.nan,
    -math.inf,
    -(2**63),
    -1.5,
    -1,
    0,
    -0.0,
    1,
    1.0,
    2**53,
    float(2**53),
    2**53 + 1,
    math.inf,
    datetime(1969, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "",
    "a",
    "aa",
    "b",
    "é",
    "\uffee",
    "\U0001f600",
    b"",
    b"\x00",
    b"\xff",
    ref("a/b"),
    ref("a/b/c/d"),
    ref("a/c"),
    GeoPoint(-1, 5),
    GeoPoint(1, -5),
    GeoPoint(1, 5),
    [],
    [None, 5],
    [1],
    [1, 2],
    [2],
    ["a"],
    Vector([3.0]),
    Vector([1.0, 2.0]),
    Vector([1.0, 3.0]),
    {},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 2},
    {"b": 0},
]

IDS = ["__id-3__", "__id9__", "__id10__", "10", "9", "Z", "a", "a!", "a-b", "b", "é", "\uffee", "\U0001f600"]


class ValueConformance(Suite):
    """Values."""

    def test_every_kind_of_value_comes_back_as_it_went(self, db: Database) -> None:
        stored = {f"v{number}": value for number, value in enumerate(STORED)}
        db.commit(Set("c/a", stored))
        read = db.data("c/a") or {}
        assert stored == read
        assert {name: type(value) for name, value in stored.items()} == {
            name: type(value) for name, value in read.items()
        }

    @needs(Feature.VECTORS)
    def test_vectors(self, db: Database) -> None:
        stored = {"v": Vector([1.0, -2.5]), "m": {"v": Vector([0.0])}}
        db.commit(Set("c/a", stored))
        assert stored == db.data("c/a")

    def test_nan_stays_nan_and_minus_zero_keeps_its_sign(self, db: Database) -> None:
        db.commit(Set("c/a", {"nan": math.nan, "zero": -0.0, "one": 1, "true": True}))
        read = db.data("c/a")
        assert read is not None
        assert math.isnan(read["nan"])
        assert (-1, float) == (math.copysign(1, read["zero"]), type(read["zero"]))
        assert (int, bool) == (type(read["one"]), type(read["true"]))

    def test_datetimes_are_in_utc(self, db: Database) -> None:
        berlin = datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
        db.commit(Set("c/a", {"berlin": berlin}))
        assert {"berlin": berlin} == db.data("c/a")

    @pytest.mark.parametrize("path", ["c/a/d/b/e/f/g/h", "c/ü n ï/d/😀", "c/a.b/d/`", "c/%2F"])
    def test_odd_and_deep_paths(self, db: Database, path: str) -> None:
        db.commit(Set(path, {"x": 1}))
        assert [(path, {"x": 1})] == [(found.path, found.data) for found in db.get(path)]

    @needs(Feature.KINDS, Feature.QUERIES, Feature.VECTORS)
    @pytest.mark.parametrize("descending", [False, True])
    def test_values_of_all_kinds_are_in_firestores_order(self, db: Database, descending: bool) -> None:
        names = [f"d{number:02}" for number in range(len(ORDERED))]
        writes = [Set(f"c/{name}", {"v": value, "one": 1}) for name, value in zip(names, ORDERED, strict=True)]
        db.commit(*writes[::-1], Set("c/absent", {}))
        assert (names[::-1] if descending else names) == db.names(QueryPlan("c", orders=(Order(V, descending),)))

    @needs(Feature.KINDS, Feature.QUERIES)
    def test_an_inequality_stays_within_its_kind(self, db: Database) -> None:
        odd: list[Any] = [
            None,
            True,
            math.nan,
            5,
            7.5,
            "text",
            b"bytes",
            [6],
            {"a": 6},
            datetime(2024, 1, 1, tzinfo=UTC),
        ]
        db.commit(*(Set(f"c/d{number}", {"v": value}) for number, value in enumerate(odd)))
        expected: list[tuple[Any, list[str]]] = [
            (5, ["d3", "d4"]),
            (False, ["d1"]),
            ("a", ["d5"]),
            (b"", ["d6"]),
            ([0], ["d7"]),
            ({"a": 1}, ["d8"]),
        ]
        for value, names in expected:
            assert names == db.names(QueryPlan("c", where=Condition(V, ">=", value)))

    @needs(Feature.KINDS, Feature.QUERIES)
    def test_ids_are_in_firestores_order(self, db: Database) -> None:
        db.commit(*(Set(f"c/{name}", {}) for name in IDS[::-1]))
        assert IDS == db.names(QueryPlan("c"))
