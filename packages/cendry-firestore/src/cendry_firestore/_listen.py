"""Listeners: a state that follows the server's changes, and the thread that reads them and reconnects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from cendry import _fork
from cendry._interop import emulator as emulators
from cendry._interop.grpc import explained, pause_after
from cendry._interop.protobuf import to_datetime
from cendry._order import AFTER_ALL, inverted, key_of, path_key
from cendry.backend import SnapshotResult
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import GetPlan, Order, QueryPlan, full_orders, outermost, projected
from google.api_core import exceptions

from . import _sdk
from ._channel import Connection
from ._errors import meaning_of
from ._requests import document_result, fill_query, parent_name
from ._values import decode_value, document_name, field_at

_TARGET: Final = 1
_INTERNAL: Final = 13
# Errors after which the listener reconnects; any other ends it.
_TRANSIENT: Final = (
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.Unknown,
    exceptions.DeadlineExceeded,
    exceptions.ResourceExhausted,
    exceptions.InternalServerError,
    exceptions.ServiceUnavailable,
    exceptions.Unauthenticated,
)
# Seconds of failures in a row after which a listener gives up; as long as the SDK retries a query.
PATIENCE = 300.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
_JOIN_SECONDS: Final = 5.0


class ListenState:
    """The documents of a target: takes responses, and gives a snapshot whenever one is complete.

    Args:
        plan: What is listened to.
        database: `projects/P/databases/D`.

    Attributes:
        is_current: Whether the server has sent everything that was there when listening began.
    """

    def __init__(self, plan: QueryPlan | GetPlan, database: str) -> None:
        self._plan = plan
        self._database = database
        self._orders = () if isinstance(plan, GetPlan) else full_orders(plan.where, plan.orders)
        # Sorting is done here, so what it needs has to travel, whatever the projection says.
        self._projection = None if isinstance(plan, GetPlan) else plan.projection
        self._asked = plan if self._projection is None else _with_orders(plan, self._projection, self._orders)
        # The documents at the resume token, to which the server's next changes apply.
        self._documents: dict[str, Any] = {}
        self._token = b""
        # The documents with the changes since.
        self._working: dict[str, Any] = {}
        self.is_current = False
        self._versions: dict[str, Any] | None = None

    def request(self) -> Any:
        """The request that begins to listen, or goes on from the last complete state."""
        self._working = dict(self._documents)
        self.is_current = False
        request = _sdk.ListenRequest(database=self._database)
        target = request.add_target
        target.target_id = _TARGET
        target.resume_token = self._token
        if isinstance(self._plan, GetPlan):
            target.documents.documents.append(document_name(self._database, self._plan.paths[0]))
        else:
            asked = cast("QueryPlan", self._asked)
            target.query.parent = parent_name(asked, self._database)
            fill_query(target.query.structured_query, asked, self._database)
        return _sdk.wrapped(request)

    def take(self, response: Any) -> SnapshotResult | None:
        """Apply a response; give the new state if this completes one that differs from the last.

        Raises:
            GoogleAPICallError: The server ended the target.
            LostTrackError: The state is not the server's any more; ask for all of it again.
        """
        match response.WhichOneof("response_type"):
            case "document_change":
                change = response.document_change
                if _TARGET in change.target_ids:
                    self._working[change.document.name] = change.document
                elif _TARGET in change.removed_target_ids:
                    self._working.pop(change.document.name, None)
            case "document_delete":
                self._working.pop(response.document_delete.document, None)
            case "document_remove":
                self._working.pop(response.document_remove.document, None)
            case "filter" if response.filter.count != len(self._working):
                self._forget()
                raise LostTrackError
            case "target_change":
                return self._take_target_change(response.target_change)
            case _:
                pass
        return None

    def _take_target_change(self, change: Any) -> SnapshotResult | None:
        kind = _sdk.TargetChangeType
        if change.target_change_type == kind.REMOVE:
            raise _sdk.error_of_status(change.cause.code or _INTERNAL, change.cause.message)
        if change.target_change_type == kind.RESET:
            self._forget()
        elif change.target_change_type == kind.CURRENT:
            self.is_current = True
        elif (
            change.target_change_type == kind.NO_CHANGE
            and self.is_current
            and not change.target_ids
            and change.HasField("read_time")
        ):
            return self._complete(change)
        return None

    def _complete(self, change: Any) -> SnapshotResult | None:
        self._documents = dict(self._working)
        self._token = change.resume_token
        versions = {
            name: (document.update_time.seconds, document.update_time.nanos)
            for name, document in self._documents.items()
        }
        if versions == self._versions:
            return None
        self._versions = versions
        read_time = to_datetime(change.read_time)
        # Decoded anew each time, since a receiver owns what it is given.
        documents = sorted(self._documents.values(), key=partial(sort_key, orders=self._orders))
        found = [document_result(document, read_time, self._database) for document in documents]
        if self._projection is not None:
            projection = outermost(self._projection)
            found = [one._replace(data=projected(one.data or {}, projection)) for one in found]
        return SnapshotResult(tuple(found), read_time)

    def _forget(self) -> None:
        self._documents = {}
        self._working = {}
        self._token = b""
        self.is_current = False


def _with_orders(plan: Any, projection: tuple[FieldPath, ...], orders: tuple[Order, ...]) -> QueryPlan:
    # What lies inside a field that travels anyway must not be asked for twice.
    wanted = outermost({*projection, *(order.path for order in orders)} - {DOCUMENT_ID})
    return replace(cast("QueryPlan", plan), projection=wanted)


def sort_key(document: Any, orders: tuple[Order, ...]) -> bytes:
    """Where a `Document` message stands among the results of a query with these orders, the last one by name."""
    keys = (_key_at(document, order.path) for order in orders)
    return b"".join(inverted(key) if order.descending else key for key, order in zip(keys, orders, strict=True))


def _key_at(document: Any, path: FieldPath) -> bytes:
    if path == DOCUMENT_ID:
        return path_key(document.name)
    message = field_at(document.fields, path)
    # Relative to no database, each reference has its own: this one sorts anywhere among others.
    value = None if message is None else decode_value(message, "")
    try:
        return key_of(value)
    except KeyError:
        # A kind that is unknown here.
        return AFTER_ALL + key_of(str(value))


class LostTrackError(Exception):
    """The documents at hand are not those that the server counts."""


class FirestoreListener:
    """A running listener, as `FirestoreBackend.listen` gives it."""

    def __init__(
        self,
        connection: Connection,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._collection = plan.collection if isinstance(plan, QueryPlan) else None
        self._state = ListenState(plan, connection.database)
        self._on_snapshot = on_snapshot
        self._on_error = on_error
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._calling_back = False
        self._call: Any = None
        self._failing_since: float | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="cendry-listener", daemon=True)

    def after_fork(self) -> None:
        """End in a forked child, where the thread is not there; the call is the parent's."""
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()
        _fork.keep(self._call)
        self._call = None

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        with self._guard:
            self._closed.set()
            call = self._call
            # A callback that runs may be waiting for a lock that the caller holds.
            waits = not self._calling_back and threading.current_thread() is not self._thread
        if call is not None:
            call.cancel()
        if waits:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except LostTrackError:
                failure: Exception = _sdk.ServiceUnavailable("The documents at hand are not those the server counts.")
            except _sdk.RpcError as error:
                failure = _sdk.API.call_error(error)
            except Exception as error:
                failure = error
            else:
                # The server may end a stream in peace, too.
                failure = _sdk.ServiceUnavailable("The server ended the stream.")
            if self._closed.is_set():
                return
            now = time.monotonic()
            # A quiet stream may have been silent for hours before it broke, so silence counts from the first failure.
            self._failing_since = self._failing_since or now
            failure = self._failure(failure, now - self._failing_since)
            if not isinstance(failure, _TRANSIENT) or now - self._failing_since > PATIENCE:
                self._end(failure)
                return
            self._failures += 1
            self._closed.wait(pause_after(self._failures, _FIRST_PAUSE, _LONGEST_PAUSE))

    def _failure(self, failure: Exception, seconds: float) -> Exception:
        """The failure, or that nothing listens where the emulator should be."""
        emulator = self._connection.emulator
        if emulator is None or seconds < emulators.PATIENCE or emulator.is_reached():
            return failure
        unreachable = emulator.unreachable()
        unreachable.__cause__ = failure
        return unreachable

    def _listen(self) -> None:
        ended = threading.Event()
        call = self._connection.api.transport.listen(
            _requests(self._state.request(), ended), metadata=self._connection.metadata
        )
        with self._guard:
            self._call = call
        try:
            if self._closed.is_set():
                return
            for response in call:
                snapshot = self._state.take(response._pb)
                if self._state.is_current:
                    self._failing_since = None
                    self._failures = 0
                if snapshot is not None:
                    self._call_back(self._on_snapshot, snapshot)
        finally:
            # gRPC takes requests in a thread of its own, which ends with their iterator.
            ended.set()
            call.cancel()

    def _end(self, failure: Exception) -> None:
        self._call_back(self._on_error, explained(failure, meaning_of(failure, collection=self._collection)))
        self._closed.set()

    def _call_back(self, callback: Callable[[Any], None], argument: Any) -> None:
        with self._guard:
            if self._closed.is_set():
                return
            self._calling_back = True
        try:
            callback(argument)
        finally:
            with self._guard:
                self._calling_back = False


def _requests(request: Any, ended: threading.Event) -> Iterator[Any]:
    yield request
    ended.wait()
