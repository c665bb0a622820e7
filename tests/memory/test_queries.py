from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any

import pytest
from cendry.errors import ForeignReferenceError, InvalidRequestError, MissingIndexError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Aggregation, AggregationPlan, Bound, Condition, Delete, GetPlan, Order, QueryPlan, Set
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_memory import MemoryBackend
from cendry_memory import _query as search
from cendry_memory._indexes import Collection, Document, Group, Version
from core.test_order import ASCENDING
from memory.asking import MOMENT, after, ask, at, both, by, either, fill, is_, merge, path, paths, ref, stored

pytestmark = pytest.mark.usefixtures("looking")

DOCUMENTS: dict[str, dict[str, Any]] = {
    "d1": {"a": 1, "b": 2, "s": "x"},
    "d2": {"a": 2, "b": 1, "s": "y"},
    "d3": {"a": 2, "b": 3},
    "d4": {"b": 5, "s": "x", "t": [1, "x", {"k": 1}, None, math.nan]},
    "d5": {"a": None, "b": 1, "s": "x"},
    "d6": {"a": "t", "b": 0, "s": "x", "t": [1.0, 2]},
    "d7": {"a": 3, "c": 1, "s": "x"},
    "d8": {"a": 2, "b": 1, "s": "x", "m": {"k": 1, "z": 2}},
    "d9": {"m": {"k": 0}, "t": 1},
    "e1": {"a": math.nan},
}


@pytest.fixture
def filled(backend: MemoryBackend) -> MemoryBackend:
    fill(backend, "c", DOCUMENTS)
    return backend


def names(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (is_("a", "==", 2.0), "d2 d3 d8"),
        (is_("a", "==", None), "d5"),
        (is_("a", "==", math.nan), "e1"),
        (is_("a", "is-null"), "d5"),
        (is_("a", "is-nan"), "e1"),
        (is_("a", "!=", None), "e1 d1 d2 d3 d8 d7 d6"),
        (is_("a", "is-not-null"), "e1 d1 d2 d3 d8 d7 d6"),
        (is_("a", "!=", math.nan), "d1 d2 d3 d8 d7 d6"),
        (is_("a", "is-not-nan"), "d1 d2 d3 d8 d7 d6"),
        (is_("a", "!=", 2), "e1 d1 d7 d6"),
        (is_("a", "not-in", [2, "t"]), "e1 d1 d7"),
        (is_("a", "not-in", [2, math.nan]), "e1 d1 d7 d6"),
        (is_("a", "not-in", [2, None]), ""),
        (is_("a", "not-in", [None]), ""),
        (is_("a", "in", [3, 1, "t"]), "d1 d6 d7"),
        (is_("a", "in", [None, math.nan]), ""),
        (is_("a", "in", [None, 3]), "d7"),
        (is_("a", "<", 2), "d1"),
        (is_("a", "<=", 2), "d1 d2 d3 d8"),
        (is_("a", ">", 2), "d7"),
        (is_("a", ">=", 2), "d2 d3 d8 d7"),
        (is_("a", ">", ""), "d6"),
        (is_("a", "<", None), ""),
        (is_("a", ">=", math.nan), ""),
        (is_("t", "array-contains", 1), "d4 d6"),
        (is_("t", "array-contains", {"k": 1.0}), "d4"),
        (is_("t", "array-contains", None), ""),
        (is_("t", "array-contains", math.nan), ""),
        (is_("t", "array-contains-any", [2, "x", None]), "d4 d6"),
        (is_("m.k", ">=", 0), "d9 d8"),
        (is_("m", "==", {"z": 2, "k": 1}), "d8"),
        (is_("a.b", "==", 1), ""),
        (both(is_("a", "==", 2), is_("b", "==", 1)), "d2 d8"),
        (both(is_("a", ">", 0), is_("b", ">", 1)), "d1 d3"),
        (both(is_("a", ">", 0), is_("a", "<", 3), is_("s", "==", "x")), "d1 d8"),
        (either(is_("a", "==", 1), is_("s", "==", "y")), "d1 d2"),
        (either(is_("a", ">", 1), is_("s", "==", "x")), "d5 d1 d2 d3 d8 d7 d6"),
        (either(both(is_("a", "==", 2), is_("b", "==", 3)), is_("m.k", "==", 0)), "d3 d9"),
        (both(either(is_("a", "==", 2), is_("a", "==", 1)), is_("b", "in", [1, 2])), "d1 d2 d8"),
        (either(is_("a", "<", math.nan), is_("b", "==", 5)), "d4"),
        (is_("__name__", "==", ref("c/d1")), "d1"),
        (is_("__name__", "==", ref("x/d1")), ""),
        (is_("__name__", ">", ref("c/d8")), "d9 e1"),
        (is_("__name__", "<=", ref("c/d2")), "d1 d2"),
        (is_("__name__", "in", [ref("c/e1"), ref("c/d2"), ref("c/zz")]), "d2 e1"),
        (is_("__name__", "!=", ref("c/d1")), "d2 d3 d4 d5 d6 d7 d8 d9 e1"),
        (is_("__name__", "not-in", [ref("c/d1"), ref("c/d2/x/y")]), "d2 d3 d4 d5 d6 d7 d8 d9 e1"),
        (both(is_("__name__", ">", ref("c/d2")), is_("a", ">", 1)), "d3 d8 d7"),
        (both(is_("__name__", "in", [ref("c/d1"), ref("c/d2")]), is_("a", "==", 2)), "d2"),
    ],
    ids=str,
)
def test_a_filter_finds(filled: MemoryBackend, where: Any, expected: str) -> None:
    assert ask(filled, where) == names(expected)


