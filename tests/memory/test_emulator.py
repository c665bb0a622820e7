"""What is said where no emulator can be had, what is left behind where one can, and that processes share one."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cendry_memory import _sharing as sharing
from cendry_memory import emulator
from cendry_memory._sharing import SharedEmulator
from cendry_memory.emulator import (
    FIRESTORE,
    EmulatorUnavailableError,
    answers,
    emulators_required,
    find_jar,
    find_java,
    known,
    running,
    start,
    stop,
)
from memory.fake_java import SERVES, STUBBORN, program

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs that stand in for java are scripts")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that leads to no emulator."""
    for name in (FIRESTORE.host_variable, FIRESTORE.jar_variable, "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return monkeypatch


@pytest.fixture
def java(bare: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Makes java a program of ours."""

    def make(body: str) -> None:
        program(tmp_path / "home" / "bin" / "java", body)
        (tmp_path / "emulator.jar").touch()
        bare.setenv("JAVA_HOME", str(tmp_path / "home"))
        bare.setenv(FIRESTORE.jar_variable, str(tmp_path / "emulator.jar"))

    return make


@pytest.fixture
def cloud_cli(bare: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Makes gcloud a program of ours, and gives a root with the emulator."""

    def make(body: str) -> Any:
        root = tmp_path / "cli"
        jar = root / FIRESTORE.jar
        jar.parent.mkdir(parents=True)
        jar.touch()
        program(tmp_path / "bin" / "gcloud", body)
        return jar

    return make


# --- finding ---


@pytest.mark.parametrize(("value", "required"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_emulators_are_required_by_a_variable(value: Any, required: bool) -> None:
    environ = {} if value is None else {"CENDRY_REQUIRE_EMULATORS": value}
    assert required is emulators_required(environ)


def test_absent_java_is_told(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(EmulatorUnavailableError, match=r"java is not on the PATH; install Java"):
        find_java()


def test_java_is_found_on_the_path(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    assert program(tmp_path / "bin" / "java", "") == find_java()


def test_an_absent_jar_is_told(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(EmulatorUnavailableError, match="gcloud components install cloud-firestore-emulator"):
        find_jar()


def test_a_wrong_jar_is_told(bare: pytest.MonkeyPatch) -> None:
    bare.setenv(FIRESTORE.jar_variable, "/nowhere/emulator.jar")
    with pytest.raises(EmulatorUnavailableError, match="'/nowhere/emulator.jar', which is not a file"):
        find_jar()


def test_a_given_jar_wins(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar = tmp_path / "emulator.jar"
    jar.touch()
    bare.setenv(FIRESTORE.jar_variable, str(jar))
    assert jar == find_jar()


def test_the_jar_is_found_beside_gcloud(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar = tmp_path / FIRESTORE.jar
    jar.parent.mkdir(parents=True)
    jar.touch()
    program(tmp_path / "bin" / "gcloud", "")
    assert jar == find_jar()


def test_gcloud_is_asked_where_it_is_installed(cloud_cli: Callable[[str], Path], tmp_path: Path) -> None:
    jar = cloud_cli(f"print({str(tmp_path / 'cli')!r})")
    assert jar == find_jar()


@pytest.mark.parametrize("body", ["sys.exit(1)", "print()", "print('/nowhere')"])
def test_a_gcloud_that_does_not_know_is_told(cloud_cli: Callable[[str], Path], body: str) -> None:
    cloud_cli(body)
    with pytest.raises(EmulatorUnavailableError, match="no Firestore emulator in the Google Cloud CLI"):
        find_jar()


# --- running ---


def test_a_host_that_does_not_answer_is_told(bare: pytest.MonkeyPatch) -> None:
    bare.setenv(FIRESTORE.host_variable, "127.0.0.1:1")
    with pytest.raises(EmulatorUnavailableError, match="nothing answers there"), running():
        pass


def test_what_answers_in_another_tongue_is_no_emulator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail\r\n")

        speaker = threading.Thread(target=talk)
        speaker.start()
        assert not answers(f"127.0.0.1:{server.getsockname()[1]}")
        speaker.join()


def test_one_that_is_started_is_known_meanwhile_and_stopped_in_the_end(java: Callable[[str], None]) -> None:
    java(SERVES)
    with running() as host:
        assert (host, True) == (os.environ[FIRESTORE.host_variable], answers(host))
    assert (False, False) == (FIRESTORE.host_variable in os.environ, answers(host))


def test_one_that_runs_is_used_and_left_alone(java: Callable[[str], None], bare: pytest.MonkeyPatch) -> None:
    java(SERVES)
    with running() as host, running() as again:
        assert host == again == os.environ[FIRESTORE.host_variable]
        with known("elsewhere:1"):
            assert "elsewhere:1" == os.environ[FIRESTORE.host_variable]
        assert host == os.environ[FIRESTORE.host_variable]
        assert answers(host)


def test_a_program_that_ends_at_once_is_told_with_its_last_words(java: Callable[[str], None]) -> None:
    java("sys.exit('no such class')")
    with pytest.raises(EmulatorUnavailableError, match="its last output: no such class"):
        start()


def test_a_program_that_says_nothing(java: Callable[[str], None], bare: pytest.MonkeyPatch) -> None:
    bare.setattr(emulator, "START_SECONDS", 0.5)
    java(STUBBORN + "time.sleep(60)")
    bare.setattr(emulator, "STOP_SECONDS", 0.2)
    with pytest.raises(EmulatorUnavailableError, match=r"its last output: \(none\)"):
        start()


def test_a_port_that_was_taken_meanwhile_is_not_the_end(java: Callable[[str], None], tmp_path: Path) -> None:
    mark = tmp_path / "tried"
    refuse_once = f"""
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, "w").close()
    sys.exit("java.net.BindException: Address already in use")
"""
    java(refuse_once + SERVES)
    process, host = start()
    assert answers(host)
    stop(process)


def test_ports_that_are_always_taken_are_told(java: Callable[[str], None]) -> None:
    java("sys.exit('java.net.BindException: Address already in use')")
    with pytest.raises(EmulatorUnavailableError, match="Address already in use"):
        start()


# --- sharing ---


def test_processes_share_one_emulator_and_the_owner_stops_it(java: Callable[[str], None], tmp_path: Path) -> None:
    java(SERVES)
    owner = SharedEmulator(tmp_path, owned=True)
    workers = [SharedEmulator(tmp_path, owned=False) for _ in range(3)]
    host = workers[0].host()
    assert [host] * 3 == [each.host() for each in (*workers[1:], owner)]
    workers[0].stop()
    assert not answers(host)
    owner.stop()


def test_an_owner_that_started_it_stops_it(java: Callable[[str], None], tmp_path: Path) -> None:
    java(SERVES)
    owner = SharedEmulator(tmp_path, owned=True)
    host = owner.host()
    assert answers(host)
    owner.stop()
    assert not answers(host)


def test_one_that_was_never_asked_for_is_not_stopped(tmp_path: Path) -> None:
    SharedEmulator(tmp_path, owned=True).stop()


def test_all_are_told_of_an_absence_and_one_looked_for_it(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for owned in (False, True, False):
        shared = SharedEmulator(tmp_path, owned=owned)
        with pytest.raises(EmulatorUnavailableError, match="java is not on the PATH"):
            shared.host()
        shared.stop()


def test_a_process_that_ended_while_it_started_one_is_told(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setattr(sharing, "START_SECONDS", 0.1)
    (tmp_path / "claim").touch()
    with pytest.raises(EmulatorUnavailableError, match="another process began to start it and reported nothing since"):
        SharedEmulator(tmp_path, owned=False).host()


def test_one_waits_for_the_word_of_another(java: Callable[[str], None], tmp_path: Path) -> None:
    java("time.sleep(0.3)\n" + SERVES)
    first, second = SharedEmulator(tmp_path, owned=False), SharedEmulator(tmp_path, owned=True)
    starting = threading.Thread(target=first.host)
    starting.start()
    while not (tmp_path / "claim").exists():
        time.sleep(0.01)
    host = second.host()
    starting.join()
    assert answers(host)
    second.stop()


def test_one_that_does_not_listen_is_killed(
    java: Callable[[str], None], bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java(STUBBORN + SERVES)
    bare.setattr(sharing, "STOP_SECONDS", 0.3)
    SharedEmulator(tmp_path, owned=False).host()
    owner = SharedEmulator(tmp_path, owned=True)
    owner.stop()
    assert not answers(owner._read()["host"])


def test_one_that_has_ended_by_itself_is_no_trouble(
    java: Callable[[str], None], bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java(SERVES)
    worker = SharedEmulator(tmp_path, owned=False)
    worker.host()
    pid = worker._read()["pid"]
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    SharedEmulator(tmp_path, owned=True).stop()
