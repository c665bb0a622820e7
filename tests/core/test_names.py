"""Names that classes made at run time bring along: none gets into generated source but as a plain string."""

from __future__ import annotations

import types
from enum import Enum
from typing import Any, Literal

import pydantic
import pytest
from cendry import Field, FieldPath, Map, Model, field, from_dict, to_dict
from cendry.codec import codec_for
from cendry.codec.compiler import source_of
from cendry.codec.message import compile_decoder, compile_encoder
from cendry.filters import Comparison, as_filter
from cendry.paths import MAX_FIELD_SEGMENTS, LongPathError, exact_text
from cendry.reference import Ref
from cendry_firestore._dialect import FIRESTORE
from google.cloud import firestore_v1
from google.cloud.firestore_v1.base_query import And as SdkAnd
from google.cloud.firestore_v1.base_query import FieldFilter
from making import make_map, make_model, one_field
from typing_extensions import TypedDict

BREAKOUT = "x, sys.exit()) #"
DATABASE = "projects/p/databases/d"


class Spoken(str):
    """Text that gives other source for its repr and format."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "__import__('sys').exit()"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "__import__('sys').exit()"


class Op(str, Enum):
    EQUAL = "=="
    ALL = "AND"
    NAME = "name"

    def __format__(self, spec: str) -> str:
        return "!="

    __str__ = __format__  # type: ignore[assignment]


def round_trip(model: Any, value: Any) -> None:
    codec = codec_for(model)
    instance = model(x=value)
    stored = codec.encode(instance)
    assert instance == codec.decode(stored)
    assert instance == from_dict(model, to_dict(instance))
    message = firestore_v1.types.document.Document.pb(firestore_v1.types.document.Document())
    written = compile_encoder(codec, FIRESTORE)(instance, message, DATABASE)
    assert instance == compile_decoder(codec, FIRESTORE)(written.fields, None, "docs/a", DATABASE)  # type: ignore[arg-type]
    assert "sys" not in source_of(model).replace(repr(BREAKOUT), "")


def test_names_that_python_cannot_spell_are_written_as_strings() -> None:
    odd = pydantic.create_model("Odd", **{BREAKOUT: (int, ...), "class": (int, 5)})  # type: ignore[call-overload]
    round_trip(one_field(odd), odd(**{BREAKOUT: 3, "class": 4}))
    typed = TypedDict("typed", {BREAKOUT: int, Spoken("y"): int})  # type: ignore[misc]
    round_trip(one_field(typed), {BREAKOUT: 3, "y": 4})


def test_names_that_speak_for_themselves_are_their_text() -> None:
    spoken: dict[str, Any] = {"x": Field[int], Spoken("y"): Field[int | None]}

    def fill(body: dict[str, Any]) -> None:
        body["__annotations__"] = spoken
        body["x"] = field(alias=Spoken("the x"))
        body["y"] = field(default=None, enum_by=Spoken("value"))  # type: ignore[call-overload]

    for base, options in ((Map, {}), (Model, {"collection": Spoken("docs"), "extra": Spoken("keep")})):
        made: Any = types.new_class("Made", (base,), options, fill)
        assert {"the x": 1, "y": 2} == codec_for(made).encode(made(x=1, y=2))
        assert made(x=1, y=2) == codec_for(made).decode({"the x": 1, "y": 2})
        assert "sys" not in source_of(made)
        assert [str, str] == [type(info.alias) for info in made.__cendry_fields__.values()]
    part = types.new_class(Spoken("Part"), (Map,), {}, fill)
    round_trip(one_field(part), part(x=1, y=2))


def test_values_that_are_no_plain_text_are_refused_in_enums_and_literals() -> None:
    for value in ("\ud800", Spoken("x"), 2**63, "a\udfff"):
        odd = Enum("odd", {"A": value})
        with pytest.raises(TypeError, match="has a value that Firestore can't hold"):
            one_field(odd)
        with pytest.raises(TypeError, match="Firestore can't hold"):
            one_field(Literal[value])
    for name in ("\ud800", Spoken("x")):
        named = Enum("named", {name: 1})  # type: ignore[misc]
        with pytest.raises(TypeError, match="has a name that Firestore can't hold"):
            one_field(named, enum_by="name")


def test_exact_text() -> None:
    class Odd(str, Enum):
        A = "a", "other"

        def __new__(cls, text: str, value: str) -> Odd:
            made = str.__new__(cls, text)
            made._value_ = value
            return made

    class Numbered(str, Enum):
        A = "a", 1

        def __new__(cls, text: str, value: int) -> Numbered:
            made = str.__new__(cls, text)
            made._value_ = value
            return made

    for given, text in ((Op.NAME, "name"), (Spoken("x"), "x"), ("x", "x"), (Odd.A, "other"), (Numbered.A, "a")):
        assert (str, text) == (type(exact_text(given)), exact_text(given))
    assert 5 == exact_text(5)
    assert b"x" == exact_text(b"x")


def test_operators_and_names_in_filters_are_their_text() -> None:
    path = FieldPath("name")
    for made in (
        Comparison(path, Op.EQUAL, 1),  # type: ignore[arg-type]
        as_filter(FieldFilter(Op.NAME, Op.EQUAL, 1)),
        as_filter(FieldFilter("name", "==", 1)),
    ):
        assert made == Comparison(path, "==", 1)
        assert isinstance(made, Comparison)
        assert type(made.op) is str

    both = as_filter(SdkAnd([FieldFilter("a", "==", 1), FieldFilter("b", "==", 2)]))

    class Like:
        operator = Op.ALL
        filters = (FieldFilter("a", "==", 1), FieldFilter("b", "==", 2))

    assert both == as_filter(Like())


def test_references_hold_exact_text() -> None:
    reference = Ref.from_path(Spoken("c/a"), database=Spoken(DATABASE))
    assert (str, str, "c/a", DATABASE) == (
        type(reference.path), type(reference.database), reference.path, reference.database
    )  # fmt: skip


def test_field_paths_have_a_limit() -> None:
    longest = FieldPath(*["a"] * MAX_FIELD_SEGMENTS)
    assert longest == FieldPath.parse(str(longest))
    assert FieldPath("a" * 749, "b" * 750) == FieldPath.parse(f"{'a' * 749}.{'b' * 750}")
    assert FieldPath("é" * 750).segments == ("é" * 750,)
    for segments in (["a"] * 21, ["a" * 750, "b" * 750], ["é" * 400, "é" * 400], ["a"] * 100_000):
        with pytest.raises(LongPathError, match="over 20 segments or over 1500 bytes of UTF-8"):
            FieldPath(*segments)
        with pytest.raises(LongPathError):
            FieldPath.parse(".".join(segments))
    with pytest.raises(LongPathError):
        longest / "b"

    class Doc(Model, collection="docs"):
        data: Field[dict[str, Any]] = field(default_factory=dict)

    found: Any = Doc.data
    for _ in range(19):
        found = found["a"]
    with pytest.raises(ValueError, match="at most 20 segments"):
        found["a"]


def test_a_mask_is_no_deeper_than_a_field_path() -> None:
    made: Any = int
    for _ in range(20):
        made = make_map({"a": made})
    deep = make_model({"a": made}, extra="keep")
    value: Any = 1
    for _ in range(20):
        value = {"a": value}
    assert (FieldPath(*"a" * 20),) == codec_for(deep).mask({"a": value})
