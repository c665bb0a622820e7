"""Tasks of a project, and comments on them."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Len
from cendry import BulkFailure, DocumentAlreadyExistsError, Increment, Page, Patch
from cendry.fastapi import IfMatch, set_etag
from fastapi import APIRouter, Response
from pydantic import TypeAdapter, ValidationError

from ..bodies import ImportedTask, NewComment, NewTask, Row, ShownComment
from ..database import Context
from ..models import Status, Task
from ..paging import Paging
from ..tenancy import CurrentOrganisation, CurrentProject, TaskRef

router = APIRouter(prefix="/projects/{project_id}", tags=["tasks"])
imported_task: TypeAdapter[Task] = TypeAdapter(ImportedTask)


@router.get("/tasks")
async def list_tasks(project: CurrentProject, paging: Paging, ctx: Context, status: Status | None = None) -> Page[Task]:
    """List the tasks of a project, the latest first."""
    tasks = ctx.select(Task, parent=project, order_by=Task.created.desc())
    if status:
        tasks = tasks.filter(Task.status == status)
    return await tasks.page(paging.size, after=paging.after, before=paging.before)


@router.post("/tasks", status_code=201)
async def add_task(project: CurrentProject, task: NewTask, ctx: Context, response: Response) -> Task:
    await ctx.create(task, parent=project)
    set_etag(response, task)
    return task


@router.get("/tasks/{task_id}")
async def show_task(ref: TaskRef, ctx: Context, response: Response) -> Task:
    task = await ctx.get(ref)
    set_etag(response, task)
    return task


@router.patch("/tasks/{task_id}")
async def change_task(
    ref: TaskRef, patch: Patch[NewTask], ctx: Context, response: Response, if_match: IfMatch = None
) -> Task:
    """Change the fields that are sent; with If-Match, only if nobody has changed the task since."""
    task = await ctx.get(ref)
    await ctx.update(task, patch, if_unchanged=if_match)
    set_etag(response, task)
    return task


@router.delete("/tasks/{task_id}", status_code=204)
async def delete_task(ref: TaskRef, ctx: Context) -> None:
    """Delete a task with its comments. May be repeated."""
    await ctx.delete_recursive(ref)


@router.post("/tasks/{task_id}/comments", status_code=201)
async def add_comment(
    ref: TaskRef, organisation: CurrentOrganisation, comment: NewComment, ctx: Context
) -> ShownComment:
    comment.organisation = organisation
    async with ctx.batch() as batch:
        batch.create(comment, parent=ref)
        batch.update(ref, Task.comments.set(Increment(1)))  # fails if there is no such task
    return comment


@router.post("/import")
async def import_tasks(project: CurrentProject, rows: Annotated[list[Any], Len(1, 10_000)], ctx: Context) -> list[Row]:
    """Create many tasks, each by itself. The answer says for each row what became of it."""
    results = [Row() for _ in rows]
    queued: dict[str, Row] = {}
    failures: list[BulkFailure] = []
    async with ctx.bulk(on_error=failures.append) as bulk:
        for row, result in zip(rows, results, strict=True):
            try:
                task = imported_task.validate_python(row)
            except ValidationError as error:
                places = ((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors())
                result.error = "; ".join(": ".join(filter(None, place)) for place in places)
                continue
            if task.id in queued:
                result.error = "another row has this id"
                continue
            result.id = await bulk.create(task, parent=project)
            queued[result.id] = result
    for failure in failures:
        exists = isinstance(failure.error, DocumentAlreadyExistsError)
        result = queued[failure.path.rpartition("/")[2]]
        result.error = "a task with this id already exists" if exists else "not written; try again"
    return results
