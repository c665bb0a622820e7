"""The direct way between models and Firestore's messages, case by case."""

from __future__ import annotations

import enum
import math
import types
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Optional, Union

import annotated_types
import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry._types.registry import TypeRegistry, default_registry
from cendry.codec import codec_for
from cendry.errors import DecodeError, ValidationError
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector
from cendry_firestore import _sdk
from core.foreign import Private, Shape, Whole, account
from core.test_codec_values import LIMITS, MISFITS, PAIRS, Color, Flags, Level, Options, Part, short
from core.test_types_records import Attrs, Data, Named, Pydantic, PydanticData, Small, Struct, Typed, Untyped
from core.test_types_registry import Money, registry_with
from firestore.comparing import (
    CLIENT,
    DATABASE,
    check_read,
    check_write,
    decode,
    document_of,
    encode,
    encoder,
    exact,
    serialized,
)
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud import firestore as sdk
from google.cloud.firestore_v1.vector import Vector as SdkVector
from making import make_map, make_model, one_field

UTC = timezone.utc
NOON = datetime(2024, 5, 6, 12, 30, 15, 123456, tzinfo=UTC)
City = make_model({"name": str})


def check(annotation: Any, python: Any, stored: Any, registry: TypeRegistry = default_registry, **options: Any) -> None:
    """A value goes both ways, as the codec takes it."""
    model = one_field(annotation, **options)
    instance = model(id="i", x=python)
    data = encode(instance, registry)
    assert exact({"x": stored}) == exact(dict(data))
    assert serialized(document_of(codec_for(model, registry).encode(instance))) == serialized(data.message)
    assert exact(instance) == exact(decode(model, data.message, registry))


# Shapes


@pytest.mark.parametrize(("annotation", "python", "stored"), PAIRS, ids=short)
def test_every_shape_goes_both_ways(annotation: Any, python: Any, stored: Any) -> None:
    check(annotation, python, stored)
    check(dict[str, annotation], {"a": python}, {"a": stored})


DAY = datetime(2024, 5, 6, tzinfo=UTC)
SMALL = Small(DAY.date())
RECORDS: list[tuple[Any, Any, Any]] = [
    (Data, Data(Decimal(1), [SMALL], None, ["a"]), {"price": "1", "small": [{"when": DAY}], "names": ["a"]}),
    (Attrs, Attrs(Decimal(1), 4, [SMALL]), {"price": "1", "_hidden": 4, "small": [{"when": DAY}]}),
    (Struct, Struct(price=Decimal(1), count=4, last=2), {"price": "1", "count": 4, "small": [], "last": 2}),
    (
        Pydantic,
        Pydantic(price=Decimal(1), count=4, named="y"),
        {"price": "1", "count": 4, "named": "y", "small": []},
    ),
    (PydanticData, PydanticData(count=2), {"count": 2}),
    (Typed, {"price": Decimal(1), "small": [SMALL], "must": 1}, {"price": "1", "small": [{"when": DAY}], "must": 1}),
    (Named, Named(Decimal(1), SMALL, 4), ["1", {"when": DAY}, 4]),
    (Untyped, Untyped("x", 2), ["x", 2]),
]


@pytest.mark.parametrize(("annotation", "python", "stored"), RECORDS, ids=short)
def test_classes_of_every_library_go_both_ways(annotation: Any, python: Any, stored: Any) -> None:
    if annotation is Data:
        stored = {**stored, "color": None}
    check(annotation, python, stored)
    check(Optional[annotation], python, stored)
    if isinstance(stored, list):
        return
    for key in stored:  # Each has fields with defaults, and required ones.
        check_read(one_field(annotation), document_of({"x": {name: stored[name] for name in stored if name != key}}))
    check_read(one_field(annotation), document_of({"x": {**stored, "more": 1}}))
    check_read(one_field(annotation), document_of({"x": {**stored, "count": -1}}))


def test_enums_by_name() -> None:
    check(Color, Color.BLUE, "BLUE", enum_by="name")
    check(Level, Level.LOW, "LOW", enum_by="name")
    check(Flags, Flags.A, "A", enum_by="name")
    check(set[Color], {Color.RED, Color.BLUE}, ["BLUE", "RED"], enum_by="name")
    flags = one_field(Flags, enum_by="name")
    assert ValidationError is check_write(flags(x=Flags.A | Flags.B))
    for stored in ("AZURE", "red", 1):
        check_read(one_field(Color, enum_by="name"), document_of({"x": stored}))


