"""Classes of pydantic, msgspec and attrs: what they store by their own rules comes back by the same rules."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pydantic
import pytest
from cendry import (
    ArrayUnion,
    Cendry,
    CendryError,
    DecodeError,
    Field,
    FieldPath,
    Increment,
    InvalidValueError,
    MemoryBackend,
    Model,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry.codec import codec_for
from cendry.plan import Set
from core.foreign import Account, Chosen, Color, Holder, Private, Roots, Shape, Sized, Whole, account, holders
from hypothesis import given, settings
from making import make_model, one_field
from pydantic import AliasPath, ConfigDict
from typing_extensions import TypedDict


@settings(deadline=None, max_examples=60)
@given(holders)
def test_what_is_written_comes_back(holder: Any) -> None:
    codec = codec_for(Holder)
    assert holder == codec.decode(codec.encode(holder))
    assert holder == from_dict(Holder, to_dict(holder))
    assert holder == from_dict(Holder, to_dict(holder, by_alias=True), by_alias=True)
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(holder)
        assert holder == ctx.get(Holder, holder.id)
        ctx.update(Holder, holder.id, {Holder.account: holder.account, Holder.shapes: holder.shapes})
        assert holder == ctx.get(Holder, holder.id)
        ctx.save(holder, merge=True)
        assert holder == ctx.get(Holder, holder.id)


@pytest.mark.parametrize(
    ("python", "stored"),
    [
        (
            account(displayName="x", first=7, **{"in": 8}, more=9),
            {
                "displayName": "x",
                "price": "0",
                "either": 7,
                "in": 8,
                "nested": 3,
                "shown": "+4",
                "points": [],
                "box": None,
                "roots": None,
                "more": 9,
            },
        ),
        (Chosen.model_validate({"color": "blue"}), {"color": "blue", "colors": {}}),
        (Chosen(), {"color": "red", "colors": {}}),
        (Roots({"a": [1]}), {"a": [1]}),
        (Whole(low=1, high=2), {"range": [1, 2]}),
        (Sized(theCount=3), {"theCount": 3}),
        (Private(Decimal(1), 2, "y"), {"_secret": "1", "count": 2, "named": "y"}),
    ],
)
def test_how_each_class_is_stored(python: Any, stored: Any) -> None:
    codec = codec_for(one_field(type(python)))
    assert {"x": stored} == codec.encode(codec.model(x=python))
    read = codec.decode({"x": stored})
    assert {"x": stored} == codec.encode(read)


@pytest.mark.parametrize(
    ("annotation", "data", "expected"),
    [
        (Account, account(displayName="x", first=5, extra="e").model_dump(mode="json", by_alias=True), ("x", 5)),
        # A class that is read by its names too reads what it dumps without aliases.
        (Account, account(displayName="x", second=5).model_dump(mode="json", exclude={"either"}), ("x", 1)),
        (Account, {"displayName": "x", "second": 6}, ("x", 6)),
    ],
)
def test_what_pydantic_dumps_is_read(annotation: Any, data: Any, expected: Any) -> None:
    read = codec_for(one_field(annotation)).decode({"x": data}).x
    assert expected == (read.display_name, read.either)


def test_what_msgspec_writes_is_read() -> None:
    model = one_field(Shape)
    shape = Shape(side_length=Decimal(1), last_seen=datetime(2026, 1, 1, tzinfo=timezone.utc))
    stored = msgspec.to_builtins(shape, builtin_types=(datetime,))
    assert {"kind", "sideLength", "corners", "lastSeen"} == stored.keys()
    assert shape == codec_for(model).decode({"x": stored}).x
    codec = codec_for(make_model({"x": Tagged}))
    assert codec.decode({"x": msgspec.to_builtins(Tagged(5))}).x == Tagged(5)
    assert codec.decode({"x": {"theN": 5}}).x == Tagged(5)
    with pytest.raises(DecodeError, match=r"x\.type: expected 'Tagged', found str 'Other'"):
        codec.decode({"x": {"type": "Other", "theN": 5}})
    with pytest.raises(DecodeError, match=r"x\.more: expected only declared fields of Shape"):
        codec_for(model).decode({"x": {**stored, "more": 1}})


class Tagged(msgspec.Struct, tag=True, rename={"n": "theN"}):
    n: int


def test_unknown_keys_are_refused_where_the_class_forbids_them() -> None:
    model = one_field(Chosen)
    with pytest.raises(DecodeError, match=r"x\.more"):
        codec_for(model).decode({"x": {"more": 1}})
    with pytest.raises((CendryError, TypeError), match="more"):
        from_dict(model, {"x": {"more": 1}})


def test_unknown_keys_from_outside_are_kept_where_the_class_keeps_them() -> None:
    model = one_field(Account)
    found = from_dict(model, {"x": {"display_name": "x", "more": (1, 2)}})
    assert {"more": [1, 2]} == found.x.model_extra
    with pytest.raises((CendryError, TypeError), match=r"x\.more\[0\]"):
        from_dict(model, {"x": {"display_name": "x", "more": [[1]]}})


class Tree(pydantic.BaseModel):
    kind: Literal["leaf", "branch"] = "leaf"
    size: int | str | None = None
    below: list[Tree] = []


class Trees(pydantic.RootModel[dict[str, Tree]]):
    pass


class Plainly(pydantic.BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    n: int = pydantic.Field(validation_alias=AliasPath("one"))
    colors: list[Annotated[Color, "a color"]] = []
    kind: Literal["a", "b"] = "a"


def test_roots_of_plain_values_are_stored_as_they_are() -> None:
    model = one_field(Trees)
    trees = Trees({"a": Tree(kind="branch", size=1, below=[Tree(size="s")])})
    stored = {"kind": "branch", "size": 1, "below": [{"kind": "leaf", "size": "s", "below": []}]}
    assert {"x": {"a": stored}} == codec_for(model).encode(model(x=trees))
    assert trees == codec_for(model).decode({"x": {"a": stored}}).x


def test_values_of_enums_and_paths_of_one_name() -> None:
    model = one_field(Plainly)
    stored = {"x": {"one": 1, "colors": ["red"], "kind": "a"}}
    read = codec_for(model).decode(stored)
    assert (1, ["red"], "a") == (read.x.n, read.x.colors, read.x.kind)
    assert stored == codec_for(model).encode(read)


def test_a_required_value_under_none_of_its_names_is_missing() -> None:
    with pytest.raises(DecodeError, match=r"x\.display_name: .*nothing \(it is stored as 'displayName'\)"):
        codec_for(one_field(Account)).decode({"x": {}})


def test_transforms_inside_such_a_value_are_refused() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        model = one_field(RefusingStruct)
        document = model(x=RefusingStruct(1))
        document.x.n = Increment(1)
        with pytest.raises(InvalidValueError, match=r"RefusingStruct validates its own values"):
            ctx.save(document)


def test_a_typed_dict_in_a_class_that_may_refuse() -> None:
    class Typed(TypedDict):
        n: int

    model = make_model({"x": Typed, "y": Refusing})
    with Cendry(backend=MemoryBackend()) as ctx:
        document = model(x={"n": 1}, y=Refusing(n=1))
        ctx.save(document)
        assert document == ctx.get(model, document.id)


class NoWay(pydantic.BaseModel):
    x: int = pydantic.Field(validation_alias=AliasPath("a", "b"))


class Excluded(pydantic.BaseModel):
    x: int = pydantic.Field(exclude=True)


class Doubled(pydantic.BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    x: int = pydantic.Field(default=1, alias="same")
    y: int = pydantic.Field(default=1, alias="same")


class Reserved(pydantic.BaseModel):
    x: int = pydantic.Field(alias="__x__")


class Listed(msgspec.Struct, array_like=True):
    x: int


class Amounts(pydantic.RootModel[list[set[int]]]):
    pass


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (NoWay, "NoWay.x is only read from inside another value"),
        (Excluded, "Excluded.x is required, but exclude=True"),
        (Doubled, "Doubled.y can't be stored as 'same': another field has it too"),
        (Reserved, "Reserved.x can't be stored as '__x__': keys of the form"),
        (Listed, "Listed has array_like=True"),
        (pydantic.RootModel[set[int]], "is a RootModel of a type that is stored as another"),
    ],
)
def test_what_cannot_be_kept_is_refused_at_definition(annotation: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"Doc.x: .*{message}"):
        one_field(annotation)
    with pytest.raises(TypeError, match=f"Doc.x: .*{message}"):
        one_field(list[annotation | None])


class Refusing(pydantic.BaseModel):
    n: int = pydantic.Field(ge=0)


@attrs.define
class RefusingAttrs:
    n: int = attrs.field(validator=attrs.validators.ge(0), on_setattr=[])


class RefusingStruct(msgspec.Struct):
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n must not be negative")


@pytest.mark.parametrize("python", [Refusing, RefusingAttrs, RefusingStruct])
def test_what_the_class_would_not_read_is_not_written(python: Any) -> None:
    class Doc(Model, collection="docs"):
        x: Field[python]
        xs: Field[list[python]] = field(default_factory=list)

    value = python(n=1)
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(Doc(id="a", x=python(n=1)))
        # None of these classes checks what is assigned.
        value.n = -1
        doc = Doc(x=value)
        for write in (
            lambda: ctx.save(doc),
            lambda: ctx.create(doc),
            lambda: ctx.save_many([doc]),
            lambda: ctx.save(Doc(x=python(n=1), xs=[value])),
            lambda: ctx.update(Doc, "a", {Doc.x: value}),
            lambda: ctx.update(Doc, "a", {Doc.xs: [value]}),
            lambda: ctx.update(Doc, "a", {Doc.xs: ArrayUnion([value])}),
            lambda: ctx.update(Doc(id="a", x=value), fields=[Doc.x]),
            lambda: ctx.transaction(lambda txn: txn.save(doc)),
        ):
            with pytest.raises(InvalidValueError, match="n"):
                write()
        with ctx.batch() as batch, pytest.raises(InvalidValueError):
            batch.save(doc)
        assert doc.id is None
        assert ["a"] == ctx.select(Doc).ids()
        assert Doc(id="a", x=python(n=1)) == ctx.get(Doc, "a")


@pytest.mark.parametrize("python", [Refusing, RefusingAttrs, RefusingStruct])
def test_validate_asks_the_class(python: Any) -> None:
    class Doc(Model, collection="docs"):
        x: Field[python]
        y: Field[list[python]] = field(default_factory=list)

        def __post_init__(self) -> None:
            raise AssertionError("no instance of the model is needed")

    problems = validate(Doc, {"x": {"n": 1}, "y": [{"n": 0}, {"n": -1}]})
    assert ["y[1]"] == [problem.path for problem in problems]
    assert [] == validate(Doc, {"x": {"n": 1}})


def test_a_part_of_such_a_value_is_not_updated_alone() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        model = make_model({"x": Refusing | None, "many": dict[str, Whole]})
        document = model(id="a", x=Refusing(n=1), many={"k": Whole(low=1, high=2)})
        ctx.save(document)
        for key, value in (
            ("x.n", 2),
            (FieldPath("x", "n"), -2),
            ("x.n", Increment(-5)),
            ("many.k.range", [1, 2]),
        ):
            with pytest.raises(InvalidValueError, match="which validates its own values"):
                ctx.update(model, "a", {key: value})
            with pytest.raises(InvalidValueError, match="which validates its own values"):
                ctx.update(document, {key: value})
        ctx.update(document, {"many.k": Whole(low=5, high=6), "x": Refusing(n=7)})
        assert document == ctx.get(model, "a")


def test_extras_that_are_no_values_are_refused() -> None:
    model = one_field(Account)
    codec = codec_for(model)
    with pytest.raises(InvalidValueError, match=r"x\.more"):
        codec.encode(model(x=account(displayName="x", more=object())))
    hidden = account(displayName="x")
    assert hidden.__pydantic_extra__ is not None
    hidden.__pydantic_extra__["displayName"] = "y"
    with pytest.raises(InvalidValueError, match=r"x\.displayName: expected a name that no field is stored under"):
        codec.encode(model(x=hidden))


def test_a_serializer_that_raises_is_named() -> None:
    class Broken(pydantic.BaseModel):
        n: Annotated[list[Annotated[int, pydantic.PlainSerializer(lambda n: 1 // n)]], pydantic.Field()]

    model = one_field(Broken)
    codec = codec_for(model)
    assert {"x": {"n": [0]}} == codec.encode(model(x=Broken(n=[2])))
    with pytest.raises(InvalidValueError, match=r"x\.n: .*ZeroDivisionError"):
        codec.encode(model(x=Broken(n=[0])))


def test_a_serializer_for_json_alone_changes_nothing() -> None:
    class Shown(pydantic.BaseModel):
        n: Annotated[int, pydantic.PlainSerializer(str, when_used="json")]
        m: int

        @pydantic.field_serializer("m", when_used="json")
        def _show(self, value: int) -> str:
            return str(value)

        @pydantic.model_serializer(when_used="json")
        def _dump(self) -> str:
            return ""

    model = one_field(Shown)
    assert {"x": {"n": 1, "m": 2}} == codec_for(model).encode(model(x=Shown(n=1, m=2)))


def test_a_mask_holds_what_keeps_more_than_it_declares_as_a_whole() -> None:
    codec = codec_for(make_model({"x": Account, "y": Chosen}, extra="keep"))
    data = codec.encode(codec.model(x=account(displayName="x", more=1), y=Chosen()))
    assert [("x",), ("y", "color"), ("y", "colors")] == [path.segments for path in codec.mask(data)]


def test_a_document_stays_readable_for_others() -> None:
    backend = MemoryBackend()
    backend.commit([Set("docs/a", {"x": {"n": -1}})])
    with Cendry(backend=backend) as ctx, pytest.raises(DecodeError, match="docs/a"):
        ctx.get(one_field(Refusing), "a")
