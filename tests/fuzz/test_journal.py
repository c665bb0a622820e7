"""Files of the memory backend that somebody or something has changed: refused and left alone, or read truthfully."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from cendry import GeoPoint, Ref, Vector
from cendry.plan import Delete, QueryPlan, Set
from cendry_memory import ManualClock, MemoryBackend, StoreFileError
from cendry_memory._journal import _checksum
from fuzz.fuzzing import cpu_limit, fuzz, hostile_text
from hypothesis import assume
from hypothesis import strategies as st

SECONDS = 5.0
PAGE = 4096

State = dict[str, tuple[Any, ...]]
"""Data and times by path."""


def state_of(backend: MemoryBackend) -> State:
    return {
        one.path: (repr(one.data), one.create_time, one.update_time)
        for collection in ("c", "s")
        for one in backend.run(QueryPlan(collection, group=True))
    }


def value(number: int) -> dict[str, Any]:
    return {
        "n": number,
        "text": "é😀" * (number % 50),
        "nested": {"list": [1.5, {"b": b"\0\xff"}], "point": GeoPoint(1, 2)},
        "nan": float("nan"),
        "when": datetime(2024, 1, 1, 0, 0, number, tzinfo=timezone.utc),
        "vector": Vector([0.5, -1.5]),
        "ref": Ref.from_path("c/1"),
    }


COMMITS: list[Sequence[Any]] = [
    [Set(f"c/{number}", value(number)) for number in range(30)],
    [Set("c/big", {"text": "x" * 3 * PAGE})],
    [Delete("c/7"), Set("c/1/s/é", value(40))],
    [Set("c/2", {"n": 1}), Delete("c/big")],
]


@cache
def made() -> tuple[dict[str, bytes], list[State]]:
    """The files of a store that was killed, by suffix (the log still has all commits), and its states, from none on."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "app.db"
        states: list[State] = [{}]
        with closing(MemoryBackend(file, clock=ManualClock())) as backend:
            for commit in COMMITS:
                backend.commit(commit)
                states.append(state_of(backend))
            killed = {suffix: Path(f"{file}{suffix}").read_bytes() for suffix in ("", "-wal")}
        assert {file.name} == {one.name for one in Path(folder).iterdir()}
        return {**killed, "closed": file.read_bytes()}, states


