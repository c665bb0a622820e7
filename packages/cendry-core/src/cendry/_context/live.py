"""The documents of a query that is listened to: they take what has changed, and give snapshots.

A change costs the decoding of the documents that changed, and a bisection for each; only the tuple of the documents of
a snapshot is copied, and only pointers are moved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from operator import itemgetter
from typing import Any, Generic, TypeAlias, TypeVar, cast

from .._order import AFTER_ALL, inverted, key_of, path_key
from .._query.results import Read
from .._query.snapshots import Change, Snapshot
from ..backend import ListenResult, StoredDocument
from ..errors import DecodeError
from ..paths import DOCUMENT_ID
from ..plan import MISSING, GetPlan, Order, QueryPlan, full_orders, value_at

T = TypeVar("T")

SortKey: TypeAlias = "Callable[[StoredDocument], bytes]"
"""Where a document is in the order of a query, as bytes that compare as the documents do."""

_first: Callable[[Any], Any] = itemgetter(0)


class LiveDocuments(Generic[T]):
    """The documents of a query, or one document, as they were last reported.

    Documents that don't fit are left out; each version of one gives its error once.

    Args:
        plan: What is listened to.
        read: From a result to a document.
        backwards: Whether the documents are shown in the opposite order of the plan.
    """

    __slots__ = ("_documents", "_entries", "_is_first", "_keys", "_read", "_sort_key", "_unfit")

    def __init__(self, plan: QueryPlan | GetPlan, read: Read[T], *, backwards: bool) -> None:
        self._read = read
        self._sort_key = sort_key(plan, backwards=backwards)
        # By path: the key, the version and the document.
        self._entries: dict[str, tuple[bytes, object, T]] = {}
        # In order.
        self._keys: list[bytes] = []
        self._documents: list[T] = []
        # By path, the version that did not fit.
        self._unfit: dict[str, object] = {}
        self._is_first = True

    def take(self, result: ListenResult) -> tuple[Snapshot[T] | None, list[Exception]]:
        """Apply what has changed.

        Returns:
            The new state, or `None` if it is the same as before; and the errors of documents that don't fit.
        """
        entries = self._entries
        left = set(result.removed)
        if result.is_reset:
            given = {one.path for one in result.documents}
            left.update(path for path in [*entries, *self._unfit] if path not in given)
        for path in left:
            self._unfit.pop(path, None)
        fresh, errors = self._decoded(result, left)
        changes: list[Change[T]] = []
        self._remove(left & entries.keys(), changes)
        self._put(fresh, changes)
        if not changes and not self._is_first:
            return None, errors
        self._is_first = False
        return Snapshot(tuple(self._documents), tuple(changes), result.read_time), errors

    def _decoded(
        self, result: ListenResult, left: set[str]
    ) -> tuple[list[tuple[bytes, str, object, T]], list[Exception]]:
        """The documents that have another version than before; what doesn't fit any more, leaves."""
        entries, unfit, key_of_document, read = self._entries, self._unfit, self._sort_key, self._read
        fresh: list[tuple[bytes, str, object, T]] = []
        errors: list[Exception] = []
        for one in result.documents:
            path, version = one.path, _version(one)
            known = entries.get(path)
            last = unfit.get(path, MISSING) if known is None else known[1]
            if version == last or _is_outdated(version, last):
                continue
            # The reader may take over what the document holds.
            key = key_of_document(one)
            try:
                document = read(one)
            except Exception as error:
                # A document of another model, of which only its id was asked for, is not there.
                if not (isinstance(error, DecodeError) and error.is_other_kind):
                    errors.append(error)
                unfit[path] = version
                left.add(path)
            else:
                unfit.pop(path, None)
                fresh.append((key, path, version, document))
        fresh.sort(key=_first)
        return fresh, errors

    def _remove(self, paths: set[str], changes: list[Change[T]]) -> None:
        keys, documents = self._keys, self._documents
        for key, _, document in sorted([self._entries.pop(path) for path in paths], key=_first):
            place = bisect_left(keys, key)
            del keys[place], documents[place]
            changes.append(Change("removed", document, place, None))

    def _put(self, fresh: list[tuple[bytes, str, object, T]], changes: list[Change[T]]) -> None:
        """Add and replace documents: at each moment, all are in the order of their keys."""
        entries, keys, documents = self._entries, self._keys, self._documents
        modified: list[tuple[bytes, str, object, T]] = []
        for one in fresh:
            key, path, version, document = one
            if path in entries:
                modified.append(one)
                continue
            place = bisect_left(keys, key)
            keys.insert(place, key)
            documents.insert(place, document)
            entries[path] = key, version, document
            changes.append(Change("added", document, None, place))
        for key, path, version, document in modified:
            old = bisect_left(keys, entries[path][0])
            del keys[old], documents[old]
            new = bisect_left(keys, key)
            keys.insert(new, key)
            documents.insert(new, document)
            entries[path] = key, version, document
            changes.append(Change("modified", document, old, new))


