"""What errors of Datastore mean to Cendry: by their status and what was asked, and by texts where that isn't enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cendry._interop import grpc
from cendry.errors import CendryError, MissingIndexError, UnsupportedByBackendError
from cendry.plan import AggregationPlan, QueryPlan

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


class WritesFrozenError(CendryError):
    """A `DualBackend` in the mode `frozen` was asked to write; nothing was written.

    Attributes:
        path: The path of the first document that was to be written.
    """

    http_status = 503

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"Document {path!r} was not written: this database is being moved, and writes are frozen until that is "
            "done. Try again in a few minutes."
        )


class DualStateError(CendryError):
    """A `DualBackend` can't write to its state, so it can't write documents either; nothing was written.

    The error of the state is the `__cause__`.
    """

    http_status = 503

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            "Nothing was written: a dual write is noted in the state before it is made, and the state can't be "
            f"written ({type(error).__name__}: {error})."
        )


class ModeChangeError(CendryError):
    """A `DualBackend` can't be in this mode now, because two processes would take different databases for the truth.

    Attributes:
        reason: Why.
    """

    http_status = 503

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason[0].upper()}{reason[1:]}.")


def meaning_of(
    error: BaseException,
    *,
    query: QueryPlan | AggregationPlan | None = None,
    created: Sequence[str] = (),
    moment: datetime | None = None,
) -> CendryError | None:
    """The Cendry error for a Google error, or `None` if there is no such one.

    Args:
        error: What the SDK raised.
        query: The query, if one was run.
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
    aggregation = query if isinstance(query, AggregationPlan) else None
    plan = query.query if isinstance(query, AggregationPlan) else query
    collection = None if plan is None else plan.collection
    meaning = grpc.meaning_of(error, collection=collection, created=created, moment=moment)
    if isinstance(meaning, MissingIndexError) and meaning.index is None and plan is not None:
        # Production recommends one in its message, and the classic emulator doesn't.
        from cendry.indexes.serving import index_for

        meaning.index = index_for(plan, aggregation)
    return meaning
