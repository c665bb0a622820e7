"""Three endpoints of `examples/tasks` on the SDK's AsyncClient, with the schemas that are written by hand.

They have the same dependencies in the same order as those of the example, and beside them stand the other endpoints of
the example, so that FastAPI and Starlette do the same for a request.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Annotated, Any

from app.models import Status
from app.paging import Paging
from app.routes import organisations, projects
from app.tenancy import Bearer, Cookie, digest
from by_hand.schemas import TaskIn, TaskOut, TaskPage
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response
from google.cloud import firestore

router = APIRouter(prefix="/projects/{project_id}")
database = firestore.AsyncClient(project=os.environ["GOOGLE_CLOUD_PROJECT"])


async def client() -> firestore.AsyncClient:
    return database


Client = Annotated[firestore.AsyncClient, Depends(client)]


async def organisation(client: Client, bearer: Bearer, cookie: Cookie = None) -> Any:
    secret = bearer.credentials if bearer else cookie
    key = await client.document("keys", digest(secret)).get() if secret else None
    if key is None or not key.exists:
        raise HTTPException(401)
    # The SDK reads references of its async client as sync ones.
    return client.document(key.get("organisation").path)


CurrentOrganisation = Annotated[Any, Depends(organisation)]


async def project(project_id: str, organisation: CurrentOrganisation, client: Client) -> Any:
    project = await client.document(organisation.path, "projects", project_id).get()
    if not project.exists:
        raise HTTPException(404)
    return project.reference


async def task(task_id: str, project_id: str, organisation: CurrentOrganisation) -> Any:
    return organisation.collection("projects").document(project_id).collection("tasks").document(task_id)


CurrentProject = Annotated[Any, Depends(project)]
TaskRef = Annotated[Any, Depends(task)]


def shown(id: str, fields: dict[str, Any]) -> TaskOut:
    return TaskOut.model_validate({"id": id, **fields})


@router.get("/tasks")
async def list_tasks(project: CurrentProject, paging: Paging, _: Client, status: Status | None = None) -> TaskPage:
    size = paging.size
    newest = project.collection("tasks").order_by("created", direction=firestore.Query.DESCENDING)
    if status is not None:
        newest = newest.where(filter=firestore.FieldFilter("status", "==", status.value))
    found = [task async for task in newest.limit(size + 1).stream()]
    items = [shown(task.id, task.to_dict()) for task in found[:size]]
    return TaskPage(items=items, next_token=items[-1].id if len(found) > size else None, previous_token=None)


@router.post("/tasks", status_code=201)
async def add_task(project: CurrentProject, body: TaskIn, _: Client, response: Response) -> TaskOut:
    now = datetime.now(timezone.utc)
    fields = body.model_dump(mode="json") | {"comments": 0, "created": now, "updated": now}
    if body.due is not None:
        fields["due"] = datetime(body.due.year, body.due.month, body.due.day, tzinfo=timezone.utc)
    task = project.collection("tasks").document()
    result = await task.create(fields)
    response.headers["ETag"] = f'"{result.update_time.timestamp()}"'
    return shown(task.id, fields)


@router.get("/tasks/{task_id}")
async def show_task(ref: TaskRef, _: Client, response: Response) -> TaskOut:
    task = await ref.get()
    if not task.exists:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{task.update_time.timestamp()}"'
    return shown(task.id, task.to_dict())


app = FastAPI()
app.include_router(router)
app.include_router(organisations.router)
app.include_router(projects.router)
