"""Bring documents from one database to another while both are written to. Nothing here knows what the databases are."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol

from cendry._immutable import dataclass
from cendry.errors import JobError

ATTEMPTS: Final = 5
"""Times that a document is written, if it changes each time; after that it stays in the log."""


REST: Final = 10.0
"""Seconds for which a database that did not answer is left alone: dual writes would all wait for it."""


class Original(Protocol):
    """The database that has the truth."""

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The documents with these names, as they are now; `None` for each one that doesn't exist."""
        ...

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether two documents that were read, or `None`, are the same to the last bit."""
        ...


class Replica(Protocol):
    """The database that is to have the same."""

    def write(self, documents: Mapping[str, Any]) -> Mapping[str, Exception]:
        """Write each document, or delete it if it is `None`; returns the errors of those that failed, by name."""
        ...


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The outcome of mirroring.

    Attributes:
        done: The names of the documents that were the same in both databases, at the end.
        failed: For each other name, the error as text.
    """

    done: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed."""
        return not self.failed


def mirror(names: Sequence[str], original: Original, replica: Replica, *, attempts: int = ATTEMPTS) -> Mirrored:
    """Make a replica have some documents as the original has them.

    Each is read, written or deleted, and read again, until it is what was written. So after the last of several that
    run at the same time, in any interleaving with writes to the original that are each followed by one, both databases
    have the same. One that writes without reading again may write an old version last.

    Args:
        names: The names of the documents, without duplicates.
        original: The database that has the truth.
        replica: The other one.
        attempts: How often a document is written that changes each time.

    Returns:
        The outcome. Errors of the databases are in it, and not raised.

    Raises:
        JobError: A side raised it.
    """
    steps = mirror_steps(names, original, replica, attempts=attempts)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Mirrored = end.value
            return outcome


def mirror_steps(
    names: Sequence[str], original: Original, replica: Replica, *, attempts: int = ATTEMPTS
) -> Generator[None, None, Mirrored]:
    """The same, step by step: others may read and write between them."""
    failed: dict[str, str] = {}
    waiting = _read(names, original, failed)
    for _ in range(attempts):
        yield
        errors = replica.write(waiting)
        failed.update((name, described(error)) for name, error in errors.items())
        yield
        written = {name: document for name, document in waiting.items() if name not in errors}
        now = _read(list(written), original, failed)
        waiting = {name: now[name] for name in now if not original.is_same(written[name], now[name])}
        if not waiting:
            break
    failed.update(dict.fromkeys(waiting, f"it changed during each of {attempts} attempts"))
    return Mirrored(tuple(name for name in names if name not in failed), failed)


def _read(names: Sequence[str], original: Original, failed: dict[str, str]) -> Mapping[str, Any]:
    if not names:
        return {}
    try:
        return original.read(names)
    except JobError:
        # The step itself ends, and goes on later.
        raise
    except Exception as error:
        failed.update(dict.fromkeys(names, described(error)))
        return {}


class Rest:
    """Leaves a database alone for a while after it did not answer.

    Args:
        clock: Returns a time in seconds that never runs back.
    """

    __slots__ = ("_clock", "_fault")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fault: tuple[float, Exception] | None = None

    def begin(self, error: Exception) -> None:
        """Begin a rest.

        Args:
            error: Why.
        """
        self._fault = self._clock() + REST, error

    @property
    def error(self) -> Exception | None:
        """Why the database is left alone now; `None` if it isn't."""
        fault = self._fault
        return fault[1] if fault is not None and self._clock() < fault[0] else None


def described(error: BaseException) -> str:
    """An error as one line of a log, which has no room for the values of documents."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:300]}" if text else name
