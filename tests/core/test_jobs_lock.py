"""The lock of a job: one process at a time, and one that lost it writes nothing more."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from cendry import _threads
from cendry.errors import JobFileError, JobLockedError, JobStoreError, LockLostError
from cendry.jobs import JobLock, LocalStore, Store, lock, read_holder, write_json
from core.stores import Clock, DictStore, Files

NEVER = 1e6


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["local", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "job") if request.param == "local" else DictStore()


def made(store: Store, clock: Clock, **options: Any) -> JobLock:
    return JobLock(store, **{"what": "copy", "clock": clock, "host": "h", "interval": NEVER, **options})


def left_behind(store: Store, clock: Clock, **facts: Any) -> None:
    """The lock of a process that ended without releasing it."""
    holder = {"token": "t", "host": "h", "pid": 4711, "since": clock.now, "flock": False}
    write_json(store, "lock", {**holder, **facts})


def test_a_lock_is_there_while_it_is_held(store: Store, clock: Clock) -> None:
    with made(store, clock, pid=7) as held:
        holder = read_holder(store)
        assert holder is not None
        assert (held.token, "h", 7, clock.now) == (holder.token, holder.host, holder.pid, holder.since)
        assert isinstance(store, LocalStore) is holder.flock
        held.check()
        held.check()
    assert read_holder(store) is None
    assert [] == [name for name in store.list() if name != "lock.flock"]
    with pytest.raises(LockLostError, match="Its lock was removed"):
        held.check()


def test_by_default_a_lock_names_this_process(store: Store) -> None:
    with JobLock(store):
        holder = read_holder(store)
        assert holder is not None
        assert os.getpid() == holder.pid
        assert holder.host


def test_a_second_one_is_refused(store: Store, clock: Clock) -> None:
    with made(store, clock, pid=7) as held:
        clock.now += 12
        with pytest.raises(JobLockedError) as caught, made(store, clock, pid=8, host="other"):
            raise AssertionError
        error = caught.value
        assert ("h", 7, clock.now - 12, 12) == (error.host, error.pid, error.since, error.age)
        assert (
            "Another copy runs on host h since 2027-01-15T08:00:00Z (pid 7, seen 12 s ago). Wait for its end, or stop "
            "it. If it hangs or is gone, --take-over (take_over=True) goes on without it." == str(error)
        )
        with pytest.raises(JobLockedError, match=r"^A copy runs on host h since .*"), JobLock(store, what="repair"):
            raise AssertionError
        held.check()
    with made(store, clock, pid=8):
        pass


def test_two_of_one_process_are_refused_as_well(store: Store, clock: Clock) -> None:
    with made(store, clock), pytest.raises(JobLockedError), made(store, clock):
        raise AssertionError


def test_who_was_taken_over_writes_nothing_more(store: Store, clock: Clock) -> None:
    with made(store, clock, pid=7) as first, made(store, clock, pid=8, host="other", take_over=True) as second:
        with pytest.raises(LockLostError, match="taken over by process 8 on host other; this process") as caught:
            first.check()
        assert ("other", 8) == (caught.value.host, caught.value.pid)
        second.check()
        # Its last heartbeat, late, changes nothing for the other one.
        clock.now += NEVER
        first.beat()
        second.check()
        with pytest.raises(LockLostError):
            first.check()
    assert read_holder(store) is None


def test_the_end_of_one_that_was_taken_over_leaves_the_lock_to_the_other(store: Store, clock: Clock) -> None:
    first, second = made(store, clock, pid=7), made(store, clock, pid=8, take_over=True)
    first.__enter__()
    with second:
        first.__exit__(None, None, None)
        second.check()


def test_an_end_that_can_not_remove_its_files_hides_no_error(clock: Clock, tmp_path: Path) -> None:
    files = Files()
    store = LocalStore(tmp_path / "job", files)
    held = made(store, clock)
    held.__enter__()
    files.fails = {"remove": errno.EROFS}
    held.__exit__(None, None, None)
    assert read_holder(store) is not None
    # flock is free, so the next one begins at once.
    files.fails = {}
    with made(store, clock):
        pass


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_dead_process_of_this_host_frees_it_at_once(store: Store, clock: Clock) -> None:
    left_behind(store, clock, pid=dead_process())
    with made(store, clock, pid=8) as held:
        held.check()


def test_a_living_process_of_this_host_keeps_it_without_flock(store: Store, clock: Clock) -> None:
    left_behind(store, clock, pid=os.getpid())
    clock.now += 59.9
    with pytest.raises(JobLockedError), made(store, clock, pid=8):
        raise AssertionError
    clock.now += 0.1
    with made(store, clock, pid=8):
        pass


def test_a_free_flock_shows_that_the_process_is_gone(clock: Clock, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    # Its id belongs to another process by now: in a container, always to process 1.
    left_behind(store, clock, pid=os.getpid(), flock=True)
    with made(store, clock, pid=os.getpid()) as held:
        held.check()


def test_the_same_id_on_the_same_host_is_not_proof(clock: Clock) -> None:
    store = DictStore()
    left_behind(store, clock, pid=1)
    with pytest.raises(JobLockedError), made(store, clock, pid=1):
        raise AssertionError


def test_a_process_of_another_host_has_sixty_seconds(store: Store, clock: Clock) -> None:
    left_behind(store, clock, host="other", pid=dead_process(), flock=True)
    write_json(store, "heartbeat/t.json", {"at": clock.now + 100})
    clock.now += 159
    with pytest.raises(JobLockedError) as caught, made(store, clock):
        raise AssertionError
    assert 59 == caught.value.age
    clock.now += 1
    with made(store, clock):
        assert [] == [name for name in store.list("heartbeat/") if name == "heartbeat/t.json"]


def test_a_heartbeat_of_the_future_keeps_the_lock(store: Store, clock: Clock) -> None:
    left_behind(store, clock, host="other")
    clock.now -= 3600
    with pytest.raises(JobLockedError, match="seen 0 s ago"), made(store, clock):
        raise AssertionError
    with made(store, clock, take_over=True) as held:
        held.check()


def test_a_heartbeat_that_is_none_does_not_count(store: Store, clock: Clock) -> None:
    left_behind(store, clock, host="other")
    write_json(store, "heartbeat/t.json", {"at": "x"})
    clock.now += 61
    with made(store, clock):
        pass


def test_a_held_flock_keeps_it_however_old_its_heartbeat_is(clock: Clock, tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with made(store, clock, pid=7) as first:
        clock.now += 7200
        with pytest.raises(JobLockedError, match="seen 7200 s ago"), made(store, clock, pid=8):
            raise AssertionError
        with made(store, clock, pid=8, take_over=True) as second:
            with pytest.raises(LockLostError):
                first.check()
            holder = read_holder(store)
            assert holder is not None
            assert not holder.flock
            second.check()


def test_one_that_is_starting_keeps_it(clock: Clock, tmp_path: Path) -> None:
    files = Files()
    files.is_fake_flock, files.flock = True, False
    with pytest.raises(JobLockedError, match="^Another copy is starting. Wait") as caught:
        made(LocalStore(tmp_path, files), clock).__enter__()
    assert (None, None, None, None) == (caught.value.host, caught.value.pid, caught.value.since, caught.value.age)


def test_where_there_is_no_flock_the_token_decides(clock: Clock, tmp_path: Path) -> None:
    files = Files()
    files.is_fake_flock = True
    store = LocalStore(tmp_path, files)
    with made(store, clock, pid=os.getpid()) as held:
        with pytest.raises(JobLockedError), made(store, clock, pid=8):
            raise AssertionError
        held.check()


def test_of_two_that_begin_at_once_the_last_has_it(clock: Clock) -> None:
    store = DictStore()
    second = made(store, clock, pid=8, host="other")
    started: list[JobLock] = []

    def start(name: str) -> None:
        # The first one has looked, and found nobody; before it writes, the second one does all of that.
        if name == "lock" and not started:
            started.append(second)
            second.__enter__()

    store.before_put = start
    with made(store, clock, pid=7) as first:
        with pytest.raises(LockLostError):
            second.check()
        first.check()
    second.__exit__(None, None, None)


def test_of_two_that_begin_at_once_the_overwritten_one_is_refused(clock: Clock) -> None:
    class Late(DictStore):
        def put(self, name: str, data: bytes, /) -> None:
            super().put(name, data)
            if name == "lock":
                left_behind(cast("Any", self.data_store), clock, host="other", pid=9)

        @property
        def data_store(self) -> DictStore:
            plain = DictStore()
            plain.data = self.data
            return plain

    store = Late()
    with pytest.raises(JobLockedError, match="on host other"), made(store, clock):
        raise AssertionError
    assert ["lock"] == store.list()

    class Gone(DictStore):
        def put(self, name: str, data: bytes, /) -> None:
            if name != "lock":
                super().put(name, data)

    with pytest.raises(JobLockedError, match="is starting"), made(Gone(), clock):
        raise AssertionError


def test_processes_of_one_job_share_its_lock(store: Store, clock: Clock) -> None:
    first, again, worker, other = (made(store, clock, pid=pid, token="job") for pid in (7, 8, 9, 10))
    first.take()
    again.take()
    with pytest.raises(JobLockedError), made(store, clock, pid=11):
        raise AssertionError
    with worker.join(), other.join():
        worker.check()
        other.check()
    with pytest.raises(LockLostError):
        worker.check()
    with worker.join():
        first.release()
        assert read_holder(store) is None
        with pytest.raises(LockLostError, match="Its lock was removed"):
            worker.check()
    first.release()


def test_a_job_whose_first_process_is_gone_keeps_its_lock_while_others_may_work(store: Store, clock: Clock) -> None:
    gone = dead_process()
    made(store, clock, pid=gone, token="job").take()
    # Another process of this host, which works for a while.
    worker = made(store, clock, pid=os.getpid(), token="job", interval=15)
    with worker.join():
        clock.now += 59
        worker.check()
    second = made(store, clock, pid=8, token="second")
    clock.now += 59
    with pytest.raises(JobLockedError) as caught:
        second.take()
    assert (gone, 59) == (caught.value.pid, caught.value.age)
    with worker.join():
        worker.check()
    clock.now += 60
    second.take()
    assert ["heartbeat/second.json"] == store.list("heartbeat/")


@pytest.mark.parametrize("host", ["h", "other"])
def test_a_job_whose_processes_are_all_gone_frees_its_lock_at_once(store: Store, clock: Clock, host: str) -> None:
    made(store, clock, pid=dead_process(), token="job").take()
    for number in range(2):
        with made(store, clock, pid=dead_process(), token="job", host=host if number else "h").join():
            pass
    if host == "other":
        # Of another host, nothing is known.
        with pytest.raises(JobLockedError):
            made(store, clock, pid=8).take()
    else:
        with made(store, clock, pid=8) as held:
            held.check()
        assert [] == store.list("heartbeat/")


def test_the_end_of_a_job_forgets_its_processes(store: Store, clock: Clock) -> None:
    first = made(store, clock, pid=7, token="job")
    first.take()
    for _ in range(2):
        with first.join(), made(store, clock, pid=8, token="job").join():
            assert 2 == len(store.list("heartbeat/"))
    # The first step may run twice.
    first.take()
    assert 2 == len(store.list("heartbeat/"))
    first.release()
    assert [] == [name for name in store.list() if name != "lock.flock"]
    with first.join():
        assert [] == store.list("heartbeat/")


def test_a_process_that_ends_while_it_is_looked_for_is_gone(clock: Clock) -> None:
    class Ending(DictStore):
        def list(self, prefix: str = "", /) -> list[str]:
            names = super().list(prefix)
            for name in names if prefix == "heartbeat/job-" else ():
                del self.data[name]
            return names

    store = Ending()
    made(store, clock, pid=dead_process(), token="job").take()
    with made(store, clock, pid=os.getpid(), token="job").join():
        pass
    made(store, clock, pid=8, token="second").take()


def test_a_job_that_was_taken_over_writes_nothing_more(store: Store, clock: Clock) -> None:
    first, second = made(store, clock, token="one"), made(store, clock, token="two")
    first.take()
    with pytest.raises(JobLockedError):
        second.take()
    made(store, clock, token="two", take_over=True).take()
    with first.join(), pytest.raises(LockLostError, match="taken over"):
        first.check()
    first.release()
    with second.join():
        second.check()


def test_processes_of_one_job_write_one_heartbeat(clock: Clock) -> None:
    store, beats = DictStore(), list[str]()
    locks = [made(store, clock, token="job", interval=15) for _ in range(3)]
    locks[0].take()
    store.before_put = lambda name: beats.append(name)
    with locks[0].join(), locks[1].join(), locks[2].join():
        for seconds in (5, 5, 6, 15):
            clock.now += seconds
            for lock in locks:
                lock.check()
    # At 16 and at 31 seconds, by whoever comes first.
    assert ["heartbeat/job.json"] * 2 == beats


def test_a_file_that_is_no_lock_is_named_and_can_be_taken_over(store: Store, clock: Clock) -> None:
    write_json(store, "lock", {"token": 5})
    with pytest.raises(JobFileError, match="it is not the lock of a job; if nothing runs, delete it"):
        made(store, clock).__enter__()
    with made(store, clock, take_over=True) as held:
        held.check()


def test_a_directory_that_can_not_be_written_has_no_lock(clock: Clock, tmp_path: Path) -> None:
    files = Files()
    store = LocalStore(tmp_path, files)
    files.fails = {"rename": errno.EROFS}
    with pytest.raises(JobStoreError, match="Read-only file system"):
        made(store, clock).__enter__()
    files.fails = {}
    with made(store, clock):
        pass


def test_a_heartbeat_is_written_when_it_is_time(clock: Clock) -> None:
    store = DictStore()
    beats: list[str] = []
    store.before_put = beats.append
    with made(store, clock, interval=15.0) as held:
        beats.clear()
        clock.now += 14
        held.check()
        assert [] == beats
        clock.now += 1
        held.check()
        assert [f"heartbeat/{held.token}.json"] == beats
        # The clock is set back.
        clock.now -= 7200
        held.check()
        assert 2 == len(beats)


class Counting(DictStore):
    """Lets a test wait for heartbeats."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = threading.Semaphore(0)
        self.is_full = False

    def put(self, name: str, data: bytes, /) -> None:
        super().put(name, data)
        if name.startswith("heartbeat/"):
            self.beats.release()
            if self.is_full:
                raise JobStoreError(name, name, "written", "No space left on device")


