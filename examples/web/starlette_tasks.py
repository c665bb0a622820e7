"""Tasks over HTTP with Starlette.

uvicorn --app-dir examples/web starlette_tasks:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cendry import AsyncCendry, CendryError, Field, Model, field, from_dict, get_metadata, to_dict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Task(Model, collection="tasks"):
    title: Field[str]
    done: Field[bool] = field(default=False)


ctx = AsyncCendry.from_url(os.environ.get("DATABASE_URL", "memory:"))


def answer(task: Task, status: int = 200) -> Response:
    return JSONResponse(to_dict(task, include_id=True, mode="json"), status, {"ETag": get_metadata(task).etag})


async def task_of(request: Request, task_id: str | None = None) -> Task:
    try:
        data = await request.json()
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    return from_dict(Task, data, doc_id=task_id, mode="json")


async def tasks(request: Request) -> Response:
    if request.method == "POST":
        task = await task_of(request)
        await ctx.create(task)
        return answer(task, 201)
    page = await ctx.select(Task, order_by=Task.title).page(20, after=request.query_params.get("after"))
    return JSONResponse(
        {"items": [to_dict(task, include_id=True, mode="json") for task in page], "next": page.next_token}
    )


async def one_task(request: Request) -> Response:
    task_id: str = request.path_params["task_id"]
    if request.method == "PUT":
        task = await task_of(request, task_id)
        await ctx.save(task, if_unchanged=request.headers.get("If-Match"))
        return answer(task)
    if request.method == "DELETE":
        await ctx.delete(Task, task_id, must_exist=True, if_unchanged=request.headers.get("If-Match"))
        return Response(status_code=204)
    return answer(await ctx.get(Task, task_id))


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with ctx:
        yield


async def refuse(_: Request, error: Exception) -> Response:
    status = error.http_status if isinstance(error, CendryError) else 500
    return JSONResponse({"detail": str(error) if status < 500 else "Internal error"}, status)


app = Starlette(
    routes=[
        Route("/tasks", tasks, methods=["GET", "POST"]),
        Route("/tasks/{task_id}", one_task, methods=["GET", "PUT", "DELETE"]),
    ],
    exception_handlers={CendryError: refuse},
    lifespan=lifespan,
)
