"""The parts of asyncio that the async twin needs; asyncio takes longer to import than all of Cendry."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ..errors import CendryError

# Tasks that must finish even if nothing awaits them any more.
_finishing: set[Any] = set()


def require_asyncio() -> None:
    """Check that an asyncio event loop runs; needed only where trio is imported.

    Raises:
        CendryError: The caller runs under trio.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise CendryError(
            "AsyncCendry needs asyncio, and no asyncio event loop runs here. Under trio, use Cendry in a thread "
            "(trio.to_thread.run_sync), or run the program on asyncio."
        ) from None


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that a cancellation of the caller must not interrupt."""
    import asyncio

    task = asyncio.ensure_future(work)
    _finishing.add(task)
    task.add_done_callback(_finished)
    await asyncio.shield(task)


def _finished(task: Any) -> None:
    _finishing.discard(task)
    # Retrieving the exception keeps the loop from logging it as never retrieved.
    if not task.cancelled():
        task.exception()


async def sleep(seconds: float) -> None:
    """Sleep for some seconds."""
    import asyncio

    await asyncio.sleep(seconds)
