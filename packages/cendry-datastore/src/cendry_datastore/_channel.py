"""What a backend needs of a client: the generated client below it, its methods, and where its documents live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from cendry import _fork
from cendry._interop.commits import CommitAttempts
from cendry._interop.emulator import Emulator
from cendry._interop.grpc import (
    ClientConnection,
    Deadline,
    Errors,
    Method,
    RetryPolicy,
    Start,
    check_client,
    check_process,
    note_channel,
)
from cendry._interop.grpc_sync import send
from cendry.errors import CendryError
from cendry.plan import AggregationPlan, QueryPlan
from google.api_core import exceptions

from . import _sdk
from ._errors import meaning_of
from ._keys import Partition, check_namespace

_UNAVAILABLE: Final[Errors] = (exceptions.ServiceUnavailable,)

READ: Final = RetryPolicy(_sdk.API, 60.0, (exceptions.DeadlineExceeded, *_UNAVAILABLE), _UNAVAILABLE)
TRANSACT: Final = RetryPolicy(_sdk.API, 60.0, (), _UNAVAILABLE)
# The SDK repeats no commit; Cendry repeats those that can't take effect twice (`cendry.plan.is_repeatable`).
COMMIT: Final = RetryPolicy(_sdk.API, 60.0, _UNAVAILABLE, _UNAVAILABLE)

READS_BEGIN_ON_EMULATORS = False
"""Whether first reads begin transactions on emulators too: on that of Datastore mode, the locks of a lookup that begins
one are never released, not even for its own commit. The classic one can do it, but they can't be told apart."""


class Connection(ClientConnection):
    """A client, opened.

    Attributes:
        partition: Where the documents live.
        knows_namespace: Whether its namespace is known to exist, or can't be asked for.
        begins_by_reading: Whether the first read of a transaction begins it, and not a request of its own.

    Args:
        client: The client; its channel is opened, if it is not open yet.
        max_inflated: The most bytes of a value that ndb compressed; 0 if what ndb stores in its own forms isn't read.

    Raises:
        CendryError: The client speaks HTTP, and Cendry's messages are gRPC's; or it is for an emulator, and what names
            that is not `host:port`.
    """

    __slots__ = (
        "aggregate",
        "begin",
        "begins_by_reading",
        "commit",
        "knows_namespace",
        "lookup",
        "partition",
        "rollback",
        "run",
    )
    database_kind = "Datastore"

    def __init__(self, client: Any, max_inflated: int = 0) -> None:
        if not client._use_grpc:
            raise CendryError(
                "This Datastore client speaks HTTP; make one without _use_grpc=False and without "
                "GOOGLE_CLOUD_DISABLE_GRPC in the environment."
            )
        emulator = _emulator(client)
        note_channel(_fork.process)
        api = client._datastore_api
        super().__init__(client, api, emulator, _sdk.API.retry)
        self.partition = Partition(
            client.project, client.database or "", client.namespace or "", max_inflated=max_inflated
        )
        self.knows_namespace = not self.partition.namespace
        self.begins_by_reading = emulator is None or READS_BEGIN_ON_EMULATORS
        self.lookup = Method(_start(api.lookup), READ)
        self.run = Method(_start(api.run_query), READ)
        self.aggregate = Method(_start(api.run_aggregation_query), READ)
        self.begin = Method(_start(api.begin_transaction), TRANSACT)
        self.commit = Method(_start(api.commit), COMMIT)
        self.rollback = Method(_start(api.rollback), TRANSACT)

    def read(
        self,
        method: Method,
        request: Any,
        deadline: Deadline,
        query: QueryPlan | AggregationPlan | None = None,
        moment: datetime | None = None,
    ) -> Any:
        """Send a request that reads.

        Args:
            method: The method.
            request: The request.
            deadline: The time that is left.
            query: The query, if it is one.
            moment: The past moment to read at, if there is one.

        Raises:
            CendryError: The error has a Cendry meaning, or the connection was closed meanwhile, or inherited.
        """
        if self.is_inherited:
            check_process(self.database_kind)
        try:
            return call(method, request, deadline, query=query, moment=moment)
        except (exceptions.GoogleAPICallError, ValueError) as error:
            # gRPC refuses to call on a channel that was closed by a ValueError.
            self.check_open(error)
            raise

    def close(self) -> None:
        """Close the client's channel."""
        self.is_closed = True
        self.api.transport.close()


def _start(method: Callable[..., Any]) -> Start:
    def start(request: Any, seconds: float) -> Any:
        return method(request=_sdk.wrapped(request), retry=None, timeout=seconds)._pb

    return start


def call(
    method: Method,
    request: Any,
    deadline: Deadline,
    *,
    query: QueryPlan | AggregationPlan | None = None,
    moment: datetime | None = None,
) -> Any:
    """Send a request, for its response.

    Args:
        method: The method.
        request: The request.
        deadline: The time that is left.
        query: The query, if it is one.
        moment: The past moment to read at, if there is one.

    Raises:
        CendryError: The error has a Cendry meaning.
        GoogleAPICallError: It has none.
    """
    try:
        return send(partial(method.start, request), deadline, method.policy)
    except exceptions.GoogleAPICallError as error:
        meaning = meaning_of(error, query=query, moment=moment)
        if meaning is None:
            raise
        raise meaning from error


def send_commit(
    method: Method, request: Any, deadline: Deadline, attempts: CommitAttempts, created: Sequence[str]
) -> None:
    """Send a commit.

    Args:
        method: The method.
        request: The request.
        deadline: The time that is left.
        attempts: Records the attempts that fail.
        created: The paths that must not exist yet.

    Raises:
        OutcomeUnknownError: An answer was lost, and a repetition did not settle what became of the commit.
        CendryError: The error has another Cendry meaning.
        GoogleAPICallError: It has none.
    """
    try:
        send(partial(method.start, request), deadline, method.policy, attempts.may_repeat)
    except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
        meaning = attempts.unknown(error) or meaning_of(error, created=created)
        if meaning is None:
            raise
        raise meaning from meaning.__cause__ or error


def _emulator(client: Any) -> Emulator | None:
    scheme, _, host = client._base_url.partition("://")
    if scheme != "http":
        return None
    emulator = Emulator("DATASTORE_EMULATOR_HOST", host, Connection.database_kind)
    # The SDK itself refuses credentials of a client's own beside an emulator.
    emulator.warn_beside_credentials(has_credentials=False)
    return emulator


def keep_client(client: Any) -> None:
    """Leave a client to the parent of this process, if it has opened its channel."""
    if client is not None and client._datastore_api_internal is not None:
        note_channel(_fork.process)
        _fork.keep(client)


def check_arguments(client: Any, project: str | None, database: str | None, namespace: str | None) -> None:
    """Refuse arguments that contradict each other, and what is not a client.

    Raises:
        TypeError: The client is not Datastore's, or comes with what it knows already.
        InvalidDocumentIdError: The namespace is not valid.
    """
    check_namespace(namespace)
    name = "google.cloud.datastore.Client"
    check_client(client, _sdk.Client, name, project=project, database=database, namespace=namespace)
