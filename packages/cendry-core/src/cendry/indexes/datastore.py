"""The composite indexes of Datastore mode, as App Engine's `index.yaml` has them, for Firestore in Native mode."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..paths import DOCUMENT_ID, FieldPath
from .definitions import Index, Part, name_after
from .serving import Indexes

_LINE: Final = re.compile(r"\s*(?P<dash>-\s+)?(?P<key>\w+)\s*:(?:\s+(?P<value>.*?))?\s*")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1(?:\s+#.*)?""")


def from_datastore(text: str, collections: Mapping[str, str] | None = None, *, name: str = "index.yaml") -> Indexes:
    """The indexes that Firestore needs in place of the composite indexes of Datastore mode.

    A kind becomes the collection of its name, and `__key__` the document's name. Whether a query has an ancestor plays
    no part in Native mode. Indexes that Firestore keeps by itself are left out.

    Args:
        text: The text of an `index.yaml`, or a list of indexes as Datastore's messages recommend them.
        collections: The collections of kinds that are called otherwise.
        name: The name of the file, for errors.

    Raises:
        ValueError: It is not of the form of such files; the message names the file and the line.
    """
    found: list[tuple[str, list[Part]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.strip().startswith("#") or line.strip() in ("---", "indexes:", "indexes: []"):
            continue
        match = _LINE.fullmatch(line)
        value = _unquoted((match["value"] or "") if match else "")
        try:
            if match is None:
                raise ValueError("expected a key and a value")
            if match["dash"] and match["key"] in ("kind", "ancestor", "properties"):
                found.append(("", []))
            _take(found, match["key"], value)
        except (LookupError, ValueError) as error:
            raise ValueError(f"{name}, line {number}: this is not an index of Datastore: {error}.") from error
    for kind, parts in found:
        if not kind or not parts:
            raise ValueError(f"{name}: an index lacks its {'properties' if kind else 'kind'}.")
    indexes: dict[Index, None] = {}
    for kind, parts in found:
        index = _index_of((collections or {}).get(kind, kind), parts)
        if index is not None:
            indexes[index] = None
    return Indexes(indexes)


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else re.sub(r"\s+#.*", "", value)


def _take(found: list[tuple[str, list[Part]]], key: str, value: str) -> None:
    parts = found[-1][1] if found else []
    match key, value:
        case "kind", _ if value and found:
            found[-1] = value, parts
        case "ancestor", "yes" | "no" | "true" | "false" if found:
            pass
        case "properties", "" if found:
            pass
        case "name", _ if value and found:
            path = DOCUMENT_ID if value == "__key__" else FieldPath.parse(value) if "." in value else FieldPath(value)
            parts.append((path, "ASCENDING"))
        case "direction", "asc" | "desc" if parts:
            parts[-1] = parts[-1][0], "DESCENDING" if value == "desc" else "ASCENDING"
        case _:
            raise ValueError(f"{key}: {value} is not expected there")


def _index_of(collection: str, parts: list[Part]) -> Index | None:
    if parts[-1][0] != DOCUMENT_ID:
        parts = [*parts, name_after(parts[-1][1])]
    if len(parts) == 1:
        return None if parts[0][1] == "ASCENDING" else Index(collection, tuple(parts))
    if len(parts) == 2 and parts[1] == name_after(parts[0][1]):
        # Firestore keeps it by itself.
        return None
    return Index(collection, tuple(parts))
