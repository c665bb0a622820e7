"""The order that listeners give documents, held against the order that the emulator gives them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Order, QueryPlan, Set, full_orders
from cendry.reference import Ref
from cendry_firestore import FirestoreBackend, _sdk
from cendry_firestore._order import sort_key
from cendry_firestore._transport import GENERATED_VARIABLE
from cendry_firestore._values import write_fields
from cendry_memory.testing.values import IDS, ORDERED

V = FieldPath("v")


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are messages, as listeners sort them; the generated client's are not."""
    monkeypatch.delenv(GENERATED_VARIABLE, raising=False)


def elsewhere(database: str, path: str) -> Any:
    """A reference into another database, which only others write."""
    return _sdk.Value(reference_value=f"{database}/documents/{path}")


def listened(results: list[Any], orders: tuple[Order, ...]) -> list[str]:
    """The paths of results, as a listener sorts their messages whatever order they came in."""
    shuffled = random.Random(5).sample(results, len(results))
    return [result.path for result in sorted(shuffled, key=lambda result: sort_key(result[0], orders))]


@pytest.mark.parametrize("descending", [False, True])
def test_values_of_all_kinds_are_in_the_order_of_the_emulator(backend: FirestoreBackend, descending: bool) -> None:
    backend.commit([Set(f"c/d{number:02}", {"v": value, "w": number % 3}) for number, value in enumerate(ORDERED)])
    for orders in (
        (Order(V, descending),),
        (Order(FieldPath("w")), Order(V, descending)),
        (Order(FieldPath("w"), descending), Order(V)),
    ):
        results = list(backend.run(QueryPlan("c", orders=orders)))
        assert [result.path for result in results] == listened(results, full_orders(None, orders))


def test_references_are_sorted_by_project_database_and_path(backend: FirestoreBackend) -> None:
    values = [
        Ref.from_path("z/z"),
        Ref.from_path("a/a"),
        elsewhere("projects/aaa/databases/(default)", "b/b"),
        elsewhere("projects/aaa/databases/(default)", "b/b/a/__id9__"),
        elsewhere("projects/aaa/databases/(default)", "b/b/a/__id10__"),
        elsewhere("projects/aaa/databases/other", "a/a"),
        elsewhere("projects/aaa-b/databases/(default)", "a/a"),
        elsewhere("projects/zzz/databases/(default)", "a/a"),
    ]
    # Inside of other values as well.
    values += [[value] for value in values]
    backend.commit([Set(f"c/d{number:02}", {"v": value}) for number, value in enumerate(values)])
    orders = full_orders(None, (Order(V),))
    results = list(backend.run(QueryPlan("c", orders=orders)))
    assert [result.path for result in results] == listened(results, orders)


def test_ids_are_in_the_order_of_the_emulator(backend: FirestoreBackend) -> None:
    backend.commit([Set(f"c/{name}", {}) for name in IDS])
    results = list(backend.run(QueryPlan("c")))
    assert [result.path for result in results] == listened(results, full_orders(None, ()))


def test_what_is_absent_comes_first_and_what_is_unknown_last() -> None:
    data: list[dict[str, Any]] = [{"m": {"x": [_sdk.Value()]}}, {"m": {"x": {}}}, {"m": {"x": None}}, {"m": 5}, {}]
    documents: list[Any] = []
    for number, fields in enumerate(data):
        documents.append(_sdk.Document(name=f"projects/p/databases/d/documents/c/{number}"))
        write_fields(documents[-1].fields, fields, "projects/p/databases/d")
    orders = (Order(FieldPath("m", "x")), Order(DOCUMENT_ID))
    ordered = sorted(documents, key=lambda document: sort_key(document, orders))
    assert ["2", "3", "4", "1", "0"] == [document.name[-1] for document in ordered]
