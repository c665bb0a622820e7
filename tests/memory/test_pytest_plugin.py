"""The fixtures as other projects meet them: in pytest runs of their own."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

# What a run inside of this one imports is forgotten after it, unless it was there before.
import cendry_firestore  # noqa: F401
import pytest
from cendry_memory.emulator import (
    CLASSIC_DATASTORE,
    DATASTORE_MODE,
    FIRESTORE,
    EmulatorUnavailableError,
    answers,
    find_jar,
    find_java,
    running,
    start,
    stop,
)
from memory.fake_java import SERVES, program

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PLUGIN = [] if list(entry_points(group="pytest11", name="cendry")) else ["-p", "cendry_memory.pytest_plugin"]
PLAIN = [*PLUGIN, "-p", "no:cacheprovider", "-p", "no:benchmark", "-o", "asyncio_default_fixture_loop_scope=function"]

CITY = """
import asyncio
import pytest
from cendry import Cendry, CendryError, Field, Model, TransactionContentionError, field
from datetime import datetime

class City(Model, collection="cities"):
    name: Field[str]
    updated: Field[datetime | None] = field(auto_now=True)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in other processes find what this one finds, installed or not."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that leads to no emulator, and requires none."""
    for name in (FIRESTORE.host_variable, FIRESTORE.jar_variable, "JAVA_HOME", "CENDRY_REQUIRE_EMULATORS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def no_java(bare: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    bare.setenv("PATH", str(tmp_path))
    return bare


def test_each_test_gets_contexts_without_documents_over_one_store(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CITY
        + """
@pytest.mark.parametrize("run", [1, 2])
def test_both_twins_see_the_same(cendry_memory, cendry_memory_async, run):
    assert cendry_memory.find(City, "SF") is None
    cendry_memory.save(City(id="SF", name="x"))

    async def main():
        async with cendry_memory_async as ctx:
            return await ctx.get(City, "SF")

    assert asyncio.run(main()) == cendry_memory.get(City, "SF")

kept = []

def test_it_is_closed_after_the_test(cendry_memory):
    kept.append(cendry_memory)

def test_afterwards():
    with pytest.raises(CendryError, match="closed"):
        kept[0].find(City, "SF")

async def test_async_alone(cendry_memory_async):
    await cendry_memory_async.save(City(id="SF", name="x"))
    assert (await cendry_memory_async.get(City, "SF")).name == "x"
"""
    )
    pytester.runpytest_inprocess(*PLAIN, "-o", "asyncio_mode=auto").assert_outcomes(passed=5)


def test_the_backend_is_there_for_its_faults_and_can_be_another(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CITY
        + """
from cendry_memory import MemoryBackend

def test_faults(cendry_memory, cendry_memory_backend):
    cendry_memory_backend.faults.abort_next_commit()
    with pytest.raises(TransactionContentionError):
        cendry_memory.save(City(id="SF", name="x"))

class TestStrict:
    @pytest.fixture
    def cendry_memory_backend(self):
        return MemoryBackend(strict_indexes=None)

    def test_indexes(self, cendry_memory):
        with pytest.raises(CendryError, match="needs an index"):
            cendry_memory.select(City, City.name == "x", order_by=City.updated).to_list()
"""
    )
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=2)


def test_a_test_that_asks_for_the_clock_holds_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CITY
        + """
from datetime import timedelta, timezone
from cendry import get_metadata

def test_held(cendry_memory, cendry_memory_async, cendry_clock):
    city = City(id="SF", name="x")
    cendry_memory.save(city)
    first = city.updated
    assert first == cendry_clock()
    cendry_clock.advance(60)
    asyncio.run(cendry_memory_async.save(city))
    assert city.updated - first == timedelta(seconds=60)
    assert get_metadata(city).update_time == cendry_clock()

def test_not_held(cendry_memory):
    city = City(id="SF", name="x")
    cendry_memory.save(city)
    assert abs(datetime.now(timezone.utc) - city.updated) < timedelta(minutes=1)
"""
    )
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=2)


EMULATED = (
    CITY
    + """
@pytest.mark.parametrize("run", [1, 2])
def test_both_twins_see_the_same(cendry_emulator, cendry_emulator_async, run):
    assert cendry_emulator.find(City, "SF") is None
    cendry_emulator.save(City(id="SF", name="x"))

    async def main():
        return await cendry_emulator_async.get(City, "SF")

    assert asyncio.run(main()) == cendry_emulator.get(City, "SF")
"""
)


