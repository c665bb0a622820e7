"""Strategies for what backends are asked: writes, plans of queries, reads and aggregations. Most of it is legal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any, Literal, get_args

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
    Operator,
    Order,
    QueryPlan,
    Set,
    Update,
    Where,
    Write,
    inequality_fields,
)
from cendry.reference import Ref
from cendry.values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, Increment, Maximum, Minimum
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lockstep import pools
from lockstep.pools import kind_of
from lockstep.reached import expect, reach

Stamp = Literal["none", "current", "older", "other's", "future", "ancient"]
"""Which update time a write expects, to be looked up by the machine, since it differs between the two."""


@dataclass(frozen=True)
class Draft:
    """A write whose expected update time is still to be looked up."""

    write: Write
    stamp: Stamp = "none"


# --- writes ---

NUMBERS = [1, 1, -1, 0, 0.5, -0.0, 1.0, 2**62, -(2**63), 2**63 - 1, 2.0**53, float("nan"), float("inf"), float("-inf")]

numbers = st.sampled_from(NUMBERS)
transforms: SearchStrategy[Any] = st.one_of(
    st.builds(Increment, numbers),
    st.builds(Maximum, numbers),
    st.builds(Minimum, numbers),
    st.builds(ArrayUnion, st.lists(pools.elements, max_size=3)),
    st.builds(ArrayRemove, st.lists(pools.elements, max_size=3)),
)

number_transforms: SearchStrategy[Any] = st.one_of(
    st.builds(Increment, pools.numbers), st.builds(Maximum, pools.numbers), st.builds(Minimum, pools.numbers)
)

TRANSFORMED = [
    FieldPath("a"),
    FieldPath("b"),
    FieldPath("t"),
    FieldPath("m", "x"),
    FieldPath("m"),
    FieldPath("n"),
    FieldPath("m", "n"),
]
# No query looks at these two: the emulator's clock for them is not the one of its update times.
STAMPED = [FieldPath("stamp"), FieldPath("st", "amp")]


@st.composite
def field_transforms(draw: Any) -> tuple[FieldTransform, ...]:
    """Mostly none; else some, now and then on one field twice, or on a field and its part."""
    if draw(st.integers(0, 2)):
        return ()
    changes = [
        FieldTransform(draw(st.sampled_from(TRANSFORMED)), draw(transforms)) for _ in range(draw(st.integers(0, 2)))
    ]
    if draw(st.integers(0, 3)) == 0:
        changes.append(FieldTransform(draw(st.sampled_from(STAMPED)), SERVER_TIMESTAMP))
    return tuple(changes)


@st.composite
def masked(draw: Any) -> tuple[dict[str, Any], tuple[FieldPath, ...]]:
    """A mask and data that fit each other: fields without a value are to be removed."""
    mask: list[FieldPath] = []
    for path in draw(st.lists(pools.field_paths, max_size=4)):
        if not any(path.is_prefix_of(other) or other.is_prefix_of(path) for other in mask):
            mask.append(path)
    data: dict[str, Any] = {}
    for path in mask:
        if draw(st.integers(0, 3)):
            put(data, path.segments, draw(pools.values))
    return data, tuple(mask)


def put(data: dict[str, Any], segments: tuple[str, ...], value: Any) -> None:
    """Put a value into nested maps."""
    for segment in segments[:-1]:
        data = data.setdefault(segment, {})
    data[segments[-1]] = value


stamps: SearchStrategy[Stamp] = st.sampled_from(
    ["none", "none", "none", "none", "none", "current", "current", "older", "other's", "future", "ancient"]
)


@st.composite
def drafts(draw: Any, paths: SearchStrategy[str] = pools.paths) -> Draft:
    """One write."""
    path = draw(paths)
    kind = draw(st.sampled_from(["set", "set", "set", "merge", "create", "update", "update", "delete"]))
    if kind == "create":
        return Draft(Create(path, draw(pools.documents()), draw(field_transforms())))
    stamp = draw(stamps)
    if kind == "delete":
        return Draft(Delete(path, draw(st.booleans())), stamp)
    if kind == "set":
        must_exist = stamp == "none" and draw(st.integers(0, 4)) == 0
        return Draft(Set(path, draw(pools.documents()), None, draw(field_transforms()), must_exist=must_exist), stamp)
    data, mask = draw(masked())
    if kind == "merge":
        must_exist = stamp == "none" and draw(st.integers(0, 4)) == 0
        return Draft(Set(path, data, mask, draw(field_transforms()), must_exist=must_exist), stamp)
    return Draft(Update(path, data, mask, draw(field_transforms())), stamp)


@st.composite
def commits(draw: Any) -> list[Draft]:
    """One to four writes, now and then several to one document."""
    count = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4]))
    if count > 1 and draw(st.integers(0, 2)) == 0:
        path = draw(pools.paths)
        return [draw(drafts(st.just(path))) for _ in range(count)]
    return [draw(drafts()) for _ in range(count)]


# --- queries ---

COMPARISONS: list[Operator] = ["==", "==", "==", "!=", "<", "<=", ">", ">="]
UNARY: list[Operator] = ["is-null", "is-not-null", "is-nan", "is-not-nan"]
LISTED: list[Operator] = ["in", "in", "not-in", "array-contains-any"]


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """One condition; on arrays, mostly what is asked of arrays."""
    where = draw(st.integers(0, 9))
    if where == 9:
        return draw(name_conditions())
    if where >= 7:
        op: Operator = draw(st.sampled_from(["array-contains", "array-contains-any", "==", "in"]))
        path = FieldPath("t")
        if op == "array-contains":
            return Condition(path, op, draw(st.one_of(pools.elements, pools.values)))
        if op == "array-contains-any":
            return Condition(path, op, draw(st.lists(pools.elements, min_size=1, max_size=4)))
        value = draw(pools.arrays)
        return Condition(path, op, [value] if op == "in" else value)
    path = draw(pools.field_paths)
    op = draw(
        st.sampled_from(["==", "<", ">", "<=", ">=", *COMPARISONS, *COMPARISONS, *UNARY, *LISTED, "array-contains"])
    )
    if op in UNARY:
        return Condition(path, op)
    if op in LISTED:
        return Condition(path, op, draw(st.lists(pools.values, min_size=1, max_size=4)))
    return Condition(path, op, draw(pools.maps if path == FieldPath("m") else pools.values))


_nearly_all = st.sampled_from([("<", math.inf), ("<=", 2.0**63), (">", -math.inf), (">=", -(2**63)), ("!=", 0.7)])
number_ranges: SearchStrategy[tuple[Any, Any]] = st.one_of(
    _nearly_all,
    _nearly_all,
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "!="]), pools.numbers),
)


@st.composite
def name_conditions(draw: Any) -> Condition:
    """A condition on the document's id."""
    op: Operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not-in"]))
    if op in ("in", "not-in"):
        return Condition(DOCUMENT_ID, op, draw(st.lists(pools.refs, min_size=1, max_size=3)))
    return Condition(DOCUMENT_ID, op, draw(pools.refs))


