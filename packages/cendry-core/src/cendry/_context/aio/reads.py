"""Reads that contexts and transactions share: documents by id, and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar, cast, overload

from ..._model.metadata import forget_upgraded, remembered
from ..._model.model import Model
from ..._query.aio.query import AsyncQuery
from ..._query.aio.rows import AsyncRows
from ..._query.builders import FilterArgument, OrderArgument, QueryBuilder, bound, is_query, rebuilt
from ..._query.fields import FieldValues
from ..._query.results import Read, or_none, raised, read_by, reader, readers
from ..._query.rows import RowsValue, bound_rows, is_rows
from ...backend import StoredDocument
from ...codec import codec_for
from ...errors import DecodeError, DocumentNotFoundError
from ...plan import GetPlan
from ...reference import Located, Ref
from ..references import RefField, wanted_references
from ..targets import at_home, check_kind, check_not_frozen, is_there, locate, names_only, wanted_documents
from .sender import AsyncSender

M = TypeVar("M", bound=Model)
T = TypeVar("T")
A = TypeVar("A", bound=Model)
B = TypeVar("B", bound=Model)
C = TypeVar("C", bound=Model)
D = TypeVar("D", bound=Model)


async def find_any(sender: AsyncSender, model: type[M], document_id: str, parent: Located | None) -> M | None:
    """As `find`, but a document of another model of the same collection is an error.

    Raises:
        DecodeError: It is of another model, or doesn't fit the class.
    """
    model, path, _ = locate(model, document_id, parent, sender.holder.home)

    def read(result: StoredDocument) -> M | None:
        return reader(codec_for(model, sender.registry))(result) if result.exists else None

    return await sender.get(GetPlan((path,)), read, "find")


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
        sender = self._sender

        def read(result: StoredDocument) -> Any:
            if not result.exists:
                raise DocumentNotFoundError(path)
            return reader(codec_for(model, sender.registry))(result)

        return await sender.get(GetPlan((path,)), read, "get")

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
        model, path, _ = locate(target, document_id, parent, self._sender.holder.home)
        sender = self._sender

        def read(result: StoredDocument) -> Any:
            return or_none(reader(codec_for(model, sender.registry)), result) if result.exists else None

        return await sender.get(GetPlan((path,)), read, "find")

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
        wanted = wanted_documents("get_many", target, ids, parent, self._sender.holder.home)

        def complete(found: list[Any]) -> list[Any]:
            missing = list(dict.fromkeys([path for (_, path), one in zip(wanted, found, strict=True) if one is None]))
            if missing:
                raise DocumentNotFoundError.all_missing(missing)
            return raised(found)

        return await self._read_each("get", wanted, read_by, complete)

    @overload
    async def find_many(self, refs: Iterable[Ref[M]], /) -> list[M | None]: ...
    @overload
    async def find_many(
        self, model: type[M], ids: Iterable[str | Ref[M]], /, *, parent: Located | None = None
    ) -> list[M | None]: ...
    async def find_many(self, target: Any, ids: Any = None, /, *, parent: Located | None = None) -> list[Any]:
        """Return documents by id, in one request, with `None` in the place of those that don't exist.

        Args:
            target: The class; or an iterable of references alone, to documents of any classes.
            ids: With a class, an iterable of ids or references. One that occurs twice yields two instances.
            parent: With a class, the parent document of the subcollection.

        Returns:
            The instances and `None`, in the order of the ids. Without ids, nothing is sent.

        Raises:
            DecodeError: One doesn't fit the class.
            InvalidDocumentIdError: An id is not valid; nothing was sent.
            CendryError: A reference alone doesn't know its model; nothing was sent.
        """
        wanted = wanted_documents("find_many", target, ids, parent, self._sender.holder.home)
        return await self._read_each("find", wanted, or_none, raised)

    @overload
    async def fetch_refs(self, instances: Iterable[Model], a: RefField[A], /) -> dict[Ref[A], A]: ...
    @overload
    async def fetch_refs(
        self, instances: Iterable[Model], a: RefField[A], b: RefField[B], /
    ) -> dict[Ref[A | B], A | B]: ...
    @overload
    async def fetch_refs(
        self, instances: Iterable[Model], a: RefField[A], b: RefField[B], c: RefField[C], /
    ) -> dict[Ref[A | B | C], A | B | C]: ...
    @overload
    async def fetch_refs(
        self, instances: Iterable[Model], a: RefField[A], b: RefField[B], c: RefField[C], d: RefField[D], /
    ) -> dict[Ref[A | B | C | D], A | B | C | D]: ...
    @overload
    async def fetch_refs(
        self, instances: Iterable[Model], field: RefField[A], /, *fields: RefField[A]
    ) -> dict[Ref[A], A]: ...
    async def fetch_refs(self, instances: Iterable[Model], /, *fields: RefField[Any]) -> dict[Ref[Any], Any]:
        """Return the documents to which fields of instances refer, in one request.

        Args:
            instances: Instances that have the fields. Without any, nothing is sent.
            fields: Fields that hold references, as descriptors: a reference, or a list, set, tuple or dict of them;
                inside maps too. What is `None` is skipped.

        Returns:
            The instances by reference: `found[city.capital]`; without documents that don't exist. References to the
            same document share one instance. The types of up to 4 fields are known to type checkers.

        Raises:
            DecodeError: A document doesn't fit the model of its reference.
            CendryError: A reference doesn't know its model, or two give the same document unrelated models; or an
                instance lacks an attribute; nothing was sent.
            ForeignReferenceError: A reference points into another database; nothing was sent.
            InvalidValueError: A value is not a reference; nothing was sent.
            TypeError: A field holds no references, or is one of another model; nothing was sent.
        """
        registry = self._sender.registry
        wanted = wanted_references(instances, fields, registry, self._sender.holder.home)
        models = [(model, path) for path, model in wanted.models.items()]
        found = await self._read_each("find", models, or_none, raised)
        documents = dict(zip(wanted.models, found, strict=True))
        return {ref: documents[path] for ref, path in wanted.paths.items() if documents.get(path) is not None}

    async def _read_each(
        self,
        operation: str,
        wanted: Sequence[tuple[type[Any], str]],
        read: Callable[[Read[Any], StoredDocument], Any],
        complete: Callable[[list[Any]], list[Any]],
    ) -> list[Any]:
        """Documents by model and path, from one request, each read as it arrives; of none, nothing is sent.

        Args:
            operation: What the method is called.
            wanted: The models and paths.
            read: Called with the reader of a model and a document that exists.
            complete: Called with what was read, in the order of what is wanted: `None` for documents that don't exist,
                and the errors of those that don't fit.

        Returns:
            What `complete` returns.
        """
        found: list[Any] = [None] * len(wanted)
        places: dict[str, int] = {}
        others: dict[str, list[int]] = {}
        for place, (_, path) in enumerate(wanted):
            if places.setdefault(path, place) != place:
                others.setdefault(path, []).append(place)
        known = readers({model for model, _ in wanted}, self._sender.registry)

        def put(result: StoredDocument) -> bool:
            if not result.exists:
                return False
            path = result.path
            for place in (places[path], *others.get(path, ())):
                try:
                    found[place] = read(known[wanted[place][0]], result)
                except DecodeError as error:
                    found[place] = error
            return True

        if not wanted:
            self._sender.check_read()
            return found
        return await self._sender.get_each(GetPlan(tuple(places)), put, lambda: complete(found), operation)

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
        plan = GetPlan((path,), projection=names_only(model))
        return await self._sender.get(plan, partial(is_there, model), "exists")

    @overload
    async def refresh(self, instance: Model, /, *, parent: Located | None = None) -> None: ...
    @overload
    async def refresh(self, ref: Ref[M], /) -> M: ...
    async def refresh(self, target: Any, /, *, parent: Located | None = None) -> Any:
        """Read the document of an instance again, into the instance.

        Args:
            target: The instance, which is left unchanged on any error; or a `Ref`, as in `get`. Read in a transaction,
                it keeps what was read if the transaction is rolled back.
            parent: The parent document of the subcollection.

        Returns:
            Of a `Ref`, a new instance; `None` otherwise.

        Raises:
            DocumentNotFoundError: The document doesn't exist any more.
            DecodeError: It doesn't fit the model.
            CendryError: The instance has no id, or its class is frozen; nothing was sent.
        """
        model, path, instance = locate(target, None, parent, self._sender.holder.home)
        if instance is not None:
            check_not_frozen(instance, "refresh")
        sender = self._sender

        def read(result: StoredDocument) -> Model:
            if not result.exists:
                raise DocumentNotFoundError(path)
            fresh: Model = reader(codec_for(model, sender.registry))(result)
            if instance is not None:
                check_kind(instance, fresh, path)
            return fresh

        fresh = await sender.get(GetPlan((path,)), read, "refresh")
        if instance is None:
            return fresh
        forget_upgraded(instance)
        vars(instance).update(vars(fresh))
        object.__setattr__(instance, "_cendry_metadata", remembered(fresh))
        return None

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
        start_at: FieldValues | M | str | None = None,
        start_after: FieldValues | M | str | None = None,
        end_at: FieldValues | M | str | None = None,
        end_before: FieldValues | M | str | None = None,
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
        start_at: FieldValues | M | str | None = None,
        start_after: FieldValues | M | str | None = None,
        end_at: FieldValues | M | str | None = None,
        end_before: FieldValues | M | str | None = None,
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
