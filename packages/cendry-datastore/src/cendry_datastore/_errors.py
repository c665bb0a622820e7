"""What Google's errors mean to Cendry: by their types and what was asked, and by texts where types don't tell."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from cendry.errors import (
    CendryError,
    DocumentAlreadyExistsError,
    InvalidRequestError,
    MissingIndexError,
    TransactionContentionError,
    UnsupportedByBackendError,
)
from google.api_core import exceptions

from ._unsupported import NAME


class NamespaceNotFoundError(CendryError):
    """A query found nothing in a namespace that doesn't exist; a namespace begins with its first entity.

    Attributes:
        namespace: The namespace.
        project: The project id.
    """

    def __init__(self, namespace: str, project: str) -> None:
        self.namespace = namespace
        self.project = project
        super().__init__(
            f"There is no namespace {namespace!r} in project {project!r}: no entity has been written to it. "
            "Check the namespace= of the backend, or write the first document."
        )


def meaning_of(
    error: exceptions.GoogleAPICallError, *, collection: str | None = None, created: Sequence[str] = ()
) -> CendryError | None:
    """The Cendry error that says what a Google error means, or `None` if it has no such meaning.

    Args:
        error: What the SDK raised.
        collection: The collection id, if a query was run.
        created: The paths that must not exist yet, if writes were committed.
    """
    text = str(cast("Any", error).message)
    match error:
        case exceptions.Aborted():
            return TransactionContentionError()
        case exceptions.AlreadyExists() if created:
            return DocumentAlreadyExistsError(*created)
        case exceptions.InvalidArgument():
            return InvalidRequestError(text)
        case exceptions.FailedPrecondition() if collection is not None and "index" in text:
            return MissingIndexError(collection, text)
        case exceptions.MethodNotImplemented():
            return UnsupportedByBackendError(
                "count, sum and avg",
                NAME,
                "Datastore mode has them, and the classic Datastore emulator doesn't: use the Firestore emulator "
                "with --database-mode=datastore-mode.",
            )
        case _:
            return None


@contextmanager
def translated(*, collection: str | None = None, created: Sequence[str] = ()) -> Generator[None]:
    """Raise what Google's errors mean, with the original as `__cause__`, and let all others pass."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        meaning = meaning_of(error, collection=collection, created=created)
        if meaning is None:
            raise
        raise meaning from error
