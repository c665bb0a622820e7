"""Tasks over HTTP with aiohttp.

python examples/web/aiohttp_tasks.py
"""

import os

from aiohttp import web
from aiohttp.typedefs import Handler
from cendry import AsyncCendry, CendryError, Field, Model, field, from_dict, get_metadata, to_dict


class Task(Model, collection="tasks"):
    title: Field[str]
    done: Field[bool] = field(default=False)


ctx = AsyncCendry.from_url(os.environ.get("DATABASE_URL", "memory:"))
routes = web.RouteTableDef()


def answer(task: Task, status: int = 200) -> web.Response:
    content = to_dict(task, include_id=True, mode="json")
    return web.json_response(content, status=status, headers={"ETag": get_metadata(task).etag})


async def task_of(request: web.Request) -> Task:
    try:
        data = await request.json()
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="The body is not JSON.") from None
    return from_dict(Task, data, doc_id=request.match_info.get("task_id"), mode="json")


@routes.get("/tasks")
async def list_tasks(request: web.Request) -> web.Response:
    page = await ctx.select(Task, order_by=Task.title).page(20, after=request.query.get("after"))
    items = [to_dict(task, include_id=True, mode="json") for task in page]
    return web.json_response({"items": items, "next": page.next_token})


@routes.post("/tasks")
async def create_task(request: web.Request) -> web.Response:
    task = await task_of(request)
    await ctx.create(task)
    return answer(task, 201)


@routes.get("/tasks/{task_id}")
async def get_task(request: web.Request) -> web.Response:
    return answer(await ctx.get(Task, request.match_info["task_id"]))


@routes.put("/tasks/{task_id}")
async def put_task(request: web.Request) -> web.Response:
    task = await task_of(request)
    await ctx.save(task, if_unchanged=request.headers.get("If-Match"))
    return answer(task)


@routes.delete("/tasks/{task_id}")
async def delete_task(request: web.Request) -> web.Response:
    if_match = request.headers.get("If-Match")
    await ctx.delete(Task, request.match_info["task_id"], must_exist=True, if_unchanged=if_match)
    return web.Response(status=204)


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CendryError as error:
        detail = str(error) if error.http_status < 500 else "Internal error"
        return web.json_response({"detail": detail}, status=error.http_status)


async def close(_: web.Application) -> None:
    await ctx.close()


app = web.Application(middlewares=[refuse])
app.add_routes(routes)
app.on_cleanup.append(close)

if __name__ == "__main__":
    web.run_app(app)
