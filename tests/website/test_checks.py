"""What the build refuses."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pages import ROOT


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("zensical", reason="zensical is not installed; the dependency group 'docs' has it")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("website_tool", ROOT / "tools" / "website.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_links_anchors_and_files_that_are_missing(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text('<h1 id="top">Page</h1><a href="../">Home</a>', encoding="utf-8")
    (tmp_path / "index.html").write_text(
        '<a href="page/#top">fine</a><a href="https://example.com/">fine</a><a href="gone/">gone</a>'
        '<a href="page/#gone">no anchor</a><a href="/else/">outside</a><img src="gone.png">'
        '<script src="https://example.com/x.js"></script><td>\n<code>a \\| b</code>\n<td><code>a \\| b</code></td>',
        encoding="utf-8",
    )
    (tmp_path / "x.css").write_text("a { background: url(https://example.com/x.png) }", encoding="utf-8")
    assert list(tool.problems_in_site(tmp_path)) == [
        "index.html loads https://example.com/x.js from elsewhere",
        "index.html links to gone/, which does not exist",
        "index.html links to page/#gone, but page/index.html has no such anchor",
        "index.html links to /else/, outside the site",
        "index.html links to gone.png, which does not exist",
        r"index.html shows the backslash of a \| b; write <code> and &#124; in the table",
        "x.css loads https://example.com/x.png from elsewhere",
    ]


def test_pages_without_a_place_or_a_description(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "DOCS", tmp_path)
    nav = [{"Start": [{"Home": "index.md"}, {"Gone": "gone.md"}, {"Same": "same.md"}, {"Again": "index.md"}]}]
    monkeypatch.setitem(tool.CONFIG, "nav", nav)
    described = f'---\ndescription: "{"x" * 40}"\n---\n\n# Page\n'
    for name, text in {"index.md": described, "same.md": described, "lost.md": "# Lost\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    problems = list(tool.problems_in_sources())
    assert problems[:3] == [
        "docs/lost.md has no place in nav of zensical.toml",
        "nav of zensical.toml names docs/gone.md, which does not exist",
        "nav of zensical.toml names docs/index.md twice",
    ]
    assert "docs/same.md and docs/index.md have the same description" in problems
    (tmp_path / "index.md").write_text("# Home\n", encoding="utf-8")
    assert any(each.startswith("docs/index.md needs a description") for each in tool.problems_in_sources())
