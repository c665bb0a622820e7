"""An emulator of the soak's own, that is paused, stopped, killed and started again on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time

from cendry_memory.emulator import FIRESTORE, EmulatorUnavailableError, answers, command_of, find_jar, find_java, stop

START_SECONDS = 60.0


class Emulator:
    """Google's emulator as a process. Only loopback, and only processes that it started itself.

    Raises:
        EmulatorUnavailableError: There is none here.
    """

    def __init__(self) -> None:
        self._java, self._jar = find_java(), find_jar()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without any documents, and wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        host = f"127.0.0.1:{self.port}"
        command = command_of(FIRESTORE, self._java, self._jar, host)
        while time.monotonic() < deadline:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            # It tells nobody that it is ready; asking is the only way. It ends if the port isn't free yet.
            while time.monotonic() < deadline and self._process.poll() is None:
                if answers(host):
                    return
                threading.Event().wait(0.05)
            self.stop()
        raise EmulatorUnavailableError(f"no {FIRESTORE.title}: {self._java} could not run {self._jar} at {host}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def pause(self) -> None:
        """Let it do nothing, its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word to its clients."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order, paused or not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.resume()
        stop(self._process)
