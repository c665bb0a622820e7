from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from cendry import (
    And,
    CendryError,
    FieldPath,
    InvalidDocumentIdError,
    InvalidValueError,
    Or,
    Query,
    Ref,
    TypeRegistry,
    default_registry,
)
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry.paths import DOCUMENT_ID
from cendry.plan import Bound, Composite, Condition, Order, QueryPlan
from core.documents import Area, City, Mayor, Spot, Status

SF = City(id="SF", name="San Francisco", population=5, mayor=Mayor(name="x"))


def plan(query: Query[Any], **options: Any) -> QueryPlan:
    return compiled(spec_of(query), default_registry, **options).plan


def where(*filters: Any) -> Any:
    return plan(Query(City, *filters)).where


def path(text: str) -> FieldPath:
    return FieldPath.parse(text)


class FieldFilterLookalike:
    field_path = "displayName"
    op_string = "=="
    value = "x"


def test_nothing_said_is_nothing_asked() -> None:
    assert plan(Query(City)) == QueryPlan("cities")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (City.name == "SF", Condition(path("displayName"), "==", "SF")),
        (City.status == Status.OPEN, Condition(path("status"), "==", "OPEN")),
        (City.status.is_in([Status.OPEN, Status.CLOSED]), Condition(path("status"), "in", ["OPEN", "CLOSED"])),
        (City.status.not_in((Status.OPEN,)), Condition(path("status"), "not-in", ["OPEN"])),
        (City.tags.array_contains(Status.OPEN), Condition(path("tags"), "array-contains", 1)),
        (City.tags.array_contains_any({Status.OPEN}), Condition(path("tags"), "array-contains-any", [1])),
        (City.budget == Decimal("1.50"), Condition(path("budget"), "==", "1.50")),
        (City.area > 1, Condition(path("area"), ">", 1.0)),
        (City.budget.is_null(), Condition(path("budget"), "is-null")),
        (City.budget == None, Condition(path("budget"), "is-null")),  # noqa: E711
        (City.budget != None, Condition(path("budget"), "is-not-null")),  # noqa: E711
        (City.area == math.nan, Condition(path("area"), "is-nan")),
        (City.area != math.nan, Condition(path("area"), "is-not-nan")),
        (City.mayor[Mayor.name] == "x", Condition(path("mayor.`mayor name`"), "==", "x")),
        (City.attributes["a.b"] == 1, Condition(path("attributes.`a.b`"), "==", 1)),
        (City.twin == Ref(City, "LA"), Condition(path("twin"), "==", Ref(City, "LA"))),
        (City.id == "SF", Condition(DOCUMENT_ID, "==", Ref(City, "SF"))),
        (City.id.is_in(["SF", "LA"]), Condition(DOCUMENT_ID, "in", [Ref(City, "SF"), Ref(City, "LA")])),
        (
            City.id.startswith("a"),
            Composite(
                "AND",
                (Condition(DOCUMENT_ID, ">=", Ref(City, "a")), Condition(DOCUMENT_ID, "<", Ref(City, "b"))),
            ),
        ),
        (FieldFilterLookalike(), Condition(path("displayName"), "==", "x")),
        (Or(City.name == "a"), Condition(path("displayName"), "==", "a")),
        (
            (City.name == "a") | ((City.state == "b") & (City.population > 1)),
            Composite(
                "OR",
                (
                    Condition(path("displayName"), "==", "a"),
                    Composite("AND", (Condition(path("state"), "==", "b"), Condition(path("population"), ">", 1))),
                ),
            ),
        ),
    ],
)
def test_filters_become_stored_names_and_values(given: Any, expected: Any) -> None:
    assert where(given) == expected


def test_several_filters_are_one_and() -> None:
    a, b, c = City.name == "a", City.state == "b", City.population == 1
    expected = Composite(
        "AND",
        (
            Condition(path("displayName"), "==", "a"),
            Condition(path("state"), "==", "b"),
            Condition(path("population"), "==", 1),
        ),
    )
    assert [where(a, b, c), where([a, b], c), where(a & b, c), where(And(a, b, c)), where(iter([a, b, c]))] == [
        expected
    ] * 5


