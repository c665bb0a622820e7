"""Registered types: the four call forms, precedence, and that every way in and out obeys them."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Generic, NewType, Optional, TypeVar, Union

import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry._types.hints import shape_of
from cendry._types.registry import BaseTypeHandler, TypeRegistry, default_registry, register_type
from cendry._types.shapes import AsIs, Handled
from cendry.codec import codec_for
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import DecodeError, InvalidValueError, ValidationError
from making import make_map, one_field

T = TypeVar("T")


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)


# A model can only be defined with types that the default registry knows; how they are stored is up to the others.
register_type(Money)


class MoneyHandler(BaseTypeHandler[Money]):
    def serialize(self, value: Money) -> Any:
        return value.cents

    def deserialize(self, value: Any) -> Money:
        return Money(value)


class Base:
    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> Base:
        return cls(text)

    def __str__(self) -> str:
        return self.text


class Sub(Base):
    pass


class Box(Generic[T]):
    pass


register_type(Sub)
register_type(Box)


UserId = NewType("UserId", str)


def check(registry: TypeRegistry, annotation: Any, python: Any, stored: Any) -> None:
    model = one_field(annotation)
    codec = codec_for(model, registry)
    assert {"x": stored} == codec.encode(model(x=python))
    assert stored == codec.encode_field("x", python)
    assert python == codec.decode({"x": stored}).x
    assert python == codec.resolve(("x",)).decode(stored)
    assert {"x": stored} == to_dict(model(x=python), registry=registry)
    assert python == from_dict(model, {"x": stored}, registry=registry).x
    assert python == from_dict(model, {"x": python}, registry=registry).x
    assert [] == validate(model, {"x": stored}, registry=registry)


def registry_with(*given: Any, **how: Any) -> TypeRegistry:
    registry = TypeRegistry()
    registry.register(*given, **how)
    return registry


def test_a_pair_of_functions() -> None:
    registry = registry_with(Money, serialize=lambda money: money.cents, deserialize=Money)
    check(registry, Money, Money(5), 5)
    check(registry, Optional[Money], None, None)
    check(registry, list[Money], [Money(5)], [5])
    check(registry, dict[str, set[Money]], {"a": {Money(5)}}, {"a": [5]})
    check(registry, tuple[Money, int], (Money(5), 1), [5, 1])


@pytest.mark.parametrize("handler", [MoneyHandler, MoneyHandler()])
def test_a_handler_class_or_instance(handler: Any) -> None:
    check(registry_with(Money, handler=handler), Money, Money(5), 5)


def test_a_handler_overrides_what_differs() -> None:
    class Upper(BaseTypeHandler[str]):
        def serialize(self, value: str) -> Any:
            return value.upper()

    registry = registry_with(str, handler=Upper)
    model = one_field(str)
    assert {"x": "AB"} == codec_for(model, registry).encode(model(x="ab"))
    assert "AB" == codec_for(model, registry).decode({"x": "AB"}).x

    class Twice(BaseTypeHandler[int]):
        def deserialize(self, value: Any) -> int:
            return int(value) * 2

    registry = registry_with(int, handler=Twice)
    model = one_field(int)
    assert {"x": 3} == codec_for(model, registry).encode(model(x=3))
    assert 6 == codec_for(model, registry).decode({"x": 3}).x


def test_a_predicate_that_takes_the_class() -> None:
    registry = registry_with(
        lambda cls: issubclass(cls, Base), serialize=str, deserialize=lambda cls, value: cls.parse(value)
    )
    model = one_field(Sub)
    instance = codec_for(model, registry).decode({"x": "a"})
    assert type(instance.x) is Sub
    assert {"x": "a"} == codec_for(model, registry).encode(instance)


def test_a_predicate_with_a_function_of_the_value() -> None:
    registry = registry_with(lambda cls: cls is Money, serialize=lambda money: money.cents, deserialize=Money)
    check(registry, Money, Money(5), 5)
    registry = registry_with(lambda cls: cls is Decimal, serialize=int, deserialize=Decimal)
    check(registry, Decimal, Decimal(5), 5)
    # Signatures that Python can't tell are those of one argument.
    registry = registry_with(lambda cls: cls is int, deserialize=int)
    check(registry, int, 5, 5)


def test_a_predicate_with_a_handler() -> None:
    check(registry_with(lambda cls: cls is Money, handler=MoneyHandler), Money, Money(5), 5)


def test_a_type_alone_is_taken_as_it_is() -> None:
    registry = registry_with(Money)
    assert AsIs(Money) == shape_of(Money, registry)
    check(registry, Money, Money(5), Money(5))
    model = one_field(Money)
    with pytest.raises(InvalidValueError, match="x: expected Money, found int 5"):
        codec_for(model, registry).encode(model(x=5))
    with pytest.raises(ValidationError, match="x: expected Money, found int 5"):
        from_dict(model, {"x": 5}, registry=registry)
    check(registry_with(UserId), UserId, "a", "a")


def test_new_types_and_generics_are_types() -> None:
    registry = registry_with(UserId, serialize=str.upper, deserialize=str.lower)
    check(registry, UserId, "ab", "AB")
    check(registry, list[UserId], ["ab"], ["AB"])
    check(registry_with(Box[int], serialize=lambda box: 1, deserialize=lambda value: 1), Box[int], 1, 1)
    assert isinstance(shape_of(Box[int], registry_with(Box)), AsIs)
    # Not hashable, so nobody can have registered it.
    assert shape_of(Optional[int], registry) == shape_of(Optional[int])


def test_built_in_types_can_be_overridden_for_a_context() -> None:
    registry = registry_with(str, serialize=str.upper, deserialize=str.lower)
    model = one_field(str)
    codec = codec_for(model, registry)
    assert {"x": "AB"} == codec.encode(model(x="ab"))
    assert "ab" == codec.decode({"x": "AB"}).x
    assert "AB" == codec.resolve(("x",)).encode("ab")
    assert "ab" == from_dict(model, {"x": "AB"}, registry=registry).x
    assert {"x": "ab"} == codec_for(model).encode(model(x="ab"))

    iso = registry_with(datetime, serialize=datetime.isoformat, deserialize=datetime.fromisoformat)
    check(iso, datetime, datetime(2024, 1, 1, tzinfo=timezone.utc), "2024-01-01T00:00:00+00:00")


def test_maps_use_the_registry_of_the_context() -> None:
    inner = make_map({"price": Decimal})
    registry = registry_with(Decimal, serialize=float, deserialize=lambda value: Decimal(str(value)))
    check(registry, inner, inner(price=Decimal("1.5")), {"price": 1.5})
    check(default_registry, inner, inner(price=Decimal("1.5")), {"price": "1.5"})


def test_exact_types_win_over_predicates_and_later_ones_over_earlier() -> None:
    registry = TypeRegistry()
    registry.register(lambda cls: cls is Money, deserialize=lambda value: "first")
    registry.register(lambda cls: cls is Money, deserialize=lambda value: "second")
    registry.register(lambda cls: cls is Base, deserialize=lambda value: "other")
    model = one_field(Money)
    assert "second" == codec_for(model, registry).decode({"x": 1}).x
    registry.register(Money, deserialize=lambda value: "exact")
    assert "exact" == codec_for(model, registry).decode({"x": 1}).x
    registry.register(Money, deserialize=lambda value: "later")
    assert "later" == codec_for(model, registry).decode({"x": 1}).x


def test_a_registration_makes_compiled_codecs_stale() -> None:
    parent = TypeRegistry()
    registry = TypeRegistry(parent=parent)
    model = one_field(Decimal)
    before = codec_for(model, registry)
    assert before is codec_for(model, registry)
    parent.register(Decimal, serialize=float, deserialize=Decimal)
    assert before is not codec_for(model, registry)
    assert {"x": 1.5} == codec_for(model, registry).encode(model(x=Decimal("1.5")))
    registry.register(Decimal, serialize=str, deserialize=Decimal)
    assert {"x": "1.5"} == codec_for(model, registry).encode(model(x=Decimal("1.5")))


def test_register_type_is_that_of_the_default_registry() -> None:
    class Temperature(float):
        pass

    with pytest.raises(TypeError, match="Firestore can't hold"):
        shape_of(Temperature)
    register_type(Temperature, serialize=float, deserialize=Temperature)
    assert isinstance(shape_of(Temperature), Handled)
    assert isinstance(shape_of(Temperature, TypeRegistry()), Handled)
    assert isinstance(shape_of(Temperature, TypeRegistry(parent=TypeRegistry())), Handled)


@pytest.mark.parametrize(
    ("target", "how", "message"),
    [
        (3, {}, "register_type takes a type or a predicate, not 3"),
        (Money, {"serialize": 3}, "serialize= takes a function, not 3"),
        (Money, {"deserialize": "x"}, "deserialize= takes a function, not 'x'"),
        (Money, {"handler": 3}, "handler= takes a BaseTypeHandler subclass or an instance of one, not 3"),
        (Money, {"handler": Money}, "handler= takes a BaseTypeHandler subclass"),
        (Money, {"serialize": str}, "Money is registered with serialize= alone: documents would be read as stored val"),
        (lambda cls: True, {"serialize": str}, "<lambda> is registered with serialize= alone"),
        (Optional[int], {"serialize": str}, "int | None is registered with serialize= alone"),
        (Money, {"handler": MoneyHandler, "serialize": str}, "either handler= or serialize= and deserialize="),
    ],
)
def test_what_does_not_go_together_is_refused(target: Any, how: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        TypeRegistry().register(target, **how)
    assert message in str(caught.value)


def test_what_a_handler_makes_is_checked() -> None:
    model = one_field(Money)
    registry = registry_with(Money, serialize=lambda money: {"__cents__": money.cents}, deserialize=Money)
    with pytest.raises(InvalidValueError, match=r"x: expected keys that Firestore can hold, found str '__cents__'"):
        codec_for(model, registry).encode(model(x=Money(5)))
    registry = registry_with(Money, serialize=lambda money: [money.cents], deserialize=Money)
    in_list = one_field(list[Money])
    assert {"x": [5]} == codec_for(model, registry).encode(model(x=Money(5)))
    with pytest.raises(InvalidValueError, match=r"x\[0\]: expected no array directly in an array"):
        codec_for(in_list, registry).encode(in_list(x=[Money(5)]))


def test_errors_of_a_handler_name_the_field_and_keep_the_cause() -> None:
    def fail(value: Any) -> Any:
        raise ZeroDivisionError("oh")

    registry = registry_with(Money, serialize=fail, deserialize=fail)
    model = one_field(dict[str, Money])
    with pytest.raises(
        InvalidValueError, match=r"x\.a: expected Money, found Money .*\(ZeroDivisionError: oh\)"
    ) as wrong:
        codec_for(model, registry).encode(model(x={"a": Money(5)}))
    assert isinstance(wrong.value.__cause__, ZeroDivisionError)
    with pytest.raises(DecodeError, match=r"x\.a: expected Money, found int 5 \(ZeroDivisionError: oh\)") as unread:
        codec_for(model, registry).decode({"x": {"a": 5}}, "i", "docs/i")
    assert isinstance(unread.value.__cause__, ZeroDivisionError)
    with pytest.raises(ValidationError, match="ZeroDivisionError"):
        from_dict(model, {"x": {"a": 5}}, registry=registry)
    with pytest.raises(InvalidValueError, match=r"x\.a: expected Money, found int 5\."):
        codec_for(model, registry).encode(model(x={"a": 5}))
    with pytest.raises(ValidationError, match="lone surrogate"):
        from_dict(model, {"x": {"a": "\ud800"}}, registry=registry)


def test_a_handler_that_fails_once_is_asked_again() -> None:
    failures = [ValueError(), None, ValueError(), None, ValueError(), None, ValueError(), None]

    def sometimes(value: Any) -> Any:
        if failures.pop(0):
            raise ValueError
        return value

    model = one_field(int)
    codec = codec_for(model, registry_with(int, serialize=sometimes, deserialize=sometimes))
    assert {"x": 5} == codec.encode(model(x=5))
    assert 5 == codec.decode({"x": 5}).x
    assert 5 == codec.resolve(("x",)).encode(5)
    assert 5 == codec.resolve(("x",)).decode(5)


def test_a_union_with_a_handler_has_no_clear_reading() -> None:
    registry = registry_with(Money, handler=MoneyHandler)
    with pytest.raises(TypeError, match="one of its members can be stored as anything"):
        shape_of(Union[Money, int], registry)
    assert shape_of(Optional[Money], registry)  # type: ignore[truthy-bool]


def test_python_values_that_could_be_stored_ones_are_tried_as_such_first() -> None:
    def parse(value: Any) -> Any:
        return datetime.fromisoformat(value)

    registry = registry_with(datetime, serialize=datetime.isoformat, deserialize=parse)
    moment = datetime(2024, 1, 1, tzinfo=timezone.utc)
    model = one_field(datetime)
    assert moment == from_dict(model, {"x": moment}, registry=registry).x
    assert moment == from_dict(model, {"x": moment.isoformat()}, registry=registry).x


# Registries of classes


class Length:
    """A type that the default registry doesn't know."""

    def __init__(self, millimetres: int) -> None:
        self.millimetres = millimetres

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Length) and other.millimetres == self.millimetres

    def __hash__(self) -> int:
        return hash(self.millimetres)


