"""The indexes of the target: those that took the place of the source's, and exemptions. Nothing here sends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cendry._immutable import dataclass, replace
from cendry.indexes import FieldOverride, Index, Indexes, from_datastore
from cendry.indexes.definitions import Part, name_after
from cendry.paths import FieldPath

from .values import Transform

INDEX_YAML: Final = "index.yaml"
"""The file of the source's composite indexes, in the directory of a migration too."""


class Layout:
    """Where the properties of a kind lie in its documents.

    Args:
        transforms: The transforms of the kind that are made.
    """

    def __init__(self, transforms: Iterable[Transform] = ()) -> None:
        nested = [each for each in transforms if each.do == "nest"]
        self._groups = tuple(f"{each.field}." for each in nested)
        self._lists = {f"{each.field}.": each.field for each in nested if each.options.get("list")}

    def path(self, name: str) -> FieldPath:
        """The path of a property."""
        return FieldPath(*name.split(".")) if name.startswith(self._groups) else FieldPath(name)

    def list_above(self, name: str) -> FieldPath | None:
        """The list of maps that a property is in; `None` if it is in none. No index reaches into one."""
        return next((self.path(field) for group, field in self._lists.items() if name.startswith(group)), None)


class IndexScan:
    """What matters for indexes in the entities of a kind.

    Attributes:
        arrays: The properties that are arrays in some entities.
        has_parents: Whether some entities have a parent.
    """

    def __init__(self) -> None:
        self._excluded: set[str] = set()
        self._indexed: set[str] = set()
        self.arrays: set[str] = set()
        self.has_parents = False

    def see(self, entity: Any) -> None:
        """Look at an `Entity` message."""
        self.has_parents = self.has_parents or len(entity.key.path) > 1
        for name, value in entity.properties.items():
            (self._excluded if is_excluded(value) else self._indexed).add(name)
            if value.WhichOneof("value_type") == "array_value":
                self.arrays.add(name)

    def exempt(self, layout: Layout) -> tuple[str, ...]:
        """The paths of the fields that no entity has in an index, sorted."""
        excluded = {layout.list_above(name) or layout.path(name) for name in self._excluded}
        indexed = {layout.list_above(name) or layout.path(name) for name in self._indexed}
        return tuple(sorted(map(str, excluded - indexed)))


def is_excluded(value: Any) -> bool:
    """Whether a property is in no index; of an array, whether all its elements aren't."""
    if value.WhichOneof("value_type") != "array_value":
        return bool(value.exclude_from_indexes)
    elements = value.array_value.values
    return bool(elements) and all(each.exclude_from_indexes for each in elements)


@dataclass(frozen=True, slots=True)
class KindIndexes:
    """What is known of a kind.

    Attributes:
        collection: Its collection.
        layout: Where its properties lie.
        scan: What was seen of its entities.
    """

    collection: str
    layout: Layout
    scan: IndexScan


@dataclass(frozen=True, slots=True)
class Composites:
    """Composite indexes of the target.

    Attributes:
        indexes: The indexes.
        dropped: Those of the source that Firestore can't have, as text for people, with the reason.
    """

    indexes: tuple[Index, ...]
    dropped: tuple[str, ...] = ()


def composites_of(text: str, kinds: Mapping[str, KindIndexes]) -> Composites:
    """The composite indexes that take the place of those of an `index.yaml`.

    Kinds that are not copied keep their names. Properties that are arrays are indexed by their elements, and kinds with
    parents both in each collection and in the collection group.

    Args:
        text: The text of the file.
        kinds: What is known of the kinds that are copied.

    Raises:
        ValueError: It is not of the form of such files.
    """
    arrays: set[tuple[str, FieldPath]] = set()
    lists: set[tuple[str, FieldPath]] = set()

    def path_of(kind: str, name: str) -> FieldPath:
        known = kinds.get(kind)
        if known is None:
            return FieldPath(*name.split("."))
        path = known.layout.path(name)
        if known.layout.list_above(name) is not None:
            lists.add((known.collection, path))
        elif name in known.scan.arrays:
            arrays.add((known.collection, path))
        return path

    found = from_datastore(text, {kind: known.collection for kind, known in kinds.items()}, paths=path_of)
    groups = {known.collection for known in kinds.values() if known.scan.has_parents}
    indexes: dict[Index, None] = {}
    dropped: list[str] = []
    for index in found.indexes:
        places = [(index.collection, path) for path, _ in index.parts]
        shown = f"{index.collection} ({', '.join(str(path) for _, path in places)})"
        if not lists.isdisjoint(places):
            dropped.append(f"{shown}: no index reaches into a list of maps")
        elif len(arrays.intersection(places)) > 1:
            dropped.append(f"{shown}: an index holds the elements of one array at most")
        else:
            made = _of_elements(index, arrays)
            indexes.update(dict.fromkeys(_scopes(made, groups)))
    return Composites(tuple(indexes), tuple(dropped))


def _of_elements(index: Index, arrays: set[tuple[str, FieldPath]]) -> Index:
    *before, last = index.parts
    if not before:
        return index
    parts: list[Part] = [(path, "CONTAINS" if (index.collection, path) in arrays else mode) for path, mode in before]
    is_implied = last == name_after(before[-1][1])
    return replace(index, parts=(*parts, name_after(parts[-1][1]) if is_implied else last))


def _scopes(index: Index, groups: set[str]) -> Iterator[Index]:
    yield index
    if index.collection in groups:
        yield replace(index, scope="COLLECTION_GROUP")


def target_indexes(composites: Composites | None, exempt: Mapping[str, Iterable[str]]) -> Indexes:
    """The indexes to create in the target.

    Args:
        composites: The composite indexes, if they are known.
        exempt: The paths of fields that no entity has in an index, by collection.
    """
    overrides = [
        FieldOverride(collection, FieldPath.parse(path), frozenset())
        for collection, paths in exempt.items()
        for path in paths
    ]
    return Indexes(() if composites is None else composites.indexes, overrides)
