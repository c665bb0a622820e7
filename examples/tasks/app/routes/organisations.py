"""Signing up, and what concerns an organisation as a whole."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterable

from cendry import Page
from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse

from ..bodies import NewOrganisation, ShownComment, Welcome
from ..database import Context
from ..models import Comment, Key, Organisation, Project, Status, Task
from ..paging import Paging
from ..tenancy import CurrentOrganisation, digest

router = APIRouter(tags=["organisations"])


@router.post("/organisations", status_code=201)
async def sign_up(organisation: NewOrganisation, ctx: Context, request: Request, response: Response) -> Welcome:
    """Create an organisation with a first project, and the key to both."""
    secret = secrets.token_urlsafe(32)
    async with ctx.batch() as batch:  # all or nothing
        batch.create(organisation)
        project = Project(name="First project")
        batch.create(project, parent=organisation)
        batch.create(Key(id=digest(secret), organisation=ctx.ref_of(organisation)))
    secure = request.url.scheme == "https"
    response.set_cookie("key", secret, httponly=True, samesite="strict", secure=secure)
    return Welcome(organisation, project, secret)


@router.get("/organisation")
async def show_organisation(organisation: CurrentOrganisation, ctx: Context) -> Organisation:
    return await ctx.get(organisation)


@router.get("/feed")
async def feed(
    organisation: CurrentOrganisation, paging: Paging, ctx: Context, reminders: bool = True
) -> Page[ShownComment]:
    """List the comments on all tasks of the organisation, the latest first; with or without reminders."""
    comments = ctx.select_group(Comment, Comment.organisation == organisation, order_by=Comment.created.desc())
    if not reminders:
        comments = comments.filter(Comment.reminder.eq(False))
    return await comments.page(paging.size, after=paging.after, before=paging.before)


@router.get("/dashboard", response_class=EventSourceResponse)
async def dashboard(organisation: CurrentOrganisation, ctx: Context) -> AsyncIterable[dict[Status, int]]:
    """Send how many tasks there are in each status, now and after each change."""
    async with ctx.select_group(Task, parent=organisation).snapshots() as snapshots:
        async for snapshot in snapshots:
            counts = Counter(task.status for task in snapshot.documents)
            yield {status: counts[status] for status in Status}
