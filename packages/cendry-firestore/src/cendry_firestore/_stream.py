"""How far a read has come, and how it goes on after its stream broke. Nothing here sends or waits.

Each twin asks `request`, hands every response to `result`, asks `goes_on` when a stream has ended, and after an error
asks `pause_after` how long to wait before the next request.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from cendry._interop import grpc
from cendry._interop.protobuf import check_read_time, to_datetime
from cendry.backend import CallOptions, DocumentResult, StoredDocument
from cendry.paths import DOCUMENT_ID
from cendry.plan import Bound, GetPlan, Nearest, Order, QueryPlan, full_orders
from google.api_core import exceptions

from . import _sdk
from ._channel import Connection
from ._documents import FoundDocument, NearDocument, new_found
from ._errors import meaning_of
from ._requests import distance_in, document_result, get_request, near_result, query_request
from ._transactions import TransactionHandle
from ._values import DOCUMENTS, document_path, field_at

# A stream goes on for as long as it gives documents; this counts attempts that gave none.
_FRUITLESS_ATTEMPTS: Final = 8
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
# Firestore reads at a given time only within the last hour; past this, a stream goes on at the present.
_PINNED_SECONDS: Final = 50 * 60

MAX_NAMES_BYTES: Final = 3 * 1024 * 1024
"""What the names in one request may take: less than any server refuses (10 MiB, the emulator 4)."""

LARGE: Final = 100
"""More results than this are many."""

_FEW: Final = 400
"""So many names don't take that much: a path has at most 6 KiB."""

_NO_MORE: Final[Iterator[Sequence[str]]] = iter(())


class ReadStream:
    """What both kinds of read share.

    Attributes:
        connection: Where it is sent.
        method: The method that is called.
        deadline: The time that is left.
        transaction: The transaction that it is part of, if any.
        has_drifted: Whether the last response was of another moment than the transaction, and so is to be read again.
        moment: The past moment to read at, if there is one.
    """

    collection: str | None = None
    is_single = False
    """Whether a call that doesn't stream can do it; in a transaction, the answer may be several messages."""
    kind: Literal["get", "run"]
    """Which of the transport's methods it is."""
    is_large = False
    """Whether its results may be so many that another way of reading them is worth it."""
    tried: tuple[float, Any] | None = None
    """The timeout and the error of a first attempt that was made already; only with `is_single`."""
    needs_no_end = False
    """Whether the end of a complete stream can be left unread, as the SDK's own `get` leaves it: it costs a wait."""

    def __init__(
        self,
        connection: Connection,
        method: grpc.Method,
        transaction: TransactionHandle | None,
        options: CallOptions,
        moment: datetime | None,
        deadline: grpc.Deadline | None = None,
    ) -> None:
        if moment is not None:
            check_read_time(moment)
        self.moment = moment
        self.connection = connection
        self.method = method
        self.deadline = connection.deadline(options) if deadline is None else deadline
        self._database = connection.database
        self._path_start = connection.path_start
        self._is_direct = connection.transport.is_direct
        # A read with a moment of its own is not part of a transaction.
        self.transaction = transaction if moment is None else None
        self.has_drifted = False
        self._observer: TransactionHandle | None = None
        self._read_time: datetime | None = None
        self._started = time.monotonic()
        self._fruitless = 0
        self._progress = False

    def pause_after(self, error: exceptions.GoogleAPICallError) -> float:
        """Decide on a stream that broke: the seconds to wait before going on, or the error that ends it.

        Raises:
            CendryError: The error has a Cendry meaning.
            GoogleAPICallError: The error itself, if going on is not possible or not worth it, or that time is up.
        """
        meaning = meaning_of(error, collection=self.collection, moment=self.moment)
        if meaning is not None:
            raise meaning from error
        fruitless = 0 if self._progress else self._fruitless + 1
        policy = self.method.policy
        # A transaction that may write has lost its snapshot with the stream.
        is_lost = self.transaction is not None and not self.transaction.is_read_only
        if is_lost or not self.deadline.retries(error, policy) or fruitless > _FRUITLESS_ATTEMPTS:
            raise error
        pause = grpc.pause_after(fruitless, _FIRST_PAUSE, _LONGEST_PAUSE)
        if self.deadline.is_bounded and pause >= self.deadline.seconds_left:
            raise self.deadline.exceeded(error, policy.api) from error
        self._fruitless, self._progress = fruitless, False
        grpc.log_retry(grpc.status_of(error))
        return pause

    def _found(self, document: Any, read_time: datetime | None) -> StoredDocument:
        """A document as a result: as the message that it is, or decoded, if the transport wraps messages."""
        if self._is_direct:
            return new_found(FoundDocument, (document, read_time, self._database, self._path_start))
        return document_result(document, read_time, self._database)

    def _observe(self) -> None:
        """Prepare for the responses to another request."""
        transaction = self.transaction
        observes = transaction is not None and transaction.is_read_only and not transaction.is_begun
        self._observer = transaction if observes else None

    def _drifted(self) -> bool:
        drifted, self.has_drifted = self.has_drifted, False
        return drifted

    def _pinned(self, read_time: datetime | None) -> datetime | None:
        """The moment to go on reading at: that of the documents before the break, so that none comes twice."""
        if self.transaction is not None:
            return None
        recent = time.monotonic() - self._started < _PINNED_SECONDS
        return read_time or (self._read_time if recent else None)