@dataclasses.dataclass
class Span:
    low: Length
    high: Length


def to_text(length: Length) -> str:
    return f"{length.millimetres} mm"


def of_text(stored: str) -> Length:
    return Length(int(stored.removesuffix(" mm")))


TEXTS = registry_with(Length, serialize=to_text, deserialize=of_text)
NUMBERS = registry_with(Length, serialize=lambda length: length.millimetres, deserialize=Length)


class Board(Map, type_registry=TEXTS):
    width: Field[Length]
    span: Field[Span | None] = field(default=None)


class Desk(Model, collection="desks", type_registry=NUMBERS):
    height: Field[Length]
    board: Field[Board | None] = field(default=None)
    spans: Field[list[Span]] = field(default_factory=list)


class Room(Model, collection="rooms"):
    board: Field[Board]


SPAN = Span(Length(1), Length(2))
DESK = Desk(id="a", height=Length(700), board=Board(width=Length(20), span=SPAN), spans=[SPAN])
STORED_DESK = {
    "height": 700,
    "board": {"width": "20 mm", "span": {"low": "1 mm", "high": "2 mm"}},
    "spans": [{"low": 1, "high": 2}],
}


def test_the_registry_of_a_class_holds_for_its_own_fields() -> None:
    with pytest.raises(TypeError, match="Firestore can't hold Length; use register_type.. or type_registry="):
        shape_of(Length)
    codec = codec_for(Desk)
    assert STORED_DESK == codec.encode(DESK) == to_dict(DESK)
    assert DESK == codec.decode(STORED_DESK, "a") == from_dict(Desk, STORED_DESK, doc_id="a")
    assert [] == validate(Desk, STORED_DESK)
    assert 5 == codec.resolve(("height",)).encode(Length(5))
    assert "5 mm" == codec.resolve(("board", "width")).encode(Length(5))
    assert "5 mm" == codec.resolve(("board", "span", "low")).encode(Length(5))
    assert "board.span" == Desk.board[Board.span].alias
    room = Room(id="r", board=Board(width=Length(3)))
    assert {"board": {"width": "3 mm", "span": None}} == codec_for(Room).encode(room)
    assert room == codec_for(Room).decode({"board": {"width": "3 mm"}}, "r")


