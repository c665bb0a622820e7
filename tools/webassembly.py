"""Python in WebAssembly: Pyodide from npm, for the suites of core and memory, and for a page of the documentation.

    python tools/webassembly.py test [ARGUMENTS OF PYTEST]

runs the suites in Node.js. What is downloaded is kept in .cache/. Where there is no npm or no node, the suites are
skipped, with that reason.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import tomli

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"

PYODIDE = "314.0.7"
"""The version of the npm package. It is Python 3.14, built with Emscripten's ABI of `PLATFORM`."""

PLATFORM = "pyemscripten_2026_0_wasm32"
PYTHON = "3.14"

WITHOUT = {
    "coverage",
    "fastapi",
    "google-cloud-ndb",
    "gunicorn",
    "httpx",
    "httpx2",
    "import-linter",
    "orjson",
    "pytest-xdist",
    "uv",
    "uvicorn",
    "uvicorn-worker",
}
"""What of the dependency group `test` needs processes, sockets or threads, has no wheel there, or isn't used there."""

INSTEAD = {"jsonschema": "jsonschema>=4.17,<4.18"}
"""Later ones need rpds-py, which has no wheel for WebAssembly."""

MORE = ["typing-extensions>=4.12", "tzdata"]
"""What core needs, and the time zones, which no system has there."""

FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
"""The files of the npm package that a browser loads."""

SUITES = ["tests/core", "tests/memory", "tests/conformance"]
LEAST = 5000
"""How many tests have to run, when all suites do: what leaves out tests must not leave out too many."""

STACK_KIB = 7000
"""Of JavaScript's stack, which is that of WebAssembly: pytest and hypothesis need more than the usual megabyte."""

SECONDS = 900
"""After which a suite that hangs is ended."""


class MissingError(Exception):
    """A tool is missing."""


class FailedError(Exception):
    """Something can't be built or downloaded."""


def pyodide() -> Path:
    """The folder of the npm package, downloaded once.

    Raises:
        MissingError: There is no npm.
        FailedError: It can't download the package.
    """
    folder = CACHE / f"pyodide-{PYODIDE}"
    if not folder.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise MissingError("npm is not on the PATH")
        unfinished = CACHE / f"pyodide-{PYODIDE}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        try:
            command = [npm, "pack", "--silent", "--pack-destination", str(unfinished), f"pyodide@{PYODIDE}"]
            _run(command, unfinished, f"npm can't download pyodide@{PYODIDE}")
            with tarfile.open(next(unfinished.glob("*.tgz"))) as archive:
                archive.extractall(unfinished, filter="data")
            _put(unfinished / "package", folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def requirements() -> list[str]:
    """What the suites import there: the dependency group `test`, but for what can't run."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    group: list[str] = [each for each in project["dependency-groups"]["test"] if isinstance(each, str)]
    named = [(re.split(r"[^\w-]", each, maxsplit=1)[0], each) for each in group]
    return [INSTEAD.get(name, each) for name, each in named if name not in WITHOUT] + MORE


def packages() -> Path:
    """A folder with what the suites import, downloaded once.

    Raises:
        FailedError: It can't be downloaded.
    """
    needed = requirements()
    stamp = "\n".join([PLATFORM, PYTHON, *needed])
    folder = CACHE / "webassembly"
    if not (folder / "stamp").exists() or (folder / "stamp").read_text(encoding="utf-8") != stamp:
        unfinished = CACHE / f"webassembly.{os.getpid()}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        command += ["--target", str(unfinished), "--only-binary", ":all:", "--implementation", "cp"]
        command += ["--python-version", PYTHON]
        for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
            command += ["--abi", abi]
        command += ["--platform", PLATFORM, "--platform", "any", *needed]
        try:
            _run(command, ROOT, "pip can't download the packages")
            (unfinished / "stamp").write_text(stamp, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            _put(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def add_engine(site: Path) -> None:
    """Put Pyodide and wheels of core, memory and what they need into a built site, for its page "Try it".

    Its `engine.json` says where they are; if something is missing, it says what, and so does the page.
    """
    folder = site / "assets" / "try"
    engine = f"pyodide-{PYODIDE}"
    try:
        package = pyodide()
        target = folder / engine
        target.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(package / name, target / name)
        content: dict[str, object] = {"folder": engine, "wheels": _wheels(target)}
    except (MissingError, FailedError) as reason:
        print(f'The page "Try it in the browser" can\'t run anything in this site: {reason}.', file=sys.stderr)
        content = {"missing": str(reason)}
    (folder / "engine.json").write_text(json.dumps(content), encoding="utf-8")


def _wheels(target: Path) -> list[str]:
    """Build the wheels of core and memory, and download those that they need; return their names."""
    for name in ("core", "memory"):
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
        _run(command, ROOT / "packages" / f"cendry-{name}", f"hatchling can't build cendry-{name}")
    kept = CACHE / "wheels"
    kept.mkdir(parents=True, exist_ok=True)
    if not any(kept.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*command, "--dest", str(kept), MORE[0]], ROOT, "pip can't download typing-extensions")
    for wheel in kept.glob("*.whl"):
        shutil.copyfile(wheel, target / wheel.name)
    return sorted(wheel.name for wheel in target.glob("*.whl"))


def _run(command: list[str], folder: Path, failure: str) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise FailedError(f"{failure}: {ended.stderr.strip()[-300:]}")


def _put(made: Path, folder: Path) -> None:
    """Move a finished folder to its place, unless another process was faster."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def test(arguments: list[str]) -> int:
    """Run suites in Node.js, all by default; return the exit code."""
    node = shutil.which("node")
    try:
        if node is None:
            raise MissingError("node is not on the PATH")
        engine = pyodide()
    except MissingError as reason:
        print(f"The suites did not run in WebAssembly: {reason}.")
        return 0
    site = packages()
    least = 0 if arguments else LEAST
    suites = ROOT / "tests/pyodide/suites.mjs"
    command = [node, f"--stack-size={STACK_KIB}", str(suites), str(engine), str(ROOT), str(site), str(least)]
    try:
        return subprocess.run([*command, *(arguments or SUITES)], timeout=SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"A test hangs: the suites did not end within {SECONDS} seconds. -v shows which.")
        return 1


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["test"])
    _, arguments = parser.parse_known_args()
    return test(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
