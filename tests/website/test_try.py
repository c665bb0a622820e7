"""The page "Try it in the browser", in headless Chromium that reaches nothing but the site."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pages import ROOT, blocks_of
from website import browser

pytestmark = pytest.mark.skipif(not browser.CHROMIUM, reason="there is no chromium (apt-get install chromium)")

EXAMPLES = blocks_of(ROOT / "docs/try.md")

# What the scripts of the tests have in common: the page in a frame, and what a reader does with it.
READER = """
    const frame = await shown("/try/", 1000, 1400);
    const page = frame.contentDocument;
    const find = (selector) => page.querySelector(selector);
    const [run, stop] = ["Run", "Stop"].map(
        (name) => [...page.querySelectorAll(".try button")].find((button) => button.textContent === name));
    const reset = [...page.querySelectorAll(".try button")].find((button) => button.textContent === "Reset");
    const code = find("#try-code"), output = find("#try-output"), state = find(".try-state");
    const choice = find("#try-choice");
    const write = (text) => { code.value = text; code.dispatchEvent(new frame.contentWindow.Event("input")); };
    const choose = (index) => {
        choice.selectedIndex = index;
        choice.dispatchEvent(new frame.contentWindow.Event("change"));
    };
    const ended = () => until(() => !run.disabled && state.textContent);
    const ran = async (text) => {
        if (text !== undefined) write(text);
        run.click();
        const how = await ended();
        return { how, output: output.textContent, elements: output.querySelectorAll(":not(span.try-error)").length };
    };
    await until(() => "ready" in find("#try").dataset);
