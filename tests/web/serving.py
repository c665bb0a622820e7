"""A real server in a thread, and a real HTTP client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal

import uvicorn

# httpx2 is what replaces httpx in Starlette's test client.
httpx: Final[Any] = import_module("httpx2" if find_spec("httpx2") else "httpx")

SECONDS = 60
"""The longest that a request may take; one that hangs is an error."""


@contextmanager
def serving(app: Any, *, lifespan: Literal["auto", "on"] = "on") -> Iterator[Any]:
    """A client of an ASGI application that uvicorn serves in a thread."""
    # Requests wait in the queue of the socket until the server has started.
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan=lifespan, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=SECONDS) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
