"""Opens the database that an example runs on: in process, unless its arguments say otherwise."""

from __future__ import annotations

import argparse
import contextlib
import sys
import uuid
from collections.abc import Iterator

from cendry import Cendry, MemoryBackend, Model
from cendry_memory.emulator import EmulatorUnavailableError, running


@contextlib.contextmanager
def chosen(description: str | None, model: type[Model]) -> Iterator[Cendry]:
    """Yield a context on what the command line asks for, where there are no documents of the model yet."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--emulator", action="store_true", help="Google's emulator: a running one, or one started here")
    where.add_argument("--project", metavar="ID", help="Firestore in this Google Cloud project, with your credentials")
    arguments = parser.parse_args()
    if arguments.emulator:
        opened = emulated()
    elif arguments.project:
        print("database:   ", arguments.project)
        opened = Cendry(project=arguments.project)
    else:
        print("database:    in process")
        opened = Cendry(backend=MemoryBackend())
    with opened as ctx:
        if ctx.select(model).exists():
            sys.exit(f"There are documents in {model.__collection__!r} already; this would overwrite some of them.")
        yield ctx


@contextlib.contextmanager
def emulated() -> Iterator[Cendry]:
    """Yield a context on the emulator, or end the program with one line of advice."""
    with contextlib.ExitStack() as stack:
        try:
            host = stack.enter_context(running())
        except EmulatorUnavailableError as error:
            sys.exit(f"This needs Google's emulator: {error}")
        print("database:    Google's emulator at", host)
        # A project of its own finds the emulator empty, and leaves alone what else is there.
        yield stack.enter_context(Cendry(project=f"example-{uuid.uuid4().hex[:8]}"))
