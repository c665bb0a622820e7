"""Which processes write both databases, and in which mode: leases in the state, and the rules of changing the mode.

| from | to | when |
|---|---|---|
| nothing | `shadow-write`, `shadow-read`, `frozen` | always |
| `shadow-write`, `shadow-read` | each other, `frozen` | always |
| `frozen` | what was before it | always |
| `frozen` | the other role | no process writes in the old role, and no intent of that role is open |
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from cendry._immutable import dataclass
from cendry.jobs import Store, find_json, write_json

from .._errors import ModeChangeError
from .intents import Direction, open_intents

Mode = Literal["shadow-write", "shadow-read", "frozen", "switched"]
"""What a `DualBackend` does; in the order of a cut-over."""

MODES: Final[tuple[Mode, ...]] = ("shadow-write", "shadow-read", "frozen", "switched")

LEASE: Final = 60.0
"""Seconds for which a process may write after it has renewed its lease."""

GRACE: Final = 120.0
"""Seconds more for which others take a lease as valid: a commit that was sent just before its end may take a minute to
arrive, and clocks differ."""

_RENEW: Final = LEASE / 3
_KEPT: Final = 86_400.0
"""Seconds for which it is known that a process has written, after it ended."""

_FOLDER: Final = "dual/writers/"
_RECORD: Final = "dual/mode.json"


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that has registered.

    Attributes:
        process: Its id.
        host: The name of its host.
        pid: Its process id there.
        mode: Its mode.
        direction: Which database has the truth for it.
        since: When it registered in this mode, in seconds since 1970.
        renewed: When it last renewed its lease.
        ended: When it gave the lease back; `None` if it didn't.
    """

    process: str
    host: str
    pid: int
    mode: Mode
    direction: Direction
    since: float
    renewed: float
    ended: float | None = None

    @property
    def until(self) -> float:
        """The last moment at which it can have written, as far as is known."""
        return self.renewed + LEASE if self.ended is None else self.ended

    def is_live(self, now: float) -> bool:
        """Whether it may still write: its lease is valid, and it is not known to have ended."""
        if self.ended is not None or now - self.renewed >= LEASE + GRACE:
            return False
        return self.host != socket.gethostname() or _is_running(self.pid)


@dataclass(frozen=True, slots=True)
class Record:
    """The mode in which a process has registered last.

    Attributes:
        mode: The mode.
        direction: Which database has the truth.
        since: Since when processes register in it, in seconds since 1970.
    """

    mode: Mode
    direction: Direction
    since: float


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # pragma: no cover - elsewhere there is no call that only asks
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # pragma: no cover - it belongs to another user
        return True
    return True


def writers(store: Store) -> Iterator[Writer]:
    """All processes that have registered and not left, live or not.

    Raises:
        JobFileError: A lease can't be read.
    """
    for name in store.list(_FOLDER):
        data = find_json(store, name)
        if data is not None:
            del data["format"]
            yield Writer(**data)


def has_writers(store: Store) -> bool:
    """Whether a process that writes both databases has ever registered in this state."""
    return store.get(_RECORD) is not None


def live_writers(store: Store, clock: Callable[[], float] = time.time) -> list[Writer]:
    """The processes that may write now."""
    now = clock()
    return [writer for writer in writers(store) if writer.is_live(now)]


def record_of(store: Store) -> Record | None:
    """The mode in which a process has registered last; `None` if none ever has.

    Raises:
        JobFileError: It can't be read.
    """
    data = find_json(store, _RECORD)
    return None if data is None else Record(data["mode"], data["direction"], data["since"])


