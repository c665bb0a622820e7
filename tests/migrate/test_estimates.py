"""What a copy will take."""

from __future__ import annotations

import pytest
from cendry_datastore.migrate.estimates import Estimate, Prices, estimate, seconds_for


@pytest.mark.parametrize(
    ("count", "rate", "seconds"),
    [
        (0, None, 0),
        (500, None, 1),
        (150_000, None, 300),
        (150_750, None, 301),
        (150_000 + 225_000, None, 600),
        (1_000, 100, 10),
        (300_000, 600, 300 + 150_000 / 600),
    ],
)
def test_seconds_by_the_rule(count: int, rate: float | None, seconds: float) -> None:
    assert pytest.approx(seconds) == seconds_for(count, rate)


def test_a_million_takes_a_quarter_of_an_hour() -> None:
    assert 15 < seconds_for(1_000_000) / 60 < 20
    assert 40 < seconds_for(10_000_000) / 60 < 48


def test_reads_writes_and_cost() -> None:
    found = estimate(200_000, prices=Prices(read=0.5, write=2))
    assert Estimate(200_000, 200_000, found.minutes, 5.0, 400_000) == found
    assert pytest.approx(0.48) == estimate(200_000).cost
