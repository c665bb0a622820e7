"""A process that writes both databases, and is killed at a point of a write.

`python dual_child.py STATE PROJECT POINT MODE`; "primary" in a point is the database that answers in this mode.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from cendry.jobs import LocalStore
from cendry.plan import Delete, Set
from cendry_datastore import DatastoreBackend, DualBackend
from cendry_datastore.migrate import intents
from cendry_firestore import FirestoreBackend

POINTS = (
    "before the intent",
    "after the intent",
    "before the primary",
    "after the primary",
    "before the shadow",
    "after the shadow",
    "before the intent is done",
)


def main(state: str, project: str, point: str, mode: str) -> None:
    def at(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    class Store(LocalStore):
        def put(self, name: str, data: bytes, /) -> None:
            is_intent = name.startswith(intents.FOLDER)
            if is_intent:
                at("before the intent")
            super().put(name, data)
            if is_intent:
                at("after the intent")

        def delete(self, name: str, /) -> None:
            at("before the intent is done")
            super().delete(name)

    def watched(backend: Any, name: str) -> Any:
        commit = backend.commit

        def watching(writes: Sequence[Any], **options: Any) -> Any:
            at(f"before the {name}")
            result = commit(writes, **options)
            at(f"after the {name}")
            return result

        backend.commit = watching
        return backend

    is_switched = mode == "switched"
    primary = watched(DatastoreBackend(project=project), "shadow" if is_switched else "primary")
    shadow = watched(FirestoreBackend(project=project), "primary" if is_switched else "shadow")
    dual = DualBackend(primary, shadow, state=Store(state), mode="frozen" if is_switched else "shadow-write")
    if is_switched:
        dual.change_mode("switched")
    dual.commit([Set("City/a", {"n": 2}), Set("City/b", {"n": 2}), Delete("City/c")])
    raise AssertionError(f"there is no point {point!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
