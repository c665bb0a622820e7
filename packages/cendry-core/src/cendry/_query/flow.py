"""What a query asks for while it runs: a generator that yields plans and receives their results."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar, Union

from ..plan import AggregationPlan, QueryPlan

R = TypeVar("R")

Request = Union[QueryPlan, AggregationPlan]
"""`QueryPlan` is answered by a list of `StoredDocument`, `AggregationPlan` by a tuple of figures."""

Flow = Generator[Request, Any, R]
