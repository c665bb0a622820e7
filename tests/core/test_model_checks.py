"""What is refused when a class is defined: each message names the class, the field and the type."""

from __future__ import annotations

import dataclasses
import datetime as datetime_module
import decimal
import enum
import types
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, Optional, TypeVar, cast

import pytest
from cendry._model.fields import Field, field
from cendry._model.model import Map, Model, fields_of
from cendry.errors import InvalidDocumentIdError
from cendry.reference import Ref
from making import make_class, make_model

T = TypeVar("T")


class City(Model, collection="cities"):
    name: Field[str]


class Shade(enum.Enum):
    NONE = object()


def refusal(define: Callable[[], object]) -> str:
    with pytest.raises(TypeError) as caught:
        define()
    return str(caught.value)


def refusal_of(annotations: dict[str, Any], **values: Any) -> str:
    """Why a Model with these annotations and assignments is refused."""
    body = {"__module__": __name__, "__qualname__": "Bad", "__annotations__": annotations, **values}
    return refusal(lambda: type(Model)("Bad", (Model,), body, collection="bad"))  # type: ignore[misc]


# Types


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (complex, "Bad.x: Firestore can't hold complex; use list[float] or register_type("),
        (list[complex], "Bad.x: Firestore can't hold complex"),
        (dict[str, dict[str, list[object]]], "Bad.x: Firestore can't hold object; use Any."),
        (dict[int, str], "Bad.x: dict[int, str] has keys of type int; Firestore's keys are str."),
        (
            City,
            "Bad.x: City is a Model, and documents can't be embedded: refer to it with Ref[City], or make it a Map.",
        ),
        (Optional[City], "Bad.x: City is a Model"),
        (list[list[int]], "Bad.x: list[list[int]] has an array directly in an array"),
        (dict[str, list[set[int]]], "Bad.x: list[set[int]] has an array directly in an array"),
        (Sequence[int], "Bad.x: Firestore can't hold Sequence[int]; use list[...]."),
        (Shade, "Bad.x: Shade.NONE has a value that Firestore can't hold as such"),
        (int | float | str | date | datetime, "is ambiguous: two of its members are stored as timestamp"),
        (Ref[int], "must name a Model; int has no documents"),  # type: ignore[type-var]
    ],
    ids=str,
)
def test_a_type_that_firestore_cannot_hold(annotation: Any, message: str) -> None:
    assert message in refusal_of({"x": Field[annotation]})
    assert message in refusal_of({"x": "Field[annotation]"}, annotation=annotation)


def test_an_enum_is_checked_as_it_is_stored() -> None:
    class Fine(Map):
        shade: Field[Shade] = field(enum_by="name")

    assert "name" == fields_of(Fine)["shade"].enum_by


@pytest.mark.parametrize("annotation", [str, list[int], Literal["a", "b"], dict[str, str | None]])
def test_a_field_without_enums_cannot_store_them_by_name(annotation: Any) -> None:
    message = refusal_of({"x": Field[annotation]}, x=field(enum_by="name"))
    assert message.startswith("Bad.x: enum_by='name' is for enums, and ")
    assert message.endswith(" is none and contains none; leave it out.")


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("annotation", [Colour, Colour | None, list[Colour], dict[str, Colour], set[Colour], Any])
def test_an_enum_may_stand_anywhere_in_a_field(annotation: Any) -> None:
    class Fine(Map):
        x: Field[annotation] = field(enum_by="name")

    assert "name" == fields_of(Fine)["x"].enum_by


def test_a_class_inside_has_its_own_setting() -> None:
    class Inner(Map):
        colour: Field[Colour]

    assert "Inner is none and contains none" in refusal_of({"x": Field[Inner]}, x=field(enum_by="name"))


