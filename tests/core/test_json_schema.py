"""JSON Schema of models: what it says, and that values in JSON fit it."""

from __future__ import annotations

import base64
import enum
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

import msgspec
import pydantic
import pytest
from annotated_types import Ge, Gt, Len, Lt, MaxLen, MinLen, MultipleOf, Predicate
from cendry import (
    Field,
    FirestoreValue,
    GeoPoint,
    Map,
    Model,
    Ref,
    TypeRegistry,
    Vector,
    field,
    json_schema,
    to_dict,
    validate,
)
from cendry._types.shapes import Reference, Shape, children
from cendry.codec import codec_for
from core.strategies import documents, keys
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from making import make_map, make_model, one_field
from typing_extensions import NotRequired, TypedDict

T = TypeVar("T")


class Status(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


class Card(Map):
    """A payment by card."""

    kind: Field[Literal["card"]] = field(default="card", alias="type")
    number: Field[Annotated[str, Len(4, 8)]]


class Bank(Map):
    kind: Field[Literal["bank", "giro"]] = field(default="bank", alias="type")
    iban: Field[str] = field(alias="i b a n")


class Order(Model, collection="orders"):
    """An order."""

    customer: Field[str] = field(alias="the customer", metadata={"description": "Who pays.", "examples": ["Ada"]})
    amount: Field[Annotated[int, Gt(0), Lt(100)]] = field(default=1)
    status: Field[Status] = field(default=Status.OPEN)
    payment: Field[Card | Bank | None] = field(default=None)
    created: Field[datetime | None] = field(auto_now_add=True)
    secret: Field[str] = field(default="hunter2", repr=False)


DECIMAL = {"type": "string", "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,18})?$"}


def only(annotation: Any, **options: Any) -> Any:
    """The schema of a field of this type."""
    return json_schema(one_field(annotation, **options), include_id=False)["properties"]["x"]


def test_a_whole_schema() -> None:
    assert {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order",
        "description": "An order.",
        "type": "object",
        "properties": {
            "id": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "customer": {"type": "string", "description": "Who pays.", "examples": ["Ada"]},
            "amount": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 100, "default": 1},
            "status": {"$ref": "#/$defs/Status", "default": "open"},
            "payment": {
                "anyOf": [
                    {
                        "oneOf": [{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Bank"}],
                        "required": ["kind"],
                        "discriminator": {
                            "propertyName": "kind",
                            "mapping": {"card": "#/$defs/Card", "bank": "#/$defs/Bank", "giro": "#/$defs/Bank"},
                        },
                    },
                    {"type": "null"},
                ],
                "default": None,
            },
            "created": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": None},
            "secret": {"type": "string"},
        },
        "required": ["customer"],
        "additionalProperties": False,
        "$defs": {
            "Status": {"title": "Status", "enum": ["open", "closed"], "type": "string"},
            "Card": {
                "title": "Card",
                "description": "A payment by card.",
                "type": "object",
                "properties": {
                    "kind": {"const": "card", "type": "string", "default": "card"},
                    "number": {"type": "string", "minLength": 4, "maxLength": 8},
                },
                "required": ["number"],
                "additionalProperties": False,
            },
            "Bank": {
                "title": "Bank",
                "type": "object",
                "properties": {
                    "kind": {"enum": ["bank", "giro"], "type": "string", "default": "bank"},
                    "iban": {"type": "string"},
                },
                "required": ["iban"],
                "additionalProperties": False,
            },
        },
    } == json_schema(Order)
    assert "id" not in json_schema(Order, include_id=False)["properties"]
    assert "id" not in json_schema(Card)["properties"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (None, {"type": "null"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (Decimal, DECIMAL),
        (UUID, {"type": "string", "format": "uuid"}),
        (date, {"type": "string", "format": "date"}),
        (time, {"type": "string", "format": "time"}),
        (timedelta, {"type": "string", "format": "duration"}),
        (Vector, {"type": "array", "items": {"type": "number"}}),
        (Ref[Order], {"type": "string"}),
        (Any, {}),
        (FirestoreValue, {}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
            },
        ),
        (tuple[()], {"type": "array", "minItems": 0, "maxItems": 0}),
        (dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Union[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a"], {"const": "a", "type": "string"}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Literal[b"a"], {"const": "YQ==", "type": "string"}),
        (Annotated[float, Ge(0), MultipleOf(0.5)], {"type": "number", "minimum": 0, "multipleOf": 0.5}),
        (Annotated[float, Lt(float("inf"))], {"type": "number"}),
        (Annotated[str, pydantic.Field(pattern="^a")], {"type": "string", "pattern": "^a"}),
        (Annotated[list[int], MinLen(1)], {"type": "array", "items": {"type": "integer"}, "minItems": 1}),
        (Annotated[bytes, MaxLen(5)], {"type": "string", "contentEncoding": "base64"}),
        (Annotated[Decimal, Gt(0)], DECIMAL),
        (Annotated[int, Predicate(bool)], {"type": "integer"}),
        (Annotated[str, Predicate(bool)], {"type": "string"}),
        (
            dict[Annotated[str, MaxLen(3)], int],
            {"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"maxLength": 3}},
        ),
        (
            Annotated[dict[str, int], MinLen(1)],
            {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
        ),
    ],
)
def test_the_schema_of_a_type(annotation: Any, expected: dict[str, Any]) -> None:
    found = only(annotation)
    assert expected == found
    Draft202012Validator.check_schema(found)


def test_a_geo_point() -> None:
    schema = only(GeoPoint)
    assert Draft202012Validator(schema).is_valid({"latitude": 1, "longitude": -2})
    assert not Draft202012Validator(schema).is_valid({"latitude": 91, "longitude": 0})


@pytest.mark.parametrize(
    ("annotation", "options", "expected"),
    [
        (bytes, {"default": b"a"}, "YQ=="),
        (Decimal, {"default": Decimal("1.50")}, "1.50"),
        (date, {"default": date(2024, 5, 6)}, "2024-05-06"),
        (datetime, {"default": datetime(2024, 5, 6)}, "2024-05-06T00:00:00Z"),
        (datetime, {"default": datetime(2024, 5, 6, 5, tzinfo=timezone(timedelta(hours=5)))}, "2024-05-06T00:00:00Z"),
        (time, {"default": time(1, 2)}, "01:02:00"),
        (float, {"default": 0.5}, 0.5),
        (UUID, {"default": UUID(int=1)}, "00000000-0000-0000-0000-000000000001"),
        (GeoPoint, {"default": GeoPoint(1, 2)}, {"latitude": 1, "longitude": 2}),
        (tuple[int, ...], {"default": (1, 2)}, [1, 2]),
        (Status, {"default": Status.OPEN, "enum_by": "name"}, "OPEN"),
        (Optional[Status], {"default": None, "enum_by": "name"}, None),
        (list[int], {"default_factory": list}, []),
        (dict[str, int], {"default_factory": dict}, {}),
    ],
)
def test_defaults(annotation: Any, options: dict[str, Any], expected: Any) -> None:
    assert expected == only(annotation, **options)["default"]


@pytest.mark.parametrize(
    ("annotation", "options"),
    [
        (float, {"default": float("inf")}),
        (list[int], {"default_factory": lambda: [1]}),
        (str, {"default": "x", "repr": False}),
    ],
    ids=["infinity", "factory", "not shown"],
)
def test_a_default_that_has_no_simple_form_is_left_out(annotation: Any, options: dict[str, Any]) -> None:
    schema = json_schema(one_field(annotation, **options))
    assert "default" not in schema["properties"]["x"]
    assert "required" not in schema


class Node(Map):
    kind: Field[Literal["node"]] = field(default="node")
    children: Field[list[Node | Leaf]] = field(default_factory=list)


class Leaf(Map):
    kind: Field[Literal["leaf"]] = field(default="leaf")


class Tree(Model, collection="trees"):
    root: Field[Node]


def test_classes_that_contain_themselves() -> None:
    schema = json_schema(Tree)
    assert {"Node", "Leaf"} == schema["$defs"].keys()
    assert {"$ref": "#/$defs/Node"} == schema["properties"]["root"]
    alone = json_schema(Node)
    assert "#/$defs/Node" == alone["$ref"]
    validator = Draft202012Validator(alone)
    assert validator.is_valid({"kind": "node", "children": [{"kind": "leaf"}, {"kind": "node"}]})
    assert not validator.is_valid({"kind": "node", "children": [{"kind": "leaf", "children": []}]})
    assert not validator.is_valid({"kind": "node", "children": [{}]})


class Box(Map, Generic[T]):
    content: Field[T]


@dataclass
class Data:
    n: int
    text: str = ""


class Typed(TypedDict):
    n: int
    more: NotRequired[str]


class Pair(NamedTuple):
    n: int
    text: str = ""


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    n: int = pydantic.Field(ge=0, alias="N")


class Struct(msgspec.Struct, tag="s"):
    n: int


def test_classes_of_other_libraries() -> None:
    number = {"n": {"type": "integer"}}
    schema = json_schema(make_model({"a": Data, "b": Typed, "c": Open, "d": Struct, "e": Pair}))["$defs"]
    assert {**number, "text": {"type": "string"}} == schema["Data"]["properties"]
    assert ["n"] == schema["Data"]["required"] == schema["Typed"]["required"]
    assert "additionalProperties" not in schema["Open"]
    assert {"type": {"const": "s", "type": "string"}, **number} == schema["Struct"]["properties"]
    assert {"type": "array", "minItems": 1, "maxItems": 2} == {
        key: value for key, value in only(Pair).items() if key != "prefixItems"
    }


class Address(pydantic.BaseModel):
    code: str = pydantic.Field("12345", pattern="^[0-9]{5}$", description="Where", examples=["1"], alias="zipCode")
    floors: list[Annotated[int, pydantic.Field(lt=5)]] = pydantic.Field(min_length=1, deprecated=True)
    names: dict[str, Annotated[str, pydantic.Field(max_length=2)]] = {}
    rating: Optional[Annotated[float, pydantic.Field(ge=0)]] = None
    price: Annotated[Decimal, pydantic.Field(gt=0)] = Decimal(1)
    photo: bytes = b"a"
    secret: str = pydantic.Field("s3cr3t", repr=False, max_length=9)
    next: Optional[Address] = None


@pydantic.dataclasses.dataclass
class Point:
    x: Annotated[int, pydantic.Field(gt=0)]


class Unknown(pydantic.BaseModel):
    n: int = pydantic.Field(ge=0)
    odd: Any = pydantic.Field(default=None, json_schema_extra=lambda extra: extra.update(extra["absent"]))  # type: ignore[arg-type]


def test_pydantic_classes_have_the_constraints_of_their_fields() -> None:
    schema = json_schema(make_model({"a": Address, "b": Point, "c": Unknown}))["$defs"]
    assert {
        "code": {
            "type": "string",
            "pattern": "^[0-9]{5}$",
            "description": "Where",
            "examples": ["1"],
            "default": "12345",
        },
        "floors": {
            "type": "array",
            "items": {"type": "integer", "exclusiveMaximum": 5},
            "minItems": 1,
            "deprecated": True,
        },
        "names": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 2}, "default": {}},
        "rating": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None},
        "price": {**DECIMAL, "default": "1"},
        "photo": {"type": "string", "contentEncoding": "base64"},
        "secret": {"type": "string", "maxLength": 9},
        "next": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
    } == schema["Address"]["properties"]
    assert {"x": {"type": "integer", "exclusiveMinimum": 0}} == schema["Point"]["properties"]
    # Pydantic can't say what its values look like.
    assert {"type": "integer"} == schema["Unknown"]["properties"]["n"]


def test_definitions_of_one_name() -> None:
    other = make_map({"y": int}, "Data")
    schema = json_schema(make_model({"a": Data, "b": other, "c": Box[int], "d": Box[str], "e": Box[int]}))
    assert {"Data", "Data_2", "Box_int_", "Box_str_"} == schema["$defs"].keys()
    assert {"$ref": "#/$defs/Box_int_"} == schema["properties"]["e"]


def test_enums_by_name_and_by_value() -> None:
    by_name = make_map({"x": (Status, field(enum_by="name"))}, "ByName")
    schema = json_schema(make_model({"a": Status, "b": by_name}))
    assert {"OPEN", "CLOSED"} == set(schema["$defs"]["Status_2"]["enum"])


def test_a_union_by_tags_that_are_not_text_has_no_mapping() -> None:
    first = make_map({"version": Literal[1]}, "First")
    second = make_map({"version": Literal[2]}, "Second")
    schema = only(Union[first, second])
    assert "discriminator" not in schema
    assert ["version"] == schema["required"]


def test_a_registered_type_accepts_anything() -> None:
    class Odd:
        pass

    registry = TypeRegistry()
    registry.register(Odd, serialize=str, deserialize=lambda _: Odd())
    model = make_model({"x": Odd}, type_registry=registry)
    assert {} == json_schema(model)["properties"]["x"]


def test_a_class_that_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match="is neither a Model nor a Map"):
        json_schema(Data)  # type: ignore[arg-type]


class Event(Model, collection="events", tag_field="type"):
    at: Field[int]


class Click(Event, tag="click"):
    x: Field[int]


class Scroll(Event, tag="scroll"):
    dy: Field[int]


class Note(Model, collection="notes", tag_field="type", tag=None):
    text: Field[str]


class Memo(Note, tag="memo"):
    pass


class Animal(Model, collection="Animal", tag_field="class", tag=("Animal",)):
    pass


class Cat(Animal, tag=("Animal", "Cat")):
    pass


def test_models_that_share_a_collection() -> None:
    schema = json_schema(Event)
    assert {"$schema", "oneOf", "required", "discriminator", "$defs"} == schema.keys()
    assert {"click": "#/$defs/Click", "scroll": "#/$defs/Scroll"} == schema["discriminator"]["mapping"]
    assert {"const": "click", "default": "click"} == schema["$defs"]["Click"]["properties"]["type"]
    validator = Draft202012Validator(schema)
    assert validator.is_valid(to_dict(Click(at=1, x=2), include_id=True))
    assert not validator.is_valid({"at": 1, "x": 2})
    assert not validator.is_valid({"type": "scroll", "at": 1, "x": 2})
    assert "oneOf" not in json_schema(Click)
    notes = Draft202012Validator(json_schema(Note))
    assert notes.is_valid(to_dict(Memo(text="x")))
    assert notes.is_valid(to_dict(Note(text="x")))
    assert not notes.is_valid({"type": "other", "text": "x"})
    animals = json_schema(Animal)
    assert "discriminator" not in animals
    assert Draft202012Validator(animals).is_valid(to_dict(Cat()))


# What the schema says is what JSON mode gives and takes.

formats = FormatChecker(["date", "uuid"])
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"


def checks(name: str, pattern: str) -> None:
    def is_valid(value: object) -> bool:
        return not isinstance(value, str) or re.fullmatch(pattern, value, re.ASCII) is not None

    formats.checks(name)(is_valid)


# RFC 3339 for the first; times have no offset, as in pydantic's schemas.
checks("date-time", rf"\d{{4}}-\d\d-\d\dT{_TIME}(Z|[+-]\d\d:\d\d)")
checks("time", _TIME)
checks("duration", r"-?P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")

several = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.slow
@several
@given(documents("json"))
def test_what_json_mode_gives_fits_the_schema(instance: Any) -> None:
    schema = json_schema(type(instance))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=formats)
    data = to_dict(instance, include_id=True, mode="json")
    validator.validate(data)
    assert not validator.is_valid({**data, "undeclared": 1})


def holds(shape: Shape, kinds: tuple[type[Any], ...], inside: tuple[Shape, ...] = ()) -> bool:
    """Whether there are shapes of some kind in a shape."""
    if isinstance(shape, kinds):
        return True
    return shape not in inside and any(holds(each, kinds, (*inside, shape)) for each in children(shape))


def identity(value: Any) -> Any:
    """Equal for what JSON Schema takes as equal: 1 and 1.0 are, 1 and true are not."""
    match value:
        case dict():
            return tuple(sorted((key, identity(each)) for key, each in value.items()))
        case list():
            return tuple(map(identity, value))
        case _:
            return isinstance(value, bool), value


class Values:
    """Draws values that a schema accepts, knowing nothing but the schema."""

    TEXTS: ClassVar[dict[str, st.SearchStrategy[str]]] = {
        "date-time": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(lambda each: f"{each.isoformat()}Z"),
        "date": st.dates().map(date.isoformat),
        "time": st.times().map(time.isoformat),
        "uuid": st.uuids().map(str),
        "duration": st.from_regex(r"-?P([0-9]{1,5}D)?T[0-9]{1,5}H[0-9]{2}M[0-9]{1,4}(\.[0-9]{1,6})?S", fullmatch=True),
    }
    anything = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)

    def __init__(self, schema: dict[str, Any]) -> None:
        self.definitions = schema.get("$defs", {})

    def of(self, schema: dict[str, Any], tag: str = "") -> st.SearchStrategy[Any]:
        match schema:
            case {"$ref": reference}:
                name = reference.rpartition("/")[2]
                return st.deferred(lambda: self.of(self.definitions[name], tag))
            case {"anyOf": options}:
                return st.one_of(*map(self.of, options))
            case {"oneOf": options, "required": [name]}:
                return st.one_of(*(self.of(option, name) for option in options))
            case {"const": value}:
                return st.just(value)
            case {"enum": values}:
                return st.sampled_from(values)
            case {"type": "object", "properties": properties}:
                required = {*schema.get("required", ()), tag} & properties.keys()
                fields = {name: self.of(each) for name, each in properties.items()}
                given = {name: each for name, each in fields.items() if name in required}
                return st.fixed_dictionaries(given, optional={k: v for k, v in fields.items() if k not in required})
            case {"type": "object", "additionalProperties": item}:
                return st.dictionaries(keys, self.of(item), max_size=3)
            case {"type": "array", "items": item}:
                unique = identity if schema.get("uniqueItems") else None
                return st.lists(self.of(item), max_size=3, unique_by=unique)
            case {"type": "array", "maxItems": longest, **rest}:
                items = [self.of(each) for each in rest.get("prefixItems", ())]
                return st.integers(schema["minItems"], longest).flatmap(lambda n: st.tuples(*items[:n]).map(list))
            case {"type": "string", "pattern": pattern}:
                return st.from_regex(pattern.replace("{1,18}", "{1,3}"), fullmatch=True)
            case {"type": "string", "contentEncoding": "base64"}:
                return st.binary(max_size=5).map(lambda each: base64.b64encode(each).decode())
            case {"type": "string"}:
                return self.TEXTS.get(schema.get("format", ""), st.text(max_size=5))
            case {"type": "integer"}:
                # No keyword says 64 bits.
                return st.integers(-(2**63), 2**63 - 1)
            case {"type": "number"}:
                return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
            case {"type": "boolean"}:
                return st.booleans()
            case {"type": "null"}:
                return st.none()
            case _:
                return self.anything


