"""The tests that docs/testing.md shows are tests that pass."""

from __future__ import annotations

import pytest
from pages import ROOT, blocks_of

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]


def test_the_tests_of_the_page_pass(pytester: pytest.Pytester) -> None:
    shown = [block.code for block in blocks_of(ROOT / "docs" / "testing.md") if block.title in (None, "Output")]
    pytester.makepyfile(test_page="\n".join(shown))
    options = ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    installed = pytester.runpytest_inprocess("--fixtures", *options).stdout.str().count("cendry_memory --")
    plugin = [] if installed else ["-p", "cendry_memory.pytest_plugin"]
    result = pytester.runpytest_inprocess(*options, *plugin)
    result.assert_outcomes(passed="\n".join(shown).count("def test_"))
