"""Large reads of the async twin: streams that are read in a thread, and handed to the event loop in chunks.

gRPC's asyncio calls cost a wake-up of the loop for each message, which is half of the CPU of a large read. A stream of
a single-threaded channel (`_single_threaded`) read in a thread costs one for each chunk. A chunk is read when the loop
asks for it, so that nothing is read ahead of a slow consumer, and no thread waits for one.

From about 50 documents on it costs less (bench/README.md); below that, the difference is within a few percent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Literal

from cendry._interop.grpc import Start

from . import _sdk
from ._single_threaded import release
from ._transport import Transport

READS_VARIABLE: Final = "CENDRY_THREADED_READS"
"""If set to `0`, no reads are made in threads."""

THREADS: Final = 4
"""Streams that are read in threads at once; further ones are read in the loop. Python runs one thread at a time."""

_CHUNK: Final = 100
_CHUNK_SECONDS: Final = 0.05
"""Documents that have arrived wait no longer for others, unless the stream stands still."""


def reads_in_threads() -> bool:
    """Whether reads in threads are switched on."""
    return os.environ.get(READS_VARIABLE) != "0"


class ReadThreads:
    """The threads of a connection that read large results, and their channel.

    Args:
        transport: Sends on that channel; its streams are iterators.
        channel: A single-threaded channel.
    """

    def __init__(self, transport: Transport, channel: Any) -> None:
        self._transport = transport
        self._channel = channel
        self._calls: set[ThreadedCall] = set()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cendry-read")
        self._is_closed = False

    def start_of(self, method: Literal["get", "run"]) -> Start | None:
        """What begins a call of a method, to be read in a thread; `None` if all threads are in use."""
        if self._is_closed or len(self._calls) >= THREADS:
            return None
        begin: Start = getattr(self._transport, method).start

        async def start(request: Any, seconds: float) -> ThreadedCall:
            call = ThreadedCall(begin(request, seconds), self)
            self._calls.add(call)
            return call

        return start

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Run a function in one of the threads.

        Raises:
            ValueError: They have ended, as gRPC says of a channel that is closed.
        """
        try:
            return self._pool.submit(function)
        except RuntimeError as error:
            raise ValueError("The connection was closed.") from error

    def forget(self, call: ThreadedCall) -> None:
        """Let another call have the thread of one that has ended."""
        self._calls.discard(call)

    def close(self) -> None:
        """Cancel all calls, and end the threads."""
        self._is_closed = True
        for call in list(self._calls):
            call.interrupt()
        self._pool.shutdown()
        self._channel.close()


class ThreadedCall:
    """A stream that is read in a thread, as gRPC's asyncio streams are: by `read` and `cancel`.

    Args:
        call: The stream, an iterator.
        threads: The threads.

    Attributes:
        ready: Messages that have been read, the next one at the end: taking them is quicker than `read`.
    """

    __slots__ = ("_call", "_end", "_is_cancelled", "_reading", "_threads", "ready")

    def __init__(self, call: Any, threads: ReadThreads) -> None:
        self._call = call
        self._threads = threads
        self.ready: list[Any] = []
        self._reading: Future[list[Any]] | None = None
        self._end: Any = None
        self._is_cancelled = False

    async def read(self) -> Any:
        """The next message, or `EOF`.

        Raises:
            RpcError: The stream broke; all messages before that have been read.
        """
        while not self.ready:
            if self._end is not None:
                if self._end is _sdk.EOF:
                    return _sdk.EOF
                raise self._end
            self._reading = self._threads.submit(self._chunk)
            chunk: list[Any] = await asyncio.wrap_future(self._reading)
            self.ready.extend(chunk)
        return self.ready.pop()

    def _chunk(self) -> list[Any]:
        found: list[Any] = []
        began = time.monotonic()
        try:
            while len(found) < _CHUNK:
                found.append(next(self._call))
                if time.monotonic() - began > _CHUNK_SECONDS:
                    break
        except StopIteration:
            self._end = _sdk.EOF
        except BaseException as error:
            self._end = error
        found.reverse()
        return found

    def interrupt(self) -> None:
        """Cancel the call, so that a thread that reads it stops soon."""
        self._call.cancel()

    def cancel(self) -> None:
        """End the call, whatever state it is in; nothing is read afterwards."""
        if self._is_cancelled:
            return
        self._is_cancelled = True
        self.interrupt()
        if self._reading is not None and not self._reading.done():
            # Of the events of a call, one thread at a time may take the next.
            self._reading.add_done_callback(lambda _: self._release())
        else:
            try:
                self._threads.submit(self._release)
            except ValueError:
                self._release()

    def _release(self) -> None:
        try:
            release(self._call)
        except Exception as error:
            logging.getLogger("cendry").warning("A stream could not be released: %s", error)
        finally:
            self._threads.forget(self)
