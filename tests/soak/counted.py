"""What the soak has done and seen, counted, so that nobody believes in one in which nothing happened."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

COUNTS: Counter[tuple[str, str]] = Counter()
"""How often something was, by kind (`operation`, `fault`, ...) and name."""

LINES: list[str] = []
"""What was run, from which seed, and what was measured."""

_lock = threading.Lock()


def count(kind: str, name: str, times: int = 1) -> None:
    """Count one more; from any thread."""
    with _lock:
        COUNTS[kind, name] += times


def missing(kind: str, names: set[str]) -> list[str]:
    """Which of these were never counted."""
    return sorted(name for name in names if not COUNTS[kind, name])


def lines() -> Iterator[str]:
    """The counts, a line for each kind."""
    yield from LINES
    kinds: dict[str, list[str]] = {}
    for (kind, name), times in sorted(COUNTS.items()):
        kinds.setdefault(kind, []).append(f"{name} {times}")
    for kind, counts in kinds.items():
        yield f"{kind}: {', '.join(counts)}"
