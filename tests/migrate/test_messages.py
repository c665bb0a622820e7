"""What the command line says about bad input: each message of it, with its exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cendry._command.failing import outcome_of
from cendry.jobs import open_store
from cendry_datastore.migrate import Plan, Source, Target, plan
from cendry_datastore.migrate._plan import moment_of
from cendry_datastore.migrate.admin import DATASTORE_MODE, NATIVE, DatabaseFacts
from cendry_datastore.migrate.errors import DatabaseCallError, UnknownModeError, WrongModeError
from cendry_datastore.migrate.files import write_plan
from cendry_datastore.migrate.values import Place
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from google.cloud import datastore
from migrate.conftest import Cli


def put(sdk: Any, name: str) -> None:
    entity = datastore.Entity(sdk.key("Shop", name))
    entity["name"] = name
    sdk.put(entity)


@pytest.fixture
def planned(sdk: Any, source: Source, target: Target, tmp_path: Path) -> Plan:
    """A plan for one entity, in `migration/`."""
    put(sdk, "a")
    made = plan(source, target)
    write_plan(open_store(tmp_path / "migration"), made)
    return made


def test_a_database_in_the_wrong_mode(project: str) -> None:
    error = WrongModeError(Place(project), DATASTORE_MODE, "target", NATIVE)
    expected = f"{project}/(default) is in Datastore mode; the target must be in Native mode. Nothing was written."
    assert (2, [expected]) == outcome_of(error, "")


def test_a_mode_that_is_not_known(project: str) -> None:
    error = UnknownModeError(Place(project), "source", DATASTORE_MODE, "403 no")
    code, [text] = outcome_of(error, "")
    assert 3 == code
    assert f"The mode of {project}/(default) is not known; the source must be in Datastore mode." in text
    assert "Google Cloud answered: 403 no" in text


def test_with_recovery_the_moment_is_a_whole_minute(source: Source) -> None:
    moment = moment_of(source, DatabaseFacts(DATASTORE_MODE, True))
    assert (0, 0) == (moment.second, moment.microsecond)


def test_state_of_another_plan(cli: Cli, planned: Plan, tmp_path: Path) -> None:
    assert 0 == cli("copy").returncode
    path = tmp_path / "migration/plan.json"
    path.write_text(path.read_text().replace(planned.id, "0" * 26))
    answer = cli("copy")
    assert 2 == answer.returncode
    assert "belongs to plan" in answer.stderr
    assert "use a fresh directory, or the plan it was made with" in answer.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{\n"format": 1,\n', "plan.json can't be read (line 3: "),
        ('{"format": 2}', "it is format 2, this version reads 1"),
        ("[]", "plan.json can't be read (line 1: expected an object, found [])"),
    ],
)
def test_files_that_cannot_be_read(cli: Cli, tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "migration").mkdir()
    (tmp_path / "migration/plan.json").write_text(content)
    answer = cli("copy", DATASTORE_EMULATOR_HOST="127.0.0.1:1", FIRESTORE_EMULATOR_HOST="127.0.0.1:1")
    assert (2, "") == (answer.returncode, answer.stdout)
    assert expected in answer.stderr


def test_a_moment_that_has_expired(cli: Cli, planned: Plan, tmp_path: Path) -> None:
    old = replace(planned, read_time=planned.read_time - timedelta(minutes=61))
    (tmp_path / "migration/plan.json").write_text(json.dumps(old.to_json()))
    answer = cli("copy")
    assert 3 == answer.returncode
    assert "is 61 min old, and point-in-time recovery is off" in answer.stderr
    assert "plan --renew" in answer.stderr
    assert 0 == cli("plan", "--renew", "migration/").returncode
    assert 0 == cli("copy").returncode


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (exceptions.Forbidden("no"), 3, ["Forbidden: 403 no", "source p/d", "resumable: run the same command"]),
        (exceptions.ServiceUnavailable("DNS"), 3, ["ServiceUnavailable: 503 DNS", "source p/d"]),
        (exceptions.ResourceExhausted("quota"), 3, ["ResourceExhausted: 429 quota", "source p/d"]),
        (RefreshError("again"), 3, ["RefreshError: again", "source p/d", "resumable: run the same command"]),
        (OSError(28, "No space left on device", "state/a"), 3, ["state/a: No space left on device"]),
        (OSError("Project was not passed"), 2, ["Project was not passed Pass --project, or set GOOGLE_CLOUD_PROJECT."]),
        (KeyboardInterrupt(), 3, ["stopped", "resumable: run the same command"]),
        (ZeroDivisionError("x"), 4, ["ZeroDivisionError: x", "--debug shows where it was raised"]),
    ],
)
def test_errors_of_others(error: BaseException, code: int, expected: list[str]) -> None:
    found, lines = outcome_of(error, "source p/d")
    assert (code, expected) == (found, lines[: len(expected)])


@pytest.mark.parametrize(
    ("side", "variable"), [(Source, "DATASTORE_EMULATOR_HOST"), (Target, "FIRESTORE_EMULATOR_HOST")]
)
def test_a_side_without_credentials(
    side: type[Source] | type[Target], variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(variable, raising=False)
    key = str(tmp_path / "absent.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key)
    with pytest.raises(DatabaseCallError) as caught:
        side(project="p", database="d").client  # noqa: B018 - opens it
    assert (False, DefaultCredentialsError) == (caught.value.resumable, type(caught.value.__cause__))
    assert (
        f"p/d: File {key} was not found. Sign in with `gcloud auth application-default login`, or set "
        f"GOOGLE_APPLICATION_CREDENTIALS to the path of a file with credentials. For an emulator, set {variable}."
    ) == str(caught.value)


def test_no_connection(cli: Cli) -> None:
    answer = cli("infer", "Shop", "--project", "p", DATASTORE_EMULATOR_HOST="127.0.0.1:1")
    assert (3, "") == (answer.returncode, answer.stdout)
    assert "p/(default): " in answer.stderr
    assert "resumable: run the same command" in answer.stderr
    assert "Traceback" not in answer.stderr
