"""Queued writes: the queue that batches and transactions share, and the common part of both twins' batches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, overload

from .._changes import FieldChange
from .._model.model import Model
from .._query.fields import Changes, FieldKey
from ..errors import CendryError
from ..reference import Located, Ref
from .versions import without_reading
from .writes import Pending, Writer, check_number, discard


class WriteQueue:
    """Queues writes and sends none; its methods are sync in both twins.

    An instance is written as it is when it is queued; later changes are ignored. Its timestamps and metadata change
    when the commit has succeeded; an automatic id is set at once, and removed if nothing is committed.
    """

    # Subclasses define the slots, since transactions also inherit from the reads.
    __slots__ = ()
    _pending: list[Pending]
    _writer: Writer

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
            if_unchanged: `True` makes the commit fail if the document has changed since this instance was read or
                written; an update time or an etag, if it has changed since then.

        Returns:
            The id.

        Raises:
            InvalidValueError: A value doesn't fit its field.
            InvalidDocumentIdError: The id is not valid.
            CendryError: It is the 501st write, or the queue has ended; or a batch refuses it, as its document may be of
                an older version (see `ctx.batch`).
        """
        self._check()
        return self._add(self._writer.save(instance, parent, merge, if_unchanged))

    def create(self, instance: Model, /, *, parent: Located | None = None) -> str:
        """Queue a write of the whole instance, whose document must not exist yet.

        Args:
            instance: The instance; without an id, it is assigned an automatic one at once.
            parent: The parent document of the subcollection.

        Returns:
            The id.

        Raises:
            InvalidValueError: A value doesn't fit its field.
            CendryError: It is the 501st write, or the queue has ended.
        """
        self._check()
        return self._add(self._writer.create(instance, parent))

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
        """Queue a change of some fields of a document that must exist.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes: a dict of new values, transforms or `DELETE_FIELD` by field, or typed changes
                (`City.name.set("x")`); with a class, the id before them.
            fields: Instead of changes: the fields of the instance to write with their current values.
            parent: The parent document of the subcollection.
            if_unchanged: As in `save`.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field.
            CendryError: Two changes overlap, it is the 501st write, or the queue has ended; or as in `save`.
        """
        self._check()
        self._add(self._writer.update(target, given, fields, parent, if_unchanged))

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

        Fields are written as a whole, dicts too; to write one key of a dict, name the key.

        Args:
            target: An instance, a `Ref`, or a class.
            given: The changes, as in `update`; with a class, the id before them.
            parent: The parent document of the subcollection.

        Raises:
            UnknownFieldError: A name is not declared.
            InvalidValueError: A value doesn't fit its field.
            CendryError: A required field is not named, so that a document created from this could not be read, or two
                changes overlap, it is the 501st write, or the queue has ended; or as in `save`.
        """
        self._check()
        self._add(self._writer.merge(target, given, parent))

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
        """Queue the removal of a document; its subcollections are kept.

        Args:
            target: An instance, a `Ref`, or a class.
            document_id: With a class, the id.
            parent: The parent document of the subcollection.
            must_exist: Whether the commit fails if there is no such document.
            if_unchanged: As in `save`.

        Raises:
            CendryError: The instance has no id, it is the 501st write, or the queue has ended.
        """
        self._check()
        self._add(self._writer.delete(target, document_id, parent, must_exist, if_unchanged))

    def _check(self) -> None:
        check_number(len(self._pending) + 1)

    def _add(self, pending: Pending) -> str:
        self._pending.append(pending)
        return pending.write.path.rpartition("/")[2]


def update_own(queue: WriteQueue, instance: Model, changes: Any) -> None:
    """Queue changes of an instance that nobody else has yet, so that it may be of a frozen class."""
    # Apart from the methods of the queue, which are public.
    queue._check()  # pyright: ignore[reportPrivateUsage]
    pending = queue._writer.update(instance, (changes,), None, None, False, is_own=True)  # pyright: ignore[reportPrivateUsage]
    queue._add(pending)  # pyright: ignore[reportPrivateUsage]


class BatchQueue(WriteQueue):
    """The writes of a batch, until it ends."""

    __slots__ = ("_ended", "_pending", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._pending = []
        self._ended = False

    def __len__(self) -> int:
        return len(self._pending)

    def discard(self) -> None:
        """Discard all writes; ids that were generated for them are removed."""
        self._ended = True
        discard(self._pending)
        self._pending = []

    def _check(self) -> None:
        self._check_open()
        super()._check()

    def _add(self, pending: Pending) -> str:
        return super()._add(without_reading(pending, "A batch"))

    def _check_open(self) -> None:
        if self._ended:
            raise CendryError("This batch has ended; make a new one with ctx.batch().")

    def _end(self) -> list[Pending]:
        self._check_open()
        self._ended = True
        return self._pending
