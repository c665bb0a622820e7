"""Documents as protobuf messages, as Firestore and Datastore have them. Imports no protobuf."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from ..paths import FieldPath
from ..reference import Ref
from ..values import GeoPoint, Vector
from .protobuf import decode_geo_point, decode_timestamp, write_geo_point, write_timestamp

COMMON_FIELDS: Final[Mapping[str, str]] = {
    "null": "null_value",
    "bool": "boolean_value",
    "int": "integer_value",
    "float": "double_value",
    "str": "string_value",
    "timestamp": "timestamp_value",
    "geo_point": "geo_point_value",
    "array": "array_value",
}
"""The fields of a value message that are called the same in both databases, by kind."""

OPERATORS: Final[Mapping[str, str]] = {
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "==": "EQUAL",
    "!=": "NOT_EQUAL",
    "in": "IN",
    "not-in": "NOT_IN",
}
"""The operators of filters that are called the same in both databases, by core's."""

# The kinds that protobuf holds as Python holds them.
_PLAIN: Final[Mapping[type[Any], str]] = {bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes"}

_Read = Callable[[Any, Any], Any]
_Write = Callable[[Any, Any, Any], None]


class MessageValues(ABC):
    """Translates stored values to the value messages of one database, and back.

    A value message has one field for each kind, of which one is set (`WhichOneof("value_type")`). Reading never fails:
    a value of an unknown kind is read as its message. A subclass adds what is the database's own. The `base` that all
    methods take is what its references are relative to.

    Attributes:
        fields: The field of a value message that holds a kind.
        inner: The field of a document, and of a map, that holds its own fields: `fields` or `properties`.
        has_vectors: Whether a map may stand for a vector.
    """

    fields: ClassVar[Mapping[str, str]]
    inner: ClassVar[str]
    has_vectors: ClassVar[bool] = False

    def __init__(self) -> None:
        fields = self.fields
        self._plain = frozenset(fields[kind] for kind in _PLAIN.values())
        self._readers: dict[str, _Read] = {
            fields["null"]: lambda _value, _base: None,
            fields["timestamp"]: lambda value, _base: decode_timestamp(value),
            fields["geo_point"]: lambda value, _base: decode_geo_point(value),
            fields["array"]: self._decode_array,
            fields["map"]: self._decode_map,
            fields["reference"]: self.decode_reference,
        }
        self._plain_fields = {python: fields[kind] for python, kind in _PLAIN.items()}
        self._writers: dict[type[Any], _Write] = {
            type(None): self._write_null,
            datetime: lambda target, value, _base: write_timestamp(target.timestamp_value, value),
            Ref: self.write_reference,
            GeoPoint: lambda target, value, _base: write_geo_point(target, value),
            Vector: self.write_vector,
            list: self._write_array,
            tuple: self._write_array,
            dict: self._write_map,
        }
        self._map = fields["map"]

    # --- what is the database's own ---

    def decode_map(self, fields: Any, base: Any) -> Any:
        """The stored value that a map holds."""
        return self.decode_fields(fields, base)

    @abstractmethod
    def decode_reference(self, value: Any, base: Any) -> Any:
        """The reference that a value message holds; the message itself if it refers to no document."""

    @abstractmethod
    def write_reference(self, target: Any, ref: Ref[Any], base: Any) -> None:
        """Make a value message hold a reference.

        Raises:
            ForeignReferenceError: It refers to a document elsewhere.
        """

    @abstractmethod
    def write_vector(self, target: Any, vector: Vector, base: Any) -> None:
        """Make a value message hold a vector."""

    @abstractmethod
    def is_own(self, value: Any) -> bool:
        """Whether a value whose class derives from that of a stored value is one of the SDK's own."""

    @abstractmethod
    def write_own(self, target: Any, value: Any, base: Any) -> None:
        """Make a value message hold a value of the SDK's.

        Raises:
            TypeError: It is of no kind that the database stores.
        """

    # --- reading ---

    def decode_fields(self, fields: Any, base: Any) -> dict[str, Any]:
        """The fields of a document or a map, as stored values."""
        decode = self.decode_value
        # A string that is not empty proves its kind, and most values are strings.
        return {name: value.string_value or decode(value, base) for name, value in fields.items()}

    def decode_value(self, value: Any, base: Any) -> Any:
        """One value message as a stored value; the message itself if its kind is unknown."""
        kind = value.WhichOneof("value_type")
        if kind in self._plain:
            return getattr(value, kind)
        read = self._readers.get(kind)
        return value if read is None else read(value, base)

    def _decode_array(self, value: Any, base: Any) -> list[Any]:
        decode = self.decode_value
        return [decode(element, base) for element in value.array_value.values]

    def _decode_map(self, value: Any, base: Any) -> Any:
        return self.decode_map(getattr(getattr(value, self._map), self.inner), base)

    # --- writing ---

    def write_fields(self, target: Any, data: Mapping[str, Any], base: Any) -> None:
        """Fill a protobuf map of value messages."""
        write = self.write_value
        for name, value in data.items():
            write(target[name], value, base)

    def write_value(self, target: Any, value: Any, base: Any) -> None:
        """Fill a value message, in place: nested messages are never copied.

        Besides stored values this takes the SDK's own, and value messages.

        Raises:
            TypeError: The value is of no kind that the database stores.
            ValueError: An integer has more than 64 bits.
            ForeignReferenceError: A reference refers to a document elsewhere.
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
        """Write a value of a class that derives from that of a stored value, or of the SDK's own."""
        if not self.is_own(value):
            for python, field in self._plain_fields.items():
                if isinstance(value, python):
                    setattr(target, field, value)
                    return
            for python, write in self._writers.items():
                if isinstance(value, python):
                    write(target, value, base)
                    return
        self.write_own(target, value, base)

    def _write_null(self, target: Any, _value: None, _base: Any) -> None:
        target.null_value = 0

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

    Read as a mapping, it decodes each value that is asked for.

    Args:
        message: The message of the document.
        base: What its references are relative to.
    """

    __slots__ = ("base", "message")
    translator: ClassVar[MessageValues]
    """How messages of the database hold values."""

    def __init__(self, message: Any, base: Any) -> None:
        self.message = message
        self.base = base

    @property
    def _fields(self) -> Any:
        return getattr(self.message, self.translator.inner)

    def __getitem__(self, name: str) -> Any:
        fields = self._fields
        # Asking a protobuf map for what it lacks would add it.
        if name not in fields:
            raise KeyError(name)
        return self.translator.decode_value(fields[name], self.base)

    def __setitem__(self, name: str, value: Any) -> None:
        fields = self._fields
        fields.pop(name, None)
        self.translator.write_value(fields[name], value, self.base)

    def __delitem__(self, name: str) -> None:
        del self._fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"


# --- aggregations ---


def fill_aggregations(target: Any, aggregations: Sequence[Any], write_path: Callable[[Any, FieldPath], None]) -> None:
    """Add the `Aggregation`s of a plan to a repeated field of messages.

    Args:
        target: The repeated field.
        aggregations: What is computed.
        write_path: Writes the field that is aggregated; takes the message of the function and the path.
    """
    for number, aggregation in enumerate(aggregations):
        function = getattr(target.add(alias=_alias(number)), aggregation.function)
        function.SetInParent()
        if aggregation.path is not None:
            write_path(function, aggregation.path)
        if aggregation.up_to is not None:
            function.up_to.value = aggregation.up_to


def aggregation_values(fields: Any, count: int, decode: Callable[[Any], Any]) -> tuple[int | float | None, ...]:
    """The values of `count` aggregations, in their order, from a protobuf map."""
    return tuple(decode(fields[_alias(number)]) for number in range(count))


def _alias(number: int) -> str:
    return f"figure_{number}"
