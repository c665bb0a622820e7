"""How the benchmarks measure, and the table of figures that a run ends with.

All are ratios of two things measured in turns in one process, since absolute times of two runs on a shared machine
can't be compared. CPU time is that of this process, so that waiting for an emulator counts for nobody; where wall time
is measured too, the wait is in it.
"""

from __future__ import annotations

import sys
import time
import timeit
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from timing import Times

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
    def failure(self) -> str:
        """What to say of one that is over its budget."""
        return (
            f"{self.what}: {self.value:.2f} {self.unit}, and the budget is {self.budget:g} {self.unit} ({self.detail})"
        )

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
        self._check(Figure(what, value, unit, budget if sys.version_info >= since else None, detail))

    def ratios(
        self,
        what: str,
        ours: Times,
        theirs: Times,
        *,
        cpu: float | None = None,
        wall: float | None = None,
        each: int = 1,
        per: str = "document",
    ) -> None:
        """Note what ours takes as multiples of what theirs takes, in CPU time and in wall time.

        Both are noted before the benchmark fails for either.

        Args:
            what: What was measured.
            ours: The times of Cendry.
            theirs: The times that they are compared to.
            cpu: The most that the ratio of CPU times may be.
            wall: The most that the ratio of wall times may be.
            each: How many documents or calls the times are for.
            per: What to call one of these.
        """
        self._check(
            *(
                Figure(
                    f"{what}: {name}",
                    one / other,
                    "x",
                    budget,
                    f"{microseconds(ours=one, sdk=other, each=each)} a {per}",
                )
                for name, one, other, budget in (
                    ("CPU", ours.cpu, theirs.cpu, cpu),
                    ("wall", ours.wall, theirs.wall, wall),
                )
            )
        )

    def _check(self, *figures: Figure) -> None:
        self.noted += figures
        over = [figure.failure for figure in figures if figure.verdict == "OVER"]
        if over:
            pytest.fail("\n".join(over), pytrace=False)


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


def microseconds(*, each: int = 1, **seconds: float) -> str:
    """Times in words, per document or call."""
    return ", ".join(f"{name} {1e6 * value / each:.3g} us" for name, value in seconds.items())
