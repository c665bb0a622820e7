"""Datastore mode for Cendry: the bridge that a team crosses once, on the way to Firestore's Native mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._backend import DatastoreBackend
from ._errors import DualStateError, ModeChangeError, NamespaceNotFoundError, WritesFrozenError

__all__ = [
    "DatastoreBackend",
    "DualBackend",
    "DualStateError",
    "Mismatch",
    "ModeChangeError",
    "NamespaceNotFoundError",
    "WritesFrozenError",
]

if TYPE_CHECKING:
    from .dual import DualBackend, Mismatch
else:

    def __getattr__(name: str) -> Any:
        if name not in ("DualBackend", "Mismatch"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
        # Only a program that moves its documents needs them.
        from . import dual

        globals()[name] = found = getattr(dual, name)
        return found
