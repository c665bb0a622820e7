"""The handle of a transaction: what its reads send, and what they have found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from cendry.errors import CendryError, InvalidRequestError

from . import _sdk

MOST_READ: Final = 1000
"""Entities that a transaction remembers; so many can't be written in one commit."""


PATIENCE: Final = 5.0
"""Seconds that the end of a transaction waits for a first read that is still under way."""


@dataclass(slots=True, eq=False)
class TransactionHandle:
    """A transaction, which its first read begins.

    Attributes:
        is_read_only: Whether it takes no writes.
        previous: The id of the attempt that was aborted, if there was one.
        id: Datastore's name of it, once it has begun.
        has_ended: Whether it was committed or rolled back.
        read: The entities that it has read, by path; `None` for absent ones. It would read them again as they are.
        gate: Held while the first read is under way, which other reads wait for.
    """

    is_read_only: bool = False
    previous: bytes | None = None
    id: bytes | None = None
    has_ended: bool = False
    read: dict[str, Any] = field(default_factory=dict[str, Any])
    gate: Lock = field(default_factory=Lock)

    def fill(self, options: Any) -> None:
        """Fill the options of a read: with the id, or with what begins the transaction by that read."""
        if self.id is not None:
            options.transaction = self.id
        else:
            self.fill_new(options.new_transaction)

    def fill_new(self, options: Any) -> None:
        """Fill the options of a transaction that begins."""
        if self.is_read_only:
            options.read_only.SetInParent()
        else:
            options.read_write.SetInParent()
            if self.previous is not None:
                options.read_write.previous_transaction = self.previous

    def begin_by(self, response: Any) -> None:
        """Begin with the response to the request that begins it.

        Raises:
            CendryError: The server has begun no transaction.
        """
        if not response.transaction:
            raise CendryError("Datastore answered the first read of a transaction without beginning it.")
        self.id = response.transaction

    def settle(self) -> None:
        """Wait for a first read that is under way, so that the transaction which it begins can be ended."""
        if self.gate.locked() and self.gate.acquire(timeout=PATIENCE):
            self.gate.release()

    def remember(self, path: str, entity: Any) -> None:
        """Remember an entity that was read, for a commit that depends on it; `None` for an absent one."""
        if len(self.read) < MOST_READ:
            self.read[path] = entity

    def read_of(self, paths: Iterable[str]) -> dict[str, Any]:
        """The remembered entities at these paths, each a copy that may be changed."""
        return {path: _copy(self.read[path]) for path in paths if path in self.read}

    def check_open(self) -> None:
        """Refuse a transaction that has ended.

        Raises:
            CendryError: It was committed or rolled back.
        """
        if self.has_ended:
            raise CendryError("This transaction has ended; begin another one.")

    def check(self, *, writes: bool) -> None:
        """Refuse a commit after the end, and writes in a transaction that takes none.

        Raises:
            CendryError: It is one of these.
        """
        self.check_open()
        if writes and self.is_read_only:
            raise InvalidRequestError("a read-only transaction takes no writes; begin one without read_only=True")


def _copy(entity: Any) -> Any:
    if entity is None:
        return None
    copy = _sdk.Entity()
    copy.CopyFrom(entity)
    return copy
