"""Listeners, and the one thread of a store that calls them back, in the order of the commits, never under the lock."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias, cast

from cendry import _threads
from cendry._order import key_of, path_key
from cendry.backend import ListenResult
from cendry.plan import MISSING, GetPlan, QueryPlan, value_at

from ._filters import Kind, Leaf
from ._indexes import Document, Segments, SortedEntries, Version, result_of
from ._lock import Lock
from ._query import Search
from ._values import kind_of
from ._versions import Change

Changed: TypeAlias = "tuple[Change, Document | None]"
"""A change of a commit, with the document as it is then; all listeners share it."""

Spot: TypeAlias = "tuple[Segments, Kind]"
"""What of a document a condition looks at."""


class Shown:
    """The documents of one listener, those that a limit leaves out included, and what changes in what is shown."""

    def __init__(self, search: Search | None) -> None:
        self._search = search
        self._offset = 0 if search is None else search.plan.offset
        self._limit = None if search is None else search.plan.limit
        self._versions: dict[str, Version] = {}
        # How the documents that the present commit touches were shown before it.
        self._before: dict[str, Version | None] = {}
        # Only where there is an offset or a limit, all that match: before what is shown, shown, and after it.
        self._is_cut = self._offset > 0 or self._limit is not None
        self._keys: dict[str, bytes] = {}
        self._skipped, self._window, self._beyond = SortedEntries(), SortedEntries(), SortedEntries()
        self._skipped_count = self._window_count = 0

    def begin(self, documents: Iterable[Document]) -> list[tuple[str, Version]]:
        """The documents that are shown at first."""
        placed = [(key, one) for one in documents if (key := self._key(one)) is not None]
        if self._is_cut:
            placed.sort(key=lambda entry: entry[0])
            self._keys = {document.path: key for key, document in placed}
            start, stop = self._offset, None if self._limit is None else self._offset + self._limit
            rest = [] if stop is None else placed[stop:]
            self._skipped, self._beyond = SortedEntries(placed[:start]), SortedEntries(rest)
            self._skipped_count = len(placed[:start])
            placed = placed[start:stop]
            self._window, self._window_count = SortedEntries(placed), len(placed)
        self._versions = {document.path: document.version for _, document in placed}
        return list(self._versions.items())

    def follow(self, changes: Iterable[Changed]) -> tuple[list[tuple[str, Version]], list[str]]:
        """Take the changes of a commit; return what is shown anew or otherwise, and the paths of what no longer is."""
        self._before = {}
        for change, document in changes:
            key = None if document is None else self._key(document)
            if self._is_cut:
                self._move(change.path, document, key)
            elif document is None or key is None:
                self._hide(change.path)
            else:
                self._show(document)
        shown: list[tuple[str, Version]] = []
        hidden: list[str] = []
        for path, before in self._before.items():
            now = self._versions.get(path)
            if now is not None and now is not before:
                shown.append((path, now))
            elif now is None and before is not None:
                hidden.append(path)
        return shown, hidden

    def _key(self, document: Document) -> bytes | None:
        return b"" if self._search is None else self._search.place_of(document)

    def _show(self, document: Document) -> None:
        self._before.setdefault(document.path, self._versions.get(document.path))
        self._versions[document.path] = document.version

    def _hide(self, path: str) -> None:
        version = self._versions.pop(path, None)
        self._before.setdefault(path, version)

    def _move(self, path: str, document: Document | None, key: bytes | None) -> None:
        """Put a document to its new place, if it has one, and shift those at the ends of what is shown."""
        old = self._keys.pop(path, None)
        if old is not None:
            if self._skipped and old <= self._skipped.last_key:
                self._skipped.remove(old)
                self._skipped_count -= 1
            elif self._window and old <= self._window.last_key:
                self._window.remove(old)
                self._window_count -= 1
                self._hide(path)
            else:
                self._beyond.remove(old)
        if document is not None and key is not None:
            self._keys[path] = key
            if self._skipped and key < self._skipped.last_key:
                self._skipped.add(key, document)
                self._skipped_count += 1
            elif self._beyond and key > self._beyond.first_key:
                self._beyond.add(key, document)
            else:
                self._add_shown(key, document)
        self._shift()

    def _add_shown(self, key: bytes, document: Document) -> None:
        self._window.add(key, document)
        self._window_count += 1
        self._show(document)

    def _take_shown(self, key: bytes) -> Document:
        document = self._window.pop(key)
        self._window_count -= 1
        self._hide(document.path)
        return document

    def _shift(self) -> None:
        """Restore the numbers of documents before what is shown, and in it."""
        while self._skipped_count > self._offset:
            key = self._skipped.last_key
            self._add_shown(key, self._skipped.pop(key))
            self._skipped_count -= 1
        while self._skipped_count < self._offset and self._window:
            key = self._window.first_key
            self._skipped.add(key, self._take_shown(key))
            self._skipped_count += 1
        if self._limit is None:
            return
        while self._window_count > self._limit:
            key = self._window.last_key
            self._beyond.add(key, self._take_shown(key))
        # Only a window that is full has something beyond it, so what comes before it needs nothing from there.
        while self._window_count < self._limit and self._beyond:
            key = self._beyond.first_key
            self._add_shown(key, self._beyond.pop(key))


class Listener:
    """A running listener: what it saw last, kept by the dispatcher's thread alone.

    Attributes:
        owner: The backend that it belongs to.
        search: The query, or `None` for one document.
        scope: Where the documents are that concern it; see `scopes_of`.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
        owner: object,
    ) -> None:
        self.owner = owner
        self.search: Search | None = None
        self.scope = scope_of(plan)
        self._dispatcher = dispatcher
        self._on_change = on_change
        self._on_error = on_error
        self._shown: Shown | None = None
        self._is_closed = False

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        self._is_closed = True
        self._dispatcher.drop(self)

    # --- from the dispatcher's thread ---

    def begin(self, documents: Iterable[Document], moment: datetime) -> None:
        """Report the first state."""
        self._shown = Shown(self.search)
        self._report(self._shown.begin(documents), [], moment, is_reset=True)

    def follow(self, changes: list[Changed]) -> None:
        """Take the changes of one commit that may concern it, and report those that show."""
        # Changes before the first state are in it.
        if self._shown is not None:
            shown, hidden = self._shown.follow(changes)
            if shown or hidden:
                self._report(shown, hidden, changes[-1][0].time)

    def fail(self, error: BaseException) -> None:
        """End, with a reason."""
        if not self._is_closed:
            self.close()
            self._on_error(error)

    def _report(
        self, shown: list[tuple[str, Version]], hidden: list[str], moment: datetime, *, is_reset: bool = False
    ) -> None:
        if self._is_closed:
            return
        results = tuple([result_of(path, version, None, moment) for path, version in shown])
        try:
            self._on_change(ListenResult(results, tuple(hidden), moment, is_reset))
        except Exception as error:
            self.fail(error)


