from __future__ import annotations

import math
import random
import threading
from functools import partial
from typing import Any

import pytest
from cendry import Snapshot
from cendry._context.live import LiveDocuments
from cendry.backend import ListenResult, StoredDocument
from cendry.errors import InvalidRequestError
from cendry.plan import Delete, GetPlan, QueryPlan, Set, Write
from cendry_memory import AsyncMemoryBackend, MemoryBackend
from cendry_memory._listen import Changed, Listener
from memory.asking import after, both, by, either, fill, is_, ref, stored, update


class Ear:
    """Hears what a listener is told."""

    def __init__(self, backend: Any, plan: QueryPlan | GetPlan) -> None:
        self.backend = backend
        self.results: list[ListenResult] = []
        self.snapshots: list[Snapshot[StoredDocument]] = []
        self.errors: list[BaseException] = []
        self.threads: set[str] = set()
        self.documents = LiveDocuments[StoredDocument](plan, lambda result: result, backwards=False)
        self.handle = backend.listen(plan, self.hear, self.errors.append)

    def hear(self, result: ListenResult) -> None:
        self.results.append(result)
        snapshot, _ = self.documents.take(result)
        # Memory reports nothing that changes nothing.
        assert snapshot is not None
        self.snapshots.append(snapshot)
        self.threads.add(threading.current_thread().name)

    def heard(self) -> list[str]:
        """The ids of each state so far."""
        assert self.backend.drain(10)
        return [" ".join(item.path.rpartition("/")[2] for item in shot.documents) for shot in self.snapshots]


def changes(backend: MemoryBackend) -> None:
    steps: list[list[Write]] = [
        [Set("c/a", {"v": 1})],
        [Set("c/a", {"v": 1})],
        [Set("c/b", {"v": 2}), Set("c/d", {"v": 0})],
        [Set("x/d", {"v": 0})],
        [update("c/a", {"w": 1}, "w")],
        [Delete("c/d")],
        [Set("c/e", {"v": 9}), Delete("c/b")],
        [Set("c/b", {})],
        [Set("c/a/c/z", {"v": 3})],
        [Set("c/e", {"v": "x"})],
        [Set("c/a", {"v": 5}), Set("c/a", {"v": 1, "w": 1})],
    ]
    for writes in steps:
        backend.commit(writes)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (QueryPlan("c"), ["", "a", "a b d", "a b d", "a b", "a e", "a b e", "a b e"]),
        (QueryPlan("c", orders=by("-v")), ["", "a", "b a d", "b a d", "b a", "e a", "e a"]),
        (QueryPlan("c", orders=by("-v"), limit=1), ["", "a", "b", "e", "e"]),
        (QueryPlan("c", orders=by("v"), offset=1), ["", "a b", "a b", "b", "e", "e"]),
        (QueryPlan("c", where=is_("v", ">", 0)), ["", "a", "a b", "a b", "a e", "a"]),
        (QueryPlan("c", where=is_("v", "==", 1)), ["", "a", "a"]),
        (QueryPlan("c", orders=by("v"), start=after(1)), ["", "b", "e", "e"]),
        (QueryPlan("c", group=True), ["", "a", "a b d", "a b d", "a b", "a e", "a b e", "a z b e", "a z b e"]),
        (QueryPlan("none"), [""]),
        (GetPlan(("c/a",)), ["", "a", "a"]),
        (GetPlan(("c/b",)), ["", "b", "", "b"]),
    ],
    ids=str,
)
def test_each_commit_that_changes_anything_is_told(backend: MemoryBackend, plan: Any, expected: list[str]) -> None:
    ear = Ear(backend, plan)
    changes(backend)
    assert ear.heard() == expected
    ear.handle.close()


def test_a_listener_begins_with_what_is_there(backend: MemoryBackend) -> None:
    fill(backend, "c", {"a": {"v": 1}, "b": {"v": 2}})
    query, document = Ear(backend, QueryPlan("c", orders=by("-v"))), Ear(backend, GetPlan(("c/a",)))
    assert (query.heard(), document.heard()) == (["b a"], ["a"])
    assert query.snapshots[0].documents[0].data == {"v": 2}
    backend.close()


def test_snapshots_have_times_and_data_of_their_own(backend: MemoryBackend) -> None:
    ear = Ear(backend, QueryPlan("c"))
    result = backend.commit([Set("c/a", {"v": 1, "m": {"x": 1}})])
    assert ear.heard() == ["", "a"]
    [document] = ear.snapshots[1].documents
    assert ear.snapshots[1].read_time == document.read_time == document.update_time == result.commit_time
    assert document.data == {"v": 1, "m": {"x": 1}}
    document.data["m"]["x"] = 2
    assert stored(backend, "c/a") == {"v": 1, "m": {"x": 1}}
    ear.handle.close()


