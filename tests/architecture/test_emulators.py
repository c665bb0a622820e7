"""What is said where no emulator can be had, and what is left behind where one can."""

from __future__ import annotations

import os

import pytest
from emulators import FIRESTORE, EmulatorUnavailableError, find_jar, find_java, running


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An environment that leads to no emulator."""
    for name in (FIRESTORE.host_variable, FIRESTORE.jar_variable, "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


def test_absent_java_is_told(bare):
    with pytest.raises(EmulatorUnavailableError, match=r"java is not on the PATH; install Java"):
        find_java()


def test_an_absent_jar_is_told(bare):
    with pytest.raises(EmulatorUnavailableError, match="gcloud components install cloud-firestore-emulator"):
        find_jar()


def test_a_wrong_jar_is_told(bare):
    bare.setenv(FIRESTORE.jar_variable, "/nowhere/emulator.jar")
    with pytest.raises(EmulatorUnavailableError, match="'/nowhere/emulator.jar', which is no file"):
        find_jar()


def test_a_given_jar_wins(bare, tmp_path):
    jar = tmp_path / "emulator.jar"
    jar.touch()
    bare.setenv(FIRESTORE.jar_variable, str(jar))
    assert jar == find_jar()


def test_a_host_that_does_not_answer_is_told(bare):
    bare.setenv(FIRESTORE.host_variable, "127.0.0.1:1")
    with pytest.raises(EmulatorUnavailableError, match="nothing answers there"), running():
        pass


def test_a_program_that_ends_at_once_is_told_with_its_last_words(bare, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho no such class >&2\nexit 1\n")
    java.chmod(0o755)
    bare.setenv("JAVA_HOME", str(tmp_path))
    bare.setenv(FIRESTORE.jar_variable, str(java))
    with pytest.raises(EmulatorUnavailableError, match="its last words: no such class"), running():
        pass


def test_a_running_emulator_is_used_and_left_alone(firestore_emulator):
    with running() as host:
        assert firestore_emulator == host
    assert firestore_emulator == os.environ[FIRESTORE.host_variable]
