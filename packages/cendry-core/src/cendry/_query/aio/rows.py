"""The rows of a query: values that run as queries do."""

from __future__ import annotations

from typing import TypeVar

from ..rows import RowsValue
from .results import AsyncResults

T_co = TypeVar("T_co", covariant=True)


class AsyncRows(RowsValue[T_co], AsyncResults[T_co]):
    """The rows of a query, such as some fields of each document: an immutable value, run by an `AsyncCendry`.

    It runs as the query does, each time anew. `AsyncQuery.values`, `AsyncQuery.project` and `AsyncQuery.find_nearest`
    create it; filters and orders are set on the query before, and so is the limit of values.
    """

    __slots__ = ()
    _query_name = "AsyncQuery"
