"""Which queries Firestore refuses for want of an index, though the emulator answers them. What is uncertain passes.

The rules are those that Google's documentation and recorded answers of production agree on, for Firestore in native
mode, Standard edition (https://firebase.google.com/docs/firestore/query-data/indexing).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from cendry.errors import MissingIndexError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import INEQUALITIES, AggregationPlan, Order

from ._filters import Leaf, Node
from ._query import Search

Mode = Literal["ASCENDING", "DESCENDING", "CONTAINS"]
Part = tuple[FieldPath, Mode]
"""One field of an index."""
VectorPart = tuple[FieldPath, int]
"""The vectors of an index, and their dimension."""
QueryScope = Literal["COLLECTION", "COLLECTION_GROUP"]

_EVERY_FIELD: Final = "*"
_AUTOMATIC: Final[dict[QueryScope, frozenset[Mode]]] = {
    "COLLECTION": frozenset({"ASCENDING", "DESCENDING", "CONTAINS"}),
    "COLLECTION_GROUP": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Need:
    """What one disjunct of a query asks of indexes.

    Attributes:
        equal: The fields that are compared by equality.
        contains: The field whose array elements are compared, or `None`.
        tail: What is sorted by, the name at last.
        loose: Fields of the tail whose direction is uncertain.
    """

    equal: frozenset[FieldPath]
    contains: FieldPath | None
    tail: tuple[Part, ...]
    loose: frozenset[FieldPath]

    @property
    def wanted(self) -> frozenset[FieldPath]:
        """The fields that the heads of indexes have to cover."""
        return self.equal if self.contains is None else self.equal | {self.contains}

    @property
    def is_free(self) -> bool:
        """Whether no index is needed at all."""
        return not self.equal and self.contains is None and self.tail == ((DOCUMENT_ID, "ASCENDING"),)

    @property
    def is_uncertain(self) -> bool:
        """Whether Firestore's answer is unknown: equalities, read by name backwards."""
        backwards = self.tail == ((DOCUMENT_ID, "DESCENDING"),)
        return backwards and (len(self.equal) > 1 or self.contains is not None)

    @property
    def index(self) -> tuple[Part, ...]:
        """The whole index that serves it alone."""
        head: list[Part] = [] if self.contains is None else [(self.contains, "CONTAINS")]
        equal: list[Part] = [(path, "ASCENDING") for path in sorted(self.equal)]
        return (*head, *equal, *self.tail)

    def vector_head_of(self, index: tuple[Part, ...]) -> frozenset[FieldPath] | None:
        """As `head_of`, for what an index has before its vector."""
        # Without a name, and whichever way it runs: what is sorted by distance isn't read in its order.
        tail = [path for path, _ in self.tail[:-1]]
        length = len(index) - len(tail)
        if length < 0 or [path for path, _ in index[length:]] != tail:
            return None
        return self._head(index[:length])

    def head_of(self, index: tuple[Part, ...]) -> frozenset[FieldPath] | None:
        """The fields of its head that an index serves, or `None` if it doesn't help."""
        length = len(index) - len(self.tail)
        if length < 0 or not all(map(self._fits, index[length:], self.tail)):
            return None
        return self._head(index[:length])

    def _head(self, head: tuple[Part, ...]) -> frozenset[FieldPath] | None:
        for path, mode in head:
            if path != self.contains if mode == "CONTAINS" else path not in self.equal:
                return None
        return frozenset(path for path, _ in head)

    def _fits(self, part: Part, wanted: Part) -> bool:
        return part == wanted or (part[0] == wanted[0] and part[0] in self.loose)


