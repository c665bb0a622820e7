"""How the benchmarks measure, and the table of figures that a run ends with.

All are ratios of two things measured in turns in one process, since absolute times of two runs on a shared machine
can't be compared. Times are CPU time of this process, so that waiting for an emulator counts for nobody.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
import timeit
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

MARGIN = 1.2
"""A figure fails its benchmark from here on, as a multiple of its budget: less than that can be the machine's mood."""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    budget: float | None
    detail: str

    @property
    def verdict(self) -> str:
        if self.budget is None:
            return "no budget"
        if self.value <= self.budget:
            return "within"
        return "near" if self.value <= self.budget * MARGIN else "OVER"


@dataclass
class Figures:
    """What a run found."""

    noted: list[Figure] = field(default_factory=list)

    def __call__(
        self,
        what: str,
        value: float,
        *,
        unit: str = "x",
        budget: float | None = None,
        since: tuple[int, int] = (3, 10),
        detail: str = "",
    ) -> None:
        """Note a figure; the benchmark fails if it is over its budget by more than the margin.

        Args:
            what: What was measured.
            value: The figure.
            unit: Its unit; `x` for a ratio.
            budget: The most that it may be.
            since: The first Python that the budget is meant for.
            detail: The times behind it.
        """
        figure = Figure(what, value, unit, budget if sys.version_info >= since else None, detail)
        self.noted.append(figure)
        if figure.verdict == "OVER":
            pytest.fail(f"{what}: {value:.2f} {unit}, and the budget is {budget:g} {unit} ({detail})", pytrace=False)


def table(figures: Iterable[Figure]) -> list[str]:
    """The figures as a table in Markdown."""
    lines = ["| what | figure | budget | | times |", "|---|---|---|---|---|"]
    for one in figures:
        budget = "" if one.budget is None else f"{one.budget:g} {one.unit}"
        lines.append(f"| {one.what} | {one.value:.2f} {one.unit} | {budget} | {one.verdict} | {one.detail} |")
    return lines


def best(*functions: Callable[[], Any] | str, calls: int, rounds: int = 60, names: Any = None) -> list[float]:
    """Seconds per call of each, the best of many short rounds that take turns.

    The best, because code that runs for microseconds is slowed down by others and never sped up.

    Args:
        functions: Functions, or statements.
        calls: How often each is called in a round.
        rounds: How many rounds there are.
        names: What the statements know.
    """
    timers = [timeit.Timer(each, timer=time.process_time, globals=names) for each in functions]
    found = [float("inf")] * len(timers)
    for _ in range(rounds):
        for index, timer in enumerate(timers):
            found[index] = min(found[index], timer.timeit(calls) / calls)
    return found


def medians(rounds: int, **functions: Callable[[], object]) -> dict[str, float]:
    """Seconds of each, the median of rounds that take turns; one more round before them warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            gc.collect()
            started = time.process_time()
            function()
            if round_:
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


async def medians_async(rounds: int, **functions: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """As `medians`, awaited."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            gc.collect()
            started = time.process_time()
            await function()
            if round_:
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def shown(seconds: dict[str, float], each: int = 1) -> str:
    """Times in words, per document or call."""
    return ", ".join(f"{name} {1e6 * value / each:.3g} us" for name, value in seconds.items())
