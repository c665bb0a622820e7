"""Comments of the first version, which did not say whether they are reminders."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from app.models import Comment, Organisation, Task
from app.worker import remind
from cendry import Cendry, Field, Model, Ref
from cendry_firestore.tools import backfill
from conftest import Tenant
from test_worker import TODAY


class FirstComment(Model, collection="comments", parent=Task):
    """A comment as it was stored by the first version."""

    author: Field[str]
    text: Field[str]
    organisation: Field[Ref[Organisation]]
    created: Field[datetime]


async def add_first_comments(ada: Tenant, ctx: Cendry) -> str:
    """Add two comments of the first version to a task that is due; return its address."""
    task = await ada.add_task(due="2030-01-31")
    organisation = Ref(Organisation, ada.id)
    parent = Ref.from_path(f"organisations/{ada.id}{task}", model=Task)
    for number, author in enumerate(["Ada", "Reminder"]):
        created = datetime(2020, 1, 1 + number, tzinfo=timezone.utc)
        comment = FirstComment(id=author, author=author, text="?", organisation=organisation, created=created)
        ctx.create(comment, parent=parent)
    return task


async def shown(ada: Tenant, **params: str) -> list[tuple[str, bool]]:
    """The authors of the feed, and whether they are reminders."""
    items = (await ada.http.get("/feed", params=params)).json()["items"]
    return [(comment["author"], comment["reminder"]) for comment in items]


async def test_old_comments_are_upgraded_when_they_are_read(ada: Tenant, worker_ctx: Cendry) -> None:
    await add_first_comments(ada, worker_ctx)

    assert await shown(ada) == [("Reminder", True), ("Ada", False)]


async def test_the_filter_finds_old_comments_after_the_backfill(
    ada: Tenant, worker_ctx: Cendry, tmp_path: Path
) -> None:
    task = await add_first_comments(ada, worker_ctx)
    await ada.http.post(f"{task}/comments", json={"author": "Eve", "text": "!"})
    assert remind(worker_ctx, TODAY) == 1
    assert await shown(ada, reminders="false") == [("Eve", False)]

    result = backfill(worker_ctx, Comment, state=tmp_path)

    assert (result.rewritten, result.unchanged, result.dead) == (2, 2, 0)
    assert await shown(ada, reminders="false") == [("Eve", False), ("Ada", False)]
    assert len(await shown(ada)) == 4