# Annotations


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (str, "Bad.x: an annotation must be Field[str], or a ClassVar."),
        ("str", "Bad.x: an annotation must be Field[str], or a ClassVar."),
        ("'str'", "Bad.x: an annotation must be Field[str], or a ClassVar."),
        (list[str], "Bad.x: an annotation must be Field[list[str]], or a ClassVar."),
        (Optional[Field[str]], "Bad.x: Field[...] goes around the whole type: write Field[str | None]."),
        ("Field[str] | None", "Bad.x: Field[...] goes around the whole type: write Field[str | None]."),
        (list[Field[str]], "Bad.x: Field[...] goes around the whole type, not into it."),
        (Field[Field[str]], "Bad.x: Field[...] is given twice, one inside the other."),
        ("Field[Field[str]]", "Bad.x: Field[...] is given twice, one inside the other."),
        (Annotated[int, 3], "Bad.x: an annotation must be Field[int], or a ClassVar."),
        (Field, "Bad.x: Field needs a type: Field[str]."),
        ("Field", "Bad.x: Field needs a type: Field[str]."),
        ("dataclasses.InitVar[int]", "Bad.x: dataclasses.InitVar[int] declares an argument of __init__ that is not st"),
        (dataclasses.InitVar, "Bad.x: InitVar declares an argument of __init__ that is not stored"),
        (Field[dataclasses.InitVar[int]], "Bad.x: dataclasses.InitVar[int] is not the type of a value; write the type"),
        (Final, "Bad.x: Final is not supported: for fields that are never reassigned, use frozen=True on the class."),
        (
            "Final[int]",
            "Bad.x: Final is not supported: for a constant, write ClassVar[int]; for fields that are never reassigned,",
        ),
        (Final[Field[int]], "Bad.x: Final is not supported: for fields that are never reassigned, use frozen=True on"),
        (Field[Final[int]], "Bad.x: Final[int] is not the type of a value; write the type alone."),  # type: ignore[valid-type]
        (Field[ClassVar[int]], "Bad.x: ClassVar[int] is not the type of a value; write the type alone."),
        (
            "Feild[str]",
            "Bad.x: name 'Feild' is not defined in the annotation 'Feild'; an annotation must be Field[...]",
        ),
        ("cendry.Field[str]", "Bad.x: name 'cendry' is not defined in the annotation 'cendry.Field'"),
        ("Field[str", "Bad.x: the annotation 'Field[str' is not a Python expression."),
        ("Field['str' | None]", "Bad.x: unsupported operand type(s) for |: 'str' and 'NoneType'."),
        ("Field[1 / 0]", "Bad.x: division by zero."),
        ("Annotated[int]", "Bad.x: Annotated"),
        ("Annotated[Field[int], missing]", "Bad.x: name 'missing' is not defined in the annotation 'missing'"),
    ],
)
def test_an_annotation_that_declares_no_field(annotation: Any, message: str) -> None:
    assert message in refusal_of({"x": annotation})


DECIMAL = "Bad.x: decimal is a module, not a type; write decimal.Decimal, or from decimal import Decimal."


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Field[datetime_module], "datetime is a module, not a type; write datetime.datetime, or from datetime import"),  # type: ignore[valid-type]
        (Field[list[decimal]], DECIMAL),  # type: ignore[valid-type]
        ("Field[decimal]", DECIMAL),
        ("Field[decimal | None]", DECIMAL),
        ("Field[None | dataclasses]", "Bad.x: dataclasses is a module, not a type; write the type."),
        ("Field[decimal.Decimal | 3]", "Bad.x: unsupported operand type(s) for |"),
    ],
    ids=str,
)
def test_a_module_where_its_type_was_meant(annotation: Any, message: str) -> None:
    assert message in refusal_of({"x": annotation})


@pytest.mark.parametrize("name", ["a-b", "a b", "1st", "class", ""])
def test_a_name_that_is_no_identifier(name: str) -> None:
    message = f"Bad.{name}: the name is not a Python identifier, so Bad(...) can't take it; give the field another name"
    assert message in refusal_of({name: Field[int]})


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ("slots", "Bad: slots=True is not supported: instances keep what they know of their document in"),
        ("kw_only", "Bad: kw_only= can't be changed: __init__ is generated and takes keyword arguments only."),
        ("match_args", "Bad: match_args= can't be changed"),
        ("colection", "Bad: there is no class keyword colection=; the nearest is collection=."),
        ("zzz", "Bad: there is no class keyword zzz=; the keywords are collection=, parent=, extra=, abstract="),
    ],
)
def test_class_keywords_that_do_not_exist(keyword: str, message: str) -> None:
    assert message in refusal(lambda: types.new_class("Bad", (Map,), {keyword: True}))
    assert message in refusal(lambda: types.new_class("Bad", (cast("Any", Generic)[T], Map), {keyword: True}))


