"""The database in Datastore mode: what a migration reads. It never writes there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from cendry._interop.grpc import Method, pause_after, status_of, text_of
from cendry._interop.protobuf import to_datetime
from cendry.backend import DEFAULT_OPTIONS
from cendry.errors import CendryError, InvalidRequestError, UnsupportedByBackendError
from cendry.paths import exact_text
from google.api_core import exceptions

from .. import _sdk
from .._backend import DatastoreBackend
from .._channel import Connection, check_arguments
from .._keys import Partition
from .database import Database
from .errors import DatabaseCallError, MomentExpiredError
from .paging import KeyLookup, KeyWalk, Page, count_request, key_bytes, kind_request, scatter_request
from .values import DEFAULT_DATABASE, Place, Shard

PAGE: Final = 500
"""Entities of one page, which is also what one commit takes."""

MAX_AGE: Final = timedelta(minutes=55)
"""How old the moment to read at may be; Datastore refuses an hour."""

MAX_RECOVERABLE_AGE: Final = timedelta(days=7)
"""The same with point-in-time recovery (https://cloud.google.com/datastore/docs/pitr)."""

ATTEMPTS: Final = 5
"""How often a page is asked for after errors that pass, each time with the SDK's own retries."""

_TOO_LARGE: Final = "larger than max"
_PASSING: Final = ("ABORTED", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE")
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0


class Source(Database[Connection]):
    """A database in Datastore mode that is read.

    Args:
        client: A `google.cloud.datastore.Client`, which stays open when this is closed. Without it one is made at
            first use, from the default credentials or for the emulator that `DATASTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of the client that is made.
        database: The id of its database; `None` for the default one.
        namespace: The namespace of the entities; `None` for the default one.
        read_time: The past moment that all reads are to see, where they name no other; `None` for the present.
        clock: Returns the time in seconds since 1970.

    Raises:
        TypeError: The client is not a Datastore client, or comes together with `project`, `database` or `namespace`.
        InvalidDocumentIdError: The namespace is not valid.
    """

    database_kind = Connection.database_kind
    emulator_variable = "DATASTORE_EMULATOR_HOST"

    def __init__(
        self,
        client: Any = None,
        *,
        project: str | None = None,
        database: str | None = None,
        namespace: str | None = None,
        read_time: datetime | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_arguments(client, project, database, namespace)
        given = {
            "project": project,
            "database": None if database == DEFAULT_DATABASE else database,
            "namespace": namespace,
        }
        super().__init__(client, {name: exact_text(value) for name, value in given.items()})
        self.read_time = read_time
        self._clock = clock

    def _connect(self, client: Any) -> Connection:
        return Connection(client)

    def _make_client(self, **arguments: Any) -> Any:
        return _sdk.Client(**arguments)

    @property
    def place(self) -> Place:
        """The database."""
        partition = self.partition
        return Place(partition.project, partition.database or DEFAULT_DATABASE, partition.namespace)

    @property
    def partition(self) -> Partition:
        """Where the entities live."""
        return self._connection.partition

    def backend(self, *, ndb: bool = False) -> DatastoreBackend:
        """A backend of Cendry on the same client, which it leaves open.

        Args:
            ndb: Whether it reads the forms in which ndb stores values.
        """
        options: dict[str, Any] = {"ndb": True} if ndb else {}
        return DatastoreBackend(self._connection.client, **options)

    # --- reads ---

    def pages(
        self,
        shard: Shard,
        *,
        after: bytes = b"",
        read_time: datetime | None = None,
        page: int = PAGE,
        keys_only: bool = False,
    ) -> Iterator[Page]:
        """Read the entities of a shard in key order.

        Args:
            shard: The range; `Shard(kind, 0)` is a whole kind.
            after: The `Key` message to go on after, serialized; empty for the beginning of the shard.
            read_time: The past moment to read at; `None` for that of the source.
            page: Entities of a page, at most.
            keys_only: Whether the entities are to come without properties.

        Raises:
            MomentExpiredError: The moment is too long ago.
            DatabaseCallError: The database can't be read; to go on, begin after the last page.
        """
        bounds = {"after": after or shard.start, "end": shard.end}
        return self._walk(shard.kind, read_time, size=page, keys_only=keys_only, **bounds)

    def _walk(self, kind: str | None, read_time: datetime | None, **options: Any) -> Iterator[Page]:
        read_time = read_time or self.read_time
        walk = KeyWalk(self.partition, kind, read_time=read_time, **options)
        while not walk.is_complete:
            found = walk.take(self._send(self._connection.run, walk, read_time))
            if found is not None:
                yield found

    def keys(self, kind: str | None, read_time: datetime | None = None) -> Iterator[Any]:
        """Read the keys of a kind in order, without its entities.

        Args:
            kind: The kind; `None` for all kinds.
            read_time: The past moment to read at; `None` for that of the source.

        Raises:
            MomentExpiredError: The moment is too long ago.
            DatabaseCallError: The database can't be read.
        """
        for page in self._walk(kind, read_time, size=KeyLookup.MOST, keys_only=True):
            for result in page.results:
                yield result.entity.key

    def lookup(self, keys: Sequence[Any], read_time: datetime | None = None) -> dict[bytes, Any]:
        """Read entities by key.

        Args:
            keys: `Key` messages.
            read_time: The past moment to read at; `None` for the present, also if the source has a moment.

        Returns:
            For each serialized key the `Entity` message, or `None` if there is none.

        Raises:
            MomentExpiredError: The moment is too long ago.
            DatabaseCallError: The database can't be read.
        """
        found: dict[bytes, Any] = {}
        lookup = KeyLookup(self.partition, keys, read_time)
        while not lookup.is_complete:
            found.update(lookup.take(self._send(self._connection.lookup, lookup, read_time)))
        return found

    def kinds(self) -> list[str]:
        """The kinds, in order, without those that Datastore uses itself."""
        kinds = self._names("__kind__")
        if kinds is None:
            # The emulator of Datastore mode doesn't list them.
            kinds = sorted({key.path[-1].kind for key in self.keys(None)})
        return [kind for kind in kinds if not kind.startswith("__")]

    def namespaces(self) -> list[str] | None:
        """The namespaces, `""` for the default one; `None` if the database doesn't list them."""
        return self._names("__namespace__")

    def _names(self, what: str) -> list[str] | None:
        names: list[str] = []
        while True:
            request = kind_request(self.partition, what, names[-1] if names else "", self.read_time)
            try:
                response = self._send_once(self._connection.run, request, self.read_time)
            except DatabaseCallError as error:
                if error.status == "INVALID_ARGUMENT":
                    return None
                raise
            found = [result.entity.key.path[-1].name for result in response.batch.entity_results]
            if not found or (names and found == names[-1:]):
                return names
            names += found

    def count(self, kind: str, read_time: datetime | None = None) -> int:
        """Count the entities of a kind.

        Args:
            kind: The kind.
            read_time: The past moment to read at; `None` for that of the source.

        Raises:
            MomentExpiredError: The moment is too long ago.
            DatabaseCallError: The database can't be read.
        """
        read_time = read_time or self.read_time
        request = count_request(self.partition, kind, read_time)
        try:
            response = self._send_once(self._connection.aggregate, request, read_time)
        except UnsupportedByBackendError:
            # The classic emulator has no aggregations.
            return sum(1 for _ in self.keys(kind, read_time))
        [result] = response.batch.aggregation_results
        count: int = result.aggregate_properties["count"].integer_value
        return count

    def scatter(self, kind: str, count: int) -> list[Any]:
        """Read the keys of a random sample of a kind's entities; empty if the database keeps none.

        Args:
            kind: The kind.
            count: How many, at most.

        Raises:
            DatabaseCallError: The database can't be read.
        """
        request = scatter_request(self.partition, kind, count)
        response = self._send_once(self._connection.run, request, None)
        return [result.entity.key for result in response.batch.entity_results]

    def now(self) -> datetime:
        """The present by the server's clock, or by that of this computer if the server doesn't say."""
        walk = KeyWalk(self.partition, None, size=1, keys_only=True)
        batch = self._send(self._connection.run, walk, None).batch
        if batch.HasField("read_time"):
            return to_datetime(batch.read_time)
        return self._now()

    # --- calls ---

    def check_moment(self, read_time: datetime | None) -> None:
        """Check that a moment to read at is not too long ago; emulators take any, and the database refuses late.

        Raises:
            MomentExpiredError: It is.
        """
        if read_time is None:
            return
        now = self._now()
        age = now - read_time
        if age <= MAX_AGE:
            return
        facts = self.facts()
        if facts.recovers is None and self.emulator is None:
            # Not known: the database itself will tell.
            return
        if not facts.recovers:
            raise MomentExpiredError(read_time, now, "point-in-time recovery is off")
        if read_time.second or read_time.microsecond:
            raise MomentExpiredError(read_time, now, "point-in-time recovery reads at whole minutes alone")
        if age > MAX_RECOVERABLE_AGE:
            raise MomentExpiredError(read_time, now, "point-in-time recovery reaches back 7 days")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), timezone.utc)

    def _send(self, method: Method, walk: KeyWalk | KeyLookup, read_time: datetime | None) -> Any:
        """Send what a walk or a lookup asks for next, until there is an answer."""
        failures = 0
        while True:
            try:
                return self._send_once(method, walk.request(), read_time)
            except DatabaseCallError as error:
                cause = error.__cause__
                if cause is not None and _TOO_LARGE in text_of(cause) and walk.halve():
                    continue
                failures += 1
                if error.status not in _PASSING or failures == ATTEMPTS:
                    raise
                if isinstance(walk, KeyWalk):
                    walk.begin_again()
                time.sleep(pause_after(failures, _FIRST_PAUSE, _LONGEST_PAUSE))

    def _send_once(self, method: Method, request: Any, read_time: datetime | None) -> Any:
        self.check_moment(read_time)
        connection = self._connection
        try:
            return connection.read(method, request, connection.deadline(DEFAULT_OPTIONS), moment=read_time)
        except InvalidRequestError as error:
            cause = error.__cause__
            if read_time is not None and status_of(cause or error) == "FAILED_PRECONDITION":
                raise MomentExpiredError(read_time, self._now(), "the database no longer has it") from error
            raise DatabaseCallError(self.place, cause or error) from error
        except UnsupportedByBackendError:
            raise
        except CendryError as error:
            raise DatabaseCallError(self.place, error.__cause__ or error) from error
        except (exceptions.GoogleAPICallError, exceptions.RetryError) as error:
            raise DatabaseCallError(self.place, error) from error


__all__ = ["Page", "Source", "key_bytes"]
