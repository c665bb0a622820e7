"""What long jobs on many documents need: where their state is, a lock, dead letters, a pace, progress.

Nothing here sends anything. The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _lazy

__all__ = [
    "AdaptiveThrottle",
    "DeadLetter",
    "DeadLetters",
    "JobError",
    "JobFileError",
    "JobLock",
    "JobLockedError",
    "JobStoppedError",
    "JobStoreError",
    "LocalStore",
    "LockLostError",
    "Meter",
    "Pace",
    "Progress",
    "RealFiles",
    "ShardState",
    "Stop",
    "Store",
    "Throttle",
    "Tracker",
    "find_json",
    "load_state",
    "open_store",
    "read_holder",
    "read_json",
    "read_pace",
    "save_state",
    "shard_name",
    "write_json",
    "write_pace",
]

if TYPE_CHECKING:
    from ..errors import JobError, JobFileError, JobLockedError, JobStoppedError, JobStoreError, LockLostError
    from .dead import DeadLetter, DeadLetters
    from .lock import JobLock, read_holder
    from .meter import Meter
    from .pace import AdaptiveThrottle, Pace, read_pace, write_pace
    from .progress import Progress, Tracker
    from .state import ShardState, find_json, load_state, read_json, save_state, shard_name, write_json
    from .stop import Stop
    from .store import LocalStore, RealFiles, Store, open_store
    from .throttle import Throttle
else:
    _OWN = _lazy.origins(
        {
            "errors": "JobError JobFileError JobLockedError JobStoppedError JobStoreError LockLostError",
            "jobs.dead": "DeadLetter DeadLetters",
            "jobs.lock": "JobLock read_holder",
            "jobs.meter": "Meter",
            "jobs.pace": "AdaptiveThrottle Pace read_pace write_pace",
            "jobs.progress": "Progress Tracker",
            "jobs.state": "ShardState find_json load_state read_json save_state shard_name write_json",
            "jobs.stop": "Stop",
            "jobs.store": "LocalStore RealFiles Store open_store",
            "jobs.throttle": "Throttle",
        }
    )

    def __getattr__(name: str) -> Any:
        if name not in _OWN:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
        module_name, there = _OWN[name]
        found = getattr(_lazy.module(module_name), there)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
