"""Outcomes of commits: which may be sent again, what is known after failures, and what becomes of instances."""

# What raises here is the end of a block, so that pytest.raises() has to hold one.
# ruff: noqa: PT012

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from cendry import (
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    Cendry,
    CendryError,
    Increment,
    InvalidRequestError,
    Maximum,
    Minimum,
    OutcomeUnknownError,
    TransactionContentionError,
    get_metadata,
)
from cendry._interop.commits import CommitAttempts, is_lost
from cendry.backend import DEFAULT_RETRY, CallOptions, DocumentResult
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, FieldTransform, QueryPlan, Set, Update, Write, is_repeatable
from core.documents import City, Stamped
from core.recording import AsyncRecordingBackend, RecordingBackend

X = FieldPath("x")
PLAIN: list[Write] = [Set("c/a", {"x": 1}), Create("c/a", {}), Update("c/a", {"x": 1}, (X,)), Delete("c/a", True)]


def with_transform(transform: Any) -> list[Write]:
    transforms = (FieldTransform(X, transform),)
    return [Set("c/a", {}, None, transforms), Create("c/a", {}, transforms), Update("c/a", {}, (), transforms)]


@pytest.mark.parametrize(
    "transform", [ArrayUnion([1]), ArrayRemove([1]), Maximum(1), Minimum(1), SERVER_TIMESTAMP], ids=repr
)
def test_what_has_the_same_result_twice_may_be_sent_again(transform: Any) -> None:
    assert is_repeatable(PLAIN)
    for write in with_transform(transform):
        assert is_repeatable([*PLAIN, write])


@pytest.mark.parametrize("transform", [Increment(1), Increment(0.5), object()], ids=lambda one: type(one).__name__)
def test_what_counts_twice_is_never_sent_again(transform: Any) -> None:
    for write in with_transform(transform):
        assert not is_repeatable([*PLAIN, write])
        # The database knows a transaction that was committed.
        assert is_repeatable([*PLAIN, write], in_transaction=True)


class CallError(Exception):
    """As google-api-core raises it."""

    def __init__(self, status: str, message: str = "injected") -> None:
        super().__init__(message)
        self.message = message
        self.grpc_status_code = SimpleNamespace(name=status)


LOST = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "CANCELLED", "DATA_LOSS"]


@pytest.mark.parametrize("status", LOST)
def test_errors_after_which_a_commit_may_have_been_applied(status: str) -> None:
    assert is_lost(CallError(status))
    unsent = CallError(status, "failed to connect to all addresses; last error: refused")
    assert not is_lost(unsent)
    attempts = CommitAttempts(with_transform(Increment(1)), in_transaction=False)
    assert attempts.may_repeat(unsent)
    assert attempts.unknown(CallError("ABORTED")) is None
    lost = CallError(status)
    assert not attempts.may_repeat(lost)
    assert not attempts.may_repeat(CallError(status, "later"))
    assert isinstance(error := attempts.unknown(lost), OutcomeUnknownError)
    assert (lost, ("c/a",), "injected") == (error.__cause__, error.paths, error.detail)


def test_an_error_without_a_status_proves_nothing() -> None:
    assert is_lost(ConnectionError("gone"))