class Running(Clock):
    """A clock that goes on by a minute whenever somebody looks."""

    def __call__(self) -> float:
        self.now += 60
        return self.now


def test_a_thread_writes_heartbeats_also_after_one_that_failed() -> None:
    store = Counting()
    with JobLock(store, clock=Running(), interval=0.001):
        for _ in range(3):
            assert store.beats.acquire(timeout=60)
        store.is_full = True
        for _ in range(3):
            assert store.beats.acquire(timeout=60)


def test_the_thread_ends_when_the_lock_is_lost() -> None:
    store = Counting()
    held = JobLock(store, clock=Running(), interval=0.001)
    with held:
        assert store.beats.acquire(timeout=60)
        left_behind(store, Clock(), host="other")
        thread = held._thread
        assert thread is not None
        thread.join(60)
        assert not thread.is_alive()


def test_without_threads_a_check_writes_the_heartbeat(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "CAN_START", False)
    store = DictStore()
    with made(store, clock, interval=15.0) as held:
        assert held._thread is None
        del store.data[f"heartbeat/{held.token}.json"]
        clock.now += 15
        held.check()
        assert f"heartbeat/{held.token}.json" in store.data


def test_what_can_be_known_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock.is_alive(os.getpid())
    assert not lock.is_alive(dead_process())
    assert lock.is_alive(0)
    assert lock.is_alive(1 << 80)

    def not_mine(pid: int, number: int) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", not_mine)
        assert lock.is_alive(5)
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert lock.is_alive(5)


