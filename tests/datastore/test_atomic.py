"""Create never overwrites and update loses no change, alone, in batches and in transactions, whoever else writes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cendry import (
    Cendry,
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    Field,
    InvalidRequestError,
    Model,
    OutcomeUnknownError,
    TransactionContentionError,
    field,
)
from cendry.backend import CallOptions
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, Set, Update, Write
from cendry_datastore import _backend as backend
from cendry_memory.testing import Database
from cendry_memory.testing.driver import together
from google.api_core.exceptions import DeadlineExceeded


class Counter(Model, collection="Counter"):
    n: Field[int] = field(default=0)
    parts: Field[dict[str, int]] = field(default_factory=dict)


def update(path: str, **data: Any) -> Update:
    return Update(path, data, tuple(map(FieldPath, data)))


def merge(path: str, **data: Any) -> Set:
    return Set(path, data, mask=tuple(map(FieldPath, data)))


# --- threads that race ---


@pytest.mark.slow
def test_updates_of_different_fields_at_once_are_all_there(ctx: Cendry, emulator: str) -> None:
    ctx.save(Counter(id="a"))
    threads = 6 if emulator == "classic" else 3

    def work(number: int) -> None:
        ctx.update(Counter, "a", {Counter.parts[f"k{number}"]: number})

    together(*(lambda number=number: work(number) for number in range(threads)))
    assert {f"k{number}": number for number in range(threads)} == ctx.get(Counter, "a").parts


@pytest.mark.slow
def test_updates_in_batches_at_once_are_all_there(ctx: Cendry, emulator: str) -> None:
    ctx.save_many([Counter(id="a"), Counter(id="b")])
    threads = 4 if emulator == "classic" else 2

    def work(number: int) -> None:
        with ctx.batch() as batch:
            batch.update(Counter, "a", {Counter.parts[f"k{number}"]: number})
            batch.save(Counter(id=f"by {number}"))
            batch.update(Counter, "b", {Counter.parts[f"k{number}"]: number})

    together(*(lambda number=number: work(number) for number in range(threads)))
    expected = {f"k{number}": number for number in range(threads)}
    assert [expected, expected] == [counter.parts for counter in ctx.get_many(Counter, ["a", "b"])]


@pytest.mark.parametrize("way", ["alone", "in a batch", "in a transaction"])
def test_of_many_that_create_one_wins(ctx: Cendry, emulator: str, way: str) -> None:
    winners: list[int] = []
    losers: list[int] = []

    def create(number: int) -> None:
        counter = Counter(id="a", n=number)
        try:
            if way == "alone":
                ctx.create(counter)
            elif way == "in a batch":
                with ctx.batch() as batch:
                    batch.save(Counter(id=f"by {number}"))
                    batch.create(counter)
            else:
                ctx.transaction(lambda txn: txn.create(counter), max_attempts=50)
            winners.append(number)
        except DocumentAlreadyExistsError:
            losers.append(number)

    together(*(lambda number=number: create(number) for number in range(5)))
    assert (1, 4) == (len(winners), len(losers))
    assert winners[0] == ctx.get(Counter, "a").n
    if way == "in a batch":
        assert [False] * 4 == [ctx.exists(Counter, f"by {number}") for number in losers]


def test_creating_and_updating_race_without_a_trace_of_the_loser(ctx: Cendry) -> None:
    outcomes: list[str] = []

    def create() -> None:
        ctx.create(Counter(id="a", n=1))
        outcomes.append("created")

    def change() -> None:
        try:
            ctx.update(Counter, "a", {Counter.parts: {"k": 1}})
            outcomes.append("updated")
        except DocumentNotFoundError:
            outcomes.append("absent")

    together(create, change)
    expected = {"k": 1} if "updated" in outcomes else {}
    assert Counter(id="a", n=1, parts=expected) == ctx.get(Counter, "a")


def test_a_change_between_a_read_and_its_write_is_seen(db: Database, ctx: Cendry, emulator: str) -> None:
    db.commit(Set("Counter/a", {"n": 1, "parts": {"mine": 1}}))
    counter = ctx.get(Counter, "a")
    db.commit(Set("Counter/a", {"n": 2, "parts": {"theirs": 1}}))
    ctx.update(counter, {Counter.parts["more"]: 5})
    assert Counter(id="a", n=2, parts={"theirs": 1, "more": 5}) == ctx.get(Counter, "a")


@pytest.mark.slow
def test_contention_outside_of_transactions_ends(db: Database, emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "PATIENCE", 3.0)
    db.commit(Set("Counter/a", {"n": 1}))
    if emulator == "classic":
        return  # Its readers hold no locks.
    transaction = db.begin()
    db.get("Counter/a", transaction=transaction)
    with pytest.raises(TransactionContentionError) as caught:
        db.commit(update("Counter/a", n=2))
    assert 1 <= caught.value.attempts <= 3
    assert {"n": 1} == db.data("Counter/a")
    with pytest.raises((TransactionContentionError, OutcomeUnknownError, DeadlineExceeded)):
        db.commit(update("Counter/a", n=2), options=CallOptions(timeout=1))
    db.rollback(transaction)


# --- several writes of one document ---


@pytest.mark.parametrize("stored", [None, {"x": 1, "y": 1}], ids=["absent", "stored"])
@pytest.mark.parametrize(
    ("writes", "absent", "present"),
    [
        ([Set("c/a", {"x": 2}), update("c/a", y=3)], {"x": 2, "y": 3}, {"x": 2, "y": 3}),
        ([Set("c/a", {"x": 2}), Set("c/a", {"z": 3})], {"z": 3}, {"z": 3}),
        ([Set("c/a", {"x": 2}), Delete("c/a")], None, None),
        ([Set("c/a", {"x": 2}), Delete("c/a", must_exist=True), Create("c/a", {"n": 1})], {"n": 1}, {"n": 1}),
        ([Delete("c/a"), Create("c/a", {"n": 1})], {"n": 1}, {"n": 1}),
        ([Delete("c/a"), Delete("c/a")], None, None),
        ([Delete("c/a"), merge("c/a", n=1)], {"n": 1}, {"n": 1}),
        ([merge("c/a", x=2), merge("c/a", z=3)], {"x": 2, "z": 3}, {"x": 2, "y": 1, "z": 3}),
        ([merge("c/a", x=2), Delete("c/a")], None, None),
        ([Create("c/a", {"n": 1}), update("c/a", n=2)], {"n": 2}, DocumentAlreadyExistsError),
        ([Create("c/a", {"n": 1}), Delete("c/a"), Set("c/a", {"n": 3})], {"n": 3}, DocumentAlreadyExistsError),
        ([Create("c/a", {"n": 1}), Delete("c/a")], None, DocumentAlreadyExistsError),
        ([Create("c/a", {"n": 1}), Create("c/a", {})], InvalidRequestError, InvalidRequestError),
        ([Set("c/a", {}), Create("c/a", {})], InvalidRequestError, InvalidRequestError),
        ([update("c/a", x=2), update("c/a", x=3, z=4)], DocumentNotFoundError, {"x": 3, "y": 1, "z": 4}),
        ([update("c/a", x=2), Set("c/a", {"n": 1})], DocumentNotFoundError, {"n": 1}),
        ([Delete("c/a", must_exist=True), merge("c/a", n=1)], DocumentNotFoundError, {"n": 1}),
        ([Delete("c/a"), update("c/a", n=1)], InvalidRequestError, InvalidRequestError),
        ([Delete("c/a"), Delete("c/a", must_exist=True)], InvalidRequestError, InvalidRequestError),
    ],
    ids=lambda value: "-".join(type(one).__name__ for one in value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
def test_several_writes_of_one_document_are_applied_in_order(
    db: Database, writes: list[Write], absent: Any, present: Any, stored: Any, inside: bool
) -> None:
    if stored is not None:
        db.commit(Set("c/a", stored))
    expected = absent if stored is None else present
    options: dict[str, Any] = {"transaction": db.begin()} if inside else {}
    if isinstance(expected, type):
        with pytest.raises(expected, match="c/a"):
            db.commit(Set("c/other", {"n": 1}), *writes, **options)
        if inside:
            db.rollback(options["transaction"])
        assert [stored, None] == [db.data("c/a"), db.data("c/other")]
    else:
        result = db.commit(Set("c/other", {"n": 1}), *writes, **options)
        assert (None,) * (len(writes) + 1) == result.update_times
        assert [expected, {"n": 1}] == [db.data("c/a"), db.data("c/other")]


# --- transactions ---


def test_an_ended_transaction_takes_nothing_more(db: Database) -> None:
    transaction = db.begin()
    db.commit(Set("c/a", {}), transaction=transaction)
    with pytest.raises(CendryError, match="has ended"):
        db.commit(Set("c/b", {}), transaction=transaction)


def test_a_read_only_transaction_ends_by_a_commit_of_nothing(db: Database) -> None:
    transaction = db.begin(read_only=True)
    db.get("c/a", transaction=transaction)
    assert () == db.commit(transaction=transaction).update_times
    transaction = db.begin(read_only=True)
    with pytest.raises(InvalidRequestError, match="takes no writes"):
        db.commit(Set("c/a", {}), transaction=transaction)


def test_a_read_after_a_write_is_refused(ctx: Cendry) -> None:
    ctx.save(Counter(id="a"))

    def late(txn: Any) -> None:
        txn.update(Counter, "a", {Counter.n: 1})
        txn.get(Counter, "a")

    with pytest.raises(CendryError, match="all reads come before the first write"):
        ctx.transaction(late)
    assert 0 == ctx.get(Counter, "a").n


@pytest.mark.slow
def test_a_single_attempt_is_told_of_contention(ctx: Cendry, emulator: str) -> None:
    ctx.save(Counter(id="a"))
    ready = threading.Barrier(2, timeout=30)
    outcomes: list[str] = []

    def work() -> None:
        try:
            with ctx.transaction() as txn:
                counter = txn.get(Counter, "a")
                ready.wait()
                txn.update(counter, {Counter.n: counter.n + 1})
            outcomes.append("committed")
        except TransactionContentionError:
            outcomes.append("aborted")

    together(work, work)
    assert "aborted" in outcomes
    assert outcomes.count("committed") == ctx.get(Counter, "a").n


def test_an_exception_leaves_nothing_behind(ctx: Cendry) -> None:
    ctx.save(Counter(id="a"))
    made = Counter()

    def fail(txn: Any) -> None:
        txn.update(txn.get(Counter, "a"), {Counter.n: 5})
        txn.create(made)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        ctx.transaction(fail)
    assert (0, None) == (ctx.get(Counter, "a").n, made.id)
    # No lock is left.
    ctx.update(Counter, "a", {Counter.n: 1})
