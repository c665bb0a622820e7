"""The examples for web frameworks, each on its own server, asked by a real client."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
from cendry import Cendry
from examples.test_quickstart import ROOT
from web.serving import SECONDS, httpx, serving

pytest.importorskip("litestar", reason="the frameworks are in an environment of their own: hatch run web:test")

Serve = Callable[[Any], AbstractContextManager[Any]]

ETAG = r'^"[0-9a-f]+-[0-9a-f]{8}"$'


@contextmanager
def client_of(port: int) -> Iterator[Any]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
        yield client


def by_uvicorn(app: Any) -> AbstractContextManager[Any]:
    return serving(app, lifespan="auto")


@contextmanager
def by_aiohttp(app: Any) -> Iterator[Any]:
    from aiohttp import web

    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)

    def run() -> None:
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.SockSite(runner, listener).start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    port = listener.getsockname()[1]
    thread = threading.Thread(target=run)
    thread.start()
    try:
        with client_of(port) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextmanager
def by_werkzeug(app: Any) -> Iterator[Any]:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with client_of(server.server_port) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SERVERS: dict[str, Serve] = {
    "starlette": by_uvicorn,
    "litestar": by_uvicorn,
    "aiohttp": by_aiohttp,
    "flask": by_werkzeug,
    "django": by_uvicorn,
}


@pytest.fixture(scope="module", params=SERVERS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def client(framework: str) -> Iterator[Any]:
    name = f"{framework}_tasks"
    spec = spec_from_file_location(name, ROOT / "examples" / "web" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABASE_URL", f"memory:{framework}")
        # Django looks for the views of the module by its name.
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        with SERVERS[framework](module.app) as client:
            yield client
        del sys.modules[name]


@pytest.fixture(autouse=True)
def ctx(framework: str, client: Any) -> Iterator[Cendry]:
    """The documents of the example; there are none at first."""
    with Cendry.from_url(f"memory:{framework}") as ctx:
        yield ctx
        for task in client.get("/tasks").json()["items"]:
            client.delete(f"/tasks/{task['id']}")


def test_a_task_is_created_read_changed_and_deleted(client: Any) -> None:
    created = client.post("/tasks", json={"title": "Move"})
    assert 201 == created.status_code
    task = created.json()
    assert {"id": task["id"], "title": "Move", "done": False} == task
    url, etag = f"/tasks/{task['id']}", created.headers["etag"]
    found = client.get(url)
    assert (200, task, etag) == (found.status_code, found.json(), found.headers["etag"])
    changed = client.put(url, json={"title": "Move", "done": True}, headers={"If-Match": etag})
    assert (200, {**task, "done": True}) == (changed.status_code, changed.json())
    assert etag != changed.headers["etag"]
    assert changed.headers["etag"] == client.get(url).headers["etag"]
    assert 412 == client.put(url, json={"title": "x"}, headers={"If-Match": etag}).status_code
    assert 412 == client.delete(url, headers={"If-Match": etag}).status_code
    deleted = client.delete(url, headers={"If-Match": f'"x", {changed.headers["etag"]}'})
    assert (204, b"") == (deleted.status_code, deleted.content)
    assert 404 == client.get(url).status_code
    assert 404 == client.delete(url).status_code


def test_tasks_are_listed_in_pages(client: Any) -> None:
    for number in range(25):
        assert 201 == client.post("/tasks", json={"title": f"{number:02}"}).status_code
    first = client.get("/tasks").json()
    assert [f"{number:02}" for number in range(20)] == [task["title"] for task in first["items"]]
    second = client.get("/tasks", params={"after": first["next"]}).json()
    assert ([f"{number:02}" for number in range(20, 25)], None) == (
        [task["title"] for task in second["items"]],
        second["next"],
    )
    for task in second["items"]:
        client.delete(f"/tasks/{task['id']}")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/tasks/absent", None, 404),
        ("GET", "/tasks/__x__", None, 422),
        ("GET", "/tasks?after=broken", None, 422),
        ("POST", "/tasks", b"{}", 422),
        ("POST", "/tasks", b'{"title": 5}', 422),
        ("POST", "/tasks", b'{"title": "a", "extra": 1}', 422),
        ("POST", "/tasks", b'{"title": "a", "id": "b"}', 422),
        ("PUT", "/tasks/__x__", b'{"title": "a"}', 422),
    ],
)
def test_errors_have_their_status(client: Any, method: str, path: str, body: bytes | None, status: int) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    response = client.request(method, path, content=body, headers=headers)
    assert status == response.status_code
    assert response.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"",
        b"NaN",
        b"[]",
        b"null",
        b'"\\ud800"',
        b"[" * 100_000,
        b'{"title": NaN}',
        b'{"title": "\\ud800"}',
        b'{"title": "a", "done": NaN}',
        b'{"title": "a", "\\ud800": 1}',
    ],
)
def test_hostile_bodies_are_refused(client: Any, body: bytes) -> None:
    for method, path in (("POST", "/tasks"), ("PUT", "/tasks/a")):
        response = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422)
    assert [] == client.get("/tasks").json()["items"]


def test_errors_of_the_program_say_nothing(client: Any, ctx: Cendry) -> None:
    from cendry import Field, Model

    class Odd(Model, collection="tasks"):
        title: Field[int]

    ctx.save(Odd(id="odd", title=1234))
    response = client.get("/tasks/odd")
    assert (500, {"detail": "Internal error"}) == (response.status_code, response.json())
    ctx.delete(Odd, "odd")
