"""Transactions: reads, then writes, that take effect together or not at all; retried on contention."""

# Its functions belong to the transaction, but are kept off the class to keep its public names clean.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, TypeVar, final

from ..._model.model import Model
from ...errors import TransactionContentionError
from ...reference import Located
from ..batch import update_own
from ..changes import ChangesArgument, New, Pairs, built, items_of, put_items
from ..misuse import AsyncOnly, check_awaitable  # sync: from ..misuse import SyncOnly, check_plain
from ..observing import Observed
from ..transaction import TransactionQueue, TransactionState, check_attempts, check_none_runs, contention, pause_after
from ..versions import completed, unknown_paths
from ..waiting import sleep  # sync: from time import sleep
from ..writes import Pending, discard, restore_ids
from .reads import AsyncReads, find_any
from .sender import AsyncSender

M = TypeVar("M", bound=Model)
R = TypeVar("R")


WRITE_ATTEMPTS: Final = 5
"""How often a write is tried that depends on the version of its document, when other clients change that meanwhile."""


@final
class AsyncTransaction(AsyncReads, TransactionQueue):
    """One attempt at a transaction: reads first, then writes, which are committed together at its end.

    Created by `ctx.transaction()`. Queries made by `select` run inside it, and end with it.
    Reads are awaited; writes are queued without.
    """

    __slots__ = ("_pending", "_state", "_writer")

    def __init__(self, sender: AsyncSender, state: TransactionState) -> None:
        self._sender = sender.inside(state)
        self._state = state
        self._writer = sender.settings.writer
        self._pending: list[Pending] = []

    async def get_or_create(
        self,
        model: type[M],
        document_id: str,
        /,
        defaults: ChangesArgument | None = None,
        *,
        parent: Located | None = None,
    ) -> tuple[M, bool]:
        """Return the document, or queue the creation of one from `defaults`; then nothing more can be read.

        Args:
            model: The class.
            document_id: The id.
            defaults: The values of a new document by top-level field: a dict, or a list of typed changes.
            parent: The parent document of the subcollection.

        Returns:
            The instance, and whether it will be created.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field.
            InvalidDocumentIdError: The id is not valid.
            DecodeError: The stored document doesn't fit the class.
            CendryError: A write is queued already, or the transaction is read-only or has ended.
        """
        self._check()
        values = items_of(defaults, "defaults= takes values")
        return await put(self, model, document_id, Pairs(), New(values, "defaults"), parent)

    async def update_or_create(
        self,
        model: type[M],
        document_id: str,
        /,
        defaults: ChangesArgument | None = None,
        *,
        create_defaults: ChangesArgument | None = None,
        parent: Located | None = None,
    ) -> tuple[M, bool]:
        """Queue an update of the document with `defaults`, or its creation; then nothing more can be read.

        Args:
            model: The class.
            document_id: The id.
            defaults: Changes as in `update`; without `create_defaults`, the values of a new document as well.
            create_defaults: The values of a new document by top-level field, instead of `defaults`; likewise.
            parent: The parent document of the subcollection.

        Returns:
            The instance, and whether it will be created.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field.
            InvalidDocumentIdError: The id is not valid.
            DecodeError: The stored document doesn't fit the class.
            CendryError: A write is queued already, or the transaction is read-only or has ended.
        """
        self._check()
        changes, new = put_items(defaults, create_defaults)
        return await put(self, model, document_id, changes, new, parent)


async def put(
    txn: AsyncTransaction, model: type[M], document_id: str, changes: Pairs, new: New, parent: Located | None
) -> tuple[M, bool]:
    """Queue changes of a document, or its creation; returns the instance, and whether it will be created."""
    found: M | None = await find_any(txn._sender, model, document_id, parent)
    if found is None:
        instance = built(model, document_id, new.values, new.argument)
        txn.create(instance, parent=parent)
        return instance, True
    if changes:
        update_own(txn, found, changes)
    return found, False


class AsyncScope(AsyncOnly):
    """A transaction of one attempt, in an `async with`."""

    __slots__ = ("_observed", "_read_only", "_sender", "_transaction")
    _cendry_name = "transaction"

    def __init__(self, sender: AsyncSender, read_only: bool) -> None:
        self._sender = sender
        self._read_only = read_only

    async def __aenter__(self) -> AsyncTransaction:
        self._transaction = _begin(self._sender, self._read_only)
        self._observed = self._sender.observer.whole("transaction")
        if self._observed is not None:
            self._observed.attempts = 1
            self._observed.__enter__()
            self._transaction._sender.observer = self._sender.observer.inside(self._observed)
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends: BaseException | None = error
        try:
            if error is None:
                await _finish(self._sender, self._transaction)
            else:
                await _abandon(self._sender, self._transaction)
        except BaseException as raised:
            ends = raised
            raise
        finally:
            if self._observed is not None:
                self._observed.__exit__(None, ends, None)


