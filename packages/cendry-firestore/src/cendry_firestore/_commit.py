"""Commits: the request as bytes, made write by write; its result; and the meaning of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from cendry._interop import commits
from cendry._interop.protobuf import to_datetime, write_timestamp
from cendry.backend import CommitResult
from cendry.errors import InvalidRequestError
from cendry.paths import FieldPath
from cendry.plan import MAX_REQUEST_BYTES, Create, Delete, FieldTransform, Set, Update, Write, request_too_large
from cendry.values import ArrayRemove, ArrayUnion, Increment, Maximum, Minimum
from google.api_core import exceptions

from . import _sdk
from ._errors import meaning_of
from ._values import DocumentData, document_name, write_fields, write_value
from ._wire import tag, varint

_SERVER_TIMESTAMP: Final = 1

EMULATOR_REQUEST_BYTES: Final = 4 * 1024 * 1024
"""What Google's emulator takes. It refuses more as an exhausted resource, which would be retried for a minute."""

_TOO_LARGE: Final = ("exceeds maximum", "larger than max")


_WRITE: Final = tag(_sdk.CommitRequest, "writes")
_UPDATE: Final = tag(_sdk.WriteMessage, "update")
_NAME: Final = tag(_sdk.Document, "name")
_MUST_BE_NEW: Final[bytes] = _sdk.WriteMessage(current_document={"exists": False}).SerializeToString()


def commit_request(writes: Sequence[Write], database: str, transaction: bytes | None) -> bytes:
    """The request that applies all writes, or none, serialized.

    Raises:
        InvalidRequestError: It is larger than any that Firestore takes.
    """
    parts = [_opening(database)]
    for write in writes:
        message = serialized(write, database)
        parts += (_WRITE, varint(len(message)), message)
    if transaction is not None:
        parts.append(_sdk.CommitRequest(transaction=transaction).SerializeToString())
    request = b"".join(parts)
    if len(request) > MAX_REQUEST_BYTES:
        raise too_large(request, writes, database, "Firestore", MAX_REQUEST_BYTES)
    return request


@lru_cache(maxsize=64)
def _opening(database: str) -> bytes:
    """A request without its writes."""
    request: bytes = _sdk.CommitRequest(database=database).SerializeToString()
    return request


def too_large(request: bytes, writes: Sequence[Write], database: str, who: str, limit: int) -> InvalidRequestError:
    """The error of a commit that is too large; it can't be split, since it is all or nothing."""
    size, path = max((len(serialized(write, database)), write.path) for write in writes)
    return request_too_large(len(writes), len(request), path, size, who=who, limit=limit)


def serialized(write: Write, database: str) -> bytes:
    """A write, serialized."""
    name = document_name(database, write.path)
    data = None if isinstance(write, Delete) else write.data
    if not isinstance(data, DocumentData) or data.base != database:
        whole: bytes = _message(write, name, database).SerializeToString()
        return whole
    # The fields are in a message already, which is serialized where it is: copying it into another costs more.
    encoded = name.encode()
    document = b"".join((_NAME, varint(len(encoded)), encoded, data.serialized()))
    parts = [_UPDATE, varint(len(document)), document]
    if isinstance(write, Create) and not write.transforms:
        parts.append(_MUST_BE_NEW)
    elif not _is_plain(write):
        message = _sdk.WriteMessage()
        _fill_conditions(message, write, database)
        parts.append(message.SerializeToString())
    return b"".join(parts)


def _is_plain(write: Write) -> bool:
    """Whether a write is a document and nothing else."""
    if not isinstance(write, Set) or write.mask is not None or write.transforms:
        return False
    return write.update_time is None and not write.must_exist


def _message(write: Write, name: str, database: str) -> Any:
    message = _sdk.WriteMessage()
    if isinstance(write, Delete):
        message.delete = name
    else:
        message.update.name = name
        write_fields(message.update.fields, write.data, database)
    _fill_conditions(message, write, database)
    return message


