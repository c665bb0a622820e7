"""Compares Cendry and its peers with the raw SDK on Google's emulator, and prints a table in Markdown.

Each library runs in a process and an environment of its own, since they ask for SDKs that can't be installed together.
The raw SDK runs in each of them, in turns with the library, so that a ratio is of one process. A peer that can't be
installed, or can't do a task, stays in the table with the reason.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cendry_memory.emulator import EmulatorUnavailableError, running
from tasks import TASKS, Report, Row, Setting, fill

HERE = Path(__file__).parent
BENCH = str(HERE.parent)
INSTALL_SECONDS = 600
RUN_SECONDS = 1800
SMOKE = {"documents": 20, "saved": 5, "calls": 3, "queries": 5, "rounds": 1}


@dataclass(frozen=True)
class Library:
    """One that is compared.

    Attributes:
        distribution: Its name on PyPI, and in the table.
        adapter: The file that does the tasks with it; a script whose head says what it needs.
        is_here: Whether it runs in this environment, and needs none of its own.
    """

    distribution: str
    adapter: Path
    is_here: bool = False


LIBRARIES = (
    Library("cendry-firestore", HERE / "of_cendry.py", is_here=True),
    Library("firedantic", HERE / "of_firedantic.py"),
    Library("fireo", HERE / "of_fireo.py"),
    Library("firestore-pydantic-odm", HERE / "of_firestore_pydantic_odm.py"),
)


class NotInstalledError(Exception):
    """Why a peer could not be installed."""


# Running


def interpreter(library: Library, uv: str | None) -> str:
    """The Python of the environment that a library runs in, which is made or brought up to date.

    Raises:
        NotInstalledError: There is none to be had.
    """
    if library.is_here:
        return sys.executable
    if uv is None:
        raise NotInstalledError("without uv it has no environment")
    script = [f"--script={library.adapter}", f"--python={sys.executable}"]
    try:
        _output([uv, "sync", "--quiet", *script])
        # The same environment, whose Python uv tells.
        return _output([uv, "python", "find", f"--script={library.adapter}"]).strip()
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise NotInstalledError(" ".join(said.split())[-300:]) from error


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS, env=_environment()
    )
    return done.stdout


def _environment(paths: Iterable[str] = ()) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def run(library: Library, setting: Setting, uv: str | None) -> Report:
    """Have a library do the tasks in a process of its own, on a project of its own."""
    try:
        python = interpreter(library, uv)
    except NotInstalledError as error:
        return Report(library.distribution, reason=f"is not installed: {error}")
    setting = dataclasses.replace(setting, project=f"{setting.project}-{uuid.uuid4().hex[:8]}")
    fill(setting)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [python, str(library.adapter), json.dumps(dataclasses.asdict(setting)), str(path)]
        paths = [BENCH, *(sys.path if library.is_here else ())]
        try:
            done = subprocess.run(
                command,
                stdout=sys.stderr,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                timeout=RUN_SECONDS,
                env=_environment(paths),
            )
        except subprocess.TimeoutExpired:
            return Report(library.distribution, reason=f"was not done after {RUN_SECONDS} seconds")
        sys.stderr.write(done.stderr)
        if not path.exists():
            last = [*done.stderr.strip().splitlines(), f"exit code {done.returncode}"][-2:]
            return Report(library.distribution, reason=f"doesn't run: {'; '.join(last)[:300]}")
        found = json.loads(path.read_text())
    found["rows"] = {task: Row(**row) for task, row in found["rows"].items()}
    return Report(**found)


# The table


def table(reports: Sequence[Report], setting: Setting) -> list[str]:
    """The reports as a table in Markdown, with its notes."""
    notes: list[str] = []

    def noted(text: str) -> str:
        if not text:
            return ""
        if text not in notes:
            notes.append(text)
        return f" ({notes.index(text) + 1})"

    lines = [
        _line("CPU / wall, the raw SDK is 1", (f"{each.distribution} {each.version}".strip() for each in reports)),
        "|---" * (len(reports) + 1) + "|",
        _line("the SDK beside it", (each.sdk or "none" for each in reports)),
    ]
    for task, title in TASKS.items():
        cells = []
        for report in reports:
            row = report.rows.get(task)
            if row is None:
                cells.append("not run" + noted(f"{report.distribution} {report.reason or 'said nothing of it'}"))
            elif row.cpu is None or row.wall is None:
                cells.append("no" + noted(f"{report.distribution}: {row.reason}"))
            else:
                note = f"{report.distribution}: {row.note}" if row.note else ""
                cells.append(f"{row.cpu:.2f} / {row.wall:.2f}" + noted(note))
        lines.append(_line(title.format(documents=setting.documents, saved=setting.saved), cells))
    for task, title in (("read", "the SDK's own time, a document by query"), ("get", "the SDK's own time, a `get`")):
        lines.append(_line(title, (_own(report.rows, task) for report in reports)))
    lines += ["", *(f"{number}. {text.rstrip('.')}." for number, text in enumerate(notes, 1))]
    instead = [f"- {each.distribution}: {text}." for each in reports for text in each.instead]
    if instead:
        lines += ["", "What a peer can't hold, and what was used instead:", "", *instead]
    return lines


def _line(first: str, others: Iterable[str]) -> str:
    return f"| {' | '.join([first, *others])} |"


def _own(rows: dict[str, Row], task: str) -> str:
    for row in (rows.get(task), rows.get(f"{task} async")):
        if row is not None and row.sdk_cpu_us is not None:
            return f"{row.sdk_cpu_us:.0f} / {row.sdk_wall_us:.0f} us"
    return ""


def uv_here() -> str | None:
    """Where uv is: in this environment, or on the PATH."""
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    return beside or shutil.which("uv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare them; the exit code is 1 if Cendry itself could not do a task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few documents and one round, to see that it runs")
    parser.add_argument("--no-install", action="store_true", help="make no environments, so that no peer runs")
    parser.add_argument("--only", action="append", choices=[each.distribution for each in LIBRARIES], default=[])
    parser.add_argument("--documents", type=int, default=Setting.documents)
    parser.add_argument("--rounds", type=int, default=Setting.rounds)
    chosen = parser.parse_args(arguments)
    setting = Setting("peers", documents=chosen.documents, rounds=chosen.rounds)
    if chosen.smoke:
        setting = dataclasses.replace(setting, **SMOKE)
    libraries = [each for each in LIBRARIES if not chosen.only or each.distribution in chosen.only]
    uv = None if chosen.no_install else uv_here()
    try:
        with running():
            reports = [run(library, setting, uv) for library in libraries]
    except EmulatorUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {setting.rounds} rounds in turns\n")
    print("\n".join(table(reports, setting)))
    ours = [each for each in reports if each.distribution == "cendry-firestore"]
    return int(any(each.reason or any(row.reason for row in each.rows.values()) for each in ours))


if __name__ == "__main__":
    sys.exit(main())
