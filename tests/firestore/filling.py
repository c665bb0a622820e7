"""Documents for the tools to work on, and a backend that ends the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cendry.plan import QueryPlan, Set


def fill(backend: Any, count: int, collection: str = "cities") -> None:
    for start in range(0, count, 500):
        backend.commit(
            [
                Set(f"{collection}/c{number:05d}", {"name": f"city {number}", "n": number})
                for number in range(start, min(start + 500, count))
            ]
        )


def stored(backend: Any, collection: str = "cities", *, group: bool = False) -> dict[str, dict[str, Any]]:
    return {found.path: found.data for found in backend.run(QueryPlan(collection, group=group))}


def numbers(backend: Any, collection: str = "cities") -> list[int]:
    return [data["n"] for data in stored(backend, collection).values()]


class Killed(BaseException):
    """Stands for the end of the process: nothing after it is done."""


class Wrapped:
    """A backend with something before or after each commit."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.commits = 0
        self.before: Callable[[int, Any], object] = lambda number, writes: None
        self.after: Callable[[int, Any], object] = lambda number, writes: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def commit(self, writes: Any, **options: Any) -> Any:
        self.commits += 1
        number = self.commits
        self.before(number, writes)
        result = self.backend.commit(writes, **options)
        self.after(number, writes)
        return result