class Switch(enum.Enum):
    ON = True
    OFF = False


class Nothing(enum.Enum):
    pass


def test_enums_of_every_kind_of_value() -> None:
    check(Switch, Switch.OFF, False)
    check(Level, Level(2), 2)
    for annotation, stored in ((Switch, 1), (Level, 2.0), (Level, True), (Level, 3), (Nothing, 1)):
        check_read(one_field(annotation), document_of({"x": stored}))
    assert ValidationError is check_write(one_field(Nothing)(x=1))


def test_types_with_a_handler_and_types_taken_as_they_are() -> None:
    cents = registry_with(Money, serialize=lambda money: money.cents, deserialize=Money)
    for annotation, python, stored in (
        (Money, Money(5), 5),
        (Optional[Money], None, None),
        (list[Money], [Money(5)], [5]),
        (list[Optional[Money]], [Money(5), None], [5, None]),
        (set[Money], {Money(5)}, [5]),
        (tuple[Money, int], (Money(5), 1), [5, 1]),
        (dict[str, Money], {"a": Money(5)}, {"a": 5}),
    ):
        check(annotation, python, stored, cents)
    one_way = registry_with(str, serialize=str.upper, deserialize=str)
    check(str, "AB", "AB", one_way)
    message = _sdk.Value.FromString(b"\x9a\x06\x01x")
    as_is = registry_with(Money)
    assert TypeError is check_write(one_field(Money)(x=Money(1)), as_is)
    assert ValidationError is check_write(one_field(Money)(x=1), as_is)
    document = _sdk.Document()
    document.fields["x"].CopyFrom(message)
    assert message == decode(one_field(Money), document, as_is).x
    assert message == decode(one_field(Any), document).x


@pytest.mark.parametrize("annotation", [list[Money], list[Optional[Money]], tuple[Optional[Money], int]])
def test_what_a_handler_makes_for_an_array_is_no_array(annotation: Any) -> None:
    arrays = registry_with(Money, serialize=lambda money: [money.cents], deserialize=lambda value: Money(*value))
    check(Optional[Money], Money(5), [5], arrays)
    python: Any = [Money(1)] if annotation in (list[Money], list[Optional[Money]]) else (Money(1), 2)
    assert ValidationError is check_write(one_field(annotation)(x=python), arrays)


def test_errors_of_a_handler_are_explained() -> None:
    def fail(value: Any) -> Any:
        raise ZeroDivisionError("oh")

    registry = registry_with(Money, serialize=fail, deserialize=fail)
    model = one_field(Money)
    assert ValidationError is check_write(model(x=Money(1)), registry)
    assert DecodeError is check_read(model, document_of({"x": 1}), registry)


def test_a_handler_that_fails_once_is_asked_again() -> None:
    failures = [True, False, True, False]

    def sometimes(value: Any) -> Any:
        if failures.pop(0):
            raise ValueError
        return value

    registry = registry_with(int, serialize=sometimes, deserialize=sometimes)
    model = one_field(int)
    assert {"x": 5} == encode(model(x=5), registry)
    assert 5 == decode(model, document_of({"x": 5}), registry).x


def test_vectors_are_told_from_maps() -> None:
    for annotation in (Vector, Union[Vector, int], Union[Vector, dict[str, Any]], Union[Vector, Part, None]):
        check(annotation, Vector([1, 0.0]), Vector([1, 0.0]))
        for stored in (
            {"__type__": "__vector__", "value": [1, "no number"]},
            {"__type__": "__vector__"},
            {"__type__": "other", "value": [1]},
            {"n": 1, "tags": []},
            {},
        ):
            check_read(one_field(annotation), document_of({"x": stored}))


