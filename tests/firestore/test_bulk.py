"""Bulk writes on Firestore: what is sent, counted by a server before the emulator, and what lost answers lead to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import (
    BulkError,
    BulkResult,
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    Increment,
    InvalidRequestError,
    Model,
    OutcomeUnknownError,
    StaleDocumentError,
    TransactionContentionError,
    field,
)
from cendry._interop import emulator
from cendry.backend import MAX_BULK_WRITES, CallOptions
from cendry.paths import FieldPath
from cendry.plan import Create, FieldTransform, Set, Update, Write
from cendry_firestore import _sdk
from cendry_firestore._bulk import MAX_BYTES, bulk_requests
from cendry_firestore._transport import GENERATED_VARIABLE
from cendry_memory.testing import Database
from core.conftest import NoPauses
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions

STATUS = grpc.StatusCode
X = FieldPath("x")

# What becomes of a write whose call, or whose own status, ends so: whether it is sent again, and whether it may have
# been done.
MEANINGS = {
    STATUS.ABORTED: (True, False),
    STATUS.RESOURCE_EXHAUSTED: (True, False),
    STATUS.UNAVAILABLE: (True, True),
    STATUS.DEADLINE_EXCEEDED: (False, True),
    STATUS.INTERNAL: (False, True),
    STATUS.UNKNOWN: (False, True),
    STATUS.CANCELLED: (False, True),
    STATUS.PERMISSION_DENIED: (False, False),
    STATUS.FAILED_PRECONDITION: (False, False),
}


class Doc(Model, collection="c"):
    x: Field[int] = field(default=0)


class Part(Model, collection="parts", parent=Doc):
    x: Field[int] = field(default=0)


def increment(name: str) -> Update:
    return Update(f"c/{name}", {}, (), (FieldTransform(X, Increment(1)),))


def context(db: Database, **options: Any) -> Any:
    return db.context(random=NoPauses(), **options)


def docs(count: int) -> list[Doc]:
    return [Doc(id=f"d{number:03}", x=number) for number in range(count)]


def calls(faulty: FaultyServer) -> dict[str, int]:
    """What was called since the last time."""
    counts = Counter(faulty.calls)
    faulty.calls.clear()
    return dict(counts)


# --- what is sent ---


def test_requests_are_counted(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    ctx = context(make_db())
    with ctx.bulk():
        pass
    assert [] == ctx.save_many([], atomic=False)
    assert {} == calls(faulty)
    ctx.save_many(docs(MAX_BULK_WRITES * 2 + 1), atomic=False)
    assert {"BatchWrite": 3} == calls(faulty)
    assert BulkResult(300) == ctx.select(Doc, Doc.x < 300).update({Doc.x: Increment(1000)})
    assert {"RunQuery": 1, "BatchWrite": 2} == calls(faulty)
    assert BulkResult(0) == ctx.select(Doc, Doc.x == -1).update({Doc.x: 1})
    assert {"RunQuery": 1} == calls(faulty)
    assert BulkResult(300) == ctx.select(Doc, Doc.x >= 1000).delete()
    assert {"RunQuery": 1, "BatchWrite": 2} == calls(faulty)
    assert BulkResult(0) == ctx.select(Doc, Doc.x.is_in([])).delete()
    assert {} == calls(faulty)
    ctx.save_many([Part(id=str(number)) for number in range(3)], parent=docs(300)[299], atomic=False)
    calls(faulty)
    assert BulkResult(4) == ctx.delete_recursive(Doc, "d299")
    # The document itself comes when all that is below it is gone.
    assert {"RunQuery": 1, "BatchWrite": 2} == calls(faulty)


def test_only_names_are_read(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    ctx = context(make_db())
    ctx.save_many(docs(3))
    faulty.requests.clear()
    ctx.select(Doc, Doc.x > 0, limit=1).delete()
    ctx.delete_recursive(Doc, "d000")
    queries = [_sdk.RunQueryRequest.FromString(request) for name, request in faulty.requests if name == "RunQuery"]
    assert [["__name__"]] * 2 == [[one.field_path for one in query.structured_query.select.fields] for query in queries]
    [scope] = queries[1].structured_query.from_
    assert ("", True) == (scope.collection_id, scope.all_descendants)
    assert queries[1].parent.endswith("/documents/c/d000")


def test_a_malformed_write_is_found_by_halves(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    writes: list[Write] = [Set(f"c/{number}", {"x": number}) for number in range(8)]
    writes[5] = Set("c/5", {"__x__": 1})
    results = db.write_many(*writes)
    assert {"BatchWrite": 7} == calls(faulty)
    assert [5] == [number for number, result in enumerate(results) if isinstance(result.error, InvalidRequestError)]
    assert [None, {"x": 7}] == [db.data("c/5"), db.data("c/7")]


def test_requests_are_cut_by_their_size() -> None:
    database = "projects/p/databases/(default)"
    large: list[Write] = [Set(f"c/{number}", {"x": "x" * 900_000}) for number in range(8)]
    requests, _ = bulk_requests(large, database)
    assert [4, 4] == [len(_sdk.BatchWriteRequest.FromString(one.request).writes) for one in requests]
    assert all(len(one.request) < MAX_BYTES + 1000 for one in requests)
    whole = Set("c/whole", {"x": "x" * (MAX_BYTES + 1)})
    requests, _ = bulk_requests([whole, *large[:2]], database)
    assert [1, 2] == [len(_sdk.BatchWriteRequest.FromString(one.request).writes) for one in requests]
    assert ([], {}) == bulk_requests([], database)


@pytest.mark.parametrize("generated", ["0", "1"])
def test_both_transports_send_the_same(
    faulty: FaultyServer, make_db: Callable[..., Database], generated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GENERATED_VARIABLE, generated)
    db = make_db()
    results = db.write_many(Set("c/a", {"x": 1}), Create("c/a2", {}), increment("none"))
    assert [type(None), type(None), DocumentNotFoundError] == [type(one.error) for one in results]
    [(_, request)] = [one for one in faulty.requests if one[0] == "BatchWrite"]
    message = _sdk.BatchWriteRequest.FromString(request)
    assert (db.backend.database, 3) == (message.database, len(message.writes))
    [metadata] = [sent for name, sent in faulty.metadata if name == "BatchWrite"]
    assert metadata["google-cloud-resource-prefix"] == db.backend.database


# --- what fails ---


@pytest.mark.parametrize("code", MEANINGS, ids=lambda code: code.name)
def test_an_error_of_the_call_is_one_of_each_write(
    faulty: FaultyServer, make_db: Callable[..., Database], code: Any
) -> None:
    db = make_db()
    faulty.faults["BatchWrite"] = [Fault(code, "Socket closed")]
    results = db.write_many(Set("c/a", {}), Set("c/b", {}))
    assert [MEANINGS[code]] * 2 == [(one.is_transient, one.is_lost) for one in results]
    assert {"BatchWrite": 1} == calls(faulty)
    expected: Any = TransactionContentionError if code is STATUS.ABORTED else exceptions.GoogleAPICallError
    assert all(isinstance(one.error, expected) for one in results)
    # Nor does anything of the request stay in memory.
    assert all(one.error is not None and one.error.__traceback__ is None for one in results)


@pytest.mark.parametrize("code", MEANINGS, ids=lambda code: code.name)
def test_a_status_is_that_of_one_write(faulty: FaultyServer, make_db: Callable[..., Database], code: Any) -> None:
    response = _sdk.BatchWriteResponse()
    for number in (0, code.value[0], 0):
        response.status.add(code=number, message="it is said")
        response.write_results.add().update_time.seconds = 1_800_000_000
    faulty.answers["BatchWrite"] = [response.SerializeToString()]
    results = make_db().write_many(*(Set(f"c/{number}", {}) for number in range(3)))
    assert [True, False, True] == [one.error is None for one in results]
    assert MEANINGS[code] == (results[1].is_transient, results[1].is_lost)
    assert [True, False, True] == [one.update_time is not None for one in results]
    assert "it is said" in str(results[1].error if code is not STATUS.ABORTED else results[1].error.__cause__)  # type: ignore[union-attr]


def test_a_call_that_was_not_sent_is_not_lost(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    faulty.faults["BatchWrite"] = [Fault(STATUS.UNAVAILABLE, "failed to connect to all addresses; last error: refused")]
    assert [(True, False)] == [(one.is_transient, one.is_lost) for one in db.write_many(increment("a"))]


@pytest.mark.parametrize("code", [code for code, (_, lost) in MEANINGS.items() if lost], ids=lambda code: code.name)
@pytest.mark.parametrize("applied", [1, 0])
def test_nothing_counts_twice_where_answers_get_lost(
    faulty: FaultyServer, make_db: Callable[..., Database], code: Any, applied: int
) -> None:
    db = make_db()
    ctx = context(db)
    ctx.save_many(docs(60))
    fresh = [Doc(x=7) for _ in range(10)]
    calls(faulty)
    faulty.faults["BatchWrite"] = [Fault(code, "Socket closed", after=applied)]
    bulk = ctx.bulk(on_error=lambda failure: None)
    with bulk:
        for number in range(30):
            bulk.update(Doc, f"d{number:03}", {Doc.x: Increment(1)})
            bulk.save(Doc(id=f"d{number + 30:03}", x=-1))
        for one in fresh:
            bulk.create(one)
    failed = {failure.path: failure for failure in bulk.result.failed}
    is_repeated = MEANINGS[code][0]
    assert {"BatchWrite": 2 if is_repeated else 1} == calls(faulty)
    unknown = {*(f"c/d{number:03}" for number in range(30)), *(f"c/{one.id}" for one in fresh)}
    assert unknown | (set() if is_repeated else {f"c/d{number + 30:03}" for number in range(30)}) == failed.keys()
    assert {OutcomeUnknownError} == {type(failure.error) for failure in failed.values()}
    assert {code} == {failure.error.__cause__.grpc_status_code for failure in failed.values()}
    stored = {one.id: one.x for one in ctx.select(Doc)}
    # Automatic ids are kept, so that the program can look for its documents.
    assert (10 if applied else 0) == sum(stored.get(one.id) == 7 for one in fresh)
    assert [number + applied for number in range(30)] == [stored[f"d{number:03}"] for number in range(30)]
    done = [-1] * 30 if applied or is_repeated else list(range(30, 60))
    assert done == [stored[f"d{number + 30:03}"] for number in range(30)]


def test_a_refusal_after_a_lost_answer_is_unknown(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    ctx = context(make_db())
    ctx.save(Doc(id="a"))
    faulty.faults["BatchWrite"] = [Fault(STATUS.UNAVAILABLE, "Socket closed", after=1)]
    with pytest.raises(BulkError) as caught:
        ctx.delete_many(Doc, ["a"], must_exist=True, atomic=False)
    [failure] = caught.value.failed
    assert isinstance(failure.error, OutcomeUnknownError)
    assert 2 == failure.attempts
    assert "Socket closed. It was sent again, and failed: Document 'c/a' does not exist." in str(failure.error)


def test_the_errors_of_writes_are_those_of_commits(db: Database) -> None:
    db.commit(Set("c/a", {"x": 1}))
    [moment] = db.commit(Set("c/b", {"x": 1})).update_times
    db.commit(Set("c/b", {"x": 2}))
    results = db.write_many(Create("c/a", {}), Set("c/b", {}, update_time=moment), increment("none"))
    kinds = [type(one.error) for one in results]
    assert [DocumentAlreadyExistsError, StaleDocumentError, DocumentNotFoundError] == kinds
    assert all(isinstance(one.error and one.error.__cause__, exceptions.GoogleAPICallError) for one in results)


def test_without_retries_there_is_one_attempt(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    for options, attempts in ((CallOptions(retry=None), 1), (CallOptions(), 2)):
        ctx = context(db, retry=options.retry)
        faulty.faults["BatchWrite"] = [Fault(STATUS.RESOURCE_EXHAUSTED, "quota")]
        bulk = ctx.bulk(on_error=lambda failure: None)
        with bulk:
            bulk.save(Doc(id="a"))
        assert {"BatchWrite": attempts} == calls(faulty)
        assert attempts - 1 == bulk.result.written


def test_a_timeout_bounds_a_write(faulty: FaultyServer, make_db: Callable[..., Database]) -> None:
    db = make_db()
    context(db).save(Doc(id="b"))
    ctx = context(db, timeout=1.0)
    faulty.faults["BatchWrite"] = [Fault(STATUS.OK, after=None)]
    started = time.monotonic()
    with pytest.raises(BulkError) as caught:
        ctx.save_many([Doc(id="a")], atomic=False)
    assert 0.8 < time.monotonic() - started < 20
    [failure] = caught.value.failed
    assert (OutcomeUnknownError, STATUS.DEADLINE_EXCEEDED) == (
        type(failure.error),
        failure.error.__cause__.grpc_status_code,  # type: ignore[union-attr]
    )


@pytest.mark.slow
def test_a_write_waits_for_a_lock_and_the_others_are_done(db: Database) -> None:
    db.commit(Set("c/a", {"x": 1}), Set("c/b", {"x": 1}))
    transaction = db.begin()
    db.get("c/a", transaction=transaction)
    locked, free = db.write_many(Set("c/a", {"x": 2}), Set("c/b", {"x": 2}))
    assert isinstance(locked.error, TransactionContentionError)
    assert (True, False, None) == (locked.is_transient, locked.is_lost, free.error)
    db.rollback(transaction)
    with context(db).bulk() as bulk:
        bulk.save(Doc(id="a", x=3))
    assert [{"x": 3}, {"x": 2}] == [db.data("c/a"), db.data("c/b")]


def test_an_emulator_that_is_not_there_is_told_at_once(
    make_db: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "PATIENCE", 0.2)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    ctx = context(make_db())
    fresh = Doc()
    with pytest.raises(CendryError, match=r"127\.0\.0\.1:9"):
        ctx.save_many([fresh], atomic=False)
    assert fresh.id is None
