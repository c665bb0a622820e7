"""Listening by iterators, in both twins, on a backend that reports at once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import pytest
from cendry import (
    AsyncCendry,
    AsyncSnapshots,
    Cendry,
    CendryError,
    Change,
    DecodeError,
    InvalidDocumentIdError,
    Ref,
    Snapshot,
    Snapshots,
    UnsupportedByBackendError,
    UsedBeforeForkError,
)
from cendry._context.feeds import AsyncFeed, Feed
from cendry._context.live import LiveDocuments
from cendry.backend import DocumentResult, ListenResult
from cendry.plan import GetPlan
from core.documents import Area, City
from core.recording import AsyncRecordingBackend, RecordingBackend

EMPTY = City.name.is_in([])
WAIT = 60.0


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    store = RecordingBackend()
    for index, name in enumerate("abc"):
        store.put(f"cities/{name}", {"displayName": name.upper(), "population": index})
    yield store
    store.store.close()


@pytest.fixture
def ctx(backend: RecordingBackend) -> Cendry:
    return Cendry(backend=backend)


@pytest.fixture
async def async_backend() -> AsyncIterator[AsyncRecordingBackend]:
    store = AsyncRecordingBackend()
    for index, name in enumerate("abc"):
        store.put(f"cities/{name}", {"displayName": name.upper(), "population": index})
    yield store
    store.store.close()


@pytest.fixture
async def async_ctx(async_backend: AsyncRecordingBackend) -> AsyncCendry:
    return AsyncCendry(backend=async_backend)


def ids(snapshot: Snapshot[City]) -> str:
    return "".join(str(city.id) for city in snapshot.documents)


def told(*changes: Change[City]) -> list[tuple[str, str | None, int | None, int | None]]:
    return [(one.type, one.document.id, one.old_index, one.new_index) for one in changes]


class Waiting:
    """A thread that takes all items, and whether it waits for one."""

    def __init__(self, snapshots: Snapshots[Any]) -> None:
        self.items: list[Any] = []
        self.first = threading.Event()
        self._snapshots = snapshots
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.first.wait(WAIT)

    def _run(self) -> None:
        for one in self._snapshots:
            self.items.append(one)
            self.first.set()

    def joined(self) -> int:
        """How many items there were when the iteration ended."""
        self.thread.join(WAIT)
        assert not self.thread.is_alive()
        return len(self.items)


# --- the sync twin ---


def test_nothing_begins_before_it_is_asked_for(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.calls.clear()
    snapshots = ctx.select(City).snapshots()
    assert (isinstance(snapshots, Snapshots), iter(snapshots) is snapshots, backend.calls) == (True, True, [])
    backend.put("cities/d", {"displayName": "D"})
    assert ids(next(snapshots)) == "abcd"
    assert len(backend.plans("listen")) == 1
    snapshots.close()
    assert backend.listening == []


def test_snapshots_fold_what_comes_meanwhile(ctx: Cendry, backend: RecordingBackend) -> None:
    with ctx.select(City, order_by=City.population).snapshots() as snapshots:
        first = next(snapshots)
        assert (ids(first), told(*first.changes)[0]) == ("abc", ("added", "a", None, 0))
        backend.put("cities/a", {"displayName": "A", "population": 7})
        backend.put("cities/x", {"displayName": "X", "population": 5})
        backend.remove("cities/x", "cities/b")
        backend.put("cities/a", {"displayName": "A", "population": 8})
        second = next(snapshots)
        assert told(*second.changes) == [("removed", "b", 1, None), ("modified", "a", 0, 1)]
        assert (ids(second), second.documents[0] is first.documents[2]) == ("ca", True)
    assert (list(snapshots), snapshots.closed) == ([], True)


def test_watch_gives_changes_one_by_one(ctx: Cendry, backend: RecordingBackend) -> None:
    changes = ctx.select(City, order_by=City.population).watch()
    assert told(*islice(changes, 3)) == [("added", "a", None, 0), ("added", "b", None, 1), ("added", "c", None, 2)]
    backend.put("cities/a", {"displayName": "A", "population": 7})
    assert told(next(changes)) == [("modified", "a", 0, 2)]
    changes.close()


def test_documents_by_id_by_ref_and_below_a_parent(ctx: Cendry, backend: RecordingBackend) -> None:
    one = ctx.snapshots(City, "a")
    two = ctx.watch(Ref(City, "a"))
    three = ctx.snapshots(Area, "x", parent=Ref(City, "a"))
    assert (ids(next(one)), told(next(two)), next(three).documents) == ("a", [("added", "a", None, 0)], ())
    paths = ["cities/a", "cities/a", "cities/a/areas/x"]
    assert backend.plans("listen") == [GetPlan((path,)) for path in paths]
    for snapshots in (one, two, three):
        snapshots.close()
    with pytest.raises(InvalidDocumentIdError):
        ctx.snapshots(City, "a/b")


def test_one_that_waits_ends_with_its_context_and_by_close(ctx: Cendry, backend: RecordingBackend) -> None:
    with_context = Waiting(ctx.select(City).snapshots())
    closed = ctx.select(City).snapshots()
    by_close = Waiting(closed)
    nothing = Waiting(ctx.select(City, EMPTY).snapshots())
    closed.close()
    closed.close()
    assert by_close.joined() == 1
    ctx.close()
    assert (with_context.joined(), nothing.joined(), backend.listening) == (1, 1, [])
    with pytest.raises(CendryError, match="This context is closed"):
        ctx.select(City).snapshots()


def test_one_that_waits_gets_what_comes(ctx: Cendry, backend: RecordingBackend) -> None:
    snapshots = ctx.select(City).snapshots()
    next(snapshots)
    found: list[Snapshot[City]] = []
    waiting = threading.Thread(target=lambda: found.append(next(snapshots)))
    waiting.start()
    backend.put("cities/d", {"displayName": "D"})
    waiting.join(WAIT)
    assert [ids(one) for one in found] == ["abcd"]
    snapshots.close()


def test_several_threads_share_the_changes(ctx: Cendry, backend: RecordingBackend) -> None:
    changes = ctx.select(City).watch()
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.extend(one.document.id for one in changes)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        backend.put(f"cities/d{number}", {"displayName": "D"})
    while len(found) < 23:
        assert any(thread.is_alive() for thread in threads)
    changes.close()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(map(str, found)) == sorted(["a", "b", "c", *(f"d{number}" for number in range(20))])


def test_a_document_that_does_not_fit_is_raised_and_then_the_rest_comes(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.put("cities/b", {"displayName": 5})
    backend.put("cities/c", {"displayName": 6})
    snapshots = ctx.select(City).snapshots()
    for _ in range(2):
        with pytest.raises(DecodeError, match="doesn't fit City: name: expected str, found int"):
            next(snapshots)
    assert ids(next(snapshots)) == "a"
    backend.put("cities/b", {"displayName": "B"})
    assert ids(next(snapshots)) == "ab"
    backend.put("cities/b", {"displayName": 7})
    with pytest.raises(DecodeError):
        next(snapshots)
    assert told(*next(snapshots).changes) == [("removed", "b", 1, None)]
    snapshots.close()


def test_a_handler_gets_the_documents_that_do_not_fit(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.put("cities/b", {"displayName": 5})
    errors: list[DecodeError] = []
    query = ctx.select(City)
    own, of_query = query.snapshots(on_error=errors.append), ctx.select(query, on_error=errors.append).snapshots()
    of_document = ctx.snapshots(City, "b", on_error=errors.append)
    assert [ids(next(one)) for one in (own, of_query, of_document)] == ["ac", "ac", ""]
    assert [error.path for error in errors] == ["cities/b"] * 3
    for snapshots in (own, of_query, of_document):
        snapshots.close()
    begins: list[Any] = [query.snapshots, query.watch, lambda on_error: ctx.snapshots(City, "b", on_error=on_error)]
    for begin in begins:
        with pytest.raises(TypeError, match="on_error takes a function of one argument, the DecodeError, not 5"):
            begin(on_error=5)


def test_a_handler_may_end_the_iteration(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.put("cities/b", {"displayName": 5})
    snapshots: Snapshots[Snapshot[City]] = ctx.select(City).snapshots(on_error=lambda error: snapshots.close())
    assert ids(next(snapshots)) == "ac"
    assert list(snapshots) == []


def test_an_end_is_raised_once_after_what_came_before(ctx: Cendry, backend: RecordingBackend) -> None:
    snapshots = ctx.select(City).snapshots()
    next(snapshots)
    (running,) = backend.listening
    backend.put("cities/d", {"displayName": "D"})
    running.on_error(ConnectionError("lost"))
    assert (ids(next(snapshots)), snapshots.closed) == ("abcd", False)
    with pytest.raises(ConnectionError, match="lost"):
        next(snapshots)
    assert (list(snapshots), snapshots.closed, ctx._sender.listeners) == ([], True, set())


def test_what_can_not_begin_is_raised(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.fail("listen", RuntimeError("broken"))
    snapshots = ctx.select(City).snapshots()
    with pytest.raises(RuntimeError, match="broken"):
        next(snapshots)
    assert (list(snapshots), ctx._sender.listeners) == ([], set())


def test_a_query_that_nothing_matches_has_one_snapshot(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.calls.clear()
    snapshots = ctx.select(City, EMPTY).snapshots()
    assert next(snapshots) == Snapshot((), (), None)
    assert backend.calls == []
    snapshots.close()
    assert list(snapshots) == []


def test_one_that_is_dropped_ends(ctx: Cendry, backend: RecordingBackend) -> None:
    for snapshot in ctx.select(City).snapshots():
        assert ids(snapshot) == "abc"
        break
    gc.collect()
    assert backend.ended.acquire(timeout=WAIT)
    assert (backend.listening, ctx._sender.listeners) == ([], set())
    unused, closed = ctx.select(City).snapshots(), ctx.select(City).snapshots()
    next(closed)
    closed.close()
    del unused, closed
    gc.collect()
    assert backend.ended.acquire(timeout=WAIT)
    assert not backend.ended.acquire(blocking=False)


def test_an_error_that_is_kept_does_not_keep_the_listener(ctx: Cendry, backend: RecordingBackend) -> None:
    backend.put("cities/b", {"displayName": 5})

    def consume() -> None:
        for _ in ctx.select(City).snapshots():
            pytest.fail("the first item is an error")

    with pytest.raises(DecodeError) as caught:
        consume()
    assert backend.ended.acquire(timeout=WAIT)
    assert (caught.value.path, backend.listening) == ("cities/b", [])


def feed(handle: Any, running: set[Any]) -> Feed[Any]:
    documents = LiveDocuments[Any](GetPlan(("c/a",)), lambda result: result, backwards=False)
    made: Feed[Any] = Feed(documents, lambda snapshot: (snapshot,), None, handle, running)
    return made


def test_one_that_is_closed_while_it_begins_closes_what_it_began() -> None:
    closed: list[str] = []

    class Handle:
        def close(self) -> None:
            closed.append("closed")

    def listen(on_change: Any, on_error: Any) -> Handle:
        made.close()
        on_change(ListenResult((DocumentResult("c/a", {}),), (), None, is_reset=True))
        return Handle()

    running: set[Any] = set()
    made = feed(listen, running)
    with pytest.raises(StopIteration):
        made.next()
    assert (closed, running) == (["closed"], set())


def test_a_change_that_changes_nothing_is_not_an_item() -> None:
    def listen(on_change: Any, on_error: Any) -> Any:
        on_change(ListenResult((), (), None, is_reset=True))
        calls.extend([on_change, on_error])
        return None

    calls: list[Any] = []
    made = feed(listen, set())
    assert made.next() == Snapshot((), (), None)
    on_change, on_error = calls
    on_change(ListenResult((), ("c/a",), None))
    on_error(ConnectionError())
    with pytest.raises(ConnectionError):
        made.next()


def test_a_forked_child_can_not_use_the_parents(ctx: Cendry, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots, unused = ctx.select(City).snapshots(), ctx.select(City).snapshots()
    next(snapshots)
    with monkeypatch.context() as child:
        child.setattr("cendry._fork.process", -1)
        with pytest.raises(UsedBeforeForkError, match="This listener was used in process .*its stream belongs to the"):
            next(snapshots)
        assert ids(next(unused)) == "abc"
    snapshots.close()
    unused.close()


def test_when_the_interpreter_ends_no_thread_begins(ctx: Cendry, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    for name in ("_thread.start_new_thread", "threading.Thread.start"):
        snapshots = ctx.select(City).snapshots()
        next(snapshots)
        with monkeypatch.context() as ending:
            ending.setattr(name, refuse)
            if name == "_thread.start_new_thread":
                del snapshots
            else:
                from cendry._context.feeds import _in_thread

                _in_thread(snapshots.close)
    ctx.close()


def test_transactions_and_past_moments_have_none(ctx: Cendry, backend: RecordingBackend) -> None:
    def listen(txn: Any) -> None:
        for begin in (txn.select(City).snapshots, txn.select(City).watch):
            with pytest.raises(CendryError, match="A transaction has no listeners"):
                begin()

    ctx.transaction(listen)
    now = backend.store._now()
    with pytest.raises(CendryError, match="A query at a past moment never changes"):
        ctx.select(City).at(now).snapshots()
    with pytest.raises(CendryError, match="so it has no listeners"):
        ctx.at(now).snapshots(City, "a")


# --- the async twin ---


async def test_async_snapshots_fold_what_comes_meanwhile(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend
) -> None:
    async with async_ctx.select(City, order_by=City.population).snapshots() as snapshots:
        assert isinstance(snapshots, AsyncSnapshots)
        first = await anext(snapshots)
        assert (ids(first), told(*first.changes)[0]) == ("abc", ("added", "a", None, 0))
        async_backend.put("cities/a", {"displayName": "A", "population": 7})
        async_backend.put("cities/x", {"displayName": "X", "population": 5})
        async_backend.remove("cities/x", "cities/b")
        second = await anext(snapshots)
        assert told(*second.changes) == [("removed", "b", 1, None), ("modified", "a", 0, 1)]
        assert second.documents[0] is first.documents[2]
    assert ([one async for one in snapshots], snapshots.closed, async_backend.listening) == ([], True, [])


async def test_async_watch_and_documents(async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend) -> None:
    changes = async_ctx.select(City, order_by=City.population).watch()
    assert told(*[await anext(changes) for _ in range(3)])[2] == ("added", "c", None, 2)
    one, two = async_ctx.snapshots(City, "a"), async_ctx.watch(Ref(City, "a"))
    assert (ids(await anext(one)), told(await anext(two))) == ("a", [("added", "a", None, 0)])
    async_backend.remove("cities/a")
    assert told(await anext(changes), await anext(two)) == [("removed", "a", 0, None)] * 2
    for snapshots in (changes, one, two):
        await snapshots.aclose()
        await snapshots.aclose()


async def test_a_wait_that_is_cancelled_loses_nothing(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend
) -> None:
    snapshots = async_ctx.select(City).snapshots()
    await anext(snapshots)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(snapshots), 0.01)
    async_backend.put("cities/d", {"displayName": "D"})
    assert ids(await anext(snapshots)) == "abcd"
    await snapshots.aclose()


async def test_a_task_that_is_cancelled_leaves_nothing_even_if_its_error_is_kept(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend
) -> None:
    begun = asyncio.Event()

    async def consume() -> None:
        async for _ in async_ctx.select(City).snapshots():
            begun.set()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    [error] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(error, asyncio.CancelledError)
    gc.collect()
    await asyncio.sleep(0)
    assert (async_backend.listening, async_ctx._sender.listeners) == ([], set())


async def test_async_iterations_end_with_their_context_and_by_aclose(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend
) -> None:
    async def consume(snapshots: AsyncSnapshots[Any], begun: asyncio.Event) -> int:
        count = 0
        async for _ in snapshots:
            count += 1
            begun.set()
        return count

    closed = async_ctx.select(City).snapshots()
    others = [async_ctx.select(City).snapshots(), async_ctx.select(City, EMPTY).snapshots()]
    events = [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(consume(*each)) for each in zip([closed, *others], events, strict=True)]
    for event in events:
        await event.wait()
    await closed.aclose()
    assert await tasks[0] == 1
    await async_ctx.close()
    assert (await asyncio.gather(*tasks), async_backend.listening) == ([1, 1, 1], [])
    with pytest.raises(CendryError, match="This context is closed"):
        async_ctx.select(City).snapshots()


async def test_several_tasks_share_the_changes(async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend) -> None:
    changes = async_ctx.select(City).watch()
    tasks = [asyncio.create_task(changes.__anext__()) for _ in range(5)]
    await asyncio.sleep(0)
    async_backend.put("cities/d", {"displayName": "D"})
    async_backend.put("cities/e", {"displayName": "E"})
    assert sorted([str((await task).document.id) for task in tasks]) == list("abcde")
    await changes.aclose()


async def test_async_errors_of_documents_and_of_the_end(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend
) -> None:
    async_backend.put("cities/b", {"displayName": 5})
    snapshots = async_ctx.select(City).snapshots()
    with pytest.raises(DecodeError):
        await anext(snapshots)
    assert ids(await anext(snapshots)) == "ac"
    async_backend.listening[0].on_error(ConnectionError("lost"))
    with pytest.raises(ConnectionError):
        await anext(snapshots)
    assert ([one async for one in snapshots], async_ctx._sender.listeners) == ([], set())
    async_backend.fail("listen", RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await anext(async_ctx.select(City).snapshots())
    assert async_ctx._sender.listeners == set()


async def test_async_ones_that_are_dropped_end(async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend) -> None:
    async for snapshot in async_ctx.select(City).snapshots():
        assert ids(snapshot) == "abc"
        break
    unused = async_ctx.select(City).snapshots()
    del unused
    gc.collect()
    await asyncio.sleep(0)
    assert (async_backend.listening, async_ctx._sender.listeners) == ([], set())


async def test_an_async_backend_without_listeners_says_so() -> None:
    class Without:
        name = "Other"
        commit = AsyncRecordingBackend.commit

    async with AsyncCendry(backend=Without()) as ctx:  # type: ignore[arg-type]
        with pytest.raises(UnsupportedByBackendError, match="Other does not support listeners"):
            await anext(ctx.snapshots(City, "a"))


def test_event_loops_are_not_mixed() -> None:
    backend = AsyncRecordingBackend()
    ctx = AsyncCendry(backend=backend)
    snapshots, dropped, used = (ctx.select(City).snapshots() for _ in range(3))

    async def begin() -> None:
        for one in (snapshots, dropped, used):
            await anext(one)

    asyncio.run(begin())

    async def go_on() -> None:
        nonlocal dropped
        with pytest.raises(CendryError, match="begun in another event loop"):
            await anext(snapshots)
        await snapshots.aclose()
        del dropped
        gc.collect()
        assert len(ctx._sender.listeners) == 1
        await ctx.close()

    asyncio.run(go_on())
    assert (used.closed, ctx._sender.listeners) == (True, set())
    backend.store.close()


async def test_one_of_another_loop_that_runs_is_closed_there() -> None:
    backend = AsyncRecordingBackend()
    ctx = AsyncCendry(backend=backend)
    begun, stop = threading.Event(), threading.Event()
    count: list[int] = []

    async def consume() -> None:
        seen = 0
        async for _ in ctx.select(City).snapshots():
            seen += 1
            begun.set()
        count.append(seen)

    thread = threading.Thread(target=lambda: asyncio.run(consume()))
    thread.start()
    assert await asyncio.to_thread(begun.wait, WAIT)
    await ctx.close()
    stop.set()
    await asyncio.to_thread(thread.join, WAIT)
    assert (count, backend.listening) == ([1], [])
    backend.store.close()


async def test_an_async_one_in_a_forked_child(
    async_ctx: AsyncCendry, async_backend: AsyncRecordingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = async_ctx.select(City).snapshots()
    await anext(snapshots)
    with monkeypatch.context() as child:
        child.setattr("cendry._fork.process", -1)
        with pytest.raises(UsedBeforeForkError):
            await anext(snapshots)
        del snapshots
        gc.collect()
        assert async_ctx._sender.listeners == set()
    assert len(async_backend.listening) == 1
    async_backend.listening[0].close()


async def test_async_transactions_have_none(async_ctx: AsyncCendry) -> None:
    async def listen(txn: Any) -> None:
        with pytest.raises(CendryError, match="A transaction has no listeners"):
            txn.select(City).snapshots()

    await async_ctx.transaction(listen)
    now = datetime.now(timezone.utc)
    with pytest.raises(CendryError, match="A query at a past moment never changes"):
        async_ctx.select(City).at(now).snapshots()


async def test_an_async_one_that_is_closed_while_it_has_a_waiter_that_is_done() -> None:
    documents = LiveDocuments[Any](GetPlan(("c/a",)), lambda result: result, backwards=False)
    calls: list[Any] = []

    class Handle:
        def close(self) -> None: ...

        async def wait_closed(self) -> None: ...

    def listen(on_change: Any, on_error: Any) -> Handle:
        calls.append(on_change)
        return Handle()

    made: AsyncFeed[Any] = AsyncFeed(documents, lambda snapshot: (snapshot,), None, listen, set())
    task = asyncio.create_task(made.next())
    await asyncio.sleep(0)
    result = ListenResult((DocumentResult("c/a", {}),), (), None, is_reset=True)
    # Both come before the task runs again.
    calls[0](result)
    made.close()
    with pytest.raises(StopAsyncIteration):
        await task
