"""What a commit does to documents: the checks that need no data, the preconditions, and the new fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cendry._types.kinds import name_size
from cendry.errors import (
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    StaleDocumentError,
)
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import MISSING, Create, Delete, Set, Update, Write, value_at

from . import _transforms as transforms
from ._filters import checked_field
from ._indexes import Version
from ._request_size import SAFE_BYTES, check_request_size
from ._values import MAX_DOCUMENT_BYTES, Fields, bytes_of, identical, taken_in


class _Prepared:
    """A write whose own data were checked and copied."""

    __slots__ = ("fields", "size", "transformed_size", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.fields: Fields = {}
        self.size = self.transformed_size = 0
        if isinstance(write, Delete):
            return
        self.fields, self.size = taken_in(write.data)
        for path in mask_of(write) or ():
            if path != DOCUMENT_ID:
                checked_field(path)
        if write.transforms:
            self.transformed_size = transforms.checked(write.transforms)


def mask_of(write: Write) -> tuple[FieldPath, ...] | None:
    """The update mask of a write, or `None` if it has none."""
    return write.mask if isinstance(write, (Set, Update)) else None


@dataclass(slots=True)
class _Progress:
    """What the writes of one commit to one document come to."""

    deleted: bool
    update_time: datetime | None


def prepared(writes: Sequence[Write]) -> list[_Prepared]:
    """Check everything that can be checked without looking at what is stored.

    Raises:
        InvalidRequestError: Firestore refuses a value, a name, the order of writes to one document, or the size of
            the whole.
        TypeError: A value is of no kind that Firestore stores.
    """
    result = list(map(_Prepared, writes))
    if len(writes) > 1:
        _check_sequence(writes)
    size = 0
    for item in result:
        size += item.size + item.transformed_size
    if size > SAFE_BYTES:
        check_request_size(writes, [item.fields for item in result])
    return result


def _check_sequence(writes: Sequence[Write]) -> None:
    """Hold writes to one document against each other, as Firestore joins them to one."""
    earlier_writes: dict[str, _Progress] = {}
    for write in writes:
        update_time = None if isinstance(write, Create) else write.update_time
        earlier = earlier_writes.get(write.path)
        if earlier is None:
            earlier_writes[write.path] = _Progress(isinstance(write, Delete), update_time)
            continue
        complaint = _complaint(write, update_time, earlier)
        if complaint is not None:
            raise InvalidRequestError(f"{write.path!r} is written several times in one commit: {complaint}.")
        earlier.deleted = isinstance(write, Delete)


def _complaint(write: Write, update_time: datetime | None, earlier: _Progress) -> str | None:
    if isinstance(write, Create) and not earlier.deleted:
        return "it can't be created after it was written"
    if earlier.deleted:
        if isinstance(write, Update) or (isinstance(write, Set) and (write.must_exist or update_time is not None)):
            return "it can't be updated after it was deleted"
        if isinstance(write, Delete) and write.must_exist and update_time is None:
            return "it can't be deleted twice with must_exist"
    if update_time is not None and update_time != earlier.update_time:
        return "its writes expect different update times"
    return None


@dataclass(slots=True)
class Outcome:
    """What a commit makes of one document; `new` is `None` if it is gone."""

    old: Version | None
    new: Version | None

    @property
    def is_change(self) -> bool:
        """Whether anything is different after the commit."""
        return self.old is not self.new


def applied(writes: Sequence[_Prepared], present: Callable[[str], Version | None], now: datetime) -> dict[str, Outcome]:
    """What the writes make of the documents; nothing is stored yet.

    Raises:
        CendryError: A precondition fails, or a document gets too large.
    """
    outcomes: dict[str, Outcome] = {}
    for item in writes:
        write = item.write
        outcome = outcomes.get(write.path)
        if outcome is None:
            old = present(write.path)
            _check_precondition(write, old, writes)
            outcome = outcomes[write.path] = Outcome(old, old)
        outcome.new = _next(item, outcome, now)
    return outcomes


def _check_precondition(write: Write, stored: Version | None, writes: Sequence[_Prepared]) -> None:
    if isinstance(write, Create):
        if stored is not None:
            raise _refusal(DocumentAlreadyExistsError, writes, lambda other: isinstance(other, Create))
    elif write.update_time is not None:
        if stored is None or stored.update_time != write.update_time:
            raise _refusal(StaleDocumentError, writes, _has_update_time)
    elif stored is None and _must_exist(write):
        raise _refusal(DocumentNotFoundError, writes, _must_exist)


def _must_exist(write: Write) -> bool:
    needs = isinstance(write, Update) or (isinstance(write, (Set, Delete)) and write.must_exist)
    return needs and not _has_update_time(write)


def _has_update_time(write: Write) -> bool:
    return not isinstance(write, Create) and write.update_time is not None


def _refusal(
    kind: Callable[..., CendryError], writes: Sequence[_Prepared], is_at_fault: Callable[[Write], bool]
) -> CendryError:
    # Firestore does not report which write of a commit failed, and neither does its double.
    return kind(*(item.write.path for item in writes if is_at_fault(item.write)))


def _next(item: _Prepared, outcome: Outcome, now: datetime) -> Version | None:
    write, stored = item.write, outcome.new
    if isinstance(write, Delete):
        return None
    mask = mask_of(write)
    size, most = item.size, MAX_DOCUMENT_BYTES - name_size(write.path) - 32
    if mask is None:
        fields = item.fields
        if write.transforms:
            # The prepared fields may be needed again, and so must not change.
            fields = dict(fields)
    else:
        fields = _masked(stored.data if stored else {}, item.fields, mask)
        # What is replaced counts as well here; to measure the whole is only worth it where that decides.
        size += stored.most_bytes if stored else 0
    if write.transforms:
        transforms.apply(fields, write.transforms, now)
    if write.transforms or (mask is not None and size > most):
        size = bytes_of(fields)
    if size > most:
        raise InvalidRequestError(f"document {write.path!r} would have over {MAX_DOCUMENT_BYTES} bytes.")
    if stored is not None and identical(stored.data, fields):
        return stored
    old = outcome.old
    # Written back to what it was, it has not changed; deleted and written again, it is a new document.
    if (
        old is not stored
        and old is not None
        and stored is not None
        and identical(old.data, fields)
        and old.create_time == stored.create_time
    ):
        return old
    return Version(fields, stored.create_time if stored else now, now, size)


def _masked(stored: Mapping[str, Any], data: Fields, mask: tuple[FieldPath, ...]) -> Fields:
    fields = dict(stored)
    # A whole field comes before its parts.
    for path in sorted(mask, key=len):
        if path == DOCUMENT_ID:
            continue
        value = value_at(data, path.segments)
        if value is MISSING:
            transforms.remove(fields, path.segments)
        else:
            transforms.put(fields, path.segments, value)
    return fields
