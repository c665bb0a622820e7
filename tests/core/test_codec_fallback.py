"""Values that compiled code leaves to the interpreting reader and writer: constructors that reject, other classes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from cendry import Field, GeoPoint, Map, Model, Ref, field, from_dict
from cendry._types.kinds import ROW
from cendry.codec import codec_for
from cendry.codec.message import compile_decoder, compile_encoder
from cendry.errors import DecodeError, InvalidValueError, ValidationError
from cendry_firestore._dialect import FIRESTORE
from pydantic import BaseModel

DATABASE = "projects/p/databases/d"


class Even(Map):
    x: Field[int]

    def __post_init__(self) -> None:
        if self.x % 2:
            raise ValueError("it is odd")


class Holder(Model, collection="holders"):
    even: Field[Even]


class Address(BaseModel):
    street: str
    number: int = 1


class Guest(Model, collection="guests"):
    address: Field[Address]


class Pair(Model, collection="pairs"):
    values: Field[tuple[Any, int]]


def test_a_map_of_another_class_is_read_and_its_constructor_may_reject_it() -> None:
    assert Holder(even=Even(x=2)) == from_dict(Holder, {"even": MappingProxyType({"x": 2})})
    with pytest.raises(ValidationError, match=r"even: expected what Even accepts.*\(ValueError: it is odd\)"):
        from_dict(Holder, {"even": MappingProxyType({"x": 1})})
    with pytest.raises(DecodeError, match="it is odd"):
        codec_for(Holder).decode({"even": MappingProxyType({"x": 1})})


def test_a_pydantic_class_is_read_from_a_map_of_another_class() -> None:
    assert Guest(address=Address(street="a")) == from_dict(Guest, {"address": MappingProxyType({"street": "a"})})
    with pytest.raises(ValidationError, match="many"):
        from_dict(Guest, {"address": MappingProxyType({"street": "a", "number": "many"})})


class Open(BaseModel, extra="allow"):
    street: str


class Host(Model, collection="hosts"):
    address: Field[Open]
    notes: Field[dict[str, Any]] = field(default_factory=dict)


def test_undeclared_values_of_a_pydantic_class_are_kept_in_a_map_of_another_class() -> None:
    host = Host(address=Open(street="a", more={"b": 1}))  # type: ignore[call-arg]
    assert host == codec_for(Host).decode({"address": MappingProxyType({"street": "a", "more": {"b": 1}})})


@pytest.mark.parametrize("notes", [{"c": 1}, MappingProxyType({"c": 1})], ids=["dict", "mapping"])
def test_undeclared_values_of_a_pydantic_class_are_kept_in_messages(notes: Any) -> None:
    codec = codec_for(Host)
    host = Host(address=Open(street="a", more={"b": 1}), notes=notes)  # type: ignore[call-arg]
    message = compile_encoder(codec, FIRESTORE)(host, FIRESTORE.new_document(), DATABASE)
    found = compile_decoder(codec, FIRESTORE)(message.fields, None, "hosts/a", DATABASE)  # type: ignore[arg-type]
    assert Host(address=host.address, notes={"c": 1}) == found


@pytest.mark.parametrize("first", [1, "a", {"a": [1]}, GeoPoint(1, 2), None])
def test_a_tuple_whose_item_can_be_anything_is_written_by_its_values(first: Any) -> None:
    codec = codec_for(Pair)
    pair = Pair(values=(first, 2))
    message = compile_encoder(codec, FIRESTORE)(pair, FIRESTORE.new_document(), DATABASE)
    assert pair == compile_decoder(codec, FIRESTORE)(message.fields, None, "pairs/a", DATABASE)  # type: ignore[arg-type]


def test_an_array_in_such_a_tuple_is_refused() -> None:
    codec = codec_for(Pair)
    with pytest.raises(InvalidValueError, match="array"):
        compile_encoder(codec, FIRESTORE)(Pair(values=([1], 2)), FIRESTORE.new_document(), DATABASE)


@pytest.mark.parametrize(
    ("kind", "value", "size"), [("str", "é", 3), ("bytes", b"abc", 3), ("reference", Ref.from_path("c/é"), 4 + 17)]
)
def test_the_bytes_that_firestore_counts_for_a_value(kind: Any, value: Any, size: int) -> None:
    counted = ROW[kind].size
    assert callable(counted)
    assert size == counted(value)


def test_what_only_compiled_code_fails_on_is_written_all_the_same() -> None:
    class Once(dict[str, Any]):
        failures = 1

        def items(self) -> Any:
            if self.failures:
                self.failures -= 1
                raise ValueError("not yet")
            return super().items()

    host = Host(address=Open(street="a"), notes=Once(c=1))
    message = compile_encoder(codec_for(Host), FIRESTORE)(host, FIRESTORE.new_document(), DATABASE)
    assert 1 == message.fields["notes"].map_value.fields["c"].integer_value
