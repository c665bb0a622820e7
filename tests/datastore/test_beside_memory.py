"""Random commits and queries, asked of Datastore and of memory: in what both have, they give and refuse the same."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from cendry.errors import CendryError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import Composite, Condition, Create, Delete, Order, QueryPlan, Set, Update, Where, Write
from cendry.reference import Ref
from cendry_datastore import DatastoreBackend
from cendry_memory import MemoryBackend
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

N, S, DEEP, TAGS, MAP = FieldPath("n"), FieldPath("s"), FieldPath("m", "x"), FieldPath("tags"), FieldPath("m")
NAMES = ["a", "b", "__id7__", "__id10__", "007"]

numbers = st.none() | st.integers(-2, 3)
words = st.sampled_from(["", "a", "aa", "b", "é"])
maps = st.fixed_dictionaries({}, optional={"x": numbers, "y": words})
documents = st.fixed_dictionaries(
    {}, optional={"n": numbers, "s": words, "m": maps, "tags": st.lists(st.sampled_from("xyz"), max_size=2)}
)
masks = st.lists(st.sampled_from([N, S, TAGS, DEEP, FieldPath("m", "y")]), unique=True, max_size=3).map(tuple)


def within(data: dict[str, Any], mask: tuple[FieldPath, ...]) -> dict[str, Any]:
    """What a mask names of some data."""
    found: dict[str, Any] = {}
    for path in mask:
        value: Any = data
        for segment in path:
            value = value.get(segment, value) if isinstance(value, dict) and segment in value else None
        if value is not None:
            target = found
            for segment in path.segments[:-1]:
                target = target.setdefault(segment, {})
            target[path.segments[-1]] = value
    return found


@st.composite
def writes(draw: st.DrawFn, collection: str) -> Write:
    path = f"{collection}/{draw(st.sampled_from(NAMES))}"
    data, mask = draw(documents), draw(masks)
    kind = draw(st.sampled_from(["set", "set", "merge", "create", "update", "delete", "delete existing"]))
    match kind:
        case "set":
            return Set(path, data)
        case "merge":
            return Set(path, within(data, mask), mask)
        case "create":
            return Create(path, data)
        case "update":
            return Update(path, within(data, mask), mask)
        case _:
            return Delete(path, must_exist=kind == "delete existing")


@st.composite
def conditions(draw: st.DrawFn, collection: str) -> Where:
    field = draw(st.sampled_from([N, S, DEEP, TAGS, DOCUMENT_ID]))
    if field == TAGS:
        return Condition(TAGS, "array-contains", draw(st.sampled_from("xyz")))
    if field == DOCUMENT_ID:
        at = Ref[Any].from_path(f"{collection}/{draw(st.sampled_from(NAMES))}")
        return Condition(DOCUMENT_ID, draw(st.sampled_from(["==", "<", ">", "<=", ">="])), at)
    if draw(st.integers(0, 4)) == 0:
        return Condition(field, draw(st.sampled_from(["is-null", "is-not-null"])))
    value = draw(words if field == S else st.integers(-2, 3))
    return Condition(field, draw(st.sampled_from(["==", "<", ">", "<=", ">="])), value)


@st.composite
def plans(draw: st.DrawFn, collection: str) -> QueryPlan:
    where: Where | None = draw(st.none() | conditions(collection))
    orders: tuple[Order, ...] = ()
    if where is None and draw(st.booleans()):
        orders = (Order(draw(st.sampled_from([N, S, DEEP]))),)
    elif isinstance(where, Condition) and where.op in ("<", ">", "<=", ">=") and draw(st.booleans()):
        orders = (Order(where.path),)
    elif isinstance(where, Condition) and where.op == "==" and where.path in (N, S):
        where = Composite("AND", (where, Condition(TAGS, "array-contains", draw(st.sampled_from("xyz")))))
    limit = draw(st.none() | st.integers(0, 3))
    return QueryPlan(collection, where=where, orders=orders, limit=limit, offset=draw(st.integers(0, 1)))


def outcome(backend: Any, commit: list[Write]) -> str:
    try:
        backend.commit(commit)
    except CendryError as error:
        return type(error).__name__
    return "written"


@pytest.mark.parametrize("size", [1, 4])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_the_same_is_written_found_and_refused(backend: DatastoreBackend, size: int, data: st.DataObject) -> None:
    # A kind for each run, so that it finds none of another's.
    collection = f"c{uuid.uuid4().hex[:8]}"
    memory = MemoryBackend()
    for _ in range(data.draw(st.integers(1, 5), label="commits")):
        commit = data.draw(st.lists(writes(collection), min_size=1, max_size=size), label="commit")
        expected, found = outcome(memory, commit), outcome(backend, commit)
        # Of two documents at fault, either may be told.
        assert expected == found or {expected, found} == {"DocumentAlreadyExistsError", "DocumentNotFoundError"}
    everything = QueryPlan(collection)
    stored = {result.path: result.data for result in memory.run(everything)}
    assert list(stored.items()) == [(result.path, result.data) for result in backend.run(everything)]
    for _ in range(4):
        plan = data.draw(plans(collection), label="plan")
        assert [result.path for result in memory.run(plan)] == [result.path for result in backend.run(plan)]
