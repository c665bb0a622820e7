"""The live dashboard, over a real connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
from conftest import Tenant


async def counts(answer: httpx.Response) -> AsyncIterator[dict[str, int]]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def test_the_dashboard_follows_the_tasks_of_one_organisation(ada: Tenant, bob: Tenant, address: str) -> None:
    task = await ada.add_task()

    async with (
        httpx.AsyncClient(base_url=address, headers=ada.http.headers, timeout=60) as http,
        http.stream("GET", "/dashboard") as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = counts(answer)
        assert await anext(events) == {"open": 1, "doing": 0, "done": 0}

        await bob.add_task()
        assert (await http.patch(task, json={"status": "done"})).status_code == 200
        assert await anext(events) == {"open": 0, "doing": 0, "done": 1}

        assert (await http.delete(task)).status_code == 204
        assert await anext(events) == {"open": 0, "doing": 0, "done": 0}
