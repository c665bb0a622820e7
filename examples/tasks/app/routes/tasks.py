"""Tasks of a project, and comments on them."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from annotated_types import Len
from cendry import BulkFailure, CendryError, Increment, Page, Patch
from cendry.fastapi import IfMatch, set_etag
from fastapi import APIRouter, Response

from ..bodies import ImportedTask, NewComment, NewTask, Row, ShownComment
from ..database import Context
from ..models import Status, Task
from ..paging import Paging
from ..tenancy import CurrentOrganisation, CurrentProject, TaskRef

router = APIRouter(prefix="/projects/{project_id}", tags=["tasks"])


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
    by_id: dict[str, Row] = {}

    def failed(failure: BulkFailure) -> None:
        by_id[failure.path.rpartition("/")[2]].error = str(failure.error)

    async with ctx.bulk(on_error=failed) as bulk:
        for row, result in zip(rows, results, strict=True):
            try:
                task = _imported.validate_python(row)
                if task.id in by_id:
                    raise ValueError("another row has this id")
                result.id = await bulk.create(task, parent=project)
                by_id[result.id] = result
            except (CendryError, ValueError) as error:
                result.error = str(error)
    return results


_imported: pydantic.TypeAdapter[Task] = pydantic.TypeAdapter(ImportedTask)
