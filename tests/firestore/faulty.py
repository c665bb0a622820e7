"""A server before the emulator, for what the emulator can't do: it breaks calls as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]


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
        if method in self.hold:
            self.held.set()
            self.release.wait(30)
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