class IndexRules:
    """The indexes that are declared, and the check of queries against them.

    Args:
        definitions: A `firestore.indexes.json`, as a path or as its content; `None` if nothing is declared.

    Raises:
        ValueError: The definitions are not of their form.
        OSError: The file can't be read.
    """

    def __init__(self, definitions: str | os.PathLike[str] | Mapping[str, Any] | None) -> None:
        content = _read(definitions)
        self._composites: dict[tuple[str, QueryScope], list[tuple[Part, ...]]] = {}
        self._vectors: dict[tuple[str, QueryScope, VectorPart], list[tuple[Part, ...]]] = {}
        self._overrides: dict[tuple[str, tuple[str, ...]], frozenset[tuple[QueryScope, Mode]]] = {}
        for number, definition in enumerate(_list_in(content, "indexes", required=True)):
            try:
                self._declare(definition)
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(f"Index {number} of the declared indexes is not of its form: {error!r}") from error
        for number, definition in enumerate(_list_in(content, "fieldOverrides", required=False)):
            try:
                self._override(definition)
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"Field override {number} of the declared indexes is not of its form: {error!r}"
                ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IndexRules) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def _declare(self, definition: Mapping[str, Any]) -> None:
        scope = _scope(definition["queryScope"])
        collection = definition["collectionGroup"]
        parts: list[Part] = []
        for field in definition["fields"]:
            if "vectorConfig" in field:
                vector = _path(field["fieldPath"]), int(field["vectorConfig"]["dimension"])
                # The Firebase CLI writes the name before the vector, or leaves it out.
                before = tuple(part for part in parts if part[0] != DOCUMENT_ID)
                self._vectors.setdefault((collection, scope, vector), []).append(before)
                return
            parts.append((_path(field["fieldPath"]), _mode(field)))
        if parts[-1][0] != DOCUMENT_ID:
            parts.append(_name_after(parts[-1][1]))
        self._composites.setdefault((collection, scope), []).append(tuple(parts))

    def _override(self, definition: Mapping[str, Any]) -> None:
        if "indexes" not in definition:
            # It is there for something else, such as a time to live.
            return
        modes: frozenset[tuple[QueryScope, Mode]] = frozenset(
            (_scope(index["queryScope"]), _mode(index)) for index in definition["indexes"]
        )
        path = definition["fieldPath"]
        segments = () if path == _EVERY_FIELD else _path(path).segments
        self._overrides[definition["collectionGroup"], segments] = modes

    def check(self, search: Search, aggregation: AggregationPlan | None = None) -> None:
        """Refuse a query that Firestore has no index for.

        Raises:
            MissingIndexError: It has none; the message holds the index, as JSON.
        """
        plan = search.plan
        scope: QueryScope = "COLLECTION_GROUP" if plan.group else "COLLECTION"
        disjuncts = _disjuncts(search.tree)
        if _is_uncertain(search.orders, disjuncts):
            return
        for leaves in disjuncts:
            need = _need(search.orders, leaves, aggregation)
            if plan.nearest is not None:
                vector = plan.nearest.path, len(plan.nearest.vector)
                if not self._serves_vectors(plan.collection, scope, need, vector):
                    raise MissingIndexError(plan.collection, _missing_vectors(plan.collection, scope, need, vector))
            elif not self._serves(plan.collection, scope, need):
                raise MissingIndexError(plan.collection, self._missing(plan.collection, scope, need))

    def _serves(self, collection: str, scope: QueryScope, need: Need) -> bool:
        if need.is_free or need.is_uncertain:
            return True
        indexes = self._indexes(collection, scope, need.wanted | {path for path, _ in need.tail})
        return _covers(map(need.head_of, indexes), need.wanted)

    def _serves_vectors(self, collection: str, scope: QueryScope, need: Need, vector: VectorPart) -> bool:
        # Whether several indexes are merged is uncertain, and so taken.
        return _covers(map(need.vector_head_of, self._vectors.get((collection, scope, vector), ())), need.wanted)

    def _indexes(self, collection: str, scope: QueryScope, fields: Iterable[FieldPath]) -> Iterable[tuple[Part, ...]]:
        yield from self._composites.get((collection, scope), ())
        if scope == "COLLECTION":
            # Uncertain, and so taken: an index of the whole group serves one collection as well.
            yield from self._composites.get((collection, "COLLECTION_GROUP"), ())
        for path in fields:
            for mode in self._modes(collection, path, scope) if path != DOCUMENT_ID else ():
                yield (path, mode), _name_after(mode)

    def _modes(self, collection: str, path: FieldPath, scope: QueryScope) -> Iterable[Mode]:
        """How a field is indexed without composites: by its nearest override, or as Firestore does."""
        segments = path.segments
        for length in range(len(segments), -1, -1):
            override = self._overrides.get((collection, segments[:length]))
            if override is not None:
                return [mode for where, mode in override if where == scope]
        return _AUTOMATIC[scope]

    def _missing(self, collection: str, scope: QueryScope, need: Need) -> str:
        index = need.index
        single = _single(index)
        if single is not None:
            path, mode = single
            detail = (
                f"{scope}_{_SHORT[mode]} of the field {path} alone. Add to fieldOverrides in firestore.indexes.json: "
            )
            definition: dict[str, Any] = {"collectionGroup": collection, "fieldPath": str(path)}
            kept: list[dict[str, str]] = []
            for where in _AUTOMATIC:
                modes = set(self._modes(collection, path, where))
                kept += [_declared(each, where) for each in _MODES.values() if each in modes]
            definition["indexes"] = [*kept, _declared(mode, scope)]
        else:
            detail = "a composite one. Add to indexes in firestore.indexes.json: "
            fields = [{"fieldPath": str(path), **_direction(mode)} for path, mode in index]
            definition = {"collectionGroup": collection, "queryScope": scope, "fields": fields}
        return detail + json.dumps(definition, ensure_ascii=False)


_SHORT: Final[dict[Mode, str]] = {"ASCENDING": "ASC", "DESCENDING": "DESC", "CONTAINS": "CONTAINS"}


def _name_after(mode: Mode) -> Part:
    """The name as an index holds it behind a last field of that direction."""
    return DOCUMENT_ID, "DESCENDING" if mode == "DESCENDING" else "ASCENDING"


