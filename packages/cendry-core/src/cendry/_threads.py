"""Whether Python can start threads: in WebAssembly, in a browser or in Node.js, it usually can't."""

from __future__ import annotations

import sys
from typing import Final

from .errors import UnsupportedByBackendError


def _can_start() -> bool:
    built = getattr(sys, "_emscripten_info", None)
    return sys.platform != "wasi" if built is None else bool(built.pthreads)


CAN_START: Final = _can_start()


def no_listeners(backend: str) -> UnsupportedByBackendError:
    """No thread can call listeners of the sync twin, or wake a thread that waits for changes.

    Args:
        backend: The name of the backend.
    """
    return UnsupportedByBackendError(
        "listeners of the sync twin where Python can't start threads, as in WebAssembly",
        backend,
        "Use AsyncCendry: its listeners run in the event loop.",
    )
