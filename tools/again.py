"""Runs a command that runs pytest, and runs the tests that failed once more, each of them alone.

    python tools/again.py python -m hatch run test

Tests that break real connections, kill real processes and run beside others can meet what their own machine does to
them. A failure that comes again when nothing else runs is the command's failure. One that doesn't is named, so that it
is looked into: it is either a race of the library's or a test that needs the machine for itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

MOST = 8  # Where more tests failed than this, the machine is not the reason.
ALONE = "passed only alone:"


def main(command: Sequence[str]) -> int:
    """Run the command, then its failed tests alone; give the exit code."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        environment = kept_in(directory)
        code = subprocess.run(command, env=environment, check=False).returncode
        return code and again(command, environment, directory, code)


def kept_in(directory: str) -> dict[str, str]:
    """Give an environment in which pytest keeps its list of failed tests in this directory."""
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} -o cache_dir={directory}"
    return {**os.environ, "PYTEST_ADDOPTS": options.strip()}


def again(command: Sequence[str], environment: dict[str, str], directory: str, code: int) -> int:
    """Run the tests that failed alone, one after another; give the exit code that counts."""
    tests = failed(directory)
    if not 0 < len(tests) <= MOST:
        return code
    print(f"\n{len(tests)} tests failed, and run again, alone: {', '.join(tests)}", flush=True)
    alone = [*command, "--last-failed", "--last-failed-no-failures=none", "-n", "0"]
    code = subprocess.run(alone, env=environment, check=False).returncode
    for test in sorted({*tests} - {*failed(directory)}):
        print(f"{ALONE} {test}", flush=True)
    return code


def failed(directory: str) -> list[str]:
    """Give the tests that failed in the last run that kept its list in this directory."""
    path = Path(directory, "v", "cache", "lastfailed")
    return sorted(json.loads(path.read_text())) if path.exists() else []


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
