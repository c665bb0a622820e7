"""How a long job is asked to end early: at its next whole page, with all saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A request to end, from a signal or from another thread."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_requested(self) -> bool:
        """Whether the job is to end."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask the job to end."""
        self._event.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the job is asked to end.

        Args:
            seconds: How long at most, or `None`.

        Returns:
            Whether it is asked.
        """
        return self._event.wait(seconds)

    @contextmanager
    def on_signals(self) -> Generator[Stop, None, None]:
        """In this block, SIGINT and SIGTERM ask the job to end; a second one does what it always does.

        Only the main thread receives signals: in others, the block changes nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {each: signal.getsignal(each) for each in SIGNALS}

        def restore() -> None:
            for each, handler in before.items():
                # None: it was not set by Python, and Python can't set it again.
                signal.signal(each, signal.SIG_DFL if handler is None else handler)

        def ask(_number: int, _frame: FrameType | None) -> None:
            restore()
            self.request()

        for each in SIGNALS:
            signal.signal(each, ask)
        try:
            yield self
        finally:
            restore()
