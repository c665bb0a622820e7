"""Listening: the changes between two states of a query or a document, passed to the user's callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._query.results import Read
from .._query.snapshots import Change, Snapshot
from ..backend import Backend, ListenHandle, SnapshotResult, StoredDocument
from ..plan import GetPlan, QueryPlan


class Watch:
    """A running listener: it compares each snapshot with the previous one. Users have it wrapped in a `Listener`."""

    __slots__ = ("_all", "_backwards", "_callback", "_closed", "_handle", "_known", "_on_error", "_read", "_unfit")

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

    def start(self, backend: Backend, plan: QueryPlan | GetPlan) -> None:
        """Start; called by contexts."""
        self._all.add(self)
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
        documents: list[Any] = []
        changes: list[Change[Any]] = []
        indexes = {path: index for index, path in enumerate(before)}
        for one in found:
            try:
                document = self._read(one)
            except Exception as error:
                self._unfit[one.path] = one
                if not _same(unfit.get(one.path), one):
                    self._report(error)
                continue
            old = before.get(one.path)
            if old is None:
                changes.append(Change("added", document, None, len(documents)))
            elif not _same(old, one):
                changes.append(Change("modified", document, indexes[one.path], len(documents)))
            self._known[one.path] = one
            documents.append(document)
        gone = [
            Change("removed", self._read(old), indexes[path], None)
            for path, old in before.items()
            if path not in self._known
        ]
        return Snapshot(tuple(documents), (*gone, *changes), result.read_time)

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


def _same(a: StoredDocument | None, b: StoredDocument) -> bool:
    """Whether two results are the same version of a document; without update times, the data are compared."""
    if a is None:
        return False
    return a.data == b.data if b.update_time is None else a.update_time == b.update_time
