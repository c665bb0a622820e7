"""`cendry-firestore indexes`: what the commands do with files, print and exit with; nothing is sent."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cendry.indexes import Index, Need, Part, parse_indexes, to_recording
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry_firestore._cli.commands import run as run_command

MODELS: Final = """
from datetime import datetime
from cendry import Field, Model, Vector, field

class City(Model, collection="cities"):
    name: Field[str]
    population: Field[int]
    note: Field[str] = field(index=False)
    until: Field[datetime] = field(ttl=True)
    place: Field[Vector | None] = field(default=None, dimension=2)

class Other(Model, collection="cities"):
    name: Field[str] = field(index=False)

class Shop(Model, collection="shops"):
    name: Field[str]

class Text(Model, collection="texts"):
    until: Field[str] = field(ttl=True)
"""

ASCENDING: Final = "ASCENDING"
BY_NAME: Final = (DOCUMENT_ID, "ASCENDING")
NEED: Final = Need(
    "cities", "COLLECTION", frozenset({FieldPath("name")}), tail=((FieldPath("population"), "ASCENDING"), BY_NAME)
)
WANTED: Final = NEED.index.to_json()
UNUSED: Final = {**WANTED, "fields": [{"fieldPath": name, "order": "DESCENDING"} for name in ("x", "y")]}

EMPTY: Final = '{"indexes": []}\n'


class Answer:
    """What a command has printed, and its exit code."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Command = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: models, a recording of one query, and a file without indexes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "indexed_models.py").write_text(MODELS)
    (tmp_path / "recorded.json").write_text(to_recording([NEED]))
    (tmp_path / "file.json").write_text(EMPTY)
    return tmp_path


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(["indexes", *arguments])
        sys.modules.pop("indexed_models", None)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Answer(int(str(ended.value.code or 0)), printed.out, printed.err)

    return run


def process(*arguments: str) -> Answer:
    """Runs a command on indexes in a process of its own."""
    return process_of("indexes", *arguments)


