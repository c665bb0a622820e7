"""tools/version.py keeps the members at one version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    """A copy of the tool and of the members' settings, to try it on."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for settings in ROOT.glob("packages/*/pyproject.toml"):
        target = tmp_path / settings.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(settings, target)
    return tmp_path


def version(root: Path, *arguments: Any) -> Any:
    command = [sys.executable, str(root / "tools" / "version.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_members_agree() -> None:
    assert 0 == version(ROOT, "check").returncode


def test_setting_a_version_changes_members_and_pins(copy: Any) -> None:
    assert 0 == version(copy, "set", "7.8.9rc1").returncode
    assert 0 == version(copy, "check").returncode
    assert {"7.8.9rc1"} == {line.split()[1] for line in version(copy).stdout.splitlines()}
    assert 'firestore = ["cendry-firestore==7.8.9rc1"]' in (copy / "packages/cendry/pyproject.toml").read_text()


def test_a_member_with_another_version_is_reported(copy: Any) -> None:
    path = copy / "packages/cendry-firestore/pyproject.toml"
    path.write_text(path.read_text().replace('version = "', 'version = "9.'))
    answer = version(copy, "check")
    assert 1 == answer.returncode
    assert "cendry-firestore: version 9." in answer.stderr


def test_a_loose_pin_is_reported(copy: Any) -> None:
    path = copy / "packages/cendry-firestore/pyproject.toml"
    path.write_text(path.read_text().replace('"cendry-core==', '"cendry-core>='))
    answer = version(copy, "check")
    assert 1 == answer.returncode
    assert 'cendry-firestore: "cendry-core>=' in answer.stderr


def test_an_invalid_version_is_refused(copy: Any) -> None:
    assert 2 == version(copy, "set", "latest").returncode
