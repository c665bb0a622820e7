"""What the async twin has of its own: listeners whose callbacks run in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from cendry import _threads
from cendry.backend import ListenResult
from cendry.plan import GetPlan, QueryPlan

from ._store import MemoryStore


class LoopListener:
    """A running listener whose callbacks run in the event loop that it was made in."""

    def __init__(
        self,
        store: MemoryStore,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
        owner: object,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._inner = store.listen(plan, partial(self._post, on_change), partial(self._post_error, on_error), owner)

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        self._is_closed = True
        self._inner.close()

    async def wait_closed(self) -> None:
        """Wait for nothing: the listener has no task."""

    def _post(self, callback: Callable[[Any], None], argument: Any) -> None:
        # A loop that has ended raises, and so ends the listener.
        self._loop.call_soon_threadsafe(self._call, callback, argument)

    def _post_error(self, callback: Callable[[Any], None], argument: Any) -> None:
        # In a loop that has ended there is nothing left to notify.
        with suppress(RuntimeError):
            self._post(callback, argument)

    def _call(self, callback: Callable[[Any], None], argument: Any) -> None:
        if not self._is_closed:
            callback(argument)


async def drained(store: MemoryStore, timeout: float | None) -> bool:
    """Wait until listeners were notified of every earlier commit; return whether they were in time."""
    if _threads.CAN_START:
        told = await asyncio.get_running_loop().run_in_executor(None, store.drain, timeout)
    else:
        told = store.drain(timeout)
    # The notifications are queued in the event loop, behind this task.
    await asyncio.sleep(0)
    return told
