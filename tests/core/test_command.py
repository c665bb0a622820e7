"""What the command lines of the distributions share."""

from __future__ import annotations

import errno
import io
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from cendry._command.failing import FAILED, FINE, STOPPED, UNREAD, WRONG_USE, WrongUseError, guard, outcome_of
from cendry._command.loading import load_model, load_models, load_object
from cendry._command.printing import Printer, ask, figures
from cendry._command.starting import open_closed_streams, version_line
from cendry.errors import CendryError, InvalidDocumentIdError, JobFileError, JobStoppedError
from cendry.jobs import Progress

numbers = itertools.count()


def error_of(module: str, name: str, *bases: type[Exception]) -> type[Exception]:
    """A class like that of another package."""
    return type(name, bases or (Exception,), {"__module__": module})


UNAVAILABLE = error_of("google.api_core.exceptions", "ServiceUnavailable")
REFRESH = error_of("google.auth.exceptions", "RefreshError", error_of("google.auth.exceptions", "GoogleAuthError"))
NO_CREDENTIALS = error_of(
    "google.auth.exceptions", "DefaultCredentialsError", error_of("google.auth.exceptions", "GoogleAuthError")
)
SIGN_IN = (
    "Sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the path of a file "
    "with credentials. For an emulator, set FIRESTORE_EMULATOR_HOST."
)
NOT_FOUND = error_of("google.api_core.exceptions", "NotFound")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (KeyboardInterrupt(), STOPPED, ["stopped", "resumable: run the same command"]),
        (WrongUseError("no"), WRONG_USE, ["no"]),
        (JobFileError.missing("plan.json"), WRONG_USE, ["plan.json does not exist in the directory of this job."]),
        (JobStoppedError("copy", 3), STOPPED, None),
        (InvalidDocumentIdError("document id", "x", "no"), WRONG_USE, None),
        (UNAVAILABLE("503"), STOPPED, ["ServiceUnavailable: 503", "p/d", "resumable: run the same command"]),
        (REFRESH("again"), STOPPED, ["RefreshError: again", "p/d", "resumable: run the same command"]),
        (NO_CREDENTIALS("None found."), WRONG_USE, [f"None found. {SIGN_IN}"]),
        (NO_CREDENTIALS("Not JSON.", ValueError("x")), WRONG_USE, [f"Not JSON. {SIGN_IN}"]),
        (NO_CREDENTIALS(), WRONG_USE, [f"There are no credentials. {SIGN_IN}"]),
        (NOT_FOUND("The database d"), WRONG_USE, ["The database d", "p/d: check --project and --database."]),
        (NOT_FOUND("x"), FAILED, ["NotFound: x", "--debug shows where it was raised"]),
        (OSError(errno.ENOSPC, "full", "here"), STOPPED, ["here: " + os.strerror(errno.ENOSPC), None]),
        (OSError(errno.EROFS, "full"), STOPPED, ["A file: " + os.strerror(errno.EROFS), None]),
        (OSError("Project unknown."), WRONG_USE, ["Project unknown. Pass --project, or set GOOGLE_CLOUD_PROJECT."]),
        (OSError("Other"), FAILED, ["OSError: Other", None]),
        (CendryError("no"), FAILED, ["no"]),
        (ValueError(), FAILED, ["ValueError: ValueError", None]),
    ],
)
def test_exit_codes(error: BaseException, code: int, lines: list[str | None] | None) -> None:
    found, printed = outcome_of(error, "p/d")
    assert code == found
    for expected, line in zip(lines or [], printed, strict=bool(lines)):
        assert expected in (None, line)


def test_a_place_that_is_not_known_is_not_printed() -> None:
    assert (STOPPED, ["ServiceUnavailable: 503", "resumable: run the same command"]) == outcome_of(
        UNAVAILABLE("503"), ""
    )
    assert (WRONG_USE, ["The database d", "Check --project."]) == outcome_of(NOT_FOUND("The database d"), "")


def ended(work: Callable[[], int], **options: Any) -> int:
    with pytest.raises(SystemExit) as caught:
        guard(work, **options)
    return int(str(caught.value.code))


def test_a_command_exits_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def refuse() -> int:
        raise WrongUseError("not so")

    def die() -> int:
        signal.raise_signal(signal.SIGTERM)
        return FINE

    assert FINE == ended(lambda: FINE)
    assert WRONG_USE == ended(refuse)
    assert STOPPED == ended(die)
    assert "not so\nstopped\nresumable: run the same command\n" == capsys.readouterr().err
    assert WRONG_USE == ended(refuse, debug=True)
    assert "Traceback" in capsys.readouterr().err
    assert before == signal.getsignal(signal.SIGTERM)


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_that_can_not_be_printed_keeps_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise WrongUseError("not so")

    monkeypatch.setattr(sys, "stderr", Full())
    assert WRONG_USE == ended(refuse)
    assert WRONG_USE == ended(refuse, debug=True)


def test_a_process_without_streams_has_some_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("stdin", "stdout", "stderr")
    opened = []
    for closed in (names[:2], names[2:]):
        kept = {name: io.StringIO() for name in names if name not in closed}
        for name in names:
            monkeypatch.setattr(sys, name, kept.get(name))
        open_closed_streams()
        assert kept == {name: getattr(sys, name) for name in kept}
        opened += [getattr(sys, name) for name in closed]
    read, *written = opened
    assert "" == read.read()
    for stream in written:
        print("nowhere", file=stream, flush=True)
    for stream in opened:
        stream.close()


