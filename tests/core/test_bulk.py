"""Bulk writes where writes fail, answers get lost and blocks are left early; on both twins."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from random import Random
from types import FrameType
from typing import Any

import pytest
from cendry import (
    ArrayUnion,
    AsyncCendry,
    BulkError,
    BulkFailure,
    BulkResult,
    Cendry,
    CendryError,
    DocumentNotFoundError,
    Field,
    Increment,
    InvalidRequestError,
    Model,
    OutcomeUnknownError,
    TransactionContentionError,
    UnsupportedByBackendError,
    UsedBeforeForkError,
    _fork,
    field,
)
from cendry._context import workers
from cendry._context.bulk import MAX_ATTEMPTS, MAX_HELD, MAX_HELD_BYTES, MAX_IN_FLIGHT
from cendry._context.workers import Workers
from cendry._model.metadata import remembered
from cendry.backend import DEFAULT_OPTIONS, MAX_BULK_WRITES, CallOptions, WriteResult
from cendry.plan import Set, Write
from cendry_memory import AsyncMemoryBackend, MemoryBackend, MemoryStore
from core.conftest import NoPauses
from core.documents import Area, City
from forking import forks, python

ABORTED = WriteResult(error=TransactionContentionError(), is_transient=True)
LOST = WriteResult(error=ConnectionError("Socket closed"), is_lost=True, is_transient=True)
REFUSED = WriteResult(error=InvalidRequestError("too large"))


class Script:
    """What writes are answered, by the paths of their documents; all others are done.

    Attributes:
        answers: For each path, what its next writes are answered; nothing is done then.
        sent: The paths of each request.
        options: The options of the last request.
        broken: What the next request raises.
    """

    store: MemoryStore

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[WriteResult]] = {}
        self.sent: list[list[str]] = []
        self.options = DEFAULT_OPTIONS
        self.broken: BaseException | None = None

    def decide(self, writes: Sequence[Write], options: CallOptions) -> list[WriteResult]:
        self.sent.append([write.path for write in writes])
        self.options = options
        if self.broken is not None:
            raise self.broken
        return [self._result(write) for write in writes]

    def _result(self, write: Write) -> WriteResult:
        pending = self.answers.get(write.path)
        return pending.pop(0) if pending else self.store.write_many([write])[0]


class Scripted(Script, MemoryBackend):
    def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        return self.decide(writes, options)


class AsyncScripted(Script, AsyncMemoryBackend):
    async def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
        await asyncio.sleep(0)
        return self.decide(writes, options)


@pytest.fixture
def backend(twin: str) -> Any:
    return Scripted() if twin == "sync" else AsyncScripted()


def failures_of(bulk: Any, use: Callable[[Any], object]) -> tuple[BulkFailure, ...]:
    """The failures that the end of a block raises."""

    def run() -> None:
        with bulk:
            use(bulk)

    with pytest.raises(BulkError) as caught:
        run()
    assert bulk.result == BulkResult(caught.value.written, caught.value.failed)
    return caught.value.failed


def city(name: str, **values: Any) -> City:
    return City(id=name, name=name, **values)


# What is sent again


def test_a_write_that_fails_for_a_passing_reason_is_sent_again(ctx: Any, backend: Any, pauses: NoPauses) -> None:
    backend.answers = {"cities/a": [ABORTED] * 3, "cities/b": [LOST] * 2}
    with ctx.bulk() as bulk:
        for name in "abc":
            bulk.save(city(name))
    assert BulkResult(3) == bulk.result
    assert ["a", "b", "c"] == [ctx.get(City, name).name for name in "abc"]
    sent = [path for request in backend.sent for path in request]
    assert [4, 3, 1] == [sent.count(f"cities/{name}") for name in "abc"]
    assert sorted([0.2, 0.4, 0.8, 0.2, 0.4]) == sorted(pauses.asked)


@pytest.mark.parametrize("answer", [ABORTED, WriteResult(error=ConnectionError("no"), is_transient=True)])
def test_attempts_have_an_end(ctx: Any, backend: Any, answer: WriteResult, pauses: NoPauses) -> None:
    fresh = City(name="x")

    def use(bulk: Any) -> None:
        backend.answers = {f"cities/{bulk.save(fresh)}": [answer] * 99}

    [failure] = failures_of(ctx.bulk(), use)
    assert ([failure.path], answer.error, MAX_ATTEMPTS) == (list(backend.answers), failure.error, failure.attempts)
    assert MAX_ATTEMPTS == len(backend.sent)
    assert 10.0 == max(pauses.asked)
    # Only some errors prove that nothing was written.
    assert (fresh.id is None) is isinstance(answer.error, CendryError)


def test_writes_that_are_sent_again_are_logged(ctx: Any, backend: Any, caplog: pytest.LogCaptureFixture) -> None:
    backend.answers = {"cities/a": [ABORTED]}
    caplog.set_level(logging.DEBUG, "cendry")
    with ctx.bulk() as bulk:
        bulk.save(city("a"))
    again = "bulk: cities/a is written again in 0.0 s after TransactionContentionError"
    assert [again] == [line for line in caplog.messages if "again" in line]


def test_what_was_refused_is_not_sent_again(ctx: Any, backend: Any) -> None:
    fresh = City(name="x")

    def use(bulk: Any) -> None:
        backend.answers = {f"cities/{bulk.save(fresh)}": [REFUSED]}

    [failure] = failures_of(ctx.bulk(), use)
    assert (REFUSED.error, 1, None) == (failure.error, failure.attempts, fresh.id)


def test_what_could_count_twice_is_not_sent_again(ctx: Any, backend: Any) -> None:
    ctx.save_many([city("a"), city("b")])
    fresh = City(name="x")
    with ctx.bulk(on_error=lambda failure: None) as bulk:
        bulk.update(City, "a", {City.population: Increment(1)})
        bulk.update(City, "b", {City.regions: ArrayUnion(["x"])})
        bulk.create(fresh)
        document_id = fresh.id
        for name in ("a", "b", document_id):
            backend.answers[f"cities/{name}"] = [LOST]
    assert (1, 2) == (bulk.result.written, len(bulk.result.failed))
    for failure, name in zip(bulk.result.failed, ("a", document_id), strict=True):
        assert isinstance(failure.error, OutcomeUnknownError)
        assert (f"cities/{name}", 1, LOST.error) == (failure.error.path, failure.attempts, failure.error.__cause__)
        assert "Socket closed" in str(failure.error)
    # A repetition would make another document.
    assert document_id == fresh.id
    assert (0, ["x"]) == (ctx.get(City, "a").population, ctx.get(City, "b").regions)


def test_a_refusal_after_a_lost_answer_says_nothing(ctx: Any, backend: Any) -> None:
    absent = WriteResult(error=DocumentNotFoundError("cities/a"))
    backend.answers = {"cities/a": [LOST, ABORTED, absent]}
    [failure] = failures_of(ctx.bulk(), lambda bulk: bulk.delete(City, "a", must_exist=True))
    assert isinstance(failure.error, OutcomeUnknownError)
    assert "It was sent again, and failed: Document 'cities/a' does not exist." in str(failure.error)
    assert 3 == failure.attempts


def test_a_timeout_ends_the_attempts(make: Callable[..., Any], backend: Any) -> None:
    class LongPauses(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    backend.answers = {"cities/a": [ABORTED] * 9}
    ctx = make(backend=backend, timeout=0.15, random=LongPauses())
    assert [1] == [one.attempts for one in failures_of(ctx.bulk(), lambda bulk: bulk.save(city("a")))]
    assert 0.15 == backend.options.timeout
    with make(backend=backend, timeout=30, random=LongPauses()).bulk() as bulk:
        backend.answers = {"cities/a": [ABORTED]}
        begun = time.monotonic()
        bulk.save(city("a"))
    assert time.monotonic() - begun >= 0.2


# The order of writes


def test_a_write_waits_for_the_earlier_one_to_its_document(ctx: Any, backend: Any) -> None:
    backend.answers = {"cities/a": [ABORTED, ABORTED]}
    with ctx.bulk() as bulk:
        for number in range(4):
            bulk.save(city("a", population=number))
            bulk.save(city(f"other{number}"))
    assert BulkResult(8) == bulk.result
    assert 3 == ctx.get(City, "a").population
    assert all(len(set(request)) == len(request) for request in backend.sent)
    assert 6 == sum("cities/a" in request for request in backend.sent)


def test_a_later_write_goes_on_after_a_refusal(ctx: Any, backend: Any) -> None:
    fresh = City(name="x")
    with ctx.bulk(on_error=lambda failure: None) as bulk:
        document_id = bulk.save(fresh)
        backend.answers = {f"cities/{document_id}": [REFUSED]}
        fresh.name = "y"
        bulk.save(fresh)
    assert (1, 1) == (bulk.result.written, len(bulk.result.failed))
    assert (document_id, "y") == (fresh.id, ctx.get(City, document_id).name)


def test_many_writes_to_one_document(ctx: Any, backend: Any) -> None:
    ctx.save(city("a"))
    with ctx.bulk() as bulk:
        for _ in range(MAX_HELD + 50):
            bulk.update(City, "a", {City.population: Increment(1)})
    assert MAX_HELD + 50 == ctx.get(City, "a").population == len(backend.sent)


# How much is under way


def test_few_writes_are_held_and_requests_are_full(ctx: Any, backend: Any) -> None:
    made = done = most = 0
    decide = backend.decide

    def counted(writes: Sequence[Write], options: CallOptions) -> list[WriteResult]:
        nonlocal done, most
        most = max(most, made - done)
        results: list[WriteResult] = decide(writes, options)
        done += len(results)
        return results

    backend.decide = counted
    with ctx.bulk() as bulk:
        for number in range(MAX_HELD * 4):
            made += 1
            bulk.save(city(f"c{number}"))
    assert BulkResult(MAX_HELD * 4) == bulk.result
    assert MAX_HELD >= most
    assert {MAX_BULK_WRITES} == set(map(len, backend.sent))


def test_few_bytes_are_held(ctx: Any, backend: Any) -> None:
    class Sized(dict[str, Any]):
        size = MAX_HELD_BYTES // 4

    backend.encoder = lambda codec: lambda instance: Sized(codec.encode(instance))
    with ctx.bulk() as bulk:
        for number in range(10):
            bulk.save(city(f"c{number}"))
    assert BulkResult(10) == bulk.result
    assert [4, 4, 2] == [len(request) for request in backend.sent]


def test_several_requests_are_under_way_in_threads() -> None:
    together = threading.Barrier(MAX_IN_FLIGHT, timeout=30)
    running: list[int] = []

    class Slow(MemoryBackend):
        def write_many(self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS) -> list[WriteResult]:
            running.append(1)
            together.wait()
            running.pop()
            return super().write_many(writes)

    with Cendry(backend=Slow()).bulk() as bulk:
        for number in range(MAX_BULK_WRITES * MAX_IN_FLIGHT * 2):
            bulk.save(city(f"c{number}"))
    assert BulkResult(MAX_BULK_WRITES * MAX_IN_FLIGHT * 2) == bulk.result


async def test_several_requests_are_under_way_in_tasks() -> None:
    running = most = 0
    together = asyncio.Event()

    class Slow(AsyncMemoryBackend):
        async def write_many(
            self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS
        ) -> list[WriteResult]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == MAX_IN_FLIGHT:
                together.set()
            await together.wait()
            running -= 1
            return await super().write_many(writes)

    async with AsyncCendry(backend=Slow()).bulk() as bulk:
        for number in range(MAX_BULK_WRITES * MAX_IN_FLIGHT * 2):
            await bulk.save(city(f"c{number}"))
    assert (BulkResult(MAX_BULK_WRITES * MAX_IN_FLIGHT * 2), MAX_IN_FLIGHT) == (bulk.result, most)


@pytest.mark.parametrize("by", ["backend", "argument"])
def test_a_rate_is_kept(ctx: Any, backend: Any, by: str) -> None:
    if by == "backend":
        backend.initial_rate = 40.0
    begun = time.monotonic()
    with ctx.bulk(max_rate=None if by == "backend" else 40) as bulk:
        for number in range(48):
            bulk.save(city(f"c{number}"))
    assert time.monotonic() - begun >= 8 / 40 - 0.02
    assert [40, 8] == [len(request) for request in backend.sent]


# Errors, interrupts and cancellations


def test_an_error_of_the_call_ends_the_bulk(ctx: Any, backend: Any) -> None:
    fresh = City(name="x")
    backend.broken = CendryError("The client is closed.")
    bulk = ctx.bulk()
    with pytest.raises(CendryError, match="is closed"), bulk:
        bulk.save(fresh)
    assert (BulkResult(0), None) == (bulk.result, fresh.id)


def test_a_context_that_is_closed_in_the_block_sends_no_more(ctx: Any, backend: Any) -> None:
    fresh = City(name="x")
    bulk = ctx.bulk()

    def run() -> None:
        with bulk:
            for number in range(MAX_BULK_WRITES):
                bulk.save(city(f"c{number}"))
            bulk.flush()
            bulk.save(fresh)
            ctx.close()

    with pytest.raises(CendryError, match="This context is closed"):
        run()
    assert (BulkResult(MAX_BULK_WRITES), None) == (bulk.result, fresh.id)
    assert 1 == len(backend.sent)


def test_after_an_unknown_error_the_outcome_is_unknown(ctx: Any, backend: Any) -> None:
    fresh = City(name="x")
    backend.broken = KeyError("a bug")
    bulk = ctx.bulk()
    with pytest.raises(KeyError, match="a bug"), bulk:
        document_id = bulk.save(fresh)
    [failure] = bulk.result.failed
    assert isinstance(failure.error, OutcomeUnknownError)
    assert (backend.broken, document_id) == (failure.error.__cause__, fresh.id)


def test_a_handler_that_raises_ends_the_bulk(ctx: Any, backend: Any) -> None:
    backend.answers = {"cities/c0": [REFUSED]}

    def handler(failure: object) -> None:
        raise ValueError("enough")

    bulk = ctx.bulk(on_error=handler)
    late = City(name="x")

    def use() -> None:
        with bulk:
            for number in range(MAX_HELD * 2):
                bulk.save(city(f"c{number}"))
            bulk.save(late)

    with pytest.raises(ValueError, match="enough"):
        use()
    assert 1 == len(bulk.result.failed)
    assert bulk.result.written < MAX_HELD * 2
    assert late.id is None


def test_a_handler_may_queue_more_in_sync_code() -> None:
    backend = Scripted()
    backend.answers = {"cities/a": [REFUSED]}
    with Cendry(backend=backend).bulk(on_error=lambda failure: bulk.save(city("instead"))) as bulk:
        bulk.save(city("a"))
    assert (1, 1) == (bulk.result.written, len(bulk.result.failed))


def test_what_was_to_be_sent_again_has_failed_when_the_block_raises(ctx: Any, backend: Any) -> None:
    backend.answers = {"cities/c0": [ABORTED] * 5, "cities/c1": [LOST] * 5}
    bulk = ctx.bulk()

    def broken() -> None:
        with bulk:
            for number in range(MAX_BULK_WRITES):
                bulk.save(city(f"c{number}"))
            bulk.save(city("unsent"))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        broken()
    assert MAX_BULK_WRITES - 2 == bulk.result.written
    contention, unknown = sorted(bulk.result.failed, key=lambda failure: failure.path)
    assert (ABORTED.error, 1) == (contention.error, contention.attempts)
    assert isinstance(unknown.error, OutcomeUnknownError)
    assert ctx.find(City, "unsent") is None
    assert 1 == len(backend.sent)


def test_an_interrupt_leaves_nothing_running() -> None:
    backend = Scripted()
    bulk = Cendry(backend=backend).bulk()
    given = [City(name="x") for _ in range(MAX_BULK_WRITES + 5)]

    def interrupted() -> None:
        with bulk:
            for one in given:
                bulk.save(one)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "cendry bulk" not in {thread.name for thread in threading.enumerate()}
    assert BulkResult(MAX_BULK_WRITES) == bulk.result
    assert [None] * 5 == [one.id for one in given[MAX_BULK_WRITES:]]


class Interruption(BaseException):
    """Raised where a signal handler could raise."""


class Interrupting:
    """Raises at one of the moments when Python handles signals, in this thread."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __enter__(self) -> None:
        sys.setprofile(self._profile)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_return"):
            self.left -= 1
            if self.left == 0:
                raise Interruption


