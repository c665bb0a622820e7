"""Backends and contexts of both twins behind one face, so that one test holds for both."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from cendry import AsyncCendry, AsyncQuery, AsyncRows, Cendry, Snapshot
from cendry._context.aio.batch import AsyncBatch
from cendry._context.aio.bulk import AsyncBulk
from cendry._context.aio.transaction import AsyncScope, AsyncTransaction
from cendry._context.live import LiveDocuments
from cendry.backend import CommitResult, DocumentResult, ListenHandle, ListenResult, StoredDocument, WriteResult
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, GetPlan, QueryPlan, Write

_T = TypeVar("_T")
_ASYNC = (AsyncCendry, AsyncQuery, AsyncRows, AsyncBatch, AsyncBulk, AsyncTransaction, AsyncScope)

HEARING_SECONDS = 60.0
"""How long a listener is waited for."""


class LoopThread:
    """An event loop in a thread of its own. Threads that call into it are what tasks are to the async twin."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="cendry-testing", daemon=True)
        self._thread.start()

    def wait_for(self, awaitable: Awaitable[_T]) -> _T:
        """Run an awaitable in the loop, and wait for what it gives."""

        async def settle() -> _T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(settle(), self.loop).result()

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a plain function in the loop, and wait for what it gives."""

        async def settle() -> _T:
            return function(*arguments)

        return self.wait_for(settle())

    def close(self) -> None:
        """End the loop and its thread."""
        self.wait_for(self.loop.shutdown_asyncgens())
        self.wait_for(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Ear:
    """A listener that keeps what it hears, as the snapshots that a context would give of it."""

    def __init__(self, plan: QueryPlan | GetPlan) -> None:
        self.snapshots: queue.Queue[Snapshot[StoredDocument]] = queue.Queue()
        self.errors: queue.Queue[BaseException] = queue.Queue()
        self.handle: ListenHandle
        self._documents = LiveDocuments[StoredDocument](plan, lambda result: result, backwards=False)

    def take(self, result: ListenResult) -> None:
        """Keep the state after a change, if it is another one."""
        snapshot, _ = self._documents.take(result)
        if snapshot is not None:
            self.snapshots.put(snapshot)

    def hear(self) -> Snapshot[StoredDocument]:
        """The next snapshot."""
        return self.snapshots.get(timeout=HEARING_SECONDS)

    def names(self) -> list[str]:
        """The ids of the next snapshot."""
        return [_name(document.path) for document in self.hear().documents]

    def error(self) -> BaseException:
        """The next error."""
        return self.errors.get(timeout=HEARING_SECONDS)


class Database:
    """A backend of either twin, called as the sync one is, from any thread.

    Args:
        backend: The backend, sync or async.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.is_async = inspect.iscoroutinefunction(backend.commit)
        self._loop = LoopThread() if self.is_async else None
        self._ears: list[Ear] = []

    @property
    def name(self) -> str:
        """How error messages call the backend."""
        return str(self.backend.name)

    def get_plan(self, plan: GetPlan, **options: Any) -> list[DocumentResult]:
        """What `get` streams."""
        return self._drain(lambda: self.backend.get(plan, **options))

    def get(self, *paths: str, **options: Any) -> list[DocumentResult]:
        """What `get` streams for some paths, in the order of the paths."""
        results = self.get_plan(GetPlan(paths), **options)
        assert sorted(paths) == sorted(result.path for result in results)
        return sorted(results, key=lambda result: paths.index(result.path))

    def data(self, path: str, **options: Any) -> dict[str, Any] | None:
        """The stored fields of one document."""
        [result] = self.get(path, **options)
        return result.data

    def run(self, plan: QueryPlan, **options: Any) -> list[DocumentResult]:
        """What `run` streams."""
        return self._drain(lambda: self.backend.run(plan, **options))

    def names(self, plan: QueryPlan, **options: Any) -> list[str]:
        """The ids of what `run` streams."""
        return [_name(result.path) for result in self.run(plan, **options)]

    def aggregate(self, plan: AggregationPlan, **options: Any) -> tuple[int | float | None, ...]:
        """What `aggregate` gives."""
        figures: tuple[int | float | None, ...] = self._settle(self.backend.aggregate, plan, **options)
        return figures

    def commit(self, *writes: Write, **options: Any) -> CommitResult:
        """What `commit` gives."""
        result: CommitResult = self._settle(self.backend.commit, writes, **options)
        return result

    def write_many(self, *writes: Write, **options: Any) -> list[WriteResult]:
        """What `write_many` gives."""
        results: Sequence[WriteResult] = self._settle(self.backend.write_many, writes, **options)
        assert len(writes) == len(results)
        return list(results)

    def begin(self, **options: Any) -> Any:
        """The handle of a new transaction."""
        return self.backend.begin(**options)

    def rollback(self, transaction: Any, **options: Any) -> None:
        """End a transaction without writing."""
        self._settle(self.backend.rollback, transaction, **options)

    def listen(self, plan: QueryPlan | GetPlan) -> Ear:
        """Begin to listen; it ends with the test."""
        ear = Ear(plan)
        arguments = plan, ear.take, ear.errors.put
        listen: Callable[..., ListenHandle] = self.backend.listen
        ear.handle = self._loop.call(listen, *arguments) if self._loop else listen(*arguments)
        self._ears.append(ear)
        return ear

    def context(self, **options: Any) -> Any:
        """A context of the backend's twin, called as the sync one is."""
        if self._loop is None:
            return Cendry(backend=self.backend, **options)
        return Driven(AsyncCendry(backend=self.backend, **options), self._loop)

    def stream(self, plan: QueryPlan, **options: Any) -> Any:
        """What `run` streams, one after the other; it can be closed."""
        stream = self.in_loop(lambda: self.backend.run(plan, **options))
        return stream if self._loop is None else Driven(stream, self._loop)

    def in_loop(self, function: Callable[[], _T]) -> _T:
        """Call a plain function where the backend is used: for the async twin, in its loop."""
        return function() if self._loop is None else self._loop.call(function)

    def shut(self) -> None:
        """Close the backend alone."""
        self._settle(self.backend.close)

    def close(self) -> None:
        """Close listeners and backend, and what runs here."""
        for ear in self._ears:
            ear.handle.close()
        self.shut()
        if self._loop is not None:
            self._loop.close()

    def _settle(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._loop is None:
            return method(*arguments, **options)
        return self._loop.wait_for(method(*arguments, **options))

    def _drain(self, stream: Callable[[], Any]) -> list[DocumentResult]:
        if self._loop is None:
            return list(stream())

        async def drain() -> list[DocumentResult]:
            return [result async for result in stream()]

        return self._loop.wait_for(drain())


class Driven:
    """An object of the async twin that is used as that of the sync twin, outside of the loop.

    Args:
        target: The object of the async twin.
        loop: The loop that it is used in.
    """

    def __init__(self, target: Any, loop: LoopThread) -> None:
        self._target = target
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        if name == "close" and hasattr(self._target, "aclose"):
            name = "aclose"
        value = getattr(self._target, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            given = [self._plain(one) for one in arguments]
            return self._shown(value(*given, **options))

        return call

    def __iter__(self) -> Iterator[Any]:
        return Driven(self._loop.call(self._target.__aiter__), self._loop)

    def __next__(self) -> Any:
        try:
            return self._loop.wait_for(self._target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Any:
        return self._shown(self._target.__aenter__())

    def __exit__(self, *error: Any) -> Any:
        return self._loop.wait_for(self._target.__aexit__(*error))

    def __len__(self) -> int:
        return len(self._target)

    def __repr__(self) -> str:
        return repr(self._target)

    def _shown(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            value = self._loop.wait_for(value)
        several: Any = value
        if isinstance(value, list):
            return [self._shown(one) if isinstance(one, _ASYNC) else one for one in several]
        return Driven(value, self._loop) if isinstance(value, _ASYNC) or hasattr(value, "__anext__") else value

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Driven):
            return value._target
        if not inspect.isfunction(value) or inspect.iscoroutinefunction(value):
            return value

        # A callback that is written as for the sync twin runs in a thread, and so can wait for the loop.
        def in_thread(txn: Any) -> Coroutine[Any, Any, Any]:
            return asyncio.to_thread(value, Driven(txn, self._loop))

        return in_thread


def together(*functions: Callable[[], object]) -> None:
    """Run functions at the same time, in threads; for the async twin, what they call runs as tasks.

    Raises:
        BaseException: What one of them raised.
    """
    raised: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def path_of(*segments: str) -> FieldPath:
    """A field path, by its segments."""
    return FieldPath(*segments)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
