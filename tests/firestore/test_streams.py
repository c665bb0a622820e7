"""Streams that break midway go on where they were, and only then."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.backend import CallOptions
from cendry.errors import InvalidRequestError, MissingIndexError, TransactionContentionError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import AggregationPlan, Bound, Composite, Condition, GetPlan, Nearest, Order, QueryPlan, Set
from cendry.reference import Ref
from cendry.values import Vector
from cendry_firestore import FirestoreBackend
from cendry_memory.testing import Database
from cendry_memory.testing.documents import NAMES_BY_SEGMENT
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from google.cloud.firestore_v1 import types

UNAVAILABLE, INTERNAL, DEADLINE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
COUNT = 12
F = FieldPath


@pytest.fixture
def filled(faulty: FaultyServer, make_db: Callable[..., Database]) -> Database:
    """Twelve documents; `n` has four values, three times each."""
    db = make_db()
    db.commit(
        *(Set(f"c/d{i:02}", {"n": i % 4, "m": {"x": i}, "s": str(i), "v": Vector([i % 5, 1])}) for i in range(COUNT)),
        Set("p/q/c/deep", {"n": 9, "m": {"x": 9}, "s": "9"}),
    )
    faulty.calls.clear()
    return db


PLANS = {
    "plain": QueryPlan("c"),
    "by a field": QueryPlan("c", orders=(Order(F("n")),)),
    "by a field, descending": QueryPlan("c", orders=(Order(F("n"), True),)),
    "by two fields": QueryPlan("c", orders=(Order(F("n"), True), Order(F("m", "x")))),
    "by the id": QueryPlan("c", orders=(Order(DOCUMENT_ID),)),
    "an inequality": QueryPlan("c", where=Condition(F("n"), ">", 0)),
    "a range that matches nothing": QueryPlan(
        "c", where=Composite("OR", (Condition(F("absent"), "<", math.nan), Condition(F("m", "x"), ">", 1)))
    ),
    "a negation": QueryPlan("c", where=Condition(F("n"), "!=", 1)),
    "a limit": QueryPlan("c", limit=7),
    "an offset": QueryPlan("c", offset=3),
    "an offset and a limit": QueryPlan("c", offset=3, limit=5),
    "bounds": QueryPlan("c", orders=(Order(F("n")),), start=Bound((1,), before=True), end=Bound((3,), before=True)),
    "a bound by id": QueryPlan("c", orders=(Order(DOCUMENT_ID),), start=Bound((Ref.from_path("c/d02"),), before=False)),
    "a group": QueryPlan("c", group=True),
    "a projection": QueryPlan("c", orders=(Order(F("n")),), projection=(F("s"),), offset=1, limit=9),
    "a projection with the order": QueryPlan("c", orders=(Order(F("m", "x")),), projection=(F("m", "x"),)),
    "search by vector": QueryPlan("c", nearest=Nearest(F("v"), Vector([1, 2]), 11, "euclidean")),
    "search by vector among some": QueryPlan(
        "c", where=Condition(F("n"), ">", 0), nearest=Nearest(F("v"), Vector([2, 2]), 20, "dot_product")
    ),
    "names only": QueryPlan("c", orders=(Order(F("n")),), projection=()),
}


@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_query_goes_on_after_its_last_document(
    filled: Database, faulty: FaultyServer, fault: type[Fault], plan: QueryPlan, after: int
) -> None:
    whole = filled.run(plan)
    faulty.calls.clear()
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=after), fault(INTERNAL, after=2), fault(DEADLINE, after=1)]
    pieces = filled.run(plan)
    assert [(result.path, result.data) for result in whole] == [(result.path, result.data) for result in pieces]
    assert len(faulty.calls) >= 2


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("first", "second"), NAMES_BY_SEGMENT)
def test_inequalities_on_names_that_need_quoting_go_on_in_their_order(
    faulty: FaultyServer,
    make_db: Callable[..., Database],
    fault: type[Fault],
    first: str,
    second: str,
    descending: bool,
    after: int,
) -> None:
    db = make_db()
    db.commit(*(Set(f"c/d{n}", {first: n, second: -n, "same": 0}) for n in range(6)))
    where = Composite("AND", tuple(Condition(F(name), "<", 9) for name in (second, first)))
    plan = QueryPlan("c", where=where, orders=(Order(F("same"), True),) if descending else ())
    expected = [f"d{n}" for n in range(6)]
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=after), fault(INTERNAL, after=1)]
    assert (expected[::-1] if descending else expected) == db.names(plan)
    assert ["RunQuery"] * 3 == faulty.calls[1:]


def run_queries(faulty: FaultyServer) -> list[Any]:
    requests = [request for method, request in faulty.requests if method == "RunQuery"]
    return [types.RunQueryRequest.pb(types.RunQueryRequest.deserialize(request)) for request in requests]


def test_a_stream_goes_on_at_the_time_that_it_began_at(
    filled: Database, faulty: FaultyServer, fault: type[Fault]
) -> None:
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=3)]
    filled.run(QueryPlan("c"))
    assert [False, True] == [request.HasField("read_time") for request in run_queries(faulty)]


async def test_documents_that_moved_meanwhile_come_once(
    firestore_emulator: str, faulty: FaultyServer, project: str, fault: type[Fault]
) -> None:
    backend = FirestoreBackend(project=project)
    backend.commit([Set(f"c/d{i}", {"n": i}) for i in range(6)])
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=3)]
    stream = backend.run(QueryPlan("c", orders=(Order(F("n")),)))
    paths = [next(stream).path for _ in range(3)]
    backend.commit([Set("c/d0", {"n": 100})])
    paths += [result.path for result in stream]
    backend.close()
    assert [f"c/d{i}" for i in range(6)] == paths


def test_a_query_that_is_complete_asks_for_no_more(filled: Database, faulty: FaultyServer, fault: type[Fault]) -> None:
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=2)]
    assert 2 == len(filled.run(QueryPlan("c", limit=2)))
    assert ["RunQuery"] == faulty.calls


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_getting_goes_on_with_what_is_missing(
    filled: Database, faulty: FaultyServer, fault: type[Fault], after: int
) -> None:
    faulty.faults["BatchGetDocuments"] = [fault(UNAVAILABLE, after=after)]
    results = filled.get_plan(GetPlan(("c/d00", "c/none", "c/d01"), projection=(F("s"),)))
    assert {"c/d00": {"s": "0"}, "c/d01": {"s": "1"}, "c/none": None} == {
        result.path: result.data for result in results
    }
    assert 3 == len(results)


def test_responses_without_a_result_are_passed_over(filled: Database, faulty: FaultyServer) -> None:
    answer = types.BatchGetDocumentsResponse(transaction=b"x")
    faulty.answers["BatchGetDocuments"] = [types.BatchGetDocumentsResponse.serialize(answer)]
    assert [] == filled.get_plan(GetPlan(("c/d00",)))


def test_a_transaction_does_not_go_on(filled: Database, faulty: FaultyServer, fault: type[Fault]) -> None:
    transaction = filled.begin()
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=2)]
    with pytest.raises(exceptions.ServiceUnavailable):
        filled.run(QueryPlan("c"), transaction=transaction)
    filled.rollback(transaction)


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (
            grpc.StatusCode.FAILED_PRECONDITION,
            "The query requires an index. You can create it here: url",
            MissingIndexError,
        ),
        (
            grpc.StatusCode.FAILED_PRECONDITION,
            "Missing vector index configuration. Please create it",
            MissingIndexError,
        ),
        (grpc.StatusCode.FAILED_PRECONDITION, "The snapshot is too old", exceptions.FailedPrecondition),
        (grpc.StatusCode.PERMISSION_DENIED, "no", exceptions.PermissionDenied),
        (grpc.StatusCode.ABORTED, "contention", TransactionContentionError),
        (grpc.StatusCode.INVALID_ARGUMENT, "odd", InvalidRequestError),
        (grpc.StatusCode.NOT_FOUND, "The database does not exist", exceptions.NotFound),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_what_waiting_does_not_mend_is_raised(
    filled: Database, faulty: FaultyServer, fault: type[Fault], code: Any, text: str, error: type[Exception], after: int
) -> None:
    faulty.faults["RunQuery"] = [fault(code, text, after)]
    with pytest.raises(error) as caught:
        filled.run(QueryPlan("c"))
    assert text in str(caught.value.__cause__ if error.__module__.startswith("cendry") else caught.value)
    assert ["RunQuery"] == faulty.calls


def test_a_missing_index_names_the_collection_and_the_link(
    filled: Database, faulty: FaultyServer, fault: type[Fault]
) -> None:
    code, text = grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index. You can create it here: https://x"
    faulty.faults["RunAggregationQuery"] = [fault(code, text)]
    with pytest.raises(MissingIndexError, match="https://x") as caught:
        filled.aggregate(AggregationPlan(QueryPlan("c")))
    assert ("c", None) == (caught.value.collection, caught.value.index)
    text = "The query requires a COLLECTION_GROUP_ASC index for collection c and field f. You can create it here: https://x"
    faulty.faults["RunQuery"] = [fault(code, text)]
    with pytest.raises(MissingIndexError, match="https://x") as caught:
        filled.run(QueryPlan("c"))
    assert isinstance(caught.value.index, dict)
    assert ("c", "f") == (caught.value.index["collectionGroup"], caught.value.index["fieldPath"])
    assert {"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"} == caught.value.index["indexes"][-1]


def test_attempts_that_give_nothing_come_to_an_end(filled: Database, faulty: FaultyServer, fault: type[Fault]) -> None:
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=1)] + [fault(UNAVAILABLE, after=0)] * 40
    with pytest.raises((exceptions.ServiceUnavailable, exceptions.RetryError)):
        filled.run(QueryPlan("c"), options=_impatient(filled))
    assert len(faulty.calls) < 40


def _impatient(db: Database) -> Any:
    kind = AsyncRetry if db.is_async else Retry
    return CallOptions(retry=kind(initial=0.01, maximum=0.02, timeout=0.2))


def test_an_iterator_that_is_left_frees_its_call(filled: Database, faulty: FaultyServer) -> None:
    stream = filled.stream(QueryPlan("c"))
    next(stream)
    stream.close()
    del stream
    gc.collect()
    assert COUNT == len(filled.names(QueryPlan("c")))


def test_a_stream_of_an_hour_goes_on_at_the_present(
    faulty: FaultyServer, project: str, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = FirestoreBackend(project=project)
    backend.commit([Set(f"c/d{i}", {"n": i}) for i in range(6)])
    stream = backend.run(QueryPlan("c"))
    faulty.faults["RunQuery"] = [fault(UNAVAILABLE, after=3)]
    paths = [next(stream).path for _ in range(3)]
    later = time.monotonic() + 3600
    monkeypatch.setattr("cendry_firestore._stream.time.monotonic", lambda: later)
    paths += [result.path for result in stream]
    monkeypatch.undo()
    assert [f"c/d{i}" for i in range(6)] == paths
    assert not run_queries(faulty)[-1].HasField("read_time")
    backend.close()
