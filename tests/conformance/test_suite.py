"""The suite itself: that no test hides another, and that it serves the backend that the docs write."""

from __future__ import annotations

from collections import Counter

import pytest
from cendry_memory.testing import BackendConformance
from cendry_memory.testing.driver import together
from pages import ROOT, blocks_of

pytest_plugins = ["pytester"]


def test_no_part_hides_a_test_of_another() -> None:
    parts = [vars(part) for part in BackendConformance.__mro__[1:-1]]
    names = Counter(name for part in parts for name in part if not name.startswith("_"))
    assert [] == [name for name, count in names.items() if count > 1]
    assert 150 < sum(name.startswith("test_") for name in names)


def test_what_one_of_many_threads_raises_is_raised() -> None:
    done: list[int] = []
    with pytest.raises(ZeroDivisionError):
        together(lambda: done.append(1), lambda: done.append(1 // 0))
    assert [1] == done


def test_the_backend_of_the_docs_does_what_it_says_it_does(pytester: pytest.Pytester) -> None:
    blocks = blocks_of(ROOT / "docs" / "backends.md")
    pytester.makepyfile(test_docs=blocks[0].code + blocks[-1].code)
    outcomes: dict[str, int] = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    ).parseoutcomes()
    assert {"passed", "skipped"} >= outcomes.keys()
    assert 70 < outcomes["passed"]
