"""Entities that were read: decoded on demand, and by compiled code for instances of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from cendry.backend import DocumentResult
from cendry.paths import FieldPath

from ._keys import Partition
from ._marks import ALL_KINDS, NO_PROPERTY_MARKS, EntityPath, MarksFinder, NdbPath
from ._values import decode_projected, decode_properties

if TYPE_CHECKING:
    from cendry.codec import Codec, ResolvedField
    from cendry.codec.reading import Reading

M = TypeVar("M")


class FoundEntity(NamedTuple):
    """An `Entity` message that was read, as a `StoredDocument` of core.

    Attributes:
        path: The document's path.
        entity: The message.
        partition: Where the documents live.
        marks: The kinds of marks that values may have, as `kinds_of_marks` gives them.
        cursor: Datastore's opaque cursor: where the query goes on after this result; `None` if no query gave it.
    """

    path: str
    entity: Any
    partition: Partition
    marks: int
    cursor: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether there is such a document: an absent one comes as core's own result."""
        return True

    @property
    def data(self) -> dict[str, Any]:
        """The stored fields, made anew each time."""
        return decode_properties(self.entity.properties, self.partition)

    @property
    def create_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def update_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @property
    def read_time(self) -> None:
        """Datastore mode has no such time."""
        return

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[FoundEntity], M]:
        """A function that makes an instance of a result, with its path and the marks of its entity."""
        # Imported here, as the compiler would double what importing this package adds to importing the SDK.
        from cendry._model.metadata import DocumentMetadata, new_metadata
        from cendry.codec.message import decoder

        from ._dialect import DATASTORE

        decode, put, new, metadata = decoder(codec, DATASTORE), object.__setattr__, new_metadata, DocumentMetadata
        find_marks = MarksFinder().find

        def read(result: FoundEntity) -> M:
            path, entity, partition, kinds, _ = result
            properties = entity.properties
            instance: M = decode(properties, path[path.rfind("/") + 1 :], path, partition)
            if kinds and (marks := find_marks(entity, kinds)):
                path = EntityPath(path, marks)
            put(instance, "_cendry_metadata", new(metadata, (path, None, None, None)))
            return instance

        return read


new_found = cast("Callable[[type[FoundEntity], tuple[Any, ...]], FoundEntity]", cast("Any", tuple).__new__)
"""Quicker than the class itself."""


@cache
def _reading() -> Reading:
    # Imported here for the same reason.
    from ._dialect import DATASTORE

    return DATASTORE.reading


class ProjectedEntity(DocumentResult):
    """Some properties of an entity, as a result.

    Attributes:
        cursor: Datastore's opaque cursor: where the query goes on after this result; `None` if no query gave it.
    """

    cursor: bytes | None = None

    @classmethod
    def of(cls, path: str, entity: Any, projection: Sequence[FieldPath], partition: Partition) -> ProjectedEntity:
        """The result for an entity that was read."""
        return cls(path, decode_projected(entity.properties, projection, partition))

    @property
    def reading(self) -> Reading:
        """The decode options."""
        return _reading()

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[DocumentResult], M]:
        """A function that makes an instance of a result."""
        # Imported here for the same reason.
        from cendry._query.results import plain_reader

        return plain_reader(codec)


class NdbEntity(FoundEntity):
    """An entity that ndb may have stored: what it stores in forms of its own is read by the annotations of models."""

    __slots__ = ()

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[FoundEntity], M]:
        """A function that makes an instance of a result, which knows the forms that its entity is stored in."""
        # Imported here for the same reason.
        from cendry._model.metadata import DocumentMetadata, new_metadata
        from cendry.codec.message import decoder

        from ._dialect import DATASTORE
        from ._ndb_forms import fields_finder
        from ._ndb_read import Scope, is_folded, kept_forms, unfolded

        decode, put, new, metadata = decoder(codec, DATASTORE), object.__setattr__, new_metadata, DocumentMetadata
        find_marks, find_fields, model = MarksFinder().find, fields_finder(codec), codec.model.__qualname__

        def read(result: FoundEntity) -> M:
            path, entity, partition, kinds, _ = result
            properties = entity.properties
            fields = find_fields(properties)
            has_meanings = kinds == ALL_KINDS
            document_id = path[path.rfind("/") + 1 :]
            marks = find_marks(entity, kinds) if kinds else NO_PROPERTY_MARKS
            if not has_meanings and not fields.may_be_folded:
                instance: M = decode(properties, document_id, path, partition)
            else:
                if is_folded(properties, fields, has_meanings=has_meanings):
                    scope = Scope(partition.max_inflated, path, model)
                    instance = decode(unfolded(properties, fields, scope), document_id, path, partition)
                else:
                    instance = decode(properties, document_id, path, partition)
                stored = kept_forms(properties, fields, has_meanings=has_meanings)
                if stored:
                    path = NdbPath(path, marks, stored)
                    marks = NO_PROPERTY_MARKS
            if marks:
                path = EntityPath(path, marks)
            put(instance, "_cendry_metadata", new(metadata, (path, None, None, None)))
            return instance

        return read

    @staticmethod
    def fields_by(codec: Codec[Any], result: FoundEntity) -> dict[str, Any]:
        """The stored fields of a result in the forms in which Cendry stores those of a class."""
        # Imported here for the same reason.
        from ._ndb_forms import fields_finder
        from ._ndb_read import Scope, unfolded

        properties, partition = result.entity.properties, result.partition
        scope = Scope(partition.max_inflated, result.path, codec.model.__qualname__)
        return decode_properties(unfolded(properties, fields_finder(codec)(properties), scope), partition)


class NdbProjected(ProjectedEntity):
    """Some properties of an entity that ndb may have stored.

    Attributes:
        entity: The message.
        partition: Where the documents live.
    """

    entity: Any
    partition: Partition

    @classmethod
    def of(cls, path: str, entity: Any, projection: Sequence[FieldPath], partition: Partition) -> ProjectedEntity:  # noqa: ARG003
        """The result for an entity that was read."""
        # What is in it depends on the columns.
        result = cls(path, {})
        result.entity, result.partition = entity, partition
        return result

    @classmethod
    def columns(cls, fields: Sequence[ResolvedField]) -> Callable[[NdbProjected], dict[str, Any]]:
        """A function from a result to the stored data of these columns."""
        # Imported here for the same reason.
        from ._ndb_forms import fields_of_columns
        from ._ndb_read import Scope, unfolded

        forms, model = fields_of_columns(fields), fields[0].model

        def read(result: NdbProjected) -> dict[str, Any]:
            partition = result.partition
            scope = Scope(partition.max_inflated, result.path, model)
            return decode_properties(unfolded(result.entity.properties, forms, scope), partition)

        return read


def result_classes(partition: Partition) -> tuple[type[FoundEntity], type[ProjectedEntity]]:
    """The classes of results: whole entities, and some properties of them."""
    return (NdbEntity, NdbProjected) if partition.max_inflated else (FoundEntity, ProjectedEntity)
