"""The lock of a job: one process works on it at a time, and one that lost it writes nothing more."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Final, NamedTuple

from .. import _threads
from ..errors import JobError, JobFileError, JobLockedError, LockLostError
from .state import find_json, write_json
from .store import LocalStore, Store

LOCK_FILE: Final = "lock"
FLOCK_FILE: Final = "lock.flock"
HEARTBEATS: Final = "heartbeat/"

STALE_AFTER: Final = 60.0
"""Seconds without a heartbeat after which a lock is nobody's."""

INTERVAL: Final = 15.0
"""Seconds between two heartbeats."""


class Holder(NamedTuple):
    """Who has a lock.

    Attributes:
        token: Differs each time that the lock is taken.
        host: The host of the process.
        pid: Its id.
        since: When it took the lock, in seconds since 1970.
        flock: Whether it has locked a file, too, which ends with the process.
        what: What it does, such as `copy`; empty if it is not known.
    """

    token: str
    host: str
    pid: int
    since: float
    flock: bool
    what: str = ""


def read_holder(store: Store) -> Holder | None:
    """Who has the lock of a job; `None` if nobody.

    Raises:
        JobFileError: The file is not a lock.
        JobStoreError: It can't be read.
    """
    data = find_json(store, LOCK_FILE)
    if data is None:
        return None
    match data:
        case {
            "token": str(token),
            "host": str(host),
            "pid": int(pid),
            "since": int() | float() as since,
            "flock": bool(flock),
        }:
            return Holder(token, host, pid, since, flock, str(data.get("what", "")))
        case _:
            raise JobFileError(LOCK_FILE, "it is not the lock of a job; if nothing runs, delete it")


