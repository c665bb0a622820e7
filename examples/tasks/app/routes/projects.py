"""Projects, and the hours that move to them and between them."""

from __future__ import annotations

from typing import Annotated

from cendry import AsyncTxn, DocumentAlreadyExistsError, Increment, Page
from fastapi import APIRouter, Header, HTTPException

from ..bodies import Event, NewProject, Transfer
from ..database import Context
from ..models import Project
from ..paging import Paging
from ..tenancy import CurrentOrganisation

router = APIRouter(tags=["projects"])


@router.get("/projects")
async def list_projects(organisation: CurrentOrganisation, paging: Paging, ctx: Context) -> Page[Project]:
    projects = ctx.select(Project, parent=organisation, order_by=Project.name)
    return await projects.page(paging.size, after=paging.after, before=paging.before)


@router.post("/projects", status_code=201)
async def add_project(organisation: CurrentOrganisation, project: NewProject, ctx: Context) -> Project:
    await ctx.create(project, parent=organisation)
    return project


@router.delete("/projects/{project_id}", status_code=204)
async def delete_project(project_id: str, organisation: CurrentOrganisation, ctx: Context) -> None:
    """Delete a project with its tasks and their comments. May be repeated."""
    await ctx.delete_recursive(Project, project_id, parent=organisation)


@router.post("/transfers")
async def transfer(organisation: CurrentOrganisation, transfer: Transfer, ctx: Context) -> list[Project]:
    """Move hours from one project to another: both change, or neither."""

    async def move(txn: AsyncTxn) -> list[Project]:
        source, target = await txn.get_many(Project, [transfer.source, transfer.target], parent=organisation)
        if source.hours < transfer.hours:
            raise HTTPException(409, f"{source.name} has {source.hours} hours left.")
        txn.update(source, Project.hours.set(source.hours - transfer.hours))
        txn.update(target, Project.hours.set(target.hours + transfer.hours))
        return [source, target]

    return await ctx.transaction(move)


@router.post("/webhooks/hours")
async def add_hours(
    organisation: CurrentOrganisation, webhook_id: Annotated[str, Header()], event: Event, ctx: Context
) -> dict[str, bool]:
    """Add the hours that were bought for a project. An event that is delivered again changes nothing."""
    event.id = webhook_id
    try:
        async with ctx.batch() as batch:
            batch.create(event, parent=organisation)  # fails if there is one, and the other write with it
            batch.update(Project, event.project, Project.hours.set(Increment(event.hours)), parent=organisation)
    except DocumentAlreadyExistsError:
        return {"new": False}
    return {"new": True}
