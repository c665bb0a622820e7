from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from cendry.backend import ListenResult
from cendry.errors import MissingIndexError
from cendry.paths import FieldPath
from cendry.plan import Condition, Delete, GetPlan, Order, QueryPlan, Set
from cendry.reference import Ref
from cendry_firestore import FirestoreBackend, _sdk
from cendry_firestore._listen import Attempts, ListenState, LostTrackError, TargetEndedError
from cendry_memory.testing import Database
from cendry_memory.testing.driver import Ear
from firestore.faulty import BEGUN, Fault, FaultyServer
from google.api_core import exceptions
from google.cloud.firestore_v1 import types

F = FieldPath
BY_N = QueryPlan("c", where=Condition(F("n"), ">", 0), orders=(Order(F("n")),))
WAIT = 60.0


def listen(backend: FirestoreBackend, plan: QueryPlan | GetPlan) -> Ear:
    return Database(backend).listen(plan)


def thread_of(ear: Ear) -> threading.Thread:
    thread: threading.Thread = vars(ear.handle)["_thread"]
    return thread


def unheard(what: object) -> None:
    """A callback that nobody may call."""
    pytest.fail(str(what))


def is_silent(ear: Ear) -> bool:
    """Whether nothing more is told, for a while."""
    time.sleep(0.3)
    return ear.snapshots.empty() and ear.errors.empty()


def wait_for_the_end(of: Callable[[], set[threading.Thread]]) -> None:
    deadline = time.monotonic() + WAIT
    while (left := of()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set() == left


@pytest.fixture
def backend(firestore_emulator: str, project: str) -> Iterator[FirestoreBackend]:
    before = set(threading.enumerate())
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()
    wait_for_the_end(lambda: set(threading.enumerate()) - before)


@pytest.fixture
def faulty_backend(faulty: FaultyServer, project: str) -> Iterator[FirestoreBackend]:
    backend = FirestoreBackend(project=project)
    yield backend
    backend.close()
    # The server has threads of gRPC as well.
    wait_for_the_end(lambda: {one for one in threading.enumerate() if one.name == "cendry-listener"})


def test_a_document_of_odd_values_does_not_end_a_listener(backend: FirestoreBackend) -> None:
    ear = listen(backend, QueryPlan("c"))
    assert [] == ear.names()
    stored = _sdk.Value(reference_value="projects/other/databases/there/documents/x/y")
    backend.commit([Set("c/a", {"r": stored})])
    foreign = Ref.from_path("x/y", database="projects/other/databases/there")
    assert [{"r": foreign}] == [document.data for document in ear.hear().documents]
    backend.commit([Set("c/b", {})])
    assert ["a", "b"] == ear.names()


@pytest.mark.parametrize("has_heard", [False, True])
def test_after_close_the_thread_has_ended(backend: FirestoreBackend, has_heard: bool) -> None:
    for _ in range(3):
        ear = listen(backend, BY_N)
        if has_heard:
            ear.hear()
        ear.handle.close()
        assert not thread_of(ear).is_alive()


def test_close_from_the_callback(backend: FirestoreBackend) -> None:
    heard: list[ListenResult] = []
    ready = threading.Event()

    def once(result: ListenResult) -> None:
        ready.wait(WAIT)
        heard.append(result)
        handle.close()

    handle = backend.listen(BY_N, once, unheard)
    ready.set()
    handle._thread.join(WAIT)
    backend.commit([Set("c/a", {"n": 1})])
    assert (1, False) == (len(heard), handle._thread.is_alive())


def test_close_does_not_wait_for_a_callback_that_waits_for_the_closer(backend: FirestoreBackend) -> None:
    lock, entered = threading.Lock(), threading.Event()

    def needs_the_lock(result: ListenResult) -> None:
        entered.set()
        with lock:
            pass

    with lock:
        handle = backend.listen(BY_N, needs_the_lock, unheard)
        assert entered.wait(WAIT)
        started = time.monotonic()
        handle.close()
        assert time.monotonic() - started < 1


def test_closing_the_backend_closes_its_listeners(backend: FirestoreBackend) -> None:
    ears = [listen(backend, BY_N) for _ in range(3)]
    for ear in ears:
        ear.hear()
    backend.close()
    assert [False] * 3 == [thread_of(ear).is_alive() for ear in ears]
    assert all(ear.errors.empty() for ear in ears)


def test_a_callback_that_fails_ends_the_listener_and_is_told(backend: FirestoreBackend) -> None:
    errors: queue.Queue[BaseException] = queue.Queue()

    def fail(result: ListenResult) -> None:
        raise LookupError("mine")

    handle = backend.listen(BY_N, fail, errors.put)
    assert "mine" == str(errors.get(timeout=WAIT))
    handle._thread.join(WAIT)
    assert not handle._thread.is_alive()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.OK])
