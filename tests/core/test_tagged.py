"""Tagged models: definition, families that change, conversion of dicts, plans and tokens."""

from __future__ import annotations

import copy
import enum
import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import pytest
from cendry import (
    AsyncQuery,
    Cendry,
    CendryError,
    DecodeError,
    Field,
    FieldPath,
    InvalidPageTokenError,
    InvalidRequestError,
    Map,
    MemoryBackend,
    MissingIndexError,
    Model,
    Query,
    Ref,
    TypeRegistry,
    ValidationError,
    default_registry,
    field,
    from_dict,
    to_dict,
    validate,
)
from cendry._query.builders import spec_of
from cendry._query.compile import compiled
from cendry._types.shapes import UNTAGGED
from cendry.codec import codec_for, source_of
from cendry.codec.message import decoder, encoder
from cendry.codec.reading import STORED
from cendry.plan import NOTHING, Composite, Condition, Set
from cendry.reference import DocumentLike
from core.recording import RecordingBackend
from hypothesis import given
from hypothesis import strategies as st
from making import make_class


class Place(Map):
    room: Field[str] = field(default="hall")


class Event(Model, collection="events", tag_field="type"):
    at: Field[int] = field(alias="when", default=0)


class Pointer(Event):
    """A base inside the family, which has no tag."""

    x: Field[int] = field(default=0)


class Click(Pointer, Place, tag="click"):
    target: Field[Ref[Event] | None] = field(default=None)


class DoubleClick(Click, tag="double click"):
    pause: Field[float] = field(default=0.5)
    inner: Field[Place | None] = field(default=None)


class Scroll(Event, tag="scroll"):
    dy: Field[int] = field(repr=False)


class Note(Model, collection="notes", tag_field="kind", tag=None):
    text: Field[str] = field(default="")


class Question(Note, tag="question", extra="forbid"):
    answer: Field[str | None] = field(default=None)


class Animal(Model, collection="Animal", tag_field="class", tag=("Animal",)):
    name: Field[str] = field(default="")


class Cat(Animal, tag=("Animal", "Cat")):
    lives: Field[int] = field(default=9)


class Siamese(Cat, tag=("Animal", "Cat", "Siamese")):
    pass


class Dog(Animal, tag=("Animal", "Dog")):
    pass


# --- definition ---


def refusal(define: Callable[[], object]) -> str:
    with pytest.raises(TypeError) as caught:
        define()
    return str(caught.value)


def make(base: type[Any] = Event, annotations: dict[str, Any] | None = None, **keywords: Any) -> Any:
    return make_class("Bad", base, annotations or {}, **keywords)


def test_subclasses_have_the_collection_and_the_parent_of_their_base() -> None:
    class Sub(Model, collection="subs", parent=Event, tag_field="t", tag="sub"):
        pass

    class Below(Sub, tag="below"):
        pass

    assert ["events"] * 4 == [cls.__collection__ for cls in (Event, Pointer, Click, DoubleClick)]
    assert ("subs", Event) == (Below.__collection__, Below.__parent__)
    assert "events/a/subs/b" == Ref(Below, "b", parent=Ref(Click, "a")).path
    assert ["at", "x", "room", "target", "pause", "inner"] == [
        name for name in ("at", "x", "room", "target", "pause", "inner") if hasattr(DoubleClick, name)
    ]


