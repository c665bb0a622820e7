"""Batches: queued writes that are committed together."""

from __future__ import annotations

from types import TracebackType
from typing import final

from ..batch import BatchQueue
from ..misuse import AsyncOnly
from .sender import AsyncSender


@final
class AsyncBatch(BatchQueue, AsyncOnly):
    """Up to 500 writes that are committed together, all or none; created by `ctx.batch()`.

    In an `async with`, it commits at the end, and discards everything if the block raises.
    """

    __slots__ = ("_sender",)

    def __init__(self, sender: AsyncSender) -> None:
        super().__init__(sender.settings.writer)
        self._sender = sender

    async def commit(self) -> None:
        """Send the writes; without any, nothing is sent. The batch ends, whatever the outcome.

        Raises:
            DocumentAlreadyExistsError: A document that was to be created exists; nothing was written.
            DocumentNotFoundError: A document that was to be updated doesn't exist; nothing was written.
            StaleDocumentError: A document has changed meanwhile; nothing was written.
        """
        await self._sender.commit(self._end())

    async def __aenter__(self) -> AsyncBatch:
        self._check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
        elif not self._ended:
            await self.commit()
