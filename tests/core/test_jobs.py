"""The rate of long work: how it grows, what it allows, and how it is measured."""

from __future__ import annotations

import math

import pytest
from cendry.jobs.meter import Meter
from cendry.jobs.throttle import Throttle


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_five_hundred_at_first_and_half_as_many_more_every_five_minutes(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    rates = []
    for _ in range(4):
        throttle.wait_for(1)
        rates.append(throttle.rate)
        clock.now += 299.0
        throttle.wait_for(1)
        rates.append(throttle.rate)
        clock.now += 1.0
    assert [500, 500, 750, 750, 1125, 1125, 1687.5, 1687.5] == rates


def test_the_rate_holds_over_time(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    sent = []
    while clock.now < 100 + 900:
        wait = throttle.wait_for(100)
        clock.now += wait
        assert 0.0 == throttle.wait_for(100)
        throttle.take(100)
        sent.append(clock.now)
    by_period = [100 * sum(100 + 300 * number <= moment < 400 + 300 * number for moment in sent) for number in range(3)]
    # What is allowed at once at the beginning comes in addition.
    for written, rate in zip(by_period, (500, 750, 1125), strict=True):
        assert abs(written - 300 * rate) <= 2 * rate
    for start in range(len(sent)):
        assert 100 * sum(sent[start] <= moment < sent[start] + 1 for moment in sent[start : start + 40]) <= 2 * 1125


def test_what_was_not_used_does_not_add_up(clock: Clock) -> None:
    throttle = Throttle(500, clock=clock)
    clock.now += 60
    assert 0.0 == throttle.wait_for(500)
    throttle.take(500)
    assert pytest.approx(1.0) == throttle.wait_for(500)
    assert pytest.approx(0.002) == throttle.wait_for(1)


LIMITS = [
    (500, 20, 20, 20),
    (None, 20, 20, 20),
    (500, 2000, 500, 500),
    (None, None, None, math.inf),
    (500, 0.5, 0.5, 1),
]


@pytest.mark.parametrize(("initial", "max_rate", "rate", "burst"), LIMITS)
def test_a_rate_has_a_limit(
    clock: Clock, initial: float | None, max_rate: float | None, rate: float | None, burst: float
) -> None:
    throttle = Throttle(initial, max_rate=max_rate, clock=clock)
    assert (rate, burst) == (throttle.rate, throttle.burst)
    throttle.take(1)
    assert (0.0 if rate is None else max(0.0, (2 - burst) / rate)) == pytest.approx(throttle.wait_for(1))


def test_the_limit_holds_after_the_growth(clock: Clock) -> None:
    throttle = Throttle(max_rate=600, clock=clock)
    clock.now += 301
    throttle.wait_for(1)
    assert 600 == throttle.rate


def test_a_rate_grows_for_any_time(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    clock.now += 3e9
    assert 0 == throttle.wait_for(1)
    assert (throttle.rate or 0.0) > 1e9


def test_a_meter_measures_the_last_seconds(clock: Clock) -> None:
    meter = Meter(clock)
    assert 0.0 == meter.rate
    meter.note(100)
    assert 0.0 == meter.rate
    clock.now += 2
    assert 50.0 == meter.rate
    for _ in range(20):
        clock.now += 1
        meter.note(30)
    assert pytest.approx(30.0) == meter.rate
    clock.now += 100
    assert 0.0 == meter.rate