@pytest.mark.parametrize("start", range(0, 60, 3))
def test_an_interrupt_at_any_moment(start: int) -> None:
    for moment in range(start + 1, 30_000, 2_003):
        ctx = Cendry(backend=MemoryBackend())
        given = [City(name=str(number)) for number in range(MAX_BULK_WRITES * 2 + 40)]
        bulk = ctx.bulk(on_progress=lambda progress: None)
        with suppress(Interruption), Interrupting(moment), bulk:
            for one in given:
                bulk.save(one)
        # The last moments are those in which it waits for its threads.
        for thread in threading.enumerate():
            if thread.name == "cendry bulk":
                thread.join()
        stored = {one.id: one.name for one in ctx.select(City)}
        by_name = {one.name: one for one in given}
        # What is stored can be found by its instance, and what isn't has no metadata.
        assert all(by_name[name].id == document_id for document_id, name in stored.items())
        assert all(one.id in stored for one in given if remembered(one) is not None)


class Interrupted(Script):
    """Interrupts the caller between taking writes and sending them."""

    def __init__(self) -> None:
        self.lookups = 0
        super().__init__()

    def __getattribute__(self, name: str) -> Any:
        if name == "write_many":
            self.lookups += 1
            if self.lookups == 2:
                raise KeyboardInterrupt
        return super().__getattribute__(name)