def test_values_are_converted_with_the_registry_of_the_context() -> None:
    registry = TypeRegistry()
    registry.register(Decimal, serialize=float, deserialize=Decimal)
    found = compiled(spec_of(Query(City, City.budget == Decimal(2), start_at={City.budget: Decimal(3)})), registry).plan
    assert found.where == Condition(path("budget"), "==", 2.0)
    assert found.start == Bound((3.0,), before=True)


def test_ids_of_a_group_are_full_paths() -> None:
    group = Query(Area, group=True)
    whole = Ref.from_path("cities/SF/areas/a")
    assert plan(group.filter(Area.id == "cities/SF/areas/a")).where == Condition(DOCUMENT_ID, "==", whole)
    assert plan(group.filter(Area.id.is_in([whole]))).where == Condition(DOCUMENT_ID, "in", [whole])  # type: ignore[list-item]
    with pytest.raises(CendryError, match="^'a' does not name a document of the collection group 'areas': one id"):
        plan(group.filter(Area.id == "a"))


def test_ids_below_a_parent() -> None:
    below = Query(Area, Area.id == "a", order_by="id", start_at={"id": "b"}, parent=Ref(City, "SF"))
    assert plan(below) == QueryPlan(
        "areas",
        "cities/SF",
        where=Condition(DOCUMENT_ID, "==", Ref.from_path("cities/SF/areas/a")),
        orders=(Order(DOCUMENT_ID),),
        start=Bound((Ref.from_path("cities/SF/areas/b"),), before=True),
    )
    deep = Query(Spot, parent=Ref(Area, "a", parent=Ref(City, "SF")))
    assert plan(deep) == QueryPlan("spots", "cities/SF/areas/a")
    assert plan(Query(Area, group=True, parent=Ref(City, "SF"))) == QueryPlan("areas", "cities/SF", group=True)


def test_cursors_of_values() -> None:
    query = Query(City, order_by=[City.population.desc(), "name"])
    orders = (Order(path("population"), descending=True), Order(path("displayName")))
    found = plan(query.start_after({"population": 9, "name": "x"}).end_at({City.population: 2}))
    assert found == QueryPlan(
        "cities", orders=orders, start=Bound((9, "x"), before=False), end=Bound((2,), before=False)
    )
    found = plan(query.start_at({"name": "x", "population": 9}).end_before({City.population: 2}))
    assert found == QueryPlan("cities", orders=orders, start=Bound((9, "x"), before=True), end=Bound((2,), before=True))
    # The id may stand at the end, though no order names it.
    found = plan(query.start_at({"population": 9, "name": "x", "id": "SF"}))
    assert found.orders == (*orders, Order(DOCUMENT_ID))
    assert found.start == Bound((9, "x", Ref(City, "SF")), before=True)


def test_cursors_without_order_by() -> None:
    assert plan(Query(City, start_at={"id": "SF"})) == QueryPlan(
        "cities", orders=(Order(DOCUMENT_ID),), start=Bound((Ref(City, "SF"),), before=True)
    )
    assert plan(Query(City, start_at={"population": 5}, end_at={"population": 9})) == QueryPlan(
        "cities", orders=(Order(path("population")),), start=Bound((5,), before=True), end=Bound((9,), before=False)
    )
    found = plan(Query(City, City.population > 1, start_at={"population": 5}))
    assert found.orders == (Order(path("population")),)
    found = plan(Query(City, start_after=SF))
    assert found == QueryPlan("cities", orders=(Order(DOCUMENT_ID),), start=Bound((Ref(City, "SF"),), before=False))


def test_an_instance_gives_a_value_for_each_order_and_its_id() -> None:
    found = plan(Query(City, City.area != 1, City.name > "a", order_by=City.population.desc(), start_after=SF))
    # Fields with inequalities come in the order of their stored names, the id last.
    assert found.orders == tuple(
        Order(path(one), descending=True) for one in ("population", "area", "displayName", "__name__")
    )
    assert found.start == Bound((5, 0.0, "San Francisco", Ref(City, "SF")), before=False)
    group = Query(Area, order_by="rank", group=True, start_at=Area(id="a", name="n", rank=1))
    with pytest.raises(CendryError, match="Area is a subcollection of City"):
        plan(group)
    found = plan(Query(City, order_by="mayor.name", start_at=SF))
    assert found.start == Bound(("x", Ref(City, "SF")), before=True)
    found = plan(Query(City, order_by="id", start_at=SF))
    assert found.start == Bound((Ref(City, "SF"),), before=True)
    found = plan(Query(City, order_by=City.attributes["k"], start_at=City(id="SF", name="a", attributes={"k": 7})))
    assert found.start == Bound((7, Ref(City, "SF")), before=True)


