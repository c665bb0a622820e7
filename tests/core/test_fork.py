from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from typing import Any
from weakref import WeakSet, ref

import pytest
from cendry import UsedBeforeForkError, _fork
from cendry._interop import grpc


class Heir:
    def __init__(self) -> None:
        self.forks = 0

    def after_fork(self) -> None:
        self.forks += 1


def test_each_object_that_is_alive_is_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fork, "_heirs", WeakSet())
    first, second = Heir(), Heir()
    _fork.register(first)
    _fork.register(second)
    _fork._in_child()
    del first
    gc.collect()
    _fork._in_child()
    assert 2 == second.forks
    assert 1 == len(_fork._heirs)


def test_what_is_kept_is_never_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr(_fork, "kept", kept)
    heir = Heir()
    seen = ref(heir)
    before = sys.getrefcount(kept)
    for _ in range(2):
        _fork.keep(heir)
        assert before + 1 == sys.getrefcount(kept)
    del heir
    gc.collect()
    assert seen() is kept[0]
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(kept))


class Connection(grpc.ClientConnection):
    database_kind = "Quickstore"


def test_a_connection_is_refused_in_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc, "_used_in", None)
    grpc.check_process("Quickstore")
    grpc.note_channel(os.getpid())
    grpc.note_channel(1)
    grpc.check_process("Quickstore")
    connection: Any = Connection(None, None, None, None)
    assert not connection.is_inherited
    monkeypatch.setattr(_fork, "kept", [])
    connection.after_fork()
    assert connection.is_inherited
    assert [connection] == _fork.kept
    monkeypatch.setattr(_fork, "process", os.getpid() + 1)
    with pytest.raises(UsedBeforeForkError, match=f"Quickstore was used in process {os.getpid()} before") as caught:
        grpc.check_process("Quickstore")
    assert ("Quickstore", os.getpid()) == (caught.value.backend, caught.value.process)


LOCKED = """
import os, signal, sys, threading, time
from cendry import Cendry, Field, Map, Model, TypeRegistry, default_registry
from cendry._model import annotations, descriptor
from cendry_memory import ManualClock, MemoryBackend

class City(Model, collection="cities"):
    tags: Field[dict[str, int]]

registry, clock, backend = TypeRegistry(), ManualClock(), MemoryBackend()
ctx = Cendry(backend=backend)
holder = ctx._sender.holder

def held(lock, seconds):
    with lock:
        locked.release()
        time.sleep(seconds)

# A fork waits for the first two, and not for the others, whose holder may be waiting itself.
locks = [(annotations._lock, 0.3), (descriptor._lock, 0.3)]
locks += [(one._lock, 60) for one in (registry, default_registry, holder, clock, backend.faults, backend.store)]
locks += [(backend.store._dispatcher._lock, 60)]
locked = threading.Semaphore(0)
for lock in locks:
    threading.Thread(target=held, args=lock, daemon=True).start()
for _ in locks:
    assert locked.acquire(timeout=10)
if pid := os.fork():
    deadline = time.monotonic() + 20
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise SystemExit("the child hangs")
        time.sleep(0.002)
    os._exit(0)

class Own(Model, collection="own"):
    t: Field["Tail | None"] = None

class Tail(Map):
    w: Field[int]

assert City.tags["new"].alias == "tags.new"
registry.register(complex, serialize=str, deserialize=complex)
default_registry.register(bytearray, serialize=bytes, deserialize=bytearray)
ctx.save(Own(id="a", t=Tail(w=1)))
heard = []
with ctx.select(Own).on_snapshot(heard.append):
    assert backend.drain(10)
clock.advance(1)
backend.faults.clear()
ctx.close()
print(len(heard), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork()")
def test_no_child_waits_for_a_lock_that_another_thread_held() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOCKED],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("", "1\n") == (ended.stderr, ended.stdout)
