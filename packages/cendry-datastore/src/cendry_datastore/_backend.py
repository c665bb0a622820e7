"""The backend. It only sends: requests and results are made in the modules beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from cendry import _fork
from cendry._interop.commits import CommitAttempts
from cendry._interop.grpc import Deadline, Method, check_process, pause_after
from cendry._interop.protobuf import check_read_time
from cendry._types.messages import MessageData
from cendry._urls import DatabaseUrl, project_and_database
from cendry.backend import DEFAULT_OPTIONS, CallOptions, CommitResult, StoredDocument
from cendry.errors import (
    InvalidPageTokenError,
    InvalidRequestError,
    TransactionContentionError,
    UnsupportedByBackendError,
)
from cendry.paths import exact_text
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write
from google.api_core.exceptions import ResourceExhausted

from . import _sdk
from ._channel import Connection, call, check_arguments, keep_client, send_commit
from ._commit import EntityWrites, by_entity, commit_request, created_paths, with_less_indexed
from ._entities import FoundEntity
from ._errors import NamespaceNotFoundError
from ._ndb import MAX_INFLATED
from ._requests import (
    aggregation_request,
    aggregation_result,
    begin_request,
    counts_of,
    is_plain_count,
    keys_plan,
    namespace_request,
    rollback_request,
)
from ._stream import Lookup, QueryPages, checked_moment
from ._transactions import TransactionHandle
from ._unsupported import NAME, unsupported
from ._values import NdbChanges, NdbData

if TYPE_CHECKING:
    from cendry.codec import Codec
    from cendry.codec.dialect import Dialect

COMMIT_ATTEMPTS: Final = 12
"""Attempts at a commit outside of transactions that contends with others for the same documents."""

PATIENCE: Final = 10.0
"""Seconds after which no further attempt begins: one that waits for a lock takes long."""

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


@cache
def _compiler() -> tuple[Callable[..., Callable[[Any], MessageData]], Dialect]:
    # Imported on first use, as the compiler would double what importing this package adds to importing the SDK.
    from cendry.codec.message import encoder

    from ._dialect import DATASTORE

    return encoder, DATASTORE


def _encoder_for_ndb(codec: Codec[Any], encode: Callable[[Any], MessageData]) -> Callable[[Any], MessageData]:
    from ._ndb_forms import own_fields_of_codec

    fields, model = own_fields_of_codec(codec), codec.model.__qualname__

    def encode_for_ndb(instance: Any) -> MessageData:
        data = encode(instance)
        return NdbData(data.message, data.base, fields, model)

    return encode_for_ndb


def _checked_limit(ndb: object, max_inflated: object) -> int:
    """The limit of decompression; 0 without `ndb`."""
    if not isinstance(ndb, bool):
        raise TypeError(f"ndb= takes True or False, not {ndb!r}.")
    if not isinstance(max_inflated, int) or isinstance(max_inflated, bool):
        raise TypeError(f"max_inflated= takes a number of bytes, not {max_inflated!r}.")
    if max_inflated < 1:
        raise ValueError(f"max_inflated= takes a positive number of bytes, not {max_inflated}.")
    return max_inflated if ndb else 0


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
        ndb: Whether fields are also read from the forms in which ndb stores them, by their annotations: structured
            properties in parts (`address.city`), compressed values, serialized entities and JSON. What is stored is
            written back in the same form, so that ndb still reads it; new values get the forms that ndb reads, as the
            metadata of their fields says (`field(metadata={"ndb": "compressed"})`).
        max_inflated: With `ndb`, the most bytes of one value after decompression; a larger one is a `DecodeError`.

    Raises:
        TypeError: The client is not a Datastore client, or comes together with `project`, `database` or `namespace`;
            `ndb` is not a bool, or `max_inflated` is not an int.
        ValueError: `max_inflated` is not positive.
        InvalidDocumentIdError: The namespace is not valid.
    """

    name = NAME
    system = "gcp.datastore"
    has_cursors = True

    def __init__(
        self,
        client: Any = None,
        *,
        project: str | None = None,
        database: str | None = None,
        namespace: str | None = None,
        ndb: bool = False,
        max_inflated: int = MAX_INFLATED,
    ) -> None:
        check_arguments(client, project, database, namespace)
        self._max_inflated = _checked_limit(ndb, max_inflated)
        self._given = client
        given = {"project": project, "database": database, "namespace": namespace}
        self._arguments = {name: exact_text(value) for name, value in given.items()}
        self._lock = threading.Lock()
        self._opened: Connection | None = None
        _fork.register(self)

    @classmethod
    def opener(cls, url: DatabaseUrl) -> Callable[[], DatastoreBackend]:
        """A function that makes the backend of a URL, checked now: `datastore://PROJECT/DATABASE?namespace=N&ndb=1`."""
        project, database = project_and_database(url)
        url.check_query(["namespace", "ndb"])
        ndb = url.query.get("ndb", "0")
        if ndb not in ("0", "1"):
            url.refuse(f"ndb is {ndb[:80]!r}; it is 1, to read what ndb stores in forms of its own, or 0")
        return partial(cls, project=project, database=database, namespace=url.query.get("namespace"), ndb=ndb == "1")

    def after_fork(self) -> None:
        """Leave the connection to the parent of this process."""
        self._lock = threading.Lock()
        keep_client(self._given)
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.after_fork()

    @property
    def client(self) -> Any:
        """The SDK's `Client`; made now if there is none yet."""
        return self._connection.client

    @property
    def database(self) -> str:
        """How references name the project, the database and the namespace of the client."""
        return self._connection.partition.name

    @property
    def server(self) -> tuple[str, int] | None:
        """The host and port of the database or its emulator, if they are known."""
        return self._connection.server

    @property
    def _connection(self) -> Connection:
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened
                if opened is None:
                    check_process(NAME)
                    client = self._given or _sdk.Client(**self._arguments)
                    opened = self._opened = Connection(client, self._max_inflated)
        return opened

    # --- reads ---

    def check_read_time(self, moment: datetime) -> None:
        """Check that a moment to read at is not in the future; a difference between clocks is allowed for."""
        check_read_time(moment)

    def get(
        self, plan: GetPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Read documents by path: one result for each path, absent ones included, in any order."""
        connection = self._connection
        lookup = Lookup(plan, connection.partition, transaction)
        return _remembered(_look_up(connection, lookup, connection.deadline(options)), plan, transaction)

    def run(
        self, plan: QueryPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> Iterator[StoredDocument]:
        """Stream the documents of a query, in its order, over as many calls as it takes.

        Raises:
            NamespaceNotFoundError: There is nothing, because the namespace of this backend doesn't exist.
        """
        connection = self._connection
        pages = QueryPages(plan, connection.partition, transaction)
        return _remembered(_run(connection, pages, connection.deadline(options)), plan, transaction)

    def aggregate(
        self, plan: AggregationPlan, *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> tuple[int | float | None, ...]:
        """Compute figures over a query, one for each aggregation of the plan.

        Documents are counted by reading their keys, up to 1,000 in a call: Datastore itself counts all entities of the
        kind, however deep below the parent.

        Raises:
            UnsupportedByBackendError: A sum or an average over entities of which some are deeper below the parent.
        """
        connection = self._connection
        deadline = connection.deadline(options)
        figures: tuple[int | float | None, ...] = ()
        has_others = any(one.path is not None for one in plan.aggregations)
        if has_others or not is_plain_count(plan):
            if transaction is not None:
                _begin_first(connection, transaction, deadline)
            request = aggregation_request(plan, connection.partition, transaction)
            moment = checked_moment(plan.query)
            response = connection.read(connection.aggregate, request, deadline, plan, moment)
            figures = aggregation_result(plan, response, connection.partition)
        keys = QueryPages(keys_plan(plan), connection.partition, transaction)
        count = 0
        while not keys.is_complete:
            count += sum(1 for _ in keys.results(_response_to(keys, connection.run, connection, deadline)))
        if not has_others:
            return counts_of(plan, count)
        if keys.left_out:
            raise unsupported("sums and averages over a kind that is in deeper collections as well")
        # Together with them, the server counts only the entities that have all their properties.
        return figures

    # --- writes ---

    def commit(
        self, writes: Sequence[Write], *, options: CallOptions = DEFAULT_OPTIONS, transaction: Any = None
    ) -> CommitResult:
        """Apply all writes, in order, or none. With a transaction, this ends it.

        What depends on stored documents reads them at the commit, in the same transaction.
        """
        changes = by_entity(writes)
        connection = self._connection
        deadline = connection.deadline(options)
        if transaction is not None:
            _end_by_commit(connection, changes, transaction, deadline)
        elif changes:
            _commit_with_retries(connection, changes, deadline)
        if changes:
            connection.knows_namespace = True
        return CommitResult((None,) * len(writes))

    def encoder(self, codec: Codec[Any]) -> Callable[[Any], MessageData]:
        """A function from an instance to its stored fields, in the message that `commit` sends."""
        encoder, dialect = _compiler()
        encode = encoder(codec, dialect, self._connection.partition)
        return _encoder_for_ndb(codec, encode) if self._max_inflated and not codec.is_untagged else encode

    def changes(self, codec: Codec[Any], data: dict[str, Any]) -> dict[str, Any]:
        """The data of an update as `commit` wants it."""
        if not self._max_inflated:
            return data
        # Imported here for the same reason as the compiler.
        from ._ndb_forms import fields_of_codec

        return NdbChanges(data, fields_of_codec(codec), codec.model.__qualname__)

    # --- transactions ---

    def begin(self, *, read_only: bool = False, retry_of: Any = None) -> Any:
        """Return the handle of a new transaction, which its first read begins."""
        return TransactionHandle(read_only, None if retry_of is None else retry_of.id or retry_of.previous)

    def rollback(self, transaction: Any, *, options: CallOptions = DEFAULT_OPTIONS) -> None:
        """End a transaction without writing; if it has read nothing or is read-only, nothing is sent."""
        transaction.settle()
        transaction.has_ended = True
        if transaction.id is not None and not transaction.is_read_only:
            connection = self._connection
            _roll_back(connection, transaction, connection.deadline(options))

    # --- what Datastore mode lacks ---

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        on_change: Callable[..., None],
        on_error: Callable[[BaseException], None],
    ) -> NoReturn:
        """Refuse to listen: Datastore mode has no listeners.

        Raises:
            UnsupportedByBackendError: Always.
        """
        raise unsupported("listeners")

    def async_twin_error(self) -> UnsupportedByBackendError:
        """The error that `AsyncCendry` raises for this backend."""
        return unsupported("the async twin")

    def close(self) -> None:
        """Close the client with its channel if this backend made it.

        The next use opens another, so that a backend may be shared by several contexts.
        """
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and self._given is None:
            opened.close()


# --- reads ---


def _remembered(
    results: Iterator[StoredDocument], plan: GetPlan | QueryPlan, transaction: TransactionHandle | None
) -> Iterator[StoredDocument]:
    """The same results; a transaction that can write remembers those that are whole."""
    if transaction is None or transaction.is_read_only or plan.projection is not None:
        return results
    return _remembering(results, transaction)


def _remembering(results: Iterator[StoredDocument], transaction: TransactionHandle) -> Iterator[StoredDocument]:
    for result in results:
        transaction.remember(result.path, result.entity if isinstance(result, FoundEntity) else None)
        yield result


def _run(connection: Connection, pages: QueryPages, deadline: Deadline) -> Iterator[StoredDocument]:
    found = False
    while not pages.is_complete:
        for result in pages.results(_response_to(pages, connection.run, connection, deadline)):
            found = True
            yield result
    if not found:
        _check_namespace(connection, deadline)


def _look_up(connection: Connection, lookup: Lookup, deadline: Deadline) -> Iterator[StoredDocument]:
    while not lookup.is_complete:
        yield from lookup.results(_response_to(lookup, connection.lookup, connection, deadline))


def _response_to(read: Lookup | QueryPages, method: Method, connection: Connection, deadline: Deadline) -> Any:
    transaction = read.transaction
    if transaction is not None and transaction.id is None:
        if not connection.begins_by_reading:
            _begin_first(connection, transaction, deadline)
        else:
            with transaction.gate:
                # Another thread may have begun it meanwhile.
                if transaction.id is None:
                    transaction.check_open()
                    response = _next_response(read, method, connection, deadline)
                    transaction.begin_by(response)
                    _check_wanted(connection, transaction, deadline)
                    return response
    try:
        return _next_response(read, method, connection, deadline)
    except Exception:
        if transaction is not None:
            # If it was ended meanwhile, the server says so in words of its own.
            transaction.check_open()
        raise


def _next_response(read: Lookup | QueryPages, method: Method, connection: Connection, deadline: Deadline) -> Any:
    while True:
        try:
            return connection.read(method, read.request(), deadline, read.query, read.moment)
        except InvalidRequestError as error:
            # A transaction is refused queries for reasons of its own.
            if not read.is_at_token or read.transaction is not None:
                raise
            raise InvalidPageTokenError(f"the database refused it: {error.detail}") from error
        except ResourceExhausted as error:
            # More than one message of gRPC holds; Datastore itself pages before that.
            if "larger than max" not in str(error) or not read.halve():
                raise  # pragma: no cover - no emulator has quotas, and no entity is larger than a message


def _check_namespace(connection: Connection, deadline: Deadline) -> None:
    """Refuse a namespace that doesn't exist, as an empty one looks the same.

    Raises:
        NamespaceNotFoundError: It doesn't exist.
    """
    if connection.knows_namespace:
        return
    partition = connection.partition
    try:
        response = call(connection.run, namespace_request(partition), deadline)
    except InvalidRequestError:
        # The emulator of Datastore mode can't be asked.
        connection.knows_namespace = True
        return
    if not response.batch.entity_results:
        raise NamespaceNotFoundError(partition.namespace, partition.project)
    connection.knows_namespace = True


# --- transactions ---


def _begin_first(connection: Connection, transaction: TransactionHandle, deadline: Deadline) -> None:
    """Begin a transaction by a request of its own, unless it has begun."""
    if transaction.id is not None:
        return
    with transaction.gate:
        if transaction.id is None:
            transaction.check_open()
            transaction.begin_by(call(connection.begin, begin_request(connection.partition, transaction), deadline))
            _check_wanted(connection, transaction, deadline)


def _check_wanted(connection: Connection, transaction: TransactionHandle, deadline: Deadline) -> None:
    """End a transaction that began too late: its context has ended it, and nobody else would."""
    if transaction.has_ended:
        _roll_back(connection, transaction, deadline)
        transaction.check_open()


def _roll_back(connection: Connection, transaction: TransactionHandle, deadline: Deadline) -> None:
    call(connection.rollback, rollback_request(connection.partition, transaction), deadline)


# --- commits ---


def _end_by_commit(
    connection: Connection, changes: list[EntityWrites], transaction: TransactionHandle, deadline: Deadline
) -> None:
    """Commit in a transaction of the caller's, which this ends."""
    transaction.settle()
    transaction.check(writes=bool(changes))
    if transaction.id is None and not any(change.needs_stored for change in changes):
        if changes:
            _commit(connection, changes, None, deadline)
    elif not transaction.is_read_only:
        _commit(connection, changes, transaction, deadline)
    transaction.has_ended = True


def _commit_with_retries(connection: Connection, changes: list[EntityWrites], deadline: Deadline) -> None:
    """Commit outside of transactions, with retries on contention."""
    started = time.monotonic()
    for attempt in range(1, COMMIT_ATTEMPTS + 1):
        try:
            _commit_alone(connection, changes, deadline)
            return
        except TransactionContentionError as error:
            pause = pause_after(attempt, _FIRST_PAUSE, _LONGEST_PAUSE)
            rest = min(deadline.seconds_left, started + PATIENCE - time.monotonic())
            if attempt == COMMIT_ATTEMPTS or pause >= rest or not deadline.has_retries:
                raise TransactionContentionError(attempt) from error.__cause__
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached


def _commit_alone(connection: Connection, changes: list[EntityWrites], deadline: Deadline) -> None:
    """Commit outside of transactions, or in one of its own if that depends on what is stored."""
    if not any(change.needs_stored for change in changes):
        _commit(connection, changes, None, deadline)
        return
    transaction = TransactionHandle()
    try:
        _commit(connection, changes, transaction, deadline)
    except BaseException:
        try:
            if transaction.id is not None:
                _roll_back(connection, transaction, deadline)
        except Exception:  # noqa: S110
            # The reason is on its way to the caller, and Datastore ends idle transactions by itself.
            pass
        raise


def _commit(
    connection: Connection, changes: list[EntityWrites], transaction: TransactionHandle | None, deadline: Deadline
) -> None:
    needed = [change.path for change in changes if change.needs_stored]
    stored = {} if transaction is None else transaction.read_of(needed)
    paths = tuple(path for path in needed if path not in stored)
    if paths:
        lookup = Lookup(GetPlan(paths), connection.partition, transaction)
        results = _look_up(connection, lookup, deadline)
        stored.update((result.path, result.entity) for result in results if isinstance(result, FoundEntity))
    begun = None if transaction is None else transaction.id
    request, created = commit_request(changes, stored, connection.partition, begun), created_paths(changes)
    writes = [write for change in changes for write in change.writes]

    def send(request: Any) -> None:
        attempts = CommitAttempts(writes, in_transaction=begun is not None)
        send_commit(connection.commit, request, deadline, attempts, created)

    try:
        send(request)
    except InvalidRequestError as error:
        if "Too many indexed" not in str(error):
            raise
        send(with_less_indexed(request))
