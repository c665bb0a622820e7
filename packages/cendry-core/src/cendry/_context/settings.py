"""From the arguments of a context to its settings and its door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from inspect import iscoroutinefunction
from random import Random
from typing import Any, TypeVar, cast

from .. import _lazy
from .._types.registry import TypeRegistry, default_registry
from ..backend import AsyncBackend, Backend, CallOptions
from ..errors import CendryError
from .session import Door, Settings
from .writes import Encoder, Writer, utc_now

B = TypeVar("B")


def settings(
    registry: TypeRegistry | None,
    timeout: Any,
    retry: Any,
    clock: Callable[[], datetime] | None,
    random: Random | None,
    encoder: Encoder,
) -> Settings:
    """What holds for all calls of a context."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0):
        raise ValueError(f"timeout= takes seconds, more than 0, not {timeout!r}.")
    if registry is not None and not isinstance(cast(object, registry), TypeRegistry):
        raise TypeError(f"type_registry= takes a TypeRegistry, not {registry!r}.")
    if clock is not None and not callable(clock):
        raise TypeError(f"clock= takes a function that gives the time, not {clock!r}.")
    registry = default_registry if registry is None else registry
    writer = Writer(registry, utc_now if clock is None else clock, encoder)
    return Settings(registry, CallOptions(timeout, retry), writer, Random() if random is None else random)  # noqa: S311


def open_door(client: Any, backend: Backend | None, project: str | None, database: str | None) -> Door[Backend]:
    """The way to the backend of a sync context."""
    if iscoroutinefunction(_commit_of(backend)):
        raise TypeError(f"{backend!r} is a backend for AsyncCendry; Cendry takes one of the sync twin.")
    return _door("FirestoreBackend", client, backend, project, database)


def open_async_door(
    client: Any, backend: AsyncBackend | None, project: str | None, database: str | None
) -> Door[AsyncBackend]:
    """The way to the backend of an async context."""
    # A wrapped method may be async without showing it; only sync backends have listeners.
    if not iscoroutinefunction(_commit_of(backend)) and hasattr(backend, "listen"):
        if hasattr(backend, "async_twin_error"):
            raise cast("Any", backend).async_twin_error()
        raise TypeError(f"{backend!r} is a backend for Cendry; AsyncCendry takes one of the async twin.")
    return _door("AsyncFirestoreBackend", client, backend, project, database)


def _commit_of(backend: object) -> Any:
    commit = getattr(backend, "commit", None)
    if backend is not None and not callable(commit):
        raise TypeError(f"backend= takes a backend, not {backend!r}.")
    return commit


def _door(name: str, client: Any, backend: B | None, project: str | None, database: str | None) -> Door[B]:
    if backend is not None:
        given = {"client": client, "project": project, "database": database}
        others = " and ".join(f"{key}=" for key, value in given.items() if value is not None)
        if others:
            raise CendryError(
                f"backend= and {others} exclude each other: a backend brings its own client and database."
            )
        return Door(backend, lambda: backend)
    if client is not None and (project is not None or database is not None):
        raise CendryError("client= excludes project= and database=: a client has a project and a database already.")
    make = _lazy.load(name)
    return Door(None, lambda: make(client, project=project, database=database))
