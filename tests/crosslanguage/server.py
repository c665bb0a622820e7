"""A Firestore that stores nothing: it keeps the requests of a client, and gives the shortest answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.cloud.firestore_v1 import types
from google.protobuf.message import Message  # type: ignore[import-untyped]

END = "the case is over"
"""What the server says when it has sent all responses of a listener."""
TARGET = 1
"""The number that Google's cases have for the target of a listener."""

_types: Any = types
CommitRequest: Any = _types.CommitRequest.pb()
CommitResponse: Any = _types.CommitResponse.pb()
GetRequest: Any = _types.BatchGetDocumentsRequest.pb()
GetResponse: Any = _types.BatchGetDocumentsResponse.pb()
QueryRequest: Any = _types.RunQueryRequest.pb()
QueryResponse: Any = _types.RunQueryResponse.pb()
ListenRequest: Any = _types.ListenRequest.pb()
ListenResponse: Any = _types.ListenResponse.pb()


class CapturingServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers `Commit`, `BatchGetDocuments`, `RunQuery` and `Listen`, in the process of the test.

    Attributes:
        host: Its `host:port`.
        responses: What the next stream of a listener has, as messages for the target `TARGET`, before it ends with
            `END`. Other streams have nothing else.
    """

    def __init__(self) -> None:
        self.responses: Sequence[Any] = ()
        self._guard = threading.Lock()
        self._requests: list[Message] = []
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def take(self) -> list[Message]:
        """The requests since this was asked last."""
        with self._guard:
            taken, self._requests = self._requests, []
        return taken

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(0).wait()

    def service(self, details: Any) -> Any:
        match details.method.rpartition("/")[2]:
            case "Commit":
                return _unary(self._commit, CommitRequest)
            case "BatchGetDocuments":
                return _streaming(self._get, GetRequest)
            case "RunQuery":
                return _streaming(self._run, QueryRequest)
            case "Listen":
                return grpc.stream_stream_rpc_method_handler(
                    self._listen, ListenRequest.FromString, ListenResponse.SerializeToString
                )
            case _:
                return None

    def _keep(self, request: Message) -> None:
        with self._guard:
            self._requests.append(request)

    def _commit(self, request: Any, context: Any) -> Any:
        self._keep(request)
        response = CommitResponse()
        response.commit_time.seconds = 1
        for _ in request.writes:
            response.write_results.add().update_time.seconds = 1
        return response

    def _get(self, request: Any, context: Any) -> Iterator[Any]:
        self._keep(request)
        for name in request.documents:
            response = GetResponse(missing=name)
            response.read_time.seconds = 1
            yield response

    def _run(self, request: Any, context: Any) -> Iterator[Any]:
        self._keep(request)
        response = QueryResponse()
        response.read_time.seconds = 1
        yield response

    def _listen(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        request = next(requests)
        self._keep(request)
        if request.add_target.target_id != TARGET:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the responses are for target {TARGET}: {request}")
        responses, self.responses = self.responses, ()
        yield from responses
        context.abort(grpc.StatusCode.PERMISSION_DENIED, END)


def _unary(answer: Any, request_type: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(answer, request_type.FromString, lambda one: one.SerializeToString())


def _streaming(answer: Any, request_type: Any) -> Any:
    return grpc.unary_stream_rpc_method_handler(answer, request_type.FromString, lambda one: one.SerializeToString())
