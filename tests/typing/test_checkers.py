"""Each checker finds an error on exactly the lines of this folder that are marked with `# error: mypy pyright ty`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("test_"))
SOURCES = [str(path) for path in sorted(ROOT.glob("packages/*/src"))]

Line = tuple[str, int]


def run(checker: str, *arguments: str | Path) -> str:
    pytest.importorskip(checker, reason=f"{checker} is not installed; the dependency group 'types' has it")
    answer = subprocess.run(
        [sys.executable, "-m", checker, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # 0: nothing found, 1: errors found; all else is trouble of the checker itself.
    assert answer.returncode in (0, 1), answer.stdout + answer.stderr
    return answer.stdout


def mypy(folder: Path) -> dict[Line, str]:
    options = ["--config-file", "pyproject.toml", "--output", "json", "--cache-dir", folder]
    found = [json.loads(line) for line in run("mypy", *options, *SAMPLES).splitlines()]
    return {(each["file"], each["line"]): each["message"] for each in found if each["severity"] == "error"}


def pyright(folder: Path) -> dict[Line, str]:
    # The settings of pyproject.toml count, with the files to look at replaced.
    found = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *SAMPLES))["generalDiagnostics"]
    return {
        (str(Path(each["file"]).relative_to(ROOT)), each["range"]["start"]["line"] + 1): each["message"]
        for each in found
        if each["severity"] == "error"
    }


def ty(folder: Path) -> dict[Line, str]:
    found = run("ty", "check", "--python", sys.executable, "--output-format", "concise", *SAMPLES)
    pattern = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):\d+: (?P<message>error\[.*)$", re.MULTILINE)
    return {(match["file"], int(match["line"])): match["message"] for match in pattern.finditer(found)}


def marked(checker: str) -> set[Line]:
    return {
        (str(path.relative_to(ROOT)), number)
        for path in SAMPLES
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if checker in text.partition("# error:")[2].split()
    }


@pytest.mark.parametrize("checker", [mypy, pyright, ty], ids=lambda checker: checker.__name__)
def test_the_checker_finds_the_marked_errors_and_no_others(checker, tmp_path):
    # What a checker has against the packages themselves is not for here.
    found = {line: message for line, message in checker(tmp_path).items() if ROOT / line[0] in SAMPLES}
    expected = marked(checker.__name__)
    missed = [f"{file}:{line}: no error" for file, line in sorted(expected - found.keys())]
    surprising = [f"{file}:{line}: {found[file, line]}" for file, line in sorted(found.keys() - expected)]
    assert not missed + surprising, "\n".join([checker.__name__, *missed, *surprising])


def test_there_is_something_to_find():
    assert len(marked("mypy")) > 50
    assert all(checker in {"mypy", "pyright", "ty"} for path in SAMPLES for checker in named_in(path))


def named_in(path: Path) -> list[str]:
    """The checkers that markers of a file name; a misspelt one would never be missed."""
    return [name for text in path.read_text().splitlines() for name in text.partition("# error:")[2].split()]
