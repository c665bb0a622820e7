from __future__ import annotations

import itertools
import math
from datetime import timedelta
from typing import Any

import pytest
from cendry.errors import InvalidRequestError, MissingIndexError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    GetPlan,
    Operator,
    Order,
    QueryPlan,
    Set,
    Where,
    full_orders,
    put_at,
)
from cendry.reference import Ref
from google.api_core import exceptions

F = FieldPath
N, TAGS = F("n"), F("tags")
BY_N = (Order(N),)


def ref(path: str) -> Ref[Any]:
    return Ref.from_path(path)


def where(field: str, op: Operator, value: Any = None) -> Condition:
    return Condition(F(field), op, value)


def both(*conditions: Where) -> Composite:
    return Composite("AND", conditions)


def either(*conditions: Where) -> Composite:
    return Composite("OR", conditions)


@pytest.fixture
async def cities(firestore: Any) -> Any:
    """a..e with n = 1..5, and documents with odd values of other fields."""
    await firestore.commit(
        *(Set(f"cities/{name}", {"n": n, "tags": [name, n], "m": {"x.y": n}}) for n, name in enumerate("abcde", 1)),
        Set("odd/null", {"v": None}),
        Set("odd/nan", {"v": math.nan}),
        Set("odd/one", {"v": 1}),
        Set("odd/absent", {}),
    )
    return firestore


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("n", "==", 2), "b"),
        (where("n", "==", 2.0), "b"),
        (where("n", "!=", 2), "acde"),
        (where("n", "<", 2), "a"),
        (where("n", "<=", 2), "ab"),
        (where("n", ">", 4), "e"),
        (where("n", ">=", 4), "de"),
        (where("n", "in", [1, 5, 9]), "ae"),
        (where("n", "not-in", [1, 5, 9]), "bcd"),
        (where("tags", "array-contains", "c"), "c"),
        (where("tags", "array-contains-any", ["c", 1]), "ac"),
        (Condition(F("m", "x.y"), "==", 3), "c"),
        (where("n", "==", "2"), ""),
        (both(where("n", ">", 1), where("n", "<", 4), where("tags", "array-contains", 2)), "b"),
        (either(where("n", "==", 1), where("n", "==", 4)), "ad"),
        (both(where("n", ">=", 2), either(where("tags", "array-contains", "a"), where("n", "==", 3))), "c"),
        (either(both(where("n", ">", 1), where("n", "<", 3)), where("n", "==", 5)), "be"),
        (both(where("n", "==", 5)), "e"),
        (Condition(DOCUMENT_ID, "==", ref("cities/d")), "d"),
        (Condition(DOCUMENT_ID, ">", ref("cities/c")), "de"),
        (Condition(DOCUMENT_ID, "in", [ref("cities/a"), ref("cities/zz")]), "a"),
    ],
)
async def test_filters(cities: Any, condition: Where, expected: str) -> None:
    assert list(expected) == sorted(await cities.ids(QueryPlan("cities", where=condition)))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("v", "is-null"), ["null"]),
        (where("v", "==", None), ["null"]),
        (where("v", "is-not-null"), ["nan", "one"]),
        (where("v", "!=", None), ["nan", "one"]),
        (where("v", "is-nan"), ["nan"]),
        (where("v", "==", math.nan), ["nan"]),
        (where("v", "is-not-nan"), ["one"]),
        (where("v", "!=", math.nan), ["one"]),
        (where("v", "!=", 5), ["nan", "one"]),
    ],
)
async def test_null_and_nan(cities: Any, condition: Where, expected: list[str]) -> None:
    assert expected == sorted(await cities.ids(QueryPlan("odd", where=condition)))


async def test_results_carry_path_data_and_times(cities: Any) -> None:
    [found] = await cities.run(QueryPlan("cities", where=where("n", "==", 1)))
    [got] = await cities.get("cities/a")
    assert ("cities/a", {"n": 1, "tags": ["a", 1], "m": {"x.y": 1}}) == (found.path, found.data)
    for name in ("path", "data", "create_time", "update_time"):
        assert getattr(got, name) == getattr(found, name)
    assert found.create_time == found.update_time <= found.read_time


async def test_orders(cities: Any) -> None:
    await cities.commit(Set("cities/f", {"n": 1}), Set("cities/unordered", {}))
    assert list("afbcde") == await cities.ids(QueryPlan("cities", orders=BY_N))
    assert list("edcbfa") == await cities.ids(QueryPlan("cities", orders=(Order(N, True),)))
    assert list("edcbaf") == await cities.ids(QueryPlan("cities", orders=(Order(N, True), Order(DOCUMENT_ID))))


