"""How the store of a backend comes about; the same for both twins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from ._clock import Clock
from ._index_rules import IndexRules
from ._journal import Journal
from ._store import MemoryStore


def opened(
    path: str | os.PathLike[str] | None,
    strict_indexes: str | os.PathLike[str] | Mapping[str, Any] | Literal[False] | None,
    clock: Clock | None,
    store: MemoryStore | None,
) -> MemoryStore:
    """The store that a backend's arguments ask for.

    Raises:
        TypeError: A store is given together with what only a new one can take.
        StoreFileError: The file can't be used.
        ValueError: The declared indexes are not of their form.
    """
    if store is not None:
        if path is not None or strict_indexes is not False or clock is not None:
            raise TypeError("store= replaces path, strict_indexes= and clock=; pass it alone.")
        return store
    rules = None if strict_indexes is False else IndexRules(strict_indexes)
    return MemoryStore(None if path is None else Journal(path), rules=rules, clock=clock)
