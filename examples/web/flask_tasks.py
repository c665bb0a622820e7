"""Tasks over HTTP with Flask.

flask --app examples/web/flask_tasks.py run
"""

import os

from cendry import Cendry, CendryError, Field, Model, field, from_dict, get_metadata, to_dict
from flask import Flask, request
from flask.typing import ResponseReturnValue


class Task(Model, collection="tasks"):
    title: Field[str]
    done: Field[bool] = field(default=False)


ctx = Cendry.from_url(os.environ.get("DATABASE_URL", "memory:"))
app = Flask(__name__)


def answer(task: Task, status: int = 200) -> ResponseReturnValue:
    return to_dict(task, include_id=True, mode="json"), status, {"ETag": get_metadata(task).etag}


@app.get("/tasks")
def list_tasks() -> ResponseReturnValue:
    page = ctx.select(Task, order_by=Task.title).page(20, after=request.args.get("after"))
    return {"items": [to_dict(task, include_id=True, mode="json") for task in page], "next": page.next_token}


@app.post("/tasks")
def create_task() -> ResponseReturnValue:
    task = from_dict(Task, request.get_json(), mode="json")
    ctx.create(task)
    return answer(task, 201)


@app.get("/tasks/<task_id>")
def get_task(task_id: str) -> ResponseReturnValue:
    return answer(ctx.get(Task, task_id))


@app.put("/tasks/<task_id>")
def put_task(task_id: str) -> ResponseReturnValue:
    task = from_dict(Task, request.get_json(), doc_id=task_id, mode="json")
    ctx.save(task, if_unchanged=request.headers.get("If-Match"))
    return answer(task)


@app.delete("/tasks/<task_id>")
def delete_task(task_id: str) -> ResponseReturnValue:
    ctx.delete(Task, task_id, must_exist=True, if_unchanged=request.headers.get("If-Match"))
    return "", 204


@app.errorhandler(RecursionError)
def too_deep(_: RecursionError) -> ResponseReturnValue:
    return {"detail": "The body nests too deep."}, 400


@app.errorhandler(CendryError)
def refuse(error: CendryError) -> ResponseReturnValue:
    return {"detail": str(error) if error.http_status < 500 else "Internal error"}, error.http_status
