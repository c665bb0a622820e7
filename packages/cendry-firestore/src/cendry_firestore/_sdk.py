"""The edge to Google's packages, which carry no types or partial ones: what comes from here is `Any`.

The messages are plain protobuf classes; the SDK's wrappers of them cost several times the CPU.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, cast

from cendry._interop.grpc import ApiCore
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from google.cloud.firestore_v1 import types

grpc: Any = import_module("grpc")
RpcError: Any = grpc.RpcError
UsageError: Any = import_module("grpc.aio").UsageError
EOF: Any = import_module("grpc.aio").EOF
_AsyncMetadata: Any = import_module("grpc.aio").Metadata
encode_sdk_value: Any = import_module("google.cloud.firestore_v1._helpers").encode_value
error_of_status: Any = cast("Any", exceptions).from_grpc_status
AnonymousCredentials: Any = cast("Any", import_module("google.auth.credentials")).AnonymousCredentials
Cancelled: Any = exceptions.Cancelled
MethodNotImplemented: Any = exceptions.MethodNotImplemented
ServiceUnavailable: Any = exceptions.ServiceUnavailable


class FixedMetadata(_AsyncMetadata):  # type: ignore[misc]  # gRPC has no types.
    """Metadata for many calls of the asyncio twin, which counts and copies its metadata for each.

    Args:
        pairs: The names and values. They don't change.
    """

    def __init__(self, *pairs: tuple[str, str]) -> None:
        _AsyncMetadata.__init__(self, *pairs)
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)


def unparsed() -> Any:
    """The error of a message that could not be parsed, for which gRPC's asyncio streams give `None`.

    It occurs where a connection is cut in the middle of a message. Streams of the sync twin raise an error like it.
    """
    return cast("Any", exceptions).InternalServerError(
        "A message of the server could not be parsed; its end may be missing."
    )


API: Final = ApiCore(exceptions, RpcError, Retry, AsyncRetry)
CALL_ERRORS: Final[tuple[Any, ...]] = (exceptions.GoogleAPICallError, exceptions.RetryError, CancelledError)
"""What `send` raises; the last in the async twin, where gRPC cancels calls on a channel that is closed."""

STREAM_ERRORS: Final[tuple[Any, ...]] = (*CALL_ERRORS, RpcError, ValueError, UsageError)
"""What reading from a stream raises; the last two if the channel was closed before the call, in either twin."""

_types: Any = types
Value: Any = _types.Value.pb()
Document: Any = _types.Document.pb()
WriteMessage: Any = _types.Write.pb()
CommitRequest: Any = _types.CommitRequest.pb()
CommitResponse: Any = _types.CommitResponse.pb()
BatchWriteRequest: Any = _types.BatchWriteRequest.pb()
BatchWriteResponse: Any = _types.BatchWriteResponse.pb()
RollbackRequest: Any = _types.RollbackRequest.pb()
Empty: Any = cast("Any", import_module("google.protobuf.empty_pb2")).Empty
BatchGetDocumentsRequest: Any = _types.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse: Any = _types.BatchGetDocumentsResponse.pb()
RunQueryRequest: Any = _types.RunQueryRequest.pb()
RunQueryResponse: Any = _types.RunQueryResponse.pb()
RunAggregationQueryRequest: Any = _types.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Any = _types.RunAggregationQueryResponse.pb()
PartitionQueryRequest: Any = _types.PartitionQueryRequest.pb()
PartitionQueryResponse: Any = _types.PartitionQueryResponse.pb()
message_to_dict: Any = import_module("google.protobuf.json_format").MessageToDict
ListenRequest: Any = _types.ListenRequest.pb()
TargetChangeType: Any = _types.TargetChange.TargetChangeType


def wrapped(request: Any) -> Any:
    """A request as the generated client takes it, not copied."""
    return getattr(_types, request.DESCRIPTOR.name).wrap(request)