def _single(index: tuple[Part, ...]) -> Part | None:
    """The one field of an index that Firestore keeps for single fields, or `None` if it is a composite one."""
    if len(index) != 2:
        return None
    (path, mode), (_, last) = index
    return (path, mode) if (last == "DESCENDING") is (mode == "DESCENDING") else None


def _direction(mode: Mode) -> dict[str, str]:
    return {"arrayConfig": "CONTAINS"} if mode == "CONTAINS" else {"order": mode}


def _declared(mode: Mode, scope: QueryScope) -> dict[str, str]:
    return {**_direction(mode), "queryScope": scope}


def _covers(heads: Iterable[frozenset[FieldPath] | None], wanted: frozenset[FieldPath]) -> bool:
    """Whether there are indexes that help, and their heads together have all fields."""
    helping = [head for head in heads if head is not None]
    return bool(helping) and frozenset().union(*helping) >= wanted


def _missing_vectors(collection: str, scope: QueryScope, need: Need, vector: VectorPart) -> str:
    path, dimension = vector
    fields: list[dict[str, Any]] = [{"fieldPath": str(part), **_direction(mode)} for part, mode in need.index[:-1]]
    fields.append({"fieldPath": str(path), "vectorConfig": {"dimension": dimension, "flat": {}}})
    definition = {"collectionGroup": collection, "queryScope": scope, "fields": fields}
    return f"one of vectors. Add to indexes in firestore.indexes.json: {json.dumps(definition, ensure_ascii=False)}"


# --- what a query needs ---


def _disjuncts(node: Node | None) -> list[list[Leaf]]:
    """The filter as an OR of ANDs; `in` and its kin count as the one equality that they are for an index."""
    if node is None:
        return [[]]
    if isinstance(node, Leaf):
        return [[node]]
    parts = map(_disjuncts, node.parts)
    if node.is_or:
        return [leaves for part in parts for leaves in part]
    result: list[list[Leaf]] = [[]]
    for part in parts:
        result = [[*one, *other] for one in result for other in part]
    return result


def _equal_fields(leaves: Iterable[Leaf]) -> frozenset[FieldPath]:
    return frozenset(leaf.path for leaf in leaves if leaf.kind == "value" and leaf.op not in INEQUALITIES)


def _is_uncertain(orders: tuple[Order, ...], disjuncts: list[list[Leaf]]) -> bool:
    sorted_by = {order.path for order in orders}
    for leaves in disjuncts:
        equal = _equal_fields(leaves)
        if len(disjuncts) > 1 and equal & sorted_by:
            return True
        if any(leaf.op in INEQUALITIES and leaf.path in equal for leaf in leaves):
            return True
    return False


def _need(orders: tuple[Order, ...], leaves: list[Leaf], aggregation: AggregationPlan | None) -> Need:
    equal = _equal_fields(leaves)
    contains = next((leaf.path for leaf in leaves if leaf.kind == "element"), None)
    parts = [_part(order) for order in orders if order.path not in equal]
    name = parts.pop()
    taken = equal | {path for path, _ in parts}
    summed = {item.path for item in (aggregation.aggregations if aggregation else ()) if item.path is not None} - taken
    backwards = any(order.descending for order in orders)
    ascending: list[Part] = [(path, "ASCENDING") for path in sorted(summed)]
    parts += ascending
    return Need(equal, contains, (*parts, name), frozenset(summed) if backwards else frozenset())


def _part(order: Order) -> Part:
    return order.path, "DESCENDING" if order.descending else "ASCENDING"


# --- reading definitions ---


def _read(definitions: str | os.PathLike[str] | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if definitions is None:
        return {"indexes": []}
    if isinstance(definitions, Mapping):
        return definitions
    if isinstance(cast("object", definitions), int):  # Also True; open() would take it for a file descriptor.
        raise TypeError(
            "strict_indexes= takes the path of a firestore.indexes.json, its content, or None for a database without "
            f"composite indexes, not {definitions!r}."
        )
    with open(definitions, encoding="utf-8") as file:
        content: object = json.load(file)
    if not isinstance(content, dict):
        raise ValueError(f"{os.fspath(definitions)!r} does not hold a JSON object.")
    return cast("dict[str, Any]", content)


def _list_in(content: Mapping[str, Any], name: str, *, required: bool) -> list[Any]:
    found: list[Any] | None = content.get(name, None if required else [])
    if type(found) is not list:
        raise ValueError(f"The declared indexes have no list named {name!r}.")
    return found


_SCOPES: Final[dict[str, QueryScope]] = {"COLLECTION": "COLLECTION", "COLLECTION_GROUP": "COLLECTION_GROUP"}
_MODES: Final[dict[str, Mode]] = {"ASCENDING": "ASCENDING", "DESCENDING": "DESCENDING", "CONTAINS": "CONTAINS"}


def _scope(text: str) -> QueryScope:
    return _SCOPES[text]


def _mode(field: Mapping[str, str]) -> Mode:
    return _MODES[field["order"] if "order" in field else field["arrayConfig"]]


def _path(text: str) -> FieldPath:
    return FieldPath.parse(text)