CHILD = """
import os, signal, sys
from cendry.errors import LockLostError
from cendry.jobs import JobLock, LocalStore

store = LocalStore(sys.argv[1])
with JobLock(store) as held:
    held.check()
    print("locked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        held.check()
    except LockLostError:
        print("lost", flush=True)
    else:
        store.put("written", b"by the stopped one")
"""


@pytest.mark.skipif(not hasattr(os, "WUNTRACED"), reason="needs a process that can be stopped")
def test_a_stopped_process_that_wakes_after_a_take_over_writes_nothing(tmp_path: Path) -> None:
    import signal

    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.waitpid(child.pid, os.WUNTRACED)
    store = LocalStore(tmp_path)
    with pytest.raises(JobLockedError, match=f"pid {child.pid}"), JobLock(store):
        raise AssertionError
    with JobLock(store, take_over=True) as held:
        child.send_signal(signal.SIGCONT)
        assert "locked\nlost\n" == child.communicate()[0]
        held.check()
    assert store.get("written") is None


def test_a_killed_process_frees_it_at_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    code = CHILD.replace("os.kill(os.getpid(), signal.SIGSTOP)", "sys.stdin.read()")
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert "locked\n" == child.stdout.readline()
    child.kill()
    child.communicate()
    with JobLock(store) as held:
        held.check()
