"""What must not grow: memory, objects, threads, sockets. Where the system doesn't tell, it is not measured."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc  # type: ignore[import-untyped]

ESTABLISHED = "01"
SETTLING_SECONDS = 30.0
"""In which threads and connections that are to end have ended, on a machine that is busy."""

_PROC = Path("/proc/self")
_step = threading.Event()


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of this process while nothing is under way.

    Attributes:
        memory: Bytes that are resident.
        objects: Objects that the garbage collector knows.
        threads: Python's threads, without those that read and those of the event loop's executor.
        readers: Threads that make large reads of the async twin; so many for each context, as they are needed.
        files: Open file descriptors.
        sockets: Connections to the port of the proxy; gRPC shares them between channels to one place.
        channels: Channels of gRPC.
    """

    memory: int
    objects: int
    threads: int
    readers: int
    files: int
    sockets: int
    channels: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:.1f} MiB, {self.objects} objects, {self.threads} threads, {self.readers} readers, "
            f"{self.files} files, "
            f"{self.sockets} connections, {self.channels} channels"
        )


class Pulse:
    """Measures how long the machine keeps this process from running: a thread that wakes late adds up by how much."""

    STEP = 0.05

    def __init__(self) -> None:
        self.late = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            due = time.monotonic() + self.STEP
            if self._ended.wait(self.STEP):
                return
            self.late += max(0.0, time.monotonic() - due)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()


def is_measurable() -> bool:
    """Whether the system tells all of it."""
    return (_PROC / "statm").exists() and (_PROC / "net" / "tcp").exists()


def read(port: int, least: int) -> Reading:
    """Measure as soon as there are no more threads than `least`, or there never will be.

    gRPC ends threads in the background and begins others that pass: one count alone says nothing of those that stay.
    """
    counts = [threads()]

    def has_settled() -> bool:
        counts.append(threads())
        return counts[-1] <= least

    settles(has_settled, SETTLING_SECONDS)
    gc.collect()
    objects = gc.get_objects()
    channels = sum(isinstance(one, (grpc.Channel, grpc.aio.Channel)) for one in objects)
    number = len(objects)
    del objects
    pages = int((_PROC / "statm").read_text().split()[1])
    return Reading(
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        objects=number,
        threads=min(counts),
        readers=readers(),
        files=len(os.listdir(_PROC / "fd")),
        sockets=connections(port),
        channels=channels,
    )


def readers() -> int:
    """How many threads make large reads of the async twin, or are there for it."""
    return sum(one.name.startswith("cendry-read") for one in threading.enumerate())


def threads() -> int:
    """How many other threads there are; those of an event loop's own executor stay as long as the loop."""
    return threading.active_count() - readers() - sum(one.name.startswith("asyncio_") for one in threading.enumerate())


def connections(port: int) -> int:
    """How many connections this process has to a port of the loopback."""
    own = set()
    for entry in os.listdir(_PROC / "fd"):
        try:
            own.add(os.readlink(_PROC / "fd" / entry))
        except OSError:
            continue
    found = 0
    tables = [_PROC / "net" / name for name in ("tcp", "tcp6") if (_PROC / "net" / name).exists()]
    for line in [line for table in tables for line in table.read_text().splitlines()[1:]]:
        fields = line.split()
        remote, state, inode = fields[2], fields[3], fields[9]
        if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port and f"socket:[{inode}]" in own:
            found += 1
    return found


def settles(condition: Callable[[], bool], seconds: float = SETTLING_SECONDS) -> bool:
    """Whether it becomes true: what gRPC ends in the background tells nobody when it has ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        _step.wait(0.05)
    return True
