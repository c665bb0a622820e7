"""Listeners, and the one thread of a store that calls them back, in the order of the commits, never under the lock."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, cast

from cendry._order import AFTER_ALL
from cendry.backend import SnapshotResult
from cendry.plan import GetPlan, QueryPlan, outermost

from ._indexes import Document, SortedEntries, Version, result_of
from ._lock import Lock
from ._query import Search
from ._versions import Change


class Listener:
    """A running listener: what it saw last, kept by the dispatcher's thread alone.

    Attributes:
        owner: The backend that it belongs to.
        search: The query, or `None` for one document.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
        owner: object,
    ) -> None:
        self.owner = owner
        self.search: Search | None = None
        self._dispatcher = dispatcher
        self._plan = plan
        self._on_snapshot = on_snapshot
        self._on_error = on_error
        self._places: dict[str, bytes] = {}
        self._entries = SortedEntries()
        self._shown: list[tuple[str, Version]] | None = None
        self._is_closed = False

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        self._is_closed = True
        self._dispatcher.drop(self)

    # --- from the dispatcher's thread ---

    def begin(self, documents: Iterable[Document], moment: datetime) -> None:
        """Show the first state."""
        for document in documents:
            self._put(document.path, document)
        self._show(moment)

    def follow(self, changes: Iterable[Change]) -> None:
        """Take the changes of one commit, and show the new state if it is another one."""
        touched = False
        moment = None
        for change in changes:
            if self._concerns(change.path):
                moment = change.time
                touched |= self._put(change.path, None if change.new is None else Document(change.path, change.new))
        if touched and moment is not None:
            self._show(moment)

    def fail(self, error: BaseException) -> None:
        """End, with a reason."""
        if not self._is_closed:
            self.close()
            self._on_error(error)

    def _concerns(self, path: str) -> bool:
        if self.search is None:
            return isinstance(self._plan, GetPlan) and path == self._plan.paths[0]
        return self.search.covers(path)

    def _put(self, path: str, document: Document | None) -> bool:
        """Make a document's new state part of what is shown; whether that can have changed anything."""
        old = self._places.pop(path, None)
        if old is not None:
            self._entries.remove(old)
        new = None
        if document is not None:
            new = b"" if self.search is None else self.search.place_of(document)
        if document is not None and new is not None:
            self._places[path] = new
            self._entries.add(new, document)
        return old is not None or new is not None

    def _show(self, moment: datetime) -> None:
        documents = self._entries.forward(b"", AFTER_ALL)
        cut = documents if self.search is None else self.search.cut(documents)
        shown = [(document.path, document.version) for document in cut]
        if shown == self._shown or self._is_closed:
            return
        self._shown = shown
        projection = None if self._plan.projection is None else outermost(self._plan.projection)
        results = tuple(result_of(path, version, projection, moment) for path, version in shown)
        try:
            self._on_snapshot(SnapshotResult(results, moment))
        except Exception as error:
            self.fail(error)


class Dispatcher:
    """Takes changes from callers that hold the lock, and calls listeners back from a thread of its own.

    The thread is there only while there are listeners. A caller can be interrupted at any point by a signal handler
    that raises; so locks are entered themselves, and never a condition, whose `with` statement can leave it locked.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
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
        listeners, self._listeners = self._listeners, []
        self._reset()
        for listener in listeners:
            listener.close()

    def add(self, listener: Listener, documents: list[Document], moment: datetime) -> None:
        """Begin to call a listener back."""
        with self._lock:
            self._listeners.append(listener)
            self._post(partial(listener.begin, documents, moment))

    def refuse(self, listener: Listener, error: BaseException) -> None:
        """Call back a listener that can't begin."""
        with self._lock:
            self._post(partial(listener.fail, error))

    def announce(self, changes: list[Change]) -> None:
        """Tell all listeners of a commit; being told of one twice changes nothing for them."""
        if not self._listeners:
            return
        with self._lock:
            self._tasks.extend(partial(listener.follow, changes) for listener in self._listeners)
            self._wake()

    def drop(self, listener: Listener) -> None:
        """Stop calling a listener back."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
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
            listeners = [listener for listener in self._listeners if owner is None or listener.owner is owner]
        for listener in listeners:
            listener.close()

    def _post(self, task: Callable[[], None]) -> None:
        self._tasks.append(task)
        self._wake()

    def _wake(self) -> None:
        # Only the thread itself knows that it has begun: whoever starts it may be interrupted.
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
            try:
                task()
            except BaseException:
                # An error callback that fails itself must not silence the other listeners.
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def _end_drains(self) -> None:
        draining, self._draining = self._draining, []
        for drained in draining:
            drained.release()
