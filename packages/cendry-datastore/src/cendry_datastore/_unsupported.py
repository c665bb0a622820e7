"""What Datastore mode doesn't have: one error, its message built here, before anything is sent."""

from __future__ import annotations

from typing import Final

from cendry.errors import UnsupportedByBackendError

NAME: Final = "Datastore"
"""How error messages call this backend."""

_GIVES: Final = {
    "OR filters": "filters joined by OR",
    "collection groups": "queries over all collections of one name",
    "listeners": "on_snapshot(), which calls back with every change",
    "the async twin": "AsyncCendry, on AsyncFirestoreBackend",
    "transforms": "Increment, Maximum, Minimum, ArrayUnion, ArrayRemove and SERVER_TIMESTAMP",
    "if_unchanged": "writes that depend on the update time of a document",
    "vectors": "vectors, and searches for the nearest ones",
    "cursors by value": "start_at, start_after, end_at and end_before; paginate() works here as well",
    "filters by whole arrays and maps": "comparisons with a whole array or map",
    "names with a dot inside maps, in filters and orders": "field paths whose segments hold any character",
}


def unsupported(feature: str) -> UnsupportedByBackendError:
    """The error that names a feature, says that Datastore mode doesn't have it, and what migrating gives.

    Args:
        feature: One of the features that are known here.
    """
    advice = f"Datastore mode doesn't have that; migrating to Firestore in Native mode gives {_GIVES[feature]}."
    return UnsupportedByBackendError(feature, NAME, advice)
