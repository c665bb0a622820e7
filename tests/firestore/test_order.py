"""The order that listeners give documents, held against the order that the emulator gives them."""

from __future__ import annotations

import math
import random
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Order, QueryPlan, Set
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import FirestoreBackend
from cendry_firestore._order import in_order, value_key

V = FieldPath("v")
VALUES: list[Any] = [
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
    2**53 + 1,
    float(2**53),
    math.inf,
    datetime(1969, 1, 1, tzinfo=timezone.utc),
    datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc),
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
    Ref.from_path("a/b"),
    Ref.from_path("a/b/c/d"),
    Ref.from_path("a/c"),
    GeoPoint(-1, 5),
    GeoPoint(1, -5),
    GeoPoint(1, 5),
    [],
    [1],
    [1, 2],
    [2],
    ["a"],
    [None, 5],
    Vector([3.0]),
    Vector([1.0, 2.0]),
    Vector([1.0, 3.0]),
    {},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 2},
    {"b": 0},
]


@pytest.mark.parametrize("descending", [False, True])
def test_values_of_all_kinds_are_in_the_order_of_the_emulator(backend: FirestoreBackend, descending: bool) -> None:
    backend.commit([Set(f"c/d{number:02}", {"v": value, "w": number % 3}) for number, value in enumerate(VALUES)])
    for orders in (
        (Order(V, descending),),
        (Order(FieldPath("w")), Order(V, descending)),
        (Order(FieldPath("w"), descending), Order(V)),
    ):
        results = list(backend.run(QueryPlan("c", orders=orders)))
        shuffled = random.Random(5).sample(results, len(results))
        full = (*orders, Order(DOCUMENT_ID, orders[-1].descending))
        assert [result.path for result in results] == [result.path for result in in_order(shuffled, full)]


def test_ids_are_in_the_order_of_the_emulator(backend: FirestoreBackend) -> None:
    ids = ["a", "b", "Z", "é", "__id9__", "__id10__", "__id-3__", "\U0001f600", "\uffee", "10", "9", "a-b", "a!"]
    backend.commit([Set(f"c/{name}", {}) for name in ids])
    results = list(backend.run(QueryPlan("c")))
    shuffled = random.Random(5).sample(results, len(results))
    assert [result.path for result in results] == [result.path for result in in_order(shuffled, (Order(DOCUMENT_ID),))]


def test_what_is_absent_comes_first_and_what_is_unknown_last() -> None:
    from cendry.backend import DocumentResult

    data: list[dict[str, Any]] = [{"m": {"x": object()}}, {"m": {"x": {}}}, {"m": 5}, {}]
    documents = [DocumentResult(f"c/{number}", item) for number, item in enumerate(data)]
    ordered = in_order(documents, (Order(FieldPath("m", "x")), Order(DOCUMENT_ID)))
    assert ["c/2", "c/3", "c/1", "c/0"] == [document.path for document in ordered]
    assert value_key({}) < value_key(object())