@pytest.mark.slow
def test_a_stream_that_breaks_is_taken_up_again(
    faulty_backend: FirestoreBackend, faulty: FaultyServer, fault: type[Fault], code: Any
) -> None:
    faulty_backend.commit([Set("c/a", {"n": 1}), Set("c/b", {"n": 2})])
    # ADD, RESET, two documents, CURRENT, then the snapshot: the break comes in the middle, at the start, after it.
    faulty.faults["Listen"] = [fault(code, after=3), fault(code), fault(code, after=6)]
    ear = listen(faulty_backend, BY_N)
    assert ["a", "b"] == ear.names()
    # The emulator overlooks a commit that comes while a listener begins, until the next one.
    faulty.wait_for_states(2)
    faulty_backend.commit([Delete("c/a")])
    assert ["b"] == ear.names()
    assert ear.errors.empty()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "no", exceptions.PermissionDenied),
        (grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index: url", MissingIndexError),
    ],
)
def test_what_waiting_does_not_mend_is_told_once(
    faulty_backend: FirestoreBackend,
    faulty: FaultyServer,
    fault: type[Fault],
    code: Any,
    text: str,
    expected: type[BaseException],
) -> None:
    faulty.faults["Listen"] = [fault(code, text)]
    ear = listen(faulty_backend, BY_N)
    assert isinstance(ear.error(), expected)
    assert is_silent(ear)
    assert ["Listen"] == faulty.calls
    thread_of(ear).join(WAIT)


def test_a_server_that_stays_away_is_told_in_the_end(
    faulty_backend: FirestoreBackend, faulty: FaultyServer, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cendry_firestore._listen.PATIENCE", 0.3)
    faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE)] * 200
    ear = listen(faulty_backend, BY_N)
    assert isinstance(ear.error(), exceptions.ServiceUnavailable)
    assert is_silent(ear)


@pytest.mark.slow
def test_silence_before_a_failure_is_not_held_against_the_server(
    faulty_backend: FirestoreBackend, faulty: FaultyServer, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cendry_firestore._listen.PATIENCE", 0.5)
    faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE, after=3, pause=1.0)]
    ear = listen(faulty_backend, BY_N)
    faulty.wait_for_calls("Listen", 2)
    assert [] == ear.names()
    assert is_silent(ear)


@pytest.mark.parametrize("begun", BEGUN)
def test_a_server_that_falls_silent_in_its_answer_is_asked_again(
    faulty_backend: FirestoreBackend,
    faulty: FaultyServer,
    fault: type[Fault],
    monkeypatch: pytest.MonkeyPatch,
    begun: list[bytes],
) -> None:
    monkeypatch.setattr("cendry_firestore._listen.SILENCE_SECONDS", 0.3)
    faulty_backend.commit([Set("c/a", {"n": 1})])
    faulty.faults["Listen"] = [fault(grpc.StatusCode.OK, after=None)]
    faulty.next_answers["Listen"] = [begun]
    ear = listen(faulty_backend, BY_N)
    faulty.wait_for_calls("Listen", 2)
    monkeypatch.undo()
    assert ["a"] == ear.names()


class Looks:
    """An event that is set when it has been waited for so often."""

    def __init__(self, count: int) -> None:
        self.left = count

    def wait(self, seconds: float) -> bool:
        self.left -= 1
        return self.left == 0


def test_a_stream_that_is_quiet_is_left_alone(backend: FirestoreBackend) -> None:
    ear = listen(backend, BY_N)
    assert [] == ear.names()
    looks: Any = Looks(4)
    assert ["request"] == list(vars(ear)["handle"]._requests("request", looks))
    assert 0 == looks.left
    backend.commit([Set("c/a", {"n": 1})])
    assert ["a"] == ear.names()


