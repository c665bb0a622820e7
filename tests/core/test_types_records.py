"""Classes with fields from elsewhere: dataclasses, TypedDict, NamedTuple, attrs, msgspec, pydantic."""

from __future__ import annotations

import enum
import sys
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Optional, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from cendry._model.fields import Field
from cendry._model.fields import field as cendry_field
from cendry._model.model import Map
from cendry._types.foreign import style_of
from cendry._types.hints import shape_of
from cendry._types.shapes import Record, Scalar
from cendry.codec import codec_for
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import DecodeError, InvalidValueError, ValidationError
from making import make_class, one_field
from typing_extensions import NotRequired, ReadOnly, Required, TypedDict

T = TypeVar("T")
S = TypeVar("S")
DAY = datetime(2024, 5, 6, tzinfo=timezone.utc)


class Color(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Small:
    when: date


@dataclass
class Data:
    price: Decimal
    small: list[Small]
    color: Optional[Color] = None
    computed: int = field(init=False, default=0)
    shared: ClassVar[int] = 0
    names: list[str] = field(default_factory=list)
    scale: InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        self.computed = len(self.small) * scale


@attrs.define
class Attrs:
    price: Decimal
    _hidden: int = 3
    small: list[Small] = attrs.field(factory=list)
    computed: int = attrs.field(init=False, default=7)


class Struct(msgspec.Struct, kw_only=True):
    price: Decimal
    count: int = 3
    small: list[Small] = msgspec.field(default_factory=list)
    last: int


class Pydantic(pydantic.BaseModel):
    price: Decimal
    count: Annotated[int, pydantic.Field(gt=0)] = 3
    named: str = "x"
    small: list[Small] = pydantic.Field(default_factory=list)


@pydantic.dataclasses.dataclass
class PydanticData:
    count: Annotated[int, pydantic.Field(gt=0)]


class Typed(TypedDict, total=False):
    price: Required[Decimal]
    small: list[Small]
    note: ReadOnly[NotRequired[str]]
    must: ReadOnly[Required[int]]


class Named(NamedTuple):
    price: Decimal
    small: Small
    count: int = 3  # type: ignore[assignment]


Untyped = namedtuple("Untyped", "a b", defaults=[1])


@pytest.mark.parametrize(
    ("annotation", "python", "stored"),
    [
        (
            Data,
            Data(Decimal(1), [Small(date(2024, 5, 6))], Color.RED, ["a"]),
            {"price": "1", "small": [{"when": DAY}], "color": "red", "names": ["a"]},
        ),
        (
            Attrs,
            Attrs(Decimal(1), 4, [Small(date(2024, 5, 6))]),
            {"price": "1", "_hidden": 4, "small": [{"when": DAY}]},
        ),
        (
            Struct,
            Struct(price=Decimal(1), count=4, small=[Small(date(2024, 5, 6))], last=2),
            {"price": "1", "count": 4, "small": [{"when": DAY}], "last": 2},
        ),
        (
            Pydantic,
            Pydantic(price=Decimal(1), count=4, named="y", small=[Small(date(2024, 5, 6))]),
            {"price": "1", "count": 4, "named": "y", "small": [{"when": DAY}]},
        ),
        (PydanticData, PydanticData(count=2), {"count": 2}),
        (
            Typed,
            {"price": Decimal(1), "small": [Small(date(2024, 5, 6))], "must": 1},
            {"price": "1", "small": [{"when": DAY}], "must": 1},
        ),
        (Named, Named(Decimal(1), Small(date(2024, 5, 6)), 4), ["1", {"when": DAY}, 4]),
        (Untyped, Untyped("x", 2), ["x", 2]),
    ],
)
def test_each_library_round_trips(annotation: Any, python: Any, stored: Any) -> None:
    for wrapped, wrapped_python, wrapped_stored in (
        (annotation, python, stored),
        (dict[str, Optional[annotation]], {"a": python, "b": None}, {"a": stored, "b": None}),
    ):
        model = one_field(wrapped)
        instance = model(x=wrapped_python)
        codec = codec_for(model)
        assert {"x": wrapped_stored} == codec.encode(instance) == to_dict(instance)
        assert instance == codec.decode({"x": wrapped_stored})
        assert type(instance.x) is type(codec.decode({"x": wrapped_stored}).x)
        assert instance == from_dict(model, {"x": wrapped_stored})
        assert instance == from_dict(model, {"x": wrapped_python})
        assert [] == validate(model, {"x": wrapped_stored})


@pytest.mark.parametrize(
    ("annotation", "stored", "python"),
    [
        (Data, {"price": "1", "small": []}, Data(Decimal(1), [])),
        (Attrs, {"price": "1"}, Attrs(Decimal(1))),
        (Struct, {"price": "1", "last": 2}, Struct(price=Decimal(1), last=2)),
        (Pydantic, {"price": "1"}, Pydantic(price=Decimal(1))),
        (Typed, {"price": "1", "must": 1}, {"price": Decimal(1), "must": 1}),
        (Named, ["1", {"when": DAY}], Named(Decimal(1), Small(date(2024, 5, 6)))),
        (Untyped, [1], Untyped(1)),
    ],
)
def test_absent_fields_get_the_default_of_their_class(annotation: Any, stored: Any, python: Any) -> None:
    model = one_field(annotation)
    assert python == codec_for(model).decode({"x": stored}).x
    assert python == from_dict(model, {"x": stored}).x


@pytest.mark.parametrize("annotation", [Data, Attrs, Struct, Pydantic, Typed])
def test_a_missing_field_is_named(annotation: Any) -> None:
    model = one_field(annotation)
    with pytest.raises(DecodeError, match=r"x\.price: expected Decimal .*, found nothing"):
        codec_for(model).decode({"x": {}})
    with pytest.raises(ValidationError, match=r"x\.price: expected Decimal .*, found nothing"):
        from_dict(model, {"x": {}})


def test_unknown_keys_are_ignored_on_read_and_refused_from_users() -> None:
    stored = {"price": "1", "small": [], "more": 1}
    model = one_field(Data)
    assert Data(Decimal(1), []) == codec_for(model).decode({"x": stored}).x
    (problem,) = validate(model, {"x": stored})
    assert ("x.more", "unknown") == (problem.path, problem.code)
    assert [] == validate(model, {"x": stored}, extra="ignore")


def test_what_a_constructor_refuses_is_the_cause_of_the_error() -> None:
    for annotation, stored in ((Pydantic, {"price": "1", "count": -1}), (PydanticData, {"count": -1})):
        model = one_field(annotation)
        with pytest.raises(
            DecodeError, match=f"x: expected what {annotation.__name__} accepts, found .*ValidationError"
        ):
            codec_for(model).decode({"x": stored})
        with pytest.raises(ValidationError, match=f"x: expected what {annotation.__name__} accepts") as caught:
            from_dict(model, {"x": stored})
        assert isinstance(caught.value.__cause__, pydantic.ValidationError)


def test_values_inside_instances_are_checked() -> None:
    model = one_field(Data)
    wrong = Data("1", [Small(date(2024, 5, 6)), Small(3)])  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"x\.price: expected Decimal"):
        codec_for(model).encode(model(x=wrong))
    assert ["x.price", "x.small[1].when"] == [problem.path for problem in validate(model, {"x": wrong})]
    with pytest.raises(ValidationError, match=r"x\.price: .*; x\.small\[1\]\.when: "):
        from_dict(model, {"x": wrong})