class InterruptedScripted(Interrupted, Scripted): ...


class InterruptedAsyncScripted(Interrupted, AsyncScripted): ...


def test_an_interrupt_in_the_middle_of_a_step_is_told_at_the_end() -> None:
    def caught() -> None:
        with Cendry(backend=InterruptedScripted()).bulk() as bulk:
            try:
                for number in range(MAX_BULK_WRITES):
                    bulk.save(city(f"c{number}"))
            except KeyboardInterrupt:
                bulk.save(city("after"))

    with pytest.raises(CendryError, match="was interrupted in the middle of a step"):
        caught()


async def test_an_interrupt_in_the_middle_of_a_step_of_the_other_twin() -> None:
    async def caught() -> None:
        async with AsyncCendry(backend=InterruptedAsyncScripted()).bulk() as bulk:
            try:
                for number in range(MAX_BULK_WRITES):
                    await bulk.save(city(f"c{number}"))
            except KeyboardInterrupt:
                await bulk.save(city("after"))

    with pytest.raises(CendryError, match="was interrupted in the middle of a step"):
        await caught()


def test_threads_that_end_without_a_word_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LONGEST_WAIT", 0.01)
    several = Workers()
    never, ended, going_on = threading.Thread(), threading.Thread(), threading.Event()
    ended.start()
    ended.join()
    slow = threading.Thread(target=going_on.wait)
    slow.start()
    several._threads.update({1: never, 2: ended, 3: slow})
    several.wait(None)
    assert [3] == list(several._threads)
    several._threads[1] = never
    going_on.set()
    several.end(at_once=True)
    assert not slow.is_alive()


