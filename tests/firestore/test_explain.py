"""Explanations, by a server that answers as Google documents it: no server that these tests could run explains."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    ExecutionStats,
    Explanation,
    Field,
    FieldPath,
    InvalidRequestError,
    Model,
    Neighbor,
    PlanSummary,
    UnsupportedByBackendError,
    count,
)
from cendry_firestore._requests import DISTANCE_FIELD
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import types
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]

INDEX = {"query_scope": "Collection", "properties": "(n ASC, __name__ ASC)"}
PLAN = PlanSummary((INDEX,))
DEBUG = {"documents_scanned": "20", "billing_details": {"min_query_cost": "0"}}
STATS = ExecutionStats(2, timedelta(milliseconds=6, microseconds=7), 3, DEBUG)


class Item(Model, collection="items"):
    n: Field[int]
    note: Field[str]


@pytest.fixture
def ctx(faulty: FaultyServer, make_db: Callable[..., Database]) -> Any:
    db = make_db()
    return db.context()


def struct(values: dict[str, Any]) -> Struct:
    found = Struct()
    found.update(values)
    return found


def metrics(analyze: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"plan_summary": {"indexes_used": [struct(INDEX)]}}
    if analyze:
        found["execution_stats"] = {
            "results_returned": 2,
            "execution_duration": timedelta(milliseconds=6, microseconds=7),
            "read_operations": 3,
            "debug_stats": struct(DEBUG),
        }
    return found


def documents(project: str, *names: str) -> list[bytes]:
    """The messages that answer a query with some documents."""
    prefix = f"projects/{project}/databases/(default)/documents/items"
    messages = [
        types.RunQueryResponse(
            document={
                "name": f"{prefix}/{name}",
                "fields": {"n": {"integer_value": place}, "note": {"string_value": name.upper()}},
                "create_time": datetime(2026, 1, 1, tzinfo=timezone.utc),
                "update_time": datetime(2026, 1, 1, tzinfo=timezone.utc),
            },
            read_time=datetime(2026, 1, 2, tzinfo=timezone.utc),
        )
        for place, name in enumerate(names)
    ]
    return [types.RunQueryResponse.serialize(message) for message in messages]


def explained(analyze: bool) -> bytes:
    """The message that explains a query."""
    message = types.RunQueryResponse(explain_metrics=metrics(analyze))
    return bytes(types.RunQueryResponse.serialize(message))


def sent(faulty: FaultyServer) -> Any:
    kinds: dict[str, Any] = {
        "RunQuery": types.RunQueryRequest,
        "RunAggregationQuery": types.RunAggregationQueryRequest,
    }
    [(method, request)] = [each for each in faulty.requests if each[0] in kinds]
    faulty.requests.clear()
    return kinds[method].deserialize(request)


def test_the_plan_of_a_query(ctx: Any, faulty: FaultyServer) -> None:
    faulty.answers["RunQuery"] = [explained(False)]
    query = ctx.select(Item, Item.n > 1, order_by=Item.n)
    assert Explanation(PLAN, None, []) == query.explain() == query.explain(analyze=False)
    faulty.requests.clear()
    for rows in (query.values(Item.n), query.project(Item.n)):
        assert Explanation(PLAN, None, []) == rows.explain()
        request = sent(faulty)
        assert ("explain_options" in request, request.explain_options.analyze) == (True, False)
        assert 1 == len(request.structured_query.select.fields)


def test_what_a_query_took(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.answers["RunQuery"] = [*documents(project, "a", "b"), explained(True)]
    query = ctx.select(Item, order_by=Item.n)
    whole = [Item(id="a", n=0, note="A"), Item(id="b", n=1, note="B")]
    assert Explanation(PLAN, STATS, whole) == query.explain(analyze=True)
    assert sent(faulty).explain_options.analyze is True
    assert [("A", 0), ("B", 1)] == query.values(Item.note, Item.n).explain(analyze=True).documents
    # The last ones, in the order of the query: they are sent in reverse.
    assert whole[::-1] == query.limit_to_last(2).explain(analyze=True).documents
    # Metrics and a document may share a message.
    last = types.RunQueryResponse.deserialize(documents(project, "a")[0])
    last.explain_metrics = metrics(True)
    faulty.answers["RunQuery"] = [bytes(types.RunQueryResponse.serialize(last))]
    explanation = query.explain(analyze=True)
    assert (STATS, ["a"]) == (explanation.stats, [one.id for one in explanation.documents])


def test_a_search_by_vector(ctx: Any, faulty: FaultyServer, project: str) -> None:
    messages = [types.RunQueryResponse.deserialize(each) for each in documents(project, "a", "b")]
    for distance, message in enumerate(messages):
        message.document.fields[DISTANCE_FIELD] = {"double_value": distance / 2}
    faulty.answers["RunQuery"] = [*map(types.RunQueryResponse.serialize, messages), explained(True)]
    rows = ctx.select(Item).find_nearest(FieldPath("v"), [1.0], limit=2)
    found = [Neighbor(Item(id="a", n=0, note="A"), 0.0), Neighbor(Item(id="b", n=1, note="B"), 0.5)]
    assert Explanation(PLAN, STATS, found) == rows.explain(analyze=True)
    assert 2 == sent(faulty).structured_query.find_nearest.limit


def test_a_document_that_does_not_fit_goes_to_the_handler(ctx: Any, faulty: FaultyServer, project: str) -> None:
    class Other(Model, collection="items"):
        n: Field[str]

    faulty.answers["RunQuery"] = [*documents(project, "a", "b"), explained(True)]
    seen: list[Any] = []
    assert [] == ctx.select(Other, on_error=seen.append).explain(analyze=True).documents
    assert 2 == len(seen)


@pytest.mark.parametrize("together", [False, True])
def test_aggregations(ctx: Any, faulty: FaultyServer, together: bool) -> None:
    def answer(analyze: bool) -> list[bytes]:
        figures = {"figure_0": {"integer_value": 2}, "figure_1": {"integer_value": 7}}
        explanation = types.RunAggregationQueryResponse(explain_metrics=metrics(analyze))
        result = types.RunAggregationQueryResponse(result={"aggregate_fields": figures})
        if together:
            result.explain_metrics = explanation.explain_metrics
        parts = [result, explanation][: 1 if together else 2] if analyze else [explanation]
        return [types.RunAggregationQueryResponse.serialize(part) for part in parts]

    query = ctx.select(Item, Item.n > 1)
    faulty.answers["RunAggregationQuery"] = answer(False)
    assert Explanation(PLAN, None, []) == query.explain(count())
    request = sent(faulty)
    assert ("explain_options" in request, request.explain_options.analyze) == (True, False)
    faulty.answers["RunAggregationQuery"] = answer(True)
    faulty.faults["RunAggregationQuery"] = [Fault(grpc.StatusCode.UNAVAILABLE, after=1)]
    assert Explanation(PLAN, STATS, [(2, 7)]) == query.explain(count(), Item.n.sum(), analyze=True)
    assert ["RunAggregationQuery"] * 2 == [method for method, _ in faulty.requests]


def test_moments_and_transactions(ctx: Any, faulty: FaultyServer) -> None:
    faulty.answers["RunQuery"] = [explained(False)]
    moment = datetime.now(timezone.utc)
    for query in (ctx.select(Item).at(moment), ctx.at(moment).select(Item)):
        assert PLAN == query.explain().plan
        assert moment == sent(faulty).read_time
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.FAILED_PRECONDITION, "snapshot version is too old.")]
    with pytest.raises(InvalidRequestError, match="too old"):
        ctx.select(Item).at(moment).explain()
    faulty.requests.clear()
    with ctx.transaction() as txn:
        assert txn.find(Item, "a") is None
        assert PLAN == txn.select(Item).explain().plan
        assert sent(faulty).transaction
    with ctx.transaction(read_only=True) as txn:
        assert txn.find(Item, "a") is None
        assert PLAN == txn.select(Item).explain().plan
        assert sent(faulty).read_time


def test_a_stream_that_breaks(ctx: Any, faulty: FaultyServer, project: str) -> None:
    faulty.answers["RunQuery"] = [*documents(project, "a", "b"), explained(True)]
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.UNAVAILABLE)]
    assert STATS == ctx.select(Item).explain(analyze=True).stats
    assert 2 == faulty.calls.count("RunQuery")
    # Begun again, it would explain another run.
    faulty.faults["RunQuery"] = [Fault(grpc.StatusCode.UNAVAILABLE, after=1)]
    with pytest.raises(exceptions.ServiceUnavailable):
        ctx.select(Item).explain(analyze=True)
    assert 3 == faulty.calls.count("RunQuery")


@pytest.mark.parametrize("analyze", [False, True])
def test_the_emulator_explains_nothing(ctx: Any, analyze: bool) -> None:
    ctx.save_many([Item(id=str(number), n=number, note="") for number in range(3)])
    query = ctx.select(Item)
    for explain in (
        query.explain,
        query.filter(Item.n > 9).explain,
        query.values(Item.n).explain,
        partial(query.explain, count()),
    ):
        with pytest.raises(UnsupportedByBackendError, match=r"Firestore does not support explain\(\)\. Its emulator"):
            explain(analyze=analyze)
