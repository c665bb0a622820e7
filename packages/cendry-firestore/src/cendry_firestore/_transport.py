"""How requests are sent: by plain callables on the channel of the SDK's client, or by its generated client.

The generated client wraps each message and each call anew, which costs more CPU than all the rest of a read. The
direct transport sends the same requests with the same metadata on the same channel, and takes plain protobuf messages.
The generated client is used where something that the direct transport needs is missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from cendry._interop.grpc import Deadline, Errors, Method, RetryPolicy, Start
from google.api_core import exceptions

from . import _sdk
from ._single_threaded import release

GENERATED_VARIABLE: Final = "CENDRY_GENERATED_CLIENT"
"""If set to `1`, all calls go through the SDK's generated client."""

_SDK_LOGGING_VARIABLE: Final = "GOOGLE_SDK_PYTHON_LOGGING_SCOPE"
_routing: Any = import_module("google.api_core.gapic_v1.routing_header")
_SERVICE: Final = "/google.firestore.v1.Firestore/"

SINGLE_READ_SECONDS: Final = 15.0
"""What a read of one document may take before it is tried as a stream."""

# Clocks differ.
_MOSTLY: Final = 0.9

_UNAVAILABLE: Final[Errors] = (exceptions.InternalServerError, exceptions.ServiceUnavailable)
_COMMIT_RETRIED: Final[Errors] = (exceptions.ResourceExhausted, exceptions.ServiceUnavailable)

READ: Final = RetryPolicy(_sdk.API, 300.0, (exceptions.DeadlineExceeded, *_UNAVAILABLE), _UNAVAILABLE)
TRANSACT: Final = RetryPolicy(
    _sdk.API, 60.0, (exceptions.DeadlineExceeded, exceptions.ResourceExhausted, *_UNAVAILABLE), _UNAVAILABLE
)
COMMIT: Final = RetryPolicy(_sdk.API, 60.0, _COMMIT_RETRIED, _COMMIT_RETRIED)
BATCH_WRITE: Final = RetryPolicy(
    _sdk.API, 60.0, (exceptions.Aborted, *_COMMIT_RETRIED), (exceptions.Aborted, *_COMMIT_RETRIED)
)

_BY_PARENT: Final = frozenset(("RunQuery", "RunAggregationQuery", "PartitionQuery"))
"""Methods that are routed by the parent of a collection; all others by the database."""

Metadata = tuple[tuple[str, str], ...]


class Transport:
    """The methods that a backend calls.

    Attributes:
        is_direct: Whether this is the direct transport.
        release: Ends a stream, whatever state it is in.
        get_single: Begins a read of one document, as `get` does, by a call that doesn't stream, which costs a quarter
            less. It takes its request in bytes. For one name the server has one message, and then the bytes of both
            kinds of call are the same. It is cut short at `SINGLE_READ_SECONDS`. `None` if there is no such call.
    """

    __slots__ = (
        "aggregate",
        "batch_write",
        "commit",
        "explain_aggregate",
        "get",
        "get_single",
        "is_direct",
        "partition",
        "release",
        "rollback",
        "run",
    )

    def __init__(
        self, start: Callable[[str, bool], Start], release: Callable[[Any], None], *, is_direct: bool, is_async: bool
    ) -> None:
        self.is_direct = is_direct
        self.release = release
        self.get = Method(start("BatchGetDocuments", True), READ)
        self.get_single = _cut_short(start("BatchGetDocuments", False)) if is_direct else None
        self.run = Method(start("RunQuery", True), READ)
        aggregate = start("RunAggregationQuery", True)
        self.explain_aggregate = Method(aggregate, READ)
        self.aggregate = Method(_only_result_async(aggregate) if is_async else _only_result(aggregate, release), READ)
        self.partition = Method(start("PartitionQuery", False), READ)
        self.commit = Method(start("Commit", False), COMMIT)
        self.batch_write = Method(start("BatchWrite", False), BATCH_WRITE)
        self.rollback = Method(start("Rollback", False), TRANSACT)

    def stream_instead(self, request: Any, error: Any, seconds: float, deadline: Deadline) -> float:
        """Decide on a failure of `get_single`: only a missing answer leads back to streams, and then for good.

        A call that doesn't stream waits in vain if a second message comes. No server sends one; should one ever,
        a read takes too long once.

        Args:
            request: The request that was sent, as a message.
            error: What the call raised.
            seconds: What it might have taken, had it not been cut short.
            deadline: That of the read.

        Returns:
            The seconds that are left for a stream.

        Raises:
            RpcError: The error itself, in all other cases.
        """
        if seconds <= SINGLE_READ_SECONDS or error.code() is not _sdk.grpc.StatusCode.DEADLINE_EXCEEDED:
            raise error
        # The server may say so as well, of its own deadline; only one that waited in vain says anything about the call.
        if seconds - deadline.seconds_left < SINGLE_READ_SECONDS * _MOSTLY:
            raise error
        # Of many reads that wait, the first one to give up logs it.
        if self.get_single is not None:
            self.get_single = None
            logging.getLogger("cendry").warning(
                "Reading %s took over %d seconds; from now on reads of one document are streams, which is slower.",
                request.documents[0],
                SINGLE_READ_SECONDS,
            )
        return seconds - SINGLE_READ_SECONDS


