"""Takes the times of things that take turns: CPU by `process_time` and wall by `perf_counter`, as medians.

It imports the standard library alone, so that `peers/` can use it in any environment.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

ROUNDS = 9


@dataclass(frozen=True)
class Times:
    """Seconds."""

    cpu: float
    wall: float


@dataclass
class _Taken:
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def note(self, wall: float, cpu: float) -> None:
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)

    def median(self) -> Times:
        return Times(statistics.median(self.cpu), statistics.median(self.wall))


def medians(rounds: int = ROUNDS, /, **functions: Callable[[], object]) -> dict[str, Times]:
    """Call each function once a round, in turns; one more round before them warms up.

    Each round begins with another function, so that none always comes after the same one.
    """
    taken = {name: _Taken() for name in functions}
    for round_ in range(rounds + 1):
        for name in _turns([*functions], round_):
            function = functions[name]
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            if round_:
                taken[name].note(wall, cpu)
    return {name: each.median() for name, each in taken.items()}


async def medians_async(rounds: int = ROUNDS, /, **functions: Callable[[], Awaitable[object]]) -> dict[str, Times]:
    """As `medians`, awaited."""
    taken = {name: _Taken() for name in functions}
    for round_ in range(rounds + 1):
        for name in _turns([*functions], round_):
            function = functions[name]
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            await function()
            if round_:
                taken[name].note(wall, cpu)
    return {name: each.median() for name, each in taken.items()}


def _turns(names: list[str], round_: int) -> list[str]:
    first = round_ % len(names)
    return names[first:] + names[:first]
