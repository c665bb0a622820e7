"""The direct way between models and entity messages is the way by stored values, in all that it gives and refuses."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from cendry import Field, FieldPath, GeoPoint, Model, Ref, UnsupportedByBackendError, Vector, field, register_type
from cendry.codec import Codec, codec_for, message
from cendry.errors import DecodeError, ForeignReferenceError, InvalidValueError
from cendry_datastore import _sdk
from cendry_datastore._dialect import DATASTORE
from cendry_datastore._keys import Partition
from cendry_datastore._values import EntityData, decode_projected, decode_properties, decode_value, write_properties
from core.strategies import documents
from core.test_codec_values import LIMITS, MISFITS, PAIRS, short
from hypothesis import HealthCheck, assume, given, settings
from making import make_map, make_model, one_field

PARTITION = Partition("project", "", "")


def decoder(codec: Codec[Any]) -> Callable[..., Any]:
    """What reads entities of a class the direct way."""
    return message.decoder(codec, DATASTORE)


def encoder(codec: Codec[Any], partition: Partition) -> Callable[[Any], Any]:
    """What writes instances of a class the direct way."""
    return message.encoder(codec, DATASTORE, partition)


def as_message(stored: dict[str, Any]) -> Any:
    entity = _sdk.Entity()
    write_properties(entity.properties, stored, PARTITION)
    return entity.properties


def read_directly(codec: Codec[Any], stored: dict[str, Any]) -> Any:
    return decoder(codec)(as_message(stored), "i", "docs/i", PARTITION)


def outcome(read: Callable[[], Any]) -> str:
    """What a read gives, or how it fails."""
    try:
        return repr(read())
    except DecodeError as error:
        return f"{type(error)}: {error}"


def has_vector(value: Any) -> bool:
    return "Vector(" in repr(value)


@pytest.mark.parametrize(("annotation", "python", "stored"), PAIRS, ids=short)
def test_every_kind_of_value(annotation: Any, python: Any, stored: Any) -> None:
    model = one_field(annotation)
    codec = codec_for(model)
    if has_vector(stored):
        with pytest.raises(UnsupportedByBackendError, match="vectors"):
            encoder(codec, PARTITION)(model(x=python))
        return
    assert codec.encode(model(x=python)) == dict(encoder(codec, PARTITION)(model(x=python)))
    expected, found = codec.decode({"x": stored}, "i"), read_directly(codec, {"x": stored})
    assert (expected, type(expected.x)) == (found, type(found.x))


@pytest.mark.parametrize(("annotation", "value", "path", "expected", "found"), [*MISFITS, *LIMITS], ids=short)
def test_what_does_not_fit(annotation: Any, value: Any, path: str, expected: str, found: str) -> None:
    model = one_field(annotation)
    codec = codec_for(model)
    with pytest.raises(InvalidValueError) as by_value:
        codec.encode(model(x=value))
    with pytest.raises(InvalidValueError) as direct:
        encoder(codec, PARTITION)(model(x=value))
    assert str(by_value.value) == str(direct.value)
    try:
        properties = as_message({"x": value})
    except (TypeError, ValueError, RecursionError, UnsupportedByBackendError):
        return  # No entity holds it.
    stored = decode_properties(properties, PARTITION)
    assert outcome(lambda: codec.decode(stored, "i", "docs/i")) == outcome(
        lambda: decoder(codec)(properties, "i", "docs/i", PARTITION)
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_every_document(document: Any) -> None:
    codec = codec_for(type(document))
    stored = codec.encode(document)
    assume(not has_vector(stored))
    written = encoder(codec, PARTITION)(document)
    assert stored == dict(written)
    assert document == decoder(codec)(written.message.properties, document.id, "docs/i", PARTITION)


def test_absent_fields_and_others() -> None:
    inner = make_map({"a": (int, field(default=3)), "b": str})
    model = make_model({"x": (int, field(default=5)), "y": inner | None, "z": (list[int], field(default_factory=list))})
    codec = codec_for(model)
    stored: dict[str, Any]
    for stored in ({}, {"y": None}, {"y": {"b": "x", "more": 1}}, {"y": {}}, {"x": 2, "y": 5}, {"z": [1, None]}):
        expected = outcome(partial(codec.decode, stored, "i", "docs/i"))
        assert expected == outcome(partial(read_directly, codec, stored))


def test_a_strict_model_refuses_what_it_does_not_know() -> None:
    model = make_model({"x": int}, extra="forbid")
    codec = codec_for(model)
    assert 1 == read_directly(codec, {"x": 1}).x
    with pytest.raises(DecodeError, match="more"):
        read_directly(codec, {"x": 1, "more": 2})


def test_references_of_other_partitions() -> None:
    model = one_field(Ref)
    codec = codec_for(model)
    elsewhere = Partition("other", "db", "ns")
    written = encoder(codec, elsewhere)(model(x=Ref.from_path("a/b")))
    read = decoder(codec)(written.message.properties, "i", "docs/i", PARTITION).x
    assert Ref.from_path("a/b", database="projects/other/databases/db/namespaces/ns") == read
    with pytest.raises(ForeignReferenceError, match="points into a database other than"):
        encoder(codec, PARTITION)(model(x=read))
    assert written.message == encoder(codec, elsewhere)(model(x=read)).message


def test_what_is_to_be_written_is_a_mapping_of_stored_values() -> None:
    class City(Model, collection="cities"):
        name: Field[str]
        tags: Field[list[str]] = field(default_factory=list)

    data = encoder(codec_for(City), PARTITION)(City(name="x", tags=["y"]))
    assert isinstance(data, EntityData)
    assert ({"name": "x", "tags": ["y"]}, 2) == (dict(data), len(data))
    data["name"] = 5
    del data["tags"]
    assert ("name" in data, "tags" in data, data.get("tags")) == (True, False, None)
    assert "EntityData({'name': 5})" == repr(data)
    with pytest.raises(KeyError):
        data["tags"]


def test_a_vector_has_no_message() -> None:
    model = one_field(Vector)
    with pytest.raises(UnsupportedByBackendError):
        encoder(codec_for(model), PARTITION)(model(x=Vector([1.0])))


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees


class Raw:
    pass


register_type(Celsius, serialize=lambda one: one.degrees, deserialize=Celsius)
register_type(Raw)


def test_flags_by_name_and_types_of_your_own() -> None:
    model = make_model({"x": Celsius, "y": (Access, field(enum_by="name")), "z": (list[Celsius], field())})
    codec = codec_for(model)
    instance = model(x=Celsius(1.5), y=Access.WRITE, z=[Celsius(2.0)])
    written = encoder(codec, PARTITION)(instance)
    assert {"x": 1.5, "y": "WRITE", "z": [2.0]} == dict(written) == codec.encode(instance)
    read = decoder(codec)(written.message.properties, "i", "docs/i", PARTITION)
    assert (Celsius(1.5), Access.WRITE, [Celsius(2.0)]) == (read.x, read.y, read.z)
    with pytest.raises(InvalidValueError):
        encoder(codec, PARTITION)(model(x=Celsius(1.5), y=Access.READ | Access.WRITE, z=[]))


def test_a_type_that_is_taken_as_it_is() -> None:
    model = one_field(Raw)
    assert 5 == read_directly(codec_for(model), {"x": 5}).x


def test_what_fits_only_after_a_conversion_is_converted() -> None:
    model = one_field(int)
    assert {"x": 3} == dict(encoder(codec_for(model), PARTITION)(model(x=3.0)))
    assert 3 == read_directly(codec_for(model), {"x": 3.0}).x


def test_a_union_with_a_kind_that_datastore_lacks() -> None:
    model = one_field(Vector | str | None)
    codec = codec_for(model)
    assert {"x": "text"} == dict(encoder(codec, PARTITION)(model(x="text")))
    assert ["text", None] == [read_directly(codec, {"x": value}).x for value in ("text", None)]
    with pytest.raises(UnsupportedByBackendError, match="vectors"):
        encoder(codec, PARTITION)(model(x=Vector([1.0])))


def test_a_kind_that_is_unknown_comes_as_it_is() -> None:
    value = _sdk.Value()
    assert value is decode_value(value, PARTITION)
    assert {} == decode_projected(as_message({"x": "no map"}), (FieldPath("x", "y"),), PARTITION)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime, _sdk.Value(timestamp_value={"seconds": 253402300800})),
        (GeoPoint, _sdk.Value(geo_point_value={"latitude": 91})),
    ],
)
def test_moments_and_points_that_are_none_spoil_nothing_but_their_field(annotation: Any, value: Any) -> None:
    entity = _sdk.Entity()
    entity.properties["x"].CopyFrom(value)
    assert {"x": value} == decode_properties(entity.properties, PARTITION)
    with pytest.raises(DecodeError, match="x"):
        decoder(codec_for(one_field(annotation)))(entity.properties, "i", "docs/i", PARTITION)
    assert entity.properties == as_message(decode_properties(entity.properties, PARTITION))
