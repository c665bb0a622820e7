"""Plans, made by the command line from real emulators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cendry import Field, Model
from cendry.indexes import to_firebase
from cendry_datastore.migrate import Plan, Source, Target, Transforms, plan
from cendry_datastore.migrate._plan import UnclearCollectionError, collections_of, draft, renew
from google.cloud import datastore
from migrate.conftest import Cli


def put(sdk: Any, kind: str, name: str | int, /, *excluded: str, **properties: Any) -> None:
    entity = datastore.Entity(sdk.key(kind, name), exclude_from_indexes=excluded)
    entity.update(properties)
    sdk.put(entity)


@pytest.fixture
def seeded(sdk: Any) -> None:
    foreign = datastore.Key("Shop", 1, project="other")
    put(sdk, "Shop", "a", "bio", bio="long", name="A", owner=foreign)
    put(sdk, "Shop", 7, "bio", "name", bio="long", name="B")
    put(sdk, "Account", 1, "tags", tags=["x"])


def test_a_raw_plan(any_datastore: str, source: Source, target: Target, seeded: None) -> None:
    made = draft(source, target)
    decided = made.plan
    assert [("Account", 1, 1, True), ("Shop", 2, 1, True)] == [
        (each.kind, each.count, len(each.shards), each.was_empty) for each in decided.kinds
    ]
    assert ("raw", (), "refuse", source.place, target.place) == (
        decided.mode,
        decided.transforms,
        decided.foreign,
        decided.source,
        decided.target,
    )
    assert {"Account": ("tags",), "Shop": ("bio",)} == made.exempt
    overrides = json.loads(to_firebase(made.indexes))["fieldOverrides"]
    assert {"collectionGroup": "Account", "fieldPath": "tags", "indexes": []} == overrides[0]
    assert [("Shop", "owner", 1)] == [(each.kind, each.field, each.count) for each in made.foreign]
    assert (3, 3, 6) == (made.estimate.reads, made.estimate.writes, made.estimate.verify_reads)
    assert decided == Plan.from_json(json.dumps(decided.to_json()))


def test_a_plan_with_transforms_of_ndb(source: Source, target: Target, sdk: Any) -> None:
    class Shop(Model, collection="Shop"):
        name: Field[str]

    put(sdk, "Shop", "a", "address.city", **{"address.city": "Rome", "name": "A"})
    made = draft(source, target, transforms=Transforms.ndb(Shop))
    assert [("address", "nest")] == [(each.field, each.do) for each in made.plan.transforms]
    assert {"Shop": ("address.city",)} == made.exempt


def test_progress_and_kinds(source: Source, target: Target, seeded: None) -> None:
    seen: list[Any] = []
    assert ["Shop"] == [each.kind for each in plan(source, target, kinds=["Shop"], on_progress=seen.append).kinds]
    assert (2, 2) == (seen[-1].done, seen[-1].total)


def test_renewing_keeps_all_but_the_moment(source: Source, target: Target, seeded: None) -> None:
    before = plan(source, target)
    after = renew(before, source)
    assert (before.id, before.kinds) == (after.id, after.kinds)
    assert before.hash in after.hashes
    assert after.read_time >= before.read_time


def test_kinds_that_cannot_be_collections() -> None:
    assert {"a/b": "ab", "c": "c"} == collections_of(["a/b", "c"], {"a/b": "ab"})
    with pytest.raises(UnclearCollectionError, match=r"Kind 'a/b' can't become a collection.*--rename a/b=NAME"):
        collections_of(["a/b"], {})
    with pytest.raises(UnclearCollectionError, match="A and B would become the same collection 'B'"):
        collections_of(["A", "B"], {"A": "B"})
    with pytest.raises(UnclearCollectionError, match="There is no kind 'C' to rename; there are: A"):
        collections_of(["A"], {"C": "D"})


def test_the_command(cli: Cli, project: str, source: Source, target: Target, seeded: None, tmp_path: Path) -> None:
    answer = cli("plan", "--project", project)
    assert (0, "") == (answer.returncode, answer.stderr)
    lines = answer.stdout.splitlines()
    assert lines[0].startswith("Read time  20")
    assert "point-in-time recovery: unknown -> the copy must end by" in lines[0]
    assert "Estimate   0.0 min at 500/50/5, 0.00 USD at list prices" == lines[1]
    indexes = "indexes to create first: not known (--index-yaml)   exemptions: 2 (migration/firestore.indexes.json)"
    assert f"Reads 3   writes 3   verify reads 6   {indexes}" == lines[2]
    assert "Refused: 1 foreign key (--foreign): Shop.owner" in lines
    stored = Plan.from_json((tmp_path / "migration/plan.json").read_bytes())
    assert 3 == stored.count
    assert 2 == len(json.loads((tmp_path / "migration/firestore.indexes.json").read_text())["fieldOverrides"])
    absent = cli("plan", "there/", "--project", project, "--kind", "Shop", "--kind", "Nope")
    assert (2, "") == (absent.returncode, absent.stdout)
    expected = f"There are no entities of kind 'Nope' in {project}/(default). Nothing was planned.\n"
    assert expected == absent.stderr
    again = cli("plan", "migration/", "--project", project)
    assert 2 == again.returncode
    assert "migration/ has a plan already" in again.stderr
    renewed = cli("plan", "--renew", "migration/", "--json")
    assert 0 == renewed.returncode, renewed.stderr
    assert stored.hash != json.loads(renewed.stdout)["hash"]


INDEXES = """
indexes:
- kind: Shop
  properties:
  - name: name
  - name: address.city
    direction: desc
