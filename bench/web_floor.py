"""The endpoints of `web_raw` with answers that are always the same: what FastAPI and uvicorn take of a request."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from app.models import Status
from app.paging import Paging
from app.routes import organisations, projects
from app.tenancy import Bearer, Cookie, digest
from by_hand.schemas import StepOut, TaskIn, TaskOut, TaskPage
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response

router = APIRouter(prefix="/projects/{project_id}")
NOW = datetime.now(timezone.utc)
TASK = TaskOut(
    id="0" * 20,
    title="Write the tests",
    notes="All of them. " * 20,
    status=Status.OPEN,
    priority=3,
    labels={"bug", "docs"},
    assignee=None,
    due=NOW.date(),
    steps=[StepOut(title=f"Step {number}", done=number < 2) for number in range(4)],
    comments=0,
    created=NOW,
    updated=NOW,
)
PAGE = TaskPage(items=[TASK] * 20, next_token=TASK.id, previous_token=None)
ETAG = f'"{NOW.timestamp()}"'


async def client() -> None:
    """No client: what the endpoints below depend on costs FastAPI the same as that of the others."""


Client = Annotated[None, Depends(client)]


async def organisation(client: Client, bearer: Bearer, cookie: Cookie = None) -> str:
    secret = bearer.credentials if bearer else cookie
    if not secret:
        raise HTTPException(401)
    return digest(secret)


CurrentOrganisation = Annotated[str, Depends(organisation)]


async def project(project_id: str, organisation: CurrentOrganisation, client: Client) -> str:
    return f"{organisation}/{project_id}"


async def task(task_id: str, project_id: str, organisation: CurrentOrganisation) -> str:
    return f"{organisation}/projects/{project_id}/tasks/{task_id}"


CurrentProject = Annotated[str, Depends(project)]
TaskRef = Annotated[str, Depends(task)]


@router.get("/tasks")
async def list_tasks(project: CurrentProject, paging: Paging, client: Client, status: Status | None = None) -> TaskPage:
    return PAGE


@router.post("/tasks", status_code=201)
async def add_task(project: CurrentProject, body: TaskIn, client: Client, response: Response) -> TaskOut:
    response.headers["ETag"] = ETAG
    return TASK


@router.get("/tasks/{task_id}")
async def show_task(ref: TaskRef, client: Client, response: Response) -> TaskOut:
    response.headers["ETag"] = ETAG
    return TASK


app = FastAPI()
app.include_router(router)
app.include_router(organisations.router)
app.include_router(projects.router)
