"""The lock of the store: an interrupt never leaves it locked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # For type checkers that class is final.
    class RLock:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *_: object) -> None: ...
        def _is_owned(self) -> bool: ...
        def _recursion_count(self) -> int: ...
else:
    # The class itself: threading.RLock is a function before Python 3.14.
    from _thread import RLock


class Lock(RLock):
    """A reentrant lock whose `with` statement leaves it unlocked, whatever a signal handler raises at any moment."""

    if sys.version_info >= (3, 14):  # pragma: no cover - CI has no Python 3.14

        def __enter__(self) -> bool:
            # A handler runs as soon as a function of C has returned. Since Python 3.14 that is before the `with`
            # statement knows that it has entered, and so it doesn't release the lock.
            before = self._recursion_count()
            try:
                return super().__enter__()
            except BaseException:
                if self._recursion_count() > before:
                    self.release()
                raise

    # Whether this thread holds the lock. The function of C itself: every call of the store asks.
    is_held = RLock._is_owned
