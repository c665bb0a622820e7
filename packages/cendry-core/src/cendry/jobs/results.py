"""Writes of many documents, one by one: what is asked for, how far they have come, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from inspect import iscoroutinefunction
from typing import cast

from .._immutable import dataclass
from ..errors import BulkFailure


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What came of many writes that were made one by one.

    Attributes:
        written: How many writes were done.
        failed: The writes that were not done, or of which that is not known.
    """

    written: int
    failed: tuple[BulkFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far many writes have come.

    Attributes:
        written: How many writes are done.
        failed: How many have failed.
        rate: Documents per second, written or failed, over the last ten seconds.
    """

    written: int
    failed: int
    rate: float = field(compare=False)


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """The arguments of a bulk.

    Attributes:
        max_rate: The most documents per second, or `None`.
        on_progress: Called with a `BulkProgress` after each request, or `None`.
        on_error: Called with each `BulkFailure`, or `None`.

    Raises:
        TypeError: A handler is not a plain function.
        ValueError: The rate is not a positive number.
    """

    max_rate: float | None = None
    on_progress: Callable[[BulkProgress], object] | None = field(default=None)
    on_error: Callable[[BulkFailure], object] | None = field(default=None)

    def __post_init__(self) -> None:
        rate = cast("object", self.max_rate)
        if rate is not None and (
            isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf
        ):
            raise ValueError(f"max_rate= takes a positive number of documents per second, not {rate!r}.")
        for name in ("on_progress", "on_error"):
            handler = getattr(self, name)
            if handler is None:
                continue
            is_plain = callable(handler) and not iscoroutinefunction(handler)
            if not is_plain or iscoroutinefunction(type(handler).__call__):
                raise TypeError(f"{name}= takes a plain function, not {handler!r}.")
