"""A web application in both forms, as users write it: a context in the module, which gunicorn loads before it forks.

Each answer is JSON with the process that gave it, or status 503 with the text of Cendry's error.

Environment:
    APP_URL: `memory:`, the path of a file, or `firestore:PROJECT`.
    APP_IN_MASTER: What the process that loads the module does with the context before the fork: `nothing`, `use`, or
        `write`, which leaves threads that write to it for ever, and count what was acknowledged.
    APP_LOG: The file where these threads note each acknowledged write.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from cendry import AsyncCendry, AsyncMemoryBackend, Cendry, CendryError, Field, MemoryBackend, Model


class Item(Model, collection="items"):
    n: Field[int]


url = os.environ["APP_URL"]
in_master = os.environ["APP_IN_MASTER"]
master = os.getpid()

if url.startswith("firestore:"):
    ctx = Cendry(project=url.removeprefix("firestore:"), timeout=30)
    actx = AsyncCendry(project=url.removeprefix("firestore:"), timeout=30)
else:
    backend = MemoryBackend(None if url == "memory:" else url)
    ctx = Cendry(backend=backend)
    actx = AsyncCendry(backend=AsyncMemoryBackend(store=backend.store))

# Another store, whose lock is held by some thread at almost every moment.
beside = Cendry(backend=MemoryBackend())


def write(context: Cendry, name: str, log: str | None) -> None:
    with open(log or os.devnull, "ab", buffering=0) as acknowledged:
        number = 0
        while True:
            number += 1
            context.save(Item(id=f"{name}{number}", n=number))
            acknowledged.write(f"{name}{number}\n".encode())


if in_master != "nothing":
    ctx.save(Item(id="first", n=0))
    asyncio.run(actx.save(Item(id="second", n=0)))
for name in "xyz":
    busy, log = (ctx, os.environ["APP_LOG"]) if in_master == "write" else (beside, None)
    threading.Thread(target=write, args=(busy, name, log), daemon=True).start()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    number = int(environ["PATH_INFO"][1:])
    try:
        ctx.save(Item(id=str(number), n=number))
        found = ctx.get(Item, str(number)).n
        beside.save(Item(id="a", n=number))
    except CendryError as error:
        status, body = "503 Service Unavailable", answer(type(error).__name__, str(error))
    else:
        status, body = "200 OK", answer("saved", found)
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def answer(outcome: str, detail: object) -> bytes:
    return json.dumps({"process": os.getpid(), "parent": master, "outcome": outcome, "detail": detail}).encode()


async def asgi(scope: dict[str, Any], receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["type"] != "http":
        return
    number = int(scope["path"][1:])
    try:
        await actx.save(Item(id=str(number), n=number))
        found = (await actx.get(Item, str(number))).n
    except CendryError as error:
        status, body = 503, answer(type(error).__name__, str(error))
    else:
        status, body = 200, answer("saved", found)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
