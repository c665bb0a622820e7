from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from cendry.plan import Create, Delete, GetPlan, QueryPlan, Set
from cendry_memory import AsyncMemoryBackend, ManualClock, MemoryBackend, StoreFileError
from cendry_memory import _journal as journal
from memory.asking import ask, is_, paths, ref, stored, times, update
from memory.test_writes import EVERYTHING


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@contextlib.contextmanager
def opened(file: Path, **options: Any) -> Any:
    backend = MemoryBackend(file, **options)
    try:
        yield backend
    finally:
        backend.close()


class TestKeeping:
    def test_what_was_committed_is_there_again(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", EVERYTHING), Set("c/b", {"x": 1}), Set("c/a/s/é", {"x": math.nan})])
            backend.commit([Delete("c/b"), update("c/a/s/é", {"y": [1.0, 2**62]}, "y")])
            before = times(backend, "c/a/s/é")
        with opened(file) as backend:
            assert stored(backend, "c/a") == EVERYTHING
            assert repr(stored(backend, "c/a")["float"]) == "-0.0"
            again = stored(backend, "c/a/s/é")
            assert (str(again["x"]), again["y"], type(again["y"][0])) == ("nan", [1.0, 2**62], float)
            assert stored(backend, "c/b") is None
            assert times(backend, "c/a/s/é") == before
            assert paths(backend, QueryPlan("s", group=True)) == ["c/a/s/é"]
            assert ask(backend, is_("int", ">", 0)) == ["a"]

    def test_odd_values_are_kept(self, file: Path) -> None:
        odd = {
            "one": {"a": 1},
            "two": {"a": 1, "b": 2},
            "inf": -math.inf,
            "refs": [ref("c/a"), ref("c/__id7__/s/é")],
            "text": "\0\n\"'\\ é 😀",
        }
        with opened(file) as backend:
            backend.commit([Set("c/a", odd)])
        with opened(file) as backend:
            assert stored(backend, "c/a") == odd

    def test_times_go_on_where_they_were(self, file: Path) -> None:
        clock = ManualClock()
        with opened(file, clock=clock) as backend:
            first = backend.commit([Set("c/a", {"x": 1})]).commit_time
        clock.advance(-100)
        with opened(file, clock=clock) as backend:
            second = backend.commit([Set("c/a", {"x": 2})]).commit_time
        assert first is not None
        assert second is not None
        assert first < second

    def test_a_commit_that_changes_nothing_writes_nothing(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {"x": 1})])
            size = os.path.getsize(f"{file}-wal")
            backend.commit([Set("c/a", {"x": 1})])
            assert os.path.getsize(f"{file}-wal") == size

    async def test_the_async_twin_keeps_too(self, file: Path) -> None:
        backend = AsyncMemoryBackend(file)
        await backend.commit([Set("c/a", {"x": 1})])
        await backend.close()
        with opened(file) as again:
            assert stored(again, "c/a") == {"x": 1}

    def test_an_empty_file_becomes_a_store(self, file: Path) -> None:
        file.touch()
        with opened(file) as backend:
            backend.commit([Create("c/a", {})])
        with opened(file) as backend:
            assert stored(backend, "c/a") == {}

    def test_after_close_nothing_can_be_done(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {})])
        backend.close()
        for call in (
            lambda: stored(backend, "c/a"),
            lambda: backend.commit([Set("c/a", {"x": 1})]),
            lambda: backend.begin(),
            lambda: backend.listen(GetPlan(("c/a",)), print, print),
        ):
            with pytest.raises(StoreFileError, match="was closed"):
                call()

    def test_a_commit_that_cant_be_kept_is_not_made(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {"x": 1})])
            kept = backend.store._journal
            kept._connection.execute("PRAGMA query_only = 1")
            with pytest.raises(StoreFileError, match="nothing was committed"):
                backend.commit([Set("c/a", {"x": 2})])
            kept._connection.execute("PRAGMA query_only = 0")
            assert stored(backend, "c/a") == {"x": 1}
            backend.commit([Set("c/b", {"x": 2})])
            kept._connection.execute("BEGIN")
            with pytest.raises(StoreFileError, match="nothing was committed"):
                backend.commit([Set("c/a", {"x": 3})])
        with opened(file) as backend:
            assert (stored(backend, "c/a"), stored(backend, "c/b")) == ({"x": 1}, {"x": 2})


SECOND = """
    import sys
    from cendry_memory import MemoryBackend, StoreFileError
    try:
        MemoryBackend(sys.argv[1]).close()
    except StoreFileError as error:
        print(error)
"""


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class TestSharing:
    def test_one_file_is_open_once_in_a_process(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {})])
            with pytest.raises(StoreFileError, match="is already open"):
                MemoryBackend(file)
            backend.commit([Set("c/b", {})])
        with opened(file) as backend:
            assert ask(backend) == ["a", "b"]

    def test_another_process_is_told_so(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {})])
            said = subprocess.run(python(SECOND, file), env=environment(), capture_output=True, text=True, check=True)
            assert "is already open, in this process or another one" in said.stdout
        said = subprocess.run(python(SECOND, file), env=environment(), capture_output=True, text=True, check=True)
        assert said.stdout == ""