def test_contexts_on_the_emulator_have_a_project_for_each_test(
    pytester: pytest.Pytester, firestore_emulator: str
) -> None:
    pytester.makepyfile(EMULATED)
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=2)


def test_without_an_emulator_tests_are_skipped_and_told_why(
    pytester: pytest.Pytester, no_java: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(EMULATED)
    result = pytester.runpytest_inprocess(*PLAIN, "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*no Firestore emulator: java is not on the PATH; install Java 11 or newer*"])


def test_without_an_emulator_that_is_required_tests_fail(
    pytester: pytest.Pytester, no_java: pytest.MonkeyPatch
) -> None:
    no_java.setenv("CENDRY_REQUIRE_EMULATORS", "1")
    pytester.makepyfile(EMULATED)
    result = pytester.runpytest_inprocess(*PLAIN)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*java is not on the PATH*(CENDRY_REQUIRE_EMULATORS is set)"])


def test_without_the_firestore_backend_tests_are_skipped_and_told_why(
    pytester: pytest.Pytester, bare: pytest.MonkeyPatch
) -> None:
    bare.setitem(sys.modules, "cendry_firestore", None)
    pytester.makepyfile(EMULATED)
    result = pytester.runpytest_inprocess(*PLAIN, "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*cendry-firestore is not installed: pip install 'cendry?firestore?'*"])


WHO = """
import os, pathlib, pytest, time

@pytest.mark.parametrize("number", range(8))
def test_who(cendry_emulator_host, cendry_project, number):
    assert cendry_emulator_host == os.environ["FIRESTORE_EMULATOR_HOST"]
    folder = pathlib.Path(__file__).parent
    (folder / f"{cendry_project}.seen").write_text(f"{os.getpid()} {cendry_emulator_host}")
    time.sleep(0.1)
"""


def seen(pytester: pytest.Pytester) -> tuple[set[str], set[str], int]:
    """The processes, the hosts and the number of the tests that ran."""
    words = [path.read_text().split() for path in pytester.path.glob("*.seen")]
    return {pid for pid, _ in words}, {host for _, host in words}, len(words)


@pytest.fixture
def fake_java(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "home" / "bin" / "java", SERVES)
    (tmp_path / "emulator.jar").touch()
    bare.setenv("JAVA_HOME", str(tmp_path / "home"))
    bare.setenv(FIRESTORE.jar_variable, str(tmp_path / "emulator.jar"))


@pytest.mark.skipif(os.name == "nt", reason="the program that stands in for java is a script")
def test_one_is_started_for_the_session_and_stopped_in_the_end(pytester: pytest.Pytester, fake_java: None) -> None:
    pytester.makepyfile(WHO)
    pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=8)
    _, [host], tests = seen(pytester)
    assert (8, False, False) == (tests, answers(host), FIRESTORE.host_variable in os.environ)


@pytest.mark.skipif(os.name == "nt", reason="the program that stands in for java is a script")
def test_one_that_runs_is_used_and_left_alone(pytester: pytest.Pytester, fake_java: None) -> None:
    pytester.makepyfile(WHO)
    with running() as host:
        pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=8)
        assert {host} == seen(pytester)[1]
        assert answers(host)


@pytest.mark.skipif(os.name == "nt", reason="the program that stands in for java is a script")
def test_the_workers_of_xdist_share_one(pytester: pytest.Pytester, fake_java: None) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(WHO)
    # The controller runs in this process, its workers in others.
    pytester.runpytest_inprocess(*PLAIN, "-n", "2", "--dist", "each").assert_outcomes(passed=16)
    pids, hosts, tests = seen(pytester)
    assert (2, 1, 16) == (len(pids), len(hosts), tests)
    assert not answers(hosts.pop())


