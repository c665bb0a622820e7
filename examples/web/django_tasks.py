"""Tasks over HTTP with asynchronous views of Django.

uvicorn --app-dir examples/web django_tasks:app
"""

import json
import os
from typing import Any

from cendry import AsyncCendry, CendryError, Field, Model, field, from_dict, get_metadata, to_dict
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views import View

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="not used here")


class Task(Model, collection="tasks"):
    title: Field[str]
    done: Field[bool] = field(default=False)


ctx = AsyncCendry.from_url(os.environ.get("DATABASE_URL", "memory:"))


def answer(task: Task, status: int = 200) -> HttpResponse:
    content = to_dict(task, include_id=True, mode="json")
    return JsonResponse(content, status=status, headers={"ETag": get_metadata(task).etag})


class JsonView(View):
    """Answers errors of Cendry, and bodies that are not JSON."""

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        try:
            return await super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]
        except CendryError as error:
            detail = str(error) if error.http_status < 500 else "Internal error"
            return JsonResponse({"detail": detail}, status=error.http_status)
        except (ValueError, RecursionError):
            return JsonResponse({"detail": "The body is not JSON."}, status=400)


class Tasks(JsonView):
    async def get(self, request: HttpRequest) -> HttpResponse:
        page = await ctx.select(Task, order_by=Task.title).page(20, after=request.GET.get("after"))
        items = [to_dict(task, include_id=True, mode="json") for task in page]
        return JsonResponse({"items": items, "next": page.next_token})

    async def post(self, request: HttpRequest) -> HttpResponse:
        task = from_dict(Task, json.loads(request.body), mode="json")
        await ctx.create(task)
        return answer(task, 201)


class OneTask(JsonView):
    async def get(self, _: HttpRequest, task_id: str) -> HttpResponse:
        return answer(await ctx.get(Task, task_id))

    async def put(self, request: HttpRequest, task_id: str) -> HttpResponse:
        task = from_dict(Task, json.loads(request.body), doc_id=task_id, mode="json")
        await ctx.save(task, if_unchanged=request.headers.get("If-Match"))
        return answer(task)

    async def delete(self, request: HttpRequest, task_id: str) -> HttpResponse:
        await ctx.delete(Task, task_id, must_exist=True, if_unchanged=request.headers.get("If-Match"))
        return HttpResponse(status=204)


urlpatterns = [path("tasks", Tasks.as_view()), path("tasks/<str:task_id>", OneTask.as_view())]
app = get_asgi_application()