class JobLock:
    """Locks a job for this process, in a `with` block.

    On a local disk, a file is locked by `flock`, which ends with the process in any case. Everywhere, a token is
    written, which `check` compares: a process that was stopped, and wakes after another one has taken over, writes
    nothing more. A thread writes a heartbeat every 15 seconds: a lock without one for 60 seconds is free, unless
    `flock` shows that its process exists. A process of this host that is gone frees its lock at once, unless others of
    the same job may still work.

    A job whose processes come and go, on several hosts, has one lock, too: the first step calls `take`, each process
    works in a `with lock.join():` block, and the last step calls `release`, all with the same `token`.

    Args:
        store: Where the files of the job are.
        what: What the job is, for errors, such as `"copy"`.
        take_over: Whether to take the lock from a process that has it.
        clock: Returns the time in seconds since 1970.
        host: The name of this host.
        pid: The id of this process.
        interval: Seconds between two heartbeats.
        token: What marks the lock of a job with several processes; `None` for a lock of this process.

    Raises:
        JobLockedError: Another process works on the job.
        JobFileError: The lock of the job is not one.
        JobStoreError: The files can't be read or written.
    """

    __slots__ = (
        "_beaten",
        "_clock",
        "_descriptor",
        "_ended",
        "_held",
        "_host",
        "_interval",
        "_is_shared",
        "_mutex",
        "_pid",
        "_store",
        "_take_over",
        "_thread",
        "_token",
        "_what",
    )

    def __init__(
        self,
        store: Store,
        *,
        what: str = "job",
        take_over: bool = False,
        clock: Callable[[], float] = time.time,
        host: str | None = None,
        pid: int | None = None,
        interval: float = INTERVAL,
        token: str | None = None,
    ) -> None:
        self._store = store
        self._what = what
        self._take_over = take_over
        self._clock = clock
        self._host = socket.gethostname() if host is None else host
        self._pid = os.getpid() if pid is None else pid
        self._interval = interval
        self._token = secrets.token_hex(8) if token is None else token
        self._is_shared = token is not None
        self._descriptor: int | None = None
        self._held = False
        self._beaten = 0.0
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> JobLock:
        has_flock = self._flock()
        try:
            self._acquire(has_flock)
        except BaseException:
            self._unlock()
            raise
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        try:
            # The error of the block counts, not that of the end.
            with suppress(JobError):
                self._release()
        finally:
            self._unlock()

    def take(self) -> None:
        """Take the lock for all processes of the job; once more is the same as once.

        Raises:
            JobLockedError: Another job has it.
            JobFileError: The lock of the job is not one.
            JobStoreError: The files can't be read or written.
        """
        self._acquire(None)

    def release(self) -> None:
        """Free what `take` took, if nobody has taken it over.

        Raises:
            JobStoreError: The files can't be written.
        """
        self._release()

    @contextmanager
    def join(self) -> Generator[None, None, None]:
        """Work, in a `with` block, under the lock that another process of the job took.

        Raises:
            JobFileError: The lock of the job is not one.
            JobStoreError: The files can't be read or written.
        """
        self._enroll()
        self._held = True
        self._ended.clear()
        self._start()
        try:
            yield
        finally:
            self._held = False
            self._stop()

    @property
    def token(self) -> str:
        """What marks this lock."""
        return self._token

    def check(self) -> None:
        """Check that this process still has the lock; call it before each commit, and before each write of state.

        Raises:
            LockLostError: Another process has taken over.
            JobStoreError: The lock can't be read.
        """
        holder = read_holder(self._store)
        if not self._held or not self._is_mine(holder):
            if holder is None:
                raise LockLostError(self._what, None, None)
            raise LockLostError(self._what, holder.host, holder.pid)
        self.beat()

    def beat(self) -> None:
        """Write a heartbeat, if it is time; the thread of the lock does so as well.

        Raises:
            JobStoreError: It can't be written.
        """
        with self._mutex:
            now = self._clock()
            # The clock may be set back.
            if 0 <= now - self._beaten < self._interval:
                return
            if self._is_shared:
                # Of many processes one is enough: a bucket takes one write of an object per second.
                at = self._beat_of(self._token)
                if at is not None and 0 <= now - at < self._interval:
                    self._beaten = at
                    return
            self._beaten = now
            write_json(self._store, self._heartbeat, {"at": now})

    @property
    def _heartbeat(self) -> str:
        # A file of its own: what a process writes that wakes late must not change what another one reads of itself.
        return f"{HEARTBEATS}{self._token}.json"

    def _enroll(self) -> None:
        """Note that this process works under the lock of another one, whose end alone doesn't free it then."""
        holder = read_holder(self._store)
        if holder is None or holder.token != self._token or (holder.host, holder.pid) == (self._host, self._pid):
            return
        mark = hashlib.sha256(f"{self._host} {self._pid}".encode()).hexdigest()[:16]
        name = f"{_workers_of(self._token)}{mark}.json"
        if self._store.get(name) is None:
            write_json(self._store, name, {"host": self._host, "pid": self._pid})

    def _has_workers(self, token: str) -> bool:
        """Whether processes that joined a lock may exist."""
        for name in self._store.list(_workers_of(token)):
            # One that is deleted meanwhile has ended.
            match find_json(self._store, name):
                case None:
                    continue
                case {"host": self._host, "pid": int(pid)} if not is_alive(pid):
                    continue
                case _:
                    return True
        return False

    def _start(self) -> None:
        if _threads.CAN_START:
            self._thread = threading.Thread(target=self._live, name="cendry-job-lock", daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _is_mine(self, holder: Holder | None) -> bool:
        return holder is not None and holder.token == self._token

    def _flock(self) -> bool | None:
        """Lock the file, if the store is a disk that can: whether it is locked; `None` if that is not known."""
        if not isinstance(self._store, LocalStore):
            return None
        locked, descriptor = self._store.lock(FLOCK_FILE)
        if locked:
            self._descriptor = descriptor
        else:
            self._store.unlock(descriptor)
        return locked

    def _unlock(self) -> None:
        if self._descriptor is not None and isinstance(self._store, LocalStore):
            self._store.unlock(self._descriptor)
            self._descriptor = None

    def _acquire(self, has_flock: bool | None) -> None:
        if not self._take_over:
            self._check_free(read_holder(self._store), has_flock)
        mine = Holder(self._token, self._host, self._pid, self._clock(), bool(has_flock), self._what)
        self.beat()
        write_json(self._store, LOCK_FILE, mine._asdict())
        # Without flock, two may have come this far: the last one has it.
        found = read_holder(self._store)
        if not self._is_mine(found):
            self._store.delete(self._heartbeat)
            raise self._locked(found)
        self._held = True
        for name in self._store.list(HEARTBEATS):
            if name != self._heartbeat and not name.startswith(_workers_of(self._token)):
                self._store.delete(name)
        if isinstance(self._store, LocalStore):
            self._store.sweep()

    def _check_free(self, holder: Holder | None, has_flock: bool | None) -> None:
        if holder is None:
            if has_flock is False:
                raise self._locked(None)
            return
        if self._is_shared and self._is_mine(holder):
            return
        if has_flock is False:
            raise self._locked(holder)
        if holder.host == self._host:
            if has_flock and holder.flock:
                return
            # In a container, each process may have the same id as the one before it.
            if holder.pid != self._pid and not is_alive(holder.pid) and not self._has_workers(holder.token):
                return
        if self._clock() - self._seen(holder) < STALE_AFTER:
            raise self._locked(holder)

    def _locked(self, holder: Holder | None) -> JobLockedError:
        if holder is None:
            return JobLockedError(self._what, None, None, None, None)
        age = self._clock() - self._seen(holder)
        return JobLockedError(self._what, holder.host, holder.pid, holder.since, age, holder.what)

    def _seen(self, holder: Holder) -> float:
        """When a holder gave its last sign of life."""
        at = self._beat_of(holder.token)
        return holder.since if at is None else at

    def _beat_of(self, token: str) -> float | None:
        at: object = (find_json(self._store, f"{HEARTBEATS}{token}.json") or {}).get("at")
        return at if isinstance(at, (int, float)) else None

    def _release(self) -> None:
        self._held = False
        self._store.delete(self._heartbeat)
        if self._is_shared:
            for name in self._store.list(_workers_of(self._token)):
                self._store.delete(name)
        if self._is_mine(read_holder(self._store)):
            self._store.delete(LOCK_FILE)

    def _live(self) -> None:
        while not self._ended.wait(self._interval):
            # check() reports what is wrong with the store.
            with suppress(JobError):
                if not self._is_mine(read_holder(self._store)):
                    return
                self.beat()


def _workers_of(token: str) -> str:
    """How the names begin of files that name the processes that joined a lock."""
    return f"{HEARTBEATS}{token}-"


def is_alive(pid: int) -> bool:
    """Whether this host has a process with an id, as far as that can be known."""
    if os.name == "nt" or pid <= 0:
        # There, the call would end the process.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, OSError):
        return True
    return True
