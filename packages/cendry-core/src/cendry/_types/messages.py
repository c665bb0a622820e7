"""Stored values in the protobuf messages of a database, read and written according to the rows of the kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from ..reference import Ref

if TYPE_CHECKING:
    from .kinds import Kind


def _reader(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _base: read(value)


def _writer(write: Callable[[Any, Any], None]) -> Callable[[Any, Any, Any], None]:
    return lambda target, value, _base: write(target, value)


class MessageValues(ABC):
    """Translates stored values to the value messages of one database, and back.

    A value message has one field for each kind, of which one is set (`WhichOneof("value_type")`). Reading never fails:
    a value of an unknown kind is returned as its message. A subclass adds the parts specific to a database. All methods
    take a `base`, to which references are relative.

    Attributes:
        markers: Whether the database has the kinds that are stored as marked maps.
        other_fields: The fields of value messages, by kind, that are called otherwise than in the rows.
        inner: The field of a document, and of a map, that contains its fields: `fields` or `properties`.
    """

    markers: ClassVar[bool]
    other_fields: ClassVar[Mapping[str, str]] = {}
    inner: ClassVar[str]

    def __init__(self) -> None:
        # The tables are built on first use: importing the kinds takes a fifth of the time of importing a backend.
        self._fields: Mapping[Kind, str] | None = None
        self._plain: frozenset[str] = frozenset()
        self._marked: list[tuple[str, Callable[[Any], Any]]] = []
        self._map = ""
        self._map_fields = attrgetter("")
        self._readers: dict[str, Callable[[Any, Any], Any]] = {}
        self._plain_fields: dict[type[Any], str] = {}
        self._writers: dict[type[Any], Callable[[Any, Any, Any], None]] = {}

    @property
    def fields(self) -> Mapping[Kind, str]:
        """The field of a value message for each kind that the database supports."""
        return self._fields or self._build()

    def _build(self) -> Mapping[Kind, str]:
        from .kinds import ROWS, message_fields

        fields = message_fields(markers=self.markers, **self.other_fields)
        rows = [row for row in ROWS if row.name in fields]
        self._marked = [(row.marker, row.read) for row in rows if row.read is not None and row.marker]
        self._map = fields["map"]
        self._map_fields = attrgetter(f"{self._map}.{self.inner}")
        self._plain = frozenset(fields[row.name] for row in rows if row.plain)
        self._plain_fields = {row.python: fields[row.name] for row in rows if row.plain}
        self._readers = {
            **{fields[row.name]: _reader(row.read) for row in rows if row.read is not None and not row.marker},
            fields["array"]: self._decode_array,
            self._map: self._decode_map,
            fields["reference"]: self.decode_reference,
        }
        self._writers = {
            **{row.python: _writer(row.write) for row in rows if row.write is not None},
            Ref: self.write_reference,
            list: self._write_array,
            tuple: self._write_array,
            dict: self._write_map,
        }
        # Set last: until then, other threads build the tables again.
        self._fields = fields
        return fields

    # --- specific to a database ---

    @abstractmethod
    def decode_reference(self, value: Any, base: Any) -> Any:
        """The reference in a value message; the message itself if it does not refer to a document."""

    @abstractmethod
    def write_reference(self, target: Any, ref: Ref[Any], base: Any) -> None:
        """Store a reference in a value message.

        Raises:
            ForeignReferenceError: It refers to a document in another database.
        """

    @abstractmethod
    def is_own(self, value: Any) -> bool:
        """Whether a value whose class derives from a stored type is an SDK value."""

    @abstractmethod
    def write_own(self, target: Any, value: Any) -> None:
        """Store an SDK value, or a copy of a value message, in a value message.

        Raises:
            TypeError: It is not of a kind that the database supports.
        """

    # --- reading ---

    def decode_fields(self, fields: Any, base: Any) -> dict[str, Any]:
        """The fields of a document or a map, as stored values."""
        decode = self.decode_value
        # A non-empty string proves its kind, and most values are strings.
        return {name: value.string_value or decode(value, base) for name, value in fields.items()}

    def decode_value(self, value: Any, base: Any) -> Any:
        """One value message as a stored value; the message itself if its kind is unknown."""
        kind = value.WhichOneof("value_type")
        if kind in self._plain:
            return getattr(value, kind)
        read = self._readers.get(kind)
        return self._decode_other(value, base) if read is None else read(value, base)

    def _decode_other(self, value: Any, base: Any) -> Any:
        """A value of an unknown kind, unless the tables were not built before."""
        if self._fields is None:
            self._build()
        kind = value.WhichOneof("value_type")
        return self.decode_value(value, base) if kind in self._plain or kind in self._readers else value

    def _decode_array(self, value: Any, base: Any) -> list[Any]:
        decode = self.decode_value
        return [decode(element, base) for element in value.array_value.values]

    def _decode_map(self, value: Any, base: Any) -> Any:
        fields = self._map_fields(value)
        for marker, read in self._marked:
            if marker in fields:
                found = read(value)
                return self.decode_marked(fields, base) if found is value else found
        return self.decode_fields(fields, base)

    def decode_marked(self, fields: Any, base: Any) -> dict[str, Any]:
        """The fields of a map with a marker that no kind has."""
        return self.decode_fields(fields, base)

    # --- writing ---

    def write_fields(self, target: Any, data: Mapping[str, Any], base: Any) -> None:
        """Fill a protobuf map of value messages."""
        write = self.write_value
        for name, value in data.items():
            write(target[name], value, base)

    def write_value(self, target: Any, value: Any, base: Any) -> None:
        """Fill a value message, in place: nested messages are never copied.

        Besides stored values, this accepts SDK values and value messages.

        Raises:
            TypeError: The value is not of a kind that the database supports.
            ValueError: An integer has more than 64 bits.
            ForeignReferenceError: A reference refers to a document in another database.
        """
        python = value.__class__
        field = self._plain_fields.get(python)
        if field is not None:
            setattr(target, field, value)
        elif (write := self._writers.get(python)) is not None:
            write(target, value, base)
        else:
            self._write_other(target, value, base)

    def _write_other(self, target: Any, value: Any, base: Any) -> None:
        """Write a value whose class derives from a stored type, or an SDK value; before the tables are built, any."""
        if self._fields is None:
            self._build()
        if not self.is_own(value):
            for python, field in self._plain_fields.items():
                if isinstance(value, python):
                    setattr(target, field, value)
                    return
            for python, write in self._writers.items():
                if isinstance(value, python):
                    write(target, value, base)
                    return
        self.write_own(target, value)

    def _write_array(self, target: Any, value: Sequence[Any], base: Any) -> None:
        array = target.array_value
        array.SetInParent()
        add, write = array.values.add, self.write_value
        for element in value:
            write(add(), element, base)

    def _write_map(self, target: Any, value: Mapping[str, Any], base: Any) -> None:
        message = getattr(target, self._map)
        message.SetInParent()
        self.write_fields(getattr(message, self.inner), value, base)


class MessageData(MutableMapping[str, Any]):
    """The stored fields of a document to be written, kept in a message of its database.

    Used as a mapping, it decodes each value on access.

    Args:
        message: The message of the document.
        base: The base to which its references are relative.
    """

    __slots__ = ("_serialized", "base", "message")
    translator: ClassVar[MessageValues]
    """The value messages of the database."""

    def __init__(self, message: Any, base: Any) -> None:
        self.message = message
        self.base = base
        self._serialized: bytes | None = None

    @property
    def size(self) -> int:
        """The bytes of the message. To count them costs as much as to make them, so they are kept for `serialized`."""
        self._serialized = made = self.serialized()
        return len(made)

    def serialized(self) -> bytes:
        """The message in protobuf's wire format."""
        made: bytes = self.message.SerializeToString() if self._serialized is None else self._serialized
        return made

    @property
    def _fields(self) -> Any:
        return getattr(self.message, self.translator.inner)

    def __getitem__(self, name: str) -> Any:
        fields = self._fields
        # Looking up a missing key in a protobuf map would add it.
        if name not in fields:
            raise KeyError(name)
        return self.translator.decode_value(fields[name], self.base)

    def __setitem__(self, name: str, value: Any) -> None:
        self._serialized = None
        fields = self._fields
        fields.pop(name, None)
        self.translator.write_value(fields[name], value, self.base)

    def __delitem__(self, name: str) -> None:
        self._serialized = None
        del self._fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"
