"""Every Python block of README.md and docs/ runs in order, in one namespace per page, as a reader would run them.

A block followed by a fence with a title says what comes of it: `text title="Output"` is what it prints, and
`text title="SomeError"` is the message of the error that it raises.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import EXAMPLE, ROOT, Block, all_pages, blocks_of, excerpts_of

# A context that is given no backend talks to Firestore, except in a comment.
_CONTEXT = re.compile(r"^[^#\n]*Cendry\((?!backend=)", re.MULTILINE)


_DATASTORE = "DatastoreBackend("


def needs_firestore(page: Path) -> bool:
    return any(_CONTEXT.search(block.code) for block in blocks_of(page))


def needs_datastore(page: Path) -> bool:
    return any(_DATASTORE in block.code for block in blocks_of(page))


def needs_nothing(page: Path) -> bool:
    return not needs_firestore(page) and not needs_datastore(page)


class Reader:
    """Runs the blocks of one page in one module, and its awaits on one event loop."""

    def __init__(self, page: Path) -> None:
        self.page = page
        self.module = types.ModuleType(f"page_{re.sub(r'[^a-z]', '_', page.stem.lower())}")
        self.loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Pickle and forward references find the page's classes by its module; it is gone at the end."""
        sys.modules[self.module.__name__] = self.module
        try:
            yield
        finally:
            for value in list(vars(self.module).values()):
                self._close(value)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            del sys.modules[self.module.__name__]

    def run(self, block: Block) -> tuple[str, Exception | None]:
        """Run one block; give back what it printed and what it raised, with the page's own lines in its traceback."""
        source = "\n" * (block.line - 1) + block.code
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                code = compile(source, str(self.page), "exec", flags=flags, dont_inherit=True)
                result = eval(code, vars(self.module))
                if inspect.iscoroutine(result):
                    self.loop.run_until_complete(result)
            except Exception as error:
                return printed.getvalue().strip("\n"), error
        return printed.getvalue().strip("\n"), None

    def _close(self, value: Any) -> None:
        import cendry

        if isinstance(value, cendry.Cendry):
            value.close()
        elif isinstance(value, cendry.AsyncCendry):
            self.loop.run_until_complete(value.close())


PAGES = [page for page in all_pages() if blocks_of(page)]


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the example application, which pages of the tutorial import, anew for each."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
        del sys.modules[name]


