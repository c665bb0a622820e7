"""Tasks over HTTP with Litestar.

uvicorn --app-dir examples/web litestar_tasks:app
"""

import os
from typing import Annotated, Any

from cendry import AsyncCendry, CendryError, Field, Model, field, from_dict, get_metadata, to_dict
from litestar import Litestar, Request, Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody


class Task(Model, collection="tasks"):
    title: Field[str]
    done: Field[bool] = field(default=False)


ctx = AsyncCendry.from_url(os.environ.get("DATABASE_URL", "memory:"))

Json = dict[str, Any]
IfMatch = Annotated[str | None, HeaderParameter(name="If-Match")]


def answer(task: Task, status: int = 200) -> Response[Json]:
    content = to_dict(task, include_id=True, mode="json")
    return Response(content, status_code=status, headers={"ETag": get_metadata(task).etag})


@get("/tasks")
async def list_tasks(after: FromQuery[str | None] = None) -> Json:
    page = await ctx.select(Task, order_by=Task.title).page(20, after=after)
    return {"items": [to_dict(task, include_id=True, mode="json") for task in page], "next": page.next_token}


@post("/tasks")
async def create_task(data: JSONBody[Json]) -> Response[Json]:
    task = from_dict(Task, data, mode="json")
    await ctx.create(task)
    return answer(task, 201)


@get("/tasks/{task_id:str}")
async def get_task(task_id: FromPath[str]) -> Response[Json]:
    return answer(await ctx.get(Task, task_id))


@put("/tasks/{task_id:str}")
async def put_task(task_id: FromPath[str], data: JSONBody[Json], if_match: IfMatch = None) -> Response[Json]:
    task = from_dict(Task, data, doc_id=task_id, mode="json")
    await ctx.save(task, if_unchanged=if_match)
    return answer(task)


@delete("/tasks/{task_id:str}")
async def delete_task(task_id: FromPath[str], if_match: IfMatch = None) -> None:
    await ctx.delete(Task, task_id, must_exist=True, if_unchanged=if_match)


def refuse(_: Request[Any, Any, Any], error: CendryError) -> Response[Json]:
    detail = str(error) if error.http_status < 500 else "Internal error"
    return Response({"detail": detail}, status_code=error.http_status)


def too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[Json]:
    return Response({"detail": "The body nests too deep."}, status_code=400)


app = Litestar(
    [list_tasks, create_task, get_task, put_task, delete_task],
    exception_handlers={CendryError: refuse, RecursionError: too_deep},
    on_shutdown=[ctx.close],
)
