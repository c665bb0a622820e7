"""Listeners of the async twin on Google's emulator: one task each, which reconnects, and nothing left at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncCendry, Field, FirestoreBackend, Model, field
from cendry._context.live import LiveDocuments
from cendry.backend import ListenResult, StoredDocument
from cendry.errors import MissingIndexError
from cendry.paths import FieldPath
from cendry.plan import Condition, Delete, GetPlan, Order, QueryPlan, Set
from cendry_firestore import AsyncFirestoreBackend
from cendry_firestore._loop_listener import AsyncFirestoreListener
from cendry_memory.testing.driver import LoopThread
from firestore.faulty import BEGUN, Fault, FaultyServer
from google.api_core import exceptions

N = FieldPath("n")
BY_N = QueryPlan("c", where=Condition(N, ">", 0), orders=(Order(N),))
WAIT = 60.0


class Row(Model, collection="rows"):
    n: Field[int] = field(default=0)


class AsyncEar:
    """A listener that keeps what it hears, in the loop of the test."""

    def __init__(self, backend: AsyncFirestoreBackend, plan: QueryPlan | GetPlan = BY_N) -> None:
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self.errors: asyncio.Queue[BaseException] = asyncio.Queue()
        self._documents = LiveDocuments[StoredDocument](plan, lambda result: result, backwards=False)
        self.handle: AsyncFirestoreListener = backend.listen(plan, self.take, self.errors.put_nowait)

    def take(self, result: ListenResult) -> None:
        snapshot, _ = self._documents.take(result)
        if snapshot is not None:
            self.states.put_nowait(" ".join(one.path[2:] for one in snapshot.documents))

    async def state(self) -> str:
        return await asyncio.wait_for(self.states.get(), WAIT)

    async def error(self) -> BaseException:
        return await asyncio.wait_for(self.errors.get(), WAIT)


def unheard(error: BaseException) -> None:
    """A callback that nobody may call."""
    pytest.fail(str(error))


async def only_task() -> None:
    """Wait until this test is the only task; gRPC's own end soon after their calls."""
    deadline = time.monotonic() + WAIT
    while (left := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < deadline:
        await asyncio.wait(left, timeout=0.1)
    assert set() == left


@pytest.fixture
async def backend(firestore_emulator: str, project: str) -> AsyncIterator[AsyncFirestoreBackend]:
    backend = AsyncFirestoreBackend(project=project)
    yield backend
    await backend.close()


@pytest.fixture
def faulty_backend(faulty: FaultyServer, backend: AsyncFirestoreBackend) -> AsyncFirestoreBackend:
    return backend


async def test_changes_are_reported_in_the_loop_and_nothing_is_left(backend: AsyncFirestoreBackend) -> None:
    ear = AsyncEar(backend)
    assert "" == await ear.state()
    await backend.commit([Set("c/b", {"n": 2}), Set("c/a", {"n": 1}), Set("c/out", {"n": 0})])
    assert "a b" == await ear.state()
    await backend.commit([Set("c/a", {"n": 3})])
    assert "b a" == await ear.state()
    ear.handle.close()
    ear.handle.close()
    await ear.handle.wait_closed()
    await backend.commit([Delete("c/a")])
    await only_task()
    assert (ear.states.empty(), ear.errors.empty()) == (True, True)


async def test_closing_the_backend_ends_its_listeners(backend: AsyncFirestoreBackend) -> None:
    ears = [AsyncEar(backend) for _ in range(3)]
    assert "" == await ears[0].state()
    await backend.close()
    await only_task()
    assert all(ear.errors.empty() for ear in ears)


async def test_closing_the_backend_ends_those_of_other_loops(backend: AsyncFirestoreBackend) -> None:
    running, stopped = LoopThread(), asyncio.new_event_loop()
    errors: list[BaseException] = []

    async def listen() -> AsyncFirestoreListener:
        began = asyncio.Event()
        handle = backend.listen(BY_N, lambda result: began.set(), errors.append)
        await began.wait()
        return handle

    ended = await asyncio.to_thread(running.wait_for, listen())
    left = await asyncio.to_thread(stopped.run_until_complete, listen())
    await backend.close()
    await asyncio.to_thread(running.wait_for, ended.wait_closed())
    await asyncio.to_thread(running.close)
    assert not left._task.done()
    left.close()
    await asyncio.to_thread(stopped.run_until_complete, left.wait_closed())
    stopped.close()
    assert [] == errors


async def test_close_from_the_callback(backend: AsyncFirestoreBackend) -> None:
    heard: list[ListenResult] = []
    handles: list[AsyncFirestoreListener] = []
    done = asyncio.Event()

    def once(result: ListenResult) -> None:
        heard.append(result)
        handles[0].close()
        done.set()

    handles.append(backend.listen(BY_N, once, unheard))
    await asyncio.wait_for(done.wait(), WAIT)
    await handles[0].wait_closed()
    await only_task()
    assert 1 == len(heard)


async def test_a_callback_that_closes_and_fails_reports_nothing(backend: AsyncFirestoreBackend) -> None:
    handles: list[AsyncFirestoreListener] = []
    done = asyncio.Event()

    def fail(result: ListenResult) -> None:
        handles[0].close()
        done.set()
        raise LookupError("mine")

    handles.append(backend.listen(BY_N, fail, unheard))
    await asyncio.wait_for(done.wait(), WAIT)
    await handles[0].wait_closed()
    await only_task()


async def test_a_callback_that_fails_ends_the_listener(backend: AsyncFirestoreBackend) -> None:
    errors: asyncio.Queue[BaseException] = asyncio.Queue()

    def fail(result: ListenResult) -> None:
        raise LookupError("mine")

    backend.listen(BY_N, fail, errors.put_nowait)
    assert "mine" == str(await asyncio.wait_for(errors.get(), WAIT))
    await only_task()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK])
