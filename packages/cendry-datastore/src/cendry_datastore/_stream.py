"""How far a read has come: what it asks for next, and the results in a response. Nothing here sends or waits.

The backend sends `request()` and hands each response to `results`, until nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from cendry._interop.protobuf import check_read_time
from cendry.backend import DocumentResult, StoredDocument
from cendry.paths import exact_text
from cendry.plan import GetPlan, QueryPlan

from . import _sdk
from ._entities import new_found, result_classes
from ._keys import Partition, fill_key, key_path, shown_id
from ._marks import UNMARKED, kinds_of_marks
from ._requests import lookup_request, query_request
from ._transactions import TransactionHandle

_NOT_FINISHED: Final = 1
_NO_MORE_RESULTS: Final = 3

MOST_KEYS: Final = 1000
"""Keys of one lookup (https://cloud.google.com/datastore/docs/concepts/limits)."""

FIRST_PAGE: Final = 1000
"""Entities that one call asks for at first. The emulator of Datastore mode answers with all of them at once, and gRPC
takes 4 MiB; so a page that is too large is asked for again by halves."""

_GROWTH: Final = 4
"""How much larger the next page is if none of the entities of a page is in the collection."""


def checked_moment(plan: GetPlan | QueryPlan) -> datetime | None:
    """The past moment that a plan reads at, if there is one.

    Raises:
        InvalidRequestError: It is in the future.
    """
    if plan.read_time is not None:
        check_read_time(plan.read_time)
    return plan.read_time


class Lookup:
    """Documents by path, over as many calls as it takes.

    Args:
        plan: What is read.
        partition: Where the documents live.
        transaction: The transaction that reads, or `None`.

    Attributes:
        query: The query; a lookup has none.
        is_at_token: Whether the next request begins at a page token; never for a lookup.
        transaction: The transaction that reads, or `None`.
        moment: The past moment to read at, if there is one.

    Raises:
        InvalidDocumentIdError: An id has the form of an escaped name, and no name is escaped so.
    """

    query: QueryPlan | None = None
    is_at_token = False

    def __init__(self, plan: GetPlan, partition: Partition, transaction: TransactionHandle | None) -> None:
        self.moment = checked_moment(plan)
        self._plan = plan
        self._partition = partition
        self.transaction = transaction
        self._page = MOST_KEYS
        self._left: list[Any] = []
        for path in plan.paths:
            key = _sdk.Key()
            fill_key(key, path, partition)
            self._left.append(key)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask for."""
        return not self._left

    def request(self) -> Any:
        """The next request."""
        return lookup_request(self._plan, self._left[: self._page], self._partition, self.transaction)

    def halve(self) -> bool:
        """Ask for fewer documents at once from now on; returns whether that is possible."""
        asked = min(len(self._left), self._page)
        self._page = asked // 2
        return asked > 1

    def results(self, response: Any) -> Iterator[StoredDocument]:
        """The results in a response."""
        # Datastore may put off some keys.
        self._left = [*response.deferred, *self._left[self._page :]]
        partition, projection = self._partition, self._plan.projection
        of_entity, of_projected = result_classes(partition)
        marks = kinds_of_marks(response)
        for found in response.found:
            entity = found.entity
            path = key_path(entity.key, partition)
            if projection is None:
                yield new_found(of_entity, (path, entity, partition, marks, None))
            else:
                yield of_projected.of(path, entity, projection, partition)
        for missing in response.missing:
            yield DocumentResult(key_path(missing.entity.key, partition), None)


class QueryPages:
    """The documents of a query, page by page.

    Args:
        plan: What is read.
        partition: Where the documents live.
        transaction: The transaction that reads, or `None`.

    Attributes:
        query: The query.
        is_at_token: Whether the next request begins at a page token, which the database may refuse.
        transaction: The transaction that reads, or `None`.
        moment: The past moment to read at, if there is one.
        is_complete: Whether nothing is left to ask for.
        left_out: How many entities were left out so far, since they are of the kind but not in the collection.

    Raises:
        UnsupportedByBackendError: Datastore mode doesn't have what the plan asks for.
        InvalidRequestError: A value is too long for an index.
    """

    def __init__(self, plan: QueryPlan, partition: Partition, transaction: TransactionHandle | None) -> None:
        self.moment = checked_moment(plan)
        self.query = plan
        self.is_at_token = plan.resume is not None
        self.transaction = transaction
        self.left_out = 0
        self._partition = partition
        self._page = FIRST_PAGE
        self._limit = plan.limit
        # The server would skip entities that are not in the collection, so it is not asked to.
        self._offset = plan.offset
        self._least = 0
        self._is_unconfirmed = False
        self._request = query_request(plan, partition, transaction)
        # A kind is all entities of its name, however deep below the ancestor; a collection is those right below.
        self._depth = 1 if plan.parent is None else plan.parent.count("/") // 2 + 2
        self._prefix = "/".join(exact_text(part) for part in (plan.parent, plan.collection, "") if part is not None)
        self.is_complete = plan.limit == 0

    def request(self) -> Any:
        """The next request."""
        wanted = self._page if self._limit is None else max(self._limit + self._offset, self._least)
        self._request.query.limit.value = min(self._page, wanted)
        if self.transaction is not None:
            self.transaction.fill(self._request.read_options)
        return self._request

    def halve(self) -> bool:
        """Ask for smaller pages from now on; returns whether that is possible."""
        asked: int = self._request.query.limit.value
        self._page = asked // 2
        return asked > 1

    def results(self, response: Any) -> Iterator[StoredDocument]:
        """The results in a response."""
        batch, query = response.batch, self._request.query
        self.is_at_token = False
        self.is_complete = self._is_last(batch)
        # Without a cursor the query would begin again.
        query.start_cursor = batch.end_cursor or query.start_cursor
        partition, projection, prefix = self._partition, self.query.projection, self._prefix
        of_entity, of_projected = result_classes(partition)
        marks = kinds_of_marks(response) if projection is None else UNMARKED
        left_out = 0
        for found in batch.entity_results:
            entity = found.entity
            elements = entity.key.path
            if len(elements) != self._depth:
                left_out += 1
                continue
            if self._offset:
                self._offset -= 1
                continue
            path = prefix + shown_id(elements[-1], partition)
            if projection is None:
                yield new_found(of_entity, (path, entity, partition, marks, found.cursor))
            else:
                result = of_projected.of(path, entity, projection, partition)
                result.cursor = found.cursor
                yield result
            if self._limit is not None:
                self._limit -= 1
                if not self._limit:
                    self.is_complete = True
                    break
        if left_out:
            self.left_out += left_out
            brought_nothing = left_out == len(batch.entity_results)
            self._least = query.limit.value * (_GROWTH if brought_nothing else 1)

    def _is_last(self, batch: Any) -> bool:
        """Whether a batch is the last one.

        An empty one is if no other follows: the classic emulator never says that there are no more results.
        """
        if batch.more_results == _NO_MORE_RESULTS:
            return True
        was_unconfirmed = self._is_unconfirmed
        self._is_unconfirmed = batch.more_results != _NOT_FINISHED and not batch.entity_results
        return was_unconfirmed and self._is_unconfirmed