@st.composite
def composites(draw: st.DrawFn, levels: int = 0) -> Where:
    """Conditions under AND and OR, up to three levels of them."""
    kinds = ["leaf", "leaf", "AND", "OR"] if levels else ["AND", "OR"]
    kind = draw(st.sampled_from(kinds)) if levels < 3 else "leaf"
    if kind == "leaf":
        return draw(conditions())
    parts = [draw(composites(levels + 1)) for _ in range(draw(st.sampled_from([1, 2, 2, 2, 3])))]
    return Composite(kind, tuple(parts))  # type: ignore[arg-type]


@st.composite
def sortings(draw: Any, least: int = 0) -> tuple[Order, ...]:
    """Orders without repetition; nothing after the name."""
    result: list[Order] = []
    for path in draw(
        st.lists(pools.sort_paths, min_size=least, max_size=draw(st.sampled_from([1, 1, 2, 3])), unique=True)
    ):
        result.append(Order(path, draw(st.booleans())))
        if path == DOCUMENT_ID:
            break
    return tuple(result)


@st.composite
def places(draw: Any) -> tuple[str, str | None, bool]:
    """Collection, parent, and whether the whole group is meant."""
    if draw(st.integers(0, 4)) == 4:
        parents = [None, None, None, None, "c/d1", "c/d1", "z/é", "no/pe"]
        return draw(st.sampled_from(["s", "s", "c"])), draw(st.sampled_from(parents)), True
    parent, _, collection = draw(pools.homes).rpartition("/")
    return collection, parent or None, False