async def test_cancelling_the_block_cancels_what_is_under_way() -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    class Stuck(AsyncMemoryBackend):
        async def write_many(
            self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS
        ) -> list[WriteResult]:
            reached.set()
            await never.wait()
            raise AssertionError

    bulk = AsyncCendry(backend=Stuck()).bulk()
    given = [City(name="x") for _ in range(MAX_HELD + 1)]

    async def work() -> None:
        async with bulk:
            for one in given:
                await bulk.save(one)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {asyncio.current_task()} == asyncio.all_tasks()
    sent = len(bulk.result.failed)
    assert sent > 0
    assert {OutcomeUnknownError} == {type(failure.error) for failure in bulk.result.failed}
    # Those that may have been written keep their ids.
    assert sent == sum(one.id is not None for one in given)


async def test_a_bulk_that_is_left_while_it_waits_for_results_takes_those_that_come() -> None:
    going_on = asyncio.Event()

    class Slow(AsyncMemoryBackend):
        async def write_many(
            self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS
        ) -> list[WriteResult]:
            await going_on.wait()
            return await super().write_many(writes)

    bulk = AsyncCendry(backend=Slow()).bulk()

    async def broken() -> None:
        async with bulk:
            for number in range(MAX_BULK_WRITES):
                await bulk.save(city(f"c{number}"))
            asyncio.get_running_loop().call_soon(going_on.set)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await broken()
    assert BulkResult(MAX_BULK_WRITES) == bulk.result


