"""The database in Native mode: what a migration writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from cendry._interop.grpc import pause_after, status_of, text_of
from cendry._interop.protobuf import write_timestamp
from cendry.paths import exact_text
from cendry_firestore import FirestoreBackend, _sdk
from cendry_firestore._channel import Connection, check_arguments
from cendry_firestore._values import decode_fields
from google.cloud.firestore_v1 import Client

from .admin import DATASTORE_MODE, NATIVE
from .batches import MAX_BYTES, MAX_EMULATOR_BYTES, batches
from .database import Database
from .errors import DatabaseCallError, WrongModeError
from .values import DEFAULT_DATABASE, Place

Document: Final[Any] = _sdk.Document
Write: Final[Any] = _sdk.WriteMessage

SECONDS: Final = 60.0
"""What one attempt at a call may take."""

PATIENCE: Final = 300.0
"""Seconds after which no further attempt at a call begins."""

PAGE: Final = 1000
"""Documents that are given together."""

_LOOKUP: Final = 300
_NAME: Final = "__name__"
_PASSING: Final = (
    "ABORTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNKNOWN",
)
_OF_DOCUMENT: Final = ("INVALID_ARGUMENT", "OUT_OF_RANGE")
_TOO_LARGE: Final = ("exceeds maximum", "larger than max", "too big", "too large")
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 20.0


def is_too_large(error: BaseException | None) -> bool:
    """Whether an error of the SDK says that a request or an answer is too large, which no repetition changes."""
    if error is None or status_of(error) not in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"):
        return False
    return any(part in text_of(error) for part in _TOO_LARGE)


class RefusedWritesError(DatabaseCallError):
    """The database refuses a commit for what is in it: one of its documents, or all of them together.

    Attributes:
        reason: What the database says.
    """

    resumable = False

    def __init__(self, place: Place, error: Any) -> None:
        super().__init__(place, error)
        self.reason = text_of(error)
        self.args = (f"{place} refuses the documents of a commit: {self.reason}",)


class Target(Database[Connection]):
    """A database in Native mode that is written.

    Args:
        client: A `google.cloud.firestore.Client`, which stays open when this is closed. Without it one is made at
            first use, from the default credentials or for the emulator that `FIRESTORE_EMULATOR_HOST` names.
        project: The Google Cloud project of the client that is made.
        database: The id of its database; `None` for the default one.

    Raises:
        TypeError: The client is not a Firestore client, or comes together with `project` or `database`.
    """

    database_kind = Connection.database_kind
    emulator_variable = "FIRESTORE_EMULATOR_HOST"

    def __init__(self, client: Any = None, *, project: str | None = None, database: str | None = None) -> None:
        check_arguments(client, Client, "Target", project, database)
        super().__init__(client, {"project": exact_text(project), "database": exact_text(database)})

    def _connect(self, client: Any) -> Connection:
        return Connection(client, is_async=False)

    def _make_client(self, **arguments: Any) -> Any:
        return Client(**arguments)

    def fields(self, document: Any) -> dict[str, Any]:
        """The stored fields of a `Document` message, as a backend of this database gives them."""
        return decode_fields(document.fields, self.name)

    def backend(self) -> FirestoreBackend:
        """A backend on the same client, which stays open when that is closed."""
        return FirestoreBackend(self.client)

    @property
    def place(self) -> Place:
        """The database."""
        _, project, _, database = self.name.split("/")
        return Place(project, database or DEFAULT_DATABASE)

    @property
    def name(self) -> str:
        """`projects/P/databases/D`, with which the names of its documents begin."""
        return self._connection.database

    @property
    def max_bytes(self) -> int:
        """Bytes of one commit."""
        return MAX_BYTES if self._connection.emulator is None else MAX_EMULATOR_BYTES

    # --- writes ---

    def commit(
        self,
        writes: Sequence[Any],
        *,
        note: Callable[[bool], object] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Apply writes that may be repeated, such as sets of whole documents; all of them or none.

        Args:
            writes: `Write` messages: at most 500, and at most `max_bytes`.
            note: Called after each attempt with whether the database took it, or could not, since it has much to do.
            wait: Waits for some seconds before another attempt; if it returns something true, there is none.

        Raises:
            RefusedWritesError: What is in the writes can't be stored.
            WrongModeError: The database is in Datastore mode.
            DatabaseCallError: The database can't be written; nothing was, or all of it was.
        """
        connection = self._connection
        request = _sdk.CommitRequest(database=connection.database, writes=writes).SerializeToString()

        def send() -> Any:
            return connection.transport.commit.start(request, SECONDS)

        self._repeat(send, note, wait)

    def delete(self, names: Sequence[str]) -> None:
        """Delete documents, also those that don't exist.

        Args:
            names: Their full names.

        Raises:
            DatabaseCallError: The database can't be written.
        """
        for group in batches([Write(delete=name) for name in names], self.max_bytes):
            self.commit(group)

    # --- reads ---

    def get(self, names: Sequence[str], read_time: datetime | None = None) -> dict[str, Any]:
        """Read documents.

        Args:
            names: Their full names.
            read_time: The past moment to read at; `None` for the present.

        Returns:
            For each name the `Document` message, or `None` if there is none.

        Raises:
            DatabaseCallError: The database can't be read.
        """
        found: dict[str, Any] = {}
        size = _LOOKUP
        at = 0
        while at < len(names):
            try:
                found.update(self._get(names[at : at + size], read_time))
                at += size
            except DatabaseCallError as error:
                if not is_too_large(error.__cause__) or size == 1:
                    raise
                size = max(min(size, len(names) - at) // 2, 1)
        return found

    def _get(self, names: Sequence[str], read_time: datetime | None) -> dict[str, Any]:
        connection = self._connection
        request = _sdk.BatchGetDocumentsRequest(database=connection.database, documents=names)
        if read_time is not None:
            write_timestamp(request.read_time, read_time)

        def read() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for message in connection.transport.get.start(request, SECONDS):
                if message.HasField("found"):
                    found[message.found.name] = message.found
                elif message.missing:
                    found[message.missing] = None
            return found

        answer: dict[str, Any] = self._repeat(read)
        return answer

    def pages(
        self,
        collection: str | None,
        *,
        after: str = "",
        end: str = "",
        read_time: datetime | None = None,
        names_only: bool = False,
    ) -> Iterator[list[Any]]:
        """Read the documents of all collections of one id, in the order of their names.

        Args:
            collection: The collection id; `None` for all documents.
            after: The full name of the document to go on after; empty to begin with the first one.
            end: The full name of the last document; empty to end with the last one there is.
            read_time: The past moment to read at; `None` for the present.
            names_only: Whether the documents are to come without fields.

        Raises:
            DatabaseCallError: The database can't be read; to go on, begin after the last page.
        """
        failures = 0
        while True:
            page: list[Any] = []
            try:
                for document in self._stream(collection, after, end, read_time, names_only):
                    page.append(document)
                    if len(page) == PAGE:
                        yield page
                        after, page, failures = page[-1].name, [], 0
            except _sdk.STREAM_ERRORS as raised:
                if page:
                    yield page
                    after, failures = page[-1].name, 0
                failures += 1
                error = self._connection.stream_error(raised)
                if failures > 5 or status_of(error) not in _PASSING or is_too_large(error):
                    raise self._meaning(error) from error
                time.sleep(pause_after(failures, _FIRST_PAUSE, _LONGEST_PAUSE))
                continue
            if page:
                yield page
            return

    def _stream(
        self, collection: str | None, after: str, end: str, read_time: datetime | None, names_only: bool
    ) -> Iterator[Any]:
        connection = self._connection
        request = _sdk.RunQueryRequest(parent=f"{connection.database}/documents")
        query = request.structured_query
        query.from_.add(collection_id=collection or "", all_descendants=True)
        query.order_by.add(direction="ASCENDING").field.field_path = _NAME
        if names_only:
            query.select.fields.add(field_path=_NAME)
        if after:
            query.start_at.values.add(reference_value=after)
        if end:
            query.end_at.values.add(reference_value=end)
        if read_time is not None:
            write_timestamp(request.read_time, read_time)
        stream = connection.transport.run.start(request, PATIENCE)
        try:
            for message in stream:
                if message.HasField("document"):
                    yield message.document
        finally:
            connection.transport.release(stream)

    def has_documents(self, collection: str) -> bool:
        """Whether there is a document in a collection of an id.

        Raises:
            DatabaseCallError: The database can't be read.
        """
        connection = self._connection
        request = _sdk.RunQueryRequest(parent=f"{connection.database}/documents")
        query = request.structured_query
        query.from_.add(collection_id=collection, all_descendants=True)
        query.select.fields.add(field_path=_NAME)
        query.limit.value = 1

        def read() -> bool:
            return any(
                message.HasField("document") for message in list(connection.transport.run.start(request, SECONDS))
            )

        found: bool = self._repeat(read)
        return found

    # --- calls ---

    def _repeat(
        self,
        send: Callable[[], Any],
        note: Callable[[bool], object] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> Any:
        """Make attempts at a call until one succeeds, or fails for good."""
        connection = self._connection
        failures = 0
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                answer = send()
            except _sdk.STREAM_ERRORS as raised:
                error = connection.stream_error(raised)
            else:
                if note is not None:
                    note(True)
                return answer
            passes = status_of(error) in _PASSING and not is_too_large(error)
            if note is not None and passes:
                note(False)
            if passes and connection.emulator is not None and connection.is_unreached():
                raise connection.emulator.unreachable() from error
            failures += 1
            if not passes or time.monotonic() > ends or wait(pause_after(failures, _FIRST_PAUSE, _LONGEST_PAUSE)):
                raise self._meaning(error) from error

    def _meaning(self, error: Any) -> Exception:
        if is_too_large(error) or status_of(error) in _OF_DOCUMENT:
            return RefusedWritesError(self.place, error)
        if status_of(error) == "FAILED_PRECONDITION" and "datastore mode" in text_of(error).lower():
            return WrongModeError(self.place, DATASTORE_MODE, "target", NATIVE)
        return DatabaseCallError(self.place, error)
