"""The backend holder of a context: the backend is given, or opened at first use; shared by all threads, closed once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, Generic, TypeVar, cast

from .. import _fork, _lazy
from .._urls import OpenedByUrl, split_url
from ..backend import AsyncBackend, Backend
from ..codec import Codec
from ..errors import CendryError
from .writes import Changed, Encode, Encoder

B = TypeVar("B")


class BackendHolder(Generic[B]):
    """Holds a backend.

    Args:
        backend: A given backend, which stays open; or `None`.
        make: Creates a backend at first use, which is closed with the context.
    """

    __slots__ = ("__weakref__", "_backend", "_closed", "_lock", "_make", "_owned")

    def __init__(self, backend: B | None, make: Callable[[], B]) -> None:
        self._backend = backend
        self._make = make
        self._owned = backend is None
        self._closed = False
        self.after_fork()
        _fork.register(self)

    def after_fork(self) -> None:
        """Renew the lock: in a forked child, no other thread holds it."""
        self._lock = threading.Lock()

    def backend(self) -> B:
        """The backend.

        Raises:
            CendryError: The context is closed.
        """
        backend = self._backend
        if backend is None or self._closed:
            with self._lock:
                self.check_open()
                backend = self._backend
                if backend is None:
                    backend = self._backend = self._make()
        return backend

    def encoder(self, codec: Codec[Any]) -> Encode:
        """The function from an instance to its stored fields: the backend's own, or the codec's.

        Raises:
            CendryError: The context is closed.
        """
        own: Encoder | None = getattr(self.backend(), "encoder", None)
        return codec.encode if own is None else own(codec)

    def changes(self, codec: Codec[Any], data: dict[str, Any]) -> dict[str, Any]:
        """The data of an update, in the form that the backend wants.

        Raises:
            CendryError: The context is closed.
        """
        own: Changed | None = getattr(self.backend(), "changes", None)
        return data if own is None else own(codec, data)

    def home(self) -> str | None:
        """How references name the database of the backend; `None` if the backend doesn't say.

        Raises:
            CendryError: The context is closed.
        """
        found: str | None = getattr(self.backend(), "database", None)
        return found

    def check_open(self) -> None:
        """Check that the context is open.

        Raises:
            CendryError: The context is closed.
        """
        if self._closed:
            raise CendryError("This context is closed; make a new one.")

    def release(self) -> B | None:
        """End the use of the backend; returns it if the context has to close it."""
        with self._lock:
            self._closed = True
            return self._backend if self._owned else None


class SharedHolder(BackendHolder[B]):
    """Holds the backend that another holder owns: it is usable until either is closed, and closes nothing.

    Args:
        owner: The other holder.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: BackendHolder[B]) -> None:
        super().__init__(None, owner.backend)
        self._owned = False
        self._owner = owner

    def backend(self) -> B:
        """The backend.

        Raises:
            CendryError: This context is closed, or the one that owns the backend.
        """
        self.check_open()
        return self._owner.backend()

    def check_open(self) -> None:
        """Check that both contexts are open.

        Raises:
            CendryError: One is closed.
        """
        super().check_open()
        self._owner.check_open()


def open_holder(
    client: Any, backend: Backend | None, project: str | None, database: str | None
) -> BackendHolder[Backend]:
    """The holder for the arguments of a sync context."""
    if iscoroutinefunction(_commit_of(backend)):
        raise TypeError(f"{backend!r} is a backend for AsyncCendry; Cendry takes a sync one.")
    return _holder("FirestoreBackend", client, backend, project, database)


def async_open_holder(
    client: Any, backend: AsyncBackend | None, project: str | None, database: str | None
) -> BackendHolder[AsyncBackend]:
    """The holder for the arguments of an async context."""
    # A wrapped method may be async without appearing so.
    _commit_of(backend)
    methods = [getattr(backend, name, None) for name in ("commit", "aggregate", "begin", "rollback", "close")]
    if hasattr(backend, "listen") and not any(map(iscoroutinefunction, methods)):
        if hasattr(backend, "async_twin_error"):
            raise cast("Any", backend).async_twin_error()
        raise TypeError(f"{backend!r} is a backend for Cendry; AsyncCendry takes an async one.")
    return _holder("AsyncFirestoreBackend", client, backend, project, database)


def backend_of(source: object) -> Backend:
    """The backend of the sync twin that a context uses, or that is given itself.

    Raises:
        CendryError: The context is closed.
        TypeError: It is neither, or of the async twin.
    """
    sender: Any = getattr(source, "_sender", None)
    backend: Any = source if sender is None else sender.holder.backend()
    commit = getattr(backend, "commit", None)
    if not callable(commit) or iscoroutinefunction(commit) or not hasattr(backend, "run"):
        raise TypeError(f"This takes a Cendry or a backend for it, not {source!r}.")
    return cast("Backend", backend)


def url_holder(url: str) -> BackendHolder[Backend]:
    """The holder for the URL of a sync context."""
    return _url_holder(url, 0)


def async_url_holder(url: str) -> BackendHolder[AsyncBackend]:
    """The holder for the URL of an async context."""
    return _url_holder(url, 1)


def log_close(error: Exception) -> None:
    """Log an error of closing a backend that must not hide the error raised by the block."""
    # Rarely needed, and slow to import.
    import logging

    logging.getLogger("cendry").error("The backend could not be closed when its context was exited.", exc_info=error)


def _commit_of(backend: object) -> Any:
    commit = getattr(backend, "commit", None)
    if backend is not None and not callable(commit):
        raise TypeError(f"backend= takes a backend, not {backend!r}.")
    return commit


def _url_holder(url: str, twin: int) -> BackendHolder[Any]:
    parts = split_url(url, _lazy.SCHEMES)
    kind: OpenedByUrl[Any] = _lazy.load(_lazy.SCHEMES[parts.scheme][twin])
    holder: BackendHolder[Any] = BackendHolder(None, kind.opener(parts))
    if not parts.is_file:
        # This opens no connection, and a named store in memory is kept from now on.
        backend = holder.backend()
        if twin and hasattr(backend, "async_twin_error"):
            raise backend.async_twin_error()
    return holder


def _holder(name: str, client: Any, backend: B | None, project: str | None, database: str | None) -> BackendHolder[B]:
    if backend is not None:
        given = {"client": client, "project": project, "database": database}
        others = " and ".join(f"{key}=" for key, value in given.items() if value is not None)
        if others:
            raise CendryError(f"backend= and {others} can't be combined: a backend has its own client and database.")
        return BackendHolder(backend, lambda: backend)
    if all(callable(getattr(client, name, None)) for name in ("commit", "run", "begin")):
        raise TypeError(f"client= takes a client of the Firestore SDK, not a backend; pass backend={client!r}.")
    if client is not None and (project is not None or database is not None):
        raise CendryError("client= can't be combined with project= or database=: a client already has both.")
    make = _lazy.load(name)
    holder: BackendHolder[B] = BackendHolder(None, lambda: make(client, project=project, database=database))
    if client is not None:
        # The backend then knows whether the client was used before a fork.
        holder.backend()
    return holder