def test_a_bulk_that_is_never_left_leaves_nothing_behind() -> None:
    before = threading.active_count()
    bulk = Cendry(backend=MemoryBackend()).bulk().__enter__()
    for number in range(MAX_BULK_WRITES):
        bulk.save(city(f"c{number}"))
    del bulk
    gc.collect()
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline


# Where it can't be used


def test_a_backend_without_bulk_writes(make: Callable[..., Any], backend: Any) -> None:
    backend.write_many = None
    with pytest.raises(UnsupportedByBackendError, match="Memory does not support bulk writes. Write up to") as caught:
        make(backend=backend).bulk()
    assert ("bulk writes", "Memory") == (caught.value.feature, caught.value.backend)


def test_a_bulk_inside_a_transaction() -> None:
    ctx = Cendry(backend=MemoryBackend())
    outside = ctx.bulk()

    def inside(txn: Any) -> None:
        for call in (ctx.bulk, outside.__enter__, lambda: ctx.delete_recursive(City, "a")):
            with pytest.raises(CendryError, match="can't be part of the transaction that runs here"):
                call()

    ctx.transaction(inside)
    with ctx.transaction() as txn:
        query = txn.select(City)
    with pytest.raises(CendryError, match="has ended"):
        query.delete()


@forks
@pytest.mark.parametrize("place", ["inside", "left"])
def test_a_forked_child_does_not_write(place: str) -> None:
    python(FORKED, place)


