"""Gunicorn, which loads an application before it forks (`--preload`), and forks again while threads of it are busy."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cendry import Cendry, Field, Model
from cendry.plan import QueryPlan
from cendry_firestore import FirestoreBackend
from cendry_memory import MemoryBackend

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs fork(), which Windows lacks"),
    pytest.mark.skipif(find_spec("gunicorn") is None, reason="gunicorn is not installed"),
]

SECONDS = 60
"""The longest that a request may take; one that hangs is an error."""

TWINS = {"sync": ("sync", "wsgi"), "threads": ("gthread", "wsgi"), "async": ("uvicorn_worker.UvicornWorker", "asgi")}


class Item(Model, collection="items"):
    n: Field[int]


class Server:
    """A running gunicorn."""

    def __init__(self, port: int) -> None:
        self._port = port

    def save(self, number: int) -> dict[str, Any]:
        """Ask for a document to be saved; the answer, or what became of a worker that was killed."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        try:
            connection.request("GET", f"/{number}", headers={"Connection": "close"})
            response = connection.getresponse()
            found = json.loads(response.read())
        except (ConnectionError, http.client.HTTPException):
            return {"outcome": "lost"}
        finally:
            connection.close()
        assert response.status == (200 if found["outcome"] == "saved" else 503)
        return {"number": number, **found}

    def save_many(self, count: int) -> list[dict[str, Any]]:
        """Ask for some, four at a time."""
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self.save, range(count)))


@contextmanager
def gunicorn(log: Path, twin: str, url: str, in_master: str) -> Iterator[Server]:
    """Run the application of this suite, and end it by a signal as a supervisor does."""
    worker_class, form = TWINS[twin]
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening, log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-m", "gunicorn", f"deployment.apps:{form}", "--preload"),
                *("--bind", f"fd://{listening.fileno()}", "--workers", "2", "--worker-class", worker_class),
                *("--worker-tmp-dir", str(log.parent), "--graceful-timeout", "10"),
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "APP_URL": url,
                "APP_IN_MASTER": in_master,
                "APP_LOG": f"{log}.acknowledged",
            },
            pass_fds=(listening.fileno(),),
            stdout=output,
            stderr=output,
        )
        try:
            yield Server(listening.getsockname()[1])
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gunicorn.log"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


def acknowledged(log: Path) -> set[str]:
    """The ids of what the master's threads have written."""
    # The last line may be half a line.
    return set(Path(f"{log}.acknowledged").read_text().split("\n")[:-1])


def all_saved(answers: list[dict[str, Any]]) -> bool:
    return [(each["outcome"], each["detail"]) for each in answers] == [("saved", each["number"]) for each in answers]


twins = pytest.mark.parametrize("twin", TWINS)


@twins
def test_memory_is_copied_to_each_worker(log: Path, twin: str) -> None:
    with gunicorn(log, twin, "memory:", "write") as server:
        answers = server.save_many(20)
        assert all_saved(answers), answers
        assert all(each["process"] != each["parent"] for each in answers)


@twins
def test_a_file_that_the_master_has_open_is_refused_and_loses_nothing(log: Path, file: Path, twin: str) -> None:
    answered: list[dict[str, Any]] = []
    with gunicorn(log, twin, str(file), "write") as server:
        for _ in range(5):
            answered += [each for each in server.save_many(8) if each["outcome"] != "lost"]
            # The master forks another worker while its threads write.
            os.kill(answered[-1]["process"], signal.SIGKILL)
    for each in answered:
        assert each["outcome"] == "UsedBeforeForkError"
        assert f"Memory was used in process {each['parent']} before fork()" in each["detail"]
    assert len({each["process"] for each in answered}) > 4
    assert len(answered) > 20
    with MemoryBackend(file) as backend:
        ids = {item.path.removeprefix("items/") for item in backend.run(QueryPlan("items"))}
    assert acknowledged(log) | {"first", "second"} <= ids
    assert len(acknowledged(log)) > 100
    # Of each of the three threads, one more may be there, which was committed and not yet noted.
    assert len(ids) <= len(acknowledged(log)) + 5


@twins
def test_firestore_that_the_master_has_not_used_works(
    log: Path, twin: str, firestore_emulator: str, project: str
) -> None:
    with gunicorn(log, twin, f"firestore:{project}", "nothing") as server:
        answers = server.save_many(30)
        assert all_saved(answers), answers
        # A worker that is killed is replaced by a new child of the same master.
        killed = answers[-1]["process"]
        os.kill(killed, signal.SIGKILL)
        later = [answer for answer in server.save_many(60) if answer["outcome"] != "lost"]
        assert all_saved(later), later
        assert killed not in {each["process"] for each in later}
        assert len(later) > 50
    with Cendry(project=project) as ctx:
        saved = {each["number"] for each in (*answers, *later)}
        assert {item.n for item in ctx.select(Item)} >= saved


@twins
@pytest.mark.parametrize("in_master", ["use", "write"])
def test_firestore_that_the_master_has_used_is_refused_at_once(
    log: Path, twin: str, in_master: str, firestore_emulator: str, project: str
) -> None:
    with gunicorn(log, twin, f"firestore:{project}", in_master) as server:
        answers = server.save_many(12)
    for each in answers:
        assert each["outcome"] == "UsedBeforeForkError", each
        assert f"Firestore was used in process {each['parent']} before fork()" in each["detail"]
    backend = FirestoreBackend(project=project)
    try:
        ids = {item.path.removeprefix("items/") for item in backend.run(QueryPlan("items"))}
    finally:
        backend.close()
    written = acknowledged(log) if in_master == "write" else set()
    assert written | {"first", "second"} <= ids
    assert not {str(number) for number in range(12)} & ids
