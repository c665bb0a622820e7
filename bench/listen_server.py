"""A Firestore that only listens, in a process of its own: it streams changes as production does.

The emulator sends all documents again after each change. This server sends what changed, as production does: first all
documents, then, for each line on its standard input, one document and the end of the snapshot. It prints its port.

    python bench/listen_server.py PROJECT COUNT
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.cloud.firestore_v1 import types

_KIND = types.TargetChange.TargetChangeType


class Server(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The server.

    Args:
        project: The project whose documents it has.
        count: How many.
    """

    def __init__(self, project: str, count: int) -> None:
        self._parent = f"projects/{project}/databases/(default)/documents/cities"
        self._count = count
        self._moment = 1
        self._streams: list[queue.Queue[int]] = []

    def service(self, handler_call_details: Any) -> Any:
        if not handler_call_details.method.endswith("/Listen"):
            return None
        return grpc.stream_stream_rpc_method_handler(self._listen, response_serializer=types.ListenResponse.serialize)

    def change(self, number: int) -> None:
        """Send a new version of one document to all listeners."""
        self._moment += 1
        for stream in self._streams:
            stream.put(number)

    def _listen(self, requests: Iterator[bytes], context: Any) -> Iterator[types.ListenResponse]:
        target = types.ListenRequest.deserialize(next(requests)).add_target.target_id
        yield _target(_KIND.ADD, target_ids=[target])
        for number in range(self._count):
            yield self._document(target, number, number)
        yield _target(_KIND.CURRENT, target_ids=[target])
        stream: queue.Queue[int] = queue.Queue()
        self._streams.append(stream)
        yield self._end()
        while context.is_active():
            number = stream.get()
            yield self._document(target, number, self._moment * 7919 % self._count)
            yield self._end()

    def _document(self, target: int, number: int, population: int) -> types.ListenResponse:
        fields = {
            "displayName": {"string_value": f"city {number}"},
            "population": {"integer_value": population},
            "area": {"double_value": number * 1.5},
            "regions": {"array_value": {"values": [{"string_value": "west"}, {"string_value": "coast"}]}},
            "mayor": {"map_value": {"fields": {"name": {"string_value": "Ada"}}}},
        }
        document = {
            "name": f"{self._parent}/{number:06}",
            "fields": fields,
            "create_time": {"seconds": 1},
            "update_time": {"seconds": self._moment},
        }
        return types.ListenResponse(document_change={"document": document, "target_ids": [target]})

    def _end(self) -> types.ListenResponse:
        return _target(_KIND.NO_CHANGE, read_time={"seconds": self._moment}, resume_token=b"token")


def _target(kind: Any, **fields: Any) -> types.ListenResponse:
    return types.ListenResponse(target_change={"target_change_type": kind, **fields})


def main(project: str, count: str) -> None:
    """Serve until the standard input ends."""
    listening = Server(project, int(count))
    server = grpc.server(ThreadPoolExecutor(8), handlers=[listening])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    for line in sys.stdin:
        listening.change(int(line))
    # Its threads wait for changes that don't come any more.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
