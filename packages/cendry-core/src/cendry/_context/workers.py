"""What makes the requests of a bulk at the same time: threads in the sync twin, tasks in the async one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from queue import Empty, SimpleQueue
from time import sleep
from typing import Any, Final, Union

from .. import _threads
from ..backend import WriteResult

Results = Sequence[WriteResult]
Finished = tuple[Any, Results, Union[BaseException, None]]
"""A request with its results, or with none and its error."""

_LONGEST_WAIT: Final = 1.0
"""Seconds after which threads are looked after."""


class Workers:
    """Threads, one for each request; they only send, and whoever queues writes takes what came of them.

    A thread is made for each request, so none waits for more when the program goes another way; that costs a
    thousandth of what the request does.
    """

    __slots__ = ("_done", "_threads")

    def __init__(self) -> None:
        self._done: SimpleQueue[Finished] = SimpleQueue()
        self._threads: dict[int, threading.Thread] = {}

    def __len__(self) -> int:
        return len(self._threads)

    def start(self, request: Any, call: Callable[[], Results]) -> None:
        """Begin a request."""
        thread = threading.Thread(target=self._run, args=(request, call), name="cendry bulk", daemon=True)
        self._threads[id(request)] = thread
        if _threads.CAN_START:
            thread.start()
        else:
            self._run(request, call)

    def _run(self, request: Any, call: Callable[[], Results]) -> None:
        try:
            results = call()
        except BaseException as error:
            self._done.put((request, (), error))
        else:
            self._done.put((request, results, None))

    def finished(self) -> Iterator[Finished]:
        """The requests that are done, with their results or their error."""
        while True:
            try:
                done = self._done.get_nowait()
            except Empty:
                return
            self._threads.pop(id(done[0]), None)
            yield done

    def wait(self, seconds: float | None) -> None:
        """Wait until a request is done, or some seconds have passed."""
        if not self._threads:
            sleep(seconds or 0)
            return
        try:
            done = self._done.get(timeout=_LONGEST_WAIT if seconds is None else min(seconds, _LONGEST_WAIT))
        except Empty:
            # One that was interrupted while it was started may have ended without a word.
            for key in [key for key, thread in self._threads.items() if not thread.is_alive() and self._done.empty()]:
                del self._threads[key]
            return
        # Its place among the others doesn't matter.
        self._done.put(done)

    def end(self, *, at_once: bool) -> None:  # noqa: ARG002 - for the other twin
        """Wait until no request runs; a call in a thread can't be interrupted, but has a timeout."""
        for thread in list(self._threads.values()):
            # One that was interrupted while it was started may not run; where there are no threads, none does.
            if thread.ident is not None:
                thread.join()


class AsyncWorkers:
    """Tasks, one for each request."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    async def start(self, request: Any, call: Callable[[], Coroutine[Any, Any, Results]]) -> None:
        """Begin a request."""
        import asyncio

        self._tasks[asyncio.ensure_future(call())] = request
        # Whoever queues writes may not wait for anything else.
        await asyncio.sleep(0)

    def finished(self) -> Iterator[Finished]:
        """The requests that are done, with their results or their error."""
        for task in [task for task in self._tasks if task.done()]:
            request = self._tasks.pop(task)
            if task.cancelled():
                import asyncio

                yield request, (), asyncio.CancelledError()
            elif task.exception() is not None:
                yield request, (), task.exception()
            else:
                yield request, task.result(), None

    async def wait(self, seconds: float | None) -> None:
        """Wait until a request is done, or some seconds have passed."""
        import asyncio

        if not self._tasks:
            await asyncio.sleep(seconds or 0)
        else:
            await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def end(self, *, at_once: bool) -> None:
        """Wait until no request runs; at once, they are cancelled."""
        import asyncio

        if at_once:
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
