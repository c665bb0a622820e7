"""The built site: complete, self-contained, and fit for the screens it is read on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT
from website import browser

needs_chromium = pytest.mark.skipif(not browser.CHROMIUM, reason="there is no chromium (apt-get install chromium)")


def addresses(site: Path) -> list[str]:
    return sorted(f"/{page.relative_to(site)}".removesuffix("index.html") for page in site.glob("**/*.html"))


def test_each_page_is_built_and_in_the_sitemap(site: Path) -> None:
    sources = [str(page.relative_to(ROOT / "docs").with_suffix("")) for page in ROOT.glob("docs/**/*.md")]
    pages = {re.sub(r"(^|/)index$", "", source) for source in sources}
    listed = re.findall(r"<loc>https://[^/]+/cendry/(.*?)/?</loc>", (site / "sitemap.xml").read_text(encoding="utf-8"))
    assert sorted(pages) == sorted(listed)
    assert {page for page in pages if not (site / page / "index.html").is_file()} == set()
    assert "404" in (site / "404.html").read_text(encoding="utf-8")


def test_each_page_describes_itself_and_links_to_its_source(site: Path) -> None:
    for page in ROOT.glob("docs/**/*.md"):
        source = page.relative_to(ROOT / "docs")
        built = site / source.with_suffix("" if source.name != "index.md" else ".html")
        built = built / "index.html" if built.is_dir() else built
        html = built.read_text(encoding="utf-8")
        [described] = re.findall(r'<meta name="description" content="(.*?)">', html)
        assert f'<meta property="og:description" content="{described}">' in html
        assert f"https://github.com/cendry/cendry/edit/main/docs/{source}" in html
        assert 'href="https://github.com/cendry/cendry"' in html


def test_llms_txt_names_each_page_and_has_its_text(site: Path) -> None:
    listed = (site / "llms.txt").read_text(encoding="utf-8")
    full = (site / "llms-full.txt").read_text(encoding="utf-8")
    assert listed.startswith("# Cendry\n\n> Typed models")
    linked = re.findall(r"^- \[[^]]+\]\(https://[^/]+/cendry/(.+?)\): .{40,}$", listed, re.MULTILINE)
    for page in ROOT.glob("docs/**/*.md"):
        path = str(page.relative_to(ROOT / "docs"))
        if path.startswith("reference/"):
            assert path.replace(".md", "/") in linked
            continue
        assert path in linked
        text = (site / path).read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert text in full
        assert page.read_text(encoding="utf-8").endswith(text)
    assert len(linked) == len(set(linked)) == len(list(ROOT.glob("docs/**/*.md")))


@pytest.fixture(scope="module")
def measured(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is wider than its place, for each page: code on a laptop, and the page and its tables on a phone."""
    script = """
        const found = {};
        const wide = (element) => element.scrollWidth > element.clientWidth
            ? [`${element.scrollWidth} > ${element.clientWidth}: ${element.textContent.trim().slice(0, 60)}`] : [];
        const measure = async (address) => {
            const laptop = await shown(address, 1366);
            const pre = [...laptop.contentDocument.querySelectorAll("pre, pre > code")].flatMap(wide);
            const loaded = laptop.contentWindow.performance.getEntriesByType("resource").map((each) => each.name);
            const elsewhere = loaded.filter((each) => new URL(each).origin !== location.origin);
            laptop.remove();
            const phone = await shown(address, 390, 844);
            const root = phone.contentDocument;
            const tables = [...root.querySelectorAll(".md-typeset__scrollwrap, .md-typeset__table, table")];
            found[address] = { pre, elsewhere, page: wide(root.scrollingElement), tables: tables.flatMap(wide) };
            phone.remove();
        };
        const left = ADDRESSES;
        const work = async () => { while (left.length) await measure(left.pop()); };
        await Promise.all([work(), work()]);
        return found;
    """.replace("ADDRESSES", json.dumps(addresses(site)))
    found: dict[str, dict[str, Any]] = browser.run(site, script, tmp_path_factory.mktemp("chromium"))
    assert sorted(found) == addresses(site)
    return found


@needs_chromium
def test_viewing_a_page_fetches_nothing_from_elsewhere(measured: dict[str, dict[str, Any]]) -> None:
    assert {page: each["elsewhere"] for page, each in measured.items() if each["elsewhere"]} == {}


@needs_chromium
@pytest.mark.parametrize("what", ["pre", "page", "tables"])
def test_nothing_is_wider_than_its_place(measured: dict[str, dict[str, Any]], what: str) -> None:
    assert {page: each[what] for page, each in measured.items() if each[what]} == {}


# What people look for, and the pages of which one has to be among the first five results, which need no scrolling.
SEARCHES = {
    "etag": {"/etags/"},
    "upsert": {"/writing/"},
    "pagination": {"/pagination/"},
    "optimistic locking": {"/writing/", "/etags/"},
    "fastapi": {"/fastapi/"},
    "retry": {"/retries/"},
    "timeout": {"/retries/"},
    "transaction": {"/batches-and-transactions/"},
    "page token": {"/pagination/"},
    "subcollection": {"/subcollections/"},
    "emulator": {"/testing/"},
    "soft delete": {"/soft-delete/"},
    "counter": {"/counters/"},
    "webhook": {"/webhooks/"},
    "fireo": {"/from-fireo/"},
    "composite index": {"/indexes/"},
    "FAILED_PRECONDITION": {"/indexes/"},
}


@needs_chromium
def test_the_search_finds_the_right_page(site: Path, tmp_path: Path) -> None:
    script = """
        const frame = await shown("/", 1366);
        const root = frame.contentDocument;
        root.querySelector(".md-search__button").click();
        const host = await until(() => {
            root.querySelector(".md-search__button").click();
            return [...root.querySelectorAll("*")].find((each) => each.shadowRoot?.querySelector("[role=combobox]"));
        });
        const input = host.shadowRoot.querySelector("[role=combobox]");
        const results = () => [...host.shadowRoot.querySelectorAll("[role=listbox] a")];
        const type = (text) => {
            input.value = text;
            input.dispatchEvent(new frame.contentWindow.Event("input", { bubbles: true }));
        };
        const found = {};
        for (const term of TERMS) {
            type("");
            await until(() => !results().length);
            type(term);
            await until(() => results().length);
            found[term] = results().map((link) => new URL(link.href).pathname + new URL(link.href).hash);
        }
        return found;
    """.replace("TERMS", json.dumps(list(SEARCHES)))
    found: dict[str, list[str]] = browser.run(site, script, tmp_path)
    pages = {term: [link.partition("#")[0] for link in links[:5]] for term, links in found.items()}
    assert {term: first for term, first in pages.items() if not SEARCHES[term] & set(first)} == {}
