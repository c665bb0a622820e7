"""The example that moves: each of its steps, between Google's emulators, as its page says."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cendry_memory.emulator import DATASTORE_MODE, FIRESTORE, EmulatorUnavailableError, emulators_required, running
from examples.test_quickstart import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]

STEPS = ("infer", "validate", "plan", "copy", "verify", "status")


def test_a_shop_moves_and_one_line_of_it_is_different() -> None:
    try:
        with running(DATASTORE_MODE), running(FIRESTORE):
            done = subprocess.run(
                [sys.executable, ROOT / "examples" / "migration" / "move.py"],
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=150,
                check=False,
            )
    except EmulatorUnavailableError as error:
        if emulators_required():
            raise
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout
    assert [line.split()[2] for line in output.splitlines() if line.startswith("$ cendry-datastore")] == list(STEPS)
    assert "source 146  target 146  missing 0  extra 0  different 0" in output
    assert "can_cut_over: yes" in output
    assert output.count("10 passed") == 2
    assert '\n+backend = cendry.FirestoreBackend(database="native")\n' in output
