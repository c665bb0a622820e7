"""The handle of a transaction, as core passes it around."""

from __future__ import annotations

from dataclasses import dataclass

from cendry.errors import CendryError, InvalidRequestError


@dataclass(slots=True, eq=False)
class TransactionHandle:
    """A transaction.

    Attributes:
        id: Datastore's name of it.
        is_read_only: Whether it takes no writes.
        has_ended: Whether it was committed or rolled back.
    """

    id: bytes
    is_read_only: bool
    has_ended: bool = False

    def check(self, *, writes: bool) -> None:
        """Refuse a commit after the end, and writes in a transaction that takes none.

        Raises:
            CendryError: It is one of these.
        """
        if self.has_ended:
            raise CendryError("This transaction has ended; begin another one.")
        if writes and self.is_read_only:
            raise InvalidRequestError("a read-only transaction takes no writes; begin one without read_only=True")


def id_of(transaction: TransactionHandle | None) -> bytes | None:
    """The id of a transaction, for requests."""
    return None if transaction is None else transaction.id