def scope_of(plan: QueryPlan | GetPlan) -> str:
    """Where the documents of a plan are: one of the `scopes_of` each of them."""
    if isinstance(plan, GetPlan):
        return plan.paths[0]
    if plan.group:
        return f"/{plan.collection}"
    return f"{plan.parent}/{plan.collection}" if plan.parent else plan.collection


def scopes_of(path: str) -> tuple[str, str, str]:
    """The document itself, its collection, and the group of that."""
    collection = path.rpartition("/")[0]
    # No path begins with a slash.
    return path, collection, f"/{collection.rpartition('/')[2]}"


class Edges:
    """Where the ranges of listeners begin, or end; sorted."""

    __slots__ = ("_edges", "_listeners")

    def __init__(self) -> None:
        self._edges: list[bytes] = []
        self._listeners: list[Listener] = []

    def __bool__(self) -> bool:
        return bool(self._edges)

    def add(self, edge: bytes, listener: Listener) -> None:
        """Add a listener."""
        place = bisect_right(self._edges, edge)
        self._listeners.insert(place, listener)
        self._edges.insert(place, edge)

    def remove(self, edge: bytes, listener: Listener) -> None:
        """Take away a listener, if it is there."""
        for place in range(bisect_left(self._edges, edge), bisect_right(self._edges, edge)):
            if self._listeners[place] is listener:
                del self._edges[place], self._listeners[place]
                return

    def at_most(self, key: bytes) -> list[Listener]:
        """Those with an edge of the type of a key that is not above it."""
        return self._listeners[bisect_left(self._edges, key[:1]) : bisect_right(self._edges, key)]

    def above(self, key: bytes) -> list[Listener]:
        """Those with an edge of the type of a key that is above it."""
        return self._listeners[bisect_right(self._edges, key) : bisect_left(self._edges, bytes([key[0] + 1]))]


