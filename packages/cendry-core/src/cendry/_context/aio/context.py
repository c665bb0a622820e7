"""AsyncCendry: a connection to a database, for async code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final, overload

from ..._changes import FieldChange
from ..._model.metadata import ref_of
from ..._model.model import Model
from ..._query.builders import checked_moment
from ..._query.fields import Changes, FieldKey
from ..._types.registry import TypeRegistry
from ...backend import DEFAULT_RETRY, AsyncBackend
from ...errors import BulkFailure, DocumentAlreadyExistsError
from ...reference import Located, Ref
from ..changes import ChangesArgument, built, items_of, put_items
from ..holder import SharedHolder, async_open_holder, async_url_holder
from ..misuse import AsyncOnly
from ..observing import Observer, TelemetryArgument
from ..settings import settings
from ..targets import deletions, each, locate, several

# sync: from ..listening import DocumentCallbacks
from ..writes import Pending, check_number, discard, name_instance
from .batch import AsyncBatch
from .listening import AsyncDocumentListening
from .past import AsyncPastSender
from .reads import AsyncReads, find_any
from .sender import AsyncSender
from .transaction import AsyncScope, AsyncTransaction, put, run, write

if TYPE_CHECKING:
    # Loaded at first use, like all that bulk writes and listeners need.
    from ...jobs.results import BulkProgress, BulkResult
    from .bulk import AsyncBulk

M = TypeVar("M", bound=Model)
R = TypeVar("R")

CREATE_ATTEMPTS: Final = 5
"""How often `get_or_create` tries again when other clients create and delete the same document meanwhile."""


@final
# sync: class Cendry(Reads, DocumentListening, DocumentCallbacks, SyncOnly):
class AsyncCendry(AsyncReads, AsyncDocumentListening, AsyncOnly):  # sync:
    """A connection to a database: reads, writes, queries, batches and transactions.

    Without `client` and `backend`, a Firestore client with default credentials is opened at first use. Safe to share
    between tasks and event loops. Use it in an `async with`, or call `close()`.

    Args:
        client: A Firestore SDK client; it stays open when the context is closed.
        backend: Any backend; it stays open as well. Not together with `client`, `project` or `database`.
        project: The Google Cloud project; by default that of the credentials.
        database: The name of the database; by default `(default)`.
        type_registry: The type registry; by default `default_registry`.
        timeout: Seconds that a call may take, including retries; by default that of the backend.
        retry: A retry policy of the kind that the backend takes (for Google's, an `AsyncRetry` of `google.api_core`),
            or `None` for no retries; by default that of the backend.
        token_key: The key that signs page tokens, so that clients can't make their own; or several, to change keys: the
            first one signs, all of them verify. Without it, tokens are not signed.
        telemetry: Whether operations have spans and durations by OpenTelemetry; by default, if opentelemetry-api is
            installed and the program has set a provider. Or a `TracerProvider` to use instead of the global one.
        clock: Returns the time for `auto_now` and `auto_now_add`, an aware `datetime`; by default the client's clock.
        random: Source of the random pauses between the attempts of a transaction; by default a generator of its own.

    Raises:
        CendryError: Arguments can't be combined.
        ImportError: The Firestore backend is not installed, and no backend was given; or `telemetry=True`, and
            opentelemetry-api is not installed.
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self,
        client: Any = None,
        *,
        backend: AsyncBackend | None = None,
        project: str | None = None,
        database: str | None = None,
        type_registry: TypeRegistry | None = None,
        timeout: float | None = None,
        retry: Any = DEFAULT_RETRY,
        token_key: str | bytes | Sequence[str | bytes] | None = None,
        telemetry: TelemetryArgument = None,
        clock: Callable[[], datetime] | None = None,
        random: Random | None = None,
    ) -> None:
        holder = async_open_holder(client, backend, project, database)
        observer = Observer(telemetry, holder.backend)
        checked = settings(
            type_registry,
            timeout,
            retry,
            clock,
            random,
            holder.encoder,
            holder.changes,
            holder.home,
            observer,
            token_key,
        )
        self._sender = AsyncSender(holder, checked)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        type_registry: TypeRegistry | None = None,
        timeout: float | None = None,
        retry: Any = DEFAULT_RETRY,
        token_key: str | bytes | Sequence[str | bytes] | None = None,
        telemetry: TelemetryArgument = None,
        clock: Callable[[], datetime] | None = None,
        random: Random | None = None,
    ) -> AsyncCendry:
        """Return a context on the database that a URL names, so that one setting decides which one it is.

        | URL | database |
        |---|---|
        | `memory:` | a new one in memory |
        | `memory:NAME` | one in memory, the same for all contexts of this process that name it, in both twins |
        | `memory:///path/to/app.db` | one in memory, kept in a file; the path is absolute |
        | `firestore://PROJECT/DATABASE` | Firestore, or the emulator that `FIRESTORE_EMULATOR_HOST` names |
        | `datastore://PROJECT/DATABASE?namespace=N` | Firestore in Datastore mode; has no async twin |

        `DATABASE` may be left out, and so may the namespace. A named database in memory is dropped when the last of its
        contexts is closed or collected. A file, and a connection, are opened at first use.

        Args:
            url: The URL; special characters in it are percent-encoded.
            type_registry: As in the constructor, like the others.
            timeout: Seconds that a call may take, including retries.
            retry: A retry policy, or `None` for no retries.
            token_key: The key that signs page tokens, or several.
            telemetry: Whether operations have spans and durations by OpenTelemetry.
            clock: Returns the time for `auto_now` and `auto_now_add`.
            random: Source of the random pauses between the attempts of a transaction.

        Raises:
            InvalidUrlError: The URL is malformed, or its scheme is unknown.
            UnsupportedByBackendError: The database has no async twin.
            ImportError: The backend is not installed; the message names the extra to install.
        """
        holder = async_url_holder(url)
        observer = Observer(telemetry, holder.backend)
        checked = settings(
            type_registry,
            timeout,
            retry,
            clock,
            random,
            holder.encoder,
            holder.changes,
            holder.home,
            observer,
            token_key,
        )
        context = object.__new__(AsyncCendry)
        context._sender = AsyncSender(holder, checked)
        return context

    @property
    def client(self) -> Any:
        """The client of the database's own SDK, for the running event loop."""
        return self._sender.holder.backend().client

    async def close(self) -> None:
        """Close what this context opened, and its listeners; it can't be used any more. May be called twice."""
        await self._sender.close()

    async def __aenter__(self) -> AsyncCendry:
        self._sender.holder.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sender.leave()

    def at(self, moment: datetime) -> AsyncCendry:
        """Return a context whose reads are all at a past moment, as one consistent view of the database.

        Queries that it selects have that moment, as if by their own `at`; a query that has one already keeps it.
        Writes, batches, transactions and listeners are refused. It shares the backend: closing it closes nothing else,
        and it ends with this context.

        Args:
            moment: An aware `datetime`, to the microsecond. Firestore reads back one hour; whole minutes up to seven
                days back if point-in-time recovery is enabled.

        Raises:
            InvalidRequestError: The moment is naive or in the future; nothing was sent. Reads raise it if the moment is
                too long ago for the database.
        """
        sender = self._sender
        past = object.__new__(AsyncCendry)
        past._sender = AsyncPastSender(SharedHolder(sender.holder), sender.settings, checked_moment(moment))
        return past

    def ref_of(self, instance: M, /) -> Ref[M]:
        """Return a reference to the document of an instance.

        Args:
            instance: The instance.

        Raises:
            CendryError: It has no id, or its model declares a parent that isn't known.
        """
        return ref_of(instance)

    async def save(
        self,
        instance: Model,
        /,
        *,
        parent: Located | None = None,
        merge: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> str:
        """Write the whole instance, whether its document exists or not.

        The stored document is replaced, including undeclared fields unless the model has `extra="keep"`. That and
        `merge` read the document first, as in `update`, if the model has a version above 1.

        Args:
            instance: The instance; without an id, it is assigned an automatic one.
            parent: The parent document of the subcollection; needed once, then remembered.
            merge: Write only the declared fields, and leave other stored fields unchanged.
            if_unchanged: `True` raises if the document has changed since this instance was read or written; an update
                time or an etag, if it has changed since then. The value of a header `If-Match` is taken as it is:
                several etags, or `*` for a document that exists.

        Returns:
            The id.

        Raises:
            StaleDocumentError: `if_unchanged` was set, and the document has changed; nothing was written.
            DocumentNotFoundError: `if_unchanged` is `*`, and there is no such document; nothing was written.
            InvalidEtagError: `if_unchanged` is text without an etag of this document; nothing was sent.
            InvalidValueError: A value doesn't fit its field; nothing was sent.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
            DecodeError: With `merge` or `extra="keep"`, as in `update`.
            TransactionContentionError: Likewise.
        """
        pending = self._sender.settings.writer.save(instance, parent, merge, if_unchanged)
        await write(self._sender, [pending])
        return pending.write.path.rpartition("/")[2]

    async def create(self, instance: Model, /, *, parent: Located | None = None) -> str:
        """Write the whole instance, whose document must not exist yet.

        Args:
            instance: The instance; without an id, it is assigned an automatic one.
            parent: The parent document of the subcollection.

        Returns:
            The id.

        Raises:
            DocumentAlreadyExistsError: The document exists already; nothing was written.
            InvalidValueError: A value doesn't fit its field; nothing was sent.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
        """
        pending = self._sender.settings.writer.create(instance, parent)
        await self._sender.commit([pending])
        return pending.write.path.rpartition("/")[2]

    @overload
    async def update(
        self,
        target: Model | Ref[Any],
        changes: Changes,
        /,
        *,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    async def update(
        self,
        target: Model | Ref[Any],
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    async def update(
        self,
        target: Model,
        /,
        *,
        fields: Iterable[FieldKey],
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    async def update(
        self,
        model: type[Model],
        document_id: str,
        changes: Changes,
        /,
        *,
        parent: Located | None = None,
        if_unchanged: datetime | str | None = None,
    ) -> None: ...
    @overload
    async def update(
        self,
        model: type[Model],
        document_id: str,
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
        if_unchanged: datetime | str | None = None,
    ) -> None: ...
    async def update(
        self,
        target: Any,
        /,
        *given: Any,
        fields: Iterable[FieldKey] | None = None,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None:
        """Change some fields of a document that must exist, and `auto_now` fields; all others stay as they are.

        An instance is updated with the plain values; for values that the server computes, call `refresh`.
        If the model has a version above 1, and `oldest` is not the same, this reads the document first, in a
        transaction of up to 5 attempts, and upgrades an older one by the same commit.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes: a dict of new values, transforms (`Increment(1)`) or `DELETE_FIELD` by field, or typed
                changes (`City.name.set("x")`); with a class, the id before them. A field is a descriptor, a declared
                name (dotted for nested ones) or a stored `FieldPath`.
            fields: Instead of changes: the fields of the instance to write with their current values.
            parent: The parent document of the subcollection.
            if_unchanged: As in `save`.

        Raises:
            DocumentNotFoundError: There is no such document; nothing was written.
            StaleDocumentError: `if_unchanged` was set, and the document has changed; nothing was written.
            UnknownFieldError: A name is not declared; nothing was sent.
            InvalidValueError: A value doesn't fit its field, or a required field would be removed; nothing was sent.
            CendryError: Two changes overlap, there are none, or one is below a map that is `None` in the instance;
                nothing was sent.
            DecodeError: The stored document is of a version that the model doesn't read, or can't be upgraded, or what
                that makes of it can't be stored; nothing was written. With a version above 1 only, as the next one.
            TransactionContentionError: Other clients kept changing the document; nothing was written.
        """
        writer = self._sender.settings.writer
        await write(self._sender, [writer.update(target, given, fields, parent, if_unchanged)])

    @overload
    async def merge(self, target: Model | Ref[Any], changes: Changes, /, *, parent: Located | None = None) -> None: ...
    @overload
    async def merge(
        self, target: Model | Ref[Any], change: FieldChange, /, *changes: FieldChange, parent: Located | None = None
    ) -> None: ...
    @overload
    async def merge(
        self, model: type[Model], document_id: str, changes: Changes, /, *, parent: Located | None = None
    ) -> None: ...
    @overload
    async def merge(
        self,
        model: type[Model],
        document_id: str,
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
    ) -> None: ...
    async def merge(self, target: Any, /, *given: Any, parent: Located | None = None) -> None:
        """Write some fields, and `auto_now` fields, whether the document exists or not; all others stay as they are.

        Fields are written as a whole, dicts too; to write one key of a dict, name the key. If the model has a version
        above 1, this reads the document first, as `update` does.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes, as in `update`; with a class, the id before them.
            parent: The parent document of the subcollection.

        Raises:
            UnknownFieldError: A name is not declared; nothing was sent.
            InvalidValueError: A value doesn't fit its field; nothing was sent.
            CendryError: A required field is not named, so that a document created from this could not be read, or two
                changes overlap; nothing was sent.
            DecodeError: As in `update`.
            TransactionContentionError: As in `update`.
        """
        self._sender.check_present("writes")
        await write(self._sender, [self._sender.settings.writer.merge(target, given, parent)])

    @overload
    async def delete(
        self,
        target: Model | Ref[Any],
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    async def delete(
        self,
        model: type[Model],
        document_id: str,
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: datetime | str | None = None,
    ) -> None: ...
    async def delete(
        self,
        target: Any,
        document_id: str | None = None,
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None:
        """Remove a document; its subcollections stay.

        Args:
            target: An instance, a `Ref`, or a class.
            document_id: With a class, the id.
            parent: The parent document of the subcollection.
            must_exist: Whether to raise if there is no such document.
            if_unchanged: As in `save`.

        Raises:
            DocumentNotFoundError: `must_exist` was set, and there is no such document.
            StaleDocumentError: `if_unchanged` was set, and the document has changed; it was not deleted.
            CendryError: The instance has no id; nothing was sent.
        """
        writer = self._sender.settings.writer
        await self._sender.commit([writer.delete(target, document_id, parent, must_exist, if_unchanged)])

    async def get_or_create(
        self,
        model: type[M],
        document_id: str,
        /,
        defaults: ChangesArgument | None = None,
        *,
        parent: Located | None = None,
    ) -> tuple[M, bool]:
        """Return the document, or create it from `defaults`; atomic: of several callers, one creates it.

        Args:
            model: The class.
            document_id: The id.
            defaults: The values of a new document by top-level field: a dict, or a list of typed changes.
            parent: The parent document of the subcollection.

        Returns:
            The instance, and whether it was created.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field; nothing was written.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
            DecodeError: The stored document doesn't fit the class.
            DocumentAlreadyExistsError: Other clients kept creating and deleting the document, 5 times.
        """
        self._sender.check_present("writes")
        values = items_of(defaults, "defaults= takes values")
        for attempt in range(1, CREATE_ATTEMPTS + 1):
            found: M | None = await find_any(self._sender, model, document_id, parent)
            if found is not None:
                return found, False
            instance = built(model, document_id, values, "defaults")
            try:
                await self.create(instance, parent=parent)
            except DocumentAlreadyExistsError:
                if attempt == CREATE_ATTEMPTS:
                    raise
            else:
                return instance, True
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover - it can't be reached

    async def update_or_create(
        self,
        model: type[M],
        document_id: str,
        /,
        defaults: ChangesArgument | None = None,
        *,
        create_defaults: ChangesArgument | None = None,
        parent: Located | None = None,
    ) -> tuple[M, bool]:
        """Update the document with `defaults`, or create it, in a transaction of up to 5 attempts.

        Args:
            model: The class.
            document_id: The id.
            defaults: Changes as in `update`; without `create_defaults`, the values of a new document as well.
            create_defaults: The values of a new document by top-level field, instead of `defaults`; likewise.
            parent: The parent document of the subcollection.

        Returns:
            The instance, and whether it was created. For values that the server computes, call `refresh`.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field; nothing was written.
            InvalidDocumentIdError: The id is not valid; nothing was sent.
            DecodeError: The stored document doesn't fit the class; or as in `update`.
            TransactionContentionError: Other clients kept changing the document; nothing was written.
        """
        changes, new = put_items(defaults, create_defaults)

        async def work(txn: AsyncTransaction) -> tuple[M, bool]:
            return await put(txn, model, document_id, changes, new, parent)

        return await self.transaction(work)

    async def save_many(
        self,
        instances: Iterable[Model],
        /,
        *,
        parent: Located | None = None,
        merge: bool = False,
        atomic: bool = True,
    ) -> list[str]:
        """Save instances, all or none; at most 500, unless `atomic=False`.

        Args:
            instances: An iterable of instances, of any models. Without any, nothing is sent.
            parent: The parent document of the subcollection.
            merge: As in `save`.
            atomic: With `False`, any number of instances, each by itself, as `bulk()` does: some may be saved and
                others not.

        Returns:
            The ids.

        Raises:
            CendryError: There are more than 500; nothing was sent.
            InvalidValueError: A value doesn't fit its field; nothing was sent. With `atomic=False`, instances before
                it may be saved.
            DecodeError: With `merge` or `extra="keep"`, as in `update`; none was saved. With `atomic=False`, nothing is
                read, and a `CendryError` as in `batch`.
            TransactionContentionError: As in `update`; none was saved.
            BulkError: With `atomic=False`, some were not saved; all others were.
        """
        if not atomic:
            from ...jobs.results import BulkOptions
            from .bulk import write_all

            ids: list[str] = []
            await write_all(self._sender.bulk(BulkOptions()), self._saves(instances, parent, merge, ids))
            return ids
        given = several(instances, "save_many() takes instances")
        check_number(len(given))
        writer = self._sender.settings.writer
        pending: list[Pending] = []
        try:
            pending.extend(writer.save(one, parent, merge, False) for one in given)
        except BaseException as error:
            discard(pending)
            if isinstance(error, Exception):
                name_instance(error, given[len(pending)], f"instance {len(pending)}")
            raise
        await write(self._sender, pending)
        return [one.write.path.rpartition("/")[2] for one in pending]

    def _saves(self, instances: object, parent: Located | None, merge: bool, ids: list[str]) -> Iterator[Pending]:
        save = self._sender.settings.writer.save
        for index, one in enumerate(each(instances, "save_many() takes instances")):
            try:
                pending = save(one, parent, merge, False)
            except Exception as error:
                name_instance(error, one, f"instance {index}")
                raise
            ids.append(pending.write.path.rpartition("/")[2])
            yield pending

    @overload
    async def delete_many(
        self,
        instances: Iterable[Model | Ref[Any]],
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        atomic: bool = True,
    ) -> None: ...
    @overload
    async def delete_many(
        self,
        model: type[Model],
        ids: Iterable[str | Ref[Any]],
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        atomic: bool = True,
    ) -> None: ...
    async def delete_many(
        self,
        target: Any,
        ids: Any = None,
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        atomic: bool = True,
    ) -> None:
        """Delete instances, or documents of a class by id, all or none. Their subcollections stay.

        At most 500, unless `atomic=False`.

        Args:
            target: An iterable of instances and references, or a class. Without any, nothing is sent.
            ids: With a class, the ids.
            parent: The parent document of the subcollection.
            must_exist: Whether to raise, and delete none, if one doesn't exist.
            atomic: With `False`, any number of documents, each by itself, as `bulk()` does: some may be deleted and
                others not.

        Raises:
            DocumentNotFoundError: `must_exist` was set, and one doesn't exist; nothing was deleted.
            CendryError: There are more than 500, or an instance has no id; nothing was sent.
            BulkError: With `atomic=False`, some were not deleted; all others were.
        """
        delete = self._sender.settings.writer.delete
        if not atomic:
            from ...jobs.results import BulkOptions
            from .bulk import write_all

            pairs = deletions(target, ids)
            pending = (delete(one, document_id, parent, must_exist, None) for one, document_id in pairs)
            await write_all(self._sender.bulk(BulkOptions()), pending)
            return
        given = list(deletions(target, ids))
        check_number(len(given))
        await self._sender.commit([delete(one, document_id, parent, must_exist, None) for one, document_id in given])

    @overload
    async def delete_recursive(
        self,
        target: Model | Ref[Any],
        /,
        *,
        parent: Located | None = None,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult: ...
    @overload
    async def delete_recursive(
        self,
        model: type[Model],
        document_id: str,
        /,
        *,
        parent: Located | None = None,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult: ...
    async def delete_recursive(
        self,
        target: Any,
        document_id: str | None = None,
        /,
        *,
        parent: Located | None = None,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult:
        """Delete a document with all documents of its subcollections, at any depth, each by itself: not atomic.

        The names of the documents are read at one point in time, and held in memory; those that others create meanwhile
        stay. The document itself is deleted at the end, and only if no other one has failed, so that the call can be
        repeated until nothing is left. It need not exist.

        Args:
            target: An instance, a `Ref`, or a class.
            document_id: With a class, the id.
            parent: The parent document of the subcollection.
            max_rate: As in `bulk`, like the others.
            on_progress: Called with a `BulkProgress` after each request.
            on_error: Called with each `BulkFailure`; without it, failures raise in the end.

        Returns:
            How many documents were deleted, and the failures.

        Raises:
            BulkError: Some documents were not deleted, and there is no `on_error`.
            CendryError: The instance has no id; nothing was sent.
            UnsupportedByBackendError: The backend has no bulk writes; nothing was sent.
        """
        from ...jobs.results import BulkOptions

        options = BulkOptions(max_rate, on_progress, on_error)
        _, path, instance = locate(target, document_id, parent, self._sender.holder.home)
        return await self._sender.delete_below(path, instance, options)

    def bulk(
        self,
        *,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> AsyncBulk:
        """Create a bulk: any number of writes, each by itself, not atomic, for use in an `async with`.

        The rate begins at 500 documents per second and grows by half every 5 minutes, as Google recommends. Writes that
        failed for a passing reason are sent again where that can't count twice. Memory stays bounded.
        If the block raises, what was not sent is discarded. The result is `bulk.result`.

        Args:
            max_rate: The most documents per second.
            on_progress: Called with a `BulkProgress` after each request.
            on_error: Called with each `BulkFailure`; without it, failures raise a `BulkError` at the end of the block.

        Raises:
            TypeError: A handler is not a plain function.
            ValueError: The rate is not a positive number.
            CendryError: A transaction is running here.
            UnsupportedByBackendError: The backend has no bulk writes.
        """
        from ...jobs.results import BulkOptions

        return self._sender.bulk(BulkOptions(max_rate, on_progress, on_error))

    def batch(self) -> AsyncBatch:
        """Create a batch: up to 500 writes that are committed together, all or none.

        It reads nothing, so it refuses to change some fields of documents that may be of an older version than their
        model, which `oldest=` rules out; bulk writes do the same.

        Returns:
            The batch; in an `async with`, it commits at the end of the block, and discards everything if that raises.
        """
        self._sender.check_present("batches")
        return AsyncBatch(self._sender)

    @overload
    def transaction(
        self, function: Callable[[AsyncTransaction], Awaitable[R]], /, *, max_attempts: int = 5, read_only: bool = False
    ) -> Coroutine[Any, Any, R]: ...
    @overload
    def transaction(self, /, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncTransaction, None]: ...
    def transaction(
        self,
        function: Callable[[AsyncTransaction], Any] | None = None,
        /,
        *,
        max_attempts: int = 5,
        read_only: bool = False,
    ) -> Any:
        """Run a transaction: reads, then writes, that take effect together or not at all.

        Args:
            function: Called with the transaction, again for each attempt, so it must have no other effects. Without
                it, the result is a context manager for a single attempt.
            max_attempts: The maximum number of attempts when other clients lock or change the same documents. Between
                attempts there are random pauses that grow up to 4 seconds.
            read_only: Whether it only reads, at a single point in time and without locks.

        Returns:
            The result of `function` in the committed attempt; without it, a context manager for `async with`.

        Raises:
            TransactionContentionError: All attempts were aborted; nothing was written.
            DecodeError: A queued `update`, `merge` or `save` as in the method of the context; nothing was written.
            CendryError: A transaction is already running here.
        """
        self._sender.check_present("transactions")
        if not isinstance(cast(object, read_only), bool):
            raise TypeError(f"read_only= takes True or False, not {read_only!r}.")
        if function is None:
            return AsyncScope(self._sender, read_only)
        return run(self._sender, function, max_attempts, read_only)