def test_objects_of_the_sdk_are_annotations_and_values() -> None:
    nanoseconds = DatetimeWithNanoseconds(2024, 5, 6, 7, 8, 9, nanosecond=123456789, tzinfo=UTC)
    for annotation, value in (
        (sdk.GeoPoint, sdk.GeoPoint(1, 2)),
        (SdkVector, SdkVector([1, 2])),
        (DatetimeWithNanoseconds, nanoseconds),
        (datetime, nanoseconds),
        (GeoPoint, sdk.GeoPoint(1, 2)),
        (Ref[City], sdk.DocumentReference("docs", "SF")),  # type: ignore[valid-type]
        (Ref[City], CLIENT.document("docs/SF")),  # type: ignore[valid-type]
        (Any, {"a": [sdk.GeoPoint(1, 2), nanoseconds], "b": SdkVector([1])}),
    ):
        model = one_field(annotation)
        made = check_write(model(x=value))
        if made is bytes:
            assert model is check_read(model, encode(model(x=value)).message)


@pytest.mark.parametrize(("extra", "result"), [("ignore", None), ("forbid", DecodeError), ("keep", None)])
def test_other_fields_are_refused_where_the_model_forbids_them(extra: Any, result: Any) -> None:
    model = make_model({"a": int, "b": (str, field(default="b"))}, extra=extra)
    part = one_field(make_map({"a": int}, extra="forbid"))
    assert (result or model) is check_read(model, document_of({"a": 1, "more": 2}))
    assert model is check_read(model, document_of({"a": 1}))
    assert DecodeError is check_read(part, document_of({"x": {"a": 1, "more": 2}}))
    assert {"a": 1, "b": "x"} == dict(encode(model(a=1, b="x")))


# What doesn't fit


@pytest.mark.parametrize(("annotation", "value", "path", "expected", "found"), [*MISFITS, *LIMITS], ids=short)
def test_what_does_not_fit_is_refused_on_write_as_by_the_codec(
    annotation: Any, value: Any, path: str, expected: str, found: str
) -> None:
    assert ValidationError is check_write(one_field(annotation)(x=value))


@pytest.mark.parametrize(
    "instance",
    [
        one_field(Part)(x=make_model({"n": int})(n=1)),
        one_field(datetime)(x=datetime.min.replace(tzinfo=timezone(timedelta(hours=2)))),
        one_field(datetime)(x=datetime.max.replace(tzinfo=timezone(timedelta(hours=-2)))),
        one_field(timedelta)(x=timedelta.max),
        one_field(Options)(x={"size": 1, "more": 2}),
        one_field(Ref[City])(x=Ref(make_model({"name": str}), "SF")),  # type: ignore[valid-type]
        one_field(Color)(x="red"),
        one_field(Level)(x=2),
        one_field(NamedTuple("Both", [("a", int), ("b", int)]))(x=(1, 2)),
    ],
    ids=repr,
)
def test_only_python_values_are_written(instance: Any) -> None:
    assert ValidationError is check_write(instance)


@pytest.mark.parametrize(
    "value", [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))), NOON]
)
def test_moments_are_written_in_utc(value: datetime) -> None:
    assert bytes is check_write(one_field(datetime)(x=value))


def test_a_subclass_of_a_map_and_an_attribute_that_is_not_set_are_refused() -> None:
    class More(Part):
        extra: Field[int]

    assert ValidationError is check_write(one_field(Part)(x=More(n=1, tags=set(), extra=2)))
    part = Part(n=1, tags=set())
    del part.n
    assert ValidationError is check_write(one_field(Part)(x=part))
    assert ValidationError is check_write(object.__new__(City))
    with pytest.raises(TypeError, match="expected an instance of Doc, not 5"):
        encoder(codec_for(City), DATABASE)(5)


ODD: list[tuple[Any, Any]] = [
    (annotation, stored)
    for annotation in (int, float, bool, str, bytes, datetime, GeoPoint, Ref, Ref[City], Decimal, Optional[int], Part)  # type: ignore[valid-type]
    for stored in (
        None,
        1,
        -1.0,
        math.nan,
        "",
        _sdk.Value(),
        _sdk.Value(reference_value="odd"),
        _sdk.Value(reference_value="projects/other/databases/there/documents/a/b"),
        _sdk.Value(reference_value=f"{DATABASE}/documents/cities/__odd__"),
        _sdk.Value(geo_point_value={"latitude": 91}),
        _sdk.Value(timestamp_value={"seconds": 2**60}),
        {"__type__": "other", "n": 1, "tags": []},
        {"__type__": "__vector__", "value": [1], "n": 1, "tags": []},
    )
]


