# Generated from aio/bulk.py by tools/twins.py; do not edit.
"""Bulk writes: any number of them, each by itself."""

# Its functions belong to the bulk, but are kept off the class to keep its public names clean.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, final, overload

from ..._changes import FieldChange
from ..._model.model import Model
from ..._query.fields import Changes, FieldKey
from ...backend import Backend, WriteResult
from ...errors import CendryError
from ...jobs.results import BulkOptions, BulkResult
from ...plan import Write
from ...reference import Located, Ref
from ..bulk import MAX_IN_FLIGHT, BulkLife, BulkQueue, throttle_of
from ..holder import BackendHolder
from ..misuse import SyncOnly
from ..settings import Settings
from ..versions import without_reading
from ..workers import Workers
from ..writes import Pending, name_instance


@final
class Bulk(SyncOnly):
    """Any number of writes, each by itself: not atomic, throttled, with several requests under way at a time.

    Created by `ctx.bulk()`, for use in a `with`. Its methods wait while too many writes are
    not done yet.
    Writes to one document keep their order; others are made in any order.
    An instance is written as it is when it is queued; its timestamps and metadata change when it is written.
    """

    __slots__ = ("_holder", "_life", "_lock", "_observed", "_options", "_queue", "_settings", "_workers")

    def __init__(self, holder: BackendHolder[Backend], settings: Settings, options: BulkOptions) -> None:
        self._life = BulkLife(holder.backend())
        self._holder = holder
        self._settings = settings
        self._options = options
        # Threads may share a bulk, and its handlers may queue more writes.
        self._lock = RLock()

    @property
    def result(self) -> BulkResult:
        """What came of the writes, after the end of the block.

        Raises:
            CendryError: The block has not ended.
        """
        return self._life.result

    def save(
        self,
        instance: Model,
        /,
        *,
        parent: Located | None = None,
        merge: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> str:
        """Queue a write of the whole instance, whether its document exists or not.

        Args:
            instance: The instance; without an id, it is assigned an automatic one at once.
            parent: The parent document of the subcollection; needed once, then remembered.
            merge: Write only the declared fields, and leave other stored fields unchanged.
            if_unchanged: As in `ctx.save`; the write fails if the document has changed.

        Returns:
            The id.

        Raises:
            InvalidValueError: A value doesn't fit its field; this write is not queued. The message has its number among
                the writes of the bulk.
            CendryError: The bulk has ended; or the document may be of an older version (see `ctx.batch`).
        """
        self._life.check_open()
        try:
            pending = self._settings.writer.save(instance, parent, merge, if_unchanged)
        except Exception as error:
            name_instance(error, instance, f"write {self._queue.count} of this bulk")
            raise
        return self._put(pending)

    def create(self, instance: Model, /, *, parent: Located | None = None) -> str:
        """Queue a write of the whole instance, whose document must not exist yet; else the write fails.

        Args:
            instance: The instance; without an id, it is assigned an automatic one at once.
            parent: The parent document of the subcollection.

        Returns:
            The id.

        Raises:
            InvalidValueError: A value doesn't fit its field; this write is not queued.
            CendryError: The bulk has ended.
        """
        self._life.check_open()
        try:
            pending = self._settings.writer.create(instance, parent)
        except Exception as error:
            name_instance(error, instance, f"write {self._queue.count} of this bulk")
            raise
        return self._put(pending)

    @overload
    def update(
        self,
        target: Model | Ref[Any],
        changes: Changes,
        /,
        *,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    def update(
        self,
        target: Model | Ref[Any],
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    def update(
        self,
        target: Model,
        /,
        *,
        fields: Iterable[FieldKey],
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    def update(
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
    def update(
        self,
        model: type[Model],
        document_id: str,
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
        if_unchanged: datetime | str | None = None,
    ) -> None: ...
    def update(
        self,
        target: Any,
        /,
        *given: Any,
        fields: Iterable[FieldKey] | None = None,
        parent: Located | None = None,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None:
        """Queue a change of some fields of a document that must exist; else the write fails.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes, as in `ctx.update`; with a class, the id before them.
            fields: Instead of changes: the fields of the instance to write with their current values.
            parent: The parent document of the subcollection.
            if_unchanged: As in `save`.

        Raises:
            UnknownFieldError: A name is not declared; this write is not queued, as with the other errors.
            InvalidValueError: A value doesn't fit its field.
            CendryError: Two changes overlap, or the bulk has ended; or as in `save`.
        """
        self._life.check_open()
        self._put(self._settings.writer.update(target, given, fields, parent, if_unchanged))

    @overload
    def merge(self, target: Model | Ref[Any], changes: Changes, /, *, parent: Located | None = None) -> None: ...
    @overload
    def merge(
        self, target: Model | Ref[Any], change: FieldChange, /, *changes: FieldChange, parent: Located | None = None
    ) -> None: ...
    @overload
    def merge(
        self, model: type[Model], document_id: str, changes: Changes, /, *, parent: Located | None = None
    ) -> None: ...
    @overload
    def merge(
        self,
        model: type[Model],
        document_id: str,
        change: FieldChange,
        /,
        *changes: FieldChange,
        parent: Located | None = None,
    ) -> None: ...
    def merge(self, target: Any, /, *given: Any, parent: Located | None = None) -> None:
        """Queue a write of some fields, and `auto_now` fields, of a document that may not exist.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes, as in `ctx.merge`; with a class, the id before them.
            parent: The parent document of the subcollection.

        Raises:
            UnknownFieldError: A name is not declared; this write is not queued, as with the other errors.
            InvalidValueError: A value doesn't fit its field.
            CendryError: A required field is not named, two changes overlap, or the bulk has ended; or as in `save`.
        """
        self._life.check_open()
        self._put(self._settings.writer.merge(target, given, parent))

    @overload
    def delete(
        self,
        target: Model | Ref[Any],
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None: ...
    @overload
    def delete(
        self,
        model: type[Model],
        document_id: str,
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: datetime | str | None = None,
    ) -> None: ...
    def delete(
        self,
        target: Any,
        document_id: str | None = None,
        /,
        *,
        parent: Located | None = None,
        must_exist: bool = False,
        if_unchanged: bool | datetime | str | None = None,
    ) -> None:
        """Queue the removal of a document; its subcollections are kept (see `ctx.delete_recursive`).

        Args:
            target: An instance, a `Ref`, or a class.
            document_id: With a class, the id.
            parent: The parent document of the subcollection.
            must_exist: Whether the write fails if there is no such document.
            if_unchanged: As in `save`.

        Raises:
            CendryError: The instance has no id, or the bulk has ended.
        """
        self._life.check_open()
        self._put(self._settings.writer.delete(target, document_id, parent, must_exist, if_unchanged))

    def flush(self) -> None:
        """Wait until all queued writes are done, or have failed.

        Raises:
            CendryError: The bulk has ended.
        """
        self._life.check_open()
        with self._lock:
            self._go_on(until_done=True)

    def _put(self, pending: Pending) -> str:
        without_reading(pending, "A bulk")
        with self._lock:
            queue = self._queue
            queue.add(pending)
            if queue.is_due:
                self._go_on()
        return pending.write.path.rpartition("/")[2]

    def _sends(self, writes: tuple[Write, ...]) -> Callable[[], Sequence[WriteResult]]:
        """A function that sends writes; they are observed as a part of what runs here, wherever it is called."""
        send = partial(self._life.backend.write_many, writes, options=self._settings.options)
        observer = self._settings.observer.inside(self._observed)
        if observer.is_idle():
            return send
        observed = observer.writes(writes)

        def send_observed() -> Sequence[WriteResult]:
            with observed:
                results: Sequence[WriteResult] = send()
                return results

        return send_observed

    def _go_on(self, *, until_done: bool = False) -> None:
        """Send what can be sent, and wait until more may be queued, or until all are done."""
        queue, workers = self._queue, self._workers
        while True:
            for request, results, error in workers.finished():
                if error is not None:
                    queue.take_error(request, error)
                    raise error
                queue.take(request, results)
            is_urgent = queue.held > 0 if until_done else queue.is_full
            while len(workers) < MAX_IN_FLIGHT:
                self._holder.check_open()
                request = queue.next_request(urgent=is_urgent)
                if request is None:
                    break
                workers.start(request, self._sends(request.writes))
            if not is_urgent:
                return
            pause = queue.pause() if len(workers) < MAX_IN_FLIGHT else None
            if pause is None and not workers:
                raise CendryError(
                    "This bulk was interrupted in the middle of a step, and has lost count of its writes. Let the "
                    "interrupt end its block; what was written can be read."
                )
            workers.wait(pause)

    def __enter__(self) -> Bulk:
        self._life.begin()
        settings = self._settings
        throttle = throttle_of(self._life.backend, self._options)
        self._queue = BulkQueue(self._options, throttle, settings.random, settings.options.timeout)
        self._workers = Workers()
        self._observed = settings.observer.whole("bulk")
        if self._observed is not None:
            self._observed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends: BaseException | None = error
        try:
            self._leave(error)
        except BaseException as raised:
            ends = raised
            raise
        finally:
            observed = self._observed
            if observed is not None:
                result = self._queue.result
                observed.size = result.written + len(result.failed)
                observed.__exit__(None, ends, None)

    def _leave(self, error: BaseException | None) -> None:
        if error is not None:
            self._break_off(error)
            return
        try:
            self.flush()
        except BaseException as raised:
            self._break_off(raised)
            raise
        self._life.end(self._queue.result)
        self._queue.check_result()

    def _break_off(self, error: BaseException) -> None:
        """End after an error: what was not sent is discarded; what is under way ends first, or is cancelled."""
        if self._life.is_inherited:
            # The threads and tasks are the parent's.
            self._life.end(BulkResult(0))
            return
        self._queue.abandon()
        try:
            self._workers.end(at_once=not isinstance(error, Exception))
        finally:
            self._queue.settle_rest(self._workers.finished())
            self._life.end(self._queue.result)


def write_all(bulk: Bulk, pending: Iterable[Pending]) -> BulkResult:
    """Make writes by a new bulk, as they come."""
    with bulk:
        for one in pending:
            bulk._put(one)
    return bulk.result


def write_all_then(bulk: Bulk, pending: Iterable[Pending], last: Pending) -> BulkResult:
    """Make writes by a new bulk, and a last one after them, if none of them has failed."""
    with bulk:
        for one in pending:
            bulk._put(one)
        bulk.flush()
        if not bulk._queue.result.failed:
            bulk._put(last)
    return bulk.result
