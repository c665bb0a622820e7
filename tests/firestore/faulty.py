"""A server before the emulator, for what the emulator can't do: it breaks calls as it is told to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.cloud.firestore_v1.types import ListenResponse, TargetChange

WAIT = 60.0
"""Seconds that nothing takes, on the slowest machine."""

_ADDED = TargetChange(target_change_type="ADD", target_ids=[1])
_RESET = TargetChange(target_change_type="RESET", target_ids=[1])
BEGUN = [
    [],
    [ListenResponse.serialize(ListenResponse(target_change=one)) for one in (_ADDED, _RESET)],
]
"""How far the answer to a listener comes before the emulator falls silent."""


@dataclass
class Fault:
    """What happens to one call: it breaks after so many messages of the answer.

    Attributes:
        code: The status; `OK` ends the answer in peace.
        text: What the server says.
        after: How many messages pass before; `None` to wait until the caller gives up.
        pause: Seconds of silence before it breaks.
        reached: Set when the messages before have passed.
    """

    code: grpc.StatusCode
    text: str = "injected"
    after: int | None = 0
    pause: float = 0.0
    reached: threading.Event = field(default_factory=threading.Event, compare=False)


@dataclass
class FaultyServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The server.

    Attributes:
        faults: For each method (`RunQuery`), what happens to its next calls.
        calls: The methods that were called.
        requests: The methods and requests of those that don't stream requests.
        metadata: The methods, and what was sent along.
        answers: Messages to give instead of the emulator's, by method.
        hold: Methods of which calls wait, before they are passed on, until `release` is set.
        held: Set when one waits.
        next_answers: The same for the next calls alone, one after the other.
        states: How many streams of changes have been given all that is there; from then on they are told what comes.
    """

    emulator: str
    host: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    metadata: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Sequence[bytes]] = field(default_factory=dict)
    hold: set[str] = field(default_factory=set)
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    next_answers: dict[str, list[Sequence[bytes]]] = field(default_factory=dict)
    states: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _channels: list[Any] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(100))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def close(self) -> None:
        """End all calls."""
        self.stopping.set()
        self.release.set()
        for channel in self._channels:
            channel.close()
        self._pool.shutdown()

    def wait_for_calls(self, method: str, count: int) -> None:
        """Wait until a method was called so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls.count(method) >= count, WAIT), self.calls

    def wait_for_states(self, count: int) -> None:
        """Wait until so many streams have been given all that is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.states >= count, WAIT), self.states

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        if method == "Listen":
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._answer(details, requests, context)
            )
        return grpc.unary_stream_rpc_method_handler(lambda request, context: self._answer(details, request, context))

    def _answer(self, details: Any, request: Any, context: Any) -> Iterator[bytes]:
        method = details.method.rpartition("/")[2]
        with self._changed:
            self.calls.append(method)
            self._changed.notify_all()
        self.metadata.append((method, {one.key: one.value for one in context.invocation_metadata()}))
        if isinstance(request, bytes):
            self.requests.append((method, request))
        if method in self.hold:
            self.held.set()
            self.release.wait(30)
        pending = self.faults.get(method)
        fault = pending.pop(0) if pending else None
        count = 0
        if method == "Listen":
            # A stream that is refused before its request is read can look to gRPC like one that ended in peace.
            request = next(request, None)
        if fault is None or fault.after != 0:
            for message in self._forward(details, request, context):
                yield message
                count += 1
                if fault is not None and count == fault.after:
                    break
        if fault is None:
            return
        fault.reached.set()
        if fault.after is None:
            while context.is_active() and not self.stopping.wait(0.05):
                pass
        self.stopping.wait(fault.pause)
        if fault.code is not grpc.StatusCode.OK:
            context.abort(fault.code, fault.text)

    def _forward(self, details: Any, request: Any, context: Any) -> Iterator[bytes]:
        method = details.method.rpartition("/")[2]
        if self.next_answers.get(method):
            yield from self.next_answers[method].pop(0)
            return
        if method in self.answers:
            yield from self.answers[method]
            return
        if method == "Listen":
            yield from self._listen(details, request, context)
            return
        with grpc.insecure_channel(self.emulator, options=[("grpc.max_receive_message_length", -1)]) as channel:
            call = channel.unary_stream(details.method)(request, metadata=_passed_on(context))
            context.add_callback(call.cancel)
            try:
                yield from call
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.CANCELLED or context.is_active():
                    context.abort(error.code(), error.details())

    def _listen(self, details: Any, request: bytes | None, context: Any) -> Iterator[bytes]:
        """Pass on a stream of the emulator, which stays open there until the end of the test.

        The emulator fails commits that come while such a stream is cancelled, though it applies them.
        """
        if request is None:
            return
        messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        channel = grpc.insecure_channel(self.emulator)
        self._channels.append(channel)
        call = channel.stream_stream(details.method)(self._requests(request), metadata=_passed_on(context))

        def take() -> None:
            try:
                for message in call:
                    messages.put(message)
                messages.put(None)
            except grpc.RpcError as error:
                messages.put(error)

        self._pool.submit(take)
        context.add_callback(lambda: messages.put(None))
        is_complete = False
        while isinstance(message := messages.get(), bytes):
            if not is_complete and _completes(message):
                is_complete = True
                with self._changed:
                    self.states += 1
                    self._changed.notify_all()
            yield message
        if message is not None and not self.stopping.is_set():
            context.abort(message.code(), message.details())

    def _requests(self, request: bytes) -> Iterator[bytes]:
        yield request
        self.stopping.wait()


def _passed_on(context: Any) -> list[tuple[str, Any]]:
    kept = ("authorization", "google-cloud-resource-prefix", "x-goog-request-params")
    return [(key, value) for key, value in context.invocation_metadata() if key in kept]


def _completes(message: bytes) -> bool:
    """Whether it is the last message of a state."""
    change = ListenResponse.deserialize(message).target_change
    is_last = change.target_change_type == TargetChange.TargetChangeType.NO_CHANGE
    return bool(is_last and not change.target_ids and change.read_time)
