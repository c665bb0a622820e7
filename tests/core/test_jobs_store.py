"""The files of a job: whole or not there, whatever fails."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from cendry.errors import JobStoreError
from cendry.jobs import LocalStore, RealFiles, open_store, store
from core.store_suite import StoreSuite
from core.stores import DictStore, Files


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def local(tmp_path: Path, files: Files) -> LocalStore:
    return LocalStore(tmp_path / "job", files)


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def store(self, local: LocalStore) -> LocalStore:
        return local


def test_the_order_of_calls_makes_a_file_whole_or_absent(local: LocalStore, files: Files) -> None:
    local.put("plan.json", b"1")
    files.calls.clear()
    local.put("plan.json", b"2")
    assert files.calls == [
        ("open", "plan.json.tmp"),
        ("write", "plan.json.tmp"),
        ("fsync", "plan.json.tmp"),
        ("rename", "plan.json"),
        ("fsync_directory", "job"),
    ]


def test_new_directories_are_durable_too(local: LocalStore, files: Files, tmp_path: Path) -> None:
    local.put("state/x.json", b"1")
    assert [name for call, name in files.calls if call == "make_directory"] == ["job", "state"]
    assert [name for call, name in files.calls if call == "fsync_directory"] == [tmp_path.name, "job", "state"]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_file_keeps_its_old_content_when_the_new_one_can_not_be_written(
    local: LocalStore, files: Files, call: str
) -> None:
    local.put("plan.json", b"old")
    files.fails = {call: errno.ENOSPC}
    with pytest.raises(JobStoreError) as caught:
        local.put("plan.json", b"new")
    assert ("plan.json", "written") == (caught.value.name, caught.value.operation)
    assert "plan.json can't be written: No space left on device." in str(caught.value)
    assert caught.value.resumable
    assert b"old" == (local.directory / "plan.json").read_bytes()
    assert ["plan.json"] == os.listdir(local.directory)


def test_a_disk_that_fills_up_midway_leaves_no_half_of_a_file(local: LocalStore, files: Files) -> None:
    local.put("plan.json", b"old")
    files.most = 2
    files.fails = {"remove": errno.EROFS}
    with pytest.raises(JobStoreError, match="No space left"):
        local.put("plan.json", b"new!")
    files.most = None
    # Not even what could not be removed is taken for a file.
    assert (["plan.json"], b"old") == (local.list(), local.get("plan.json"))
    assert 2 == len(os.listdir(local.directory))


@pytest.mark.parametrize(
    ("call", "method", "arguments", "operation"),
    [
        ("read", "get", ("plan.json",), "read"),
        ("open", "put", ("plan.json", b"1"), "written"),
        ("open", "append", ("dead.jsonl", b"1\n"), "written"),
        ("files", "list", (), "listed"),
        ("remove", "delete", ("plan.json",), "deleted"),
        ("lock", "lock", ("lock.flock",), "locked"),
        ("files", "sweep", (), "deleted"),
    ],
)
def test_a_directory_without_permissions_is_a_clear_error(
    local: LocalStore, files: Files, call: str, method: str, arguments: tuple[Any, ...], operation: str
) -> None:
    local.put("plan.json", b"1")
    files.fails = {call: errno.EACCES}
    with pytest.raises(JobStoreError, match=f"can't be {operation}: Permission denied") as caught:
        getattr(local, method)(*arguments)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_directory_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    local = LocalStore(tmp_path / "file" / "job")
    with pytest.raises(JobStoreError, match="can't be written: Not a directory"):
        local.put("plan.json", b"1")
    with pytest.raises(JobStoreError, match="can't be listed"):
        local.list()


def test_lines_are_appended_and_durable(local: LocalStore, files: Files) -> None:
    local.append("dead/a.jsonl", b"1\n")
    assert files.calls[-1] == ("fsync_directory", "dead")
    files.calls.clear()
    local.append("dead/a.jsonl", b"2\n")
    assert ["open", "read", "write", "fsync"] == [call for call, _ in files.calls]
    assert b"1\n2\n" == local.get("dead/a.jsonl")


@pytest.mark.parametrize(("torn", "whole"), [(b"1\n2", b"1\n"), (b"12", b""), (b"1\n\0\0", b"1\n")])
def test_what_a_kill_left_of_a_line_is_removed_before_the_next(local: LocalStore, torn: bytes, whole: bytes) -> None:
    local.put("dead.jsonl", torn)
    local.append("dead.jsonl", b"3\n")
    assert whole + b"3\n" == local.get("dead.jsonl")


def test_a_line_that_does_not_fit_is_taken_back(local: LocalStore, files: Files) -> None:
    local.append("dead.jsonl", b"1\n")
    files.most = 1
    with pytest.raises(JobStoreError, match="No space left"):
        local.append("dead.jsonl", b"22\n")
    files.most = None
    assert b"1\n" == local.get("dead.jsonl")


def test_old_unfinished_files_are_swept_and_young_ones_are_not(local: LocalStore, files: Files) -> None:
    local.put("state/a.json", b"1")
    at = local.directory / "state"
    for name, age in (("a.json.0123abcd.tmp", 3601), ("b.json.0123abcd.tmp", 3599)):
        (at / name).write_bytes(b"")
        os.utime(at / name, (1e9 - age, 1e9 - age))
    os.utime(at / "a.json", (0, 0))
    assert ["state/a.json"] == local.list()
    local.sweep(1e9)
    assert ["a.json", "b.json.0123abcd.tmp"] == sorted(os.listdir(at))
    local.sweep()
    assert ["a.json"] == os.listdir(at)
    (at / "c.json.0123abcd.tmp").write_bytes(b"")
    # Its writer removes it at the same time.
    files.fails = {"remove": errno.ENOENT}
    local.sweep(9e9)


def test_a_store_is_a_directory_or_an_object_with_its_methods(tmp_path: Path) -> None:
    for place in (tmp_path, str(tmp_path)):
        opened = open_store(place)
        assert isinstance(opened, LocalStore)
        assert (tmp_path, f"LocalStore({str(tmp_path)!r})") == (opened.directory, repr(opened))
    mine = DictStore()
    assert mine is open_store(mine)
    with pytest.raises(ValueError, match="'gs://bucket/job'"):
        open_store("gs://bucket/job")
    with pytest.raises(ValueError, match="not ''"):
        open_store("")
    with pytest.raises(TypeError, match=r"not 5, which has no get\(\)"):
        open_store(cast("Any", 5))


def test_a_file_is_locked_for_one_at_a_time(local: LocalStore) -> None:
    locked, descriptor = local.lock("lock.flock")
    assert locked
    again, other = local.lock("lock.flock")
    assert again is False
    local.unlock(other)
    local.unlock(descriptor)
    locked, descriptor = local.lock("lock.flock")
    assert locked
    local.unlock(descriptor)


def test_a_lock_of_a_file_ends_with_its_process(local: LocalStore) -> None:
    local.put("lock.flock", b"")
    code = (
        "import os, sys\n"
        "from cendry.jobs import LocalStore\n"
        "locked, _ = LocalStore(sys.argv[1]).lock('lock.flock')\n"
        "print(locked, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(local.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert "True\n" == child.stdout.readline()
    locked, descriptor = local.lock("lock.flock")
    local.unlock(descriptor)
    assert locked is False
    child.kill()
    child.communicate()
    locked, descriptor = local.lock("lock.flock")
    local.unlock(descriptor)
    assert locked


def test_where_python_has_no_fcntl_there_are_no_locks(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("cendry.jobs.again", store.__file__)
    assert spec is not None
    assert spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.RealFiles().lock(0) is None


def test_a_disk_without_locks_says_so(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLocks:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

    for found in (NoLocks, None):
        monkeypatch.setattr(store, "_fcntl", found)
        locked, descriptor = local.lock("lock.flock")
        local.unlock(descriptor)
        assert locked is None


def test_where_directories_can_not_be_synced_they_are_not(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_CAN_SYNC_DIRECTORIES", False)
    local.put("plan.json", b"1")
    assert b"1" == local.get("plan.json")


def test_a_directory_that_can_not_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        RealFiles().files(tmp_path / "file")
