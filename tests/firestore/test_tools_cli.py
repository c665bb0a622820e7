"""The command `cendry-firestore`: what its commands do, print and exit with."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cendry.plan import QueryPlan, Set
from cendry_firestore import FirestoreBackend, cli
from cendry_firestore._cli.commands import run as run_command
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials

drift_module = import_module("cendry_firestore.tools.drift")
numbers = itertools.count()

MODELS = """
from cendry import Field, Map, Model, field

class City(Model, collection="cities"):
    name: Field[str]
    n: Field[int]

class Shop(Model, collection="shops"):
    name: Field[str]

def add_one(data):
    return {**data, "n": data["n"] + 1}

def fails(data):
    if data["n"] == 1:
        raise ValueError("no")
    return {**data, "n": data["n"] + 1}

number = 5
"""

VERSIONED = """
from cendry import Field, Model, upgrade

class City(Model, collection="cities", version=2):
    name: Field[str]
    n: Field[int]

@upgrade(City, to=2)
def add_one(data):
    return {**data, "n": data["n"] + 1}
"""

INFERRED = """\
from __future__ import annotations

from cendry import Field, Model


class City(Model, collection="cities"):
    # inferred from 3 documents
    n: Field[int]
    name: Field[str]
"""


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
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in a directory of its own, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(arguments)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Answer(int(str(ended.value.code or 0)), printed.out, printed.err)

    return run


@pytest.fixture
def models(tmp_path: Path) -> Iterator[str]:
    """The name of a module with models in the working directory."""
    name = f"models_of_the_cli_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(MODELS)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def cities(backend: FirestoreBackend) -> FirestoreBackend:
    """Three cities are stored."""
    backend.commit([Set(f"cities/c{n}", {"name": f"city {n}", "n": n}) for n in range(3)])
    return backend


def stored(backend: FirestoreBackend) -> list[int]:
    return [found.data["n"] for found in backend.run(QueryPlan("cities")) if found.data is not None]


def test_backfill_by_a_function(command: Command, models: str, cities: FirestoreBackend, project: str) -> None:
    arguments = ("backfill", f"{models}:City", "--function", f"{models}:add_one", "--project", project)
    dry = command(*arguments, "--dry-run")
    assert (0, "") == (dry.code, dry.stderr)
    assert "would rewrite 3  unchanged 0  dead 0" in dry.stdout
    assert "cities/c2\n  - n: 2\n  + n: 3\n" in dry.stdout
    assert [0, 1, 2] == stored(cities)
    assert not Path("backfills").exists()
    as_json = command(*arguments, "--dry-run", "--json").json
    assert (3, None, {"path": "cities/c0", "before": {"n": "0"}, "after": {"n": "1"}}) == (
        as_json["rewritten"],
        as_json["state"],
        as_json["diffs"][0],
    )
    answer = command(*arguments)
    assert (0, "") == (answer.code, answer.stderr)
    assert answer.stdout.startswith("rewritten 3  unchanged 0  dead 0")
    assert [1, 2, 3] == stored(cities)
    assert ["cities-add_one"] == os.listdir("backfills")
    # The same command again does nothing.
    again = command(*arguments, "--json").json
    assert (3, 0, os.path.join("backfills", "cities-add_one")) == (again["rewritten"], again["dead"], again["state"])
    assert [1, 2, 3] == stored(cities)


def test_backfill_by_upgrades(command: Command, cities: FirestoreBackend, project: str, tmp_path: Path) -> None:
    name = f"models_of_the_cli_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(VERSIONED)
    try:
        dry = command("backfill", f"{name}:City", "--project", project, "--dry-run")
        assert (0, "") == (dry.code, dry.stderr)
        assert "cities/c0\n  + _cendry_version: 2\n  - n: 0\n  + n: 1\n" in dry.stdout
        answer = command("backfill", name, "--project", project)
        assert (0, "") == (answer.code, answer.stderr)
        assert answer.stdout.startswith("rewritten 3  unchanged 0  dead 0")
        assert ["cities-version-2"] == os.listdir("backfills")
        assert [1, 2, 3] == stored(cities)
    finally:
        sys.modules.pop(name, None)


def test_dead_letters_and_their_retry(
    command: Command, models: str, cities: FirestoreBackend, project: str, tmp_path: Path
) -> None:
    arguments = ("backfill", f"{models}:City", "--function", f"{models}:fails", "--project", project, "--state", "here")
    dry = command(*arguments, "--dry-run")
    assert (1, "") == (dry.code, dry.stderr)
    assert dry.stdout.endswith("  cities/c1: the function raised ValueError: no\n")
    assert not Path("here").exists()
    answer = command(*arguments, "--workers", "1", "--rate", "100", "--no-group")
    assert (1, "") == (answer.code, answer.stderr)
    assert "rewritten 2  unchanged 0  dead 1" in answer.stdout
    assert "  cities/c1: the function raised ValueError: no" in answer.stdout
    still = command(*arguments, "--retry-dead", "--json")
    assert 1 == still.code
    assert [{"path": "cities/c1", "error": "the function raised ValueError: no"}] == still.json["dead_letters"]
    source = (tmp_path / f"{models}.py").read_text().replace('raise ValueError("no")', "pass")
    module = types.ModuleType(models)
    exec(source, vars(module))
    sys.modules[models] = module
    mended = command(*arguments, "--retry-dead")
    assert (0, "") == (mended.code, mended.stderr)
    assert "rewritten 3  unchanged 0  dead 0" in mended.stdout
    assert [1, 2, 3] == stored(cities)


def test_drift(command: Command, models: str, cities: FirestoreBackend, project: str) -> None:
    arguments = ("drift", f"{models}:City", "--project", project)
    answer = command(*arguments)
    assert (0, "") == (answer.code, answer.stderr)
    assert [
        "City  cities  documents 3  fits 3",
        " field  declared  missing  stored",
        " name   str             0  str 3",
        " n      int             0  int 3",
        "",
        "All 3 documents fit.",
    ] == answer.stdout.splitlines()
    cities.commit([Set("cities/d", {"name": 1, "old": True})])
    answer = command(*arguments)
    assert (1, "") == (answer.code, answer.stderr)
    assert [
        "City  cities  documents 4  fits 3",
        "  n: expected int, found nothing (1: cities/d)",
        "  name: expected str, found int (1: cities/d)",
        " field  declared  missing  stored",
        " name   str             0  str 3, int 1",
        " n      int             1  int 3",
        " old    unknown         3  bool 1  (cities/d)",
        "",
        "1 of 4 documents doesn't fit.",
    ] == answer.stdout.splitlines()
    as_json = command(*arguments, "--json")
    assert 1 == as_json.code
    [found] = as_json.json["models"]
    assert (False, "City", 4, 3) == (as_json.json["ok"], found["model"], found["documents"], found["fits"])
    assert {
        "field": "old",
        "declared": None,
        "count": 1,
        "missing": 3,
        "kinds": {"bool": 1},
        "samples": {"bool": "cities/d"},
    } == found["fields"][-1]
    assert 0 == command(*arguments, "--sample", "3").code
    # All models of the module: the other collection is empty.
    everything = command("drift", models, "--project", project, "--json").json
    assert [("City", 4), ("Shop", 0)] == [(one["model"], one["documents"]) for one in everything["models"]]


def test_many_misfits_versions_and_places(
    command: Command, backend: FirestoreBackend, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"models_of_the_cli_{next(numbers)}"
    (tmp_path / f"{name}.py").write_text(VERSIONED.replace("n: Field[int]", "n: Field[dict[str, int]]"))
    values = {f"{'k' * 70}{number}": "x" for number in range(30)}
    backend.commit([Set("cities/a", {"name": "x", "n": values, "_cendry_version": 2})])
    monkeypatch.setattr("cendry._scan.misfits.MAX_MISFITS", 25)
    arguments = ("drift", name, "--project", project)
    try:
        answer = command(*arguments)
        assert 1 == answer.code
        assert "  versions  2: 1" in answer.stdout
        assert "  and 6 more; --json prints all" in answer.stdout
        assert " n.*    int                       0  str 30" in answer.stdout
        further = {"field": "", "expected": "the model", "found": "further misfits", "count": 5, "samples": []}
        assert further == command(*arguments, "--json").json["models"][0]["misfits"][-1]
        monkeypatch.setattr(drift_module, "MAX_PLACES", 3)
        assert "  There are more places than are counted." in command(*arguments).stdout
    finally:
        sys.modules.pop(name, None)


def test_infer(command: Command, cities: FirestoreBackend, project: str) -> None:
    cities.commit([Set("countries/it/regions/a", {"area": 1.5})])
    answer = command("infer", "cities", "--project", project)
    assert (0, "") == (answer.code, answer.stderr)
    assert INFERRED == answer.stdout
    below = command("infer", "regions", "--group", "--sample", "5", "--project", project)
    assert "each of them is below documents of 'countries': declare parent=" in below.stdout
    assert 'class Region(Model, collection="regions"):' in below.stdout
    nothing = command("infer", "regions", "--project", project)
    assert (2, "") == (nothing.code, nothing.stdout)
    assert (
        f"There are no documents in the collection 'regions' of projects/{project}/databases/(default): there is "
        "nothing to infer from. If it is below documents, pass group=True (--group).\n"
    ) == nothing.stderr


def test_a_dry_run_names_the_first_documents_that_it_would_give_up(
    command: Command, models: str, backend: FirestoreBackend, project: str
) -> None:
    backend.commit([Set(f"cities/c{n}", {"n": 1}) for n in range(5)])
    arguments = ("backfill", f"{models}:City", "--function", f"{models}:fails", "--project", project, "--dry-run")
    answer = command(*arguments)
    assert (1, "") == (answer.code, answer.stderr)
    assert [f"  cities/c{n}: the function raised ValueError: no" for n in range(3)] + ["  and 2 more"] == (
        answer.stdout.splitlines()[1:]
    )
    assert {"path": "cities/c0", "error": "the function raised ValueError: no"} == (
        command(*arguments, "--json").json["dead_letters"][0]
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["drift", "absent_module"], "absent_module raised ModuleNotFoundError: No module named"),
        (["drift", "MODELS:Town"], "MODELS has no 'Town'.\n"),
        (["drift", "MODELS:Cty"], "MODELS has no 'Cty'. Did you mean 'City'?\n"),
        (["drift", "MODELS:number"], "MODELS:number is not a Cendry model\n"),
        (["drift", "MODELS", "--sample", "0"], "Invalid value for '--sample'"),
        (["infer", "a/b"], "'a/b'"),
        (["infer"], "Missing argument 'COLLECTION...'"),
        (["backfill", "absent_module:City"], "absent_module raised ModuleNotFoundError: No module named"),
        (["backfill", "broken_module:City"], "broken_module raised ZeroDivisionError: division by zero\n"),
        (["backfill", "ending_module:City"], "ending_module raised SystemExit: 3\n"),
        (["backfill", "MODELS"], "MODELS names 2 models (City, Shop); name one: MODELS:NAME.\n"),
        (
            ["backfill", "MODELS:City"],
            "City has no version= and so no upgrades: give it a version, or name a function with --function "
            "MODULE:NAME.\n",
        ),
        (["backfill", "MODELS:Town"], "MODELS has no 'Town'.\n"),
        (["backfill", "MODELS:City", "--function", "add_one"], "add_one names no function: write MODULE:NAME.\n"),
        (["backfill", "MODELS:City", "--function", "MODELS:nothing"], "MODELS has no 'nothing'.\n"),
        (
            ["backfill", "MODELS:City", "--function", "MODELS:add_on"],
            "MODELS has no 'add_on'. Did you mean 'add_one'?\n",
        ),
        (["backfill", "MODELS:City", "--function", "MODELS:number"], "MODELS:number is not a function.\n"),
        (
            ["backfill", "MODELS:City", "--function", "MODELS:add_one", "--dry-run", "--retry-dead"],
            "--dry-run and --retry-dead exclude each other.\n",
        ),
        (
            ["backfill", "MODELS:City", "--function", "MODELS:add_one", "--retry-dead"],
            f"backfills{os.sep}cities-add_one: backfill.json does not exist in the directory of this job.\n",
        ),
        (["nonsense"], "No such command 'nonsense'"),
        (["backfill"], "Missing argument 'MODEL'"),
    ],
)
def test_wrong_use(
    command: Command,
    models: str,
    firestore_emulator: str,
    project: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    expected: str,
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    (tmp_path / "ending_module.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    answer = command(*[each.replace("MODELS", models) for each in arguments])
    assert (2, "") == (answer.code, answer.stdout)
    assert expected.replace("MODELS", models) in answer.stderr


def test_the_state_of_another_backfill(command: Command, models: str, cities: FirestoreBackend, project: str) -> None:
    arguments = ("backfill", f"{models}:City", "--project", project, "--state", "here", "--function")
    assert 0 == command(*arguments, f"{models}:add_one").code
    answer = command(*arguments, f"{models}:fails")
    assert 2 == answer.code
    assert (
        f"here: backfill.json belongs to {models}.add_one on the collection 'cities' of projects/{project}/databases/"
        f"(default), this is {models}.fails on the collection 'cities' of projects/{project}/databases/(default): "
        "use a fresh directory.\n"
    ) == answer.stderr
    Path("here/backfill.json").write_text('{"format": 1, "what": "ever"}')
    foreign = command(*arguments, f"{models}:add_one")
    assert (2, "here: backfill.json can't be read (it is not the plan of a backfill).\n") == (
        foreign.code,
        foreign.stderr,
    )
    Path("here/backfill.json").write_text("[]")
    foreign = command(*arguments, f"{models}:add_one")
    assert (2, "here: backfill.json can't be read (line 1: it holds a list, not an object).\n") == (
        foreign.code,
        foreign.stderr,
    )


def test_without_a_project(command: Command, models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (AnonymousCredentials(), None))
    answer = command("backfill", f"{models}:City", "--function", f"{models}:add_one")
    assert 2 == answer.code
    assert "Pass --project, or set GOOGLE_CLOUD_PROJECT." in answer.stderr


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (
            exceptions.PermissionDenied("Missing or insufficient permissions."),
            3,
            "PermissionDenied: 403 Missing or insufficient permissions.\nPROJECT/(default)\n"
            "resumable: run the same command\n",
        ),
        (
            exceptions.NotFound("The database (default) does not exist for project PROJECT"),
            2,
            "404 The database (default) does not exist for project PROJECT\nPROJECT/(default): check --project and "
            "--database.\n",
        ),
    ],
)
def test_no_permission_and_wrong_project(
    command: Command,
    models: str,
    firestore_emulator: str,
    project: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
    expected: str,
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(FirestoreBackend, "aggregate", refuse)
    answer = command("backfill", f"{models}:City", "--function", f"{models}:add_one", "--project", project)
    assert (code, expected.replace("PROJECT", project)) == (
        answer.code,
        answer.stderr.replace("for project PROJECT", f"for project {project}"),
    )


@pytest.mark.parametrize("arguments", [["drift", "MODELS"], ["infer", "cities"]])
def test_missing_credentials_are_wrong_use(
    command: Command, models: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    key = str(tmp_path / "absent.json")
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key)
    answer = command(*[each.replace("MODELS", models) for each in arguments], "--project", "p")
    assert (2, "") == (answer.code, answer.stdout)
    assert (
        f"File {key} was not found. Sign in with `gcloud auth application-default login`, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to the path of a file with credentials. For an emulator, set "
        "FIRESTORE_EMULATOR_HOST.\n"
    ) == answer.stderr


def test_writing_to_google_cloud_asks(command: Command, models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr("google.auth.default", lambda *_, **__: (AnonymousCredentials(), "p"))
    answer = command("backfill", f"{models}:City", "--function", f"{models}:add_one", "--project", "p")
    assert (
        2,
        "rewrite documents of 'cities' in p/(default)? Nobody is there to answer: pass --yes. Nothing was written.\n",
    ) == (answer.code, answer.stderr)


def test_versions(command: Command) -> None:
    answer = command("--version")
    expected = f"cendry-firestore {version('cendry-firestore')} (cendry-core {version('cendry-core')})\n"
    assert (0, expected, "") == (answer.code, answer.stdout, answer.stderr)


def test_the_command_in_a_process(tmp_path: Path) -> None:
    path = os.pathsep.join([*sys.path])
    answer = subprocess.run(
        [sys.executable, "-m", "cendry_firestore.cli", "--help"],
        capture_output=True,
        text=True,
        check=False,
        # Google's packages warn about Pythons near their end.
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore::FutureWarning"},
        cwd=tmp_path,
    )
    assert (0, "") == (answer.returncode, answer.stderr)
    for name in ("backfill", "drift", "infer"):
        assert name in answer.stdout


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "cendry_firestore._cli.commands")
    monkeypatch.delitem(sys.modules, "cendry_firestore._cli.app")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "typer", None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert 2 == ended.value.code
    assert (
        "cendry-firestore needs typer, which is not installed: the extra cli brings it; run "
        '`pip install "cendry-firestore[cli]"`.\n'
    ) == capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "cendry_firestore._cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"cendry_firestore\._cli\.app"):
        cli.main()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("state/cities-000.json", "{}", "state/cities-000.json can't be read"),
        (
            "state/cities-000.json",
            '{"format": 1, "plan": "other", "after": "", "copied": 0, "dead": 0, "done": false, "seen": 0}',
            "state/cities-000.json",
        ),
        ("state/cities-000.json", "\0", "state/cities-000.json can't be read"),
        ("dead/cities-000.jsonl", "[]\n", "dead/cities-000.jsonl can't be read (line 1: it holds a list"),
        ("throttle.json", "fast", "throttle.json can't be read"),
        ("backfill.json", '{"format": 9}', "backfill.json"),
    ],
)
def test_foreign_files_in_the_state(
    command: Command, models: str, cities: FirestoreBackend, project: str, name: str, content: str, expected: str
) -> None:
    arguments = ("backfill", f"{models}:City", "--function", f"{models}:add_one", "--project", project, "--state", "s")
    assert 0 == command(*arguments).code
    file = Path("s") / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    answer = command(*arguments)
    assert (2, "") == (answer.code, answer.stdout)
    assert answer.stderr.startswith(f"s: {expected}")
    assert [1, 2, 3] == stored(cities)


def test_nothing_to_backfill_and_a_directory_that_is_a_file(
    command: Command, models: str, backend: FirestoreBackend, project: str
) -> None:
    arguments = ("backfill", f"{models}:City", "--function", f"{models}:add_one", "--project", project)
    empty = command(*arguments)
    assert (0, "") == (empty.code, empty.stderr)
    assert empty.stdout.startswith("rewritten 0  unchanged 0  dead 0")
    Path("file").write_text("")
    answer = command(*arguments, "--state", "file")
    assert answer.code in (2, 3)
    assert "file" in answer.stderr


@pytest.mark.parametrize("arguments", [["drift", "MODELS"], ["infer", "cities"]])
def test_reading_without_permission(
    command: Command,
    models: str,
    firestore_emulator: str,
    project: str,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise exceptions.PermissionDenied("Missing or insufficient permissions.")

    monkeypatch.setattr(FirestoreBackend, "aggregate", refuse)
    answer = command(*[each.replace("MODELS", models) for each in arguments], "--project", project)
    expected = (
        "PermissionDenied: 403 Missing or insufficient permissions.\nPROJECT/(default)\n"
        "resumable: run the same command\n"
    )
    assert (3, "", expected.replace("PROJECT", project)) == (answer.code, answer.stdout, answer.stderr)
