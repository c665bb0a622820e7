"""Forked children: what they get of memory is their own, and the file of a store stays with the parent."""

from __future__ import annotations

import os
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry.errors import UsedBeforeForkError
from cendry.plan import QueryPlan, Set
from cendry_memory import MemoryBackend, StoreFileError, _opening
from forking import forks, python, script
from memory.asking import ask
from memory.test_interrupts import journal_of

PRELUDE = """
from cendry_memory import AsyncMemoryBackend, ManualClock, MemoryBackend, StoreFileError

[path] = arguments

def ids(backend, collection="c"):
    return sorted(item.path.rpartition("/")[2] for item in backend.run(QueryPlan(collection)))
"""


def run(program: str, file: Path) -> None:
    assert python(PRELUDE + textwrap.dedent(program), file) == ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@forks
@pytest.mark.slow
@pytest.mark.parametrize("ending", ["os._exit", "sys.exit"])
def test_a_file_stays_with_the_parent(file: Path, ending: str) -> None:
    run(
        f"""
        backend = MemoryBackend(path)
        ctx = Cendry(backend=backend)
        transaction = backend.begin()
        list(backend.get(GetPlan(("c/a",)), transaction=transaction))
        backend.commit([Set("c/first", {{"n": 0}})])
        found = backend.run(QueryPlan("c"))

        def inherit():
            refused(ids, backend)
            refused(backend.get, GetPlan(("c/a",)))
            refused(backend.commit, [Set("c/lost", {{}})])
            refused(backend.commit, [Set("c/lost", {{}})], transaction=transaction)
            refused(backend.rollback, transaction)
            refused(backend.listen, GetPlan(("c/a",)), print, print)
            refused(MemoryBackend, path)
            os.link(path, path + ".link")
            refused(MemoryBackend, path + ".link")
            os.unlink(path + ".link")
            assert [item.path for item in found] == ["c/first"]
            backend.close()
            try:
                ids(backend)
            except StoreFileError as error:
                assert "was closed" in str(error)
            gc.collect()

        def drop():
            global backend, ctx, found, transaction
            del backend, ctx, found, transaction
            gc.collect()

        for number in range(10):
            backend.commit([Set(f"c/{{number}}", {{"n": number}})])
            child(inherit, ending={ending})
            child(drop, ending={ending})
        backend.commit([Set("c/last", {{}})])
        os._exit(0)
        """,
        file,
    )
    with MemoryBackend(file) as backend:
        assert ask(backend) == sorted(["first", "last", *map(str, range(10))])


@forks
@pytest.mark.slow
def test_no_write_is_lost_while_threads_write_and_children_come_and_go(file: Path) -> None:
    run(
        """
        backend = MemoryBackend(path)

        def write(name):
            for number in range(300):
                backend.commit([Set(f"{name}/{number}", {"text": "x" * number})])

        def inherit():
            refused(backend.commit, [Set("c/lost", {})])
            other = MemoryBackend(f"{path}.{os.getpid()}")
            other.commit([Set("c/kept", {})])
            other.close()
            with MemoryBackend(f"{path}.{os.getpid()}") as other:
                assert ids(other) == ["kept"]

        threads = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()
        for number in range(30):
            child(inherit, ending=sys.exit if number % 2 else os._exit)
        for thread in threads:
            thread.join()
        backend.close()
        """,
        file,
    )
    with MemoryBackend(file) as backend:
        for name in "xyz":
            assert len(list(backend.run(QueryPlan(name)))) == 300
        assert ask(backend) == []


@forks
@pytest.mark.slow
def test_what_is_opened_after_the_fork_works(file: Path) -> None:
    run(
        """
        def work():
            with MemoryBackend(path) as backend:
                backend.commit([Create(f"c/{len(ids(backend))}", {})])

        backend = MemoryBackend(path)
        backend.close()
        for _ in range(3):
            child(work, ending=sys.exit)
        """,
        file,
    )
    with MemoryBackend(file) as backend:
        assert ask(backend) == ["0", "1", "2"]


@forks
def test_a_child_gets_a_copy_of_what_is_in_memory(file: Path) -> None:
    run(
        """
        clock = ManualClock()
        backend = MemoryBackend(clock=clock)
        ctx = Cendry(backend=backend, clock=clock)
        twin = AsyncCendry(backend=AsyncMemoryBackend(store=backend.store))

        class Item(Model, collection="c"):
            n: Field[int]

        def work(number):
            assert ids(backend) == ["a"]
            ctx.save(Item(id="b", n=number))
            ctx.update(Item, "a", {Item.n: number})
            with ctx.batch() as batch:
                batch.save(Item(id="c", n=number))

            async def read():
                return sorted([item.id async for item in twin.select(Item)])

            assert asyncio.run(read()) == ["a", "b", "c"]
            clock.advance(1)
            backend.faults.abort_next_commit()
            backend.faults.clear()
            heard = []
            with ctx.select(Item).on_snapshot(lambda snapshot: heard.append(len(snapshot.documents))):
                ctx.delete(Item, "b")
                ctx.delete(Item, "c")
                assert backend.drain(10)
            assert heard == [3, 2, 1], heard

        ctx.save(Item(id="a", n=0))
        for number in range(3):
            child(work, number, ending=sys.exit)
            assert ids(backend) == ["a"]
            assert ctx.get(Item, "a").n == 0
        """,
        file,
    )


