"""Which clients a backend opens, and which it closes."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from collections.abc import Callable
from typing import Any

import cendry_firestore
import grpc  # type: ignore[import-untyped]
import pytest
from cendry import CendryError, OutcomeUnknownError
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Set
from cendry_firestore import AsyncFirestoreBackend, FieldFilter, FirestoreBackend
from firestore.faulty import Fault, FaultyServer
from google.api_core.exceptions import Cancelled
from google.cloud import firestore as sdk
from google.cloud.firestore_v1.base_query import FieldFilter as SdkFieldFilter

ONE = GetPlan(("c/a",))


def channel_of(client: Any) -> Any:
    return client._firestore_api.transport.grpc_channel


def is_open(backend: FirestoreBackend) -> bool:
    try:
        return [None] == [result.data for result in backend.get(ONE)]
    except ValueError:  # how gRPC says that a channel is closed
        return False


def test_the_client_is_made_at_first_use_and_once(firestore_emulator: str, project: str) -> None:
    backend = FirestoreBackend(project=project, database="other")
    assert backend._opened is None
    clients: list[Any] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        clients.append(backend.client)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 8 == len(clients)
    assert 1 == len(set(map(id, clients)))
    assert (project, "other") == (clients[0].project, clients[0]._database)
    backend.close()


def test_closing_closes_the_channel_and_the_next_use_opens_another(firestore_emulator: str, project: str) -> None:
    backend = FirestoreBackend(project=project)
    first = backend.client
    assert is_open(backend)
    backend.close()
    backend.close()
    with pytest.raises(ValueError, match="closed"):
        first.document("c/a").get()
    assert is_open(backend)
    assert first is not backend.client
    backend.close()


def test_a_backend_that_was_never_used_closes(project: str) -> None:
    FirestoreBackend(project=project).close()


def test_a_client_that_was_passed_in_stays_open(firestore_emulator: str, project: str) -> None:
    client = sdk.Client(project=project)
    backend = FirestoreBackend(client)
    assert is_open(backend)
    assert client is backend.client
    backend.close()
    assert not client.document("c/a").get().exists
    assert is_open(backend)
    client._firestore_api.transport.close()


def test_databases_are_apart(firestore_emulator: str, project: str) -> None:
    default, other = FirestoreBackend(project=project), FirestoreBackend(project=project, database="other")
    other.commit([Set("c/a", {"x": 1})])
    assert [[None], [{"x": 1}]] == [[result.data for result in backend.get(ONE)] for backend in (default, other)]
    default.close()
    other.close()


async def test_a_named_database_in_the_async_twin(firestore_emulator: str, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project, database="other")
    await backend.commit([Set("c/a", {"x": 1})])
    client = sdk.Client(project=project, database="other")
    assert {"x": 1} == client.document("c/a").get().to_dict()
    client._firestore_api.transport.close()
    await backend.close()


def test_each_event_loop_has_a_client_of_its_own(firestore_emulator: str, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)

    async def use() -> Any:
        assert [None] == [result.data async for result in backend.get(ONE)]
        client = backend.client
        assert client is backend.client
        await backend.close()
        await backend.close()
        return client

    assert asyncio.run(use()) is not asyncio.run(use())


def test_clients_of_loops_that_are_gone_are_forgotten(firestore_emulator: str, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)

    async def use() -> None:
        assert [None] == [result.data async for result in backend.get(ONE)]

    for _ in range(3):
        asyncio.run(use())
    gc.collect()
    assert 1 == len(backend._opened)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    asyncio.run(backend.close())
    assert 0 == len(backend._opened)
    loop.close()


async def test_a_client_of_another_running_loop_is_closed_in_that_loop(firestore_emulator: str, project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def open_there() -> Any:
        return channel_of(backend.client)

    there = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(open_there(), loop))
    here = channel_of(backend.client)
    assert there is not here
    await backend.close()
    assert [True, True] == [channel._channel.closed() for channel in (here, there)]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_an_async_client_that_was_passed_in_stays_open(firestore_emulator: str, project: str) -> None:
    client = sdk.AsyncClient(project=project)
    backend = AsyncFirestoreBackend(client)
    assert client is backend.client
    await backend.commit([Set("c/a", {})])
    await backend.close()
    assert (await client.document("c/a").get()).exists
    await client._firestore_api.transport.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda project: FirestoreBackend(sdk.AsyncClient(project=project)), "AsyncFirestoreBackend"),
        (lambda project: AsyncFirestoreBackend(sdk.Client(project=project)), "FirestoreBackend"),
        (lambda project: FirestoreBackend("client"), "'client'"),
        (lambda project: FirestoreBackend(sdk.Client(project=project), project=project), "either client="),
        (lambda project: AsyncFirestoreBackend(sdk.AsyncClient(project=project), database="d"), "either client="),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    firestore_emulator: str, project: str, make: Callable[[str], Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        make(project)


def many(project: str) -> FirestoreBackend:
    """A backend on a collection that takes more than one message to read."""
    backend = FirestoreBackend(project=project)
    backend.commit([Set(f"c/{number}", {"text": "x" * 2000}) for number in range(300)])
    return backend


def test_a_read_whose_connection_is_closed_says_so(firestore_emulator: str, project: str) -> None:
    backend = many(project)
    begun, waiting = backend.run(QueryPlan("c")), backend.run(QueryPlan("c"))
    next(begun)
    backend.close()
    for stream in (begun, waiting):
        with pytest.raises(CendryError, match="was closed in the middle of a read"):
            list(stream)


def tells(task: asyncio.Task[Any] | None) -> bool:
    """Whether a task tells that it is being cancelled, as they do since 3.11; gRPC raises the same for both."""
    return hasattr(task, "cancelling")


async def test_an_async_read_whose_connection_is_closed_says_so(firestore_emulator: str, project: str) -> None:
    many(project).close()
    backend = AsyncFirestoreBackend(project=project)
    begun, waiting = backend.run(QueryPlan("c")), backend.run(QueryPlan("c"))
    await anext(begun)
    await backend.close()
    with pytest.raises(CendryError if tells(asyncio.current_task()) else asyncio.CancelledError):
        async for _ in begun:
            pass
    with pytest.raises(CendryError, match="was closed in the middle of a read"):
        await anext(waiting)


async def test_the_end_of_a_connection_cancels_no_task(faulty: FaultyServer, fault: type[Fault], project: str) -> None:
    backend = AsyncFirestoreBackend(project=project)
    for method in ("Commit", "Rollback", "RunAggregationQuery"):
        faulty.faults[method] = [fault(grpc.StatusCode.OK, pause=60.0)]
    begun = backend.begin()
    begun.id = b"x"
    calls = [
        backend.commit([Set("c/a", {})]),
        backend.rollback(begun),
        backend.aggregate(AggregationPlan(QueryPlan("c"))),
    ]
    tasks = [asyncio.create_task(call) for call in calls]
    while len(faulty.calls) < len(tasks):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await backend.close()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = [OutcomeUnknownError, Cancelled, Cancelled]
    expected = [kind if tells(task) else asyncio.CancelledError for kind, task in zip(kinds, tasks, strict=True)]
    assert expected == [type(error) for error in found]


async def test_a_task_that_is_cancelled_stays_cancelled_though_the_connection_ends(
    faulty: FaultyServer, fault: type[Fault], project: str
) -> None:
    backend = AsyncFirestoreBackend(project=project)
    faulty.faults["Commit"] = [fault(grpc.StatusCode.OK, pause=60.0)]
    task = asyncio.ensure_future(backend.commit([Set("c/a", {})]))
    while not faulty.calls:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    await backend.close()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_names() -> None:
    assert ("Firestore", "Firestore") == (FirestoreBackend.name, AsyncFirestoreBackend.name)
    assert {"AsyncFirestoreBackend", "FieldFilter", "FirestoreBackend"} == set(cendry_firestore.__all__)
    assert SdkFieldFilter is FieldFilter


def test_two_threads_of_one_backend_at_once(backend: FirestoreBackend) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                backend.commit([Set(f"c/{number}", {"step": step})])
                assert [{"step": step}] == [result.data for result in backend.get(GetPlan((f"c/{number}",)))]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures


def test_errors_of_this_backend_pickle(backend: FirestoreBackend) -> None:
    from cendry.errors import DocumentNotFoundError
    from cendry.plan import Update

    with pytest.raises(DocumentNotFoundError) as caught:
        backend.commit([Update("c/a", {}, ())])
    assert "c/a" == pickle.loads(pickle.dumps(caught.value)).path


def test_the_sync_and_the_async_backend_have_the_same_methods() -> None:
    import inspect

    for name, method in inspect.getmembers(AsyncFirestoreBackend, inspect.isfunction):
        if not name.startswith("_") or name == "__init__":
            twin = getattr(FirestoreBackend, name)
            assert list(inspect.signature(method).parameters) == list(inspect.signature(twin).parameters), name
