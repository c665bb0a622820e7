"""Entities that were read: decoded on demand, and by compiled code for instances of models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from cendry.backend import DocumentResult

from ._keys import Partition
from ._marks import EntityPath, MarksFinder
from ._values import decode_properties

if TYPE_CHECKING:
    from cendry.codec import Codec
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
