"""Plans and proofs, and the files that hold them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cendry.errors import CendryError, JobError, JobFileError
from cendry_datastore import migrate
from cendry_datastore.migrate import (
    Difference,
    KindPlan,
    KindReport,
    Place,
    Plan,
    Problem,
    Proof,
    Report,
    Result,
    Shard,
    Transform,
    Transforms,
    TrapReport,
)
from cendry_datastore.migrate.forms import moment_text, parse_moment
from cendry_datastore.migrate.values import new_id

MOMENT = datetime(2026, 11, 28, 14, tzinfo=timezone.utc)

PLAN = Plan(
    id="01J",
    source=Place("p", namespace="ns1"),
    target=Place("p", "native"),
    read_time=MOMENT,
    mode="ndb",
    transforms=(Transform("Shop", "bio", "inflate", {"as": "text"}), Transform("Shop", "address", "nest")),
    kinds=(
        KindPlan("Shop", "shops", 2110, (Shard("Shop", 0, b"", b"\x01"), Shard("Shop", 1, b"\x01", b"")), True),
        KindPlan("A/b", "A/b", 0, (Shard("A/b", 2),)),
    ),
    tool="0.6.0",
)

TEXT = """{
  "format": 1,
  "id": "01J",
  "source": {"project": "p", "database": "(default)", "namespace": ""},
  "target": {"project": "p", "database": "native"},
  "read_time": "2026-11-28T14:00:00Z",
  "mode": "raw",
  "transforms": [],
  "kinds": [
    {"kind": "Shop", "count": 2110, "shards": [["", "0a"], ["0a", ""]]},
    {
      "kind": "Account",
      "count": 1,
      "shards": [["", ""]]
    }
  ],
  "foreign": "refuse",
  "tool": "0.6.0"
}
"""


def test_a_plan_survives_its_file() -> None:
    written = json.dumps(PLAN.to_json())

    assert PLAN == Plan.from_json(written)
    assert PLAN == Plan.from_json(written.encode())
    assert PLAN == Plan.from_json(PLAN.to_json())
    assert PLAN.hash == Plan.from_json(written).hash
    assert {"kind": "Shop", "field": "bio", "do": "inflate", "as": "text"} == PLAN.to_json()["transforms"][0]
    assert {"kind": "A/b", "count": 0, "shards": [["", ""]]} == PLAN.to_json()["kinds"][1]


def test_a_plan_written_by_hand_can_be_read() -> None:
    plan = Plan.from_json(TEXT)

    assert ("Shop", b"\n", b"") == (plan.shards[1].kind, plan.shards[1].start, plan.shards[1].end)
    assert [0, 1, 2] == [shard.number for shard in plan.shards]
    assert json.loads(TEXT) == plan.to_json()
    assert (2111, {}) == (plan.count, plan.collections)
    assert {"Shop": "shops"} == PLAN.collections


def test_a_renewed_plan_knows_the_hashes_that_it_had() -> None:
    later = MOMENT + timedelta(minutes=90, microseconds=5)
    renewed = PLAN.renew(later)

    assert (renewed.hash, PLAN.hash) == renewed.hashes
    assert renewed.hash != PLAN.hash
    assert (later, MOMENT) == (renewed.moment(renewed.hash), renewed.moment(PLAN.hash))
    assert renewed == Plan.from_json(renewed.to_json())
    with pytest.raises(KeyError):
        renewed.moment("another")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mode": "raw"', '"mode": "raw', "(line 7: invalid control character at)"),
        ('"count": 1,', '"count": "1",', '(line 13: kinds[1].count: expected an integer, found "1")'),
        ('"count": 1,', '"count": true,', "(line 13: kinds[1].count: expected an integer, found true)"),
        ('"count": 1,', '"count": -1,', "(line 13: kinds[1].count: expected a number of at least 0, found -1)"),
        ('"count": 1,', "", "(line 11: kinds[1]: there is no 'count')"),
        ('"count": 1,', '"cuont": 1,', "(line 13: kinds[1].cuont: an unknown key)"),
        ('"kind": "Account"', '"kind": "Shop"', "(line 12: kinds[1].kind: Shop is there twice)"),
        ('"kind": "Account"', '"kind": ""', "(line 12: kinds[1].kind: expected a string that is not empty)"),
        (
            '[["", ""]]',
            '[["", "0"]]',
            "(line 14: kinds[1].shards: expected [start, end], two keys in hexadecimal digits)",
        ),
        (
            '[["", ""]]',
            '[["", 1]]',
            "(line 14: kinds[1].shards: expected [start, end], two keys in hexadecimal digits)",
        ),
        ('[["", ""]]', "[3]", "(line 14: kinds[1].shards: expected [start, end], two keys in hexadecimal digits)"),
        ('[["", ""]]', "[]", "(line 14: kinds[1].shards: the last range must end with the last key)"),
        ('[["", ""]]', '[["", "0b"]]', "(line 14: kinds[1].shards: the last range must end with the last key)"),
        ('["0a", ""]', '["0b", ""]', "(line 10: kinds[0].shards: range 1 must begin where the one before it ends)"),
        (
            '["", "0a"]',
            '["", ""]',
            "(line 10: kinds[0].shards: a range that ends with the last key must be the last one)",
        ),
        ('"raw"', '"fast"', '(line 7: mode: expected one of raw, ndb, found "fast")'),
        ('"raw"', "7", "(line 7: mode: expected a string, found 7)"),
        ("14:00:00Z", "14:00", "(line 6: read_time: expected a moment such as 2026-11-28T14:00:00Z, found"),
        ('"transforms": []', '"transforms": {}', "(line 8: transforms: expected a list, found {})"),
        ('"transforms": []', '"transforms": [[]]', "(line 8: transforms[0]: expected an object, found [])"),
        ('{"project": "p", "database": "native"}', "[]", "(line 5: target: expected an object, found [])"),
        ('"format": 1', '"format": 2', "plan.json can't be read (it is format 2, this version reads 1)."),
        ('"format": 1', '"format": true', "(it is format True, this version reads 1)"),
        ('"format": 1,', "", "it names no format, this version reads 1"),
        ('"id": "01J"', '"id": "01\udcffJ"', "(line 3: it is not UTF-8)"),
    ],
)
def test_an_error_names_file_line_and_place(old: str, new: str, message: str) -> None:
    assert 1 == TEXT.count(old)
    data = TEXT.replace(old, new).encode(errors="surrogateescape")

    with pytest.raises(JobFileError) as raised:
        Plan.from_json(data)

    assert message in str(raised.value)
    assert "plan.json" == raised.value.name
    assert isinstance(raised.value, JobError)
    assert isinstance(raised.value, CendryError)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "line 1: expecting value"),
        (TEXT[:200], "line "),
        ("[1]", "line 1: expected an object, found [1]"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"format": 1}', "line 1: there is no 'source'"),
        ('{"format": 1, "x": "' + "y" * 99 + '"}', "line 1: x: an unknown key"),
        ({"format": 1, "x": 1}, "x: an unknown key"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(data: Any, message: str) -> None:
    with pytest.raises(JobFileError) as raised:
        Plan.from_json(data, "elsewhere/plan.json")

    assert str(raised.value).startswith("elsewhere/plan.json can't be read (")
    assert message in str(raised.value)


def test_moments_are_text_to_the_microsecond() -> None:
    for moment in (MOMENT, MOMENT + timedelta(microseconds=7), MOMENT.replace(microsecond=120000)):
        assert moment == parse_moment(moment_text(moment))
    assert "2026-11-28T14:00:00Z" == moment_text(MOMENT.replace(tzinfo=None))
    assert "2026-11-28T14:00:00Z" == moment_text(MOMENT.astimezone(timezone(timedelta(hours=2))))
    assert parse_moment("2026-11-28T14:00:00.5Z") == MOMENT + timedelta(seconds=0.5)
    assert parse_moment("2026-02-30T14:00:00Z") is None


def test_names_of_shards_fit_any_disk() -> None:
    assert "Shop-001" == Shard("Shop", 1).name
    assert "a%2Fb%20%C3%A9-1234" == Shard("a/b é", 1234).name
    assert len(Shard("é" * 1500, 3).name) < 130


def test_places_are_shown_in_short_words() -> None:
    assert ("p/(default)", "p/native", "p/(default)/ns1") == (
        str(Place("p")),
        str(Place("p", "native")),
        str(Place("p", namespace="ns1")),
    )
    assert "projects/p/databases/native" == Place("p", "native").name


def test_transforms_are_choices() -> None:
    class City: ...

    assert ("raw", (), {}) == (Transforms.raw().mode, Transforms.raw().models, Transforms.raw().renames)
    chosen = Transforms.ndb(City).rename({"a b": "x"}, K="ns1_K").rename(L="ns1_L")
    assert ("ndb", (City,)) == (chosen.mode, chosen.models)
    assert {"a b": "x", "K": "ns1_K", "L": "ns1_L"} == chosen.renames


def test_ids_sort_by_time() -> None:
    ids = [new_id() for _ in range(100)]
    assert {26} == set(map(len, ids))
    assert 100 == len(set(ids))
    assert sorted(one[:10] for one in ids) == [one[:10] for one in ids]
    assert ids[0][0] == "0"


PROOF = Proof(
    source=10,
    target=9,
    missing=1,
    dead=1,
    differences=(Difference("Shop/x", "missing"), Difference("Shop/y", "different", ("a.b",))),
    plan="9c1b",
    source_time=MOMENT,
    sample=0.01,
)


def test_a_proof_survives_its_file() -> None:
    assert PROOF == Proof.from_json(json.dumps(PROOF.to_json()))
    assert Proof(3, 3) == Proof.from_json(Proof(3, 3).to_json())
    timed = Proof(3, 3, target_time=MOMENT)
    assert timed == Proof.from_json(timed.to_json())


def test_a_proof_is_ok_unless_documents_are_missing_extra_or_different() -> None:
    assert not PROOF.ok
    assert PROOF.to_json()["ok"] is False
    assert Proof(3, 2, dead=1).ok
    assert Proof(3, 3, changed=1, expired=2).ok
    assert not Proof(3, 3, extra=1).ok
    assert not Proof(3, 3, different=1).ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample": "1%"}, 'sample: expected a number or null, found "1%"'),
        ({"sample": True}, "sample: expected a number or null, found true"),
        (
            {"differences": [{"path": "a/b", "what": "extra", "fields": [1]}]},
            "differences[0].fields: expected a list of str",
        ),
        (
            {"differences": [{"path": "a/b", "what": "odd", "fields": []}]},
            "differences[0].what: expected one of missing",
        ),
        ({"missing": None}, "missing: expected an integer, found null"),
    ],
)
def test_a_damaged_proof_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(JobFileError) as raised:
        Proof.from_json({**PROOF.to_json(), **change})
    assert "verify.json can't be read" in str(raised.value)
    assert message in str(raised.value)


def test_reports_and_results_are_json() -> None:
    report = Report(
        (Problem("Account", "born", "date", "str", 5, ("Account/__id12__",)),),
        (KindReport("Account", 10, "Account", 5), KindReport("Old", 7)),
        (TrapReport("foreign", "Account", "boss", 3),),
    )
    found = json.loads(json.dumps(report.to_json()))

    assert not report.ok
    assert found["ok"] is False
    assert [5, 0] == [one["problems"] for one in found["kinds"]]
    assert ["Account/__id12__"] == found["problems"][0]["paths"]
    assert "boss" == found["traps"][0]["field"]
    assert Report((), ()).ok
    result = Result(3, 1, 0.5, MOMENT, traps={"uneven": 2})
    assert {
        "copied": 3,
        "dead": 1,
        "deleted": 0,
        "skipped": 0,
        "seconds": 0.5,
        "read_time": "2026-11-28T14:00:00Z",
        "traps": {"uneven": 2},
    } == json.loads(json.dumps(result.to_json()))


def test_the_package_names_what_it_has() -> None:
    for name in migrate.__all__:
        assert getattr(migrate, name).__doc__
    assert set(migrate.__all__) <= set(dir(migrate))
    with pytest.raises(AttributeError, match="no attribute 'Plann'"):
        migrate.Plann  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_bridge_loads_nothing_of_migrations() -> None:
    code = (
        "import sys, cendry_datastore; print([name for name in sys.modules "
        "if name.split('.')[0] in ('typer', 'rich', 'cendry_firestore', 'apache_beam') "
        "or name.startswith(('cendry_datastore.migrate', 'cendry.jobs'))])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert "[]" == run.stdout.strip()


def test_without_its_extra_the_pipelines_name_it() -> None:
    code = (
        "import sys; sys.modules['apache_beam'] = None\n"
        "import cendry_datastore.migrate as migrate; [getattr(migrate, name) for name in migrate.__all__]\n"
        "import cendry_datastore.migrate.beam"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONWARNINGS": "ignore"},
    )
    assert (
        "ModuleNotFoundError: cendry_datastore.migrate.beam needs apache_beam, which is not installed: the extra beam "
        'brings it; run `pip install "cendry-datastore[beam]"`.' == run.stderr.splitlines()[-1]
    )
