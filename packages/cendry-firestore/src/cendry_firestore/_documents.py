"""Documents that were read: decoded on demand, and by compiled code for instances of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cendry._interop.protobuf import EPOCH, to_datetime

from ._values import decode_fields, decode_value

if TYPE_CHECKING:
    from cendry.codec import Codec
    from cendry.plan import Order

M = TypeVar("M")


class FoundDocument(tuple[Any, "datetime | None", str, int]):
    """A `Document` message that was read, as a `StoredDocument` of core.

    Its elements are the message, the moment of the read, the name of the database, and where in the document's name
    the path begins.
    """

    __slots__ = ()

    @property
    def exists(self) -> bool:
        """Whether there is such a document: an absent one comes as core's own result."""
        return True

    @property
    def read_time(self) -> datetime | None:
        """The moment of the read."""
        return self[1]

    @property
    def path(self) -> str:
        """The document's path."""
        document, _, _, path_start = self
        return cast("str", document.name[path_start:])

    @property
    def data(self) -> dict[str, Any]:
        """The stored fields, made anew each time."""
        document, _, database, _ = self
        return decode_fields(document.fields, database)

    def top_fields(self, names: Iterable[str]) -> dict[str, Any]:
        """Some of the stored fields, by name; quicker than all of them."""
        document, _, database, _ = self
        fields = document.fields
        # Asking a protobuf map for what it lacks would add it.
        return {name: decode_value(fields[name], database) for name in names if name in fields}

    @property
    def create_time(self) -> datetime:
        """When the document was created."""
        return to_datetime(self[0].create_time)

    @property
    def update_time(self) -> datetime:
        """When it was last changed."""
        return to_datetime(self[0].update_time)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"FoundDocument({self.path!r}, {self.data!r}, {self.create_time!r}, {self.update_time!r})"

    @classmethod
    def sort_key(cls, orders: tuple[Order, ...]) -> Callable[[FoundDocument], bytes]:
        """A function from a result to its place in a query with these orders, the last one by name."""
        # Imported here, as the order of values would be a fifth of the import of this package.
        from ._order import sort_key

        def key(result: FoundDocument) -> bytes:
            return sort_key(result[0], orders)

        return key

    @classmethod
    def reader(cls, codec: Codec[M]) -> Callable[[FoundDocument], M]:
        """A function that makes an instance of a result, with its metadata."""
        # Imported here, as the compiler would double what importing this package adds to importing the SDK.
        from cendry._model.metadata import DocumentMetadata, new_metadata
        from cendry.codec.message import decoder

        from ._dialect import FIRESTORE

        decode, put, new, metadata = decoder(codec, FIRESTORE), object.__setattr__, new_metadata, DocumentMetadata
        epoch, delta = EPOCH, timedelta

        def read(result: FoundDocument) -> M:
            document, read_time, database, path_start = result
            path = document.name[path_start:]
            instance: M = decode(document.fields, path[path.rfind("/") + 1 :], path, database)
            created, updated = document.create_time, document.update_time
            known = (
                path,
                epoch + delta(0, created.seconds, created.nanos // 1000),
                epoch + delta(0, updated.seconds, updated.nanos // 1000),
                read_time,
            )
            put(instance, "_cendry_metadata", new(metadata, known))
            return instance

        return read


class NearDocument(FoundDocument):
    """A document that a search by vector found.

    Attributes:
        distance: How far its vector is from the one that was searched for.
    """

    distance: float


new_found = cast(
    "Callable[[type[FoundDocument], tuple[Any, datetime | None, str, int]], FoundDocument]", cast("Any", tuple).__new__
)
"""Quicker than the class itself."""
