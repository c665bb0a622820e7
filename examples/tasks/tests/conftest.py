"""Every test of the API runs in memory and in the emulator, with the app and with the same app by hand."""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from app.database import context
from cendry import AsyncCendry, Cendry, MemoryBackend
from fastapi import FastAPI

INDEXES = Path(__file__).parents[1] / "firestore.indexes.json"


@dataclass
class Tenant:
    """An organisation, and a client that holds its key."""

    http: httpx.AsyncClient
    id: str
    project: str

    @property
    def tasks(self) -> str:
        return f"/projects/{self.project}/tasks"

    async def add_task(self, title: str = "Write the tests", **fields: object) -> str:
        """Add a task and return its address."""
        answer = await self.http.post(self.tasks, json={"title": title, **fields})
        assert answer.status_code == 201, answer.text
        return f"{self.tasks}/{answer.json()['id']}"


@pytest.fixture
def cendry_memory_backend() -> Iterator[MemoryBackend]:
    """Queries without their index fail, as they would in production."""
    with MemoryBackend(strict_indexes=INDEXES) as backend:
        yield backend


@pytest.fixture(params=["memory", "emulator"])
def ctx(request: pytest.FixtureRequest) -> AsyncCendry:
    ctx: AsyncCendry = request.getfixturevalue(f"cendry_{request.param}_async")
    return ctx


@pytest.fixture
def worker_ctx(request: pytest.FixtureRequest, ctx: AsyncCendry) -> Cendry:
    """The sync twin of the context of the test, on the same documents."""
    memory = "cendry_memory_async" in request.fixturenames
    ctx_of_worker: Cendry = request.getfixturevalue("cendry_memory" if memory else "cendry_emulator")
    return ctx_of_worker


@pytest.fixture(params=["app", "by_hand"])
def package(request: pytest.FixtureRequest) -> str:
    package: str = request.param
    return package


@pytest.fixture
def app(package: str, ctx: AsyncCendry) -> Iterator[FastAPI]:
    app: FastAPI = importlib.import_module(f"{package}.main").app
    app.dependency_overrides[context] = lambda: ctx
    yield app
    app.dependency_overrides.clear()


@asynccontextmanager
async def signed_up(app: FastAPI, name: str) -> AsyncGenerator[Tenant]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await http.post("/organisations", json={"name": name})
        assert answer.status_code == 201, answer.text
        welcome = answer.json()
        http.cookies.clear()
        http.headers["Authorization"] = f"Bearer {welcome['key']}"
        yield Tenant(http, welcome["organisation"]["id"], welcome["project"]["id"])


@pytest.fixture
async def ada(app: FastAPI) -> AsyncIterator[Tenant]:
    async with signed_up(app, "Ada's") as tenant:
        yield tenant


@pytest.fixture
async def bob(app: FastAPI) -> AsyncIterator[Tenant]:
    async with signed_up(app, "Bob's") as tenant:
        yield tenant


@contextmanager
def serving(app: FastAPI) -> Generator[str]:
    """Serve the app by uvicorn, in a thread; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield address
