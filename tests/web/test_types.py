"""A Model or a Map as a type of pydantic: data in, instances out and back, errors with their locations."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, Optional, Union

import pydantic
import pytest
from cendry import Field, GeoPoint, Map, Model, Only, Patch, UnknownFieldError, Without, field, resolve, to_dict
from pydantic import BaseModel, TypeAdapter
from web.models import (
    Account,
    Bank,
    Base,
    Box,
    Card,
    Click,
    Event,
    Everything,
    Item,
    Node,
    Pair,
    Point,
    Shelf,
    Size,
    Status,
    Task,
    Tree,
    View,
)

TASK = Task(
    id="t1",
    title="Move",
    status=Status.DONE,
    checklist=[Item(title="pack")],
    steps={"a": Item(title="lift", done=True)},
    payment=Bank(kind="bank", iban="DE1"),
)
DATA: dict[str, Any] = {
    "id": "t1",
    "title": "Move",
    "points": 1,
    "status": "done",
    "checklist": [{"title": "pack", "done": False}],
    "steps": {"a": {"title": "lift", "done": True}},
    "payment": {"kind": "bank", "iban": "DE1"},
    "note": None,
}


def errors_of(kind: Any, data: Any) -> list[tuple[str, tuple[int | str, ...], str]]:
    with pytest.raises(pydantic.ValidationError) as caught:
        TypeAdapter(kind).validate_python(data)
    return [(each["type"], each["loc"], each["msg"]) for each in caught.value.errors()]


class Holder(BaseModel):
    task: Task
    others: list[Task] = []
    by_name: dict[str, Annotated[Task, Without("note")]] = {}
    item: Optional[Item] = None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Task, TASK),
        (list[Task], [TASK, Task(title="x")]),
        (dict[str, Task], {"a": TASK}),
        (Optional[Task], None),
        (Union[Tree, Task], TASK),
        (Item, Item(title="x")),
        (Tree, Tree(root=Node(name="a", children={"b": Node(name="c")}))),
        (Event, View(id="v", at=1, page="/")),
        (list[Event], [Click(at=1, x=2), View(at=2, page="/")]),
        (Click, Click(at=1, x=2)),
        (Shelf, Shelf(numbers=Box(content=5), items=[Box(content=Item(title="x"))])),
        (Box[int], Box(content=5)),
        (Box[Item], Box(content=Item(title="x"))),
        (Holder, Holder(task=TASK, others=[TASK], item=Item(title="x"))),
    ],
    ids=str,
)
def test_what_is_dumped_is_read_again(kind: Any, value: Any) -> None:
    adapter = TypeAdapter(kind)
    assert value == adapter.validate_json(adapter.dump_json(value))
    assert value == adapter.validate_python(adapter.dump_python(value))
    assert value == adapter.validate_python(adapter.dump_python(value, mode="json"))


def test_a_generic_map_in_brackets_is_any_dataclass_to_pydantic() -> None:
    class IntBox(Box[int]):
        pass

    class Crate(Model, collection="crates"):
        box: Field[Box[int]]

    data = {"content": "5", "more": 1}
    # A limit: pydantic looks for no schema in the origin of a dataclass, nor in what brackets give.
    assert Box(content=5) == TypeAdapter(Box[int]).validate_python(data)
    part: Any = Annotated[Box[int], Only("content")]
    cases: list[tuple[Any, Any]] = [(IntBox, data), (part, data), (Crate, {"box": data})]
    for kind, given in cases:
        with pytest.raises(pydantic.ValidationError) as caught:
            TypeAdapter(kind).validate_python(given)
        assert ["content", "more"] == sorted(str(each["loc"][-1]) for each in caught.value.errors())


def test_json_is_under_python_names_with_the_id() -> None:
    assert DATA == TypeAdapter(Task).dump_python(TASK, mode="json")
    assert TASK == TypeAdapter(Task).validate_python(DATA)


@pytest.mark.parametrize("kind", [OrderedDict, MappingProxyType])
def test_any_mapping_is_read(kind: Callable[[dict[str, Any]], Any]) -> None:
    assert TASK == TypeAdapter(Task).validate_python(kind(DATA))
    with pytest.raises(pydantic.ValidationError):
        TypeAdapter(Task).validate_python(kind({**DATA, "more": 1}))


def test_python_values_are_dumped_as_such() -> None:
    expected = {**DATA, "status": Status.DONE}
    assert expected == TypeAdapter(Task).dump_python(TASK)


def test_an_instance_is_taken_as_it_is() -> None:
    assert TASK is TypeAdapter(Task).validate_python(TASK)
    assert TASK is Holder(task=TASK).task


def test_instances_inside_of_data_are_taken() -> None:
    item = Item(title="pack")
    task = TypeAdapter(Task).validate_python({"title": "Move", "status": Status.DONE, "checklist": [item]})
    assert Task(title="Move", status=Status.DONE, checklist=[item]) == task


def test_a_subclass_shows_the_fields_of_the_declared_class_alone() -> None:
    class Secret(Item):
        password: Field[str]

    secret = Secret(title="x", password="y")
    for mode in ("json", "python"):
        assert {"title": "x", "done": False} == TypeAdapter(Item).dump_python(secret, mode=mode)


def test_all_problems_are_told_at_once_with_their_locations() -> None:
    data = {
        "titel": "x",
        "points": -1,
        "checklist": [{"title": "a"}, {"title": 5, "done": "no"}],
        "steps": {"a.b": {"title": None}},
        "payment": {"kind": "cash"},
    }
    assert [
        ("missing", ("title",), "Field required"),
        ("greater_than_equal", ("points",), "Expected int >= 0, found int -1"),
        ("value_error", ("checklist", 1, "title"), "Expected str, found int 5"),
        ("value_error", ("checklist", 1, "done"), "Expected bool, found str 'no'"),
        ("value_error", ("steps", "a.b", "title"), "Expected str, found None"),
        ("union_tag_invalid", ("payment", "kind"), "Expected 'card' (Card) or 'bank' (Bank), found str 'cash'"),
        ("extra_forbidden", ("titel",), "Extra inputs are not permitted; did you mean 'title'?"),
    ] == errors_of(Task, data)


def test_the_errors_of_a_field_stand_below_it() -> None:
    expected = [("value_error", ("task", "points"), "Expected int, found str '1'")]
    assert expected == errors_of(Holder, {"task": {"title": "x", "points": "1"}})
    assert [(("missing"), (1, "title"), "Field required")] == errors_of(list[Task], [{"title": "x"}, {}])


def test_an_error_has_the_value_that_does_not_fit() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        TypeAdapter(Task).validate_python({"checklist": [{"title": 5}]})
    assert [{"checklist": [{"title": 5}]}, 5] == [each["input"] for each in caught.value.errors()]


@pytest.mark.parametrize("data", [5, "x", None, [], [("title", "x")]], ids=repr)
def test_what_is_no_object_is_refused(data: Any) -> None:
    assert [("model_type", (), "Input should be an object with the fields of Task, or a Task")] == errors_of(Task, data)


def test_an_instance_of_another_class_is_refused() -> None:
    assert [("model_type", (), "Input should be an object with the fields of Task, or a Task")] == errors_of(
        Task, Tree(root=Node(name="x"))
    )


def test_an_invalid_id_is_told_with_the_other_problems() -> None:
    message = "Expected a valid document id, found str 'a/b' (it contains '/', which separates path segments)"
    assert [
        ("value_error", ("id",), message),
        ("missing", ("title",), "Field required"),
    ] == errors_of(Task, {"id": "a/b"})
    assert [("value_error", ("id",))] == [each[:2] for each in errors_of(Task, {"id": 5, "title": "x"})]


class Span(Map):
    first: Field[int]
    last: Field[int]

    def __validate__(self) -> None:
        if self.first > self.last:
            raise ValueError("{first}: it is after last")


def test_a_rule_of_a_class_is_told_as_by_a_validator_of_pydantic() -> None:
    message = "Value error, {first}: it is after last"
    assert [("value_error", (), message)] == errors_of(Span, {"first": 2, "last": 1})
    assert [("value_error", (0,), message)] == errors_of(list[Span], [{"first": 2, "last": 1}])


def test_hidden_values_are_in_no_error() -> None:
    def shown(data: dict[str, Any]) -> str:
        with pytest.raises(pydantic.ValidationError) as caught:
            TypeAdapter(Account).validate_python(data)
        return f"{caught.value} {caught.value.errors()} {caught.value.json()}"

    assert "s3cr3t" not in shown({"name": 5, "password": ["s3cr3t"]})
    assert "s3cr3t" not in shown({"password": "s3cr3t"})
    assert "s3cr3t" not in shown({"id": "a/b", "name": 5, "password": "s3cr3t"})
    assert "input_value=5" in shown({"name": 5, "password": "s3cr3t"})


def test_unknown_keys_are_refused_unless_the_class_says_that_it_ignores_them() -> None:
    assert ["extra_forbidden"] == [each[0] for each in errors_of(Item, {"title": "x", "more": 1})]
    account = TypeAdapter(Account).validate_python({"name": "a", "password": "b", "more": 1})
    assert Account(name="a", password="b") == account


def test_tagged_models_are_read_by_their_tags() -> None:
    assert View(at=1, page="/") == TypeAdapter(Event).validate_python({"type": "view", "at": 1, "page": "/"})
    assert [("union_tag_invalid", ("type",))] == [each[:2] for each in errors_of(Event, {"type": "vie", "at": 1})]
    assert [("missing", ("type",))] == [each[:2] for each in errors_of(Event, {"at": 1})]
    assert [("union_tag_invalid", ("type",))] == [each[:2] for each in errors_of(Click, {"type": "view", "at": 1})]


def test_other_values_are_not_dumped_as_instances() -> None:
    adapter = TypeAdapter(Union[Task, Tree])
    tree = Tree(root=Node(name="x"))
    assert to_dict(tree, include_id=True) == adapter.dump_python(tree, mode="json")
    with pytest.warns(UserWarning, match="Expected a Task"):
        assert 5 == TypeAdapter(Task).dump_python(5)  # type: ignore[arg-type]


def test_values_can_be_left_out_of_what_is_dumped() -> None:
    adapter = TypeAdapter(Task)
    task = Task(title="x", checklist=[Item(title="a")], steps={"b": Item(title="c", done=True)})
    assert {"title": "x", "checklist": [{"title": "a"}], "steps": {"b": {"title": "c", "done": True}}} == (
        adapter.dump_python(task, exclude_defaults=True)
    )
    none_left = adapter.dump_python(task, mode="json", exclude_none=True)
    assert none_left.keys() == {"title", "points", "status", "checklist", "steps"}
    paid = Task(id="a", title="x", payment=Card(kind="card", number="1"))
    assert {"id": "a", "title": "x", "payment": {"kind": "card", "number": "1"}} == adapter.dump_python(
        paid, exclude_defaults=True
    )
    assert {"title": "x", "checklist": [{"done": False}]} == adapter.dump_python(
        task, include={"title": True, "checklist": {"__all__": {"done"}}}
    )
    assert {"checklist": [], "steps": {"b": {"title": "c"}}} == adapter.dump_python(
        task, include={"checklist", "steps"}, exclude={"checklist": {0}, "steps": {"__all__": {"done": True}}}
    )
    included: Any = {"title": ..., "points": False}
    assert {"title": "x"} == adapter.dump_python(task, include=included)
    assert {"type": "view", "at": 1, "page": ""} == TypeAdapter(Event).dump_python(
        View(at=1, page=""), exclude_defaults=True
    )


# Some of the fields


def test_without_some_fields() -> None:
    kind: Any = Annotated[Task, Without("id", Task.status, "checklist.done", "steps.done")]
    adapter: TypeAdapter[Task] = TypeAdapter(kind)
    assert {
        "title": "Move",
        "points": 1,
        "checklist": [{"title": "pack"}],
        "steps": {"a": {"title": "lift"}},
        "payment": {"kind": "bank", "iban": "DE1"},
        "note": None,
    } == adapter.dump_python(TASK, mode="json")
    assert Task(title="x", checklist=[Item(title="y")]) == adapter.validate_python(
        {"title": "x", "checklist": [{"title": "y"}]}
    )
    expected = [
        ("extra_forbidden", ("checklist", 0, "done")),
        ("extra_forbidden", ("id",)),
        ("extra_forbidden", ("status",)),
    ]
    data = {"id": "a", "title": "x", "status": "done", "checklist": [{"title": "y", "done": True}]}
    assert expected == [each[:2] for each in errors_of(kind, data)]


def test_only_some_fields() -> None:
    paid: Any = Annotated[Task, Only("payment.iban")]
    assert {"payment": {"kind": "bank", "iban": "DE1"}} == TypeAdapter(paid).dump_python(TASK, mode="json")
    adapter: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Only(Task.title, "checklist.title")])
    expected = {"title": "Move", "checklist": [{"title": "pack"}]}
    assert expected == adapter.dump_python(TASK, mode="json") == adapter.dump_python(TASK)
    assert Task(title="x", checklist=[Item(title="y")]) == adapter.validate_python(
        {"title": "x", "checklist": [{"title": "y"}]}
    )


def test_some_fields_of_tagged_models() -> None:
    kind: Any = Annotated[Event, Without("id", View.page)]
    assert [{"type": "click", "at": 1, "x": 2}, {"type": "view", "at": 1, "hidden": ""}] == TypeAdapter(
        list[kind]
    ).dump_python([Click(id="a", at=1, x=2), View(id="b", at=1, page="/")], mode="json")
    only: Any = Annotated[Event, Only("at", "type")]
    assert {"type": "click", "at": 1} == TypeAdapter(only).dump_python(Click(id="a", at=1, x=2), mode="json")


def test_what_leaves_out_a_required_field_is_for_answers_only() -> None:
    adapter: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Only("points", "checklist.done")])
    assert {"points": 1, "checklist": [{"done": False}]} == adapter.dump_python(TASK, mode="json")
    assert TASK is adapter.validate_python(TASK)
    message = "TaskOnlyPointsChecklistDone is for answers only: it leaves out 'title' and 'checklist.title'"
    with pytest.raises(TypeError, match=message):
        adapter.validate_python({"points": 1})
    with pytest.raises(TypeError, match=message):
        adapter.json_schema()
    assert {"points", "checklist"} == adapter.json_schema(mode="serialization")["properties"].keys()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Annotated[Task, Without("titel")], UnknownFieldError, "no field 'titel'. Did you mean 'title'"),
        (lambda: Annotated[Task, Only("checklist.titel")], UnknownFieldError, r"'checklist.titel'.*'checklist.title'"),
        (lambda: Annotated[Task, Only("title.x")], UnknownFieldError, "Task has no field 'title.x'"),
        (lambda: Annotated[Item, Without("id")], UnknownFieldError, "Item has no field 'id'"),
        (lambda: Annotated[Task, Without("idd")], UnknownFieldError, "Did you mean 'id'"),
        (lambda: Annotated[Task, Without(Tree.root)], TypeError, "Tree.root is a field of Tree, not of Task"),
        (lambda: Annotated[Event, Without("type")], TypeError, "'?type'? tells which class a value is of"),
        (lambda: Annotated[Task, Without("payment.kind")], TypeError, "payment.kind tells which class"),
        (lambda: Annotated[list[Task], Without("id")], TypeError, r"Without\('id'\) is for a Model or a Map"),
        (lambda: Annotated[int, Without("id")], TypeError, r"is for a Model or a Map, not for <class 'int'>"),
        (lambda: Annotated[Task, Without("id"), Only("title")], TypeError, "two of Without and Only"),
    ],
    ids=range(11),
)
def test_bad_subsets_are_refused_when_pydantic_meets_them(
    make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TypeAdapter(make())


def test_bad_arguments_of_subsets() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'field'"):
        Without()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Only takes fields"):
        Only(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'a..b' is not a field path"):
        Only("a..b")
    with pytest.raises(TypeError, match="takes the name of a schema, such as 'TaskIn', not 'a b'"):
        Only("a", name="a b")


def test_subsets_are_values() -> None:
    part = Without("id", "checklist.done", name="TaskIn")
    assert part == Without("checklist.done", "id", name="TaskIn") == copy.deepcopy(part)
    assert part == pickle.loads(pickle.dumps(part))
    assert hash(part) == hash(Without("checklist.done", "id", name="TaskIn"))
    assert Without(Task.title) == Without("title")
    assert len({part, Without("id", "checklist.done"), Only("id", "checklist.done", name="TaskIn"), Without("id")}) == 4
    assert part != "id"
    assert "Without('checklist.done', 'id', name='TaskIn')" == repr(part)
    with pytest.raises(AttributeError, match="immutable"):
        part.names = frozenset()
    with pytest.raises(AttributeError, match="immutable"):
        del part.names


# Maps in all places

EVERYTHING = Everything(
    points={Point(x=1)},
    places=frozenset([GeoPoint(1, 2)]),
    both=(Item(title="a", done=True), 3),
    many=(Item(title="m"),),
    pair=Pair(Item(title="p"), 4),
    either=Item(title="e"),
    paid=Card(kind="card", number="1"),
    options={"size": 1},
    size=Size(2, 3),
    few=[Item(title="f")],
    tags={"t"},
)


@pytest.mark.parametrize("value", [EVERYTHING, Everything()], ids=["full", "empty"])
def test_maps_in_all_places_come_back(value: Everything) -> None:
    adapter = TypeAdapter(Everything)
    assert value == adapter.validate_json(adapter.dump_json(value))
    assert value == adapter.validate_python(adapter.dump_python(value))
    every: list[Any] = [{"exclude_none": True}, {"exclude_defaults": True}]
    for options in every:
        assert value == adapter.validate_python(adapter.dump_python(value, **options))
        assert value == adapter.validate_json(adapter.dump_json(value, **options))


def test_maps_in_all_places_are_dicts() -> None:
    dumped = TypeAdapter(Everything).dump_python(EVERYTHING)
    assert {
        "both": ({"title": "a", "done": True}, 3),
        "many": ({"title": "m", "done": False},),
        "pair": ({"title": "p", "done": False}, 4),
        "either": {"title": "e", "done": False},
        "paid": {"kind": "card", "number": "1"},
        "options": {"size": 1},
        "size": {"width": 2, "height": 3},
        "few": [{"title": "f", "done": False}],
        "tags": {"t"},
        "points": [{"x": 1, "y": 0}],
        "places": [{"latitude": 1, "longitude": 2}],
    } == {name: value for name, value in dumped.items() if name != "id"}


def test_subsets_lead_through_all_of_them() -> None:
    names = "points.x both.title many.title pair.title either.title few.title options.color size.height paid.number"
    kind: Any = Annotated[Everything, Without("id", "places", *names.split())]
    assert {
        "points": [{"y": 0}],
        "both": [{"done": True}, 3],
        "many": [{"done": False}],
        "pair": [{"done": False}, 4],
        "either": {"done": False},
        "paid": {"kind": "card"},
        "options": {"size": 1},
        "size": {"width": 2},
        "few": [{"done": False}],
        "tags": ["t"],
    } == TypeAdapter(kind).dump_python(EVERYTHING, mode="json")
    only: Any = Annotated[Everything, Only("points.y", "size.width", "paid.iban", "options.size")]
    expected = {"points": [{"y": 0}], "size": {"width": 2}, "paid": {"kind": "card"}, "options": {"size": 1}}
    assert expected == TypeAdapter(only).dump_python(EVERYTHING, mode="json")
    smaller: Any = Annotated[Everything, Without("size.height", "options.color")]
    read = TypeAdapter(smaller).validate_python({"size": {"width": 5}, "options": {}})
    assert (Size(5, 1), {}) == (read.size, read.options)
    assert [("extra_forbidden", ("size", "height"))] == [
        each[:2] for each in errors_of(smaller, {"size": {"width": 5, "height": 2}})
    ]


@pytest.mark.parametrize("names", [("few", "few.title"), ("few.title", "few")], ids=str)
def test_a_part_of_what_is_named_adds_nothing(names: tuple[str, str]) -> None:
    without: Any = Annotated[Everything, Without(*names)]
    assert "few" not in TypeAdapter(without).dump_python(EVERYTHING)
    only: Any = Annotated[Everything, Only(*names)]
    assert {"few": [{"title": "f", "done": False}]} == TypeAdapter(only).dump_python(EVERYTHING)


def test_a_class_that_is_still_generic_has_no_instances() -> None:
    with pytest.raises(TypeError, match=r"Base\[int\] has no instances of its own; define a subclass"):
        TypeAdapter(Annotated[Base[int], Without("id")])


def test_long_keys_are_cut_in_locations() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        TypeAdapter(Task).validate_python({"title": "x", "steps": {"k" * 200: {"title": 5}}})
    (error,) = caught.value.errors()
    assert ("steps", f"{'k' * 77}...", "title") == error["loc"]
    assert error["input"] is None


def test_unions_that_look_alike_in_json_are_no_bodies() -> None:
    class Odd(Task, collection="odd"):
        when: Field[Union[datetime, str]] = field(default="")

    with pytest.raises(TypeError, match="when: datetime and str are both strings in JSON"):
        TypeAdapter(Odd).validate_python({"title": "x"})


def test_names_that_come_later() -> None:
    class Later(Model, collection="later"):
        body: Field[Body]

    adapter = TypeAdapter(Later)

    class Body(Map):
        text: Field[str]

    resolve(Later)
    assert Later(body=Body(text="x")) == adapter.validate_python({"body": {"text": "x"}})
    assert "Body" in adapter.json_schema()["$defs"]


def test_literal_bytes_are_taken_in_both_forms() -> None:
    class Flag(Map):
        kind: Field[Literal[b"a", b"b"]]

    adapter = TypeAdapter(Flag)
    flag = Flag(kind=b"a")
    assert flag == adapter.validate_python({"kind": b"a"}) == adapter.validate_python({"kind": "YQ=="})
    assert [("value_error", ("kind",))] == [each[:2] for each in errors_of(Flag, {"kind": b"c"})]


class Extra(pydantic.BaseModel, extra="allow"):
    size: int = 0


class Free(Model, collection="free"):
    any: Field[Any] = field(default=None)
    extra: Field[dict[str, Any]] = field(default_factory=dict)
    many: Field[list[Any]] = field(default_factory=list)
    pair: Field[Optional[tuple[int, Any]]] = field(default=None)
    loose: Field[Optional[Extra]] = field(default=None)
    box: Field[Optional[Box[Any]]] = field(default=None)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("body", "location"),
    [
        ('{"any": %s}', ("any",)),
        ('{"any": {"a": [1.5, {"b": %s}]}}', ("any", "a", 1, "b")),
        ('{"extra": {"a": %s}}', ("extra", "a")),
        ('{"extra": {"a": [%s]}}', ("extra", "a", 0)),
        ('{"many": [1.5, %s]}', ("many", 1)),
        ('{"many": [{"a": %s}]}', ("many", 0, "a")),
        ('{"pair": [1, %s]}', ("pair", 1)),
        ('{"loose": {"more": %s}}', ("loose", "more")),
        ('{"box": {"content": %s}}', ("box", "content")),
    ],
)
@pytest.mark.parametrize("kind", [Free, Patch[Free], Annotated[Free, Without("id")]], ids=str)
def test_numbers_that_json_cannot_hold_are_refused_at_their_places(
    kind: Any, body: str, location: tuple[Any, ...], number: str
) -> None:
    # FastAPI parses bodies by Python's json, which reads them.
    data = json.loads(body % number)
    assert [(location, "Expected a value that JSON can hold")] == [
        (place, message.partition(",")[0]) for _, place, message in errors_of(kind, data)
    ]
    if number != "1e999":
        with pytest.raises(pydantic.ValidationError):
            TypeAdapter(kind).validate_json(body % number)
    fitting = TypeAdapter(kind).validate_python(json.loads(body % "1.5"))
    assert fitting == TypeAdapter(kind).validate_json(TypeAdapter(kind).dump_json(fitting))


def test_an_instance_keeps_the_numbers_that_it_has() -> None:
    free = Free(any=float("inf"), extra={"a": float("nan")})
    assert free is TypeAdapter(Free).validate_python(free)
