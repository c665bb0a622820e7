"""Aggregates as immutable values: what the database computes over the documents of a query. Nothing is sent here."""

from __future__ import annotations

from typing import Any, Final, Generic, Literal, TypeVar, final

from ._immutable import dataclass
from .filters import ModelField, field_key
from .paths import FieldPath

T_co = TypeVar("T_co", covariant=True)

MAX_UP_TO: Final = 2**63 - 1
"""The largest number of documents that counting can stop at: an int64 in the request."""


@final
@dataclass(frozen=True, slots=True)
class Aggregate(Generic[T_co]):
    """A value that the database computes over the documents of a query: for `query.aggregate(...)`.

    `count()`, `City.population.sum()` and `City.population.avg()` create it.

    Attributes:
        function: The function.
        field: The field; `None` for `count`.
        up_to: The number at which counting stops, or `None`.
    """

    function: Literal["count", "sum", "avg"]
    field: ModelField | FieldPath | None = None
    up_to: int | None = None

    def _key(self) -> tuple[Any, ...]:
        return self.function, None if self.field is None else field_key(self.field), self.up_to

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Aggregate) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        if self.field is not None:
            return f"{self.field!r}.{self.function}()"
        return "count()" if self.up_to is None else f"count(up_to={self.up_to})"


def count(up_to: int | None = None) -> Aggregate[int]:
    """The number of documents, for `query.aggregate(count(), ...)`.

    Args:
        up_to: The number at which counting stops, 1 or more; the database then reads no further.

    Raises:
        TypeError: `up_to` is not an int.
        ValueError: It is less than 1.
    """
    return Aggregate("count", up_to=None if up_to is None else _up_to(up_to))


def _up_to(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"count takes an int as up_to=, not {number!r}.")
    if not 1 <= number <= MAX_UP_TO:
        raise ValueError(f"count takes up_to= of 1 to {MAX_UP_TO}, not {number}.")
    return number
