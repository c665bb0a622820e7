"""Bounds of seconds and retries, against servers that don't answer."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.backend import CallOptions
from cendry.errors import InvalidRequestError, OutcomeUnknownError, TransactionContentionError
from cendry.plan import AggregationPlan, QueryPlan, Set
from cendry_memory.testing import Database
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry

BOUND = 0.3
# What a machine under load may add; it is a third of what the SDK's policies would take.
SLACK = 20.0


def begun(db: Database) -> Any:
    """A transaction that the server doesn't know."""
    transaction = db.begin()
    transaction.id = b"none"
    return transaction


CALLS: dict[str, Callable[..., Any]] = {
    "get": lambda db, **options: db.get("c/a", **options),
    "run": lambda db, **options: db.run(QueryPlan("c"), **options),
    "aggregate": lambda db, **options: db.aggregate(AggregationPlan(QueryPlan("c")), **options),
    "commit": lambda db, **options: db.commit(Set("c/a", {}), **options),
    "rollback": lambda db, **options: db.rollback(begun(db), **options),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def blackhole(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{server.getsockname()[1]}")
        yield


@pytest.fixture
def closing(closing_host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that closes each connection at once."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", closing_host)


def policy(db: Database, **arguments: Any) -> Any:
    return (AsyncRetry if db.is_async else Retry)(**arguments)


@each_call
@pytest.mark.slow
def test_a_timeout_is_a_bound_where_nothing_answers(
    blackhole: None, make_db: Callable[..., Database], call: Any
) -> None:
    db = make_db()
    started = time.monotonic()
    # What a commit was, nobody knows then.
    kind = OutcomeUnknownError if call is CALLS["commit"] else exceptions.DeadlineExceeded
    with pytest.raises(kind):
        call(db, options=CallOptions(timeout=BOUND))
    assert BOUND * 0.8 <= time.monotonic() - started < BOUND + SLACK


@each_call
@pytest.mark.slow
def test_a_timeout_is_a_bound_for_all_attempts_together(
    closing: None, make_db: Callable[..., Database], call: Any
) -> None:
    db = make_db()
    started = time.monotonic()
    # If the time is up while gRPC connects, it doesn't say that nothing was sent.
    with pytest.raises((exceptions.DeadlineExceeded, OutcomeUnknownError)):
        call(db, options=CallOptions(timeout=BOUND))
    assert time.monotonic() - started < BOUND + SLACK


@each_call
def test_the_callers_retry_policy_is_the_one_that_counts(
    closing: None, make_db: Callable[..., Database], call: Any
) -> None:
    db = make_db()
    never = policy(db, predicate=lambda error: False)
    for options in (CallOptions(retry=never), CallOptions(retry=never, timeout=30)):
        started = time.monotonic()
        with pytest.raises(exceptions.ServiceUnavailable):
            call(db, options=options)
        assert time.monotonic() - started < SLACK


@pytest.mark.parametrize("own", [None, 0.3, 60.0])
@pytest.mark.slow
def test_the_callers_retry_policy_is_held_to_the_bound(
    closing: None, make_db: Callable[..., Database], own: float | None
) -> None:
    db = make_db()
    tireless = policy(db, predicate=lambda error: True, initial=0.01, maximum=0.05, timeout=own)
    started = time.monotonic()
    with pytest.raises((exceptions.RetryError, exceptions.ServiceUnavailable)):
        db.commit(Set("c/a", {}), options=CallOptions(retry=tireless, timeout=BOUND))
    assert time.monotonic() - started < BOUND + SLACK


@pytest.mark.slow
def test_a_stream_that_stops_midway_ends_at_the_bound(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    _fill(db, faulty)
    faulty.faults["RunQuery"] = [fault(grpc.StatusCode.UNAVAILABLE, after=None)]
    started = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceeded):
        db.run(QueryPlan("c"), options=CallOptions(timeout=BOUND))
    assert time.monotonic() - started < BOUND + SLACK


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.slow
def test_a_stream_that_breaks_again_and_again_ends_at_the_bound(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault], after: int
) -> None:
    db = make_db()
    _fill(db, faulty, 200)
    faulty.faults["RunQuery"] = [fault(grpc.StatusCode.UNAVAILABLE, after=after) for _ in range(500)]
    started = time.monotonic()
    with pytest.raises(exceptions.DeadlineExceeded):
        db.run(QueryPlan("c"), options=CallOptions(timeout=BOUND))
    assert time.monotonic() - started < BOUND + SLACK


def test_transient_failures_are_retried_within_the_bound(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    _fill(db, faulty)
    options = CallOptions(timeout=20)
    for method, call, code in [
        ("RunQuery", CALLS["run"], grpc.StatusCode.UNAVAILABLE),
        ("BatchGetDocuments", CALLS["get"], grpc.StatusCode.INTERNAL),
        ("RunAggregationQuery", CALLS["aggregate"], grpc.StatusCode.UNAVAILABLE),
        ("Rollback", CALLS["rollback"], grpc.StatusCode.UNAVAILABLE),
        ("Commit", CALLS["commit"], grpc.StatusCode.RESOURCE_EXHAUSTED),
    ]:
        faulty.calls.clear()
        faulty.faults[method] = [fault(code), fault(code)]
        try:
            call(db, options=options)
        except InvalidRequestError:
            # That transaction can't be rolled back.
            assert "Rollback" == method
        assert [method] * 3 == faulty.calls


def test_retries_are_logged(
    faulty: FaultyServer,
    make_db: Callable[..., Database],
    fault: type[Fault],
    caplog: pytest.LogCaptureFixture,
) -> None:
    db = make_db()
    _fill(db, faulty)
    caplog.set_level(logging.DEBUG, "cendry")
    for method, call, code in [
        ("RunQuery", CALLS["run"], grpc.StatusCode.UNAVAILABLE),
        ("Commit", CALLS["commit"], grpc.StatusCode.RESOURCE_EXHAUSTED),
    ]:
        caplog.clear()
        faulty.faults[method] = [fault(code, "secret"), fault(code, "secret")]
        call(db)
        assert [f"a call is sent again after {code.name}"] * 2 == caplog.messages


def test_a_commit_of_unknown_outcome_is_not_repeated(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault]
) -> None:
    db = make_db()
    faulty.faults["Commit"] = [fault(grpc.StatusCode.INTERNAL)]
    with pytest.raises(OutcomeUnknownError) as caught:
        db.commit(Set("c/a", {}), options=CallOptions(timeout=20))
    assert isinstance(caught.value.__cause__, exceptions.InternalServerError)
    assert ["Commit"] == faulty.calls


@each_call
def test_aborted_calls_are_contention(
    faulty: FaultyServer, make_db: Callable[..., Database], fault: type[Fault], call: Any
) -> None:
    db = make_db()
    for method in ("RunQuery", "BatchGetDocuments", "RunAggregationQuery", "Rollback", "Commit"):
        faulty.faults[method] = [fault(grpc.StatusCode.ABORTED)]
    with pytest.raises(TransactionContentionError) as caught:
        call(db)
    assert isinstance(caught.value.__cause__, exceptions.Aborted)
    assert 1 == len(faulty.calls)


def _fill(db: Database, faulty: FaultyServer, count: int = 5) -> None:
    db.commit(*(Set(f"c/{n}", {"n": n}) for n in range(count)))
    faulty.calls.clear()
