"""The handle of a transaction, as core passes it around."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from cendry.errors import CendryError, InvalidRequestError

from . import _sdk

MOST_READ: Final = 1000
"""Entities that a transaction remembers; so many can't be written in one commit."""


@dataclass(slots=True, eq=False)
class TransactionHandle:
    """A transaction.

    Attributes:
        id: Datastore's name of it.
        is_read_only: Whether it takes no writes.
        has_ended: Whether it was committed or rolled back.
        read: The entities that it has read, by path; `None` for absent ones. It would read them again as they are.
    """

    id: bytes
    is_read_only: bool
    has_ended: bool = False
    read: dict[str, Any] = field(default_factory=dict[str, Any])

    def remember(self, path: str, entity: Any) -> None:
        """Remember an entity that was read, for a commit that depends on it; `None` for an absent one."""
        if len(self.read) < MOST_READ:
            self.read[path] = entity

    def read_of(self, paths: Iterable[str]) -> dict[str, Any]:
        """The remembered entities at these paths, each a copy that may be changed."""
        return {path: _copy(self.read[path]) for path in paths if path in self.read}

    def check(self, *, writes: bool) -> None:
        """Refuse a commit after the end, and writes in a transaction that takes none.

        Raises:
            CendryError: It is one of these.
        """
        if self.has_ended:
            raise CendryError("This transaction has ended; begin another one.")
        if writes and self.is_read_only:
            raise InvalidRequestError("a read-only transaction takes no writes; begin one without read_only=True")


def _copy(entity: Any) -> Any:
    if entity is None:
        return None
    copy = _sdk.Entity()
    copy.CopyFrom(entity)
    return copy


def id_of(transaction: TransactionHandle | None) -> bytes | None:
    """The id of a transaction, for requests."""
    return None if transaction is None else transaction.id
