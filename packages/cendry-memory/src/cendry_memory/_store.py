"""The store: all documents, and the one lock under which they are read and changed. Both twins share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from weakref import WeakSet

from cendry import _fork
from cendry._order import MICROSECOND
from cendry.backend import CommitResult, DocumentResult, ListenResult, WriteResult, check_wait
from cendry.errors import (
    CendryError,
    InvalidRequestError,
    MissingIndexError,
    TransactionContentionError,
)
from cendry.indexes import Indexes
from cendry.plan import AggregationPlan, Delete, GetPlan, QueryPlan, Write, check_different, outermost

from ._aggregate import figures, required_fields
from ._clock import Clock, system_clock
from ._faults import Call, Faults, ServiceUnavailableError
from ._filters import checked_field
from ._indexes import Document, Version, result_of
from ._journal import ClosedJournal, Journal
from ._listen import Dispatcher, Listener
from ._lock import Lock
from ._nearest import measure_of, near_result
from ._outdated import has_versions, warn_of_upgrades
from ._query import Hit, Search
from ._transactions import Transaction, check_transaction, transaction_of
from ._versions import Change, Versions
from ._writes import applied, prepared


class MemoryStore:
    """Documents in memory, for any number of backends, contexts, threads and event loops at once.

    Args:
        journal: The file that keeps the commits, or `None`.
        rules: The declared indexes that queries are held against, or `None` to demand none.
        clock: Gives the present moment, aware.
        name: How URLs name it, or `None`.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        rules: Indexes | None = None,
        clock: Clock | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.faults = Faults()
        self._journal = journal
        self._rules = rules
        self._clock = clock or system_clock
        self._lock = Lock()
        # The backends that have not been closed.
        self._users: WeakSet[object] = WeakSet()
        # The changes of a commit while they are made, and of one that was interrupted meanwhile.
        self._unfinished: list[Change] | None = None
        # Held during a commit.
        self._changing = Lock()
        last_commit = None if journal is None else journal.last_commit
        self._versions = Versions(last_commit)
        # No commit may have the time of a read that came before it, or reading again at that time would see more.
        self._last_moment: datetime | None = last_commit
        self._dispatcher = Dispatcher()
        if journal is not None:
            for path, version in journal.documents():
                self._versions.put(path, version)
        _fork.register(self)

    def after_fork(self) -> None:
        """Give a forked child a copy of its own, with whole commits; a file stays with the parent."""
        self._lock = Lock()
        self._changing = Lock()
        self._dispatcher.after_fork()
        if self._journal is not None:
            self._journal.after_fork()

    # --- backends ---

    @property
    def lock(self) -> Lock:
        """The lock under which all is read and changed."""
        return self._lock

    @property
    def path(self) -> str | None:
        """The path of the file, or `None`."""
        return None if self._journal is None else self._journal.path

    @property
    def is_open(self) -> bool:
        """Whether there is a file that is open."""
        return self._journal is not None and self._journal.is_open

    @property
    def is_used(self) -> bool:
        """Whether it has backends that have not been closed."""
        return bool(self._users)

    @property
    def inherited_from(self) -> int | None:
        """The process that has the file open, if this is a forked child of it."""
        return None if self._journal is None else self._journal.inherited_from

    def has(self, rules: Indexes | None, clock: Clock | None) -> bool:
        """Whether these are the rules and the clock of this store."""
        return self._rules == rules and self._clock is (clock or system_clock)

    def join(self, user: object) -> None:
        """Let a backend use this store."""
        self._users.add(user)

    def leave(self, user: object) -> MemoryStore:
        """End the listeners of a backend; close the file, if there is one, after its last backend.

        Returns:
            The store that the backend has from now on. Documents in memory alone remain.
        """
        self._dispatcher.close(user)
        with self._lock:
            self._users.discard(user)
            if self._journal is None:
                return self
            if not self._users:
                self.close()
        return MemoryStore(ClosedJournal(self._journal.path))

    def close(self) -> None:
        """End all listeners, and close the file, if there is one, for all backends."""
        self._dispatcher.close()
        with self._lock:
            if self._journal is not None:
                self._journal.close()

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

    # --- reads ---

    def _open(self, call: Call, transaction: Any, *, is_settled: bool = False) -> Transaction | None:
        """Begin a call, once what was interrupted is settled.

        Scheduled failures happen here, and a transaction is checked for contention.
        """
        if not is_settled and (self._unfinished is not None or self._journal is not None or self._changing.is_held()):
            self._settle()
        handle = None if transaction is None else transaction_of(self._versions, transaction)
        try:
            self.faults.strike(call, in_transaction=handle is not None)
            if handle is not None and not handle.is_read_only and not handle.holds():
                raise TransactionContentionError
        except TransactionContentionError:
            if handle is not None:
                handle.end()
            raise
        return handle

    def check_read_time(self, moment: datetime) -> None:
        """Check that a moment can be read at now.

        Raises:
            InvalidRequestError: It lies in the future, or further back than is known.
        """
        with self._lock:
            self._versions.check_past(moment, self._now())

    def get(self, plan: GetPlan, transaction: Any = None) -> list[DocumentResult]:
        """Read documents by path, in the order of the plan."""
        for projected in plan.projection or ():
            checked_field(projected)
        present = self._versions.present
        with self._lock:
            handle = self._open("get", transaction)
            moment = plan.read_time or (handle.read_time if handle is not None else None)
            if moment is None:
                read_time = self._now()
                versions = [present(path) for path in plan.paths]
                if handle is not None:
                    handle.note_paths(plan.paths, read_time)
            else:
                read_time = moment
                past = self._versions.past(moment, self._now())
                versions = [past[path] if path in past else present(path) for path in plan.paths]
        projection = None if plan.projection is None else outermost(plan.projection)
        pairs = zip(plan.paths, versions, strict=True)
        return [result_of(path, version, projection, read_time) for path, version in pairs]

    def run(self, plan: QueryPlan, transaction: Any = None) -> Iterator[DocumentResult]:
        """Find the documents of a query, now; they are copied as they are asked for."""
        with self._lock:
            handle = self._open("run", transaction)
            search = self._search(plan)
            hits, read_time = self._hits(search, handle)
        if plan.nearest is not None:
            measure = measure_of(plan.nearest)
            return (near_result(path, version, measure, read_time) for path, version in hits)
        projection = None if plan.projection is None else outermost(plan.projection)
        return (result_of(path, version, projection, read_time) for path, version in hits)

    def aggregate(self, plan: AggregationPlan, transaction: Any = None) -> tuple[int | float | None, ...]:
        """Compute figures over a query."""
        with self._lock:
            handle = self._open("aggregate", transaction)
            search = self._search(plan.query, plan)
            hits, _ = self._hits(search, handle)
        return figures(plan, hits)

    def partition(self, plan: QueryPlan, count: int) -> list[str]:
        """The paths at which up to `count` parts of a query begin: equal ones, as far as that goes."""
        with self._lock:
            self._open("run", None)
            hits, _ = self._hits(self._search(plan), None)
        count = min(count, len(hits))
        return [hits[len(hits) * number // count].path for number in range(1, count)]

    def _search(self, plan: QueryPlan, aggregation: AggregationPlan | None = None) -> Search:
        search = Search(plan, () if aggregation is None else required_fields(aggregation))
        if self._rules is not None:
            self._rules.check(plan, aggregation)
            if has_versions(plan):
                everything = Search(QueryPlan(plan.collection, plan.parent, plan.group))
                warn_of_upgrades(plan, aggregation, self._versions.found(everything))
        elif search.is_descending_scan:
            # Firestore has no such index of its own, and the emulator refuses to do without.
            raise MissingIndexError.by_descending_id(plan.collection)
        return search

    def _hits(self, search: Search, handle: Transaction | None) -> tuple[list[Hit], datetime]:
        moment = search.plan.read_time or (handle.read_time if handle is not None else None)
        if moment is not None:
            return self._versions.found_in(self._versions.past(moment, self._now()), search), moment
        found, read_time = self._versions.found(search), self._now()
        if handle is not None:
            handle.note_query(search, found, read_time)
        return found, read_time

    # --- writes and transactions ---

    def commit(self, writes: Sequence[Write], transaction: Any = None) -> CommitResult:
        """Apply all writes, or none."""
        items = prepared(writes)
        with self._lock:
            if self._unfinished is not None or self._journal is not None or self._changing.is_held():
                self._settle()
            with self._changing:
                handle = self._open("commit", transaction, is_settled=True)
                lost = self.faults.ambiguity()
                if handle is not None:
                    if writes and handle.is_read_only:
                        raise InvalidRequestError("a read-only transaction can't write.")
                    handle.end()
                if lost is False or (lost and not writes):
                    raise self.faults.lost(writes)
                if not writes:
                    return CommitResult((), None)
                now = self._commit_time()
                outcomes = applied(items, self._versions.present, now)
                changes: list[Change] = []
                for path, outcome in outcomes.items():
                    if outcome.is_change:
                        number = self._versions.number + len(changes) + 1
                        changes.append(Change(number, now, path, outcome.old, outcome.new))
                self._change(changes, now)
                if lost:
                    raise self.faults.lost(writes)
        return CommitResult(tuple([_update_time(write, outcomes[write.path].new) for write in writes]), now)

    def _change(self, changes: list[Change], now: datetime) -> None:
        """Make changes, the last of which is of this moment, to the file first."""
        if changes:
            self._unfinished = changes
            if self._journal is not None:
                self._journal.write([(change.path, change.new) for change in changes], now)
            self._versions.apply(changes)
            self._dispatcher.announce(changes)
            self._unfinished = None
        self._last_moment = now

    def write_many(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Apply writes to different documents, each by itself, at a moment of its own.

        One that fails changes nothing for the others. They are written to the file together, which takes no longer
        than for one, and shown to listeners together.

        Raises:
            InvalidRequestError: A document is written twice.
        """
        check_different(writes)
        with self._lock:
            if self._unfinished is not None or self._journal is not None or self._changing.is_held():
                self._settle()
            with self._changing:
                now = self._commit_time()
                changes: list[Change] = []
                results: list[WriteResult] = []
                for write in writes:
                    results.append(self._attempt(write, now, changes))
                    if changes and changes[-1].time == now:
                        now += MICROSECOND
                if changes:
                    self._change(changes, changes[-1].time)
        return results

    def _attempt(self, write: Write, now: datetime, changes: list[Change]) -> WriteResult:
        """Add what a write makes of its document to the changes, and say what its caller learns."""
        try:
            self._open("commit", None, is_settled=True)
            lost = self.faults.ambiguity()
            if lost is False:
                return self._lost()
            outcome = applied(prepared((write,)), self._versions.present, now)[write.path]
        except (TransactionContentionError, ServiceUnavailableError) as error:
            return WriteResult(error=error.with_traceback(None), is_transient=True)
        except (CendryError, TypeError) as error:
            # Results are kept, and would keep all that a traceback knows.
            return WriteResult(error=error.with_traceback(None))
        if outcome.is_change:
            number = self._versions.number + len(changes) + 1
            changes.append(Change(number, now, write.path, outcome.old, outcome.new))
        return self._lost() if lost else WriteResult(_update_time(write, outcome.new))

    def _lost(self) -> WriteResult:
        return WriteResult(error=self.faults.lost(()), is_lost=True, is_transient=True)

    def _settle(self) -> None:
        """Make all changes of a commit that was interrupted, or none if they are not in the file.

        Interrupted itself, it is repeated by the next call.
        """
        if self._changing.is_held():
            raise CendryError(
                "This thread is in the middle of a commit to this store. A signal handler can't use the store that it "
                "has interrupted; let it set a flag, and act on that later."
            )
        if self._journal is not None:
            self._journal.check_open()
        changes = self._unfinished
        if changes is not None:
            moment = changes[-1].time
            if self._journal is None or self._journal.has(moment):
                self._versions.redo(changes)
                self._dispatcher.announce(changes)
                self._last_moment = moment
            self._unfinished = None

    def begin(self, read_only: bool) -> Transaction:
        """The handle of a new transaction."""
        return Transaction(self._versions, read_only)

    def rollback(self, transaction: Any) -> None:
        """End a transaction without writing; one that has ended may be rolled back as well."""
        with self._lock:
            check_transaction(self._versions, transaction)
            if transaction.holds_locks:
                self._open("rollback", None)
            transaction.end()

    # --- listeners ---

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
        owner: object = None,
    ) -> Listener:
        """Call back with the present state and every later one, from the dispatcher's thread."""
        with self._lock:
            self._open("listen", None)
            listener = Listener(self._dispatcher, plan, on_change, on_error, owner)
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
            present = self._versions.present(path)
            return [] if present is None else [Document(path, present)]
        listener.search = self._search(plan)
        scope = self._versions.scope(plan)
        return [] if scope is None else [Document(item.path, item.version) for item in scope.documents()]

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until every listener was notified of every commit so far.

        Raises:
            ValueError: `timeout` is not a number of seconds.
        """
        if timeout is not None:
            check_wait(timeout)
        with self._lock:
            self._settle()
        return self._dispatcher.drain(timeout)


def _update_time(write: Write, version: Version | None) -> datetime | None:
    return None if version is None or isinstance(write, Delete) else version.update_time
