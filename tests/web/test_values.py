"""Firestore's own values, and values of all types of fields, as types of pydantic."""

from __future__ import annotations

from typing import Any, Optional, Union

import cendry
import pydantic
import pytest
from cendry import FirestoreValue, GeoPoint, Model, Ref, Vector
from pydantic import BaseModel, TypeAdapter, create_model
from web.models import Task

DATABASE = "projects/p/databases/d"


class Child(Model, collection="children", parent=Task):
    pass


class Place(BaseModel):
    point: GeoPoint
    embedding: Optional[Vector] = None
    task: Optional[Ref[Task]] = None
    anything: Ref[Any]


@pytest.mark.parametrize(
    ("kind", "value", "as_json"),
    [
        (GeoPoint, GeoPoint(1.5, -2), {"latitude": 1.5, "longitude": -2}),
        (Vector, Vector([1, 2.5]), [1.0, 2.5]),
        (Ref[Task], Ref(Task, "a"), "tasks/a"),
        (Ref, Ref.from_path("tasks/a/children/b"), "tasks/a/children/b"),
        (Ref[Any], Ref.from_path("tasks/a", database=DATABASE), f"{DATABASE}/documents/tasks/a"),
        (Optional[GeoPoint], None, None),
        (list[Ref[Task]], [Ref(Task, "a")], ["tasks/a"]),
        (dict[str, Vector], {"a": Vector([])}, {"a": []}),
        (Union[GeoPoint, Vector], Vector([1]), [1.0]),
    ],
    ids=str,
)
def test_values_come_back(kind: Any, value: Any, as_json: Any) -> None:
    adapter = TypeAdapter(kind)
    assert as_json == adapter.dump_python(value, mode="json")
    # As any dataclass, a point is dumped as a dict.
    dumped = adapter.dump_python(value)
    assert dumped == (as_json if isinstance(value, GeoPoint) else value)
    assert value == adapter.validate_python(dumped)
    assert value == adapter.validate_json(adapter.dump_json(value)) == adapter.validate_python(value)
    assert value == adapter.validate_python(as_json)


def test_fields_of_a_pydantic_class() -> None:
    place = Place(point=GeoPoint(1, 2), task=Ref(Task, "a"), anything=Ref.from_path("x/y"))
    assert {
        "point": {"latitude": 1, "longitude": 2},
        "embedding": None,
        "task": "tasks/a",
        "anything": "x/y",
    } == place.model_dump(mode="json")
    assert place == Place.model_validate_json(place.model_dump_json()) == Place.model_validate(place.model_dump())


def test_a_reference_knows_its_model_and_takes_an_id() -> None:
    ref = TypeAdapter(Ref[Task]).validate_python("a")
    assert (Ref(Task, "a"), Task) == (ref, ref.model)
    assert Task is TypeAdapter(Ref[Task]).validate_python(Ref.from_path("tasks/a")).model


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (GeoPoint, {"latitude": 91, "longitude": 0}, "GeoPoint latitude must be a number from -90 to 90"),
        (GeoPoint, {"latitude": 1}, "Expected"),
        (GeoPoint, [1, 2], "Expected"),
        (Vector, [1, float("nan")], "NaN"),
        (Vector, "12", "Expected"),
        (Ref[Task], 5, "Expected"),
        (Ref[Task], "a/b/c", "Expected"),
        (Ref[Child], "b", "Expected"),
    ],
    ids=str,
)
def test_bad_values(kind: Any, data: Any, message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message) as caught:
        TypeAdapter(kind).validate_python(data)
    assert [((), "value_error")] == [(each["loc"], each["type"]) for each in caught.value.errors()]


def test_bad_values_are_located() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Place.model_validate({"point": {"latitude": "x"}, "anything": "x"})
    assert [("point",), ("anything",)] == [each["loc"] for each in caught.value.errors()]


def test_what_json_cannot_hold_is_not_dumped() -> None:
    with pytest.raises(Exception, match="NaN"):
        TypeAdapter(Vector).dump_json(Vector([float("nan")]))
    with pytest.warns(UserWarning, match="Expected a GeoPoint"):
        assert b"5" == TypeAdapter(GeoPoint).dump_json(5)  # type: ignore[arg-type]


def test_schemas_of_values() -> None:
    found = Place.model_json_schema()["properties"]
    assert {"latitude", "longitude"} == found["point"]["properties"].keys()
    assert [{"type": "array", "items": {"type": "number"}}, {"type": "null"}] == found["embedding"]["anyOf"]
    assert {"type": "string"} == found["task"]["anyOf"][0]
    assert "string" == found["anything"]["type"]
    assert found == Place.model_json_schema(mode="serialization")["properties"]


@pytest.mark.parametrize(
    "kind",
    [
        cendry.Increment,
        cendry.Maximum,
        cendry.Minimum,
        cendry.ArrayUnion,
        cendry.ArrayRemove,
        cendry.SERVER_TIMESTAMP,
        cendry.DELETE_FIELD,
    ],
    ids=str,
)
def test_transforms_are_no_types_of_data(kind: Any) -> None:
    with pytest.raises(TypeError, match="tells the database what to do with a field, so it is not a type of data"):
        TypeAdapter(kind)
    if isinstance(kind, type):
        with pytest.raises(TypeError, match="is not a type of data"):
            create_model("Body", value=(Optional[kind], None))


def test_any_value() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(FirestoreValue)
    for value in (None, 1, "x", GeoPoint(1, 2), [1, {"a": Vector([1])}]):
        assert value == adapter.validate_python(value)
