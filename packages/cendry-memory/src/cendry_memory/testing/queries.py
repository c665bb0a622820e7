"""Queries, collection groups, aggregations and reads by path."""

from __future__ import annotations

import math
from typing import Any

import pytest
from cendry.errors import InvalidRequestError
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
)

from .documents import NAMES_BY_SEGMENT
from .driver import Database
from .features import Feature, needs
from .suite import Suite
from .values import ref

F = FieldPath
N, TAGS, XY = F("n"), F("tags"), F("m", "x.y")
BY_N = (Order(N),)


def where(field: str, op: Operator, value: Any = None) -> Condition:
    """A condition on a field."""
    return Condition(F(field), op, value)


def both(*conditions: Where) -> Composite:
    """All of them."""
    return Composite("AND", conditions)


def either(*conditions: Where) -> Composite:
    """Any of them."""
    return Composite("OR", conditions)


def found(db: Database, condition: Where) -> str:
    """The ids that a condition finds among the lettered documents, joined."""
    return "".join(sorted(db.names(QueryPlan("cities", where=condition))))


class QueryConformance(Suite):
    """Reads."""

    @pytest.fixture
    def lettered(self, db: Database) -> Database:
        """a..e with n = 1..5, and documents with odd values of other fields."""
        db.commit(
            *(Set(f"cities/{name}", {"n": n, "tags": [name, n], "m": {"x.y": n}}) for n, name in enumerate("abcde", 1)),
            Set("odd/null", {"v": None}),
            Set("odd/nan", {"v": math.nan}),
            Set("odd/one", {"v": 1}),
            Set("odd/absent", {}),
        )
        return db

    # --- filters ---

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (where("n", "==", 2), "b"),
            (where("n", "<", 2), "a"),
            (where("n", "<=", 2), "ab"),
            (where("n", ">", 4), "e"),
            (where("n", ">=", 4), "de"),
            (where("n", "==", "2"), ""),
            (where("n", "==", True), ""),
            (where("absent", ">", 0), ""),
            (both(where("n", ">", 1), where("n", "<", 4)), "bc"),
            (both(where("n", "==", 3), where("n", ">", 2)), "c"),
            (both(where("n", "==", 5)), "e"),
        ],
    )
    def test_filters(self, lettered: Database, condition: Where, expected: str) -> None:
        assert expected == found(lettered, condition)

    @needs(Feature.QUERIES)
    def test_filters_and_orders_on_fields_of_maps(self, db: Database) -> None:
        db.commit(*(Set(f"c/{name}", {"m": {"deep": {"n": n}}}) for n, name in enumerate("dbca")))
        deep = F("m", "deep", "n")
        assert ["b"] == db.names(QueryPlan("c", where=Condition(deep, "==", 1)))
        assert ["c", "a"] == db.names(QueryPlan("c", where=Condition(deep, ">", 1)))
        assert list("acbd") == db.names(QueryPlan("c", orders=(Order(deep, True),)))

    @needs(Feature.QUERIES, Feature.NAMES_WITH_DOTS)
    def test_filters_on_names_with_dots(self, lettered: Database) -> None:
        assert "c" == found(lettered, Condition(XY, "==", 3))
        assert "c" == found(lettered, both(where("n", "==", 3), Condition(XY, "==", 3)))

    @needs(Feature.QUERIES, Feature.WHOLE_VALUES)
    def test_filters_by_whole_maps_and_arrays(self, lettered: Database) -> None:
        assert "c" == found(lettered, Condition(F("m"), "==", {"x.y": 3}))
        assert "d" == found(lettered, where("tags", "==", ["d", 4]))

    @needs(Feature.QUERIES, Feature.KINDS)
    def test_integers_and_floats_are_compared_as_numbers(self, lettered: Database) -> None:
        assert "b" == found(lettered, where("n", "==", 2.0))
        assert "cde" == found(lettered, where("n", ">", 2.5))

    @needs(Feature.QUERIES, Feature.NOT_EQUAL)
    def test_not_equal(self, lettered: Database) -> None:
        assert "acde" == found(lettered, where("n", "!=", 2))
        assert "bcd" == found(lettered, where("n", "not-in", [1, 5, 9]))

    @needs(Feature.QUERIES, Feature.NOT_EQUAL, Feature.NULL_FILTERS)
    def test_not_equal_keeps_nan_and_drops_null_and_what_is_absent(self, lettered: Database) -> None:
        assert ["nan", "one"] == sorted(lettered.names(QueryPlan("odd", where=where("v", "!=", 5))))
        assert ["nan", "one"] == sorted(lettered.names(QueryPlan("odd", where=where("v", "not-in", [5]))))

    @needs(Feature.QUERIES, Feature.IN)
    def test_in(self, lettered: Database) -> None:
        assert "ae" == found(lettered, where("n", "in", [1, 5, 9]))

    @needs(Feature.QUERIES, Feature.IN, Feature.NAMES_WITH_DOTS)
    def test_in_with_in(self, lettered: Database) -> None:
        assert "b" == found(lettered, both(where("n", "in", [1, 2]), Condition(XY, "in", [2, 3])))

    @needs(Feature.QUERIES, Feature.ARRAY_FILTERS)
    def test_array_filters(self, lettered: Database) -> None:
        assert "c" == found(lettered, where("tags", "array-contains", "c"))
        assert "b" == found(lettered, both(where("n", ">", 1), where("n", "<", 4), where("tags", "array-contains", 2)))

    @needs(Feature.QUERIES, Feature.ARRAY_FILTERS, Feature.IN)
    def test_array_contains_any(self, lettered: Database) -> None:
        assert "ac" == found(lettered, where("tags", "array-contains-any", ["c", 1]))

    @needs(Feature.QUERIES, Feature.ARRAY_FILTERS, Feature.KINDS)
    def test_array_filters_find_arrays_alone(self, lettered: Database) -> None:
        assert "" == found(lettered, where("n", "array-contains", 1))

    @needs(Feature.QUERIES, Feature.OR)
    def test_or(self, lettered: Database) -> None:
        assert "ad" == found(lettered, either(where("n", "==", 1), where("n", "==", 4)))
        assert "be" == found(lettered, either(both(where("n", ">", 1), where("n", "<", 3)), where("n", "==", 5)))
        assert "c" == found(lettered, both(where("n", ">=", 2), either(where("n", "==", 1), where("n", "==", 3))))

    @needs(Feature.QUERIES, Feature.SEVERAL_INEQUALITIES)
    def test_inequalities_on_several_fields(self, lettered: Database) -> None:
        lettered.commit(*(Set(f"cities/{name}", {"n": n, "p": n}) for n, name in enumerate("abcde", 1)))
        assert "bcd" == found(lettered, both(where("n", ">", 1), where("p", "<", 5)))

    @needs(Feature.QUERIES, Feature.ID_FILTERS)
    def test_filters_on_the_document_id(self, lettered: Database) -> None:
        assert "d" == found(lettered, Condition(DOCUMENT_ID, "==", ref("cities/d")))
        assert "de" == found(lettered, Condition(DOCUMENT_ID, ">", ref("cities/c")))

    @needs(Feature.QUERIES, Feature.ID_FILTERS, Feature.IN)
    def test_several_document_ids(self, lettered: Database) -> None:
        assert "a" == found(lettered, Condition(DOCUMENT_ID, "in", [ref("cities/a"), ref("cities/zz")]))

    @needs(Feature.QUERIES, Feature.NULL_FILTERS)
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
        ],
    )
    def test_null_and_nan(self, lettered: Database, condition: Where, expected: list[str]) -> None:
        assert expected == sorted(lettered.names(QueryPlan("odd", where=condition)))

    # --- orders, limits, bounds ---

    @needs(Feature.QUERIES)
    def test_orders(self, lettered: Database) -> None:
        lettered.commit(Set("cities/f", {"n": 1}), Set("cities/unordered", {}))
        assert list("afbcde") == lettered.names(QueryPlan("cities", orders=BY_N))
        assert list("edcbfa") == lettered.names(QueryPlan("cities", orders=(Order(N, True),)))
        assert list("cde") == lettered.names(QueryPlan("cities", orders=BY_N, where=where("n", ">", 2)))

    @needs(Feature.QUERIES, Feature.ID_FILTERS)
    def test_orders_on_the_document_id(self, lettered: Database) -> None:
        lettered.commit(Set("cities/f", {"n": 1}))
        orders = (Order(N, True), Order(DOCUMENT_ID))
        assert list("edcbaf") == lettered.names(QueryPlan("cities", orders=orders))
        assert list("abcdef") == lettered.names(QueryPlan("cities", orders=(Order(DOCUMENT_ID),)))

    @needs(Feature.QUERIES)
    def test_inequalities_bring_an_order_of_their_own(self, db: Database) -> None:
        db.commit(*(Set(f"c/{name}", {"n": n}) for n, name in enumerate("dbca")))
        assert list("bca") == db.names(QueryPlan("c", where=where("n", ">", 0)))
        assert list("abcd") == db.names(QueryPlan("c"))

    @needs(Feature.QUERIES, Feature.SEVERAL_INEQUALITIES)
    @pytest.mark.parametrize(("first", "second"), NAMES_BY_SEGMENT)
    def test_several_inequalities_order_by_their_fields_names(self, db: Database, first: str, second: str) -> None:
        db.commit(*(Set(f"c/{name}", {first: n, second: -n}) for n, name in enumerate("dbca")))
        assert list("dbca") == db.names(QueryPlan("c", where=both(where(second, "<", 9), where(first, "<", 9))))
        assert list("dbca") == db.names(QueryPlan("c", where=both(where(first, "<", 9), where(second, "<", 9))))

    @needs(Feature.QUERIES, Feature.SEVERAL_INEQUALITIES, Feature.OR, Feature.NULL_FILTERS)
    @pytest.mark.parametrize("nothing", [where("absent", ">", None), where("absent", "<", math.nan)], ids=str)
    def test_a_range_that_matches_nothing_orders_nothing(self, db: Database, nothing: Condition) -> None:
        db.commit(*(Set(f"c/{name}", {"n": n}) for n, name in enumerate("dbca")))
        assert list("bca") == db.names(QueryPlan("c", where=either(nothing, where("n", ">", 0))))

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize(("limit", "expected"), [(0, ""), (2, "ab"), (5, "abcde"), (9, "abcde")])
    def test_limits(self, lettered: Database, limit: int, expected: str) -> None:
        assert list(expected) == lettered.names(QueryPlan("cities", orders=BY_N, limit=limit))

    @needs(Feature.QUERIES, Feature.OFFSETS)
    def test_offsets(self, lettered: Database) -> None:
        assert list("de") == lettered.names(QueryPlan("cities", orders=BY_N, offset=3))
        assert list("b") == lettered.names(QueryPlan("cities", orders=BY_N, offset=1, limit=1))
        assert [] == lettered.names(QueryPlan("cities", orders=BY_N, offset=9))

    @needs(Feature.QUERIES, Feature.CURSORS)
    @pytest.mark.parametrize(
        ("bounds", "expected"),
        [
            ({"orders": BY_N, "start": Bound((2,), before=True)}, "bcde"),
            ({"orders": BY_N, "start": Bound((2,), before=False)}, "cde"),
            ({"orders": BY_N, "end": Bound((4,), before=True)}, "abc"),
            ({"orders": BY_N, "end": Bound((4,), before=False)}, "abcd"),
            ({"orders": BY_N, "start": Bound((2,), before=False), "end": Bound((4,), before=True)}, "c"),
            ({"orders": BY_N, "start": Bound((2.5,), before=True)}, "cde"),
            ({"orders": BY_N, "start": Bound((2,), before=False), "limit": 2}, "cd"),
            ({"orders": BY_N, "start": Bound((4,), before=True), "end": Bound((2,), before=True)}, ""),
            ({"orders": (Order(N, True),), "start": Bound((4,), before=True)}, "dcba"),
            ({"orders": (Order(N, True),), "end": Bound((4,), before=True)}, "e"),
            ({"orders": (Order(N), Order(XY)), "start": Bound((2, 3), before=True)}, "cde"),
        ],
    )
    def test_bounds(self, lettered: Database, bounds: dict[str, Any], expected: str) -> None:
        assert list(expected) == lettered.names(QueryPlan("cities", **bounds))

    @needs(Feature.QUERIES, Feature.CURSORS, Feature.ID_FILTERS)
    def test_bounds_on_the_document_id(self, lettered: Database) -> None:
        lettered.commit(Set("cities/bb", {"n": 2}))
        orders = (Order(N), Order(DOCUMENT_ID))
        after_b = Bound((2, ref("cities/b")), before=False)
        assert ["bb", "c", "d", "e"] == lettered.names(QueryPlan("cities", orders=orders, start=after_b))
        assert ["a", "b"] == lettered.names(QueryPlan("cities", orders=orders, end=after_b))
        by_id = QueryPlan("cities", orders=(Order(DOCUMENT_ID),), start=Bound((ref("cities/d"),), before=True))
        assert ["d", "e"] == lettered.names(by_id)

    # --- what comes back ---

    @needs(Feature.QUERIES)
    def test_results_carry_path_and_data(self, lettered: Database) -> None:
        [ran] = lettered.run(QueryPlan("cities", where=where("n", "==", 1)))
        [got] = lettered.get("cities/a")
        assert ("cities/a", {"n": 1, "tags": ["a", 1], "m": {"x.y": 1}}) == (ran.path, ran.data)
        for name in ("path", "data", "create_time", "update_time"):
            assert getattr(got, name) == getattr(ran, name)

    @needs(Feature.QUERIES, Feature.TIMES)
    def test_results_carry_times(self, lettered: Database) -> None:
        [ran] = lettered.run(QueryPlan("cities", where=where("n", "==", 1)))
        assert ran.create_time is not None
        assert ran.read_time is not None
        assert ran.create_time == ran.update_time
        assert ran.create_time <= ran.read_time

    @needs(Feature.QUERIES, Feature.PROJECTIONS)
    def test_projections(self, lettered: Database) -> None:
        one = where("n", "==", 1)
        [chosen] = lettered.run(QueryPlan("cities", where=one, projection=(XY, F("absent"))))
        assert {"m": {"x.y": 1}} == chosen.data

    @needs(Feature.QUERIES)
    def test_names_alone(self, lettered: Database) -> None:
        one = where("n", "==", 1)
        [nothing] = lettered.run(QueryPlan("cities", where=one, projection=()))
        assert ("cities/a", {}) == (nothing.path, nothing.data)

    def test_getting_gives_one_result_for_each_path(self, lettered: Database) -> None:
        results = lettered.get("cities/a", "cities/none", "cities/b", "x/y/z/w")
        assert [1, None, 2, None] == [result.data and result.data["n"] for result in results]
        assert [None] * 4 == [time for result in results if result.data is None for time in result[2:4]]

    @needs(Feature.PROJECTIONS)
    def test_getting_with_a_projection(self, lettered: Database) -> None:
        [chosen] = lettered.get_plan(GetPlan(("cities/a",), projection=(N,)))
        assert {"n": 1} == chosen.data

    def test_getting_names_alone(self, lettered: Database) -> None:
        results = lettered.get_plan(GetPlan(("cities/a", "cities/none"), projection=()))
        assert {"cities/a": {}, "cities/none": None} == {result.path: result.data for result in results}

    @needs(Feature.QUERIES, Feature.READ_TIMES, Feature.COUNTS, Feature.TIMES)
    def test_reads_of_an_earlier_moment(self, db: Database) -> None:
        first = db.commit(Set("c/a", {"n": 1}))
        second = db.commit(Set("c/a", {"n": 2}), Set("c/b", {"n": 3}))
        assert first.commit_time is not None
        assert second.commit_time is not None
        at = first.commit_time + (second.commit_time - first.commit_time) / 2
        [got] = db.get_plan(GetPlan(("c/a",), read_time=at))
        [ran] = db.run(QueryPlan("c", read_time=at))
        assert [{"n": 1}] * 2 == [got.data, ran.data]
        assert (1,) == db.aggregate(AggregationPlan(QueryPlan("c", read_time=at)))
        assert (2,) == db.aggregate(AggregationPlan(QueryPlan("c")))

    @needs(Feature.QUERIES)
    def test_results_belong_to_the_receiver(self, lettered: Database) -> None:
        plan = QueryPlan("cities", orders=BY_N, limit=1)
        [first] = lettered.run(plan)
        assert first.data is not None
        first.data["tags"].append("changed")
        first.data["m"].clear()
        [second] = lettered.run(plan)
        assert {"n": 1, "tags": ["a", 1], "m": {"x.y": 1}} == second.data

    @needs(Feature.QUERIES, Feature.IN, Feature.PROJECTIONS)
    def test_plans_are_not_changed(self, lettered: Database) -> None:
        plan = QueryPlan("cities", where=where("n", "in", [1, 2]), projection=(N,), limit=2)
        lettered.run(plan)
        assert QueryPlan("cities", where=where("n", "in", [1, 2]), projection=(N,), limit=2) == plan

    # --- collections ---

    @pytest.fixture
    def nested(self, db: Database) -> Database:
        """Areas at the root, below cities, and below something below a city."""
        paths = ["areas/root", "cities/SF/areas/mission", "cities/SF/areas/soma", "cities/LA/areas/venice"]
        deeper = "cities/SF/streets/valencia/areas/corner"
        db.commit(*(Set(path, {"n": 1, "areas": {"is": "a map"}}) for path in [*paths, deeper]))
        return db

    @needs(Feature.QUERIES)
    def test_a_collection_is_that_of_its_parent(self, nested: Database) -> None:
        assert ["root"] == nested.names(QueryPlan("areas"))
        assert ["mission", "soma"] == nested.names(QueryPlan("areas", parent="cities/SF"))
        assert [] == nested.names(QueryPlan("areas", parent="cities/NY"))
        assert [] == nested.names(QueryPlan("cities"))

    @needs(Feature.QUERIES, Feature.GROUPS)
    def test_collection_groups(self, nested: Database) -> None:
        def names(parent: str | None = None) -> list[str]:
            return sorted(nested.names(QueryPlan("areas", group=True, parent=parent)))

        assert ["corner", "mission", "root", "soma", "venice"] == names()
        assert ["corner", "mission", "soma"] == names("cities/SF")
        assert ["corner"] == names("cities/SF/streets/valencia")

    @needs(Feature.QUERIES, Feature.GROUPS, Feature.ID_FILTERS)
    def test_a_group_knows_whole_paths(self, nested: Database) -> None:
        named = Condition(DOCUMENT_ID, "==", ref("cities/LA/areas/venice"))
        assert ["venice"] == nested.names(QueryPlan("areas", group=True, where=named))
        results = nested.run(QueryPlan("areas", group=True, parent="cities/SF", orders=(Order(DOCUMENT_ID),)))
        assert [
            "cities/SF/areas/mission",
            "cities/SF/areas/soma",
            "cities/SF/streets/valencia/areas/corner",
        ] == [result.path for result in results]

    @needs(Feature.QUERIES)
    @pytest.mark.parametrize("options", [{"limit": 2**31}, {"offset": 2**31}, {"limit": 2**999}, {"offset": 2**64}])
    def test_counts_over_32_bits_are_refused(self, lettered: Database, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequestError, match=r"(limit|offset) is .*, and the most is 2147483647"):
            lettered.run(QueryPlan("cities", **options))
        assert list("abcde") == lettered.names(QueryPlan("cities", limit=2**31 - 1))

    # --- aggregations ---

    @needs(Feature.QUERIES, Feature.COUNTS)
    def test_counts(self, lettered: Database) -> None:
        assert (4,) == lettered.aggregate(AggregationPlan(QueryPlan("cities", where=where("n", ">", 1))))
        assert (3,) == lettered.aggregate(AggregationPlan(QueryPlan("cities", limit=3)))
        assert (2,) == lettered.aggregate(AggregationPlan(QueryPlan("cities"), (Aggregation("count", up_to=2),)))
        assert (0,) == lettered.aggregate(AggregationPlan(QueryPlan("nothing")))

    @needs(Feature.QUERIES, Feature.COUNTS, Feature.SUMS)
    def test_sums_and_averages(self, lettered: Database) -> None:
        plan = AggregationPlan(
            QueryPlan("cities", where=where("n", ">", 1)),
            (Aggregation("sum", N), Aggregation("count"), Aggregation("avg", N)),
        )
        assert (14, 4, 3.5) == lettered.aggregate(plan)
        nothing = (Aggregation("count"), Aggregation("sum", N), Aggregation("avg", N))
        assert (0, 0, None) == lettered.aggregate(AggregationPlan(QueryPlan("nothing"), nothing))

    @needs(Feature.QUERIES, Feature.SUMS, Feature.LIMITS)
    @pytest.mark.parametrize(("first", "second"), NAMES_BY_SEGMENT)
    def test_sums_order_by_their_fields_names(self, db: Database, first: str, second: str) -> None:
        db.commit(*(Set(f"c/{name}", {first: n, second: -n}) for n, name in enumerate("dbca")))
        figures = (Aggregation("sum", F(second)), Aggregation("sum", F(first)))
        assert (-1, 1) == db.aggregate(AggregationPlan(QueryPlan("c", limit=2), figures))

    @needs(Feature.QUERIES, Feature.SUMS, Feature.NAMES_WITH_DOTS)
    def test_figures_of_fields_whose_names_have_dots(self, lettered: Database) -> None:
        assert (15,) == lettered.aggregate(AggregationPlan(QueryPlan("cities"), (Aggregation("sum", XY),)))

    # --- what is refused ---

    @needs(Feature.QUERIES, Feature.LIMITS, Feature.IN, Feature.NOT_EQUAL, Feature.OR)
    @pytest.mark.parametrize(
        "condition",
        [
            where("n", "in", []),
            where("n", "in", list(range(31))),
            where("n", "not-in", list(range(11))),
            both(where("n", "!=", 1), where("n", "not-in", [2])),
            both(where("tags", "array-contains", 1), where("tags", "array-contains", 2)),
            both(where("n", "in", list(range(6))), Condition(XY, "in", list(range(6)))),
        ],
        ids=str,
    )
    def test_what_firestore_refuses_is_refused(self, lettered: Database, condition: Where) -> None:
        with pytest.raises(InvalidRequestError):
            lettered.run(QueryPlan("cities", where=condition))

    @needs(Feature.QUERIES, Feature.LIMITS, Feature.IN, Feature.COUNTS)
    def test_aggregations_are_refused_as_their_queries_are(self, lettered: Database) -> None:
        with pytest.raises(InvalidRequestError):
            lettered.aggregate(AggregationPlan(QueryPlan("cities", where=where("n", "in", []))))