- kind: Shop
  properties:
  - name: bio
"""


def test_composite_indexes(cli: Cli, project: str, sdk: Any, target: Target, tmp_path: Path) -> None:
    put(sdk, "Shop", "a", "bio", bio="long", name="A", **{"address.city": "Rome"})
    (tmp_path / "index.yaml").write_text(INDEXES)
    (tmp_path / "models.py").write_text(
        "from cendry import Field, Map, Model\n\n\nclass Address(Map):\n    city: Field[str]\n\n\n"
        'class Shop(Model, collection="Shop"):\n    address: Field[Address]\n'
    )
    arguments = ["models", "--ndb", "--rename", "Shop=shops", "--index-yaml", "index.yaml", "--project", project]
    answer = cli("plan", *arguments)
    assert (0, "") == (answer.returncode, answer.stderr)
    assert "indexes to create first: 1   exemptions: 1 (migration/firestore.indexes.json)" in answer.stdout
    fields = [{"fieldPath": "name", "order": "ASCENDING"}, {"fieldPath": "address.city", "order": "DESCENDING"}]
    assert {
        "indexes": [{"collectionGroup": "shops", "queryScope": "COLLECTION", "fields": fields}],
        "fieldOverrides": [{"collectionGroup": "shops", "fieldPath": "bio", "indexes": []}],
    } == json.loads((tmp_path / "migration/firestore.indexes.json").read_text())
    assert INDEXES == (tmp_path / "migration/index.yaml").read_text()
    assert "1 composite index of firestore.indexes.json must be READY" in cli("status").stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "index.yaml: No such file or directory\n"),
        (b"- kind: A\n  size: 1", "index.yaml, line 2: this is not an index of Datastore: size: 1 is not expected"),
        (b"\xff", "index.yaml is not UTF-8 text: invalid start byte at byte 0.\n"),
    ],
)
def test_an_index_yaml_that_can_not_be_read(cli: Cli, tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "index.yaml").write_bytes(content)
    hosts = {"DATASTORE_EMULATOR_HOST": "127.0.0.1:1", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}
    answer = cli("plan", "--index-yaml", "index.yaml", "--project", "p", **hosts)
    assert (2, "") == (answer.returncode, answer.stdout)
    assert answer.stderr.startswith(expected)


def test_two_namespaces_in_one_collection(
    cli: Cli, project: str, sdk: Any, target: Target, tmp_path: Path, firestore_emulator: str
) -> None:
    put(sdk, "K", "x", n=1)
    there = datastore.Client(project=project, namespace="ns1")
    put(there, "K", "x", n=2)
    answer = cli("plan", "--project", project, "--namespace", "ns1")
    assert (2, "") == (answer.returncode, answer.stdout)
    expected = "ns1/K and K would become the same documents (example K/x): give --namespace-as prefix\n"
    assert expected == answer.stderr
    prefixed = cli("plan", "--project", project, "--namespace", "ns1", "--namespace-as", "prefix", "--json")
    assert 0 == prefixed.returncode, prefixed.stderr
    assert [("K", "ns1_K")] == [(k["kind"], k["collection"]) for k in json.loads(prefixed.stdout)["plan"]["kinds"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ndb"], "plan --ndb needs the models"),
        (["--foreign", "drop"], "--foreign takes refuse, rewrite or string, not 'drop'."),
        (["--namespace-as", "x"], "--namespace-as takes prefix, not 'x'."),
        (["--rename", "x"], "--rename takes KIND=COLLECTION, not 'x'."),
        (["--renew"], "migration/ has no plan.json"),
    ],
)
def test_wrong_use_of_plan(cli: Cli, arguments: list[str], expected: str) -> None:
    answer = cli("plan", *arguments, DATASTORE_EMULATOR_HOST="127.0.0.1:1", GOOGLE_CLOUD_PROJECT="p")
    assert (2, "") == (answer.returncode, answer.stdout)
    assert expected in answer.stderr


def test_one_emulator_alone(cli: Cli) -> None:
    where = {"DATASTORE_EMULATOR_HOST": "127.0.0.1:1", "FIRESTORE_EMULATOR_HOST": "", "GOOGLE_CLOUD_PROJECT": "p"}
    answer = cli("plan", **where)
    assert 2 == answer.returncode
    assert "The source is an emulator (127.0.0.1:1), and the target is a database of Google Cloud" in answer.stderr
    assert "--allow-mixed" in answer.stderr
