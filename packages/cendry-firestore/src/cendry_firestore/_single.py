"""The read of one document by a call that doesn't stream: its request and its response, for the asyncio twin.

An event loop has many of them under way at once, each with little else to do.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

from cendry._interop.protobuf import EPOCH
from cendry.backend import DocumentResult, StoredDocument
from cendry.plan import GetPlan

from . import _sdk
from ._channel import Connection
from ._documents import FoundDocument, new_found
from ._requests import get_request
from ._values import document_name, document_path
from ._wire import tag, varint


def single_request(plan: GetPlan, database: str) -> bytes:
    """`get_request` for the only path of a plan in the present, in bytes."""
    if plan.projection is not None:
        request: bytes = get_request(plan, plan.paths, database, None).SerializeToString()
        return request
    name = document_name(database, plan.paths[0]).encode()
    return b"".join((_until_name(database), varint(len(name)), name))


@lru_cache(maxsize=64)
def _until_name(database: str) -> bytes:
    """A request as far as the length of its first name."""
    request = _sdk.BatchGetDocumentsRequest
    return cast("bytes", request(database=database).SerializeToString()) + tag(request, "documents")


def single_result(response: Any, connection: Connection) -> StoredDocument | None:
    """The document in a response of `get_single`, or that it is absent; `None` if there is neither."""
    kind = response.WhichOneof("result")
    if kind is None:
        return None
    moment = response.read_time
    # Every response has one; a server that leaves it out doesn't mean the epoch.
    read_time = EPOCH + timedelta(0, seconds, moment.nanos // 1000) if (seconds := moment.seconds) else None
    if kind == "found":
        return new_found(FoundDocument, (response.found, read_time, connection.database, connection.path_start))
    return DocumentResult(document_path(connection.database, response.missing), None, read_time=read_time)
