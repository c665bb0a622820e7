"""A step in a process of its own that ends itself at a given point. Started by test_kills.py and test_step_kills.py."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cendry.errors import JobStoppedError
from cendry.jobs import LocalStore, RealFiles
from cendry_datastore.migrate import Plan, Source, copy, delta, retry_dead, verify
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
"""The points of a copy."""

STEP_POINTS = {
    "delta": {
        "run written, not renamed": 1,
        "run renamed": 1,
        "page read, not committed": 3,
        "page committed": 3,
        "state torn": 5,
        "state written, not renamed": 5,
        "state renamed": 5,
        "letter torn": 1,
        "letter appended": 2,
        "deletion not committed": 2,
        "deletion committed": 2,
        # It has written this file at its beginning, too.
        "run written, not renamed, at the end": 2,
        "run renamed, at the end": 2,
    },
    "retry-dead": {
        "page read, not committed": 2,
        "page committed": 2,
        "letter torn": 2,
        "letter appended": 2,
    },
    "verify": {
        "source page read": 5,
        "target page read": 5,
        "proof torn": 1,
        "proof written, not renamed": 1,
        "proof renamed": 1,
    },
}
"""The points of the other steps, and how often each is reached before the process ends."""

FILES = {("migration", "plan"): "plan", ("migration", "delta"): "run", ("migration", "verify"): "proof"}
FOLDERS = {"state": "state", "dead": "letter", "0001": "state"}


def what(path: Path) -> str:
    """What a file of the state holds; its temporary file as well."""
    folder = path.parent.name
    return FOLDERS.get(folder) or FILES.get((folder, path.name.split(".")[0]), "")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillingFiles(RealFiles):
    """Files that end the process at a point, when it is reached for the n-th time."""

    def __init__(self, point: str, times: int) -> None:
        self.point = point.removesuffix(", at the end")
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
        if self.reach(f"{what(self.paths[descriptor])} torn"):
            super().write(descriptor, data[: len(data) // 2])
            kill()
        return super().write(descriptor, data)

    def rename(self, source: Path, target: Path) -> None:
        name = what(target)
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


class KillingSource(Source):
    """A source that ends the process after it has given a page."""

    files: KillingFiles

    def pages(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        for page in super().pages(*arguments, **options):
            if self.files.reach("source page read"):
                kill()
            yield page


class KillingTarget(CountingTarget):
    """The same for a target, which also ends it at commits."""

    files: KillingFiles

    def pages(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        for page in super().pages(*arguments, **options):
            if self.files.reach("target page read"):
                kill()
            yield page

    def commit(self, writes: Sequence[Any], **options: Any) -> None:
        name = "deletion" if writes[0].delete else "page"
        if self.files.reach("page read, not committed" if name == "page" else "deletion not committed"):
            kill()
        super().commit(writes, **options)
        if self.files.reach(f"{name} committed"):
            kill()


def main() -> int:
    given: dict[str, Any] = json.loads(sys.argv[1])
    plan = Plan.from_json(given["plan"])
    files = KillingFiles(given["point"], given["times"])

    def before(number: int) -> None:
        if given["point"] in ("SIGINT", "SIGTERM") and files.reach(given["point"]):
            os.kill(os.getpid(), signal.Signals[given["point"]])

    with (
        KillingTarget(project=plan.target.project) as target,
        KillingSource(project=plan.source.project) as source,
    ):
        target.files = source.files = files
        target.log = Path(given["log"])
        target.before = before
        steps: dict[str, Callable[..., object]] = {
            "copy": partial(copy, page=given["page"]),
            "delta": partial(delta, page=given["page"]),
            "retry-dead": partial(retry_dead, page=given["page"]),
            "verify": verify,
        }
        try:
            steps[given["step"]](plan, state=KillingStore(given["state"], files), source=source, target=target)
        except JobStoppedError as error:
            print(error)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
