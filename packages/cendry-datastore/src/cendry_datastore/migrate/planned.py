"""Dual writes of a database that has a plan: documents are what `copy` makes of entities, and what `verify` expects."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cendry.backend import Backend
from cendry.jobs import Store

from .._backend import DatastoreBackend
from .._entities import FoundEntity
from .sides import BackendSide
from .values import PLAN_FILE, Plan

if TYPE_CHECKING:
    from .backward import BackwardMirror
    from .messages import MessageMirror


class PlannedMirrors(NamedTuple):
    """The mirrors of a plan.

    Attributes:
        forward: From Datastore mode to Native mode.
        backward: Back.
    """

    forward: MessageMirror
    backward: BackwardMirror


def planned_mirrors(store: Store, primary: Backend, shadow: Backend) -> Callable[[], PlannedMirrors] | None:
    """A function that returns the mirrors of the plan in a state, opened at its first use.

    Returns:
        `None` if the state has no plan, or the backends are not those of a migration.

    Raises:
        JobFileError: The plan can't be read.
    """
    # It is imported where there is one of its backends.
    firestore = sys.modules.get("cendry_firestore")
    if firestore is None or not isinstance(shadow, firestore.FirestoreBackend):
        return None
    if not isinstance(primary, DatastoreBackend):
        return None
    content = store.get(PLAN_FILE)
    if content is None:
        return None
    plan, lock = Plan.from_json(content), threading.Lock()
    found: list[PlannedMirrors] = []

    def opened() -> PlannedMirrors:
        with lock:
            if not found:
                from .backward import BackwardMirror
                from .errors import OtherPlaceError
                from .messages import MessageMirror
                from .source import Source
                from .target import Target

                source, target = Source(primary.client), Target(shadow.client)
                if source.place != plan.source:
                    raise OtherPlaceError("source", source.place, plan.source)
                if target.place != plan.target:
                    raise OtherPlaceError("target", target.place, plan.target)
                forward = MessageMirror.of_plan(plan, source, target, is_patient=False)
                found.append(PlannedMirrors(forward, BackwardMirror(plan, source, target, primary)))
            return found[0]

    return opened


class PlannedReader:
    """Reads entities as the documents that they are to be.

    Args:
        opened: Returns the mirrors of the plan.
    """

    __slots__ = ("_opened",)

    def __init__(self, opened: Callable[[], PlannedMirrors]) -> None:
        self._opened = opened

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The stored fields of documents by path; `None` for each one that doesn't exist."""
        return self._opened().forward.read_paths(names)

    def data_of(self, result: Any) -> Any:
        """The stored fields of the document of a result of the backend; `None` if there is none."""
        return self._opened().forward.data_of(result.entity if isinstance(result, FoundEntity) else None)


class PlannedShadow:
    """Reads the documents of entities, under the names that they have in the target.

    Args:
        opened: Returns the mirrors of the plan.
        side: Reads the target.
    """

    __slots__ = ("_opened", "_side")

    def __init__(self, opened: Callable[[], PlannedMirrors], side: BackendSide) -> None:
        self._opened = opened
        self._side = side

    def read(self, names: Sequence[str]) -> Mapping[str, Any]:
        """The stored fields of documents by the paths of their entities; `None` for each one that doesn't exist."""
        paths = self._opened().forward.target_paths(names)
        found = self._side.read(list(paths.values()))
        return {name: found[path] for name, path in paths.items()}
