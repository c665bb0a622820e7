"""What a forked child inherits from threads of its parent that it does not have: locks, connections, listeners."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    import threading


class Heir(Protocol):
    """An object with a state that a forked child can't use as it is."""

    def after_fork(self) -> None:
        """Put the object in order for the child, where this thread is the only one. Must not wait for anything."""
        ...


process = os.getpid()
"""The id of this process; in `after_fork`, still that of its parent."""

CAN_FORK: Final = hasattr(os, "register_at_fork")

kept: Final[list[object]] = []
"""The objects that are never freed; the list is not either, once it has one."""

_heirs: Final[WeakSet[Heir]] = WeakSet()


def register(heir: Heir) -> None:
    """Call `after_fork` of an object in each forked child, as long as the object lives."""
    _heirs.add(heir)


def hold(lock: threading.RLock) -> threading.RLock:
    """Let no other thread be inside a module's lock while the process forks; for locks that are only held briefly."""
    if CAN_FORK:
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def keep(thing: object) -> None:
    """Never free an object, not even when the interpreter ends.

    For what a child has inherited and must not close: its destructor would act on what the parent still uses.
    """
    if not kept:
        # Slow to import, and only needed in some forked children.
        import ctypes

        pointer: Any = ctypes.py_object(kept)
        ctypes.pythonapi.Py_IncRef(pointer)
    kept.append(thing)


def _in_child() -> None:
    global process
    for heir in list(_heirs):
        heir.after_fork()
    process = os.getpid()


if CAN_FORK:
    os.register_at_fork(after_in_child=_in_child)
