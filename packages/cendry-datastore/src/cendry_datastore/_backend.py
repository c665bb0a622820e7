"""The backend. It only sends: requests and results are made in the rooms beside it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, StoredDocument
from cendry.errors import InvalidRequestError, TransactionContentionError, UnsupportedByBackendError
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, ResourceExhausted

from . import _sdk
from ._calls import Allowance
from ._channel import Connection, check_arguments, connect
from ._commit import Folded, commit_request, created_paths, folded, with_less_indexed
from ._entities import WireData, WireResult, encoder
from ._errors import NamespaceNotFoundError, translated
from ._stream import Lookup, QueryReading, aggregation_request, aggregation_result, namespace_request
from ._transactions import TransactionHandle, begin_request, id_of, rollback_request
from ._unsupported import NAME, unsupported

if TYPE_CHECKING:
    from cendry.codec import Codec

COMMIT_ATTEMPTS: Final = 12
"""How often a commit outside of transactions is tried when others hold or change the same documents."""

PATIENCE: Final = 10.0
"""Seconds after which no further attempt is begun: where a lock is waited for, each takes its time."""

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class DatastoreBackend:
    """Firestore in Datastore mode, for `Cendry`: the bridge for data that is still there.

    It has what Datastore mode has, under the names that the documents will have in Native mode, and refuses the rest
    with `UnsupportedByBackendError` before anything is sent.

    Args:
        client: A `google.cloud.datastore.Client`, which stays open when this is closed. Without it one is made at
            first use, from the default credentials or for the emulator that `DATASTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of the client that is made.
        database: The id of its database; `None` for the default one.
        namespace: The namespace of all documents; `None` for the default one. Native mode has no namespaces.

    Raises:
        TypeError: The client is no client, or comes together with `project`, `database` or `namespace`.
        InvalidDocumentIdError: The namespace is not legal.
    """

    name = NAME

    def __init__(
        self,
        client: Any = None,
        *,
        project: str | None = None,
        database: str | None = None,
        namespace: str | None = None,
    ) -> None:
        check_arguments(client, project, database, namespace)
        self._given = client
        self._arguments = {"project": project, "database": database, "namespace": namespace}
        self._lock = threading.Lock()
        self._opened: Connection | None = None

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
                    client = self._given or _sdk.Client(**self._arguments)
                    opened = self._opened = connect(client)
        return opened

    # --- reads ---

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        return _look_up(connection, Lookup(plan, connection.home, id_of(transaction)), Allowance(options))

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes.

        Raises:
            NamespaceNotFoundError: There is nothing, because the namespace of this backend doesn't exist.
        """
        connection = self._connection
        reading = QueryReading(plan, connection.home, id_of(transaction))
        allowance = Allowance(options)
        found = False
        while not reading.is_complete:
            response = _page_of(reading, connection.api.run_query, connection, allowance, plan.collection)
            for result in reading.take(response):
                found = True
                yield result
        if not found:
            _check_namespace(connection, allowance)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan.

        They are Datastore's, over all entities of the kind below the parent, however deep.
        """
        connection = self._connection
        request = aggregation_request(plan, connection.home, id_of(transaction))
        with _reading_from(connection, plan.query.collection):
            response = Allowance(options).send(connection.api.run_aggregation_query, request)._pb
        return aggregation_result(plan, response, connection.home)

    # --- writes ---

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it.

        What depends on stored documents reads them at the commit, in the same transaction.
        """
        changes = folded(writes)
        connection, allowance = self._connection, Allowance(options)
        if transaction is not None:
            self._commit_inside(connection, changes, transaction, allowance)
        elif changes:
            self._commit_with_retries(connection, changes, allowance)
        if changes:
            connection.knows_namespace = True
        return CommitResult((None,) * len(writes))

    def _commit_inside(
        self, connection: Connection, changes: list[Folded], transaction: TransactionHandle, allowance: Allowance
    ) -> None:
        transaction.check(writes=bool(changes))
        if transaction.is_read_only:
            self._roll_back(connection, transaction, allowance)
            return
        _commit(connection, changes, transaction, allowance)
        transaction.has_ended = True

    def _commit_with_retries(self, connection: Connection, changes: list[Folded], allowance: Allowance) -> None:
        started = time.monotonic()
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            try:
                self._commit_alone(connection, changes, allowance)
                return
            except TransactionContentionError as error:
                pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))  # noqa: S311
                rest = min(allowance.seconds_left, started + PATIENCE - time.monotonic())
                if attempt == COMMIT_ATTEMPTS or pause >= rest:
                    raise TransactionContentionError(attempt) from error.__cause__
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached

    def _commit_alone(self, connection: Connection, changes: list[Folded], allowance: Allowance) -> None:
        if not any(change.needs_stored for change in changes):
            _commit(connection, changes, None, allowance)
            return
        transaction = _begin(connection, allowance)
        try:
            _commit(connection, changes, transaction, allowance)
        except BaseException:
            try:
                self._roll_back(connection, transaction, allowance)
            except Exception:  # noqa: S110
                # The reason is on its way to the caller, and Datastore ends idle transactions by itself.
                pass
            raise

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], WireData]:
        """A function from an instance to its stored fields, in the message that `commit` sends."""
        return encoder(codec, self._connection.home)

    # --- transactions ---

    def begin(self, *, read_only: bool = False, retry_of: Any = None, options: CallOptions = DEFAULT_OPTIONS) -> Any:
        """Begin a transaction and give its handle."""
        return _begin(self._connection, Allowance(options), read_only=read_only, retry_of=retry_of)

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing."""
        self._roll_back(self._connection, transaction, Allowance(options))

    def _roll_back(self, connection: Connection, transaction: TransactionHandle, allowance: Allowance) -> None:
        transaction.has_ended = True
        with translated():
            allowance.send(connection.api.rollback, rollback_request(connection.home, transaction))

    # --- what there is none of ---

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_snapshot: Callable[..., None],
        on_error: Callable[[BaseException], None],
    ) -> NoReturn:
        """Refuse to listen: Datastore mode has no listeners.

        Raises:
            UnsupportedByBackendError: Always.
        """
        raise unsupported("listeners")

    def async_twin_error(self) -> UnsupportedByBackendError:
        """What `AsyncCendry` raises when it is given this backend."""
        return unsupported("the async twin")

    def close(self) -> None:
        """Close the client with its channel if this backend made it.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and self._given is None:
            opened.is_closed = True
            opened.api.transport.close()


def _begin(
    connection: Connection, allowance: Allowance, *, read_only: bool = False, retry_of: TransactionHandle | None = None
) -> TransactionHandle:
    request = begin_request(connection.home, read_only=read_only, retry_of=retry_of)
    with translated():
        response = allowance.send(connection.api.begin_transaction, request)._pb
    return TransactionHandle(response.transaction, read_only)


def _look_up(connection: Connection, lookup: Lookup, allowance: Allowance) -> Iterator[StoredDocument]:
    while not lookup.is_complete:
        yield from lookup.take(_page_of(lookup, connection.api.lookup, connection, allowance))


def _page_of(
    reading: Lookup | QueryReading,
    method: Callable[..., Any],
    connection: Connection,
    allowance: Allowance,
    collection: str | None = None,
) -> Any:
    while True:
        with _reading_from(connection, collection):
            try:
                return allowance.send(method, reading.request())._pb
            except ResourceExhausted as error:
                # More than one message of gRPC holds; Datastore itself pages before that.
                if "larger than max" not in str(error) or not reading.halve():
                    raise  # pragma: no cover - no emulator has quotas, and no entity is larger than a message


def _commit(
    connection: Connection, changes: list[Folded], transaction: TransactionHandle | None, allowance: Allowance
) -> None:
    stored: dict[str, Any] = {}
    paths = tuple(change.path for change in changes if change.needs_stored)
    if paths:
        lookup = Lookup(GetPlan(paths), connection.home, id_of(transaction))
        stored = {
            one.path: one.entity for one in _look_up(connection, lookup, allowance) if isinstance(one, WireResult)
        }
    request = commit_request(changes, stored, connection.home, id_of(transaction))
    with translated(created=created_paths(changes)):
        try:
            allowance.send(connection.api.commit, request, transient=())
        except InvalidArgument as error:
            if "Too many indexed" not in str(error):
                raise
            allowance.send(connection.api.commit, with_less_indexed(request), transient=())


@contextmanager
def _reading_from(connection: Connection, collection: str | None) -> Generator[None]:
    """Say what Google's errors mean, and whether the end of the connection is behind one."""
    try:
        with translated(collection=collection):
            yield
    except (GoogleAPICallError, ValueError) as error:
        # gRPC refuses to call on a channel that was closed by a ValueError.
        connection.check_open(error)
        raise


def _check_namespace(connection: Connection, allowance: Allowance) -> None:
    """Tell an empty namespace from one that doesn't exist, once it matters.

    Raises:
        NamespaceNotFoundError: It doesn't exist.
    """
    if connection.knows_namespace:
        return
    home = connection.home
    try:
        with translated():
            response = allowance.send(connection.api.run_query, namespace_request(home))._pb
    except InvalidRequestError:
        # The emulator of Datastore mode can't be asked.
        connection.knows_namespace = True
        return
    if not response.batch.entity_results:
        raise NamespaceNotFoundError(home.namespace, home.project)
    connection.knows_namespace = True
