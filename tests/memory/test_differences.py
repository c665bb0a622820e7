"""What the lockstep machine found, by name: each case gives the same on memory and on the emulator.

The second half holds those requests on which the emulator itself is at odds with Firestore's documentation; there
memory follows the documentation. They are told in docs/differences.md, and the machine keeps away from them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from cendry.backend import ListenResult
from cendry.errors import DocumentNotFoundError, ForeignReferenceError, InvalidRequestError, StaleDocumentError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import (
    Aggregation,
    AggregationPlan,
    Bound,
    Composite,
    Condition,
    Delete,
    FieldTransform,
    GetPlan,
    Order,
    QueryPlan,
    Set,
)
from cendry.reference import Ref
from cendry.values import ArrayRemove, ArrayUnion, Increment, Vector
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend
from google.api_core.exceptions import FailedPrecondition

A, T = FieldPath("a"), FieldPath("t")


@pytest.fixture(params=["memory", "firestore"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryBackend()
        return
    request.getfixturevalue("firestore_emulator")
    backend = FirestoreBackend(project=request.getfixturevalue("project"))
    yield backend
    backend.close()


@pytest.fixture
def firestore(firestore_emulator: str, project: str) -> Iterator[FirestoreBackend]:
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()


def _forged(path: str) -> Ref[Any]:
    """A reference that no context lets through."""
    ref: Ref[Any] = object.__new__(Ref)
    for name, value in (("model", None), ("path", path), ("database", None)):
        object.__setattr__(ref, name, value)
    return ref


def _ids(backend: Any, plan: QueryPlan) -> list[str]:
    return [result.path.rpartition("/")[2] for result in backend.run(plan)]


# --- found, and mended ---


@pytest.mark.parametrize("looking", ["scan", "index"])
def test_infinity_lies_above_every_number(backend: Any, looking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry_memory._query._FEW", 64 if looking == "scan" else -1)
    numbers = {"least": -math.inf, "one": 1, "most": 1.7976931348623157e308, "infinite": math.inf, "text": "a"}
    backend.commit([Set(f"c/{id}", {"a": number}) for id, number in numbers.items()])
    assert _ids(backend, QueryPlan("c", where=Condition(A, ">", 1))) == ["most", "infinite"]
    assert _ids(backend, QueryPlan("c", where=Condition(A, ">=", math.inf))) == ["infinite"]
    assert _ids(backend, QueryPlan("c", where=Condition(A, "<", math.inf))) == ["least", "one", "most"]


@pytest.mark.parametrize("looking", ["scan", "index"])
def test_bytes_of_255_lie_above_all_others(backend: Any, looking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cendry_memory._query._FEW", 64 if looking == "scan" else -1)
    stored = {"a": b"a", "high": b"\xff", "higher": b"\xff\xff", "ref": Ref.from_path("c/a")}
    backend.commit([Set(f"c/{id}", {"a": value}) for id, value in stored.items()])
    assert _ids(backend, QueryPlan("c", where=Condition(A, ">", b"a"))) == ["high", "higher"]
    assert _ids(backend, QueryPlan("c", where=Condition(A, "<=", b"\xff"))) == ["a", "high"]


@pytest.mark.parametrize(
    ("data", "is_legal"),
    [
        ({"k" * 1500: 1}, True),
        ({"v": {"k" * 1498: 1}}, True),
        ({"v": {"k" * 1499: 1}}, False),
        ({"v": {"w": {"k" * 1496: 1}}}, True),
        ({"v": {"w": {"k" * 1497: 1}}}, False),
        ({"v": [{"k" * 1498: 1}]}, True),
        ({"v": [{"k" * 1499: 1}]}, False),
        ({"v": {"é" * 749: 1}}, True),
        ({"v": {"é" * 750: 1}}, False),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_names_within_each_other_have_1500_bytes_together(backend: Any, data: dict[str, Any], is_legal: bool) -> None:
    if is_legal:
        backend.commit([Set("c/d", data)])
        assert [data] == [result.data for result in backend.get(GetPlan(("c/d",)))]
    else:
        with pytest.raises(InvalidRequestError):
            backend.commit([Set("c/d", data)])


@pytest.mark.parametrize("path", ["c/__x__", "c"])
@pytest.mark.parametrize(
    "plan",
    [
        lambda ref: QueryPlan("c", where=Condition(DOCUMENT_ID, "==", ref)),
        lambda ref: QueryPlan("c", where=Condition(DOCUMENT_ID, ">", ref)),
        lambda ref: QueryPlan("c", where=Condition(DOCUMENT_ID, "in", [ref])),
        lambda ref: QueryPlan("c", orders=(Order(DOCUMENT_ID),), start=Bound((ref,), True)),
    ],
    ids=["equal", "greater", "in", "cursor"],
)
def test_a_query_takes_no_reference_to_what_cant_be_a_document(backend: Any, path: str, plan: Any) -> None:
    with pytest.raises(InvalidRequestError):
        list(backend.run(plan(_forged(path))))


def test_a_limit_has_32_bits(backend: Any) -> None:
    backend.commit([Set("c/d", {})])
    assert _ids(backend, QueryPlan("c", limit=2**31 - 1)) == ["d"]
    for plan in (QueryPlan("c", limit=2**31), QueryPlan("c", offset=2**31)):
        with pytest.raises(InvalidRequestError, match="the most is 2147483647"):
            list(backend.run(plan))


def test_a_collection_id_has_no_slash_even_if_there_is_such_a_subcollection(backend: Any) -> None:
    backend.commit([Set("c/d/s/e", {})])
    assert _ids(backend, QueryPlan("s", parent="c/d")) == ["e"]
    with pytest.raises(InvalidRequestError):
        list(backend.run(QueryPlan("c/d/s")))


def test_the_past_reaches_back_an_hour(backend: Any) -> None:
    long_ago = datetime(2001, 1, 1, tzinfo=timezone.utc)
    for plan in (QueryPlan("c", read_time=long_ago), GetPlan(("c/d",), read_time=long_ago)):
        with pytest.raises(InvalidRequestError, match="too old"):
            list((backend.run if isinstance(plan, QueryPlan) else backend.get)(plan))


@pytest.mark.parametrize(
    "call",
    [
        lambda backend, ref: backend.commit([Set("c/d", {"a": ref})]),
        lambda backend, ref: backend.commit([Set("c/d", {"a": [{"x": ref}]})]),
        lambda backend, ref: list(backend.run(QueryPlan("c", where=Condition(A, "==", ref)))),
        lambda backend, ref: list(backend.run(QueryPlan("c", where=Condition(DOCUMENT_ID, "==", ref)))),
        lambda backend, ref: list(backend.run(QueryPlan("c", orders=(Order(A),), start=Bound((ref,), True)))),
        lambda backend, ref: list(backend.run(QueryPlan("c", orders=(Order(DOCUMENT_ID),), start=Bound((ref,), True)))),
    ],
    ids=["value", "nested", "filter", "filter on the id", "cursor", "cursor on the id"],
)
def test_a_reference_into_another_database_goes_nowhere(backend: Any, call: Any) -> None:
    with pytest.raises(ForeignReferenceError):
        call(backend, Ref.from_path("c/d", database="projects/other/databases/(default)"))


@pytest.mark.parametrize(
    "numbers",
    [
        [0.7] * 32 + [2.0**53 + 2] * 30 + [0.1] * 10,
        [1] * 30 + [2.0**53 + 2] * 22 + [2**53 - 1] * 20,
        [2.0**53 + 2, 1, 2**53 + 1] * 24,
        [1e16, 1.0, -1e16],
        [1e308, 1e308, -1e308],
        [math.inf, 1.0],
        [math.inf, -math.inf],
        [-0.0],
        [2**63 - 1, 1, -1.5],
    ],
    ids=["tenths", "integers", "in turns", "lost", "over the top", "infinite", "nowhere", "zero", "both"],
)
def test_sums_of_doubles_are_among_those_that_firestore_gives(numbers: list[Any], firestore: FirestoreBackend) -> None:
    plan = AggregationPlan(QueryPlan("c"), (Aggregation("sum", A), Aggregation("avg", A)))
    memory = MemoryBackend()
    for backend in (firestore, memory):
        backend.commit([Set(f"c/d{place:03}", {"a": number}) for place, number in enumerate(numbers)])
    # The emulator adds in another order each time.
    assert repr(memory.aggregate(plan)) in (repr(firestore.aggregate(plan)) for _ in range(50))


X, X2, EQ, EQ2 = (
    Condition(T, "array-contains", 1),
    Condition(T, "array-contains", 2),
    Condition(A, "==", 1),
    Condition(A, "==", 2),
)


def _and(*parts: Any) -> Composite:
    return Composite("AND", parts)


def _or(*parts: Any) -> Composite:
    return Composite("OR", parts)


@pytest.mark.parametrize(
    ("where", "is_legal"),
    [
        (_and(X, X), True),
        (_and(X, X2), False),
        (_and(X, _and(EQ, X)), False),
        (_and(X, _or(X, EQ)), False),
        (_and(X, _or(X, X)), False),
        (_and(X, _and(X)), True),
        (_and(_or(X, EQ), _or(EQ, X)), True),
        (_and(_or(X, EQ), _or(X, EQ2)), False),
        (_and(_and(X, EQ), _and(X, EQ2)), False),
        (_and(_and(X, X), _and(X, X, X)), True),
        (_or(_and(X, EQ), _and(X2, EQ2)), True),
        (_or(EQ2, _and(_or(EQ, X), X)), False),
        (_and(_or(_and(X, X), EQ), EQ2), True),
    ],
)
def test_one_condition_on_elements_stands_in_a_disjunction_before_it_is_simplified(
    backend: Any, where: Composite, is_legal: bool
) -> None:
    if is_legal:
        list(backend.run(QueryPlan("c", where=where)))
    else:
        with pytest.raises(InvalidRequestError):
            list(backend.run(QueryPlan("c", where=where)))


@pytest.mark.parametrize(
    "orders", [(), (Order(A),), (Order(DOCUMENT_ID, True),)], ids=["name", "field", "name, descending"]
)
def test_a_collection_group_below_a_document_is_read_by_id_only(backend: Any, orders: tuple[Order, ...]) -> None:
    backend.commit([Set("c/d/s/e", {"a": 1}), Set("c/d/s/f/s/g", {"a": 1}), Set("c/e/s/e", {"a": 1})])
    plan = QueryPlan("s", parent="c/d", group=True, orders=orders)
    if orders:
        with pytest.raises((InvalidRequestError, FailedPrecondition)):
            list(backend.run(plan))
    else:
        assert ["e", "g"] == _ids(backend, plan)


# --- the emulator's own faults: as it is there, and as it is here ---


@pytest.mark.parametrize("id", ["____", "a\0b"])
def test_the_emulator_takes_ids_that_the_documentation_forbids(firestore: FirestoreBackend, id: str) -> None:
    firestore.commit([Set(f"c/{id}", {"a": 1})])
    with pytest.raises(InvalidRequestError):
        MemoryBackend().commit([Set(f"c/{id}", {"a": 1})])


def test_the_emulator_looks_for_documents_whose_ids_are_too_long(firestore: FirestoreBackend) -> None:
    plan = GetPlan(("c/" + "x" * 1501,))
    assert [None] == [result.data for result in firestore.get(plan)]
    with pytest.raises(InvalidRequestError):
        MemoryBackend().get(plan)


@pytest.mark.parametrize(
    ("element", "stored"),
    [([1], [[1]]), (Vector([1.0]), [Vector([1.0])])],
    ids=["array", "vector"],
)
def test_the_emulator_unites_arrays_with_what_they_cant_hold(
    firestore: FirestoreBackend, element: Any, stored: Any
) -> None:
    union = [Set("c/d", {}, (), (FieldTransform(T, ArrayUnion([element])),))]
    firestore.commit(union)
    assert [{"t": stored}] == [result.data for result in firestore.get(GetPlan(("c/d",)))]
    for transform in (ArrayUnion([element]), ArrayRemove([element])):
        with pytest.raises(InvalidRequestError):
            MemoryBackend().commit([Set("c/d", {}, (), (FieldTransform(T, transform),))])


def test_the_emulator_transforms_a_field_that_no_document_can_have(firestore: FirestoreBackend) -> None:
    writes = [Set("c/d", {}, (), (FieldTransform(DOCUMENT_ID, Increment(1)),))]
    firestore.commit(writes)
    with pytest.raises(InvalidRequestError):
        MemoryBackend().commit(writes)


def test_the_emulator_forgives_limits_that_a_later_write_of_the_commit_undoes(firestore: FirestoreBackend) -> None:
    deep: Any = 1
    for _ in range(21):
        deep = {"k": deep}
    writes = [Set("c/d", {"a": deep}), Set("c/d", {"a": 1})]
    firestore.commit(writes)
    with pytest.raises(InvalidRequestError):
        MemoryBackend().commit(writes)


def test_the_emulator_takes_no_name_for_all_collections(firestore: FirestoreBackend) -> None:
    assert [] == list(firestore.run(QueryPlan("")))
    with pytest.raises(InvalidRequestError):
        list(MemoryBackend().run(QueryPlan("")))


def test_the_emulator_calls_a_stale_document_missing_if_it_was_deleted_at_that_moment(
    firestore: FirestoreBackend,
) -> None:
    for backend, error in ((firestore, DocumentNotFoundError), (MemoryBackend(), StaleDocumentError)):
        backend.commit([Set("c/gone", {"a": 1})])
        moment = backend.commit([Delete("c/gone")]).commit_time
        backend.commit([Set("c/there", {})])
        with pytest.raises(error):
            backend.commit([Set("c/gone", {"a": 2}, update_time=moment), Delete("c/there", must_exist=True)])


def test_a_map_that_a_transform_made_on_its_way_is_another_version_for_the_emulator_once(
    firestore: FirestoreBackend,
) -> None:
    seen: list[list[bool]] = []
    for backend in (firestore, MemoryBackend()):
        increment = FieldTransform(FieldPath("m", "x"), Increment(1))
        times = [backend.commit([Set("c/d", {}, None, (increment,))]).update_times[0]]
        times += [backend.commit([Set("c/d", {"m": {"x": 1}})]).update_times[0] for _ in range(2)]
        seen.append([one == other for one, other in pairwise(times)])
    assert [[False, True], [True, True]] == seen


def test_listeners_of_the_emulator_take_filter_values_that_its_queries_refuse(firestore: FirestoreBackend) -> None:
    plan = QueryPlan("c", where=Condition(A, "==", "x" * 1500))
    memory = MemoryBackend()
    for backend in (firestore, memory):
        with pytest.raises(InvalidRequestError):
            list(backend.run(plan))
    heard: dict[str, Any] = {}
    first = {name: threading.Event() for name in ("firestore", "memory")}

    def note_change(name: str, result: ListenResult) -> None:
        heard[name] = result.documents
        first[name].set()

    def note_error(name: str, error: BaseException) -> None:
        heard[name] = type(error)
        first[name].set()

    handles = [
        backend.listen(
            plan,
            partial(note_change, name),
            partial(note_error, name),
        )
        for name, backend in (("firestore", firestore), ("memory", memory))
    ]
    assert all(event.wait(60) for event in first.values())
    for handle in handles:
        handle.close()
    assert {"firestore": (), "memory": InvalidRequestError} == heard
