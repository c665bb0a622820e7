"""How large a document is, as Firestore counts it, and whether it can be one. Nothing here sends or waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from cendry._types.kinds import name_size
from cendry.paths import MAX_ID_BYTES, MAX_PATH_BYTES, MAX_PATH_DEPTH, quote_segment

MAX_DOCUMENT_BYTES: Final = 1_048_576
"""Bytes of a document (https://firebase.google.com/docs/firestore/quotas)."""

MAX_INDEX_ENTRIES: Final = 40_000
"""Index entries of a document (the same page). Emulators don't count them."""

_DOCUMENTS: Final = "/documents/"
_DOCUMENT_ITSELF: Final = 32
_FIXED: Final = {
    "null_value": 1,
    "boolean_value": 1,
    "integer_value": 8,
    "double_value": 8,
    "timestamp_value": 8,
    "geo_point_value": 16,
}

# A value takes at least 2 bytes in a message, and at most 16 where its size doesn't depend on what it holds; a name
# and a reference take more in a message than Firestore counts.
_SURELY_FITS: Final = MAX_DOCUMENT_BYTES // 8 - MAX_PATH_BYTES

# A scalar has two entries, and takes at least six bytes with its name.
_SURELY_FEW: Final = MAX_INDEX_ENTRIES * 2


def document_size(document: Any) -> int:
    """The bytes that Firestore counts for a `Document` message.

    That is its name, all names of fields, all values, and 32 bytes
    (https://firebase.google.com/docs/firestore/storage-size).
    """
    return name_size(_path(document.name)) + _DOCUMENT_ITSELF + _size_of_fields(document.fields)


def index_entries(document: Any, exempt: Collection[str] = ()) -> int:
    """The entries that a document has in the indexes of single fields.

    A scalar has two of them, and an array one for each value in it
    (https://firebase.google.com/docs/firestore/query-data/index-overview).

    Args:
        document: The `Document` message.
        exempt: The paths of fields that have no index, in Firestore's string form.
    """
    return sum(_entries(document.fields, "", frozenset(exempt)))


def check(document: Any, exempt: Collection[str] = ()) -> str | None:
    """The reason why Firestore would refuse a document for its size, or `None`.

    Args:
        document: The `Document` message.
        exempt: The paths of fields that have no index, in Firestore's string form.
    """
    name: str = document.name
    if len(name) > MAX_ID_BYTES // 4:
        reason = check_path(_path(name))
        if reason is not None:
            return reason
    rough: int = document.ByteSize()
    if rough > _SURELY_FITS:
        size = document_size(document)
        if size > MAX_DOCUMENT_BYTES:
            return f"it would have {size:,} bytes, and the limit is {MAX_DOCUMENT_BYTES:,}"
    if rough > _SURELY_FEW:
        entries = index_entries(document, exempt)
        if entries > MAX_INDEX_ENTRIES:
            return (
                f"it would have {entries:,} index entries, and the limit is {MAX_INDEX_ENTRIES:,}; exempt its largest "
                f"fields from indexes"
            )
    return None


def check_path(path: str) -> str | None:
    """The reason why Firestore would refuse the path of a document for its size, or `None`."""
    size = len(path.encode())
    if size > MAX_PATH_BYTES:
        return f"its name would have {size:,} bytes, and the limit is {MAX_PATH_BYTES:,}"
    segments = path.split("/")
    if len(segments) // 2 > MAX_PATH_DEPTH:
        return f"it would be {len(segments) // 2} collections deep, and the limit is {MAX_PATH_DEPTH}"
    longest = max(len(segment.encode()) for segment in segments)
    if longest > MAX_ID_BYTES:
        return f"a part of its name would have {longest:,} bytes, and the limit is {MAX_ID_BYTES:,}"
    return None


def _path(name: str) -> str:
    return name.partition(_DOCUMENTS)[2]


def _size_of_fields(fields: Any) -> int:
    return sum(len(name.encode()) + 1 + _size(value) for name, value in fields.items())


def _size(value: Any) -> int:
    kind = value.WhichOneof("value_type")
    match kind:
        case "string_value":
            return len(value.string_value.encode()) + 1
        case "bytes_value":
            return len(value.bytes_value)
        case "reference_value":
            return name_size(_path(value.reference_value))
        case "array_value":
            return sum(map(_size, value.array_value.values))
        case "map_value":
            return _size_of_fields(value.map_value.fields)
        case _:
            return _FIXED[kind]


def _entries(fields: Any, above: str, exempt: frozenset[str]) -> Iterator[int]:
    for name, value in fields.items():
        path = f"{above}{quote_segment(name)}"
        if path in exempt:
            continue
        match value.WhichOneof("value_type"):
            case "array_value":
                yield len({one.SerializeToString(deterministic=True) for one in value.array_value.values})
            case "map_value":
                yield from _entries(value.map_value.fields, f"{path}.", exempt)
            case _:
                yield 2
