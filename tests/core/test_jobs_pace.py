"""The pace of a job: growth, limits from outside, overload; progress and the request to stop."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from cendry import jobs
from cendry.errors import JobFileError, JobStoreError
from cendry.jobs import (
    AdaptiveThrottle,
    LocalStore,
    Pace,
    Progress,
    Stop,
    Throttle,
    Tracker,
    read_json,
    read_pace,
    write_json,
    write_pace,
)
from core.stores import Clock, DictStore
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def store() -> DictStore:
    return DictStore()


class Drawn(Random):
    """Draws what it is told to."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


def allowed_between(start: float, end: float) -> float:
    """Documents that 500/50/5 allows between two seconds after the beginning."""
    allowed = 0.0
    while start < end:
        period = int(start // 300)
        until = min(end, (period + 1) * 300.0)
        allowed += 500 * 1.5**period * (until - start)
        start = until
    return allowed


def test_the_rate_is_within_two_percent_of_the_rule(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(clock=clock), clock=clock)
    begun, sent = clock.now, 0
    by_period = [0, 0, 0, 0]
    while clock.now - begun < 1200:
        wait = throttle.acquire(100)
        if wait:
            clock.now += wait
            continue
        sent += 100
        by_period[min(int((clock.now - begun) // 300), 3)] += 100
    assert abs(sent / allowed_between(0, 1200) - 1) < 0.02
    for period, count in enumerate(by_period):
        assert abs(count / allowed_between(period * 300, period * 300 + 300) - 1) < 0.02


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 600), st.one_of(st.just(0.0), st.floats(0, 3), st.floats(250, 700))), max_size=60)
)
def test_the_rule_is_never_exceeded(requests: list[tuple[int, float]]) -> None:
    clock = Clock(100.0)
    throttle = AdaptiveThrottle(Throttle(clock=clock), clock=clock)
    begun, sent = clock.now, []
    for count, idle in requests:
        clock.now += idle
        wait = throttle.acquire(count)
        while wait:
            clock.now += wait
            wait = throttle.acquire(count)
        sent.append((clock.now - begun, count))
    for first, (start, _) in enumerate(sent):
        total = 0
        for end, count in sent[first:]:
            total += count
            burst = 500 * 1.5 ** int(end // 300)
            # What one second allows at once, and what is over in a request that is larger than that.
            assert total <= burst + allowed_between(start, end) + max(0, count - burst) + 1e-3


def test_a_request_larger_than_a_second_allows_is_paid_later(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(None, max_rate=100, clock=clock), clock=clock)
    assert (100, 100) == (throttle.rate, throttle.burst)
    assert 0 == throttle.acquire(500)
    assert pytest.approx(4.01) == throttle.acquire(1)
    clock.now += 4.02
    assert 0 == throttle.acquire(1)
    assert pytest.approx(4.01) == throttle.throttled


def test_without_limits_nothing_waits(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(None, clock=clock))
    for _ in range(10):
        assert 0 == throttle.acquire(500)
    assert (None, 0) == (throttle.rate, throttle.throttled)


def test_a_limit_can_change_at_any_time(clock: Clock) -> None:
    throttle = Throttle(None, clock=clock)
    throttle.take(10_000)
    throttle.max_rate = 100
    assert 100 == throttle.max_rate == throttle.rate == throttle.burst
    assert 0 == throttle.wait_for(100)
    throttle.take(100)
    assert 1 == throttle.wait_for(100)
    clock.now += 0.5
    throttle.max_rate = 10
    # Fifty were earned, of which a second of the new rate remains.
    assert 0 == throttle.wait_for(10)
    assert pytest.approx(0.1) == throttle.wait_for(11)
    throttle.max_rate = None
    assert 0 == throttle.wait_for(10_000)


def test_the_user_changes_the_rate_of_a_running_job(clock: Clock, store: DictStore) -> None:
    throttle = AdaptiveThrottle.open(store, initial=None, max_rate=1000, clock=clock)
    assert 1000 == throttle.rate
    write_pace(store, Pace(rate=20))
    clock.now += 0.9
    throttle.acquire(1)
    assert 1000 == throttle.rate
    clock.now += 0.1
    throttle.acquire(1)
    assert 20 == throttle.rate
    clock.now += 1
    throttle.acquire(1)
    assert 20 == throttle.rate
    write_pace(store, Pace())
    clock.now += 1
    throttle.acquire(1)
    assert 1000 == throttle.rate


def test_what_waits_follows_the_user_within_a_second(clock: Clock, store: DictStore) -> None:
    throttle = AdaptiveThrottle.open(store, initial=None, max_rate=1, clock=clock)
    assert (0, 1) == (throttle.acquire(500), throttle.acquire(1))
    write_pace(store, Pace(rate=1000))
    clock.now += 1
    # 499 are owed of the 500, and one was earned.
    assert pytest.approx(0.499) == throttle.acquire(1)
    assert pytest.approx(1.499) == throttle.throttled


def test_the_growth_limits_what_the_user_asks_for(clock: Clock, store: DictStore) -> None:
    write_pace(store, Pace(rate=9000))
    assert 500 == AdaptiveThrottle.open(store, clock=clock).rate


def test_the_user_pauses_a_running_job(clock: Clock, store: DictStore) -> None:
    throttle = AdaptiveThrottle.open(store, clock=clock)
    assert 0 == throttle.acquire(1)
    write_pace(store, Pace(paused=True))
    clock.now += 1
    assert (1, 1) == (throttle.acquire(1), throttle.acquire(1))
    assert (True, 0) == (throttle.paused, throttle.throttled)
    write_pace(store, Pace())
    clock.now += 1
    assert (0, False) == (throttle.acquire(1), throttle.paused)


BAD = [
    ({"rate": 0}, "'rate' is 0, not a positive number"),
    ({"rate": True}, "'rate' is True"),
    ({"rate": "5"}, "'rate' is '5'"),
    ({"rate": 1e999}, "'rate' is inf"),
    ({"paused": 1}, "'paused' is 1, neither true nor false"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_pace_that_is_none_is_refused_at_the_beginning(store: DictStore, data: dict[str, Any], message: str) -> None:
    store.put("throttle.json", json.dumps({"format": 1, **data}).encode())
    with pytest.raises(JobFileError, match=message):
        read_pace(store)
    with pytest.raises(JobFileError, match=message):
        AdaptiveThrottle.open(store)


class Broken(DictStore):
    is_broken = False

    def get(self, name: str, /) -> bytes | None:
        if self.is_broken:
            raise JobStoreError(name, name, "read", "I/O error")
        return super().get(name)


def test_a_pace_that_becomes_unreadable_changes_nothing(clock: Clock) -> None:
    store = Broken()
    write_pace(store, Pace(rate=20))
    throttle = AdaptiveThrottle.open(store, clock=clock)
    store.put("throttle.json", b"{")
    clock.now += 1
    assert (0, 20) == (throttle.acquire(1), throttle.rate)
    store.is_broken = True
    clock.now += 1
    assert (0, 20) == (throttle.acquire(1), throttle.rate)


def test_a_resumed_job_goes_on_with_the_growth(clock: Clock, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    throttle = AdaptiveThrottle.open(store, clock=clock)
    clock.now += 9
    throttle.save()
    assert [] == store.list()
    clock.now += 301
    throttle.save()
    assert 310 == read_json(store, "ramp.json")["elapsed"]
    clock.now += 5
    throttle.save()
    assert 310 == read_json(store, "ramp.json")["elapsed"]
    other = Clock(5.0)
    again = AdaptiveThrottle.open(store, clock=other)
    assert 750 == again.rate
    other.now += 289
    again.acquire(1)
    assert 750 == again.rate
    other.now += 1
    again.acquire(1)
    assert 1125 == again.rate
    AdaptiveThrottle(Throttle(clock=clock), clock=clock).save()


def test_a_growth_that_is_none_is_refused(store: DictStore) -> None:
    write_json(store, "ramp.json", {"elapsed": -5})
    with pytest.raises(JobFileError, match="'elapsed' is -5, not a number of seconds"):
        AdaptiveThrottle.open(store)
    write_json(store, "ramp.json", {"elapsed": 0})
    assert 500 == AdaptiveThrottle.open(store).rate


@pytest.mark.parametrize("rate", [0, -1, True, "5", float("nan")])
def test_a_rate_that_is_none_is_refused(store: DictStore, rate: Any) -> None:
    with pytest.raises(ValueError, match="rate= takes a positive number of documents per second, not"):
        AdaptiveThrottle.open(store, max_rate=rate)


def test_processes_divide_the_rate(clock: Clock, store: DictStore) -> None:
    write_pace(store, Pace(rate=200))
    one = AdaptiveThrottle.open(store, initial=500, max_rate=400, clock=clock, workers=4)
    assert 50 == one.rate
    write_pace(store, Pace())
    clock.now += 2
    one.acquire(1)
    assert 100 == one.rate
    free = AdaptiveThrottle.open(store, initial=500, clock=clock, workers=4)
    assert (125, None) == (free.rate, AdaptiveThrottle.open(store, initial=None, workers=4).rate)
    # The growth is the same for all, and is saved as often as one process alone would.
    for seconds, saved in ((39, False), (1, True)):
        clock.now += seconds
        free.save()
        assert saved == ("ramp.json" in store.data)


def test_requests_are_held_back_while_the_database_refuses(clock: Clock) -> None:
    drawn = Drawn(0.49)
    throttle = AdaptiveThrottle(Throttle(None, clock=clock), clock=clock, random=drawn)
    assert 0 == throttle.acquire(1)
    throttle.note(accepted=False)
    # One request, none accepted: a half is held back.
    assert 1 == throttle.acquire(1)
    assert pytest.approx(1) == throttle.acquire(1)
    clock.now += 1
    drawn.value = 0.67
    # Two by now, with the one that was held back: two thirds are.
    assert 0 == throttle.acquire(1)
    drawn.value = 0.66
    assert 1 == throttle.acquire(1)
    assert pytest.approx(3) == throttle.throttled


def test_a_fifth_of_refused_requests_is_fine(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(None, clock=clock), clock=clock, random=Drawn(0.0))
    for number in range(100):
        throttle.note(accepted=number % 5 != 0)
    assert 0 == throttle.acquire(1)
    throttle.note(accepted=False)
    assert 1 == throttle.acquire(1)


def test_after_two_minutes_a_refusal_is_forgotten(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(None, clock=clock), clock=clock, random=Drawn(0.0))
    throttle.note(accepted=False)
    clock.now += 2
    throttle.note(accepted=True)
    clock.now += 118
    assert 0 == throttle.acquire(1)
    clock.now += 2
    assert 0 == throttle.acquire(1)


def test_threads_share_a_pace(clock: Clock) -> None:
    throttle = AdaptiveThrottle(Throttle(100, clock=clock), clock=clock)
    taken: list[float] = []
    threads = [threading.Thread(target=lambda: taken.extend(throttle.acquire(1) for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (100, 200) == (taken.count(0.0), len(taken))


def test_progress_has_a_rate_and_an_end(clock: Clock) -> None:
    tracker = Tracker("copy", 1000, done=100, clock=clock)
    assert Progress(100, 1000, 0.0, 0.0, None, "copy") == tracker.progress()
    tracker.note(100)
    clock.now += 2
    progress = tracker.progress(3.5)
    assert (200, 1000, 50, 3.5, 16) == (progress.done, progress.total, progress.rate, progress.throttled, progress.eta)
    tracker.note(900)
    assert 0 == tracker.progress().eta
    clock.now += 100
    assert 0 == tracker.progress().eta
    assert Tracker("copy", clock=clock).progress().eta is None
    tracker.phase, tracker.total = "verify", None
    assert ("verify", None) == (tracker.progress().phase, tracker.progress().eta)


def test_a_job_is_asked_to_stop_by_another_thread() -> None:
    stop = Stop()
    assert (False, False) == (stop.is_requested, stop.wait(0))
    threading.Thread(target=stop.request).start()
    assert stop.wait(60)
    assert stop.is_requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_is_asked_to_stop_by_a_signal(number: signal.Signals) -> None:
    seen: list[int] = []
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(number, lambda number, frame: seen.append(number))
    try:
        with Stop().on_signals() as stop:
            signal.raise_signal(number)
            assert stop.is_requested
            assert [] == seen
            # The second one does what it always does.
            signal.raise_signal(number)
            assert [number] == seen
        with Stop().on_signals() as stop:
            pass
        signal.raise_signal(number)
        assert ([number, number], False) == (seen, stop.is_requested)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_a_handler_of_another_language_becomes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with monkeypatch.context() as patched:
            handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: None}
            patched.setattr(signal, "getsignal", handlers.get)
            with Stop().on_signals():
                pass
        assert signal.SIG_DFL == signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_no_signals() -> None:
    seen: list[Any] = []

    def work() -> None:
        with Stop().on_signals() as stop:
            seen.append((stop.is_requested, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [(False, signal.getsignal(signal.SIGTERM))] == seen


def test_names_of_jobs_are_loaded_when_they_are_used() -> None:
    assert all(getattr(jobs, name) for name in jobs.__all__)
    assert set(jobs.__all__) <= set(dir(jobs))
    with pytest.raises(AttributeError, match="module 'cendry.jobs' has no attribute 'Jobb'"):
        cast("Any", jobs).Jobb  # noqa: B018