def test_callbacks_come_from_one_thread_that_holds_no_lock(backend: MemoryBackend) -> None:
    told: list[int] = []
    paths: set[str] = set()

    def write_more(result: ListenResult) -> None:
        paths.update(each.path for each in result.documents)
        told.append(len(paths))
        worker = threading.Thread(target=lambda: stored(backend, "c/a"))
        worker.start()
        worker.join(10)
        assert not worker.is_alive()
        if len(paths) < 3:
            backend.commit([Set(f"c/{len(paths)}", {})])

    handle = backend.listen(QueryPlan("c"), write_more, lambda error: told.append(-1))
    ear = Ear(backend, QueryPlan("c"))
    assert ear.heard()[-1] == "0 1 2"
    assert told == [0, 1, 2, 3]
    assert ear.threads == {"cendry-memory-listeners"}
    handle.close()
    ear.handle.close()


def test_after_close_nothing_is_told_and_the_thread_ends(backend: MemoryBackend) -> None:
    before = set(threading.enumerate())
    ear, other = Ear(backend, QueryPlan("c")), Ear(backend, QueryPlan("c"))
    assert ear.heard() == [""]
    ear.handle.close()
    ear.handle.close()
    backend.commit([Set("c/a", {})])
    assert (ear.heard(), other.heard()) == ([""], ["", "a"])
    # Of two that were started at once, one may still be about to end.
    threads = {each for each in threading.enumerate() if each.name == "cendry-memory-listeners"} - before
    assert threads
    other.handle.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    again = Ear(backend, QueryPlan("c"))
    assert again.heard() == ["a"]
    again.handle.close()


def test_a_callback_may_close_its_own_listener(backend: MemoryBackend) -> None:
    ear = Ear(backend, QueryPlan("x"))
    told: list[ListenResult] = []

    def once(result: ListenResult) -> None:
        told.append(result)
        if len(told) == 2:
            handle.close()

    handle = backend.listen(QueryPlan("c"), once, lambda error: None)
    for number in range(5):
        backend.commit([Set("c/a", {"x": number})])
    backend.drain()
    assert len(told) == 2
    ear.handle.close()


def test_what_was_still_to_be_told_at_close_is_not(backend: MemoryBackend) -> None:
    held, going = threading.Event(), threading.Event()
    told: list[int] = []

    def slow(result: ListenResult) -> None:
        told.append(len(result.documents))
        going.set()
        held.wait(60)

    handle = backend.listen(QueryPlan("c"), slow, lambda error: None)
    late = Ear(backend, QueryPlan("c", where=is_("a", "in", [])))
    going.wait(60)
    backend.commit([Set("c/a", {})])
    handle.close()
    late.handle.close()
    held.set()
    assert backend.drain(10)
    assert (told, late.errors) == ([0], [])


def test_a_query_that_is_refused_ends_the_listener_with_its_error(backend: MemoryBackend) -> None:
    ear = Ear(backend, QueryPlan("c", where=is_("a", "in", [])))
    assert ear.heard() == []
    [error] = ear.errors
    assert isinstance(error, InvalidRequestError)
    backend.commit([Set("c/a", {})])
    assert (ear.heard(), len(ear.errors)) == ([], 1)


