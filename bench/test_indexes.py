"""Checking a file of indexes against a recording of 1,000 queries, as CI does; both files are read too."""

from __future__ import annotations

from itertools import islice, permutations, product
from pathlib import Path
from time import process_time

import pytest
from cendry.indexes import Indexes, Need, Part, check, combine, read_indexes, read_recording, to_firebase, to_recording
from cendry.paths import DOCUMENT_ID, FieldPath
from figures import Figures

QUERIES = 1000
BUDGET_S = 1.0
FIELDS = [FieldPath(f"field_{number}") for number in range(8)]


def needs() -> list[Need]:
    """Different queries on 10 collections, each by one or two equalities and an order."""
    by_name: Part = (DOCUMENT_ID, "ASCENDING")
    fields = [(frozenset(equal), order) for count in (1, 2) for *equal, order in permutations(FIELDS, count + 1)]
    found = [
        Need(f"collection_{number}", "COLLECTION", equal, tail=((order, "ASCENDING"), by_name))
        for number, (equal, order) in product(range(10), dict.fromkeys(fields))
    ]
    return list(islice(found, QUERIES))


@pytest.mark.parametrize("declared", ["nothing", "half", "everything"])
def test_checking_a_recording_is_quick(declared: str, figures: Figures, tmp_path: Path) -> None:
    recording, file = tmp_path / "recorded.json", tmp_path / "firestore.indexes.json"
    recording.write_text(to_recording(needs()))
    share = {"nothing": [], "half": needs()[::2], "everything": needs()}[declared]
    file.write_text(to_firebase(combine(Indexes(), share)))
    began = process_time()
    recorded = read_recording(recording)
    found = check(read_indexes(file), recorded)
    took = process_time() - began
    assert QUERIES == len(recorded)
    assert bool(found.missing) is (declared != "everything")
    detail = f"{len(found.missing)} missing, {len(found.unused)} unused"
    what = f"indexes: check of {QUERIES:,} queries, {declared} declared"
    figures(what, took, unit="s", budget=BUDGET_S, detail=detail)
