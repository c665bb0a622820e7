"""The whole way on the command line: plan, copy, verify, status, delta and dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cendry._command.failing import WrongUseError
from cendry_datastore._cli.verifying import share_of
from google.cloud import datastore, firestore
from migrate.conftest import Cli


def put(sdk: Any, name: str, /, **properties: Any) -> None:
    entity = datastore.Entity(sdk.key("Shop", name))
    entity.update(properties)
    sdk.put(entity)


@pytest.fixture
def native(firestore_emulator: str, project: str) -> Any:
    """The SDK's client on the target."""
    return firestore.Client(project=project)


def test_copy_verify_and_status(cli: Cli, project: str, sdk: Any, native: Any, tmp_path: Path) -> None:
    for name in "abc":
        put(sdk, name, name=name)
    assert 0 == cli("plan", "--project", project).returncode
    dry = cli("copy", "--dry-run")
    assert (0, "") == (dry.returncode, dry.stderr)
    assert dry.stdout.startswith("would copy 3  dead 0")
    assert [] == list(native.collection("Shop").stream())
    answer = cli("copy", "migration/", "--json")
    assert (0, "") == (answer.returncode, answer.stderr)
    found = json.loads(answer.stdout)
    assert (3, 0) == (found["copied"], found["dead"])
    again = cli("copy")
    assert "resuming: 1 of 1 shards done, 3 copied" == again.stdout.splitlines()[0]
    native.document("Shop/a").delete()
    put(sdk, "d", name="D")
    sdk.delete(sdk.key("Shop", "b"))
    delta = cli("delta", "--json")
    assert (0, "") == (delta.returncode, delta.stderr)
    found = json.loads(delta.stdout)
    assert (1, 0) == (found["deleted"], found["dead"])
    assert native.document("Shop/d").get().exists
    assert not native.document("Shop/b").get().exists
    state = cli("status", "--check")
    assert 1 == state.returncode
    assert "phase    copied, 1 of 1 shards done" == state.stdout.splitlines()[0]
    assert state.stdout.splitlines()[-1].startswith("can_cut_over: no: ")
    as_json = cli("status", "--json")
    assert 0 == as_json.returncode
    assert json.loads(as_json.stdout)["can_cut_over"] is False


def test_verify(cli: Cli, project: str, sdk: Any, native: Any) -> None:
    for name in "abc":
        put(sdk, name, name=name)
    assert 0 == cli("plan", "--project", project).returncode
    assert 0 == cli("copy").returncode
    proof = cli("verify")
    assert (0, "") == (proof.returncode, proof.stderr)
    assert "source 3  target 3  missing 0  extra 0  different 0" == proof.stdout.splitlines()[0]
    native.document("Shop/a").update({"name": "x"})
    native.document("Shop/b").delete()
    proof = cli("verify", "--json")
    assert 1 == proof.returncode
    found = json.loads(proof.stdout)
    assert (1, 1, 0) == (found["missing"], found["different"], found["extra"])


def test_dead_letters_are_findings(cli: Cli, project: str, sdk: Any, native: Any) -> None:
    put(sdk, "a", name="A")
    put(sdk, "b", boss=datastore.Key("Shop", 1, project="other"))
    assert 0 == cli("plan", "--project", project).returncode
    answer = cli("copy")
    assert 1 == answer.returncode
    assert answer.stdout.splitlines()[0].startswith("copied 1  dead 1")
    put(sdk, "b", boss=sdk.key("Shop", 1))
    retried = cli("retry-dead")
    assert (0, "done 1  failed 0  waiting 0\n") == (retried.returncode, retried.stdout), retried.stderr
    assert native.document("Shop/b").get().exists
    assert "dead 0" in cli("status").stdout
    repaired = cli("repair", "--json")
    assert {"done": 0, "failed": {}, "waiting": 0} == json.loads(repaired.stdout)


def test_writing_to_google_cloud_is_asked_for(cli: Cli, project: str, sdk: Any, target: Any, tmp_path: Path) -> None:
    put(sdk, "a", name="A")
    assert 0 == cli("plan", "--project", project).returncode
    key = {"FIRESTORE_EMULATOR_HOST": ""}
    mixed = cli("copy", "--yes", **key)
    assert 2 == mixed.returncode
    assert "--allow-mixed" in mixed.stderr


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.5", 0.5), ("100%", 1.0)])
def test_shares(text: str, share: float) -> None:
    assert pytest.approx(share) == share_of(text)


@pytest.mark.parametrize("text", ["0", "200%", "x", "-1"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(WrongUseError, match="--sample takes a share"):
        share_of(text)
