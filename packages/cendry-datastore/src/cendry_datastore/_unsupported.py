"""What Datastore mode doesn't support: one error, raised before anything is sent."""

from __future__ import annotations

from typing import Final

from cendry.errors import UnsupportedByBackendError

NAME: Final = "Datastore"
"""The name of this backend in error messages."""

PARTS: Final = (
    "ndb stores structured properties so, and DatastoreBackend(ndb=True) reads them. Without it, store the entities "
    "with legacy_data=False in ndb's context, or declare each part as a field of its own whose alias is that name"
)
"""What to do about a field that is stored in parts."""

_DETAILS: Final = {
    "OR filters": "",
    "collection groups": "queries over all collections of one name",
    "listeners": "on_snapshot() calls back with every change",
    "the async twin": "AsyncCendry works on AsyncFirestoreBackend",
    "transforms": "Increment, Maximum, Minimum, ArrayUnion, ArrayRemove and SERVER_TIMESTAMP",
    "merge": "merge() writes some fields, whether or not the document exists",
    "if_unchanged": "writes that depend on the update time of a document",
    "vectors": "",
    "search by vector": "find_nearest() finds the documents with the nearest vectors",
    "cursors by value": "start_at, start_after, end_at, end_before; Datastore has page tokens and paginate()",
    "filters by whole arrays and maps": "comparisons with a whole array or map",
    "sums and averages over a kind that is in deeper collections as well": "collections of one name are separate",
    "orders by maps, and filters that compare them with None by !=, of what ndb stores": "a map is one value there",
    "names with a dot inside maps, in filters and orders": "the segments of a field path hold any character",
}


def unsupported(feature: str) -> UnsupportedByBackendError:
    """The error for a feature that Datastore mode doesn't support, and Firestore in Native mode does.

    Args:
        feature: One of the features that are known here.
    """
    details = _DETAILS[feature]
    return UnsupportedByBackendError(
        feature, NAME, f"Firestore in Native mode does{f': {details}' if details else ''}."
    )