@pytest.mark.parametrize(
    ("where", "orders", "options", "expected"),
    [
        (None, "b", {}, "d6 d2 d5 d8 d1 d3 d4"),
        (None, "-b", {}, "d4 d3 d1 d8 d5 d2 d6"),
        (None, "-a b", {}, "d6 d2 d8 d3 d1 d5"),
        (None, "-a __name__", {}, "d6 d7 d2 d3 d8 d1 e1 d5"),
        (None, "m.k -m.z", {}, "d8"),
        (None, "__name__", {"limit": 2}, "d1 d2"),
        (is_("a", ">", 0), "b", {}, "d2 d8 d1 d3"),
        (is_("a", ">", 0), "-b", {}, "d3 d1 d8 d2"),
        (is_("a", ">", 0), "-s", {}, "d2 d7 d8 d1"),
        (is_("a", "==", 2), "-a", {}, "d8 d3 d2"),
        (is_("a", "==", 2), "-__name__", {}, "d8 d3 d2"),
        (is_("a", "==", 2), "b", {}, "d2 d8 d3"),
        (is_("a", "==", 2), "b -__name__", {}, "d8 d2 d3"),
        (is_("a", "in", [1, 2]), "-a", {}, "d8 d3 d2 d1"),
        (is_("t", "array-contains", 1), "b", {}, "d6 d4"),
        (is_("s", "==", "x"), "-b", {"limit": 2}, "d4 d1"),
        (is_("s", "==", "x"), "", {"limit": 2, "offset": 1}, "d4 d5"),
        (None, "a", {"start": at(2)}, "d2 d3 d8 d7 d6"),
        (None, "a", {"start": after(2)}, "d7 d6"),
        (None, "a", {"end": after(2)}, "d5 e1 d1 d2 d3 d8"),
        (None, "a", {"end": at(2)}, "d5 e1 d1"),
        (None, "a", {"start": at(None)}, "d5 e1 d1 d2 d3 d8 d7 d6"),
        (None, "a", {"start": after(None), "end": at(2)}, "e1 d1"),
        (None, "-a", {"start": at("a")}, "d7 d8 d3 d2 d1 e1 d5"),
        (None, "-a", {"start": after(2)}, "d1 e1 d5"),
        (None, "-a", {"end": at(2)}, "d6 d7"),
        (None, "-a", {"end": after(2)}, "d6 d7 d8 d3 d2"),
        (None, "a b", {"start": after(2, 1)}, "d3 d6"),
        (None, "a -b", {"start": after(2, 1)}, "d6"),
        (None, "a __name__", {"start": after(2, ref("c/d2"))}, "d3 d8 d7 d6"),
        (None, "a", {"start": at(3), "end": after(1)}, ""),
        (None, "__name__", {"start": after(ref("c/d8"))}, "d9 e1"),
        (None, "__name__", {"start": at(ref("c/d8/x/y"))}, "d9 e1"),
        (None, "__name__", {"end": at(ref("b/x"))}, ""),
        (is_("a", ">", 1), "a", {"start": at(0)}, "d2 d3 d8 d7"),
        (is_("a", "==", 2), "__name__", {"start": after(ref("c/d2"))}, "d3 d8"),
        (is_("a", "==", 2), "a", {"start": after(2)}, ""),
        (is_("a", "==", 2), "a", {"start": after(1)}, "d2 d3 d8"),
        (is_("a", "==", 2), "a b", {"start": after(2, 1)}, "d3"),
        (is_("a", "in", [1, 2]), "a", {"start": at(2)}, "d2 d3 d8"),
        (is_("s", "==", "x"), "b a", {"start": at(1), "limit": 2}, "d5 d8"),
        (None, "", {"limit": 0}, ""),
        (None, "", {"offset": 100}, ""),
    ],
    ids=str,
)
def test_results_are_sorted_and_cut(
    filled: MemoryBackend, where: Any, orders: str, options: Any, expected: str
) -> None:
    assert ask(filled, where, orders.split(), **options) == names(expected)


