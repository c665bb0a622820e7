"""Writes to mutations. Several writes of one document become one mutation, as Datastore takes only one per entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cendry._immutable import dataclass
from cendry.errors import DocumentAlreadyExistsError, DocumentNotFoundError, InvalidRequestError
from cendry.paths import FieldPath
from cendry.plan import Create, Delete, Set, Update, Write

from . import _sdk
from ._exclusions import FEWER_INDEXED_VALUES, MAX_INDEXED_BYTES, exclude_excess
from ._keys import Partition, fill_key
from ._marks import mark, marks_of_path
from ._unsupported import unsupported
from ._values import EntityData, NdbChanges, NdbData, write_masked, write_properties


@dataclass(frozen=True, slots=True)
class EntityWrites:
    """All writes of a commit to one entity, in order.

    Attributes:
        path: The document's path.
        writes: The writes.
    """

    path: str
    writes: list[Write]

    def add(self, write: Write) -> None:
        """Add a write.

        Raises:
            InvalidRequestError: It contradicts the one before.
        """
        contradiction = _contradiction(self.writes[-1], write)
        if contradiction is not None:
            raise InvalidRequestError(f"{self.path!r} is written several times in one commit: {contradiction}")
        self.writes.append(write)

    @property
    def needs_stored(self) -> bool:
        """Whether their result depends on what is stored."""
        first = self.writes[0]
        match first:
            case Set():
                return first.mask is not None
            case Delete():
                return first.must_exist
            case Create():
                # Then nothing is left of it, and Datastore has no mutation for that but a read.
                return isinstance(self.writes[-1], Delete)
            case _:
                return True


def _contradiction(before: Write, after: Write) -> str | None:
    """The reason why one write can't follow another in one commit; Firestore refuses the same."""
    if isinstance(before, Delete):
        if isinstance(after, Update):
            return "it can't be updated after it was deleted"
        if isinstance(after, Delete) and after.must_exist:
            return "it can't be deleted twice with must_exist"
    elif isinstance(after, Create):
        return "it can't be created after it was written"
    return None


def by_entity(writes: Sequence[Write]) -> list[EntityWrites]:
    """The writes by document, in the order of their first writes.

    Raises:
        UnsupportedByBackendError: A write is a merge, has transforms or depends on an update time.
        InvalidRequestError: Two writes of one document contradict each other.
    """
    found: dict[str, EntityWrites] = {}
    for write in writes:
        if not isinstance(write, Delete) and write.transforms:
            raise unsupported("transforms")
        if isinstance(write, Set) and write.is_merge:
            raise unsupported("merge")
        if not isinstance(write, Create) and write.update_time is not None:
            raise unsupported("if_unchanged")
        if isinstance(write, Set) and write.must_exist:
            raise unsupported("if_unchanged")
        known = found.get(write.path)
        if known is None:
            found[write.path] = EntityWrites(write.path, [write])
        else:
            known.add(write)
    return list(found.values())


def created_paths(changes: Sequence[EntityWrites]) -> list[str]:
    """The documents that must not exist yet."""
    return [change.path for change in changes if isinstance(change.writes[0], Create)]


def commit_request(
    changes: Sequence[EntityWrites], stored: Mapping[str, Any], partition: Partition, transaction: bytes | None
) -> Any:
    """The request that applies all changes, or none.

    Args:
        changes: What is changed.
        stored: The stored entities that the changes depend on, by path; they are changed in place.
        partition: Where the documents live.
        transaction: The transaction to commit; `None` for one of the commit's own. Without any, Datastore applies
            some mutations and not others.

    Raises:
        DocumentAlreadyExistsError: A document is created that is there.
        DocumentNotFoundError: A document is changed that isn't there.
    """
    request = _sdk.CommitRequest(project_id=partition.project, database_id=partition.database, mode="TRANSACTIONAL")
    if transaction is None:
        request.single_use_transaction.read_write.SetInParent()
    else:
        request.transaction = transaction
    for change in changes:
        if change.needs_stored:
            _add_dependent(request, change, stored.get(change.path), partition)
        else:
            _add_blind(request, change, partition)
    return request


def with_less_indexed(request: Any) -> Any:
    """The request again, for a server that refused it because an entity had too many indexed values."""
    for mutation in request.mutations:
        operation = mutation.WhichOneof("operation")
        if operation != "delete":
            exclude_excess(getattr(mutation, operation), FEWER_INDEXED_VALUES)
    return request


def _add_blind(request: Any, change: EntityWrites, partition: Partition) -> None:
    first, *others = change.writes
    if not others and isinstance(first, (Set, Create)):
        mutation = request.mutations.add()
        _fill(mutation.insert if isinstance(first, Create) else mutation.upsert, first, partition)
        return
    entity = _applied(change.writes, None, partition)
    if entity is None:
        fill_key(request.mutations.add().delete, change.path, partition)
    elif isinstance(first, Create):
        request.mutations.add().insert.CopyFrom(entity)
    else:
        request.mutations.add().upsert.CopyFrom(entity)


def _add_dependent(request: Any, change: EntityWrites, stored: Any, partition: Partition) -> None:
    entity = _applied(change.writes, stored, partition)
    if entity is None:
        if stored is not None:
            fill_key(request.mutations.add().delete, change.path, partition)
        return
    exclude_excess(entity)
    mutation = request.mutations.add()
    (mutation.insert if stored is None else mutation.update).CopyFrom(entity)


def _applied(writes: Sequence[Write], entity: Any, partition: Partition) -> Any:
    """An entity after the writes, applied one after the other; `None` if there is none."""
    for write in writes:
        match write:
            case Delete(path=path, must_exist=must_exist):
                if must_exist and entity is None:
                    raise DocumentNotFoundError(path)
                entity = None
            case Create(path=path):
                if entity is not None:
                    raise DocumentAlreadyExistsError(path)
                entity = _fill(_sdk.Entity(), write, partition)
            case Update(path=path):
                if entity is None:
                    raise DocumentNotFoundError(path)
                _write_masked(entity, write, write.mask, partition)
            case Set(mask=None):
                entity = _fill(_sdk.Entity(), write, partition)
            case _:
                if entity is None:
                    entity = _sdk.Entity()
                    fill_key(entity.key, write.path, partition)
                _write_masked(entity, write, write.mask or (), partition)
    return entity


def _write_masked(entity: Any, write: Set | Update, mask: Sequence[FieldPath], partition: Partition) -> None:
    data = write.data
    if isinstance(data, (NdbChanges, NdbData)):
        # Imported here, as only what ndb writes needs it.
        from ._ndb_write import write_masked_folded

        write_masked_folded(entity, data, mask, partition)
    else:
        write_masked(entity, data, mask, partition)


def _fill(entity: Any, write: Set | Create, partition: Partition) -> Any:
    data, marks = write.data, marks_of_path(write.path)
    if isinstance(data, EntityData) and data.base == partition:
        entity.CopyFrom(data.message)
    else:
        write_properties(entity.properties, data, partition)
    if isinstance(data, NdbData):
        # Imported here for the same reason.
        from ._ndb_write import fold_entity

        fold_entity(entity, write.path, data)
    if marks or entity.ByteSize() > MAX_INDEXED_BYTES:
        mark(entity.properties, marks)
    fill_key(entity.key, write.path, partition)
    exclude_excess(entity)
    return entity
