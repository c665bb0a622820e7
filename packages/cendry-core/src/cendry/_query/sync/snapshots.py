# Generated from aio/snapshots.py by tools/twins.py; do not edit.
"""Listening to queries, by iterators of snapshots or of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, final

from ..._model.model import Model
from ...errors import DecodeError
from ...plan import QueryPlan
from ..builders import QueryBuilder, checked_handler
from ..compile import compiled
from ..opening import opened
from ..results import ErrorHandler, Read, reader
from ..source import TokenSource

if TYPE_CHECKING:
    from ..snapshots import Change, Snapshot

M_co = TypeVar("M_co", bound=Model, covariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Items(Protocol[T_co]):
    """The items of a running listener."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        ...

    def next(self) -> T_co:
        """Wait for the next item."""
        ...

    def close(self) -> None:
        """End it."""
        ...

    def drop(self) -> None:
        """End it while garbage is collected."""
        ...


@final
class Snapshots(Iterator[T_co], Generic[T_co]):
    """An iterator of the snapshots, or of the changes, of a query or document that is listened to.

    It begins to listen when the first item is asked for. It ends when it is closed, when the context is, and when it
    is no longer used: at the latest, when it is collected. Use it in a `with`, or call `close()`, to end it at
    a known place.

    A document that doesn't fit its model raises a `DecodeError` for that document, unless there is a handler; then the
    iterator can be asked again. An error that ends it is raised once.
    """

    __slots__ = ("__weakref__", "_items")

    def __init__(self, items: Items[T_co]) -> None:
        self._items = items

    @property
    def closed(self) -> bool:
        """Whether it has ended: closed, or by an error."""
        return self._items.closed

    def __iter__(self) -> Snapshots[T_co]:
        return self

    def __next__(self) -> T_co:
        try:
            return self._items.next()
        finally:
            # A traceback that is kept must not keep the listener.
            del self

    def close(self) -> None:
        """End it, at once; the iteration ends, wherever it waits. May be called twice."""
        self._items.close()

    def __enter__(self) -> Snapshots[T_co]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._items.drop()


class ListenSource(TokenSource, Protocol):
    """The part of a context that listening to a query needs."""

    def snapshots(
        self,
        plan: QueryPlan,
        backwards: bool,
        read: Read[Any],
        items: Callable[[Snapshot[Any]], Iterable[T]],
        on_error: ErrorHandler | None,
    ) -> Snapshots[T]:
        """Listen to a query."""
        ...


class LiveQuery(QueryBuilder[M_co]):
    """A query that can be listened to by iterators."""

    __slots__ = ()

    def snapshots(self, *, on_error: Callable[[DecodeError], object] | None = None) -> Snapshots[Snapshot[M_co]]:
        """Listen: iterate over the documents that match now, and again whenever they change.

        A consumer that is slower than the changes gets the latest state, with the changes since its last snapshot.

        Args:
            on_error: Called with the `DecodeError` of each document that doesn't fit, which snapshots then leave out;
                by default the handler of the query. Without one, the error is raised, and the iterator can be asked
                again.

        Returns:
            An iterator that doesn't end by itself; it waits for the next change.

        Raises:
            CendryError: A transaction, and a query at a past moment, have no listeners.
        """
        from ..snapshots import whole

        return self._listened(whole, on_error)

    def watch(self, *, on_error: Callable[[DecodeError], object] | None = None) -> Snapshots[Change[M_co]]:
        """Listen: iterate over the changes, one by one; the documents that match now are the first, as `"added"`.

        Args:
            on_error: As in `snapshots`.

        Returns:
            An iterator that doesn't end by itself. Changes that come while one is handled are folded: a document has
            one change, from the state that the consumer knows to the latest.

        Raises:
            CendryError: A transaction, and a query at a past moment, have no listeners.
        """
        from ..snapshots import changes_of

        return self._listened(changes_of, on_error)

    def _listened(self, items: Callable[[Snapshot[M_co]], Iterable[T]], on_error: ErrorHandler | None) -> Snapshots[T]:
        source: ListenSource = self._bound()
        query = compiled(opened(self._spec, source), source.registry)
        handler = self._on_error if on_error is None else checked_handler(on_error)
        return source.snapshots(query.plan, query.backwards, reader(query.codec), items, handler)
