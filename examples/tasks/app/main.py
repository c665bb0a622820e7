"""The application: `uvicorn app.main:app`, in the folder above."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from cendry.fastapi import add_exception_handlers
from fastapi import FastAPI
from fastapi.responses import FileResponse

from .database import ctx
from .routes import organisations, projects, tasks


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    yield
    await ctx.close()


app = FastAPI(title="Tasks", lifespan=lifespan, redirect_slashes=False)
add_exception_handlers(app)
app.include_router(tasks.router)
app.include_router(organisations.router)
app.include_router(projects.router)


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_name("page.html"))