@pytest.mark.slow
async def test_a_stream_that_breaks_is_taken_up_again(
    faulty_backend: AsyncFirestoreBackend, faulty: FaultyServer, fault: type[Fault], code: Any, project: str
) -> None:
    await faulty_backend.commit([Set("c/a", {"n": 1}), Set("c/b", {"n": 2})])
    # ADD, RESET, two documents, CURRENT, then the snapshot: the break comes in the middle, at the start, after it.
    faulty.faults["Listen"] = [fault(code, after=3), fault(code), fault(code, after=6)]
    ear = AsyncEar(faulty_backend)
    assert "a b" == await ear.state()
    # The emulator overlooks a commit that comes while a listener begins, until the next one.
    await asyncio.to_thread(faulty.wait_for_states, 2)
    await faulty_backend.commit([Delete("c/a")])
    assert "b" == await ear.state()
    assert ear.errors.empty()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "no", exceptions.PermissionDenied),
        (grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index: url", MissingIndexError),
    ],
)
async def test_what_waiting_does_not_mend_ends_it_with_a_typed_error(
    faulty_backend: AsyncFirestoreBackend,
    faulty: FaultyServer,
    fault: type[Fault],
    code: Any,
    text: str,
    expected: type[BaseException],
) -> None:
    faulty.faults["Listen"] = [fault(code, text)]
    ear = AsyncEar(faulty_backend)
    assert isinstance(await ear.error(), expected)
    await only_task()
    assert ["Listen"] == faulty.calls


@pytest.mark.parametrize("begun", BEGUN)
async def test_a_server_that_falls_silent_in_its_answer_is_asked_again(
    faulty_backend: AsyncFirestoreBackend,
    faulty: FaultyServer,
    fault: type[Fault],
    monkeypatch: pytest.MonkeyPatch,
    begun: list[bytes],
) -> None:
    monkeypatch.setattr("cendry_firestore._listen.SILENCE_SECONDS", 0.3)
    await faulty_backend.commit([Set("c/a", {"n": 1})])
    faulty.faults["Listen"] = [fault(grpc.StatusCode.OK, after=None)]
    # What would have come first is kept back as well.
    faulty.next_answers["Listen"] = [begun]
    ear = AsyncEar(faulty_backend)
    await asyncio.to_thread(faulty.wait_for_calls, "Listen", 2)
    monkeypatch.undo()
    assert "a" == await ear.state()
    ear.handle.close()
    await only_task()


