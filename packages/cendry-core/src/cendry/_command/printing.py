"""What the commands print: lines and tables for people, one JSON object for programs, progress on a terminal alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ..jobs import Progress
from .failing import WrongUseError

_MINUTE: Final = 60


class Printer:
    """Prints the results of one command to standard output, and its progress to standard error.

    Args:
        as_json: Whether the result is one JSON object, and nothing else is printed.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str = "") -> None:
        """Print a line for people."""
        if not self.as_json:
            sys.stdout.write(f"{text}\n")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table for people: numbers to the right, the last column as wide as it is."""
        if self.as_json:
            return
        cells = [list(header), *([_cell(each) for each in row] for row in rows)]
        widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
        numeric = [bool(rows) and isinstance(rows[0][index], int) for index in range(len(header))]
        for row in cells:
            parts = [
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(row, widths, numeric, strict=True)
            ]
            sys.stdout.write(" " + "  ".join(parts).rstrip() + "\n")

    def result(self, found: Mapping[str, Any]) -> None:
        """Print the result for programs."""
        if self.as_json:
            sys.stdout.write(json.dumps(found, indent=2) + "\n")

    @contextmanager
    def progress(self, title: str) -> Generator[Callable[[Progress], None], None, None]:
        """A function that shows how far a step has come; without a terminal, it shows nothing."""
        if self.as_json:
            yield _silent
            return
        # Imported here: the extras bring it.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        if not console.is_terminal:
            yield _silent
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task(title, total=None, figures="")

            def show(progress: Progress) -> None:
                bar.update(task, completed=progress.done, total=progress.total, figures=figures(progress))

            yield show


def _silent(progress: Progress) -> None:
    pass


def figures(progress: Progress) -> str:
    """`8,400/20,391  41 %  498/s (12 s held)  ETA 0:24`."""
    text = f"{progress.done:,}"
    if progress.total:
        text += f"/{progress.total:,}  {progress.done * 100 // progress.total} %"
    text += f"  {progress.rate:,.0f}/s"
    if progress.throttled >= 1:
        text += f" ({progress.throttled:,.0f} s held)"
    if progress.eta is not None:
        minutes, seconds = divmod(int(progress.eta), _MINUTE)
        text += f"  ETA {minutes}:{seconds:02}"
    return text


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def ask(question: str, where: str) -> None:
    """Ask before documents are written to Google Cloud.

    Args:
        question: What is about to be done, as a question.
        where: On which databases; only shown to somebody who can answer.

    Raises:
        WrongUseError: Nobody is there to answer, or the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongUseError(f"{question} Nobody is there to answer: pass --yes. Nothing was written.")
    sys.stderr.write(f"{question} ({where}) [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WrongUseError("Nothing was written.")
