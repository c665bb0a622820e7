"""When Firestore demands a composite index, and which; index files and their forms."""

from __future__ import annotations

from .definitions import FieldIndex, FieldOverride, Index, Mode, Part, QueryScope, VectorPart
from .needs import Need, needs_of
from .reading import parse_indexes, read_indexes
from .serving import Indexes

__all__ = [
    "FieldIndex",
    "FieldOverride",
    "Index",
    "Indexes",
    "Mode",
    "Need",
    "Part",
    "QueryScope",
    "VectorPart",
    "needs_of",
    "parse_indexes",
    "read_indexes",
]
