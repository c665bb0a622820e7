"""Feeds: what stands between a backend that reports changes and a consumer that takes them at its own pace."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from sys import modules
from typing import Any, Generic, TypeAlias, TypeVar

from .. import _fork
from .._query.results import ErrorHandler
from .._query.snapshots import Snapshot
from ..backend import AsyncListenHandle, ListenHandle, ListenResult
from ..errors import CendryError, UsedBeforeForkError
from .live import Folding, LiveDocuments
from .waiting import require_asyncio

T = TypeVar("T")
H = TypeVar("H")

Listen: TypeAlias = "Callable[[Callable[[ListenResult], None], Callable[[BaseException], None]], H]"
"""Begins to listen, with the two callbacks of a backend's `listen`."""


class _Feed(Generic[T, H]):
    """What both twins have in common.

    Args:
        documents: The state, which only the consumer changes.
        items: What a snapshot gives the consumer.
        on_error: Called with the errors of documents that don't fit; without it, the consumer gets them raised.
        listen: Begins to listen; `None` if nothing can match.
        running: All feeds of a context that have begun and not ended.
    """

    __slots__ = (
        "_documents",
        "_ending",
        "_errors",
        "_folding",
        "_handle",
        "_is_closed",
        "_is_started",
        "_items",
        "_listen",
        "_on_error",
        "_process",
        "_ready",
        "_running",
    )

    def __init__(
        self,
        documents: LiveDocuments[Any],
        items: Callable[[Snapshot[Any]], Iterable[T]],
        on_error: ErrorHandler | None,
        listen: Listen[H] | None,
        running: set[Any],
    ) -> None:
        self._documents = documents
        self._items = items
        self._on_error: Callable[[Any], object] | None = on_error
        self._listen = listen
        self._running = running
        self._folding = Folding()
        self._errors: deque[Exception] = deque()
        self._ready: deque[T] = deque()
        self._ending: BaseException | None = None
        self._handle: H | None = None
        self._is_started = False
        self._is_closed = False
        self._process = _fork.process

    @property
    def closed(self) -> bool:
        """Whether it has ended: closed, or by an error that was raised."""
        return self._is_closed

    def _begin(self) -> None:
        self._is_started = True
        self._process = _fork.process
        self._running.add(self)

    def _check_process(self) -> None:
        """Check that this is the process in which it has begun.

        Raises:
            UsedBeforeForkError: It is a child of it.
        """
        if self._is_started and self._process != _fork.process:
            reason = "its stream belongs to the parent process. Begin another one."
            raise UsedBeforeForkError("This listener", self._process, reason)

    def _is_ready(self) -> bool:
        """Report the errors of documents; return whether there is something to take."""
        while self._errors:
            error = self._errors.popleft()
            if self._on_error is None:
                raise error
            self._on_error(error)
        return bool(self._ready)

    def _apply(self, result: ListenResult) -> None:
        snapshot, errors = self._documents.take(result)
        self._errors.extend(errors)
        if snapshot is not None:
            self._ready.extend(self._items(snapshot))

    def _end(self) -> BaseException:
        """The error that ended the listener; there is nothing after it."""
        self._is_closed = True
        self._running.discard(self)
        error, self._ending = self._ending, None
        assert error is not None
        return error


