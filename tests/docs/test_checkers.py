"""What the pages show is what type checkers take: no errors but those that a page marks with `# error`."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pages import EXAMPLE, ROOT, Block, all_pages, blocks_of

Line = tuple[str, int]

# A page's names are there to be read, not used; and Google's client is only partly annotated.
PYRIGHT_SILENT = (
    "# pyright: reportUnusedClass=false, reportUnusedFunction=false, reportUnusedVariable=false, "
    "reportUnknownMemberType=false"
)


def checked_blocks(page: Path) -> list[Block]:
    """The blocks that are right; one that raises is wrong on purpose."""
    return [block for block in blocks_of(page) if block.title in (None, "Output")]


def source_of(page: Path) -> str:
    """A page as a module that has each line of code where the page has it."""
    lines = [""] * len(page.read_text(encoding="utf-8").splitlines())
    defined: set[str] = set()
    scoped = needs_scopes(page)
    inside = False
    for block in checked_blocks(page):
        tree = ast.parse(block.code)
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        if scoped and (not inside or classes & defined):
            # A name that begins anew begins a program of its own.
            lines[block.line - 2] = f"async def program_{block.line}() -> None:"
            defined, inside = set(), True
        defined |= classes
        code = textwrap.indent(block.code, "    ") if scoped else block.code
        lines[block.line - 1 : block.line - 1 + len(code.splitlines())] = code.splitlines()
    lines[0] = PYRIGHT_SILENT
    return "\n".join(lines) + "\n"


def needs_scopes(page: Path) -> bool:
    """Whether a page awaits at its top level, or defines a class twice."""
    names: list[str] = []
    for block in checked_blocks(page):
        try:
            compile(block.code, str(page), "exec", dont_inherit=True)
        except SyntaxError:
            return True
        names += [node.name for node in ast.parse(block.code).body if isinstance(node, ast.ClassDef)]
    return len(names) != len(set(names))


def module_of(page: Path) -> str:
    return re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix(""))) + ".py"


def run(checker: str, *arguments: str | Path, **variables: str) -> str:
    pytest.importorskip(checker, reason=f"{checker} is not installed; the dependency group 'types' has it")
    answer = subprocess.run(
        [sys.executable, "-m", checker, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    # 0: nothing found, 1: errors found; all else is trouble of the checker itself.
    assert answer.returncode in (0, 1), answer.stdout + answer.stderr
    return answer.stdout


def mypy(modules: list[Path], folder: Path) -> dict[Line, str]:
    # Google's client has methods without annotations.
    options = [
        "--config-file",
        "pyproject.toml",
        "--output",
        "json",
        "--cache-dir",
        str(folder),
        "--allow-untyped-calls",
    ]
    found = [json.loads(line) for line in run("mypy", *options, *modules, MYPYPATH=str(EXAMPLE)).splitlines()]
    return {(Path(each["file"]).name, each["line"]): each["message"] for each in found if each["severity"] == "error"}


def pyright(modules: list[Path], folder: Path) -> dict[Line, str]:
    found = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *modules))["generalDiagnostics"]
    return {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
        for each in found
        if each["severity"] == "error"
    }


def ty(modules: list[Path], folder: Path) -> dict[Line, str]:
    found = run("ty", "check", "--output-format", "concise", "--extra-search-path", EXAMPLE, *modules)
    pattern = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):\d+: (?P<message>error\[.*)$", re.MULTILINE)
    return {(Path(match["file"]).name, int(match["line"])): match["message"] for match in pattern.finditer(found)}


@pytest.mark.parametrize("checker", [mypy, pyright, ty], ids=lambda checker: checker.__name__)
def test_the_checker_finds_the_marked_errors_and_no_others(checker: Any, tmp_path: Path) -> None:
    modules: list[Path] = []
    expected: set[Line] = set()
    for page in all_pages():
        if not blocks_of(page):
            continue
        module = tmp_path / module_of(page)
        module.write_text(source_of(page), encoding="utf-8")
        modules.append(module)
        lines = enumerate(module.read_text(encoding="utf-8").splitlines(), 1)
        expected |= {(module.name, number) for number, text in lines if "# error" in text}
    found = checker(modules, tmp_path / "cache")
    found = {line: message for line, message in found.items() if tmp_path / line[0] in modules}
    missed = [f"{file}:{line}: no error" for file, line in sorted(expected - found.keys())]
    surprising = [f"{file}:{line}: {found[file, line]}" for file, line in sorted(found.keys() - expected)]
    assert expected
    assert not missed + surprising, "\n".join([checker.__name__, *missed, *surprising])
