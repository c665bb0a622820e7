"""JSON mode: the forms of values, both ways, and what is refused."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import pydantic
import pytest
from annotated_types import Gt
from cendry import (
    BaseTypeHandler,
    CendryError,
    Field,
    FirestoreValue,
    GeoPoint,
    Map,
    Model,
    Problem,
    Ref,
    TypeRegistry,
    ValidationError,
    Vector,
    field,
    from_dict,
    to_dict,
    validate,
)
from making import make_map, make_model, one_field
from typing_extensions import TypedDict

T = TypeVar("T")
UTC = timezone.utc
EAST = timezone(timedelta(hours=5, minutes=30))


class City(Model, collection="cities"):
    name: Field[str]


class District(Model, collection="districts", parent=City):
    name: Field[str]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Code(enum.Enum):
    A = b"\xff"
    B = 0.5
    C = "c"


class Pair(NamedTuple):
    at: datetime
    size: int = 0


class Options(TypedDict, total=False):
    when: dt.date


@dataclass(frozen=True)
class Data:
    raw: bytes


class Box(Map, Generic[T]):
    value: Field[T]


Money = NewType("Money", Decimal)


def dumped(annotation: Any, value: Any, **options: Any) -> Any:
    return to_dict(one_field(annotation, **options)(x=value), mode="json")["x"]


def loaded(annotation: Any, form: Any, **options: Any) -> Any:
    return from_dict(one_field(annotation, **options), {"x": form}, mode="json").x


def refused(annotation: Any, form: Any) -> str:
    """What the one problem with a form says was found."""
    (problem,) = validate(one_field(annotation), {"x": form}, mode="json")
    with pytest.raises(ValidationError) as caught:
        from_dict(one_field(annotation), {"x": form}, mode="json")
    assert (problem,) == caught.value.problems
    return problem.found


MORNING = datetime(2026, 1, 31, 8, 15, 30, tzinfo=UTC)

FORMS: list[tuple[Any, Any, Any]] = [
    (Optional[int], None, None),
    (bool, True, True),
    (int, 2**63 - 1, 2**63 - 1),
    (float, 0.5, 0.5),
    (str, "Zürich", "Zürich"),
    (bytes, b"\xfb\xff\xfe", "+//+"),
    (bytes, b"", ""),
    (datetime, MORNING, "2026-01-31T08:15:30Z"),
    (datetime, MORNING.replace(microsecond=120_000), "2026-01-31T08:15:30.120000Z"),
    (datetime, MORNING.replace(tzinfo=EAST), "2026-01-31T08:15:30+05:30"),
    (datetime, datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    (dt.date, dt.date(2026, 1, 31), "2026-01-31"),
    (dt.time, dt.time(8, 15), "08:15:00"),
    (dt.time, dt.time(8, 15, 30, 5), "08:15:30.000005"),
    (timedelta, timedelta(0), "PT0S"),
    (timedelta, timedelta(days=400), "P400D"),
    (timedelta, timedelta(days=1, hours=2, minutes=3, seconds=4, microseconds=500_000), "P1DT2H3M4.5S"),
    (timedelta, timedelta(minutes=-90), "-PT1H30M"),
    (timedelta, timedelta(microseconds=-1), "-PT0.000001S"),
    (timedelta, timedelta(microseconds=2**63 - 1), "P106751991DT4H54.775807S"),
    (Decimal, Decimal("1.50"), "1.50"),
    (Decimal, Decimal("-1E+5"), "-1E+5"),
    (UUID, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (GeoPoint, GeoPoint(1.5, -2), {"latitude": 1.5, "longitude": -2}),
    (Vector, Vector([1, 0.5]), [1.0, 0.5]),
    (Ref[City], Ref(City, "SF"), "cities/SF"),
    (Ref, Ref.from_path("cities/SF/districts/1"), "cities/SF/districts/1"),
    (Ref, Ref.from_path("c/d", database="projects/p/databases/q"), "projects/p/databases/q/documents/c/d"),
    (Color, Color.RED, "red"),
    (Level, Level.HIGH, 2),
    (Code, Code.A, "/w=="),
    (Code, Code.B, 0.5),
    (Code, Code.C, "c"),
    (Literal["a", 1, b"\xff"], b"\xff", "/w=="),
    (Literal["a", 1, b"\xff"], 1, 1),
    (Literal[Color.RED, Code.A], Code.A, "/w=="),
    (list[datetime], [MORNING], ["2026-01-31T08:15:30Z"]),
    (set[dt.date], {dt.date(2026, 1, 2), dt.date(2026, 1, 1)}, ["2026-01-01", "2026-01-02"]),
    (frozenset[GeoPoint], frozenset({GeoPoint(1, 2)}), [{"latitude": 1, "longitude": 2}]),
    (tuple[bytes, ...], (b"a",), ["YQ=="]),
    (tuple[int, dt.date], (1, dt.date(2026, 1, 1)), [1, "2026-01-01"]),
    (Pair, Pair(MORNING, 3), ["2026-01-31T08:15:30Z", 3]),
    (dict[str, timedelta], {"a.b": timedelta(1)}, {"a.b": "P1D"}),
    (Options, {"when": dt.date(2026, 1, 1)}, {"when": "2026-01-01"}),
    (Data, Data(b"a"), {"raw": "YQ=="}),
    (Box[Decimal], Box(value=Decimal(1)), {"value": "1"}),
    (Annotated[int, Gt(0)], 3, 3),
    (Money, Decimal("0.10"), "0.10"),
    (Union[int, bytes, list[Level], GeoPoint], b"a", "YQ=="),
    (Union[int, bytes, list[Level], GeoPoint], [Level.LOW], [1]),
    (Union[int, bytes, list[Level], GeoPoint], GeoPoint(1, 2), {"latitude": 1, "longitude": 2}),
    (Union[int, float, None], 1.0, 1.0),
    (Union[Annotated[int, Gt(0)], Literal["all"]], "all", "all"),
    (Union[Annotated[int, Gt(0)], Literal["all"]], 3, 3),
    (Any, {"a": [1, 2.5, "x", None, True, {"b": []}]}, {"a": [1, 2.5, "x", None, True, {"b": []}]}),
    (FirestoreValue, "x", "x"),
]  # fmt: skip


def shown(value: object) -> str:
    """The same text in each process: sets of what is hashed by its text have another order in each."""
    return repr(sorted(value, key=repr)) if isinstance(value, set | frozenset) else repr(value)


@pytest.mark.parametrize(("annotation", "value", "form"), FORMS, ids=shown)
def test_a_value_and_its_form(annotation: Any, value: Any, form: Any) -> None:
    found = dumped(annotation, value)
    assert json.dumps(form) == json.dumps(found)
    back = loaded(annotation, json.loads(json.dumps(found)))
    assert value == back
    assert type(value) is type(back)


@pytest.mark.parametrize(
    ("annotation", "form", "value"),
    [
        (int, 2.0, 2),
        (float, 2, 2.0),
        (bytes, "-__-", b"\xfb\xff\xfe"),
        (bytes, "YQ", b"a"),
        (datetime, "2026-01-31 08:15", datetime(2026, 1, 31, 8, 15, tzinfo=UTC)),
        (datetime, "2026-01-31t08:15:30,5z", datetime(2026, 1, 31, 8, 15, 30, 500_000, tzinfo=UTC)),
        (datetime, "2026-01-31T08:15:30.123456789-05:30", datetime(2026, 1, 31, 13, 45, 30, 123456, tzinfo=UTC)),
        (datetime, "2026-01-31T08:15:30.123Z", datetime(2026, 1, 31, 8, 15, 30, 123_000, tzinfo=UTC)),
        (datetime, "2026-01-31T08:15:30+0100", datetime(2026, 1, 31, 7, 15, 30, tzinfo=UTC)),
        (dt.time, "08:15", dt.time(8, 15)),
        (dt.time, "08:15:30.25Z", dt.time(8, 15, 30, 250_000)),
        (dt.time, "08:15:30+00:00", dt.time(8, 15, 30)),
        (timedelta, "P1Y1M1W1DT1H1M1,5S", timedelta(403, 1, 500_000, minutes=61)),
        (timedelta, "+PT90M", timedelta(minutes=90)),
        (Decimal, 5, Decimal(5)),
        (UUID, "00000000000000000000000000000005", UUID(int=5)),
        (Ref[City], "SF", Ref(City, "SF")),
        (Ref, "projects/p/databases/q/documents/c", Ref.from_path("projects/p/databases/q/documents/c")),
        (Vector, [1, 2], Vector([1, 2])),
        (Level, 2.0, Level.HIGH),
        (list[int], (1, 2), [1, 2]),
        (set[int], [1, 1], {1}),
    ],
    ids=shown,
)  # fmt: skip
def test_other_forms_are_read_as_well(annotation: Any, form: Any, value: Any) -> None:
    assert value == loaded(annotation, form)


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (Ref[City], "secrets/SF"),
        (Ref[City], "cities/SF/secrets/1"),
        (int, 2**63),
        (int, True),
        (int, 1.5),
        (float, float("nan")),
        (float, float("inf")),
        (float, 2**53 + 1),
        (float, "1"),
        (str, "\ud800"),
        (str, 5),
        (bytes, "*"),
        (bytes, "YR=="),
        (bytes, "YQ==YQ=="),
        (bytes, "Zürich"),
        (bytes, b"a"),
        (datetime, "2026-01-31"),
        (datetime, "2026-02-30T00:00:00Z"),
        (datetime, "2026-02-28T24:00:00Z"),
        (datetime, "2026-02-28T23:59:60Z"),
        (datetime, "2026-W01-1T00:00:00Z"),
        (datetime, "0001-01-01T00:00:00+01:00"),
        (datetime, "٢٠٢٦-01-01T00:00:00Z"),
        (datetime, 1_700_000_000),
        (datetime, MORNING),
        (dt.date, "2026-W01-1"),
        (dt.date, "2026-02-30"),
        (dt.date, dt.date(2026, 1, 1)),
        (dt.time, "08:15+01:00"),
        (dt.time, "25:00"),
        (dt.time, "08:15:61"),
        (timedelta, "P"),
        (timedelta, "PT"),
        (timedelta, "1 day"),
        (timedelta, 5),
        (timedelta, "P999999999D"),
        (timedelta, "P999999999Y"),
        (Decimal, "NaN"),
        (Decimal, "Infinity"),
        (Decimal, "one"),
        (Decimal, 0.5),
        (Decimal, Decimal(1)),
        (UUID, "5"),
        (UUID, UUID(int=5)),
        (GeoPoint, {"latitude": 91, "longitude": 0}),
        (GeoPoint, {"latitude": True, "longitude": 0}),
        (GeoPoint, {"latitude": float("nan"), "longitude": 0}),
        (GeoPoint, {"latitude": 1}),
        (GeoPoint, {"latitude": 1, "longitude": 0, "altitude": 0}),
        (GeoPoint, [1, 2]),
        (GeoPoint, GeoPoint(1, 2)),
        (Vector, [1, "2"]),
        (Vector, [1, float("inf")]),
        (Vector, {"0": 1}),
        (Ref[City], "a/b/c"),
        (Ref[City], ".."),
        (Ref[City], ""),
        (Ref[City], 5),
        (Ref[District], "1"),
        (Ref, "SF"),
        (Ref, "projects/p/databases/q/documents/c/.."),
        (Ref, "projects/p/databases/q/documents"),
        (Color, "green"),
        (Color, Color.RED),
        (Level, "LOW"),
        (Code, "c="),
        (Code, []),
        (Literal["a", b"\xff"], "/w"),
        (Literal["a", 1], True),
        (set[int], {1}),
        (Data, Data(b"a")),
        (Union[int, bytes], "*"),
        (Union[int, bytes], None),
        (Any, float("nan")),
        (Any, MORNING),
        (Any, b"a"),
        (Any, 2**63),
        (Any, GeoPoint(1, 2)),
        (FirestoreValue, Decimal(1)),
    ],
    ids=shown,
)  # fmt: skip
def test_what_is_not_a_form_is_refused(annotation: Any, form: Any) -> None:
    assert refused(annotation, form)


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (float, float("nan"), "x"),
        (float, float("-inf"), "x"),
        (Decimal, Decimal("Infinity"), "x"),
        (Vector, Vector([1, float("inf")]), "x"),
        (list[float], [1.0, float("inf")], "x[1]"),
        (Any, {"a": [1, MORNING]}, "x.a[1]"),
        (Any, [b"a"], "x[0]"),
        (FirestoreValue, GeoPoint(1, 2), "x"),
        (Any, float("nan"), "x"),
        (Any, {"a.b": [[1]]}, "x.`a.b`[0]"),
        (int, 2**63, "x"),
        (timedelta, timedelta.max, "x"),
        (dt.time, dt.time(1, tzinfo=UTC), "x"),
    ],
    ids=shown,
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_at_its_place(annotation: Any, value: Any, path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        dumped(annotation, value)
    assert [path] == [problem.path for problem in caught.value.problems]


class Loose(pydantic.BaseModel, extra="allow"):
    size: int = 0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("annotation", "form", "path"),
    [
        (Any, lambda number: number, "x"),
        (FirestoreValue, lambda number: {"a": [{"b": number}]}, "x.a[0].b"),
        (dict[str, Any], lambda number: {"a": number}, "x.a"),
        (list[Any], lambda number: [0.5, number], "x[1]"),
        (tuple[int, Any], lambda number: [1, number], "x[1]"),
        (list[dict[str, Any]], lambda number: [{"a": 1}, {"a": number}], "x[1].a"),
        (Loose, lambda number: {"more": number}, "x.more"),
    ],
    ids=["any", "value", "dict", "list", "tuple", "dicts", "extra"],
)
def test_numbers_that_are_not_finite_are_refused_where_no_type_is_declared(
    annotation: Any, form: Callable[[float], Any], path: str, number: float
) -> None:
    # Python's json reads NaN, Infinity and 1e999 as such.
    (problem,) = validate(one_field(annotation), {"x": form(number)}, mode="json")
    assert (path, "a value that JSON can hold") == (problem.path, problem.expected)
    assert f"float {number} (JSON has no NaN or infinity)" == problem.found
    assert refused(annotation, form(number))
    # Firestore can hold it.
    assert [] == validate(one_field(annotation), {"x": form(number)})


def test_subclasses_are_written_as_their_values() -> None:
    class Moment(datetime):
        pass

    class Text(str):
        __slots__ = ()

    assert "2026-01-31T08:15:30Z" == dumped(datetime, Moment(2026, 1, 31, 8, 15, 30, tzinfo=UTC))
    found = dumped(Any, [Text("x"), Level.HIGH, True])
    assert ["x", 2, True] == found
    assert [str, int, bool] == [*map(type, found)]


def test_an_offset_with_seconds_is_written_in_utc() -> None:
    old = datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28)))
    assert "1889-12-31T23:06:32Z" == dumped(datetime, old)
    assert old == loaded(datetime, dumped(datetime, old))


def test_naive_datetimes_are_in_utc() -> None:
    assert "2026-01-31T08:15:30Z" == dumped(datetime, MORNING.replace(tzinfo=None))


def test_enums_by_name() -> None:
    assert "RED" == dumped(Color, Color.RED, enum_by="name")
    assert Color.RED is loaded(Color, "RED", enum_by="name")
    assert "B" == dumped(Code, Code.B, enum_by="name")
    assert Code.B is loaded(Code, "B", enum_by="name")


def test_names_and_ids() -> None:
    part = make_map({"d": (dt.date, field(alias="D"))})
    model = make_model({"at": (datetime, field(alias="the time")), "part": part})
    data = {"id": "a", "at": "2026-01-31T08:15:30Z", "part": {"d": "2026-01-31"}}
    instance = from_dict(model, data, include_id=True, mode="json")
    assert "a" == instance.id
    assert data == to_dict(instance, include_id=True, mode="json")
    stored = {"the time": "2026-01-31T08:15:30Z", "part": {"D": "2026-01-31"}}
    assert stored == to_dict(instance, by_alias=True, mode="json")
    assert instance == from_dict(model, stored, doc_id="a", by_alias=True, mode="json")


def test_problems_describe_forms_in_json() -> None:
    model = make_model({"at": datetime, "days": dict[str, dt.date], "city": Ref[City], "size": int})
    data = {"at": "today", "days": {"a": "2026-01-31", "b": 5}, "city": "cities", "more": 1}
    problems = validate(model, {**data, "city": "a/b/c"}, mode="json")
    assert [
        ("at", "datetime (ISO 8601)", "str 'today'", "value"),
        ("days.b", "date (ISO 8601, as '2026-01-31')", "int 5", "value"),
        ("city", "Ref to City (the path of a document)", "str 'a/b/c' (it must alternate collections and ids", "value"),
        ("size", "int", "nothing", "missing"),
        ("more", "only declared fields of Doc", "the key 'more'", "unknown"),
    ] == [(each.path, each.expected, each.found.partition(":")[0], each.code) for each in problems]


def test_rules_hold_for_values_of_json() -> None:
    class Stay(Map):
        nights: Field[Annotated[timedelta, Gt(timedelta(0))]]

        def __validate__(self) -> None:
            if self.nights > timedelta(30):
                raise ValueError("too long")

    def code(form: str) -> str:
        return validate(Stay, {"nights": form}, mode="json")[0].code

    assert ("gt", "rule") == (code("-P1D"), code("P31D"))
    assert timedelta(3) == from_dict(Stay, {"nights": "P3D"}, mode="json").nights


# What looks alike


class Card(Map):
    kind: Field[Literal["card"]] = field(default="card", alias="type")
    until: Field[dt.date]


class Bank(Map):
    kind: Field[Literal[b"\xff", 2]] = field(default=2, alias="type")
    since: Field[datetime]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Union[datetime, str], "datetime and str are both strings in JSON"),
        (list[Union[bytes, Decimal, None]], "bytes and Decimal (stored as a str of digits) are both strings in JSON"),
        (Union[GeoPoint, dict[str, int]], "GeoPoint and dict of str to int are both objects in JSON"),
        (Union[Vector, list[int]], "Vector and list of int are both arrays in JSON"),
        (Literal["/w==", b"\xff"], "'/w==' and b'\\xff' are alike in JSON"),
        (make_map({"y": Union[Color, dt.date]}), "Part.y: Color by value ('red', 'blue') and date"),
    ],
)
@pytest.mark.parametrize("mode", ["write", "read", "validate"])
def test_unions_whose_members_look_alike_are_refused_at_first_use(annotation: Any, text: str, mode: str) -> None:
    model = one_field(Optional[annotation], default=None)
    functions = {
        "write": lambda: to_dict(model(x=None), mode="json"),
        "read": lambda: from_dict(model, {}, mode="json"),
        "validate": lambda: validate(model, {}, mode="json"),
    }
    for _ in range(2):
        with pytest.raises(TypeError) as caught:
            functions[mode]()
        assert text in str(caught.value)
        assert ": " in str(caught.value)
        assert not isinstance(caught.value, ValidationError)


def test_enums_with_values_that_json_cannot_tell_apart() -> None:
    class Same(enum.Enum):
        A = b"\xff"
        B = "/w=="

    class Odd(enum.Enum):
        A = float("inf")

    with pytest.raises(TypeError, match=r"Doc\.x: <Same\.A.*> and <Same\.B.*> are alike in JSON"):
        to_dict(one_field(Same)(x=Same.A), mode="json")
    with pytest.raises(TypeError, match=r"Doc\.x: JSON can't hold <Odd\.A: inf>"):
        to_dict(one_field(Odd)(x=Odd.A), mode="json")
    assert "A" == dumped(Odd, Odd.A, enum_by="name")


def test_unions_of_classes_are_told_apart_by_their_tags() -> None:
    model = one_field(list[Union[Card, Bank]])
    instance = model(x=[Card(until=dt.date(2026, 1, 1)), Bank(since=MORNING), Bank(kind=b"\xff", since=MORNING)])
    data = to_dict(instance, mode="json")
    assert [
        {"kind": "card", "until": "2026-01-01"},
        {"kind": 2, "since": "2026-01-31T08:15:30Z"},
        {"kind": "/w==", "since": "2026-01-31T08:15:30Z"},
    ] == data["x"]
    assert instance == from_dict(model, data, mode="json")
    assert instance == from_dict(model, to_dict(instance, by_alias=True, mode="json"), by_alias=True, mode="json")
    problems = validate(model, {"x": [data["x"][2], {"kind": "cart"}, {"kind": "/w==", "since": 5}]}, mode="json")
    assert [("x[1].kind", "tag"), ("x[2].since", "value")] == [(each.path, each.code) for each in problems]


class Event(Model, collection="events", tag_field="type"):
    at: Field[datetime]


class Click(Event, tag="click"):
    place: Field[GeoPoint]


class Untold(Event, tag="untold"):
    what: Field[datetime | str] = field(default="")


def test_tagged_models() -> None:
    click = Click(at=MORNING, place=GeoPoint(1, 2))
    data = to_dict(click, mode="json")
    assert {"type": "click", "at": "2026-01-31T08:15:30Z", "place": {"latitude": 1, "longitude": 2}} == data
    assert click == from_dict(Event, data, mode="json")
    assert ["type"] == [each.path for each in validate(Event, {**data, "type": "clack"}, mode="json")]
    with pytest.raises(CendryError, match="Event"):
        to_dict(Event(at=MORNING), mode="json")
    with pytest.raises(TypeError, match=r"Untold\.what: datetime and str are both strings in JSON"):
        from_dict(Event, {"type": "untold", "at": data["at"]}, mode="json")


# Types of others


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees

    __hash__ = None  # type: ignore[assignment]


class CelsiusHandler(BaseTypeHandler[Celsius]):
    def serialize(self, value: Celsius) -> Any:
        return {"degrees": value.degrees}

    def deserialize(self, value: Any) -> Celsius:
        return Celsius(value["degrees"])


def test_registered_types() -> None:
    registry = TypeRegistry()
    registry.register(Celsius, handler=CelsiusHandler)
    model = make_model({"x": list[Celsius]}, type_registry=registry)
    instance = model(x=[Celsius(1.5)])
    data = to_dict(instance, mode="json")
    assert {"x": [{"degrees": 1.5}]} == data
    assert instance == from_dict(model, data, mode="json")
    with pytest.raises(ValidationError, match="JSON has no NaN"):
        to_dict(model(x=[Celsius(float("nan"))]), mode="json")


def test_registered_types_that_are_stored_as_they_are() -> None:
    class Raw(str):
        __slots__ = ()

    registry = TypeRegistry()
    registry.register(Raw)
    registry.register(datetime)
    model = make_model({"x": Raw, "y": datetime}, type_registry=registry)
    instance = model(x=Raw("a"), y=MORNING)
    with pytest.raises(ValidationError) as caught:
        to_dict(instance, mode="json")
    assert ["y"] == [problem.path for problem in caught.value.problems]
    assert ["x", "y"] == [each.path for each in validate(model, {"x": "a", "y": "2026-01-31"}, mode="json")]


class Address(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    since: datetime
    shown: dt.date = pydantic.Field(alias="theDay")

    @pydantic.field_serializer("shown")
    def _show(self, value: dt.date) -> dt.date:
        return value


class Dates(pydantic.RootModel[list[datetime]]):
    pass


def test_classes_of_pydantic_dump_their_own_values() -> None:
    model = make_model({"address": Address, "dates": Dates})
    address = Address.model_validate({"since": MORNING, "theDay": "2026-01-01", "more": [1]})
    instance = model(address=address, dates=Dates([MORNING]))
    data = to_dict(instance, mode="json")
    assert {
        "address": {"since": "2026-01-31T08:15:30Z", "shown": "2026-01-01", "more": [1]},
        "dates": ["2026-01-31T08:15:30Z"],
    } == data
    assert instance == from_dict(model, data, mode="json")
    odd = Address.model_validate({"since": MORNING, "theDay": "2026-01-01", "more": MORNING})
    with pytest.raises(ValidationError, match=r"address\.more: expected a value that JSON can hold"):
        to_dict(model(address=odd, dates=Dates([])), mode="json")


def test_the_mode_is_checked() -> None:
    city: Any = City(name="x")
    mode: Any = "jason"
    for call in (
        lambda: to_dict(city, mode=mode),
        lambda: from_dict(City, {"name": "x"}, mode=mode),
        lambda: validate(City, {"name": "x"}, mode=mode),
    ):
        with pytest.raises(ValueError, match='mode= takes "python" or "json", not \'jason\''):
            call()


def test_hidden_values_stay_hidden() -> None:
    model = one_field(datetime, repr=False)
    (problem,) = validate(model, {"x": "secret"}, mode="json")
    assert Problem("x", "datetime (ISO 8601)", "a value that is not shown") == problem
    with pytest.raises(ValidationError) as caught:
        to_dict(one_field(Any, repr=False)(x=b"secret"), mode="json")
    assert "secret" not in str(caught.value)


def test_the_result_shares_nothing() -> None:
    inner: list[Any] = [1]
    instance = one_field(Any)(x={"a": inner})
    data = to_dict(instance, mode="json")
    assert inner is not data["x"]["a"]
    again = from_dict(one_field(Any), {"x": {"a": inner}}, mode="json")
    assert inner is not again.x["a"]
