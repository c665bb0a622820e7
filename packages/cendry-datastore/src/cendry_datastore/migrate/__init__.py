"""Moving a database from Datastore mode to Firestore in Native mode, step by step, resumable at any moment.

Names are imported when they are first used. Needs the extra `migrate` of cendry-datastore.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "Difference",
    "KindPlan",
    "KindReport",
    "Place",
    "Plan",
    "Problem",
    "Progress",
    "Proof",
    "Repaired",
    "Report",
    "Result",
    "Shard",
    "Source",
    "Status",
    "Target",
    "TooManyDeletesError",
    "Transform",
    "Transforms",
    "Trap",
    "TrapReport",
    "copy",
    "delta",
    "infer",
    "plan",
    "repair",
    "retry_dead",
    "status",
    "validate",
    "verify",
]

if TYPE_CHECKING:
    from cendry.jobs import Progress

    from ._copy import copy
    from ._delta import TooManyDeletesError, delta
    from ._infer import infer
    from ._plan import plan
    from ._repair import Repaired, repair, retry_dead
    from ._status import Status, status
    from ._validate import validate
    from ._verify import verify
    from .reports import Difference, KindReport, Problem, Proof, Report, Result, Trap, TrapReport
    from .source import Source
    from .target import Target
    from .values import KindPlan, Place, Plan, Shard, Transform, Transforms
else:
    # For each module, its names.
    _MODULES = {
        "_copy": "copy",
        "_delta": "TooManyDeletesError delta",
        "_repair": "Repaired repair retry_dead",
        "_status": "Status status",
        "_infer": "infer",
        "_plan": "plan",
        "_validate": "validate",
        "_verify": "verify",
        "reports": "Difference KindReport Problem Proof Report Result Trap TrapReport",
        "source": "Source",
        "target": "Target",
        "values": "KindPlan Place Plan Shard Transform Transforms",
    }
    _ORIGINS = {name: module for module, names in _MODULES.items() for name in names.split()}

    def __getattr__(name: str) -> Any:
        if name == "Progress":
            found = import_module("cendry.jobs").Progress
        elif name in _ORIGINS:
            found = getattr(import_module(f"{__name__}.{_ORIGINS[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
