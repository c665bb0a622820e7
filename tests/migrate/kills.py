"""Migrations whose steps run in processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from cendry.jobs import DeadLetters, LocalStore
from cendry_datastore.migrate import Place, Plan, Source, copy
from migrate.copies import CountingTarget, check_equal, plan_of, sent

CHILD = Path(__file__).with_name("killed.py")
WORKERS = 4


class Killed:
    """A copy that is killed, again and again.

    Args:
        source: The source.
        target: The target.
        directory: Where the state is.
        page: Entities of a page.
        plan: The plan; by default one for all that the source has now.
    """

    def __init__(
        self, source: Source, target: CountingTarget, directory: Path, page: int, plan: Plan | None = None
    ) -> None:
        self.source = source
        self.target = target
        self.state = directory / "migration"
        self.page = page
        self.plan = plan_of(source, Place(target.place.project), 60) if plan is None else plan
        self.kills = 0

    def start(self, point: str, times: int = 1, step: str = "copy") -> subprocess.Popen[str]:
        """Start a step that ends when it reaches a point for the n-th time."""
        given = {
            "step": step,
            "plan": self.plan.to_json(),
            "state": str(self.state),
            "log": str(self.target.log),
            "point": point,
            "times": times,
            "page": self.page,
        }
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATASTORE_EMULATOR_HOST": str(self.source.emulator),
        }
        self.kills += 1
        return subprocess.Popen(
            [sys.executable, str(CHILD), json.dumps(given)],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def kill_at(self, point: str, times: int = 1, step: str = "copy") -> None:
        """Run a step until it is killed at a point."""
        child = self.start(point, times, step)
        _, errors = child.communicate(timeout=120)
        assert -signal.SIGKILL == child.returncode, errors

    def check(self, entities: int) -> None:
        """Copy the rest, and compare both sides."""
        result = copy(self.plan, state=self.state, source=self.source, target=self.target, page=self.page)

        assert (entities, 40) == (result.copied, result.dead)
        assert entities == check_equal(self.plan, self.source, self.target)
        assert entities <= sent(self.target.log) <= entities + self.kills * WORKERS * self.page
        assert 40 == len(DeadLetters.read(LocalStore(self.state)))
