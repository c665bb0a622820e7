"""One document is read by a call that doesn't stream, for as long as the server answers it with one message."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncFirestoreBackend
from cendry.backend import CallOptions, StoredDocument
from cendry.paths import FieldPath
from cendry.plan import GetPlan, Set
from cendry_firestore import _sdk, _transport
from cendry_firestore._requests import get_request
from cendry_firestore._single import single_request
from cendry_memory.testing import Database
from cendry_memory.testing.driver import together
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore import AsyncClient
from google.cloud.firestore_v1 import types

METHOD = "BatchGetDocuments"

needs_direct_calls = pytest.mark.skipif(
    os.environ.get(_transport.GENERATED_VARIABLE) == "1", reason="the generated client knows streams only"
)


def transport_of(db: Database) -> Any:
    return db.in_loop(lambda: db.backend._connection.transport)


class Spy:
    """Counts the calls that don't stream."""

    def __init__(self, db: Database) -> None:
        self.calls = 0
        self._start = transport_of(db).get_single
        transport_of(db).get_single = self

    def __call__(self, request: Any, seconds: float) -> Any:
        self.calls += 1
        return self._start(request, seconds)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a call that doesn't stream loses patience soon."""
    monkeypatch.setattr(_transport, "SINGLE_READ_SECONDS", 0.4)


@pytest.fixture
def filled(faulty: FaultyServer, make_db: Callable[..., Database], monkeypatch: pytest.MonkeyPatch) -> Database:
    """Either twin; reads of one document are asked for the only one, as contexts do it, if they can be."""
    db = make_db()
    monkeypatch.setattr(db.backend, "get", only_of(db.backend.get))
    db.commit(Set("c/a", {"x": 1}), Set("c/b", {"x": 2}))
    faulty.calls.clear()
    return db


def only_of(get: Callable[..., Any]) -> Callable[..., Any]:
    def taken(plan: GetPlan, **options: Any) -> Any:
        found = get(plan, **options)
        return _one(found.only) if hasattr(found, "only") else found

    return taken


async def _one(only: Callable[[], Awaitable[StoredDocument]]) -> AsyncIterator[StoredDocument]:
    yield await only()


@needs_direct_calls
def test_one_document_comes_without_a_stream(filled: Database) -> None:
    spy = Spy(filled)
    assert {"x": 1} == filled.data("c/a")
    assert filled.data("c/none") is None
    assert 2 == spy.calls


