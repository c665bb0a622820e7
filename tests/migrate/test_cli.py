"""The command line, in a process of its own, on real emulators."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from google.cloud import datastore
from migrate.conftest import Cli, environment_of

MODELS = """
from datetime import date
from cendry import Field, Map, Model, field

class Address(Map):
    city: Field[str]

class Account(Model, collection="Account"):
    name: Field[str]
    born: Field[date | None] = field(default=None)

class Shop(Model, collection="Shop"):
    address: Field[Address]
"""


def put(sdk: Any, kind: str, name: str | int, /, **properties: Any) -> None:
    entity = datastore.Entity(sdk.key(kind, name))
    entity.update(properties)
    sdk.put(entity)


@pytest.fixture
def models(tmp_path: Path) -> str:
    """A module with models in the working directory."""
    (tmp_path / "models.py").write_text(MODELS.replace("date | None", "date"))
    return "models"


@pytest.fixture
def seeded(sdk: Any) -> None:
    """Entities that fit models, and others that don't."""
    put(sdk, "Account", "a/b", name="Ada")
    put(sdk, "Account", 12, name="Bob", born="yesterday", boss=datastore.Key("Account", 1, project="other"))
    put(sdk, "Shop", "s", **{"address.city": "Rome"})
    put(sdk, "Old", 1, x=1)


def test_validate(any_datastore: str, cli: Cli, project: str, models: str, seeded: None, tmp_path: Path) -> None:
    answer = cli("validate", models, "--project", project)
    born = "born: expected date (stored as a datetime at midnight UTC), found str (1: Account/__id12__)"
    assert (1, "") == (answer.returncode, answer.stderr)
    assert [
        " kind     entities  model    fits  problems",
        f" Account         2  Account  1     1  {born}",
        " Old             1  none     -     no model",
        " Shop            1  Shop     0     1  address: stored in parts (address.city): use --ndb (1: Shop/s)",
        "Traps",
        "  key into another project  1 (Account.boss)",
        "  name that Native mode must escape  1 ('a/b')",
        "2 entities don't fit. Full report: migration/validate.json",
    ] == answer.stdout.splitlines()
    as_json = cli("validate", models, "here", "--project", project, "--json")
    assert 1 == as_json.returncode
    found = json.loads(as_json.stdout)
    assert found == json.loads((tmp_path / "here/validate.json").read_text())
    assert {"kind": "Account", "entities": 2, "model": "Account", "fits": 1, "problems": 1} == found["kinds"][0]


def test_validate_finds_nothing(cli: Cli, project: str, models: str, sdk: Any) -> None:
    put(sdk, "Account", 1, name="Ada")
    answer = cli("validate", f"{models}:Account", "--project", project)
    assert (0, "") == (answer.returncode, answer.stderr)
    assert "All entities that have a model fit it. Full report: migration/validate.json" in answer.stdout


def test_validate_a_sample(cli: Cli, project: str, models: str, seeded: None) -> None:
    answer = cli("validate", models, "--project", project, "--sample", "1", "--json")
    assert [1, 1, 1] == [each["entities"] for each in json.loads(answer.stdout)["kinds"]]