def _version(document: StoredDocument) -> object:
    """What tells two states of a document apart: its time, or without times its data."""
    moment = document.update_time
    return deepcopy(document.data) if moment is None else moment


def _is_outdated(version: Any, last: Any) -> bool:
    """Whether a document was known in a later state: a stream that begins again may tell of earlier ones first."""
    return isinstance(version, datetime) and isinstance(last, datetime) and version < last


class Folding:
    """Changes that a consumer has not taken yet, folded to one.

    It holds at most the documents that there are, and the paths of those that the consumer knows.
    """

    __slots__ = ("_documents", "_is_reset", "_is_waiting", "_known", "_read_time", "_removed")

    def __init__(self) -> None:
        # The paths that the consumer knows, once it has taken what was taken here.
        self._known: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        self._documents: dict[str, StoredDocument] = {}
        self._removed: set[str] = set()
        self._read_time: datetime | None = None
        self._is_reset = False
        self._is_waiting = False

    def add(self, result: ListenResult) -> None:
        """Fold another change."""
        if result.is_reset:
            self._forget()
            self._is_reset = True
        self._is_waiting = True
        for path in result.removed:
            self._documents.pop(path, None)
            if path in self._known:
                self._removed.add(path)
        for one in result.documents:
            self._documents[one.path] = one
            self._removed.discard(one.path)
        self._read_time = result.read_time

    def take(self) -> ListenResult | None:
        """What has changed since this was last taken; `None` if nothing was added."""
        if not self._is_waiting:
            return None
        result = ListenResult(tuple(self._documents.values()), tuple(self._removed), self._read_time, self._is_reset)
        if self._is_reset:
            self._known = set(self._documents)
        else:
            self._known -= self._removed
            self._known |= self._documents.keys()
        self._forget()
        return result


def sort_key(plan: QueryPlan | GetPlan, *, backwards: bool) -> SortKey:
    """The order of a query's results.

    Args:
        plan: The query; the result of a `GetPlan` is a single document, which has no order.
        backwards: Whether the results are shown in the opposite order.
    """
    orders = full_orders(plan.where, plan.orders) if isinstance(plan, QueryPlan) else ()
    if backwards:
        orders = tuple([Order(order.path, not order.descending) for order in orders])
    by_kind: dict[type, SortKey] = {}

    def key(document: StoredDocument) -> bytes:
        kind = type(document)
        found = by_kind.get(kind)
        if found is None:
            own = cast("Callable[[tuple[Order, ...]], SortKey] | None", getattr(kind, "sort_key", None))
            found = by_kind[kind] = _by_data(orders) if own is None else own(orders)
        return found(document)

    return key


def _by_data(orders: tuple[Order, ...]) -> SortKey:
    def key(document: StoredDocument) -> bytes:
        parts: list[bytes] = []
        data = None
        for order in orders:
            if order.path == DOCUMENT_ID:
                found = path_key(document.path)
            else:
                if data is None:
                    data = document.data or {}
                found = _value_key(value_at(data, order.path.segments))
            parts.append(inverted(found) if order.descending else found)
        return b"".join(parts)

    return key


def _value_key(value: Any) -> bytes:
    if value is MISSING:
        return AFTER_ALL
    try:
        return key_of(value)
    except KeyError:
        # Of a kind that this version doesn't know.
        return AFTER_ALL
