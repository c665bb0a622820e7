"""What Google's errors mean to Cendry: by their types and what was asked, and by texts where types don't tell."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from cendry.errors import (
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    InvalidRequestError,
    MissingIndexError,
    StaleDocumentError,
    TransactionContentionError,
)
from cendry.plan import Create, Delete, Update, Write
from google.api_core import exceptions


def meaning_of(
    error: BaseException, *, collection: str | None = None, writes: Sequence[Write] = ()
) -> CendryError | None:
    """The Cendry error that says what a Google error means, or `None` if it has no such meaning.

    Args:
        error: What the SDK raised.
        collection: The collection id, if a query was run.
        writes: The writes, if they were committed.
    """
    text = _text(error)
    match error:
        case exceptions.Aborted():
            return TransactionContentionError()
        case exceptions.InvalidArgument():
            stale = _with_update_time(writes)
            # So Firestore says that a document has never been changed as late as that.
            return StaleDocumentError(*stale) if stale and "base version" in text else InvalidRequestError(text)
        case exceptions.AlreadyExists():
            created = [write.path for write in writes if isinstance(write, Create)]
            return DocumentAlreadyExistsError(*created) if created else None
        case exceptions.NotFound():
            return _not_found(text, writes)
        case exceptions.FailedPrecondition():
            if stale := _with_update_time(writes):
                return StaleDocumentError(*stale)
            # A query fails with this type for other reasons too. The emulator knows no indexes, but refuses what
            # never has one unless it is asked for: names in descending order.
            if collection is not None and ("index" in text or "descending key scans" in text):
                return MissingIndexError(collection, text)
        case _:
            pass
    return None


def _text(error: BaseException) -> str:
    return str(getattr(error, "message", error))


def _not_found(text: str, writes: Sequence[Write]) -> CendryError | None:
    # Firestore answers so as well when the whole database is missing, and then no document is to blame.
    if text.startswith("The database "):
        return None
    required = [
        write.path
        for write in writes
        if (isinstance(write, Update) or (isinstance(write, Delete) and write.must_exist)) and write.update_time is None
    ]
    if required:
        return DocumentNotFoundError(*required)
    stale = _with_update_time(writes)
    return StaleDocumentError(*stale) if stale else None


def _with_update_time(writes: Sequence[Write]) -> list[str]:
    return [write.path for write in writes if not isinstance(write, Create) and write.update_time is not None]


@contextmanager
def translated(*, collection: str | None = None, writes: Sequence[Write] = ()) -> Generator[None]:
    """Raise what Google's errors mean, with the original as `__cause__`, and let all others pass."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        meaning = meaning_of(error, collection=collection, writes=writes)
        if meaning is None:
            raise
        raise meaning from error
