"""The differential proof: a state machine that asks memory and Firestore the same, and compares what they answer."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from lockstep import reached
from lockstep.machine import Lockstep
from lockstep.reached import REACHED, missing

pytestmark = pytest.mark.slow

STEPS = 30
RUNS = {"ci": 300, "deep": int(os.environ.get("CENDRY_LOCKSTEP_RUNS", "9000"))}
"""Runs of the profiles that are thorough: about a minute, and over half an hour. In all others it is 30."""

MISSED_BY_CHANCE = 2
"""Of some 200 states that 300 runs have to reach, how many they may miss; the summary at the end names them."""


# A query by a field that upgrades change, with strict indexes: that it warns is tested elsewhere.
@pytest.mark.filterwarnings("ignore:This query on")
@pytest.mark.timeout(0)
def test_memory_answers_as_firestore_does(
    firestore_emulator: str, request: pytest.FixtureRequest, report: Callable[[str, Iterable[str]], None]
) -> None:
    profile = request.config.option.hypothesis_profile
    runs = RUNS.get(profile, 30)
    number = request.config.option.hypothesis_seed
    machine: type[Lockstep] = Lockstep
    if profile == "ci":
        drawn = "the same ones each time"
    else:
        if number is None:
            number = random.SystemRandom().randrange(2**32)
            machine = seed(number)(type("Lockstep", (Lockstep,), {}))
        drawn = f"--hypothesis-seed={number}"
    reached.RUNS.append(f"{runs} runs of {STEPS} steps, {drawn}")
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=runs,
                stateful_step_count=STEPS,
                deadline=None,
                # A failure is told as it was found: to make it smaller takes minutes, against an emulator.
                phases=[phase for phase in Phase if profile not in RUNS or phase is not Phase.shrink],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        report("what the lockstep machine reached", reached.lines())
    # 30 runs reach most, 300 have to reach all.
    if profile in RUNS:
        # What is rare can be missed by chance; what the machine can't reach any more shows as more than that.
        assert len(missing()) <= MISSED_BY_CHANCE, missing()
        results = [REACHED["result", name] for name in ("refused", "none", "one", "several")]
        assert sum(results[2:]) * 5 > sum(results), f"queries rarely find anything: {results}"
