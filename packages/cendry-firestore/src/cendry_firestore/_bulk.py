"""Bulk writes: requests of writes that stand by themselves, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from cendry._interop.commits import is_lost
from cendry._interop.grpc import Deadline, explained
from cendry._interop.protobuf import to_datetime
from cendry.backend import WriteResult
from cendry.errors import CendryError
from cendry.plan import Delete, Write, check_different
from google.api_core import exceptions

from . import _sdk
from ._commit import serialized
from ._errors import meaning_of
from ._transport import BATCH_WRITE
from ._wire import tag, varint

INITIAL_RATE: Final = 500.0
"""Documents per second (https://firebase.google.com/docs/firestore/best-practices#ramping_up_traffic)."""

MAX_BYTES: Final = 7 * 512 * 1024
"""What the writes of a request may take: less than any server refuses (10 MiB, the emulator 4)."""

_WRITES: Final = tag(_sdk.BatchWriteRequest, "writes")


class BulkRequest:
    """Some writes of a bulk that are sent together.

    Attributes:
        request: What is sent.
    """

    __slots__ = ("_database", "_messages", "_writes", "request")

    def __init__(self, writes: Sequence[Write], messages: Sequence[bytes], database: str) -> None:
        self._writes = writes
        self._messages = messages
        self._database = database
        parts = [_sdk.BatchWriteRequest(database=database).SerializeToString()]
        for message in messages:
            parts += (_WRITES, varint(len(message)), message)
        self.request = b"".join(parts)

    def results(self, response: Any, deadline: Deadline) -> Iterator[WriteResult]:
        """What became of each write, by a response."""
        for write, status, result in zip(self._writes, response.status, response.write_results, strict=True):
            if status.code:
                yield _failed(write, _sdk.error_of_status(status.code, status.message), deadline)
            elif isinstance(write, Delete) or not result.HasField("update_time"):
                yield _DONE
            else:
                yield WriteResult(to_datetime(result.update_time))

    def failures(self, error: Any, deadline: Deadline) -> list[WriteResult]:
        """What became of each write after an error of the call."""
        return [_failed(write, error, deadline) for write in self._writes]

    def split(self, error: Any) -> list[BulkRequest]:
        """Two requests instead of this one, if one of its writes may be to blame for an error of them all."""
        half = len(self._writes) // 2
        if not half or not isinstance(error, exceptions.InvalidArgument):
            return []
        parts = slice(half), slice(half, None)
        return [BulkRequest(self._writes[part], self._messages[part], self._database) for part in parts]


_DONE: Final = WriteResult()


def bulk_requests(writes: Sequence[Write], database: str) -> tuple[list[BulkRequest], dict[int, WriteResult]]:
    """The requests for some writes: mostly one.

    Returns:
        The requests, and by their places the results of the writes that can't be sent.

    Raises:
        InvalidRequestError: Two writes are to the same document.
    """
    check_different(writes)
    requests: list[BulkRequest] = []
    messages: list[bytes] = []
    refused: dict[int, WriteResult] = {}
    for place, write in enumerate(writes):
        try:
            messages.append(serialized(write, database))
        except CendryError as error:
            # It is kept, and would keep all writes by the traceback.
            refused[place] = WriteResult(error=error.with_traceback(None))
    if refused:
        writes = [write for place, write in enumerate(writes) if place not in refused]
    start = size = 0
    for end, message in enumerate(messages):
        if size + len(message) > MAX_BYTES and end > start:
            requests.append(BulkRequest(writes[start:end], messages[start:end], database))
            start, size = end, 0
        size += len(message)
    if messages:
        requests.append(BulkRequest(writes[start:], messages[start:], database))
    return requests, refused


def in_order(results: list[WriteResult], refused: dict[int, WriteResult]) -> list[WriteResult]:
    """The results of all writes, of those that were sent and of the others."""
    for place, result in refused.items():
        results.insert(place, result)
    return results


def _failed(write: Write, error: Any, deadline: Deadline) -> WriteResult:
    return WriteResult(
        error=cast("Exception", explained(error, meaning_of(error, writes=(write,)))),
        is_lost=is_lost(error),
        is_transient=deadline.retries(error, BATCH_WRITE),
    )
