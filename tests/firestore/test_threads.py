"""Large reads of the async twin, which are made in threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry import AsyncCendry, AsyncFirestoreBackend, AsyncTransaction, CendryError, Field, Model, field
from cendry.plan import QueryPlan, Set
from cendry_firestore import _single_threaded, _threads, _transport
from cendry_firestore._threads import READS_VARIABLE, THREADS, ThreadedCall
from firestore.faulty import Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore import AsyncClient

MANY = 350

pytestmark = pytest.mark.skipif(
    any(os.environ.get(name) == value for name, value in ((_transport.GENERATED_VARIABLE, "1"), (READS_VARIABLE, "0"))),
    reason="reads in threads are switched off",
)


class Row(Model, collection="c"):
    n: Field[int] = field(default=0)


@pytest.fixture
async def backend(faulty: FaultyServer, project: str) -> AsyncIterator[AsyncFirestoreBackend]:
    """A backend on the server, with 350 documents."""
    backend = AsyncFirestoreBackend(project=project)
    for start in range(0, MANY, 350):
        await backend.commit([Set(f"c/d{number:03}", {"n": number}) for number in range(start, start + 350)])
    faulty.calls.clear()
    yield backend
    await backend.close()


@pytest.fixture
def ctx(backend: AsyncFirestoreBackend) -> AsyncCendry:
    return AsyncCendry(backend=backend)


def threads_of(backend: AsyncFirestoreBackend) -> Any:
    """What reads in threads, if anything has been read so."""
    return backend._connection._read_threads


def running(threads: Any) -> list[str]:
    """Those of its threads that run."""
    return [one.name for one in threads._pool._threads if one.is_alive()]


def numbers(rows: list[Row]) -> list[int]:
    return [row.n for row in rows]


# --- which reads ---


async def test_large_reads_are_made_in_threads(ctx: AsyncCendry, backend: AsyncFirestoreBackend) -> None:
    query = ctx.select(Row)
    for small in (query.limit(100).to_list(), query.first(), ctx.get_many(Row, ["d001", "d002"]), query.exists()):
        await small
    assert threads_of(backend) is None
    assert list(range(MANY)) == numbers(await query.to_list())
    assert threads_of(backend) is not None
    assert list(range(MANY)) == [row.n async for row in query]
    ids = [f"d{number:03}" for number in range(MANY)]
    assert list(range(MANY)) == numbers(await ctx.get_many(Row, ids))
    assert [] == await ctx.select(Row, Row.n > MANY).to_list()
    assert 1 <= len(running(threads_of(backend))) <= THREADS


async def test_each_is_one_call(ctx: AsyncCendry, faulty: FaultyServer) -> None:
    await ctx.select(Row).to_list()
    await ctx.get_many(Row, [f"d{number:03}" for number in range(MANY)])
    assert ["RunQuery", "BatchGetDocuments"] == faulty.calls


async def test_a_client_of_the_users_has_no_other_channel(faulty: FaultyServer, project: str) -> None:
    client = AsyncClient(project=project)
    backend = AsyncFirestoreBackend(client=client)
    assert [] == [one async for one in backend.run(QueryPlan("c"))]
    assert threads_of(backend) is None
    await client._firestore_api.transport.close()


@pytest.mark.parametrize("name", [READS_VARIABLE, _single_threaded.STREAMS_VARIABLE, _transport.GENERATED_VARIABLE])
async def test_they_can_be_switched_off(
    ctx: AsyncCendry, faulty: FaultyServer, project: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1" if name == _transport.GENERATED_VARIABLE else "0")
    other = AsyncFirestoreBackend(project=project)
    assert MANY == len([one async for one in other.run(QueryPlan("c"))])
    assert threads_of(other) is None
    await other.close()


async def test_many_at_once_are_read_in_the_loop_too(ctx: AsyncCendry, backend: AsyncFirestoreBackend) -> None:
    found = await asyncio.gather(*(ctx.select(Row).to_list() for _ in range(3 * THREADS)))
    assert [list(range(MANY))] * 3 * THREADS == [numbers(rows) for rows in found]
    assert len(running(threads_of(backend))) <= THREADS


async def test_a_transaction_reads_in_threads(ctx: AsyncCendry, faulty: FaultyServer) -> None:
    async def work(txn: AsyncTransaction) -> int:
        rows = await txn.select(Row).to_list()
        txn.update(rows[7], {Row.n: 1000})
        return len(rows)

    assert MANY == await ctx.transaction(work)
    assert ["RunQuery", "Commit"] == faulty.calls
    assert 1000 == (await ctx.get(Row, "d007")).n


# --- what goes wrong ---


async def test_a_stream_that_breaks_goes_on_after_the_last_document(
    ctx: AsyncCendry, faulty: FaultyServer, fault: type[Fault]
) -> None:
    code = grpc.StatusCode.UNAVAILABLE
    faulty.faults["RunQuery"] = [fault(code, after=0), fault(code, after=130), fault(code, after=1)]
    assert list(range(MANY)) == numbers(await ctx.select(Row).to_list())
    assert 4 == faulty.calls.count("RunQuery")


async def test_errors_are_those_of_other_reads(ctx: AsyncCendry, faulty: FaultyServer, fault: type[Fault]) -> None:
    faulty.faults["RunQuery"] = [fault(grpc.StatusCode.PERMISSION_DENIED, after=120)]
    seen: list[int] = []

    async def read() -> None:
        async for row in ctx.select(Row):
            seen.append(row.n)

    with pytest.raises(exceptions.PermissionDenied):
        await read()
    assert list(range(120)) == seen


async def test_a_read_that_is_cancelled_leaves_nothing(
    ctx: AsyncCendry, backend: AsyncFirestoreBackend, faulty: FaultyServer, fault: type[Fault]
) -> None:
    for after in (0, 150):
        silent = fault(grpc.StatusCode.UNAVAILABLE, after=after, pause=60)
        faulty.faults["RunQuery"] = [silent]
        reading = asyncio.create_task(ctx.select(Row).to_list())
        assert await asyncio.to_thread(silent.reached.wait, 20)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert MANY == len(await ctx.select(Row).to_list())
    threads = threads_of(backend)
    await backend.close()
    assert (set(), []) == (threads._calls, running(threads))


async def test_a_read_that_is_broken_off_leaves_nothing(ctx: AsyncCendry, backend: AsyncFirestoreBackend) -> None:
    for _ in range(2 * THREADS):
        stream: Any = aiter(ctx.select(Row))
        await anext(stream)
        await stream.aclose()
    threads = threads_of(backend)
    await backend.close()
    assert (set(), []) == (threads._calls, running(threads))


async def test_nothing_is_read_ahead_of_a_slow_consumer(ctx: AsyncCendry, backend: AsyncFirestoreBackend) -> None:
    stream: Any = aiter(ctx.select(Row))
    await anext(stream)
    [call] = threads_of(backend)._calls
    assert call._reading.done()
    assert len(call.ready) < _threads._CHUNK
    assert list(range(1, MANY)) == [row.n async for row in stream]


async def test_closing_ends_reads(
    ctx: AsyncCendry, backend: AsyncFirestoreBackend, faulty: FaultyServer, fault: type[Fault]
) -> None:
    silent = fault(grpc.StatusCode.UNAVAILABLE, after=150, pause=60)
    faulty.faults["RunQuery"] = [silent]
    begun: Any = aiter(ctx.select(Row))
    await anext(begun)
    faulty.faults["RunQuery"] = [silent]
    reading = asyncio.create_task(ctx.select(Row).to_list())
    assert await asyncio.to_thread(silent.reached.wait, 20)
    threads, start = threads_of(backend), threads_of(backend).start_of("run")
    assert start is not None
    await backend.close()
    assert [] == running(threads)
    with pytest.raises(CendryError, match="was closed in the middle of a read"):
        await reading
    with pytest.raises(CendryError, match="was closed in the middle of a read"):
        [row async for row in begun]
    assert set() == threads._calls
    assert threads.start_of("run") is None


def test_threads_of_a_loop_that_has_ended_end_with_the_next_one(faulty: FaultyServer, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)

    async def read() -> Any:
        assert [] == [one async for one in backend.run(QueryPlan("c"))]
        return threads_of(backend)

    first, second = asyncio.run(read()), asyncio.run(read())
    assert first is not second
    assert (True, False) == (first._is_closed, second._is_closed)
    asyncio.run(backend.close())
    assert second._is_closed
    assert [] == running(first) + running(second)


class Streaming:
    """A stream of gRPC's that is done."""

    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


async def test_a_stream_that_cannot_be_released_is_told_and_forgotten(
    ctx: AsyncCendry, backend: AsyncFirestoreBackend, caplog: pytest.LogCaptureFixture
) -> None:
    await ctx.select(Row).to_list()
    threads = threads_of(backend)
    stream = Streaming()
    call = ThreadedCall(stream, threads)
    threads._calls.add(call)
    call.cancel()
    call.cancel()
    await backend.close()
    assert (set(), "could not be released" in caplog.text) == (threads._calls, True)
