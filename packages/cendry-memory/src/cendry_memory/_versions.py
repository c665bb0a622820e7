"""The documents as they are, and as they were of late. Read and changed under the store's lock alone.

A change can be interrupted at any point (a signal handler that raises, a fork); `redo` then completes it.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cendry.errors import InvalidDocumentIdError, InvalidRequestError
from cendry.paths import check_collection_id, exact_text
from cendry.plan import QueryPlan

from ._indexes import Collection, Descendants, Document, Group, Scope, Version
from ._query import Hit, Search
from ._values import checked_path

HISTORY: Final = timedelta(hours=1)
"""How far back reads at a given time reach at most; Firestore keeps as much."""

MAX_HISTORY: Final = 10_000
"""How many changes of documents are kept for such reads, and for open transactions."""


class Change(NamedTuple):
    """One document's change by one commit; `None` stands for its absence."""

    number: int
    time: datetime
    path: str
    old: Version | None
    new: Version | None


class Versions:
    """Documents by collection and by collection group, and the latest changes.

    Args:
        forgotten: The time up to which no change is known; `None` if all are.

    Attributes:
        number: The number of the last change.
    """

    def __init__(self, forgotten: datetime | None = None) -> None:
        self.number = 0
        self._collections: dict[str, Collection] = {}
        self._groups: dict[str, Group] = {}
        self._changes: deque[Change] = deque()
        self._forgotten = forgotten

    # --- the present ---

    def present(self, path: str) -> Version | None:
        """A document as it is now.

        Raises:
            InvalidRequestError: The path is not legal.
        """
        name, _, document_id = path.rpartition("/")
        collection = self._collections.get(name)
        if collection is not None:
            document = collection.by_id.get(document_id)
            if document is not None:
                return document.version
        checked_path(path)
        return None

    def scope(self, plan: QueryPlan) -> Scope | None:
        """The collection or group of a query; `None` if there is no document in it.

        Raises:
            InvalidRequestError: Its name is not legal.
        """
        scope: Scope | None
        if plan.group and not plan.collection:
            above = "" if plan.parent is None else f"{checked_path(plan.parent)}/"
            return Descendants([one for name, one in self._collections.items() if name.startswith(above)])
        if plan.group:
            scope = self._groups.get(plan.collection)
        else:
            collection = exact_text(plan.collection)
            scope = self._collections.get(f"{exact_text(plan.parent)}/{collection}" if plan.parent else collection)
        if scope is None or "/" in plan.collection:
            _check_scope(plan)
        return scope

    def found(self, search: Search) -> list[Hit]:
        """What a query finds now."""
        scope = self.scope(search.plan)
        return [] if scope is None else search.run(scope)

    # --- changes ---

    def put(self, path: str, version: Version | None) -> None:
        """Make a version the present one, and remember nothing of it."""
        name, _, document_id = path.rpartition("/")
        collection = self._collections.get(name)
        if collection is None:
            collection = self._new_collection(name)
        collection.put(document_id, path, version)

    def _new_collection(self, name: str) -> Collection:
        group = self._groups.setdefault(name.rpartition("/")[2], Group())
        collection = Collection(group)
        # In this order: an empty collection in a group changes nothing, and one that its group lacks would.
        group.collections.append(collection)
        self._collections[name] = collection
        return collection

    def apply(self, changes: list[Change]) -> None:
        """Make the changes of one commit, at least one, and remember them."""
        collections = self._collections
        for _, _, path, _, version in changes:
            # As in `put`, without the call.
            name, _, document_id = path.rpartition("/")
            collection = collections.get(name)
            if collection is None:
                collection = self._new_collection(name)
            collection.put(document_id, path, version)
        self._remember(changes)

    def redo(self, changes: list[Change]) -> None:
        """Complete an `apply` that was interrupted: make its changes, of which any part may have been made."""
        for change in changes:
            name, _, document_id = change.path.rpartition("/")
            collection = self._collections.get(name)
            if collection is None:
                collection = self._new_collection(name)
            # An index that is half changed can't be mended; it is built again when a query asks for it.
            collection.indexes.clear()
            collection.group.indexes.clear()
            collection.put(document_id, change.path, change.new)
        if not self._changes or self._changes[-1].number != changes[-1].number:
            self._remember(changes)
        self.number = changes[-1].number

    def _remember(self, changes: list[Change]) -> None:
        self._changes.extend(changes)
        self.number = changes[-1].number
        limit = self._changes[-1].time - HISTORY
        while len(self._changes) > MAX_HISTORY or self._changes[0].time < limit:
            # Forgotten before it is gone, or a read at an earlier time could miss it.
            self._forgotten = self._changes[0].time
            self._changes.popleft()

    def changes_since(self, number: int) -> list[Change] | None:
        """The changes after a number, oldest first, or `None` if some of them are forgotten."""
        if number == self.number:
            return []
        missing = self.number - number
        if missing > len(self._changes):
            return None
        return [self._changes[place] for place in range(len(self._changes) - missing, len(self._changes))]

    # --- the past ---

    def check_past(self, moment: datetime, now: datetime) -> None:
        """Check that a moment can be read at.

        Raises:
            InvalidRequestError: It lies in the future, or further back than is known.
        """
        if moment > now:
            raise InvalidRequestError(f"read_time lies in the future: {moment.isoformat()}.")
        if moment < now - HISTORY:
            raise InvalidRequestError(f"read_time {moment.isoformat()} is too old: it lies over an hour back.")
        if self._forgotten is not None and moment < self._forgotten:
            raise InvalidRequestError(
                f"read_time {moment.isoformat()} is too old; the store remembers back to {self._forgotten.isoformat()}."
            )

    def past(self, moment: datetime, now: datetime) -> dict[str, Version | None]:
        """How the documents that have changed since a moment were then.

        Raises:
            InvalidRequestError: The moment lies in the future, or further back than is known.
        """
        self.check_past(moment, now)
        past: dict[str, Version | None] = {}
        for change in reversed(self._changes):
            if change.time <= moment:
                break
            past[change.path] = change.old
        return past

    def found_in(self, past: dict[str, Version | None], search: Search) -> list[Hit]:
        """What a query finds where these documents are as they were."""
        if not past:
            return self.found(search)
        scope = self.scope(search.plan)
        present = () if scope is None else scope.documents()
        documents = [document for document in present if document.path not in past]
        documents += [
            Document(path, version) for path, version in past.items() if version is not None and search.covers(path)
        ]
        return [Hit(document.path, document.version) for document in search.among(documents)]


def _check_scope(plan: QueryPlan) -> None:
    try:
        check_collection_id(plan.collection)
    except InvalidDocumentIdError as error:
        raise InvalidRequestError(str(error)) from error
    if plan.parent:
        checked_path(plan.parent)
