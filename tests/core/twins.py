"""The async twin, driven step by step from sync tests, so that one test holds for both."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from cendry import AsyncCendry, AsyncQuery, AsyncRows
from cendry._context.aio.batch import AsyncBatch
from cendry._context.aio.transaction import AsyncScope, AsyncTransaction

ASYNC = (AsyncCendry, AsyncQuery, AsyncRows, AsyncBatch, AsyncTransaction, AsyncScope)


class Driven:
    """An object of the async twin that behaves like the one of the sync twin."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.target = target
        self.loop = loop

    def _driven(self, value: Any) -> Any:
        if inspect.iscoroutine(value):
            value = self.loop.run_until_complete(value)
        if isinstance(value, ASYNC) or hasattr(value, "__anext__"):
            return Driven(value, self.loop)
        return value

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, {"close": "aclose"}.get(name, name) if hasattr(self.target, "__anext__") else name)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            plain = [one.target if isinstance(one, Driven) else one for one in arguments]
            return self._driven(value(*plain, **options))

        return call

    def __iter__(self) -> Any:
        async def begin() -> Any:
            return self.target.__aiter__()

        return Driven(self.loop.run_until_complete(begin()), self.loop)

    def __next__(self) -> Any:
        try:
            return self.loop.run_until_complete(self.target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Any:
        return self._driven(self.target.__aenter__())

    def __exit__(self, *error: Any) -> Any:
        return self.loop.run_until_complete(self.target.__aexit__(*error))

    def __len__(self) -> int:
        return len(self.target)

    def __repr__(self) -> str:
        return repr(self.target)
