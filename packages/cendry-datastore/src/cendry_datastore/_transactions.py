"""The handle of a transaction, as core passes it around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cendry.errors import CendryError, InvalidRequestError

from . import _sdk
from ._keys import Home


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
        """Refuse a commit after the end, and one of writes that takes none.

        Raises:
            CendryError: It is one of these.
        """
        if self.has_ended:
            raise CendryError("This transaction has ended; begin another one.")
        if writes and self.is_read_only:
            raise InvalidRequestError("a read-only transaction takes no writes; begin one without read_only=True")


def id_of(transaction: TransactionHandle | None) -> bytes | None:
    """What requests say of a transaction."""
    return None if transaction is None else transaction.id


def begin_request(home: Home, *, read_only: bool, retry_of: TransactionHandle | None) -> Any:
    """The request that begins a transaction."""
    request = _sdk.BeginTransactionRequest(project_id=home.project, database_id=home.database)
    if read_only:
        request.transaction_options.read_only.SetInParent()
    elif retry_of is not None:
        request.transaction_options.read_write.previous_transaction = retry_of.id
    return request


def rollback_request(home: Home, transaction: TransactionHandle) -> Any:
    """The request that ends a transaction without writing."""
    return _sdk.RollbackRequest(project_id=home.project, database_id=home.database, transaction=transaction.id)
