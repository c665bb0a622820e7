"""One emulator for several processes: the first that asks starts it, and the owner of their folder stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from .emulator import FIRESTORE, START_SECONDS, STOP_SECONDS, Emulator, EmulatorUnavailableError, answers, start, stop


class SharedEmulator:
    """An emulator that is started when it is first asked for, by whichever process asks.

    Args:
        folder: Where the processes leave each other word; empty at first.
        owned: Whether this process stops the emulator, no matter which one started it.
        emulator: Which of Google's emulators it is; each has a folder of its own.
    """

    def __init__(self, folder: Path, *, owned: bool, emulator: Emulator = FIRESTORE) -> None:
        self._emulator = emulator
        self._claim = folder / "claim"
        self._word = folder / "emulator.json"
        self._owned = owned
        self._process: subprocess.Popen[bytes] | None = None

    def host(self) -> str:
        """The `host:port` of the emulator, which runs.

        Raises:
            EmulatorUnavailableError: There is none and none can be started.
        """
        word = self._start() if self._is_first() else self._wait()
        if "absence" in word:
            raise EmulatorUnavailableError(word["absence"])
        return str(word["host"])

    def stop(self) -> None:
        """Stop what was started, and wait until it has ended."""
        if self._process is not None:
            stop(self._process)
        elif self._word.exists() and "pid" in (word := self._read()):
            _end(word["pid"], word["host"])

    def _is_first(self) -> bool:
        try:
            self._claim.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _start(self) -> dict[str, Any]:
        word: dict[str, Any]
        try:
            process, host = start(self._emulator)
        except EmulatorUnavailableError as error:
            word = {"absence": str(error)}
        else:
            word = {"host": host, "pid": process.pid}
            if self._owned:
                self._process = process
            else:
                # It outlives this process, and Popen would warn of that when it is collected.
                process.returncode = 0
        unfinished = self._word.with_suffix(".tmp")
        unfinished.write_text(json.dumps(word), encoding="utf-8")
        unfinished.replace(self._word)
        return word

    def _wait(self) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while not self._word.exists():
            if time.monotonic() > deadline:
                raise EmulatorUnavailableError(
                    f"no {self._emulator.title}: another process began to start it and reported nothing since"
                )
            time.sleep(0.02)
        return self._read()

    def _read(self) -> dict[str, Any]:
        word: dict[str, Any] = json.loads(self._word.read_text(encoding="utf-8"))
        return word


def _end(pid: int, host: str) -> None:
    """End a process that is not a child of this one."""
    if not _falls_silent(pid, host, signal.SIGTERM):
        # Where there is no SIGKILL, SIGTERM is as strong.
        _falls_silent(pid, host, getattr(signal, "SIGKILL", signal.SIGTERM))


def _falls_silent(pid: int, host: str, way: int) -> bool:
    try:
        os.kill(pid, way)
    except OSError:
        return True
    deadline = time.monotonic() + STOP_SECONDS
    while answers(host):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