def test_all_types_are_sorted_and_compared_within_their_type(backend: MemoryBackend) -> None:
    # Vectors with values that can't be stored were left out of the list already.
    fill(backend, "c", {f"{number:03}": {"x": value} for number, value in enumerate(ASCENDING)})
    found = ask(backend, None, ["x"])
    assert found == [f"{number:03}" for number in range(len(ASCENDING))]
    assert ask(backend, is_("x", ">=", [1])) == [
        f"{number:03}"
        for number, value in enumerate(ASCENDING)
        if isinstance(value, list)
        and value not in ([], [None])
        and value == value
        and not (value and value[0] != value[0])
    ]
    assert ask(backend, is_("x", ">", GeoPoint(0.0, 0.0))) == [f"{ASCENDING.index(GeoPoint(0.0, 1.0)):03}"]
    assert len(ask(backend, is_("x", "<", Vector([3.0])))) == 2


class TestGroups:
    @pytest.fixture
    def grouped(self, backend: MemoryBackend) -> MemoryBackend:
        places = ["s/1", "s/2", "o/a/s/1", "o/a/s/0", "o/b/s/1", "o/a/s/1/s/9", "o/b/p/q/s/1", "o/a/x/s", "zz/s"]
        backend.commit([Set(place, {"a": number, "s": {"x": 1}}) for number, place in enumerate(places)])
        return backend

    def found(self, backend: MemoryBackend, **options: Any) -> list[str]:
        return paths(backend, QueryPlan("s", group=True, **options))

    def test_a_group_is_all_collections_of_one_id(self, grouped: MemoryBackend) -> None:
        every = ["o/a/s/0", "o/a/s/1", "o/a/s/1/s/9", "o/b/p/q/s/1", "o/b/s/1", "s/1", "s/2"]
        assert self.found(grouped) == every
        assert self.found(grouped, orders=by("-a")) == [
            "o/b/p/q/s/1",
            "o/a/s/1/s/9",
            "o/b/s/1",
            "o/a/s/0",
            "o/a/s/1",
            "s/2",
            "s/1",
        ]
        assert self.found(grouped, where=is_("a", ">", 4)) == ["o/a/s/1/s/9", "o/b/p/q/s/1"]
        assert self.found(grouped, where=is_("__name__", "==", ref("o/a/s/1"))) == ["o/a/s/1"]
        assert self.found(grouped, orders=by("__name__"), start=at(ref("o/b"))) == every[3:]

    def test_below_a_document_only_names_count(self, grouped: MemoryBackend) -> None:
        below = ["o/a/s/0", "o/a/s/1", "o/a/s/1/s/9"]
        assert self.found(grouped, parent="o/a") == below
        assert self.found(grouped, parent="o/a", orders=by("__name__"), start=after(ref("o/a/s/0"))) == below[1:]
        assert self.found(grouped, parent="o/a", where=is_("__name__", "!=", ref("o/a/s/1"))) == [
            "o/a/s/0",
            "o/a/s/1/s/9",
        ]
        for options in ({"where": is_("a", "==", 1)}, {"orders": by("a")}):
            with pytest.raises(InvalidRequestError, match="by document id"):
                self.found(grouped, parent="o/a", **options)

    def test_a_collection_is_one_collection(self, grouped: MemoryBackend) -> None:
        assert paths(grouped, QueryPlan("s", "o/a")) == ["o/a/s/0", "o/a/s/1"]
        assert paths(grouped, QueryPlan("s")) == ["s/1", "s/2"]
        assert paths(grouped, QueryPlan("s", "o/none")) == []
        assert paths(grouped, QueryPlan("none", group=True)) == []

    def test_children_outlive_their_parent(self, grouped: MemoryBackend) -> None:
        grouped.commit([Set("o/a", {}), Delete("o/a")])
        assert paths(grouped, QueryPlan("s", "o/a")) == ["o/a/s/0", "o/a/s/1"]

    def test_indexes_of_a_group_follow_every_collection(self, grouped: MemoryBackend) -> None:
        assert len(self.found(grouped, where=is_("a", ">=", 0))) == 7
        grouped.commit([Set("n/n/s/n", {"a": 100}), Delete("s/1"), Set("s/2", {"a": -1})])
        assert self.found(grouped, where=is_("a", ">=", 0))[-1] == "n/n/s/n"
        assert self.found(grouped, where=is_("a", "<", 0)) == ["s/2"]


