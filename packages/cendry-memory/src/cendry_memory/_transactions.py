"""Transactions: what one has read, and whether that still holds. Optimistic, so that nothing ever waits.

A transaction reads what is committed. Before each further read and at the commit, everything it has read is held
against the changes since; if anything is different, phantoms included, it is aborted. So what it sees is always one
consistent state, and the order of commits is the order in which transactions can be said to have run.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from cendry.errors import InvalidRequestError

from ._indexes import Document
from ._query import Hit, Search
from ._versions import Change, Versions


class ReadQuery:
    """A query that a transaction ran, and what it found."""

    __slots__ = ("_found", "_search")

    def __init__(self, search: Search, found: list[Hit]) -> None:
        self._search = search
        # Without a limit every change that concerns the query is another result; with one, results decide.
        self._found = found if search.has_limit else None

    def is_disturbed(self, change: Change, versions: Versions) -> bool:
        """Whether the query would find something else now."""
        search = self._search
        if not search.covers(change.path):
            return False
        states = (version for version in (change.old, change.new) if version is not None)
        if all(search.place_of(Document(change.path, version)) is None for version in states):
            return False
        return self._found is None or versions.found(search) != self._found


class Transaction:
    """A transaction's handle; contexts pass it around, and only the store looks inside.

    Attributes:
        is_read_only: Whether it may not write.
        read_time: In a read-only transaction, the moment whose state it sees: that of its first read. One that is
            refused is none.
        is_open: Whether it has not ended.
    """

    def __init__(self, versions: Versions, is_read_only: bool) -> None:
        self.versions: Final = versions
        self.is_read_only: Final = is_read_only
        self.read_time: datetime | None = None
        self.is_open = True
        self._number = versions.number
        self._paths: set[str] = set()
        self._queries: list[ReadQuery] = []

    @property
    def holds_locks(self) -> bool:
        """Whether one on Firestore would hold locks, and so be ended by a call."""
        return bool(self._paths or self._queries)

    def check_open(self) -> None:
        """Refuse a transaction that has ended.

        Raises:
            InvalidRequestError: It was committed, rolled back or aborted.
        """
        if not self.is_open:
            raise InvalidRequestError("the transaction has ended; begin another one.")

    def end(self) -> None:
        """End it, and forget what it read."""
        self.is_open = False
        self._paths.clear()
        self._queries.clear()

    def note_paths(self, paths: Collection[str], moment: datetime) -> None:
        """Remember that these documents were read, present or not; if read-only, when."""
        if not self.is_read_only:
            self._paths.update(paths)
        elif paths:
            self.read_time = moment

    def note_query(self, search: Search, found: list[Hit], moment: datetime) -> None:
        """Remember what a query found; if read-only, when."""
        if not self.is_read_only:
            self._queries.append(ReadQuery(search, found))
        else:
            self.read_time = moment

    def holds(self) -> bool:
        """Whether all that was read is still as it was."""
        versions = self.versions
        if self._paths or self._queries:
            changes = versions.changes_since(self._number)
            if changes is None or any(self._is_disturbed(change) for change in changes):
                return False
        self._number = versions.number
        return True

    def _is_disturbed(self, change: Change) -> bool:
        return change.path in self._paths or any(query.is_disturbed(change, self.versions) for query in self._queries)


def check_transaction(versions: Versions, handle: Any) -> Transaction:
    """Return a handle of a transaction on these documents, open or not.

    Raises:
        InvalidRequestError: It is not one.
    """
    if not isinstance(handle, Transaction) or handle.versions is not versions:
        raise InvalidRequestError(f"{handle!r} is not a transaction of this database.")
    return handle


def transaction_of(versions: Versions, handle: Any) -> Transaction:
    """Return a handle of a transaction on these documents that is still open.

    Raises:
        InvalidRequestError: It is not one.
    """
    transaction = check_transaction(versions, handle)
    transaction.check_open()
    return transaction
