"""tools/twins.py generates the sync twins of async modules, and notices stale ones."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "twins.py"
HEADER = "# Generated from member/_aio.py by tools/twins.py; do not edit.\n"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("twins", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def member(tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a member's sources, in a checkout of its own without the sentences of Cendry's."""
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "SENTENCES", {})
    folder = tmp_path / "packages" / "member" / "src" / "member"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(tool: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["twins.py", *arguments])
        code: int = tool.main()
        return code

    return run


def test_the_committed_twins_are_fresh_as_any_python_sees_without_a_package() -> None:
    start = time.perf_counter()
    answer = subprocess.run([sys.executable, "-I", TOOL, "--check"], capture_output=True, text=True, check=False)
    assert (0, "", "") == (answer.returncode, answer.stdout, answer.stderr)
    assert time.perf_counter() - start < 10


# Rules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("async def f(): return await g()\n", "def f(): return g()\n"),
        ("async def f():\n    async with a as b: await b()\n", "def f():\n    with a as b: b()\n"),
        ("async def f():\n    async for a in b: yield a\n", "def f():\n    for a in b: yield a\n"),
        ("x = [a.b async for a in c if a]\n", "x = [a.b for a in c if a]\n"),
        ("x = [a async for a in b]\n", "x = list(b)\n"),
        ("x = [a async for a in b(c[0])][::-1]\n", "x = list(b(c[0]))[::-1]\n"),
        ("x = [a async for a in b if a]\n", "x = [a for a in b if a]\n"),
        ("x = [a async for a in b for c in a]\n", "x = [a for a in b for c in a]\n"),
        ("class AsyncQuery(AsyncOnly): pass\n", "class Query(SyncOnly): pass\n"),
        (
            "x = _AsyncRows, asyncio, Asynchronous, async_open, unasync_\n",
            "x = _Rows, asyncio, Asynchronous, open, unasync_\n",
        ),
        ("def __aenter__(self): raise StopAsyncIteration\n", "def __enter__(self): raise StopIteration\n"),
        ("x: Callable[[A], Awaitable[list[R]]]\n", "x: Callable[[A], list[R]]\n"),
        ("x: Coroutine[Any, Callable[[A], B], R]\n", "x: R\n"),
        ("await to_the_end(a.close(b))\n", "a.close(b)\n"),
        ("x = f'{AsyncQuery} an AsyncQuery'\n", "x = f'{Query} a Query'\n"),
        (
            '"""Use it in an `async with`; an AsyncQuery or its `aclose()`."""\n',
            '"""Use it in a `with`; a Query or its `close()`."""\n',
        ),
        ("# For async code, in AsyncCendry.\nx = 1\n", "# For sync code, in Cendry.\nx = 1\n"),
        ("x = 'async' # asynchronous, AsyncIO\n", "x = 'async' # asynchronous, IO\n"),
        ("from a import AsyncB, B, c\nx: AsyncB\n", "from a import B\nx: B\n"),
        ("import a\nfrom b import (\n    c,\n    d,\n)\nx = c\n", "from b import c\nx = c\n"),
        ("from a import AsyncB as AsyncC\n", "from a import B as C\n"),
        (
            "from a import B, C\nx = cast('B', y)\ndef f():\n    'No C.'\n",
            "from a import B\nx = cast('B', y)\ndef f():\n    'No C.'\n",
        ),
        ("from __future__ import annotations\n", "from __future__ import annotations\n"),
        (
            "from .._aio import a\nfrom .x_aio.aio import c\na(c)\n",
            "from .._sync import a\nfrom .x_sync.sync import c\na(c)\n",
        ),
        (
            "from ..a import b\n\n\nasync def f():\n    from . import c\n    b\n",
            "from ..a import b\n\n\ndef f():\n    b\n",
        ),
    ],
)
def test_rules(tool: Any, source: str, expected: str) -> None:
    assert expected == tool.sync_of(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a\nawait b  # async-only\nc\n", "a\nc\n"),
        ("@a\n@b\nclass C:  # async-only\n    # sync: no\n    def f(self): pass\n\nd\n", "\nd\n"),
        ("def f():\n    g()  # async-only\n    # sync: return AsyncX\n", "def f():\n    return AsyncX\n"),
        ("async def f():\n    await AsyncA()  # sync: AsyncB()\n", "def f():\n    AsyncB()\n"),
        (
            "# sync: def f(self):\n# sync:     '''One.\n# sync:\n# sync:     Two.'''\n",
            "def f(self):\n    '''One.\n\n    Two.'''\n",
        ),
        ("class A:\n    # sync: x = 1\n    y = 2\n", "class A:\n    x = 1\n    y = 2\n"),
        ("from a import b  # sync: from c import d\nb = d\n", "from c import d\nb = d\n"),
    ],
)
def test_markers(tool: Any, source: str, expected: str) -> None:
    assert expected == tool.sync_of(source)


