"""Requests that Firestore refuses, and some at the edge that it doesn't, by name. Each leaves the same state behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    Create,
    Delete,
    FieldTransform,
    GetPlan,
    Order,
    QueryPlan,
    Set,
    Update,
    Write,
)
from cendry.reference import Ref
from cendry.values import (
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    GeoPoint,
    Increment,
    Maximum,
    Minimum,
    Vector,
)
from lockstep.pair import Pair
from lockstep.reached import reach

A, B, T, M = FieldPath("a"), FieldPath("b"), FieldPath("t"), FieldPath("m")
MX, MY = FieldPath("m", "x"), FieldPath("m", "y")
HERE = "c/refused"
REF = Ref.from_path("c/d1")
ELSEWHERE = Ref.from_path("c/d1", database="projects/other/databases/(default)")


def _forged(path: str) -> Ref[Any]:
    """A reference that no context lets through."""
    ref: Ref[Any] = object.__new__(Ref)
    for name, value in (("model", None), ("path", path), ("database", None)):
        object.__setattr__(ref, name, value)
    return ref


def _deep(levels: int, leaf: Any) -> Any:
    for _ in range(levels):
        leaf = {"k": leaf}
    return leaf


def _set(value: Any) -> list[Write]:
    return [Set(HERE, {"v": value})]


def _merge(
    *transforms: tuple[FieldPath, Any], data: dict[str, Any] | None = None, mask: tuple[FieldPath, ...] = ()
) -> list[Write]:
    return [Set(HERE, data or {}, mask, tuple(FieldTransform(path, each) for path, each in transforms))]


OLD = datetime(2001, 1, 1, tzinfo=timezone.utc)
NEW = datetime(2101, 1, 1, tzinfo=timezone.utc)

WRITES: dict[str, list[Write]] = {
    "nothing": [],
    "array in array": _set([[1]]),
    "empty array in array": _set([[]]),
    "array in map in array": _set([{"x": [1]}]),
    "vector in array": _set([Vector([1.0])]),
    "vector in map in array": _set([{"x": Vector([1.0])}]),
    "array in array in map": _set({"x": [[1]]}),
    "depth 19": _set(_deep(19, 1)),
    "depth 20": _set(_deep(20, 1)),
    "depth 21": _set(_deep(21, 1)),
    "depth 20, empty map": _set(_deep(20, {})),
    "depth 20, empty array": _set(_deep(20, [])),
    "depth 19, array": _set(_deep(19, [1])),
    "depth 20, array": _set(_deep(20, [1])),
    "depth 19, map in array": _set(_deep(18, [{"x": 1}])),
    "depth 20, map in array": _set(_deep(19, [{"x": 1}])),
    "depth 19, geo point": _set(_deep(20, GeoPoint(1.0, 1.0))),
    "depth 19, vector": _set(_deep(19, Vector([1.0]))),
    "depth 20, vector": _set(_deep(20, Vector([1.0]))),
    "reserved field": [Set(HERE, {"__x__": 1})],
    "reserved field in a map": _set({"__x__": 1}),
    "reserved field in an array": _set([{"__x__": 1}]),
    "four underscores": [Set(HERE, {"____": 1})],
    "three underscores": [Set(HERE, {"___": 1})],
    "half reserved field": [Set(HERE, {"__x": 1, "x__": 2, "_x_": 3, "__x_": 4})],
    "field __name__": [Set(HERE, {"__name__": "x"})],
    "field __type__": _set({"__type__": "x"}),
    "field __id7__": _set({"__id7__": 1}),
    "empty field": [Set(HERE, {"": 1})],
    "empty field in a map": _set({"": 1}),
    "field of 1500 bytes": [Set(HERE, {"k" * 1500: 1})],
    "field of 1501 bytes": [Set(HERE, {"k" * 1501: 1})],
    "field in a map of 1500 bytes": _set({"é" * 750: 1}),
    "field in a map of 1498 bytes": _set({"é" * 749: 1}),
    "field in a map in a map": _set({"w": {"x" * 1496: 1}}),
    "field in a map in a map, longer": _set({"w": {"x" * 1497: 1}}),
    "field in a map in an array": _set([{"x" * 1498: 1}]),
    "field in a map in an array, longer": _set([{"x" * 1499: 1}]),
    "id of 1500 bytes": [Set("c/" + "x" * 1500, {})],
    "id of 1501 bytes": [Set("c/" + "x" * 1501, {})],
    "id .": [Set("c/.", {})],
    "id ..": [Set("c/..", {})],
    "id ...": [Set("c/...", {})],
    "id __x__": [Set("c/__x__", {})],
    "id __id0__": [Set("c/__id0__", {})],
    "id __id01__": [Set("c/__id01__", {})],
    "id __id-0__": [Set("c/__id-0__", {})],
    "id __idx__": [Set("c/__idx__", {})],
    "id of 2**63": [Set("c/__id9223372036854775808__", {})],
    "id of 2**63-1": [Set("c/__id9223372036854775807__", {})],
    "empty id": [Set("c/", {})],
    "collection path": [Set("c", {})],
    "collection path, deep": [Set("c/d1/s", {})],
    "empty path": [Set("", {})],
    "double slash": [Set("c//d1/x", {})],
    "reserved collection": [Set("__c__/d1", {})],
    "dot collection": [Set("./d1", {})],
    "delete of a reserved id": [Delete("c/__x__")],
    "delete of a collection": [Delete("c")],
    "update of a reserved id": [Update("c/__x__", {"a": 1}, (A,))],
    "int of 64 bits": _set(2**63 - 1),
    "int of 65 bits": _set(2**63),
    "int of 65 bits, negative": _set(-(2**63) - 1),
    "object": _set(object()),
    "lone surrogate": _set("\ud800"),
    "lone surrogate in a key": _set({"\udfff": 1}),
    "empty vector": _set(Vector([])),
    "vector of 2048": _set(Vector([1.0] * 2048)),
    "vector of 2049": _set(Vector([1.0] * 2049)),
    "vector of NaN": _set(Vector([float("nan")])),
    "vector of infinity": _set(Vector([float("inf")])),
    "naive time": _set(datetime(2020, 1, 1)),
    "first time": _set(datetime(1, 1, 1, tzinfo=timezone.utc)),
    "last time": _set(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)),
    "reference into another database": _set(ELSEWHERE),
    "reference to a reserved id": _set(_forged("c/__x__")),
    "reference to a collection": _set(_forged("c")),
    "reference to nothing": _set(_forged("")),
    "reference to __id7__": _set(_forged("c/__id7__")),
    "empty map in the mask": _merge(data={"m": {}}, mask=(M,)),
    "mask of nothing": [Update(HERE, {}, ())],
    "mask of nothing, merged": [Set(HERE, {}, ())],
    "mask of a field and its part": _merge(data={"m": {"x": 1}}, mask=(M, MX)),
    "mask of a part and its field": _merge(data={"m": {"x": 1}}, mask=(MX, M)),
    "mask twice": _merge(data={"a": 1}, mask=(A, A)),
    "mask of the name": _merge(data={"a": 1}, mask=(A, DOCUMENT_ID)),
    "mask of 20 segments": _merge(mask=(FieldPath(*"k" * 20),)),
    "mask of 1500 bytes": _merge(mask=(FieldPath("k" * 1499),)),
    "mask of 1501 bytes": _merge(mask=(FieldPath("k" * 1500),)),
    "data outside the mask": _merge(data={"a": 1, "b": 2}, mask=(A,)),
    "data outside the mask, in a map": _merge(data={"m": {"x": 1, "y": 2}}, mask=(MX,)),
    "bad data outside the mask": _merge(data={"a": 1, "b": [[1]]}, mask=(A,)),
    "mask into no map": _merge(data={"m": 5}, mask=(MX,)),
    "transform of a masked field": _merge((A, Increment(1)), data={"a": 5}, mask=(A,)),
    "transform of a removed field": _merge((A, Increment(1)), mask=(A,)),
    "transform in a masked map": _merge((MX, Increment(1)), data={"m": {"x": 5}}, mask=(M,)),
    "transform of a map with a masked part": _merge((M, Increment(1)), data={"m": {"x": 5}}, mask=(MX,)),
    "transform of a set field": [Set(HERE, {"a": 5}, None, (FieldTransform(A, Increment(1)),))],
    "transform twice": _merge((A, Increment(1)), (A, Increment(2))),
    "transforms of two kinds": _merge((A, Increment(1)), (A, ArrayUnion([1]))),
    "transform of a field and its part": _merge((M, Increment(1)), (MX, Increment(1))),
    "transform of a part and its field": _merge((MX, Increment(1)), (M, Increment(1))),
    "transform of two parts": _merge((MX, Increment(1)), (MY, Increment(1))),
    "transform of 20 segments": _merge((FieldPath(*"k" * 20), Increment(1))),
    "transform too deep": _merge((FieldPath(*"k" * 20), ArrayUnion([{"x": {}}]))),
    "union of nothing": _merge((T, ArrayUnion([]))),
    "removal of nothing": _merge((T, ArrayRemove([]))),
    "union of a reserved field": _merge((T, ArrayUnion([{"__x__": 1}]))),
    "union of NaN twice": _merge((T, ArrayUnion([float("nan"), float("nan"), 1, 1.0, None]))),
    "increment over the top": [
        Set(HERE, {"a": 2**63 - 1}),
        Set(HERE, {}, (), (FieldTransform(A, Increment(2**63 - 1)),)),
    ],
    "increment under the bottom": [Set(HERE, {"a": -(2**63)}), Set(HERE, {}, (), (FieldTransform(A, Increment(-1)),))],
    "maximum of equals": [
        Set(HERE, {"a": 1}),
        Set(HERE, {}, (), (FieldTransform(A, Maximum(1.0)), FieldTransform(B, Minimum(1.0)))),
    ],
    "minimum of NaN": [Set(HERE, {"a": float("nan")}), Set(HERE, {}, (), (FieldTransform(A, Minimum(1)),))],
    "server time in no map": [
        Set(HERE, {"st": 5}),
        Set(HERE, {}, (), (FieldTransform(FieldPath("st", "amp"), SERVER_TIMESTAMP),)),
    ],
    "create twice": [Create("c/twice", {}), Create("c/twice", {})],
    "set, create": [Set("c/twice", {}), Create("c/twice", {})],
    "delete, create": [Delete(HERE), Create(HERE, {"a": 1})],
    "delete, update": [Delete(HERE), Update(HERE, {"a": 1}, (A,))],
    "delete, merge": [Delete(HERE), Set(HERE, {"a": 1}, (A,))],
    "delete, delete": [Delete(HERE), Delete(HERE)],
    "delete, delete that must exist": [Set(HERE, {}), Delete(HERE), Delete(HERE, True)],
    "create, update, delete": [
        Create("c/fleeting", {"a": 1}),
        Update("c/fleeting", {"b": 1}, (B,)),
        Delete("c/fleeting", True),
    ],
    "update of an absent one": [Update("c/never", {"a": 1}, (A,))],
    "delete of an absent one that must exist": [Delete("c/never", True)],
    "set of an absent one that must exist": [Set("c/never", {"a": 1}, must_exist=True)],
    "merge of an absent one that must exist": [Set("c/never", {"a": 1}, (A,), must_exist=True)],
    "delete, set that must exist": [Delete(HERE), Set(HERE, {"a": 1}, must_exist=True)],
    "create, set that must exist": [Create("c/fleeting", {"a": 1}), Set("c/fleeting", {}, must_exist=True)],
    "set, set that must exist": [Set("c/never", {"a": 1}), Set("c/never", {"a": 2}, must_exist=True)],
    "set that must exist, then create": [Set("c/never", {}, must_exist=True), Create("c/never", {})],
    "update time, set that must exist": [Set(HERE, {"a": 1}, update_time=OLD), Set(HERE, {"a": 2}, must_exist=True)],
    "update time of an absent one": [Set("c/never", {}, update_time=OLD)],
    "update time of the future": [Set(HERE, {}), Set("c/d1", {"a": 1}, update_time=NEW)],
    "all fail: absent, then exists": [Set("c/d2", {}), Update("c/never", {"a": 1}, (A,)), Create("c/d2", {})],
    "malformed, and absent": [Update("c/never", {"a": 1}, (A,)), Set(HERE, {"__x__": 1})],
    "stale, and absent": [Update("c/never", {"a": 1}, (A,)), Set(HERE, {"a": 1}, update_time=OLD)],
    "stale, and exists": [Set("c/d2", {}, update_time=OLD), Create("c/d1", {}), Create("c/d2", {})],
    "two update times": [Set(HERE, {"a": 1}, update_time=OLD), Set(HERE, {"a": 2}, update_time=OLD + timedelta(1))],
    "update time, then none": [Set(HERE, {"a": 1}, update_time=OLD), Set(HERE, {"a": 2})],
    "string of 1500 bytes": _set("x" * 1500),
    "string over 1 MiB": _set("x" * 1_048_488),
    "bytes over 1 MiB": _set(b"x" * 1_048_488),
    "document over 1 MiB": [Set(HERE, {"a": "x" * 600_000, "b": "y" * 600_000})],
}


def _eq(number: int) -> Condition:
    return Condition(FieldPath(f"f{number}"), "==", 1)


def _and(*parts: Any) -> Composite:
    return Composite("AND", parts)


def _or(*parts: Any) -> Composite:
    return Composite("OR", parts)


def _where(*parts: Any) -> QueryPlan:
    return QueryPlan("c", where=parts[0] if len(parts) == 1 else _and(*parts))


def _order(*paths: FieldPath, **more: Any) -> QueryPlan:
    return QueryPlan("c", orders=tuple(Order(path) for path in paths), **more)


_IN3 = [Condition(FieldPath(name), "in", [1, 2, 3]) for name in "abm"]
_IN4 = Condition(T, "in", [1, 2, 3, 4])

QUERIES: dict[str, QueryPlan] = {
    "in of 30": _where(Condition(A, "in", list(range(30)))),
    "in of 31": _where(Condition(A, "in", list(range(31)))),
    "in of 31 repeated": _where(Condition(A, "in", [1] * 31)),
    "in of nothing": _where(Condition(A, "in", [])),
    "in of no list": _where(Condition(A, "in", 1)),
    "in of arrays": _where(Condition(T, "in", [[1], []])),
    "in of null and NaN": _where(Condition(A, "in", [None, float("nan")])),
    "in of null, NaN and 1": _where(Condition(A, "in", [None, float("nan"), 1])),
    "not-in of 10": _where(Condition(A, "not-in", list(range(10)))),
    "not-in of 11": _where(Condition(A, "not-in", list(range(11)))),
    "not-in of nothing": _where(Condition(A, "not-in", [])),
    "not-in of null": _where(Condition(A, "not-in", [None, 1])),
    "not-in of NaN": _where(Condition(A, "not-in", [float("nan"), 1])),
    "not-in and in": _where(Condition(A, "not-in", [1]), Condition(B, "in", [1, 2])),
    "not-in and in of one": _where(Condition(A, "not-in", [1]), Condition(B, "in", [1])),
    "not-in and array-contains-any": _where(Condition(A, "not-in", [1]), Condition(T, "array-contains-any", [1, 2])),
    "not-in and array-contains": _where(Condition(A, "not-in", [1]), Condition(T, "array-contains", 1)),
    "not-in and OR": _where(_or(Condition(A, "not-in", [1]), Condition(B, "==", 1))),
    "not-in and !=": _where(Condition(A, "not-in", [1]), Condition(B, "!=", 1)),
    "!= twice": _where(Condition(A, "!=", 1), Condition(A, "!=", 2)),
    "!= and is-not-null": _where(Condition(A, "!=", 1), Condition(A, "is-not-null")),
    "!= and is-not-nan": _where(Condition(A, "!=", 1), Condition(B, "is-not-nan")),
    "!= in OR": _where(_or(Condition(A, "!=", 1), Condition(B, "!=", 1))),
    "!= and in": _where(Condition(A, "!=", 1), Condition(B, "in", [1, 2])),
    "!= null": _where(Condition(A, "!=", None)),
    "!= NaN": _where(Condition(A, "!=", float("nan"))),
    "== null": _where(Condition(A, "==", None)),
    "== NaN": _where(Condition(A, "==", float("nan"))),
    "< null": _where(Condition(A, "<", None)),
    ">= null": _where(Condition(A, ">=", None)),
    "> NaN": _where(Condition(A, ">", float("nan"))),
    "<= NaN": _where(Condition(A, "<=", float("nan"))),
    "array-contains twice": _where(Condition(T, "array-contains", 1), Condition(T, "array-contains", 2)),
    "array-contains twice the same": _where(Condition(T, "array-contains", 1), Condition(T, "array-contains", 1)),
    "array-contains, array-contains-any": _where(
        Condition(T, "array-contains", 1), Condition(T, "array-contains-any", [2])
    ),
    "array-contains in OR": _where(_or(Condition(T, "array-contains", 1), Condition(T, "array-contains", 2))),
    "array-contains null": _where(Condition(T, "array-contains", None)),
    "array-contains NaN": _where(Condition(T, "array-contains", float("nan"))),
    "array-contains an array": _where(Condition(T, "array-contains", [1])),
    "array-contains-any of 30": _where(Condition(T, "array-contains-any", list(range(30)))),
    "array-contains-any of 31": _where(Condition(T, "array-contains-any", list(range(31)))),
    "array-contains-any of nothing": _where(Condition(T, "array-contains-any", [])),
    "27 disjunctions": _where(*_IN3),
    "36 disjunctions": _where(*_IN3[:2], _IN4),
    "31 disjunctions": _where(_or(*(Condition(A, "==", number) for number in range(31)))),
    "30 disjunctions": _where(_or(*(Condition(A, "==", number) for number in range(30)))),
    "30 disjunctions, repeated": _where(_or(*(Condition(A, "==", number % 5) for number in range(40)))),
    "100 filters": _where(*map(_eq, range(100))),
    "101 filters": _where(*map(_eq, range(101))),
    "100 filters and an order": replace(_where(*map(_eq, range(100))), orders=(Order(A),)),
    "99 filters below a parent": replace(_where(*map(_eq, range(99))), collection="s", parent="c/d1"),
    "100 filters below a parent": replace(_where(*map(_eq, range(100))), collection="s", parent="c/d1"),
    "10 inequality fields": _where(*(Condition(FieldPath(f"f{number}"), ">", 1) for number in range(10))),
    "11 inequality fields": _where(*(Condition(FieldPath(f"f{number}"), ">", 1) for number in range(11))),
    "10 inequality fields and the id": _where(
        *(Condition(FieldPath(f"f{number}"), ">", 1) for number in range(10)), Condition(DOCUMENT_ID, ">", REF)
    ),
    "AND of one": _where(_and(Condition(A, "==", 1))),
    "nested ANDs and ORs": _where(
        _or(_and(_or(Condition(A, "==", 1), _and(Condition(B, "==", 1), Condition(A, ">", 0)))), Condition(A, "==", 2))
    ),
    "order twice": _order(A, A),
    "order by 20 segments": _order(FieldPath(*"k" * 20)),
    "order after the name": _order(DOCUMENT_ID, A),
    "order by the name, descending": QueryPlan("c", orders=(Order(DOCUMENT_ID, True),)),
    "order by the name, descending, one by id": QueryPlan(
        "c", where=Condition(DOCUMENT_ID, "==", REF), orders=(Order(DOCUMENT_ID, True),)
    ),
    "order by the name, descending, some": QueryPlan(
        "c", where=Condition(DOCUMENT_ID, ">=", REF), orders=(Order(DOCUMENT_ID, True),)
    ),
    "order by the name, descending, equals": QueryPlan(
        "c", where=Condition(A, "==", 1), orders=(Order(DOCUMENT_ID, True),)
    ),
    "order by the name, descending, in a group": QueryPlan("s", group=True, orders=(Order(DOCUMENT_ID, True),)),
    "inequality, order by another": replace(_where(Condition(A, ">", 1)), orders=(Order(B),)),
    "inequality, order by the name": replace(_where(Condition(A, ">", 1)), orders=(Order(DOCUMENT_ID),)),
    "inequality, order by the name, descending": replace(
        _where(Condition(A, ">", 1)), orders=(Order(DOCUMENT_ID, True),)
    ),
    "equality, order by it": replace(_where(Condition(A, "==", 1)), orders=(Order(A, True),)),
    "id and inequality": _where(Condition(DOCUMENT_ID, "==", REF), Condition(A, ">", 0)),
    "id in OR with an inequality": _where(_or(Condition(DOCUMENT_ID, "==", REF), Condition(A, ">", 0))),
    "two ids": _where(Condition(DOCUMENT_ID, "==", REF), Condition(DOCUMENT_ID, "==", Ref.from_path("c/d2"))),
    "id == string": _where(Condition(DOCUMENT_ID, "==", "d1")),
    "id == null": _where(Condition(DOCUMENT_ID, "==", None)),
    "id in strings": _where(Condition(DOCUMENT_ID, "in", ["d1"])),
    "id is-null": _where(Condition(DOCUMENT_ID, "is-null")),
    "id array-contains": _where(Condition(DOCUMENT_ID, "array-contains", REF)),
    "id of another collection": _where(Condition(DOCUMENT_ID, "==", Ref.from_path("s/d1"))),
    "id > that of another collection": _where(Condition(DOCUMENT_ID, ">", Ref.from_path("b/d1"))),
    "id > that of a subcollection": _where(Condition(DOCUMENT_ID, ">", Ref.from_path("c/d1/s/d1"))),
    "id in another database": _where(Condition(DOCUMENT_ID, "==", ELSEWHERE)),
    "id that is reserved": _where(Condition(DOCUMENT_ID, "==", _forged("c/__x__"))),
    "id > a reserved one": _where(Condition(DOCUMENT_ID, ">", _forged("c/__x__"))),
    "cursor on a reserved id": _order(DOCUMENT_ID, start=Bound((_forged("c/__x__"),), True)),
    "cursor on a collection": _order(DOCUMENT_ID, start=Bound((_forged("c"),), True)),
    "offset 2**31": QueryPlan("c", offset=2**31),
    "id that is a collection": _where(Condition(DOCUMENT_ID, "==", _forged("c"))),
    "reference in another database": _where(Condition(A, "==", ELSEWHERE)),
    "reserved field": _where(Condition(A, "==", {"__x__": 1})),
    "array in array": _where(Condition(A, "==", [[1]])),
    "vector": _where(Condition(A, "==", Vector([1.0]))),
    "empty vector": _where(Condition(A, "==", Vector([]))),
    "> map": _where(Condition(M, ">", {"x": 1})),
    "> array": _where(Condition(T, ">", [1])),
    "string of 1500 bytes": _where(Condition(A, "==", "x" * 1500)),
    "string of 1501 bytes": _where(Condition(A, "==", "x" * 1501)),
    "int of 65 bits": _where(Condition(A, "==", 2**63)),
    "object": _where(Condition(A, "==", object())),
    "cursor without orders": QueryPlan("c", start=Bound((1,), True)),
    "cursor with too many values": _order(A, start=Bound((1, 2), True)),
    "cursor of no values": _order(A, start=Bound((), True)),
    "cursor with an implicit name": _order(A, start=Bound((1, REF), True)),
    "cursor on the name": _order(DOCUMENT_ID, start=Bound((REF,), True)),
    "cursor on the name, a string": _order(DOCUMENT_ID, start=Bound(("d1",), True)),
    "cursor on the name, another collection": _order(DOCUMENT_ID, start=Bound((Ref.from_path("s/d1"),), True)),
    "cursor on the name, deeper": _order(DOCUMENT_ID, start=Bound((Ref.from_path("c/d1/s/d1"),), True)),
    "cursor on the name, another database": _order(DOCUMENT_ID, start=Bound((ELSEWHERE,), True)),
    "cursors crossed": _order(A, start=Bound((3,), True), end=Bound((1,), False)),
    "cursors at one place": _order(A, start=Bound((1,), True), end=Bound((1,), False)),
    "cursor null": _order(A, start=Bound((None,), False)),
    "cursor NaN": _order(A, start=Bound((float("nan"),), False)),
    "cursor of an array in an array": _order(A, start=Bound(([[1]],), True)),
    "cursor of a long string": _order(A, start=Bound(("z" * 1501,), True)),
    "limit 0": QueryPlan("c", limit=0),
    "limit -1": QueryPlan("c", limit=-1),
    "limit 2**31-1": QueryPlan("c", limit=2**31 - 1),
    "limit 2**31": QueryPlan("c", limit=2**31),
    "offset -1": QueryPlan("c", offset=-1),
    "offset 2**31-1": QueryPlan("c", offset=2**31 - 1),
    "offset and limit": QueryPlan("c", offset=1, limit=1),
    "projection of a field and its part": QueryPlan("c", projection=(M, MX)),
    "projection twice": QueryPlan("c", projection=(A, A)),
    "projection of the name": QueryPlan("c", projection=(DOCUMENT_ID,)),
    "projection of the name and a field": QueryPlan("c", projection=(DOCUMENT_ID, A)),
    "projection of 20 segments": QueryPlan("c", projection=(FieldPath(*"k" * 20),)),
    "projection and order": _order(A, projection=(B,)),
    "collection with a slash": QueryPlan("c/d1/s"),
    "reserved collection": QueryPlan("__c__"),
    "collection .": QueryPlan("."),
    "collection of 1501 bytes": QueryPlan("c" * 1501),
    "group of nothing": QueryPlan("nowhere", group=True),
    "parent that is a collection": QueryPlan("s", parent="c"),
    "parent with a reserved id": QueryPlan("s", parent="c/__x__"),
    "group below itself": QueryPlan("c", parent="c/d1", group=True),
    "read time of the future": QueryPlan("c", read_time=datetime.now(timezone.utc) + timedelta(hours=2)),
    "a read time of long ago": QueryPlan("c", read_time=OLD),
}

AGGREGATIONS: dict[str, AggregationPlan] = {
    "none": AggregationPlan(QueryPlan("c"), ()),
    "five": AggregationPlan(QueryPlan("c"), (Aggregation("count"),) * 5),
    "count up to 0": AggregationPlan(QueryPlan("c"), (Aggregation("count", up_to=0),)),
    "count up to -1": AggregationPlan(QueryPlan("c"), (Aggregation("count", up_to=-1),)),
    "sum of the name": AggregationPlan(QueryPlan("c"), (Aggregation("sum", DOCUMENT_ID),)),
    "sum and average": AggregationPlan(
        QueryPlan("c"), (Aggregation("sum", A), Aggregation("avg", A), Aggregation("count"))
    ),
    "sum, limited": AggregationPlan(QueryPlan("c", limit=2), (Aggregation("sum", A), Aggregation("count"))),
    "count, offset": AggregationPlan(QueryPlan("c", offset=1), (Aggregation("count"),)),
    "count with a cursor": AggregationPlan(_order(A, start=Bound((1,), True)), (Aggregation("count"),)),
    "sum of another field than sorted by": AggregationPlan(_order(A), (Aggregation("sum", B),)),
    "sum with a filter": AggregationPlan(_where(Condition(A, ">", 0)), (Aggregation("sum", B), Aggregation("count"))),
    "bad query": AggregationPlan(_where(Condition(A, "in", [])), (Aggregation("count"),)),
    "count, names only": AggregationPlan(QueryPlan("c", projection=()), (Aggregation("count"),)),
    "count, projected": AggregationPlan(QueryPlan("c", projection=(A,)), (Aggregation("count"),)),
    "sum, names only": AggregationPlan(QueryPlan("c", projection=()), (Aggregation("sum", A),)),
    "sum, projected": AggregationPlan(QueryPlan("c", projection=(A,)), (Aggregation("sum", A),)),
    "sum, projected otherwise": AggregationPlan(QueryPlan("c", projection=(B,)), (Aggregation("sum", A),)),
}

GETS: dict[str, GetPlan] = {
    "reserved id": GetPlan(("c/__x__",)),
    "collection": GetPlan(("c",)),
    "empty path": GetPlan(("",)),
    "id ..": GetPlan(("c/..",)),
    "names only": GetPlan(("c/d1", "c/never"), ()),
    "projection of a field and its part": GetPlan(("c/d1",), (M, MX)),
    "projection of nothing there": GetPlan(("c/d1",), (FieldPath("never"),)),
    "a read time of long ago": GetPlan(("c/d1",), read_time=OLD),
    "read time of the future": GetPlan(("c/d1",), read_time=NEW),
}


def _written(writes: list[Write]) -> Callable[[Pair], None]:
    def check(pair: Pair) -> None:
        pair.commit(writes, writes)
        paths = sorted({write.path for write in writes if write.path.startswith("c/") and len(write.path) < 15})
        if paths and not any("__x__" in path for path in paths):
            pair.get(GetPlan(tuple(paths)))

    return check


def _named(name: str, check: Callable[[Pair], object]) -> Callable[[Pair], None]:
    def counted(pair: Pair) -> None:
        reach("malformed", name)
        check(pair)

    return counted


def _asked(call: Callable[[Pair, Any], object], plan: Any, pair: Pair) -> None:
    call(pair, plan)


def _catalogue() -> dict[str, Callable[[Pair], None]]:
    checks: dict[str, Callable[[Pair], object]] = {}
    for name, writes in WRITES.items():
        checks[f"write: {name}"] = _written(writes)
    for name, plan in QUERIES.items():
        checks[f"query: {name}"] = partial(_asked, Pair.run, plan)
    for name, aggregation in AGGREGATIONS.items():
        checks[f"aggregation: {name}"] = partial(_asked, Pair.aggregate, aggregation)
    for name, get in GETS.items():
        checks[f"get: {name}"] = partial(_asked, Pair.get, get)
    return {name: _named(name, check) for name, check in checks.items()}


REFUSALS: dict[str, Callable[[Pair], None]] = _catalogue()
"""All of them, by name; each takes both backends."""