def test_class_keywords_of_other_bases_pass() -> None:
    seen: dict[str, Any] = {}

    class Registered:
        def __init_subclass__(cls, *, label: str = "", **others: Any) -> None:
            if label == "bad":
                raise TypeError("no such label")
            seen[cls.__name__] = label

    class First(Registered, Map, label="first"):
        pass

    class Last(Map, Registered, label="last"):
        pass

    assert {"First": "first", "Last": "last"} == seen


def test_field_without_annotation() -> None:
    message = "Bad.x: it has field() but no annotation; write name: Field[...] = field(...)."
    assert message == refusal_of({}, x=field(default=3))


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "id",
            "Bad.id: every Model has an id of its own; for a stored field of that name, write "
            "stored_id: Field[...] = field(alias='id').",
        ),
        (
            "__thing__",
            "Bad.__thing__: the name is reserved: fields can't have dunder names or names that start with _cendry.",
        ),
        (
            "_cendry_x",
            "Bad._cendry_x: the name is reserved: fields can't have dunder names or names that start with _cendry.",
        ),
    ],
)
def test_reserved_names(name: str, message: str) -> None:
    assert message == refusal_of({name: Field[str]})


def test_a_map_may_have_an_id_but_not_give_it_to_a_model() -> None:
    class Item(Map):
        id: Field[int]

    assert 3 == Item(id=3).id
    assert ("id", Item) == (Item.id.field_name, Item.id.owner)

    def define() -> None:
        class Order(Item, Model, collection="orders"):  # type: ignore[misc]
            pass

    assert "Order.id: it comes from a Map, and every Model has an id of its own." in refusal(define)


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ("y", "Bad.x: the alias 'y' shadows the field of that name."),
        ("z2", "Bad.z: it has the same stored name as 'x': 'z2'."),
        ("", "Bad.x: the stored name '' is not valid: a key must not be empty."),
        ("__x__", "Bad.x: the stored name '__x__' is not valid: keys of the form __...__ are reserved."),
        ("\ud800", "is not valid: a key must not contain a lone surrogate."),
        (3, "Bad.x: the stored name 3 is not valid: a key must be a str, not int."),
    ],
)
def test_an_alias_that_cannot_be(alias: str, message: str) -> None:
    annotations = {"x": Field[int], "y": Field[int], "z": Field[int]}
    assert message in refusal_of(annotations, x=field(alias=alias), y=field(alias="y2"), z=field(alias="z2"))


def test_an_alias_may_be_any_other_text() -> None:
    class Odd(Map):
        a: Field[int] = field(alias="a.b")
        b: Field[int] = field(alias="Größe in km²/`x`")
        c: Field[int] = field(alias="1-2 3")
        d: Field[int] = field(alias="d")
        e: Field[int] = field(alias="id")

    assert ["a.b", "Größe in km²/`x`", "1-2 3", "d", "id"] == [each.alias for each in fields_of(Odd).values()]
    assert ["a.b", "Größe in km²/`x`", "1-2 3", "d", "id"] == [
        Odd.a.alias,
        Odd.b.alias,
        Odd.c.alias,
        Odd.d.alias,
        Odd.e.alias,
    ]


def test_an_inherited_alias_counts() -> None:
    class Base(Map):
        x: Field[int] = field(alias="y")

    def define() -> None:
        class Sub(Base):
            y: Field[int]

    assert "Sub.x: the alias 'y' shadows the field of that name." in refusal(define)


