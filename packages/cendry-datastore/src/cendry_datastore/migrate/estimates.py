"""What a copy will take: reads, writes, minutes and money. Nothing here is sent."""

from __future__ import annotations

from typing import Final

from cendry._immutable import dataclass
from cendry.jobs.throttle import GROWTH, INITIAL_RATE, PERIOD


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in US dollars for 100,000 documents.

    The defaults are those that https://cloud.google.com/firestore/pricing has had for multi-regions; most regions cost
    less. Prices change, so check yours.

    Attributes:
        read: Of reads.
        write: Of writes.
        delete: Of deletes.
    """

    read: float = 0.06
    write: float = 0.18
    delete: float = 0.02


PRICED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a copy will take.

    Attributes:
        reads: Entities that are read.
        writes: Documents that are written.
        minutes: How long it takes at the limit of 500/50/5.
        cost: US dollars for both.
        verify_reads: Entities and documents that a full `verify` reads.
    """

    reads: int
    writes: int
    minutes: float
    cost: float
    verify_reads: int


def estimate(count: int, *, rate: float | None = None, prices: Prices | None = None) -> Estimate:
    """Return what a copy of this many entities will take.

    Args:
        count: The entities.
        rate: The most documents per second, or `None` for the limit of 500/50/5 alone.
        prices: Your prices.
    """
    prices = prices or Prices()
    cost = (count * prices.read + count * prices.write) / PRICED
    return Estimate(count, count, seconds_for(count, rate) / 60, cost, 2 * count)


def seconds_for(count: int, rate: float | None = None) -> float:
    """Seconds in which this many documents can be written by the rule 500/50/5.

    Args:
        count: The documents.
        rate: The most documents per second, or `None`.
    """
    seconds, current = 0.0, INITIAL_RATE
    left = float(count)
    while True:
        now = current if rate is None else min(current, rate)
        if left <= now * PERIOD or now == rate:
            return seconds + left / now
        left -= now * PERIOD
        seconds += PERIOD
        current *= GROWTH
