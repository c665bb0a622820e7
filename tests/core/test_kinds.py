"""The rows of kinds and of converted types say what is so, and nothing twice."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, get_args

import pytest
from cendry._order import key_of
from cendry._types.converted import CONVERSIONS
from cendry._types.kinds import KIND_OF, ROWS, STORED_TYPE, Kind, Mismatch, message_fields
from cendry.reference import Ref
from cendry.values import GeoPoint, Vector

UTC = timezone.utc

SAMPLES: dict[str, list[tuple[Any, int]]] = {
    "null": [(None, 1)],
    "bool": [(False, 1), (True, 1)],
    "int": [(-(2**63), 8), (0, 8), (2**63 - 1, 8)],
    "float": [(float("-inf"), 8), (0.5, 8)],
    "timestamp": [(datetime(1, 1, 1, tzinfo=UTC), 8), (datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC), 8)],
    "str": [("", 1), ("a", 2), ("a\0é", 5)],
    "bytes": [(b"", 0), (b"\0\xff", 2)],
    "reference": [(Ref.from_path("a/b"), 20), (Ref.from_path("a/é"), 21)],
    "geo_point": [(GeoPoint(-90, 0), 16), (GeoPoint(1.5, 2.5), 16)],
    "vector": [(Vector([]), 0), (Vector([1, 2.5]), 16)],
}
"""Values of each kind in their order, with their bytes."""


def test_every_kind_has_a_row_and_a_sample() -> None:
    assert set(get_args(Kind)) == set(STORED_TYPE) == {row.name for row in ROWS} | {"array", "map"}
    assert list(SAMPLES) == [row.name for row in ROWS]
    assert len(STORED_TYPE) == len(KIND_OF)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row(row: Any) -> None:
    samples = SAMPLES[row.name]
    for value, size in samples:
        taken = row.take(value)
        assert (value, row.python) == (taken, type(taken))
        assert size == (row.size if isinstance(row.size, int) else row.size(value))
        if row.json is None:
            form = json.loads(json.dumps(value))
        else:
            form = row.json.load(json.loads(json.dumps(row.json.dump(value))))
        assert value == form
    keys = [key_of(value) for value, _ in samples]
    assert keys == sorted(set(keys))
    with pytest.raises(Mismatch):
        row.take(object())


def test_forms_in_json_are_checked_and_have_names_of_their_own() -> None:
    forms = [row.json for row in ROWS if row.json]
    assert len(forms) == len({form.tag for form in forms})
    (base64,) = (form for form in forms if form.tag == "__bytes__")
    for text in ("YQ", "Y Q==", "YR=="):
        with pytest.raises(ValueError, match="not Base64|padding"):
            base64.load(text)


def test_a_database_renames_fields_of_messages_and_may_lack_kinds() -> None:
    fields = message_fields(markers=False, bytes="blob_value")
    assert "blob_value" == fields["bytes"]
    assert "vector" not in fields
    assert {"map_value"} == {message_fields(markers=True)[kind] for kind in ("vector", "map")}


@pytest.mark.parametrize("row", CONVERSIONS, ids=lambda row: row.python.__name__)
def test_a_converted_type_refuses_what_it_can_not_be(row: Any) -> None:
    assert row.kind in STORED_TYPE
    with pytest.raises(Mismatch):
        row.from_stored(object())
