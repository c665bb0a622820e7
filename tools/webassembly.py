"""Python in WebAssembly: Pyodide from npm, and the suites of core and memory in it, in Node.js.

    python tools/webassembly.py test [ARGUMENTS OF PYTEST]

What is downloaded is kept in .cache/. Where there is no npm or no node, the suites are skipped, with that reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"

PYODIDE = "314.0.7"
"""The version of the npm package. It is Python 3.14, built with Emscripten's ABI of `PLATFORM`."""

PLATFORM = "pyemscripten_2026_0_wasm32"
PYTHON = "3.14"

REQUIREMENTS = [
    "annotated-types",
    "attrs>=23.2",
    "hypothesis>=6.100",
    "jsonschema>=4.17,<4.18",  # later ones need rpds-py, which has no wheel for WebAssembly
    "msgspec>=0.19",
    "pydantic>=2.10",
    "pytest>=8.3",
    "pytest-asyncio>=1.0",
    "pytest-timeout>=2.3",
    "typing-extensions>=4.13",
    "tzdata",  # there is no time zone database beside Python
]
"""What the suites import there."""

SUITES = ["tests/core", "tests/memory", "tests/conformance"]
LEAST = 5000
"""How many tests have to run, when all suites do: what leaves out tests must not leave out too many."""

STACK_KIB = 7000
"""Of JavaScript's stack, which is that of WebAssembly: pytest and hypothesis need more than the usual megabyte."""

SECONDS = 900
"""After which a suite that hangs is ended."""


class UnavailableError(Exception):
    """Something is missing that can't be downloaded."""


def pyodide() -> Path:
    """The folder of the npm package, downloaded once.

    Raises:
        UnavailableError: There is no npm, or it can't download the package.
    """
    folder = CACHE / f"pyodide-{PYODIDE}"
    if not folder.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise UnavailableError("npm is not on the PATH")
        unfinished = CACHE / f"pyodide-{PYODIDE}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        try:
            command = [npm, "pack", "--silent", "--pack-destination", str(unfinished), f"pyodide@{PYODIDE}"]
            packed = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, check=False)
            if packed.returncode:
                raise UnavailableError(f"npm can't download pyodide@{PYODIDE}: {packed.stderr.strip()[-300:]}")
            with tarfile.open(next(unfinished.glob("*.tgz"))) as archive:
                archive.extractall(unfinished, filter="data")
            _put(unfinished / "package", folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def packages() -> Path:
    """A folder with what the suites import, downloaded once.

    Raises:
        UnavailableError: It can't be downloaded.
    """
    stamp = "\n".join([PLATFORM, PYTHON, *REQUIREMENTS])
    folder = CACHE / "webassembly"
    if not (folder / "stamp").exists() or (folder / "stamp").read_text(encoding="utf-8") != stamp:
        unfinished = CACHE / f"webassembly.{os.getpid()}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        command += ["--target", str(unfinished), "--only-binary", ":all:", "--implementation", "cp"]
        command += ["--python-version", PYTHON]
        for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
            command += ["--abi", abi]
        command += ["--platform", PLATFORM, "--platform", "any", *REQUIREMENTS]
        try:
            installed = subprocess.run(command, capture_output=True, text=True, check=False)
            if installed.returncode:
                raise UnavailableError(f"pip can't download the packages: {installed.stderr.strip()[-300:]}")
            (unfinished / "stamp").write_text(stamp, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            _put(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


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
            raise UnavailableError("node is not on the PATH")
        engine, site = pyodide(), packages()
    except UnavailableError as reason:
        print(f"The suites did not run in WebAssembly: {reason}.")
        return 0
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
