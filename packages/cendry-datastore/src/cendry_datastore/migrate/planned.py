"""Dual writes of a database that has a plan: documents are what `copy` makes of entities, and what `verify` expects."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cendry.backend import Backend
from cendry.jobs import Store

from .._backend import DatastoreBackend
from .._entities import FoundEntity
from .values import PLAN_FILE, Plan

if TYPE_CHECKING:
    from .messages import MessageMirror


def planned_mirror(store: Store, primary: Backend, shadow: Backend) -> Callable[[], MessageMirror] | None:
    """What returns the mirror of the plan in a state, opened at its first use.

    Returns:
        `None` if the state has no plan, or the backends are not those of a migration.

    Raises:
        JobFileError: The plan can't be read.
    """
    # It is imported where there is one of its backends.
    firestore = sys.modules.get("cendry_firestore")
    if firestore is None or not isinstance(shadow, firestore.FirestoreBackend):
        return None
    content = store.get(PLAN_FILE) if isinstance(primary, DatastoreBackend) else None
    if content is None:
        return None
    plan, lock = Plan.from_json(content), threading.Lock()
    found: list[MessageMirror] = []

    def opened() -> MessageMirror:
        with lock:
            if not found:
                from .errors import OtherPlaceError
                from .messages import MessageMirror
                from .source import Source
                from .target import Target

                source, target = Source(primary.client), Target(shadow.client)
                if source.place != plan.source:
                    raise OtherPlaceError("source", source.place, plan.source)
                if target.place != plan.target:
                    raise OtherPlaceError("target", target.place, plan.target)
                found.append(MessageMirror.of_plan(plan, source, target, is_patient=False))
            return found[0]

    return opened


class PlannedReader:
    """Reads entities as the documents that they are to be.

    Args:
        opened: Returns the mirror of the plan.
    """

    __slots__ = ("_opened",)

    def __init__(self, opened: Callable[[], MessageMirror]) -> None:
        self._opened = opened

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The stored fields of documents by path; `None` for each one that doesn't exist."""
        return self._opened().read_paths(names)

    def data_of(self, result: Any) -> Any:
        """The stored fields of the document of a result of the backend; `None` if there is none."""
        return self._opened().data_of(result.entity if isinstance(result, FoundEntity) else None)
