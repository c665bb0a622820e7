"""Which indexes serve what a query needs, and what to add where they don't."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from ..errors import MissingIndexError
from ..paths import FieldPath
from ..plan import AggregationPlan, QueryPlan
from .definitions import (
    AUTOMATIC,
    EVERY_FIELD,
    SHORT,
    FieldIndex,
    FieldOverride,
    Index,
    Part,
    QueryScope,
    VectorPart,
    name_after,
)
from .needs import Need, needs_of

MAX_INDEXES: Final = 200
"""Composite indexes of a database without billing (https://firebase.google.com/docs/firestore/quotas)."""

MAX_BILLED_INDEXES: Final = 1000
"""Composite indexes of a database with billing."""

MAX_FIELDS: Final = 100
"""Fields of a composite index (https://firebase.google.com/docs/firestore/quotas)."""


MAX_DIMENSION: Final = 2048
"""Dimensions of a vector (https://firebase.google.com/docs/firestore/vector-search#limitations)."""


class IndexConflictError(ValueError):
    """What is needed contradicts what is declared; nothing was changed."""


class Indexes:
    """The indexes that a database has, or that a file declares; an immutable value.

    Args:
        indexes: Its composite indexes.
        overrides: What is declared of single fields.
        warnings: What was found wrong in the file.

    Attributes:
        indexes: The composite indexes, as they were given.
        overrides: What is declared of single fields, as it was given.
        warnings: What is surely wrong with them, as sentences.
    """

    def __init__(
        self,
        indexes: Iterable[Index] = (),
        overrides: Iterable[FieldOverride] = (),
        *,
        warnings: Iterable[str] = (),
    ) -> None:
        self.indexes = tuple(indexes)
        self.overrides = tuple(overrides)
        self.warnings = tuple(warnings)
        self._composites: dict[tuple[str, QueryScope], list[tuple[Part, ...]]] = {}
        self._vectors: dict[tuple[str, QueryScope, VectorPart], list[tuple[Part, ...]]] = {}
        self._overrides: dict[tuple[str, tuple[str, ...]], frozenset[FieldIndex]] = {}
        for index in self.indexes:
            if index.vector is None:
                self._composites.setdefault((index.collection, index.scope), []).append(index.parts)
            else:
                self._vectors.setdefault((index.collection, index.scope, index.vector), []).append(index.parts)
        for override in self.overrides:
            if override.indexes is not None:
                segments = () if override.path is None else override.path.segments
                self._overrides[override.collection, segments] = override.indexes

    def __eq__(self, other: object) -> bool:
        """Whether they are the same, in any order and any spelling."""
        if not isinstance(other, Indexes):
            return NotImplemented
        return set(self.indexes) == set(other.indexes) and set(self.overrides) == set(other.overrides)

    def __hash__(self) -> int:
        return hash((frozenset(self.indexes), frozenset(self.overrides)))

    def __repr__(self) -> str:
        return f"Indexes({list(self.indexes)!r}, {list(self.overrides)!r})"

    def serves(self, need: Need) -> bool:
        """Whether they serve what a query needs, the indexes that Firestore keeps by itself included."""
        if need.is_free:
            return True
        helping = [head for head in map(need.head_in, self._for(need)) if head is not None]
        return bool(helping) and frozenset[FieldPath]().union(*helping) >= need.wanted

    def used_for(self, need: Need) -> list[Index]:
        """The composite indexes that help to serve what a query needs."""
        return [
            index
            for index in self.indexes
            if index.collection == need.collection
            and index.vector == need.vector
            and (index.scope == need.scope or (need.scope == "COLLECTION" and need.vector is None))
            and need.head_in(index.parts) is not None
        ]

    def _for(self, need: Need) -> Iterable[tuple[Part, ...]]:
        collection, scope = need.collection, need.scope
        if need.vector is not None:
            # Whether several of them are merged is uncertain, and so taken.
            yield from self._vectors.get((collection, scope, need.vector), ())
            return
        yield from self._composites.get((collection, scope), ())
        if scope == "COLLECTION":
            # Uncertain, and so taken: an index of the whole group serves one collection as well.
            yield from self._composites.get((collection, "COLLECTION_GROUP"), ())
        for path in need.fields:
            for where, mode in self.modes(collection, path):
                if where == scope:
                    yield (path, mode), name_after(mode)

    def modes(self, collection: str, path: FieldPath) -> frozenset[FieldIndex]:
        """The indexes of a single field: by its nearest override, or as Firestore keeps them."""
        segments = path.segments
        for length in range(len(segments), -1, -1):
            override = self._overrides.get((collection, segments[:length]))
            if override is not None:
                return override
        return AUTOMATIC

    def to_add(self, need: Need) -> Index | FieldOverride:
        """What to declare so that a need is served, whether it is already or not.

        For a single field that is an override with the indexes that it has now and the one that is needed.
        """
        single = need.single
        if single is None:
            return need.index
        path, index = single
        return FieldOverride(need.collection, path, self.modes(need.collection, path) | {index})

    def missing(self, plan: QueryPlan, aggregation: AggregationPlan | None = None) -> list[Need]:
        """What a query needs, and they don't serve; nothing where Firestore's answer is uncertain.

        Args:
            plan: The query.
            aggregation: The aggregations that are computed of its documents, if any.
        """
        return [need for need in needs_of(plan, aggregation) if not need.is_uncertain and not self.serves(need)]

    def check(self, plan: QueryPlan, aggregation: AggregationPlan | None = None) -> None:
        """Refuse a query that Firestore would refuse with these indexes.

        Args:
            plan: The query.
            aggregation: The aggregations that are computed of its documents, if any.

        Raises:
            MissingIndexError: It needs an index that they lack.
        """
        needs = self.missing(plan, aggregation)
        if needs:
            definitions = self.definitions(needs)
            raise MissingIndexError(plan.collection, _told(needs, definitions), _one_or_all(definitions))

    def definitions(self, needs: Iterable[Need]) -> list[dict[str, Any]]:
        """What is to be added for some needs, each as an object of the file."""
        found = [self.to_add(need) for need in needs]
        return [each.to_json(whole=True) if isinstance(each, Index) else each.to_json() for each in found]


def index_for(
    plan: QueryPlan, aggregation: AggregationPlan | None = None
) -> dict[str, Any] | list[dict[str, Any]] | None:
    """What a query needs besides the indexes that Firestore keeps by itself, as `MissingIndexError.index` has it.

    Args:
        plan: The query.
        aggregation: The aggregations that are computed of its documents, if any.
    """
    none = Indexes()
    found = none.definitions(none.missing(plan, aggregation))
    return _one_or_all(found) if found else None


def _one_or_all(definitions: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
    return definitions[0] if len(definitions) == 1 else definitions


def _told(needs: list[Need], definitions: list[dict[str, Any]]) -> str:
    single = needs[0].single
    if single is not None:
        path, (scope, mode) = single
        what, list_name = f"{scope}_{SHORT[mode]} of the field {path} alone", "fieldOverrides"
    else:
        what, list_name = "one of vectors" if needs[0].vector else "a composite one", "indexes"
    if len(needs) > 1:
        what = f"{len(needs)}, of which the first is {what}"
    shown = json.dumps(definitions[0], ensure_ascii=False)
    more = "" if len(needs) == 1 else " The others are in .index."
    return f"{what}. Add to {list_name} in firestore.indexes.json: {shown}{more}"


def problems_in(indexes: Iterable[Index], overrides: Iterable[FieldOverride]) -> list[str]:
    """What Firestore surely refuses, or what is declared twice, as sentences."""
    found: list[str] = []
    known: set[Index] = set()
    for index in indexes:
        shown = json.dumps(index.to_json(), ensure_ascii=False)
        if index in known:
            found.append(f"An index is declared twice: {shown}.")
        known.add(index)
        if len(index.parts) > MAX_FIELDS:
            count = f"{len(index.parts)} fields, and the limit is {MAX_FIELDS}"
            found.append(f"An index of {index.collection!r} has {count}.")
        if sum(mode == "CONTAINS" for _, mode in index.parts) > 1:
            found.append(f"An index has two array fields, and Firestore takes one: {shown}.")
        paths = [path for path, _ in index.parts]
        if len(set(paths)) < len(paths):
            found.append(f"An index has a field twice: {shown}.")
        if index.vector is not None and index.vector[1] > MAX_DIMENSION:
            found.append(f"An index has vectors of {index.vector[1]} dimensions, and the limit is {MAX_DIMENSION}.")
        if index.vector is None and len(paths) == 2 and index.parts[1] == name_after(index.parts[0][1]):
            found.append(
                "Firestore refuses composite indexes of a single field; it keeps them itself, or as fieldOverrides "
                f"say: {shown}."
            )
    if len(known) > MAX_INDEXES:
        limit = f"{MAX_INDEXES} in a database without billing and {MAX_BILLED_INDEXES:,} in others"
        found.append(f"There are {len(known)} composite indexes, and the limit is {limit}.")
    expiring: dict[str, FieldPath | None] = {}
    declared: set[tuple[str, FieldPath | None]] = set()
    for override in overrides:
        place = override.collection, override.path
        if place in declared:
            shown = EVERY_FIELD if override.path is None else str(override.path)
            found.append(f"The field {shown} of {override.collection!r} has two overrides; the last one counts.")
        declared.add(place)
        if override.indexes is None:
            shown = EVERY_FIELD if override.path is None else str(override.path)
            found.append(
                f"The override of the field {shown} of {override.collection!r} has no indexes, which the Firebase CLI "
                "requires."
            )
        if override.ttl:
            other = expiring.setdefault(override.collection, override.path)
            if other != override.path:
                found.append(
                    f"{override.collection!r} has times to live in two fields, {other} and {override.path}, and "
                    "Firestore takes one."
                )
    return found
