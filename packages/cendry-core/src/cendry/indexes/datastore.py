"""The composite indexes of Datastore mode, as App Engine's `index.yaml` has them, for Firestore in Native mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ..paths import DOCUMENT_ID, FieldPath
from .definitions import Index, Mode, Part, name_after
from .serving import Indexes

_LINE: Final = re.compile(r"\s*(?P<dash>-\s+)?(?P<key>\w+)\s*:(?:\s+(?P<value>.*?))?\s*")
_QUOTED: Final = re.compile(r"""(["'])(.*)\1(?:\s+#.*)?""")


def path_of(_kind: str, name: str) -> FieldPath:
    """The path of a property, which is in a map for each dot in its name."""
    return FieldPath.parse(name) if "." in name else FieldPath(name)


def from_datastore(
    text: str,
    collections: Mapping[str, str] | None = None,
    *,
    paths: Callable[[str, str], FieldPath] = path_of,
    name: str = "index.yaml",
) -> Indexes:
    """The indexes that Firestore needs in place of the composite indexes of Datastore mode.

    A kind becomes the collection of its name, and `__key__` the document's name. Whether a query has an ancestor plays
    no part in Native mode. Indexes that Firestore keeps by itself are left out.

    Args:
        text: The text of an `index.yaml`, or a list of indexes as Datastore's messages recommend them.
        collections: The collections of kinds that are called otherwise.
        paths: Returns the path of the field that holds a property, for the names of a kind and a property. By default,
            a dot in a name leads into a map.
        name: The name of the file, for errors.

    Raises:
        ValueError: It is not of the form of such files; the message names the file and the line.
    """
    found: list[_Definition] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.strip().startswith("#") or line.strip() in ("---", "indexes:", "indexes: []"):
            continue
        match = _LINE.fullmatch(line)
        value = _unquoted((match["value"] or "") if match else "")
        try:
            if match is None:
                raise ValueError("expected a key and a value")
            if match["dash"] and match["key"] in ("kind", "ancestor", "properties"):
                found.append(_Definition())
            if not found:
                raise ValueError("there is no kind before it")
            found[-1].take(match["key"], value, number)
        except ValueError as error:
            raise _error(name, number, error) from error
    indexes: dict[Index, None] = {}
    for each in found:
        if not each.kind or not each.names:
            raise ValueError(f"{name}: an index lacks its {'properties' if each.kind else 'kind'}.")
        parts: list[Part] = []
        for stored, mode, number in each.names:
            try:
                parts.append((DOCUMENT_ID if stored == "__key__" else paths(each.kind, stored), mode))
            except ValueError as error:
                raise _error(name, number, error) from error
        index = _index_of((collections or {}).get(each.kind, each.kind), parts)
        if index is not None:
            indexes[index] = None
    return Indexes(indexes)


def _error(name: str, line: int, error: ValueError) -> ValueError:
    return ValueError(f"{name}, line {line}: this is not an index of Datastore: {error}.")


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else re.sub(r"\s+#.*", "", value)


class _Definition:
    """An index in the making: its kind, and the names of its properties with their order and the number of the line."""

    def __init__(self) -> None:
        self.kind = ""
        self.names: list[tuple[str, Mode, int]] = []

    def take(self, key: str, value: str, line: int) -> None:
        names = self.names
        match key, value:
            case "kind", _ if value:
                self.kind = value
            case "ancestor", "yes" | "no" | "true" | "false":
                pass
            case "properties", "":
                pass
            case "name", _ if value:
                names.append((value, "ASCENDING", line))
            case "direction", "asc" | "desc" if names:
                names[-1] = (names[-1][0], "DESCENDING" if value == "desc" else "ASCENDING", line)
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