"""


@pytest.fixture(scope="module")
def engine(site: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((site / "assets/try/engine.json").read_text(encoding="utf-8"))
    if "missing" in content:
        pytest.skip(f"the site was built without Python: {content['missing']}")
    return content


def requested(log: Path) -> set[str]:
    """The URLs that pages and workers asked for, by Chromium's own log; what it asks for itself has no initiator."""
    by_pages = r'"initiator":"https?://[^"]+",.*?"url":"([^"]+)"'
    return set(re.findall(by_pages, log.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def used(site: Path, engine: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All that a reader does, in one browser: Python is loaded twice, as a stopped worker is gone."""
    log = tmp_path_factory.mktemp("log") / "net.json"
    script = (
        READER
        + """
        const found = { examples: [] };
        for (const [index] of [...choice.options].entries()) {
            choose(index);
            found.examples.push({ title: choice.value, code: code.value, ...(await ran()) });
        }
        choose(0);
        found.edited = await ran(code.value.replaceAll("San Francisco", "Yerba Buena"));
        found.canBeReset = !reset.disabled;
        choose(1);
        choose(0);
        found.kept = code.value;
        reset.click();
        found.reset = code.value;
        found.markup = await ran('print("<img src=x onerror=alert(1)><b>bold</b>")');
        found.failed = await ran("def divide(a):\\n    return a / 0\\n\\n\\ndivide(1)");
        found.syntax = await ran("print(");
        found.exited = await ran("import sys\\nprint('before')\\nsys.exit(3)\\n");
        found.awaited = await ran("import asyncio\\nawait asyncio.sleep(0)\\nprint('awaited')");
        found.fresh = await ran("print('City' in globals(), __name__)");
        found.unicode = await ran("print('Zürich 東京 🏔')");
        found.much = await ran("for number in range(200_000):\\n    print('x' * 40)");
        found.much.length = found.much.output.length;
        found.much.output = found.much.output.slice(-40);
        write("print('begun', flush=True)\\nwhile True:\\n    pass");
        code.dispatchEvent(new frame.contentWindow.KeyboardEvent("keydown", { key: "Enter", ctrlKey: true }));
        await until(() => output.textContent.includes("begun") || state.textContent === "Running …");
        found.running = [run.disabled, stop.disabled, state.textContent];
        stop.click();
        found.stopped = [run.disabled, stop.disabled, state.textContent];
        found.again = await ran("print('again')");
        write("");
        code.focus();
        const key = (name) => code.dispatchEvent(
            new frame.contentWindow.KeyboardEvent("keydown", { key: name, cancelable: true, bubbles: true }));
        write("if True:");
        code.setSelectionRange(8, 8);
        key("Enter");
        key("Tab");
        found.indented = code.value;
        key("Escape");
        found.tabLeaves = key("Tab");
        return found;
    """
    )
    arguments = [f"--log-net-log={log}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    found: dict[str, Any] = browser.run(site, script, tmp_path_factory.mktemp("chromium"), 300, arguments)
    found["requested"] = requested(log)
    return found


def test_each_example_prints_what_the_page_says(used: dict[str, Any]) -> None:
    assert [block.code for block in EXAMPLES] == [each["code"] for each in used["examples"]]
    for block, each in zip(EXAMPLES, used["examples"], strict=True):
        if block.title == "Output":
            assert ("Done", block.shown) == (each["how"], each["output"].strip()), each["title"]
        else:
            assert each["how"] == "Ended by an error"
            assert each["output"].strip().endswith(f"{block.title}: {block.shown}")


def test_an_edited_example_runs_and_is_kept_until_it_is_reset(used: dict[str, Any]) -> None:
    assert "Yerba Buena 870000" in used["edited"]["output"]
    assert used["canBeReset"]
    assert "Yerba Buena" in used["kept"]
    assert used["reset"] == EXAMPLES[0].code


def test_output_is_text(used: dict[str, Any]) -> None:
    assert used["markup"] == {"how": "Done", "output": "<img src=x onerror=alert(1)><b>bold</b>\n", "elements": 0}
    assert used["unicode"]["output"] == "Zürich 東京 🏔\n"


def test_errors_have_the_lines_of_the_example_alone(used: dict[str, Any]) -> None:
    lines = [re.sub(r"[~^]+", "^", line.strip()) for line in used["failed"]["output"].strip().splitlines()]
    assert [
        "Traceback (most recent call last):",
        'File "example.py", line 5, in <module>',
        "divide(1)",
        "^",
        'File "example.py", line 2, in divide',
        "return a / 0",
        "^",
        "ZeroDivisionError: division by zero",
    ] == lines
    assert used["syntax"]["output"].strip().endswith("SyntaxError: '(' was never closed")
    assert "pyodide" not in used["syntax"]["output"]


def test_a_run_is_a_program_of_its_own(used: dict[str, Any]) -> None:
    assert used["awaited"]["output"] == "awaited\n"
    assert used["fresh"]["output"] == "False __main__\n"
    assert (used["exited"]["how"], used["exited"]["output"]) == ("Done", "before\n")


def test_endless_output_is_cut(used: dict[str, Any]) -> None:
    assert 200_000 <= used["much"]["length"] < 210_000
    assert used["much"]["output"].strip().endswith("and more, which is not shown")


def test_an_endless_loop_is_stopped(used: dict[str, Any]) -> None:
    assert used["running"] == [True, False, "Running …"]
    assert used["stopped"] == [False, True, "Stopped"]
    assert (used["again"]["how"], used["again"]["output"]) == ("Done", "again\n")


def test_keys_indent_and_leave(used: dict[str, Any]) -> None:
    assert used["indented"] == "if True:\n        "
    assert used["tabLeaves"]


def test_nothing_is_fetched_from_elsewhere(used: dict[str, Any]) -> None:
    assert any(url.endswith("pyodide.asm.wasm") for url in used["requested"])
    assert [] == [url for url in used["requested"] if urlsplit(url).hostname != "127.0.0.1"]


def test_nothing_is_loaded_before_the_first_run(
    site: Path, engine: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("log") / "net.json"
    script = READER + "return [code.value.length > 0, run.disabled, page.querySelector('.try-examples').hidden];"
    shown = browser.run(site, script, tmp_path_factory.mktemp("chromium"), 120, [f"--log-net-log={log}"])
    assert shown == [True, False, True]
    assert [] == [url for url in requested(log) if engine["folder"] in url]


def test_without_python_the_page_says_so(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    ignored = shutil.ignore_patterns("pyodide-*", "reference", "*.md")
    shutil.copytree(site, copy, ignore=ignored)
    (copy / "assets/try/engine.json").write_text(json.dumps({"missing": "npm is not on the PATH"}), encoding="utf-8")
    script = READER + "return [run.disabled, output.textContent];"
    disabled, said = browser.run(copy, script, tmp_path / "chromium")
    assert disabled
    assert said == "Python is not part of this copy of the documentation: npm is not on the PATH."


def test_without_javascript_the_examples_are_there(site: Path) -> None:
    html = (site / "try/index.html").read_text(encoding="utf-8")
    assert re.search(r"<noscript>.*?JavaScript, which is off.*?</noscript>", html, re.DOTALL)
    assert re.search(r'<div class="try-examples">\s*<h2', html)
