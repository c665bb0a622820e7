"""The endpoints, between the schemas and the models."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from annotated_types import Len
from app.database import Context
from app.models import Comment, Key, Project, Status, Task
from app.paging import Paging
from app.routes.organisations import dashboard
from app.tenancy import CurrentOrganisation, CurrentProject, TaskRef, digest
from cendry import AsyncTxn, BulkFailure, DocumentAlreadyExistsError, Increment, InvalidDocumentIdError, Page
from fastapi import FastAPI, Header, HTTPException, Response
from fastapi.sse import EventSourceResponse
from pydantic import ValidationError

from . import schemas
from .errors import IfMatch, add_handlers, check_etag, set_etag

app = FastAPI(title="Tasks, by hand", redirect_slashes=False)
add_handlers(app)
app.get("/dashboard", response_class=EventSourceResponse)(dashboard)


@app.post("/organisations", status_code=201, response_model=schemas.Welcome)
async def sign_up(body: schemas.OrganisationIn, ctx: Context, response: Response) -> object:
    organisation = body.to_model()
    secret = secrets.token_urlsafe(32)
    async with ctx.batch() as batch:
        batch.create(organisation)
        project = Project(name="First project")
        batch.create(project, parent=organisation)
        batch.create(Key(id=digest(secret), organisation=ctx.ref_of(organisation)))
    response.set_cookie("key", secret, httponly=True, samesite="strict")
    return schemas.Welcome(
        organisation=schemas.OrganisationOut.model_validate(organisation),
        project=schemas.ProjectOut.model_validate(project),
        key=secret,
    )


@app.get("/organisation", response_model=schemas.OrganisationOut)
async def show_organisation(organisation: CurrentOrganisation, ctx: Context) -> object:
    return await ctx.get(organisation)


@app.get("/feed", response_model=schemas.CommentPage)
async def feed(
    organisation: CurrentOrganisation, paging: Paging, ctx: Context, reminders: bool = True
) -> Page[Comment]:
    comments = ctx.select_group(Comment, Comment.organisation == organisation, order_by=Comment.created.desc())
    if not reminders:
        comments = comments.filter(Comment.reminder.eq(False))
    return await comments.page(paging.size, after=paging.after, before=paging.before)


@app.get("/projects", response_model=schemas.ProjectPage)
async def list_projects(organisation: CurrentOrganisation, paging: Paging, ctx: Context) -> Page[Project]:
    projects = ctx.select(Project, parent=organisation, order_by=Project.name)
    return await projects.page(paging.size, after=paging.after, before=paging.before)


@app.post("/projects", status_code=201, response_model=schemas.ProjectOut)
async def add_project(organisation: CurrentOrganisation, body: schemas.ProjectIn, ctx: Context) -> Project:
    project = body.to_model()
    await ctx.create(project, parent=organisation)
    return project


@app.delete("/projects/{project_id}", status_code=204)
async def delete_project(project_id: str, organisation: CurrentOrganisation, ctx: Context) -> None:
    await ctx.delete_recursive(Project, project_id, parent=organisation)


@app.post("/transfers", response_model=list[schemas.ProjectOut])
async def transfer(organisation: CurrentOrganisation, body: schemas.Transfer, ctx: Context) -> list[Project]:
    async def move(txn: AsyncTxn) -> list[Project]:
        source, target = await txn.get_many(Project, [body.source, body.target], parent=organisation)
        if source.hours < body.hours:
            raise HTTPException(409, f"{source.name} has {source.hours} hours left.")
        txn.update(source, Project.hours.set(source.hours - body.hours))
        txn.update(target, Project.hours.set(target.hours + body.hours))
        return [source, target]

    return await ctx.transaction(move)


@app.post("/webhooks/hours")
async def add_hours(
    organisation: CurrentOrganisation, webhook_id: Annotated[str, Header()], body: schemas.DeliveryIn, ctx: Context
) -> dict[str, bool]:
    event = body.to_model(webhook_id)
    try:
        async with ctx.batch() as batch:
            batch.create(event, parent=organisation)
            batch.update(Project, event.project, Project.hours.set(Increment(event.hours)), parent=organisation)
    except DocumentAlreadyExistsError:
        return {"new": False}
    return {"new": True}


@app.get("/projects/{project_id}/tasks", response_model=schemas.TaskPage)
async def list_tasks(project: CurrentProject, paging: Paging, ctx: Context, status: Status | None = None) -> Page[Task]:
    tasks = ctx.select(Task, parent=project, order_by=Task.created.desc())
    if status:
        tasks = tasks.filter(Task.status == status)
    return await tasks.page(paging.size, after=paging.after, before=paging.before)


@app.post("/projects/{project_id}/tasks", status_code=201, response_model=schemas.TaskOut)
async def add_task(project: CurrentProject, body: schemas.TaskIn, ctx: Context, response: Response) -> Task:
    task = body.to_model()
    await ctx.create(task, parent=project)
    set_etag(response, task)
    return task


@app.get("/projects/{project_id}/tasks/{task_id}", response_model=schemas.TaskOut)
async def show_task(ref: TaskRef, ctx: Context, response: Response) -> Task:
    task = await ctx.get(ref)
    set_etag(response, task)
    return task


@app.patch("/projects/{project_id}/tasks/{task_id}", response_model=schemas.TaskOut)
async def change_task(
    ref: TaskRef, patch: schemas.TaskPatch, ctx: Context, response: Response, if_match: IfMatch = None
) -> Task:
    task = await ctx.get(ref)
    await ctx.update(task, patch.changes(), if_unchanged=check_etag(task, if_match))
    set_etag(response, task)
    return task


@app.delete("/projects/{project_id}/tasks/{task_id}", status_code=204)
async def delete_task(ref: TaskRef, ctx: Context) -> None:
    await ctx.delete_recursive(ref)


@app.post("/projects/{project_id}/tasks/{task_id}/comments", status_code=201, response_model=schemas.CommentOut)
async def add_comment(
    ref: TaskRef, organisation: CurrentOrganisation, body: schemas.CommentIn, ctx: Context
) -> Comment:
    comment = body.to_model()
    comment.organisation = organisation
    async with ctx.batch() as batch:
        batch.create(comment, parent=ref)
        batch.update(ref, Task.comments.set(Increment(1)))
    return comment


@app.post("/projects/{project_id}/import")
async def import_tasks(
    project: CurrentProject, rows: Annotated[list[Any], Len(1, 10_000)], ctx: Context
) -> list[schemas.Row]:
    results = [schemas.Row() for _ in rows]
    queued: dict[str, schemas.Row] = {}
    failures: list[BulkFailure] = []
    async with ctx.bulk(on_error=failures.append) as bulk:
        for row, result in zip(rows, results, strict=True):
            try:
                task = schemas.TaskRow.model_validate(row).to_model()
            except ValidationError as error:
                places = ((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors())
                result.error = "; ".join(": ".join(filter(None, place)) for place in places)
                continue
            if task.id in queued:
                result.error = "another row has this id"
                continue
            try:
                result.id = await bulk.create(task, parent=project)
            except InvalidDocumentIdError as error:
                result.error = str(error)
                continue
            queued[result.id] = result
    for failure in failures:
        exists = isinstance(failure.error, DocumentAlreadyExistsError)
        result = queued[failure.path.rpartition("/")[2]]
        result.error = "a task with this id already exists" if exists else "not written; try again"
    return results
