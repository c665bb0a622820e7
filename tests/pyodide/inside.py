"""A pytest plugin for Pyodide: an event loop without sockets, and what is left out there, each with its reason.

Python in WebAssembly has one thread and no processes. The driver of the async twin keeps its event loop in a thread of
its own; here the loop runs inside of the call that waits for it, so that every test of the async twin runs as well. A
test that starts a thread, or that waits for one, is left out when it does.
"""

from __future__ import annotations

import ast
import asyncio
import heapq
import queue
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from cendry import UnsupportedByBackendError

_T = TypeVar("_T")

ROOT = Path(__file__).parent.parent.parent
SDK = "imports the Firestore SDK, whose grpcio has no wheel for WebAssembly"
ABSENT = {"google": SDK, "cendry_firestore": SDK, "cendry_datastore": SDK}
ABSENT |= {"orjson": "imports orjson, which has no wheel for WebAssembly", "fastapi": "serves requests by threads"}
"""Packages that can't be imported here: test modules that import them are left out, and tests that do."""

DEEP = "deep JSON overflows JavaScript's stack: Python itself ends"
UNLOCKED = "flock locks nothing in WebAssembly, where there is one process"
LEFT_OUT = {
    "test_rows_of_another_form[text7]": DEEP,
    "test_errors_name_the_file_and_the_line[deep]": DEEP,
    "test_a_broken_or_foreign_file_is_named[local-deep]": DEEP,
    "test_a_broken_or_foreign_file_is_named[bucket-deep]": DEEP,
    "test_what_is_no_recording_is_refused[deep]": DEEP,
    "test_output_that_waits_is_printed_before_the_exit_code_is_known": "a pipe without readers takes what is written",
    "test_progress_on_a_terminal": "rich's progress starts a thread",
    "test_two_of_one_process_are_refused_as_well[local]": UNLOCKED,
    "test_a_held_flock_keeps_it_however_old_its_heartbeat_is": UNLOCKED,
    "test_a_file_is_locked_for_one_at_a_time": UNLOCKED,
    "test_the_thread_ends_when_the_lock_is_lost": "waits for a heartbeat of another thread",
}
"""Tests that can't pass in WebAssembly, or that its Python does not survive, by the end of their node id."""

OPTIONS = ["-q", "-o", "timeout=0", "-m", "not slow", "--hypothesis-profile=pyodide"]
OPTIONS += [f"-pno:{name}" for name in ("cacheprovider", "faulthandler", "threadexception")]
# A garbage collection at the wrong moment makes hypothesis warn of itself.
OPTIONS += ["-Wignore::hypothesis.errors.HypothesisWarning"]

THREADS = "starts threads"
PROCESSES = "starts processes"
SOCKETS = "opens sockets"
WAITS = "waits for another thread"
LISTENERS = "listens by the sync twin, which needs threads"


class Loop(asyncio.BaseEventLoop):
    """An event loop to which nothing comes from outside, and which can be run by what runs in it."""

    if TYPE_CHECKING:
        _scheduled: list[Any]
        _ready: deque[Any]
        _stopping: bool
        _timer_cancelled_count: int

    def _run_once(self) -> None:
        """Run one callback, after waiting for it if it is for later."""
        while self._scheduled and (self._scheduled[0]._cancelled or self._scheduled[0]._when <= self.time()):
            self._take_timer()
        if self._stopping and not self._ready:
            return
        if not self._ready:
            if not self._scheduled:
                # Nobody is there who could add a callback.
                pytest.skip(WAITS)
            time.sleep(max(0, self._scheduled[0]._when - self.time()))
            self._take_timer()
        if self._ready:
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _take_timer(self) -> None:
        handle = heapq.heappop(self._scheduled)
        handle._scheduled = False
        if handle._cancelled:
            self._timer_cancelled_count -= 1
        else:
            self._ready.append(handle)

    def _write_to_self(self) -> None:
        """Nobody waits in another thread."""

    def wait_for(self, awaitable: Awaitable[_T]) -> _T:
        """Run until something is done, also in the middle of a callback of this loop."""

        async def settle() -> _T:
            return await awaitable

        if not self.is_running():
            return self.run_until_complete(settle())
        with self.between():
            task = self.create_task(settle())
            while not task.done():
                self._run_once()
        return task.result()

    @contextmanager
    def between(self) -> Iterator[None]:
        """Leave the task that runs for a while, so that others can."""
        outer = asyncio.tasks._swap_current_task(self, None)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            asyncio.tasks._swap_current_task(self, outer)  # type: ignore[attr-defined]


running: Final[list[Loop]] = []
"""The loops that the driver has now."""


