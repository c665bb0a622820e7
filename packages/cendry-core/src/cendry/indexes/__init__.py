"""When Firestore demands a composite index, and which; index files and their forms."""

from __future__ import annotations

from .datastore import from_datastore
from .definitions import FieldIndex, FieldOverride, Index, Mode, Part, QueryScope, VectorPart
from .deriving import derive
from .merging import IndexCheck, check, combine, merge
from .needs import Need, needs_of
from .reading import parse_indexes, read_indexes
from .recording import parse_recording, read_recording, to_recording
from .serving import IndexConflictError, Indexes
from .writing import to_firebase, to_gcloud, to_terraform

__all__ = [
    "FieldIndex",
    "FieldOverride",
    "Index",
    "IndexCheck",
    "IndexConflictError",
    "Indexes",
    "Mode",
    "Need",
    "Part",
    "QueryScope",
    "VectorPart",
    "check",
    "combine",
    "derive",
    "from_datastore",
    "merge",
    "needs_of",
    "parse_indexes",
    "parse_recording",
    "read_indexes",
    "read_recording",
    "to_firebase",
    "to_gcloud",
    "to_recording",
    "to_terraform",
]
