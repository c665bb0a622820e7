"""bench/peers/compare.py runs, and no library is dropped from its table."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "bench" / "peers"
SOURCES = [ROOT / "packages" / member / "src" for member in ("cendry-core", "cendry-firestore", "cendry-memory")]
RATIOS = re.compile(r"\d+\.\d\d / \d+\.\d\d")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, [*SOURCES, PEERS, PEERS.parent])),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=150,
    )


def cells(table: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {f"{number} {line[0]}": line[1:] for number, line in enumerate(lines)}


def test_without_the_peers_cendry_is_compared_and_they_are_named(firestore_emulator: str) -> None:
    done = run(str(PEERS / "compare.py"), "--smoke", "--no-install", FIRESTORE_EMULATOR_HOST=firestore_emulator)

    assert done.returncode == 0, done.stderr
    table = cells(done.stdout)
    head, *rows = table.values()
    assert [name.split()[0] for name in head] == ["cendry-firestore", "firedantic", "fireo", "firestore-pydantic-odm"]
    ratios = [row for row in rows if RATIOS.fullmatch(row[0])]
    assert [9, 9] == [len(ratios), sum(row[1:] == ["not run (1)", "not run (2)", "not run (3)"] for row in rows)]
    assert "\n3. firestore-pydantic-odm is not installed: " in done.stdout
    # What Cendry saved is what the SDK saves.
    assert "stores other documents" not in done.stdout


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("raise SystemExit('it has no such API')", "absent doesn't run: it has no such API; exit code 1"),
        ("print('nothing done')", "absent doesn't run: exit code 0"),
    ],
)
def test_an_adapter_that_fails_is_named_with_the_reason(
    adapter: str, message: str, tmp_path: Path, firestore_emulator: str
) -> None:
    (tmp_path / "of_absent.py").write_text(adapter)
    code = (
        "import compare, pathlib, sys\n"
        "setting = compare.Setting('peers', documents=1)\n"
        "library = compare.Library('absent', pathlib.Path(sys.argv[1]), is_here=True)\n"
        "print('\\n'.join(compare.table([compare.run(library, setting, None)], setting)))"
    )

    done = run("-c", code, str(tmp_path / "of_absent.py"), FIRESTORE_EMULATOR_HOST=firestore_emulator)

    assert done.returncode == 0, done.stderr
    assert f"1. {message}." in done.stdout.splitlines()
    assert 9 == done.stdout.count("not run (1)")


def test_a_peer_that_uv_cant_install_is_named_with_the_reason(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no solution found')\n")
    uv.chmod(0o755)
    code = (
        "import compare\n"
        "setting = compare.Setting('peers')\n"
        f"reports = [compare.run(library, setting, {str(uv)!r}) for library in compare.LIBRARIES[1:]]\n"
        "print('\\n'.join(compare.table(reports, setting)))"
    )

    done = run("-c", code)

    assert done.returncode == 0, done.stderr
    assert "1. firedantic is not installed: no solution found." in done.stdout.splitlines()


def test_a_task_that_a_library_cant_do_or_fails_at_keeps_its_line() -> None:
    code = (
        "import compare\n"
        "from tasks import Report, Row\n"
        "rows = {task: Row(1.5, 1.25, 10, 20) for task in compare.TASKS}\n"
        "rows |= {'save': Row(reason='it only reads'), 'get': Row(0.5, 0.25, 10, 20, note='with care')}\n"
        "report = Report('one', '1.0', '2.34.1', '3.13.0', ['it holds no bytes: text'], rows)\n"
        "print('\\n'.join(compare.table([report], compare.Setting('peers'))))"
    )

    done = run("-c", code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "| CPU / wall, the raw SDK is 1 | one 1.0 |",
        "|---|---|",
        "| the SDK beside it | 2.34.1 |",
        "| read 5,000 by query | 1.50 / 1.25 |",
        "| the same, async | 1.50 / 1.25 |",
        "| get one | 0.50 / 0.25 (1) |",
        "| the same, async | 1.50 / 1.25 |",
        "| save 500 | 1.50 / 1.25 |",
        "| the same, async | 1.50 / 1.25 |",
        "| save one | no (2) |",
        "| the same, async | 1.50 / 1.25 |",
        "| build a query, up to the message that is sent | 1.50 / 1.25 |",
        "| the SDK's own time, a document by query | 10 / 20 us |",
        "| the SDK's own time, a `get` | 10 / 20 us |",
        "",
        "1. one: with care.",
        "2. one: it only reads.",
        "",
        "What a peer can't hold, and what was used instead:",
        "",
        "- one: it holds no bytes: text.",
    ]
