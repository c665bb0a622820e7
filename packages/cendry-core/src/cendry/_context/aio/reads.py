"""Reads that contexts and transactions share: documents by id, and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast, overload

from ..._model.model import Model
from ..._query.aio.query import AsyncQuery
from ..._query.aio.rows import AsyncRows
from ..._query.builders import FilterArgument, OrderArgument, QueryBuilder, bound, is_query, rebuilt
from ..._query.results import reader
from ..._query.rows import RowsValue, bound_rows, is_rows
from ...codec import codec_for
from ...errors import DecodeError, DocumentNotFoundError
from ...plan import GetPlan
from ...reference import Located, Ref
from ..targets import at_home, is_there, locate, names_only, wanted_documents
from .sender import AsyncSender

M = TypeVar("M", bound=Model)
T = TypeVar("T")


async def find_any(
    sender: AsyncSender, target: object, document_id: object = None, parent: Located | None = None
) -> Any:
    """As `find`; a document of another model of the same collection is an error.

    Raises:
        DecodeError: It is of another model, or doesn't fit the class.
    """
    model, path, _ = locate(target, document_id, parent, sender.holder.home)
    [result] = await sender.get(GetPlan((path,)))
    return reader(codec_for(model, sender.registry))(result) if result.exists else None


class AsyncReads:
    """Reads documents."""

    __slots__ = ("_sender",)
    _sender: AsyncSender

    @overload
    async def get(self, ref: Ref[M], /) -> M: ...
    @overload
    async def get(self, model: type[M], document_id: str, /, *, parent: Located | None = None) -> M: ...
    async def get(self, target: Any, document_id: str | None = None, /, *, parent: Located | None = None) -> Any:
        """Return the document of this class and id, or of a `Ref`.

        Args:
            target: The class, or a `Ref` instead of all three.
            document_id: The id.
            parent: The parent document of the subcollection.

        Returns:
            A new instance.

        Raises:
            DocumentNotFoundError: There is no such document.
            DecodeError: It doesn't fit the class.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
        """
        model, path, _ = locate(target, document_id, parent, self._sender.holder.home)
        [result] = await self._sender.get(GetPlan((path,)))
        if not result.exists:
            raise DocumentNotFoundError(path)
        return reader(codec_for(model, self._sender.registry))(result)

    @overload
    async def find(self, ref: Ref[M], /) -> M | None: ...
    @overload
    async def find(self, model: type[M], document_id: str, /, *, parent: Located | None = None) -> M | None: ...
    async def find(self, target: Any, document_id: str | None = None, /, *, parent: Located | None = None) -> Any:
        """Return the document of this class and id, or of a `Ref`; `None` if there is none.

        Args:
            target: The class, or a `Ref` instead of all three.
            document_id: The id.
            parent: The parent document of the subcollection.

        A document of another model, where several share the collection, is `None` too.

        Raises:
            DecodeError: It doesn't fit the class.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
        """
        try:
            return await find_any(self._sender, target, document_id, parent)
        except DecodeError as error:
            if error.is_other_kind:
                return None
            raise

    @overload
    async def get_many(self, refs: Iterable[Ref[M]], /) -> list[M]: ...
    @overload
    async def get_many(
        self, model: type[M], ids: Iterable[str | Ref[M]], /, *, parent: Located | None = None
    ) -> list[M]: ...
    async def get_many(self, target: Any, ids: Any = None, /, *, parent: Located | None = None) -> list[Any]:
        """Return documents by id, in one request.

        Args:
            target: The class; or an iterable of references alone, to documents of any classes.
            ids: With a class, an iterable of ids or references. One that occurs twice yields two instances.
            parent: With a class, the parent document of the subcollection.

        Returns:
            The instances, in the order of the ids. Without ids, nothing is sent.

        Raises:
            DocumentNotFoundError: Some do not exist; `candidates` lists them all.
            DecodeError: One doesn't fit the class.
            InvalidDocumentIdError: An id is not valid; nothing was sent.
            CendryError: A reference alone doesn't know its model; nothing was sent.
        """
        wanted = wanted_documents(target, ids, parent, self._sender.holder.home)
        if not wanted:
            return []
        asked = tuple(dict.fromkeys(path for _, path in wanted))
        found = {result.path: result for result in await self._sender.get(GetPlan(asked)) if result.exists}
        missing = [path for path in asked if path not in found]
        if missing:
            raise DocumentNotFoundError.all_missing(missing)
        registry = self._sender.registry
        read = {model: reader(codec_for(model, registry)) for model in {model for model, _ in wanted}}
        return [read[model](found[path]) for model, path in wanted]

    @overload
    async def exists(self, ref: Ref[Any], /) -> bool: ...
    @overload
    async def exists(self, model: type[Model], document_id: str, /, *, parent: Located | None = None) -> bool: ...
    async def exists(self, target: Any, document_id: str | None = None, /, *, parent: Located | None = None) -> bool:
        """Return whether there is a document of this class and id; its fields are not transferred.

        Args:
            target: The class, or a `Ref` instead of all three.
            document_id: The id.
            parent: The parent document of the subcollection.

        Raises:
            InvalidDocumentIdError: The id is not valid; nothing was sent.
        """
        model, path, _ = locate(target, document_id, parent, self._sender.holder.home)
        [result] = await self._sender.get(GetPlan((path,), projection=names_only(model)))
        return is_there(model, result)

    @overload
    def select(
        self, rows: RowsValue[T], /, *, on_error: Callable[[DecodeError], object] | None = None
    ) -> AsyncRows[T]: ...
    @overload
    def select(
        self, query: QueryBuilder[M], /, *, on_error: Callable[[DecodeError], object] | None = None
    ) -> AsyncQuery[M]: ...
    @overload
    def select(
        self,
        model: type[M],
        /,
        *filters: FilterArgument,
        order_by: OrderArgument | Iterable[OrderArgument] | None = None,
        limit: int | None = None,
        offset: int | None = 0,
        start_at: Mapping[Any, Any] | M | None = None,
        start_after: Mapping[Any, Any] | M | None = None,
        end_at: Mapping[Any, Any] | M | None = None,
        end_before: Mapping[Any, Any] | M | None = None,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncQuery[M]: ...
    def select(
        self,
        target: Any,
        /,
        *filters: FilterArgument,
        on_error: Callable[[DecodeError], object] | None = None,
        **options: Any,
    ) -> Any:
        """Create a query on a collection, bound to this context; nothing is sent before it runs.

        Args:
            target: The class of the documents; or a query, or rows of one, built elsewhere, for either twin.
            filters: Filters that must all hold.
            on_error: Called with the `DecodeError` of each document that doesn't fit; without it, the error is raised.
            options: As in `AsyncQuery`: `order_by`, `limit`, `offset`, `start_at`, `start_after`, `end_at`,
                `end_before`, `parent`.

        Raises:
            TypeError: An argument is of the wrong kind.
            UnknownFieldError: A name is not declared.
        """
        if not isinstance(target, type) and is_rows(target):
            if filters or options:
                raise TypeError("select(rows) takes no other arguments; use the builders of the query.")
            return bound_rows(AsyncRows, target, self._sender, on_error)
        return bound(self._query(target, filters, options), self._sender, on_error)

    def select_group(
        self,
        model: type[M],
        /,
        *filters: FilterArgument,
        order_by: OrderArgument | Iterable[OrderArgument] | None = None,
        limit: int | None = None,
        offset: int | None = 0,
        start_at: Mapping[Any, Any] | M | None = None,
        start_after: Mapping[Any, Any] | M | None = None,
        end_at: Mapping[Any, Any] | M | None = None,
        end_before: Mapping[Any, Any] | M | None = None,
        parent: Located | None = None,
        on_error: Callable[[DecodeError], object] | None = None,
    ) -> AsyncQuery[M]:
        """Create a query on all collections of this name, at any depth (a collection group).

        Args:
            model: The class of the documents.
            filters: Filters that must all hold. Ids are full paths here: `City.id == "countries/us/cities/SF"`.
            order_by: As in `AsyncQuery`, like the others.
            limit: The maximum number of documents.
            offset: How many documents to skip.
            start_at: Where to begin.
            start_after: Where to begin, exclusive.
            end_at: Where to end.
            end_before: Where to end, exclusive.
            parent: A document; only collections below it are queried then.
            on_error: Called with the `DecodeError` of each document that doesn't fit; without it, the error is raised.

        Raises:
            TypeError: An argument is of the wrong kind.
            UnknownFieldError: A name is not declared.
        """
        query = AsyncQuery(
            model,
            *filters,
            order_by=order_by,
            limit=limit,
            offset=offset,
            start_at=start_at,
            start_after=start_after,
            end_at=end_at,
            end_before=end_before,
            parent=at_home(parent, self._sender.holder.home),
            group=True,
        )
        return bound(query, self._sender, on_error)

    def _query(self, target: Any, filters: tuple[Any, ...], options: dict[str, Any]) -> AsyncQuery[Any]:
        if not is_query(target):
            if "parent" in options:
                options["parent"] = at_home(options["parent"], self._sender.holder.home)
            return AsyncQuery(target, *filters, **options)
        if filters or options:
            raise TypeError("select(query) takes no other arguments; use query.filter(...) and its other builders.")
        return cast("AsyncQuery[Any]", rebuilt(AsyncQuery, target))
