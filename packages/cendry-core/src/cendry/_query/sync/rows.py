# Generated from aio/rows.py by tools/twins.py; do not edit.
"""The rows of a query: values that run as queries do."""

from __future__ import annotations

from typing import TypeVar

from ..rows import RowsValue
from .results import Results

T_co = TypeVar("T_co", covariant=True)


class Rows(RowsValue[T_co], Results[T_co]):
    """The rows of a query, such as some fields of each document: an immutable value, run by a `Cendry`.

    It runs as the query does, each time anew. `Query.values`, `Query.project` and `Query.find_nearest`
    create it; filters and orders are set on the query before, and so is the limit of values.
    """

    __slots__ = ()
    _query_name = "Query"
