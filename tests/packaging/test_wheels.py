"""What is built is what is installed: contents and metadata of the wheels and sdists, and their life without a tree."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = "cendry-datastore.exe" if os.name == "nt" else "cendry-datastore"
MEMBERS = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
PACKAGES = {member: sorted(path.name for path in ROOT.glob(f"packages/{member}/src/*")) for member in MEMBERS}
[VERSION] = re.findall(r'^version = "(.*)"$', (ROOT / "packages/cendry-core/pyproject.toml").read_text(), re.MULTILINE)


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints; it must succeed. The tree's packages are out of its sight."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    answer = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **environment},
        cwd=cwd,
    )
    assert 0 == answer.returncode, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of each member, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "tools/build.py", "--no-isolation", "--outdir", folder)
    return folder


def wheel_of(dist: Path, member: str) -> Path:
    return dist / f"{member.replace('-', '_')}-{VERSION}-py3-none-any.whl"


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def environment(folder: Path, dist: Path, *requirements: str) -> Path:
    """Install requirements, as README does from `dist`, in an empty environment; return its Python."""
    run("uv", "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run("uv", "pip", "install", "--quiet", "--python", python, "--find-links", dist, *requirements)
    return python


@pytest.fixture(scope="session")
def core_alone(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with cendry-core's wheel."""
    return environment(tmp_path_factory.mktemp("core") / "venv", dist, f"cendry-core=={VERSION}")