class GetStream(ReadStream):
    """Documents by path, in as many requests as their names take; after a break, those that did not come yet."""

    kind = "get"

    def __init__(
        self,
        plan: GetPlan,
        connection: Connection,
        transaction: TransactionHandle | None,
        options: CallOptions,
        deadline: grpc.Deadline | None = None,
    ) -> None:
        super().__init__(connection, connection.transport.get, transaction, options, plan.read_time, deadline)
        self._plan = plan
        self.is_large = len(plan.paths) > LARGE
        self.is_single = len(plan.paths) == 1 and (self.transaction is None or self.transaction.is_read_only)
        paths: Sequence[str] = plan.paths
        self._shares = _NO_MORE
        if len(paths) > _FEW:
            self._shares = _shares(paths, len(self._database) + len(DOCUMENTS))
            paths = next(self._shares)
        self._missing = dict.fromkeys(paths)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left of what the last request asked for."""
        return not self._missing

    def goes_on(self) -> bool:
        """Whether there is more to ask for, in a request of its own."""
        if self._drifted():
            return True
        share = next(self._shares, None)
        if share is None:
            return False
        self._missing = dict.fromkeys(share)
        return True

    def request(self) -> Any:
        """The next request."""
        self._observe()
        # The stream that begins a transaction is not cancelled.
        self.needs_no_end = self.transaction is None or not self.transaction.must_begin
        plan, read_time = self._plan, self._pinned(self._plan.read_time)
        if read_time is not plan.read_time:
            plan = replace(plan, read_time=read_time)
        return get_request(plan, tuple(self._missing), self._database, self.transaction)

    def result(self, response: Any) -> StoredDocument | None:
        """The document in a response, or that it is absent; `None` if there is neither."""
        kind = response.WhichOneof("result")
        if kind is None:
            return None
        read_time = to_datetime(response.read_time) if response.HasField("read_time") else None
        if read_time is not None and self._observer is not None and not self._observer.agrees(read_time):
            self.has_drifted = True
            return None
        result: StoredDocument
        if kind == "found":
            result = self._found(response.found, read_time)
        else:
            result = DocumentResult(document_path(self._database, response.missing), None, read_time=read_time)
        self._missing.pop(result.path, None)
        self._read_time = read_time
        self._progress = True
        return result


def _shares(paths: Sequence[str], prefix: int) -> Iterator[Sequence[str]]:
    """The paths, in as many parts as requests are needed for them."""
    share: list[str] = []
    size = 0
    for path in paths:
        # Each name has a tag and its length before it.
        needed = prefix + len(path.encode()) + 4
        if size + needed > MAX_NAMES_BYTES:
            yield share
            share, size = [], 0
        share.append(path)
        size += needed
    yield share


class QueryStream(ReadStream):
    """The documents of a query; after a break, those after the last one that came."""

    kind = "run"

    def __init__(
        self, plan: QueryPlan, connection: Connection, transaction: TransactionHandle | None, options: CallOptions
    ) -> None:
        super().__init__(connection, connection.transport.run, transaction, options, plan.read_time)
        self.is_large = plan.limit is None or plan.limit > LARGE
        self.collection = plan.collection
        self._plan = plan
        self._count = 0
        self._last: Any = None
        self._moment = (0, 0)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask for."""
        return self._count == self._plan.limit and self._count > 0

    def goes_on(self) -> bool:
        """Whether there is more to ask for: a query is one request."""
        return self._drifted()

    def request(self) -> Any:
        """The next request."""
        self._observe()
        return query_request(self._remaining(), self._database, self.transaction)

    def result(self, response: Any) -> StoredDocument | None:
        """The document in a response; `None` if it only reports progress."""
        if not response.HasField("document"):
            return None
        stamp = response.read_time
        moment = stamp.seconds, stamp.nanos
        # Mostly all documents of a stream are of one moment.
        if moment != self._moment:
            read_time = to_datetime(stamp)
            if self._observer is not None and not self._observer.agrees(read_time):
                self.has_drifted = True
                return None
            self._moment, self._read_time = moment, read_time
        self._last = response
        self._count += 1
        self._progress = True
        return self._found(response.document, self._read_time)

    def _near(self, document: Any, read_time: datetime | None) -> StoredDocument:
        """As `_found`, for a document that a search by vector found."""
        distance = distance_in(document)
        if not self._is_direct:
            return near_result(document, read_time, self._database, distance)
        found = NearDocument((document, read_time, self._database, self._path_start))
        found.distance = distance
        return found

    def _remaining(self) -> QueryPlan:
        plan = self._plan
        if self._last is None:
            return plan
        rest = replace(
            plan,
            limit=None if plan.limit is None else plan.limit - self._count,
            read_time=self._pinned(plan.read_time),
        )
        orders = full_orders(plan.where, plan.orders)
        values = [self._value_of(order) for order in orders]
        if None in values:
            # The projection left out what the cursor needs; counting does it too, though it is billed.
            return replace(rest, offset=plan.offset + self._count)
        return replace(rest, orders=orders, start=Bound(tuple(values), before=False), offset=0)

    def _value_of(self, order: Order) -> Any:
        """The last document's value for an order, as a message, or `None` if it did not travel."""
        if order.path == DOCUMENT_ID:
            return _sdk.Value(reference_value=self._last.document.name)
        return field_at(self._last.document.fields, order.path)