def test_implicit_orders_are_said_where_any_document_can_be_a_cursor() -> None:
    query = Query(City, (City.population > 1) | (City.area < 2), City.id > "a", City.name == "b")
    assert plan(query).orders == ()
    whole = plan(query, complete=True)
    assert whole.orders == (Order(path("area")), Order(path("population")), Order(DOCUMENT_ID))


def test_limit_to_last_turns_everything_round() -> None:
    query = Query(
        City, order_by=City.population, start_at={"population": 1}, end_before={"population": 9}, limit_to_last=3
    )
    found = compiled(spec_of(query), default_registry)
    assert found.backwards
    assert found.plan == QueryPlan(
        "cities",
        orders=(Order(path("population"), descending=True), Order(DOCUMENT_ID, descending=True)),
        start=Bound((9,), before=False),
        end=Bound((1,), before=False),
        limit=3,
    )
    with pytest.raises(CendryError, match=r"limit_to_last\(\) counts from the end and offset\(\) from the start"):
        plan(query.offset(1))


def test_read_time_is_an_aware_moment() -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert plan(Query(City).at(moment)).read_time == datetime(2025, 12, 31, 22, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (Query(Area), CendryError, "Area is a subcollection of City: pass the document that it belongs to as parent=."),
        (
            Query(City, City.id == "a/b"),
            InvalidDocumentIdError,
            "'a/b' is not a valid document id: it contains '/', which separates path segments.",
        ),
        (Query(City, City.id == 5), InvalidDocumentIdError, "it must be a str, not int"),  # type: ignore[arg-type]
        (
            Query(City, City.id == None),  # type: ignore[arg-type]  # noqa: E711
            InvalidValueError,
            "City.id: expected a document id, found the operator 'is-null'; an id is never null.",
        ),
        (Query(City, City.id.is_not_null() | (City.name == "x")), InvalidValueError, "City.id: expected a document id"),
        (Query(City, City.population > "x"), InvalidValueError, "City.population: expected int, found str 'x'."),  # type: ignore[operator]
        (
            Query(City, City.name.array_contains("x")),  # type: ignore[call-overload, misc]
            InvalidValueError,
            "City.name: expected an array field for 'array-contains'",
        ),
        (
            Query(City, City.id.array_contains_any(["x"])),  # type: ignore[arg-type, misc]
            InvalidValueError,
            "City.id: expected an array field for 'array-contains-any'",
        ),
        (
            Query(City, order_by=["population", "name"], start_at={"name": "x"}),
            CendryError,
            "The cursor has values for 'name', but the query sorts by 'population' before that. "
            "A cursor needs values for the first orders of its query, without gaps.",
        ),
        (
            Query(City, order_by="population", start_at={"population": 1, "id": "a", "name": "x"}),
            CendryError,
            "The cursor has a value for 'name', but the query doesn't sort by it; add order_by.",
        ),
        (
            Query(City, order_by="population", start_at={"population": "x"}),
            InvalidValueError,
            "City.population: expected int, found str 'x'.",
        ),
    ],
)
def test_what_can_not_be_asked_is_refused(query: Query[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        plan(query)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (City.name.not_in([]), "City.name: expected 1 to 10 values for 'not-in', found 0 of them."),
        (City.population.is_in(range(31)), "City.population: expected 0 to 30 values for 'in', found 31 of them."),
        (City.population.not_in(range(11)), "City.population: expected 1 to 10 values for 'not-in', found 11 of them."),
        (
            City.tags.array_contains_any(["x"] * 31),  # type: ignore[list-item]
            "City.tags: expected 0 to 30 values for 'array-contains-any', found 31 of them.",
        ),
    ],
)
def test_a_list_of_values_that_firestore_refuses_is_refused_before_it_is_sent(one: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{re.escape(message)}$"):
        plan(Query(City, one))
