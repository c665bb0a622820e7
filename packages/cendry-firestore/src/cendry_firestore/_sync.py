"""The backend of the sync twin. It only sends: requests and results are made in the rooms that both twins share."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, SnapshotResult, StoredDocument
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1 import Client

from . import _sdk
from ._calls import Allowance, failure_of, send
from ._channel import Connection, check_arguments
from ._commit import Outcome, commit_request, commit_result
from ._documents import encoder
from ._errors import translated
from ._listen import Listener
from ._requests import aggregation_request, aggregation_result, begin_request, rollback_request
from ._single_threaded import channel_beside
from ._stream import GetReading, QueryReading
from ._transport import Method, Road

if TYPE_CHECKING:
    from cendry.codec import Codec


class FirestoreBackend:
    """Firestore, for `Cendry`.

    Args:
        client: A `google.cloud.firestore.Client`, which stays open when this is closed. Without it one is made at
            first use, from the default credentials or for the emulator that `FIRESTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of the client that is made.
        database: The id of its database; `None` for the default one.

    Raises:
        TypeError: The client is an `AsyncClient` or no client at all, or comes together with `project` or `database`.
    """

    name = "Firestore"

    def __init__(self, client: Any = None, *, project: str | None = None, database: str | None = None) -> None:
        check_arguments(client, Client, "AsyncFirestoreBackend", project, database)
        self._given = client
        self._project = project
        self._database = database
        self._lock = threading.Lock()
        self._opened: Connection | None = None
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    @property
    def client(self) -> Any:
        """The SDK's `Client`; made now if there is none yet."""
        return self._connection.client

    @property
    def _connection(self) -> Connection:
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened
                if opened is None:
                    opened = self._opened = self._open()
        return opened

    def _open(self) -> Connection:
        if self._given is not None:
            return Connection(self._given, is_async=False)
        client = Client(project=self._project, database=self._database)
        return Connection(client, channel_beside(client), is_async=False)

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """What makes the stored fields of instances of a class: straight into a message, on the direct road."""
        connection = self._connection
        return encoder(codec, connection.database) if connection.road.is_direct else codec.encode

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        method = connection.road.get
        return _stream(GetReading(plan, connection, transaction, Allowance(options, method.policy)), method, connection)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        connection = self._connection
        method = connection.road.run
        return _stream(
            QueryReading(plan, connection, transaction, Allowance(options, method.policy)), method, connection
        )

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        method, request = connection.road.aggregate, aggregation_request(plan, connection.database, transaction)

        def attempt(seconds: float) -> Any:
            stream = method.start(request, seconds)
            try:
                [found] = [found for found in stream if found.HasField("result")]
            finally:
                connection.road.release(stream)
            return found

        with translated(collection=plan.query.collection):
            response = send(attempt, Allowance(options, method.policy))
        return aggregation_result(plan, response, connection.database)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        method, request = connection.road.commit, commit_request(writes, connection.database, transaction)
        outcome = Outcome(request, writes, connection.database)

        def attempt(seconds: float) -> Any:
            try:
                return method.start(request, seconds)
            except _sdk.RpcError as raised:
                raise outcome.failed(_sdk.error_of_rpc(raised)) from raised
            except GoogleAPICallError as error:
                outcome.failed(error)
                raise

        with translated(writes=writes), outcome.told():
            response = send(attempt, Allowance(options, method.policy))
        return commit_result(response, writes)

    def begin(self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        method = connection.road.begin
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        with translated():
            return send(partial(method.start, request), Allowance(options, method.policy)).transaction

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        method, request = connection.road.rollback, rollback_request(connection.database, transaction)
        with translated():
            send(partial(method.start, request), Allowance(options, method.policy))

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[[SnapshotResult], None],
        on_error: Callable[[BaseException], None],
    ) -> Listener:
        """Call `on_snapshot` with the first state and with every later one, from a thread of this listener's own."""
        listener = Listener(self._connection, plan, on_snapshot, on_error)
        self._listeners.add(listener)
        listener.start()
        return listener

    def close(self) -> None:
        """End the listeners, and close the client with its channel if this backend made it.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        for listener in list(self._listeners):
            listener.close()
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and self._given is None:
            opened.close()


def _open(road: Road, method: Method, reading: GetReading | QueryReading) -> tuple[Any, Any]:
    """A stream and its first message, or `None` for one that has none: only with that a call proves to have worked.

    Where one message is all there is, it comes without a stream.
    """
    request = reading.request()

    def attempt(seconds: float) -> tuple[Any, Any]:
        if reading.is_of_one and (get_one := road.get_one) is not None:
            try:
                return None, get_one(request, seconds)
            except _sdk.RpcError as error:
                seconds = road.give_up_one(request, error, seconds)
        stream = method.start(request, seconds)
        try:
            return stream, next(stream, None)
        except BaseException:
            road.release(stream)
            raise

    return send(attempt, reading.allowance)


def _stream(reading: GetReading | QueryReading, method: Method, connection: Connection) -> Iterator[StoredDocument]:
    while True:
        stream: Any = None
        try:
            stream, response = _open(connection.road, method, reading)
            while response is not None:
                result = reading.result(response)
                if result is not None:
                    yield result
                    if reading.needs_no_end and reading.is_complete:
                        break
                response = None if stream is None else next(stream, None)
            if reading.goes_on():
                continue
            return
        except (_sdk.RpcError, GoogleAPICallError) as raised:
            error = failure_of(raised)
            connection.check_open(error)
            pause = reading.pause_after(error)
        except ValueError as error:
            # So gRPC refuses to call on a channel that was closed.
            connection.check_open(error)
            raise
        finally:
            if stream is not None:
                connection.road.release(stream)
        if reading.is_complete and not reading.goes_on():
            return
        time.sleep(pause)
