"""The worker, beside the web application."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

from app.models import Comment
from app.worker import remind
from cendry import Cendry
from conftest import Tenant

FOLDER = Path(__file__).parents[1]
TODAY = date(2030, 2, 1)


async def test_the_worker_comments_once_on_each_task_that_is_due(ada: Tenant, bob: Tenant, worker_ctx: Cendry) -> None:
    for tenant in (ada, bob):
        await tenant.add_task("late", due="2030-01-31")
        await tenant.add_task("due today", due="2030-02-01")
        await tenant.add_task("done", due="2030-01-31", status="done")
        await tenant.add_task("whenever")

    assert (remind(worker_ctx, TODAY), remind(worker_ctx, TODAY)) == (2, 0)

    assert worker_ctx.select_group(Comment).count() == 2
    for tenant in (ada, bob):
        (comment,) = (await tenant.http.get("/feed")).json()["items"]
        assert comment["text"] == "This was due on 2030-01-31."
        comments = {task["title"]: task["comments"] for task in (await tenant.http.get(tenant.tasks)).json()["items"]}
        assert comments == {"late": 1, "due today": 0, "done": 0, "whenever": 0}


def test_the_worker_needs_neither_a_web_framework_nor_pydantic() -> None:
    code = "import sys, app.worker; print({'fastapi', 'pydantic', 'starlette', 'uvicorn', 'google'} & {*sys.modules})"
    finished = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "set()"


def test_the_worker_runs_on_its_own(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "app.worker"],
        cwd=FOLDER,
        env={"TASKS_DATABASE": f"memory://{tmp_path}/tasks.db"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert finished.stdout == "0 reminders\n"