def test_wrappers_in_string_annotations_are_found() -> None:
    shape = shape_of(Typed)
    assert isinstance(shape, Record)
    assert {"price": True, "small": False, "note": False, "must": True} == {
        one.name: one.required for one in shape.fields
    }


def test_annotations_that_cannot_be_evaluated_are_named() -> None:
    @dataclass
    class Unknown:
        x: Nowhere  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(
        TypeError, match=r"the annotations of .*Unknown can't be evaluated: name 'Nowhere' is not defined"
    ):
        shape_of(Unknown)

    class Later(pydantic.BaseModel):
        x: Nowhere  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(TypeError, match=r"Later\.x is not resolved; call .*Later\.model_rebuild\(\) first"):
        shape_of(Later)


def test_a_class_that_needs_more_than_its_fields_is_refused() -> None:
    @dataclass
    class Needy:
        scale: InitVar[int]

    with pytest.raises(TypeError, match="takes an InitVar, 'scale', which is not stored"):
        shape_of(Needy)


@dataclass
class Pair(Generic[T, S]):
    first: T
    second: list[S]


@dataclass
class IntPair(Pair[int, S], Generic[S]):
    third: S


@dataclass
class Full(IntPair[str]):
    pass


@dataclass
class Raw(Pair):  # type: ignore[type-arg]
    pass


