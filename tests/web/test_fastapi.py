"""Models as bodies and answers of FastAPI."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from cendry import Neighbor, Only, Page, Without
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from web.models import Event, Item, Status, Task, View

FULL: dict[str, Any] = {
    "id": None,
    "title": "Move",
    "points": 1,
    "status": "open",
    "checklist": [],
    "steps": {},
    "payment": None,
    "note": None,
}


class Listed(BaseModel):
    items: list[Task]
    token: str | None = None


app = FastAPI()


@app.post("/tasks")
def create(task: Annotated[Task, Without("id")]) -> Task:
    assert task.id is None
    task.id = "new"
    return task


@app.post("/two")
def two(task: Task, event: Event) -> Event:
    return event


@app.post("/answers-only")
def answers_only(task: Annotated[Task, Only("note")]) -> None:
    """Nobody gets here."""


@app.get("/short")
def short() -> list[Annotated[Task, Only("id", "title")]]:
    return [Task(id="a", title="Move"), Task(id="b", title="Rest")]


@app.get("/by-name")
def by_name() -> dict[str, Task]:
    return {"a": Task(title="Move")}


@app.get("/not-none", response_model_exclude_none=True)
def not_none() -> Task | None:
    return Task(title="Move", status=Status.DONE)


@app.get("/some", response_model=Task, response_model_include={"title", "note"}, response_model_by_alias=False)
def some() -> Any:
    return Task(title="Move", checklist=[Item(title="x")])


@app.get("/union")
def union() -> Task | Event:
    return View(id="v", at=1, page="/")


@app.get("/page")
def page() -> Page[Task]:
    return Page([Task(title="Move")], "next")


@app.get("/near")
def near() -> list[Neighbor[Task]]:
    return [Neighbor(Task(title="Move"), 0.5)]


@app.get("/listed")
def listed() -> Listed:
    return Listed(items=[Task(title="Move")])


@app.get("/dict", response_model=Task)
def as_dict() -> Any:
    return {"title": "Move", "status": Status.OPEN}


client = TestClient(app)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/short", [{"id": "a", "title": "Move"}, {"id": "b", "title": "Rest"}]),
        ("/by-name", {"a": FULL}),
        ("/not-none", {"title": "Move", "points": 1, "status": "done", "checklist": [], "steps": {}}),
        ("/some", {"title": "Move", "note": None}),
        ("/union", {"id": "v", "type": "view", "at": 1, "page": "/", "hidden": ""}),
        ("/page", {"items": [FULL], "next_token": "next", "previous_token": None}),
        ("/near", [{"document": FULL, "distance": 0.5}]),
        ("/listed", {"items": [FULL], "token": None}),
        ("/dict", FULL),
    ],
)
def test_answers(path: str, expected: Any) -> None:
    answer = client.get(path)
    assert (200, expected) == (answer.status_code, answer.json())


def test_a_body_is_a_complete_instance() -> None:
    answer = client.post("/tasks", json={"title": "Move", "checklist": [{"title": "pack"}]})
    expected = {**FULL, "id": "new", "checklist": [{"title": "pack", "done": False}]}
    assert (200, expected) == (answer.status_code, answer.json())


def test_a_bad_body_is_422_with_all_locations() -> None:
    answer = client.post("/tasks", json={"id": "a", "checklist": [{"title": 1}], "points": None})
    assert answer.status_code == 422
    assert [
        ("missing", ["body", "title"]),
        ("value_error", ["body", "points"]),
        ("value_error", ["body", "checklist", 0, "title"]),
        ("extra_forbidden", ["body", "id"]),
    ] == [(each["type"], each["loc"]) for each in answer.json()["detail"]]
    others: list[Any] = [[], "x", 5, None]
    for body in others:
        assert client.post("/tasks", json=body).status_code == 422


def test_several_bodies() -> None:
    event = {"id": None, "type": "click", "at": 1, "x": 2}
    answer = client.post("/two", json={"task": {"title": "Move"}, "event": event})
    assert (200, event) == (answer.status_code, answer.json())
    answer = client.post("/two", json={"task": {"id": "a/b", "title": "Move"}, "event": {"type": "clic", "at": 1}})
    assert [["body", "task", "id"], ["body", "event", "type"]] == [each["loc"] for each in answer.json()["detail"]]


def test_a_type_for_answers_is_no_body() -> None:
    message = "TaskOnlyNote is for answers only: it leaves out 'title', which a Task needs"
    with pytest.raises(TypeError, match=message):
        client.post("/answers-only", json={"note": "x"})
    with pytest.raises(TypeError, match=message):
        app.openapi()


def test_names_that_a_class_lacks_are_refused_at_import() -> None:
    with pytest.raises(TypeError, match=r"Task has no field 'titel'. Did you mean 'title'\?"):

        @FastAPI().post("/")
        def create(task: Annotated[Task, Without("titel")]) -> None:
            """Never defined."""