def test_stored_names_may_be_swapped() -> None:
    class Swapped(Model, collection="swapped"):
        a: Field[int] = field(alias="b")
        b: Field[int] = field(alias="a")
        x: Field[int] = field(alias="y")
        y: Field[int] = field(alias="z")
        z: Field[int] = field(alias="x")

    assert ["b", "a", "y", "z", "x"] == [each.alias for each in fields_of(Swapped).values()]


@pytest.mark.parametrize("aliases", [{"x": "y", "y": "z", "z": "other"}, {"x": "y", "y": "z", "z": "y"}], ids=str)
def test_stored_names_that_lead_nowhere_are_not_swapped(aliases: dict[str, str]) -> None:
    message = refusal_of(
        dict.fromkeys(aliases, Field[int]), **{name: field(alias=alias) for name, alias in aliases.items()}
    )
    assert "Bad.x: the alias 'y' shadows the field of that name." == message


def test_a_stored_field_may_be_called_id() -> None:
    class Export(Model, collection="exports"):
        stored_id: Field[int] = field(alias="id")

    assert ("id", "__name__") == (Export.stored_id.alias, Export.id.alias)


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"default": [], "alias": "l"},
            "Bad.x: its default, of type list, is mutable, and all instances would share it",
        ),
        ({"default": {}}, "Bad.x: its default, of type dict, is mutable"),
        ({"default": set()}, "Bad.x: its default, of type set, is mutable"),
        ({"default": 1, "default_factory": int}, "Bad.x: it has both default= and default_factory=."),
        ({"default_factory": 3}, "Bad.x: default_factory= takes a function without arguments, not 3."),
        ({"enum_by": "label"}, "Bad.x: enum_by= must be 'value' or 'name', not 'label'."),
        (
            {"auto_now": True, "auto_now_add": True},
            "Bad.x: auto_now= includes auto_now_add=; use only one of them.",
        ),
        ({"auto_now": True, "default": 3}, "Bad.x: a field with auto_now= or auto_now_add= is None by default"),
        ({"auto_now_add": True, "default_factory": int}, "Bad.x: a field with auto_now= or auto_now_add= is None"),
        ({"auto_now": True}, "Bad.x: auto_now= sets the time, and Any is not a datetime, date or time."),
        ({"auto_now_add": True}, "Bad.x: auto_now_add= sets the time, and Any is not a datetime, date or time."),
    ],
)
def test_options_that_do_not_fit(options: Any, message: str) -> None:
    assert message in refusal_of({"x": Field[Any]}, x=field(**options))


def test_a_plain_default_that_can_change() -> None:
    assert "Bad.x: its default, of type list, is mutable" in refusal_of({"x": Field[Any]}, x=[])


def test_a_default_that_is_a_map_can_change_unless_it_is_frozen() -> None:
    class Point(Map):
        x: Field[int]

    class Fixed(Map, frozen=True):
        x: Field[int]

    assert "Bad.p: its default, of type Point, is mutable" in refusal_of(
        {"p": Field[Point]}, p=field(default=Point(x=1))
    )

    class Fine(Map):
        p: Field[Fixed] = field(default=Fixed(x=1))

    assert 1 == Fine().p.x


def test_automatic_times() -> None:
    class Times(Map):
        a: Field[datetime] = field(auto_now=True)
        b: Field[date | None] = field(auto_now_add=True)
        c: Field[Annotated[time, "t"]] = field(auto_now=True)

    assert (None, None, None) == (Times().a, Times().b, Times().c)  # type: ignore[comparison-overlap]
    assert not any(each.required for each in fields_of(Times).values())


def test_options_in_the_annotation_and_beside_it_are_joined() -> None:
    class Joined(Map):
        a: Annotated[Field[int], field(alias="A")] = field(default=3)
        b: Annotated[Field[int], "text", field(alias="B")] = 4  # type: ignore[assignment]
        c: Annotated[Field[int], "text"]

    assert [("A", 3), ("B", 4)] == [(each.alias, each.default) for each in fields_of(Joined).values()][:2]
    assert ("c", True) == (fields_of(Joined)["c"].alias, fields_of(Joined)["c"].required)
    twice = {"x": Annotated[Field[int], field(alias="A")]}
    message = "Bad.x: alias= is given twice, in the annotation and beside it."
    assert message == refusal_of(twice, x=field(alias="B"))


