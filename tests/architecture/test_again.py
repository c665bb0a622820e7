"""Failed tests run again alone: only those that pass then are forgiven, and they are named."""

import subprocess
import sys
from pathlib import Path

AGAIN = Path(__file__).parents[2] / "tools" / "again.py"

SUITE = """
import pathlib
import pytest

def test_unsteady():
    mark = pathlib.Path(__file__).with_name("seen")
    seen = mark.exists()
    mark.touch()
    assert seen

def test_steady():
    with open(pathlib.Path(__file__).with_name("runs"), "a") as runs:
        runs.write("x")
"""

BROKEN = """
def test_broken():
    assert False
"""


def run(directory: Path, *suites: str) -> subprocess.CompletedProcess[str]:
    for number, suite in enumerate(suites):
        (directory / f"test_{number}.py").write_text(suite)
    return subprocess.run(
        [sys.executable, str(AGAIN), sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir=.", "."],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_test_that_passes_alone_is_named_and_does_not_fail_the_run(tmp_path: Path) -> None:
    ended = run(tmp_path, SUITE)

    assert 0 == ended.returncode, ended.stdout
    assert ended.stdout.splitlines()[-1] == "passed only alone: test_0.py::test_unsteady"
    assert "x" == (tmp_path / "runs").read_text(), "a test that had passed ran again"


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    ended = run(tmp_path, SUITE, BROKEN)

    assert 1 == ended.returncode
    assert "passed only alone: test_0.py::test_unsteady" in ended.stdout
    assert "passed only alone: test_1.py::test_broken" not in ended.stdout


def test_many_failures_do_not_run_again(tmp_path: Path) -> None:
    ended = run(tmp_path, *[BROKEN] * 9)

    assert 1 == ended.returncode
    assert "run again" not in ended.stdout


def test_a_suite_that_can_not_start_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise RuntimeError")

    assert 0 != run(tmp_path, SUITE).returncode


def test_without_a_command_it_says_how_it_is_called() -> None:
    ended = subprocess.run([sys.executable, str(AGAIN)], capture_output=True, text=True, check=False)

    assert 2 == ended.returncode
    assert "python tools/again.py python -m hatch run test" in ended.stderr
