"""Documents for the tools to work on, and a backend that ends the process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from cendry import GeoPoint, Ref, Vector
from cendry.plan import QueryPlan, Set

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)

NASTY: list[dict[str, Any]] = [
    {
        "name": "a",
        "class": 1,
        "None": True,
        "self": "x",
        "cls": "x",
        "id": 5,
        "mro": 1,
        "_private": 1,
        "_x_": {"_y_": 1},
        "with space": 1,
        "a.b": 1,
        "a`b": 1,
        "1st": 1,
        "größe": 1.5,
        "ﬁ": "ligature",
        "数": [1, 2.5],
        "😀": {"😀": 1},
        "-": None,
        "model_config": {"x": 1},
        "Field": 1,
        "field": "x",
        "Model": b"x",
        "list": [],
        "dict": {},
        "match": 1,
        "type": "x",
        "'\"\n": 1,
        "long" * 40: 1,
    },
    {
        "name": None,
        "class": 2.5,
        "points": [{"at": GeoPoint(1, 2), "tags": [{"k": 1}, {"k": None}]}, {"at": GeoPoint(3, 4), "tags": []}],
        "refs": [Ref.from_path("users/a"), Ref.from_path("users/b/pets/c")],
        "vector": Vector([1.0, 2.0]),
        "bytes": b"\0\xff",
        "moment": NOON,
        "nan": float("nan"),
        "mixed": 2**60,
        "either": {"a": 1},
        "nothing": None,
        "id": 1,
    },
    {
        "name": "b",
        "nan": float("-inf"),
        "mixed": 1.5,
        "either": [{"a": "x"}],
        "points": [None],
        "vector": Vector([1.0]),
        "moment": "yesterday",
        "many": 1,
    },
    {"many": "x", "either": "x", "name": "c"},
    {"many": b"x", "name": "d"},
    {"many": [1], "name": "e"},
]


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
