"""The endpoints of `web_floor` with the gRPC calls of `web_raw`, whose responses nobody decodes.

No library above gRPC's asyncio twin can take less of a request than this.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated, Any

import grpc.aio
import web_floor
from app.models import Status
from app.paging import Paging
from app.routes import organisations, projects
from app.tenancy import Bearer, Cookie, digest
from by_hand.schemas import TaskIn, TaskOut, TaskPage
from cendry_firestore import _sdk
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response
from web_floor import Client

router = APIRouter(prefix="/projects/{project_id}")
DATABASE = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/databases/(default)"
DOCUMENTS = f"{DATABASE}/documents"
METADATA = (("google-cloud-resource-prefix", DATABASE), ("authorization", "Bearer owner"))
SECONDS = 15.0
ORGANISATIONS: dict[str, str] = {}


@cache
def method(name: str, *, streams: bool = False) -> Any:
    channel = opened()
    return (channel.unary_stream if streams else channel.unary_unary)(f"/google.firestore.v1.Firestore/{name}")


@cache
def opened() -> Any:
    # A channel belongs to the event loop in which it is opened.
    return grpc.aio.insecure_channel(os.environ["FIRESTORE_EMULATOR_HOST"])


async def read(name: str) -> bytes:
    request = _sdk.BatchGetDocumentsRequest(database=DATABASE, documents=[name])
    response: bytes = await method("BatchGetDocuments")(request.SerializeToString(), timeout=SECONDS, metadata=METADATA)
    return response


async def organisation(client: Client, bearer: Bearer, cookie: Cookie = None) -> str:
    secret = bearer.credentials if bearer else cookie
    if not secret:
        raise HTTPException(401)
    key = digest(secret)
    response = await read(f"{DOCUMENTS}/keys/{key}")
    if key not in ORGANISATIONS:
        found = _sdk.BatchGetDocumentsResponse.FromString(response).found
        ORGANISATIONS[key] = found.fields["organisation"].reference_value
    return ORGANISATIONS[key]


CurrentOrganisation = Annotated[str, Depends(organisation)]


async def project(project_id: str, organisation: CurrentOrganisation, client: Client) -> str:
    name = f"{organisation}/projects/{project_id}"
    await read(name)
    return name


async def task(task_id: str, project_id: str, organisation: CurrentOrganisation) -> str:
    return f"{organisation}/projects/{project_id}/tasks/{task_id}"


CurrentProject = Annotated[str, Depends(project)]
TaskRef = Annotated[str, Depends(task)]


@router.get("/tasks")
async def list_tasks(project: CurrentProject, paging: Paging, client: Client, status: Status | None = None) -> TaskPage:
    request = _sdk.RunQueryRequest(parent=project)
    query = request.structured_query
    query.from_.add(collection_id="tasks")
    query.order_by.add(direction=2).field.field_path = "created"
    query.limit.value = paging.size + 1
    stream = method("RunQuery", streams=True)(request.SerializeToString(), timeout=SECONDS, metadata=METADATA)
    while await stream.read() is not _sdk.EOF:
        pass
    return web_floor.PAGE


@router.post("/tasks", status_code=201)
async def add_task(project: CurrentProject, body: TaskIn, client: Client, response: Response) -> TaskOut:
    write = _sdk.WriteMessage()
    write.update.name = f"{project}/tasks/{os.urandom(10).hex()}"
    for name, value in body.model_dump(mode="json").items():
        write.update.fields[name].string_value = str(value)
    write.current_document.exists = False
    request = _sdk.CommitRequest(database=DATABASE, writes=[write])
    await method("Commit")(request.SerializeToString(), timeout=SECONDS, metadata=METADATA)
    response.headers["ETag"] = web_floor.ETAG
    return web_floor.TASK


@router.get("/tasks/{task_id}")
async def show_task(ref: TaskRef, client: Client, response: Response) -> TaskOut:
    await read(ref)
    response.headers["ETag"] = web_floor.ETAG
    return web_floor.TASK


app = FastAPI()
app.include_router(router)
app.include_router(organisations.router)
app.include_router(projects.router)