@pytest.fixture(scope="session")
def with_all(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with `cendry[all]`, from the wheels."""
    return environment(tmp_path_factory.mktemp("all") / "venv", dist, f"cendry[all]=={VERSION}")


@pytest.fixture(scope="session")
def with_migrate(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with `cendry[migrate]`, from the wheels."""
    return environment(tmp_path_factory.mktemp("migrate") / "venv", dist, f"cendry[migrate]=={VERSION}")


@pytest.fixture(scope="session")
def with_memory(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with `cendry[memory]` from the wheels, and pytest."""
    return environment(tmp_path_factory.mktemp("memory") / "venv", dist, f"cendry[memory]=={VERSION}", "pytest")


@pytest.mark.parametrize("member", MEMBERS)
def test_a_wheel_holds_its_package_and_nothing_else(dist: Path, member: str) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel_of(dist, member))}
    assert {*PACKAGES[member], f"{member.replace('-', '_')}-{VERSION}.dist-info"} == tops


@pytest.mark.parametrize("member", MEMBERS)
def test_a_wheel_holds_each_source_and_is_typed(dist: Path, member: str) -> None:
    source = ROOT / "packages" / member / "src"
    expected = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    expected |= {f"{package}/py.typed" for package in PACKAGES[member]}
    assert set() == expected - set(names_in(wheel_of(dist, member)))


@pytest.mark.parametrize("member", MEMBERS)
def test_wheel_and_sdist_hold_the_license(dist: Path, member: str) -> None:
    name = f"{member.replace('-', '_')}-{VERSION}"
    assert f"{name}.dist-info/licenses/LICENSE" in names_in(wheel_of(dist, member))
    with tarfile.open(dist / f"{name}.tar.gz") as archive:
        held = archive.extractfile(f"{name}/LICENSE")
        assert held is not None
        assert (ROOT / "LICENSE").read_bytes() == held.read()


@pytest.mark.parametrize("member", MEMBERS)
def test_an_sdist_holds_the_member_and_nothing_else(dist: Path, member: str) -> None:
    name = f"{member.replace('-', '_')}-{VERSION}"
    with tarfile.open(dist / f"{name}.tar.gz") as archive:
        tops = {entry.split("/")[1] for entry in archive.getnames() if "/" in entry}
    expected = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", *(["src"] if PACKAGES[member] else [])}
    assert expected == tops - {".gitignore"}


@pytest.mark.parametrize("member", MEMBERS)
def test_metadata(dist: Path, member: str) -> None:
    metadata = metadata_of(wheel_of(dist, member))
    assert (member, VERSION) == (metadata["Name"], metadata["Version"])
    assert (">=3.10", "MIT") == (metadata["Requires-Python"], metadata["License-Expression"])
    assert "text/markdown" == metadata["Description-Content-Type"]
    assert str(metadata.get_payload()).startswith(f"# {member}\n")


@pytest.mark.parametrize("member", MEMBERS)
def test_members_pin_each_other_exactly(dist: Path, member: str) -> None:
    required = metadata_of(wheel_of(dist, member)).get_all("Requires-Dist", [])
    pins = [line.split(";")[0].strip() for line in required if line.startswith("cendry")]
    assert [] == [pin for pin in pins if not pin.endswith(f"=={VERSION}")]


@pytest.mark.parametrize("member", MEMBERS)
def test_the_index_page_has_the_projects_links(dist: Path, member: str) -> None:
    labels = {line.split(",")[0] for line in metadata_of(wheel_of(dist, member)).get_all("Project-URL", [])}
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} == labels


def test_each_backend_is_an_extra_and_all_brings_each(dist: Path) -> None:
    metadata = metadata_of(wheel_of(dist, "cendry"))
    backends = [member.removeprefix("cendry-") for member in MEMBERS if member not in ("cendry", "cendry-core")]
    assert sorted(["all", "migrate", *backends]) == sorted(metadata.get_all("Provides-Extra", []))
    required = [re.sub(r"\s", "", line) for line in metadata.get_all("Requires-Dist", [])]
    assert f"cendry-core=={VERSION}" in required
    # The build resolves what `all` says of the other extras.
    for backend in backends:
        for extra in (backend, "all"):
            assert f"cendry-{backend}=={VERSION};extra=='{extra}'" in required
    assert f"cendry-firestore[cli]=={VERSION};extra=='all'" in required
    # The command line of the migration, and what it writes to.
    for needed in ("cendry-datastore[migrate]", "cendry-firestore"):
        assert f"{needed}=={VERSION};extra=='migrate'" in required


def test_core_requires_typing_extensions_alone(dist: Path) -> None:
    (required,) = metadata_of(wheel_of(dist, "cendry-core")).get_all("Requires-Dist", [])
    assert required.startswith("typing-extensions")


def test_wheels_pass_check_wheel_contents(dist: Path) -> None:
    full = [wheel_of(dist, member) for member in MEMBERS if PACKAGES[member]]
    run(sys.executable, "-m", "check_wheel_contents", *full)
    # An empty wheel is what `cendry` is meant to be.
    run(sys.executable, "-m", "check_wheel_contents", "--ignore", "W007,W008", wheel_of(dist, "cendry"))


def test_the_index_would_take_them(dist: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))


def test_core_installs_alone_and_holds_models(core_alone: Any) -> None:
    installed = run("uv", "pip", "list", "--quiet", "--python", core_alone, "--format", "freeze")
    assert {"cendry-core", "typing-extensions"} == {
        line.split("==")[0].split(" ")[0] for line in installed.splitlines()
    }
    code = """
from cendry import Field, Model, from_dict, to_dict

class City(Model, collection="cities"):
    name: Field[str]

assert from_dict(City, to_dict(City(name="Rome"))) == City(name="Rome")
"""
    run(core_alone, "-W", "error", "-c", code)


def test_core_alone_names_the_extra_that_a_backend_needs(core_alone: Any) -> None:
    code = """
try:
    from cendry import FirestoreBackend
except ImportError as error:
    print(error)
"""
    assert "cendry[firestore]" in run(core_alone, "-c", code)


def test_importing_cendry_imports_no_google_module_even_if_installed(with_all: Any) -> None:
    code = (
        "import cendry, sys; print([name for name in sys.modules if name.split('.')[0] in ('google', 'grpc', 'proto')])"
    )
    assert "[]" == run(with_all, "-c", code).strip()


def test_lazy_names_are_listed_and_come_where_their_extra_is_installed(with_all: Any) -> None:
    code = """
import cendry
from cendry import AsyncFirestoreBackend, AsyncMemoryBackend, FieldFilter, FirestoreBackend, MemoryBackend
from cendry import DatastoreBackend
assert {"AsyncFirestoreBackend", "DatastoreBackend", "FieldFilter"} <= set(dir(cendry))
assert {"FirestoreBackend", "MemoryBackend"} <= set(dir(cendry))
"""
    run(with_all, "-c", code)


def test_installed_distributions_fit_together(with_all: Any) -> None:
    run("uv", "pip", "check", "--python", with_all)


def test_the_command_line_of_the_migration_runs_with_its_extra(with_migrate: Path) -> None:
    printed = run(with_migrate.parent / SCRIPT, "--help")
    for name in ("validate", "plan", "infer"):
        assert name in printed
    versions = f"cendry-datastore {VERSION} (cendry-core {VERSION})\n"
    assert versions == run(with_migrate.parent / SCRIPT, "--version")
    code = (
        "import cendry_datastore, sys; loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'apache_beam', 'cendry_firestore', 'rich', 'typer'}), "
        "'google.cloud.firestore' in sys.modules, 'cendry_datastore.migrate' in sys.modules)"
    )
    assert "[] False False" == run(with_migrate, "-c", code).strip()


SHOP = """
from cendry import Cendry, DatastoreBackend, Field, Model

class Shop(Model, collection="Shop"):
    name: Field[str]

if __name__ == "__main__":
    with Cendry(backend=DatastoreBackend()) as ctx:
        ctx.save(Shop(id="a", name="Bread"))
"""


def test_a_migration_runs_on_the_wheels(
    with_migrate: Path, tmp_path: Path, cendry_datastore_mode_host: str, firestore_emulator: str, project: str
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    places = {"DATASTORE_EMULATOR_HOST": cendry_datastore_mode_host, "GOOGLE_CLOUD_PROJECT": project}

    def step(*arguments: str) -> str:
        return run(with_migrate.parent / SCRIPT, *arguments, cwd=tmp_path, **places)

    run(with_migrate, "shop.py", cwd=tmp_path, **places)
    assert "name: Field[str]" in step("infer", "Shop")
    assert "All entities that have a model fit it." in step("validate", "shop")
    assert "Reads 1   writes 1" in step("plan", "shop", "--ndb")
    assert step("copy", "--yes").startswith("copied 1  dead 0")
    assert step("verify").startswith("source 1  target 1  missing 0  extra 0  different 0")
    assert "can_cut_over: yes" in step("status", "--indexes-checked")


def test_without_its_extra_the_command_line_names_it(dist: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", dist, f"cendry[datastore]=={VERSION}")
    run(python, "-W", "error", "-c", "from cendry import DatastoreBackend")
    command = python.parent / SCRIPT
    answer = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert (2, "") == (answer.returncode, answer.stdout)
    assert 'pip install "cendry-datastore[migrate]"' in answer.stderr


def test_the_command_line_of_firestore_runs_with_its_extra(dist: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", dist, f"cendry-firestore[cli]=={VERSION}")
    command = python.parent / ("cendry-firestore.exe" if os.name == "nt" else "cendry-firestore")
    assert "backfill" in run(command, "--help")
    assert f"cendry-firestore {VERSION} (cendry-core {VERSION})\n" == run(command, "--version")
    (tmp_path / "index.yaml").write_text("- kind: City\n  properties:\n  - name: a\n  - name: b\n")
    assert '"collectionGroup": "City"' in run(command, "indexes", "from-datastore", tmp_path / "index.yaml")
    installed = run("uv", "pip", "list", "--quiet", "--python", python, "--format", "freeze")
    assert {"cendry-core", "cendry-firestore"} == set(re.findall(r"^(cendry[\w-]*)==", installed, re.MULTILINE))
    code = (
        "import cendry_firestore, sys; loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'rich', 'typer'}))"
    )
    assert "[]" == run(python, "-c", code).strip()


def test_without_its_extra_the_command_line_of_firestore_names_it(dist: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", dist, f"cendry-firestore=={VERSION}")
    command = python.parent / ("cendry-firestore.exe" if os.name == "nt" else "cendry-firestore")
    answer = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert (2, "") == (answer.returncode, answer.stdout)
    assert 'pip install "cendry-firestore[cli]"' in answer.stderr


def test_memory_runs_the_first_example_without_any_google_package(with_memory: Any) -> None:
    printed = run(with_memory, "-W", "error", "examples/quickstart.py")
    assert "found:       ['Los Angeles', 'San Francisco']" in printed
    installed = run("uv", "pip", "list", "--quiet", "--python", with_memory, "--format", "freeze")
    assert [] == [line for line in installed.splitlines() if line.startswith(("google", "grpc"))]


def test_memory_brings_its_fixtures_to_pytest(with_memory: Any, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("""
from cendry import Field, Model

class City(Model, collection="cities"):
    name: Field[str]

def test_saving(cendry_memory):
    cendry_memory.save(City(id="SF", name="San Francisco"))
    assert ["SF"] == cendry_memory.select(City).ids()

def test_the_next_one_finds_nothing(cendry_memory):
    assert [] == cendry_memory.select(City).ids()

def test_on_the_emulator(cendry_emulator):
    raise AssertionError("there is no Firestore backend here")
""")
    recorded = tmp_path / "recorded.json"
    options = ("-rs", "-p", "no:cacheprovider", f"--cendry-record-indexes={recorded}")
    printed = run(with_memory, "-m", "pytest", *options, tmp_path, CENDRY_REQUIRE_EMULATORS="")
    assert "2 passed, 1 skipped" in printed
    assert f"cendry: recorded 0 different queries that need indexes, in {recorded}" in printed
    assert '"queries": []' in recorded.read_text()
    assert "cendry[firestore]" in printed


def test_the_readme_works_word_for_word_on_the_wheels(with_all: Any, firestore_emulator: str) -> None:
    run(
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        with_all,
        "pytest",
        "pytest-asyncio",
        "pytest-timeout",
        "hypothesis",
    )
    command = ["pytest", "tests/docs", "-k", "README", "-o", "pythonpath=tests", "-p", "no:cacheprovider", "-rs"]
    closing = run(with_all, "-m", *command).splitlines()[-1]
    assert re.search(r"\b[1-9]\d* passed", closing), closing
    assert "skipped" not in closing
