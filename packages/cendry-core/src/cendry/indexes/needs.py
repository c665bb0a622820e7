"""What queries need of indexes: Firestore's rules, for Native mode, Standard edition.

They are those that Google's documentation and recorded answers of production agree on
(https://firebase.google.com/docs/firestore/query-data/indexing). Where the answer of production isn't known, a need is
marked as uncertain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Final

from .._immutable import dataclass
from ..errors import CendryError
from ..paths import DOCUMENT_ID, FieldPath
from ..plan import INEQUALITIES, AggregationPlan, Composite, Condition, Order, QueryPlan, Where, full_orders
from .definitions import MODES, FieldIndex, Index, Part, QueryScope, VectorPart

_ELEMENTS = frozenset({"array-contains", "array-contains-any"})

_MOST_DISJUNCTS: Final = 30
"""What Firestore takes (https://firebase.google.com/docs/firestore/query-data/queries#limits_on_or_queries)."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one disjunct of a query needs of indexes.

    Attributes:
        collection: The collection id.
        scope: Whether the query is one of a collection or of a collection group.
        equal: The fields that are compared by equality.
        contains: The field whose array elements are compared, or `None`.
        tail: What is sorted by, the document's name at last.
        loose: Fields of the tail whose direction is uncertain.
        vector: The field of a search by vector, and the dimension, or `None`.
        is_uncertain: Whether it isn't known if Firestore demands an index for the query.
    """

    collection: str
    scope: QueryScope
    equal: frozenset[FieldPath] = frozenset()
    contains: FieldPath | None = None
    tail: tuple[Part, ...] = ((DOCUMENT_ID, "ASCENDING"),)
    loose: frozenset[FieldPath] = frozenset()
    vector: VectorPart | None = None
    is_uncertain: bool = False

    @property
    def wanted(self) -> frozenset[FieldPath]:
        """The fields that the heads of indexes have to cover."""
        return self.equal if self.contains is None else self.equal | {self.contains}

    @property
    def fields(self) -> frozenset[FieldPath]:
        """All fields that the query filters, sorts or sums by, without the document's name."""
        return (self.wanted | {path for path, _ in self.tail}) - {DOCUMENT_ID}

    @property
    def is_free(self) -> bool:
        """Whether no index is needed at all."""
        return self.vector is None and not self.wanted and self.tail == ((DOCUMENT_ID, "ASCENDING"),)

    @property
    def index(self) -> Index:
        """The whole index that serves it alone; it has two fields where an index of a single field does."""
        head: list[Part] = [] if self.contains is None else [(self.contains, "CONTAINS")]
        equal: list[Part] = [(path, "ASCENDING") for path in sorted(self.equal)]
        parts = (*head, *equal, *self.tail)
        return Index(self.collection, parts if self.vector is None else parts[:-1], self.scope, self.vector)

    @property
    def single(self) -> tuple[FieldPath, FieldIndex] | None:
        """The one field whose index serves it, with that index, or `None` if a composite one has to."""
        parts = self.index.parts
        if self.vector is not None or len(parts) != 2:
            return None
        (path, mode), (_, last) = parts
        return (path, (self.scope, mode)) if (last == "DESCENDING") is (mode == "DESCENDING") else None

    def head_in(self, index: tuple[Part, ...]) -> frozenset[FieldPath] | None:
        """The fields of its head that the fields of an index serve, or `None` if that index doesn't help."""
        if self.vector is not None:
            # Without a name, and whichever way it runs: what is sorted by distance isn't read in its order.
            tail = [path for path, _ in self.tail[:-1]]
            length = len(index) - len(tail)
            if length < 0 or [path for path, _ in index[length:]] != tail:
                return None
            return self._head(index[:length])
        length = len(index) - len(self.tail)
        rest = index[length:] if length >= 0 else ()
        if rest != self.tail and not (rest and self.loose and all(map(self._fits, rest, self.tail))):
            return None
        return self._head(index[:length])

    def _head(self, head: tuple[Part, ...]) -> frozenset[FieldPath] | None:
        for path, mode in head:
            if path != self.contains if mode == "CONTAINS" else path not in self.equal:
                return None
        return frozenset(path for path, _ in head)

    def _fits(self, part: Part, wanted: Part) -> bool:
        return part == wanted or (part[0] == wanted[0] and part[0] in self.loose)

    def to_json(self) -> dict[str, Any]:
        """The need as a value that JSON can hold, for recordings."""
        return {
            "collectionGroup": self.collection,
            "queryScope": self.scope,
            "equal": sorted(map(str, self.equal)),
            "contains": None if self.contains is None else str(self.contains),
            "tail": [[str(path), mode] for path, mode in self.tail],
            "loose": sorted(map(str, self.loose)),
            "vector": None if self.vector is None else [str(self.vector[0]), self.vector[1]],
            "uncertain": self.is_uncertain,
        }

    @classmethod
    def from_json(cls, recorded: Any) -> Need:
        """A need that was recorded.

        Raises:
            ValueError: It is not what `to_json` returns.
        """
        try:
            vector, contains = recorded["vector"], recorded["contains"]
            need = cls(
                collection=_text(recorded["collectionGroup"]),
                scope=_one_of(("COLLECTION", "COLLECTION_GROUP"), recorded["queryScope"]),
                equal=frozenset(map(FieldPath.parse, map(_text, recorded["equal"]))),
                contains=None if contains is None else FieldPath.parse(_text(contains)),
                tail=tuple((FieldPath.parse(_text(path)), _one_of(MODES, mode)) for path, mode in recorded["tail"]),
                loose=frozenset(map(FieldPath.parse, map(_text, recorded["loose"]))),
                vector=None if vector is None else (FieldPath.parse(_text(vector[0])), _positive(vector[1])),
                is_uncertain=recorded["uncertain"] is True,
            )
        except (LookupError, TypeError, ValueError, CendryError) as error:
            raise ValueError(f"This is not a recorded query: {error!r}") from error
        if not need.tail or need.tail[-1][0] != DOCUMENT_ID:
            raise ValueError("This is not a recorded query: its order doesn't end with the document's name")
        return need


def _text(value: Any) -> str:
    if type(value) is not str or not value:
        raise TypeError(f"expected text, not {value!r}")
    return value


def _positive(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise TypeError(f"expected a dimension, not {value!r}")
    return value


def _one_of(options: Sequence[Any], value: Any) -> Any:
    if value not in options:
        raise ValueError(f"expected one of {options}, not {value!r}")
    return value


def needs_of(plan: QueryPlan, aggregation: AggregationPlan | None = None) -> tuple[Need, ...]:
    """What a query needs of indexes: one need for each disjunct, each of which has to be served.

    Projections, limits, offsets and the values of cursors play no part. A disjunct for which it isn't known what to ask
    for has no need, and those beside it are uncertain. A query of more than 30 disjuncts, which Firestore refuses, has
    none.

    Args:
        plan: The query.
        aggregation: The aggregations that are computed of its documents, if any.
    """
    if _count(plan.where) > _MOST_DISJUNCTS:
        return ()
    orders = full_orders(plan.where, plan.orders)
    disjuncts = _disjuncts(plan.where)
    several = len(disjuncts) > 1
    unknown = [_is_unknown(orders, one, several=several) for one in disjuncts]
    scope: QueryScope = "COLLECTION_GROUP" if plan.group else "COLLECTION"
    vector = None if plan.nearest is None else (plan.nearest.path, len(plan.nearest.vector))
    found: dict[Need, None] = {}
    for conditions, is_unknown in zip(disjuncts, unknown, strict=True):
        if not is_unknown:
            equal, contains, tail, loose = _sides(orders, conditions, aggregation)
            # Equalities that are read by name backwards.
            backwards = tail == ((DOCUMENT_ID, "DESCENDING"),) and (len(equal) > 1 or contains is not None)
            uncertain = any(unknown) or (backwards and vector is None)
            found[Need(plan.collection, scope, equal, contains, tail, loose, vector, uncertain)] = None
    return tuple(found)


def _count(where: Where | None) -> int:
    """How many disjuncts there are; taken apart, they may be too many to be counted."""
    if not isinstance(where, Composite):
        return 1
    counts = map(_count, where.conditions)
    return sum(counts) if where.op == "OR" else prod(counts)


def _disjuncts(where: Where | None) -> list[list[Condition]]:
    """The filter as an OR of ANDs; `in` and its kin count as the one equality that they are for an index."""
    if where is None:
        return [[]]
    if isinstance(where, Condition):
        return [[where]]
    parts = map(_disjuncts, where.conditions)
    if where.op == "OR":
        return [conditions for part in parts for conditions in part]
    result: list[list[Condition]] = [[]]
    for part in parts:
        result = [[*one, *other] for one in result for other in part]
    return result


def _equal_fields(conditions: Iterable[Condition]) -> frozenset[FieldPath]:
    other = INEQUALITIES | _ELEMENTS
    return frozenset(each.path for each in conditions if each.op not in other and each.path != DOCUMENT_ID)


def _is_unknown(orders: tuple[Order, ...], conditions: list[Condition], *, several: bool) -> bool:
    """Whether it isn't known which index production asks for.

    That is so for an equality and an inequality on one field, and for an order by a field that is compared by equality
    in one of several disjuncts.
    """
    equal = _equal_fields(conditions)
    if several and any(order.path in equal for order in orders):
        return True
    return any(each.op in INEQUALITIES and each.path in equal for each in conditions)


def _sides(
    orders: tuple[Order, ...], conditions: list[Condition], aggregation: AggregationPlan | None
) -> tuple[frozenset[FieldPath], FieldPath | None, tuple[Part, ...], frozenset[FieldPath]]:
    equal = _equal_fields(conditions)
    contains = next((each.path for each in conditions if each.op in _ELEMENTS), None)
    parts = [_part(order) for order in orders if order.path not in equal]
    name = parts.pop()
    taken = equal | {path for path, _ in parts}
    summed = {each.path for each in (aggregation.aggregations if aggregation else ()) if each.path is not None} - taken
    backwards = any(order.descending for order in orders)
    ascending: list[Part] = [(path, "ASCENDING") for path in sorted(summed)]
    tail = (*parts, *ascending, name)
    return equal, contains, tail, frozenset(summed) if backwards else frozenset()


def _part(order: Order) -> Part:
    return order.path, "DESCENDING" if order.descending else "ASCENDING"
