"""Changes of some fields, as the body of a PATCH."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Annotated, Any

import pydantic
import pytest
from cendry import AsyncCendry, Cendry, Field, Model, Only, Patch, UnknownFieldError, ValidationError, Without, field
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter
from web.models import Account, Bank, Click, Event, Item, Status, Task, Tree

CHANGES: dict[str, Any] = {
    "title": "Rest",
    "status": "done",
    "checklist": [{"title": "a"}],
    "payment": {"kind": "bank", "iban": "DE1"},
    "note": None,
}
VALUES: dict[str, Any] = {
    "title": "Rest",
    "status": Status.DONE,
    "checklist": [Item(title="a")],
    "payment": Bank(kind="bank", iban="DE1"),
    "note": None,
}


def errors_of(kind: Any, data: Any) -> list[tuple[str, tuple[int | str, ...]]]:
    with pytest.raises(pydantic.ValidationError) as caught:
        TypeAdapter(kind).validate_python(data)
    return [(each["type"], each["loc"]) for each in caught.value.errors()]


def test_a_patch_has_the_values_of_what_was_sent() -> None:
    patch = TypeAdapter(Patch[Task]).validate_python(CHANGES)
    assert isinstance(patch, Patch)
    assert patch.model is Task
    assert VALUES == patch == {**patch}
    assert list(VALUES) == [name for name in CHANGES if name in patch]
    assert len(patch) == 5
    assert patch["title"] == "Rest"
    with pytest.raises(KeyError):
        patch["points"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, [("too_short", ())]),
        ({"titel": 1}, [("extra_forbidden", ("titel",))]),
        ({"id": "a", "title": 5}, [("value_error", ("title",)), ("extra_forbidden", ("id",))]),
        ({"title": None}, [("value_error", ("title",))]),
        ({"points": None}, [("value_error", ("points",))]),
        ({"points": -1}, [("greater_than_equal", ("points",))]),
        ({"checklist": [{"done": True}]}, [("missing", ("checklist", 0, "title"))]),
        ({"payment": {"iban": "x"}}, [("missing", ("payment", "kind"))]),
        ([], [("model_type", ())]),
        (None, [("model_type", ())]),
        (Patch(Tree, {"root": {"name": "x"}}), [("model_type", ())]),
    ],
    ids=str,
)
def test_bad_changes(data: Any, expected: Any) -> None:
    assert expected == errors_of(Patch[Task], data)


def test_what_is_left_out_cannot_be_changed() -> None:
    kind: Any = Patch[Annotated[Task, Without("id", "note", "checklist.done")]]
    assert {"title": "x"} == TypeAdapter(kind).validate_python({"title": "x"})
    assert [("extra_forbidden", ("note",))] == errors_of(kind, {"note": "x"})
    assert [("extra_forbidden", ("checklist", 0, "done"))] == errors_of(
        kind, {"checklist": [{"title": "a", "done": True}]}
    )
    assert [("extra_forbidden", ("note",))] == errors_of(kind, Patch(Task, {"note": "x"}))
    # Required fields may be left out, since the document has them.
    only: Any = Patch[Annotated[Task, Only("note")]]
    assert {"note": "x"} == TypeAdapter(only).validate_python({"note": "x"})
    assert [("extra_forbidden", ("title",))] == errors_of(only, {"title": "x"})


def test_a_class_that_ignores_unknown_keys() -> None:
    adapter: TypeAdapter[Patch[Account]] = TypeAdapter(Patch[Annotated[Account, Without("password")]])
    assert {"name": "x"} == adapter.validate_python({"name": "x", "more": 1})
    kind: Any = Patch[Annotated[Account, Without("password")]]
    assert [("too_short", ())] == errors_of(kind, {"more": 1})
    assert [("extra_forbidden", ("password",))] == errors_of(kind, {"name": "x", "password": "y"})
    assert [("extra_forbidden", ("id",))] == errors_of(kind, {"name": "x", "id": "y"})


def test_the_tag_cannot_be_changed() -> None:
    assert {"at": 1} == TypeAdapter(Patch[Event]).validate_python({"at": 1})
    assert {"x": 1} == TypeAdapter(Patch[Click]).validate_python({"x": 1})
    assert [("extra_forbidden", ("type",))] == errors_of(Patch[Event], {"at": 1, "type": "view"})
    assert [("extra_forbidden", ("type",))] == errors_of(Patch[Click], {"x": 1, "type": "click"})
    assert [("extra_forbidden", ("x",))] == errors_of(Patch[Event], {"x": 1})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Patch, TypeError, r"has to name a Model: Patch\[Task\]"),
        (lambda: Patch[Item], TypeError, "has to name a Model"),  # type: ignore[type-var]
        (lambda: Patch[int], TypeError, "has to name a Model"),  # type: ignore[type-var]
        (lambda: Patch[Annotated[Task, Without("titel")]], UnknownFieldError, "no field 'titel'"),
        (lambda: Patch[Annotated[Task, Without("id"), Only("title")]], TypeError, "two of Without and Only"),
        (lambda: Patch[Annotated[Task, Without("checklist.title")]], TypeError, "needs 'checklist.title' in them"),
    ],
)
def test_bad_types(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TypeAdapter(make())


def test_a_patch_is_dumped_as_it_was_sent() -> None:
    class Form(BaseModel):
        patch: Patch[Task]

    form = Form.model_validate({"patch": CHANGES})
    expected = {**CHANGES, "checklist": [{"title": "a", "done": False}]}
    assert {"patch": expected} == form.model_dump(mode="json")
    assert {"patch": {**expected, "status": Status.DONE}} == form.model_dump()
    assert form == Form.model_validate_json(form.model_dump_json()) == Form.model_validate(form)
    with pytest.warns(UserWarning, match="Expected a Patch of Task"):
        TypeAdapter(Patch[Task]).dump_python({"title": "x"})  # type: ignore[arg-type]
    with pytest.raises(Exception, match="title: expected str"):
        TypeAdapter(Patch[Task]).dump_python(_broken(), mode="json")


def _broken() -> Patch[Task]:
    patch = Patch(Task, {"title": "x"})
    object.__setattr__(patch, "_values", {"title": 5})
    return patch


def test_patches_made_in_python() -> None:
    patch = Patch(Task, {"title": "x", "status": Status.DONE, "checklist": [{"title": "a"}]})
    assert patch["checklist"] == [Item(title="a")]
    assert "Patch(Task, {'title': 'x', 'status': " in repr(patch)
    assert "Patch(Account, {'password': ...})" == repr(Patch(Account, {"password": "s3cr3t"}))
    assert patch == copy.copy(patch) == copy.deepcopy(patch) == pickle.loads(pickle.dumps(patch))
    with pytest.raises(ValidationError, match="title: expected str, found int 5"):
        Patch(Task, {"title": 5})
    with pytest.raises(ValidationError, match="Task: expected at least one field, found none"):
        Patch(Task, {})
    with pytest.raises(TypeError, match="takes a Model class, not"):
        Patch(Item, {})  # type: ignore[type-var]
    with pytest.raises(TypeError, match="takes a dict of values by name"):
        Patch(Task, [("title", "x")])  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="immutable"):
        patch.model = Task
    with pytest.raises(AttributeError, match="immutable"):
        del patch.model


class Note(Model, collection="notes", omit_none=True):
    text: Field[str]
    color: Field[str | None] = field(default=None)


def test_a_patch_is_the_changes_of_an_update() -> None:
    ctx = Cendry(backend=MemoryBackend())
    ctx.save(Task(id="a", title="Move", checklist=[Item(title="x", done=True)], note="y"))
    patch = TypeAdapter(Patch[Task]).validate_python(CHANGES)
    expected = Task(id="a", **VALUES)
    ctx.update(Task, "a", patch)
    assert expected == ctx.get(Task, "a")
    task = Task(id="a", title="Move")
    ctx.save(task)
    ctx.update(task, patch, if_unchanged=True)
    assert expected == task == ctx.get(Task, "a")
    with ctx.batch() as batch:
        batch.update(Task, "a", Patch(Task, {"title": "in a batch"}))
    assert ctx.get(Task, "a").title == "in a batch"
    with ctx.transaction() as txn:
        found = txn.get(Task, "a")
        txn.update(found, Patch(Task, {"title": "in a txn"}))
    assert ctx.get(Task, "a").title == "in a txn"
    assert ctx.select(Task).update(Patch(Task, {"points": 3})).written == 1
    ctx.merge(Task, "new", Patch(Task, {"title": "merged"}))
    assert ctx.get(Task, "new").title == "merged"
    ctx.update_or_create(Task, "made", defaults=Patch(Task, {"title": "made"}))
    assert ctx.get(Task, "made").title == "made"


def test_a_patch_removes_what_is_stored_as_absence() -> None:
    ctx = Cendry(backend=MemoryBackend())
    ctx.save(Note(id="a", text="x", color="red"))
    ctx.update(Note, "a", Patch(Note, {"color": None}))
    assert Note(id="a", text="x") == ctx.get(Note, "a")
    assert ctx.select(Note).values(Note.color, flat=True).to_list() == [None]


async def test_a_patch_in_the_async_twin() -> None:
    ctx = AsyncCendry(backend=AsyncMemoryBackend())
    await ctx.save(Task(id="a", title="Move"))
    patch = TypeAdapter(Patch[Task]).validate_python({"title": "Rest"})
    await ctx.update(Task, "a", patch)
    async with ctx.batch() as batch:
        batch.update(Task, "a", Patch(Task, {"points": 2}))
    async with ctx.transaction() as txn:
        txn.update(await txn.get(Task, "a"), Patch(Task, {"note": "x"}))
    assert Task(id="a", title="Rest", points=2, note="x") == await ctx.get(Task, "a")


def test_a_patch_of_another_class_is_refused() -> None:
    ctx = Cendry(backend=MemoryBackend())
    ctx.save(Task(id="a", title="Move"))
    with pytest.raises(TypeError, match="Tree.root is a field of Tree, not of Task"):
        ctx.update(Task, "a", Patch(Tree, {"root": {"name": "x"}}))
    ctx.save(Click(id="c", at=1, x=1))
    ctx.update(Click, "c", Patch(Event, {"at": 2}))
    ctx.update(Event, "c", Patch(Click, {"x": 2}))
    assert Click(id="c", at=2, x=2) == ctx.get(Event, "c")


def test_patches_in_fastapi_and_openapi() -> None:
    ctx = Cendry(backend=MemoryBackend())
    ctx.save(Task(id="a", title="Move"))
    app = FastAPI()

    @app.patch("/{task_id}")
    def change(task_id: str, patch: Patch[Annotated[Task, Without("status")]]) -> Task:
        task = ctx.get(Task, task_id)
        ctx.update(task, patch)
        return task

    client = TestClient(app)
    answer = client.patch("/a", json={"points": 2})
    assert (200, 2) == (answer.status_code, answer.json()["points"])
    others: list[Any] = [{}, {"id": "b"}, {"status": "done"}, {"title": None}, []]
    for bad in others:
        assert client.patch("/a", json=bad).status_code == 422
    assert Task(id="a", title="Move", points=2) == ctx.get(Task, "a")
    schemas = app.openapi()["components"]["schemas"]
    patch = schemas["TaskWithoutStatusPatch"]
    assert {"title", "points", "checklist", "steps", "payment", "note"} == patch["properties"].keys()
    assert {"type": "integer", "minimum": 0} == patch["properties"]["points"]
    assert (False, 1, "Something to do.") == (
        patch["additionalProperties"],
        patch["minProperties"],
        patch["description"],
    )
    assert "required" not in patch
    assert {"at"} == TypeAdapter(Patch[Event]).json_schema()["properties"].keys()
    assert "TaskPatch" == TypeAdapter(Patch[Task]).json_schema(mode="serialization")["title"]
