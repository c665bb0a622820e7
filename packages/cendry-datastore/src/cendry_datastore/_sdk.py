"""The edge to Google's packages, which carry no types or partial ones: what comes from here is `Any`.

The messages are plain protobuf classes; the SDK's wrappers of them cost several times the CPU.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from cendry._interop.grpc import ApiCore
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.api_core.retry_async import AsyncRetry
from google.cloud import datastore

_types: Any = import_module("google.cloud.datastore_v1.types")
_helpers: Any = import_module("google.cloud.datastore.helpers")

API: Final = ApiCore(exceptions, import_module("grpc").RpcError, Retry, AsyncRetry)

Client: Any = datastore.Client
Key: Any = _types.Key.meta.pb
Entity: Any = _types.Entity.meta.pb
Value: Any = _types.Value.meta.pb
LookupRequest: Any = _types.LookupRequest.meta.pb
RunQueryRequest: Any = _types.RunQueryRequest.meta.pb
RunQueryResponse: Any = _types.RunQueryResponse.meta.pb
RunAggregationQueryRequest: Any = _types.RunAggregationQueryRequest.meta.pb
BeginTransactionRequest: Any = _types.BeginTransactionRequest.meta.pb
CommitRequest: Any = _types.CommitRequest.meta.pb
RollbackRequest: Any = _types.RollbackRequest.meta.pb

ParseError: Any = import_module("google.protobuf.message").DecodeError

SdkKey: Any = datastore.Key
SdkEntity: Any = datastore.Entity
SdkGeoPoint: Any = _helpers.GeoPoint


def wrapped(request: Any) -> Any:
    """A request as the generated client takes it, not copied."""
    return getattr(_types, request.DESCRIPTOR.name).wrap(request)


def entity_message(entity: Any) -> Any:
    """The SDK's entity as a message of its own."""
    return _helpers.entity_to_protobuf(entity)._pb


def key_message(key: Any) -> Any:
    """The SDK's key as a message of its own."""
    return key.to_protobuf()._pb
