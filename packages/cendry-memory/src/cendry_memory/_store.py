"""The store: all documents, and the one lock under which they are read and changed. Both twins share it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cendry._order import MICROSECOND
from cendry.backend import CommitResult, DocumentResult, SnapshotResult
from cendry.errors import (
    CendryError,
    InvalidDocumentIdError,
    InvalidRequestError,
    MissingIndexError,
    TransactionContentionError,
)
from cendry.paths import check_collection_id
from cendry.plan import AggregationPlan, Delete, GetPlan, QueryPlan, Write

from ._aggregate import figures, required_fields
from ._clock import Clock, system_clock
from ._faults import Call, Faults
from ._filters import checked_field
from ._index_rules import IndexRules
from ._indexes import Collection, Document, Group, Scope, Version, result_of
from ._journal import Journal
from ._listen import Dispatcher, Listener
from ._query import Hit, Search
from ._transactions import Change, Transaction, transaction_of
from ._values import checked_path
from ._writes import applied, prepared

HISTORY: Final = timedelta(hours=1)
"""How far back reads at a given time reach at most; Firestore keeps as much."""

MAX_HISTORY: Final = 10_000
"""How many changes of documents are kept for such reads, and for open transactions."""


class MemoryStore:
    """Documents in memory, for any number of backends, contexts, threads and event loops at once.

    Args:
        journal: The file in which commits are kept, or `None`.
        rules: The declared indexes that queries are held against, or `None` to demand none.
        clock: Gives the present moment, aware.
    """

    def __init__(
        self, journal: Journal | None = None, *, rules: IndexRules | None = None, clock: Clock | None = None
    ) -> None:
        self.faults = Faults()
        self.number = 0
        self._journal = journal
        self._rules = rules
        self._clock = clock or system_clock
        self._lock = threading.RLock()
        self._collections: dict[str, Collection] = {}
        self._groups: dict[str, Group] = {}
        self._changes: deque[Change] = deque()
        self._forgotten: datetime | None = None
        # No commit may have the time of a read that came before it, or reading again at that time would see more.
        self._last_moment: datetime | None = None
        self._dispatcher = Dispatcher()
        if journal is not None:
            self._last_moment = self._forgotten = journal.last_commit
            for path, version in journal.documents():
                self._collection(path).put(path.rpartition("/")[2], path, version)

    # --- time ---

    def _now(self) -> datetime:
        """The present, never before a moment that was given out."""
        now = self._clock()
        last = self._last_moment
        if last is not None and now < last:
            return last
        self._last_moment = now
        return now

    def _commit_time(self) -> datetime:
        """The present, after every moment that was given out, even while the clock stands or runs back."""
        now = self._clock()
        last = self._last_moment
        return last + MICROSECOND if last is not None and now <= last else now

    # --- documents ---

    def _collection(self, path: str) -> Collection:
        """The collection of a document; made now if there is none yet."""
        home = path.rpartition("/")[0]
        collection = self._collections.get(home)
        if collection is None:
            group_id = home.rpartition("/")[2]
            group = self._groups.setdefault(group_id, Group())
            collection = self._collections[home] = Collection(group)
            group.collections.append(collection)
        return collection

    def _present(self, path: str) -> Version | None:
        home, _, document_id = path.rpartition("/")
        collection = self._collections.get(home)
        if collection is not None:
            document = collection.by_id.get(document_id)
            if document is not None:
                return document.version
        checked_path(path)
        return None

    def _scope(self, plan: QueryPlan) -> Scope | None:
        if plan.group:
            scope: Scope | None = self._groups.get(plan.collection)
        else:
            scope = self._collections.get(f"{plan.parent}/{plan.collection}" if plan.parent else plan.collection)
        if scope is None or "/" in plan.collection:
            _check_home(plan)
        return scope

    # --- the past ---

    def changes_since(self, number: int) -> list[Change] | None:
        """The changes after a number, oldest first, or `None` if some of them are forgotten."""
        if number == self.number:
            return []
        missing = self.number - number
        if missing > len(self._changes):
            return None
        return [self._changes[place] for place in range(len(self._changes) - missing, len(self._changes))]

    def _past(self, moment: datetime) -> dict[str, Version | None]:
        """How the documents that have changed since a moment were then."""
        now = self._now()
        if moment > now:
            raise InvalidRequestError(f"read_time lies in the future: {moment.isoformat()}.")
        if moment < now - HISTORY:
            raise InvalidRequestError(f"read_time {moment.isoformat()} is too old: it lies over an hour back.")
        if self._forgotten is not None and moment < self._forgotten:
            raise InvalidRequestError(
                f"read_time {moment.isoformat()} is too old; the store remembers back to {self._forgotten.isoformat()}."
            )
        past: dict[str, Version | None] = {}
        for change in reversed(self._changes):
            if change.time <= moment:
                break
            past[change.path] = change.old
        return past

    def _remember(self, changes: Iterable[Change]) -> None:
        self._changes.extend(changes)
        limit = self._changes[-1].time - HISTORY
        while len(self._changes) > MAX_HISTORY or self._changes[0].time < limit:
            self._forgotten = self._changes.popleft().time

    # --- reads ---

    def _open(self, call: Call, transaction: Any) -> Transaction | None:
        """Begin a call: ordered faults strike here, and a transaction is held against what changed."""
        if self._journal is not None:
            self._journal.check_open()
        handle = None if transaction is None else transaction_of(self, transaction)
        try:
            self.faults.strike(call, in_transaction=handle is not None)
            if handle is not None and not handle.is_read_only and not handle.holds():
                raise TransactionContentionError
        except TransactionContentionError:
            if handle is not None:
                handle.end()
            raise
        return handle

    def get(self, plan: GetPlan, transaction: Any = None) -> list[DocumentResult]:
        """Read documents by path, in the order of the plan."""
        for projected in plan.projection or ():
            checked_field(projected)
        with self._lock:
            handle = self._open("get", transaction)
            moment = plan.read_time or (handle.read_time if handle is not None else None)
            if moment is None:
                read_time = self._now()
                versions = [self._present(path) for path in plan.paths]
                if handle is not None:
                    handle.note_paths(plan.paths)
            else:
                read_time = moment
                past = self._past(moment)
                versions = [past[path] if path in past else self._present(path) for path in plan.paths]
        projection = plan.projection
        pairs = zip(plan.paths, versions, strict=True)
        return [result_of(path, version, projection, read_time) for path, version in pairs]

    def run(self, plan: QueryPlan, transaction: Any = None) -> Iterator[DocumentResult]:
        """Find the documents of a query, now; they are copied as they are asked for."""
        with self._lock:
            handle = self._open("run", transaction)
            search = self._search(plan)
            hits, read_time = self._hits(search, handle)
        projection = plan.projection
        return (result_of(path, version, projection, read_time) for path, version in hits)

    def aggregate(self, plan: AggregationPlan, transaction: Any = None) -> tuple[int | float | None, ...]:
        """Compute figures over a query."""
        with self._lock:
            handle = self._open("aggregate", transaction)
            search = self._search(plan.query, plan)
            hits, _ = self._hits(search, handle)
        return figures(plan, hits)

    def _search(self, plan: QueryPlan, aggregation: AggregationPlan | None = None) -> Search:
        search = Search(plan, () if aggregation is None else required_fields(aggregation))
        if self._rules is not None:
            self._rules.check(search, aggregation)
        elif search.is_descending_scan:
            # Firestore has no such index of its own, and the emulator refuses to do without.
            raise MissingIndexError(plan.collection, "an order by document id, descending, without any other field.")
        return search

    def _hits(self, search: Search, handle: Transaction | None) -> tuple[list[Hit], datetime]:
        moment = search.plan.read_time or (handle.read_time if handle is not None else None)
        if moment is None:
            found = self.found(search)
            if handle is not None:
                handle.note_query(search, found)
            return found, self._now()
        past = self._past(moment)
        if not past:
            return self.found(search), moment
        scope = self._scope(search.plan)
        documents = (
            [document for document in scope.documents() if document.path not in past] if scope is not None else []
        )
        documents += [
            Document(path, version) for path, version in past.items() if version is not None and search.covers(path)
        ]
        return [Hit(document.path, document.version) for document in search.among(documents)], moment

    def found(self, search: Search) -> list[Hit]:
        """What a query finds now; only under the lock."""
        scope = self._scope(search.plan)
        return [] if scope is None else search.run(scope)

    # --- writes and transactions ---

    def commit(self, writes: Sequence[Write], transaction: Any = None) -> CommitResult:
        """Apply all writes, or none."""
        items = prepared(writes)
        with self._lock:
            handle = self._open("commit", transaction)
            lost = self.faults.ambiguity()
            if handle is not None:
                if writes and handle.is_read_only:
                    raise InvalidRequestError("a read-only transaction can't write.")
                handle.end()
            if lost is False:
                raise self.faults.lost()
            if not writes:
                return CommitResult((), None)
            now = self._commit_time()
            outcomes = applied(items, self._present, now)
            changes: list[Change] = []
            for path, outcome in outcomes.items():
                if outcome.is_change:
                    number = self.number + len(changes) + 1
                    changes.append(Change(number, now, path, outcome.old, outcome.new))
            if changes:
                if self._journal is not None:
                    self._journal.write([(change.path, change.new) for change in changes], now)
                self._apply(changes)
            self._last_moment = now
            if lost:
                raise self.faults.lost()
        return CommitResult(tuple([_update_time(write, outcomes[write.path].new) for write in writes]), now)

    def _apply(self, changes: list[Change]) -> None:
        for change in changes:
            self._collection(change.path).put(change.path.rpartition("/")[2], change.path, change.new)
        self.number = changes[-1].number
        self._remember(changes)
        self._dispatcher.announce(changes)

    def begin(self, read_only: bool) -> Transaction:
        """Begin a transaction; a read-only one sees the state of this moment."""
        with self._lock:
            self._open("begin", None)
            return Transaction(self, self._now() if read_only else None, self.number)

    def rollback(self, transaction: Any) -> None:
        """End a transaction without writing; one that has ended may be rolled back as well."""
        with self._lock:
            if not isinstance(transaction, Transaction) or transaction.store is not self:
                transaction_of(self, transaction)
            self._open("rollback", None)
            transaction.end()

    # --- listeners ---

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
    ) -> Listener:
        """Call back with the present state and every later one, from the dispatcher's thread."""
        with self._lock:
            self._open("listen", None)
            listener = Listener(self._dispatcher, plan, on_snapshot, on_error)
            try:
                documents = self._listened(plan, listener)
            except CendryError as error:
                # As on Firestore, where a query is refused when its listener is already there.
                self._dispatcher.refuse(listener, error)
            else:
                self._dispatcher.add(listener, documents, self._now())
        return listener

    def _listened(self, plan: QueryPlan | GetPlan, listener: Listener) -> list[Document]:
        if isinstance(plan, GetPlan):
            [path] = plan.paths
            present = self._present(path)
            return [] if present is None else [Document(path, present)]
        listener.search = self._search(plan)
        scope = self._scope(plan)
        return [] if scope is None else [Document(item.path, item.version) for item in scope.documents()]

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until every listener was told of every commit so far."""
        return self._dispatcher.drain(timeout)

    def close(self) -> None:
        """End the listeners and close the file, if there is one."""
        self._dispatcher.close()
        with self._lock:
            if self._journal is not None:
                self._journal.close()


def _check_home(plan: QueryPlan) -> None:
    try:
        check_collection_id(plan.collection)
    except InvalidDocumentIdError as error:
        raise InvalidRequestError(str(error)) from error
    if plan.parent:
        checked_path(plan.parent)


def _update_time(write: Write, version: Version | None) -> datetime | None:
    return None if version is None or isinstance(write, Delete) else version.update_time
