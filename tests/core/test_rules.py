"""Rules on values: constraints in annotations, and `__validate__`."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import annotated_types as at
import attrs
import msgspec
import pydantic
import pytest
from cendry import (
    DELETE_FIELD,
    ArrayRemove,
    ArrayUnion,
    Cendry,
    Field,
    GeoPoint,
    Increment,
    InvalidValueError,
    Map,
    Maximum,
    MemoryBackend,
    Model,
    Ref,
    ValidationError,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry._types.hints import shape_of
from cendry._types.rules import whole_rule
from cendry._types.shapes import Constrained
from cendry.codec import codec_for
from cendry.codec.compiler import source_of
from making import make_map, make_model, one_field
from typing_extensions import TypedDict

UTC = timezone.utc
DAY = datetime(2020, 1, 1, tzinfo=UTC)
Key = NewType("Key", Annotated[str, at.MinLen(1)])
Positive = NewType("Positive", Annotated[int, at.Gt(0)])


class Level(IntEnum):
    LOW = 1
    HIGH = 5


class Word(str, Enum):
    SHORT = "ab"
    LONG = "abcdef"


class Typed(TypedDict):
    n: Annotated[int, at.Gt(0)]


class Named(NamedTuple):
    n: Annotated[int, at.Gt(0)]


@attrs.define
class Attrs:
    n: Annotated[int, at.Gt(0)]


class Struct(msgspec.Struct):
    n: Annotated[int, msgspec.Meta(gt=0)]


class Inner(Map):
    n: Field[Annotated[int, at.Gt(0)]]


def even(value: int) -> bool:
    return value % 2 == 0


def problems_of(annotation: Any, value: Any) -> list[tuple[str, str]]:
    """The paths and codes of what is wrong with a value, which is the same in each way."""
    model = one_field(annotation)
    instance = model(x=value)
    with Cendry(backend=MemoryBackend()) as ctx, pytest.raises(ValidationError) as saved:
        ctx.save(instance)
    assert instance.id is None
    found: list[tuple[str, str]] = [(problem.path, problem.code) for problem in saved.value.problems]
    data = to_dict(instance)
    assert found == [(problem.path, problem.code) for problem in validate(model, data)]
    assert found == [(problem.path, problem.code) for problem in validate(model, {"x": value})]
    with pytest.raises(ValidationError) as read:
        from_dict(model, data)
    assert found == [(problem.path, problem.code) for problem in read.value.problems]
    # What is stored already stays readable, and can be searched for.
    read = codec_for(model).decode(codec_for(model).encode_unruled(instance))
    assert instance == read or "nan" in repr(instance) == repr(read)
    codec_for(model).resolve(("x",)).encode(value)
    with pytest.raises(InvalidValueError):
        codec_for(model).resolve(("x",)).encode_new(value)
    return found


def is_fine(annotation: Any, value: Any) -> None:
    model = one_field(annotation)
    instance = model(x=value)
    assert instance == codec_for(model).decode(codec_for(model).encode(instance))
    assert instance == from_dict(model, to_dict(instance)) == from_dict(model, {"x": value})


@pytest.mark.parametrize(
    ("annotation", "bad", "good", "code"),
    [
        (Annotated[int, at.Gt(0)], 0, 1, "gt"),
        (Annotated[int, at.Ge(0)], -1, 0, "ge"),
        (Annotated[int, at.Lt(0)], 0, -1, "lt"),
        (Annotated[int, at.Le(0)], 1, 0, "le"),
        (Annotated[int, at.Interval(ge=1, lt=3)], 3, 1, "lt"),
        (Annotated[int, at.Interval(ge=1, lt=3)], 0, 2, "ge"),
        (Annotated[int, at.MultipleOf(3)], 4, 6, "multiple_of"),
        (Annotated[float, at.MultipleOf(0.1)], 0.35, 0.3, "multiple_of"),
        (Annotated[float, at.MultipleOf(0.1)], float("inf"), -0.7, "multiple_of"),
        (Annotated[float, at.Gt(0)], float("nan"), 0.5, "gt"),
        (Annotated[float, at.Gt(0)], 0, 1, "gt"),
        (Annotated[str, at.MinLen(2)], "a", "ab", "min_length"),
        (Annotated[str, at.MaxLen(2)], "abc", "ab", "max_length"),
        (Annotated[bytes, at.Len(1, 2)], b"abc", b"a", "max_length"),
        (Annotated[list[int], at.Len(1, 2)], [], [1], "min_length"),
        (Annotated[set[int], at.MaxLen(1)], {1, 2}, {1}, "max_length"),
        (Annotated[tuple[int, ...], at.MaxLen(1)], (1, 2), (1,), "max_length"),
        (Annotated[dict[str, int], at.MinLen(1)], {}, {"a": 1}, "min_length"),
        (Annotated[tuple[int, str], at.Predicate(lambda pair: pair[0] > 0)], (0, ""), (1, ""), "predicate"),
        (Annotated[str, pydantic.Field(pattern="b+")], "aca", "abba", "pattern"),
        (Annotated[str, pydantic.Field(pattern=re.compile("B", re.IGNORECASE))], "aca", "abba", "pattern"),
        (Annotated[str, pydantic.StringConstraints(pattern="^a", max_length=2)], "ba", "ab", "pattern"),
        (Annotated[int, pydantic.Field(gt=1, description="more than one")], 1, 2, "gt"),
        (Annotated[int, msgspec.Meta(ge=1, title="x")], 0, 1, "ge"),
        (Annotated[str, msgspec.Meta(pattern="^a", max_length=2)], "abc", "ab", "max_length"),
        (Annotated[int, at.Predicate(even)], 1, 2, "predicate"),
        (Annotated[str, at.Predicate(str.isupper)], "a", "A", "predicate"),
        (Annotated[int, at.Predicate(at.Not(even))], 2, 1, "predicate"),
        (Annotated[int, at.Not(even)], 2, 1, "predicate"),
        (Annotated[Any, at.Predicate(bool)], 0, {"a": 1}, "predicate"),
        (Annotated[int, "a comment", at.Gt(0), re.compile("x"), int], 0, 1, "gt"),
        (Annotated[Decimal, at.Gt(0), at.MultipleOf(0.01)], Decimal("0.005"), Decimal("0.05"), "multiple_of"),
        (Annotated[datetime, at.Gt(datetime(2020, 1, 1))], DAY, datetime(2021, 1, 1, tzinfo=UTC), "gt"),
        (Annotated[date, at.Ge(date(2020, 1, 1))], date(2019, 1, 1), date(2020, 1, 1), "ge"),
        (Annotated[timedelta, at.MultipleOf(timedelta(2))], timedelta(3), timedelta(4), "multiple_of"),
        (Annotated[UUID, at.Ge(UUID(int=5))], UUID(int=4), UUID(int=5), "ge"),
        (Annotated[Level, at.Gt(1)], Level.LOW, Level.HIGH, "gt"),
        (Annotated[Word, at.MaxLen(3)], Word.LONG, Word.SHORT, "max_length"),
        (Annotated[Literal[1, 2], at.Gt(1)], 1, 2, "gt"),
        (Annotated[int | None, at.Gt(0)], 0, None, "gt"),
        (Annotated[int | str, at.Gt(0)], 0, "", "gt"),
        (Annotated[int | str, at.MinLen(1)], "", 0, "min_length"),
        (Annotated[list[int] | str | None, at.MinLen(1)], [], None, "min_length"),
        (Positive, 0, 1, "gt"),
        (Annotated[Positive, at.Lt(9)], 9, 1, "lt"),
        (Annotated[Inner, at.Predicate(lambda inner: inner.n == 1)], Inner(n=2), Inner(n=1), "predicate"),
        (dict[Annotated[str, at.MaxLen(1)], int], {"a": 1, "bc": 2}, {"a": 1}, "max_length"),
        (Annotated[dict[Key, int], at.MaxLen(1)], {"a": 1, "b": 1}, {"a": 1}, "max_length"),
    ],
)
def test_each_constraint(annotation: Any, bad: Any, good: Any, code: str) -> None:
    assert [("x", code)] == problems_of(annotation, bad)
    is_fine(annotation, good)


@pytest.mark.parametrize(
    ("annotation", "bad", "good", "path"),
    [
        (list[Annotated[int, at.Gt(0)]], [1, 0], [1], "x[1]"),
        (list[Positive], [1, 0], [1], "x[1]"),
        (set[Positive], {0}, {1}, "x[0]"),
        (tuple[int, Positive], (0, 0), (0, 1), "x[1]"),
        (dict[str, Positive], {"a b": 0}, {"a b": 1}, "x.`a b`"),
        (dict[str, list[Positive | None] | None], {"a": [None, 0]}, {"a": [None, 1], "b": None}, "x.a[1]"),
        (Inner, Inner(n=0), Inner(n=1), "x.n"),
        (list[Inner], [Inner(n=1), Inner(n=0)], [Inner(n=1)], "x[1].n"),
        (Typed, {"n": 0}, {"n": 1}, "x.n"),
        (Named, Named(0), Named(1), "x[0]"),
        (Attrs, Attrs(0), Attrs(1), "x.n"),
        (Struct, Struct(0), Struct(1), "x.n"),
    ],
)
def test_at_any_depth(annotation: Any, bad: Any, good: Any, path: str) -> None:
    assert [(path, "gt")] == problems_of(annotation, bad)
    is_fine(annotation, good)


def test_constraints_around_the_field_hold_too() -> None:
    class Doc(Model, collection="docs"):
        x: Annotated[Field[int], at.Gt(0), field(alias="y")]
        z: Annotated[Field[Later], at.MinLen(1)]

    class Later(TypedDict, total=False):
        n: int

    assert [("x", "gt"), ("z", "min_length")] == [
        (problem.path, problem.code) for problem in validate(Doc, {"x": 0, "z": {}})
    ]
    assert {"y": 1, "z": {"n": 1}} == codec_for(Doc).encode(Doc(x=1, z={"n": 1}))
    with pytest.raises(TypeError, match=r"Doc\.x: 'a\(' is not a regular expression"):

        class Bad(Model, collection="docs"):
            __qualname__ = "Doc"
            x: Annotated[Field[str], pydantic.Field(pattern="a(")]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Annotated[int, at.Gt("a")], "gt='a' can't be applied to int: '>' not supported"),
        (list[Annotated[str, at.Gt(0)]], "gt=0 can't be applied to str"),
        (Annotated[str, at.MultipleOf(2)], "multiple_of=2 can't be applied to str"),
        (Annotated[int, at.MultipleOf(0)], "multiple_of=0 can't be applied to int"),
        (Annotated[int, at.MinLen(1)], "min_length=1 can't be applied to int"),
        (Annotated[str, at.MinLen("1")], "min_length='1' can't be applied to str"),  # type: ignore[arg-type]
        (Annotated[int, pydantic.Field(pattern="a")], "pattern='a' can't be applied to int"),
        (Annotated[str, pydantic.Field(pattern="a(")], r"'a\(' is not a regular expression"),
        (Annotated[GeoPoint, at.Gt(0)], "gt=0 can't be applied to GeoPoint"),
        (Annotated[Ref[Any], at.MinLen(1)], "min_length=1 can't be applied to Ref"),
        (Annotated[Inner, at.Gt(0)], "gt=0 can't be applied to Inner"),
        (Annotated[Inner, at.MinLen(1)], "min_length=1 can't be applied to Inner"),
        (Annotated[int | float, at.MinLen(1)], "min_length=1 can't be applied to"),
        (Annotated[datetime, at.Gt(0)], "gt=0 can't be applied to datetime"),
        (Annotated[Decimal, at.Gt(Decimal("NaN"))], r"gt=Decimal\('NaN'\) can't be applied to Decimal"),
        (dict[Annotated[str, at.Gt(0)], int], "gt=0 can't be applied to keys"),
        (Annotated[int, pydantic.AfterValidator(abs)], "pydantic's AfterValidator can't be used here"),
        (list[Annotated[int, pydantic.BeforeValidator(abs)]], "pydantic's BeforeValidator can't be used here"),
        (Annotated[int, pydantic.PlainValidator(abs)], "pydantic's PlainValidator can't be used here"),
        (
            Annotated[int, pydantic.WrapValidator(lambda value, inner: inner(value))],
            "pydantic's WrapValidator can't be used here",
        ),
    ],
)
def test_what_cannot_hold_is_refused_at_definition(annotation: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"Doc.x: {message}"):
        one_field(annotation)


def test_a_class_of_pydantic_checks_its_own() -> None:
    class Own(pydantic.BaseModel):
        n: Annotated[int, pydantic.AfterValidator(abs), at.Gt(0)]
        many: list[Annotated[int, pydantic.BeforeValidator(int), at.Lt(9)]]

    is_fine(Own, Own(n=1, many=[1]))
    broken = Own.model_construct(n=0, many=[1])
    model = one_field(Own)
    assert {"x": {"n": 0, "many": [1]}} == codec_for(model).encode(model(x=broken))
    with Cendry(backend=MemoryBackend()) as ctx, pytest.raises(ValidationError, match="what .*Own accepts"):
        ctx.save(model(x=broken))


def test_a_value_that_cannot_be_compared_breaks_the_rule() -> None:
    assert [("x", "predicate")] == problems_of(Annotated[Any, at.Predicate(lambda value: value > 0)], "text")
    assert [("x", "gt")] == problems_of(Annotated[Any, at.Gt(0)], "text")
    assert [("x", "multiple_of")] == problems_of(Annotated[Decimal, at.MultipleOf(2)], Decimal("Infinity"))


def test_types_that_compare_themselves_are_taken() -> None:
    ordered = make_map({"n": int}, order=True)
    with pytest.raises(TypeError, match="multiple_of=2 can't be applied"):
        one_field(Annotated[ordered, at.MultipleOf(2)])
    assert [("x", "gt")] == problems_of(Annotated[ordered, at.Gt(ordered(n=1))], ordered(n=0))


def test_what_has_no_rules_is_compiled_without_them() -> None:
    free = make_model({"x": int, "y": list[str]})
    codec = codec_for(free)
    assert codec.encode_unruled is codec.encode
    into = codec.resolve(("x",))
    assert into.encode_new is into.encode
    assert "> gt" in source_of(one_field(Annotated[int, at.Gt(0)]))


class Chain(Map):
    """A map that contains itself."""

    n: Field[Annotated[int, at.Ge(0)]] = field(default=0)
    next: Field[Chain | None] = field(default=None)
    free: Field[dict[str, dict[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n == 13:
            raise ValueError("unlucky")


class Chained(Model, collection="chained"):
    chain: Field[Chain]
    loose: Field[Loop | None] = field(default=None)


class Loop(Map):
    """The same without a rule."""

    again: Field[Loop | None] = field(default=None)


def test_classes_that_contain_themselves() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        doc = Chained(chain=Chain(next=Chain()))
        id = ctx.save(doc)
        with pytest.raises(ValidationError, match=r"chain\.next\.n: expected int >= 0"):
            ctx.update(doc, {"chain.next.n": -1})
        with pytest.raises(ValidationError, match="unlucky"):
            ctx.update(doc, {"chain.next.n": 13})
        # What the document has there is not known.
        ctx.update(doc, {"chain.free.k.j": 1})
        assert 1 == ctx.get(Chained, id).chain.free["k"]["j"]
    free = make_model({"x": Loop})
    assert codec_for(free).encode_unruled is codec_for(free).encode
    codec_for(free).verify_changed(free(x=Loop()), {}, [])


def test_rules_are_values_of_their_own() -> None:
    one, other = shape_of(Annotated[int, at.Gt(0)]), shape_of(Annotated[int, at.Gt(0)])
    assert isinstance(one, Constrained)
    assert [one, other] == [one, other]
    assert one != other
    assert 2 == len({one, other})
    assert "gt" == one.rules[0].code


class Span(Map):
    first: Field[int]
    last: Field[int]

    def __validate__(self) -> None:
        if self.first > self.last:
            raise ValueError("first is after last")


class Trip(Model, collection="trips"):
    name: Field[Annotated[str, at.MinLen(1)]]
    span: Field[Span | None] = field(default=None)
    spans: Field[list[Span]] = field(default_factory=list)
    named: Field[dict[str, Span]] = field(default_factory=dict)
    days: Field[int] = field(default=0)

    def __validate__(self) -> None:
        if self.name == "nothing":
            raise ValueError("nothing is not a name")


class LongTrip(Trip, collection="long"):
    def __validate__(self) -> None:
        if self.days < 5:
            raise ValueError("too short")


class Blank(Trip, collection="blank"):
    pass


GOOD = Span(first=1, last=2)
BAD = Span(first=2, last=1)


def test_all_rules_are_in_one_error() -> None:
    trip = Trip(name="nothing", span=BAD, spans=[GOOD, BAD], named={"a": BAD})
    assert [("span", "rule"), ("spans[1]", "rule"), ("named.a", "rule")] == [
        (problem.path, problem.code) for problem in validate(Trip, to_dict(trip))
    ]
    with Cendry(backend=MemoryBackend()) as ctx, pytest.raises(ValidationError) as caught:
        ctx.save(trip)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "Trip.span: expected a valid Span, found ValueError: first is after last" in str(caught.value)
    assert validate(Trip, to_dict(trip)) == list(caught.value.problems) == validate(Trip, vars_of(trip))
    with pytest.raises(ValidationError) as read:
        from_dict(Trip, to_dict(trip))
    assert caught.value.problems == read.value.problems
    # The rule of the whole is asked when the parts are fine.
    assert [("", "rule")] == [(each.path, each.code) for each in validate(Trip, {"name": "nothing"})]
    assert [("name", "min_length")] == [(each.path, each.code) for each in validate(Trip, {"name": ""})]
    assert [] == validate(Trip, {"name": "x", "span": GOOD})


def vars_of(trip: Trip) -> dict[str, Any]:
    return {name: value for name, value in vars(trip).items() if name != "id"}


def test_rules_of_bases_come_first_and_once() -> None:
    calls: list[str] = []

    class A(Map):
        def __validate__(self) -> None:
            calls.append("A")

    class B(Map):
        def __validate__(self) -> None:
            calls.append("B")

    class C(A, B):
        @classmethod
        def __validate__(cls) -> None:
            calls.append(cls.__name__)

    class D(C, A):
        x: Field[int]

    rule = whole_rule(D)
    assert rule is not None
    rule(D(x=1))
    assert ["B", "A", "D"] == calls
    assert whole_rule(Inner) is None
    assert ["too short", "nothing is not a name"] == [
        str(from_dict_error(LongTrip, {"name": "x"}).__cause__),
        str(from_dict_error(LongTrip, {"name": "nothing", "days": 9}).__cause__),
    ]
    assert "nothing is not a name" == str(from_dict_error(Blank, {"name": "nothing"}).__cause__)


def from_dict_error(model: Any, data: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        from_dict(model, data)
    return caught.value


def test_another_error_of_a_rule_is_the_callers() -> None:
    class Broken(Model, collection="docs"):
        x: Field[int]

        def __validate__(self) -> None:
            raise LookupError("a bug")

    with Cendry(backend=MemoryBackend()) as ctx:
        for call in (
            lambda: ctx.save(Broken(x=1)),
            lambda: from_dict(Broken, {"x": 1}),
            lambda: validate(Broken, {"x": 1}),
        ):
            with pytest.raises(LookupError, match="a bug"):
                call()


def test_a_rule_is_not_awaited() -> None:
    with pytest.raises(TypeError, match="Later: __validate__ is not awaited"):

        class Later(Map):
            async def __validate__(self) -> None: ...


def test_changes_are_checked_by_what_they_name() -> None:
    class Doc(Model, collection="docs"):
        n: Field[Annotated[int, at.Ge(0)]] = field(default=0)
        names: Field[list[Annotated[str, at.MinLen(1)]]] = field(default_factory=list)
        parts: Field[dict[str, Inner]] = field(default_factory=dict)
        span: Field[Span] = field(default_factory=lambda: Span(first=1, last=2))

    with Cendry(backend=MemoryBackend()) as ctx:
        doc = Doc(id="a")
        ctx.save(doc)
        for changes, code in (
            ({"n": -1}, "n"),
            ({Doc.names: ["x", ""]}, r"names\[1\]"),
            ({"names": ArrayUnion([""])}, "names"),
            ({"parts.k": Inner(n=0)}, r"parts\.k\.n"),
            ({"parts.k.n": 0}, r"parts\.k\.n"),
        ):
            with pytest.raises(InvalidValueError, match=f"Doc.{code}: expected"):
                ctx.update(Doc, "a", changes)
            with pytest.raises(InvalidValueError, match=f"Doc.{code}: expected"), ctx.batch() as batch:
                batch.update(Doc, "a", changes)
        assert Doc(id="a") == ctx.get(Doc, "a") == doc
        # The server computes these.
        ctx.update(Doc, "a", {"n": Increment(-5), "names": ArrayRemove([""])})
        ctx.update(Doc, "a", {"n": Maximum(-3)})
        # The rules of the whole are those of instances.
        ctx.update(Doc, "a", {"span.last": 0})
        found = ctx.get(Doc, "a")
        assert (-3, Span(first=1, last=0)) == (found.n, found.span)
        assert ["a"] == ctx.select(Doc, Doc.n == -3).ids()
        with pytest.raises(ValidationError) as caught:
            ctx.save(found)
        assert [("n", "ge"), ("span", "rule")] == [(each.path, each.code) for each in caught.value.problems]
        with pytest.raises(ValidationError, match="first is after last"):
            ctx.update(found, {"parts": {}})
        with pytest.raises(InvalidValueError):
            ctx.update(found, fields=["n"])
        ctx.update(found, {"span.last": 5, "n": 2})
        assert found == ctx.get(Doc, "a")
        found.span.last = 0
        with pytest.raises(ValidationError):
            ctx.update(found, fields=["span"])
        ctx.update(found, {"span.last": 6, "n": Increment(1)})
        found.names = 5  # type: ignore[assignment]
        # What can't be stored isn't written either, so that the rest can't be checked.
        ctx.update(found, {"n": 7})
        assert 7 == ctx.get(Doc, "a").n
        ctx.update(found, {"parts.k": DELETE_FIELD})


def test_an_instance_with_transforms_is_checked_in_its_other_parts() -> None:
    class Doc(Model, collection="docs"):
        n: Field[int]
        span: Field[Span] = field(default_factory=lambda: Span(first=1, last=2))
        chain: Field[Chain | None] = field(default=None)
        small: Field[Annotated[int, at.Lt(9)]] = field(default=0)

        def __validate__(self) -> None:
            raise ValueError("its values are not all known")

    increment: Any = Increment(1)
    unlucky = Chain()
    unlucky.n = 13
    with Cendry(backend=MemoryBackend()) as ctx:
        for wrong, path, code in (
            ({"span": Span(first=2, last=1)}, "span", "rule"),
            ({"small": 9}, "small", "lt"),
            ({"chain": unlucky}, "chain", "value"),
        ):
            with pytest.raises(ValidationError) as caught:
                ctx.save(Doc(n=increment, **wrong))
            assert [(path, code)] == [(problem.path, problem.code) for problem in caught.value.problems]
        ctx.save(Doc(id="a", n=increment, chain=Chain()))
        # The rule of a part with a transform inside is not asked either.
        ctx.save(Doc(id="b", n=1, span=Span(first=5, last=increment)))
        assert (1, 1) == (ctx.get(Doc, "a").n, ctx.get(Doc, "b").span.last)


def test_defaults_are_checked_on_write_too() -> None:
    model = one_field(Annotated[int, at.Gt(0)], default=0)
    assert 0 == from_dict(model, {}).x == codec_for(model).decode({}).x
    with Cendry(backend=MemoryBackend()) as ctx, pytest.raises(ValidationError):
        ctx.save(model())


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (Annotated[str, at.MaxLen(100)], "x" * 101, "xxx... (length 101)"),
        (Annotated[bytes, at.MaxLen(100)], b"x" * 101, "xxx... (length 101)"),
        (Annotated[list[int], at.MinLen(99)], [1] * 98, "1, 1... (length 98)"),
        (Annotated[str, at.MaxLen(2)], "abc", "found str 'abc'"),
        (Annotated[str, at.MaxLen(2)], "a...", "found str 'a...'"),
        (Annotated[str, at.Predicate(str.isdigit)], "x" * 101, "xxx..."),
    ],
)
def test_the_length_of_what_is_shown_in_part_is_told(kind: Any, value: Any, found: str) -> None:
    model = one_field(kind)
    [field] = model.__cendry_fields__
    with pytest.raises(ValidationError) as caught:
        from_dict(model, {field: value})
    assert str(caught.value).removesuffix(".").endswith(found)
    with pytest.raises(InvalidValueError) as invalid:
        Cendry(backend=MemoryBackend()).save(model(**{field: value}, id="a"))
    assert found in str(invalid.value)


def test_the_length_of_a_hidden_value_is_hidden() -> None:
    class Login(Model, collection="logins"):
        password: Field[Annotated[str, at.MaxLen(100)]] = field(repr=False)

    with pytest.raises(ValidationError) as caught:
        from_dict(Login, {"password": "x" * 101})
    assert "101" not in str(caught.value)