@pytest.mark.parametrize(("annotation", "stored"), ODD, ids=repr)
def test_what_does_not_fit_is_refused_on_read_as_by_the_codec(annotation: Any, stored: Any) -> None:
    for wrapped, value in (
        (annotation, stored),
        (dict[str, annotation], {"a": stored}),
        (list[annotation], [stored]),
        (tuple[annotation, int], [stored]),
        (tuple[annotation, int], [stored, 1]),
    ):
        check_read(one_field(wrapped), document_of({"x": value}))
        check_read(one_field(Optional[wrapped]), document_of({"x": value}))
    check_read(one_field(annotation), document_of({}))


def test_a_name_that_is_no_documents_is_no_reference() -> None:
    document = document_of({"x": _sdk.Value(reference_value="odd")})
    with pytest.raises(DecodeError, match="x: expected Ref, found Value reference_value"):
        decode(one_field(Ref), document)


def test_a_reference_is_one_to_a_document_of_the_model() -> None:
    document = document_of({"x": Ref.from_path("docs/SF")})
    assert (City, None) == (decode(one_field(Ref[City]), document).x.model, decode(one_field(Ref), document).x.model)  # type: ignore[valid-type]


# Depth


def nested(levels: int, value: Any = 1) -> Any:
    for _ in range(levels):
        value = {"a": value}
    return value


def test_the_deepest_value_that_firestore_takes_passes() -> None:
    class Node(Map):
        below: Field[list[Node]]

    def chain(length: int) -> Node:
        return Node(below=[chain(length - 1)] if length else [])

    for annotation, at_most, too_deep in (
        (Any, nested(20), nested(21)),
        (dict[str, Any], nested(20), nested(21)),
        (Node, chain(9), chain(10)),
    ):
        model = one_field(annotation)
        assert bytes is check_write(model(x=at_most))
        assert exact(at_most) == exact(decode(model, encode(model(x=at_most)).message).x)
        assert ValidationError is check_write(model(x=too_deep))


@pytest.mark.parametrize("levels", [19, 20, 21])
@pytest.mark.parametrize("wrap", [lambda inner: dict[str, inner], lambda inner: Union[dict[str, inner], bool]])  # type: ignore[valid-type]
def test_types_of_any_depth_are_written(levels: int, wrap: Any) -> None:
    annotation: Any = int
    for _ in range(levels):
        annotation = wrap(annotation)
    model = one_field(annotation)
    assert (bytes if levels <= 20 else ValidationError) is check_write(model(x=nested(levels)))
    assert model is check_read(model, encode(model(x=nested(1, {}))).message)


# Instances


def test_post_init_runs_once_and_may_refuse() -> None:
    calls: list[int] = []

    class Positive(Model, collection="positives"):
        number: Field[int]

        def __post_init__(self) -> None:
            calls.append(self.number)
            if self.number < 0:
                raise ValueError("negative")

    assert 5 == decode(Positive, document_of({"number": 5})).number
    assert [5] == calls
    assert DecodeError is check_read(Positive, document_of({"number": -5}))


def test_frozen_models_and_those_without_fields() -> None:
    frozen = make_model({"x": int, "y": (list[int], field(default_factory=list))}, frozen=True)
    check_read(frozen, document_of({"x": 1}))
    assert {"x": 1, "y": []} == dict(encode(frozen(x=1)))
    assert {} == dict(encode(make_model({})()))
    empty = make_map({})
    check(empty, empty(), {})


@pytest.mark.parametrize(
    ("python", "stored"),
    [
        (
            account(displayName="x", more={"a": [1]}),
            {
                "displayName": "x",
                "price": "0",
                "either": 1,
                "in": 2,
                "nested": 3,
                "shown": "+4",
                "points": [],
                "box": None,
                "roots": None,
                "more": {"a": [1]},
            },
        ),
        (
            Shape(side_length=Decimal(1), last_seen=NOON),
            {"kind": "shape", "sideLength": "1", "corners": 4, "lastSeen": NOON},
        ),
        (Private(Decimal(1)), {"_secret": "1", "count": 1, "named": "x"}),
        (Whole(low=1, high=2), {"range": [1, 2]}),
    ],
)
def test_classes_of_other_libraries_by_their_own_rules(python: Any, stored: Any) -> None:
    check(type(python), python, stored)
    check(list[type(python)], [python], [stored])  # type: ignore[misc]