@forks
@pytest.mark.slow
def test_a_child_never_hangs_while_threads_of_the_parent_are_inside_the_store(file: Path) -> None:
    run(
        """
        backend = MemoryBackend()
        heard = []
        handle = backend.listen(QueryPlan("c"), heard.append, print)

        def write(name):
            number = 0
            while not stopped:
                number += 1
                backend.commit([Set(f"c/{name}{place}", {"n": number, "group": number % 5}) for place in range(20)])
                backend.faults.clear()
                clock.advance(1)

        stopped = []
        clock = ManualClock()
        threads = [threading.Thread(target=write, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()

        def work():
            # Commits are whole, in the documents and in their indexes.
            found = {item.path: item.data for item in backend.run(QueryPlan("c"))}
            for name in "xyz":
                assert len({data["n"] for path, data in found.items() if path.startswith(f"c/{name}")}) <= 1
            before = len(heard)
            backend.commit([Set("c/x1", {"mine": True}), Set("d/a", {})])
            assert backend.drain(10)
            assert len(heard) == before, "the listener is the parent's"
            mine = []
            with Cendry(backend=backend):
                own = backend.listen(GetPlan(("d/a",)), mine.append, print)
                assert backend.drain(10)
                own.close()
            handle.close()
            assert len(mine) == 1
            clock.advance(1)
            backend.faults.clear()

        for number in range(20):
            child(work, ending=sys.exit if number % 10 == 0 else os._exit)
        stopped.append(True)
        for thread in threads:
            thread.join()
        assert backend.drain(30)
        assert len(heard) > 2
        handle.close()
        """,
        file,
    )


@forks
@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(file: Path, method: str) -> None:
    program = PRELUDE + textwrap.dedent(
        f"""
            backend = MemoryBackend()

            def count(number):
                backend.commit([Set(f"c/{{number}}", {{}})])
                with MemoryBackend(f"{{path}}.{{os.getpid()}}") as own:
                    own.commit([Set(f"c/{{number}}", {{}})])
                    return f"{{number}}" in ids(own) and f"{{number}}" in ids(backend)

            def inherited():
                return type(error_of(lambda: ids(kept))).__name__

            def error_of(function):
                try:
                    function()
                except CendryError as error:
                    return error

            if __name__ == "__main__":
                kept = MemoryBackend(path)
                kept.commit([Set("c/a", {{}})])
                context = multiprocessing.get_context({method!r})
                with context.Pool(2) as pool:
                    assert all(pool.map(count, range(6)))
                    if {method!r} == "fork":
                        assert pool.apply(inherited) == "UsedBeforeForkError"
                kept.commit([Set("c/b", {{}})])
                assert ids(kept) == ["a", "b"]
                assert ids(backend) == []
            """
    )
    assert python(script(file.with_name("workers.py"), program), file) == ""
    with MemoryBackend(file) as backend:
        assert ask(backend) == ["a", "b"]


class TestWhatAChildDoes:
    """The same in this process, which is no child: what its backends do after a fork."""

    def test_memory_goes_on_with_what_it_has(self) -> None:
        backend = MemoryBackend()
        backend.commit([Set("c/a", {})])
        heard: list[int] = []
        handle = backend.listen(QueryPlan("c"), lambda snapshot: heard.append(len(snapshot.documents)), print)
        assert backend.drain(10)
        backend.store.after_fork()
        backend.commit([Set("c/b", {})])
        assert backend.drain(10)
        assert (heard, ask(backend)) == ([1], ["a", "b"])
        handle.close()

    def test_a_file_is_left_alone(self, file: Path) -> None:
        backend = MemoryBackend(file)
        connection: Any = journal_of(backend)._connection
        backend.commit([Set("c/a", {})])
        backend.store.after_fork()
        backend.store.after_fork()
        _opening._files.after_fork_in_child()
        for use in (lambda: ask(backend), lambda: backend.commit([Set("c/a", {})]), lambda: MemoryBackend(file)):
            with pytest.raises(UsedBeforeForkError, match="only one process at a time") as caught:
                use()
            assert (caught.value.backend, caught.value.process) == ("Memory", os.getpid())
        # A commit that was interrupted by a handler that forked ends here.
        with pytest.raises(StoreFileError, match="before fork"):
            journal_of(backend).write([], datetime.now(timezone.utc))
        backend.close()
        assert len(connection.execute("SELECT * FROM documents").fetchall()) == 1
        connection.close()

    def test_a_file_that_was_closed_before_is_nobodys(self, file: Path) -> None:
        backend = MemoryBackend(file)
        store = backend.store
        backend.commit([Set("c/a", {})])
        backend.close()
        store.after_fork()
        _opening._files.after_fork_in_child()
        with MemoryBackend(file) as again:
            assert ask(again) == ["a"]

    def test_a_fork_waits_for_threads_that_use_a_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = _opening._files
        with MemoryBackend(file) as backend:
            files.before_fork()
            thread = threading.Thread(target=backend.commit, args=([Set("c/a", {})],))
            thread.start()
            thread.join(0.1)
            assert thread.is_alive()
            files.after_fork_in_parent()
            thread.join(10)
            assert ask(backend) == ["a"]
            # But not for ever.
            monkeypatch.setattr(_opening, "FORK_SECONDS", 0.01)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(backend.store.lock.acquire).result()
                files.before_fork()
                files.after_fork_in_parent()
                pool.submit(backend.store.lock.release).result()
            backend.commit([Set("c/b", {})])
            assert ask(backend) == ["a", "b"]
