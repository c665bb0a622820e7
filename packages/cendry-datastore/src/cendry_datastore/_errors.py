"""What errors of Datastore mean to Cendry: by their status and what was asked, and by texts where that isn't enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cendry._interop import grpc
from cendry.errors import CendryError, UnsupportedByBackendError

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
    error: BaseException,
    *,
    collection: str | None = None,
    created: Sequence[str] = (),
    moment: datetime | None = None,
) -> CendryError | None:
    """The Cendry error for a Google error, or `None` if there is no such one.

    Args:
        error: What the SDK raised.
        collection: The collection id, if a query was run.
        created: The paths that must not exist yet, if writes were committed.
        moment: The past moment that the call was to read at, if there was one.
    """
    if grpc.status_of(error) == "UNIMPLEMENTED":
        return UnsupportedByBackendError(
            "sums and averages",
            NAME,
            "Datastore mode has them, and the classic Datastore emulator doesn't: use the Firestore emulator "
            "with --database-mode=datastore-mode.",
        )
    return grpc.meaning_of(error, collection=collection, created=created, moment=moment)
