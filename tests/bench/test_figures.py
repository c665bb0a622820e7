"""The figures of the benchmarks: what is noted, and what fails."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import figures

    return figures


def test_both_ratios_are_noted_before_either_fails(bench: Any) -> None:
    figures = bench.Figures()
    with pytest.raises(pytest.fail.Exception, match="work: CPU: 0.50 x, .*\nwork: wall: 0.75 x"):
        figures.ratios("work", bench.Times(1, 3), bench.Times(2, 4), cpu=0.2, wall=0.3)
    assert [("work: CPU", 0.5, "OVER"), ("work: wall", 0.75, "OVER")] == [
        (each.what, each.value, each.verdict) for each in figures.noted
    ]


@pytest.mark.parametrize(
    ("cpu", "wall", "verdicts"),
    [
        (0.5, 0.75, ["within", "within"]),
        (0.45, 0.7, ["near", "near"]),
        (None, None, ["no budget", "no budget"]),
    ],
)
def test_what_is_within_or_near_its_budget_passes(
    cpu: float | None, wall: float | None, verdicts: list[str], bench: Any
) -> None:
    figures = bench.Figures()
    figures.ratios("work", bench.Times(1, 3), bench.Times(2, 4), cpu=cpu, wall=wall)
    assert verdicts == [each.verdict for each in figures.noted]


def test_a_wait_is_wall_time_and_no_cpu_time(bench: Any) -> None:
    from timing import medians, medians_async

    async def wait() -> None:
        await asyncio.sleep(0.02)

    for found in (medians(3, waits=lambda: time.sleep(0.02)), asyncio.run(medians_async(3, waits=wait))):
        assert found["waits"].wall >= 0.02 > found["waits"].cpu


def test_each_round_begins_with_another(bench: Any) -> None:
    from timing import medians

    called: list[str] = []
    medians(2, a=lambda: called.append("a"), b=lambda: called.append("b"))
    assert ["a", "b", "b", "a", "a", "b"] == called