FORKED = """
from cendry_memory import MemoryBackend

class City(Model, collection="cities"):
    name: Field[str]

ctx = Cendry(backend=MemoryBackend())

def use(bulk):
    for call in (lambda: bulk.save(City(name="x")), bulk.flush):
        refused(call)

def leave(bulk):
    refused(bulk.__exit__, None, None, None)
    assert bulk.result.written == 0

with ctx.bulk() as bulk:
    for number in range(600):
        bulk.save(City(id=str(number), name="x"))
    child(use if arguments == ["inside"] else leave, bulk)
assert bulk.result.written == 600
"""


def test_what_a_child_inherits_is_left_to_the_parent(ctx: Any, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = ctx.bulk()

    def child(error: Exception | None) -> None:
        with bulk:
            bulk.save(city("a"))
            monkeypatch.setattr(_fork, "process", _fork.process + 1)
            if error is not None:
                raise error

    with pytest.raises(UsedBeforeForkError, match="its bulk writes are made by the parent"):
        child(None)
    assert BulkResult(0) == bulk.result
    bulk = ctx.bulk()
    with pytest.raises(KeyError, match="mine"):
        child(KeyError("mine"))
    assert [] == backend.sent


def test_delete_recursive_keeps_the_document_if_anything_is_left(ctx: Any, backend: Any) -> None:
    backend.answers = {"cities/a/areas/1": [REFUSED]}
    top = city("a")
    ctx.save(top)
    ctx.save_many([Area(id=name, name="x") for name in "123"], parent=top)
    with pytest.raises(BulkError) as caught:
        ctx.delete_recursive(top)
    assert (2, ["cities/a/areas/1"]) == (caught.value.written, [one.path for one in caught.value.failed])
    assert ctx.exists(City, "a")
    assert BulkResult(2) == ctx.delete_recursive(top)
    assert not ctx.exists(City, "a")


class Stamped(Model, collection="stamped"):
    n: Field[int] = field(default=0)
    at: Field[datetime | None] = field(auto_now=True)


def test_an_update_of_many_does_not_show_one_time_for_all() -> None:
    times = [datetime(2024, 1, 1, 0, minute, tzinfo=timezone.utc) for minute in range(60)]
    clock = iter(times)
    backend = MemoryBackend()
    paths = [f"stamped/{number:03}" for number in range(MAX_BULK_WRITES + 1)]
    for path in paths:
        backend.commit([Set(path, {})])
    Cendry(backend=backend, clock=lambda: next(clock)).select(Stamped).update({"n": 1})
    found = [one.at for one in Cendry(backend=backend).select(Stamped)]
    assert len(paths) == len(found)
    assert 2 == len(set(found))
