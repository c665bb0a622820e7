"""The suite itself: that no test hides another, and that it serves the backend that the docs write."""

from __future__ import annotations

from collections import Counter

import pytest
from cendry.backend import ListenResult
from cendry.plan import GetPlan
from cendry_memory.testing import BackendConformance
from cendry_memory.testing.driver import Ear, together
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


def test_a_state_that_is_the_same_is_no_snapshot() -> None:
    ear = Ear(GetPlan(("cities/SF",)))
    for _ in range(2):
        ear.take(ListenResult((), (), None, is_reset=True))
    assert (1, ()) == (ear.snapshots.qsize(), ear.hear().documents)


NO_BACKEND = """
from cendry_memory.testing import BackendConformance

class TestMine(BackendConformance):
    pass
"""


def test_a_suite_without_a_backend_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NO_BACKEND)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "-k", "close_may_come_twice"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: TestMine must define a fixture named 'backend' that gives a backend*"])


def test_the_backend_of_the_docs_does_what_it_says_it_does(pytester: pytest.Pytester) -> None:
    blocks = blocks_of(ROOT / "docs" / "backends.md")
    pytester.makepyfile(test_docs=blocks[0].code + blocks[-1].code)
    outcomes: dict[str, int] = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    ).parseoutcomes()
    assert {"passed", "skipped"} >= outcomes.keys()
    assert 70 < outcomes["passed"]