def test_the_workers_of_xdist_share_googles(
    pytester: pytest.Pytester, firestore_emulator: str, bare: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    try:
        find_java(), find_jar()
    except EmulatorUnavailableError as error:
        pytest.skip(f"an emulator runs, but none can be started: {error}")
    pytester.makepyfile(test_who=WHO, test_twins=EMULATED)
    pytester.runpytest_subprocess(*PLAIN, "-n", "2", "--dist", "each").assert_outcomes(passed=20)
    pids, hosts, _ = seen(pytester)
    assert (2, 1) == (len(pids), len(hosts))
    assert not answers(hosts.pop())


BOTH = """
import os, pathlib

def test_both(cendry_datastore_mode_host, cendry_classic_datastore_host, cendry_emulator_host):
    hosts = {cendry_datastore_mode_host, cendry_classic_datastore_host, cendry_emulator_host}
    assert 3 == len(hosts)
    assert "DATASTORE_EMULATOR_HOST" not in os.environ
    (pathlib.Path(__file__).parent / f"{os.getpid()}.hosts").write_text(" ".join(sorted(hosts)))
"""


@pytest.fixture
def fake_datastore(fake_java: None, bare: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    bare.setenv(CLASSIC_DATASTORE.jar_variable, str(tmp_path / "emulator.jar"))
    bare.delenv(DATASTORE_MODE.given_by, raising=False)
    bare.delenv(CLASSIC_DATASTORE.given_by, raising=False)
    return bare


@pytest.mark.skipif(os.name == "nt", reason="the program that stands in for java is a script")
@pytest.mark.parametrize("workers", [[], ["-n", "2", "--dist", "each"]], ids=["alone", "xdist"])
def test_each_emulator_is_started_once_and_stopped_in_the_end(
    pytester: pytest.Pytester, fake_datastore: pytest.MonkeyPatch, workers: list[str]
) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(BOTH)
    pytester.runpytest_inprocess(*PLAIN, *workers).assert_outcomes(passed=max(1, len(workers) // 2))
    [hosts] = {path.read_text() for path in pytester.path.glob("*.hosts")}
    assert [False] * 3 == [answers(host) for host in hosts.split()]


@pytest.mark.skipif(os.name == "nt", reason="the program that stands in for java is a script")
def test_datastore_emulators_that_run_are_used_and_left_alone(
    pytester: pytest.Pytester, fake_datastore: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(BOTH)
    mode, host = start(DATASTORE_MODE)
    classic, other = start(CLASSIC_DATASTORE)
    try:
        fake_datastore.setenv(CLASSIC_DATASTORE.given_by, other)
        fake_datastore.setenv(DATASTORE_MODE.given_by, host)
        pytester.makepyfile(BOTH.replace('assert "DATASTORE_EMULATOR_HOST" not in os.environ', ""))
        pytester.runpytest_inprocess(*PLAIN).assert_outcomes(passed=1)
        [hosts] = [path.read_text() for path in pytester.path.glob("*.hosts")]
        assert {host, other} < set(hosts.split())
        assert (True, True) == (answers(host), answers(other))
    finally:
        stop(mode)
        stop(classic)


def test_without_a_datastore_emulator_tests_are_skipped_and_told_why(
    pytester: pytest.Pytester, no_java: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_it(cendry_classic_datastore_host): pass")
    result = pytester.runpytest_inprocess(*PLAIN, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no classic Datastore emulator: java is not on the PATH*"])


def test_loading_it_imports_neither_cendry_nor_google(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import sys

def pytest_configure(config):
    assert "cendry_memory.pytest_plugin" in sys.modules
    assert {name for name in sys.modules if name.startswith(("cendry", "google", "grpc", "sqlite3"))} == {
        "cendry_memory", "cendry_memory.pytest_plugin"
    }
"""
    )
    pytester.makepyfile("def test_it(cendry_memory):\n    import sys\n    assert 'cendry_firestore' not in sys.modules")
    pytester.runpytest_subprocess(*PLAIN, "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_its_fixtures_need_no_more_than_core(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import sys

for name in ("cendry_firestore", "google", "grpc", "xdist", "pytest_asyncio"):
    sys.modules[name] = None
"""
    )
    pytester.makepyfile(
        CITY
        + """
def test_memory(cendry_memory, cendry_memory_async, cendry_clock):
    cendry_memory.save(City(id="SF", name="x"))
    assert asyncio.run(cendry_memory_async.get(City, "SF")).name == "x"
"""
    )
    result = pytester.runpytest_subprocess(*PLAIN, "-p", "no:asyncio", "-p", "no:xdist")
    result.assert_outcomes(passed=1)


def test_a_suite_without_a_backend_says_what_to_define(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
from cendry_memory.testing import BackendConformance

class TestNothing(BackendConformance):
    pass
"""
    )
    result = pytester.runpytest_inprocess(*PLAIN, "-k", "test_create_never_overwrites")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: TestNothing must define a fixture named 'backend'*"])
