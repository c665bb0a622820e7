"""Moves a shop from Datastore mode to Firestore in Native mode, between Google's emulators, the way a person would.

The data was written by google-cloud-ndb. The shop's own tests run on it before and after the move, and one line of the
shop is different then. Needs the extra `migrate` of cendry-datastore, google-cloud-ndb, and Google's emulators.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from cendry_memory.emulator import DATASTORE_MODE, FIRESTORE, EmulatorUnavailableError, running
from legacy import fill

HERE = Path(__file__).resolve().parent
BEFORE = "backend = cendry.DatastoreBackend(ndb=True)"
AFTER = 'backend = cendry.FirestoreBackend(database="native")'


def main() -> None:
    """Fill, test, validate, plan, copy, verify, ask, swap the line, test."""
    with contextlib.ExitStack() as stack:
        try:
            for emulator in (DATASTORE_MODE, FIRESTORE):
                stack.enter_context(running(emulator))
        except EmulatorUnavailableError as error:
            sys.exit(f"This needs Google's emulators: {error}")
        # A project of its own finds the emulators empty, and leaves alone what else is there.
        project = os.environ["GOOGLE_CLOUD_PROJECT"] = f"shop-{uuid.uuid4().hex[:8]}"
        app = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for folder in ("shop", "tests"):
            shutil.copytree(HERE / folder, app / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE / "index.yaml", app)
        move(app, project)


def move(app: Path, project: str) -> None:
    """The way, in a copy of the application."""
    print(f"# {fill(project)} entities, as ndb stores them")
    test(app)

    cendry(app, "infer", "Customer", "--project", project, "--ndb")
    cendry(app, "validate", "shop.models", "--project", project, "--ndb")
    target = ("--to-database", "native")
    cendry(app, "plan", "shop.models", "--project", project, *target, "--ndb", "--index-yaml", "index.yaml")
    cendry(app, "copy", "--yes")
    cendry(app, "verify")
    # The shop is closed meanwhile, so nothing changed behind the copy.
    cendry(app, "status", "--check")

    print("\n# The line")
    settings = app / "shop" / "database.py"
    before = settings.read_text()
    after = before.replace(BEFORE, AFTER)
    lines = [line for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0) if line[0] in "+-"]
    print("\n".join(lines[2:]))
    if len(lines) != 4:
        sys.exit(f"{settings.name} should differ in one line.")
    settings.write_text(after)
    test(app)


def cendry(app: Path, *arguments: str) -> None:
    """Run a step in the folder of the application, and end if it finds something."""
    print("\n$ cendry-datastore", *arguments, flush=True)
    run(app, "-m", "cendry_datastore.cli", *arguments)


def test(app: Path) -> None:
    """Run the application's own tests."""
    print("\n$ pytest tests", flush=True)
    # Settings of whatever is around the folder are not the application's.
    settings = ["-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    run(app, "-m", "pytest", "-q", *settings, "tests")


def run(app: Path, *arguments: str) -> None:
    """Run Python in the folder of the application."""
    code = subprocess.run([sys.executable, *arguments], cwd=app, check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
