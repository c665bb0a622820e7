"""Listeners of the async twin: each has a task, which reads its stream and reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cendry import _fork
from cendry.backend import ListenResult
from cendry.plan import GetPlan, QueryPlan

from . import _listen, _sdk
from ._channel import Connection
from ._listen import Attempts


async def _first_response(call: Any, request: Any) -> Any:
    # It can wait for ever where a stream ends, or its connection breaks, while the request is written.
    await call.write(request)
    return await call.read()


class AsyncFirestoreListener:
    """A running listener, as `AsyncFirestoreBackend.listen` gives it; used in the event loop that it was made in."""

    def __init__(
        self,
        connection: Connection,
        plan: QueryPlan | GetPlan,
        on_change: Callable[[ListenResult], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._connection = connection
        self._attempts = Attempts(connection, plan)
        self._on_change = on_change
        self._on_error = on_error
        self._is_closed = False
        self._is_stuck = False
        self._call: Any = None
        self._watch: asyncio.TimerHandle | None = None
        self._task = self.loop.create_task(self._run(), name="cendry-listener")

    def after_fork(self) -> None:
        """End in a forked child, where the loop does not run; the call is the parent's."""
        self._is_closed = True
        _fork.keep((self._call, self._task))

    def close(self) -> None:
        """Stop listening; no callback begins after this returns. May be called twice, and from a callback."""
        if not self._is_closed:
            self._is_closed = True
            # From a callback, it ends when that has returned.
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait, after `close`, until neither the task nor its call is left."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            raised: Exception | None = None
            try:
                await self._listen()
            except Exception as error:
                raised = error
            if self._is_closed:
                return
            try:
                pause, asks = self._attempts.failed(raised)
                if asks:
                    await asyncio.to_thread(self._attempts.check_emulator)
            except Exception as error:
                if not self._is_closed:
                    self._is_closed = True
                    self._on_error(error)
                return
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        request = self._attempts.state.request()
        call = self._call = self._connection.api.transport.listen(metadata=self._connection.metadata)
        try:
            try:
                response = await asyncio.wait_for(_first_response(call, request), _listen.SILENCE_SECONDS)
            except asyncio.TimeoutError as error:
                raise _sdk.ServiceUnavailable("The server did not begin to answer.") from error
            self._keep_watch(call, -1)
            while response is not _sdk.EOF:
                if response is None:
                    raise _sdk.unparsed()
                result = self._attempts.take(response._pb)
                if result is not None and not self._is_closed:
                    self._on_change(result)
                response = await call.read()
        except asyncio.CancelledError as error:
            if self._is_stuck and not self._is_closed:
                raise _sdk.ServiceUnavailable("The server fell silent before it had sent everything.") from error
            # gRPC cancels the task that waits if its channel is closed.
            if self._connection.is_closed and not self._is_closed:
                raise _sdk.Cancelled("The connection to Firestore was closed.") from error
            raise
        finally:
            self._call = None
            self._is_stuck = False
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None
            call.cancel()

    def _keep_watch(self, call: Any, taken: int) -> None:
        """End the stream if it is stuck; otherwise look again later."""
        now = self._attempts.state.taken
        if self._attempts.is_stuck(taken):
            self._is_stuck = True
            call.cancel()
        else:
            self._watch = self.loop.call_later(_listen.SILENCE_SECONDS, self._keep_watch, call, now)
