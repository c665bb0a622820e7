"""Documents as a server may send them: read or refused with a `DecodeError`, by all readers alike, and not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cendry import DecodeError
from cendry.codec import codec_for, message
from cendry.codec.checker import FAILED
from cendry.codec.reader import STORED, Reader
from cendry_datastore import _sdk as datastore_sdk
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_datastore._values import decode_properties, write_properties
from cendry_firestore import _sdk as firestore_sdk
from cendry_firestore._dialect import FIRESTORE
from cendry_firestore._values import decode_fields, write_fields
from core.strategies import documents
from firestore.comparing import DATABASE, exact, outcome, serialized
from fuzz.fuzzing import fuzz
from fuzz.test_user_data import City
from google.protobuf.message import DecodeError as NoMessageError  # type: ignore[import-untyped]
from hypothesis import assume
from hypothesis import strategies as st

PARTITION = Partition("project", "", "")


@dataclass(frozen=True)
class Kind:
    """The documents of a database: how its messages are made, and read by way of stored values.

    Attributes:
        new: Makes an empty message.
        parse: Makes a message from bytes.
        fields: The fields of a message.
        write: Fills fields with stored values.
        stored: Gives fields as stored values.
        dialect: What the compiled readers know of the messages.
        base: Where the documents live.
    """

    new: Callable[[], Any]
    parse: Callable[[bytes], Any]
    fields: Callable[[Any], Any]
    write: Callable[[Any, dict[str, Any]], None]
    stored: Callable[[Any], dict[str, Any]]
    dialect: Any
    base: Any


FIRESTORE_DOCUMENTS = Kind(
    firestore_sdk.Document,
    firestore_sdk.Document.FromString,
    lambda document: document.fields,
    lambda fields, data: write_fields(fields, data, DATABASE),
    lambda fields: decode_fields(fields, DATABASE),
    FIRESTORE,
    DATABASE,
)
DATASTORE_ENTITIES = Kind(
    datastore_sdk.Entity,
    datastore_sdk.Entity.FromString,
    lambda entity: entity.properties,
    lambda properties, data: write_properties(properties, data, PARTITION),
    lambda properties: decode_properties(properties, PARTITION),
    DATASTORE,
    PARTITION,
)


@dataclass(frozen=True)
class Edit:
    """A change of some bytes; numbers are taken modulo what there is."""

    how: str
    at: int
    number: int

    def of(self, content: bytes) -> bytes:
        at = self.at % (len(content) + 1)
        match self.how:
            case "flip":
                flipped = bytes(byte ^ 1 << self.number % 8 for byte in content[at : at + 1])
                return content[:at] + flipped + content[at + 1 :]
            case "put":
                return content[:at] + bytes([self.number % 256]) + content[at + 1 :]
            case "insert":
                return content[:at] + bytes([self.number % 256]) + content[at:]
            case "delete":
                return content[:at] + content[at + self.number % 4 :]
            case _:
                return content[:at] + content[at : at + self.number] * 2 + content[at + self.number :]


edits = st.builds(
    Edit, st.sampled_from(["flip", "put", "insert", "delete", "repeat"]), st.integers(0, 400), st.integers(0, 300)
)


def check(kind: Kind, model: type[Any], sent: Any) -> None:
    fields = kind.fields(sent)
    before = serialized(sent)
    codec = codec_for(model)

    read = outcome(lambda: message.decoder(codec, kind.dialect)(fields, "i", "docs/i", kind.base))
    by_value = outcome(lambda: codec.decode(kind.stored(fields), "i", "docs/i"))
    interpreted = Reader(STORED).fields(codec.shape, kind.stored(fields), "", 0, "i")

    assert by_value == read
    assert read[0] in (model, DecodeError)
    assert (read[0] is DecodeError) is (interpreted is FAILED)
    assert interpreted is FAILED or exact(interpreted) == read
    assert before == serialized(sent)


def check_edited(kind: Kind, model: type[Any], content: bytes, changes: list[Edit]) -> None:
    for one in changes:
        content = one.of(content)
    try:
        sent = kind.parse(content)
    except NoMessageError:
        return
    check(kind, model, sent)


def content_of(kind: Kind, instance: Any) -> bytes:
    stored = codec_for(type(instance)).encode(instance)
    # Datastore has no vectors.
    assume(kind is FIRESTORE_DOCUMENTS or "Vector(" not in repr(stored))
    sent = kind.new()
    kind.write(kind.fields(sent), stored)
    return serialized(sent)


several = st.lists(edits, max_size=6)


# Values of every kind that the messages can hold, whether a server would send them or not.


NAMES = ["docs/SF", "a", "__id7__", "__type__", "__vector__", "value", ".", "1.5", "red", f"{DATABASE}/documents/a/b"]
INTEGERS = [0, 1, -1, 999_999_999, 1_000_000_000, 253402300800, -62135596801, 2**60, 2**63 - 1, -(2**63)]
DEEPEST = 5
"""Levels of messages in messages."""

valid_text = st.text(max_size=4) | st.sampled_from(NAMES)


def scalar(field: Any) -> st.SearchStrategy[Any]:
    match field.cpp_type:
        case field.CPPTYPE_INT64:
            return st.sampled_from(INTEGERS) | st.integers(-(2**63), 2**63 - 1)
        case field.CPPTYPE_INT32:
            return st.sampled_from(INTEGERS[:5]) | st.integers(-(2**31), 2**31 - 1)
        case field.CPPTYPE_DOUBLE:
            return st.floats() | st.floats(-90, 90)
        case field.CPPTYPE_BOOL:
            return st.booleans()
        case field.CPPTYPE_ENUM:
            return st.just(0)
        case _:
            return st.binary(max_size=3) if field.type == field.TYPE_BYTES else valid_text


def fill(draw: st.DrawFn, target: Any, depth: int = 0) -> None:
    """Fill a message at random, whatever its type is."""
    choice = list(target.DESCRIPTOR.fields)
    if depth > DEEPEST:
        choice = [field for field in choice if field.message_type is None] or choice
    for field in draw(st.lists(st.sampled_from(choice), min_size=1, max_size=3)):
        if field.message_type is None:
            value = draw(scalar(field))
            if hasattr(getattr(target, field.name), "append"):
                getattr(target, field.name).append(value)
            else:
                setattr(target, field.name, value)
            continue
        inner = getattr(target, field.name)
        if field.message_type.GetOptions().map_entry:
            fill(draw, inner[draw(valid_text)], depth + 1)
        elif hasattr(inner, "add"):
            fill(draw, inner.add(), depth + 1)
        else:
            inner.SetInParent()
            if depth <= DEEPEST:
                fill(draw, inner, depth + 1)


def values_in(fields: Any) -> Iterator[Any]:
    """Every `Value` of a document, those in maps and arrays included."""
    for name in sorted(fields):
        yield from values_from(fields[name])


def values_from(value: Any) -> Iterator[Any]:
    yield value
    for name, inside in (("map_value", "fields"), ("entity_value", "properties")):
        if name in value.DESCRIPTOR.fields_by_name and value.HasField(name):
            yield from values_in(getattr(getattr(value, name), inside))
    for element in value.array_value.values if value.HasField("array_value") else ():
        yield from values_from(element)


@st.composite
def odd_documents(draw: st.DrawFn, kind: Kind) -> tuple[type[Any], Any]:
    """A model, and a document that fits it but for a few values."""
    instance = draw(documents("nan"))
    sent = kind.parse(content_of(kind, instance))
    fields = kind.fields(sent)
    names = st.sampled_from([*(one.stored for one in codec_for(type(instance)).shape.fields), "a"]) | valid_text
    for _ in range(draw(st.integers(1, 3))):
        values = list(values_in(fields))
        maps = [value.map_value for value in values if kind is FIRESTORE_DOCUMENTS and value.HasField("map_value")]
        place = draw(st.sampled_from(["map", "value", "field"]))
        if maps and place == "map":
            # As a vector is stored.
            chosen = draw(st.sampled_from(maps)).fields
            chosen["__type__"].string_value = "__vector__"
            fill(draw, chosen["value"])
            chosen["value"].array_value.values.add().double_value = 1.0
        elif values and place == "value":
            fill(draw, draw(st.sampled_from(values)))
        else:
            fill(draw, fields[draw(names)])
    return type(instance), sent


@fuzz(odd_documents(FIRESTORE_DOCUMENTS))
def test_odd_values_in_documents_of_firestore_are_read_or_refused(case: tuple[type[Any], Any]) -> None:
    check(FIRESTORE_DOCUMENTS, *case)


@fuzz(odd_documents(DATASTORE_ENTITIES))
def test_odd_values_in_entities_of_datastore_are_read_or_refused(case: tuple[type[Any], Any]) -> None:
    check(DATASTORE_ENTITIES, *case)


@fuzz(documents("nan"), several)
def test_documents_of_firestore_are_read_or_refused(instance: Any, changes: list[Edit]) -> None:
    check_edited(FIRESTORE_DOCUMENTS, type(instance), content_of(FIRESTORE_DOCUMENTS, instance), changes)


@fuzz(documents("nan"), several)
def test_entities_of_datastore_are_read_or_refused(instance: Any, changes: list[Edit]) -> None:
    check_edited(DATASTORE_ENTITIES, type(instance), content_of(DATASTORE_ENTITIES, instance), changes)


@fuzz(st.binary(max_size=100))
def test_any_bytes_are_no_message_or_read_or_refused(content: bytes) -> None:
    for kind in (FIRESTORE_DOCUMENTS, DATASTORE_ENTITIES):
        check_edited(kind, City, content, [])
