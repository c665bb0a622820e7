"""Listening by iterators: contexts begin their listeners, and close them when they are closed."""

# The listeners are private to the class that mixes this in.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

# sync: from ... import _threads
from ..._model.model import Model
from ..._query.aio.snapshots import AsyncSnapshots
from ..._query.builders import checked_handler
from ..._query.results import ErrorHandler, Read, reader
from ..._query.snapshots import Change, Snapshot, changes_of, whole
from ..._types.registry import TypeRegistry
from ...backend import AsyncBackend, AsyncListenHandle, ListenResult
from ...codec import codec_for
from ...errors import CendryError, DecodeError, UnsupportedByBackendError
from ...plan import NOTHING, GetPlan, QueryPlan
from ...reference import Located, Ref
from ..feeds import AsyncFeed
from ..holder import BackendHolder
from ..live import LiveDocuments
from ..observing import Observer
from ..targets import locate
from ..transaction import TransactionState

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class AsyncListening:
    """Begins listeners on a backend; `AsyncSender` is one."""

    __slots__ = ("listeners",)
    holder: BackendHolder[AsyncBackend]
    observer: Observer
    transaction: TransactionState | None

    if TYPE_CHECKING:

        @property
        def registry(self) -> TypeRegistry: ...

        def check_present(self, what: str) -> None: ...

    def __init__(self) -> None:
        self.listeners: set[Any] = set()

    def check_listens(self, plan: QueryPlan | GetPlan) -> None:
        """Check that listening is possible here.

        Raises:
            CendryError: It is not: in a transaction, at a past moment, or when the context is closed.
        """
        if self.transaction is not None:
            raise CendryError("A transaction has no listeners; listen to a query or document of the context.")
        if isinstance(plan, QueryPlan) and plan.read_time is not None:
            raise CendryError("A query at a past moment never changes, so it has no listeners; leave out at().")
        self.check_present("listeners")
        self.holder.check_open()
        # sync: if not _threads.CAN_START:
        # sync:     raise _threads.no_listeners(self.holder.backend().name)

    def snapshots(
        self,
        plan: QueryPlan | GetPlan,
        backwards: bool,
        read: Read[Any],
        items: Callable[[Snapshot[Any]], Iterable[T]],
        on_error: ErrorHandler | None,
    ) -> AsyncSnapshots[T]:
        """Listen to a query or a document."""
        self.check_listens(plan)
        holder, observer = self.holder, self.observer

        def listen(
            on_change: Callable[[ListenResult], None], on_error: Callable[[BaseException], None]
        ) -> AsyncListenHandle:
            backend = holder.backend()
            if not hasattr(backend, "listen"):  # async-only
                raise UnsupportedByBackendError("listeners", backend.name, "Use a backend that has them.")
            observer.listens(plan)
            return backend.listen(plan, on_change, on_error)

        is_empty = isinstance(plan, QueryPlan) and plan.where is NOTHING
        documents = LiveDocuments[Any](plan, read, backwards=backwards)
        return AsyncSnapshots(AsyncFeed(documents, items, on_error, None if is_empty else listen, self.listeners))

    async def close_listeners(self) -> None:
        """Close the listeners that are still running."""
        for listener in list(self.listeners):
            await listener.aclose()


class _AsyncContext(Protocol):
    @property
    def _sender(self) -> AsyncListening: ...


class AsyncDocumentListening:
    """Listens to documents; a base of `AsyncCendry`."""

    __slots__ = ()

    @overload
    def snapshots(
        self: _AsyncContext, ref: Ref[M], /, *, on_error: Callable[[DecodeError], object] | None = None
    ) -> AsyncSnapshots[Snapshot[M]]: ...
    @overload
    def snapshots(
        self: _AsyncContext,
        model: type[M],
        document_id: str,
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncSnapshots[Snapshot[M]]: ...
    def snapshots(
        self: _AsyncContext,
        target: Any,
        document_id: str | None = None,
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncSnapshots[Any]:
        """Listen to one document: iterate over its current state, and again whenever it changes.

        Args:
            target: The class, or a `Ref` instead of all three.
            document_id: The id.
            parent: The parent document of the subcollection.
            on_error: Called with a `DecodeError` if the document doesn't fit, which snapshots then leave out; without
                it, the error is raised, and the iterator can be asked again.

        Returns:
            An iterator of snapshots, which have the document or none; see `AsyncQuery.snapshots`.

        Raises:
            InvalidDocumentIdError: The id is not valid; nothing was sent.
            CendryError: A transaction, and a context at a past moment, have no listeners.
        """
        return _listened(self._sender, whole, target, document_id, parent, on_error)

    @overload
    def watch(
        self: _AsyncContext, ref: Ref[M], /, *, on_error: Callable[[DecodeError], object] | None = None
    ) -> AsyncSnapshots[Change[M]]: ...
    @overload
    def watch(
        self: _AsyncContext,
        model: type[M],
        document_id: str,
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncSnapshots[Change[M]]: ...
    def watch(
        self: _AsyncContext,
        target: Any,
        document_id: str | None = None,
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncSnapshots[Any]:
        """Listen to one document: iterate over its changes; if it exists now, the first one is `"added"`.

        Args:
            target: The class, or a `Ref` instead of all three.
            document_id: The id.
            parent: The parent document of the subcollection.
            on_error: As in `snapshots`.

        Returns:
            An iterator of changes; see `AsyncQuery.watch`.

        Raises:
            InvalidDocumentIdError: The id is not valid; nothing was sent.
            CendryError: A transaction, and a context at a past moment, have no listeners.
        """
        return _listened(self._sender, changes_of, target, document_id, parent, on_error)


def _listened(
    sender: AsyncListening,
    items: Callable[[Snapshot[Any]], Iterable[T]],
    target: object,
    document_id: str | None,
    parent: Located | None,
    on_error: ErrorHandler | None,
) -> AsyncSnapshots[T]:
    handler = None if on_error is None else checked_handler(on_error)
    model, path, _ = locate(target, document_id, parent, sender.holder.home)
    read = reader(codec_for(model, sender.registry))
    return sender.snapshots(GetPlan((path,)), False, read, items, handler)
