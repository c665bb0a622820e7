"""What the lockstep machine has reached, counted, so that nobody believes in one that never gets to its states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

REACHED: Counter[tuple[str, str]] = Counter()
"""How often something was reached, by kind (`rule`, `operator`, `error`, ...) and name."""

EXPECTED: dict[str, set[str]] = {}
"""What has to be reached at least once, by kind; filled where the names are made up."""

RUNS: list[str] = []
"""What was run, and from which seeds."""


def reach(kind: str, name: str, times: int = 1) -> None:
    """Count one more."""
    REACHED[kind, name] += times


def expect(kind: str, names: Iterable[str]) -> None:
    """Demand that these are reached."""
    EXPECTED.setdefault(kind, set()).update(names)


def missing() -> list[str]:
    """What was expected and never reached."""
    return sorted(f"{kind}: {name}" for kind, names in EXPECTED.items() for name in names if not REACHED[kind, name])


def lines() -> Iterator[str]:
    """The counts, a line for each kind, and what is missing."""
    yield from RUNS
    kinds: dict[str, list[tuple[str, int]]] = {}
    for (kind, name), count in sorted(REACHED.items()):
        kinds.setdefault(kind, []).append((name, count))
    for kind, counts in kinds.items():
        if len(counts) > 40:
            yield f"{kind}: {len(counts)} kinds, {sum(count for _, count in counts)} in all"
            continue
        yield f"{kind}: " + ", ".join(f"{name} {count}" for name, count in counts)
    absent = missing()
    shown = absent if len(absent) < 40 else [*absent[:40], f"and {len(absent) - 40} more"]
    yield f"never reached: {', '.join(shown) or 'nothing'}"
