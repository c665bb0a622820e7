"""Models that are inferred from stored documents pass `mypy --strict`."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry import GeoPoint, Ref, Vector
from cendry._scan import Histogram, model_source
from cendry.plan import Set
from cendry_firestore.tools import infer
from cendry_memory import MemoryBackend
from firestore.filling import NASTY

ROOT = Path(__file__).parents[2]
NAMES = [
    "name",
    "id",
    "class",
    "a b",
    "a.b",
    "a_b",
    "int",
    "str",
    "list",
    "Field",
    "field",
    "Map",
    "City",
    "mro",
    "1",
    "_x",
]
VALUES: list[Any] = [
    1,
    "x",
    True,
    2.5,
    b"x",
    None,
    datetime(2026, 11, 28, tzinfo=timezone.utc),
    GeoPoint(1, 2),
    Vector([1]),
    Ref.from_path("users/a"),
    [],
    ["x", None],
    {"a": 1},
    [{"id": 1, "Any": {"x": "y"}}, {"id": 2}],
]


def test_inferred_models_are_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed; the dependency group 'types' has it")
    found = Histogram()
    for index, value in enumerate(VALUES):
        found.add({f"v{index}": value} | dict.fromkeys(NAMES, value))
    rare = Histogram()
    rare.add(dict(zip(NAMES, VALUES, strict=False)) | {"mixed": 1})
    rare.add({"mixed": {"k": [1, 2.5]}, "free": {"a": 1}})
    rare.add({"mixed": None, "free": {"b": [1]}})
    (tmp_path / "often.py").write_text(model_source("City", "cities", found))
    (tmp_path / "rare.py").write_text(model_source("City", "cities", rare, ["each is below a Country"]))
    memory = MemoryBackend()
    memory.commit([Set(f"nasty things/{number}", data) for number, data in enumerate(NASTY)])
    memory.commit([Set(f"City/{number}", {"id": data, "name": 1}) for number, data in enumerate(NASTY)])
    (tmp_path / "nasty.py").write_text(infer(memory, "nasty things", "City"))
    command = ["mypy", "--strict", "--config-file", "pyproject.toml", "--cache-dir", tmp_path / "cache"]
    files = [tmp_path / f"{name}.py" for name in ("often", "rare", "nasty")]
    answer = subprocess.run(
        [sys.executable, "-m", *map(str, [*command, *files])], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == answer.returncode, answer.stdout + answer.stderr
