"""Features that a backend may lack, and how tests declare those they need."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])
_NEEDS = "_cendry_needs"


class Feature(Enum):
    """One thing that a backend may lack. What is not listed here, every backend has.

    Every backend gets documents by path, commits `Set`, `Create`, `Update` and `Delete`, all or none, and keeps
    values of every kind but vectors.
    """

    QUERIES = "queries"
    """Collections, at the root and below a document: `==`, `<`, `<=`, `>`, `>=`, AND, orders and limits."""
    OR = "OR filters"
    IN = "the operator in"
    NOT_EQUAL = "the operators != and not-in"
    ARRAY_FILTERS = "the operators array-contains and array-contains-any"
    NULL_FILTERS = "filters by null and NaN"
    ID_FILTERS = "filters, orders and bounds by document id"
    SEVERAL_INEQUALITIES = "inequalities on several fields"
    WHOLE_VALUES = "filters by whole arrays and maps"
    NAMES_WITH_DOTS = "names with a dot inside maps, in filters, orders and figures"
    GROUPS = "collection groups"
    CURSORS = "bounds by value"
    PAGES = "pages that go on after their last document"
    """By bounds by value and by document id, or by cursors of the backend's own; one that lacks it lacks these."""
    OFFSETS = "offsets"
    PROJECTIONS = "projections"
    """Chosen fields. An empty projection, names alone, every backend gives."""
    COUNTS = "counting the documents of a query"
    SUMS = "sums and averages"
    READ_TIMES = "reads of an earlier moment"
    MASKS = "sets with a mask"
    MERGES = "merges"
    """Some fields of a document that may not exist; with a mask as well."""
    TRANSFORMS = "transforms"
    PRECONDITIONS = "writes that depend on an update time"
    TRANSACTIONS = "transactions"
    READ_ONLY = "read-only transactions"
    BULK = "bulk writes"
    """`write_many`, and queries for all documents below one."""
    LISTENERS = "listeners"
    VECTORS = "vectors"
    NEAREST = "search by vector"
    TIMES = "create, update and read times in results"
    """A backend that lacks it gives `None` for them, and refuses nothing."""
    KINDS = "Firestore's order and comparison of values of different kinds"
    """A backend that lacks it has rules of its own, and refuses nothing."""
    LIMITS = "Firestore's limits"
    """A backend that lacks it takes what Firestore refuses as malformed."""


ALL_FEATURES: frozenset[Feature] = frozenset(Feature)
"""What Firestore has."""


def needs(*features: Feature) -> Callable[[_F], _F]:
    """Say what a test needs of a backend; it is skipped for those that lack it."""

    def mark(test: _F) -> _F:
        setattr(test, _NEEDS, frozenset(features))
        return test

    return mark


def needs_of(test: Callable[..., Any]) -> frozenset[Feature]:
    """What a test said that it needs."""
    found: frozenset[Feature] = getattr(test, _NEEDS, frozenset())
    return found
