"""Listening to a query, which only the sync twin supports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from .._model.model import Model
from ..plan import QueryPlan
from .builders import QueryBuilder
from .compile import compiled
from .opening import opened
from .results import Read, reader
from .source import TokenSource

if TYPE_CHECKING:
    from .snapshots import Listener, Snapshot

M_co = TypeVar("M_co", bound=Model, covariant=True)


class ListenSource(TokenSource, Protocol):
    """The part of a context that listening to a query needs."""

    def listen(
        self,
        plan: QueryPlan,
        backwards: bool,
        read: Read[Any],
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query."""
        ...


class ListenableQuery(QueryBuilder[M_co]):
    """A query that can be listened to."""

    __slots__ = ()

    def on_snapshot(
        self,
        callback: Callable[[Snapshot[M_co]], object],
        *,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Listener:
        """Listen: call back with the documents that match now, and again whenever they change.

        Args:
            callback: Takes a `Snapshot`; called from one of the backend's threads, one call at a time.
            on_error: Called with a `DecodeError` for a document that doesn't fit (the listener continues without it),
                an error that `callback` raised (the listener continues), or the error that ended the listener.
                Without it, these are logged to the logger `cendry`.

        Returns:
            A handle; `close()` it, or use it in a `with`.
        """
        source: ListenSource = self._bound()
        query = compiled(opened(self._spec, source), source.registry)
        return source.listen(query.plan, query.backwards, reader(query.codec), callback, on_error)