@st.composite
def bounds(draw: Any, orders: tuple[Order, ...], home: str) -> Bound | None:
    """A cursor for the first orders, mostly none."""
    if not orders or draw(st.integers(0, 3)) != 3:
        return None
    count = draw(st.integers(1, len(orders)))
    values: list[Any] = []
    for order in orders[:count]:
        if order.path == DOCUMENT_ID:
            near = draw(st.integers(0, 3))
            values.append(Ref.from_path(f"{home}/{draw(pools.ids)}") if near else draw(pools.refs))
        else:
            values.append(draw(pools.values))
    return Bound(tuple(values), draw(st.booleans()))


projections: SearchStrategy[tuple[FieldPath, ...] | None] = st.one_of(
    *[st.none()] * 7,
    st.lists(pools.field_paths, max_size=3).map(tuple),
)
limits: SearchStrategy[int | None] = st.sampled_from([None] * 12 + [0, 1, 2, 3, 2**31 - 1])
offsets: SearchStrategy[int] = st.sampled_from([0] * 12 + [1, 2, 5])


@st.composite
def queries(draw: Any, with_projection: bool = True) -> QueryPlan:
    """A query; about as many have a filter as have none."""
    collection, parent, group = draw(places())
    home = f"{parent}/{collection}" if parent else collection
    where = draw(st.one_of(st.none(), conditions(), composites()))
    orders = draw(sortings())
    return QueryPlan(
        collection,
        parent,
        group,
        where,
        orders,
        draw(bounds(orders, home)),
        draw(bounds(orders, home)),
        draw(limits),
        draw(offsets),
        draw(projections) if with_projection else None,
    )


gets: SearchStrategy[GetPlan] = st.builds(
    GetPlan, st.lists(pools.paths, min_size=1, max_size=3, unique=True).map(tuple), projections
)

aggregations: SearchStrategy[Aggregation] = st.one_of(
    st.builds(Aggregation, st.just("count"), st.none(), st.sampled_from([None, None, 0, 1, 2, 100])),
    st.builds(Aggregation, st.sampled_from(["sum", "avg"]), pools.field_paths),
)
aggregation_plans: SearchStrategy[AggregationPlan] = st.builds(
    AggregationPlan,
    st.one_of(queries(with_projection=False), queries(with_projection=False), queries()),
    st.lists(aggregations, min_size=1, max_size=4).map(tuple),
)


# --- aiming: requests that know what is there ---

aims: SearchStrategy[list[int]] = st.lists(st.integers(0, 31), min_size=5, max_size=5)
"""Numbers by which a query is aimed at documents that are there; odd ones aim."""


def value_at(path: str, data: dict[str, Any], at: FieldPath, other: Any) -> Any:
    """What a document has at a field path, or `other`."""
    if at == DOCUMENT_ID:
        return Ref.from_path(path)
    value: Any = data
    for segment in at:
        if not isinstance(value, dict) or segment not in value:
            return other
        value = value[segment]
    return value


