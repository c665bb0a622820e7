"""A backend of two databases: what it writes, logs and compares, on memory backends, with real state on a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cendry import AsyncCendry, AsyncMemoryBackend, Cendry, Field, Increment, MemoryBackend, Model, field
from cendry._stored import same
from cendry.errors import (
    CendryError,
    DocumentAlreadyExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    UnsupportedByBackendError,
)
from cendry.jobs import JobStoreError, LocalStore, find_json, write_json
from cendry.paths import FieldPath
from cendry.plan import Delete, GetPlan, Set, Update
from cendry_datastore import DualBackend, DualStateError, Mismatch, ModeChangeError, WritesFrozenError
from cendry_datastore.migrate import comparisons, writers
from cendry_datastore.migrate.comparisons import last_compared
from cendry_datastore.migrate.intents import open_intents
from cendry_datastore.migrate.sides import BackendSide, different_fields
from cendry_memory.testing import Database


class City(Model, collection="cities"):
    name: Field[str]
    size: Field[int] = field(default=0)


class Faulty(MemoryBackend):
    """A shadow that fails as a database does that is not there, or refuses some documents."""

    error: Exception | None = None
    refused: Sequence[str] = ()
    calls = 0

    def commit(self, writes: Sequence[Any], **options: Any) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        if any(write.path in self.refused for write in writes):
            raise CendryError("refused")
        return super().commit(writes, **options)


@pytest.fixture
def primary() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def shadow() -> Faulty:
    return Faulty()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "migration")


@pytest.fixture
def make(primary: MemoryBackend, shadow: Faulty, store: LocalStore) -> Iterator[Callable[..., DualBackend]]:
    made: list[DualBackend] = []

    def dual(mode: Any = "shadow-write", **options: Any) -> DualBackend:
        made.append(DualBackend(primary, shadow, state=store.directory, mode=mode, **options))
        return made[-1]

    yield dual
    for backend in made:
        backend.close()


def documents(backend: Any) -> dict[str, Any]:
    return {path: version for path, version in contents(backend).items() if version is not None}


def contents(backend: Any, *names: str) -> dict[str, Any]:
    paths = tuple(f"cities/{name}" for name in names or ("a", "b", "c", "d"))
    return {result.path: result.data for result in backend.get(GetPlan(paths))}


def test_what_is_written_is_in_both_databases_and_nothing_is_open(
    make: Any, primary: MemoryBackend, shadow: Faulty, store: LocalStore
) -> None:
    with make() as dual:
        ctx = Cendry(backend=dual)
        ctx.save(City(id="a", name="A"))
        ctx.create(City(id="b", name="B"))
        city = ctx.get(City, "a")
        ctx.update(city, {City.size: Increment(2)})
        ctx.delete(City, "b")
        with ctx.batch() as batch:
            batch.save(City(id="c", name="C"))
            batch.save(City(id="d", name="D"))
            batch.delete(City, "c")
        assert {"cities/a", "cities/d"} == documents(primary).keys()
        assert documents(primary) == documents(shadow)
        assert {"name": "A", "size": 2} == documents(shadow)["cities/a"]
    assert [] == list(open_intents(store))


def test_bulk_writes_are_mirrored(make: Any, primary: MemoryBackend, shadow: Faulty, store: LocalStore) -> None:
    ctx = Cendry(backend=make())
    with ctx.bulk() as bulk:
        for name in "abc":
            bulk.save(City(id=name, name=name))
    assert {"cities/a", "cities/b", "cities/c"} == documents(shadow).keys()
    assert documents(primary) == documents(shadow)
    assert [] == list(open_intents(store))


def test_a_bulk_write_that_fails_is_not_mirrored_and_one_that_may_be_done_is_logged(
    make: Any, primary: MemoryBackend, shadow: Faulty, store: LocalStore
) -> None:
    db = Database(make())
    primary.faults.ambiguous_next_commit(applied=True)
    results = db.write_many(Set("cities/b", {"n": 1}), Update("cities/none", {"n": 1}, (FieldPath("n"),)))
    lost = [result.is_lost for result in results]
    assert [True, False] == lost
    assert [("cities/b",)] == [intent.paths for intent in open_intents(store)]


def test_transactions_are_mirrored_after_their_commit(make: Any, primary: MemoryBackend, shadow: Faulty) -> None:
    ctx = Cendry(backend=make())
    ctx.save(City(id="a", name="A"))

    def grow(txn: Any) -> None:
        txn.update(txn.get(City, "a"), {City.size: 7})
        assert 0 == documents(shadow)["cities/a"]["size"]

    ctx.transaction(grow)
    assert 7 == documents(shadow)["cities/a"]["size"]
    assert "A" == ctx.transaction(lambda txn: txn.get(City, "a").name, read_only=True)
    assert documents(primary) == documents(shadow)


def test_a_commit_that_wrote_nothing_leaves_no_intent(make: Any, shadow: Faulty, store: LocalStore) -> None:
    ctx = Cendry(backend=make())
    ctx.create(City(id="a", name="A"))
    before = shadow.calls
    with pytest.raises(DocumentAlreadyExistsError):
        ctx.create(City(id="a", name="other"))
    with pytest.raises(DocumentNotFoundError):
        ctx.update(City, "none", {City.size: 1})
    assert (before, []) == (shadow.calls, list(open_intents(store)))


class Dark(MemoryBackend):
    """Commits, and loses the answer."""

    error: BaseException

    def commit(self, writes: Sequence[Any], **options: Any) -> Any:
        super().commit(writes, **options)
        raise self.error


@pytest.mark.parametrize("error", [OutcomeUnknownError("cities/a"), ConnectionError("gone"), KeyboardInterrupt()])
def test_a_commit_whose_outcome_is_unknown_stays_in_the_log(
    error: BaseException, shadow: Faulty, store: LocalStore
) -> None:
    primary = Dark()
    primary.error = error
    with DualBackend(primary, shadow, state=store) as dual:
        with pytest.raises(type(error)):
            dual.commit([Set("cities/a", {"n": 1})])
        [intent] = open_intents(store)
        assert (("cities/a",), "forward") == (intent.paths, intent.direction)
        assert intent.error is not None
        assert intent.error.startswith("whether it was written is unknown")


def test_a_shadow_that_is_away_is_logged_and_never_raised(
    make: Any, shadow: Faulty, primary: MemoryBackend, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    dual = make()
    shadow.error = ConnectionError("no route")
    dual.commit([Set("cities/a", {"n": 1}), Set("cities/b", {"n": 1})])
    [intent] = open_intents(store)
    assert (("cities/a", "cities/b"), "ConnectionError: no route") == (intent.paths, intent.error)
    assert "2 documents were not mirrored, the first 'cities/a'" in caplog.text
    # For a while it is not asked again.
    calls = shadow.calls
    dual.commit([Set("cities/c", {"n": 1})])
    assert calls == shadow.calls
    assert 2 == len(list(open_intents(store)))
    assert {} == documents(shadow)


def test_one_document_that_the_shadow_refuses_does_not_hold_back_the_others(
    make: Any, shadow: Faulty, store: LocalStore
) -> None:
    shadow.refused = ["cities/b"]
    make().commit([Set(f"cities/{name}", {"n": 1}) for name in "abcd"])
    assert {"cities/a", "cities/c", "cities/d"} == documents(shadow).keys()
    [intent] = open_intents(store)
    assert (("cities/b",), "CendryError: refused") == (intent.paths, intent.error)


def test_a_database_that_is_away_is_asked_again_after_a_rest() -> None:
    now = [0.0]
    backend = Faulty()
    side = BackendSide(backend, clock=lambda: now[0])
    backend.error = ConnectionError()
    assert ["cities/a"] == list(side.write({"cities/a": {}}))
    backend.error = None
    assert ["cities/a"] == list(side.write({"cities/a": {}}))
    now[0] += 10.0
    assert {} == side.write({"cities/a": {}})


class Full(LocalStore):
    """A disk that is full, for some files."""

    full = ""

    def put(self, name: str, data: bytes, /) -> None:
        if self.full and name.startswith(self.full):
            raise JobStoreError(name, name, "written", "No space left on device")
        super().put(name, data)

    def delete(self, name: str, /) -> None:
        if self.full and name.startswith(self.full):
            raise JobStoreError(name, name, "deleted", "Read-only file system")
        super().delete(name)


def test_without_a_log_nothing_is_written(primary: MemoryBackend, shadow: Faulty, tmp_path: Path) -> None:
    state = Full(tmp_path)
    with DualBackend(primary, shadow, state=state) as dual:
        state.full = "dual/intents/"
        with pytest.raises(DualStateError, match="Nothing was written.*No space left on device") as caught:
            dual.commit([Set("cities/a", {})])
        assert 503 == caught.value.http_status
        assert ({}, {}) == (documents(primary), documents(shadow))
        state.full = ""


def test_an_intent_that_can_not_be_closed_stays_open(
    primary: MemoryBackend, shadow: Faulty, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = Full(tmp_path)

    class Then(MemoryBackend):
        def commit(self, writes: Sequence[Any], **options: Any) -> Any:
            state.full = "dual/intents/"
            return super().commit(writes, **options)

    with DualBackend(Then(store=primary.store), shadow, state=state) as dual:
        dual.commit([Set("cities/a", {})])
        assert "An intent could not be closed, and stays open" in caplog.text
        assert documents(primary) == documents(shadow) == {"cities/a": {}}
        state.full = ""
        assert 1 == len(list(open_intents(state)))


def test_what_ends_a_thread_while_it_mirrors_leaves_the_intent(make: Any, shadow: Faulty, store: LocalStore) -> None:
    dual = make()

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    shadow.commit = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        dual.commit([Set("cities/a", {})])
    [intent] = open_intents(store)
    assert "KeyboardInterrupt" == intent.error


# --- modes ---


def test_frozen_refuses_writes_and_answers_reads(make: Any, primary: MemoryBackend) -> None:
    dual = make()
    ctx = Cendry(backend=dual)
    ctx.save(City(id="a", name="A"))
    dual.change_mode("frozen")
    with pytest.raises(WritesFrozenError, match="'cities/b' was not written") as caught:
        ctx.save(City(id="b", name="B"))
    assert (503, "cities/b") == (caught.value.http_status, caught.value.path)
    with pytest.raises(WritesFrozenError):
        ctx.transaction(lambda txn: txn.delete(txn.get(City, "a")))
    with pytest.raises(WritesFrozenError):
        dual.write_many([Delete("cities/a")])
    assert "A" == ctx.get(City, "a").name
    assert {"cities/a"} == documents(primary).keys()


def test_switched_swaps_the_roles_and_the_same_way_leads_back(
    make: Any, primary: MemoryBackend, shadow: Faulty
) -> None:
    dual = make()
    dual.commit([Set("cities/a", {"n": 1})])
    dual.change_mode("frozen")
    dual.change_mode("switched")
    assert "switched" == dual.mode
    assert "mode='switched'" in repr(dual)
    shadow.commit([Set("cities/a", {"n": 2})])
    assert {"n": 2} == documents(dual)["cities/a"]
    dual.commit([Set("cities/b", {"n": 3})])
    assert {"n": 3} == documents(primary)["cities/b"]
    dual.change_mode("frozen")
    # It answers as before it was frozen.
    assert {"n": 2} == documents(dual)["cities/a"]
    dual.change_mode("shadow-read")
    assert {"n": 1} == documents(dual)["cities/a"]


def test_roles_change_only_when_all_processes_are_frozen(make: Any) -> None:
    one, other = make(), make()
    with pytest.raises(ModeChangeError, match="comes after 'frozen', and processes register in 'shadow-write'"):
        one.change_mode("switched")
    assert "shadow-write" == one.mode
    one.commit([Set("cities/a", {"n": 1})])
    one.change_mode("frozen")
    with pytest.raises(ModeChangeError, match=r"Process \d+ on host '.*' writes in mode 'shadow-write': freeze"):
        make("switched")
    other.close()
    make("switched")
    with pytest.raises(ModeChangeError, match="comes after 'frozen', and processes register in 'switched'"):
        one.change_mode("shadow-write")


def test_the_first_mode_is_not_switched(make: Any) -> None:
    with pytest.raises(ModeChangeError, match="no process has registered in this state yet") as caught:
        make("switched")
    assert 503 == caught.value.http_status
    make("frozen")
    make("switched")


def test_the_role_does_not_change_while_an_intent_of_the_other_is_open(make: Any, shadow: Faulty) -> None:
    dual = make()
    shadow.refused = ["cities/a"]
    dual.commit([Set("cities/a", {})])
    dual.change_mode("frozen")
    with pytest.raises(ModeChangeError, match="1 intents of the other role are open, the first of 'cities/a'"):
        dual.change_mode("switched")
    assert "frozen" == dual.mode
    dual.change_mode("shadow-read")


def test_a_change_of_mode_waits_for_writes_under_way_and_later_ones_wait_for_it(make: Any, shadow: Faulty) -> None:
    dual = make()
    is_writing, may_go_on = threading.Event(), threading.Event()
    commit = shadow.commit

    def slow(*arguments: Any, **options: Any) -> Any:
        is_writing.set()
        assert may_go_on.wait(60)
        return commit(*arguments, **options)

    shadow.commit = slow  # type: ignore[method-assign]
    write = threading.Thread(target=dual.commit, args=([Set("cities/a", {})],))
    change = threading.Thread(target=dual.change_mode, args=("frozen",))
    write.start()
    assert is_writing.wait(60)
    change.start()
    deadline = time.monotonic() + 60
    while not dual._is_changing and time.monotonic() < deadline:
        time.sleep(0.001)
    assert "shadow-write" == dual.mode
    refused: list[BaseException] = []

    def late() -> None:
        try:
            dual.commit([Set("cities/b", {})])
        except WritesFrozenError as error:
            refused.append(error)

    later = threading.Thread(target=late)
    later.start()
    may_go_on.set()
    for thread in (write, change, later):
        thread.join(60)
    assert ("frozen", 1) == (dual.mode, len(refused))


def test_a_transaction_that_began_before_the_roles_changed_is_tried_again(make: Any, shadow: Faulty) -> None:
    dual = make()
    ctx = Cendry(backend=dual)
    ctx.save(City(id="a", name="A"))
    attempts: list[int] = []

    def grow(txn: Any) -> None:
        city = txn.get(City, "a")
        attempts.append(city.size)
        if len(attempts) == 1:
            dual.change_mode("frozen")
            dual.change_mode("switched")
        txn.update(city, {City.size: 1})

    ctx.transaction(grow)
    assert [0, 0] == attempts
    assert 1 == documents(shadow)["cities/a"]["size"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def registration(store: LocalStore, clock: Clock) -> writers.Registration:
    return writers.Registration(store, clock=clock, elapsed=clock)


def test_a_lease_is_renewed_by_writes_and_others_take_it_as_valid_for_a_while_longer(store: LocalStore) -> None:
    clock = Clock()
    one = registration(store, clock)
    one.register("shadow-write")
    [first] = writers.live_writers(store, clock)
    clock.now += 10
    one.renew()
    assert [first] == writers.live_writers(store, clock)
    clock.now += 10
    one.renew()
    assert [1020.0] == [writer.renewed for writer in writers.live_writers(store, clock)]
    clock.now += 179
    assert 1 == len(writers.live_writers(store, clock))
    clock.now += 1
    assert [] == writers.live_writers(store, clock)


def test_a_process_that_was_idle_does_not_write_in_a_role_that_others_have_left(store: LocalStore) -> None:
    clock = Clock()
    idle, other = registration(store, clock), registration(store, clock)
    idle.register("shadow-write")
    other.register("frozen")
    clock.now += 180
    other.register("switched")
    for _ in range(2):
        with pytest.raises(ModeChangeError, match="still in mode 'shadow-write', and others are in 'switched'"):
            idle.renew()
    assert [other.process] == [writer.process for writer in writers.live_writers(store, clock)]


def test_a_process_that_was_idle_goes_on_if_nobody_changed_the_role(store: LocalStore) -> None:
    clock = Clock()
    idle = registration(store, clock)
    idle.register("shadow-write")
    clock.now += 1000
    idle.renew()
    assert [idle.process] == [writer.process for writer in writers.live_writers(store, clock)]


def test_of_two_that_ask_for_different_roles_at_once_no_two_get_them(store: LocalStore) -> None:
    clock = Clock()
    frozen, forward, backward = (registration(store, clock) for _ in range(3))
    frozen.register("frozen")
    forward.register("shadow-write")
    # As if both had looked at the record before either wrote its lease.
    write_json(store, "dual/mode.json", {"mode": "frozen", "direction": "forward", "since": clock()})
    with pytest.raises(ModeChangeError, match="writes in mode 'shadow-write'"):
        backward.register("switched")
    assert ["frozen", "shadow-write"] == sorted(writer.mode for writer in writers.live_writers(store, clock))


def test_an_idle_process_is_refused_while_one_writes_in_the_other_role(store: LocalStore) -> None:
    clock = Clock()
    idle, other = registration(store, clock), registration(store, clock)
    idle.register("shadow-write")
    other.register("frozen")
    clock.now += 200
    other.register("switched")
    # Between its lease and its record.
    write_json(store, "dual/mode.json", {"mode": "frozen", "direction": "forward", "since": clock()})
    with pytest.raises(ModeChangeError, match="writes in mode 'switched'"):
        idle.renew()


def test_leases_of_long_ago_are_forgotten(store: LocalStore) -> None:
    clock = Clock()
    old = registration(store, clock)
    old.register("shadow-write")
    old.leave()
    assert [1000.0] == [writer.until for writer in writers.writers(store)]
    clock.now += 100_000
    registration(store, clock).register("shadow-write")
    assert [101_000.0] == [writer.since for writer in writers.writers(store)]


def test_a_process_that_has_ended_on_this_host_holds_no_lease(store: LocalStore) -> None:
    clock = Clock()
    one = registration(store, clock)
    one.register("shadow-write")
    [name] = store.list("dual/writers/")
    found = find_json(store, name)
    assert found is not None
    # No process has the id -1 or could have.
    write_json(store, name, {**found, "pid": 2**22 + 1})
    assert [] == writers.live_writers(store, clock)
    write_json(store, name, {**found, "pid": 2**22 + 1, "host": "another"})
    assert 1 == len(writers.live_writers(store, clock))


# --- compared reads ---


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "REREAD_PAUSE", 0.0)


def test_reads_are_compared_and_differences_reported(
    make: Any, primary: MemoryBackend, shadow: Faulty, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[Mismatch] = []
    dual = make("shadow-read", on_mismatch=found.append)
    dual.commit([Set("cities/a", {"n": 1, "secret": "x"}), Set("cities/b", {"n": 1})])
    contents(dual)
    dual.drain()
    assert (4, 0, ()) == (last := last_compared(store), last.compared, last.mismatches, last.paths)[1:]
    shadow.store.commit([Set("cities/a", {"n": 2, "secret": "y"}), Delete("cities/b")], None)
    ctx = Cendry(backend=dual)
    assert 2 == len(list(dual.get(GetPlan(("cities/a", "cities/b")))))
    dual.drain()
    assert [("cities/a", ("n", "secret")), ("cities/b", ())] == sorted((one.path, one.fields) for one in found)
    assert {"n": 2, "secret": "y"} == next(one.shadow for one in found if one.path == "cities/a")
    assert "secret" not in repr(found[0]).replace("'secret'", "")
    assert "Document 'cities/a' differs" in caplog.text
    last = last_compared(store)
    assert (6, 2, {"cities/a", "cities/b"}) == (last.compared, last.mismatches, set(last.paths))
    assert ctx.find(City, "none") is None
    dual.close()
    assert 7 == last_compared(store).compared


def test_a_write_between_two_reads_is_no_difference(make: Any, shadow: Faulty, store: LocalStore) -> None:
    dual = make("shadow-read")
    dual.commit([Set("cities/a", {"n": 1})])
    shadow.store.commit([Set("cities/a", {"n": 0})], None)
    readings: list[float] = []

    def mend(seconds: float) -> None:
        readings.append(seconds)
        if len(readings) == 2:
            shadow.store.commit([Set("cities/a", {"n": 1})], None)

    dual._comparer._pause = mend
    contents(dual, "a")
    dual.drain()
    assert (2, 1, 0) == (len(readings), last_compared(store).compared, last_compared(store).mismatches)


def test_a_comparison_of_ones_own(make: Any, shadow: Faulty) -> None:
    def same_names(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
        return (one is None) == (other is None)

    found: list[Mismatch] = []
    dual = make("shadow-read", compare=same_names, on_mismatch=found.append)
    dual.commit([Set("cities/a", {"n": 1}), Set("cities/b", {"n": 1})])
    shadow.store.commit([Set("cities/a", {"n": 2}), Delete("cities/b")], None)
    contents(dual)
    dual.drain()
    assert [("cities/b", ())] == [(one.path, one.fields) for one in found]


@pytest.mark.parametrize("sample", [0, 0.0])
def test_reads_outside_of_the_sample_are_not_compared(sample: float, make: Any, store: LocalStore) -> None:
    dual = make("shadow-read", sample=sample)
    contents(dual)
    dual.drain()
    assert 0 == last_compared(store).compared


def test_transactions_projections_and_earlier_moments_are_not_compared(make: Any, store: LocalStore) -> None:
    dual = make("shadow-read")
    db = Database(dual)
    transaction = db.begin()
    db.data("cities/a", transaction=transaction)
    db.rollback(transaction)
    db.get_plan(GetPlan(("cities/a",), projection=()))
    db.get_plan(GetPlan(("cities/a",), read_time=datetime.now(timezone.utc)))
    # One that is not read to its end, neither.
    results = dual.get(GetPlan(("cities/a", "cities/b")))
    next(results)
    results.close()
    dual.drain()
    assert 0 == last_compared(store).compared


def test_a_shadow_that_can_not_be_read_is_no_difference(
    make: Any, shadow: Faulty, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    dual = make("shadow-read")

    def fail(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route")

    shadow.get = fail  # type: ignore[method-assign]
    contents(dual)
    dual.drain()
    assert "Reads of both databases could not be compared: no route" in caplog.text
    assert 0 == last_compared(store).compared


def test_what_the_caller_does_to_a_result_changes_no_comparison(make: Any, store: LocalStore) -> None:
    dual = make("shadow-read")
    dual.commit([Set("cities/a", {"list": [1]})])
    for result in dual.get(GetPlan(("cities/a",))):
        result.data["list"].append(2)
    dual.drain()
    assert (1, 0) == (last_compared(store).compared, last_compared(store).mismatches)


def test_only_the_last_thousand_count(store: LocalStore) -> None:
    for process, periods in {
        "a": [[60.0, 900, 1, ["old"]], [180.0, 400, 0, []]],
        "b": [[120.0, 700, 2, ["x", "y"]]],
    }.items():
        write_json(store, f"dual/compared/{process}.json", {"periods": periods})
    last = last_compared(store)
    assert (1100, 2, ("x", "y")) == (last.compared, last.mismatches, last.paths)


def test_a_queue_that_is_full_leaves_reads_out(make: Any, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "_QUEUE", 1)
    dual = make("shadow-read")
    began, go_on = threading.Event(), threading.Event()
    read = dual._comparer._shadow.read

    class Slow:
        is_same = staticmethod(same)

        def read(self, names: Sequence[str]) -> Any:
            began.set()
            assert go_on.wait(60)
            return read(names)

    dual._comparer._shadow = Slow()
    contents(dual, "a")
    assert began.wait(60)
    for _ in range(3):
        contents(dual, "b")
    go_on.set()
    dual.drain()
    assert 2 == last_compared(store).compared


# --- the backend ---


def test_arguments_are_checked(primary: MemoryBackend, shadow: Faulty, tmp_path: Path) -> None:
    def make(*backends: Any, **options: Any) -> None:
        DualBackend(*backends, **{"state": tmp_path, **options})

    with pytest.raises(TypeError, match="primary takes a backend, not None"):
        make(None, shadow)
    with pytest.raises(TypeError, match=r"shadow takes a backend for Cendry, and .* is one for AsyncCendry"):
        make(primary, AsyncMemoryBackend())
    with pytest.raises(ValueError, match="the same backend"):
        make(primary, primary)
    with pytest.raises(ValueError, match="mode= takes one of 'shadow-write', .*'frozen', 'switched', not 'x'"):
        make(primary, shadow, mode="x")
    for sample in (-0.1, 1.1, True, "1"):
        with pytest.raises(ValueError, match="sample= takes a number from 0 to 1"):
            make(primary, shadow, sample=sample)
    assert [] == list(tmp_path.iterdir())


def test_the_async_twin_is_refused(make: Any) -> None:
    with pytest.raises(UnsupportedByBackendError, match="DualBackend does not support the async twin"):
        AsyncCendry(backend=make())


def test_it_has_what_the_backend_that_answers_has(make: Any, primary: MemoryBackend) -> None:
    dual = make()
    assert ("Memory", None, "gcp.firestore", primary.database) == (dual.name, dual.client, dual.system, dual.database)
    assert not hasattr(dual, "encoder")
    assert not hasattr(dual, "explain")
    with pytest.raises(AttributeError, match="'DualBackend' object has no attribute 'nothing'"):
        dual.nothing  # noqa: B018


def test_an_explanation_is_that_of_the_backend_that_answers(shadow: Faulty, tmp_path: Path) -> None:
    class Explaining(MemoryBackend):
        def explain(self, plan: Any, **options: Any) -> Any:
            return plan, options

    with DualBackend(Explaining(), shadow, state=tmp_path) as dual:
        transaction = dual.begin()
        handle = transaction.handle
        explained = dual.explain("plan", analyze=True, transaction=transaction)
        assert ("plan", {"transaction": handle, "analyze": True}) == explained


def test_it_can_be_closed_twice_and_used_again(make: Any, shadow: Faulty, store: LocalStore) -> None:
    dual = make("shadow-read")
    contents(dual)
    dual.close()
    dual.close()
    dual.commit([Set("cities/a", {})])
    assert {"cities/a"} == documents(shadow).keys()
    assert 1 == len(writers.live_writers(store))


def test_fields_that_differ_are_named() -> None:
    assert ("a", "b") == different_fields({"a": 1, "c": 1}, {"b": 2, "c": 1})
