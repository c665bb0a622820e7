"""The example application under load, beside the same endpoints on the SDK's AsyncClient."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from figures import Figures, microseconds
from load import Request, send
from timing import Times

CONCURRENCY = 200
REQUESTS = {"GET": 1_000, "list": 400, "POST": 1_000}
"""In a round."""
ROUNDS = 5
ABOVE_FLOOR = {"GET": 0.5, "list": 0.4, "POST": 0.5}
"""The budgets of what is above the share of FastAPI and uvicorn."""


@contextmanager
def serving(module: str, project: str) -> Iterator[int]:
    """Serve an app in a process of its own; yield its port."""
    environment = {
        "GOOGLE_CLOUD_PROJECT": project,
        "TASKS_DATABASE": f"firestore://{project}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("web_server.py")), module],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def post(port: int, path: str, body: object, key: str = "") -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        created: dict[str, dict[str, str]] = json.load(answer)
        return created


def called(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        found: bytes = answer.read()
        return found


def cpu(port: int) -> float:
    return float(called(port, "/cpu"))


def taken(port: int, request: Request, requests: int) -> Times:
    gc.collect()
    before, wall = cpu(port), time.perf_counter()
    asyncio.run(send(port, request, requests, CONCURRENCY))
    wall = time.perf_counter() - wall
    return Times(cpu(port) - before, wall)


def median(times: list[Times]) -> Times:
    return Times(statistics.median(each.cpu for each in times), statistics.median(each.wall for each in times))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_web_service_under_load(figures: Figures, project: str, kind: str) -> None:
    with (
        serving("app.main", project) as ours,
        serving("web_raw", project) as raw,
        serving("web_grpc", project) as grpc,
        serving("web_floor", project) as floor,
    ):
        welcome = post(ours, "/organisations", {"name": "Load"})
        key, tasks = str(welcome["key"]), f"/projects/{welcome['project']['id']}/tasks"
        task = {
            "title": "Write the tests",
            "notes": "All of them. " * 20,
            "labels": ["bug", "docs"],
            "due": "2030-01-31",
            "steps": [{"title": f"Step {number}", "done": number < 2} for number in range(4)],
        }
        ids = [post(ours, tasks, task, key)["id"] for _ in range(21)]
        request = {
            "GET": Request("GET", f"{tasks}/{ids[0]}", key),
            "list": Request("GET", tasks, key),
            "POST": Request("POST", tasks, key, json.dumps(task).encode(), 201),
        }[kind]

        requests = REQUESTS[kind]
        ports = [ours, raw, grpc, floor]
        times: dict[int, list[Times]] = {port: [] for port in ports}
        for round_ in range(ROUNDS + 1):
            for port in ports if round_ % 2 else reversed(ports):
                measured = taken(port, request, requests)
                if round_:
                    times[port].append(measured)
            if not round_:
                # All is loaded now. Otherwise the collector goes through it several times in a round, or once less.
                for port in ports:
                    called(port, "/freeze")

    what = f"{kind} of examples/tasks, {CONCURRENCY} requests at once"
    found = {port: median(times[port]) for port in ports}
    shares = {port: found[port].cpu - found[floor].cpu for port in ports}
    for name, port in (("bare gRPC calls, whose responses nobody decodes", grpc), ("no database at all", floor)):
        each = microseconds(these=found[port].cpu, sdk=found[raw].cpu, each=requests)
        figures(f"the same {kind} with {name}: CPU", found[port].cpu / found[raw].cpu, detail=each)
    figures(
        f"{what}, without the share of FastAPI and uvicorn: CPU",
        shares[ours] / shares[raw],
        budget=ABOVE_FLOOR[kind],
        detail=microseconds(ours=shares[ours], sdk=shares[raw], grpc=shares[grpc], each=requests),
    )
    figures.ratios(what, found[ours], found[raw], cpu=0.5, wall=1 / 1.5, each=requests, per="request")