def test_infer(cli: Cli, project: str, seeded: None) -> None:
    answer = cli("infer", "Account", "--project", project)
    assert (0, "") == (answer.returncode, answer.stderr)
    assert 'class Account(Model, collection="Account"):\n    # inferred from 2 entities\n' in answer.stdout
    ast.parse(answer.stdout)
    nothing = cli("infer", "Nothing", "--project", project)
    assert (2, "") == (nothing.returncode, nothing.stdout)
    assert f"There are no entities of kind 'Nothing' in {project}/(default)" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["validate", "empty"], 2, "empty has no Cendry models\n"),
        (["validate", "broken"], 2, "broken raised ZeroDivisionError: division by zero\n"),
        (["validate", "absent"], 2, "absent raised ModuleNotFoundError: No module named 'absent'\n"),
        (["validate", "models:City"], 2, "models has no 'City'.\n"),
        (["validate", "models:Acount"], 2, "models has no 'Acount'. Did you mean 'Account'?\n"),
        (["validate", "models", "--namespace", "a b"], 2, "'a b' is not a valid namespace"),
        (["throttle"], 2, "throttle takes one of --rate N, --pause and --resume."),
        (["throttle", "--pause"], 2, "migration/ has no plan.json. Make a plan first"),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["validate"], 2, "Missing argument 'MODELS'"),
    ],
)
def test_wrong_use(cli: Cli, models: str, tmp_path: Path, arguments: Sequence[str], code: int, expected: str) -> None:
    (tmp_path / "empty.py").write_text("from cendry import Model\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    answer = cli(*arguments, DATASTORE_EMULATOR_HOST="127.0.0.1:1", GOOGLE_CLOUD_PROJECT="p")
    assert (code, "") == (answer.returncode, answer.stdout)
    assert expected in answer.stderr
    assert "Traceback" not in answer.stderr


def test_debug_shows_where_an_error_was_raised(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    answer = cli("validate", "broken", "--debug", DATASTORE_EMULATOR_HOST="127.0.0.1:1", GOOGLE_CLOUD_PROJECT="p")
    assert "Traceback" in answer.stderr
    assert "broken.py" in answer.stderr


def test_throttle(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "migration").mkdir()
    (tmp_path / "migration/plan.json").write_text("{}")
    assert (0, "running, at most 200 documents per second\n") == code_and_text(cli("throttle", "--rate", "200"))
    assert (0, "paused, at most 200 documents per second\n") == code_and_text(cli("throttle", "migration/", "--pause"))
    answer = cli("throttle", "--resume", "--json")
    assert {"rate": 200.0, "paused": False} == json.loads(answer.stdout)


def code_and_text(answer: Any) -> tuple[int, str]:
    return answer.returncode, answer.stdout


def test_each_command_is_summed_up_on_one_line(cli: Cli) -> None:
    answer = cli("--help", COLUMNS="80")
    assert (0, "") == (answer.returncode, answer.stderr)
    summaries = answer.stdout.partition("Commands:\n")[2].splitlines()
    assert 10 == len(summaries)
    assert [] == [line for line in summaries if line.endswith("...") or not line.endswith(".") or len(line) > 80]


def test_versions(cli: Cli) -> None:
    answer = cli("--version")
    expected = f"cendry-datastore {version('cendry-datastore')} (cendry-core {version('cendry-core')})\n"
    assert (0, expected, "") == (answer.returncode, answer.stdout, answer.stderr)


def test_missing_credentials_are_wrong_use(cli: Cli, tmp_path: Path) -> None:
    key = str(tmp_path / "absent.json")
    answer = cli("infer", "Shop", "--project", "p", DATASTORE_EMULATOR_HOST=None, GOOGLE_APPLICATION_CREDENTIALS=key)
    assert (2, "") == (answer.returncode, answer.stdout)
    assert (
        f"p/(default): File {key} was not found. Sign in with `gcloud auth application-default login`, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to the path of a file with credentials. For an emulator, set "
        "DATASTORE_EMULATOR_HOST.\n"
    ) == answer.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes standard streams as shells of POSIX do")
@pytest.mark.parametrize(
    ("streams", "arguments", "code"),
    [(">&-", ["throttle", "--pause"], 0), ("2>&-", ["status", "absent"], 2), ("<&- >&- 2>&-", ["copy"], 2)],
)
def test_a_command_without_standard_streams(tmp_path: Path, streams: str, arguments: Sequence[str], code: int) -> None:
    (tmp_path / "migration").mkdir()
    (tmp_path / "migration/plan.json").write_text("{}")
    command = [sys.executable, "-m", "cendry_datastore.cli", *arguments]
    answer = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command],
        cwd=tmp_path,
        env=environment_of({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (code, "", "") == (answer.returncode, answer.stdout, answer.stderr)
