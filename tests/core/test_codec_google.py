"""The Google SDK's own objects, as values and as annotations."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from typing import Any

import pytest
from cendry._interop.google import from_sdk, sdk_class_kind, sdk_kind
from cendry._types.hints import shape_of
from cendry.codec import codec_for
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import InvalidValueError
from cendry.reference import Ref
from cendry.values import (
    DELETE_FIELD,
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    GeoPoint,
    Increment,
    Maximum,
    Minimum,
    Vector,
)
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.vector import Vector as SdkVector
from making import make_model, one_field

UTC = timezone.utc
NANOS = DatetimeWithNanoseconds(2024, 5, 6, 7, 8, 9, nanosecond=123456789, tzinfo=UTC)
PLAIN = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
DOCUMENT = firestore.DocumentReference("cities", "SF")
City = make_model({"name": str})


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (GeoPoint, firestore.GeoPoint(1, 2), GeoPoint(1, 2)),
        (Vector, SdkVector([1, 2]), Vector([1, 2])),
        (datetime, NANOS, PLAIN),
        (Ref[City], DOCUMENT, Ref.from_path("cities/SF")),  # type: ignore[valid-type]
        (Ref[City], firestore.AsyncDocumentReference("cities", "SF"), Ref.from_path("cities/SF")),  # type: ignore[valid-type]
        (Any, {"a": [firestore.GeoPoint(1, 2), NANOS, DOCUMENT], "b": SdkVector([1])}, None),
        (list[GeoPoint], [firestore.GeoPoint(1, 2)], [GeoPoint(1, 2)]),
        (int | GeoPoint, firestore.GeoPoint(1, 2), GeoPoint(1, 2)),
    ],
)
def test_objects_of_the_sdk_are_accepted_wherever_a_value_is(annotation: Any, value: Any, stored: Any) -> None:
    if stored is None:
        stored = {"a": [GeoPoint(1, 2), PLAIN, Ref.from_path("cities/SF")], "b": Vector([1])}
    model = one_field(annotation)
    codec = codec_for(model)
    found = codec.encode(model(x=value))["x"]
    assert stored == found == to_dict(model(x=value))["x"] == codec.encode_field("x", value)
    assert type(stored) is type(found)
    read = from_dict(model, {"x": value}).x
    assert stored == read
    assert type(stored) is type(read)
    assert [] == validate(model, {"x": value})


def test_timestamps_are_read_as_plain_datetimes() -> None:
    read = codec_for(one_field(datetime)).decode({"x": NANOS}).x
    assert PLAIN == read
    assert type(read) is datetime


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (firestore.GeoPoint, firestore.GeoPoint(1, 2), GeoPoint(1, 2)),
        (SdkVector, SdkVector([1, 2]), Vector([1, 2])),
        (DatetimeWithNanoseconds, DatetimeWithNanoseconds(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC), PLAIN),
        (dict[str, firestore.GeoPoint], {"a": firestore.GeoPoint(1, 2)}, {"a": GeoPoint(1, 2)}),
        (firestore.GeoPoint | None, firestore.GeoPoint(1, 2), GeoPoint(1, 2)),
    ],
)
def test_classes_of_the_sdk_are_legal_annotations(annotation: Any, value: Any, stored: Any) -> None:
    model = one_field(annotation)
    codec = codec_for(model)
    assert {"x": stored} == codec.encode(model(x=value))
    for read in (codec.decode({"x": stored}).x, from_dict(model, {"x": stored}).x, from_dict(model, {"x": value}).x):
        assert value == read
        assert type(value) is type(read)
    assert {"x": stored} == codec.encode(codec.decode({"x": stored}))


def test_a_core_value_fits_where_the_sdks_class_is_declared() -> None:
    model = one_field(firestore.GeoPoint)
    assert {"x": GeoPoint(1, 2)} == codec_for(model).encode(model(x=GeoPoint(1, 2)))
    absent = make_model({"x": firestore.GeoPoint | None})
    with pytest.raises(InvalidValueError, match="x: expected GeoPoint, found int 5"):
        codec_for(absent).encode(absent(x=5))


def test_document_references_are_no_annotation() -> None:
    with pytest.raises(TypeError, match=r"DocumentReference needs a client to be read back; use cendry\.Ref"):
        shape_of(list[firestore.DocumentReference])


def test_a_reference_keeps_the_database_of_its_client() -> None:
    client = firestore.Client(project="p", database="d", credentials=AnonymousCredentials())
    reference = from_sdk(client.document("cities/SF"))
    assert Ref.from_path("cities/SF", database="projects/p/databases/d") == reference


def test_what_the_sdk_lets_pass_is_refused() -> None:
    model = one_field(GeoPoint)
    with pytest.raises(InvalidValueError, match=r"x: .*GeoPoint latitude must be a number from -90 to 90, not 100"):
        codec_for(model).encode(model(x=firestore.GeoPoint(100, 2)))
    model = one_field(Ref)
    with pytest.raises(InvalidValueError, match=r"x: expected Ref, found DocumentReference .*reserved"):
        codec_for(model).encode(model(x=firestore.DocumentReference("cities", "__x__")))
    for annotation in (GeoPoint, Vector, Ref):
        model = one_field(annotation)
        with pytest.raises(InvalidValueError):
            codec_for(model).encode(model(x=NANOS))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (firestore.SERVER_TIMESTAMP, "SERVER_TIMESTAMP, a transform"),
        (firestore.DELETE_FIELD, "DELETE_FIELD, a marker"),
        (firestore.Increment(1), "Increment(value=1), a transform"),
        (firestore.ArrayUnion([1]), "ArrayUnion([1]), a transform"),
    ],
)
@pytest.mark.parametrize("annotation", [int, Any, dict[str, Any]])
def test_its_markers_and_transforms_are_refused_in_data(annotation: Any, value: Any, shown: str) -> None:
    model = one_field(annotation)
    data = {"a": value} if annotation == dict[str, Any] else value
    (problem,) = validate(model, {"x": data})
    assert shown == problem.found
    with pytest.raises(InvalidValueError) as caught:
        codec_for(model).encode(model(x=data))
    assert shown == caught.value.found


@pytest.mark.parametrize(
    ("value", "core"),
    [
        (firestore.SERVER_TIMESTAMP, SERVER_TIMESTAMP),
        (firestore.DELETE_FIELD, DELETE_FIELD),
        (firestore.Increment(1), Increment(1)),
        (firestore.Maximum(2), Maximum(2)),
        (firestore.Minimum(3), Minimum(3)),
        (firestore.ArrayUnion([1, "a"]), ArrayUnion([1, "a"])),
        (firestore.ArrayRemove([1]), ArrayRemove([1])),
        (NANOS, PLAIN),
        (5, 5),
    ],
)
def test_each_object_has_a_core_value(value: Any, core: Any) -> None:
    assert core == from_sdk(value)


def test_classes_of_the_same_name_are_not_mistaken() -> None:
    class Sentinel:
        description = "delete"

    assert sdk_kind(Sentinel()) is None
    assert sdk_class_kind(GeoPoint) is None


def test_nothing_of_google_is_imported() -> None:
    code = (
        "import sys, cendry.codec, cendry.convert\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'proto')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize(
    ("annotation", "value", "form"),
    [
        (firestore.GeoPoint, firestore.GeoPoint(1, 2), {"latitude": 1, "longitude": 2}),
        (SdkVector, SdkVector([1.0, 2.0]), [1.0, 2.0]),
        (DatetimeWithNanoseconds, DatetimeWithNanoseconds(2024, 5, 6, tzinfo=UTC), "2024-05-06T00:00:00Z"),
    ],
)
def test_classes_of_the_sdk_in_json(annotation: Any, value: Any, form: Any) -> None:
    model = one_field(annotation)
    assert {"x": form} == to_dict(model(x=value), mode="json")
    found = from_dict(model, {"x": form}, mode="json").x
    assert type(value) is type(found)
    assert value == found
    assert ["x"] == [each.path for each in validate(model, {"x": value}, mode="json")]


def test_references_of_the_sdk_in_json() -> None:
    model = one_field(Ref)
    assert {"x": "cities/SF"} == to_dict(model(x=DOCUMENT), mode="json")