def test_a_marker_of_nothing_is_an_error(member: Path, run: Callable[..., int]) -> None:
    (member / "_aio.py").write_text("f(\n    a,  # async-only\n)\n")
    with pytest.raises(SystemExit, match=r"^packages/member/src/member/_aio.py: line 2: no statement begins"):
        run("--check")


def test_sentences_differ_to_the_letter_and_have_to_be_there(
    tool: Any,
    member: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tool, "SENTENCES", {"in tasks.": "in threads."})
    assert '"""Runs in threads."""\n' == tool.sync_of('"""Runs in tasks."""\n')
    assert 1 == run("--check")
    assert "tools/twins.py: no source says 'in tasks.' any more; drop it from SENTENCES\n" == capsys.readouterr().err


# Files


@pytest.mark.parametrize(
    ("source", "twin"),
    [
        ("a/_aio.py", "a/_sync.py"),
        ("a/aio/b.py", "a/sync/b.py"),
        ("a/test_reads_aio.py", "a/test_reads_sync.py"),
        ("a/aio/_aio.py", "a/aio/_sync.py"),
        ("a/b.py", None),
        ("a/audaio.py", None),
    ],
)
def test_where_a_twin_stands(tool: Any, source: str, twin: str | None) -> None:
    assert twin == (found.as_posix() if (found := tool.twin_of(Path(source))) else None)


def test_a_twin_is_written_marked_and_fresh(
    member: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (member / "_aio.py").write_text("async def f():\n    await g()\n")
    assert 0 == run()
    assert f"{HEADER}def f():\n    g()\n" == (member / "_sync.py").read_text()
    assert "packages/member/src/member/_sync.py: written\n" == capsys.readouterr().out
    assert 0 == run("--check")
    assert 0 == run()
    assert "" == capsys.readouterr().out


def test_a_stale_twin_is_named_with_the_command(
    member: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (member / "_aio.py").write_text("async def f():\n    await g()\n")
    assert 1 == run("--check")
    assert not (member / "_sync.py").exists()
    run()
    capsys.readouterr()
    (member / "_aio.py").write_text("async def f():\n    await h()\n")
    assert 1 == run("--check")
    assert "packages/member/src/member/_sync.py is stale; run: python tools/twins.py\n" == capsys.readouterr().err
    assert "g()" in (member / "_sync.py").read_text()


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda text: text.replace("import a, b", "import b, a"), 0),
        (lambda text: text.replace("f(a, b)", "f(\n    a,\n    b,\n)"), 0),
        (lambda text: text.replace('"two" "words"', '"twowords"'), 0),
        (lambda text: text.replace("# why", "# how"), 1),
        (lambda text: text.replace("docs", "doc"), 1),
        (lambda text: text.replace("f(a, b)", "f(b, a)"), 1),
        (lambda text: text.replace("import a, b", "import a, b, c"), 1),
        (lambda text: text.replace("; do not edit", ""), 1),
    ],
)
def test_layout_alone_makes_no_twin_stale(
    member: Path, run: Callable[..., int], edit: Callable[[str], str], code: int
) -> None:
    (member / "_aio.py").write_text('"""The docs."""\n\nfrom x import a, b\n\nf(a, b)  # why\nawait g("two" "words")\n')
    run()
    twin = member / "_sync.py"
    text = HEADER + '"""The docs."""\n\nfrom x import a, b\n\nf(a, b)  # why\ng("two" "words")\n'
    twin.write_text(text)
    assert 0 == run("--check")
    twin.write_text(edit(text))
    assert text != twin.read_text()
    assert code == run("--check")


def test_a_twin_without_a_source_is_removed(
    member: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (member / "_sync.py").write_text(HEADER)
    assert 1 == run("--check")
    assert (
        "packages/member/src/member/_sync.py has no source any more; run: python tools/twins.py\n"
        == capsys.readouterr().err
    )
    assert 0 == run()
    assert not (member / "_sync.py").exists()


def test_a_class_has_its_twin_beside_it(
    member: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = member / "module.py"
    head = dedent("""\
        from a import b


        class AsyncA:
            async def f(self):
                await b()


    """)
    mark = "# Generated from AsyncA by tools/twins.py; do not edit.\n"
    end = "# End of what is generated.\n\nafter = 1\n"
    path.write_text(f"{head}{mark}{end}")
    assert 1 == run("--check")
    assert "packages/member/src/member/module.py is stale; run: python tools/twins.py\n" == capsys.readouterr().err
    assert 0 == run()
    twin = "class A:\n    def f(self):\n        b()\n"
    assert path.read_text().startswith(f"{head}{mark}{twin}")
    assert path.read_text().endswith(end)
    assert 0 == run("--check")
    path.write_text(path.read_text().replace("await b()", "await c()"))
    assert 1 == run("--check")
