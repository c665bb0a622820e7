"""Builds the documentation into site/: Zensical, then the files of STEPS, then checks of what Zensical does not check.

    python tools/website.py build

Zensical, with `--strict`, checks links and anchors between pages of docs/. Checked here: each page has a place in `nav`
and a description; each link, anchor and file in the built HTML exists; viewing a page fetches nothing from elsewhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import tomli
from webassembly import add_engine

ROOT = Path(__file__).resolve().parents[1]
CONFIG: dict[str, Any] = tomli.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
DOCS: Path = ROOT / CONFIG["docs_dir"]
SITE: Path = ROOT / CONFIG["site_dir"]
URL: str = CONFIG["site_url"]

_FRONT = re.compile(r"\A---\n(?P<front>.*?)\n---\n+", re.DOTALL)
_DESCRIPTION = re.compile(r'^description: +"?(?P<text>.+?)"?$', re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One page in `nav`.

    Attributes:
        group: The title of the tab that it is in.
        title: Its title in the navigation.
        path: Its file, relative to docs/.
    """

    group: str
    title: str
    path: str

    @property
    def url(self) -> str:
        """Its address below the address of the site."""
        return re.sub(r"(^|/)index/$", r"\1", self.path.removesuffix(".md") + "/")

    def text(self) -> str:
        """The page in Markdown, without its front matter."""
        return _FRONT.sub("", (DOCS / self.path).read_text(encoding="utf-8"))

    def description(self) -> str:
        """What its front matter says, or an empty text."""
        front = _FRONT.match((DOCS / self.path).read_text(encoding="utf-8"))
        found = _DESCRIPTION.search(front["front"]) if front else None
        return found["text"] if found else ""


def entries(nav: list[dict[str, Any]] | None = None, group: str = "") -> Iterator[Entry]:
    """Yield all pages in the order of `nav`."""
    items: list[dict[str, Any]] = CONFIG["nav"] if nav is None else nav
    for item in items:
        for title, value in item.items():
            if isinstance(value, str):
                yield Entry(group, title, value)
            else:
                yield from entries(value, group or title)


def problems_in_sources() -> Iterator[str]:
    """Yield what is wrong with `nav` and with the pages' descriptions."""
    named = [entry.path for entry in entries()]
    there = {str(page.relative_to(DOCS)) for page in DOCS.glob("**/*.md")}
    for path in sorted(there - set(named)):
        yield f"docs/{path} has no place in nav of zensical.toml"
    for path in sorted(set(named) - there):
        yield f"nav of zensical.toml names docs/{path}, which does not exist"
    for path in sorted({path for path in named if named.count(path) > 1}):
        yield f"nav of zensical.toml names docs/{path} twice"
    texts: dict[str, str] = {}
    for entry in entries():
        if entry.path not in there:
            continue
        text = entry.description()
        if not 40 <= len(text) <= 160:
            yield f"docs/{entry.path} needs a description of 40 to 160 characters in its front matter, not {text!r}"
        elif text in texts:
            yield f"docs/{entry.path} and docs/{texts[text]} have the same description"
        texts[text] = entry.path


def write_llms(site: Path) -> None:
    """Write llms.txt, llms-full.txt and each page as Markdown beside its HTML."""
    lines = [f"# {CONFIG['site_name']}", "", f"> {CONFIG['site_description']}", ""]
    full = list(lines)
    group = None
    for entry in entries():
        if entry.group != group:
            group = entry.group
            lines += [f"## {group}", ""]
        if group == "Reference":  # made from docstrings: only the HTML has them
            address = entry.url
        else:
            address = entry.path
            target = site / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(entry.text(), encoding="utf-8")
            full += [f"<!-- {urljoin(URL, entry.url)} -->", "", entry.text()]
        lines.append(f"- [{entry.title}]({urljoin(URL, address)}): {entry.description()}")
        following = [each for each in entries() if each.group == group][-1]
        if entry == following:
            lines.append("")
    (site / "llms.txt").write_text("\n".join(lines), encoding="utf-8")
    (site / "llms-full.txt").write_text("\n".join(full), encoding="utf-8")


# What is added to the built site, in this order; each function gets its folder.
STEPS: tuple[Callable[[Path], None], ...] = (write_llms, add_engine)


class Page(HTMLParser):
    """What a built page links to, loads and can be linked to by."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of one element."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect", "modulepreload"):
            self.loads.append(values.get("href", ""))
        elif "src" in values:
            self.loads.append(values["src"])


def problems_in_site(site: Path) -> Iterator[str]:
    """Yield links, anchors and files that are missing in a built site, and what it loads from elsewhere."""
    pages: dict[Path, Page] = {}
    for path in site.glob("**/*.html"):
        pages[path] = Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    for path, page in sorted(pages.items()):
        name = path.relative_to(site)
        for load in page.loads:
            if urlsplit(load).netloc:
                yield f"{name} loads {load} from elsewhere"
        for link in dict.fromkeys(page.links + page.loads):
            parts = urlsplit(urljoin(urljoin(URL, str(name)), link))
            inside = f"{parts.scheme}://{parts.netloc}{parts.path}"
            if not inside.startswith(URL):
                if not urlsplit(link).netloc and parts.scheme in ("http", "https"):
                    yield f"{name} links to {link}, outside the site"
                continue
            target = site / unquote(inside.removeprefix(URL))
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name} links to {link}, which does not exist"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name} links to {link}, but {target.relative_to(site)} has no such anchor"
    for path in sorted(site.glob("**/*.css")):
        for url in re.findall(r"url\(['\"]?(https?:[^)'\"]+)|@import\s+['\"](https?:[^'\"]+)", path.read_text("utf-8")):
            yield f"{path.relative_to(site)} loads {''.join(url)} from elsewhere"


def build() -> int:
    """Build and check; print what is wrong."""
    problems = list(problems_in_sources())
    if not problems:
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return 1
        for step in STEPS:
            step(SITE)
        problems = list(problems_in_site(SITE))
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1:] != ["build"]:
        raise SystemExit(__doc__)
    raise SystemExit(build())
