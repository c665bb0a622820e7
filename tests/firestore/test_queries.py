from __future__ import annotations

import itertools
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
    full_orders,
    put_at,
)
from cendry.reference import Ref
from cendry_memory.testing import Database
from google.api_core import exceptions

F = FieldPath


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
    explicit = QueryPlan("c", where=condition, orders=full_orders(condition, ()))
    assert db.names(implicit) == db.names(explicit) != []


@pytest.mark.parametrize(
    "fields",
    [
        [F("zip-code"), F("Pages"), F("1st"), F("display name"), F("m", "x"), F("m-x")],
        [F("é"), F("e.e"), F("_"), F("`"), F("\U0001f600"), F("\uffff")],
    ],
    ids=["words", "signs"],
)
def test_names_that_need_quoting_are_sorted_as_the_names_that_they_are(db: Database, fields: list[FieldPath]) -> None:
    writes: list[Set] = []
    for number, bits in enumerate(itertools.product([0, 1], repeat=len(fields))):
        data: dict[str, Any] = {}
        for field, bit in zip(fields, bits, strict=True):
            put_at(data, field.segments, bit)
        writes.append(Set(f"c/d{number * 37 % 64:02}", data))
    db.commit(*writes)
    for descending in (False, True):
        condition = both(*(Condition(field, "<", 9) for field in fields))
        given = (Order(fields[0], True),) if descending else ()
        explicit = QueryPlan("c", where=condition, orders=full_orders(condition, given))
        found = db.names(QueryPlan("c", where=condition, orders=given))
        assert 64 == len(found)
        assert db.names(explicit) == found
