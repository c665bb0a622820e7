"""A server before an emulator of Datastore, which counts calls, and answers queries as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]


@dataclass
class Counting(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The server.

    Attributes:
        emulator: The `host:port` to which calls are passed on.
        host: Its own `host:port`.
        calls: The methods that were called.
        answers: Responses to the next queries, in place of the emulator's; the last one is given again and again.
    """

    emulator: str
    host: str = ""
    calls: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(details, request, context))

    def _answer(self, details: Any, request: bytes, context: Any) -> bytes:
        method = details.method.rpartition("/")[2]
        with self._lock:
            self.calls.append(method)
            if method == "RunQuery" and self.answers:
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                return bytes(answer.SerializeToString())
        with grpc.insecure_channel(self.emulator) as channel:
            try:
                return bytes(channel.unary_unary(details.method)(request, timeout=30))
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise AssertionError from None  # pragma: no cover - it is aborted


@contextmanager
def counting(emulator: str) -> Iterator[Counting]:
    """Run such a server."""
    handler = Counting(emulator)
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((handler,))
        handler.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield handler
        finally:
            server.stop(None).wait()