class Feed(_Feed[T, ListenHandle]):
    """A feed of the sync twin: the consumer waits in its own thread. Safe to use from several threads."""

    __slots__ = ("__weakref__", "_changed", "_taking")

    def __init__(
        self,
        documents: LiveDocuments[Any],
        items: Callable[[Snapshot[Any]], Iterable[T]],
        on_error: ErrorHandler | None,
        listen: Listen[ListenHandle] | None,
        running: set[Any],
    ) -> None:
        super().__init__(documents, items, on_error, listen, running)
        self.after_fork()
        _fork.register(self)

    def after_fork(self) -> None:
        """Renew the locks: in a forked child, no other thread holds them."""
        self._changed = threading.Condition()
        # One consumer at a time; an error handler may come back.
        self._taking = threading.RLock()

    def next(self) -> T:
        """Wait for the next item.

        Raises:
            StopIteration: It is closed.
            BaseException: The error that ended it, or that of a document.
        """
        with self._taking:
            while not self._is_closed:
                self._check_process()
                if self._is_ready():
                    return self._ready.popleft()
                result = self._received()
                if result is not None:
                    self._apply(result)
            raise StopIteration

    def _received(self) -> ListenResult | None:
        """Wait for what has changed; `None` if it is closed meanwhile."""
        if not self._is_started:
            self._start()
        with self._changed:
            while (result := self._folding.take()) is None and not self._is_closed:
                if self._ending is not None:
                    raise self._end()
                self._changed.wait()
            return result

    def _start(self) -> None:
        self._begin()
        if self._listen is None:
            self._put(ListenResult((), (), None, is_reset=True))
            return
        try:
            handle = self._listen(self._put, self._fail)
        except BaseException:
            self.close()
            raise
        with self._changed:
            self._handle = handle
            is_closed = self._is_closed
        if is_closed:
            handle.close()

    def _put(self, result: ListenResult) -> None:
        with self._changed:
            self._folding.add(result)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._ending = error
            self._changed.notify_all()

    def close(self) -> None:
        """End, at once; who waits for the next item is told that there is none. May be called twice."""
        with self._changed:
            self._is_closed = True
            handle, self._handle = self._handle, None
            self._changed.notify_all()
        self._running.discard(self)
        if handle is not None:
            handle.close()

    def drop(self) -> None:
        """End because nothing can take from it any more; called while garbage is collected, so it waits for nothing."""
        if self._is_closed or not self._is_started:
            return
        # Collection can happen in any thread, in the middle of anything: even a `Thread` would take a lock to start.
        with suppress(RuntimeError):
            _thread.start_new_thread(_in_thread, (self.close,))


def _in_thread(function: Callable[[], None]) -> None:
    """Call a function in a thread that `threading` knows, and forgets at its end; when the interpreter ends, don't."""
    with suppress(RuntimeError):
        threading.Thread(target=function, name="cendry-closing", daemon=True).start()


class AsyncFeed(_Feed[T, AsyncListenHandle]):
    """A feed of the async twin: the consumer waits in the event loop in which it first asked."""

    __slots__ = ("_loop", "_waiters")

    def __init__(
        self,
        documents: LiveDocuments[Any],
        items: Callable[[Snapshot[Any]], Iterable[T]],
        on_error: ErrorHandler | None,
        listen: Listen[AsyncListenHandle] | None,
        running: set[Any],
    ) -> None:
        super().__init__(documents, items, on_error, listen, running)
        self._loop: Any = None
        self._waiters: set[Any] = set()

    async def next(self) -> T:
        """Wait for the next item; a wait that is cancelled loses nothing.

        Raises:
            StopAsyncIteration: It is closed.
            CendryError: It was begun in another event loop.
            BaseException: The error that ended it, or that of a document.
        """
        while not self._is_closed:
            self._check_process()
            if self._is_ready():
                return self._ready.popleft()
            self._check_loop()
            if not self._is_started:
                self._start()
            result = self._folding.take()
            if result is not None:
                self._apply(result)
            elif self._ending is not None:
                raise self._end()
            else:
                await self._change()
        raise StopAsyncIteration

    def _check_loop(self) -> None:
        import asyncio

        if "trio" in modules:
            require_asyncio()
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise CendryError("This listener was begun in another event loop, and can only be used there.")

    async def _change(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _start(self) -> None:
        self._begin()
        if self._listen is None:
            self._put(ListenResult((), (), None, is_reset=True))
            return
        try:
            self._handle = self._listen(self._put, self._fail)
        except BaseException:
            self.close()
            raise

    def _put(self, result: ListenResult) -> None:
        self._folding.add(result)
        self._wake()

    def _fail(self, error: BaseException) -> None:
        self._ending = error
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """End, at once, in the event loop of the feed; who waits for the next item is told that there is none."""
        self._is_closed = True
        self._running.discard(self)
        if self._handle is not None:
            self._handle.close()
        self._wake()

    async def aclose(self) -> None:
        """End, and wait until neither a task nor a call is left. May be called twice, and in any event loop."""
        import asyncio

        loop = self._loop
        if loop is None or loop is asyncio.get_running_loop():
            self.close()
            if self._handle is not None:
                await self._handle.wait_closed()
        elif loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.aclose(), loop))
        else:
            self._give_up()

    def drop(self) -> None:
        """End because nothing can take from it any more; called while garbage is collected, in any thread."""
        if self._is_closed or not self._is_started:
            return
        if self._process != _fork.process:
            # The loop is the parent's.
            self._give_up()
            return
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:
            # The loop has ended, and all tasks with it.
            self._give_up()

    def _give_up(self) -> None:
        self._is_closed = True
        self._running.discard(self)