WRITER = """
    import sys
    from cendry.plan import Delete, Set
    from cendry_memory import MemoryBackend
    backend = MemoryBackend(sys.argv[1])
    number = int(sys.argv[2])
    while True:
        number += 1
        text = "x" * (number % 700)
        writes = [Set(f"c/{place}", {"n": number, "text": text}) for place in range(20)]
        writes.append(Set(f"log/{number}", {}))
        writes.append(Delete(f"log/{number - 50}"))
        backend.commit(writes)
        print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_keeps_every_acknowledged_commit_whole(file: Path) -> None:
    rng = random.Random(1)
    acknowledged = 0
    for _ in range(12):
        process = subprocess.Popen(
            python(WRITER, file, acknowledged),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        assert first, process.stderr.read()
        time.sleep(rng.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        last = int(rest[-1] if rest else first)
        with opened(file) as backend:
            found = [(item.data["n"], len(item.data["text"])) for item in backend.run(QueryPlan("c"))]
            [number] = {number for number, _ in found}
            # What was killed between its commit and its acknowledgement may be there as well.
            assert (len(found), number in (last, last + 1)) == (20, True)
            assert {length for _, length in found} == {number % 700}
            assert len(ask(backend, collection="log")) == min(50, number)
        acknowledged = number
    assert acknowledged > 50


def content(file: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in file.parent.iterdir()}


class TestFilesThatArentOurs:
    @pytest.fixture
    def kept(self, file: Path) -> Path:
        with opened(file) as backend:
            backend.commit([Set(f"c/{number}", {"text": f"{number} " * 200}) for number in range(300)])
        return file

    def refused(self, file: Path, message: str) -> None:
        before = content(file)
        with pytest.raises(StoreFileError, match=message) as caught:
            MemoryBackend(file)
        assert caught.value.path == str(file)
        assert content(file) == before

    def test_another_kind_of_file(self, file: Path) -> None:
        file.write_text("Dear diary, " * 100)
        self.refused(file, "not a file of cendry-memory")

    def test_another_programs_database(self, file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE documents (path TEXT)")
        self.refused(file, "not a file of cendry-memory")

    def test_a_database_without_tables(self, file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 1")
        self.refused(file, "not a file of cendry-memory")

    def test_a_later_format(self, kept: Path) -> None:
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            connection.execute("PRAGMA user_version = 2")
            connection.commit()
        self.refused(kept, "format 2")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreFileError, match="can't be opened"):
            MemoryBackend(tmp_path)

    def test_a_folder_that_isnt_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreFileError, match="can't be opened"):
            MemoryBackend(tmp_path / "none" / "app.db")

    def test_a_file_that_was_cut(self, kept: Path) -> None:
        data = kept.read_bytes()
        kept.write_bytes(data[: len(data) // 2])
        self.refused(kept, "damaged")

    @pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
    def test_a_file_that_was_written_over(self, kept: Path, place: float) -> None:
        data = bytearray(kept.read_bytes())
        start = int(len(data) * place)
        data[start : start + 2000] = b"garbage " * 250
        kept.write_bytes(data)
        self.refused(kept, "damaged")

    @pytest.mark.parametrize("flip", [b"17 17 17", b'{"text":"170 170'])
    def test_a_single_wrong_character(self, kept: Path, flip: bytes) -> None:
        data = kept.read_bytes()
        assert flip in data
        kept.write_bytes(data.replace(flip, flip[:-1] + b"8", 1))
        self.refused(kept, "checksum")

    @pytest.mark.parametrize(
        "text",
        [
            "[1]",
            "not json",
            '{"a":',
            '{"__bytes__x": 1, "__y__": 2}',
            '{"a": {"__bytes__": "%"}}',
            '{"a": {"__time__": "x"}}',
            '{"a": {"__reference__": 1}}',
        ],
    )
    def test_rows_of_another_form(self, kept: Path, text: str) -> None:
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            row = ("c/1", text, 1, 1, journal._checksum("c/1", text, 1, 1))
            connection.execute(
                "UPDATE documents SET data = ?, create_time = ?, update_time = ?, checksum = ? WHERE path = ?",
                (*row[1:], row[0]),
            )
            connection.commit()
        self.refused(kept, "damaged")

    def test_a_missing_table(self, kept: Path) -> None:
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            connection.execute("DROP TABLE state")
            connection.commit()
        self.refused(kept, "can't be opened|damaged")

    def test_a_file_that_may_not_be_read(self, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: Any) -> Any:
            raise PermissionError("not yours")

        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(StoreFileError, match="not yours"):
            MemoryBackend(kept)
