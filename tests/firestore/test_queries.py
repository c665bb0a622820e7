from __future__ import annotations

from typing import Any

import pytest
from cendry.errors import MissingIndexError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Composite,
    Condition,
    Operator,
    Order,
    QueryPlan,
    Set,
    Where,
)
from cendry.reference import Ref
from cendry_firestore._requests import full_orders
from cendry_memory.testing import Database
from google.api_core import exceptions

F = FieldPath
N = F("n")


def ref(path: str) -> Ref[Any]:
    return Ref.from_path(path)


def where(field: str, op: Operator, value: Any = None) -> Condition:
    return Condition(F(field), op, value)


def both(*conditions: Where) -> Composite:
    return Composite("AND", conditions)


def either(*conditions: Where) -> Composite:
    return Composite("OR", conditions)


def test_names_in_descending_order_need_an_index_even_on_the_emulator(db: Database) -> None:
    with pytest.raises(MissingIndexError, match="descending") as caught:
        db.names(QueryPlan("cities", orders=(Order(DOCUMENT_ID, True),)))
    assert isinstance(caught.value.__cause__, exceptions.FailedPrecondition)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (QueryPlan("c"), (Order(DOCUMENT_ID),)),
        (QueryPlan("c", orders=(Order(N, True),)), (Order(N, True), Order(DOCUMENT_ID, True))),
        (QueryPlan("c", where=where("n", "==", 1)), (Order(DOCUMENT_ID),)),
        (
            QueryPlan("c", where=both(where("b", ">", 1), either(where("a", "!=", 1), where("n", "in", [1])))),
            (Order(F("a")), Order(F("b")), Order(DOCUMENT_ID)),
        ),
        (
            QueryPlan("c", where=both(where("b", ">", 1), where("a", ">", 1)), orders=(Order(F("b"), True),)),
            (Order(F("b"), True), Order(F("a"), True), Order(DOCUMENT_ID, True)),
        ),
        (QueryPlan("c", where=Condition(DOCUMENT_ID, ">", ref("c/a"))), (Order(DOCUMENT_ID),)),
        (QueryPlan("c", orders=(Order(DOCUMENT_ID, True),)), (Order(DOCUMENT_ID, True),)),
    ],
)
def test_the_orders_that_firestore_adds(plan: QueryPlan, expected: tuple[Order, ...]) -> None:
    assert expected == full_orders(plan)


@pytest.mark.parametrize(
    "condition",
    [
        where("v", ">", 0),
        where("v", "!=", 100),
        where("v", "not-in", [100]),
        where("v", "is-not-null"),
        where("v", "is-not-nan"),
        both(where("w", ">", 0), where("v", ">", 0)),
        either(where("w", ">", 3), where("v", ">", 3)),
        both(where("w", ">", 0), where("v", "in", [1, 2, 3])),
    ],
)
def test_the_orders_that_firestore_adds_are_its_own(db: Database, condition: Where) -> None:
    db.commit(*(Set(f"c/{chr(97 + n)}", {"v": n * 7 % 5 + 1, "w": n % 3 + 1}) for n in range(15)))
    implicit = QueryPlan("c", where=condition)
    explicit = QueryPlan("c", where=condition, orders=full_orders(implicit))
    assert db.names(implicit) == db.names(explicit) != []