def _cut_short(start: Start) -> Start:
    return lambda request, seconds: start(request, min(seconds, SINGLE_READ_SECONDS))


def _only_result(start: Start, release: Callable[[Any], None]) -> Start:
    """Reads a stream of which one message has a result."""

    def begin(request: Any, seconds: float) -> Any:
        stream = start(request, seconds)
        try:
            return _with_result(list(stream))
        finally:
            release(stream)

    return begin


def _with_result(messages: list[Any]) -> Any:
    """The message with the result, and with the id of the transaction that the first message may have begun."""
    [found] = [message for message in messages if message.HasField("result")]
    if messages[0].transaction:
        found.transaction = messages[0].transaction
    return found


def _only_result_async(start: Start) -> Start:
    """The async twin of `_only_result`."""

    async def begin(request: Any, seconds: float) -> Any:
        stream = await start(request, seconds)
        messages: list[Any] = []
        while (message := await stream.read()) is not _sdk.EOF:
            messages.append(message)
        return _with_result(messages)

    return begin


def open_transport(api: Any, channel: Any, database: str, metadata: Metadata, *, is_async: bool) -> Transport:
    """The direct transport, or the generated client with the reason in the log.

    Args:
        api: The generated client.
        channel: The channel of the direct transport (`_single_threaded`); `None` for that of the client.
        database: `projects/P/databases/D`.
        metadata: What routes a call to that database.
        is_async: Whether it is a client of the async twin.
    """
    if os.environ.get(GENERATED_VARIABLE) == "1":
        reason = f"{GENERATED_VARIABLE} is set"
    elif os.environ.get(_SDK_LOGGING_VARIABLE):
        reason = f"{_SDK_LOGGING_VARIABLE} is set, and the SDK logs what its generated client sends"
    else:
        try:
            return _direct(api, channel, database, metadata, is_async)
        except (AttributeError, ImportError) as error:
            reason = f"this version of google-cloud-firestore lacks something that direct calls need ({error})"
    logging.getLogger("cendry").warning("Calls go through the SDK's generated client, which is slower: %s.", reason)
    return Transport(_generated(api, metadata, is_async), _cancel, is_direct=False, is_async=is_async)


def _cancel(stream: Any) -> None:
    stream.cancel()


_MESSAGES: Final[dict[str, tuple[Any, Any]]] = {
    "BatchGetDocuments": (_sdk.BatchGetDocumentsRequest, _sdk.BatchGetDocumentsResponse),
    "RunQuery": (_sdk.RunQueryRequest, _sdk.RunQueryResponse),
    "RunAggregationQuery": (_sdk.RunAggregationQueryRequest, _sdk.RunAggregationQueryResponse),
    "PartitionQuery": (_sdk.PartitionQueryRequest, _sdk.PartitionQueryResponse),
    "Commit": (bytes, _sdk.CommitResponse),
    "BatchWrite": (bytes, _sdk.BatchWriteResponse),
    "Rollback": (_sdk.RollbackRequest, _sdk.Empty),
}
"""Requests and responses. Writes are given as bytes: their parts are serialized as they are made."""

_SERIALIZED: Final[dict[str, Any]] = {"Commit": _sdk.CommitRequest, "BatchWrite": _sdk.BatchWriteRequest}
"""The requests that are given as bytes."""


def _route(name: str, value: str) -> tuple[str, str]:
    found: tuple[str, str] = _routing.to_grpc_metadata(((name, value),))
    return found


