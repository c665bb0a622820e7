"""Several classes in one place: unions of maps and other classes that a `Literal` tells apart."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar, Union

import attrs
import msgspec
import pydantic
import pytest
from annotated_types import Ge, Predicate
from cendry._model.definition import resolve
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model
from cendry.codec import codec_for
from cendry.convert import from_dict, to_dict, validate
from cendry.errors import DecodeError, ValidationError
from making import make_map, make_model, one_field
from typing_extensions import NotRequired, TypedDict

T = TypeVar("T")
Tag = NewType("Tag", str)


class Kind(enum.Enum):
    CARD = "card"
    BANK = "bank"


class Card(Map):
    kind: Field[Literal["card"]] = field(default="card", alias="type")
    number: Field[str]


class Bank(Map):
    kind: Field[Literal["bank", "giro"]] = field(default="bank", alias="type")
    iban: Field[str] = field(alias="i b a n")


class Order(Model, collection="orders"):
    payment: Field[Card | Bank | None] = field(default=None)
    parts: Field[list[Card | Bank]] = field(default_factory=list)
    by_name: Field[dict[str, Bank | Card | None]] = field(default_factory=dict)
    mixed: Field[int | Card | str | Bank] = field(default=0)


CARD = Card(number="4711")
BANK = Bank(iban="DE1")
ORDER = Order(payment=CARD, parts=[BANK, CARD], by_name={"a": BANK, "b": None}, mixed=Bank(kind="giro", iban="DE2"))
STORED = {
    "payment": {"type": "card", "number": "4711"},
    "parts": [{"type": "bank", "i b a n": "DE1"}, {"type": "card", "number": "4711"}],
    "by_name": {"a": {"type": "bank", "i b a n": "DE1"}, "b": None},
    "mixed": {"type": "giro", "i b a n": "DE2"},
}


def compiled_only(model: Any) -> Any:
    """The codec of a model whose fallback to the interpreting reader and writer fails."""
    codec: Any = codec_for(model)

    def explain(*_: object) -> Any:
        raise AssertionError

    codec.__dict__.pop("decode", None)
    codec.explain_decode = codec.explain_encode = explain
    return codec


def test_each_class_is_stored_with_its_tag_and_read_by_it() -> None:
    codec = codec_for(Order)
    assert STORED == codec.encode(ORDER)
    assert ORDER == codec.decode(STORED)
    assert 7 == codec.decode({"mixed": 7}).mixed


def test_a_union_is_compiled() -> None:
    class Fresh(Order, collection="fresh"):
        pass

    codec = compiled_only(Fresh)
    fresh = Fresh(payment=CARD, parts=[BANK, CARD], by_name={"a": BANK, "b": None}, mixed=CARD)
    assert fresh == codec.decode(codec.encode(fresh))


def test_python_names_are_read_and_written_by_from_dict_and_to_dict() -> None:
    data = to_dict(ORDER)
    assert {"kind": "card", "number": "4711"} == data["payment"]
    assert ORDER == from_dict(Order, data)
    assert ORDER == from_dict(Order, STORED, by_alias=True)
    assert ORDER == from_dict(Order, {**data, "payment": CARD, "parts": [BANK, data["payment"]]})


@pytest.mark.parametrize(
    ("data", "path", "found", "code"),
    [
        ({"payment": {"kind": "cash"}}, "payment.kind", "str 'cash'", "tag"),
        ({"payment": {"number": "1"}}, "payment.kind", "nothing", "missing"),
        ({"parts": [{"kind": 1}]}, "parts[0].kind", "int 1", "tag"),
        ({"by_name": {"x": {"kind": []}}}, "by_name.x.kind", "list []", "tag"),
        ({"mixed": {"kind": None}}, "mixed.kind", "NoneType None", "tag"),
    ],
)
def test_an_unknown_tag_is_a_problem_with_its_path_and_the_known_ones(
    data: dict[str, Any], path: str, found: str, code: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        from_dict(Order, data)
    [problem] = validate(Order, data)
    assert (problem,) == tuple(caught.value.problems)
    found = found.replace("NoneType None", "None")
    assert (path, found, code) == (problem.path, problem.found, problem.code)
    assert {"'card' (Card)", "'bank' (Bank)", "'giro' (Bank)"} == set(problem.expected.split(" or "))


def test_an_unknown_tag_in_a_stored_document_names_document_field_and_tags() -> None:
    with pytest.raises(DecodeError) as caught:
        codec_for(Order).decode({"payment": {"type": "cash"}}, "7", "orders/7")
    message = (
        "Document 'orders/7' doesn't fit Order: payment.kind: "
        "expected 'card' (Card) or 'bank' (Bank) or 'giro' (Bank), found str 'cash'."
    )
    assert message == str(caught.value)


def test_what_is_not_a_map_is_none_of_the_classes() -> None:
    [problem] = validate(Order, {"payment": 5})
    assert ("payment", "Card or Bank", "int 5", "value") == (
        problem.path,
        problem.expected,
        problem.found,
        problem.code,
    )
    with pytest.raises(DecodeError, match="payment: expected Card or Bank, found int 5"):
        codec_for(Order).decode({"payment": 5})


def test_what_is_wrong_in_a_member_is_told_with_its_path() -> None:
    [problem] = validate(Order, {"payment": {"kind": "card", "number": 5}})
    assert ("payment.number", "value") == (problem.path, problem.code)
    [problem] = validate(Order, {"payment": {"kind": "card", "number": "1", "iban": "x"}})
    assert ("payment.iban", "unknown") == (problem.path, problem.code)


class Subcard(Card):
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Subcard(number="1"), "payment: expected Card, found .*a subclass, whose own fields would be lost"),
        (Card(kind="bank", number="1"), "payment.kind: expected 'card', found str 'bank'"),  # type: ignore[arg-type]
        (5, "payment: expected Card or Bank, found int 5"),
    ],
)
def test_an_instance_of_no_member_is_refused_on_write(value: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        codec_for(Order).encode(Order(payment=value))
    if not isinstance(value, int):
        with pytest.raises(ValidationError, match=text):
            from_dict(Order, {"payment": value})


class Node(Map):
    kind: Field[Literal["node"]] = field(default="node")
    children: Field[list[Node | Leaf]] = field(default_factory=list)


class Leaf(Map):
    kind: Field[Literal["leaf"]] = field(default="leaf")
    value: Field[int | Node | Leaf]


class Tree(Model, collection="trees"):
    root: Field[Node | Leaf]


def test_classes_that_contain_each_other() -> None:
    tree = Tree(root=Node(children=[Leaf(value=1), Node(children=[Leaf(value=Leaf(value=2))])]))
    codec = codec_for(Tree)
    assert tree == codec.decode(codec.encode(tree)) == from_dict(Tree, to_dict(tree))


class Box(Map, Generic[T]):
    kind: Field[T]
    size: Field[int] = field(default=1)


class Crate(Map, Generic[T]):
    kind: Field[Literal["crate"]] = field(default="crate")
    content: Field[T]


def test_generic_maps_are_told_apart_by_their_arguments() -> None:
    union = Union[Box[Literal["small"]], Box[Literal["large"]], Crate[Decimal]]
    Doc = one_field(union)
    codec = compiled_only(Doc)
    for value in (Box(kind="small"), Box(kind="large", size=5), Crate(content=Decimal("1.50"))):
        assert Doc(x=value) == codec.decode(codec.encode(Doc(x=value)))
    Doc = one_field(union)
    with pytest.raises(ValidationError, match="x.kind: expected 'small', found str 'other'"):
        codec_for(Doc).encode(Doc(x=Box(kind="other")))


@dataclass
class Data:
    kind: Literal["data"]
    n: int = 0


class Typed(TypedDict):
    kind: Literal["typed"]
    n: NotRequired[int]


class Other(TypedDict):
    kind: Literal["other", 3]
    n: int


class Pydantic(pydantic.BaseModel):
    kind: Literal["pydantic"] = "pydantic"
    n: int = pydantic.Field(default=0, ge=0)


@attrs.define
class Attrs:
    kind: Literal["attrs"]
    n: int = 0


class Struct(msgspec.Struct, tag_field="kind", tag="struct"):
    n: int = 0


class Plain(msgspec.Struct):
    kind: Literal["plain"]
    n: int = 0


class OurMap(Map):
    kind: Field[Literal["map"]]
    n: Field[int] = field(default=0)


MEMBERS: list[tuple[Any, Any]] = [
    (Data, Data("data", 1)),
    (Typed, {"kind": "typed", "n": 2}),
    (Other, {"kind": 3, "n": 3}),
    (Pydantic, Pydantic(n=4)),
    (Attrs, Attrs("attrs", 5)),
    (Struct, Struct(6)),
    (Plain, Plain("plain", 7)),
    (OurMap, OurMap(kind="map", n=8)),
]
EVERY: Any = Union[tuple(member for member, _ in MEMBERS)]


@pytest.mark.parametrize("value", [value for _, value in MEMBERS], ids=lambda value: type(value).__name__)
def test_classes_of_every_kind_can_be_joined(value: Any) -> None:
    Doc = one_field(EVERY)
    codec = compiled_only(Doc)
    assert Doc(x=value) == codec.decode(codec.encode(Doc(x=value)))
    Doc = one_field(list[EVERY])
    assert Doc(x=[value, value]) == from_dict(Doc, to_dict(Doc(x=[value, value])))
    assert Doc(x=[value]) == from_dict(Doc, {"x": [value]})


DICT_TAGS = r"'typed' \(Typed\) or 'other' \(Other\) or 3 \(Other\)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"n": 2}, f"x.kind: expected {DICT_TAGS}, found nothing"),
        ({"kind": "unknown"}, f"x.kind: expected {DICT_TAGS}, found str 'unknown'"),
        ({"kind": "data"}, "x: expected Data, found dict {'kind': 'data'}"),
        ({"kind": True, "n": 2}, f"x.kind: expected {DICT_TAGS}, found bool True"),
    ],
)
def test_a_dict_is_told_by_its_tag_on_write(value: Any, text: str) -> None:
    Doc = one_field(EVERY)
    with pytest.raises(ValidationError, match=text):
        codec_for(Doc).encode(Doc(x=value))


def test_many_tags_are_cut_in_messages() -> None:
    members = tuple(make_map({"kind": Literal[f"k{number}"]}, f"M{number}") for number in range(12))
    [problem] = validate(one_field(Union[members]), {"x": {"kind": "k99"}})
    assert "'k7' (M7), ..." in problem.expected
    assert "k8" not in problem.expected


@pytest.mark.parametrize(
    "tags",
    [
        (1, 2),
        (True, False),
        (1, True, "1", b"1"),
        (Kind.CARD, Kind.BANK),
        (Kind.CARD, "bank", 5),
    ],
    ids=str,
)
def test_tags_of_every_type(tags: tuple[Any, ...]) -> None:
    members = tuple(make_map({"kind": Literal[tag]}, f"M{index}") for index, tag in enumerate(tags))
    Doc = one_field(Union[members])
    codec = compiled_only(Doc)
    for member, tag in zip(members, tags, strict=True):
        found = codec.decode(codec.encode(Doc(x=member(kind=tag)))).x
        assert type(found) is member
        assert (type(tag), tag) == (type(found.kind), found.kind)
        assert found == from_dict(Doc, {"x": {"kind": tag}}).x
        assert found == from_dict(Doc, to_dict(Doc(x=found))).x


def test_a_str_that_is_an_enum_member_is_its_text_as_a_tag() -> None:
    class Name(str, enum.Enum):
        CARD = "card"

    assert CARD == from_dict(Order, {"payment": {"kind": Name.CARD, "number": "4711"}}).payment


def test_a_tag_may_be_written_in_any_form() -> None:
    first = make_map({"kind": Annotated[Literal["a"], "note"]}, "First")
    second = make_map({"kind": Union[Literal["b"], Literal["c"]]}, "Second")
    third = make_map({"kind": NewType("Third", Literal["d"])}, "Third")
    Doc = one_field(Union[first, second, third])
    for member, tag in ((first, "a"), (second, "c"), (third, "d")):
        assert type(from_dict(Doc, {"x": {"kind": tag}}).x) is member


def test_the_first_field_that_discriminates_is_the_tag() -> None:
    first = make_map({"version": Literal[1], "kind": Literal["a"], "form": Literal["x"]}, "First")
    second = make_map({"form": Literal["y"], "version": Literal[1], "kind": Literal["b"]}, "Second")
    [problem] = validate(one_field(Union[first, second]), {"x": {}})
    assert "x.kind" == problem.path
    # Where pydantic's Field names one, it is that one.
    union: Any = Union[first, second]
    chosen: Any = Annotated[union, pydantic.Field(discriminator="form")]
    [problem] = validate(one_field(chosen), {"x": {}})
    assert "x.form" == problem.path
    with pytest.raises(TypeError, match="First.version and Second.version both have 1"):
        one_field(Annotated[union, pydantic.Field(discriminator="version")])
    with pytest.raises(TypeError, match="discriminator='other' is not a field of First and Second"):
        one_field(Annotated[union, pydantic.Field(discriminator="other")])


def test_a_pydantic_class_can_hold_a_union_too() -> None:
    class Owner(pydantic.BaseModel):
        pet: Union[Pydantic, Data] = pydantic.Field(discriminator="kind")

    Doc = one_field(Owner)
    codec = codec_for(Doc)
    for pet in (Pydantic(n=3), Data("data", 4)):
        assert Doc(x=Owner(pet=pet)) == codec.decode(codec.encode(Doc(x=Owner(pet=pet))))


# Definitions


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            [{"a": str}, {"b": str}],
            "M0 or M1 needs a field that tells the classes apart: declare one as a Literal with different values in "
            "each, as in kind: Literal['m0']",
        ),
        ([{"kind": Literal["a"]}, {"other": Literal["b"]}], "needs a field that tells the classes apart"),
        ([{"kind": Literal["a", "b"]}, {"kind": Literal["b"]}], "M0.kind and M1.kind both have 'b'"),
        (
            [{"kind": Literal["a"]}, {"kind": str}],
            "M1.kind is not a Literal, so it can't tell the classes apart: M0 or M1 needs a field that is a Literal",
        ),
        ([{"kind": str}, {"kind": str}], "M0.kind and M1.kind are not Literals"),
        ([{"kind": Literal["a", None]}, {"kind": Literal["b"]}], "M0.kind is not a Literal"),
        ([{"kind": Literal["card"]}, {"kind": Literal[Kind.CARD]}], "M0.kind and M1.kind both have 'card'"),
        (
            [{"kind": (Literal["a"], field(alias="x"))}, {"kind": Literal["b"]}],
            "'kind', which tells M0 and M1 apart, is stored as 'x' in M0 and as 'kind' in M1: use one alias",
        ),
        ([{"n": int, "kind": Literal["a"]}, {"n": int, "kind": Literal["a"]}], "M0.kind and M1.kind both have 'a'"),
    ],
)
def test_a_union_that_is_not_told_apart_is_refused_at_definition(members: list[dict[str, Any]], text: str) -> None:
    union: Any = Union[tuple(make_map(each, f"M{index}") for index, each in enumerate(members))]
    for annotation in (union, Union[union, None], list[union], dict[str, union], Union[union, int]):
        with pytest.raises(TypeError) as caught:
            make_model({"payment": annotation})
        assert str(caught.value).startswith("Doc.payment: ")
        assert text in str(caught.value)


def test_a_name_that_is_not_there_yet_is_checked_when_it_is_resolved() -> None:
    class Later(Model, collection="later"):
        x: Field[Card | Missing]

    class Missing(Map):
        kind: Field[Literal["card"]] = field(alias="type")

    with pytest.raises(TypeError, match="Card.kind and .*Missing.kind both have 'card'"):
        resolve(Later)


# Rules


def test_rules_of_members_hold_on_write_and_not_on_reading() -> None:
    class Small(Map):
        kind: Field[Literal["small"]] = field(default="small")
        n: Field[Annotated[int, Ge(1)]]

    class Large(Map):
        kind: Field[Literal["large"]] = field(default="large")
        n: Field[int]

        def __validate__(self) -> None:
            if self.n < 100:
                raise ValueError("too small")

    class Doc(Model, collection="docs"):
        x: Field[Small | Large]

    codec = codec_for(Doc)
    with pytest.raises(ValidationError) as caught:
        codec.encode(Doc(x=Small(n=0)))
    assert "ge" == caught.value.code
    with pytest.raises(ValidationError) as caught:
        codec.encode(Doc(x=Large(n=0)))
    assert "rule" == caught.value.code
    assert ["ge"] == [each.code for each in validate(Doc, {"x": {"kind": "small", "n": 0}})]
    assert ["rule"] == [each.code for each in validate(Doc, {"x": {"kind": "large", "n": 0}})]
    assert 0 == codec.decode({"x": {"kind": "large", "n": 0}}).x.n


def test_rules_on_a_member_and_on_the_union() -> None:
    def is_even(value: Any) -> bool:
        return bool(value.n % 2 == 0)

    def is_small(value: Any) -> bool:
        return bool(value.n < 10)

    even: Any = Predicate(is_even)
    small: Any = Predicate(is_small)
    Doc = one_field(Annotated[Union[Annotated[Data, even], OurMap], small])
    Nested = one_field(Union[Annotated[Union[Annotated[Data, even], OurMap], small], Pydantic])
    for model in (Doc, Nested):
        codec = codec_for(model)
        for good in (Data("data", 2), OurMap(kind="map", n=3)):
            instance = model(x=good)
            assert instance == codec.decode(codec.encode(instance)) == from_dict(model, to_dict(instance))
        for bad in (Data("data", 3), Data("data", 12), OurMap(kind="map", n=10)):
            with pytest.raises(ValidationError, match="accepted by"):
                codec.encode(model(x=bad))
            with pytest.raises(ValidationError, match="accepted by"):
                from_dict(model, {"x": {"kind": bad.kind, "n": bad.n}})
    with pytest.raises(TypeError, match="ge=1 can't be applied to Data"):
        one_field(Annotated[Union[Data, OurMap], Ge(1)])


def test_a_hidden_tag_is_not_shown() -> None:
    secret = make_map({"kind": (Literal["a"], field(repr=False))}, "Secret")
    public = make_map({"kind": Literal["b"]}, "Public")
    [problem] = validate(one_field(Union[secret, public]), {"x": {"kind": "hunter2"}})
    assert "hunter2" not in str(problem)


def test_none_of_a_member_is_stored_as_absence_where_its_class_says_so() -> None:
    class Sparse(Map, omit_none=True):
        kind: Field[Literal["sparse"]] = field(default="sparse")
        note: Field[str | None] = field(default=None)

    class Doc(Model, collection="docs"):
        x: Field[Sparse | Card2]

    class Card2(Map):
        kind: Field[Literal["card"]] = field(default="card")
        note: Field[str | None] = field(default=None)

    codec = codec_for(Doc)
    assert {"x": {"kind": "sparse"}} == codec.encode(Doc(x=Sparse()))
    assert {"x": {"kind": "card", "note": None}} == codec.encode(Doc(x=Card2()))
    assert Doc(x=Sparse()) == codec.decode({"x": {"kind": "sparse"}})


def test_members_of_a_set_must_be_hashable() -> None:
    with pytest.raises(TypeError, match="not hashable"):
        one_field(set[Union[Card, Bank]])


def test_frozen_members_in_sets_and_tuples() -> None:
    small = make_map({"kind": Literal["small"], "n": int}, "Small", frozen=True)
    large = make_map({"kind": Literal["large"], "n": int}, "Large", frozen=True)
    union: Any = Union[small, large]
    Doc = make_model({"some": set[union], "pair": tuple[union, int]})
    doc = Doc(some={small(kind="small", n=1), large(kind="large", n=1)}, pair=(large(kind="large", n=2), 3))
    codec = codec_for(Doc)
    assert doc == codec.decode(codec.encode(doc)) == from_dict(Doc, to_dict(doc))
