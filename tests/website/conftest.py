"""Builds the site once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

SITE = ROOT / "site"


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site; the build itself fails for broken links, missing anchors and pages without a place."""
    pytest.importorskip("zensical", reason="zensical is not installed; the dependency group 'docs' has it")
    command = [sys.executable, "tools/website.py", "build"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return SITE
