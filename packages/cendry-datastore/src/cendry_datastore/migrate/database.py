"""One of the two databases of a migration: its client, opened at first use, and what is known of it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cendry._interop.emulator import Emulator
from cendry._interop.grpc import check_process
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from .admin import DatabaseFacts, database_facts
from .errors import DatabaseCallError, MissingCredentialsError
from .values import DEFAULT_DATABASE, Place


class Connection(Protocol):
    """An SDK client, opened."""

    client: Any
    emulator: Emulator | None

    def close(self) -> None:
        """Close the client."""
        ...


ConnectionT = TypeVar("ConnectionT", bound=Connection)
DatabaseT = TypeVar("DatabaseT", bound="Database[Any]")


class Database(ABC, Generic[ConnectionT]):
    """A database.

    Args:
        client: A client of the SDK, which stays open when this is closed; `None` to make one at first use.
        arguments: The arguments of the client that is made.
    """

    database_kind: ClassVar[str]
    """The name of the database in error messages."""

    emulator_variable: ClassVar[str]
    """The environment variable that names an emulator instead of the database."""

    def __init__(self, client: Any, arguments: dict[str, Any]) -> None:
        self._given = client
        self._arguments = arguments
        self._lock = threading.Lock()
        self._opened: ConnectionT | None = None
        self._facts: DatabaseFacts | None = None

    def __enter__(self: DatabaseT) -> DatabaseT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client, if this made it; the next use makes another one."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None and self._given is None:
            opened.close()

    @property
    def _connection(self) -> ConnectionT:
        with self._lock:
            if self._opened is None:
                check_process(self.database_kind)
                self._opened = self._connect(self._given or self._new_client())
            return self._opened

    @abstractmethod
    def _connect(self, client: Any) -> ConnectionT:
        """Open a client."""

    @abstractmethod
    def _make_client(self, **arguments: Any) -> Any:
        """Make a client."""

    def _new_client(self) -> Any:
        given = self._arguments
        try:
            return self._make_client(**given)
        except GoogleAuthError as error:
            place = Place(given["project"] or "?", given["database"] or DEFAULT_DATABASE, given.get("namespace") or "")
            if isinstance(error, DefaultCredentialsError):
                raise MissingCredentialsError(place, error, self.emulator_variable) from error
            raise DatabaseCallError(place, error) from error

    @property
    def client(self) -> Any:
        """The SDK's client; made now if there is none yet."""
        return self._connection.client

    @property
    @abstractmethod
    def place(self) -> Place:
        """The database."""

    @property
    def emulator(self) -> str | None:
        """The address of the emulator; `None` if it is not one."""
        emulator = self._connection.emulator
        return None if emulator is None else "{}:{}".format(*emulator.address)

    def facts(self) -> DatabaseFacts:
        """The mode of the database, and whether it has point-in-time recovery; asked for once."""
        if self._facts is None:
            known = self.emulator is not None
            self._facts = DatabaseFacts() if known else database_facts(self.place, self.client._credentials)
        return self._facts