def aimed(plan: QueryPlan, documents: dict[str, dict[str, Any]], aim: list[int]) -> QueryPlan:
    """The query, mostly asked where documents are, with some of its values replaced by values that are there."""
    if not documents or not any(number % 2 for number in aim):
        return plan
    here = _in_scope(plan, documents)
    if not here and aim[0] % 4:
        chosen = sorted(documents)[aim[0] % len(documents)]
        parent, _, collection = chosen.rpartition("/")[0].rpartition("/")
        plan = replace(plan, collection=collection, parent=None if plan.group else parent or None)
        here = _in_scope(plan, documents)
    if not here:
        return plan
    numbers = cycle(aim[1:])

    def known(at: FieldPath, given: Any) -> Any:
        number = next(numbers)
        path = here[number // 2 % len(here)]
        return value_at(path, documents[path], at, given) if number % 2 else given

    def fulfilled(where: Condition) -> FieldPath:
        """Nulls and NaNs are rare: look where one is."""
        wanted = {"is-null": "null", "is-nan": "NaN"}.get(where.op)
        if wanted is None or not next(numbers) % 2:
            return where.path
        found = (at for path in here for at in pools.COMMON_PATHS if _kind_at(path, documents[path], at) == wanted)
        return next(found, where.path)

    def about(where: Where) -> Where:
        if isinstance(where, Composite):
            return replace(where, conditions=tuple(map(about, where.conditions)))
        if where.op in UNARY:
            return replace(where, path=fulfilled(where))
        if where.op in ("array-contains", "array-contains-any"):
            value = known(where.path, None)
            if not isinstance(value, list) or not value or isinstance(value[0], list):
                return where
            return replace(where, value=value[:3] if where.op == "array-contains-any" else value[-1])
        if where.op in LISTED:
            return replace(where, value=[known(where.path, value) for value in where.value])
        return replace(where, value=known(where.path, where.value))

    def at(bound: Bound | None) -> Bound | None:
        if bound is None:
            return None
        orders = plan.orders[: len(bound.values)]
        values = (known(order.path, value) for order, value in zip(orders, bound.values, strict=True))
        return replace(bound, values=tuple(values))

    where = None if plan.where is None else about(plan.where)
    return replace(plan, where=where, start=at(plan.start), end=at(plan.end))


def _kind_at(path: str, data: dict[str, Any], at: FieldPath) -> str:
    return kind_of(value_at(path, data, at, ""))


def _in_scope(plan: QueryPlan, documents: dict[str, dict[str, Any]]) -> list[str]:
    home = f"{plan.parent}/{plan.collection}" if plan.parent else plan.collection
    if plan.group:
        return [path for path in sorted(documents) if path.split("/")[-2] == plan.collection]
    return [path for path in sorted(documents) if path.rpartition("/")[0] == home]


# --- what was asked, for counting ---

OPERATORS = set(get_args(Operator))

expect("operator", OPERATORS)
expect("operator that found something", OPERATORS)
expect("operator on the id", {"==", "!=", "<", "<=", ">", ">=", "in", "not-in"})
expect("filter", {"AND", "OR", "AND in OR", "OR in AND", "OR in AND in OR"})
expect(
    "query",
    {
        "collection",
        "subcollection",
        "group",
        "group below a parent",
        "missing parent",
        "no filter",
        "one order",
        "several orders",
        "descending",
        "mixed directions",
        "order by id",
        "start before",
        "start after",
        "end before",
        "end after",
        "cursor on the id",
        "cursor of several values",
        "limit",
        "limit 0",
        "offset",
        "projection",
        "names only",
    },
)
expect(
    "write",
    {
        "set",
        "set that must exist",
        "merge",
        "create",
        "update",
        "delete",
        "delete that must exist",
        "several to one document",
        "remove field",
    },
)
expect("transform", {"Increment", "Maximum", "Minimum", "ArrayUnion", "ArrayRemove", "SERVER_TIMESTAMP"})
expect("precondition", set(get_args(Stamp)) - {"none"})
expect("aggregation", {"count", "count up to", "sum", "avg"})


def conditions_of(where: Where | None) -> Iterator[Condition]:
    """All conditions of a filter."""
    if isinstance(where, Condition):
        yield where
    elif where is not None:
        for part in where.conditions:
            yield from conditions_of(part)


def _nestings(where: Where | None, above: str = "") -> Iterator[str]:
    if isinstance(where, Composite) and len(where.conditions) > 1:
        name = where.op
        shown = name if not above or above.startswith(name) else f"{name} in {above}"
        yield name
        yield shown
        for part in where.conditions:
            yield from _nestings(part, shown)


def count_query(plan: QueryPlan, found: int | None) -> None:
    """Count what a query asked, and whether it found something; `None` if it was refused."""
    for condition in conditions_of(plan.where):
        reach("operator", condition.op)
        if condition.path == DOCUMENT_ID:
            reach("operator on the id", condition.op)
        if found:
            reach("operator that found something", condition.op)
        listed = condition.value if isinstance(condition.value, list) and condition.op in LISTED else [condition.value]
        if condition.op not in UNARY:
            for value in listed:
                reach("compared", kind_of(value))
    _count_implied_order(plan, found)
    for name in set(_nestings(plan.where)):
        reach("filter", name)
    for name, is_so in _features(plan).items():
        if is_so:
            reach("query", name)
    if found is None:
        reach("result", "refused")
    else:
        reach("result", "none" if found == 0 else "one" if found == 1 else "several")


expect("result", {"refused", "none", "one", "several"})

TWO_INEQUALITIES = "inequalities on two fields, one stored under a name that needs quoting"
expect("implied order", {TWO_INEQUALITIES, f"{TWO_INEQUALITIES}, which sorts otherwise when it is quoted"})


def _count_implied_order(plan: QueryPlan, found: int | None) -> None:
    fields = sorted(set(inequality_fields(plan.where)) - {DOCUMENT_ID})
    # Of one result nobody can tell the order.
    if len(fields) > 1 and found is not None and found > 1 and any("`" in str(field) for field in fields):
        reach("implied order", TWO_INEQUALITIES)
        if fields != sorted(fields, key=str):
            reach("implied order", f"{TWO_INEQUALITIES}, which sorts otherwise when it is quoted")


def _features(plan: QueryPlan) -> dict[str, bool]:
    directions = {order.descending for order in plan.orders}
    cursors = [bound for bound in (plan.start, plan.end) if bound is not None]
    return {
        "collection": not plan.group and plan.parent is None,
        "subcollection": not plan.group and plan.parent is not None,
        "group": plan.group and plan.parent is None,
        "group below a parent": plan.group and plan.parent is not None,
        "missing parent": plan.parent in ("no/pe", "z/é"),
        "no filter": plan.where is None,
        "one order": len(plan.orders) == 1,
        "several orders": len(plan.orders) > 1,
        "descending": True in directions,
        "mixed directions": len(directions) > 1,
        "order by id": any(order.path == DOCUMENT_ID for order in plan.orders),
        "start before": plan.start is not None and plan.start.before,
        "start after": plan.start is not None and not plan.start.before,
        "end before": plan.end is not None and plan.end.before,
        "end after": plan.end is not None and not plan.end.before,
        "cursor on the id": any(isinstance(value, Ref) for bound in cursors for value in bound.values),
        "cursor of several values": any(len(bound.values) > 1 for bound in cursors),
        "limit": plan.limit is not None and plan.limit > 0,
        "limit 0": plan.limit == 0,
        "offset": plan.offset > 0,
        "projection": bool(plan.projection),
        "names only": plan.projection == (),
    }


def count_commit(drafts: list[Draft]) -> None:
    """Count what a commit asked."""
    paths = [draft.write.path for draft in drafts]
    if len(set(paths)) < len(paths):
        reach("write", "several to one document")
    for draft in drafts:
        reach("precondition", draft.stamp)
        match draft.write:
            case Delete() as write:
                reach("write", "delete that must exist" if write.must_exist else "delete")
                continue
            case Set() as write:
                reach("write", "set" if write.mask is None else "merge")
                if write.must_exist:
                    reach("write", "set that must exist")
            case Update() as write:
                reach("write", "update")
            case Create() as write:
                reach("write", "create")
        for value in _within(write.data):
            reach("stored", kind_of(value))
        if isinstance(write, Update) and len(write.data) < len(write.mask):
            reach("write", "remove field")
        for change in write.transforms:
            shown = change.transform
            reach("transform", "SERVER_TIMESTAMP" if shown is SERVER_TIMESTAMP else type(shown).__name__)


def _within(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield each
        yield from _within(each)


def count_aggregation(plan: AggregationPlan) -> None:
    """Count what an aggregation asked."""
    for aggregation in plan.aggregations:
        name = aggregation.function
        reach("aggregation", name if aggregation.up_to is None else f"{name} up to")


def has_long_value(where: Where | None) -> bool:
    """Whether a filter compares with a value that is too long for one, which the emulator's listeners let pass."""
    if where is None:
        return False
    if isinstance(where, Condition):
        return len(repr(where.value)) > 1500
    return any(map(has_long_value, where.conditions))