def _direct(api: Any, own_channel: Any, database: str, metadata: Metadata, is_async: bool) -> Transport:
    channel = api.transport.grpc_channel if own_channel is None else own_channel
    base = import_module("google.cloud.firestore_v1.services.firestore.transports.base")
    # As the generated client orders them.
    common = (base.DEFAULT_CLIENT_INFO.to_grpc_metadata(), *metadata)
    of_database = (*common, _route("database", database))

    def start(name: str, streams: bool) -> Start:
        request_type, response_type = _MESSAGES[name]
        serialize = None if request_type is bytes else request_type.SerializeToString
        if name == "BatchGetDocuments" and not streams:
            serialize = None
        stub = (channel.unary_stream if streams else channel.unary_unary)(
            _SERVICE + name, request_serializer=serialize, response_deserializer=response_type.FromString
        )
        if is_async:
            _bypass_log(stub, api.transport)
        by_parent = name in _BY_PARENT
        # gRPC's asyncio twin makes an object of the metadata of each call; interceptors may change theirs.
        is_shared = is_async and not getattr(stub, "_interceptors", True)
        of_all = _sdk.FixedMetadata(*of_database) if is_shared else of_database

        @lru_cache(maxsize=256)
        def of_parent(parent: str) -> Any:
            routed = (*common, _route("parent", parent))
            return _sdk.FixedMetadata(*routed) if is_shared else routed

        def begin(request: Any, seconds: float) -> Any:
            return stub(request, timeout=seconds, metadata=of_parent(request.parent) if by_parent else of_all)

        if not (streams and is_async):
            return begin

        async def begin_async(request: Any, seconds: float) -> Any:
            return begin(request, seconds)

        return begin_async

    return Transport(start, _cancel if own_channel is None else release, is_direct=True, is_async=is_async)


def _bypass_log(stub: Any, transport: Any) -> None:
    """Take the SDK's request log out of the way of a callable of its asyncio twin, and leave all other interceptors.

    The log is off, or the direct transport would not be used; being asked costs a call a fifth of its CPU all the same.
    """
    log = getattr(transport, "_interceptor", None)
    interceptors = getattr(stub, "_interceptors", None)
    if log is not None and interceptors:
        # The list itself is the channel's.
        stub._interceptors = [each for each in interceptors if each is not log]


def _generated(api: Any, metadata: Metadata, is_async: bool) -> Callable[[str, bool], Start]:
    names = {
        "BatchGetDocuments": "batch_get_documents",
        "RunQuery": "run_query",
        "RunAggregationQuery": "run_aggregation_query",
        "PartitionQuery": "partition_query",
        "Commit": "commit",
        "BatchWrite": "batch_write",
        "Rollback": "rollback",
    }

    def start(name: str, streams: bool) -> Start:
        method = getattr(api, names[name])
        answer = _acknowledged if name == "Rollback" else _unwrapped

        def begin(request: Any, seconds: float) -> Any:
            if isinstance(request, bytes):
                request = _SERIALIZED[name].FromString(request)
            # The SDK's own deadline keeper starts over when less than a second is left, so it gets no policy.
            return method(request=_sdk.wrapped(request), metadata=metadata, retry=None, timeout=seconds)

        if not is_async:
            return lambda request, seconds: (_Unwrapping if streams else answer)(begin(request, seconds))

        async def begin_async(request: Any, seconds: float) -> Any:
            found = await begin(request, seconds)
            return _AsyncUnwrapping(found) if streams else answer(found)

        return begin_async

    return start


def _unwrapped(response: Any) -> Any:
    return None if response is None else response._pb


def _acknowledged(_response: None) -> object:
    """Whatever but `None`: the client keeps back an empty message, so one that can't be parsed goes unseen."""
    return ()


class _Unwrapping(Iterator[Any]):
    """A stream of the generated client, as plain messages."""

    __slots__ = ("_stream", "cancel")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.cancel = stream.cancel

    def __next__(self) -> Any:
        return next(self._stream)._pb


class _AsyncUnwrapping:
    """The async twin of `_Unwrapping`."""

    __slots__ = ("_read", "cancel")

    def __init__(self, stream: Any) -> None:
        self._read: Callable[[], Awaitable[Any]] = stream.read
        self.cancel = stream.cancel

    async def read(self) -> Any:
        response = await self._read()
        return response if response is _sdk.EOF or response is None else response._pb
