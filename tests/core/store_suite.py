"""What each store of a job's files does; a class of tests for it inherits from this one, and has a fixture `store`."""

from __future__ import annotations

from typing import ClassVar

import pytest
from cendry.errors import JobLockedError, LockLostError
from cendry.jobs import DeadLetter, DeadLetters, JobLock, ShardState, Store, find_json, load_state, save_state


class StoreSuite:
    """Files are put, found, listed and deleted; their names stay inside; and all parts of a job are kept."""

    odd_names: ClassVar[tuple[str, ...]] = ("state/Stra\u00dfe-000.json", "state/a%2Fb-000.json", "state/~#&+.json")
    """Names that are allowed, and that a store may have to escape."""

    def test_what_was_put_is_found_listed_and_deleted(self, store: Store) -> None:
        assert store.list() == []
        store.put("plan.json", b"1")
        store.put("state/A-001.json", b"2")
        store.put("state/A-000.json", b"3")
        store.put("plan.json", b"4")
        assert (b"4", b"2", None, None) == (
            store.get("plan.json"),
            store.get("state/A-001.json"),
            store.get("nothing"),
            store.get("plan.json/x"),
        )
        assert store.get("state") is None
        assert store.list() == ["plan.json", "state/A-000.json", "state/A-001.json"]
        assert store.list("state/A-0") == ["state/A-000.json", "state/A-001.json"]
        assert store.list("state/B") == store.list("dead/") == []
        for _ in range(2):
            store.delete("state/A-000.json")
        store.delete("plan.json/x")
        store.delete("state")
        assert store.list("state/") == ["state/A-001.json"]

    def test_names_and_data_stay_as_they_are(self, store: Store) -> None:
        names = ["a b.json", "dead/S-000.jsonl", "state/x.json.gz", *self.odd_names]
        data = bytes(range(256)) * 64
        for name in names:
            store.put(name, data)
        store.put("empty", b"")
        assert sorted(["empty", *names]) == store.list()
        assert {data} == {store.get(name) for name in names}
        assert b"" == store.get("empty")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("", "empty"),
            ("/etc/passwd", "empty"),
            ("a//b", "empty"),
            ("../a", "dots"),
            ("a/../../b", "dots"),
            (".", "dots"),
            ("a\\b", "character"),
            ("a:b", "character"),
            ("a*", "character"),
            ("a\0", "character"),
            ("a.tmp", "unfinished"),
        ],
    )
    def test_names_stay_inside_the_folder(self, store: Store, name: str, reason: str) -> None:
        for method, more in (("get", ()), ("delete", ()), ("put", (b"",)), ("append", (b"",)), ("lock", ())):
            if not hasattr(store, method):
                assert method in ("append", "lock")
                continue
            with pytest.raises(ValueError, match=reason):
                getattr(store, method)(name, *more)
        with pytest.raises(ValueError, match="dots"):
            store.list("../")

    def test_all_files_of_a_job_are_kept_there(self, store: Store) -> None:
        save_state(store, "state/S-000.json", ShardState("abc", "0a", 5))
        assert ShardState("abc", "0a", 5) == load_state(store, "state/S-000.json", "abc")
        one, other = DeadLetters(store, "S-000"), DeadLetters(store, "S-000")
        one.append("0a", "S/1", "x")
        other.extend([DeadLetter("0b", "S/2", "x"), DeadLetter("0a", "S/1", None)])
        assert ["0b"] == list(DeadLetters.read(store))
        assert find_json(store, "copy.json") is None

        first, second = JobLock(store, token="one"), JobLock(store, token="two", host="other")
        first.take()
        with pytest.raises(JobLockedError):
            second.take()
        with pytest.raises(JobLockedError), JobLock(store):
            raise AssertionError
        with first.join():
            first.check()
            JobLock(store, token="two", host="other", take_over=True).take()
            with pytest.raises(LockLostError):
                first.check()
