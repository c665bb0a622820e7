"""The objects of listening: snapshots, the changes between them, and the handle that ends it."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Generic, Literal, Protocol, TypeVar, final

from .._immutable import dataclass

M_co = TypeVar("M_co", covariant=True)
T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Change(Generic[M_co]):
    """The change of one document since the previous snapshot.

    Indexes apply one change after another: start with the documents of the previous snapshot, and for each change
    `del rows[old_index]`, then `rows.insert(new_index, document)`, where they are not `None`.

    Attributes:
        type: `"added"`, `"modified"` or `"removed"`; also for documents that start or stop matching.
        document: The document; if it was removed, its last known state.
        old_index: Its position among the documents as the changes before this one left them; `None` if it was added.
        new_index: Its position after this change, likewise; `None` if it was removed.
    """

    type: Literal["added", "modified", "removed"]
    document: M_co
    old_index: int | None
    new_index: int | None


@final
@dataclass(frozen=True, slots=True)
class Snapshot(Generic[M_co]):
    """The state of a query or document that is listened to, at one moment.

    Attributes:
        documents: All documents that match, in the order of the query; for one document, the document or nothing.
        changes: The changes since the previous snapshot: removed documents, then added ones, then modified ones.
        read_time: The time of that moment, or `None` if the database doesn't report it.
    """

    documents: tuple[M_co, ...]
    changes: tuple[Change[M_co], ...]
    read_time: datetime | None


def whole(snapshot: Snapshot[T]) -> tuple[Snapshot[T]]:
    """A snapshot as the only item."""
    return (snapshot,)


def changes_of(snapshot: Snapshot[T]) -> tuple[Change[T], ...]:
    """The changes of a snapshot."""
    return snapshot.changes


class Watching(Protocol):
    """The interface of a running listener that a `Listener` needs."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        ...

    def close(self) -> None:
        """End it."""
        ...


@final
class Listener:
    """A running listener. `close()` it, or use it in a `with`; closing the context closes it too."""

    __slots__ = ("_watching",)

    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    @property
    def closed(self) -> bool:
        """Whether it has ended: closed, or stopped by an error."""
        return self._watching.closed

    def close(self) -> None:
        """Stop listening; no callback begins after this. May be called twice, and from a callback."""
        self._watching.close()

    def unsubscribe(self) -> None:
        """Stop listening: `close()` under the name that the SDK has for it."""
        self.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