class TestProjections:
    @pytest.mark.parametrize(
        ("projection", "expected"),
        [
            (["a"], {"a": 2}),
            (["m.k"], {"m": {"k": 1}}),
            (["m.k", "m", "a"], {"a": 2, "m": {"k": 1, "z": 2}}),
            (["m.k", "m.z"], {"m": {"k": 1, "z": 2}}),
            (["a", "a"], {"a": 2}),
            (["a.b", "zz"], {}),
            ([], {}),
            (["__name__"], {}),
            (["__name__", "a"], {"a": 2}),
        ],
        ids=str,
    )
    def test_only_what_is_asked_for_comes(self, filled: MemoryBackend, projection: list[str], expected: Any) -> None:
        chosen = tuple(map(path, projection))
        [found] = filled.run(QueryPlan("c", where=is_("__name__", "==", ref("c/d8")), projection=chosen))
        assert found.data == expected
        [got] = filled.get(GetPlan(("c/d8",), chosen))
        assert got.data == expected

    def test_what_comes_is_a_copy(self, filled: MemoryBackend) -> None:
        [found] = filled.run(QueryPlan("c", where=is_("a", "==", 2), orders=by("m"), projection=(path("m"),)))
        found.data["m"]["k"] = 7  # type: ignore[index]
        assert stored(filled, "c/d8")["m"] == {"k": 1, "z": 2}


