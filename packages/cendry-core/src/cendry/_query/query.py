"""Queries: immutable values that a context runs. `Query` and `AsyncQuery` differ only in how they are run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from .._model.model import Model
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..errors import CendryError
from ..plan import QueryPlan
from . import results
from .compile import planned
from .criteria import Criteria, FieldKey
from .flow import Flow
from .pages import Pages
from .results import AsyncDocuments, Documents, ErrorHandler, Read
from .selection import Selection

if TYPE_CHECKING:
    from .._context.watch import Listener, Snapshot

M_co = TypeVar("M_co", bound=Model, covariant=True)
T = TypeVar("T")
R = TypeVar("R")


class Source(Protocol):
    """What a `Query` needs of the context or transaction that it is bound to."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    def stream(self, plan: QueryPlan) -> Iterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        ...

    def listen(
        self,
        criteria: Criteria,
        callback: Callable[[Snapshot[Any]], object],
        on_error: Callable[[BaseException], object] | None,
    ) -> Listener:
        """Listen to a query."""
        ...


class AsyncSource(Protocol):
    """What an `AsyncQuery` needs of the context or transaction that it is bound to."""

    @property
    def registry(self) -> TypeRegistry:
        """The registry of the context."""
        ...

    def stream(self, plan: QueryPlan) -> AsyncIterator[StoredDocument]:
        """The results of a query as they arrive."""
        ...

    async def drive(self, flow: Flow[R]) -> R:
        """Run a flow to its end."""
        ...


_UNBOUND = "This query is bound to no context, so nothing can run it: use ctx.select(query)."


