"""Fields below a union of classes: how they are named, compared, read and written."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, Union

import pydantic
import pytest
from annotated_types import Ge
from cendry import (
    DELETE_FIELD,
    And,
    Cendry,
    CendryError,
    DecodeError,
    Field,
    FieldPath,
    Increment,
    InvalidRequestError,
    InvalidValueError,
    Map,
    MemoryBackend,
    Model,
    Query,
    Ref,
    UnknownFieldError,
    ValidationError,
    field,
)
from cendry._types.shapes import MemberName
from cendry.codec import codec_for
from cendry.plan import Set
from making import make_map, one_field
from typing_extensions import TypedDict


class Address(Map):
    street: Field[str]
    zip: Field[str] = field(default="")


class Company(Model, collection="companies"):
    name: Field[str]


class Payment(Map):
    kind: Field[str]
    amount: Field[int] = field(default=1)


class Card(Payment):
    kind: Field[Literal["card"]] = field(default="card")
    number: Field[str]
    code: Field[int] = field(default=0)
    address: Field[Address | None] = field(default=None)
    issuer: Field[Ref[Company] | None] = field(default=None)
    secret: Field[str] = field(default="", repr=False)


class Bank(Payment):
    kind: Field[Literal["bank"]] = field(default="bank")
    number: Field[str] = field(alias="iban")
    code: Field[Optional[str]] = field(default=None)
    tags: Field[list[str]] = field(default_factory=list)


class Cash(Payment):
    kind: Field[Literal["cash"]] = field(default="cash")
    tags: Field[list[int]] = field(default_factory=list)


class Order(Model, collection="orders"):
    payment: Field[Card | Bank | Cash]
    second: Field[Card | Bank | None] = field(default=None)
    third: Field[Card | Bank] = field(default_factory=lambda: Card(number="default"))
    attributes: Field[dict[str, Card | Cash]] = field(default_factory=dict)


PAYMENT: Any = Order.payment
OF_CARD: Any = Order.payment[Card.code]
OF_BANK: Any = Order.payment[Bank.code]
NUMBER: Any = Order.payment[Card.number]


def test_a_field_of_one_class_is_the_same_by_every_name() -> None:
    assert Order.payment[Card.secret] is PAYMENT.secret is Order.payment["secret"]
    assert "Order.payment[Card.secret]" == repr(PAYMENT.secret)
    assert Order.payment[Payment.amount] is PAYMENT.amount
    assert "Order.payment['amount']" == repr(PAYMENT.amount)
    assert "payment.amount" == PAYMENT.amount.alias


def test_a_field_of_some_classes_says_of_which() -> None:
    of_card, of_bank = OF_CARD, OF_BANK
    assert of_card is Order.payment[Card.code]
    assert of_card is not of_bank
    assert ("Order.payment[Card.code]", "Order.payment[Bank.code]") == (repr(of_card), repr(of_bank))
    assert ("payment.code", "payment.code") == (of_card.field_name, of_bank.alias)
    assert "payment.number" == Order.payment[Card.number].alias
    assert "payment.iban" == Order.payment[Bank.number].alias
    assert of_bank is pickle.loads(pickle.dumps(of_bank)) is copy.deepcopy(of_bank)
    assert of_bank is eval(repr(of_bank), globals())
    assert (of_card == 1) != (of_bank == 1)
    deep = Order.payment[Card.address][Address.street]
    assert "Order.payment[Card.address][Address.street]" == repr(deep)
    assert deep is Order.payment[Card.address[Address.street]] is PAYMENT.address.street
    assert deep is pickle.loads(pickle.dumps(deep))


def test_queries_keep_what_class_a_field_is_of() -> None:
    query = Query(Order, And(OF_BANK == "x", NUMBER > "1"))
    assert query == pickle.loads(pickle.dumps(query))
    assert query == eval(repr(query), globals())
    other = Query(Order, And(OF_CARD == "x", NUMBER > "1"))
    assert query != other


def test_a_name_that_is_stored_under_several_needs_its_class() -> None:
    with pytest.raises(TypeError, match=r"'number'\] is stored as 'number' in Card and as 'iban' in Bank: name the"):
        _ = PAYMENT.number
    with pytest.raises(TypeError, match=r"as in Order\.payment\[Card\.number\]"):
        _ = PAYMENT["number"]
    message = r"Order stores 'payment\.number' as 'payment\.number' in Card and as 'payment\.iban' in Bank"
    with pytest.raises(InvalidRequestError, match=message):
        codec_for(Order).resolve(("payment", "number"))

    @dataclass
    class Data:
        kind: Literal["data"]
        number: int

    class Odd(Map):
        kind: Field[Literal["odd"]]
        number: Field[int] = field(alias="other")

    Doc = one_field(Union[Data, Odd])
    with pytest.raises(TypeError, match=rf"name the class, as in Doc\.x\[{Odd.__qualname__}\.number\]"):
        _ = Doc.x["number"]
    assert "x.other" == Doc.x[Odd.number].alias
    with pytest.raises(InvalidRequestError, match=rf"name the class, as in Doc\.x\[{Odd.__qualname__}\.number\]"):
        codec_for(Doc).resolve(("x", "number"))

    class Foreign(pydantic.BaseModel):
        kind: Literal["foreign"]
        number: int = pydantic.Field(alias="nr")

    Doc = one_field(Union[Data, Foreign])
    with pytest.raises(TypeError, match=r"in Foreign: use stored names, as in FieldPath\(\.\.\., 'number'\)"):
        _ = Doc.x["number"]
    with pytest.raises(InvalidRequestError, match=r"Foreign; use stored names, as in FieldPath\('x', 'number'\)"):
        codec_for(Doc).resolve(("x", "number"))


def test_unknown_names_have_the_nearest_of_all_classes() -> None:
    with pytest.raises(UnknownFieldError) as caught:
        codec_for(Order).resolve(("payment", "secrt"))
    assert ("payment.secret",) == caught.value.nearest
    with pytest.raises(UnknownFieldError):
        codec_for(Order).resolve(("payment", "code", "more"))
    with pytest.raises(AttributeError, match="Did you mean 'secret'"):
        _ = PAYMENT.secrt
    with pytest.raises(TypeError, match=r"Address\.street is a field of Address, but Order\.payment"):
        Order.payment[Address.street]


def test_values_are_converted_as_in_the_class_that_is_named() -> None:
    codec = codec_for(Order)
    of_card = codec.resolve(("payment", MemberName("code", Card)))
    of_any = codec.resolve(("payment", "code"))
    assert (1, 1, "x") == (of_card.encode(1), of_any.encode(1), of_any.encode("x"))
    with pytest.raises(InvalidValueError, match="expected int, found str 'x'"):
        of_card.encode("x")
    with pytest.raises(InvalidValueError, match="expected int or str, found list"):
        of_any.encode([])
    assert ("x", 5, None) == (of_any.decode("x"), of_any.decode(5), of_any.decode(None))
    with pytest.raises(DecodeError):
        of_any.decode([])
    tags = codec.resolve(("payment", "tags"))
    assert tags.encode_element is not None
    assert (1, "x") == (tags.encode_element(1), tags.encode_element("x"))
    assert of_any.encode_element is None
    assert of_any is codec.resolve(("payment", "code"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"payment": {"kind": "card", "number": "1", "code": 5}}, 5),
        ({"payment": {"kind": "card", "number": "1"}}, 0),
        ({"payment": {"kind": "bank", "code": "x"}}, None),
        ({"payment": {"kind": "cash"}}, None),
        ({"payment": None}, None),
    ],
)
def test_a_field_is_read_where_its_class_is_and_is_none_elsewhere(data: dict[str, Any], expected: Any) -> None:
    found = codec_for(Order).resolve(("payment", MemberName("code", Card)))
    assert expected == found.read(data)


def test_a_field_of_several_classes_is_read_as_in_each() -> None:
    found = codec_for(Order).resolve(("payment", "code"))
    assert [5, None, "x", None] == [
        found.read({"payment": payment})
        for payment in ({"kind": "card", "code": 5}, {"kind": "bank"}, {"kind": "bank", "code": "x"}, {"kind": "cash"})
    ]
    assert {FieldPath("payment", "kind")} == set(found.tags)
    assert () == tuple(codec_for(Order).resolve(("payment", "amount")).tags)
    for data, text in (
        ({"payment": {"kind": "gold"}}, r"payment\.kind: expected 'card' \(Card\) .*, found str 'gold'"),
        ({"payment": {}}, r"payment\.kind: expected .*, found nothing"),
        ({"payment": 5}, r"payment\.code: expected a map on the way to it, found int"),
        ({"payment": {"kind": "card", "code": "x"}}, r"payment\.code: expected int, found str 'x'"),
        ({}, r"payment\.code: expected int or str or None, found nothing"),
    ):
        with pytest.raises(DecodeError, match=text):
            found.read(data, "orders/a")


def test_an_absent_union_is_read_as_its_default() -> None:
    codec = codec_for(Order)
    assert codec.resolve(("second", MemberName("code", Card))).read({}) is None
    assert 0 == codec.resolve(("third", MemberName("code", Card))).read({})
    assert "default" == codec.resolve(("third", MemberName("number", Card))).read({})
    assert codec.resolve(("third", MemberName("code", Bank))).read({}) is None
    assert codec.resolve(("attributes", "x", MemberName("secret", Card))).read({}) is None
    assert "s" == codec.resolve(("attributes", "x", "secret")).read(
        {"attributes": {"x": {"kind": "card", "secret": "s"}}}
    )


def test_a_hidden_tag_is_not_shown_where_it_is_read_alone() -> None:
    hidden = make_map({"kind": (Literal["a"], field(repr=False)), "n": int}, "Hidden")
    other = make_map({"kind": Literal["b"]}, "Other")
    found = codec_for(one_field(Union[hidden, other])).resolve(("x", "n"))
    with pytest.raises(DecodeError) as caught:
        found.read({"x": {"kind": "hunter2"}})
    assert "hunter2" not in str(caught.value)


class Inner(Map):
    kind: Field[Literal["inner"]] = field(default="inner")
    deeper: Field[Card | Bank]


class Outer(Model, collection="outer"):
    x: Field[Inner | Cash]


def test_unions_inside_unions() -> None:
    codec = codec_for(Outer)
    found = codec.resolve(("x", "deeper", MemberName("code", Card)))
    assert {FieldPath("x", "kind"), FieldPath("x", "deeper", "kind")} == set(found.tags)
    card = {"kind": "card", "number": "1", "code": 7}
    assert 7 == found.read({"x": {"kind": "inner", "deeper": card}})
    assert found.read({"x": {"kind": "inner", "deeper": {"kind": "bank"}}}) is None
    assert found.read({"x": {"kind": "cash"}}) is None
    assert found.chosen(Outer(x=Cash())) is None
    chosen = found.chosen(Outer(x=Inner(deeper=Card(number="1"))))
    assert chosen is not None
    assert chosen.choice is None
    assert Outer.x[Inner.deeper][Card.code] is Outer.x[Inner.deeper[Card.code]]
    with Cendry(backend=MemoryBackend()) as ctx:
        outer = Outer(id="a", x=Inner(deeper=Bank(number="1")))
        ctx.save(outer)
        ctx.update(outer, {Outer.x[Inner.deeper][Bank.code]: "c"})
        assert "c" == ctx.get(Outer, "a").x.deeper.code  # type: ignore[union-attr]
        with pytest.raises(CendryError, match=r"'x\.deeper\.code' is a field of Card, and 'x\.deeper' of this Outer"):
            ctx.update(outer, {Outer.x[Inner.deeper][Card.code]: 5})
        with pytest.raises(CendryError, match=r"'x' is None in this Outer"):
            ctx.update(Outer(id="a", x=None), {Outer.x[Inner.deeper][Card.code]: 5})  # type: ignore[arg-type]
        outer.x = Cash()
        with pytest.raises(CendryError, match=r"'x\.deeper\.code' is a field of Inner, and 'x' of this Outer"):
            ctx.update(outer, {Outer.x[Inner.deeper][Card.code]: 5})


class Model2(pydantic.BaseModel):
    kind: Literal["model"] = "model"
    code: int = 0


class Typed(TypedDict):
    kind: Literal["typed"]
    code: str


def test_a_class_that_validates_its_values_is_written_whole() -> None:
    Doc = one_field(Union[Model2, Card, Typed])
    with Cendry(backend=MemoryBackend()) as ctx:
        for value, change in ((Card(number="1"), {"x.code": 5}), (Typed(kind="typed", code="a"), {"x.code": "b"})):
            doc = Doc(id="a", x=value)
            ctx.save(doc)
            ctx.update(doc, change)
            assert doc == ctx.get(Doc, "a")
        doc = Doc(id="a", x=Model2())
        ctx.save(doc)
        with pytest.raises(InvalidValueError, match="a whole Model2, which validates its own values"):
            ctx.update(doc, {"x.code": 5})
        with pytest.raises(InvalidValueError, match="a whole Model2, which validates its own values"):
            ctx.update(Doc, "a", {"x.code": 5})
        with pytest.raises(InvalidValueError, match="a whole Model2"):
            ctx.update(Doc, "a", {FieldPath("x", "code"): 5})
        ctx.update(Doc, "a", {Doc.x[Card.number]: "1"})


def test_rules_of_a_member_hold_for_updates() -> None:
    class Small(Map):
        kind: Field[Literal["small"]] = field(default="small")
        n: Field[Annotated[int, Ge(1)]]

    class Large(Map):
        kind: Field[Literal["large"]] = field(default="large")
        n: Field[Annotated[int, Ge(100)]]

    Doc = one_field(Union[Small, Large])
    with Cendry(backend=MemoryBackend()) as ctx:
        small = Doc(id="a", x=Small(n=1))
        ctx.save(small)
        for change in ({"x.n": 0}, {Doc.x[Small.n]: 0}):
            with pytest.raises(InvalidValueError) as caught:
                ctx.update(small, change)
            assert "ge" == caught.value.code
        ctx.update(small, {"x.n": 5})
        with pytest.raises(InvalidValueError, match="expected int >= 1 or int >= 100, found int 0"):
            ctx.update(Doc, "a", {"x.n": 0})


def test_references_below_a_union_are_fetched_where_they_are() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        company = Company(id="c", name="C")
        ctx.save(company)
        orders = [Order(payment=Card(number="1", issuer=Ref(Company, "c"))), Order(payment=Cash())]
        assert {Ref(Company, "c"): company} == ctx.fetch_refs(orders, Order.payment[Card.issuer])


def test_an_unknown_tag_in_rows_names_the_document() -> None:
    backend = MemoryBackend()
    with Cendry(backend=backend) as ctx:
        backend.commit([Set("orders/a", {"payment": {"kind": "gold"}})])
        with pytest.raises(DecodeError, match="Document 'orders/a' doesn't fit Order: payment.kind: expected"):
            ctx.select(Order).values(Order.payment[Card.code]).to_list()


def test_keys_of_dicts_that_several_classes_have() -> None:
    first = make_map({"kind": Literal["a"], "more": dict[str, int]}, "First")
    second = make_map({"kind": Literal["b"], "more": dict[str, int]}, "Second")
    third = make_map({"kind": Literal["c"], "more": dict[str, str]}, "Third")
    alike = codec_for(one_field(Union[first, second]))
    found = alike.resolve(("x", "more", "k"))
    assert found.choice is None
    assert 5 == found.read({"x": {"kind": "b", "more": {"k": 5}}})
    other = codec_for(one_field(Union[first, third])).resolve(("x", "more", "k"))
    assert [1, "t", None] == [
        other.read({"x": {"kind": kind, "more": more}})
        for kind, more in (("a", {"k": 1}), ("c", {"k": "t"}), ("c", {}))
    ]


def test_a_class_that_keeps_undeclared_values_is_written_whole_by_masks() -> None:
    class Open(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        kind: Literal["open"] = "open"

    mixed = codec_for(one_field(Union[Open, Typed]))
    assert (FieldPath("x"),) == mixed.mask({"x": {"kind": "typed", "code": "a"}})
    plain = codec_for(one_field(Union[Card, Typed]))
    paths = plain.mask({"x": {"kind": "typed", "code": "a"}})
    # Of the fields that both have, the one of the class is written; those of the other class are removed.
    assert {"x.kind", "x.code", "x.number", "x.amount", "x.address", "x.issuer", "x.secret"} == set(map(str, paths))


def test_a_tag_is_neither_removed_nor_computed() -> None:
    first = make_map({"version": (Literal[1], field(default=1)), "n": (int, field(default=0))}, "First")
    second = make_map({"version": (Literal[2], field(default=2))}, "Second")
    Doc = one_field(Union[first, second])
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(Doc(id="a", x=first()))
        for tag in (DELETE_FIELD, Increment(1)):
            with pytest.raises(InvalidValueError, match=r"x\.version: .*the field tells the classes apart"):
                ctx.save(Doc(id="a", x=first(version=tag)), merge=True)
            with pytest.raises(InvalidValueError, match=r"x\.version: .*the field tells the classes apart"):
                ctx.update(Doc, "a", {"x": first(version=tag)})
        ctx.save(Doc(id="a", x=first(n=Increment(2))), merge=True)
        assert 2 == ctx.get(Doc, "a").x.n
        ctx.save(Doc(id="a", x=first(n=DELETE_FIELD)), merge=True)
        assert 0 == ctx.get(Doc, "a").x.n


def test_the_rule_of_a_member_holds_for_updates_of_an_instance() -> None:
    class Range(Map):
        kind: Field[Literal["range"]] = field(default="range")
        low: Field[int] = field(default=0)
        high: Field[int] = field(default=9)

        def __validate__(self) -> None:
            if self.low > self.high:
                raise ValueError("the wrong way round")

    Doc = one_field(Union[Range, Cash])
    with Cendry(backend=MemoryBackend()) as ctx:
        doc = Doc(id="a", x=Range())
        ctx.save(doc)
        with pytest.raises(ValidationError, match="the wrong way round"):
            ctx.update(doc, {Doc.x[Range.low]: 10})
        ctx.update(doc, {Doc.x[Range.low]: 5, Doc.x[Range.high]: 6})
        assert doc == ctx.get(Doc, "a")