def process_of(*arguments: str, shell: str = "") -> Answer:
    """Runs any command in a process of its own, or as a shell says, in which it is `"$@"`."""
    # Google's packages warn about Pythons near their end.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }
    before = ["sh", "-c", shell, "sh"] if shell else []
    found = subprocess.run(
        [*before, sys.executable, "-m", "cendry_firestore.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    return Answer(found.returncode, found.stdout, found.stderr)


POSIX: Final = pytest.mark.skipif(os.name == "nt", reason="says it in the words of POSIX shells")
RECORDED: Final = ("--recording", "recorded.json")
CITY: Final = "indexed_models:City"


# --- derive ---


def test_indexes_are_derived_from_models_and_recordings(command: Command) -> None:
    found = command("derive", CITY, *RECORDED)
    assert (0, "") == (found.code, found.stderr)
    indexes = parse_indexes(found.stdout)
    assert {Index.from_json(WANTED)} < set(indexes.indexes)
    assert ["note", "until"] == [str(each.path) for each in indexes.overrides]
    assert found.stdout == command("derive", CITY, *RECORDED, "--json").stdout
    assert [WANTED] == command("derive", *RECORDED).json["indexes"]
    assert 2 == len(command("derive", CITY).json["fieldOverrides"])


def test_indexes_are_derived_as_commands_and_as_resources(command: Command) -> None:
    place = ("--project", "p", "--database", "d")
    (line,) = command("derive", *RECORDED, "--format", "gcloud", *place).stdout.splitlines()
    assert line.startswith("gcloud firestore indexes composite create --collection-group=cities ")
    assert line.endswith("--project=p --database=d")
    assert {"commands": [line]} == command("derive", *RECORDED, "--format", "gcloud", *place, "--json").json
    text = command("derive", *RECORDED, "--format", "terraform", *place).stdout
    assert text.startswith('resource "google_firestore_index" "cities_name_population" {\n  project     = "p"\n')
    assert {"terraform": text} == command("derive", *RECORDED, "--format", "terraform", *place, "--json").json


def test_what_is_surely_wrong_is_warned_of(command: Command, folder: Path) -> None:
    backwards: Part = (DOCUMENT_ID, "DESCENDING")
    many = [Need("cities", "COLLECTION", tail=((FieldPath(f"f{n}"), "ASCENDING"), backwards)) for n in range(201)]
    (folder / "recorded.json").write_text(to_recording(many))
    found = command("derive", *RECORDED)
    assert "warning: There are 201 composite indexes, and the limit is 200 in a database without" in found.stderr
    assert 201 == len(found.json["indexes"])
    found = command("merge", "file.json", *RECORDED)
    assert (0, True) == (found.code, "warning: file.json: There are 201 composite indexes" in found.stderr)


# --- check ---


def test_a_check_fails_with_what_to_add(command: Command, folder: Path) -> None:
    found = command("check", "file.json", CITY, *RECORDED)
    assert 1 == found.code
    assert found.stdout.startswith("missing in indexes:\n  {")
    assert f"\n  {json.dumps(WANTED)}\nmissing in fieldOverrides:\n  {{" in found.stdout
    assert '"fieldPath": "note", "indexes": []}' in found.stdout
    assert "Add them: cendry-firestore indexes merge file.json indexed_models:City --recording recorded.json\n" in (
        found.stdout
    )
    found = command("check", "file.json", *RECORDED, "--json")
    assert (1, {"file": "file.json", "missing": [WANTED], "unused": [], "warnings": []}) == (found.code, found.json)
    assert EMPTY == (folder / "file.json").read_text()


def test_what_is_unused_is_told_and_is_no_error(command: Command, folder: Path) -> None:
    (folder / "file.json").write_text(json.dumps({"indexes": [WANTED, UNUSED]}))
    found = command("check", "file.json", *RECORDED)
    assert 0 == found.code
    assert "file.json serves all that is needed: 1 recorded query\n" in found.stdout
    assert f"used by no recorded query, but perhaps by other programs:\n  {json.dumps(UNUSED)}\n" in found.stdout
    assert [UNUSED] == command("check", "file.json", *RECORDED, "--json").json["unused"]


def test_without_a_recording_nothing_is_called_unused(command: Command, folder: Path) -> None:
    (folder / "file.json").write_text(json.dumps({"indexes": [UNUSED]}))
    found = command("check", "file.json", "indexed_models:Shop")
    assert (0, "file.json serves all that is needed\n", "") == (found.code, found.stdout, found.stderr)
    assert [] == command("check", "file.json", "indexed_models:Shop", "--json").json["unused"]
    (folder / "recorded.json").write_text(to_recording([]))
    assert [UNUSED] == command("check", "file.json", *RECORDED, "--json").json["unused"]
    assert "needed: 0 recorded queries\n" in command("check", "file.json", *RECORDED).stdout


def test_each_command_is_summed_up_on_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for answer in (command("--help"), process_of("--help")):
        assert (0, "") == (answer.code, answer.stderr)
        summaries = answer.stdout.partition("Commands:\n")[2].splitlines()
        assert 4 == len(summaries)
        assert [] == [line for line in summaries if line.endswith("...") or not line.endswith(".") or len(line) > 80]


@POSIX
@pytest.mark.parametrize(
    ("streams", "file", "code"), [(">&-", "file.json", 1), ("2>&-", "absent.json", 2), ("<&- >&- 2>&-", "file.json", 1)]
)
def test_a_command_without_standard_streams(folder: Path, streams: str, file: str, code: int) -> None:
    answer = process_of("indexes", "check", file, *RECORDED, shell=f'exec "$@" {streams}')
    assert (code, "", "") == (answer.code, answer.stdout, answer.stderr)


def test_the_enterprise_edition_takes_what_is_missing_for_advice(command: Command) -> None:
    found = command("check", "file.json", *RECORDED, "--edition", "enterprise")
    assert 0 == found.code
    assert f"could be added in indexes:\n  {json.dumps(WANTED)}\nThe Enterprise edition answers without" in found.stdout
    assert [WANTED] == command("check", "file.json", *RECORDED, "--edition", "enterprise", "--json").json["missing"]


def test_the_enterprise_edition_needs_times_to_live(command: Command, folder: Path) -> None:
    enterprise = ("check", "file.json", CITY, *RECORDED, "--edition", "enterprise")
    found = command(*enterprise)
    assert 1 == found.code
    missing, _, advice = found.stdout.partition("could be added in indexes:\n")
    title, entry = missing.splitlines()
    assert ("missing in fieldOverrides:", "until", True) == (
        title,
        json.loads(entry)["fieldPath"],
        json.loads(entry)["ttl"],
    )
    assert json.dumps(WANTED) in advice
    assert '"fieldPath": "note", "indexes": []}' in advice
    assert advice.endswith(
        "The Enterprise edition answers without what could be added, by reading more documents.\n"
        "Add them: cendry-firestore indexes merge file.json indexed_models:City --recording recorded.json\n"
    )
    # The indexes beside a time to live are advice again, and where all is declared, nothing is said.
    expiry = {"collectionGroup": "cities", "fieldPath": "until", "ttl": True, "indexes": []}
    (folder / "file.json").write_text(json.dumps({"indexes": [], "fieldOverrides": [expiry]}))
    found = command(*enterprise)
    assert (0, False) == (found.code, "Add them" in found.stdout)
    group = Need("cities", "COLLECTION_GROUP", frozenset({FieldPath("until")}))
    (folder / "recorded.json").write_text(to_recording([group]))
    found = command(*enterprise)
    assert (0, True) == (found.code, '"fieldPath": "until", "ttl": true' in found.stdout)
    assert 0 == command("merge", "file.json", CITY, *RECORDED).code
    found = command(*enterprise)
    assert (0, "file.json serves all that is needed: 1 recorded query\n") == (found.code, found.stdout)


def test_fields_that_the_file_indexes_and_their_model_exempts_are_warned_of(command: Command, folder: Path) -> None:
    (folder / "recorded.json").write_text(to_recording([Need("cities", "COLLECTION", frozenset({FieldPath("note")}))]))
    ascending = {"order": "ASCENDING", "queryScope": "COLLECTION"}
    override = {"collectionGroup": "cities", "fieldPath": "note", "indexes": [ascending]}
    (folder / "file.json").write_text(json.dumps({"indexes": [], "fieldOverrides": [override]}))
    found = command("check", "file.json", CITY, *RECORDED)
    assert (
        "warning: The field note of 'cities' is exempted by its model (index=False), and file.json indexes it, which a "
        "recorded query needs. Remove index=False.\n"
    ) == found.stderr


def test_exempted_fields_that_queries_use_are_warned_of(command: Command, folder: Path) -> None:
    override = {"collectionGroup": "cities", "fieldPath": "name", "indexes": []}
    (folder / "file.json").write_text(json.dumps({"indexes": [], "fieldOverrides": [override]}))
    found = command("check", "file.json", *RECORDED)
    assert "warning: The field name of 'cities' is exempted from indexes, and a recorded query filters" in found.stderr


def test_collections_of_no_model_are_warned_of_and_count(command: Command, folder: Path) -> None:
    shop = Need("shops", "COLLECTION", frozenset({FieldPath("name")}), tail=NEED.tail)
    (folder / "shops.json").write_text(to_recording([shop]))
    found = command("check", "file.json", "indexed_models:Shop", *RECORDED, "--recording", "shops.json")
    assert 2 == found.code
    (folder / "both.json").write_text(to_recording([shop, NEED]))
    found = command("check", "file.json", "indexed_models:Shop", "--recording", "both.json", "--json")
    assert (1, 2) == (found.code, len(found.json["missing"]))
    assert ["Queries on 'cities' are recorded too, and none of these models is of that collection; they count."] == (
        found.json["warnings"]
    )


# --- merge ---

HAND_WRITTEN: Final = """{
  // by hand
  "indexes": [
    {"collectionGroup": "cities", "queryScope": "COLLECTION",
     "fields": [{"fieldPath": "x", "order": "ASCENDING"}, {"fieldPath": "y", "order": "ASCENDING"}]}
  ],
  "fieldOverrides": [{"collectionGroup": "cities", "fieldPath": "z", "ttl": true, "indexes": []}]
}
"""


def test_a_merge_adds_in_place_and_keeps_the_rest(command: Command, folder: Path) -> None:
    file = folder / "file.json"
    file.write_bytes(b"\xef\xbb\xbf" + HAND_WRITTEN.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    (folder / "link.json").symlink_to(file)
    found = command("merge", "link.json", *RECORDED)
    assert 0 == found.code
    assert f"link.json: 1 added, 0 removed\n  + {json.dumps(WANTED)}\n" == found.stdout
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf{\r\n  // by hand\r\n")
    assert (0o640, True) == (file.stat().st_mode & 0o777, (folder / "link.json").is_symlink())
    assert WANTED in [each.to_json() for each in parse_indexes(raw.decode("utf-8-sig")).indexes]
    assert 0 == command("check", "file.json", *RECORDED).code
    assert "link.json: unchanged\n" == command("merge", "link.json", *RECORDED).stdout
    assert raw == file.read_bytes()
    assert ["file.json", "indexed_models.py", "link.json", "recorded.json"] == sorted(
        path.name for path in folder.iterdir() if path.is_file()
    )


@POSIX
def test_a_file_that_can_not_be_written_stays_as_it_is(folder: Path) -> None:
    file = folder / "file.json"
    # The disk has no room for more than half a KiB, or one KiB, as the shell counts.
    content = json.dumps({"indexes": [WANTED] * 10})
    file.write_text(content)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    answer = process_of("indexes", "merge", "file.json", CITY, *RECORDED, shell='ulimit -f 1 && exec "$@"')
    assert (3, "") == (answer.code, answer.stdout)
    assert (
        f"file.json can't be written: {os.strerror(errno.EFBIG)}. It is unchanged: mend this, and run the same command "
        "again.\n"
    ) == answer.stderr
    assert (content, names) == (file.read_text(), sorted(path.name for path in folder.iterdir() if path.is_file()))


def test_a_merge_prunes_composite_indexes_alone(command: Command, folder: Path) -> None:
    file = folder / "file.json"
    file.write_text(HAND_WRITTEN)
    found = command("merge", "file.json", *RECORDED, "--prune")
    assert (2, HAND_WRITTEN) == (found.code, file.read_text())
    assert "remove this index from file.json? Nobody is there to answer: pass --yes. Nothing was" in found.stderr
    found = command("merge", "file.json", *RECORDED, "--prune", "--yes", "--json")
    assert (0, 1) == (found.code, len(found.json["removed"]))
    assert ([WANTED], []) == (found.json["added"], found.json["warnings"])
    indexes = parse_indexes(file.read_text())
    assert [WANTED] == [each.to_json() for each in indexes.indexes]
    assert ["z"] == [str(each.path) for each in indexes.overrides]
    assert "// by hand" in file.read_text()
    file.write_text(json.dumps({"indexes": [UNUSED, {**UNUSED, "collectionGroup": "d"}]}))
    assert "remove these 2 indexes from file.json?" in command("merge", "file.json", *RECORDED, "--prune").stderr
    # Nobody has to be asked when nothing is removed.
    file.write_text(EMPTY)
    assert 0 == command("merge", "file.json", *RECORDED, "--prune").code
    found = command("merge", "file.json", CITY, "--prune", "--yes")
    assert (2, "--prune removes what no recorded query uses, and none is recorded: pass --recording FILE.\n") == (
        found.code,
        found.stderr,
    )


def test_conflicts_leave_the_file_untouched(command: Command, folder: Path) -> None:
    exempted = Need("cities", "COLLECTION", frozenset({FieldPath("note")}))
    (folder / "recorded.json").write_text(to_recording([exempted]))
    text = "conflict: A query needs an index of the field note of 'cities', and its model exempts it (index=False). "
    for arguments in (("merge", "file.json"), ("check", "file.json"), ("derive",)):
        found = command(*arguments, CITY, *RECORDED)
        assert (1, "", True) == (found.code, found.stdout, found.stderr.startswith(text))
        found = command(*arguments, "indexed_models:City,Other", *RECORDED, "--json")
        assert 1 == found.code
        assert found.json["conflict"].startswith("City and Other are of one collection, 'cities', and declare index=")
    override = {"collectionGroup": "cities", "fieldPath": "until", "ttl": False, "indexes": []}
    content = json.dumps({"indexes": [], "fieldOverrides": [override]})
    (folder / "file.json").write_text(content)
    found = command("merge", "file.json", CITY)
    assert (1, content) == (found.code, (folder / "file.json").read_text())
    assert found.stderr.startswith("conflict: file.json ends the time to live in the field until of 'cities', and")


# --- from Datastore mode ---

YAML: Final = """indexes:
- kind: City
  properties:
  - name: name
  - name: population
    direction: desc
"""


def test_indexes_of_datastore_mode_are_translated(command: Command, folder: Path) -> None:
    (folder / "index.yaml").write_text(YAML)
    (index,) = command("from-datastore", "index.yaml").json["indexes"]
    assert ("City", ["name", "population"]) == (
        index["collectionGroup"],
        [field["fieldPath"] for field in index["fields"]],
    )
    renamed = ("from-datastore", "index.yaml", "--collection", "City=cities")
    assert "cities" == command(*renamed).json["indexes"][0]["collectionGroup"]
    assert "--collection-group=cities" in command(*renamed, "--format", "gcloud").stdout
    found = command(*renamed, "--collection", "Shop=shops", "--collection", "city=towns")
    assert (0, "cities") == (found.code, found.json["indexes"][0]["collectionGroup"])
    assert [
        f"warning: index.yaml has no index of the kind {kind!r}, which --collection names." for kind in ("Shop", "city")
    ] == found.stderr.splitlines()
    assert "" == command(*renamed).stderr
    found = command("from-datastore", "index.yaml", "--collection", "City")
    assert (2, "--collection takes KIND=COLLECTION, not 'City'.\n") == (found.code, found.stderr)


# --- bad input ---

TWO_VECTORS: Final = {
    **WANTED,
    "fields": [{"fieldPath": name, "vectorConfig": {"dimension": 2, "flat": {}}} for name in ("a", "b")],
}


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (("check", "file.json"), "{", "file.json, line 1: this is not JSON: Expecting property name enclosed in dou"),
        (("merge", "file.json"), '{"rules": 1}', "The declared indexes (file.json) have no list named 'indexes'."),
        (
            ("merge", "file.json"),
            '{"indexes": [\n' + json.dumps(TWO_VECTORS) + "]}",
            "Index 0 of the declared indexes (file.json, line 2) is not of its form: it has two vectors, and Firestore "
            "takes one.",
        ),
        (
            ("check", "firestore.indexes.json"),
            None,
            "firestore.indexes.json: No such file or directory. `cendry-firestore indexes derive` prints a new one.",
        ),
        (
            ("check", "file.json", "indexed_models:Shop"),
            EMPTY,
            "recorded.json is a recording of other models: its queries are on 'cities', and the models on 'shops'. "
            "Name the modules of all models, or record the tests of these.",
        ),
        (
            ("check", "file.json", "--recording", "file.json"),
            EMPTY,
            "file.json is not a recording of queries, as pytest --cendry-record-indexes writes it: it has no format",
        ),
    ],
    ids=["no JSON", "another shape", "two vectors", "no file", "other models", "no recording"],
)
def test_bad_input_is_told_before_anything_is_written(
    folder: Path, arguments: tuple[str, ...], content: str | None, message: str
) -> None:
    file = folder / "file.json"
    if content is not None:
        file.write_text(content)
    found = process(*arguments, *RECORDED)
    assert (2, "") == (found.code, found.stdout)
    assert found.stderr.startswith(message)
    assert 1 == found.stderr.count("\n")
    assert content is None or content == file.read_text()


def test_the_same_index_twice_is_warned_of(folder: Path) -> None:
    named = {**WANTED, "fields": [*WANTED["fields"], {"fieldPath": "__name__", "order": "ASCENDING"}]}
    content = json.dumps({"indexes": [WANTED, named]})
    (folder / "file.json").write_text(content)
    found = process("merge", "file.json", *RECORDED)
    assert (0, "file.json: unchanged\n", content) == (found.code, found.stdout, (folder / "file.json").read_text())
    assert f"warning: file.json: An index is declared twice: {json.dumps(WANTED)}.\n" == found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "file.json"), "Name the models, app.models, or a recording of their queries, --recording FILE."),
        (("derive",), "Name the models, app.models, or a recording"),
        (("derive", "nothing_there"), "nothing_there raised ModuleNotFoundError"),
        (("derive", "indexed_models:Text"), "Text.until can't be a time to live (ttl=True): it is not a datetime."),
        (("derive", "--recording", "binary"), "binary is not a recording of queries, as pytest"),
        (("check", "binary", *RECORDED), "binary is not text in UTF-8."),
        (("merge", "missing/file.json", *RECORDED), "missing/file.json: No such file or directory."),
        (("from-datastore", "file.json"), "file.json, line 1: this is not an index of Datastore"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_told(command: Command, folder: Path, arguments: tuple[str, ...], message: str) -> None:
    (folder / "binary").write_bytes(b"\xff")
    found = command(*arguments)
    assert (2, "") == (found.code, found.stdout)
    assert found.stderr.startswith(message)