@pytest.mark.parametrize("size", [1, 60, 64, 100, 127, 128, 1_400])
@pytest.mark.parametrize("projection", [None, (FieldPath("x"),)])
def test_its_request_is_the_one_of_a_stream(size: int, projection: tuple[FieldPath, ...] | None) -> None:
    for database in ("projects/p/databases/(default)", "projects/p/databases/" + "d" * 20_000):
        plan = GetPlan(("c/" + "é" * (size // 2) + "x",), projection)
        message = get_request(plan, plan.paths, database, None)
        assert message == _sdk.BatchGetDocumentsRequest.FromString(single_request(plan, database))


@needs_direct_calls
def test_an_answer_without_a_moment(filled: Database, faulty: FaultyServer) -> None:
    name = f"{filled.in_loop(lambda: filled.backend._connection.database)}/documents/c/none"
    faulty.answers[METHOD] = [types.BatchGetDocumentsResponse.serialize(types.BatchGetDocumentsResponse(missing=name))]
    [result] = filled.get_plan(GetPlan(("c/none",)))
    assert ("c/none", False, None) == (result.path, result.exists, result.read_time)


@needs_direct_calls
def test_several_documents_and_those_of_a_transaction_come_in_a_stream(filled: Database) -> None:
    spy = Spy(filled)
    assert 2 == len(filled.get("c/a", "c/b"))
    transaction = filled.begin()
    [result] = filled.get_plan(GetPlan(("c/a",)), transaction=transaction)
    assert {"x": 1} == result.data
    filled.rollback(transaction)
    assert 0 == spy.calls


@pytest.mark.parametrize("messages", [0, 1])
def test_an_answer_without_a_result(filled: Database, faulty: FaultyServer, messages: int) -> None:
    empty = types.BatchGetDocumentsResponse.serialize(types.BatchGetDocumentsResponse())
    faulty.answers[METHOD] = [empty] * messages
    if isinstance(filled.backend, AsyncFirestoreBackend):
        with pytest.raises(exceptions.InternalServerError, match="could not be parsed"):
            filled.get_plan(GetPlan(("c/a",)))
    else:
        assert [] == filled.get_plan(GetPlan(("c/a",)))
    assert [METHOD] == faulty.calls


def test_a_read_of_one_can_be_iterated_over(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    db.commit(Set("c/a", {"x": 1}))
    faulty.calls.clear()
    faulty.faults[METHOD] = [fault(grpc.StatusCode.UNAVAILABLE)]
    assert {"x": 1} == db.data("c/a")
    assert [METHOD] * 2 == faulty.calls
    empty = types.BatchGetDocumentsResponse.serialize(types.BatchGetDocumentsResponse())
    faulty.answers[METHOD] = [empty]
    assert [] == db.get_plan(GetPlan(("c/a",)))


@needs_direct_calls
@pytest.mark.slow
def test_a_server_that_sends_more_than_one_message_is_asked_by_streams_from_then_on(
    short: None, filled: Database, faulty: FaultyServer, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{filled.in_loop(lambda: filled.backend._connection.database)}/documents/c/a"
    values = {"x": types.Value(integer_value=7)}
    faulty.answers[METHOD] = [
        types.BatchGetDocumentsResponse.serialize(types.BatchGetDocumentsResponse(**answer))
        for answer in ({"transaction": b"x"}, {"found": types.Document(name=name, fields=values)})
    ]
    spy = Spy(filled)
    read: list[Any] = []
    together(*[lambda: read.append(filled.data("c/a"))] * 3)
    assert [{"x": 7}] * 3 == read
    assert {"x": 7} == filled.data("c/a")
    assert 3 == spy.calls
    assert [METHOD] * 7 == faulty.calls
    [warning] = warnings(caplog)
    assert f"Reading {name} took over" in warning


@needs_direct_calls
@pytest.mark.slow
def test_a_server_that_is_silent_is_tried_once_more(
    short: None, filled: Database, faulty: FaultyServer, fault: type[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    faulty.faults[METHOD] = [fault(grpc.StatusCode.UNAVAILABLE, pause=30)]
    assert {"x": 1} == filled.data("c/a")
    assert [METHOD] * 2 == faulty.calls
    assert transport_of(filled).get_single is None
    assert 1 == len(warnings(caplog))


@needs_direct_calls
def test_a_bound_below_that_is_kept_and_says_nothing_of_the_server(
    filled: Database, faulty: FaultyServer, fault: type[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    faulty.faults[METHOD] = [fault(grpc.StatusCode.UNAVAILABLE, pause=30)]
    with pytest.raises(exceptions.DeadlineExceeded):
        filled.get("c/a", options=CallOptions(timeout=0.3))
    assert transport_of(filled).get_single is not None
    assert [] == warnings(caplog)


@needs_direct_calls
@pytest.mark.slow
def test_what_is_left_of_a_bound_is_what_the_stream_may_take(
    short: None, filled: Database, faulty: FaultyServer, fault: type[Fault]
) -> None:
    faulty.faults[METHOD] = [fault(grpc.StatusCode.UNAVAILABLE, pause=30) for _ in range(2)]
    started = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceeded):
        filled.get("c/a", options=CallOptions(timeout=2.5))
    assert 2.4 <= time.monotonic() - started < 20
    assert [METHOD] * 2 == faulty.calls


@needs_direct_calls
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_failures_that_pass_are_retried_without_a_stream(
    filled: Database, faulty: FaultyServer, fault: type[Fault], code: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    spy = Spy(filled)
    faulty.faults[METHOD] = [fault(code), fault(code)]
    assert {"x": 1} == filled.data("c/a")
    assert 3 == spy.calls
    assert [] == warnings(caplog)


@needs_direct_calls
def test_a_deadline_of_the_servers_own_says_nothing_of_the_call(
    filled: Database, faulty: FaultyServer, fault: type[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    for options in (CallOptions(), CallOptions(timeout=60), CallOptions(timeout=1_000_000_000)):
        faulty.faults[METHOD] = [fault(grpc.StatusCode.DEADLINE_EXCEEDED)]
        try:
            filled.data("c/a", options=options)
        except exceptions.DeadlineExceeded:
            assert options.timeout is not None
        assert transport_of(filled).get_single is not None
    assert [] == warnings(caplog)


class Interceptor:
    """One of a user's own, which lets everything pass."""

    def __init__(self) -> None:
        self.calls = 0

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.calls += 1
        return await continuation(details, request)


@needs_direct_calls
async def test_the_log_of_the_sdk_is_out_of_the_way_and_interceptors_of_users_stay(
    firestore_emulator: str, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AsyncClient(project=project)
    transport = client._firestore_api.transport
    logged = Interceptor()
    # The oldest SDK has no log.
    has_log = hasattr(transport, "_interceptor")
    if has_log:
        monkeypatch.setattr(transport._interceptor, "intercept_unary_unary", logged.intercept_unary_unary)
    own = Interceptor()
    transport.grpc_channel._unary_unary_interceptors.append(own)

    backend = AsyncFirestoreBackend(client=client)
    await backend.commit([Set("c/a", {"x": 1})])
    [data] = [result.data async for result in backend.get(GetPlan(("c/a",)))]
    assert {"x": 1} == data
    assert (2, 0) == (own.calls, logged.calls)
    # The client's own calls are what they were.
    await client.document("c/b").set({})
    assert (3, 1 if has_log else 0) == (own.calls, logged.calls)
    await transport.close()
