"""The command line as people meet it: on a terminal, stopped by signals, with wrong input, and its help."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from cendry.jobs import Pace, open_store, write_pace
from cendry_datastore.migrate import Plan, Source, Target, copy, plan
from cendry_datastore.migrate.files import write_plan
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from migrate.conftest import ROOT, Cli, environment_of
from migrate.seeding import entity, put

PATIENCE = 120.0
COMMANDS = ["copy", "delta", "infer", "plan", "repair", "retry-dead", "status", "throttle", "validate", "verify"]


class Terminal:
    """A command whose standard input and error are a terminal.

    Args:
        directory: Where it runs.
        arguments: Its arguments.
        environment: Variables of its environment.
    """

    def __init__(self, directory: Path, arguments: Sequence[str], environment: Mapping[str, str | None]) -> None:
        self.shown = ""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cendry_datastore.cli", *arguments],
            cwd=directory,
            env=environment_of({"TERM": "xterm", **environment}),
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            text=True,
        )
        os.close(slave)

    def read(self, until: str = "") -> str:
        """What it shows until some text, or until its end."""
        ends = time.monotonic() + PATIENCE
        while not (until and until in self.shown):
            ready, _, _ = select.select([self._master], [], [], max(0.0, ends - time.monotonic()))
            assert ready, f"it shows nothing more after {self.shown!r}"
            try:
                data = os.read(self._master, 4096)
            except OSError:
                # Linux says so where nobody has the other end any more.
                data = b""
            if not data:
                assert not until, f"it has ended, and shows {self.shown!r}"
                break
            self.shown += data.decode()
        return self.shown

    def write(self, text: str) -> None:
        """Type something."""
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str]:
        """Its exit code and its standard output, once it has ended."""
        self.read()
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed

    def close(self) -> None:
        """Leave nothing behind."""
        with self.process:
            self.process.kill()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    """Runs a command on a terminal."""
    opened: list[Terminal] = []

    def run(*arguments: str, **environment: str | None) -> Terminal:
        opened.append(Terminal(tmp_path, arguments, environment))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


@pytest.fixture
def planned(sdk: Any, source: Source, target: Target, tmp_path: Path) -> Plan:
    """A plan for some entities, in `migration/`."""
    put(sdk, [entity(sdk, "Shop", number + 1, n=number) for number in range(20)])
    made = plan(source, target)
    write_plan(open_store(tmp_path / "migration"), made)
    return made


@pytest.fixture
def credentials(tmp_path: Path) -> str:
    """The file of a service account that no server knows."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": text,
        "client_email": "nobody@example.com",
        "client_id": "1",
        "token_uri": "http://127.0.0.1:1/token",
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account))
    return str(path)


@pytest.mark.parametrize("answer", ["", "yes"])
def test_the_question_before_google_cloud_is_written(
    terminal: Any, planned: Plan, credentials: str, project: str, answer: str
) -> None:
    host = os.environ["DATASTORE_EMULATOR_HOST"]
    variables = {"FIRESTORE_EMULATOR_HOST": None, "GOOGLE_APPLICATION_CREDENTIALS": credentials}
    asked = terminal("copy", "--allow-mixed", **variables)
    where = f"(from {host} to Google Cloud)"
    assert f"write 20 documents to {project}/(default)? {where} [y/N] " == asked.read(until="[y/N] ")
    asked.write(f"{answer}\n")
    code, printed = asked.end()
    assert "" == printed
    if answer == "yes":
        # It goes on: now the mode of the target is asked for, with an account that isn't one.
        assert 3 == code
        assert f"The mode of {project}/(default) is not known; the target must be in Native mode." in asked.shown
    else:
        assert 2 == code
        assert asked.shown.endswith("Nothing was written.\r\n")


def test_nobody_is_there_to_answer(cli: Cli, planned: Plan, credentials: str, project: str) -> None:
    variables = {"FIRESTORE_EMULATOR_HOST": None, "GOOGLE_APPLICATION_CREDENTIALS": credentials}
    answer = cli("copy", "--allow-mixed", **variables)
    assert (2, "") == (answer.returncode, answer.stdout)
    question = f"write 20 documents to {project}/(default)?"
    assert f"{question} Nobody is there to answer: pass --yes. Nothing was written.\n" == answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_copy_which_goes_on_later(
    terminal: Any, planned: Plan, source: Source, target: Target, tmp_path: Path, number: signal.Signals
) -> None:
    store = open_store(tmp_path / "migration")
    write_pace(store, Pace(paused=True))
    held = terminal("copy")
    held.read(until="copy")
    held.process.send_signal(number)
    code, printed = held.end()
    assert (3, "") == (code, printed)
    # Before the first page it says `resumable`, after it how many documents are copied.
    assert "run the same command" in held.shown.lower()
    assert "Traceback" not in held.shown
    assert [] == [one for page in target.pages("Shop") for one in page]
    write_pace(store, Pace())
    assert 20 == copy(planned, state=store, source=source, target=target).copied


