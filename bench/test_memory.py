"""What an instance takes in memory, next to a plain dataclass of the same fields."""

from __future__ import annotations

import dataclasses
import gc
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from cendry import GeoPoint
from cendry._query.results import reader
from cendry.backend import DocumentResult
from cendry.codec import codec_for
from codec_model import DATA, City, Status
from figures import Figures

INSTANCES = 3000
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclasses.dataclass(kw_only=True)
class PlainMayor:
    name: str
    since: int


@dataclasses.dataclass(kw_only=True)
class PlainCity:
    id: str | None = None
    name: str
    population: int = 0
    area: float
    capital: bool = False
    founded: datetime
    seal: bytes
    regions: list[str] = dataclasses.field(default_factory=list)
    mayor: PlainMayor
    former: list[PlainMayor] = dataclasses.field(default_factory=list)
    status: Status
    place: GeoPoint
    budget: Decimal
    note: str | None = None


def plain(number: int) -> PlainCity:
    return PlainCity(
        id=f"c{number}",
        name=DATA["displayName"],
        population=DATA["population"],
        area=DATA["area"],
        capital=DATA["capital"],
        founded=DATA["founded"],
        seal=DATA["seal"],
        regions=[*DATA["regions"]],
        mayor=PlainMayor(**DATA["mayor"]),
        former=[PlainMayor(**each) for each in DATA["former"]],
        status=Status.OPEN,
        place=DATA["place"],
        budget=Decimal(DATA["budget"]),
        note=DATA["note"],
    )


def decoded(number: int) -> City:
    return codec_for(City).decode(DATA, f"c{number}")


def read(number: int) -> City:
    times = [START + timedelta(0, number, microsecond) for microsecond in range(3)]
    return READ(DocumentResult(f"cities/c{number}", DATA, *times))


READ: Any = reader(codec_for(City))


def bytes_each(make: Callable[[int], object]) -> float:
    """Bytes of each instance with all that it alone refers to."""
    make(0)
    gc.collect()
    tracemalloc.start()
    try:
        kept = [make(number) for number in range(INSTANCES)]
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return taken / len(kept)


@pytest.mark.parametrize(
    ("what", "make"),
    [("memory of an instance", decoded), ("memory of an instance read through a context, with its metadata", read)],
)
def test_memory(what: str, make: Callable[[int], object], figures: Figures) -> None:
    other, ours = bytes_each(plain), bytes_each(make)
    figures(what, ours / other, detail=f"{ours:.0f} bytes, plain dataclass without metadata {other:.0f} bytes")