def test_close_while_it_waits_to_connect_again(
    faulty_backend: FirestoreBackend, faulty: FaultyServer, fault: type[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()

    def long(failures: int, first: float, longest: float) -> float:
        waits.set()
        return 60.0

    monkeypatch.setattr("cendry_firestore._listen.pause_after", long)
    faulty.faults["Listen"] = [fault(grpc.StatusCode.UNAVAILABLE)]
    ear = listen(faulty_backend, BY_N)
    assert waits.wait(WAIT)
    started = time.monotonic()
    ear.handle.close()
    assert time.monotonic() - started < 1
    assert not thread_of(ear).is_alive()
    assert is_silent(ear)


def test_the_servers_count_is_believed(faulty_backend: FirestoreBackend, faulty: FaultyServer) -> None:
    faulty_backend.commit([Set("c/a", {"n": 1})])
    faulty.answers["Listen"] = [serialized(filter_of(7))]
    ear = listen(faulty_backend, BY_N)
    faulty.wait_for_calls("Listen", 3)
    del faulty.answers["Listen"]
    assert ["a"] == ear.names()


# --- the state alone, for what no server here says ---

DATABASE = "projects/p/databases/(default)"
KIND = types.TargetChange.TargetChangeType


def serialized(response: types.ListenResponse) -> bytes:
    data: bytes = types.ListenResponse.serialize(response)
    return data


def filter_of(count: int) -> types.ListenResponse:
    return types.ListenResponse(filter=types.ExistenceFilter(target_id=1, count=count))


def changed(name: str, n: int, *, removed: bool = False) -> types.ListenResponse:
    document = types.Document(
        name=f"{DATABASE}/documents/c/{name}", fields={"n": types.Value(integer_value=n)}, update_time={"seconds": n}
    )
    targets = {"removed_target_ids": [1]} if removed else {"target_ids": [1]}
    return types.ListenResponse(document_change=types.DocumentChange(document=document, **targets))


def gone(name: str) -> types.ListenResponse:
    return types.ListenResponse(document_remove=types.DocumentRemove(document=f"{DATABASE}/documents/c/{name}"))


def target(kind: Any, **fields: Any) -> types.ListenResponse:
    return types.ListenResponse(target_change=types.TargetChange(target_change_type=kind, **fields))


CURRENT = target(KIND.CURRENT, target_ids=[1])
SNAPSHOT = target(KIND.NO_CHANGE, read_time={"seconds": 100}, resume_token=b"token")


@pytest.fixture
def state() -> ListenState:
    return made(QueryPlan("c", orders=(Order(F("n")),)))


def made(plan: QueryPlan) -> ListenState:
    state = ListenState(plan, DATABASE, len(f"{DATABASE}/documents/"))
    state.request()
    return state


def take(state: ListenState, *responses: types.ListenResponse) -> list[str]:
    """What has changed: `!` for a reset, `-` for what was removed."""
    results = [state.take(types.ListenResponse.pb(response)) for response in responses]
    return [
        " ".join(
            [
                *"!" * result.is_reset,
                *sorted(document.path[2:] for document in result.documents),
                *(f"-{path[2:]}" for path in result.removed),
            ]
        )
        for result in results
        if result is not None
    ]


def test_changes_are_told_when_they_are_complete(state: ListenState) -> None:
    partial = target(KIND.NO_CHANGE, target_ids=[1], read_time={"seconds": 100})
    early = [target(KIND.ADD, target_ids=[1]), changed("b", 2), SNAPSHOT, changed("a", 1), CURRENT, partial]
    assert [] == take(state, *early)
    assert ["! a b"] == take(state, SNAPSHOT)
    assert [] == take(state, SNAPSHOT, target(KIND.NO_CHANGE))
    assert ["-b"] == take(state, gone("b"), gone("unknown"), SNAPSHOT)
    assert ["-a"] == take(state, changed("a", 1, removed=True), SNAPSHOT)
    assert [""] == take(state, changed("z", 1, removed=True), types.ListenResponse(), SNAPSHOT)
    assert ["c"] == take(state, changed("c", 1), changed("c", 2), SNAPSHOT)


def test_a_change_of_another_target_is_passed_over(state: ListenState) -> None:
    other = types.ListenResponse(document_change=types.DocumentChange(document={"name": "x"}, target_ids=[9]))
    assert ["!"] == take(state, other, CURRENT, SNAPSHOT)


def test_a_reset_starts_over(state: ListenState) -> None:
    take(state, changed("a", 1), CURRENT, SNAPSHOT)
    assert [] == take(state, target(KIND.RESET), changed("b", 1), SNAPSHOT)
    assert ["! b"] == take(state, CURRENT, SNAPSHOT)


def stuck(attempts: Attempts, *responses: types.ListenResponse) -> bool:
    """Whether the server owes something after these responses."""
    for response in responses:
        attempts.take(types.ListenResponse.pb(response))
    return attempts.is_stuck(attempts.state.taken)


def test_an_emulator_owes_a_whole_state_and_firestore_a_beginning(backend: FirestoreBackend) -> None:
    emulator, firestore = (Attempts(backend._connection, QueryPlan("c")) for _ in range(2))
    firestore._emulator = None
    assert [True, True] == [stuck(emulator), stuck(firestore)]
    assert not emulator.is_stuck(-1)
    owed = []
    for response in (target(KIND.ADD, target_ids=[1]), CURRENT, SNAPSHOT, target(KIND.RESET), CURRENT, SNAPSHOT):
        owed.append([stuck(emulator, response), stuck(firestore, response)])
    assert [[True, False]] * 2 + [[False, False]] + [[True, False]] * 2 + [[False, False]] == owed
    firestore.state.request()
    assert stuck(firestore)


def test_an_emulator_owes_the_beginning_after_what_a_commit_told_first(backend: FirestoreBackend) -> None:
    attempts = Attempts(backend._connection, QueryPlan("c"))
    told_first = target(KIND.ADD, target_ids=[1]), target(KIND.RESET), target(KIND.RESET), CURRENT, SNAPSHOT
    assert [True] * 3 == [stuck(attempts, *told_first), stuck(attempts), stuck(attempts)]
    # One that resets in the beginning is left alone after that, until one shows that it counts as Google's does.
    assert not stuck(attempts)
    attempts.state.request()
    assert not stuck(attempts, *told_first)
    assert not stuck(attempts, CURRENT, SNAPSHOT)
    attempts.state.request()
    assert stuck(attempts, *told_first)


def test_going_on_starts_from_the_last_complete_state(state: ListenState) -> None:
    take(state, changed("a", 1), CURRENT, SNAPSHOT, changed("lost", 5))
    assert b"token" == state.request().add_target.resume_token
    assert [] == take(state, SNAPSHOT)
    assert ["b"] == take(state, filter_of(1), changed("b", 2), filter_of(2), CURRENT, SNAPSHOT)


def test_a_wrong_count_forgets_everything(state: ListenState) -> None:
    take(state, changed("a", 1), CURRENT, SNAPSHOT)
    assert [] == take(state, filter_of(1))
    with pytest.raises(LostTrackError):
        take(state, filter_of(2))
    assert b"" == state.request().add_target.resume_token
    assert ["! b"] == take(state, changed("b", 2), CURRENT, SNAPSHOT)


def test_the_count_follows_each_change(state: ListenState) -> None:
    take(state, changed("a", 1), changed("a", 2), filter_of(1), changed("b", 1), filter_of(2), CURRENT, SNAPSHOT)
    take(state, gone("a"), filter_of(1), gone("a"), filter_of(1), changed("a", 3), filter_of(2))
    take(state, gone("b"), filter_of(1))
    assert ["a -b"] == take(state, SNAPSHOT)


def test_a_target_that_the_server_ends_is_an_error(state: ListenState) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="odd"):
        take(state, target(KIND.REMOVE, cause={"code": 3, "message": "odd"}))
    with pytest.raises(exceptions.InternalServerError, match="odd"):
        take(state, target(KIND.REMOVE, cause={"message": "odd"}))
    with pytest.raises(TargetEndedError, match="without a reason"):
        take(state, target(KIND.REMOVE))
    with pytest.raises(TargetEndedError, match=r"added the targets \[2\], and not 1"):
        take(state, target(KIND.ADD, target_ids=[2]))