SAME = is_("a", "==", 1)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (is_("a", "in", []), "at least one"),
        (is_("a", "in", 5), "list of values"),
        (is_("a", "in", list(range(31))), "at most 30"),
        (is_("a", "array-contains-any", list(range(31))), "at most 30"),
        (is_("a", "not-in", list(range(11))), "at most 10"),
        (either(*[is_("a", "==", number) for number in range(31)]), "disjunctions"),
        (both(is_("a", "in", list(range(6))), is_("b", "in", list(range(6)))), "disjunctions"),
        (both(is_("a", "in", [1, 1.0] * 15), is_("b", "in", list(range(16)))), "disjunctions"),
        (both(*[either(is_(f"a{n}", "==", 1), is_("b", "==", 1)) for n in range(5)]), "disjunctions"),
        (both(*[is_(f"a{number}", "==", 1) for number in range(101)]), "at most 100"),
        (both(is_("a", "not-in", list(range(10))), *[is_(f"a{n}", "==", 1) for n in range(91)]), "at most 100"),
        (both(*[is_(f"a{number}", ">", 1) for number in range(11)]), "inequality"),
        (both(is_("a", "array-contains", 1), is_("b", "array-contains", 2)), "on 'a' and 'b'"),
        (both(is_("a", "array-contains", 1), is_("a", "array-contains-any", [1])), "one of array-contains"),
        (both(is_("a", "!=", 1), is_("a", "!=", 1)), "only one of"),
        (either(is_("a", "is-not-null"), is_("b", "not-in", [1])), "only one of"),
        (both(is_("a", "not-in", [1]), is_("b", "in", [1])), "not-in can't"),
        (either(is_("a", "not-in", [1]), is_("b", "==", 1)), "not-in can't"),
        (both(is_("a", "not-in", [1]), either(is_("b", "==", 1), is_("c", "==", 1))), "not-in can't"),
        (is_("__name__", "==", "d1"), "references"),
        (is_("__name__", "in", [None]), "references"),
        (is_("__name__", "is-null"), "document id"),
        (is_("__name__", "array-contains", ref("c/a")), "document id"),
        (both(is_("__name__", "==", ref("c/a")), is_("a", ">", 1)), "inequality on another"),
        (is_("a", "==", "x" * 1500), "1501 bytes"),
        (is_("a", "==", {"k": "x" * 1498}), "1501 bytes"),
        (is_("a", "==", {"__k__": 1}), "reserved"),
        (is_("a", "==", Vector([])), "dimensions"),
        (Condition(FieldPath("a" * 1500), "==", 1), "1500 bytes"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_filters_that_firestore_refuses_are_refused(backend: MemoryBackend, where: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        ask(backend, where)


@pytest.mark.parametrize(
    "where",
    [
        both(*[is_(f"a{number}", "==", 1) for number in range(100)]),
        both(*[SAME] * 101),
        either(*[SAME] * 31),
        both(SAME),
        either(SAME),
        both(is_("a", "in", list(range(30))), is_("a", "in", list(range(30)))),
        both(is_("a", "in", list(range(6))), is_("a", "in", list(range(1, 7)))),
        both(is_("a", "in", [1] * 30), is_("b", "in", [1, 2])),
        both(*[either(is_("a", "==", 1), is_("b", "==", 1)), either(is_("b", "==", 1), is_("a", "==", 1))] * 6),
        both(*[is_("a", ">", number) for number in range(11)]),
        both(is_("a", "array-contains", 1), is_("a", "array-contains", 1)),
        both(is_("a", "not-in", [1]), is_("b", "array-contains", 1)),
        is_("a", "==", [[1]]),
        is_("a", "==", [Vector([1.0]), Vector([math.nan])]),
        is_("a", "==", "x" * 1499),
    ],
    ids=lambda value: str(value)[:60],
)
def test_filters_at_their_limits_are_taken(backend: MemoryBackend, where: Any) -> None:
    assert ask(backend, where) == []


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (QueryPlan("c", limit=-1), "limit is negative"),
        (QueryPlan("c", offset=-1), "offset is negative"),
        (QueryPlan("c", orders=by("a", "-a")), "twice"),
        (QueryPlan("c", orders=by("__name__", "a")), "after the document id"),
        (QueryPlan("c", where=is_("a", ">", 1), orders=by("-__name__")), "after the document id"),
        (QueryPlan("c", orders=tuple(Order(FieldPath(f"a{n}")) for n in range(101))), "at most 100"),
        (QueryPlan("c", orders=by("a"), start=at(1, 2)), "more values"),
        (QueryPlan("c", start=at(1)), "more values"),
        (QueryPlan("c", orders=by("__name__"), start=at("a")), "takes a reference"),
        (QueryPlan("c", projection=(FieldPath("a" * 1500),)), "1500 bytes"),
        (QueryPlan("__x__"), "reserved"),
        (QueryPlan("c", "o/__x__"), "reserved"),
        (QueryPlan("c/d"), "'/'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_queries_that_firestore_refuses_are_refused(backend: MemoryBackend, plan: QueryPlan, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        list(backend.run(plan))


@pytest.mark.parametrize("where", [None, is_("__name__", ">", ref("c/a"))])
def test_reading_names_backwards_needs_an_index_that_nobody_has(backend: MemoryBackend, where: Any) -> None:
    with pytest.raises(MissingIndexError, match="descending"):
        ask(backend, where, ["-__name__"])


def test_a_collection_group_below_a_document_is_read_by_name_forwards_only(backend: MemoryBackend) -> None:
    for where, orders in ((None, ["-__name__"]), (is_("a", "==", 1), [])):
        with pytest.raises(InvalidRequestError, match="below a document can only be read by document id, ascending"):
            ask(backend, where, orders, group=True, parent="o/a")


ELSEWHERE: Ref[Any] = Ref.from_path("c/a", database="projects/p/databases/d")


@pytest.mark.parametrize(
    "plan",
    [
        QueryPlan("c", where=is_("a", "==", ELSEWHERE)),
        QueryPlan("c", where=is_("a", "in", [[{"a": ELSEWHERE}]])),
        QueryPlan("c", where=is_("__name__", "==", ELSEWHERE)),
        QueryPlan("c", orders=by("__name__"), end=at(ELSEWHERE)),
        QueryPlan("c", orders=by("a"), end=at(ELSEWHERE)),
    ],
    ids=str,
)
def test_references_into_another_database_are_refused(backend: MemoryBackend, plan: QueryPlan) -> None:
    with pytest.raises(ForeignReferenceError):
        list(backend.run(plan))


class TestAggregations:
    def figures(self, backend: MemoryBackend, *asked: Any, **options: Any) -> tuple[Any, ...]:
        made: list[Aggregation] = [item if isinstance(item, Aggregation) else Aggregation(item) for item in asked]
        return backend.aggregate(AggregationPlan(QueryPlan("c", **options), tuple(made)))

    @pytest.fixture
    def numbers(self, backend: MemoryBackend) -> MemoryBackend:
        rows: list[dict[str, Any]] = [
            {"n": 1},
            {"n": 2.5},
            {"n": "x"},
            {"n": None},
            {"m": 1},
            {"n": 7, "m": 2},
            {"n": 3, "m": 4},
        ]
        fill(backend, "c", {str(number): row for number, row in enumerate(rows)})
        return backend

    def sum(self, name: str) -> Aggregation:
        return Aggregation("sum", path(name))

    def avg(self, name: str) -> Aggregation:
        return Aggregation("avg", path(name))

    def test_counting(self, numbers: MemoryBackend) -> None:
        assert self.figures(numbers, "count") == (7,)
        assert self.figures(numbers, Aggregation("count", up_to=3), Aggregation("count", up_to=0)) == (3, 0)
        assert self.figures(numbers, "count", limit=2) == (2,)
        assert self.figures(numbers, "count", offset=2) == (5,)
        assert self.figures(numbers, "count", where=is_("m", ">", 1)) == (2,)

    def test_sums_and_averages_are_of_numbers_only(self, numbers: MemoryBackend) -> None:
        assert self.figures(numbers, self.sum("n"), self.avg("n")) == (13.5, 3.375)
        assert self.figures(numbers, self.sum("m"), self.avg("m")) == (7, 7 / 3)
        assert self.figures(numbers, self.sum("zz"), self.avg("zz"), "count") == (0, None, 0)

    def test_documents_without_the_field_count_for_nothing(self, numbers: MemoryBackend) -> None:
        assert self.figures(numbers, "count", self.sum("m")) == (3, 7)
        assert self.figures(numbers, "count", self.sum("m"), self.avg("n")) == (2, 6, 5.0)

    def test_a_limit_takes_the_least_of_what_is_summed(self, numbers: MemoryBackend) -> None:
        assert self.figures(numbers, self.sum("m"), limit=2) == (3,)
        assert self.figures(numbers, self.sum("m"), orders=by("-m"), limit=1) == (4,)

    @pytest.mark.parametrize(
        ("values", "total"),
        [
            ([2**63 - 1, 1], float(2**63)),
            ([2**63 - 1, 2**63 - 1, -(2**63), -(2**62)], 2**62 - 2),
            ([1, -1.0], 0.0),
            ([-0.0], 0.0),
            ([0.1] * 10, 1.0),
            ([1e308, 1e308], math.inf),
            ([math.inf, -math.inf], math.nan),
            ([math.nan, 1], math.nan),
            ([True, 1], 1),
        ],
    )
    def test_sums_overflow_to_doubles(self, backend: MemoryBackend, values: list[Any], total: Any) -> None:
        fill(backend, "c", {str(number): {"n": value} for number, value in enumerate(values)})
        [found] = self.figures(backend, self.sum("n"))
        assert repr(found) == repr(total)

    @pytest.mark.parametrize(
        ("asked", "options"),
        [
            ([], {}),
            (["count"] * 6, {}),
            ([Aggregation("count", up_to=-1)], {}),
            ([Aggregation("sum", DOCUMENT_ID)], {}),
            ([Aggregation("sum", FieldPath("a" * 1500))], {}),
            ([Aggregation("sum", FieldPath("n"))], {"projection": (FieldPath("n"),)}),
            ([Aggregation("sum", FieldPath("n"))], {"orders": by("__name__")}),
            ([Aggregation("sum", FieldPath("n"))], {"where": is_("__name__", "==", ref("c/a"))}),
            ([Aggregation("sum", FieldPath("n"))], {"group": True, "parent": "o/a"}),
        ],
        ids=str,
    )
    def test_what_firestore_refuses_is_refused(self, backend: MemoryBackend, asked: Any, options: Any) -> None:
        with pytest.raises(InvalidRequestError):
            self.figures(backend, *asked, **options)


class TestThePast:
    def test_reads_at_a_moment_see_what_was_then(self, filled: MemoryBackend) -> None:
        [then] = filled.get(GetPlan(("c/d1",)))
        filled.commit([Set("c/d1", {"a": 100}), Delete("c/d2"), Set("c/f", {"a": 2}), merge("c/d3", {"z": 1}, "z")])
        filled.commit([Set("c/d1", {"a": 101}), Set("x/d1", {"a": 2})])
        moment = then.read_time
        assert stored(filled, "c/d1") == {"a": 101}
        [got] = filled.get(GetPlan(("c/d1",), read_time=moment))
        assert (got.data, got.read_time) == (DOCUMENTS["d1"], moment)
        assert ask(filled, is_("a", "==", 2), read_time=moment) == ["d2", "d3", "d8"]
        assert ask(filled, is_("a", "==", 2)) == ["d3", "d8", "f"]
        assert ask(filled, None, collection="x", read_time=moment) == []
        plan = AggregationPlan(QueryPlan("c", read_time=moment), (Aggregation("sum", FieldPath("b")),))
        assert filled.aggregate(plan) == (13,)

    def test_at_the_moment_of_a_commit_it_is_seen(self, filled: MemoryBackend) -> None:
        moment = filled.commit([Set("c/d1", {"a": 2})]).commit_time
        assert ask(filled, is_("a", "==", 2), read_time=moment) == ["d1", "d2", "d3", "d8"]

    def test_a_read_is_never_later_than_the_commit_that_follows(self, filled: MemoryBackend) -> None:
        [before] = filled.get(GetPlan(("c/d1",)))
        after_it = filled.commit([Set("c/d1", {})]).commit_time
        assert before.read_time is not None
        assert after_it is not None
        assert before.read_time < after_it

    def test_before_everything_there_was_nothing(self, backend: MemoryBackend) -> None:
        [before] = backend.get(GetPlan(("c/a",)))
        backend.commit([Set("c/a", {})])
        assert ask(backend, read_time=before.read_time) == []

    def test_the_future_is_refused(self, filled: MemoryBackend) -> None:
        [now] = filled.get(GetPlan(("c/d1",)))
        assert now.read_time is not None
        with pytest.raises(InvalidRequestError, match="future"):
            ask(filled, read_time=now.read_time + timedelta(hours=1))

    def test_what_is_over_an_hour_old_is_refused(self, clock: Any) -> None:
        backend = MemoryBackend(clock=clock)
        for number in range(3):
            backend.commit([Set("c/a", {"x": number})])
            clock.advance(timedelta(minutes=40))
        assert ask(backend, is_("x", "==", 1), read_time=MOMENT + timedelta(minutes=70)) == ["a"]
        with pytest.raises(InvalidRequestError, match="too old"):
            ask(backend, read_time=MOMENT)

    def test_only_so_many_changes_are_remembered(self, backend: MemoryBackend) -> None:
        moment = backend.commit([Set("c/x", {})]).commit_time
        for start in range(0, 10_001, 500):
            backend.commit([Set(f"c/{number}", {}) for number in range(start, start + 500)])
        with pytest.raises(InvalidRequestError, match="too old"):
            ask(backend, read_time=moment)


VALUES = [None, True, 0, 1, 1.0, 2, 2.5, "a", "b", math.nan, [1, "a"], [2], {"x": 1}, b"a", -1]


def a_condition(rng: random.Random) -> Condition:
    field = rng.choice("abc")
    op: Any = rng.choice(
        ["==", "==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"]
    )
    if op in ("in", "not-in", "array-contains-any"):
        return is_(field, op, [rng.choice(VALUES) for _ in range(rng.randint(1, 3))])
    return is_(field, op, rng.choice(VALUES))


def a_filter(rng: random.Random, depth: int = 0) -> Any:
    if depth == 0 and rng.random() < 0.2:
        return None
    if depth == 2 or rng.random() < 0.5:
        return a_condition(rng)
    kind = rng.choice([both, both, either])
    return kind(*(a_filter(rng, depth + 1) for _ in range(rng.randint(1, 3))))


def a_bound(rng: random.Random, orders: tuple[Order, ...]) -> Bound | None:
    if not orders or rng.random() < 0.6:
        return None
    count = rng.randint(1, len(orders))
    values = [
        ref(f"c/{rng.randrange(300)}") if order.path == DOCUMENT_ID else rng.choice(VALUES) for order in orders[:count]
    ]
    return Bound(tuple(values), rng.random() < 0.5)


def a_plan(rng: random.Random) -> QueryPlan:
    fields = rng.sample(["a", "b", "c"], rng.randint(0, 3))
    if rng.random() < 0.3:
        fields.append("__name__")
    orders = by(*(rng.choice(["", "-"]) + field for field in fields))
    limit = rng.choice([None, 0, 1, 5, 20])
    where = a_filter(rng)
    return QueryPlan(
        "c",
        None,
        rng.random() < 0.2,
        where,
        orders,
        a_bound(rng, orders),
        a_bound(rng, orders),
        limit,
        rng.choice([0, 0, 3]),
    )


@pytest.mark.parametrize("seed", range(6))
def test_indexes_find_what_looking_at_every_document_finds(
    backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)

    def change(count: int) -> None:
        for _ in range(count):
            place = rng.choice(["c", "c", "c", "o/x/c"])
            data = {field: rng.choice(VALUES) for field in "abc" if rng.random() < 0.8}
            name = f"{place}/{rng.randrange(300)}"
            backend.commit([Set(name, data) if rng.random() < 0.8 else Delete(name)])

    change(400)
    compared = 0
    for number in range(300):
        if number % 50 == 0:
            change(60)
        plan = a_plan(rng)
        try:
            monkeypatch.setattr(search, "_FEW", 10**6)
            looked = paths(backend, plan)
        except (InvalidRequestError, MissingIndexError) as error:
            with pytest.raises(type(error)):
                paths(backend, plan)
            continue
        monkeypatch.setattr(search, "_FEW", -1)
        assert paths(backend, plan) == looked
        compared += bool(looked)
    assert compared > 50


def test_an_index_of_elements_follows_what_is_added_and_taken_away(backend: MemoryBackend) -> None:
    fill(backend, "c", {"a": {"t": [1, 2, 2]}, "b": {"t": [2]}})
    for elements, expected in (([2, 3], "a b"), ([3], "b"), ([2, 3, 3], "a b"), (None, "b")):
        assert ask(backend, is_("t", "array-contains", 2)) == ["a", "b"]
        backend.commit([Set("c/a", {"t": elements})])
        assert ask(backend, is_("t", "array-contains", 2)) == names(expected)
        backend.commit([Set("c/a", {"t": [1, 2]})])


def test_indexes_are_made_when_they_are_asked_for_and_not_before(
    backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_FEW", -1)
    collection = Collection(Group())
    for number in range(3):
        collection.put(str(number), f"c/{number}", Version({"a": number}, MOMENT, MOMENT))
    assert collection.indexes == {}
    search.Search(QueryPlan("c", where=is_("a", "==", 1))).run(collection)
    assert list(collection.indexes) == [(("a",), False)]
    assert isinstance(next(iter(collection.documents())), Document)