async def run(
    sender: AsyncSender, function: Callable[[AsyncTransaction], Awaitable[R]], max_attempts: int, read_only: bool
) -> R:
    """Run a function in a transaction until it is committed, or `max_attempts` were aborted.

    Raises:
        TransactionContentionError: All attempts were aborted; the error of the last one is the cause.
    """
    check_attempts(function, max_attempts)
    observed = sender.observer.whole("transaction")
    if observed is None:
        return await _run(sender, function, max_attempts, read_only, None)
    with observed:
        return await _run(sender, function, max_attempts, read_only, observed)


async def write(sender: AsyncSender, pending: list[Pending]) -> None:
    """Send writes and update their instances, in a transaction if some depend on the version of their documents."""
    # Faster than all(), and mostly there is one write.
    for one in pending:
        if one.evolution is not None and sender.moment is None:
            break
    else:
        await sender.commit(pending)
        return

    # Until an attempt has begun.
    discard(pending)

    async def queue(transaction: AsyncTransaction) -> None:
        restore_ids(pending)
        transaction._pending = pending

    await run(sender, queue, WRITE_ATTEMPTS, False)


async def _run(
    sender: AsyncSender,
    function: Callable[[AsyncTransaction], Awaitable[R]],
    max_attempts: int,
    read_only: bool,
    observed: Observed | None,
) -> R:
    state: TransactionState | None = None
    for attempt in range(1, max_attempts + 1):
        if observed is not None:
            observed.attempts = attempt
        try:
            transaction = _begin(sender, read_only, None if state is None else state.handle)
            state = transaction._state
            return await _attempt(sender, transaction, function)
        except TransactionContentionError as error:
            if observed is not None:
                observed.aborted(attempt)
            if attempt == max_attempts or (state is not None and state.outside_aborted):
                raise contention(attempt, None if state is None else state.outside) from error.__cause__ or error
        await sleep(pause_after(attempt, sender.settings.random))
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached


async def _attempt(
    sender: AsyncSender, transaction: AsyncTransaction, function: Callable[[AsyncTransaction], Awaitable[R]]
) -> R:
    try:
        result = function(transaction)
        check_awaitable(result)  # sync: check_plain(result)
        found = await result  # sync: found = result
    except BaseException:
        await _abandon(sender, transaction)
        raise
    await _finish(sender, transaction)
    return found


def _begin(sender: AsyncSender, read_only: bool, retry_of: Any = None) -> AsyncTransaction:
    check_none_runs(sender.holder.backend())
    state = sender.begin(read_only, retry_of)
    state.start()
    return AsyncTransaction(sender, state)


async def _finish(sender: AsyncSender, transaction: AsyncTransaction) -> None:
    state = transaction._state
    if state.aborted:
        # The user's function caught the error of a read and continued without its result.
        await _abandon(sender, transaction)
        raise contention(1, state.outside)
    state.end()
    if not transaction._pending:
        # What it has read is right, whether or not this releases its locks.
        await _rollback(sender, state)
        return
    try:
        pending = await _completed(transaction)
        await transaction._sender.commit(pending, state.handle)
    except TransactionContentionError as error:
        await _rollback(sender, state)
        raise contention(1, state.outside) from error.__cause__ or error
    except BaseException:
        await _rollback(sender, state)
        raise


async def _completed(transaction: AsyncTransaction) -> list[Pending]:
    """The queued writes, with the upgrades of the documents that they change; what isn't known of these is read."""
    sender, state, pending = transaction._sender, transaction._state, transaction._pending
    if all(one.evolution is None for one in pending):
        return pending
    try:
        paths = unknown_paths(pending, state.versions)
        results = await sender.stored(paths, state.handle) if paths else []
        return completed(pending, {one.path: one for one in results}, sender.settings.writer.changed)
    except BaseException:
        discard(pending)
        raise


async def _abandon(sender: AsyncSender, transaction: AsyncTransaction) -> None:
    transaction._state.end()
    discard(transaction._pending)
    await _rollback(sender, transaction._state)


async def _rollback(sender: AsyncSender, state: TransactionState) -> None:
    try:
        await sender.rollback(state.handle)
    except Exception:  # noqa: S110
        # The original error is propagating to the caller, and the database ends idle transactions by itself.
        pass
