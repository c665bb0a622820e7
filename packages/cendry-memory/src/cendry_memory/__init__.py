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
    from ._aio import AsyncMemoryBackend
    from ._clock import ManualClock
    from ._faults import Faults, ServiceUnavailableError
    from ._journal import StoreFileError
    from ._store import MemoryStore
    from ._sync import MemoryBackend
else:
    # pytest loads the plugin, and with it this package, at every start; most of those have no use for a backend.
    _MODULES = {
        "AsyncMemoryBackend": "_aio",
        "Faults": "_faults",
        "ManualClock": "_clock",
        "MemoryBackend": "_sync",
        "MemoryStore": "_store",
        "ServiceUnavailableError": "_faults",
        "StoreFileError": "_journal",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
