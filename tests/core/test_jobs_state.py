"""Files of a job with a format, the state of shards, dead letters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cendry.errors import CendryError, JobFileError
from cendry.jobs import (
    DeadLetter,
    DeadLetters,
    LocalStore,
    ShardState,
    Store,
    find_json,
    load_state,
    read_json,
    save_state,
    shard_name,
    write_json,
)
from core.stores import DictStore, Files
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(params=["local", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path) if request.param == "local" else DictStore()


def test_a_file_has_a_format(store: Store) -> None:
    write_json(store, "plan.json", {"kind": "Stra\xdfe"})
    assert '{"format":1,"kind":"Stra\xdfe"}\n'.encode() == store.get("plan.json")
    assert {"format": 1, "kind": "Stra\xdfe"} == read_json(store, "plan.json") == find_json(store, "plan.json")
    write_json(store, "plan.json", {"format": 2}, indent=2)
    assert b'{\n  "format": 2\n}\n' == store.get("plan.json")
    assert {"format": 2} == read_json(store, "plan.json", 2)
    assert find_json(store, "nothing.json") is None


def test_any_text_can_be_written(store: Store) -> None:
    write_json(store, "x.json", {"path": "a\ud800"})
    assert "a\ud800" == read_json(store, "x.json")["path"]


def test_a_file_that_must_exist(store: Store) -> None:
    with pytest.raises(JobFileError, match=r"^plan.json does not exist in the directory of this job\.$"):
        read_json(store, "plan.json")


BAD: list[Any] = [
    (b'{"format": 1,\n\n "a": }', 3, r"\(line 3: Expecting value\)"),
    (b'{"format": 1,\n"a": "\xff"}', 2, r"\(line 2: it is not UTF-8: invalid start byte\)"),
    (b"", 1, "line 1: Expecting value"),
    (b"[1]", 1, "line 1: it holds a list, not an object"),
    pytest.param(b'{"a": ' + b"[" * 100_000, 1, "line 1: it is not plain JSON", id="deep"),
    (b'{"format": 2}', None, r"^plan.json can't be read \(it is format 2, this version reads 1\)\.$"),
    (b'{"format": "1"}', None, "it is format '1', this version reads 1"),
    (b'{"format": true}', None, "it is format True, this version reads 1"),
    (b"{}", None, "it names no format, this version reads 1"),
]


@pytest.mark.parametrize(("content", "line", "message"), BAD)
def test_a_broken_or_foreign_file_is_named(store: Store, content: bytes, line: int | None, message: str) -> None:
    store.put("plan.json", content)
    with pytest.raises(JobFileError, match=message) as caught:
        read_json(store, "plan.json")
    assert ("plan.json", line) == (caught.value.name, caught.value.line)
    assert isinstance(caught.value, CendryError)


def test_a_file_of_another_format_says_which(store: Store) -> None:
    store.put("plan.json", b'{"format": 7}')
    with pytest.raises(JobFileError) as caught:
        read_json(store, "plan.json")
    assert (7, 1) == (caught.value.format_found, caught.value.format_read)


def test_a_shard_keeps_how_far_it_has_come(store: Store) -> None:
    name = "state/Shop-001.json"
    assert ShardState("abc") == load_state(store, name, "abc")
    state = ShardState("abc", "0a0b", 6000, 3, done=True)
    save_state(store, name, state)
    assert state == load_state(store, name, "abc")
    assert b'{"format":1,"plan":"abc","after":"0a0b","copied":6000,"dead":3,"done":true}\n' == store.get(name)


def test_the_state_of_another_plan_is_refused(store: Store) -> None:
    save_state(store, "state/Shop-001.json", ShardState("3f2a" * 8))
    with pytest.raises(JobFileError) as caught:
        load_state(store, "state/Shop-001.json", "9c1b")
    assert (
        "state/Shop-001.json belongs to plan 3f2a3f2a\u2026, this is 9c1b: use a fresh directory, or the plan it was "
        "made with." == str(caught.value)
    )


GOOD: dict[str, Any] = {"plan": "abc", "after": "", "copied": 0, "dead": 0, "done": False}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"plan": None}, "'plan' is None, not a hash"),
        ({"after": "xyz"}, "'after' is 'xyz', not a key"),
        ({"after": "0a 0b"}, "'after' is '0a 0b', not a key"),
        ({"after": 5}, "'after' is 5"),
        ({"copied": -1}, "'copied' is -1, not a count"),
        ({"dead": True}, "'dead' is True, not a count"),
        ({"dead": "1"}, "'dead' is '1', not a count"),
        ({"done": 1}, "'done' is 1, neither true nor false"),
    ],
)
def test_a_state_that_is_none_is_refused(store: Store, changed: dict[str, Any], message: str) -> None:
    write_json(store, "s.json", {**GOOD, **changed})
    with pytest.raises(JobFileError, match=message):
        load_state(store, "s.json", "abc")


def test_a_shard_has_a_name_that_every_disk_takes() -> None:
    names = {("Shop", 1): "Shop-001", ("a/b", 12): "a%2Fb-012", ("*:", 0): "%2A%3A-000"}
    assert names == {given: shard_name(*given) for given in names}
    long = [shard_name("x" * 1499 + end, 1) for end in "ab"]
    assert (2, 121) == (len(set(long)), len(long[0]))


@given(st.text(max_size=300), st.integers(0, 99_999))
def test_any_kind_has_such_a_name(kind: str, number: int) -> None:
    store = LocalStore("nowhere")
    assert store.get(f"state/{shard_name(kind, number)}.json") is None
    assert len(shard_name(kind, number)) < 150


def test_a_letter_is_kept_by_its_key(store: Store) -> None:
    assert {} == DeadLetters.read(store)
    letters = DeadLetters(store, "Shop-001")
    letters.append("0a", "Shop/1", "too large")
    letters.append("0b", "Shop/\u2028", "no\nname")
    letters.append("0a", "Shop/1", "still too large")
    letters.extend([])
    DeadLetters(store, "City-000").append("0c", "City/1", "x")
    first, second = DeadLetter("0a", "Shop/1", "still too large"), DeadLetter("0b", "Shop/\u2028", "no\nname")
    assert {"0a": first, "0b": second, "0c": DeadLetter("0c", "City/1", "x")} == DeadLetters.read(store)


def test_a_letter_is_taken_back_when_its_document_is_done(store: Store) -> None:
    DeadLetters(store, "Shop-001").extend([DeadLetter("0a", "Shop/1", "x"), DeadLetter("0b", "Shop/2", "x")])
    again = DeadLetters(store, "Shop-001")
    again.append("0a", "Shop/1", None)
    again.append("0d", "Shop/4", None)
    assert ["0b"] == list(DeadLetters.read(store))


def test_a_directory_has_a_file_per_shard_and_a_bucket_an_object_per_call(tmp_path: Path) -> None:
    for store, names in (
        (LocalStore(tmp_path), ["dead/S-001.jsonl"]),
        (DictStore(), ["dead/S-001/00000001", "dead/S-001/00000002", "dead/S-001/00000003"]),
    ):
        letters = DeadLetters(store, "S-001")
        letters.append("0a", "S/1", "x")
        letters.append("0b", "S/2", "x")
        DeadLetters(store, "S-001").append("0a", "S/1", "y")
        # The end of an object's name is by chance.
        assert names == [re.sub("-[0-9a-f]{8}.jsonl$", "", name) for name in store.list()]
        assert ["y", "x"] == [one.error for one in DeadLetters.read(store).values()]


def test_processes_that_share_a_shard_lose_no_letter_of_each_other(store: Store) -> None:
    one, other = (DeadLetters(store, "S-001", shared=True) for _ in range(2))
    for number in range(3):
        one.append(f"0{number}", f"S/{number}", "one")
        other.append(f"1{number}", f"S/1{number}", "other")
    other.append("00", "S/0", "other")
    assert 7 == len(store.list("dead/S-001/"))
    found = DeadLetters.read(store)
    assert {"00", "01", "02", "10", "11", "12"} == found.keys()
    assert "other" == found["00"].error


def test_letters_that_a_directory_has_of_several_processes_can_be_taken_back(store: Store) -> None:
    DeadLetters(store, "S-001").append("0a", "S/1", "before")
    DeadLetters(store, "S-001", shared=True).extend([DeadLetter("0a", "S/1", "x"), DeadLetter("0b", "S/2", "x")])
    DeadLetters(store, "S-001").append("0a", "S/1", None)
    assert ["0b"] == list(DeadLetters.read(store))


def test_a_letter_is_durable_when_it_is_appended(tmp_path: Path) -> None:
    files = Files()
    DeadLetters(LocalStore(tmp_path, files), "S-001").append("0a", "S/1", "x")
    assert ["files", "open", "make_directory", "fsync_directory", "open", "write", "fsync", "fsync_directory"] == [
        call for call, _ in files.calls
    ]


def test_what_a_kill_left_of_a_letter_is_none(store: Store) -> None:
    whole = b'{"key":"0a","path":"S/1","error":"x"}'
    store.put("dead/S.jsonl", whole + b"\n" + whole[:20])
    assert ["0a"] == list(DeadLetters.read(store))
    # Complete but for its newline.
    store.put("dead/S.jsonl", whole)
    assert ["0a"] == list(DeadLetters.read(store))


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"key":"0a"}', b'{"key":"0a","path":"S/1","error":5}'])
def test_a_line_that_is_no_letter_is_named(store: Store, line: bytes) -> None:
    store.put("dead/S.jsonl", b'{"key":"0a","path":"S/1","error":"x"}\n' + line + b"\n")
    with pytest.raises(JobFileError, match=r"dead/S.jsonl can't be read \(line 2: ") as caught:
        DeadLetters.read(store)
    assert 2 == caught.value.line


class Vanishing(DictStore):
    """Whose names are listed after their data is gone."""

    def list(self, prefix: str = "", /) -> list[str]:
        return ["dead/S/00000001.jsonl"]


def test_a_file_that_is_gone_has_no_letters() -> None:
    assert {} == DeadLetters.read(Vanishing())