def test_what_a_class_without_tags_has_of_families_is_nothing() -> None:
    class Plain(Model, collection="plain"):
        x: Field[int]

    codec = codec_for(Plain)
    assert (None, None, UNTAGGED) == (codec.family, codec.shape.tag, Plain.__cendry_tag__)
    assert codec.decode is codec.current(STORED) is codec.current_own(STORED)
    assert compiled(spec_of(Query(Plain)), default_registry).plan.where is None


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: make(tag="click"), "Bad: the tag 'click' is that of Click already."),
        (
            lambda: make(Model, collection="c", tag="x"),
            "Bad: tag='x' needs the name under which tags are stored; write",
        ),
        (lambda: make(Model, collection="c", tag=None), "Bad: tag=None needs the name under which tags are stored"),
        (lambda: make(tag_field="t"), "its documents are in 'events' too; leave out tag_field="),
        (lambda: make(collection="c", tag="x"), "Bad: it is a subclass of Event, and its documents are"),
        (lambda: make(collection="c"), "leave out collection="),
        (lambda: make(parent=Note, tag="x"), "leave out parent="),
        (lambda: make(tag=None), "Bad: tag=None is for Event, the class with tag_field=; here, leave out tag=."),
        (lambda: make(tag=5), "Bad: tag= takes a str or a tuple of str, not 5."),
        (lambda: make(tag=["a"]), r"Bad: tag= takes a str or a tuple of str, not ['a']."),
        (lambda: make(tag=("a", 5)), "Bad: tag= takes a str or a tuple of str, not ('a', 5)."),
        (lambda: make(tag=()), "Bad: tag= takes a str or a tuple of str, and this tuple is empty."),
        (lambda: make(tag=""), "Bad: tag= takes text of 1 to 1500 bytes, not ''."),
        (lambda: make(tag="\ud800"), "Bad: tag= takes text of 1 to 1500 bytes, not '\\ud800'."),
        (lambda: make(tag="ü" * 751), "Bad: tag= takes text of 1 to 1500 bytes, not 'üüü"),
        (lambda: make(Animal, tag=("Animal", "")), "Bad: tag= takes text of 1 to 1500 bytes, not ('Animal', '')."),
        (
            lambda: make(tag=("a", "b")),
            "Bad: its tag is ('a', 'b'), and that of Click is 'click': in one collection, all",
        ),
        (lambda: make(Animal, tag=("Animal", "Cat")), "Bad: the tag ('Animal', 'Cat') is that of Cat already."),
        (
            lambda: make(Cat, tag=("Animal", "Lion")),
            "Bad: its tag ('Animal', 'Lion') has to contain 'Cat', by which documents of Cat",
        ),
        (
            lambda: make(Animal, tag=("Animal", "Dog", "Cat")),
            "is in the tag of Bad, ('Animal', 'Dog', 'Cat'), which is not a subclass",
        ),
        (
            lambda: make(Animal, tag=("Animal", "x", "Cat")),
            "'Cat', by which documents of Cat are found, is in the tag of Bad",
        ),
        (
            lambda: make(abstract=True, tag="x"),
            "Bad: an abstract Model has no documents to tell apart; leave out abstract=True or tag=.",
        ),
        (lambda: make(Model, abstract=True, tag_field="t"), "leave out abstract=True or tag_field=."),
        (lambda: make(Map, tag="x"), "Bad: a Map is stored inside documents: tag_field= and tag= are for Models."),
        (
            lambda: make(Map, tag_field="x"),
            "Bad: a Map is stored inside documents: tag_field= and tag= are for Models.",
        ),
        (
            lambda: make(Model, collection="c", tag_field="id"),
            "Bad: tag_field='id' is not valid: that is the document's id; store",
        ),
        (lambda: make(Model, collection="c", tag_field="_cendry_x"), "names that start with _cendry are reserved"),
        (lambda: make(Model, collection="c", tag_field="__x__"), "Bad: tag_field='__x__' is not valid: "),
        (lambda: make(Model, collection="c", tag_field=5), "Bad: tag_field=5 is not valid: "),
        (
            lambda: make(Model, {"type": str}, collection="c", tag_field="type"),
            "Bad.type: Bad stores tags as 'type', so no field can have that stored name.",
        ),
        (
            lambda: make(Event, {"kind": (str, field(alias="type"))}, tag="x"),
            "Bad.kind: Event stores tags as 'type', so no field can have that stored name.",
        ),
        (
            lambda: make(Event, {"type": (str, field(alias="kind"))}, tag="x"),
            "Bad.type: Event stores tags as 'type', so no field can have that name.",
        ),
    ],
)
def test_what_is_refused_at_definition(define: Callable[[], object], message: str) -> None:
    assert message in refusal(define)
    assert {"click", "double click", "scroll"} == set(_tags(Event))


def test_bases_of_two_collections() -> None:
    def define() -> None:
        class Both(Click, Question, tag="both"):
            pass

    assert "Both: its bases belong to two collections, those of Event and Note." == refusal(define).replace(
        "test_bases_of_two_collections.<locals>.define.<locals>.", ""
    )


def test_a_class_may_be_of_two_kinds_of_one_collection() -> None:
    class Root(Model, collection="roots", tag_field="type"):
        pass

    class Left(Root, tag="left"):
        pass

    class Right(Root, tag="right"):
        dy: Field[int]

    class Both(Left, Right, tag="both"):
        pass

    assert codec_for(Root).decode({"type": "both", "dy": 1}) == Both(dy=1)
    assert (["both", "left"], ["both", "right"]) == (_tags(Left), _tags(Right))


def test_an_abstract_class_inside_a_family_is_only_a_base() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(default=0)

    class Key(Root, abstract=True):
        code: Field[int] = field(default=0)

    class Press(Key, tag="press"):
        pass

    assert "events" == Press.__collection__
    assert Press(code=1) == codec_for(Root).decode({"type": "press", "code": 1})
    with pytest.raises(TypeError, match="is abstract"):
        Query(Key)


def test_tags_of_enums_and_subclasses_of_str_are_their_text() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(default=0)

    class Kind(str, enum.Enum):
        KEY = "key"

        def __str__(self) -> str:  # pragma: no cover - never asked
            return "elsewhere"

    class Key(Root, tag=Kind.KEY):
        pass

    assert {"type": "key", "at": 0} == to_dict(Key())
    assert str is type(to_dict(Key())["type"])
    assert Key() == from_dict(Root, {"type": Kind.KEY})
    assert "'type': 'key'" in source_of(Key)


# --- families that change ---

