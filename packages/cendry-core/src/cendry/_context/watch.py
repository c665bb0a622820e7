"""Listening by a callback: it is called with each new state of a query or a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .._query.results import Read
from .._query.snapshots import Snapshot
from ..backend import ListenHandle, ListenResult
from ..plan import GetPlan, QueryPlan
from .live import LiveDocuments


class Listens(Protocol):
    """The part of a backend that listens."""

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
        /,
    ) -> ListenHandle:
        """As a backend does."""
        ...


class Watch:
    """A running listener with a callback. Users have it wrapped in a `Listener`."""

    __slots__ = ("_all", "_callback", "_closed", "_documents", "_handle", "_on_error", "_plan")

    def __init__(
        self,
        plan: QueryPlan | GetPlan,
        backwards: bool,
        read: Read[Any],
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
        running: set[Any],
    ) -> None:
        self._plan = plan
        self._documents = LiveDocuments(plan, read, backwards=backwards)
        self._callback = callback
        self._on_error = on_error
        self._all = running
        self._handle: ListenHandle | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    def close(self) -> None:
        """Stop listening; no callback begins after this. May be called twice, and from a callback."""
        self._closed = True
        self._all.discard(self)
        if self._handle is not None:
            self._handle.close()

    def start(self, backend: Listens) -> None:
        """Start; called by contexts."""
        self._all.add(self)
        try:
            self._handle = backend.listen(self._plan, self._on_change, self._on_end)
        except BaseException:
            self._all.discard(self)
            raise
        if self._closed:
            # Closed by a callback before the handle was known.
            self._handle.close()

    def _on_change(self, result: ListenResult) -> None:
        if self._closed:
            return
        snapshot, errors = self._documents.take(result)
        for error in errors:
            self._report(error)
        if snapshot is None or self._closed:
            return
        try:
            self._callback(snapshot)
        except Exception as error:
            self._report(error)

    def _on_end(self, error: BaseException) -> None:
        if self._closed:
            return
        self._closed = True
        self._all.discard(self)
        self._report(error)

    def _report(self, error: BaseException) -> None:
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception as another:
                error = another
            else:
                return
        # Rarely needed, and slow to import.
        import logging

        logging.getLogger("cendry").error("An error occurred in a listener without on_error.", exc_info=error)
