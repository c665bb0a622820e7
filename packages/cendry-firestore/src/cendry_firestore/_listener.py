"""Listeners of the sync twin: each has a thread, which reads its stream and reconnects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from cendry import _fork
from cendry.backend import ListenResult
from cendry.plan import GetPlan, QueryPlan

from . import _listen
from ._channel import Connection
from ._listen import Attempts

_JOIN_SECONDS: Final = 5.0


class FirestoreListener:
    """A running listener, as `FirestoreBackend.listen` gives it."""

    def __init__(
        self,
        connection: Connection,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._attempts = Attempts(connection, plan)
        self._on_change = on_change
        self._on_error = on_error
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._calling_back = False
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name="cendry-listener", daemon=True)

    def after_fork(self) -> None:
        """End in a forked child, where the thread is not there; the call is the parent's."""
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()
        _fork.keep(self._call)
        self._call = None

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        with self._guard:
            self._closed.set()
            call = self._call
            # A callback that runs may be waiting for a lock that the caller holds.
            waits = not self._calling_back and threading.current_thread() is not self._thread
        if call is not None:
            call.cancel()
        if waits:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            raised: Exception | None = None
            try:
                self._listen()
            except Exception as error:
                raised = error
            if self._closed.is_set():
                return
            try:
                pause, asks = self._attempts.failed(raised)
                if asks:
                    self._attempts.check_emulator()
            except Exception as error:
                self._call_back(self._on_error, error)
                self._closed.set()
                return
            self._closed.wait(pause)

    def _listen(self) -> None:
        ended = threading.Event()
        call = self._connection.api.transport.listen(
            self._requests(self._attempts.state.request(), ended), metadata=self._connection.metadata
        )
        with self._guard:
            self._call = call
        try:
            if self._closed.is_set():
                return
            for response in call:
                result = self._attempts.take(response._pb)
                if result is not None:
                    self._call_back(self._on_change, result)
        finally:
            # gRPC takes requests in a thread of its own, which ends with their iterator.
            ended.set()
            call.cancel()

    def _call_back(self, callback: Callable[[Any], None], argument: Any) -> None:
        with self._guard:
            if self._closed.is_set():
                return
            self._calling_back = True
        try:
            callback(argument)
        finally:
            with self._guard:
                self._calling_back = False

    def _requests(self, request: Any, ended: threading.Event) -> Iterator[Any]:
        """The one request. gRPC's thread that takes it keeps watch from then on, and ends a stream that is stuck."""
        yield request
        taken = 0
        while not ended.wait(_listen.SILENCE_SECONDS):
            if self._attempts.is_stuck(taken):
                with self._guard:
                    call = self._call
                call.cancel()
                return
            taken = self._attempts.state.taken