@dataclass
class More(Full):
    pass


def shapes_in(annotation: Any) -> dict[str, Any]:
    shape = shape_of(annotation)
    assert isinstance(shape, Record)
    return {one.name: one.shape for one in shape.fields}


def test_type_parameters_are_replaced() -> None:
    assert shapes_in(Pair[int, str]) == {"first": Scalar("int"), "second": shape_of(list[str])}
    assert shapes_in(IntPair[str]) == {"first": Scalar("int"), "second": shape_of(list[str]), "third": Scalar("str")}
    assert shapes_in(Full) == {"first": Scalar("int"), "second": shape_of(list[str]), "third": Scalar("str")}
    assert shapes_in(More) == shapes_in(Full)
    assert shapes_in(Raw) == shapes_in(Pair) == {"first": shape_of(Any), "second": shape_of(list[Any])}
    assert shape_of(Pair[int, str]) != shape_of(Pair[int, int])


class GenericMap(Map, Generic[T]):
    value: Field[T]


def test_generic_maps() -> None:
    model = one_field(GenericMap[date])
    instance = model(x=GenericMap(value=date(2024, 5, 6)))
    assert {"x": {"value": DAY}} == codec_for(model).encode(instance)
    assert instance == codec_for(model).decode({"x": {"value": DAY}})


@pytest.mark.skipif(sys.version_info < (3, 11), reason="generic named tuples came with Python 3.11")
def test_generic_named_tuples() -> None:
    namespace: dict[str, Any] = {}
    source = "from typing import *\nT = TypeVar('T')\nclass Two(NamedTuple, Generic[T]):\n    a: T\n    b: T"
    exec(compile(source, "two", "exec", dont_inherit=True), namespace)
    two = namespace["Two"]
    model = one_field(two[date])
    assert two(date(2024, 5, 6), date(2024, 5, 6)) == codec_for(model).decode({"x": [DAY, DAY]}).x


def test_classes_without_fields_have_no_style() -> None:
    assert style_of(int) is None
    assert "map" == style_of(make_class("Part", Map, {"a": int}))


def test_nothing_is_imported_to_recognise_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pydantic", "msgspec"):
        monkeypatch.delitem(sys.modules, name)
    assert "dataclass" == style_of(Data)
    assert not {"pydantic", "msgspec"} & set(sys.modules)


@pytest.mark.parametrize(
    ("annotation", "data", "python"),
    [
        (Data, {"price": "1", "small": []}, Data(Decimal(1), [])),
        (Attrs, {"price": "1"}, Attrs(Decimal(1))),
        (Struct, {"price": "1", "last": 2}, Struct(price=Decimal(1), last=2)),
        (Pydantic, {"price": "1"}, Pydantic(price=Decimal(1))),
        (Typed, {"price": "1", "must": 1}, {"price": Decimal(1), "must": 1}),
    ],
)
def test_collections_of_another_kind_are_read_by_the_interpreting_reader(
    annotation: Any, data: Any, python: Any
) -> None:
    # A tuple is taken for a list in data of users, though not by compiled code.
    assert [python] == from_dict(one_field(list[annotation]), {"x": (data,)}).x


def test_maps_in_collections_of_another_kind_get_their_defaults() -> None:
    tags: Any = (list[str], cendry_field(default_factory=list))
    part: Any = make_class("Part", Map, {"n": (int, cendry_field(default=3)), "tags": tags})
    assert [part(n=3, tags=[])] == from_dict(one_field(list[part]), {"x": ({},)}).x
