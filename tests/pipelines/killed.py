"""The command in a process of its own that kills itself at a commit. Started by test_copies.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cendry_datastore.migrate.beam import __main__, jobs
from migrate.copies import CountingTarget


def main() -> int:
    log, when, number = Path(os.environ["KILLED_LOG"]), os.environ["KILLED_WHEN"], int(os.environ["KILLED_NUMBER"])

    def kill(reached: int) -> None:
        if reached == number:
            os.kill(os.getpid(), signal.SIGKILL)

    class Killed(CountingTarget):
        pass

    Killed.log = log
    if when == "before":
        Killed.before = staticmethod(kill)
    else:
        Killed.after = staticmethod(kill)
    # What the steps open.
    vars(jobs)["Target"] = Killed
    return __main__.main()


if __name__ == "__main__":
    sys.exit(main())
