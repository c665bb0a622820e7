"""Strategies for searches by vector, and what may differ in their answers: the last digits of distances."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, get_args

from cendry.paths import FieldPath
from cendry.plan import Composite, Condition, Distance, Nearest, Order, QueryPlan
from cendry.values import Vector
from hypothesis import strategies as st
from lockstep.reached import expect, reach

MARGIN = 1e-12
"""Distances that are nearer to each other are taken for equal: both sides add up in orders of their own."""

HOMES = ("e", "e/d0/e")
_N, _TAGS = FieldPath("n"), FieldPath("tags")

_SIMPLE = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, -0.0])
_FINE = st.floats(-8, 8, width=32)
_EXTREME = st.sampled_from([0.0, 1.0, -1.0, 1e200, -1e200, 1e160, 1e-170, -1e-170, 5e-324, math.inf, -math.inf])

_FILTERS: dict[str, Any] = {
    "none": None,
    "equality": Condition(_N, "==", 1),
    "range": Condition(_N, ">", 0),
    "in": Condition(_N, "in", [0, 2]),
    "array-contains": Condition(_TAGS, "array-contains", "a"),
    "AND": Composite("AND", (Condition(_N, ">", 0), Condition(_TAGS, "array-contains", "a"))),
    "OR": Composite("OR", (Condition(_N, "==", 0), Condition(_TAGS, "array-contains", "a"))),
    "nothing": Condition(_N, "==", 9),
}
_ORDERS: dict[str, tuple[Order, ...]] = {
    "none": (),
    "ascending": (Order(_N),),
    "descending": (Order(_N, True),),
}

expect("search", set(get_args(Distance)))
expect("prefilter of a search", _FILTERS)
expect("order of a search", _ORDERS)
expect("search among", {"a collection", "a subcollection", "a group"})
expect(
    "what a search met",
    {
        "equal distances",
        "distances within the margin",
        "NaN",
        "infinity",
        "another dimension",
        "no vector",
        "more than the limit",
        "a threshold that leaves out some",
        "a threshold in the margin",
        "nothing",
    },
)
expect("search read", {"now", "in a transaction", "in a read-only transaction", "at a moment"})


class Search(NamedTuple):
    """Documents, and a search among them.

    Attributes:
        documents: The stored fields by path.
        plan: The query.
        where: What it is called, as are the next two.
        order: The order.
        read: How it is read.
    """

    documents: dict[str, dict[str, Any]]
    plan: QueryPlan
    where: str
    order: str
    read: str


@st.composite
def searches(draw: Any) -> Search:
    """A search by vector, mostly among vectors that it finds."""
    dimension: int = draw(st.sampled_from([1, 2, 2, 2, 3, 5, 64]))
    # Where rounding decides between overflow and none, many components would tell the two sides apart.
    component = draw(st.sampled_from([_SIMPLE, _SIMPLE, _FINE, _EXTREME] if dimension < 3 else [_SIMPLE, _FINE]))
    vectors = st.lists(component, min_size=dimension, max_size=dimension).map(Vector)
    field: FieldPath = draw(st.sampled_from([FieldPath("v"), FieldPath("em bedding"), FieldPath("é")]))
    others: Any = st.sampled_from([Vector([1.0] * (dimension + 1)), [1.0] * dimension, None, "absent"])
    count: int = draw(st.integers(3, 7))
    documents: dict[str, dict[str, Any]] = {}
    for place in range(count):
        home = draw(st.sampled_from([HOMES[0], HOMES[0], *HOMES]))
        data: dict[str, Any] = {"n": draw(st.integers(0, 2)), "tags": draw(st.sampled_from([["a"], ["a"], []]))}
        value = draw(vectors if draw(st.integers(0, 5)) else others)
        if value != "absent":
            data[field.segments[0]] = value
        documents[f"{home}/d{place}"] = data
    stored = [value for data in documents.values() for value in data.values() if isinstance(value, Vector)]
    own = [each for each in stored if len(each) == dimension and all(map(math.isfinite, each))]
    target = draw(st.sampled_from(own)) if own and draw(st.booleans()) else draw(vectors)
    distance: Distance = draw(st.sampled_from(get_args(Distance)))
    threshold = draw(st.one_of(st.none(), st.none(), st.sampled_from([0.0, 1.0, 0.25, 2.0, -1.0]), st.floats(0, 4)))
    nearest = Nearest(field, target, draw(st.sampled_from([1, 2, 3, 1000, 1000])), distance, threshold)
    where = draw(st.sampled_from([*_FILTERS, *["none"] * 4]))
    order = draw(st.sampled_from(list(_ORDERS)))
    among = draw(st.sampled_from(["a collection", "a collection", "a subcollection", "a group"]))
    plan = QueryPlan(
        "e",
        parent="e/d0" if among == "a subcollection" else None,
        group=among == "a group",
        where=_FILTERS[where],
        orders=_ORDERS[order],
        nearest=nearest,
    )
    reads = ["now", "now", "in a transaction", "in a read-only transaction", "at a moment"]
    return Search(documents, plan, where, order, draw(st.sampled_from(reads)))


def without_threshold(plan: QueryPlan) -> QueryPlan:
    """The same search, of all distances."""
    assert plan.nearest is not None
    return replace(plan, nearest=replace(plan.nearest, threshold=None, limit=1000))


def is_decidable(nearest: Nearest, distances: list[float]) -> bool:
    """Whether the threshold is not within the margin of a distance."""
    threshold = nearest.threshold
    return threshold is None or not any(is_near(each, threshold, largest(nearest, distances)) for each in distances)


def largest(nearest: Nearest, distances: list[float]) -> float:
    """About how large the numbers are that the distances are sums of."""
    if nearest.distance == "cosine":
        return 1.0
    found = [abs(each) for each in distances if math.isfinite(each)]
    # Products of both signs may cancel out, and the larger ones leave the rounding.
    products = [abs(each) for each in nearest.vector if math.isfinite(each)]
    return max([1.0, *found, *(64 * each for each in products)])


def is_near(one: float, other: float, size: float) -> bool:
    """Whether two distances may be one."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= MARGIN * size