class Registration:
    """The lease of one process; it is renewed by its writes, so an idle process has none, and asks anew.

    Args:
        store: The state, which all processes share.
        clock: Returns the seconds since 1970.
        elapsed: Returns a time in seconds that never runs back.

    Attributes:
        process: The id of this process.
        mode: The mode; `frozen` before the first registration.
        direction: Which database has the truth.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._elapsed = elapsed
        self.process = _new_process()
        self.mode: Mode = "frozen"
        self.direction: Direction = "forward"
        self._since = 0.0
        self._renewed = -float("inf")

    def register(self, mode: Mode) -> None:
        """Register in a mode, or change it.

        Raises:
            ModeChangeError: Other processes, open intents or the modes before don't allow it. The lease is as before.
            JobFileError: The state can't be read.
        """
        record = record_of(self._store)
        direction = _direction_of(mode, record)
        before = self.mode, self.direction, self._since, self._renewed
        self.mode, self.direction, self._since = mode, direction, self._clock()
        # First one's own lease, then a look at the others: of two that register at the same time, at least one sees
        # the other.
        self._put()
        try:
            self._check(mode, direction, record)
        except BaseException:
            self.mode, self.direction, self._since, self._renewed = before
            self._put(ended=None if self._since else self._clock())
            raise
        if record is None or record.mode != mode or record.direction != direction:
            since = self._clock()
            write_json(self._store, _RECORD, {"mode": mode, "direction": direction, "since": since})

    def renew(self) -> None:
        """Renew the lease, if that is due: before each write.

        Raises:
            ModeChangeError: It had expired, and the roles were changed meanwhile.
        """
        passed = self._elapsed() - self._renewed
        if passed < _RENEW:
            return
        self._put()
        if passed >= LEASE:
            # Others may have taken this process for dead.
            record = record_of(self._store)
            if record is not None and record.direction != self.direction:
                self.leave()
                raise ModeChangeError(
                    f"this process is still in mode {self.mode!r}, and others are in {record.mode!r} since it last "
                    "wrote. Restart it with their mode"
                )
            try:
                self._check_others(self.direction)
            except ModeChangeError:
                self.leave()
                raise

    def leave(self) -> None:
        """Give the lease back; the next write asks for one anew."""
        self._put(ended=self._clock())
        self._renewed = -float("inf")

    def after_fork(self) -> None:
        """Become another process, which asks for a lease of its own at its first write."""
        self.process = _new_process()
        self._renewed = -float("inf")

    def _put(self, ended: float | None = None) -> None:
        started = self._elapsed()
        data: dict[str, Any] = {
            "process": self.process,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "mode": self.mode,
            "direction": self.direction,
            "since": self._since,
            "renewed": self._clock(),
            "ended": ended,
        }
        write_json(self._store, f"{_FOLDER}{self.process}.json", data)
        self._renewed = started

    def _check(self, mode: Mode, direction: Direction, record: Record | None) -> None:
        if mode == "frozen":
            return
        if record is None:
            if direction == "backward":
                raise ModeChangeError(
                    "mode 'switched' comes after 'frozen', and no process has registered in this state yet: "
                    "check state="
                )
        elif record.direction != direction and record.mode != "frozen":
            raise ModeChangeError(
                f"mode {mode!r} comes after 'frozen', and processes register in {record.mode!r}: bring all of them "
                "to 'frozen' first"
            )
        self._check_others(direction)
        opposite = [intent for intent in open_intents(self._store) if intent.direction != direction]
        if opposite:
            path = opposite[0].paths[0]
            raise ModeChangeError(
                f"mode {mode!r} changes which database has the truth, and {len(opposite)} intents of the other role "
                f"are open, the first of {path!r}: run cendry-datastore repair"
            )

    def _check_others(self, direction: Direction) -> None:
        now = self._clock()
        for writer in writers(self._store):
            if now - writer.until > _KEPT:
                self._store.delete(f"{_FOLDER}{writer.process}.json")
            elif writer.is_live(now) and writer.mode != "frozen" and writer.direction != direction:
                raise ModeChangeError(
                    f"process {writer.pid} on host {writer.host!r} writes in mode {writer.mode!r}: freeze or stop it; "
                    f"if it was killed, its lease ends within {LEASE + GRACE:.0f} seconds"
                )


def _direction_of(mode: Mode, record: Record | None) -> Direction:
    match mode:
        case "switched":
            return "backward"
        case "frozen":
            return "forward" if record is None else record.direction
        case _:
            return "forward"


def _new_process() -> str:
    host = "".join(letter if letter.isalnum() else "-" for letter in socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
