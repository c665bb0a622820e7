"""examples/quickstart.py runs as its own program, as README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"
SOURCES = [str(ROOT / "packages" / member / "src") for member in ("cendry-core", "cendry-firestore")]


def run_quickstart(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "FIRESTORE_EMULATOR_HOST"}
    return subprocess.run(
        [sys.executable, str(QUICKSTART)],
        # Google's packages warn about Pythons near their end.
        env={**kept, "PYTHONPATH": os.pathsep.join(SOURCES), "PYTHONWARNINGS": "ignore::FutureWarning", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_quickstart_tells_what_it_did(firestore_emulator: str) -> None:
    finished = run_quickstart(FIRESTORE_EMULATOR_HOST=firestore_emulator)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.splitlines() == [
        f"emulator:    {firestore_emulator}",
        "saved:       San Francisco with the id SF",
        "batch:       3 cities now",
        "updated:     870000 people, Mayor(name='Grace', since=2024)",
        "query:       Query(City, City.state == 'CA', order_by=City.population.desc())",
        "found:       ['Los Angeles', 'San Francisco']",
        "transaction: 871000 people in San Francisco",
        "deleted:     None",
    ]


def test_quickstart_says_in_one_line_how_to_get_an_emulator() -> None:
    finished = run_quickstart(PATH="", JAVA_HOME="", CENDRY_FIRESTORE_EMULATOR_JAR="")

    assert finished.returncode == 1
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert "gcloud components install cloud-firestore-emulator" in line
    assert "FIRESTORE_EMULATOR_HOST" in line


def test_quickstart_says_when_nothing_answers_at_the_given_host() -> None:
    finished = run_quickstart(FIRESTORE_EMULATOR_HOST="127.0.0.1:1")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert "nothing answers there" in finished.stderr
