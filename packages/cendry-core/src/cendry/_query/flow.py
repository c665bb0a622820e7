"""What shared code may ask for while it runs: plans, and the few other things that only a twin can do.

A flow is a generator that yields requests and receives their answers. It never waits itself; one small loop per
twin drives it, so that nothing of several steps is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar, Union

from .._immutable import dataclass
from ..plan import AggregationPlan, GetPlan, QueryPlan, Write

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Commit:
    """Apply writes; answered by a `CommitResult`."""

    writes: tuple[Write, ...]
    transaction: Any = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a transaction; answered by its handle."""

    read_only: bool = False
    retry_of: Any = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """End a transaction without writing; done even while the caller is being cancelled."""

    transaction: Any


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """Call the user's function, in the async twin await it; answered by its result."""

    function: Callable[[], Any]


Request = Union[GetPlan, QueryPlan, AggregationPlan, Commit, Begin, Rollback, Pause, Call]
"""`GetPlan` and `QueryPlan` are answered by a list of `StoredDocument`, `AggregationPlan` by a tuple of figures."""

Flow = Generator[Request, Any, R]