@pytest.mark.parametrize("status", ["ABORTED", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED"])
def test_errors_after_which_nothing_was_written(status: str) -> None:
    attempts = CommitAttempts(with_transform(Increment(1)), in_transaction=False)
    assert attempts.may_repeat(CallError(status))
    assert attempts.unknown(CallError(status)) is None


def test_a_refused_repetition_tells_nothing() -> None:
    attempts = CommitAttempts([Create("c/a", {})], in_transaction=False)
    lost = CallError("UNAVAILABLE", "Socket closed")
    assert attempts.may_repeat(lost)
    assert isinstance(error := attempts.unknown(CallError("ALREADY_EXISTS", "it exists")), OutcomeUnknownError)
    assert (lost, "Socket closed. It was sent again, and failed: it exists") == (error.__cause__, error.detail)


def test_without_writes_there_is_no_outcome() -> None:
    attempts = CommitAttempts([], in_transaction=True)
    lost = CallError("UNAVAILABLE")
    assert attempts.may_repeat(lost)
    assert attempts.unknown(lost) is None
    assert lost is attempts.unknown(CallError("INVALID_ARGUMENT", "the transaction was closed"))


def test_a_call_that_was_cancelled_without_a_decision_about_retries() -> None:
    closed = CallError("CANCELLED")
    assert isinstance(CommitAttempts(PLAIN, in_transaction=False).unknown(closed), OutcomeUnknownError)


def test_the_default_policy_is_not_the_same_as_none() -> None:
    assert DEFAULT_RETRY is CallOptions().retry
    assert CallOptions() != CallOptions(retry=None)
    assert "DEFAULT_RETRY" in repr(CallOptions())
    assert isinstance(DEFAULT_RETRY, Enum)


def test_a_context_passes_the_policy_on(make: Any, backend: Any) -> None:
    cases: list[tuple[dict[str, Any], Any]] = [({}, DEFAULT_RETRY), ({"retry": None}, None), ({"retry": "x"}, "x")]
    for options, expected in cases:
        make(backend=backend, **options).find(City, "a")
        assert expected == backend.options[-1].retry


# --- instances ---


def batch(ctx: Any, one: Any) -> None:
    with ctx.batch() as queue:
        queue.create(one)


def transaction(ctx: Any, one: Any) -> None:
    with ctx.transaction() as txn:
        txn.save(one)


Way = Callable[[Any, Any], Any]
WAYS: list[Way] = [
    lambda ctx, one: ctx.save(one),
    lambda ctx, one: ctx.create(one),
    lambda ctx, one: ctx.save_many([one]),
    batch,
    transaction,
    lambda ctx, one: ctx.transaction(lambda txn: txn.create(one)),
]


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_outcome_keeps_the_id_and_nothing_else(ctx: Any, backend: Any, way: Way) -> None:
    stamped = Stamped()
    backend.fail("commit", OutcomeUnknownError("stamped/?"))
    with pytest.raises(OutcomeUnknownError):
        way(ctx, stamped)
    first = stamped.id
    assert first is not None
    assert (None, None) == (stamped.created, stamped.updated)
    with pytest.raises(CendryError):
        get_metadata(stamped)
    assert 1 == len(backend.plans("commit"))
    way(ctx, stamped)
    assert [f"stamped/{first}"] == list(backend.documents)
    assert stamped.created is not None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [InvalidRequestError("no"), TypeError("no kind of value"), ImportError("no")])
def test_what_was_refused_takes_the_id_back(ctx: Any, backend: Any, way: Way, error: Exception) -> None:
    stamped = Stamped()
    backend.fail("commit", error)
    with pytest.raises(type(error)):
        way(ctx, stamped)
    assert (None, None, None) == (stamped.id, stamped.created, stamped.updated)


@pytest.mark.parametrize("error", [OutcomeUnknownError("cities/SF"), InvalidRequestError("no")])
def test_a_failed_write_leaves_a_known_instance_as_it_was(ctx: Any, backend: Any, error: Exception) -> None:
    stamped = Stamped(id="a")
    ctx.save(stamped)
    before = dict(vars(stamped))
    for write in (
        lambda: ctx.save(stamped),
        lambda: ctx.update(stamped, {"day": None}),
        lambda: ctx.delete(stamped),
    ):
        backend.fail("commit", error)
        with pytest.raises(type(error)):
            write()
        assert before == vars(stamped)


# --- writes of the context in a transaction ---


def test_contention_with_a_write_of_the_context_names_that_of_the_transaction(ctx: Any, backend: Any) -> None:
    ctx.save(City(id="SF", name="x"))
    runs: list[int] = []

    def function(txn: Any) -> None:
        city = txn.get(City, "SF")
        runs.append(city.population)
        ctx.update(City, "SF", {City.population: city.population + 1})
        txn.update(city, {City.name: "y"})

    expected = r"use txn\.update\(\) instead of the context's update"
    with pytest.raises(TransactionContentionError, match=expected) as caught:
        ctx.transaction(function, max_attempts=2)
    assert ("cities/SF", 2) == (caught.value.outside, caught.value.attempts)
    assert [0, 1] == runs


def test_so_does_contention_of_a_block() -> None:
    store = RecordingBackend()
    ctx = Cendry(backend=store)
    ctx.save(City(id="SF", name="x"))
    with pytest.raises(TransactionContentionError, match=r"'cities/SF' through the context"), ctx.transaction() as txn:
        txn.get(City, "SF")
        ctx.save(City(id="SF", name="y"))
        txn.save(City(id="LA", name="x"))


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_write_of_the_context_that_is_aborted_ends_the_transaction(ctx: Any, backend: Any, is_caught: bool) -> None:
    runs: list[int] = []

    def function(txn: Any) -> None:
        runs.append(1)
        backend.fail("commit", TransactionContentionError())
        with pytest.raises(TransactionContentionError, match=r"txn\.delete\(\)") as caught:
            ctx.delete(City, "SF")
        if not is_caught:
            raise caught.value
        backend.fail("commit", TransactionContentionError())
        txn.save(City(id="LA", name="x"))

    with pytest.raises(TransactionContentionError, match=r"after 1 attempt.*'cities/SF'.*txn\.delete\(\)"):
        ctx.transaction(function)
    assert [1] == runs


def test_a_write_of_the_context_of_unknown_outcome_names_the_transaction_too(ctx: Any, backend: Any) -> None:
    new = City(name="x")
    cause = ConnectionError("gone")
    lost = OutcomeUnknownError("cities/SF", detail="504 Deadline Exceeded")
    lost.__cause__ = cause
    backend.fail("commit", lost)
    with pytest.raises(OutcomeUnknownError, match=r"Deadline Exceeded; it stood outside.*txn\.create") as caught:
        ctx.transaction(lambda txn: ctx.create(new))
    assert (("cities/SF",), cause) == (caught.value.paths, caught.value.__cause__)
    assert new.id is not None


def test_other_errors_of_such_a_write_pass_untouched(ctx: Any, backend: Any) -> None:
    error = InvalidRequestError("no")
    backend.fail("commit", error)
    with pytest.raises(InvalidRequestError) as caught:
        ctx.transaction(lambda txn: ctx.save(City(name="x")))
    assert error is caught.value


def test_an_aborted_read_after_such_a_write(ctx: Any, backend: Any) -> None:
    ctx.save(City(id="SF", name="x"))

    def function(txn: Any) -> None:
        txn.get(City, "SF")
        ctx.save(City(id="SF", name="y"))
        try:
            txn.get(City, "SF")
        except TransactionContentionError:
            return

    with pytest.raises(TransactionContentionError, match=r"'cities/SF'.*txn\.save\(\)"):
        ctx.transaction(function, max_attempts=1)


def test_a_write_of_the_context_that_harms_nobody(ctx: Any, backend: Any) -> None:
    def function(txn: Any) -> str:
        ctx.save(City(id="log", name="x"))
        txn.save(City(id="SF", name="x"))
        return "done"

    assert "done" == ctx.transaction(function)
    backend.fail("commit", TransactionContentionError())
    with pytest.raises(TransactionContentionError) as caught:
        ctx.save(City(id="SF", name="y"))
    assert caught.value.outside is None


# --- reads after the end ---


def test_an_iterator_out_of_a_transaction_that_ended(ctx: Any, backend: Any) -> None:
    ctx.save_many([City(id=f"{number}", name="x") for number in range(3)])
    with ctx.transaction() as txn:
        fresh, begun, whole = (iter(txn.select(City, order_by=City.id)) for _ in range(3))
        assert "0" == next(begun).id
        assert ["0", "1", "2"] == [next(whole).id for _ in range(3)]
    for late in (fresh, begun, whole):
        with pytest.raises(CendryError, match="This transaction has ended") as caught:
            next(late)
        assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, InvalidRequestError)


def test_errors_of_a_stream_in_an_open_transaction_pass_untouched(ctx: Any, backend: Any) -> None:
    with ctx.transaction() as txn:
        backend.fail("run", InvalidRequestError("no"))
        with pytest.raises(InvalidRequestError):
            next(iter(txn.select(City)))


class Prefetching(RecordingBackend):
    """Has all results of a query before it gives the first."""

    def run(self, plan: QueryPlan, **options: Any) -> Iterator[DocumentResult]:
        yield from list(super().run(plan, **options))


class AsyncPrefetching(AsyncRecordingBackend):
    """The async twin."""

    async def run(self, plan: QueryPlan, **options: Any) -> AsyncIterator[DocumentResult]:
        for result in [result async for result in super().run(plan, **options)]:
            yield result


def test_results_that_came_before_the_end_are_not_given_after_it(make: Any, twin: str) -> None:
    ctx = make(backend=Prefetching() if twin == "sync" else AsyncPrefetching())
    ctx.save_many([City(id=f"{number}", name="x") for number in range(3)])
    with ctx.transaction() as txn:
        cities = iter(txn.select(City, order_by=City.id))
        assert "0" == next(cities).id
    with pytest.raises(CendryError, match="This transaction has ended"):
        next(cities)