class Conditions:
    """The listeners with a condition on one spot of a document; only those that a key of it can meet are found."""

    __slots__ = ("_ends", "_others", "_pinned", "_starts")

    def __init__(self) -> None:
        self._pinned: dict[bytes, dict[Listener, None]] = {}
        # Those that compare by > and >=, and those by < and <=, which are as wide as their type to the other side.
        self._starts, self._ends = Edges(), Edges()
        self._others: dict[Listener, Leaf] = {}

    def __bool__(self) -> bool:
        return bool(self._pinned or self._starts or self._ends or self._others)

    def add(self, leaf: Leaf, listener: Listener) -> None:
        """Add a listener."""
        if leaf.is_pinning:
            for key, _ in leaf.ranges:
                self._pinned.setdefault(key, {})[listener] = None
        elif leaf.op in _ABOVE:
            for low, _ in leaf.ranges:
                self._starts.add(low, listener)
        elif leaf.op in _BELOW:
            for _, high in leaf.ranges:
                self._ends.add(high, listener)
        else:
            self._others[listener] = leaf

    def remove(self, leaf: Leaf, listener: Listener) -> None:
        """Take away a listener, if it is there."""
        self._others.pop(listener, None)
        for low, high in leaf.ranges:
            self._starts.remove(low, listener)
            self._ends.remove(high, listener)
            listeners = self._pinned.get(low, {})
            listeners.pop(listener, None)
            if not listeners:
                self._pinned.pop(low, None)

    def met_by(self, key: bytes) -> Iterator[Listener]:
        """The listeners whose condition a key meets."""
        yield from self._pinned.get(key, ())
        yield from self._starts.at_most(key)
        yield from self._ends.above(key)
        for listener, leaf in self._others.items():
            if leaf.matches_key(key):
                yield listener


_ABOVE: Final = frozenset({">", ">="})
_BELOW: Final = frozenset({"<", "<="})


class Audience:
    """The listeners of one scope, found by a condition that all documents fulfil that they show."""

    __slots__ = ("_all", "_by_spot", "_free")

    def __init__(self) -> None:
        self._all: dict[Listener, None] = {}
        # Those without such a condition.
        self._free: dict[Listener, None] = {}
        self._by_spot: dict[Spot, Conditions] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def __iter__(self) -> Iterator[Listener]:
        yield from self._all

    def add(self, listener: Listener) -> None:
        """Add a listener."""
        self._all[listener] = None
        leaf = None if listener.search is None else listener.search.narrowest
        if leaf is None:
            self._free[listener] = None
        else:
            self._by_spot.setdefault((leaf.segments, leaf.kind), Conditions()).add(leaf, listener)

    def remove(self, listener: Listener) -> None:
        """Take away a listener, if it is there."""
        self._all.pop(listener, None)
        self._free.pop(listener, None)
        leaf = None if listener.search is None else listener.search.narrowest
        if leaf is not None:
            spot = leaf.segments, leaf.kind
            conditions = self._by_spot.get(spot, _NONE)
            conditions.remove(leaf, listener)
            if not conditions:
                self._by_spot.pop(spot, None)

    def concerned(self, change: Change) -> dict[Listener, None]:
        """The listeners that a change may concern."""
        found = dict(self._free)
        for spot, conditions in self._by_spot.items():
            for key in _keys_at(change, spot):
                found.update(dict.fromkeys(conditions.met_by(key)))
        return found


_NONE: Final = Conditions()


def _keys_at(change: Change, spot: Spot) -> set[bytes]:
    """The keys that a document has at a spot, before a change or after it."""
    segments, kind = spot
    if kind == "name":
        return {path_key(change.path)}
    values = [value_at(version.data, segments) for version in (change.old, change.new) if version is not None]
    if kind == "element":
        values = [element for value in values if kind_of(value) is list for element in value]
    return {key_of(value) for value in values if value is not MISSING}