@contextmanager
def files(contents: dict[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "app.db"
        for suffix, content in contents.items():
            Path(f"{file}{suffix}").write_bytes(content)
        yield file


def on_disk(file: Path) -> dict[str, bytes]:
    """What is there, but for what SQLite makes anew whenever it opens a file."""
    found = {one.name.removeprefix(file.name): one.read_bytes() for one in file.parent.iterdir()}
    found.pop("-shm", None)
    # Nothing is lost with an empty log.
    return {suffix: content for suffix, content in found.items() if content or suffix != "-wal"}


def read(contents: dict[str, bytes]) -> State | None:
    """The state that files have; `None` if they are refused, and then they are as they were."""
    with files(contents) as file, cpu_limit(SECONDS):
        before = on_disk(file)
        try:
            backend = MemoryBackend(file)
        except StoreFileError as error:
            str(error).encode()
            # Before 3.12, Python can't keep SQLite from emptying the log of a file that it closes.
            if "-wal" not in contents or sys.version_info >= (3, 12):
                assert before == on_disk(file)
            return None
        with closing(backend):
            found = state_of(backend)
            # It is a store as any other.
            backend.commit([Set("c/new", {"x": 1})])
        with closing(MemoryBackend(file)) as backend:
            assert found == {path: one for path, one in state_of(backend).items() if path != "c/new"}
        return found


@dataclass(frozen=True)
class Mutation:
    """A change of a file's content; numbers are taken modulo what there is."""

    kind: str
    first: int = 0
    second: int = 0
    new: bytes = b""

    def of(self, content: bytes) -> bytes:
        at = self.first % len(content)
        match self.kind:
            case "flip a bit":
                return content[:at] + bytes([content[at] ^ 1 << self.second]) + content[at + 1 :]
            case "overwrite":
                return (content[:at] + self.new + content[at + len(self.new) :])[: len(content)]
            case "cut":
                return content[:at]
            case "another digit":
                digits = [number for number, byte in enumerate(content) if 0x30 <= byte <= 0x39] or [0]
                at = digits[self.first % len(digits)]
                return content[:at] + b"%d" % (self.second % 10) + content[at + 1 :]
            case "append":
                return content + self.new
            case kind:
                pages = [content[start : start + PAGE] for start in range(0, len(content), PAGE)]
                one, other = self.first % len(pages), self.second % len(pages)
                pages[one], pages[other] = pages[other], pages[other if kind == "copy a page" else one]
                return b"".join(pages)


# Much of what matters is at the start of the file and of each page, and documents fill pages from the end.
offsets = st.integers(0, 24) | st.integers(PAGE // 2, PAGE - 1)
places = st.integers(0, 200) | st.builds(lambda page, offset: page * PAGE + offset, st.integers(0, 20), offsets)
pages = st.integers(0, 30)
mutations = st.one_of(
    st.builds(Mutation, st.just("flip a bit"), places, st.integers(0, 7)),
    st.builds(Mutation, st.just("overwrite"), places, new=st.binary(min_size=1, max_size=8) | st.just(bytes(64))),
    st.builds(Mutation, st.just("another digit"), places, pages),
    st.builds(Mutation, st.just("cut"), places),
    st.builds(Mutation, st.sampled_from(["swap pages", "copy a page"]), pages, pages),
    st.builds(Mutation, st.just("append"), new=st.binary(max_size=50) | st.just(bytes(PAGE))),
)


def mutated(content: bytes, several: list[Mutation]) -> bytes:
    for one in several:
        content = one.of(content) if content else content
    return content


def test_what_was_not_changed_is_read() -> None:
    contents, states = made()
    assert len(COMMITS) + 1 == len(states)
    assert states[-1] == read({"": contents["closed"]})
    assert states[-1] == read({"": contents[""], "-wal": contents["-wal"]})


@fuzz(st.lists(mutations, min_size=1, max_size=3))
def test_a_changed_file_is_refused_or_read_truthfully(several: list[Mutation]) -> None:
    contents, states = made()
    content = mutated(contents["closed"], several)
    found = read({"": content})
    # What is empty becomes a store.
    assert found is None or found == (states[-1] if content else {})


@fuzz(st.lists(mutations, max_size=2), st.lists(mutations, min_size=1, max_size=2))
def test_of_a_changed_log_whole_commits_are_read(several: list[Mutation], of_the_log: list[Mutation]) -> None:
    contents, states = made()
    assume(contents[""])
    content = mutated(contents[""], several)
    found = read({"": content, "-wal": mutated(contents["-wal"], of_the_log)})
    # A log that ends early, or in what is no frame, is that of a process that was killed.
    assert found is None or found in states


json_texts = st.recursive(
    st.sampled_from(["null", "true", "1", "-0.0", "1e999", "NaN", "Infinity", "9" * 30, '""', '"é"', "[]", "{}", "{"])
    | hostile_text.map(repr),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.builds(
            lambda tag, content: f'{{"{tag}":{content}}}',
            st.sampled_from(["__time__", "__bytes__", "__point__", "__vector__", "__reference__", "__odd__", "a"]),
            inner,
        )
    ),
    max_leaves=6,
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)


@fuzz(hostile_text, json_texts | hostile_text, numbers, numbers, numbers)
def test_rows_that_another_program_wrote_are_refused_or_read(
    path: str, data: str, create_time: int, update_time: int, last_commit: int
) -> None:
    contents, _ = made()
    with files({"": contents["closed"]}) as file:
        try:
            checksum = _checksum(path, data, create_time, update_time)
            with closing(sqlite3.connect(file)) as connection, connection:
                row = (path, data, create_time, update_time, checksum)
                connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", row)
                connection.execute("UPDATE state SET last_commit = ?", (last_commit,))
        except UnicodeEncodeError:
            return
        changed = on_disk(file)
    read(changed)


@fuzz(st.binary(max_size=200) | st.builds(lambda tail: b"SQLite format 3\0" + tail, st.binary(max_size=200)))
def test_what_is_no_store_is_refused(content: bytes) -> None:
    assume(content)
    assert read({"": content}) is None
