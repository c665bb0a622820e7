"""What errors of Firestore mean to Cendry: by their status and what was asked, and by texts where that isn't enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cendry._interop import grpc
from cendry.errors import CendryError, DocumentNotFoundError, StaleDocumentError
from cendry.plan import Create, Delete, Set, Update, Write


def meaning_of(
    error: BaseException,
    *,
    collection: str | None = None,
    writes: Sequence[Write] = (),
    moment: datetime | None = None,
) -> CendryError | None:
    """The Cendry error for a Google error, or `None` if there is no such one.

    Args:
        error: What the SDK raised.
        collection: The collection id, if a query was run.
        writes: The writes, if they were committed.
        moment: The past moment that the call was to read at, if there was one.
    """
    conditional = [write.path for write in writes if not isinstance(write, Create) and write.update_time is not None]
    match grpc.status_of(error):
        case "FAILED_PRECONDITION" if conditional:
            return StaleDocumentError(*conditional)
        # The answer to an update time that the document can't have yet.
        case "INVALID_ARGUMENT" if conditional and "base version" in grpc.text_of(error):
            return StaleDocumentError(*conditional)
        # The answer for a missing database as well, and then no document is to blame.
        case "NOT_FOUND" if not grpc.text_of(error).startswith("The database "):
            if required := [write.path for write in writes if _requires_existence(write)]:
                return DocumentNotFoundError(*required)
            return StaleDocumentError(*conditional) if conditional else None
        case _:
            created = [write.path for write in writes if isinstance(write, Create)]
            return grpc.meaning_of(error, collection=collection, created=created, moment=moment)


def _requires_existence(write: Write) -> bool:
    match write:
        case Update():
            return write.update_time is None
        case Delete():
            return write.must_exist and write.update_time is None
        case Set():
            return write.must_exist
        case _:
            return False