class Query(Selection[M_co]):
    """A query on one collection: an immutable value, run by a `Cendry`.

    Args:
        model: The class of the documents.
        filters: Filters that must all hold.
        order_by: One order or several; a bare field means ascending.
        limit: The most documents to give, from the first.
        limit_to_last: The most documents to give, from the last; not together with `limit`.
        offset: How many documents to leave out; Firestore reads and bills them all the same.
        start_at: Where to begin: a dict of field values, or an instance.
        start_after: Where to begin, that place left out.
        end_at: Where to end.
        end_before: Where to end, that place left out.
        parent: The document that holds the subcollection.
        group: Whether all collections of this name are meant.
        read_time: The moment to read at, within the last hour.

    Raises:
        CendryError: The arguments contradict each other.
        TypeError: An argument is of the wrong kind.
        UnknownFieldError: A name is not declared.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[M_co]:
        source = self._bound()
        whole = planned(self._criteria, source.registry)
        return Documents(_in_order(source, whole.plan, whole.backwards), results.reader(whole.codec), self._on_error)

    if not TYPE_CHECKING:

        def __aiter__(self):
            raise TypeError("A Query runs in sync code: iterate over it with 'for', or select from an AsyncCendry.")

    def to_list(self) -> list[M_co]:
        """All documents, in memory at once.

        Raises:
            DecodeError: A document doesn't fit the model, and there is no `on_error` handler.
        """
        source = self._bound()
        return source.drive(results.to_list(self._criteria, source.registry, self._on_error))

    def first(self) -> M_co | None:
        """The first document, or `None` if there is none."""
        source = self._bound()
        return cast("M_co | None", source.drive(results.first(self._criteria, source.registry)))

    def last(self) -> M_co | None:
        """The last document, or `None` if there is none.

        It is asked for in the opposite order; see `limit_to_last`. With a limit from the first or an offset, all
        documents are read; else one.
        """
        source = self._bound()
        return cast("M_co | None", source.drive(results.last(self._criteria, source.registry)))

    def one(self) -> M_co:
        """The only document.

        Raises:
            DocumentNotFoundError: There is none.
            MultipleResultsError: There are several.
        """
        source = self._bound()
        return cast("M_co", source.drive(results.one(self._criteria, source.registry)))

    def one_or_none(self) -> M_co | None:
        """The only document, or `None` if there is none.

        Raises:
            MultipleResultsError: There are several.
        """
        source = self._bound()
        return cast("M_co | None", source.drive(results.one_or_none(self._criteria, source.registry)))

    def exists(self) -> bool:
        """Whether any document matches; no fields travel."""
        source = self._bound()
        return source.drive(results.exists(self._criteria, source.registry))

    def count(self) -> int:
        """How many documents match, counted by the database; `limit` and cursors count too."""
        source = self._bound()
        return source.drive(results.count(self._criteria, source.registry))

    def ids(self) -> list[str]:
        """The ids of all documents, in the order of the query; no fields travel.

        Returns:
            The ids; of a collection group, the full paths, since one id can stand under many parents. Filters on
            `City.id` take either back.
        """
        source = self._bound()
        return source.drive(results.ids(self._criteria, source.registry))

    def paginate(self, page_size: int) -> Iterator[list[M_co]]:
        """The documents in lists of `page_size`; the last may be shorter. Each page is a query of its own.

        Args:
            page_size: How many documents a page holds, 1 or more.

        Returns:
            An iterator of lists; each goes on after the last document of the one before, so that documents which
            come and go in between neither shift nor repeat others. It keeps the query's limit.

        Raises:
            ValueError: `page_size` is less than 1.
        """
        source = self._bound()
        pages: Pages[M_co] = Pages(self._criteria, source.registry, page_size, self._on_error)
        return _Paged(source, pages)

    def project(self, *fields: FieldKey) -> Rows[dict[str, Any]]:
        """Some fields of each document; only those travel.

        Args:
            fields: Fields, as descriptors, declared names (dotted for nested ones) or stored paths.

        Returns:
            An iterable of dicts by Python name (`"mayor.name"` for nested ones), with `id`; values converted. What is
            absent reads as its default; inside a map that may be `None`, as `None`, since the two can't be told apart.

        Raises:
            UnknownFieldError: A name is not declared.
        """
        source = self._bound()
        whole, read = results.projected(self._criteria, source.registry, fields)
        return Rows(lambda: _in_order(source, whole.plan, whole.backwards), read, self._on_error)

    def on_snapshot(
        self,
        callback: Callable[[Snapshot[M_co]], object],
        *,
        on_error: Callable[[BaseException], object] | None = None,
    ) -> Listener:
        """Listen: call back with the documents that match now, and again whenever they change.

        Args:
            callback: Takes a `Snapshot`; called from a thread of the backend's, one call at a time.
            on_error: Takes what goes wrong: a `DecodeError` for a document that doesn't fit (the listener goes on
                without it), an error that `callback` raised (it goes on), or the error that ended the listener.
                Without it, these are logged to the logger `cendry`.

        Returns:
            A handle; `close()` it, or use it in a `with`.
        """
        return self._bound().listen(self._criteria, callback, on_error)

    def _bound(self) -> Source:
        if self._source is None:
            raise CendryError(_UNBOUND)
        return cast("Source", self._source)


class Rows(Generic[T]):
    """The rows of a projection: iterate over them, or take them as a list. Each time, the query runs anew."""

    __slots__ = ("_on_error", "_open", "_read")

    def __init__(
        self, open_stream: Callable[[], Iterator[StoredDocument]], read: Read[T], on_error: ErrorHandler | None
    ) -> None:
        self._open = open_stream
        self._read = read
        self._on_error = on_error

    def __iter__(self) -> Iterator[T]:
        return Documents(self._open(), self._read, self._on_error)

    def to_list(self) -> list[T]:
        """All rows, in memory at once."""
        return list(self)


class _Paged(Iterator[list[T]], Generic[T]):
    """The pages of one run of a query."""

    __slots__ = ("_pages", "_source")

    def __init__(self, source: Source, pages: Pages[T]) -> None:
        self._source = source
        self._pages = pages

    def __next__(self) -> list[T]:
        page = self._source.drive(self._pages.step())
        if page is None:
            raise StopIteration
        return page


def _in_order(source: Source, plan: QueryPlan, backwards: bool) -> Iterator[StoredDocument]:
    stream = source.stream(plan)
    return iter([*stream][::-1]) if backwards else stream


class AsyncQuery(Selection[M_co]):
    """A query on one collection: an immutable value, run by an `AsyncCendry`.

    Args:
        model: The class of the documents.
        filters: Filters that must all hold.
        order_by: One order or several; a bare field means ascending.
        limit: The most documents to give, from the first.
        limit_to_last: The most documents to give, from the last; not together with `limit`.
        offset: How many documents to leave out; Firestore reads and bills them all the same.
        start_at: Where to begin: a dict of field values, or an instance.
        start_after: Where to begin, that place left out.
        end_at: Where to end.
        end_before: Where to end, that place left out.
        parent: The document that holds the subcollection.
        group: Whether all collections of this name are meant.
        read_time: The moment to read at, within the last hour.

    Raises:
        CendryError: The arguments contradict each other.
        TypeError: An argument is of the wrong kind.
        UnknownFieldError: A name is not declared.
    """

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[M_co]:
        source = self._bound()
        whole = planned(self._criteria, source.registry)
        return AsyncDocuments(
            _in_order_async(source, whole.plan, whole.backwards), results.reader(whole.codec), self._on_error
        )

    if not TYPE_CHECKING:

        def __iter__(self):
            raise TypeError("An AsyncQuery runs in async code: iterate over it with 'async for', or await to_list().")

    async def to_list(self) -> list[M_co]:
        """All documents, in memory at once.

        Raises:
            DecodeError: A document doesn't fit the model, and there is no `on_error` handler.
        """
        source = self._bound()
        return await source.drive(results.to_list(self._criteria, source.registry, self._on_error))

    async def first(self) -> M_co | None:
        """The first document, or `None` if there is none."""
        source = self._bound()
        return cast("M_co | None", await source.drive(results.first(self._criteria, source.registry)))

    async def last(self) -> M_co | None:
        """The last document, or `None` if there is none.

        It is asked for in the opposite order; see `limit_to_last`. With a limit from the first or an offset, all
        documents are read; else one.
        """
        source = self._bound()
        return cast("M_co | None", await source.drive(results.last(self._criteria, source.registry)))

    async def one(self) -> M_co:
        """The only document.

        Raises:
            DocumentNotFoundError: There is none.
            MultipleResultsError: There are several.
        """
        source = self._bound()
        return cast("M_co", await source.drive(results.one(self._criteria, source.registry)))

    async def one_or_none(self) -> M_co | None:
        """The only document, or `None` if there is none.

        Raises:
            MultipleResultsError: There are several.
        """
        source = self._bound()
        return cast("M_co | None", await source.drive(results.one_or_none(self._criteria, source.registry)))

    async def exists(self) -> bool:
        """Whether any document matches; no fields travel."""
        source = self._bound()
        return await source.drive(results.exists(self._criteria, source.registry))

    async def count(self) -> int:
        """How many documents match, counted by the database; `limit` and cursors count too."""
        source = self._bound()
        return await source.drive(results.count(self._criteria, source.registry))

    async def ids(self) -> list[str]:
        """The ids of all documents, in the order of the query; no fields travel.

        Returns:
            The ids; of a collection group, the full paths, since one id can stand under many parents. Filters on
            `City.id` take either back.
        """
        source = self._bound()
        return await source.drive(results.ids(self._criteria, source.registry))

    def paginate(self, page_size: int) -> AsyncIterator[list[M_co]]:
        """The documents in lists of `page_size`; the last may be shorter. Each page is a query of its own.

        Args:
            page_size: How many documents a page holds, 1 or more.

        Returns:
            An iterator of lists; each goes on after the last document of the one before, so that documents which
            come and go in between neither shift nor repeat others. It keeps the query's limit.

        Raises:
            ValueError: `page_size` is less than 1.
        """
        source = self._bound()
        pages: Pages[M_co] = Pages(self._criteria, source.registry, page_size, self._on_error)
        return _AsyncPaged(source, pages)

    def project(self, *fields: FieldKey) -> AsyncRows[dict[str, Any]]:
        """Some fields of each document; only those travel.

        Args:
            fields: Fields, as descriptors, declared names (dotted for nested ones) or stored paths.

        Returns:
            An iterable of dicts by Python name (`"mayor.name"` for nested ones), with `id`; values converted. What is
            absent reads as its default; inside a map that may be `None`, as `None`, since the two can't be told apart.

        Raises:
            UnknownFieldError: A name is not declared.
        """
        source = self._bound()
        whole, read = results.projected(self._criteria, source.registry, fields)
        return AsyncRows(lambda: _in_order_async(source, whole.plan, whole.backwards), read, self._on_error)

    def _bound(self) -> AsyncSource:
        if self._source is None:
            raise CendryError(_UNBOUND)
        return cast("AsyncSource", self._source)


class AsyncRows(Generic[T]):
    """The rows of a projection: iterate over them, or take them as a list. Each time, the query runs anew."""

    __slots__ = ("_on_error", "_open", "_read")

    def __init__(
        self, open_stream: Callable[[], AsyncIterator[StoredDocument]], read: Read[T], on_error: ErrorHandler | None
    ) -> None:
        self._open = open_stream
        self._read = read
        self._on_error = on_error

    def __aiter__(self) -> AsyncIterator[T]:
        return AsyncDocuments(self._open(), self._read, self._on_error)

    async def to_list(self) -> list[T]:
        """All rows, in memory at once."""
        return [row async for row in self]


class _AsyncPaged(AsyncIterator[list[T]], Generic[T]):
    """The pages of one run of a query."""

    __slots__ = ("_pages", "_source")

    def __init__(self, source: AsyncSource, pages: Pages[T]) -> None:
        self._source = source
        self._pages = pages

    async def __anext__(self) -> list[T]:
        page = await self._source.drive(self._pages.step())
        if page is None:
            raise StopAsyncIteration
        return page


def _in_order_async(source: AsyncSource, plan: QueryPlan, backwards: bool) -> AsyncIterator[StoredDocument]:
    stream = source.stream(plan)
    return _turned(stream) if backwards else stream


async def _turned(stream: AsyncIterator[StoredDocument]) -> AsyncIterator[StoredDocument]:
    for result in [result async for result in stream][::-1]:
        yield result