def test_field_of_dataclasses() -> None:
    message = "Bad.x: use cendry.field(), not dataclasses.field()."
    assert message == refusal_of({"x": Field[int]}, x=dataclasses.field(default=3))


def test_slots_hold_no_fields() -> None:
    assert "Bad.x: __slots__ can't hold fields; remove it." == refusal_of({"x": Field[int]}, __slots__=("x",))


# Class keywords


def test_a_model_needs_a_collection() -> None:
    def define() -> None:
        class Nowhere(Model):
            x: Field[int]

    assert 'Nowhere: a Model needs collection="...", which is never guessed, or abstract=True if it is' in refusal(
        define
    )

    def extend() -> None:
        class Capital(City):
            x: Field[int]

    assert 'Capital: a Model needs collection="..."' in refusal(extend)


@pytest.mark.parametrize("collection", ["", "a/b", ".", "..", "__x__", "\0", "x" * 1501, "\ud800", 3])
def test_a_collection_name_that_is_no_legal_id(collection: str) -> None:
    with pytest.raises(TypeError, match=r"Bad: .* is not a valid collection name: ") as caught:
        type(Model)("Bad", (Model,), {"__qualname__": "Bad"}, collection=collection)  # type: ignore[misc]
    assert isinstance(caught.value.__cause__, InvalidDocumentIdError)


def test_an_abstract_model_has_no_collection() -> None:
    def define() -> None:
        class Both(Model, collection="both", abstract=True):
            pass

    assert "Both: an abstract Model has no collection: leave out abstract=True or collection='both'." == refusal(define)


@pytest.mark.parametrize("keyword", [{"collection": "x"}, {"parent": City}, {"abstract": True}])
def test_a_map_takes_no_keywords_of_models(keyword: str) -> None:
    message = "Bad: a Map is stored inside documents: it takes no collection=, parent= or abstract=."
    assert message in refusal(lambda: type(Map)("Bad", (Map,), {}, **keyword))  # type: ignore[arg-type, misc]


def test_extra_is_one_of_three() -> None:
    message = "Bad: extra= must be 'ignore', 'forbid' or 'keep', not 'drop'."
    assert message == refusal(lambda: type(Map)("Bad", (Map,), {}, extra="drop"))  # type: ignore[misc]


@pytest.mark.parametrize("parent", ["City", 3, Map, Model])
def test_the_parent_is_a_model_with_a_collection(parent: Any) -> None:
    message = "Bad: parent= takes the Model of the parent documents, with a collection, not "
    assert message in refusal(lambda: type(Model)("Bad", (Model,), {}, collection="bad", parent=parent))  # type: ignore[misc]


def test_unknown_class_keywords_are_refused() -> None:
    assert "colection" in refusal(lambda: type(Model)("Bad", (Model,), {}, colection="bad"))  # type: ignore[misc]


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_and_other_classes_do_not_mix(frozen: Any) -> None:
    class Base(Map, frozen=frozen):  # type: ignore[literal-required]
        x: Field[int]

    def define() -> None:
        class Sub(Base, frozen=not frozen):  # type: ignore[literal-required]
            pass

    names = ("Base", "Sub") if frozen else ("Sub", "Base")
    message = refusal(define)
    assert message.endswith("is not; both must be, or neither.")
    assert message.index(f"{names[0]} is frozen") < message.index(f"{names[1]} is not")


def test_dataclass_options_that_do_not_fit_together() -> None:
    assert "Bad: eq must be true if order is true." == refusal(
        lambda: type(Map)("Bad", (Map,), {}, eq=False, order=True)  # type: ignore[misc]
    )


# Bases


def test_fields_of_a_plain_base_are_refused() -> None:
    class Plain:
        count: ClassVar[int]
        other: "dict[str, Missing]"  # type: ignore[name-defined]  # noqa: F821, UP037
        name: Field[str]

    def define() -> None:
        class Thing(Plain, Map):
            pass

    message = "Thing.name: it is declared by "
    assert message in refusal(define)
    assert "Plain, which is neither a Map nor a Model; make it a Map." in refusal(define)


