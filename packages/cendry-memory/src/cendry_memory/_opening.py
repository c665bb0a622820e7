"""The store of a backend: a new one, that of another backend, or the one of a file or a name; for both twins."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, cast
from weakref import WeakValueDictionary

from cendry import _fork
from cendry._urls import DatabaseUrl
from cendry.indexes import Indexes, read_indexes

from ._clock import Clock
from ._journal import Journal, StoreFileError, inherited
from ._lock import Lock
from ._store import MemoryStore

FORK_SECONDS: Final = 10.0
"""How long a fork waits at most for a thread that reads or writes a file."""


class OpenFiles:
    """The stores of this process whose files are open, by device and inode, so that links lead to the same store.

    While the process forks, no thread is in the middle of a call to SQLite: a child would inherit SQLite's locks.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stores: WeakValueDictionary[tuple[int, int], MemoryStore] = WeakValueDictionary()
        self._inherited: dict[tuple[int, int], int] = {}
        self._held: list[Lock] = []

    def open(
        self, user: object, path: str | os.PathLike[str], rules: Indexes | None, clock: Clock | None
    ) -> MemoryStore:
        """The store of a file for a backend.

        Raises:
            StoreFileError: The file can't be used, or is open with other rules or another clock.
            UsedBeforeForkError: The file was opened before this process was forked.
        """
        with self._lock:
            key = _key(path)
            store = None if key is None else self._stores.get(key)
            if store is None or not store.is_open:
                if key in self._inherited:
                    raise inherited(os.fspath(path), self._inherited[key])
                store = MemoryStore(Journal(path), rules=rules, clock=clock)
                found = os.stat(path)
                self._stores[found.st_dev, found.st_ino] = store
            elif not store.has(rules, clock):
                raise StoreFileError(
                    os.path.abspath(path),
                    "is already open in this process, with other strict_indexes= or another clock=; pass the same, or "
                    "close that backend first.",
                )
            store.join(user)
            return store

    def leave(self, user: object, store: MemoryStore) -> MemoryStore:
        """End the use of a store by a backend; gives the store that the backend has from now on."""
        with self._lock:
            return store.leave(user)

    # --- while the process forks ---

    def before_fork(self) -> None:
        """Wait for threads that read or write a file."""
        self._hold(self._lock)
        for store in self._open_stores():
            self._hold(store.lock)

    def _hold(self, lock: Lock) -> None:
        if lock.acquire(timeout=FORK_SECONDS):
            self._held.append(lock)

    def _open_stores(self) -> list[MemoryStore]:
        stores = [reference() for reference in self._stores.valuerefs()]
        return [store for store in stores if store is not None and store.is_open]

    def after_fork_in_parent(self) -> None:
        """Let them go on."""
        while self._held:
            self._held.pop().release()

    def after_fork_in_child(self) -> None:
        """Remember which files the parent had open; SQLite refuses to open them here, even after it has ended."""
        self._lock = Lock()
        self._held.clear()
        for key, store in list(self._stores.items()):
            if store.inherited_from is not None:
                self._inherited[key] = store.inherited_from


def _key(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


_files: Final = OpenFiles()

B = TypeVar("B")


class NamedStores:
    """The stores of this process that have a name: each is kept until all of its backends are closed or collected."""

    def __init__(self) -> None:
        self._stores: WeakValueDictionary[str, MemoryStore] = WeakValueDictionary()
        self._lock = _fork.hold(threading.RLock())

    def backend(self, name: str, make: Callable[[MemoryStore], B]) -> B:
        """Another backend for the store of a name, which is made if there is none."""
        with self._lock:
            store = self._stores.get(name)
            if store is None:
                store = self._stores[name] = MemoryStore(name=name)
            return make(store)

    def leave(self, user: object, store: MemoryStore) -> MemoryStore:
        """End the use of a store by a backend; without any other, the name is free again."""
        with self._lock:
            if not store.leave(user).is_used and self._stores.get(store.name or "") is store:
                del self._stores[store.name or ""]
            return store


_names: Final = NamedStores()

if _fork.CAN_FORK:
    os.register_at_fork(
        before=_files.before_fork,
        after_in_parent=_files.after_fork_in_parent,
        after_in_child=_files.after_fork_in_child,
    )


def opened(
    user: object,
    path: str | os.PathLike[str] | None,
    strict_indexes: str | os.PathLike[str] | Mapping[str, Any] | Literal[False] | None,
    clock: Clock | None,
    store: MemoryStore | None,
) -> MemoryStore:
    """The store for the arguments of a backend, which closes it by `left`.

    Raises:
        TypeError: A store is given together with what only a new one can take.
        StoreFileError: The file can't be used, or is open with other arguments.
        UsedBeforeForkError: The file was opened before this process was forked.
        ValueError: The declared indexes are not of their form.
    """
    if store is not None:
        if path is not None or strict_indexes is not False or clock is not None:
            raise TypeError("store= replaces path, strict_indexes= and clock=; pass it alone.")
        store.join(user)
        return store
    rules = None if strict_indexes is False else _rules_of(strict_indexes)
    if path is not None:
        return _files.open(user, path, rules, clock)
    return MemoryStore(rules=rules, clock=clock)


def left(user: object, store: MemoryStore) -> MemoryStore:
    """End the use of a store by a backend; returns the store that the backend has from now on."""
    if store.path is not None:
        return _files.leave(user, store)
    return store.leave(user) if store.name is None else _names.leave(user, store)


def named(name: str, make: Callable[[MemoryStore], B]) -> B:
    """A backend for the store of a name, which all backends in this process that name it share."""
    return _names.backend(name, make)


def path_and_name(url: DatabaseUrl) -> tuple[str | None, str | None]:
    """The file that a URL names, or the name of the store; both are `None` for a store without a name.

    Raises:
        InvalidUrlError: It has none of the forms `memory:`, `memory:NAME` and `memory:///path/of/file`.
    """
    url.check_query()
    if url.is_file:
        return _file_path(url, os.name == "nt"), None
    if url.authority is None:
        if url.path and not re.fullmatch(r"[\w-]+", url.path):
            url.refuse(
                f"{url.path[:80]!r} is not the name of a store: letters, digits, _ and -. A file is named by "
                "memory:/// and its absolute path"
            )
        return None, url.path or None
    if url.authority or url.path:
        url.refuse("the name of a store has no slashes before it (memory:NAME), and the path of a file three")
    return None, None


def _file_path(url: DatabaseUrl, on_windows: bool) -> str:
    segments = url.path.split("/")[1:]
    if not all(segments) or {".", ".."} & set(segments):
        url.refuse("the path of a file is absolute, without '.', '..' and empty parts")
    if on_windows and re.fullmatch("[a-zA-Z]:", segments[0]):
        return url.path[1:]
    return url.path


def _rules_of(definitions: str | os.PathLike[str] | Mapping[str, Any] | None) -> Indexes:
    if definitions is None:
        return Indexes()
    if isinstance(cast("object", definitions), int):  # Also True; open() would take it for a file descriptor.
        raise TypeError(
            "strict_indexes= takes the path of a firestore.indexes.json, its content, or None for a database without "
            f"composite indexes, not {definitions!r}."
        )
    found = read_indexes(definitions)
    for warning in found.warnings:
        warnings.warn(warning, stacklevel=4)
    return found