async def test_names_in_descending_order_need_an_index_even_on_the_emulator(cities: Any) -> None:
    with pytest.raises(MissingIndexError, match="descending") as caught:
        await cities.ids(QueryPlan("cities", orders=(Order(DOCUMENT_ID, True),)))
    assert isinstance(caught.value.__cause__, exceptions.FailedPrecondition)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"start": Bound((2,), before=True)}, "bcde"),
        ({"start": Bound((2,), before=False)}, "cde"),
        ({"end": Bound((4,), before=True)}, "abc"),
        ({"end": Bound((4,), before=False)}, "abcd"),
        ({"start": Bound((2,), before=False), "end": Bound((4,), before=True)}, "c"),
        ({"start": Bound((2.5,), before=True)}, "cde"),
        ({"start": Bound((2,), before=False), "limit": 2}, "cd"),
        ({"limit": 0}, ""),
        ({"limit": 2}, "ab"),
        ({"offset": 3}, "de"),
        ({"offset": 1, "limit": 1}, "b"),
        ({"offset": 9}, ""),
    ],
)
async def test_bounds_limits_and_offsets(cities: Any, bounds: dict[str, Any], expected: str) -> None:
    assert list(expected) == await cities.ids(QueryPlan("cities", orders=BY_N, **bounds))


async def test_bounds_on_the_document_id(cities: Any) -> None:
    await cities.commit(Set("cities/bb", {"n": 2}))
    orders = (Order(N), Order(DOCUMENT_ID))
    after_b = Bound((2, ref("cities/b")), before=False)
    assert ["bb", "c", "d", "e"] == await cities.ids(QueryPlan("cities", orders=orders, start=after_b))
    until_b = Bound((2, ref("cities/b")), before=False)
    assert ["a", "b"] == await cities.ids(QueryPlan("cities", orders=orders, end=until_b))
    by_id = QueryPlan("cities", orders=(Order(DOCUMENT_ID),), start=Bound((ref("cities/d"),), before=True))
    assert ["d", "e"] == await cities.ids(by_id)


async def test_projections(cities: Any) -> None:
    one = where("n", "==", 1)
    [chosen] = await cities.run(QueryPlan("cities", where=one, projection=(F("m", "x.y"), F("absent"))))
    assert {"m": {"x.y": 1}} == chosen.data
    [nothing] = await cities.run(QueryPlan("cities", where=one, projection=()))
    assert ("cities/a", {}) == (nothing.path, nothing.data)
    assert nothing.update_time is not None


async def test_getting_gives_one_result_for_each_path(cities: Any) -> None:
    results = await cities.get("cities/a", "cities/none", "cities/b", "x/y/z/w")
    assert {"cities/a": 1, "cities/b": 2, "cities/none": None, "x/y/z/w": None} == {
        result.path: result.data and result.data["n"] for result in results
    }
    absent = next(result for result in results if result.path == "cities/none")
    assert (None, None) == (absent.create_time, absent.update_time)
    assert absent.read_time is not None


async def test_getting_with_a_projection(cities: Any) -> None:
    [chosen] = await cities.get_plan(GetPlan(("cities/a",), projection=(N,)))
    [nothing] = await cities.get_plan(GetPlan(("cities/a",), projection=()))
    assert ({"n": 1}, {}) == (chosen.data, nothing.data)


async def test_reading_at_an_earlier_time(firestore: Any) -> None:
    first = await firestore.commit(Set("c/a", {"n": 1}))
    await firestore.commit(Set("c/a", {"n": 2}), Set("c/b", {"n": 1}))
    at = first.commit_time + timedelta(microseconds=1)
    [got] = await firestore.get_plan(GetPlan(("c/a",), read_time=at))
    [found] = await firestore.run(QueryPlan("c", read_time=at))
    assert [{"n": 1}] * 2 == [got.data, found.data]
    assert (1,) == await firestore.aggregate(AggregationPlan(QueryPlan("c", read_time=at)))
    assert (2,) == await firestore.aggregate(AggregationPlan(QueryPlan("c")))


@pytest.fixture
async def nested(firestore: Any) -> Any:
    paths = ["areas/root", "cities/SF/areas/mission", "cities/SF/areas/soma", "cities/LA/areas/venice"]
    deeper = "cities/SF/streets/valencia/areas/corner"
    await firestore.commit(*(Set(path, {"n": 1, "areas": {"is": "a map"}}) for path in [*paths, deeper]))
    return firestore