CELL = """
from cendry import Field, Model, field

class Event(Model, collection="events", tag_field="type"):
    at: Field[int] = field(default=0)

class Click(Event, tag="click"):
    pass

class Wheel(Click, tag="wheel"):
    pass
"""
SUBCLASSES = """
class Click(Event, tag="click"):
    x: Field[int] = field(default=0)
"""
ARRAYS = """
class Base(Model, collection="bases", tag_field="class", tag=("Base",)):
    pass

class Leaf(Base, tag=("Base", "Leaf")):
    pass

class Lower(Leaf, tag=("Base", "Leaf", "Lower")):
    pass
"""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module in which a cell ran once."""
    module = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", module)
    exec(CELL, vars(module))
    return module


def test_a_class_that_is_defined_again_takes_the_place_of_the_first(notebook: ModuleType) -> None:
    event, first = notebook.Event, notebook.Click
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save(first(id="a"))
        assert [first] == [type(each) for each in ctx.select(event)]
        exec(SUBCLASSES, vars(notebook))
        again = notebook.Click
        assert [again] == [type(each) for each in ctx.select(event)] == [type(ctx.get(again, "a"))]
        # The class above it is still the first one.
        assert (["click"], ["wheel"]) == (_tags(again), _tags(notebook.Wheel))
        with pytest.raises(DecodeError, match="Click"):
            ctx.get(first, "a")
        assert pickle.loads(pickle.dumps(again(id="a"))) == again(id="a")


def test_classes_with_arrays_that_are_defined_again(notebook: ModuleType) -> None:
    for _ in range(2):
        exec(ARRAYS.partition("class Leaf")[0], vars(notebook))
        for _ in range(2):
            exec("class Leaf" + ARRAYS.partition("class Leaf")[2], vars(notebook))
    assert notebook.Lower() == codec_for(notebook.Base).decode({"class": ["Base", "Leaf", "Lower"]})
    exec(ARRAYS.partition("class Leaf")[0] + "class Leaf(Base, tag=('Base', 'Leaf')): pass", vars(notebook))
    assert notebook.Leaf() == codec_for(notebook.Base).decode({"class": ["Base", "Leaf"]})


def test_a_class_that_is_gone_is_known_no_more() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(default=0)

    def define() -> Any:
        class Gone(Root, tag="gone"):
            pass

        assert Gone() == decode({"type": "gone"}, None) == from_dict(Root, {"type": "gone"})
        assert "gone" in _tags(Root)
        return weakref.ref(Gone)

    decode = codec_for(Root).decode
    gone = define()
    gc.collect()
    assert gone() is None
    assert "gone" not in _tags(Root)
    with pytest.raises(DecodeError, match="found str 'gone'"):
        decode({"type": "gone"})


def test_the_tag_of_a_class_that_is_gone_is_free() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(default=0)

    def define(name: str) -> Any:
        return make_class(name, Root, {}, tag="freed")

    gc.collect()
    gc.disable()
    try:
        define("First")
        second = define("Second")
    finally:
        gc.enable()
    assert second() == codec_for(Root).decode({"type": "freed"})


def test_tables_of_codecs_that_are_gone_are_forgotten() -> None:
    class Root(Model, collection="events", tag_field="type"):
        pass

    family: Any = Root.__cendry_family__
    kept, gone = family.table(), [family.table() for _ in range(20)]
    kept["a"] = 1
    gone.clear()

    class Leaf(Root, tag="leaf"):
        pass

    assert {} == kept
    assert 21 == len(family._tables)
    assert {} == family.table()
    assert (2, ["leaf"]) == (len(family._tables), _tags(Leaf))


def test_types_registered_later_are_known_to_subclasses() -> None:
    class Weight:
        def __init__(self, grams: int) -> None:
            self.grams = grams

    class Root(Model, collection="events", tag_field="type"):
        pass

    registry = TypeRegistry()
    registry.register(Weight, serialize=lambda one: one.grams, deserialize=Weight)

    class Weighed(Root, tag="weighed", type_registry=registry):
        weight: Field[Weight]

    stored = {"type": "weighed", "weight": 5}
    found: Any = codec_for(Root).decode(stored)
    assert 5 == found.weight.grams
    own = TypeRegistry()
    first = codec_for(Root, own).decode
    assert 5 == cast("Any", first(stored)).weight.grams
    own.register(Weight, serialize=lambda one: one.grams + 1, deserialize=lambda grams: Weight(grams - 1))
    found = codec_for(Root, own).decode(stored)
    assert 4 == found.weight.grams
    codec = codec_for(Root, own)
    assert codec.of(Root) is codec
    del own
    gc.collect()
    assert codec_for(Weighed) is codec.of(Weighed)


# --- dicts ---


def test_dicts_carry_the_tag() -> None:
    double = DoubleClick(id="a", at=1, x=2, room="r", target=Ref(Scroll, "b"), inner=Place())
    assert {
        "type": "double click",
        "at": 1,
        "x": 2,
        "room": "r",
        "target": Ref(Scroll, "b"),
        "pause": 0.5,
        "inner": {"room": "hall"},
    } == to_dict(double)
    assert ("double click", 1) == (to_dict(double, by_alias=True)["type"], to_dict(double, by_alias=True)["when"])
    assert {"text": "x"} == to_dict(Note(text="x"))
    first = to_dict(Cat())
    assert ["Animal", "Cat"] == first["class"]
    first["class"].append("x")
    assert ["Animal", "Cat"] == to_dict(Cat())["class"]
    for untagged in (Event(), Pointer()):
        with pytest.raises(CendryError, match="has no tag, so its own instances can't be stored"):
            to_dict(untagged)
        with pytest.raises(CendryError, match="tag=None stores none"):
            to_dict(untagged, by_alias=True)


instances = st.one_of(
    st.builds(Click, id=st.just("a"), at=st.integers(0, 9), x=st.integers(-9, 9), room=st.text(max_size=3)),
    st.builds(DoubleClick, pause=st.floats(0, 1), inner=st.none() | st.builds(Place, room=st.text(max_size=3))),
    st.builds(Scroll, dy=st.integers(-9, 9)),
    st.builds(Note, text=st.text(max_size=3)),
    st.builds(Question, answer=st.none() | st.text(max_size=3)),
    st.builds(Cat, lives=st.integers(0, 9)),
    st.builds(Siamese, name=st.text(max_size=3)),
    st.builds(Animal),
)


@given(instances, st.booleans())
def test_every_instance_comes_back_as_its_own_class(instance: Any, by_alias: bool) -> None:
    cls: Any = type(instance)
    base = cls.__cendry_family__.root
    data = to_dict(instance, by_alias=by_alias, include_id=True)
    for asked in (base, cls):
        assert instance == from_dict(asked, data, by_alias=by_alias, include_id=True)
        assert [] == validate(asked, data, by_alias=by_alias, include_id=True)
        stored = codec_for(cls).encode(instance)
        found = codec_for(asked).decode(stored, instance.id)
        assert (instance, cls) == (found, type(found))


def problem_of(model: Any, data: dict[str, Any], **options: Any) -> Any:
    [problem] = validate(model, data, **options)
    with pytest.raises(ValidationError) as caught:
        from_dict(model, data, **options)
    assert (problem,) == caught.value.problems
    return (problem.path, problem.expected, problem.found, problem.code, problem.nearest)


def test_tags_in_data_from_users() -> None:
    every = "'click' (Click) or 'double click' (DoubleClick) or 'scroll' (Scroll)"
    clicks = "'click' (Click) or 'double click' (DoubleClick)"
    assert Click() == from_dict(Click, {}) == from_dict(Click, {"type": "click"}) == from_dict(Event, {"type": "click"})
    assert DoubleClick() == from_dict(Click, {"type": "double click"}) == from_dict(Pointer, {"type": "double click"})
    assert Note(text="x") == from_dict(Note, {"text": "x"})
    assert ("type", every, "nothing", "missing", ()) == problem_of(Event, {})
    assert ("type", clicks, "nothing", "missing", ()) == problem_of(Pointer, {})
    assert problem_of(Animal, {})[1].startswith("('Animal',) (Animal) or ('Animal', 'Cat') (Cat) or ")
    hint = "str 'clik' (did you mean 'click'?)"
    assert ("type", every, hint, "tag", ("click",)) == problem_of(Event, {"type": "clik"})
    assert ("type", clicks, "str 'scroll' (Scroll)", "tag", ()) == problem_of(Click, {"type": "scroll"})
    assert ("type", "'scroll' (Scroll)", "int 5", "tag", ()) == problem_of(Scroll, {"type": 5})
    assert ("kind", "'question' (Question)", "str 'poll'", "tag", ()) == problem_of(Question, {"kind": "poll"})
    assert ("kind", "'question' (Question)", "str 'poll'", "tag", ()) == problem_of(Note, {"kind": "poll"})
    assert Note() == from_dict(Note, {"kind": "poll", "votes": 3}, extra="ignore")
    misfits: list[Any] = [["Animal", 5], {}, "Animal", [], {"a": []}]
    for misfit in misfits:
        assert "class" == problem_of(Animal, {"class": misfit})[0]
    assert Cat() == from_dict(Animal, {"class": ["Animal", "Cat"]}) == from_dict(Animal, {"class": ("Animal", "Cat")})
    long = problem_of(Event, {"type": "x" * 10_000})
    assert 80 <= len(long[2]) <= 90


def test_problems_of_a_tagged_class_are_its_own() -> None:
    with pytest.raises(ValidationError, match=r"Scroll\.dy: expected int, found nothing; y: expected only declared"):
        from_dict(Event, {"type": "scroll", "y": 1})
    assert ["y", "dy"] == sorted((each.path for each in validate(Event, {"type": "scroll", "y": 1})), reverse=True)
    assert ["id", "type"] == [each.path for each in validate(Event, {"id": "a/b"}, include_id=True)]
    assert "the data" in str(validate(Event, cast("Any", []))[0])


def test_many_tags_in_a_message() -> None:
    class Base(Model, collection="bases", tag_field="t"):
        pass

    assert "the tag of a subclass of" in problem_of(Base, {"t": "x"})[1]
    kept = [make_class(f"Kind{n}", Base, {}, tag=f"k{n}") for n in range(7)]
    assert problem_of(Base, {"t": "x"})[1].endswith("'k3' (Kind3) or 'k4' (Kind4) or 2 more")
    assert 7 == len(kept)


# --- stored documents ---


def test_a_class_that_forbids_undeclared_fields_knows_the_tag() -> None:
    assert Question() == codec_for(Note).decode({"kind": "question"})
    with pytest.raises(DecodeError, match="only declared fields of Question"):
        codec_for(Note).decode({"kind": "question", "x": 1})
    with pytest.raises(DecodeError, match="answer"):
        codec_for(Question).decode({"kind": "question", "answer": 5})

    class Closed(Model, collection="closed", tag_field="t", tag=None, extra="forbid"):
        pass

    assert Closed() == codec_for(Closed).decode({"t": "other"}) == codec_for(Closed).decode({})


@pytest.mark.parametrize("found", [5, None, b"x", ["click"], {"a": 1}, {}, [[]], [{}], "", "Click", 1.5, True])
def test_odd_tags_are_no_tags(found: Any) -> None:
    with pytest.raises(DecodeError, match=r"events/a.*Event: type: expected 'click' \(Click\) or ") as error:
        codec_for(Event).decode({"type": found}, "a", "events/a")
    assert (500, False) == (error.value.http_status, error.value.is_other_kind)
    with pytest.raises(DecodeError) as error:
        codec_for(Click).decode({"type": found}, "a", "events/a")
    assert (404, True) == (error.value.http_status, error.value.is_other_kind)
    assert Note() == codec_for(Note).decode({"kind": found})
    assert (404, True) == (lambda one: (one.http_status, one.is_other_kind))(pickle.loads(pickle.dumps(error.value)))


def test_errors_name_both_kinds() -> None:
    with pytest.raises(DecodeError) as error:
        codec_for(Click).decode({"type": "scroll"}, "a", "events/a")
    assert str(error.value) == (
        "Document 'events/a' doesn't fit Click: type: expected 'click' (Click) or 'double click' (DoubleClick), "
        "found str 'scroll' (Scroll)."
    )


def test_the_codec_of_the_class_that_is_read_explains() -> None:
    with pytest.raises(DecodeError, match=r"doesn't fit Scroll: dy: expected int, found a value that is not shown"):
        codec_for(Event).decode({"type": "scroll", "dy": "x"})


def test_masks_include_the_tag_that_is_stored() -> None:
    class Kept(Model, collection="kept", tag_field="t", tag=None, extra="keep"):
        place: Field[Place]

    class Lower(Kept, tag="lower"):
        pass

    paths = [FieldPath("place", "room")]
    assert paths == list(codec_for(Kept).mask(codec_for(Kept).encode(Kept(place=Place()))))
    assert [FieldPath("t"), *paths] == list(codec_for(Lower).mask(codec_for(Lower).encode(Lower(place=Place()))))


# --- plans ---


def _tags(model: Any) -> list[Any]:
    return cast("list[Any]", model.__cendry_family__.tags_of(model))


def where_of(query: Any) -> Any:
    return compiled(spec_of(query), default_registry).plan.where


def test_plans_filter_by_the_tags_of_a_class_and_its_subclasses() -> None:
    tag, at = FieldPath("type"), Condition(FieldPath("when"), "==", 1)
    assert where_of(Query(Event)) is None
    assert Condition(tag, "in", ["click", "double click"]) == where_of(Query(Click)) == where_of(AsyncQuery(Pointer))
    assert Condition(tag, "==", "scroll") == where_of(Query(Scroll))
    one = Condition(tag, "==", "scroll")
    assert Composite("AND", (one, at)) == where_of(Query(Scroll, Scroll.at == 1))
    assert Composite("AND", (one, at, at)) == where_of(Query(Scroll, Scroll.at == 1, Event.at == 1))
    either = where_of(Query(Scroll, (Scroll.at == 1) | (Scroll.at == 1)))
    assert Composite("AND", (one, Composite("OR", (at, at)))) == either
    assert where_of(Query(Scroll, Scroll.at.is_in([]))) is NOTHING
    name = FieldPath("class")
    assert where_of(Query(Animal)) is None
    assert Condition(name, "array-contains", "Cat") == where_of(Query(Cat))
    assert Condition(name, "array-contains", "Siamese") == where_of(Query(Siamese))


def test_a_base_without_a_tag_whose_subclasses_have_arrays() -> None:
    class Root(Model, collection="Animal", tag_field="class", tag=("Animal",)):
        pass

    class Pet(Root):
        pass

    assert where_of(Query(Pet)) is NOTHING

    class Bird(Pet, tag=("Animal", "Bird")):
        pass

    class Parrot(Bird, tag=("Animal", "Bird", "Parrot")):
        pass

    class Fish(Pet, tag=("Animal", "Fish")):
        pass

    assert Condition(FieldPath("class"), "array-contains-any", ["Bird", "Fish"]) == where_of(Query(Pet))
    assert Parrot() == codec_for(Pet).decode({"class": ["Animal", "Bird", "Parrot"]})
    assert Fish.__collection__ == "Animal"


def test_over_30_tags_are_refused_before_anything_is_sent() -> None:
    class Base(Model, collection="bases", tag_field="t"):
        pass

    class Middle(Base):
        pass

    kept = [make_class(f"Kind{n}", Middle, {}, tag=f"k{n:02}") for n in range(30)]
    backend = RecordingBackend()
    with Cendry(backend=backend) as ctx:
        assert [] == ctx.select(Middle).to_list()
        kept.append(make_class("Kind30", Middle, {}, tag="k30"))
        backend.calls.clear()
        query = ctx.select(Middle)
        for run in (query.to_list, query.count, query.ids, query.first):
            with pytest.raises(InvalidRequestError, match="31 tags, and a filter takes at most 30.*nothing was sent"):
                run()
        assert [] == backend.calls
        assert [] == ctx.select(Base).to_list()


def test_queries_are_values_whatever_subclasses_there_are(notebook: ModuleType) -> None:
    event, click = notebook.Event, notebook.Click
    queries = [Query(click, event.at > 1), Query(event, click.at == 1, order_by=notebook.Wheel.at)]
    before = [(hash(query), repr(query), pickle.dumps(query)) for query in queries]
    exec("class Other(Click, tag='other'): pass", vars(notebook))
    assert before == [(hash(query), repr(query), pickle.dumps(query)) for query in queries]
    assert queries == [pickle.loads(data) for _, _, data in before]
    assert queries == copy.deepcopy(queries)
    assert queries[1] == eval(repr(queries[1]), {**vars(notebook), "Query": Query})
    assert "Query(Event, Click.at == 1, order_by=Wheel.at.asc())" == repr(queries[1])


def test_a_page_goes_on_when_a_class_got_a_subclass(notebook: ModuleType) -> None:
    event, click = notebook.Event, notebook.Click
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save_many([click(id=name, at=number % 2) for number, name in enumerate("abcdef")])
        walks = [
            ctx.select(click),
            ctx.select(click, order_by=click.at),
            ctx.select(click, (event.at == 0) | (event.at == 1)),
            ctx.select(click, event.at >= 0, event.at < 2),
            ctx.select(click).limit_to_last(5),
        ]
        expected = [walk.ids() for walk in walks]
        pages = [walk.page(2) for walk in walks]
        exec("class Other(Click, tag='other'): pass", vars(notebook))
        for walk, page, ids in zip(walks, pages, expected, strict=True):
            later = walk.page(2, after=page.next_token)
            assert ids[:4] == [one.id for one in (*page, *later)]
            assert page.items == walk.page(2, before=later.previous_token).items
            assert ids[2:] == walk.start_after(page.next_token).ids()
        for other in (ctx.select(event), ctx.select(notebook.Other), ctx.select(notebook.Wheel)):
            with pytest.raises(InvalidPageTokenError, match="another query"):
                other.page(2, after=pages[0].next_token)


def test_pages_of_a_base_without_a_tag() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save_many([Click(id=name) for name in "abc"])
        page = ctx.select(Pointer).page(2)
        assert ["c"] == [one.id for one in ctx.select(Pointer).page(2, after=page.next_token)]
        with pytest.raises(InvalidPageTokenError, match="another query"):
            ctx.select(Click).page(2, after=page.next_token)
        assert [] == ctx.select(Click, Click.at.is_in([])).page(2).items


def test_tokens_of_classes_without_tags_are_as_they_were() -> None:
    class Plain(Model, collection="plain"):
        x: Field[int] = field(default=0)

    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save_many([Plain(id=name) for name in "ab"])
        assert "AQBf-uB_1N97jU8s99e6T2UhAQgHcGxhaW4vYQ" == ctx.select(Plain).page(1).next_token


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[Any], bool]:
    """A family of up to 8 classes, of which some have no tag, and whether its tags are arrays."""
    is_array = draw(st.booleans())
    choices: list[dict[str, Any]] = [{}, {"tag": ("0",) if is_array else "0"}, {"tag": None}]
    root_tag = draw(st.sampled_from(choices))
    classes = [make_class("Kind0", Model, {}, collection="kinds", tag_field="t", **root_tag)]
    above: list[tuple[str, ...]] = [("0",) if root_tag.get("tag") else ()]
    for number in range(1, draw(st.integers(1, 8))):
        base = draw(st.integers(0, number - 1))
        name = f"{number}"
        tag: Any = {"tag": (*above[base], name) if is_array else name} if draw(st.integers(0, 3)) else {}
        classes.append(make_class(f"Kind{number}", classes[base], {}, **tag))
        above.append((*above[base], name) if tag else above[base])
    return classes, is_array


@given(trees())
def test_reading_a_class_is_reading_what_are_its_instances(tree: tuple[list[Any], bool]) -> None:
    classes, _ = tree
    with Cendry(backend=MemoryBackend()) as ctx:
        for number, cls in enumerate(classes):
            if cls.__cendry_tag__ is UNTAGGED:
                with pytest.raises(CendryError, match="has no tag"):
                    ctx.save(cls(id=f"{number}"))
            else:
                ctx.save(cls(id=f"{number}"))
        stored = list(ctx.select(classes[0]))
        assert [cls for cls in classes if cls.__cendry_tag__ is not UNTAGGED] == [type(one) for one in stored]
        ids = [f"{number}" for number in range(len(classes))]
        for cls in classes:
            own = [one for one in stored if isinstance(one, cls)]
            assert own == ctx.select(cls).to_list()
            assert len(own) == ctx.select(cls).count()
            found = {one.id: one for one in own}
            assert [found.get(name) for name in ids] == ctx.find_many(cls, ids) == [ctx.find(cls, name) for name in ids]
            assert [name in found for name in ids] == [ctx.exists(cls, name) for name in ids]
            assert own == [from_dict(cls, to_dict(one, include_id=True), include_id=True) for one in own]


def test_strict_indexes_see_the_filter() -> None:
    with Cendry(backend=MemoryBackend(strict_indexes={"indexes": []})) as ctx:
        assert [] == ctx.select(Event, order_by=Event.at).to_list()
        with pytest.raises(MissingIndexError, match="'type'|\"type\""):
            ctx.select(Scroll, order_by=Scroll.at).to_list()


def test_fields_of_subclasses_are_found_by_their_own_class() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(alias="when", default=0)

    class Plain(Root, tag="plain"):
        target: Field[Ref[Event] | None] = field(default=None)

    class Shadow(Root, tag="shadow"):
        at: Field[str] = field(alias="at text", default="")  # type: ignore[assignment]
        secret: Field[dict[str, int]] = field(default_factory=dict)

    assert Condition(FieldPath("at text"), "==", "x") == where_of(Query(Root, Shadow.at == "x"))
    assert Condition(FieldPath("when"), "==", 1) == where_of(Query(Root, Root.at == 1))
    assert Condition(FieldPath("secret", "k"), "==", 1) == where_of(Query(Root, Shadow.secret["k"] == 1))
    cursor = Query(Root, order_by=Shadow.at, start_after=Shadow(id="a", at="y"))
    assert "start_after={'at': 'y', 'id': 'a'}" in repr(cursor)
    assert hash(cursor) == hash(copy.copy(cursor))
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.save_many([Shadow(id="a", at="x", secret={"k": 3}), Plain(id="b", at=1), Shadow(id="c", at="z")])
        rows = ctx.select(Root).values(Shadow.at, Shadow.secret["k"], Root.at, Plain.target)
        assert [("x", 3, 0, None), (None, None, 1, None), ("z", None, 0, None)] == rows.to_list()
        assert ["c"] == ctx.select(Root, order_by=Shadow.at, start_after=ctx.get(Root, "a")).ids()
        assert [Shadow(id="a", at="x", secret={"k": 3})] == ctx.select(Root, Shadow.at == "x").to_list()


# --- messages ---


@given(instances)
def test_messages_hold_the_tag(instance: Any) -> None:
    from cendry_datastore._dialect import DATASTORE
    from cendry_datastore._keys import Partition
    from cendry_firestore._dialect import FIRESTORE

    cls: Any = type(instance)
    bases: list[tuple[Any, Any]] = [(FIRESTORE, "projects/p/databases/d"), (DATASTORE, Partition("p", "", ""))]
    for dialect, base in bases:
        message: Any = encoder(codec_for(cls), dialect, base)(instance)
        stored = codec_for(cls).encode(instance)
        assert stored == dict(message)
        for asked in (cls.__cendry_family__.root, cls):
            decode: Any = decoder(codec_for(asked), dialect)
            assert decode is decoder(codec_for(asked), dialect)
            document = dialect.new_document()
            fields = getattr(document, dialect.values.inner)
            dialect.values.write_fields(fields, stored, base)
            for _ in range(2):
                found = decode(fields, instance.id, "c/a", base)
                assert (instance, cls) == (found, type(found))


def test_messages_without_a_tag_that_is_known() -> None:
    from cendry_firestore._dialect import FIRESTORE

    def fields_with(stored: dict[str, Any]) -> Any:
        document = FIRESTORE.new_document()
        FIRESTORE.values.write_fields(document.fields, stored, "base")
        return document.fields

    for stored in ({}, {"type": 5}, {"type": ""}, {"type": ["click"]}, {"type": "hover"}, {"type": None}):
        fields = fields_with(stored)
        with pytest.raises(DecodeError, match="type: expected 'click'"):
            decoder(codec_for(Event), FIRESTORE)(fields, "a", "events/a", "base")
        assert len(stored) == len(fields)
    for stored in ({}, {"kind": "poll"}):
        assert Note(id="a") == decoder(codec_for(Note), FIRESTORE)(fields_with(stored), "a", "notes/a", "base")
    with pytest.raises(CendryError, match="has no tag"):
        encoder(codec_for(Event), FIRESTORE, "base")(Event())


# --- contexts ---


def test_existence_of_one_kind_is_asked_with_the_tag_alone() -> None:
    backend = RecordingBackend()
    with Cendry(backend=backend) as ctx:
        backend.put("events/a", {"type": "click", "when": 1})
        backend.calls.clear()
        assert (True, True, False) == (ctx.exists(Event, "a"), ctx.exists(Click, "a"), ctx.exists(Scroll, "a"))
        assert [(), (FieldPath("type"),), (FieldPath("type"),)] == [plan.projection for _, plan in backend.calls]


def test_creating_what_is_there_as_another_kind_takes_one_request() -> None:
    backend = RecordingBackend()
    with Cendry(backend=backend) as ctx:
        backend.put("events/a", {"type": "scroll", "dy": 1})
        backend.calls.clear()
        with pytest.raises(DecodeError, match="Scroll"):
            ctx.get_or_create(Click, "a")
        assert ["get"] == [name for name, _ in backend.calls]


def test_a_document_that_does_not_fit_is_not_one_of_another_kind() -> None:
    backend = RecordingBackend()
    with Cendry(backend=backend) as ctx:
        backend.put("events/a", {"type": "scroll"})
        with pytest.raises(DecodeError, match="dy"):
            ctx.find(Scroll, "a")


def test_merges_of_untagged_bases() -> None:
    with Cendry(backend=MemoryBackend()) as ctx:
        ctx.merge(Note, "a", {"text": "x"})
        ctx.merge(Question, "b", {"text": "x"})
        assert [Note(id="a", text="x"), Question(id="b", text="x")] == ctx.get_many(Note, ["a", "b"])
        with pytest.raises(CendryError, match="Pointer has no tag"):
            ctx.merge(Pointer, "a", {"x": 1})


def test_instances_that_are_refused_keep_no_id() -> None:
    event = Event()
    with Cendry(backend=RecordingBackend()) as ctx:
        with pytest.raises(CendryError, match="Event has no tag"), ctx.batch() as batch:
            batch.save(event)
        assert event.id is None


def test_an_instance_takes_no_fields_of_its_subclasses() -> None:
    ctx = Cendry(backend=RecordingBackend())
    click = Click(id="a")
    for change in (ctx.update, ctx.merge):
        with pytest.raises(TypeError, match=r"is a field of DoubleClick, and this .* is a Click, which"):
            change(click, {Click.x: 1, DoubleClick.pause: 1.0})
    assert not hasattr(click, "pause")


def test_references_are_to_any_kind_of_the_base() -> None:
    assert issubclass(Click, Event)
    located: DocumentLike = Click(id="a")
    assert "events" == located.__collection__
    assert Ref(Event, "a") == Ref(Click, "a")
    with pytest.raises(ValidationError, match="a reference to Note"):
        codec_for(Click).encode(Click(target=cast("Any", Ref(Note, "a"))))
    assert Ref(Scroll, "b") == codec_for(Click).encode(Click(target=Ref(Scroll, "b")))["target"]


def test_verified_instances_are_of_their_own_class() -> None:
    class Root(Model, collection="events", tag_field="type"):
        at: Field[int] = field(default=0)

    class Checked(Root, tag="checked"):
        n: Field[int] = field(default=1)

        def __post_init__(self) -> None:
            if self.n < 0:
                raise ValueError("negative")

        def __validate__(self) -> None:
            if self.n > 9:
                raise ValueError("too much")

    with Cendry(backend=MemoryBackend()) as ctx:
        one = Checked(id="a")
        ctx.save(one)
        one.n = -1
        with pytest.raises(ValidationError, match="negative"):
            ctx.save(one)
        one.n = 5
        with pytest.raises(ValidationError, match="too much"):
            ctx.update(one, {"n": 10})
        ctx.update(one, {"n": 6})
        assert Checked(id="a", n=6) == ctx.get(Root, "a")
        with pytest.raises(ValidationError, match="too much"):
            from_dict(Root, {"type": "checked", "n": 10})


def test_defining_and_reading_tagged_models_imports_no_more() -> None:
    program = (
        "import sys; from cendry import Model; import cendry\n"
        "class A(Model, collection='a', tag_field='t'): pass\n"
        "class B(A, tag='b'): pass\n"
        "assert cendry.from_dict(A, cendry.to_dict(B())) == B()\n"
        "assert not any(name.startswith(('google', 'grpc')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=_environment())


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_stored_document_is_written_by_set() -> None:
    backend = RecordingBackend()
    with Cendry(backend=backend) as ctx:
        ctx.save(Scroll(id="a", dy=1), merge=True)
    [(_, [write])] = backend.calls
    assert isinstance(write, Set)
    assert {FieldPath("type"), FieldPath("when"), FieldPath("dy")} == set(write.mask or ())


def test_a_class_that_is_found_by_an_array_takes_no_other_such_filter() -> None:
    class Pet(Animal, tag=("Animal", "Pet")):
        names: Field[list[str]] = field(default_factory=list)

    ctx = Cendry(backend=MemoryBackend())
    ctx.save(Pet(id="a", names=["x"]))
    by_name = Pet.names.array_contains("x")
    for query in (ctx.select(Pet, by_name), ctx.select(Pet, Pet.names.array_contains_any(["x", "y"]), Pet.name == "")):
        with pytest.raises(InvalidRequestError, match=r"has 2, on 'class' and 'names'\. A model .* nothing was sent"):
            query.to_list()
    assert ["a"] == ctx.select(Animal, by_name).ids() == ctx.select(Pet).ids()
    with pytest.raises(InvalidRequestError, match="only one of array-contains"):
        ctx.select(Animal, by_name, Pet.names.array_contains("y")).to_list()
    either = by_name | Pet.names.array_contains("y")
    assert ["a"] == ctx.select(Animal, either).ids()
