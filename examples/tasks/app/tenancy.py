"""Who is asking. An endpoint reaches documents through the organisation of the caller's key, and in no other way."""

from __future__ import annotations

import hashlib
from typing import Annotated

import fastapi
from cendry import Ref
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .database import Context
from .models import Key, Organisation, Project, Task

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
Cookie = Annotated[str | None, fastapi.Cookie(alias="key")]


def digest(secret: str) -> str:
    """Return the document id of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def organisation(ctx: Context, bearer: Bearer, cookie: Cookie = None) -> Ref[Organisation]:
    """Return the organisation of the caller's key: programs send it as a bearer token, the page as a cookie."""
    secret = bearer.credentials if bearer else cookie
    key = await ctx.find(Key, digest(secret)) if secret else None
    if key is None:
        raise HTTPException(401, "Send a valid key.", {"WWW-Authenticate": "Bearer"})
    return key.organisation


CurrentOrganisation = Annotated[Ref[Organisation], Depends(organisation)]


async def project(project_id: str, organisation: CurrentOrganisation, ctx: Context) -> Project:
    """Return the project that the path names, if the organisation has it."""
    return await ctx.get(Project, project_id, parent=organisation)


async def task(task_id: str, project_id: str, organisation: CurrentOrganisation) -> Ref[Task]:
    """Return a reference to the task that the path names. It need not exist."""
    return Ref(Task, task_id, parent=Ref(Project, project_id, parent=organisation))


CurrentProject = Annotated[Project, Depends(project)]
TaskRef = Annotated[Ref[Task], Depends(task)]