def test_the_registry_of_a_context_wins_over_that_of_a_class() -> None:
    negative = registry_with(Length, serialize=lambda length: -length.millimetres, deserialize=lambda n: Length(-n))
    inner = TypeRegistry(parent=negative)
    span = {"low": -1, "high": -2}
    stored = {"height": -700, "board": {"width": -20, "span": span}, "spans": [span]}
    for registry in (negative, inner):
        assert stored == codec_for(Desk, registry).encode(DESK)
        assert DESK == codec_for(Desk, registry).decode(stored, "a")
    other = registry_with(Decimal, serialize=float, deserialize=Decimal)
    assert STORED_DESK == codec_for(Desk, other).encode(DESK)


def test_the_registry_of_a_class_wins_over_the_default_one() -> None:
    class Bill(Model, collection="bills", type_registry=registry_with(Money, handler=MoneyHandler)):
        total: Field[Money]

    assert {"total": 5} == codec_for(Bill).encode(Bill(total=Money(5)))


def test_subclasses_inherit_the_registry_and_fields_keep_theirs() -> None:
    class Table(Desk, collection="tables"):
        depth: Field[Length] = field(default_factory=lambda: Length(1))

    class Bench(Desk, collection="benches", type_registry=TEXTS):
        depth: Field[Length] = field(default_factory=lambda: Length(1))

    assert {"height": 7, "board": None, "spans": [], "depth": 1} == to_dict(Table(height=Length(7)))
    assert {"height": 7, "board": None, "spans": [], "depth": "1 mm"} == to_dict(Bench(height=Length(7)))