class Above:
    """A constraint, by its attribute."""

    def __init__(self, gt: int) -> None:
        self.gt = gt


class Sides(Map):
    width: Field[Annotated[int, Above(0)]]

    def __validate__(self) -> None:
        if self.width == 13:
            raise ValueError("unlucky")


@pytest.mark.parametrize(
    ("annotation", "bad", "code"),
    [
        (Annotated[int, Above(0)], 0, "gt"),
        (Annotated[float, Above(0)], 0, "gt"),
        (list[Annotated[int, Above(0)]], [1, 0], "gt"),
        (set[Annotated[int, Above(0)]], {0}, "gt"),
        (dict[str, Annotated[Decimal, Above(0)]], {"a": Decimal(0)}, "gt"),
        (Annotated[Any, Above(0)], 0, "gt"),
        (dict[str, Optional[Sides]], {"a": None, "b": Sides(width=0)}, "gt"),
        (list[Sides], [Sides(width=13)], "rule"),
    ],
)
def test_rules_hold_in_the_direct_way_too(annotation: Any, bad: Any, code: str) -> None:
    model = one_field(annotation)
    with pytest.raises(ValidationError) as caught:
        encode(model(x=bad))
    with pytest.raises(ValidationError) as by_value:
        codec_for(model).encode(model(x=bad))
    assert caught.value.problems == by_value.value.problems
    assert [code] == [problem.code for problem in caught.value.problems]
    # Reading checks no rules.
    stored = document_of(codec_for(model).encode_unruled(model(x=bad)))
    assert model(id="i", x=bad) == decode(model, stored)


# Values without a declared type, written in one walk


def deep(levels: int) -> Any:
    """Maps and arrays in each other."""
    return {"a": deep(levels - 1)} if levels else 1


class Subkey(str):
    """A key that is not exactly text."""


FREE: dict[str, Any] = {
    "all kinds": {
        "none": None,
        "yes": True,
        "int": -(2**63),
        "float": math.inf,
        "time": NOON,
        "elsewhere": NOON.astimezone(timezone(timedelta(hours=2))),
        "text": "text",
        "ünïcode": "ünïcode",
        "bytes": b"\0",
        "ref": Ref.from_path("c/a"),
        "point": GeoPoint(1.0, 2.0),
        "vector": Vector([1.0]),
        "a b.c": 1,
        "array": [1, "a", "ä", None, {"b": [b"b", {"c": ()}]}],
        "tuple": (1, {"x": (2,)}),
        "mapping": types.MappingProxyType({"x": [1]}),
    },
    "empty": {"map": {}, "array": []},
    "key of a class": {"a": {Subkey("b"): 1}},
    "deep": {"a": deep(18)},
    "too deep": {"a": deep(19)},
    "array in array": {"a": [[1]]},
    "tuple in array": {"a": [(1,)]},
    "vector in array": {"a": [Vector([1.0])]},
    "no text": {1: 1},
    "reserved": {"a": {"__x__": 1}},
    "empty key": {"": 1},
    "surrogate": {"a": "\ud800"},
    "surrogate in an array": {"a": ["\ud800"]},
    "too large": {"a": 2**63},
    "too large in an array": {"a": [2**63]},
    "no value": {"a": object()},
    "set": {"a": {1, 2}},
    "another database": {"a": Ref.from_path("c/a", database="projects/q/databases/d")},
}


@pytest.mark.parametrize("annotation", [Any, dict, dict[str, Any], Optional[dict[str, Any]], list, Optional[list[Any]]])
@pytest.mark.parametrize("name", FREE)
def test_values_without_a_declared_type_are_written_or_refused_as_their_stored_form(name: str, annotation: Any) -> None:
    model = one_field(annotation)
    value = FREE[name]
    check_write(model(x=[value] if "list" in str(annotation) else value))


@pytest.mark.parametrize("value", [1, "a", None, NOON, (1, 2), [1, [2]]])
def test_single_values_without_a_declared_type(value: Any) -> None:
    check_write(one_field(Any)(x=value))


def test_rules_of_such_values_are_kept() -> None:
    class Few(Model, collection="few"):
        x: Field[Annotated[dict[str, Any], annotated_types.MaxLen(1)]]

    assert bytes is check_write(Few(x={"a": [1]}))
    assert ValidationError is check_write(Few(x={"a": 1, "b": 2}))
