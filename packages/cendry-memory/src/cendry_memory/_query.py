"""Queries: a plan made ready to run, and the search for its documents by the cheapest sorted index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, Final, NamedTuple, cast

from cendry._order import AFTER_ALL, inverted, key_of, path_key
from cendry.errors import InvalidRequestError
from cendry.paths import FieldPath, exact_text, split_path
from cendry.plan import MISSING, Bound, Order, QueryPlan, check_counts, full_orders, value_at
from cendry.reference import Ref

from ._filters import Leaf, Node, Range, check_size, checked_field, conjuncts, leaves_of, tree_of
from ._indexes import NAME, Document, Scope, Segments, SortedEntries, Version
from ._nearest import Neighborhood
from ._values import kind_of, referred_path, taken_as_operand

# Below this, looking at every document costs less than keeping an index.
_FEW: Final = 64


class Sorting(NamedTuple):
    """One order of a query, the implied ones included."""

    segments: Segments
    descending: bool


class Hit(NamedTuple):
    """A document that matched, as it was then."""

    path: str
    version: Version


# Quicker than the class itself.
_new_hit = cast("Callable[[type[Hit], Any], Hit]", cast("Any", tuple).__new__)


class Search:
    """A query plan that was held against Firestore's limits.

    Args:
        plan: The plan.
        required: Fields that figures are computed of: a document needs them, and is sorted by them after all else.

    Attributes:
        plan: The plan.
        tree: Its filter.
        orders: All its orders, the implied ones included; the last one is by name.
        is_descending_scan: Whether documents are wanted by name, the last one first, with nothing said of their fields.
        sortings: The same with the required fields before the name, as indexes see them.

    Raises:
        InvalidRequestError: Firestore refuses the query.
    """

    __slots__ = (
        "_end",
        "_first",
        "_last",
        "_nearest",
        "_parts",
        "_prefix",
        "_start",
        "is_descending_scan",
        "orders",
        "plan",
        "sortings",
        "tree",
    )

    def __init__(self, plan: QueryPlan, required: tuple[FieldPath, ...] = ()) -> None:
        self.plan = plan
        self.tree = tree = tree_of(plan.where)
        self._parts = conjuncts(tree)
        leaves = leaves_of(tree)
        self.orders = _orders_of(plan, leaves)
        name = self.orders[-1]
        summed = sorted(set(required) - {order.path for order in self.orders}) if required else []
        self.sortings = [Sorting(checked_field(order.path).segments, order.descending) for order in self.orders[:-1]]
        self.sortings += [Sorting(checked_field(path).segments, name.descending) for path in summed]
        self.sortings.append(Sorting(NAME, name.descending))
        by_name = len(self.orders) == 1 and all(leaf.kind == "name" for leaf in leaves)
        self.is_descending_scan = by_name and name.descending
        if plan.group and plan.parent and (name.descending or not by_name):
            raise InvalidRequestError("a collection group below a document can only be read by document id, ascending.")
        if not self.is_descending_scan:
            says_name = name in plan.orders or any(leaf.kind == "name" for leaf in leaves)
            if summed and (says_name or (plan.group and plan.parent)):
                raise InvalidRequestError(
                    "a sum or average of a field can't follow a filter or an order by document id."
                )
        check_size(leaves, len(plan.orders), plan.parent is not None)
        check_counts(plan.limit, plan.offset)
        self._nearest = None if plan.nearest is None else Neighborhood(plan, plan.nearest)
        if plan.limit is not None and plan.limit < 0:
            raise InvalidRequestError(f"limit is negative: {plan.limit}.")
        if plan.offset < 0:
            raise InvalidRequestError(f"offset is negative: {plan.offset}.")
        for path in plan.projection or ():
            checked_field(path)
        self._start, self._first = self._cursor(plan.start)
        self._end, self._last = self._cursor(plan.end)
        self._prefix = f"{exact_text(plan.parent)}/" if plan.group and plan.parent else None

    def _cursor(self, bound: Bound | None) -> tuple[bytes | None, bytes | None]:
        """Where a cursor stands among sort keys, and the key of its first value."""
        if bound is None or not bound.values:
            return None, None
        if len(bound.values) > len(self.plan.orders):
            raise InvalidRequestError("a cursor has more values than the query has orders.")
        sortings = self.sortings[: len(bound.values)]
        keys = [_bound_key(value, sorting) for value, sorting in zip(bound.values, sortings, strict=True)]
        whole = [inverted(key) if by.descending else key for key, by in zip(keys, sortings, strict=True)]
        return b"".join(whole), keys[0]

    @property
    def has_limit(self) -> bool:
        """Whether which documents it finds depends on the others."""
        plan = self.plan
        return plan.limit is not None or plan.offset > 0 or plan.nearest is not None

    # --- one document ---

    def _sort_key(self, version: Version, name_key: bytes, sortings: Sequence[Sorting]) -> bytes | None:
        """Where a document stands among others; `None` if it lacks a field that is sorted by."""
        keys: list[bytes] = []
        for segments, descending in sortings:
            if segments is NAME:
                key = name_key
            else:
                value = value_at(version.data, segments)
                if value is MISSING:
                    return None
                key = key_of(value)
            keys.append(inverted(key) if descending else key)
        return keys[0] if len(keys) == 1 else b"".join(keys)

    def _within(self, key: bytes) -> bool:
        """Whether a sort key lies between the cursors."""
        start, end, plan = self._start, self._end, self.plan
        if start is not None:
            head = key[: len(start)]
            if head < start or (head == start and plan.start is not None and not plan.start.before):
                return False
        if end is not None:
            head = key[: len(end)]
            if head > end or (head == end and plan.end is not None and plan.end.before):
                return False
        return True

    def _passes(self, document: Document, parts: Sequence[Node]) -> bool:
        prefix = self._prefix
        if prefix is not None and not document.path.startswith(prefix):
            return False
        version, name_key = document.version, document.name_key
        return all(part.matches(version, name_key) for part in parts)

    def covers(self, path: str) -> bool:
        """Whether a document lies in the collection, or the group, that is searched."""
        plan = self.plan
        parent, collection, _ = split_path(path)
        # Without a collection id, a group is all documents.
        if collection != plan.collection and (plan.collection or not plan.group):
            return False
        return self._prefix is None or path.startswith(self._prefix) if plan.group else parent == plan.parent

    def place_of(self, document: Document) -> bytes | None:
        """Where a document of the scope stands among the results, limit and offset aside; `None` if it is not there."""
        if not self._passes(document, self._parts):
            return None
        key = self._sort_key(document.version, document.name_key, self.sortings)
        return key if key is not None and self._within(key) else None

    @property
    def narrowest(self) -> Leaf | None:
        """A condition that all results fulfil, and few others: `==` before one of several values, before a range."""
        leaves = [part for part in self._parts if isinstance(part, Leaf)]
        return min(leaves, key=lambda leaf: (not leaf.is_pinning, len(leaf.ranges)), default=None)

    # --- all of them ---

    def among(self, documents: Iterable[Document]) -> list[Document]:
        """The results out of these documents, by looking at every one."""
        found = self._sorted(document for document in documents if self._passes(document, self._parts))
        return list(self._results(found))

    def run(self, scope: Scope) -> list[Hit]:
        """The results out of a scope."""
        if len(scope) <= _FEW:
            documents: Iterable[Document] = self.among(scope.documents())
        else:
            documents = self._results(self._indexed(scope))
        return [_new_hit(Hit, (document.path, document.version)) for document in documents]

    def _results(self, documents: Iterable[Document]) -> Iterable[Document]:
        """What is left of sorted documents in the end."""
        return self.cut(documents) if self._nearest is None else self._nearest.among(documents)

    def cut(self, documents: Iterable[Document]) -> Iterator[Document]:
        """What offset and limit leave of sorted documents."""
        offset, limit = self.plan.offset, self.plan.limit
        return islice(documents, offset, None if limit is None else offset + limit)

    def _sorted(self, documents: Iterable[Document]) -> list[Document]:
        bounded = self._start is not None or self._end is not None
        keyed: list[tuple[bytes, Document]] = []
        for document in documents:
            key = self._sort_key(document.version, document.name_key, self.sortings)
            if key is not None and not (bounded and not self._within(key)):
                keyed.append((key, document))
        keyed.sort(key=lambda entry: entry[0])
        return [document for _, document in keyed]

    def _indexed(self, scope: Scope) -> Iterable[Document]:
        """All results in order, by the index that has the least to look at."""
        walk = self._walk(scope)
        if all(part in walk.exact for part in self._parts):
            return self._walked(walk)
        best = min([choice_of(part, scope) for part in self._parts], key=lambda choice: choice.size)
        # To sort what was found costs about as much as to find it.
        if 2 * best.size < self._cost(walk, best.size, len(scope)):
            rest = [part for part in self._parts if part is not best.exact]
            return self._sorted(document for document in best.documents() if self._passes(document, rest))
        return self._walked(walk)

    def _cost(self, walk: Walk, matches: int, total: int) -> float:
        """About how many documents a walk looks at, if `matches` out of `total` are wanted."""
        count = walk.entries.count(walk.low, walk.high)
        if self.plan.limit is None:
            return count
        return min(count, (self.plan.offset + self.plan.limit) * total / max(matches, 1))

    def _walk(self, scope: Scope) -> Walk:
        """The way through one index that meets the results in their order, or in groups of their first order."""
        leaves = [part for part in self._parts if isinstance(part, Leaf)]
        fixed = {leaf.segments for leaf in leaves if _is_fixed(leaf)}
        # What all results have in common sorts nothing; the name is always left.
        sortings = [sorting for sorting in self.sortings if sorting.segments not in fixed]
        segments, descending = sortings[0]
        if segments is NAME:
            # Under one key of any index, documents stand by their names.
            pinned = [leaf for leaf in leaves if len(leaf.ranges) == 1 and leaf.is_pinning]
            if pinned:
                best = min(pinned, key=lambda leaf: choice_of(leaf, scope).size) if len(pinned) > 1 else pinned[0]
                entries = scope.index(best.segments, best.kind == "element").entries
                return Walk(entries, *best.ranges[0], sortings, {best})
        exact = {
            leaf for leaf in leaves if leaf.segments == segments and leaf.kind != "element" and len(leaf.ranges) == 1
        }
        low = max([leaf.ranges[0][0] for leaf in exact], default=b"")
        high = min([leaf.ranges[0][1] for leaf in exact], default=AFTER_ALL)
        if segments is NAME and self._prefix is not None:
            inside = path_key(self._prefix[:-1])[:-1]
            low, high = max(low, inside), min(high, inside + AFTER_ALL)
        if segments is self.sortings[0].segments:
            start, end = (self._last, self._first) if descending else (self._first, self._last)
            low = low if start is None else max(low, start)
            high = high if end is None else min(high, end + AFTER_ALL)
        return Walk(scope.index(segments).entries, low, high, sortings, exact)

    def _walked(self, walk: Walk) -> Iterator[Document]:
        rest = [part for part in self._parts if part not in walk.exact]
        (segments, descending), *others = walk.sortings
        found = (walk.entries.backward if descending else walk.entries.forward)(walk.low, walk.high)
        documents = (document for document in found if self._passes(document, rest)) if rest or self._prefix else found
        if others and (len(others) > 1 or others[0].descending is not descending):
            groups = groupby(documents, key=lambda document: key_of(value_at(document.version.data, segments)))
            return (document for _, group in groups for document in self._sorted(group))
        if self._start is None and self._end is None:
            return documents
        return (document for document in documents if self._is_between(document))

    def _is_between(self, document: Document) -> bool:
        key = self._sort_key(document.version, document.name_key, self.sortings)
        return key is not None and self._within(key)


class Walk(NamedTuple):
    """A range of one index, to be gone through in order.

    Attributes:
        sortings: What the results are sorted by.
        exact: The conditions that all documents of the range fulfil.
    """

    entries: SortedEntries
    low: bytes
    high: bytes
    sortings: list[Sorting]
    exact: set[Leaf]


class Choice(NamedTuple):
    """What a condition lets one look at instead of the whole scope.

    Attributes:
        size: About how many documents there are.
        ranges: Where they are.
        exact: The condition, if all those documents fulfil it.
    """

    size: int
    ranges: list[tuple[SortedEntries, Range]]
    exact: Node | None

    def documents(self) -> Iterator[Document]:
        """The documents, each once."""
        if len(self.ranges) == 1:
            [(entries, (low, high))] = self.ranges
            return entries.forward(low, high)
        found = (document for entries, (low, high) in self.ranges for document in entries.forward(low, high))
        return iter(dict.fromkeys(found))


def choice_of(node: Node, scope: Scope) -> Choice:
    """The documents that can fulfil a condition, by the indexes of its fields."""
    if isinstance(node, Leaf):
        entries = scope.index(node.segments, node.kind == "element").entries
        size = sum(entries.count(low, high) for low, high in node.ranges)
        return Choice(size, [(entries, found) for found in node.ranges], node)
    parts = [choice_of(part, scope) for part in node.parts]
    if node.is_or:
        return Choice(sum(part.size for part in parts), [found for part in parts for found in part.ranges], None)
    return min(parts, key=lambda choice: choice.size)._replace(exact=None)


def _is_fixed(leaf: Leaf) -> bool:
    """Whether all documents that fulfil the condition have one value there."""
    return leaf.kind == "value" and len(leaf.ranges) == 1 and leaf.is_pinning


def _bound_key(value: Any, sorting: Sorting) -> bytes:
    if sorting.segments is NAME:
        if kind_of(value) is not Ref:
            raise InvalidRequestError(f"a cursor on the document id takes a reference, not {value!r}.")
        return path_key(referred_path(value))
    return key_of(taken_as_operand(value)[0])


def _orders_of(plan: QueryPlan, leaves: Iterable[Leaf]) -> tuple[Order, ...]:
    """The orders of a query, the implied ones included.

    Raises:
        InvalidRequestError: A field is sorted by twice, or one is left to sort by after the name.
    """
    orders = full_orders(plan.where, plan.orders)
    if not plan.orders:
        return orders
    known = {order.path.segments for order in orders}
    if len(known) < len(orders):
        raise InvalidRequestError("a query sorts by the same field twice.")
    is_left = any(leaf.is_inequality and leaf.segments not in known for leaf in leaves)
    if is_left or orders[-1].path.segments != NAME:
        raise InvalidRequestError("nothing can be sorted after the document id.")
    return orders
