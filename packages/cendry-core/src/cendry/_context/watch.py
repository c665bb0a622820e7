"""Listening: the changes between two states of a query or a document, passed to the user's callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .._query.results import Read
from .._query.snapshots import Change, Snapshot
from ..backend import ListenHandle, SnapshotResult, StoredDocument
from ..errors import DecodeError
from ..plan import GetPlan, QueryPlan
from .steps import same, sort_key, steps


class Listens(Protocol):
    """The part of a backend that listens."""

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
        /,
    ) -> ListenHandle:
        """As a backend does."""
        ...


class Watch:
    """A running listener: it compares each snapshot with the previous one. Users have it wrapped in a `Listener`."""

    __slots__ = (
        *("_all", "_backwards", "_callback", "_closed", "_handle", "_key", "_known", "_on_error", "_read", "_unfit"),
    )

    def __init__(
        self,
        read: Read[Any],
        backwards: bool,
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
        all_watches: set[Watch],
    ) -> None:
        self._read = read
        self._backwards = backwards
        self._callback = callback
        self._on_error = on_error
        self._all = all_watches
        self._handle: ListenHandle | None = None
        self._closed = False
        self._known: dict[str, StoredDocument] = {}
        self._unfit: dict[str, StoredDocument] = {}

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

    def start(self, backend: Listens, plan: QueryPlan | GetPlan) -> None:
        """Start; called by contexts."""
        self._all.add(self)
        self._key = sort_key(plan, backwards=self._backwards)
        try:
            self._handle = backend.listen(plan, self._on_snapshot, self._on_end)
        except BaseException:
            self._all.discard(self)
            raise
        if self._closed:
            # Closed by a callback before the handle was known.
            self._handle.close()

    def _on_snapshot(self, result: SnapshotResult) -> None:
        if self._closed:
            return
        snapshot = self._snapshot(result)
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

    def _snapshot(self, result: SnapshotResult) -> Snapshot[Any]:
        found = result.documents[::-1] if self._backwards else result.documents
        before, unfit = self._known, self._unfit
        self._known, self._unfit = {}, {}
        documents: dict[str, Any] = {}
        for one in found:
            try:
                documents[one.path] = self._read(one)
            except Exception as error:
                if isinstance(error, DecodeError) and error.is_other_kind:
                    # The only document listened to is of another model, so there is none.
                    continue
                self._unfit[one.path] = one
                if not same(unfit.get(one.path), one):
                    self._report(error)
            else:
                self._known[one.path] = one
        changes = [
            Change(kind, self._read(before[path]) if kind == "removed" else documents[path], old, new)
            for kind, path, old, new in steps(before, self._known, self._key)
        ]
        return Snapshot(tuple(documents.values()), tuple(changes), result.read_time)

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
