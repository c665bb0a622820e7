"""Listening by callbacks, which only the sync twin has."""

# The listeners are private to the class that mixes this in.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, overload

from .._model.model import Model
from .._query.results import Read, reader
from .._query.snapshots import Listener, Snapshot
from .._types.registry import TypeRegistry
from ..backend import Backend, ListenHandle, ListenResult
from ..codec import codec_for
from ..plan import NOTHING, GetPlan, QueryPlan
from ..reference import Located, Ref
from .holder import BackendHolder
from .observing import Observer
from .targets import locate
from .watch import Watch

M = TypeVar("M", bound=Model)


class _Nothing:
    """Listens to queries that nothing matches: there is one snapshot, without documents and a read time."""

    def listen(
        self,
        _plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        _on_error: Callable[[BaseException], None],
    ) -> ListenHandle:
        threading.Thread(
            target=on_change, args=(ListenResult((), (), None, True),), name="cendry listener", daemon=True
        ).start()
        return self

    def close(self) -> None:
        """There is nothing to end; the watch lets no further callback through."""


_NOTHING: Final = _Nothing()


class CallbackListening:
    """Starts listeners with callbacks; `Sender` is one."""

    __slots__ = ()
    holder: BackendHolder[Backend]
    observer: Observer
    listeners: set[Any]

    if TYPE_CHECKING:

        @property
        def registry(self) -> TypeRegistry: ...

        def check_listens(self, plan: QueryPlan | GetPlan) -> None: ...

    def listen(
        self,
        plan: QueryPlan | GetPlan,
        backwards: bool,
        read: Read[Any],
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query or a document."""
        self.check_listens(plan)
        check_callback(callback)
        if on_error is not None and not callable(on_error):
            raise TypeError(f"on_error= takes a function of one argument, the error, not {on_error!r}.")
        watch = Watch(plan, backwards, read, callback, on_error, self.listeners)
        backend = self.holder.backend()
        is_empty = isinstance(plan, QueryPlan) and plan.where is NOTHING
        self.observer.listens(plan)
        watch.start(_NOTHING if is_empty else backend)
        return Listener(watch)


class _Context(Protocol):
    @property
    def _sender(self) -> CallbackListening: ...


class DocumentCallbacks:
    """Listens to documents by callbacks; a base of `Cendry`."""

    __slots__ = ()

    @overload
    def on_snapshot(
        self: _Context,
        ref: Ref[M],
        callback: Callable[[Snapshot[M]], object],
        /,
        *,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Listener: ...
    @overload
    def on_snapshot(
        self: _Context,
        model: type[M],
        document_id: str,
        callback: Callable[[Snapshot[M]], object],
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Listener: ...
    def on_snapshot(
        self: _Context,
        target: Any,
        first: Any,
        second: Any = None,
        /,
        *,
        parent: Located | None = None,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Listener:
        """Listen to one document: call back with its current state, and again whenever it changes.

        Args:
            target: A class, or a `Ref`.
            first: With a class, the id; else the callback.
            second: With a class, the callback. It takes a `Snapshot` of one document or none, and is called from one
                of the backend's threads, one call at a time.
            parent: The parent document of the subcollection.
            on_error: Called with errors; see `Query.on_snapshot`.

        Returns:
            A handle; `close()` it, or use it in a `with`.
        """
        document_id, callback = (first, second) if isinstance(target, type) else (None, first)
        check_callback(callback)
        model, path, _ = locate(target, document_id, parent, self._sender.holder.home)
        read = reader(codec_for(model, self._sender.registry))
        return self._sender.listen(GetPlan((path,)), False, read, callback, on_error)


def check_callback(callback: object) -> None:
    """Check that a callback can be called.

    Raises:
        TypeError: It is not callable.
    """
    if not callable(callback):
        raise TypeError(f"on_snapshot() takes a callback, not {callback!r}.")