async def test_a_stream_that_is_quiet_is_left_alone(
    faulty_backend: AsyncFirestoreBackend, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = AsyncEar(faulty_backend)
    assert "" == await ear.state()
    monkeypatch.setattr("cendry_firestore._listen.SILENCE_SECONDS", 0.01)
    looks = []

    def later(seconds: float, look: Any, *arguments: Any) -> Any:
        looks.append(look)
        return schedule(seconds, look, *arguments)

    schedule = ear.handle.loop.call_later
    ear.handle._watch.cancel()  # type: ignore[union-attr]
    with monkeypatch.context() as patched:
        patched.setattr(ear.handle.loop, "call_later", later)
        for _ in range(3):
            ear.handle._keep_watch(ear.handle._call, ear.handle._attempts.state.taken)
    assert [ear.handle._keep_watch] * 3 == looks
    await faulty_backend.commit([Set("c/a", {"n": 1})])
    assert ("a", ["Listen"]) == (await ear.state(), [one for one in faulty.calls if one == "Listen"])
    ear.handle.close()
    await only_task()


async def test_a_server_that_stays_away_ends_it_at_last(
    faulty_backend: AsyncFirestoreBackend, faulty: FaultyServer, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cendry_firestore._listen.PATIENCE", 0.3)
    faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE)] * 200
    ear = AsyncEar(faulty_backend)
    assert isinstance(await ear.error(), exceptions.ServiceUnavailable)


async def test_close_while_it_waits_to_connect_again(
    faulty_backend: AsyncFirestoreBackend, faulty: FaultyServer, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    def long(failures: int, first: float, longest: float) -> float:
        waits.set()
        return 60.0

    monkeypatch.setattr("cendry_firestore._listen.pause_after", long)
    faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE)]
    ear = AsyncEar(faulty_backend)
    await asyncio.wait_for(waits.wait(), WAIT)
    ear.handle.close()
    await asyncio.wait_for(ear.handle.wait_closed(), 1)
    await only_task()


async def test_a_channel_that_is_closed_ends_it(backend: AsyncFirestoreBackend) -> None:
    ear = AsyncEar(backend)
    assert "" == await ear.state()
    connection = backend._connection
    connection.is_closed = True
    await connection.close_async()
    assert isinstance(await ear.error(), Exception)
    await only_task()


async def test_snapshots_of_both_twins_see_each_others_writes(backend: AsyncFirestoreBackend, project: str) -> None:
    from cendry import Cendry

    other = FirestoreBackend(project=project)
    with Cendry(backend=other) as sync:
        async with AsyncCendry(backend=backend) as ctx:
            theirs, ours = sync.select(Row).watch(), ctx.select(Row, order_by=Row.n).snapshots()
            assert () == (await anext(ours)).documents
            await ctx.save(Row(id="a", n=1))
            assert "a" == (await asyncio.to_thread(next, theirs)).document.id
            await asyncio.to_thread(sync.save, Row(id="b", n=0))
            found: tuple[Row, ...] = ()
            while len(found) < 2:
                found = (await anext(ours)).documents
            assert [Row(id="b", n=0), Row(id="a", n=1)] == list(found)
            theirs.close()
        await only_task()
    other.close()


async def test_in_a_forked_child_a_listener_has_ended(backend: AsyncFirestoreBackend) -> None:
    ear = AsyncEar(backend)
    assert "" == await ear.state()
    connection = backend._connection
    backend.after_fork()
    ear.handle.close()
    task = ear.handle._task
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await ear.handle.wait_closed()
    await connection.close_async()
