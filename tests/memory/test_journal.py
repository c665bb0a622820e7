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
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cendry import Cendry, Field, Model
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
        backend.close()
        for call in (
            lambda: stored(backend, "c/a"),
            lambda: backend.commit([Set("c/a", {"x": 1})]),
            lambda: stored(backend, "c/a", transaction=backend.begin()),
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


class Item(Model, collection="items"):
    n: Field[int]


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


def elsewhere(file: Path) -> str:
    """What another process says that opens and closes the file: nothing, or its error."""
    return subprocess.run(python(SECOND, file), env=environment(), capture_output=True, text=True, check=True).stdout


def killed(file: Path) -> None:
    """Leave a file as a process that was killed leaves it: the commit is in the log alone."""
    code = """
        import os, sys
        from cendry.plan import Set
        from cendry_memory import MemoryBackend
        backend = MemoryBackend(sys.argv[1])
        backend.commit([Set("c/a", {})])
        os.kill(os.getpid(), 9)
    """
    subprocess.run(python(code, file), env=environment(), check=False)
    assert os.path.getsize(f"{file}-wal") > 0


class TestSharing:
    def test_backends_on_one_file_share_their_documents(self, file: Path) -> None:
        with MemoryBackend(file) as first, MemoryBackend(file) as second:
            first.commit([Set("c/a", {})])
            second.commit([Set("c/b", {})])
            assert ask(first) == ask(second) == ["a", "b"]
            assert first.store is second.store
        with MemoryBackend(file) as backend:
            assert ask(backend) == ["a", "b"]

    async def test_both_twins_share_their_documents(self, file: Path) -> None:
        async with AsyncMemoryBackend(file) as first:
            with MemoryBackend(file) as second:
                await first.commit([Set("c/a", {})])
                assert stored(second, "c/a") == {}
            await first.commit([Set("c/b", {})])
        with MemoryBackend(file) as backend:
            assert ask(backend) == ["a", "b"]

    def test_the_file_is_closed_with_the_last_backend(self, file: Path) -> None:
        first, second = MemoryBackend(file), MemoryBackend(file)
        third = MemoryBackend(store=second.store)
        for backend in (first, second):
            backend.close()
            backend.close()
            with pytest.raises(StoreFileError, match="was closed by this backend"):
                backend.commit([Set("c/a", {})])
            third.commit([Set("c/b", {})])
            assert "is already open" in elsewhere(file)
        third.close()
        assert elsewhere(file) == ""

    def test_a_backend_that_is_dropped_closes_the_file(self, file: Path) -> None:
        MemoryBackend(file).commit([Set("c/a", {})])
        assert elsewhere(file) == ""

    def test_contexts_one_after_the_other(self, file: Path) -> None:
        for number in range(3):
            with Cendry(backend=MemoryBackend(file)) as ctx:
                assert [item.n for item in ctx.select(Item).order_by("n")] == list(range(number))
                ctx.save(Item(id=str(number), n=number))

    def test_a_context_manager_closes_the_file(self, file: Path) -> None:
        with MemoryBackend(file) as backend, Cendry(backend=backend) as ctx:
            ctx.save(Item(id="a", n=1))
        assert elsewhere(file) == ""
        with pytest.raises(StoreFileError, match="was closed"):
            stored(backend, "items/a")

    @pytest.mark.skipif(not hasattr(os, "link"), reason="there are no hard links")
    def test_links_lead_to_the_same_store(self, file: Path) -> None:
        with MemoryBackend(file) as backend:
            symbolic, hard = file.with_name("symbolic"), file.with_name("hard")
            symbolic.symlink_to(file)
            os.link(file, hard)
            backend.commit([Set("c/a", {})])
            for link in (symbolic, hard, os.path.relpath(file)):
                with MemoryBackend(link) as other:
                    assert other.store is backend.store
                    other.commit([Set("c/b", {})])
                assert "is already open" in elsewhere(file)
            assert ask(backend) == ["a", "b"]

    def test_the_log_of_a_killed_process_is_found_through_a_link(self, file: Path) -> None:
        killed(file)
        link = file.with_name("link")
        link.symlink_to(file)
        with MemoryBackend(link) as backend:
            assert ask(backend) == ["a"]

    def test_a_file_that_was_replaced_is_another_one(self, file: Path) -> None:
        with MemoryBackend(file) as backend:
            backend.commit([Set("c/a", {})])
            for each in file.parent.iterdir():
                each.rename(each.with_name(f"old-{each.name}"))
            with MemoryBackend(file) as other:
                assert ask(other) == []
                assert other.store is not backend.store

    @pytest.mark.parametrize("option", [{"clock": ManualClock()}, {"strict_indexes": None}])
    def test_another_backend_with_other_options_is_refused(self, file: Path, option: Any) -> None:
        with MemoryBackend(file, **option) as backend:
            with pytest.raises(StoreFileError, match="with other strict_indexes= or another clock="):
                MemoryBackend(file)
            with MemoryBackend(file, **option) as other:
                assert other.store is backend.store
            backend.commit([Set("c/a", {})])
            assert "is already open" in elsewhere(file)

    def test_indexes_are_compared_by_their_content(self, file: Path) -> None:
        declared: dict[str, list[Any]] = {"indexes": [], "fieldOverrides": []}
        with MemoryBackend(file, strict_indexes=declared) as backend:
            with MemoryBackend(file, strict_indexes=None) as other:
                assert other.store is backend.store
            override = {"collectionGroup": "c", "fieldPath": "x", "indexes": []}
            with pytest.raises(StoreFileError, match="with other strict_indexes="):
                MemoryBackend(file, strict_indexes={"indexes": [], "fieldOverrides": [override]})

    def test_each_backend_ends_its_own_listeners(self, file: Path) -> None:
        heard: list[str] = []
        with MemoryBackend(file) as first:
            first.listen(GetPlan(("c/a",)), lambda _: heard.append("first"), print)
            with MemoryBackend(file) as second:
                second.listen(GetPlan(("c/a",)), lambda _: heard.append("second"), print)
                assert second.drain(10)
            first.commit([Set("c/a", {})])
            assert first.drain(10)
        assert sorted(heard) == ["first", "first", "second"]

    def test_threads_that_open_and_close_one_file(self, file: Path) -> None:
        failures: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for number in range(20):
                    with MemoryBackend(file) as backend:
                        backend.commit([Create(f"c/{name}{number}", {})])
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with MemoryBackend(file) as backend:
            assert len(ask(backend)) == 80

    def test_a_refused_file_keeps_the_locks_of_its_own_program(self, file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE documents (path TEXT)")
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFileError, match="not a file of cendry-memory"):
                MemoryBackend(file)
            code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
            other = subprocess.run(python(code, file), capture_output=True, text=True, check=False)
            assert "database is locked" in other.stderr

    def test_another_process_is_told_so(self, file: Path) -> None:
        with opened(file) as backend:
            backend.commit([Set("c/a", {})])
            assert "is already open, in this process or another one" in elsewhere(file)
        assert elsewhere(file) == ""


WRITER = """
    import os, sys, threading
    from cendry.plan import Delete, Set
    from cendry_memory import MemoryBackend

    path, forked, *numbers = sys.argv[1:]

    def keep_busy(backend):
        while True:
            backend.commit([Set("c/a", {"text": os.urandom(400).hex()})])

    def write(backend, name, number):
        while True:
            number += 1
            text = "x" * (number % 700)
            writes = [Set(f"{name}/{place}", {"n": number, "text": text}) for place in range(20)]
            writes.append(Set(f"log/{name}{number}", {}))
            writes.append(Delete(f"log/{name}{number - 50}"))
            backend.commit(writes)
            os.write(1, f"{name} {number}\\n".encode())

    if forked == "forked":
        # The parent's threads are inside another store while it forks.
        other = MemoryBackend(path + ".parent")
        for _ in range(2):
            threading.Thread(target=keep_busy, args=(other,), daemon=True).start()
        if child := os.fork():
            os.waitpid(child, 0)
            os._exit(0)
    backend = MemoryBackend(path)
    print(os.getpid(), flush=True)
    for name, number in zip("abc", numbers, strict=True):
        threading.Thread(target=write, args=(backend, name, int(number))).start()
"""

HOLDER = """
    import sys
    from cendry_memory import MemoryBackend
    backend = MemoryBackend(sys.argv[1])
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_another_process_has_open_is_refused(file: Path) -> None:
    with subprocess.Popen(
        python(HOLDER, file), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        before = content(file)
        with pytest.raises(StoreFileError, match="is already open, in this process or another one"):
            MemoryBackend(file)
        assert content(file) == before
        process.stdin.close()
        assert process.wait(30) == 0
    with opened(file) as backend:
        assert ask(backend) == []


def test_killed_while_its_log_moves_to_the_file_it_opens_again(file: Path, tmp_path: Path) -> None:
    # The first page is written first, and tells the size that the file is going to have.
    with opened(file) as backend:
        backend.commit([Set("c/a", {"x": 1})])
    size = file.stat().st_size
    with opened(file) as backend:
        backend.commit([Set(f"c/{number}", {"text": f"{number} " * 200}) for number in range(300)])
        log = Path(f"{file}-wal").read_bytes()
        before = [item.data for item in backend.run(QueryPlan("c"))]
    killed = tmp_path / "killed.db"
    killed.write_bytes(file.read_bytes()[:size])
    Path(f"{killed}-wal").write_bytes(log)
    with opened(killed) as backend:
        assert len(before) == 301
        assert [item.data for item in backend.run(QueryPlan("c"))] == before


KILLS = int(os.environ.get("CENDRY_KILLS", "12"))
"""How often a process is killed."""


@pytest.mark.slow
def test_killed_at_any_moment_it_keeps_every_acknowledged_commit_whole(file: Path) -> None:
    rng = random.Random(1)
    acknowledged = dict.fromkeys("abc", 0)
    for round_ in range(KILLS):
        forked = "forked" if round_ % 2 else "alone"
        with subprocess.Popen(
            python(WRITER, file, forked, *acknowledged.values()),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            writer = process.stdout.readline()
            assert writer, process.stderr.read()
            time.sleep(rng.random() * 0.2)
            os.kill(int(writer), signal.SIGKILL)
            for line in process.stdout.read().splitlines():
                name, last = line.split()
                acknowledged[name] = int(last)
        with opened(file) as backend:
            for name, acknowledged_last in acknowledged.items():
                found = [(item.data["n"], len(item.data["text"])) for item in backend.run(QueryPlan(name))]
                number = max((number for number, _ in found), default=0)
                assert set(found) == ({(number, number % 700)} if number else set())
                # What was killed between its commit and its acknowledgement may be there as well.
                assert number in (acknowledged_last, acknowledged_last + 1)
                assert len(found) == (20 if number else 0)
                kept = [path for path in ask(backend, collection="log") if path.startswith(name)]
                assert len(kept) == min(50, number)
                acknowledged[name] = number
    assert min(acknowledged.values()) > 20


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

    def test_a_log_that_cant_be_opened(self, kept: Path) -> None:
        Path(f"{kept}-wal").mkdir()
        with pytest.raises(StoreFileError, match="can't be opened"):
            MemoryBackend(kept)

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

    @pytest.mark.parametrize("size", [72, 99])
    def test_a_file_with_half_a_header(self, kept: Path, size: int) -> None:
        kept.write_bytes(kept.read_bytes()[:size])
        self.refused(kept, "not a file of cendry-memory")

    def test_a_header_that_sqlite_would_mend(self, kept: Path) -> None:
        data = bytearray(kept.read_bytes())
        # The tables, and the change counter that belongs to the size of the file.
        data[92:136] = bytes(44)
        kept.write_bytes(data + b"x")
        self.refused(kept, "damaged")

    def test_a_page_that_is_there_twice(self, kept: Path) -> None:
        data = kept.read_bytes()
        pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
        # Leaves of the tree of documents.
        first, second, *_ = (number for number, page in enumerate(pages) if page.startswith(b"\n") and b"c/" in page)
        pages[first] = pages[second]
        kept.write_bytes(b"".join(pages))
        self.refused(kept, "damaged")

    @pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
    def test_a_file_that_was_written_over(self, kept: Path, place: float) -> None:
        data = bytearray(kept.read_bytes())
        start = int(len(data) * place)
        data[start : start + 2000] = b"garbage " * 250
        kept.write_bytes(data)
        self.refused(kept, "damaged")

    @pytest.mark.parametrize("flip", [b'{"text":"17 17 17', b'{"text":"170 170'])
    def test_a_single_wrong_character(self, kept: Path, flip: bytes) -> None:
        data = kept.read_bytes()
        assert flip in data
        # Where SQLite moved a row, its old place may have it as well.
        kept.write_bytes(data.replace(flip, flip[:-1] + b"8"))
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
            '{"a": {"__time__": 9223372036854775807}}',
            '{"a": ' * 50_000,
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

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM documents WHERE path = 'c/1'",
            "UPDATE state SET last_commit = last_commit + 1",
            f"UPDATE state SET last_commit = {2**62}",
            "DELETE FROM state",
            "ALTER TABLE documents RENAME COLUMN checksum TO checksun",
            "CREATE TRIGGER more AFTER INSERT ON documents BEGIN DELETE FROM documents; END",
        ],
    )
    def test_what_another_program_changed(self, kept: Path, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            connection.execute(statement)
            connection.commit()
        self.refused(kept, "damaged")

    def test_a_missing_table(self, kept: Path) -> None:
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            connection.execute("DROP TABLE state")
            connection.commit()
        self.refused(kept, "can't be opened|damaged")

    def test_a_link_that_leads_nowhere(self, file: Path) -> None:
        file.symlink_to(file)
        with pytest.raises(StoreFileError, match="can't be opened"):
            MemoryBackend(file)

    @pytest.mark.skipif(os.access("/", os.W_OK), reason="root may read every file")
    def test_a_file_that_may_not_be_read(self, kept: Path) -> None:
        kept.chmod(0)
        with pytest.raises(StoreFileError, match="can't be opened"):
            MemoryBackend(kept)
