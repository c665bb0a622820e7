"""What tools on whole collections cost the client: CPU time of this process per document, on an emulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cendry import FirestoreBackend, Model, upgrade
from cendry.plan import Set
from cendry_firestore.tools import backfill, drift, infer
from codec_model import DATA
from figures import Figures
from test_tagged import Fields

DOCUMENTS = 5000
BACKFILL, DRIFT, INFER = 150, 130, 80


class City(Fields, Model, collection="cities", version=2):
    pass


@upgrade(City, to=2)
def count(data: dict[str, Any]) -> dict[str, Any]:
    """A field counts something else."""
    return {**data, "population": data["population"] * 1000}


@pytest.fixture
def backend(project: str) -> Iterator[FirestoreBackend]:
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()


def fill(backend: FirestoreBackend) -> None:
    """Store documents of the first version."""
    for start in range(0, DOCUMENTS, 500):
        backend.commit([Set(f"cities/c{number:04}", DATA) for number in range(start, start + 500)])


def cpu(work: Callable[[], object]) -> float:
    """Microseconds of this process for each document."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / DOCUMENTS * 1e6


def test_a_backfill_by_an_upgrade(backend: FirestoreBackend, tmp_path: Path, figures: Figures) -> None:
    def upgraded(number: int) -> None:
        assert DOCUMENTS == backfill(backend, City, state=tmp_path / str(number)).rewritten

    found: list[float] = []
    for number in range(3):
        fill(backend)
        found.append(cpu(partial(upgraded, number)))
    what = f"a backfill of {DOCUMENTS:,} documents of 13 fields by an upgrade, in CPU of the client for each"
    figures(what, min(found), unit="us", budget=BACKFILL)


def test_scans(backend: FirestoreBackend, figures: Figures) -> None:
    fill(backend)
    assert drift(backend, City).ok
    for what, work, budget in (
        ("drift", partial(drift, backend, City), DRIFT),
        ("infer", partial(infer, backend, "cities"), INFER),
    ):
        found = min(cpu(work) for _ in range(3))
        figures(f"{what} of {DOCUMENTS:,} documents of 13 fields, in CPU for each", found, unit="us", budget=budget)