def test_a_callback_that_fails_ends_its_listener_and_no_other(backend: MemoryBackend) -> None:
    errors: list[BaseException] = []

    def fail(result: ListenResult) -> None:
        raise ValueError(len(result.documents))

    backend.listen(QueryPlan("c"), fail, errors.append)
    ear = Ear(backend, QueryPlan("c"))
    backend.commit([Set("c/a", {})])
    assert ear.heard() == ["", "a"]
    assert [repr(error) for error in errors] == ["ValueError(0)"]
    ear.handle.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_callback_that_fails_is_told_to_the_threads_hook(
    backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", hooked.append)

    def fail(argument: object) -> None:
        raise ValueError

    backend.listen(QueryPlan("c"), fail, fail)
    ear = Ear(backend, QueryPlan("c"))
    assert ear.heard() == [""]
    assert [each.exc_type for each in hooked] == [ValueError]
    ear.handle.close()


def ignored(answer: object) -> None: ...


def test_drain_waits_no_longer_than_it_is_told(backend: MemoryBackend) -> None:
    assert backend.drain()
    held = threading.Event()
    handle = backend.listen(QueryPlan("c"), lambda result: ignored(held.wait(60)), lambda error: None)
    assert not backend.drain(0.01)
    held.set()
    assert backend.drain(10)
    handle.close()


def test_drain_refuses_to_wait_for_itself(backend: MemoryBackend) -> None:
    errors: list[BaseException] = []
    handle = backend.listen(QueryPlan("c"), lambda result: ignored(backend.drain()), errors.append)
    backend.drain()
    assert "wait for itself" in str(errors[0])
    handle.close()


def test_closing_the_backend_ends_all_listeners_and_keeps_the_documents(backend: MemoryBackend) -> None:
    ears = [Ear(backend, QueryPlan("c")) for _ in range(3)]
    backend.drain()
    backend.close()
    backend.close()
    backend.commit([Set("c/a", {"x": 1})])
    assert [ear.heard() for ear in ears] == [[""]] * 3
    assert stored(backend, "c/a") == {"x": 1}


def test_a_listener_of_a_bad_path_is_told(backend: MemoryBackend) -> None:
    ear = Ear(backend, GetPlan(("c/__x__",)))
    ear.heard()
    assert isinstance(ear.errors[0], InvalidRequestError)


def test_names_bound_what_is_listened_to(backend: MemoryBackend) -> None:
    ear = Ear(backend, QueryPlan("c", where=is_("__name__", ">", ref("c/b"))))
    fill(backend, "c", {"a": {}, "b": {}, "d": {}})
    assert ear.heard() == ["", "d"]
    ear.handle.close()


NO_SECONDS = {"-1": -1, "nan": math.nan, "inf": math.inf, "1e10": 1e10, "huge": 10**5000, "text": "1", "true": True}


@pytest.mark.parametrize("timeout", NO_SECONDS.values(), ids=NO_SECONDS)
async def test_drain_takes_seconds(timeout: Any) -> None:
    store = MemoryBackend().store
    with pytest.raises(ValueError, match="timeout takes a number of seconds from 0 to 1000000000, not "):
        MemoryBackend(store=store).drain(timeout)
    with pytest.raises(ValueError, match="timeout takes a number of seconds"):
        await AsyncMemoryBackend(store=store).drain(timeout)
    assert MemoryBackend(store=store).drain(0)


def test_a_listener_that_a_callback_closes_is_not_called_for_the_same_commit(backend: MemoryBackend) -> None:
    handles: list[Any] = []
    told: list[int] = []

    def close_all(number: int, result: ListenResult) -> None:
        told.append(number)
        if result.documents:
            for handle in handles:
                handle.close()

    handles += [backend.listen(QueryPlan("c"), partial(close_all, number), print) for number in range(3)]
    backend.commit([Set("c/a", {})])
    assert backend.drain(10)
    assert told == [0, 1, 2, 0]


def test_a_limit_and_an_offset_follow_any_changes(backend: MemoryBackend) -> None:
    drawn = random.Random(7)
    plans = [
        QueryPlan("c", orders=by(order), offset=offset, limit=limit)
        for order in ("v", "-v")
        for offset in (0, 2)
        for limit in (None, 1, 3)
    ]
    # Those that demand one value are looked up by it.
    plans += [QueryPlan("c", where=is_("v", "==", value), limit=limit) for value in (1, 2) for limit in (None, 2)]
    plans += [QueryPlan("c", where=is_("w", "==", 1)), QueryPlan("c", group=True, where=is_("v", "==", 1))]
    ears = [Ear(backend, plan) for plan in plans]
    for _ in range(150):
        names = drawn.sample("abcdefgh", drawn.randint(1, 3))
        writes: list[Write] = [Set(f"c/{name}", {"v": drawn.randint(0, 5)}) for name in names]
        backend.commit([Delete(write.path) if drawn.random() < 0.3 else write for write in writes])
        assert backend.drain(10)
        for plan, ear in zip(plans, ears, strict=True):
            assert [one.path for one in backend.run(plan)] == [one.path for one in ear.snapshots[-1].documents]
    backend.commit([Set("c/a", {"w": 1})])
    assert backend.drain(10)
    assert [one.path for one in ears[-2].snapshots[-1].documents] == ["c/a"]
    for ear in ears:
        ear.handle.close()
        ear.handle.close()
    assert backend.store._dispatcher._listeners == {}


CONDITIONS: list[tuple[str, Any, Any]] = [
    ("v", "==", 2),
    ("v", "in", [2, "x", 4.0]),
    ("v", "not-in", [2, 3]),
    ("v", "!=", 3),
    ("v", ">", 1),
    ("v", "<=", "x"),
    ("v", "==", None),
    ("v", "!=", None),
    ("v", "==", math.nan),
    ("v", "in", [None]),
    ("v", "array-contains", 1),
    ("v", "array-contains-any", [1, None, "x"]),
    ("m.n", ">=", 2),
    ("__name__", "in", [ref("c/a"), ref("c/b")]),
    ("__name__", "<", ref("c/c")),
]


def test_listeners_are_found_by_any_condition(backend: MemoryBackend) -> None:
    drawn = random.Random(3)
    plans = [QueryPlan("c", where=is_(*condition), limit=limit) for condition in CONDITIONS for limit in (None, 2)]
    plans.append(QueryPlan("c", where=both(is_("v", ">", 0), is_("v", "<", 3))))
    plans.append(QueryPlan("c", where=either(is_("v", "==", 1), is_("w", "==", 1))))
    ears = [Ear(backend, plan) for plan in plans]
    values = [None, math.nan, 0, 1, 2, 2.0, 3, 4, "x", "y", [1], [None, "x"], [], {"n": 2}]
    for _ in range(150):
        names = drawn.sample("abcd", drawn.randint(1, 3))
        writes: list[Write] = [
            Set(f"c/{name}", {drawn.choice("vvvmw"): drawn.choice(values), "t": drawn.random()}) for name in names
        ]
        backend.commit([Delete(write.path) if drawn.random() < 0.2 else write for write in writes])
        assert backend.drain(60)
        for plan, ear in zip(plans, ears, strict=True):
            found = [(one.path, one.update_time) for one in backend.run(plan)]
            assert found == [(one.path, one.update_time) for one in ear.snapshots[-1].documents], plan
    for ear in ears:
        ear.handle.close()
    assert backend.store._dispatcher._listeners == {}


def test_a_change_asks_only_listeners_whose_condition_it_can_meet(
    backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = [Ear(backend, QueryPlan("c", where=is_(*condition))) for condition in CONDITIONS]
    asked: list[Listener] = []
    follow = Listener.follow

    def noted(listener: Listener, changes: list[Changed]) -> None:
        asked.append(listener)
        follow(listener, changes)

    monkeypatch.setattr(Listener, "follow", noted)

    def asked_by(write: Write) -> list[tuple[Any, ...]]:
        asked.clear()
        backend.commit([write])
        assert backend.drain(60)
        return [condition for condition, ear in zip(CONDITIONS, ears, strict=True) if ear.handle in asked]

    def that(*numbers: int) -> list[tuple[Any, ...]]:
        return [CONDITIONS[number] for number in numbers]

    assert asked_by(Set("c/z", {"v": 2})) == that(0, 1, 3, 4, 7)
    # Those that it leaves, too.
    assert asked_by(Set("c/z", {"v": 0})) == that(0, 1, 2, 3, 4, 7)
    assert asked_by(Delete("c/z")) == that(2, 3, 7)
    assert asked_by(Set("c/z", {"v": [1, "x"]})) == that(2, 3, 7, 10, 11)
    assert asked_by(Set("c/y", {"m": {"n": 2}})) == that(12)
    assert asked_by(Set("c/y", {"m": 1})) == that(12)
    assert asked_by(Set("c/y", {"m": 2})) == []
    assert asked_by(Set("c/b", {})) == that(13, 14)
    for ear in ears:
        ear.handle.close()


def test_a_listener_that_begins_after_a_commit_gets_it_once(backend: MemoryBackend) -> None:
    held, going = threading.Event(), threading.Event()

    def slow(result: ListenResult) -> None:
        going.set()
        held.wait(60)

    handle = backend.listen(QueryPlan("c"), slow, print)
    assert going.wait(60)
    # Its report waits, and comes before the first state of the listener that begins now.
    backend.commit([Set("c/a", {"v": 1})])
    ear = Ear(backend, QueryPlan("c"))
    held.set()
    assert ear.heard() == ["a"]
    assert len(ear.results) == 1
    handle.close()
    ear.handle.close()


def test_closing_the_backend_ends_those_that_demand_a_value(backend: MemoryBackend) -> None:
    ears = [Ear(backend, QueryPlan("c", where=is_("v", "==", value))) for value in (1, 2)]
    backend.drain()
    backend.close()
    backend.commit([Set("c/a", {"v": 1})])
    assert [ear.heard() for ear in ears] == [[""]] * 2