def read(page: Path) -> None:
    reader = Reader(page)
    with reader.reading():
        for block in blocks_of(page):
            place = f"{page.relative_to(ROOT)}:{block.line}"
            printed, error = reader.run(block)
            if block.title is None or block.title == "Output":
                if error:
                    raise error
                assert printed == (block.shown if block.title else printed), place
            else:
                raised = (type(error).__name__, str(error)) if error else ("nothing raised", printed)
                assert raised == (block.title, block.shown), place


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if needs_firestore(page)], ids=name_of)
def test_page_runs_against_the_emulator(
    page: Path, firestore_emulator: str, project: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    monkeypatch.chdir(tmp_path)
    read(page)


@pytest.mark.parametrize("page", [page for page in PAGES if needs_datastore(page)], ids=name_of)
def test_page_runs_against_the_emulator_in_datastore_mode(
    page: Path,
    cendry_datastore_mode_host: str,
    firestore_emulator: str,
    project: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", cendry_datastore_mode_host)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    monkeypatch.chdir(tmp_path)
    read(page)


@pytest.mark.parametrize("page", [page for page in PAGES if needs_nothing(page)], ids=name_of)
def test_page_runs_without_an_emulator(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    read(page)


def test_blocks_are_found_with_what_they_show(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# Page\n\n```python\nprint(1)\n```\n\n```text title="Output"\n1\n```\n\n'
        "!!! note\n\n    ```python\n    if True:\n        print(2)\n    ```\n\n```toml\nx = 1\n```\n",
        encoding="utf-8",
    )
    first, second = blocks_of(page)
    assert (first.line, first.code, first.title, first.shown) == (4, "print(1)\n", "Output", "1")
    assert (second.line, second.code, second.title) == (14, "if True:\n    print(2)\n", None)


def dump_of(statement: ast.stmt) -> str:
    """A statement without its layout, also that of docstrings."""
    return re.sub(r"(\\n| )+", " ", ast.dump(statement))


@pytest.mark.parametrize("page", [page for page in all_pages() if excerpts_of(page)], ids=name_of)
def test_quoted_code_is_that_of_the_file(page: Path) -> None:
    for excerpt in excerpts_of(page):
        folder = ROOT if excerpt.file.startswith("examples/") else EXAMPLE
        file = ast.parse((folder / excerpt.file).read_text(encoding="utf-8"))
        there = {dump_of(node) for node in ast.walk(file) if isinstance(node, ast.stmt)}
        gone = [ast.unparse(node) for node in ast.parse(excerpt.code).body if dump_of(node) not in there]
        assert gone == [], f"{name_of(page)}:{excerpt.line} is not in {excerpt.file}"


def test_the_reference_has_every_public_name() -> None:
    import cendry

    reference = "\n".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/reference/*.md"))
    named = set(re.findall(r"^::: [\w.]*?(\w+)$|`(?:cendry\.)?(\w+)`", reference, re.MULTILINE))
    # Some modules are shown whole.
    shown = {name for pair in named for name in pair} | vars(cendry.errors).keys() | vars(cendry.backend).keys()
    assert set(cendry.__all__) - shown == set()


def test_every_page_of_the_guide_has_code_that_runs() -> None:
    without = {name_of(page) for page in all_pages()} - {name_of(page) for page in PAGES}
    assert {name for name in without if not name.startswith("docs/reference/")} <= {
        "docs/command-line.md",
        "docs/differences.md",
        "docs/firestore.md",
        "docs/migrating/beam.md",
        "docs/migrating/command-line.md",
        "docs/performance.md",
        "docs/tutorial/index.md",
    }


def test_code_fits_its_column() -> None:
    lengths: dict[str, int] = {}
    for page in all_pages():
        shown = [(block.line, block.code) for block in blocks_of(page)]
        shown += [(excerpt.line, excerpt.code) for excerpt in excerpts_of(page)]
        for first, code in shown:
            lengths |= {f"{name_of(page)}:{number}": len(line) for number, line in enumerate(code.splitlines(), first)}
    assert {place: length for place, length in lengths.items() if length > 80} == {}


def test_each_page_has_a_place_in_the_navigation_and_a_description() -> None:
    nav = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/**/*.md"):
        assert f'"{page.relative_to(ROOT / "docs").as_posix()}"' in nav, name_of(page)
        assert re.match(r'---\ndescription: ".{40,160}"\n', page.read_text(encoding="utf-8")), name_of(page)


# Pages about something else than what the reference has.
WITHOUT_REFERENCE = {"design", "differences", "firestore", "index", "internals", "performance", "type-checkers"}


def test_guides_and_reference_link_to_each_other() -> None:
    guides = [page for page in ROOT.glob("docs/*.md") if page.stem not in WITHOUT_REFERENCE]
    missing = [name_of(page) for page in guides if "](reference/" not in page.read_text(encoding="utf-8")]
    pages = ROOT.glob("docs/reference/*.md")
    link = re.compile(r"^Guides?: \[", re.MULTILINE)
    missing += [name_of(page) for page in pages if not link.search(page.read_text(encoding="utf-8"))]
    assert missing == []


def test_install_lines_name_what_there_is() -> None:
    """tests/packaging runs these lines on the wheels."""
    core = (ROOT / "packages/cendry-core/pyproject.toml").read_text(encoding="utf-8")
    [version] = re.findall(r'^version = "(.*)"$', core, re.MULTILINE)
    extras = (ROOT / "packages/cendry/pyproject.toml").read_text(encoding="utf-8")
    lines = [(page, line) for page in all_pages() for line in page.read_text(encoding="utf-8").splitlines()]
    lines = [(page, line) for page, line in lines if "--find-links dist" in line]
    assert {name_of(page) for page, _ in lines} >= {"README.md", "docs/index.md", "docs/first-steps.md"}
    for page, line in lines:
        found = re.search(rf'pip install --find-links dist "cendry(?:-core|\[([\w,]+)\])=={version}"', line)
        assert found, (name_of(page), line)
        for extra in (found[1] or "all").split(","):
            assert re.search(rf"^{extra} = \[", extras, re.MULTILINE), (name_of(page), line)