class Dispatcher:
    """Takes changes from callers that hold the lock, and calls listeners back from a thread of its own.

    The thread is there only while there are listeners. Where Python can't start threads, there are only listeners of
    the async twin, which do no more than queue their callbacks in an event loop: so the caller itself calls them. A
    caller can be interrupted at any point by a signal handler that raises; so locks are entered themselves, and never
    a condition, whose `with` statement can leave it locked.
    """

    def __init__(self) -> None:
        # By scope.
        self._listeners: dict[str, Audience] = {}
        self._reset()

    def _reset(self) -> None:
        self._lock = Lock()
        self._wakes = threading.Condition(cast("Any", self._lock))
        self._tasks: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._thread: threading.Thread | None = None
        self._draining: list[threading.Lock] = []

    def after_fork(self) -> None:
        """End what was inherited: its thread is not there, and its notifications are for the parent."""
        listeners = self._all()
        self._listeners = {}
        self._reset()
        for listener in listeners:
            listener.close()

    def _all(self) -> list[Listener]:
        return [listener for listeners in self._listeners.values() for listener in listeners]

    def add(self, listener: Listener, documents: list[Document], moment: datetime) -> None:
        """Begin to call a listener back."""
        with self._lock:
            self._listeners.setdefault(listener.scope, Audience()).add(listener)
            self._post(partial(listener.begin, documents, moment))

    def refuse(self, listener: Listener, error: BaseException) -> None:
        """Call back a listener that can't begin."""
        with self._lock:
            self._post(partial(listener.fail, error))

    def announce(self, changes: list[Change]) -> None:
        """Report a commit to the listeners of its documents; repeating it changes nothing for them."""
        if not self._listeners:
            return
        with self._lock:
            for change in changes:
                if not self._listeners.keys().isdisjoint(scopes_of(change.path)):
                    self._post(partial(self._follow, changes))
                    return

    def _follow(self, changes: list[Change]) -> None:
        concerned: dict[Listener, list[Changed]] = {}
        with self._lock:
            for change in changes:
                changed = change, None if change.new is None else Document(change.path, change.new)
                for scope in scopes_of(change.path):
                    audience = self._listeners.get(scope)
                    if audience is not None:
                        for listener in audience.concerned(change):
                            concerned.setdefault(listener, []).append(changed)
            # Before the tasks that wait, and each on its own, so that none can end the others.
            self._tasks.extendleft(partial(listener.follow, its) for listener, its in reversed(list(concerned.items())))

    def drop(self, listener: Listener) -> None:
        """Stop calling a listener back."""
        with self._lock:
            audience = self._listeners.get(listener.scope)
            if audience is not None:
                audience.remove(listener)
                if not audience:
                    del self._listeners[listener.scope]
            self._wakes.notify_all()

    def drain(self, timeout: float | None) -> bool:
        """Wait until no notification is left; return whether that was reached within `timeout` seconds.

        Raises:
            RuntimeError: A callback asks for it, and would wait for itself.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("drain() can't be called from a listener's callback: it would wait for itself.")
        drained = threading.Lock()
        drained.acquire()
        with self._lock:
            if not self._tasks and not self._is_busy:
                return True
            self._draining.append(drained)
            self._wake()
        return drained.acquire(timeout=-1 if timeout is None else timeout)

    def close(self, owner: object = None) -> None:
        """End the listeners of one owner, or all."""
        with self._lock:
            listeners = [listener for listener in self._all() if owner is None or listener.owner is owner]
        for listener in listeners:
            listener.close()

    def _post(self, task: Callable[[], None]) -> None:
        self._tasks.append(task)
        self._wake()

    def _wake(self) -> None:
        # Only the thread itself knows that it has begun: whoever starts it may be interrupted.
        if not _threads.CAN_START:
            while self._tasks:
                self._do(self._tasks.popleft())
            return
        if self._thread is None:
            threading.Thread(target=self._work, name="cendry-memory-listeners", daemon=True).start()
        self._wakes.notify_all()

    def _work(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.current_thread()
        while True:
            with self._lock:
                self._is_busy = False
                if not self._tasks:
                    self._end_drains()
                self._wakes.wait_for(lambda: self._tasks or not self._listeners)
                if not self._tasks:
                    self._thread = None
                    return
                task = self._tasks.popleft()
                self._is_busy = True
            self._do(task)

    @staticmethod
    def _do(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException:
            # An error callback that fails itself must not silence the other listeners.
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def _end_drains(self) -> None:
        draining, self._draining = self._draining, []
        for drained in draining:
            drained.release()