@pytest.mark.slow
@several
@given(documents("json"), st.data())
def test_json_mode_takes_what_the_schema_accepts(instance: Any, data: st.DataObject) -> None:
    model = type(instance)
    # No keyword says what a path is.
    assume(not holds(codec_for(model).shape, (Reference,)))
    schema = json_schema(model, include_id=False)
    drawn = data.draw(Values(schema).of(schema))
    Draft202012Validator(schema, format_checker=formats).validate(drawn)
    assert [] == validate(model, drawn, mode="json")


@pytest.mark.parametrize(
    ("annotation", "value", "default"),
    [
        (datetime, datetime(2026, 1, 31), "2026-01-31T00:00:00Z"),
        (timedelta, timedelta(days=1, hours=2), "P1DT2H"),
        (Ref, Ref.from_path("a/b"), "a/b"),
        (Vector, Vector([1, 2]), [1.0, 2.0]),
        (tuple[Decimal, ...], (Decimal("1.50"),), ["1.50"]),
    ],
)
def test_defaults_have_the_forms_of_json_mode(annotation: Any, value: Any, default: Any) -> None:
    model = one_field(annotation, default=value)
    assert default == json_schema(model)["properties"]["x"]["default"] == to_dict(model(), mode="json")["x"]


@pytest.mark.parametrize("value", [float("nan"), Decimal("Infinity"), GeoPoint, object()])
def test_defaults_that_json_lacks_are_left_out(value: Any) -> None:
    assert "default" not in only(Any, default=value)
