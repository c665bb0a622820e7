"""The commands that docs/ci.md shows, in a project that lacks an index."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pages import ROOT

pytestmark = pytest.mark.slow

MODELS = """
from cendry import Field, Model

class City(Model, collection="cities"):
    state: Field[str]
    population: Field[int]
"""

TESTS = """
from app.models import City

def test_cities(cendry_memory):
    query = cendry_memory.select(City, City.state == "CA", order_by=City.population)
    assert query.to_list() == []
"""


def commands_of(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n    ", "")
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project, and the programs that its commands name."""
    plugin = "" if list(entry_points(group="pytest11", name="cendry")) else "-p cendry_memory.pytest_plugin"
    programs = {
        "pytest": f"pytest {plugin} -p no:cacheprovider -n 0",
        "cendry-firestore": "cendry_firestore.cli",
    }
    (tmp_path / "bin").mkdir()
    for name, module in programs.items():
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "models.py").write_text(MODELS)
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "firestore.indexes.json").write_text('{"indexes": []}\n')
    return tmp_path


def test_the_commands_find_a_missing_index_and_add_it(project: Path) -> None:
    # The others need git, a database, or the network.
    record, check, merge = (line for line in commands_of("ci.md") if "record" in line)
    assert [record, check, merge] == [line for line in commands_of("indexes.md") if "record" in line][:3]
    environment = {
        **os.environ,
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(project), *filter(None, sys.path)]),
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    recorded = run(record)
    assert (0, True) == (recorded.returncode, "1 passed" in recorded.stdout)
    found = run(check)
    assert 1 == found.returncode
    assert found.stdout.startswith('missing in indexes:\n  {"collectionGroup": "cities", ')
    assert found.stdout.endswith(f"Add them: {merge}\n")
    assert [0, 0] == [run(command).returncode for command in (merge, check)]
