"""A copy in a process of its own that ends itself at a given point. Started by test_kills.py."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from cendry.errors import JobStoppedError
from cendry.jobs import LocalStore, RealFiles
from cendry_datastore.migrate import Plan, Source, copy
from migrate.copies import CountingTarget

POINTS = (
    "plan written, not renamed",
    "plan renamed",
    "page read, not committed",
    "page committed",
    "state torn",
    "state written, not renamed",
    "state renamed",
    "letter torn",
    "letter appended",
)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillingFiles(RealFiles):
    """Files that end the process at a point, when it is reached for the n-th time."""

    def __init__(self, point: str, times: int) -> None:
        self.point = point
        self.left = times
        self.paths: dict[int, Path] = {}

    def reach(self, point: str) -> bool:
        if point != self.point:
            return False
        self.left -= 1
        return self.left == 0

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self.paths[descriptor] = path
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        folder = self.paths[descriptor].parent.name
        if folder in ("state", "dead") and self.reach({"state": "state torn", "dead": "letter torn"}[folder]):
            super().write(descriptor, data[: len(data) // 2])
            kill()
        return super().write(descriptor, data)

    def rename(self, source: Path, target: Path) -> None:
        name = "plan" if target.name == "plan.json" else target.parent.name
        if self.reach(f"{name} written, not renamed"):
            kill()
        super().rename(source, target)
        if self.reach(f"{name} renamed"):
            kill()


class KillingStore(LocalStore):
    """A directory that ends the process when a dead letter is there, and the state is not."""

    def __init__(self, directory: str, files: KillingFiles) -> None:
        super().__init__(directory, files)
        self.killing = files

    def append(self, name: str, data: bytes, /) -> None:
        super().append(name, data)
        if self.killing.reach("letter appended"):
            kill()


def main() -> int:
    given: dict[str, Any] = json.loads(sys.argv[1])
    plan = Plan.from_json(given["plan"])
    files = KillingFiles(given["point"], given["times"])

    def before(number: int) -> None:
        if files.reach("page read, not committed"):
            kill()
        if given["point"] in ("SIGINT", "SIGTERM") and files.reach(given["point"]):
            os.kill(os.getpid(), signal.Signals[given["point"]])

    def after(number: int) -> None:
        if files.reach("page committed"):
            kill()

    with (
        CountingTarget(project=plan.target.project) as target,
        Source(project=plan.source.project) as source,
    ):
        target.log = Path(given["log"])
        target.before, target.after = before, after
        try:
            copy(plan, state=KillingStore(given["state"], files), source=source, target=target, page=given["page"])
        except JobStoppedError as error:
            print(error)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
