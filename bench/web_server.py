"""Serves an app by one worker of uvicorn: `web_server.py app.main`. It prints its port, and tells its CPU time.

After `GET /freeze`, Python's garbage collector leaves out what was loaded until then.
"""

from __future__ import annotations

import gc
import importlib
import socket
import sys
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI

TASKS = Path(__file__).parents[1] / "examples" / "tasks"
sys.path += [str(TASKS), str(TASKS / "tests")]


def main(module: str) -> None:
    app: FastAPI = importlib.import_module(module).app
    app.get("/cpu")(cpu_time)
    app.get("/freeze")(freeze)
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


async def cpu_time() -> float:
    return time.process_time()


async def freeze() -> None:
    """What docs/deployment.md advises for services with many requests at once."""
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main(*sys.argv[1:])
