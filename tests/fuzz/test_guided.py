"""The same targets, guided by coverage: atheris makes bytes of which hypothesis makes examples."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import test_journal, test_messages, test_page_tokens, test_paths, test_user_data
from fuzz.fuzzing import BUDGET, TARGETS

INSTALLED = importlib.util.find_spec("atheris") is not None
SECONDS = 2
_FOLDER = Path(__file__).parent
# Importing them is what fills TARGETS.
MODULES = (test_journal, test_messages, test_page_tokens, test_paths, test_user_data)


def test_every_module_has_targets() -> None:
    names = {name.partition(".")[0] for name in TARGETS}
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == names


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="atheris is not installed; hatch run fuzz:run has it")
@pytest.mark.parametrize("name", sorted(TARGETS) if INSTALLED else ["all"])
def test_no_example_that_atheris_finds_fails(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(_FOLDER / "guided.py"), name, str(max(SECONDS, round(BUDGET.seconds)))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert 0 == run.returncode, run.stdout[-5000:] + run.stderr[-5000:]
