"""What type checkers make of models as types of pydantic and FastAPI, and of Without, Only and Patch."""

# pyright: reportUnusedExpression=false, reportUnusedCoroutine=false, reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Response
from pydantic import BaseModel, TypeAdapter
from typing_extensions import assert_type

from cendry import (
    AsyncCendry,
    Cendry,
    Field,
    GeoPoint,
    Map,
    Model,
    Only,
    Page,
    Patch,
    Query,
    Ref,
    Txn,
    Without,
    field,
    get_metadata,
)
from cendry.fastapi import IfMatch, add_exception_handlers, set_etag


class Item(Map):
    title: Field[str]


class Task(Model, collection="tasks"):
    title: Field[str]
    checklist: Field[list[Item]] = field(default_factory=list)


class Form(BaseModel):
    task: Task
    tasks: list[Annotated[Task, Without("id")]] = []
    changes: Patch[Task] | None = None
    place: GeoPoint
    ref: Ref[Task]


app = FastAPI()
assert_type(add_exception_handlers(app), None)
add_exception_handlers(Form)  # error: mypy pyright ty


@app.post("/")
async def create(task: Annotated[Task, Without("id", Task.checklist, name="TaskIn")]) -> Task:
    assert_type(task, Task)
    assert_type(task.title, str)
    return task


@app.get("/")
def every(ctx: Cendry) -> list[Annotated[Task, Only(Task.title, "checklist.title")]]:
    found = ctx.select(Task).to_list()
    assert_type(found, list[Task])
    return found


@app.get("/page")
def page(ctx: Cendry, token: str | None = None) -> Page[Task]:
    return ctx.select(Task).page(20, after=token)


@app.patch("/{task_id}")
def change(ctx: Cendry, task_id: str, patch: Patch[Annotated[Task, Without("id")]]) -> Task:
    assert_type(patch, Patch[Task])
    assert_type(patch.model, type[Task])
    assert_type(patch["title"], Any)
    mapping: Mapping[str, Any] = patch
    ctx.update(Task, task_id, mapping)
    ctx.update(Task, task_id, patch, if_unchanged="etag")
    task = ctx.get(Task, task_id)
    ctx.update(task, patch)
    ctx.merge(Task, task_id, patch)
    ctx.update_or_create(Task, task_id, defaults=patch)
    ctx.select(Task).update(patch)
    with ctx.batch() as batch:
        batch.update(Task, task_id, patch)
    return task


@app.put("/{task_id}")
def put(ctx: Cendry, task_id: str, task: Task, response: Response, if_match: IfMatch = None) -> Task:
    task.id = task_id
    ctx.save(task, if_unchanged=if_match)
    ctx.update(Task, task_id, Task.title.set("x"), if_unchanged=if_match)
    ctx.delete(Task, task_id, if_unchanged=if_match)
    assert_type(set_etag(response, task), None)
    assert_type(get_metadata(task).etag, str)
    set_etag(response, Task)  # error: mypy pyright ty
    set_etag(task, response)  # error: mypy pyright ty
    return task


async def put_in_the_async_twin(ctx: AsyncCendry, task: Task, if_match: IfMatch) -> None:
    await ctx.save(task, if_unchanged=if_match)


put(Cendry(), "a", Task(title="x"), Response(), '"etag"')
put(Cendry(), "a", Task(title="x"), Response(), 5)  # error: mypy pyright ty


async def in_the_async_twin(ctx: AsyncCendry, patch: Patch[Task]) -> None:
    await ctx.update(Task, "a", patch)

    async def work(txn: Any) -> None:
        txn.update(Task, "a", patch)

    await ctx.transaction(work)


def in_a_transaction(txn: Txn, patch: Patch[Task]) -> None:
    txn.update(Task, "a", patch)


assert_type(TypeAdapter(Task).validate_python({}), Task)
assert_type(TypeAdapter(list[Task]).validate_json("[]"), list[Task])
assert_type(Form(task=Task(title="x"), place=GeoPoint(1, 2), ref=Ref(Task, "a")).task, Task)
assert_type(Patch(Task, {"title": "x"}), Patch[Task])
assert_type(Query(Task), Query[Task])

Without()  # error: mypy pyright ty
Without(5)  # error: mypy pyright ty
Only("title", 5)  # error: mypy pyright ty
Only("title", name=5)  # error: mypy pyright ty
Patch(Item, {"title": "x"})  # error: mypy pyright ty
Patch(Task, [("title", "x")])  # error: mypy pyright ty
of_a_map: Patch[Item]  # error: mypy pyright ty
Patch(Task, {"title": "x"})["title"] = "y"  # error: mypy pyright ty
Form(task="x", place=GeoPoint(1, 2), ref=Ref(Task, "a"))  # error: mypy pyright
