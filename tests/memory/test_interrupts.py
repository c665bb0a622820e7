"""Interrupts: a signal handler that raises, at any moment of a commit. Memory and file stay equal and usable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cendry.backend import ListenResult
from cendry.errors import CendryError
from cendry.plan import Delete, QueryPlan, Set, Update, Write
from cendry.values import Increment
from cendry_memory import MemoryBackend, StoreFileError
from cendry_memory._journal import decoded
from memory.asking import ask, changed, is_, stored
from memory.test_journal import environment, python

INTERRUPTS = int(os.environ.get("CENDRY_INTERRUPTS", "100"))
"""How many commits are interrupted by a real signal."""

Documents = dict[str, dict[str, Any]]


class Interruption(BaseException):
    pass


class Interrupting:
    """Raises at one of the moments when Python handles signals: a function begins, or one of C's returns."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __enter__(self) -> Interrupting:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        # Python swallows what is raised where it ends a generator.
        if event == "c_return" or (event == "call" and not frame.f_code.co_flags & CO_GENERATOR):
            self.left -= 1
            if self.left == 0:
                raise Interruption


class Handler(Interrupting):
    """A handler of signals that commits, and lets what it interrupted go on."""

    def __init__(self, backend: MemoryBackend, writes: list[Write] | None = None) -> None:
        super().__init__(0)
        self.refused: list[str] = []
        self.used = 0
        self._backend = backend
        self._writes = writes

    def after(self, moment: int) -> Handler:
        self.left = moment
        return self

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        try:
            super()._profile(frame, event, argument)
        except Interruption:
            sys.setprofile(None)
            try:
                self._backend.commit(self._writes or [Set("e/a", {"n": self.used})])
            except CendryError as error:
                self.refused.append(str(error))
            else:
                self.used += 1


def writes(number: int) -> list[Write]:
    """Changes in old and new collections and their groups, to documents that stay, come and go."""
    return [
        *(Set(f"c/{name}", {"n": number, "group": number % 3}) for name in "ab"),
        Set(f"c/a/d/{number}", {"n": number}),
        Delete(f"c/a/d/{number - 1}"),
        Set(f"new/{number}/c/x", {"n": number}),
    ]


def after(documents: Documents, changes: list[Write]) -> Documents:
    changed = dict(documents)
    for write in changes:
        changed.pop(write.path, None)
        if not isinstance(write, Delete):
            changed[write.path] = dict(write.data)
    return changed


def in_memory(backend: MemoryBackend) -> Documents:
    plans = [QueryPlan("c", group=True), QueryPlan("d", parent="c/a")]
    found = {item.path: dict(item.data or {}) for plan in plans for item in backend.run(plan)}
    for path, data in found.items():
        assert stored(backend, path) == data
    # By way of indexes, where there are any.
    for number in range(3):
        ids = {path[2:] for path, data in found.items() if path.startswith("c/") and data.get("group") == number}
        assert set(ask(backend, is_("group", "==", number))) == ids
    return found


def journal_of(backend: MemoryBackend) -> Any:
    return backend.store._journal


def in_file(backend: MemoryBackend) -> Documents:
    rows = journal_of(backend)._connection.execute("SELECT path, data FROM documents")
    return {path: decoded(data) for path, data in rows}


