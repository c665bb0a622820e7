"""Finds the Python blocks of README.md and docs/, and what the pages say that comes of them. Runs nothing."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?P<ticks>`{3,})(?P<language>[\w+-]*)[ ]*(?P<options>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=indent)(?P=ticks)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')

# The example that the tutorial builds; its pages quote its files, and import its package `app`.
EXAMPLE = ROOT / "examples" / "tasks"


@dataclass(frozen=True)
class Block:
    """One Python block of a page.

    Attributes:
        line: Where its first line of code stands in the page, counted from 1.
        code: The code.
        title: What the fence after it shows: `Output`, the name of an error, or `None` if there is no such fence.
        shown: What that fence holds.
    """

    line: int
    code: str
    title: str | None = None
    shown: str = ""


@dataclass(frozen=True)
class Excerpt:
    """A Python block whose title is the file that it quotes: some of its statements, in its order or another.

    Attributes:
        line: Where its first line of code stands in the page, counted from 1.
        code: The code.
        file: The file, relative to the example.
    """

    line: int
    code: str
    file: str


def all_pages() -> list[Path]:
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    blocks: list[Block] = []
    after = -1
    for fence in _FENCE.finditer(text):
        body = textwrap.dedent(fence["body"])
        if fence["language"] == "python" and "title=" in fence["options"]:
            continue
        if fence["language"] == "python":
            blocks.append(Block(text.count("\n", 0, fence.start("body")) + 1, body))
            after = fence.end()
            continue
        title = _TITLE.search(fence["options"])
        if title and fence["language"] == "text" and after >= 0 and not text[after : fence.start()].strip():
            blocks[-1] = Block(blocks[-1].line, blocks[-1].code, title["title"], body.strip("\n"))
    return blocks


def excerpts_of(page: Path) -> list[Excerpt]:
    text = page.read_text(encoding="utf-8")
    excerpts: list[Excerpt] = []
    for fence in _FENCE.finditer(text):
        title = _TITLE.search(fence["options"])
        if title and fence["language"] == "python":
            line = text.count("\n", 0, fence.start("body")) + 1
            excerpts.append(Excerpt(line, textwrap.dedent(fence["body"]), title["title"]))
    return excerpts
