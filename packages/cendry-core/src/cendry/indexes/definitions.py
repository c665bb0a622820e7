"""Definitions of indexes as values: composite indexes, and exemptions and times to live of single fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from .._immutable import dataclass
from ..paths import DOCUMENT_ID, FieldPath

Mode = Literal["ASCENDING", "DESCENDING", "CONTAINS"]
"""How an index holds a field: sorted, or by the elements of its arrays."""

QueryScope = Literal["COLLECTION", "COLLECTION_GROUP"]
"""Whether an index serves queries of single collections or of collection groups."""

Part: TypeAlias = "tuple[FieldPath, Mode]"
"""One field of an index."""

VectorPart: TypeAlias = "tuple[FieldPath, int]"
"""The field of the vectors of an index, and their dimension."""

FieldIndex: TypeAlias = "tuple[QueryScope, Mode]"
"""An index of a single field."""

AUTOMATIC: Final[frozenset[FieldIndex]] = frozenset(
    {("COLLECTION", "ASCENDING"), ("COLLECTION", "DESCENDING"), ("COLLECTION", "CONTAINS")}
)
"""The indexes that Firestore keeps of each field without being asked."""

EVERY_FIELD: Final = "*"

_SCOPES: Final[tuple[QueryScope, ...]] = ("COLLECTION", "COLLECTION_GROUP")
MODES: Final[tuple[Mode, ...]] = ("ASCENDING", "DESCENDING", "CONTAINS")
# What the Firebase CLI carries; these are the values that it leaves out.
_SETTINGS: Final[Mapping[str, Any]] = {
    "apiScope": "ANY_API",
    "density": "SPARSE_ALL",
    "multikey": False,
    "unique": False,
}
_SORTED: Final[Mapping[str, Mode]] = {"ASCENDING": "ASCENDING", "DESCENDING": "DESCENDING"}
_SPELLINGS: Final[Mapping[str, Mapping[str, Mode]]] = {
    "order": _SORTED,
    "arrayConfig": {"CONTAINS": "CONTAINS"},
    "mode": {**_SORTED, "CONTAINS": "CONTAINS", "ARRAY_CONTAINS": "CONTAINS"},
}
SHORT: Final[Mapping[Mode, str]] = {"ASCENDING": "ASC", "DESCENDING": "DESC", "CONTAINS": "CONTAINS"}


@dataclass(frozen=True, slots=True)
class Index:
    """A composite index.

    Both spellings of one index are equal, with the document's name written out and without.

    Attributes:
        collection: The collection id.
        parts: The fields before the vector, or all of them. The document's name is the last one, but not where a vector
            follows.
        scope: Which queries it serves.
        vector: The field of its vectors and their dimension, or `None`.
        settings: What else is declared of it and isn't the default (`apiScope`, `density`, `multikey`, `unique`), as
            names and JSON. It is kept, and not interpreted.
    """

    collection: str
    parts: tuple[Part, ...]
    scope: QueryScope = "COLLECTION"
    vector: VectorPart | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, definition: Mapping[str, Any]) -> Index:
        """An index in the form of `firestore.indexes.json`, in an older spelling too.

        Raises:
            ValueError: It is not of that form.
        """
        parts: list[Part] = []
        vector: VectorPart | None = None
        for field in _list_of(definition, "fields"):
            path = _path(field)
            if "vectorConfig" in field:
                if vector is not None:
                    raise ValueError("it has two vectors, and Firestore takes one")
                vector = path, _dimension(field["vectorConfig"])
            elif vector is not None and path != DOCUMENT_ID:
                raise ValueError("the vector is not its last field")
            else:
                parts.append((path, _mode(field)))
        if vector is not None:
            # The Firebase CLI writes the name before the vector, or leaves it out.
            parts = [part for part in parts if part[0] != DOCUMENT_ID]
        elif not parts:
            raise ValueError("it has no fields")
        elif parts[-1][0] != DOCUMENT_ID:
            parts.append(name_after(parts[-1][1]))
        settings = {name: definition[name] for name in _SETTINGS if name in definition}
        kept = [(name, json.dumps(value)) for name, value in settings.items() if value != _SETTINGS[name]]
        return cls(_collection(definition), tuple(parts), _scope(definition), vector, tuple(sorted(kept)))

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """The definition as an entry of `indexes` in `firestore.indexes.json`.

        Args:
            whole: Whether the document's name is written out in any case, not only where the CLI would add another.
        """
        parts = self.parts
        if not whole and self.vector is None and len(parts) > 1:
            (_, before), last = parts[-2:]
            if before != "CONTAINS" and last == name_after(before):
                parts = parts[:-1]
        fields: list[dict[str, Any]] = [{"fieldPath": str(path), **_form(mode)} for path, mode in parts]
        if self.vector is not None:
            path, dimension = self.vector
            fields.append({"fieldPath": str(path), "vectorConfig": {"dimension": dimension, "flat": {}}})
        settings = {name: json.loads(value) for name, value in self.settings}
        return {"collectionGroup": self.collection, "queryScope": self.scope, **settings, "fields": fields}


@dataclass(frozen=True, slots=True)
class FieldOverride:
    """What is declared of one field, instead of the indexes that Firestore keeps of each.

    Attributes:
        collection: The collection id.
        path: The field, or `None` for all fields of the collection.
        indexes: The indexes of this field alone; none exempts it. `None` if only a time to live is declared.
        ttl: Whether documents are deleted at the time in the field; `None` leaves that as it is.
    """

    collection: str
    path: FieldPath | None
    indexes: frozenset[FieldIndex] | None = None
    ttl: bool | None = None

    @classmethod
    def from_json(cls, definition: Mapping[str, Any]) -> FieldOverride:
        """An override in the form of `firestore.indexes.json`, in an older spelling too.

        Raises:
            ValueError: It is not of that form.
        """
        path = None if _text(definition, "fieldPath") == EVERY_FIELD else _path(definition)
        indexes: frozenset[FieldIndex] | None = None
        if "indexes" in definition:
            indexes = frozenset((_scope(each), _mode(each)) for each in _list_of(definition, "indexes"))
        ttl = definition.get("ttl")
        if ttl is not None and not isinstance(ttl, bool):
            raise ValueError(f"ttl is true or false, not {ttl!r}")
        return cls(_collection(definition), path, indexes, ttl)

    def to_json(self) -> dict[str, Any]:
        """The definition as an entry of `fieldOverrides` in `firestore.indexes.json`."""
        name = EVERY_FIELD if self.path is None else str(self.path)
        found: dict[str, Any] = {"collectionGroup": self.collection, "fieldPath": name}
        if self.ttl is not None:
            found["ttl"] = self.ttl
        # The Firebase CLI refuses an override without a list.
        found["indexes"] = forms_of(AUTOMATIC if self.indexes is None else self.indexes)
        return found


def forms_of(indexes: Iterable[FieldIndex]) -> list[dict[str, str]]:
    """Indexes of a single field in the form of `firestore.indexes.json`, in the order in which the CLI writes them."""
    found = set(indexes)
    return [{**_form(mode), "queryScope": scope} for scope in _SCOPES for mode in MODES if (scope, mode) in found]


def name_after(mode: Mode) -> Part:
    """The name as an index holds it behind a last field of that direction."""
    return DOCUMENT_ID, "DESCENDING" if mode == "DESCENDING" else "ASCENDING"


def _form(mode: Mode) -> dict[str, str]:
    return {"arrayConfig": "CONTAINS"} if mode == "CONTAINS" else {"order": mode}


# --- reading ---


def _text(definition: Mapping[str, Any], name: str) -> str:
    value = definition.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is text, not {value!r}")
    return value


def _collection(definition: Mapping[str, Any]) -> str:
    return _text(definition, "collectionId" if "collectionGroup" not in definition else "collectionGroup")


def _list_of(definition: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    values: Any = definition.get(name)
    if type(values) is not list or not all(isinstance(each, Mapping) for each in cast("Iterable[object]", values)):
        raise ValueError(f"{name} is a list of objects, not {values!r}")
    return cast("list[Mapping[str, Any]]", values)


def _path(field: Mapping[str, Any]) -> FieldPath:
    return FieldPath.parse(_text(field, "fieldPath"))


def _scope(definition: Mapping[str, Any]) -> QueryScope:
    given = definition.get("queryScope", "COLLECTION")
    for scope in _SCOPES:
        if given == scope:
            return scope
    raise ValueError(f"queryScope is one of {', '.join(_SCOPES)}, not {given!r}")


def _mode(field: Mapping[str, Any]) -> Mode:
    # Before `order` and `arrayConfig`, the CLI wrote both as `mode`.
    for name, options in _SPELLINGS.items():
        if name in field:
            found: object = field[name]
            mode = options.get(found) if isinstance(found, str) else None
            break
    else:
        mode = None
    if mode is None:
        raise ValueError("a field has one of order (ASCENDING, DESCENDING), arrayConfig (CONTAINS) and vectorConfig")
    return mode


def _dimension(config: object) -> int:
    dimension = cast("Mapping[str, Any]", config).get("dimension") if isinstance(config, Mapping) else None
    if isinstance(dimension, str) and dimension.isascii() and dimension.isdigit() and len(dimension) < 5:
        # Other tools write it as text.
        return int(dimension)
    if type(dimension) is not int or dimension < 1:
        raise ValueError(f"the dimension of a vectorConfig is a number, not {dimension!r}")
    return dimension
