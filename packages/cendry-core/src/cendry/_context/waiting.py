"""What the async twin needs of asyncio, which takes longer to import than all of Cendry."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

# Tasks that must end even if nobody waits for them any more.
_finishing: set[Any] = set()


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that a cancellation of the caller must not cut off."""
    import asyncio

    task = asyncio.ensure_future(work)
    _finishing.add(task)
    task.add_done_callback(_finished)
    await asyncio.shield(task)


def _finished(task: Any) -> None:
    _finishing.discard(task)
    # Asking for the error keeps the loop from complaining that nobody did.
    if not task.cancelled():
        task.exception()


async def sleep(seconds: float) -> None:
    """Wait for some seconds."""
    import asyncio

    await asyncio.sleep(seconds)
