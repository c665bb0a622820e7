"""What the suites of the Firestore backends share: both twins behind one face, and a server that can fail."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from cendry.backend import CommitResult, DocumentResult
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from cendry_firestore import AsyncFirestoreBackend, FirestoreBackend

pytest.register_assert_rewrite("firestore.comparing")


class Face:
    """A backend of either twin, awaited; what it streams comes as a list."""

    def __init__(self, backend: FirestoreBackend | AsyncFirestoreBackend) -> None:
        self.backend: Any = backend
        self.is_async = isinstance(backend, AsyncFirestoreBackend)

    async def get(self, *paths: str, **options: Any) -> list[DocumentResult]:
        return await self.get_plan(GetPlan(paths), **options)

    async def get_plan(self, plan: GetPlan, **options: Any) -> list[DocumentResult]:
        return await self._drain(self.backend.get(plan, **options))

    async def run(self, plan: QueryPlan, **options: Any) -> list[DocumentResult]:
        return await self._drain(self.backend.run(plan, **options))

    async def ids(self, plan: QueryPlan, **options: Any) -> list[str]:
        return [result.path.rpartition("/")[2] for result in await self.run(plan, **options)]

    async def data(self, path: str) -> dict[str, Any] | None:
        [result] = await self.get(path)
        return result.data

    async def aggregate(self, plan: AggregationPlan, **options: Any) -> tuple[int | float | None, ...]:
        figures: tuple[int | float | None, ...] = await self._settle(self.backend.aggregate(plan, **options))
        return figures

    async def commit(self, *writes: Write, **options: Any) -> CommitResult:
        result: CommitResult = await self._settle(self.backend.commit(writes, **options))
        return result

    async def begin(self, **options: Any) -> Any:
        return await self._settle(self.backend.begin(**options))

    async def rollback(self, transaction: Any, **options: Any) -> None:
        await self._settle(self.backend.rollback(transaction, **options))

    async def close(self) -> None:
        await self._settle(self.backend.close())

    async def _settle(self, answer: Any) -> Any:
        return await answer if self.is_async else answer

    async def _drain(self, stream: Any) -> list[DocumentResult]:
        return [result async for result in stream] if self.is_async else list(stream)


MakeFace = Callable[..., Face]


@pytest.fixture(params=["sync", "async"])
async def make_face(request: pytest.FixtureRequest, project: str) -> AsyncIterator[MakeFace]:
    """Makes faces of one twin, by default on this test's project, and closes them."""
    made: list[Face] = []

    def make(**arguments: Any) -> Face:
        arguments = arguments or {"project": project}
        kind = FirestoreBackend if request.param == "sync" else AsyncFirestoreBackend
        made.append(Face(kind(**arguments)))
        return made[-1]

    yield make
    for face in made:
        await face.close()


@pytest.fixture
def firestore(make_face: MakeFace, firestore_emulator: str) -> Face:
    """Either twin, on an emulator that is empty for this test."""
    return make_face()


@pytest.fixture
def backend(firestore_emulator: str, project: str) -> Iterator[FirestoreBackend]:
    """The sync twin alone."""
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()


@dataclass
class Fault:
    """What happens to one call: it breaks after so many messages of the answer.

    Attributes:
        code: The status; `OK` ends the answer in peace.
        text: What the server says.
        after: How many messages pass before; `None` to wait until the caller gives up.
        pause: Seconds of silence before it breaks.
    """

    code: grpc.StatusCode
    text: str = "injected"
    after: int | None = 0
    pause: float = 0.0


@dataclass
class FaultyServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server before the emulator, for what the emulator can't do: it breaks calls as it is told to.

    Attributes:
        faults: For each method (`RunQuery`), what happens to its next calls.
        calls: The methods that were called.
        requests: The methods and requests of those that don't stream requests.
        metadata: The methods, and what was sent along.
        answers: Messages to give instead of the emulator's, by method.
    """

    emulator: str
    host: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    metadata: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Sequence[bytes]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        if method == "Listen":
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._answer(details, requests, context)
            )
        return grpc.unary_stream_rpc_method_handler(lambda request, context: self._answer(details, request, context))

    def _answer(self, details: Any, request: Any, context: Any) -> Iterator[bytes]:
        method = details.method.rpartition("/")[2]
        self.calls.append(method)
        self.metadata.append((method, {one.key: one.value for one in context.invocation_metadata()}))
        if isinstance(request, bytes):
            self.requests.append((method, request))
        pending = self.faults.get(method)
        fault = pending.pop(0) if pending else None
        count = 0
        if fault is None or fault.after != 0:
            for message in self._forward(details, request, context):
                yield message
                count += 1
                if fault is not None and count == fault.after:
                    break
        if fault is None:
            return
        if fault.after is None:
            while context.is_active() and not self.stopping.wait(0.05):
                pass
        self.stopping.wait(fault.pause)
        if fault.code is not grpc.StatusCode.OK:
            context.abort(fault.code, fault.text)

    def _forward(self, details: Any, request: Any, context: Any) -> Iterator[bytes]:
        method = details.method.rpartition("/")[2]
        if method in self.answers:
            yield from self.answers[method]
            return
        kept = ("authorization", "google-cloud-resource-prefix", "x-goog-request-params")
        metadata = [(key, value) for key, value in context.invocation_metadata() if key in kept]
        with grpc.insecure_channel(self.emulator, options=[("grpc.max_receive_message_length", -1)]) as channel:
            send = channel.stream_stream if method == "Listen" else channel.unary_stream
            call = send(details.method)(request, metadata=metadata)
            context.add_callback(call.cancel)
            try:
                yield from call
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.CANCELLED:
                    context.abort(error.code(), error.details())


@pytest.fixture
def fault() -> type[Fault]:
    """Makes faults."""
    return Fault


@pytest.fixture
def faulty(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server before the emulator that backends made in this test talk to."""
    handler = FaultyServer(firestore_emulator)
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.host = f"127.0.0.1:{port}"
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", handler.host)
    yield handler
    handler.stopping.set()
    server.stop(0).wait()
