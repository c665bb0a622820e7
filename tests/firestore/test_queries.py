from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from cendry import CendryError, Field, InvalidRequestError, Model, count
from cendry import field as model_field
from cendry.errors import MissingIndexError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Composite,
    Condition,
    Nearest,
    Operator,
    Order,
    QueryPlan,
    Set,
    Where,
    full_orders,
    put_at,
)
from cendry.reference import Ref
from cendry.values import Vector
from cendry_firestore._transport import GENERATED_VARIABLE
from cendry_memory.testing import Database
from firestore.faulty import FaultyServer
from google.api_core import exceptions

F = FieldPath


class Item(Model, collection="items"):
    size: Field[int]
    note: Field[str] = model_field(default="")
    shape: Field[dict[str, Any]] = model_field(default_factory=dict)


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


def test_an_aggregate_of_several_is_one_call(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    db.commit(*(Set(f"items/{number}", {"size": number}) for number in range(4)))
    ctx = db.context()
    faulty.calls.clear()
    assert (4, 6, 1.5) == ctx.select(Item).aggregate(count(), Item.size.sum(), Item.size.avg())
    assert ["RunAggregationQuery"] == faulty.calls
    with pytest.raises(CendryError, match="at most 5"):
        ctx.select(Item).aggregate(*[count()] * 6)
    assert ["RunAggregationQuery"] == faulty.calls


def test_only_the_fields_of_a_row_are_transferred(db: Database) -> None:
    db.commit(Set("items/a", {"size": 1, "note": "x" * 100_000, "shape": {"side": 2, "other": "x"}}))
    query = db.context().select(Item)
    asked: list[QueryPlan] = []
    run = db.backend.run

    def recorded(plan: QueryPlan, **options: Any) -> Any:
        asked.append(plan)
        return run(plan, **options)

    db.backend.run = recorded
    assert [(1, {"side": 2, "other": "x"})] == query.values(Item.size, Item.shape).to_list()
    assert [("a", 2)] == query.values(Item.id, Item.shape["side"]).to_list()
    [whole, part] = [db.run(plan)[0].data for plan in asked[:2]]
    assert {"size": 1, "shape": {"side": 2, "other": "x"}} == whole
    assert {"shape": {"side": 2}} == part


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


class Photo(Model, collection="photos", extra="forbid"):
    embedding: Field[Vector]


@pytest.mark.parametrize("generated", ["0", "1"])
def test_a_search_by_vector_is_one_call_whose_distances_leave_no_trace(
    faulty: FaultyServer, make_db: Callable[..., Database], generated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GENERATED_VARIABLE, generated)
    db = make_db()
    db.commit(*(Set(f"photos/p{n}", {"embedding": Vector([n, 1])}) for n in range(5)))
    faulty.calls.clear()
    rows = db.context().select(Photo).find_nearest(Photo.embedding, [3, 1], limit=3, distance="euclidean")
    assert [("p3", 0), ("p2", 1), ("p4", 1)] == [(each.document.id, each.distance) for each in rows]
    assert ["RunQuery"] == faulty.calls
    plan = QueryPlan("photos", nearest=Nearest(F("embedding"), Vector([3, 1]), 1, "dot_product", 5.0))
    [found] = db.run(plan)
    assert {"embedding": Vector([4, 1])} == found.data
    assert "cendry_distance" not in repr(found)


class Animal(Model, collection="animals", tag_field="class", tag=("Animal",)):
    names: Field[list[str]] = model_field(default_factory=list)


class Cat(Animal, tag=("Animal", "Cat")):
    pass


def test_a_second_filter_on_an_array_is_not_sent(make_db: Callable[..., Database], faulty: FaultyServer) -> None:
    with make_db().context() as ctx:
        ctx.save(Cat(id="a", names=["x"]))
        faulty.calls.clear()
        with pytest.raises(InvalidRequestError, match="on 'class' and 'names'.* nothing was sent"):
            ctx.select(Cat, Cat.names.array_contains("x")).to_list()
        assert [] == faulty.calls
        assert ["a"] == ctx.select(Animal, Cat.names.array_contains("x")).ids()
