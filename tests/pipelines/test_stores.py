"""The state of a migration in a bucket and on a disk, by Beam's file systems: what other stores do, these do."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apache_beam.internal.gcp import auth
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.gcp.gcsio import create_storage_client
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import PipelineOptions
from cendry.errors import JobStoreError
from cendry.jobs import DeadLetters, LocalStore
from cendry_datastore.migrate.beam import FileSystemStore, open_store
from core.store_suite import StoreSuite
from gcp_storage_emulator.server import create_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket on this machine."""
    # It takes a port that is free; of one that isn't, it would not say so.
    server: Any = create_server("localhost", 0, in_memory=True, default_bucket="migrations")
    with pytest.MonkeyPatch.context() as patch, server:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{server._api._httpd.server_port}")
        # Without credentials: Beam would ask for those of the machine, again and again for half a minute.
        patch.setattr(auth._Credentials, "_credentials_init", True)
        FileSystems.set_options(PipelineOptions(["--project=cendry"]))
        yield "gs://migrations"


@pytest.fixture
def disk(tmp_path: Path) -> FileSystemStore:
    return FileSystemStore(str(tmp_path / "job"))


class FileSystemSuite(StoreSuite):
    def test_a_store_travels_to_workers(self, store: FileSystemStore) -> None:
        store.put("plan.json", b"1")
        there = pickle.loads(pickle.dumps(store))
        assert (b"1", repr(store)) == (there.get("plan.json"), repr(there))


class TestOnADisk(FileSystemSuite):
    @pytest.fixture
    def store(self, disk: FileSystemStore) -> FileSystemStore:
        return disk


class TestInABucket(FileSystemSuite):
    # The emulator doesn't escape any in its links.
    odd_names = ()

    @pytest.fixture
    def store(self, bucket: str, tmp_path: Path) -> FileSystemStore:
        return FileSystemStore(f"{bucket}/{tmp_path.name}/")


def test_what_a_console_makes_of_a_folder_is_no_file(bucket: str, tmp_path: Path) -> None:
    store = FileSystemStore(f"{bucket}/{tmp_path.name}")
    client = create_storage_client(PipelineOptions(), use_credentials=False)
    for folder in ("", "dead/"):
        client.bucket("migrations").blob(f"{tmp_path.name}/{folder}").upload_from_string(b"")
    DeadLetters(store, "S-000").append("0a", "S/1", "x")
    [name] = store.list()
    assert [name] == store.list("dead/")
    assert ["0a"] == list(DeadLetters.read(store))


# --- what fails ---


def test_a_file_keeps_its_old_content_when_the_new_one_can_not_be_written(
    disk: FileSystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.put("plan.json", b"old")

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "rename", full)
        with pytest.raises(JobStoreError, match="plan.json can't be written: .*No space left on device") as caught:
            disk.put("plan.json", b"new")
    assert caught.value.resumable
    assert b"old" == disk.get("plan.json")
    assert ["plan.json"] == os.listdir(disk.place)


def test_what_a_kill_left_of_a_file_is_none(disk: FileSystemStore) -> None:
    disk.put("plan.json", b"1")
    Path(disk.place, "plan.json.01234567.tmp").write_bytes(b"2")
    assert ["plan.json"] == disk.list()


def test_what_can_not_be_reached_is_a_clear_error(disk: FileSystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put("plan.json", b"1")

    def denied(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    for method, call, arguments, operation in (
        ("open", disk.get, ("plan.json",), "read"),
        ("create", disk.put, ("plan.json", b"2"), "written"),
        ("match", disk.list, (), "listed"),
        ("delete", disk.delete, ("plan.json",), "deleted"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(LocalFileSystem, method, denied)
            with pytest.raises(JobStoreError, match=f"can't be {operation}: .*Permission denied") as caught:
                call(*arguments)
            assert caught.value.__cause__ is not None
    assert b"1" == disk.get("plan.json")


def test_what_another_one_deleted_is_gone(disk: FileSystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put("plan.json", b"1")
    delete = LocalFileSystem.delete

    def twice(self: Any, paths: list[str]) -> None:
        delete(self, paths)
        delete(self, paths)

    monkeypatch.setattr(LocalFileSystem, "delete", twice)
    disk.delete("plan.json")
    assert [] == disk.list()


def test_what_another_one_writes_meanwhile_is_read(disk: FileSystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = LocalFileSystem.exists

    def written(self: Any, path: str) -> bool:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(b"1")
        return bool(exists(self, path))

    # After it was not there, and before that is certain.
    monkeypatch.setattr(LocalFileSystem, "exists", written)
    assert b"1" == disk.get("ramp.json")


def test_a_store_is_opened_by_its_place(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path), LocalStore)
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    opened = open_store("gs://b/m/")
    assert isinstance(opened, FileSystemStore)
    assert "gs://b/m" == opened.place
    for place, message in (
        ("s3://b/m", "takes the path of a directory or gs://bucket/folder, not 's3://b/m'"),
        ("gs://b/[m]", r"'gs://b/\[m\]' can't be a folder of a migration"),
        ("", "takes the path of a directory"),
    ):
        with pytest.raises(ValueError, match=message):
            open_store(place)
    with pytest.raises(ValueError, match="it is empty"):
        FileSystemStore("")