def runs(distances: list[float], size: float) -> Iterator[slice]:
    """Where distances stand that may be one."""
    start = 0
    for place, (one, other) in enumerate(pairwise(distances), 1):
        if not is_near(one, other, size):
            yield slice(start, place)
            start = place
    if distances:
        yield slice(start, len(distances))


def count_search(search: Search, every: list[Any], found: list[Any]) -> None:
    """Count what a search met.

    Args:
        search: The search.
        every: What it finds without limit and threshold.
        found: What it finds.
    """
    plan = search.plan
    nearest = plan.nearest
    assert nearest is not None
    reach("search", nearest.distance)
    reach("prefilter of a search", search.where)
    reach("order of a search", search.order)
    reach("search among", "a group" if plan.group else "a subcollection" if plan.parent else "a collection")
    distances = [each.distance for each in every]
    name = nearest.path.segments[0]
    values = [data.get(name) for data in search.documents.values()]
    met = {
        "equal distances": any(one == other for one, other in pairwise(distances)),
        "distances within the margin": any(
            one != other and is_near(one, other, largest(nearest, distances)) for one, other in pairwise(distances)
        ),
        "NaN": any(map(math.isnan, distances)),
        "infinity": any(map(math.isinf, distances)),
        "another dimension": any(isinstance(each, Vector) and len(each) != len(nearest.vector) for each in values),
        "no vector": any(not isinstance(each, Vector) for each in values),
        "more than the limit": len(every) > nearest.limit,
        "a threshold that leaves out some": nearest.threshold is not None and 0 < len(found) < len(every),
        "nothing": not found,
    }
    for what, is_so in met.items():
        if is_so:
            reach("what a search met", what)
