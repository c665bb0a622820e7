"""Programs that fork, run in processes of their own; a child that hangs, crashes or raises is an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork()")

PRELUDE = """
import asyncio, faulthandler, gc, multiprocessing, os, signal, sys, threading, time, traceback
from cendry import AsyncCendry, Cendry, CendryError, Field, Model, UsedBeforeForkError
from cendry.plan import Create, Delete, GetPlan, QueryPlan, Set

arguments = sys.argv[1:]
# A program that hangs tells where, and ends; children have no alarm.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(120)

def child(function, *arguments, ending=os._exit):
    '''Run a function in a forked child; a child that hangs is killed, and any error of it is one here.'''
    sys.stdout.flush()
    if pid := os.fork():
        deadline = time.monotonic() + 30
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                assert status == 0, f"the child ended with {status}"
                return
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError("the child hangs")
            time.sleep(0.005)
    code = 1
    try:
        function(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    # os._exit leaves everything as it is; sys.exit frees all that was inherited.
    ending(code)

def refused(function, *arguments, **options):
    '''A call that is refused at once, since a parent of this process used the backend.'''
    started = time.monotonic()
    try:
        result = function(*arguments, **options)
        if hasattr(result, "__await__"):
            asyncio.run(awaited(result))
    except UsedBeforeForkError as error:
        assert error.process == os.getppid()
        assert "before fork()" in str(error)
        assert time.monotonic() - started < 30
    else:
        raise AssertionError("not refused")

async def awaited(result):
    return await result
"""


# grpc.aio hands the last events of a loop that was closed to the next loop, which can't pass them on.
LATE_EVENT = re.compile(
    r"^Exception in callback PollerCompletionQueue\._handle_events.*?^RuntimeError: Event loop is closed\n", re.M | re.S
)


def python(program: str, *arguments: object, environ: dict[str, str] | None = None) -> str:
    """Run a program and return what it prints; it must print no errors and end by itself.

    Args:
        program: Its source, without the prelude, or the path of a file that has it.
        arguments: Its `arguments`.
        environ: More environment variables.
    """
    source = [program] if program.endswith(".py") else ["-c", PRELUDE + textwrap.dedent(program)]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", *source, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    # gRPC logs each fork that it can't prepare for, and a suite of the generated client is told of it.
    known = ("fork_posix.cc", "absl::", "CENDRY_GENERATED_CLIENT is set")
    said = LATE_EVENT.sub("", ended.stderr)
    errors = [line for line in said.splitlines() if not any(text in line for text in known)]
    assert not errors, "\n".join(errors)
    assert ended.returncode == 0, f"the program ended with {ended.returncode}"
    return ended.stdout


def script(path: Path, program: str) -> str:
    """Write a program, with the prelude, to a file that other processes can import; returns its path."""
    path.write_text(PRELUDE + textwrap.dedent(program), encoding="utf-8")
    return str(path)
