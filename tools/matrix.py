"""Runs a script of hatch's `versions` environments on each supported Python that this machine has.

    python tools/matrix.py [--require 3.10] [--only 3.12] [--jobs 2] versions:test [ARGUMENTS]

Pythons are looked for on the PATH, among pyenv's, and among hatch's own. Those that are missing are named and skipped,
or, if required, a failure. Nothing is downloaded. What each one prints comes when it has ended. Tests that failed run
again when all have ended, alone (see `again.py`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import again

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def main() -> int:
    """Run the script that the command line names; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require", action="append", default=[], choices=VERSIONS, help="run on these alone")
    parser.add_argument("--only", action="append", default=[], choices=VERSIONS, help="run on these, where they are")
    parser.add_argument("--jobs", type=int, default=1, help="how many at the same time")
    parser.add_argument("script")
    options, arguments = parser.parse_known_args()
    wanted: list[str] = options.require or options.only or list(VERSIONS)
    found = {version: path for version in wanted if (path := find_python(version)) is not None}
    missing = [version for version in wanted if version not in found]
    code = run(options.script, arguments, found, options.jobs) if found else int(not options.only)
    print(f"\nPythons used: {', '.join(found) or 'none'}", flush=True)
    if missing:
        print(f"Pythons not on this machine, skipped: {', '.join(missing)}", flush=True)
    return code or (1 if missing and options.require else 0)


def find_python(version: str) -> Path | None:
    """Find an interpreter of this version that starts."""
    for candidate in candidates(version):
        answer = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        # A version manager's shim is on the PATH even where the version it stands for is not chosen.
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return Path(candidate)
    return None


def candidates(version: str) -> Iterator[str]:
    """Yield where an interpreter of this version may be."""
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    if pyenv := os.environ.get("PYENV_ROOT") or answer_of("pyenv", "root"):
        for found in sorted(Path(pyenv, "versions").glob(f"{version}.*/bin/python"), reverse=True):
            yield str(found)
    if own := answer_of("hatch", "python", "find", version):
        yield own


def answer_of(program: str, *arguments: str) -> str | None:
    """Give what a program prints, or `None` if it is not there or fails."""
    path = shutil.which(program)
    if path is None:
        return None
    answer = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None


def run(script: str, arguments: list[str], pythons: dict[str, Path], jobs: int) -> int:
    """Run hatch's script once per interpreter, all of them even if one fails; give the first failure's exit code."""
    hatch = shutil.which("hatch")
    if hatch is None:
        print("hatch is not on the PATH: python -m pip install hatch", file=sys.stderr)
        return 1
    environment, _, name = script.partition(":")

    def command(version: str) -> list[str]:
        return [hatch, "run", f"{environment}.py{version}:{name}", *arguments]

    def environ(version: str, kept: str) -> dict[str, str]:
        path = os.pathsep.join([os.environ["PATH"], str(pythons[version].parent)])
        return {**again.kept_in(str(Path(kept, version))), "PATH": path}

    with tempfile.TemporaryDirectory() as kept:

        def one(version: str) -> int:
            ended = subprocess.run(
                command(version),
                env=environ(version, kept),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            print(f"\n--- Python {version}\n{ended.stdout}", flush=True)
            return ended.returncode

        with ThreadPoolExecutor(jobs) as threads:
            codes = dict(zip(pythons, threads.map(one, pythons), strict=True))
        for version, code in codes.items():
            if code:
                codes[version] = again.again(command(version), environ(version, kept), str(Path(kept, version)), code)
    return next((code for code in codes.values() if code), 0)


if __name__ == "__main__":
    raise SystemExit(main())
