"""Names of documents and stored values, core's to Firestore's and back."""

from __future__ import annotations

from typing import Any, Final

from cendry._types.messages import MessageData, MessageValues
from cendry.errors import ForeignReferenceError, InvalidDocumentIdError
from cendry.paths import FieldPath, exact_text
from cendry.reference import Ref

from . import _sdk

DOCUMENTS: Final = "/documents/"

_EMBEDDED: Final = "__legacy_entity__"
_KEY_FIELDS: Final = frozenset({"__name__", "__type__"})


def document_name(database: str, path: str) -> str:
    """The full name of a document: `projects/P/databases/D/documents/cities/SF`."""
    return f"{database}{DOCUMENTS}{path if type(path) is str else exact_text(path)}"


def document_path(database: str, name: str) -> str:
    """The path, below the database, of a document of this database."""
    return name[len(database) + len(DOCUMENTS) :]


class FirestoreValues(MessageValues):
    """Stored values in Firestore's `Value` messages; the base is the name of the database."""

    markers = True
    inner = "fields"

    def decode_marked(self, fields: Any, base: Any) -> dict[str, Any]:
        """The fields of a map; of one that was an embedded entity in Datastore mode, without the key that it had there.

        That is in fields whose names are reserved, so that the map could not be written again.
        """
        if fields["__type__"].string_value != _EMBEDDED:
            return super().decode_marked(fields, base)
        decode = self.decode_value
        return {name: decode(value, base) for name, value in fields.items() if name not in _KEY_FIELDS}

    def decode_reference(self, value: Any, base: Any) -> Any:
        """The `Ref` in a message; the message itself if it names no document."""
        database, separator, path = value.reference_value.partition(DOCUMENTS)
        if not separator:
            return value
        try:
            return Ref.from_path(path, database=None if database == base else database)
        except InvalidDocumentIdError:
            # A name that this version refuses to write can still be stored; with its database it can be read.
            return Ref.from_path(path, database=database)

    def write_reference(self, target: Any, ref: Ref[Any], base: Any) -> None:
        """Write a `Ref` to a document of this database.

        Raises:
            ForeignReferenceError: It refers to another database.
        """
        if ref.database is not None and ref.database != base:
            raise ForeignReferenceError(ref, base)
        target.reference_value = document_name(base, ref.path)

    def is_own(self, value: Any) -> bool:
        """Whether a value is one of the SDK's BSON binaries, which are bytes."""
        return isinstance(value, bytes) and hasattr(value, "subtype")

    def write_own(self, target: Any, value: Any) -> None:
        """Write what the SDK writes, and `Value` messages.

        Raises:
            TypeError: It is of no kind that Firestore stores.
        """
        target.CopyFrom(value if isinstance(value, _sdk.Value) else _sdk.encode_sdk_value(value)._pb)


VALUES: Final = FirestoreValues()
decode_fields, decode_value = VALUES.decode_fields, VALUES.decode_value
write_fields, write_value = VALUES.write_fields, VALUES.write_value


class DocumentData(MessageData):
    """The stored fields of a document to be written, in a `Document` message; the base is the name of the database."""

    __slots__ = ()
    translator = VALUES


def field_at(fields: Any, path: FieldPath) -> Any:
    """The `Value` message at a field path, or `None`."""
    value: Any = None
    for segment in path.segments:
        # Asking a protobuf map for what it lacks would add it.
        if segment not in fields:
            return None
        value = fields[segment]
        fields = value.map_value.fields
    return value
