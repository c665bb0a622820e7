"""The backend of the sync twin. It only sends: requests and results are made in the modules that both twins share."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cendry._interop.grpc import Deadline, Method
from cendry._interop.grpc_sync import send
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, SnapshotResult, StoredDocument
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.cloud.firestore_v1 import Client

from . import _sdk
from ._channel import Connection, check_arguments
from ._commit import CommitAttempts, commit_result
from ._errors import meaning_of
from ._listen import Listener
from ._requests import aggregation_request, aggregation_result, begin_request, rollback_request
from ._single_threaded import single_threaded_channel
from ._stream import GetStream, QueryStream

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
                    opened = self._opened = self._connect()
        return opened

    def _connect(self) -> Connection:
        if self._given is not None:
            return Connection(self._given, is_async=False)
        client = Client(project=self._project, database=self._database)
        return Connection(client, single_threaded_channel(client), is_async=False)

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MutableMapping[str, Any]]:
        """A function from an instance to its stored fields, as `commit` sends them."""
        return self._connection.encoder(codec)

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        return _documents(GetStream(plan, self._connection, transaction, options))

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes."""
        return _documents(QueryStream(plan, self._connection, transaction, options))

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan."""
        connection = self._connection
        request = aggregation_request(plan, connection.database, transaction)
        meaning = partial(meaning_of, collection=plan.query.collection)
        response = _call(connection, connection.transport.aggregate, request, options, meaning)
        return aggregation_result(plan, response, connection.database)

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it."""
        connection = self._connection
        attempts = CommitAttempts(writes, connection.database, transaction)
        method, meaning = connection.transport.commit, attempts.meaning_of
        response = _call(connection, method, attempts.request, options, meaning, attempts.failed)
        return commit_result(response, writes)

    def begin(self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS) -> Any:
        """Begin a transaction and give its handle, which is Firestore's id of it."""
        connection = self._connection
        request = begin_request(connection.database, read_only=read_only, retry_of=retry_of)
        response = _call(connection, connection.transport.begin, request, options)
        return response.transaction

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        connection = self._connection
        request = rollback_request(connection.database, transaction)
        _call(connection, connection.transport.rollback, request, options)

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


def _call(
    connection: Connection,
    method: Method,
    request: Any,
    options: CallOptions,
    meaning_of: Callable[[Any], BaseException | None] = meaning_of,
    on_failure: Callable[[Any], None] | None = None,
) -> Any:
    """Send a request that has one response."""
    deadline = Deadline(options.timeout, options.retry)
    try:
        return send(partial(method.start, request), deadline, method.policy, on_failure)
    except _sdk.CALL_ERRORS as error:
        connection.raise_meaning(error, meaning_of)
        raise


def _open(stream: GetStream | QueryStream) -> tuple[Any, Any]:
    """A call and its first response, or `EOF` if it has none: only with that it has proved to work.

    A single response comes without a stream.
    """
    transport, start, request = stream.connection.transport, stream.method.start, stream.request()

    def attempt(seconds: float) -> tuple[Any, Any]:
        if stream.is_single and (get_single := transport.get_single) is not None:
            try:
                response = get_single(request, seconds)
            except _sdk.RpcError as error:
                seconds = transport.stream_instead(request, error, seconds)
            else:
                return None, _sdk.EOF if response is None else response
        call = start(request, seconds)
        try:
            return call, next(call, _sdk.EOF)
        except BaseException:
            transport.release(call)
            raise

    return send(attempt, stream.deadline, stream.method.policy)


def _documents(stream: GetStream | QueryStream) -> Iterator[StoredDocument]:
    """What a stream gives, over as many calls as it takes."""
    connection = stream.connection
    while True:
        call: Any = None
        try:
            call, response = _open(stream)
            while response is not _sdk.EOF:
                result = stream.result(response)
                if result is not None:
                    yield result
                    if stream.needs_no_end and stream.is_complete:
                        break
                response = _sdk.EOF if call is None else next(call, _sdk.EOF)
            if stream.goes_on():
                continue
            return
        except _sdk.STREAM_ERRORS as raised:
            pause = stream.pause_after(connection.stream_error(raised))
        finally:
            if call is not None:
                connection.transport.release(call)
        if stream.is_complete and not stream.goes_on():
            return
        time.sleep(pause)
