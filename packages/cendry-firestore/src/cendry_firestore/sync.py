"""The backend of the sync twin. It only sends: requests and results are made in the rooms that both twins share."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, DocumentResult, SnapshotResult
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1 import Client

from ._calls import TRANSIENT_COMMIT, Allowance, send
from ._clients import Connection, check_arguments, connect
from ._errors import translated
from ._listen import Listener
from ._reading import GetReading, QueryReading
from ._translate import (
    aggregation_request,
    aggregation_result,
    begin_request,
    commit_request,
    commit_result,
    rollback_request,
)


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
                    client = self._given or Client(project=self._project, database=self._database)
                    opened = self._opened = connect(client)
        return opened

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        reading = GetReading(plan, connection.database, transaction, Allowance(options))
        return _stream(reading, connection.api.batch_get_documents, connection)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[DocumentResult]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        connection = self._connection
        reading = QueryReading(plan, connection.database, transaction, Allowance(options))
        return _stream(reading, connection.api.run_query, connection)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        request = aggregation_request(plan, connection.database, transaction)
        with translated(collection=plan.query.collection):
            stream = send(connection.api.run_aggregation_query, request, connection.metadata, Allowance(options))
            [response] = [response._pb for response in stream if response._pb.HasField("result")]
        return aggregation_result(plan, response, connection.database)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        request = commit_request(writes, connection.database, transaction)
        with translated(writes=writes):
            response = send(connection.api.commit, request, connection.metadata, Allowance(options, TRANSIENT_COMMIT))
        return commit_result(response._pb, writes)

    def begin(self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        with translated():
            return send(connection.api.begin_transaction, request, connection.metadata, Allowance(options)).transaction

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        request = rollback_request(connection.database, transaction)
        with translated():
            send(connection.api.rollback, request, connection.metadata, Allowance(options))

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
            opened.is_closed = True
            opened.client.close()
            opened.api.transport.close()


def _stream(
    reading: GetReading | QueryReading, method: Callable[..., Any], connection: Connection
) -> Iterator[DocumentResult]:
    while True:
        stream: Any = None
        try:
            stream = send(method, reading.request(), connection.metadata, reading.allowance)
            for response in stream:
                result = reading.result(response._pb)
                if result is not None:
                    yield result
            return
        except GoogleAPICallError as error:
            connection.check_open(error)
            pause = reading.pause_after(error)
        except ValueError as error:
            # So gRPC refuses to call on a channel that was closed.
            connection.check_open(error)
            raise
        finally:
            if stream is not None:
                stream.cancel()
        if reading.is_complete:
            return
        time.sleep(pause)
