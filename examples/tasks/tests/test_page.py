"""The page in a browser: Chromium, without a window. Skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from app.database import context
from app.main import app
from cendry import AsyncCendry
from conftest import serving
from playwright.sync_api import Browser, Page, expect, sync_playwright

TIMEOUT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium can't begin its sandbox as root.
        sandboxed = os.name != "posix" or os.geteuid() != 0
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=sandboxed, timeout=TIMEOUT)
        yield browser
        browser.close()


@pytest.fixture
def address(cendry_memory_async: AsyncCendry) -> Iterator[str]:
    app.dependency_overrides[context] = lambda: cendry_memory_async
    with serving(app) as address:
        yield address
    app.dependency_overrides.clear()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page of somebody who has just signed up. Errors of its script fail the test."""
    errors: list[str] = []
    with browser.new_context(base_url=address) as session:
        session.set_default_timeout(TIMEOUT)
        page = session.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto("/")
        page.get_by_label("Your organisation").fill("Ada's")
        page.get_by_role("button", name="Sign up").click()
        yield page
    assert errors == []


def check(page: Page, *, open: int, done: int, titles: list[str]) -> None:
    expect(page.locator("#open")).to_have_text(str(open), timeout=TIMEOUT)
    expect(page.locator("#done")).to_have_text(str(done), timeout=TIMEOUT)
    expect(page.locator("li")).to_have_text(titles, timeout=TIMEOUT)


def test_tasks_are_added_and_done(page: Page) -> None:
    check(page, open=0, done=0, titles=[])
    expect(page.get_by_role("heading")).to_have_text("Ada's")
    expect(page.get_by_role("button", name="Sign up")).to_be_hidden()

    for title in ("Write <b>the</b> tests", "Run them"):
        page.get_by_label("New task").fill(title)
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_label("New task")).to_have_value("", timeout=TIMEOUT)
    check(page, open=2, done=0, titles=["Run them", "Write <b>the</b> tests"])

    page.get_by_label("Run them").check()
    check(page, open=1, done=1, titles=["Run them", "Write <b>the</b> tests"])
    page.reload()
    check(page, open=1, done=1, titles=["Run them", "Write <b>the</b> tests"])
    expect(page.get_by_label("Run them")).to_be_checked()


def test_the_dashboard_shows_what_others_do(page: Page) -> None:
    check(page, open=0, done=0, titles=[])
    other = page.context.new_page()
    other.goto("/")

    other.get_by_label("New task").fill("From another window")
    other.get_by_role("button", name="Add").click()

    check(page, open=1, done=0, titles=["From another window"])


def test_an_error_is_shown(page: Page) -> None:
    check(page, open=0, done=0, titles=[])

    page.get_by_label("New task").evaluate("input => input.removeAttribute('required')")
    page.get_by_role("button", name="Add").click()

    expect(page.get_by_role("alert")).not_to_be_empty(timeout=TIMEOUT)