def test_a_registration_in_the_registry_of_a_class_makes_codecs_stale() -> None:
    parent = TypeRegistry()
    parent.register(Length, serialize=to_text, deserialize=of_text)

    class Rod(Map, type_registry=TypeRegistry(parent=parent)):
        length: Field[Length]

    class Set(Model, collection="sets"):
        rod: Field[Rod]

    whole = Set(rod=Rod(length=Length(5)))
    assert {"rod": {"length": "5 mm"}} == to_dict(whole)
    parent.register(Length, serialize=lambda length: length.millimetres, deserialize=Length)
    assert {"rod": {"length": 5}} == to_dict(whole)


def test_a_registry_of_a_class_may_be_the_default_one() -> None:
    class Bill(Map, type_registry=default_registry):
        total: Field[Money]

    money = Money(5)
    assert money is codec_for(Bill).encode(Bill(total=money))["total"]


def test_what_is_no_registry_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bad: type_registry= takes a TypeRegistry, not \{\}"):

        class Bad(Map, type_registry={}):
            x: Field[int]


class Odd:
    """A predicate without a name."""

    def __call__(self, cls: Any) -> bool:
        raise LookupError(cls.__name__)


def test_a_predicate_that_raises_names_itself() -> None:
    with pytest.raises(TypeError, match=r"the predicate <.*Odd object.*> of .*, passed to register_type, raised"):
        shape_of(Length, registry_with(Odd(), deserialize=str))

    def is_shape(cls: Any) -> bool:
        return bool(cls.is_shape)

    registry = registry_with(is_shape, deserialize=str)
    message = (
        r"the predicate is_shape of .*test_types_registry, passed to register_type, raised AttributeError: .*is_shape' "
        "for Length; it has to accept any class"
    )
    with pytest.raises(TypeError, match=message):
        shape_of(Length, registry)
    with pytest.raises(TypeError, match=r"Bad\.x: the predicate is_shape of"):

        class Bad(Map, type_registry=registry):
            x: Field[Length]