def test_a_plain_base_may_annotate_what_it_likes() -> None:
    class Plain:
        count: int
        odd: "1 / 0"  # type: ignore[valid-type]  # noqa: UP037
        known: ClassVar[int] = 3

    class Thing(Plain, Map):
        name: Field[str]

    assert ["name"] == list(fields_of(Thing))


def test_a_dataclass_is_no_base() -> None:
    @dataclasses.dataclass
    class Plain:
        name: str

    def define() -> None:
        class Thing(Plain, Map):
            pass

    assert "Plain is a dataclass; to contribute fields to a model, it must be a Map." in refusal(define)


@pytest.mark.parametrize(
    "value", [lambda self: 3, property(lambda self: 3), "Rome"], ids=["method", "property", "value"]
)
def test_what_hides_an_inherited_field_is_refused(value: Any) -> None:
    message = refusal(lambda: type(Model)("Bad", (City,), {"__qualname__": "Bad", "name": value}, collection="bad"))  # type: ignore[misc]
    assert "Bad.name: an attribute of Bad hides the field of City; rename one." == message


def test_a_plain_base_that_hides_an_inherited_field_is_refused() -> Any:
    class Mixin:
        def name(self) -> str:
            return "x"

    def define() -> None:
        class Hidden(Mixin, City, collection="hidden"):  # type: ignore[misc]
            pass

    assert "hides the field of City; rename one." in refusal(define)


def test_a_method_cannot_hide_the_id() -> None:
    message = refusal_of({}, id=property(lambda self: "x"))
    assert "Bad.id: every Model has an id of its own; rename the attribute." == message


def test_a_class_variable_cannot_hide_an_inherited_field() -> None:
    def define() -> None:
        class Hidden(City, collection="hidden"):
            name: ClassVar[str] = "x"  # type: ignore[misc]

    assert "hides the field of City" in refusal(define)


class Stamps(Map):
    created: Field[datetime | None] = field(auto_now_add=True)


@dataclasses.dataclass
class Around:
    stamps: Stamps
    again: Around | None = None


@pytest.mark.parametrize(
    "annotation", [Stamps, Optional[Stamps], list[Stamps], dict[str, Stamps], Around, Optional[Around]], ids=str
)
def test_a_time_inside_a_map_that_would_never_be_set(annotation: Any) -> None:
    message = "Bad.x: Stamps.created has auto_now_add=, which is never set inside a map, only on documents."
    assert message == refusal_of({"x": Field[annotation]})


@dataclasses.dataclass
class Chain:
    text: str
    again: Chain | None = None


def test_a_class_that_contains_itself_has_no_time_inside() -> None:
    class Holder(Model, collection="holders"):
        chain: Field[Chain]

    assert Chain is fields_of(Holder)["chain"].annotation


def test_a_map_with_times_is_a_mixin_and_none_is_the_default() -> None:
    class Stamped(Stamps, Model, collection="stamped"):
        changed: Field[datetime | None] = field(default=None, auto_now=True)  # type: ignore[call-overload]

    assert [None, None] == [each.default for each in fields_of(Stamped).values()]

    with pytest.raises(TypeError, match="Nested.inner: Nested.changed has auto_now=, which is never set inside a map"):

        class Nested(Map):
            changed: Field[datetime | None] = field(auto_now=True)
            inner: Field[Nested | None] = field(default=None)


def test_a_frozen_model_has_no_fields_that_writes_set() -> None:
    with pytest.raises(TypeError, match=r"Doc\.seen: auto_now= sets the field on write, but .*Doc is frozen"):
        make_model({"seen": (datetime, field(auto_now=True))}, frozen=True)
    with pytest.raises(TypeError, match=r"Base\.made: auto_now_add= sets the field .* is frozen"):
        make_class("Base", Model, {"made": (datetime, field(auto_now_add=True))}, abstract=True, frozen=True)
