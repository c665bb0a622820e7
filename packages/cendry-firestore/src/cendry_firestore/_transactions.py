"""The handle of a transaction: what its reads send, and what their responses tell about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from cendry._interop.protobuf import to_datetime, write_timestamp
from cendry.errors import CendryError, InvalidRequestError
from cendry.plan import Write

PATIENCE: Final = 5.0
"""Seconds that the end of a transaction waits for a first read that is still under way."""


class TransactionHandle:
    """A transaction, which its first read begins.

    One that may write is begun by options in the request of that read, and has an id from its first response on. A
    read-only one is not known to the server: all its reads are at one moment, that of the first.

    Attributes:
        gate: Held while the first read is under way, which other reads wait for: a lock of the twin's own kind.
        reading: A first read whose caller was cancelled, and which goes on to learn the id; async twin only.
        is_read_only: Whether it takes no writes.
        has_ended: Whether it was committed or rolled back.
        id: Firestore's id of it.
        moment: The moment of the reads, if it is read-only.

    Args:
        gate: As above.
        read_only: Whether it takes no writes.
        retry_of: The attempt that was aborted.
    """

    __slots__ = ("_is_shared", "_previous", "gate", "has_ended", "id", "is_read_only", "moment", "reading")

    def __init__(self, gate: Any, read_only: bool, retry_of: TransactionHandle | None) -> None:
        self.gate = gate
        self.reading: Any = None
        self.is_read_only = read_only
        self.has_ended = False
        self.id: bytes | None = None
        self.moment: datetime | None = None
        self._is_shared = False
        self._previous: bytes | None = None if retry_of is None else retry_of.id or retry_of._previous

    @property
    def is_begun(self) -> bool:
        """Whether a first read has begun it."""
        return self.id is not None or self.moment is not None

    @property
    def must_begin(self) -> bool:
        """Whether the server is to begin it with the next read."""
        return self.id is None and not self.is_read_only

    def check_open(self) -> None:
        """Refuse a transaction that has ended.

        Raises:
            InvalidRequestError: It was committed or rolled back.
        """
        if self.has_ended:
            raise InvalidRequestError("the transaction has ended; begin another one.")

    def check_commit(self, writes: Sequence[Write]) -> None:
        """Refuse a commit after the end, and writes in a transaction that takes none.

        Raises:
            InvalidRequestError: It is one of these.
        """
        self.check_open()
        if writes and self.is_read_only:
            raise InvalidRequestError("a read-only transaction takes no writes; begin one without read_only=True.")

    def fill(self, request: Any) -> None:
        """Make a request one of the transaction."""
        if self.is_read_only:
            if self.moment is not None:
                self._is_shared = True
                write_timestamp(request.read_time, self.moment)
        elif self.id is not None:
            request.transaction = self.id
        else:
            options = request.new_transaction.read_write
            options.SetInParent()
            if self._previous is not None:
                options.retry_transaction = self._previous

    def begin_by(self, response: Any) -> None:
        """Begin with the first response to the first read.

        Args:
            response: The response, or something else where there is none.

        Raises:
            CendryError: The server has begun no transaction.
        """
        if not self.is_read_only:
            self.id = getattr(response, "transaction", None) or None
            if self.id is None:
                raise CendryError("Firestore answered the first read of a transaction without beginning it.")
        elif getattr(response, "read_time", None) is not None and response.HasField("read_time"):
            self.agrees(to_datetime(response.read_time))

    def agrees(self, read_time: datetime) -> bool:
        """Whether the moment of a response to the first read is that of a read-only transaction.

        A long read may move on to later moments, as long as none of its documents has changed. The transaction moves
        with it until another read is sent for the moment.
        """
        if self._is_shared:
            return read_time == self.moment
        self.moment = read_time
        return True
