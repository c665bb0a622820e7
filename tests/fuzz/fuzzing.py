"""What the targets of the fuzzing suite share: how long they run, hostile text, and a limit of CPU time."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st


@dataclass
class Budget:
    """How long each target runs.

    Attributes:
        seconds: At least so many; each target runs once in any case.
        seed: What the draws of later rounds depend on.
    """

    seconds: float = 0.0
    seed: int = 0


BUDGET = Budget()
TARGETS: dict[str, Callable[[bytes], bytes | None]] = {}
"""For coverage-guided fuzzing: what runs a target on an example that is encoded in bytes, by the name of the test."""

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def fuzz(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Makes a test of a check: it is run on drawn arguments, over and over until the time is up."""

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        # Not before: the profile, whose settings these begin with, is chosen after this module is loaded.
        examples = settings().max_examples // 2
        one_round: Any = settings(max_examples=examples, suppress_health_check=_SLOW)(given(*strategies)(check))

        def test() -> None:
            end = time.monotonic() + BUDGET.seconds
            one_round()
            rounds = 0
            while time.monotonic() < end:
                rounds += 1
                seed(BUDGET.seed + rounds)(one_round)()

        functools.update_wrapper(test, check, assigned=("__name__", "__qualname__", "__module__", "__doc__"))
        # pytest would take the arguments of the check for fixtures.
        del test.__wrapped__  # type: ignore[attr-defined]
        TARGETS[f"{check.__module__.rpartition('.')[2]}.{check.__name__}"] = one_round.hypothesis.fuzz_one_input
        return test

    return decorate


PIECES = [
    *("/", ".", "..", "_", "__", "`", "\\", "\\`", "\0", "\n", " ", "-", "~0", "~1", "é", "😀", "\ud800", "0", "1"),
    *("a", "b", "id", "any", "name", "inner", "part", "__id7__", "__id0__", "__id-1__", "__esc", "__name__", "__x__"),
    *("a" * 1499, "é" * 700, "a/b", "a.b", "`a.b`", "${jndi}", "{0}", "%s", "'", '"'),
]
_texts = st.one_of(
    st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=3), max_size=8).map("".join),
    st.text(st.characters(), max_size=20),
)
# Deferred, since it is written out in full wherever a strategy that contains it is reported.
hostile_text = st.deferred(lambda: _texts)
"""Text that somebody chose who wants to be somewhere else."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Fail if the block takes more CPU time than this."""
    start = time.process_time()
    yield
    taken = time.process_time() - start
    assert taken < seconds, f"{taken:.2f} s of CPU time"
