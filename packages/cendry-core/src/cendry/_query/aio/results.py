"""The ways to read the results of a query, the same for documents, rows and other outputs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..._immutable import replace
from ...backend import StoredDocument
from ...errors import DocumentNotFoundError, InvalidRequestError, MultipleResultsError
from ..opening import opened
from ..output import Output
from ..results import ErrorHandler, read_all
from ..spec import QuerySpec
from .documents import AsyncDocuments, AsyncPages
from .source import AsyncSource, in_order

if TYPE_CHECKING:
    # Imported at first use: most programs that import contexts don't read pages.
    from ..explain import Explanation
    from ..pages import Page

T_co = TypeVar("T_co", covariant=True)


class AsyncResults(Generic[T_co]):
    """Runs a query and reads its results: shared by `AsyncQuery` and `AsyncRows`."""

    __slots__ = ()
    _output: Output[T_co]
    _spec: QuerySpec
    _on_error: ErrorHandler | None

    if TYPE_CHECKING:

        def _bound(self) -> Any: ...

    def __aiter__(self) -> AsyncIterator[T_co]:
        source: AsyncSource = self._bound()
        query, read = self._output.compiled(opened(self._spec, source), source.registry)
        return AsyncDocuments(in_order(source, query.plan, query.backwards), read, self._on_error)

    if not TYPE_CHECKING:
        # sync: def __aiter__(self):
        # sync:     raise TypeError(
        # sync:         f"{type(self).__name__} runs in sync code: iterate over it with 'for', or select from an "
        # sync:         "AsyncCendry."
        # sync:     )
        def __iter__(self):  # async-only
            raise TypeError(
                f"{type(self).__name__} runs in async code: iterate over it with 'async for', or await to_list()."
            )

    async def to_list(self) -> list[T_co]:
        """Return all results, in memory at once.

        Raises:
            DecodeError: A document doesn't fit the model, and there is no `on_error` handler.
        """
        source: AsyncSource = self._bound()
        query, read = self._output.compiled(opened(self._spec, source), source.registry)
        found = await source.run_each(query.plan, read, self._on_error)
        return found[::-1] if query.backwards else found

    async def first(self) -> T_co | None:
        """Return the first result, or `None` if there is none."""
        source: AsyncSource = self._bound()
        query, read = self._output.compiled(opened(self._spec, source), source.registry)
        # Reversed, the first of the last n comes at the end.
        plan, place = (query.plan, -1) if query.backwards else (query.limited(1), 0)
        return await source.run(plan, lambda results: read(results[place]) if results else None)

    async def last(self) -> T_co | None:
        """Return the last result, or `None` if there is none.

        The query runs in reverse order; see `limit_to_last`. With a limit from the first or an offset, all results
        are read; otherwise one.
        """
        source: AsyncSource = self._bound()
        spec = opened(self._spec, source)
        bounded = not spec.from_last and (spec.limit is not None or spec.offset > 0)
        query, read = self._output.compiled(spec if bounded else replace(spec, from_last=True), source.registry)
        plan = query.plan if bounded else query.limited(1)
        return await source.run(plan, lambda results: read(results[-1]) if results else None)

    async def explain(self, *, analyze: bool = False) -> Explanation[T_co]:
        """Return how Firestore runs the query: the indexes that it uses, and what it took.

        Only a database in production explains queries; neither the emulator nor other backends do.

        Args:
            analyze: Run the query as well, and return its results and statistics. They are billed as the query is.

        Returns:
            The explanation.

        Raises:
            UnsupportedByBackendError: The server doesn't explain queries.
            DecodeError: With `analyze`, a document doesn't fit the model, and there is no `on_error` handler.
        """
        source: AsyncSource = self._bound()
        from ..explain import check_analyze, explanation

        check_analyze(analyze)
        query, read = self._output.compiled(opened(self._spec, source), source.registry)
        explained = await source.explain(query.plan, analyze)
        step = -1 if query.backwards else 1
        return explanation(explained, lambda results: read_all(results[::step], read, self._on_error))

    async def one(self) -> T_co:
        """Return the only result.

        Raises:
            DocumentNotFoundError: There is none.
            MultipleResultsError: There are several.
        """
        found = await self._at_most_one()
        if not found:
            raise DocumentNotFoundError.by_query(self._spec.model.__collection__)
        return found[0]

    async def one_or_none(self) -> T_co | None:
        """Return the only result, or `None` if there is none.

        Raises:
            MultipleResultsError: There are several.
        """
        found = await self._at_most_one()
        return found[0] if found else None

    async def _at_most_one(self) -> list[T_co]:
        source: AsyncSource = self._bound()
        query, read = self._output.compiled(opened(self._spec, source), source.registry)

        def read_all(results: list[StoredDocument]) -> list[T_co]:
            if len(results) > 1:
                raise MultipleResultsError(query.plan.collection)
            return [read(result) for result in results]

        return await source.run(query.limited(2), read_all)

    def paginate(self, page_size: int) -> AsyncIterator[list[T_co]]:
        """Return the results in lists of `page_size`; the last may be shorter. Each page is a separate query.

        Args:
            page_size: The number of results on a page, 1 or more.

        Returns:
            An iterator of lists; each continues after the last document of the previous one, so that documents added
            or removed in between neither shift nor repeat others. It respects the query's limit.

        Raises:
            ValueError: `page_size` is less than 1.
        """
        source: AsyncSource = self._bound()
        from ..pages import Paging

        spec = opened(self._spec, source)
        return AsyncPages(source, Paging(self._output, spec, source.registry, page_size, self._on_error))

    async def page(self, size: int, *, after: str | None = None, before: str | None = None) -> Page[T_co]:
        """Return one page of the results, with the tokens of its neighbours.

        A page begins or ends at a place among the values of the query's orders, so documents added or removed
        meanwhile neither shift nor repeat others. The tokens show these values, unless they are cursors of the
        database; they are signed if the context has a `token_key=`.

        Args:
            size: The number of results on the page, from 1 to 10,000; other pages may have other sizes.
            after: The `next_token` of a page: the results that follow it. The query must be the same.
            before: The `previous_token` of a page: the results that precede it, the last of them at the end.

        Returns:
            The page. A limit of the query counts from the first page, and an offset is skipped there.

        Raises:
            InvalidPageTokenError: The token is not one of this query, or both tokens are given.
            InvalidRequestError: `size` is not from 1 to 10,000.
            MissingIndexError: A query sorted by id alone can't be read backwards; its `previous_token` is `None`.
            CendryError: The query sorts by a field with `repr=False`.
            DecodeError: A document doesn't fit the model, and there is no `on_error` handler.
            UnsupportedByBackendError: Datastore mode can't read backwards.
        """
        source: AsyncSource = self._bound()
        from ..pages import TokenPage

        reading = TokenPage(self._output, opened(self._spec, source), source, size, after, before, self._on_error)
        if reading.plan is None:
            return reading.page([])
        try:
            return await source.run(reading.plan, reading.page)
        except InvalidRequestError as error:
            reading.refuse(error)
            raise