async def test_collections_and_collection_groups(nested: Any) -> None:
    async def ids(**options: Any) -> list[str]:
        found: list[str] = await nested.ids(QueryPlan("areas", **options))
        return sorted(found)

    assert ["root"] == await ids()
    assert ["mission", "soma"] == await ids(parent="cities/SF")
    assert [] == await ids(parent="cities/NY")
    assert ["corner", "mission", "root", "soma", "venice"] == await ids(group=True)
    assert ["corner", "mission", "soma"] == await ids(group=True, parent="cities/SF")
    assert ["corner"] == await ids(group=True, parent="cities/SF/streets/valencia")
    named = Condition(DOCUMENT_ID, "==", ref("cities/LA/areas/venice"))
    assert ["venice"] == await ids(group=True, where=named)


async def test_a_group_gives_whole_paths(nested: Any) -> None:
    results = await nested.run(QueryPlan("areas", group=True, parent="cities/SF", orders=(Order(DOCUMENT_ID),)))
    assert [
        "cities/SF/areas/mission",
        "cities/SF/areas/soma",
        "cities/SF/streets/valencia/areas/corner",
    ] == [result.path for result in results]


async def test_aggregations(cities: Any) -> None:
    plan = AggregationPlan(
        QueryPlan("cities", where=where("n", ">", 1)),
        (Aggregation("sum", N), Aggregation("count"), Aggregation("avg", F("m", "x.y")), Aggregation("count", up_to=2)),
    )
    assert (14, 4, 3.5, 2) == await cities.aggregate(plan)
    nothing = AggregationPlan(
        QueryPlan("nothing"), (Aggregation("count"), Aggregation("sum", N), Aggregation("avg", N))
    )
    assert (0, 0, None) == await cities.aggregate(nothing)
    limited = AggregationPlan(QueryPlan("cities", limit=3))
    assert (3,) == await cities.aggregate(limited)


async def test_a_malformed_query_has_its_own_error(cities: Any) -> None:
    with pytest.raises(InvalidRequestError):
        await cities.run(QueryPlan("cities", where=where("n", "in", [])))
    with pytest.raises(InvalidRequestError):
        await cities.aggregate(AggregationPlan(QueryPlan("cities", where=where("n", "in", []))))


async def test_plans_are_not_changed(cities: Any) -> None:
    values = [1, {"deep": [1]}]
    plan = QueryPlan("cities", where=where("n", "in", values))
    await cities.run(plan)
    assert QueryPlan("cities", where=where("n", "in", [1, {"deep": [1]}])) == plan


async def test_results_belong_to_the_receiver(cities: Any) -> None:
    plan = QueryPlan("cities", orders=BY_N, limit=1)
    [first] = await cities.run(plan)
    first.data["tags"].append("changed")
    [second] = await cities.run(plan)
    assert ["a", 1] == second.data["tags"]


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
async def test_the_orders_that_firestore_adds_are_its_own(firestore: Any, condition: Where) -> None:
    await firestore.commit(*(Set(f"c/{chr(97 + n)}", {"v": n * 7 % 5 + 1, "w": n % 3 + 1}) for n in range(15)))
    implicit = QueryPlan("c", where=condition)
    explicit = QueryPlan("c", where=condition, orders=full_orders(condition, ()))
    assert await firestore.ids(implicit) == await firestore.ids(explicit) != []


@pytest.mark.parametrize(
    "fields",
    [
        [F("zip-code"), F("Pages"), F("1st"), F("display name"), F("m", "x"), F("m-x")],
        [F("é"), F("e.e"), F("_"), F("`"), F("\U0001f600"), F("\uffff")],
    ],
    ids=["words", "signs"],
)
async def test_names_that_need_quoting_are_sorted_as_the_names_that_they_are(
    firestore: Any, fields: list[FieldPath]
) -> None:
    writes: list[Set] = []
    for number, bits in enumerate(itertools.product([0, 1], repeat=len(fields))):
        data: dict[str, Any] = {}
        for field, bit in zip(fields, bits, strict=True):
            put_at(data, field.segments, bit)
        writes.append(Set(f"c/d{number * 37 % 64:02}", data))
    await firestore.commit(*writes)
    for descending in (False, True):
        condition = both(*(Condition(field, "<", 9) for field in fields))
        given = (Order(fields[0], True),) if descending else ()
        explicit = QueryPlan("c", where=condition, orders=full_orders(condition, given))
        found = await firestore.ids(QueryPlan("c", where=condition, orders=given))
        assert 64 == len(found)
        assert await firestore.ids(explicit) == found
