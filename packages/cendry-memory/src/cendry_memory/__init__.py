"""Firestore in process: the backend that tests and small programs run on, with Firestore's own semantics."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "AsyncMemoryBackend",
    "Faults",
    "ManualClock",
    "MemoryBackend",
    "MemoryStore",
    "ServiceUnavailableError",
    "StoreFileError",
]

if TYPE_CHECKING:
    from .aio import AsyncMemoryBackend
    from .clock import ManualClock
    from .faults import Faults, ServiceUnavailableError
    from .journal import StoreFileError
    from .store import MemoryStore
    from .sync import MemoryBackend
else:
    # pytest loads the plugin, and with it this package, at every start; most of those have no use for a backend.
    _ROOMS = {
        "AsyncMemoryBackend": "aio",
        "Faults": "faults",
        "ManualClock": "clock",
        "MemoryBackend": "sync",
        "MemoryStore": "store",
        "ServiceUnavailableError": "faults",
        "StoreFileError": "journal",
    }

    def __getattr__(name):
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