class NearestStream(QueryStream):
    """The documents that a search by vector finds; after a break, those that did not come yet.

    A search has no cursors, so it is repeated, at the moment of the first attempt.
    """

    def __init__(
        self,
        plan: QueryPlan,
        nearest: Nearest,
        connection: Connection,
        transaction: TransactionHandle | None,
        options: CallOptions,
    ) -> None:
        super().__init__(plan, connection, transaction, options)
        self._limit = nearest.limit
        self._names: set[str] = set()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to ask for."""
        return self._count == self._limit

    def result(self, response: Any) -> StoredDocument | None:
        """The document in a response; `None` if there is none, or if it came before."""
        name = response.document.name if response.HasField("document") else None
        if name is None or name in self._names:
            return None
        result = super().result(response)
        if result is not None:
            self._names.add(name)
        return result

    def _found(self, document: Any, read_time: datetime | None) -> StoredDocument:
        return self._near(document, read_time)

    def _remaining(self) -> QueryPlan:
        return replace(self._plan, read_time=self._pinned(self._plan.read_time))


def query_stream(
    plan: QueryPlan, connection: Connection, transaction: TransactionHandle | None, options: CallOptions
) -> QueryStream:
    """The read of a query."""
    if plan.nearest is None:
        return QueryStream(plan, connection, transaction, options)
    return NearestStream(plan, plan.nearest, connection, transaction, options)