def _fill_conditions(message: Any, write: Write, database: str) -> None:
    """All of a write but the document: mask, transforms and precondition."""
    match write:
        case Delete():
            if write.must_exist and write.update_time is None:
                message.current_document.exists = True
            _write_update_time(message, write.update_time)
        case Create():
            _fill_transforms(message, write.transforms, database)
            message.current_document.exists = False
        case Update():
            _fill_mask(message, write.mask)
            _fill_transforms(message, write.transforms, database)
            if write.update_time is None:
                message.current_document.exists = True
            _write_update_time(message, write.update_time)
        case Set():
            if write.mask is not None:
                _fill_mask(message, write.mask)
            _fill_transforms(message, write.transforms, database)
            if write.must_exist:
                message.current_document.exists = True
            _write_update_time(message, write.update_time)


def _fill_mask(message: Any, mask: Sequence[FieldPath]) -> None:
    # A mask that is set but empty leaves the fields alone; one that is not set replaces the document.
    message.update_mask.SetInParent()
    message.update_mask.field_paths.extend(map(str, mask))


def _write_update_time(message: Any, update_time: datetime | None) -> None:
    if update_time is not None:
        write_timestamp(message.current_document.update_time, update_time)


def _fill_transforms(message: Any, transforms: Sequence[FieldTransform], database: str) -> None:
    for change in transforms:
        _fill_transform(message.update_transforms.add(), change, database)


def _fill_transform(message: Any, change: FieldTransform, database: str) -> None:
    message.field_path = str(change.path)
    match change.transform:
        case Increment(value):
            write_value(message.increment, value, database)
        case Maximum(value):
            write_value(message.maximum, value, database)
        case Minimum(value):
            write_value(message.minimum, value, database)
        case ArrayUnion() as union:
            _write_elements(message.append_missing_elements, union.values, database)
        case ArrayRemove() as removal:
            _write_elements(message.remove_all_from_array, removal.values, database)
        case _:
            message.set_to_server_value = _SERVER_TIMESTAMP


def _write_elements(array: Any, elements: Sequence[Any], database: str) -> None:
    array.SetInParent()
    for element in elements:
        write_value(array.values.add(), element, database)


def commit_result(response: Any, writes: Sequence[Write]) -> CommitResult:
    """The result in a response."""
    commit_time = to_datetime(response.commit_time) if response.HasField("commit_time") else None
    seconds, nanos = response.commit_time.seconds, response.commit_time.nanos
    times: list[datetime | None] = []
    for write, result in zip(writes, response.write_results, strict=True):
        if isinstance(write, Delete) or not result.HasField("update_time"):
            times.append(None)
            continue
        stamp = result.update_time
        # Mostly it is the moment of the commit.
        same = stamp.seconds == seconds and stamp.nanos == nanos and commit_time is not None
        times.append(commit_time if same else to_datetime(stamp))
    return CommitResult(tuple(times), commit_time)


class CommitAttempts(commits.CommitAttempts):
    """A commit: the request, and what is known after failed attempts.

    Attributes:
        request: What is sent.

    Args:
        writes: The writes to commit.
        database: Where they are committed.
        transaction: The transaction that they end, if any.

    Raises:
        InvalidRequestError: The request is larger than any that Firestore takes.
    """

    __slots__ = ("_database", "request")

    def __init__(self, writes: Sequence[Write], database: str, transaction: bytes | None) -> None:
        super().__init__(writes, in_transaction=transaction is not None)
        self.request = commit_request(writes, database, transaction)
        self._database = database

    def may_repeat(self, error: Any) -> bool:
        """Record an attempt that failed, and return whether there may be another."""
        # A request that is too large for this server stays so.
        return super().may_repeat(error) and not self._is_too_large(error)

    def meaning_of(self, error: Any) -> BaseException | None:
        """The meaning of the error that ended the last attempt, or `None` if it has none but its own."""
        unknown: BaseException | None = self.unknown(error)
        if unknown is not None:
            return unknown
        if self._is_too_large(error):
            return too_large(self.request, self._writes, self._database, "this server", EMULATOR_REQUEST_BYTES)
        return meaning_of(error, writes=self._writes)

    def _is_too_large(self, error: Any) -> bool:
        if not isinstance(error, exceptions.ResourceExhausted) or len(self.request) <= EMULATOR_REQUEST_BYTES:
            return False
        text = str(error)
        return any(part in text for part in _TOO_LARGE)
