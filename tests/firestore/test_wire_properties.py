"""For every model and every stored document: the direct way is the way by stored values, and the SDK's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry.codec import codec_for
from cendry_firestore import _sdk
from cendry_firestore._values import decode_fields
from core.foreign import holders
from core.strategies import documents, int64, keys
from firestore.comparing import (
    CLIENT,
    DATABASE,
    decoder,
    document_of,
    encode_value,
    encoder,
    exact,
    of_sdk,
    outcome,
    serialized,
    to_sdk,
)
from google.cloud.firestore_v1 import _helpers, types
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from making import make_model, one_field

pytestmark = pytest.mark.slow

slow = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@slow
@given(st.one_of(documents("nan"), holders))
def test_every_instance_is_written_as_the_codec_and_the_sdk_write_it_and_comes_back(instance: Any) -> None:
    codec = codec_for(type(instance))
    stored = codec.encode(instance)

    data = encoder(codec, DATABASE)(instance)

    # What is stored of a reference doesn't tell its model.
    assert exact(of_sdk(to_sdk(stored))) == exact(dict(data))
    assert serialized(document_of(stored)) == serialized(data.message)
    by_the_sdk = types.Document(fields=_helpers.encode_dict(to_sdk(stored)))
    assert serialized(by_the_sdk._pb) == serialized(data.message)

    received = _sdk.Document.FromString(serialized(data.message))
    read = decoder(codec)(received.fields, instance.id, "docs/i", DATABASE)
    assert exact(instance) == exact(read)
    assert exact(codec.decode(decode_fields(received.fields, DATABASE), instance.id)) == exact(read)


def timestamp(seconds: int, nanos: int) -> Any:
    message = _sdk.Value()
    message.timestamp_value.seconds, message.timestamp_value.nanos = seconds, nanos
    message.timestamp_value.SetInParent()
    return message


def geo_point(latitude: float, longitude: float) -> Any:
    message = _sdk.Value()
    message.geo_point_value.latitude, message.geo_point_value.longitude = latitude, longitude
    message.geo_point_value.SetInParent()
    return message


def array(elements: list[Any]) -> Any:
    return encode_value(elements, DATABASE)


def map_of(fields: dict[str, Any]) -> Any:
    return encode_value(fields, DATABASE)


def vector(components: Any) -> Any:
    return map_of({"__type__": "__vector__", "value": components})


nanos = st.integers(0, 999_999_999)
plain = st.one_of(
    st.none(),
    st.booleans(),
    int64,
    st.integers(-3, 3),
    st.floats(),
    st.integers(-3, 3).map(float),
    st.text(max_size=3),
    st.sampled_from(["red", "BLUE", "a", "1.5", "12345678-1234-5678-1234-567812345678"]),
    st.binary(max_size=2),
).map(lambda value: encode_value(value, DATABASE))
references = st.sampled_from(["docs/SF", "cities/a/areas/b"]).map(
    lambda path: _sdk.Value(reference_value=f"{DATABASE}/documents/{path}")
)
numbers = st.floats() | st.integers(-3, 3)
legible = st.one_of(
    plain,
    st.builds(timestamp, st.integers(-62135596800, 253402300799), nanos),
    st.builds(timestamp, st.sampled_from([0, 86400, -86400 * 366]), st.sampled_from([0, 1, 999, 1000])),
    st.builds(geo_point, st.floats(-90, 90), st.floats(-180, 180)),
    references,
    st.builds(vector, st.lists(numbers, max_size=3)),
)
REFERENCES = [
    _sdk.Value(reference_value=name)
    for name in (
        "",
        "no document name",
        "projects/other/databases/there/documents/cities/SF",
        f"{DATABASE}/documents/cities/__odd__",
        f"{DATABASE}/documents/cities",
    )
]
illegible = st.one_of(
    st.sampled_from(
        [
            _sdk.Value(),
            _sdk.Value.FromString(b"\x9a\x06\x01x"),  # a kind that no SDK knows yet
            *REFERENCES,
            geo_point(91, 0),
            geo_point(0, float("nan")),
            timestamp(2**60, 0),
            vector("no array"),
            vector([1, "no number"]),
            map_of({"__type__": "__vector__"}),
            map_of({"__type__": "other", "value": [1.0]}),
            map_of({"__type__": "__vector__", "value": [1.0], "a": 1, "b": 2}),
            array([]),
            map_of({}),
        ]
    ),
    st.lists(plain | st.lists(plain, max_size=1).map(array), min_size=1, max_size=2).map(array),
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3).map(array) | st.dictionaries(keys, inner, max_size=3).map(map_of),
        max_leaves=4,
    )


anything = nested(legible | illegible)


@slow
@given(st.dictionaries(keys, nested(legible), max_size=3))
def test_what_the_sdk_can_read_is_read_as_it_reads_it_to_the_microsecond(data: dict[str, Any]) -> None:
    # It can't read kinds that it doesn't know, nor references into other databases; and it makes points of what is no
    # place on Earth.
    fields = document_of({"x": data}).fields["x"].map_value.fields
    expected = exact(of_sdk(_helpers.decode_dict(fields, CLIENT)))
    assert expected == exact(decode_fields(fields, DATABASE))
    codec = codec_for(one_field(Any))
    assert expected == exact(decoder(codec)(document_of({"x": data}).fields, "i", "docs/i", DATABASE).x)


def values_in(fields: Any) -> Iterator[tuple[Any, str]]:
    """Every value of a document, as the map or array that it is in, and its place there."""
    for key in sorted(fields):
        yield fields, key
        yield from values_inside(fields[key])


def values_inside(value: Any) -> Iterator[tuple[Any, Any]]:
    if value.HasField("map_value"):
        yield from values_in(value.map_value.fields)
    if value.HasField("array_value"):
        elements = value.array_value.values
        for index, element in enumerate(elements):
            yield elements, index
            yield from values_inside(element)


def change(draw: st.DrawFn, document: Any) -> None:
    """Change something, or nothing, somewhere in a stored document."""
    places = list(values_in(document.fields))
    how = draw(st.sampled_from(["replace", "remove", "add", "spoil", "spoil"]))
    if how == "add" or not places:
        document.fields[draw(keys)].CopyFrom(draw(anything))
        return
    holder, place = draw(st.sampled_from(places))
    value = holder[place]
    if how == "replace":
        value.CopyFrom(draw(anything))
    elif how == "remove":
        del holder[place]
    else:
        spoil(draw, value)


def spoil(draw: st.DrawFn, value: Any) -> None:
    """Make another value of this, that is of the same kind or stands for nearly the same."""
    match value.WhichOneof("value_type"):
        case "integer_value":
            value.double_value = value.integer_value
        case "double_value" if abs(value.double_value) < 2**63:
            value.integer_value = int(value.double_value)
        case "timestamp_value":
            value.timestamp_value.nanos += draw(st.integers(0, 999))
        case "reference_value":
            value.CopyFrom(draw(st.sampled_from(REFERENCES)))
        case "geo_point_value":
            value.geo_point_value.latitude += 180
        case "map_value":
            value.map_value.fields["__type__"].string_value = draw(st.sampled_from(["__vector__", "other"]))
        case "array_value" if len(value.array_value.values):
            value.array_value.values.add().CopyFrom(value.array_value.values[0])
        case _:
            value.CopyFrom(draw(anything))


@st.composite
def stored_documents(draw: st.DrawFn) -> tuple[type[Any], Any]:
    """A model, and a stored document that fits it more or less."""
    instance = draw(documents("nan"))
    document = document_of(codec_for(type(instance)).encode(instance))
    for _ in range(draw(st.integers(0, 3))):
        change(draw, document)
    return type(instance), document


def one_moment(seconds: int) -> tuple[type[Any], Any]:
    """A model without fields, and a document with one moment."""
    document = _sdk.Document()
    document.fields["x"].CopyFrom(timestamp(seconds, 0))
    return make_model({}), document


@settings(slow, max_examples=300)
@given(stored_documents())
@example(one_moment(2**60))
@example(one_moment(253402300800))
def test_every_stored_document_is_read_or_refused_as_by_stored_values(case: tuple[type[Any], Any]) -> None:
    model, document = case
    codec = codec_for(model)
    before = serialized(document)

    expected = outcome(lambda: codec.decode(decode_fields(document.fields, DATABASE), "i", "docs/i"))
    actual = outcome(lambda: decoder(codec)(document.fields, "i", "docs/i", DATABASE))

    event("read" if expected[0] is model else expected[0].__name__)
    assert expected == actual
    assert before == serialized(document)


@slow
@given(st.data())
def test_values_of_any_kind_at_the_place_of_any_type(data: st.DataObject) -> None:
    model = type(data.draw(documents()))
    codec = codec_for(model)
    names = [field.stored for field in codec.shape.fields]
    document = document_of({name: data.draw(anything) for name in names})
    expected = outcome(lambda: codec.decode(decode_fields(document.fields, DATABASE), "i", "docs/i"))
    assert expected == outcome(lambda: decoder(codec)(document.fields, "i", "docs/i", DATABASE))


@slow
@given(st.datetimes(timezones=st.timezones() | st.none()))
def test_every_moment_is_written_as_the_codec_takes_it(moment: datetime) -> None:
    model = one_field(datetime)
    codec = codec_for(model)
    instance = model(x=moment)
    expected = outcome(lambda: {"x": codec.encode(instance)["x"].astimezone(timezone.utc)})
    assert expected == outcome(lambda: dict(encoder(codec, DATABASE)(instance)))