def test_progress_is_shown_on_a_terminal_and_not_with_json(terminal: Any, planned: Plan) -> None:
    shown = terminal("copy")
    code, printed = shown.end()
    assert (0, True) == (code, printed.startswith("copied 20  dead 0  "))
    # A bar that moves, and is gone in the end.
    assert "\x1b[" in shown.shown
    assert re.search(r"copy.*━", shown.shown)
    as_json = terminal("verify", "--json")
    code, printed = as_json.end()
    assert (0, True, "") == (code, json.loads(printed)["ok"], as_json.shown)


# --- many commands in one process ---

DRIVER = """
import contextlib, io, json, sys
from cendry_datastore._cli import commands

answers = []
for arguments in json.load(sys.stdin):
    sys.argv = ["cendry-datastore", *arguments]
    printed, errors, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        try:
            commands.run()
        except SystemExit as end:
            code = end.code
    answers.append((code, printed.getvalue(), errors.getvalue()))
print(json.dumps(answers))
"""


def answers(directory: Path, lines: Sequence[str]) -> Iterator[tuple[str, int, str, str]]:
    """Each line with its exit code, its standard output and error; nothing listens where the emulators would be."""
    hosts = dict.fromkeys(["DATASTORE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"], "127.0.0.1:1")
    answer = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=directory,
        env=environment_of({**hosts, "COLUMNS": "100"}),
        input=json.dumps([line.split() for line in lines]),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert 0 == answer.returncode, answer.stderr
    for line, (code, printed, errors) in zip(lines, json.loads(answer.stdout), strict=True):
        yield line, code, printed, errors


NO_PLAN = "empty has no plan.json. Make a plan first (cendry-datastore plan), or name the directory of one.\n"
A_FILE = "afile is a file; name the directory of a migration.\n"
WRONG = {
    **{f"{command} empty": NO_PLAN for command in ("copy", "verify", "status", "delta", "retry-dead", "repair")},
    **{f"{command} afile": A_FILE for command in ("copy", "verify", "status", "delta", "retry-dead", "repair")},
    "throttle empty --pause": NO_PLAN,
    "throttle afile --pause": A_FILE,
    "throttle --rate 1 --pause": "throttle takes one of --rate N, --pause and --resume.\n",
    "throttle --rate 0": "Invalid value for '--rate'",
    "plan --renew empty": NO_PLAN,
    "plan models afile": A_FILE,
    "validate models afile": A_FILE,
    "copy cut": "plan.json can't be read (line 2: ",
    "status cut": "plan.json can't be read (line 2: ",
    "copy gs://bucket/x": "gs://bucket/x is not a directory of this computer.\n",
    "copy --workers 0": "Invalid value for '--workers'",
    "copy --rate x": "Invalid value for '--rate'",
    "copy a b": "Got unexpected extra argument",
    "verify --sample 200%": "--sample takes a share such as 1% or 0.01, not '200%'.\n",
    "verify --ttl x": "--ttl takes KIND=FIELD, not 'x'.\n",
    "verify --models absent": "absent raised ModuleNotFoundError: No module named 'absent'\n",
    "delta --allow-deletes -1": "Invalid value for '--allow-deletes'",
    "status --waive": "Option '--waive' requires an argument",
    "repair --nope": "No such option: --nope",
    "retry-dead --nope": "No such option: --nope",
    "validate :City": "The name of a module is missing: write MODULE or MODULE:NAME.\n",
    "validate models:City": "models has no 'City'.\n",
    "validate models --sample 0": "Invalid value for '--sample'",
    "plan --price-read -1": "Invalid value for '--price-read'",
    "plan nothing --ndb": "nothing has no Cendry models\n",
    "infer": "Missing argument 'KIND'",
    "infer Shop --sample 0": "Invalid value for '--sample'",
    "nope": "No such command 'nope'",
}


def test_wrong_input_of_each_command(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "afile").touch()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "plan.json").write_text("{\n")
    (tmp_path / "nothing.py").touch()
    (tmp_path / "models.py").write_text('from cendry import Model\nclass Shop(Model, collection="Shop"): pass\n')
    assert set(COMMANDS) == {line.split()[0] for line in WRONG} - {"nope"}
    for line, code, printed, errors in answers(tmp_path, list(WRONG)):
        assert (2, "") == (code, printed), line
        assert WRONG[line] in errors, line
        assert "Traceback" not in errors, line
        assert errors.startswith(("Usage: ", "Error: ", WRONG[line])), line


def test_each_command_has_help_and_each_option_is_documented(tmp_path: Path) -> None:
    group: Any = typer.main.get_command(import_module("cendry_datastore._cli.commands").app)
    assert COMMANDS == sorted(group.commands)
    page = (ROOT / "docs/migrating/command-line.md").read_text()
    for line, code, printed, errors in answers(tmp_path, [f"{command} --help" for command in COMMANDS]):
        command = group.commands[line.split()[0]]
        assert (0, "") == (code, errors), line
        assert command.help.split("\n")[0].split(",")[0] in printed, line
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert all(option in printed for option in parameter.opts), line
                assert all(re.search(rf"[`>]{option}\b", page) for option in parameter.opts), parameter.opts
