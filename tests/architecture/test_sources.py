"""What must not stand in the packages' sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError|NotImplemented(?=\())\b|\bprint\(|breakpoint\(")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "packages")))
def test_a_source_is_finished(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{path.name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if UNFINISHED.search(line)]
    assert [] == found


@pytest.mark.parametrize("member", sorted(ROOT.glob("packages/*/src/*")), ids=lambda path: path.name)
def test_a_member_is_typed(member: Path) -> None:
    assert (member / "py.typed").is_file()


def test_members_carry_the_same_license() -> None:
    licenses = {path.read_text(encoding="utf-8") for path in [ROOT / "LICENSE", *ROOT.glob("packages/*/LICENSE")]}
    members = list(ROOT.glob("packages/*/pyproject.toml"))
    assert (1, len(members)) == (len(licenses), len(list(ROOT.glob("packages/*/LICENSE"))))


def test_tests_are_no_packages() -> None:
    assert [] == list((ROOT / "tests").rglob("__init__.py"))