def test_versions() -> None:
    try:
        core = version("cendry-core")
    except PackageNotFoundError:
        # Where its sources are on the path alone.
        core = "(not installed)"
    assert f"cendry-core {core} (cendry-core {core})" == version_line("cendry-core")
    assert f"cendry-nowhere (not installed) (cendry-core {core})" == version_line("cendry-nowhere")


PRINTS = """
import sys
from cendry._command.failing import guard

def work():
    for number in range(int(sys.argv[1])):
        print(number)
    return 0

guard(work)
"""


@pytest.mark.parametrize("lines", [1, 100_000], ids=["while the output waits", "while it is printed"])
def test_output_that_nobody_reads_any_more_is_no_failure(lines: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", PRINTS, str(lines)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with os.fdopen(writing, "wb") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False, env=environment)
    assert (141, b"") == (ended.returncode, ended.stderr)


def test_output_that_waits_is_printed_before_the_exit_code_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert UNREAD == ended(lambda: output.write("never read") and FINE)
    assert "" == capsys.readouterr().err


MODELS = """

from cendry import Field, Map, Model

class Part(Map):
    name: Field[str]

class City(Model, collection="cities"):
    name: Field[str]

class Shop(Model, collection="shops"):
    name: Field[str]

class Base(Model, abstract=True):
    name: Field[str]

number = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Makes a module in the working directory, and returns its name."""
    made: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])

    def make(source: str) -> str:
        made.append(f"commands_module_{next(numbers)}")
        (tmp_path / f"{made[-1]}.py").write_text(source)
        return made[-1]

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_models_by_their_names(module: Callable[[str], str]) -> None:
    name = module(MODELS)
    assert ["City", "Shop"] == [each.__name__ for each in load_models([name])]
    assert ["Shop", "City"] == [each.__name__ for each in load_models([f"{name}:Shop,City", f"{name}:City"])]
    assert "City" == load_model(f"{name}:City").__name__
    assert 5 == load_object(f"{name}:number")
    for spec, expected in {
        f"{name}:Base": f"{name}:Base is not a Cendry model",
        f"{name}:Part": f"{name}:Part is not a Cendry model",
        f"{name}:number": f"{name}:number is not a Cendry model",
        f"{name}:Cty": f"{name} has no 'Cty'. Did you mean 'City'?",
        # What it may mean is a model.
        f"{name}:numbers": f"{name} has no 'numbers'.",
        f"{name}:City,": f"{name} has no ''.",
        f"{name}": f"{name} names 2 models (City, Shop); name one: {name}:NAME.",
        ":City": "The name of a module is missing: write MODULE or MODULE:NAME.",
    }.items():
        with pytest.raises(WrongUseError) as caught:
            load_model(spec)
        assert expected == str(caught.value)
    for spec, expected in {
        name: f"{name} names no function: write MODULE:NAME.",
        f"{name}:nothing": f"{name} has no 'nothing'.",
        f"{name}:nummber": f"{name} has no 'nummber'. Did you mean 'number'?",
        f"{name}:City.nme": f"{name}:City has no 'nme'. Did you mean 'name'?",
    }.items():
        with pytest.raises(WrongUseError) as caught:
            load_object(spec)
        assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 / 0", "NAME raised ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "NAME raised SystemExit: 3"),
        ("import nowhere_at_all", "NAME raised ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("", "NAME has no Cendry models"),
    ],
)
def test_a_module_that_can_not_be_used(module: Callable[[str], str], source: str, expected: str) -> None:
    name = module(source)
    with pytest.raises(WrongUseError) as caught:
        load_models([name])
    assert expected.replace("NAME", name) == str(caught.value)


def test_the_error_of_a_module_propagates_where_it_is_looked_for(module: Callable[[str], str]) -> None:
    with pytest.raises(ZeroDivisionError):
        load_models([module("1 / 0")], debug=True)


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        printer = Printer(as_json=as_json)
        printer.line("text")
        printer.table(("name", "count"), [("a", 1_000), ("long name", 2)])
        printer.table(("name",), [])
        printer.result({"a": 1})
        with printer.progress("work") as show:
            show(Progress(1, 2, 3.0, 0.0, None, "work"))
    lines = ["text", " name       count", " a          1,000", " long name      2", " name", "{", '  "a": 1', "}"]
    printed = capsys.readouterr()
    assert (lines, "") == (printed.out.splitlines(), printed.err)


class Terminal(io.StringIO):
    """A terminal, and what somebody types."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich is not installed; the extras of the command lines have it")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with Printer(as_json=False).progress("work") as show:
        show(Progress(1_000, 2_000, 498.0, 12.0, 24.0, "work"))
    assert "1,000/2,000  50 %  498/s (12 s held)  ETA 0:24" in terminal.getvalue()


def test_figures() -> None:
    assert "5  0/s" == figures(Progress(5, None, 0.0, 0.0, None, "x"))


@pytest.mark.parametrize("answer", ["y\n", "YES\n", "n\n", "\n", ""])
def test_a_question(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", terminal)
    if answer.lower().startswith("y"):
        ask("write?", "on Google Cloud")
    else:
        with pytest.raises(WrongUseError, match=r"^Nothing was written\.$"):
            ask("write?", "on Google Cloud")
    assert "write? (on Google Cloud) [y/N] " == terminal.getvalue()


def test_nobody_is_there_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(WrongUseError) as caught:
        ask("write?", "on Google Cloud")
    assert "write? Nobody is there to answer: pass --yes. Nothing was written." == str(caught.value)
