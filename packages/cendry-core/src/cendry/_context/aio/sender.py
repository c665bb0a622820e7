"""The sender, through which contexts, transactions and queries call their backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from datetime import datetime
from sys import modules  # async-only
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ..._model.model import Model
from ..._query.aio.source import read_each
from ..._query.results import ErrorHandler, Read
from ..._types.registry import TypeRegistry
from ...backend import AsyncBackend, ExplainResult, StoredDocument
from ...errors import CendryError, TransactionContentionError, UnsupportedByBackendError
from ...plan import NOTHING, AggregationPlan, Delete, GetPlan, QueryPlan, figures_of_nothing
from ..holder import BackendHolder, log_close
from ..settings import Settings
from ..transaction import TransactionState, inside_transaction, running, running_on
from ..versions import check_current, note
from ..waiting import require_asyncio, to_the_end

# sync: from ..listening import CallbackListening
from ..writes import Pending, check_number, discard, is_refusal, name_reference, settle
from .listening import AsyncListening
from .observed import AsyncObservedStream

if TYPE_CHECKING:
    # Loaded at first use.
    from ...jobs.results import BulkOptions, BulkResult
    from .bulk import AsyncBulk

T = TypeVar("T")

_OUTSIDE: Final = nullcontext()


async def _nothing() -> AsyncIterator[StoredDocument]:
    none: tuple[StoredDocument, ...] = ()
    # sync: yield from none
    for result in none:  # async-only
        yield result  # pragma: no cover - there is none; it makes this a generator


class AsyncSender(AsyncListening):  # sync: class Sender(Listening, CallbackListening):
    """Sends plans and writes; with a transaction, reads inside it.

    Attributes:
        moment: The past moment of all reads; `None` for the present.
    """

    __slots__ = ("_reading", "holder", "observer", "settings", "transaction")
    moment: datetime | None = None

    def __init__(
        self, holder: BackendHolder[AsyncBackend], settings: Settings, transaction: TransactionState | None = None
    ) -> None:
        super().__init__()
        self.holder = holder
        self.settings = settings
        self.observer = settings.observer
        self.transaction = transaction
        self._reading = _OUTSIDE if transaction is None else transaction

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        return self.settings.registry

    @property
    def token_keys(self) -> tuple[bytes, ...]:
        """The keys of page tokens: the first one signs, all of them verify."""
        return self.settings.token_keys

    @property
    def cursor_backend(self) -> str | None:
        """The name of the backend, if queries continue from opaque cursors of its own; else `None`."""
        backend = self.holder.backend()
        return backend.name if getattr(backend, "has_cursors", False) else None

    @property
    def database(self) -> str | None:
        """How references name the database; `None` if its backend doesn't say."""
        return self.holder.home()

    def check_present(self, what: str) -> None:
        """Check that this is not a context at a past moment, which has no writes, transactions or listeners.

        Args:
            what: What it would have, in the plural.

        Raises:
            CendryError: It is.
        """
        if self.moment is not None:
            raise CendryError(
                f"This context reads at {self.moment.isoformat()} and does nothing else, so it has no {what}; use the "
                "context that at() was called on."
            )

    def check_moment(self) -> None:
        """Check that a query can have a moment of its own.

        Raises:
            CendryError: It is in a transaction, which has one already.
        """
        if self.transaction is not None:
            raise CendryError("A transaction reads at one moment for all; run a query with at() outside of it.")

    def check_read(self) -> None:
        """Check that a transaction can still read, where there is nothing to ask the database for.

        Raises:
            CendryError: It has ended, or a write is queued; or the context is closed.
        """
        self.holder.check_open()
        if self.transaction is not None:
            self.transaction.check_read()

    async def get_each(self, plan: GetPlan, read: Read[bool], complete: Callable[[], T], operation: str) -> T:
        """Documents by path, in any order, each read as it arrives.

        Args:
            plan: Their paths.
            read: Reads one, and returns whether it exists.
            complete: Called at the end; the errors that it raises are those of the operation.
            operation: What the method is called.
        """
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        observed = None if self.observer.is_idle() else self.observer.get(operation, plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            found = backend.get(plan, options=self.settings.options, transaction=handle)
            exist = await read_each(found, read, None)
            if observed is not None:
                observed.rows = sum(exist)
            value = complete()
            instances: Any = value
            if self.transaction is not None and isinstance(cast("object", value), list):
                for one in instances:
                    note(self.transaction.versions, one)
            return value

    async def get(self, plan: GetPlan, read: Read[T], operation: str) -> T:
        """A document by path; the errors that `read` raises are those of the operation."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        observed = None if self.observer.is_idle() else self.observer.get(operation, plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            found = backend.get(plan, options=self.settings.options, transaction=handle)
            only = getattr(found, "only", None)  # async-only
            # sync: [result] = list(found)
            [result] = [result async for result in found] if only is None else [await only()]  # async-only
            if observed is not None:
                observed.rows = int(result.exists)
            value = read(result)
            if self.transaction is not None:
                note(self.transaction.versions, value)
            return value

    async def run(self, plan: QueryPlan, read: Callable[[list[StoredDocument]], T], operation: str = "select") -> T:
        """All results of a query, read together; the errors that `read` raises are those of the operation."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        if plan.where is NOTHING:
            self.check_read()
            return read([])
        observed = None if self.observer.is_idle() else self.observer.query(operation, plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            found = backend.run(plan, options=self.settings.options, transaction=handle)
            results = [result async for result in found]
            if observed is not None:
                observed.rows = len(results)
            return read(results)

    async def run_each(self, plan: QueryPlan, read: Read[T], on_error: ErrorHandler | None) -> list[T]:
        """All results of a query, each read as it arrives."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        if plan.where is NOTHING:
            self.check_read()
            return []
        observed = None if self.observer.is_idle() else self.observer.query("select", plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            found = backend.run(plan, options=self.settings.options, transaction=handle)
            results = await read_each(found, read, on_error)
            if observed is not None:
                observed.rows = len(results)
            if self.transaction is not None:
                for one in results:
                    note(self.transaction.versions, one)
            return results

    def stream(self, plan: QueryPlan) -> AsyncIterator[StoredDocument]:
        """The results of a query as they arrive."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        if self.transaction is not None:
            self.transaction.check_read()
        if plan.where is NOTHING:
            return _nothing()
        if self.transaction is None:
            results = backend.run(plan, options=self.settings.options)
        else:
            results = self._stream_inside(backend, self.transaction, plan)
        return results if self.observer.is_idle() else AsyncObservedStream(results, self.observer, plan)

    async def _stream_inside(
        self, backend: AsyncBackend, transaction: TransactionState, plan: QueryPlan
    ) -> AsyncIterator[StoredDocument]:
        transaction.check_open()
        cause: Exception | None = None
        try:
            async for result in backend.run(plan, options=self.settings.options, transaction=transaction.handle):
                if transaction.ended:
                    break
                yield result
        except TransactionContentionError:
            transaction.aborted = True
            raise
        except Exception as error:
            if not transaction.ended:
                raise
            # The database doesn't know the transaction any more.
            cause = error
        transaction.check_open(cause)

    async def aggregate(self, plan: AggregationPlan) -> tuple[int | float | None, ...]:
        """The results of the plan's aggregations over a query."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        if plan.query.where is NOTHING:
            self.check_read()
            return figures_of_nothing(plan)
        observed = None if self.observer.is_idle() else self.observer.aggregate(plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            return await backend.aggregate(plan, options=self.settings.options, transaction=handle)

    async def explain(self, plan: QueryPlan | AggregationPlan, analyze: bool) -> ExplainResult:
        """How the database runs a query, and with `analyze` what comes of it.

        Raises:
            UnsupportedByBackendError: The backend can't explain queries.
        """
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        explain = getattr(backend, "explain", None)
        if explain is None:
            raise UnsupportedByBackendError("explain()", backend.name, "Firestore does, in production alone.")
        query = plan.query if isinstance(plan, AggregationPlan) else plan
        if query.where is NOTHING:
            from ..._query.explain import nothing_explained

            self.check_read()
            return nothing_explained(plan, analyze)
        observed = None if self.observer.is_idle() else self.observer.explain(plan)
        with self._reading if observed is None else observed.around(self._reading) as handle:
            explained: ExplainResult = await explain(
                plan, analyze=analyze, options=self.settings.options, transaction=handle
            )
            return explained

    async def partition(self, plan: QueryPlan, count: int) -> list[str]:
        """The paths at which up to `count` parts of a query begin, in any order; none if it can't be divided."""
        if "trio" in modules:  # async-only
            require_asyncio()
        partition = getattr(self.holder.backend(), "partition", None)
        if partition is None or self.transaction is not None:
            return []
        observed = None if self.observer.is_idle() else self.observer.query("partitions", plan)
        with _OUTSIDE if observed is None else observed:
            paths: list[str] = await partition(plan, count, options=self.settings.options)
            return paths

    async def stored(self, paths: tuple[str, ...], transaction: Any) -> list[StoredDocument]:
        """Documents as they are stored, read in a transaction for the writes that end it."""
        plan = GetPlan(paths)
        backend = self.holder.backend()
        observed = None if self.observer.is_idle() else self.observer.get("get", plan)
        with _OUTSIDE if observed is None else observed:
            found = backend.get(plan, options=self.settings.options, transaction=transaction)
            results = [result async for result in found]
            if observed is not None:
                observed.rows = sum(one.exists for one in results)
            return results

    async def commit(self, pending: list[Pending], transaction: Any = None) -> None:
        """Send writes and update their instances.

        An id that was generated for a write is removed if the database rejected the write, and kept if the outcome is
        unknown, so that a retry does not create a second document.
        """
        if not pending and transaction is None:
            return
        if transaction is None:
            # In a transaction they are counted as they are queued; upgrades of their documents may come on top.
            check_number(len(pending))
        writes = tuple([one.write for one in pending])
        around: TransactionState | None = None
        try:
            if "trio" in modules:  # async-only
                require_asyncio()
            backend = self.holder.backend()
            around = running_on(backend) if transaction is None and running.get() else None
            observed = None if self.observer.is_idle() or not writes else self.observer.writes(writes)
            with _OUTSIDE if observed is None else observed:
                result = await backend.commit(writes, options=self.settings.options, transaction=transaction)
        except BaseException as error:
            if is_refusal(error):
                discard(pending)
                name_reference(error, pending)
            explained = None if around is None else around.outside_error(writes[0], error)
            if explained is None:
                raise
            raise explained from error.__cause__ or error
        settle(pending, result)
        if around is not None:
            around.outside = writes[0]

    async def update_found(
        self, model: type[Any], plan: QueryPlan, given: tuple[Any, ...], options: BulkOptions
    ) -> BulkResult:
        """Make the same changes of all documents of a query."""
        from .bulk import write_all

        bulk, writer = self.bulk(options), self.settings.writer
        check_current(model, "An update of the documents of a query")
        writer.update_of_all(model, given)  # Nothing is read if they are wrong.
        return await write_all(bulk, writer.updates_of(await self._names(plan), model, given))

    async def delete_found(self, plan: QueryPlan, options: BulkOptions) -> BulkResult:
        """Delete all documents of a query."""
        from .bulk import write_all

        bulk = self.bulk(options)
        return await write_all(bulk, (Pending(Delete(path)) for path in await self._names(plan)))

    async def delete_below(self, path: str, instance: Model | None, options: BulkOptions) -> BulkResult:
        """Delete a document with all that is below it: itself at the end, so that it is found until nothing is left."""
        from .bulk import write_all_then

        bulk = self.bulk(options)
        names = await self._names(QueryPlan("", path, group=True, projection=()))
        return await write_all_then(bulk, (Pending(Delete(name)) for name in names), Pending(Delete(path), instance))

    async def _names(self, plan: QueryPlan) -> list[str]:
        """The paths of the documents of a query, without the results, which are much larger."""
        return [result.path async for result in self.stream(plan)]

    def bulk(self, options: BulkOptions) -> AsyncBulk:
        """A new bulk.

        Raises:
            CendryError: This is the sender of a transaction, or one runs here; or its reads are at a past moment.
            UnsupportedByBackendError: The backend has no bulk writes.
        """
        self.check_present("bulk writes")
        if self.transaction is not None:
            self.transaction.check_open()
            raise inside_transaction()
        from .bulk import AsyncBulk

        return AsyncBulk(self.holder, self.settings, options)

    def begin(self, read_only: bool, retry_of: Any) -> TransactionState:
        """A new transaction; nothing is sent."""
        if "trio" in modules:  # async-only
            require_asyncio()
        backend = self.holder.backend()
        return TransactionState(backend, backend.begin(read_only=read_only, retry_of=retry_of), read_only)

    async def rollback(self, transaction: Any) -> None:
        """End a transaction without writing, even while the caller is being cancelled."""
        await to_the_end(self.holder.backend().rollback(transaction, options=self.settings.options))

    def inside(self, transaction: TransactionState) -> AsyncSender:
        """A sender that reads inside a transaction."""
        return AsyncSender(self.holder, self.settings, transaction)

    async def close(self) -> None:
        """Close everything that the context opened."""
        if self.listeners:
            await to_the_end(self.close_listeners())
        backend = self.holder.release()
        if backend is not None:
            await to_the_end(backend.close())

    async def leave(self) -> None:
        """Close at the end of a block: an error there must not hide the one that the block raised."""
        try:
            await self.close()
        except Exception as error:
            log_close(error)