@pytest.fixture(params=["file", "memory"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryBackend]:
    with MemoryBackend(tmp_path / "app.db" if request.param == "file" else None) as backend:
        yield backend


def test_a_commit_that_is_interrupted_anywhere_is_whole(backend: MemoryBackend, looking: str) -> None:
    documents: Documents = {}
    outcomes: list[bool] = []
    shown: set[str] = set()

    def show(result: ListenResult) -> None:
        shown.difference_update(result.removed)
        shown.update(one.path for one in result.documents)

    listener = backend.listen(QueryPlan("c", group=True), show, print)
    moment = 0
    while True:
        moment += 1
        # The interrupted commits find the same each time, so they take the same steps.
        found_by_each = writes(2 * moment)
        backend.commit(found_by_each)
        documents = after(documents, found_by_each)
        changes = writes(2 * moment + 1)
        try:
            with Interrupting(moment) as interrupting:
                backend.commit(changes)
        except Interruption:
            pass
        if interrupting.left > 0:
            break
        made = after(documents, changes)
        found = in_memory(backend)
        assert found in (documents, made)
        if backend.store.path is not None:
            assert in_file(backend) == found
        outcomes.append(found == made)
        documents = found
        assert backend.drain(10)
        assert shown == {path for path in found if "/d/" not in path}
    listener.close()
    # At first nothing was made, then all was, and there is no way back.
    assert (outcomes[0], outcomes[-1], outcomes == sorted(outcomes)) == (False, True, True)
    assert len(outcomes) > 200


def test_the_file_has_what_memory_had(tmp_path: Path) -> None:
    kept: list[Documents] = []
    for moment in range(100, 700, 60):
        with MemoryBackend(tmp_path / "app.db") as backend:
            if kept:
                assert in_memory(backend) == kept[-1]
            backend.commit(writes(moment - 1))
            try:
                with Interrupting(moment):
                    backend.commit(writes(moment))
            except Interruption:
                pass
            kept.append(in_memory(backend))


def test_the_next_commit_of_another_thread_is_made(backend: MemoryBackend) -> None:
    def write(number: int) -> None:
        backend.commit([Set("c/other", {"n": number})])
        written.append(number)

    written: list[int] = []
    for moment in range(1, 600, 11):
        try:
            with Interrupting(moment):
                backend.commit(writes(moment))
        except Interruption:
            pass
        thread = threading.Thread(target=write, args=(moment,))
        thread.start()
        thread.join(10)
        assert written[-1] == moment
        assert stored(backend, "c/other") == {"n": moment}
        if backend.store.path is not None:
            assert in_file(backend) == in_memory(backend)


def test_the_state_at_an_earlier_time_is_whole_after_interrupts(backend: MemoryBackend) -> None:
    backend.commit(writes(1))
    read_time = next(iter(backend.run(QueryPlan("c")))).read_time
    before = in_memory(backend)
    for moment in range(1, 600, 7):
        try:
            with Interrupting(moment):
                backend.commit([Set("c/a", {"n": moment}), Delete("c/b"), Set("c/a/d/1", {})])
        except Interruption:
            pass
        plans = [QueryPlan("c", group=True, read_time=read_time), QueryPlan("d", parent="c/a", read_time=read_time)]
        assert {item.path: item.data for plan in plans for item in backend.run(plan)} == before


def test_a_signal_handler_cant_use_the_store_in_the_middle_of_a_commit(backend: MemoryBackend) -> None:
    backend.commit(writes(1))
    handler = Handler(backend)
    for moment in range(1, 600):
        changes = writes(moment + 1)
        with handler.after(moment):
            backend.commit(changes)
        if handler.left > 0:
            break
        found = in_memory(backend)
        assert all(found[write.path] == dict(write.data) for write in changes if not isinstance(write, Delete))
    assert handler.used > 10
    assert len(handler.refused) > 10
    assert "A signal handler can't use the store" in handler.refused[0]


def test_a_clock_cant_use_the_store_in_the_middle_of_a_commit() -> None:
    committing, refused = False, 0

    def now() -> datetime:
        nonlocal refused
        if committing:
            with pytest.raises(CendryError, match="This thread is in the middle of a commit"):
                own.commit([Set("c/b", {})])
            refused += 1
        return datetime.now(timezone.utc)

    with MemoryBackend(clock=now) as own:
        committing = True
        own.commit([Set("c/a", {"n": 1})])
        committing = False
        assert refused > 0
        assert in_memory(own) == {"c/a": {"n": 1}}


def test_no_commit_of_a_signal_handler_is_overwritten(backend: MemoryBackend) -> None:
    count = Update("e/a", {}, (), (changed("n", Increment(1)),))
    backend.commit([Set("e/a", {"n": 0})])
    handler = Handler(backend, [count])
    for moment in range(1, 600):
        with handler.after(moment):
            backend.commit([count, *writes(moment)])
        assert stored(backend, "e/a") == {"n": moment + handler.used}
        if handler.left > 0:
            break
    assert handler.used > 0


def test_a_file_that_cant_be_asked_how_an_interrupt_ended(tmp_path: Path) -> None:
    with MemoryBackend(tmp_path / "app.db") as backend:
        backend.commit(writes(1))
        journal_of(backend)._connection.close()
        with pytest.raises(StoreFileError, match="can't be read"):
            journal_of(backend).has(datetime.now(timezone.utc))


SIGNALS = """
    import random, signal, sys
    from cendry.plan import QueryPlan, Set
    from cendry_memory import MemoryBackend
    from cendry_memory._journal import decoded

    class Interruption(BaseException):
        pass

    def interrupt(*_):
        raise Interruption

    signal.signal(signal.SIGALRM, interrupt)
    backend = MemoryBackend(sys.argv[1])
    rng = random.Random(int(sys.argv[2]))
    interrupts = number = made = 0
    while interrupts < int(sys.argv[2]):
        number += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.random() * 0.0006 + 0.000_001)
            backend.commit([Set(f"c/{place}", {"n": number, "text": "x" * (number % 300)}) for place in range(4)])
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interruption:
            interrupts += 1
        found = {item.path: item.data for item in backend.run(QueryPlan("c"))}
        assert len({data["n"] for data in found.values()}) <= 1, found
        made += any(data["n"] == number for data in found.values())
        rows = backend.store._journal._connection.execute("SELECT path, data FROM documents")
        kept = {path: decoded(data) for path, data in rows if path.startswith("c/")}
        assert kept == found, (number, kept, found)
    print(interrupts, number, made)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no SIGALRM")
def test_real_signals(tmp_path: Path) -> None:
    ended = subprocess.run(
        python(SIGNALS, tmp_path / "app.db", INTERRUPTS), env=environment(), capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    interrupts, commits, made = map(int, ended.stdout.split())
    assert interrupts == INTERRUPTS
    assert commits - interrupts < made < commits
