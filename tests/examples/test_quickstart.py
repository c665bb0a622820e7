"""examples/quickstart.py runs as its own program, as README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"
SOURCES = [str(ROOT / "packages" / member / "src") for member in ("cendry-core", "cendry-firestore", "cendry-memory")]


def run_quickstart(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "FIRESTORE_EMULATOR_HOST"}
    return subprocess.run(
        [sys.executable, str(QUICKSTART), *arguments],
        # Google's packages warn about Pythons near their end.
        env={**kept, "PYTHONPATH": os.pathsep.join(SOURCES), "PYTHONWARNINGS": "ignore::FutureWarning", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def lines(database: str) -> list[str]:
    return [
        f"database:    {database}",
        "saved:       San Francisco with the id SF",
        "batch:       3 cities now",
        "updated:     870000 people, Mayor(name='Grace', since=2024)",
        "query:       Query(City, City.population > 700000, order_by=City.population.desc())",
        "found:       ['Los Angeles', 'San Francisco']",
        "transaction: 871000 people in San Francisco",
        "deleted:     0 cities left",
    ]


def test_quickstart_needs_nothing_and_tells_what_it_did() -> None:
    finished = run_quickstart(PATH="", JAVA_HOME="")

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines() == lines("in process")


def test_quickstart_runs_on_the_emulator(firestore_emulator: str) -> None:
    finished = run_quickstart("--emulator", FIRESTORE_EMULATOR_HOST=firestore_emulator)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines() == lines(f"Google's emulator at {firestore_emulator}")


def test_quickstart_runs_on_a_project_and_leaves_its_documents_alone(firestore_emulator: str, project: str) -> None:
    from cendry import Cendry, Field, Model

    class City(Model, collection="cities"):
        name: Field[str]

    first = run_quickstart("--project", project, FIRESTORE_EMULATOR_HOST=firestore_emulator)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == lines(project)

    with Cendry(project=project) as ctx:
        ctx.save(City(id="SF", name="mine"))
        second = run_quickstart("--project", project, FIRESTORE_EMULATOR_HOST=firestore_emulator)
        assert (second.returncode, second.stdout.splitlines()) == (1, lines(project)[:1])
        assert second.stderr.startswith("There are documents in 'cities' already")
        assert ctx.get(City, "SF") == City(id="SF", name="mine")


def test_quickstart_says_in_one_line_how_to_get_an_emulator() -> None:
    finished = run_quickstart("--emulator", PATH="", JAVA_HOME="", CENDRY_FIRESTORE_EMULATOR_JAR="")

    assert finished.returncode == 1
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert "gcloud components install cloud-firestore-emulator" in line
    assert "FIRESTORE_EMULATOR_HOST" in line


def test_quickstart_says_when_nothing_answers_at_the_given_host() -> None:
    finished = run_quickstart("--emulator", FIRESTORE_EMULATOR_HOST="127.0.0.1:1")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "nothing answers there" in finished.stderr
