"""Figures over what a query found: count, sum, average."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from cendry.errors import InvalidRequestError
from cendry.paths import DOCUMENT_ID, FieldPath
from cendry.plan import MAX_AGGREGATIONS, AggregationPlan, value_at

from ._query import Hit
from ._values import kind_of

_INT64: Final = range(-(2**63), 2**63)

Figure = int | float | None


def required_fields(plan: AggregationPlan) -> tuple[FieldPath, ...]:
    """The fields that a document needs to be counted at all.

    Raises:
        InvalidRequestError: Firestore refuses the aggregations.
    """
    aggregations = plan.aggregations
    if not 1 <= len(aggregations) <= MAX_AGGREGATIONS:
        raise InvalidRequestError(f"a call takes 1 to {MAX_AGGREGATIONS} aggregations, not {len(aggregations)}.")
    for aggregation in aggregations:
        if aggregation.up_to is not None and aggregation.up_to < 0:
            raise InvalidRequestError(f"count can't stop at {aggregation.up_to}.")
        if aggregation.path == DOCUMENT_ID:
            raise InvalidRequestError(f"{aggregation.function} can't be computed from the document id.")
    fields = tuple(aggregation.path for aggregation in aggregations if aggregation.path is not None)
    if fields and plan.query.projection is not None:
        raise InvalidRequestError("a sum or average can't be computed over a query with a projection.")
    return fields


def figures(plan: AggregationPlan, hits: list[Hit]) -> tuple[Figure, ...]:
    """The figures of a plan, in its order."""
    result: list[Figure] = []
    for aggregation in plan.aggregations:
        if aggregation.path is None:
            up_to = aggregation.up_to
            result.append(len(hits) if up_to is None else min(len(hits), up_to))
            continue
        segments = aggregation.path.segments
        numbers = [value for value in (value_at(hit.version.data, segments) for hit in hits) if _is_number(value)]
        result.append(_sum(numbers) if aggregation.function == "sum" else _average(numbers))
    return tuple(result)


def _is_number(value: Any) -> bool:
    return kind_of(value) in (int, float)


def _sum(numbers: Iterable[int | float]) -> int | float:
    whole, floats = 0, list[float]()
    for number in numbers:
        if isinstance(number, int):
            whole += number
        else:
            floats.append(number)
    if not floats:
        # As on Firestore, a sum that no longer fits 64 bits becomes a double.
        return whole if whole in _INT64 else float(whole)
    try:
        # The emulator adds doubles in any order, with what that loses of them; exactly, the order plays no part.
        total = math.fsum(floats)
    except (OverflowError, ValueError):
        # fsum refuses what overflows on the way, and infinities of both signs.
        total = sum(floats)
    return total + float(whole)


def _average(numbers: list[int | float]) -> float | None:
    return _sum(numbers) / len(numbers) if numbers else None