class LoopHere:
    """What the driver's loop in a thread of its own becomes."""

    loop: Loop

    def __init__(self) -> None:
        self.loop = Loop()
        running.append(self.loop)

    def wait_for(self, awaitable: Awaitable[_T]) -> _T:
        """Run an awaitable in the loop, and wait for what it gives."""
        return self.loop.wait_for(awaitable)

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a plain function in the loop, and wait for what it gives."""

        async def settle() -> _T:
            return function(*arguments)

        return self.wait_for(settle())

    def close(self) -> None:
        """End the loop."""
        self.wait_for(self.loop.shutdown_asyncgens())
        running.remove(self.loop)
        self.loop.close()


async def _here(function: Callable[..., _T], *arguments: Any) -> _T:
    return function(*arguments)


def _wait_until(is_there: Callable[[], bool]) -> None:
    """Run the loops of the driver until something has happened."""
    while not is_there():
        ready = [loop for loop in running if loop._ready]
        if not ready:
            pytest.skip(WAITS)
        for loop in ready:
            if loop.is_running():
                with loop.between():
                    loop._run_once()
            else:
                loop.call_soon(loop.stop)
                loop.run_forever()


def _is_for_a_package(frame: FrameType | None) -> bool:
    """Whether code of a package called: then nothing is left out, and what it meets here is what users would meet."""
    name = frame.f_code.co_filename if frame is not None else ""
    return "/packages/" in name and "/cendry_memory/testing/" not in name


def _start(thread: threading.Thread) -> None:
    if not _is_for_a_package(sys._getframe(1)):
        pytest.skip(THREADS)
    _real_start(thread)


def _popen(*_: Any, **__: Any) -> None:
    pytest.skip(PROCESSES)


def _socket(*_: Any, **__: Any) -> None:
    pytest.skip(SOCKETS)


def _get(self: queue.Queue[Any], block: bool = True, timeout: float | None = None) -> Any:
    if block and not _is_for_a_package(sys._getframe(1)):
        _wait_until(lambda: not self.empty())
    return _real_get(self, block, timeout)


def _wait(self: threading.Event, timeout: float | None = None) -> bool:
    if not _is_for_a_package(sys._getframe(1)):
        _wait_until(self.is_set)
    return _real_wait(self, timeout)


def _wait_for_others(self: threading.Condition, timeout: float | None = None) -> bool:
    if not _is_for_a_package(sys._getframe(1)):
        pytest.skip(WAITS)
    return _real_condition(self, timeout)


_real_start, _real_get, _real_wait = threading.Thread.start, queue.Queue.get, threading.Event.wait
_real_condition = threading.Condition.wait


def _put_in_place() -> None:
    threading.Thread.start = _start  # type: ignore[assignment, method-assign]
    threading.Event.wait = _wait  # type: ignore[method-assign]
    threading.Condition.wait = _wait_for_others  # type: ignore[method-assign]
    queue.Queue.get = _get  # type: ignore[method-assign]
    subprocess.Popen.__init__ = _popen  # type: ignore[method-assign]
    socket.socket.__init__ = _socket  # type: ignore[method-assign]
    asyncio.to_thread = _here  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = Loop

        asyncio.set_event_loop_policy(Policy())


class LeftOut:
    """Leaves out what can't be here, and reports what ran and what did not."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._modules: dict[str, tuple[str, int]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        # Imported by now, with their asserts rewritten.
        from cendry_memory.testing import driver
        from hypothesis import settings

        for name in ("__init__", "wait_for", "call", "close"):
            # In the class itself: what was imported before has it.
            setattr(driver.LoopThread, name, getattr(LoopHere, name))
        settings.register_profile("pyodide", deadline=None, derandomize=True, database=None, max_examples=10)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for name, reason in LEFT_OUT.items():
                if item.nodeid.endswith(name):
                    item.add_marker(pytest.mark.skip(reason=reason))

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
            return None
        tree = ast.parse(collection_path.read_text(encoding="utf-8"))
        absent = [ABSENT[name] for name in _imported(tree) if name in ABSENT]
        if not absent:
            return None
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        tests = sum(function.name.startswith("test_") for function in functions)
        self._modules[str(collection_path.relative_to(ROOT))] = absent[0], tests
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
        error = None if call.excinfo is None else call.excinfo.value
        reason = _reason_of(error)
        if reason is not None:
            with pytest.raises(pytest.skip.Exception) as skipped:
                pytest.skip(reason)
            call.excinfo = pytest.ExceptionInfo.from_exception(skipped.value)
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for path, (reason, tests) in sorted(self._modules.items()):
            terminalreporter.write_line(f"left out: {path}: {tests} tests: {reason}")
        ran = self._ran(terminalreporter)
        skipped = len(terminalreporter.stats.get("skipped", ()))
        terminalreporter.write_line(
            f"pyodide: {ran} tests ran; left out: {skipped} tests, and {len(self._modules)} modules with "
            f"{sum(tests for _, tests in self._modules.values())} test functions"
        )
        if ran < self._least:
            terminalreporter.write_line(f"pyodide: fewer ran than {self._least}: something leaves out too much")

    @staticmethod
    def _ran(reporter: pytest.TerminalReporter) -> int:
        return sum(len(reporter.stats.get(outcome, ())) for outcome in ("passed", "failed", "xfailed"))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        if self._ran(reporter) < self._least and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _reason_of(error: BaseException | None) -> str | None:
    """The reason to leave out a test that an error ended, if there is one."""
    match error:
        case UnsupportedByBackendError() if "can't start threads" in error.feature:
            return LISTENERS
        case ModuleNotFoundError() if error.name is not None and error.name.partition(".")[0] in ABSENT:
            return ABSENT[error.name.partition(".")[0]]
        case None:
            return None
        case _:
            return _reason_of(error.__cause__)


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def run(arguments: list[str], least: int) -> int:
    """Run pytest, and return its exit code.

    Args:
        arguments: Those of pytest's command line.
        least: How many tests have to run.
    """
    _put_in_place()
    return int(pytest.main([*OPTIONS, *arguments], plugins=[LeftOut(least)]))
