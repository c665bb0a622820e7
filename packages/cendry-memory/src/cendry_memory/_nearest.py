"""Search by vector: distances as Firestore computes them, and the nearest of some documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from heapq import nlargest, nsmallest
from itertools import islice
from operator import itemgetter, mul
from typing import Any, Final

from cendry.backend import NearResult
from cendry.errors import InvalidRequestError
from cendry.plan import MAX_NEIGHBORS, Nearest, QueryPlan, value_at
from cendry.values import Vector

from ._filters import checked_field
from ._indexes import Document, Version, result_of
from ._values import kind_of, taken_as_operand

Components = tuple[float, ...]
Measure = Callable[[Version], float | None]
"""The distance of a document; `None` if it has no vector of the dimension in the field."""

# Squares of what is larger overflow.
_LARGEST_ROOT: Final = 1e154


class Neighborhood:
    """A search by vector that was held against Firestore's limits.

    Args:
        plan: The plan of the query.
        nearest: The search.

    Raises:
        InvalidRequestError: Firestore refuses it.
    """

    __slots__ = ("_measure", "_nearest")

    def __init__(self, plan: QueryPlan, nearest: Nearest) -> None:
        if plan.limit is not None or plan.offset or plan.start is not None or plan.end is not None:
            raise InvalidRequestError("a search by vector has no limit, offset or cursor of the query.")
        if not 1 <= nearest.limit <= MAX_NEIGHBORS:
            raise InvalidRequestError(f"a search by vector finds 1 to {MAX_NEIGHBORS} documents, not {nearest.limit}.")
        if nearest.threshold is not None and not math.isfinite(nearest.threshold):
            raise InvalidRequestError(f"the threshold of a search by vector is not finite: {nearest.threshold}.")
        taken_as_operand(nearest.vector)
        checked_field(nearest.path)
        self._nearest = nearest
        self._measure = measure_of(nearest)

    def among(self, documents: Iterable[Document]) -> list[Document]:
        """The nearest of some documents, which stand in the order of the query."""
        nearest, measure = self._nearest, self._measure
        threshold, limit, is_product = nearest.threshold, nearest.limit, nearest.distance == "dot_product"
        found: list[tuple[float, Document]] = []
        undefined: list[Document] = []
        for document in documents:
            distance = measure(document.version)
            if distance is None:
                continue
            if distance == distance:
                found.append((distance, document))
            elif threshold is None or is_product:
                # As on Firestore, NaN is larger than all numbers.
                undefined.append(document)
        if threshold is not None:
            found = [one for one in found if (one[0] >= threshold if is_product else one[0] <= threshold)]
        # Both are stable, as Firestore's order is: documents at one distance stay in the order of the query.
        best = (nlargest if is_product else nsmallest)(limit, found, key=_distance_of)
        near = [document for _, document in best]
        return list(islice([*undefined, *near] if is_product else [*near, *undefined], limit))


_distance_of: Final[Callable[[tuple[float, Document]], float]] = itemgetter(0)


def measure_of(nearest: Nearest) -> Measure:
    """The function from a document to its distance."""
    segments, vector = nearest.path.segments, tuple(nearest.vector)
    count, distance_to = len(vector), _MEASURES[nearest.distance](vector)

    def measure(version: Version) -> float | None:
        value: Any = value_at(version.data, segments)
        return distance_to(tuple(value)) if kind_of(value) is Vector and len(value) == count else None

    return measure


def near_result(path: str, version: Version, measure: Measure, read_time: datetime) -> NearResult:
    """A document that was found, for a caller that may change it."""
    result = NearResult(*result_of(path, version, None, read_time))
    distance = measure(version)
    assert distance is not None
    result.distance = distance
    return result


# The emulator adds up in another order, so its last digits can be others.


def _euclidean(vector: Components) -> Callable[[Components], float]:
    def distance_to(other: Components) -> float:
        distance = math.dist(vector, other)
        # Firestore takes the root of a sum of squares, which overflows.
        return distance if distance < _LARGEST_ROOT else math.sqrt(distance * distance)

    return distance_to


def _dot_product(vector: Components) -> Callable[[Components], float]:
    return lambda other: float(sum(map(mul, vector, other)))


def _cosine(vector: Components) -> Callable[[Components], float]:
    own = sum(map(mul, vector, vector))

    def distance_to(other: Components) -> float:
        product: float = sum(map(mul, vector, other))
        norms = math.sqrt(own * sum(map(mul, other, other)))
        if norms:
            return 1 - product / norms
        # As IEEE 754 divides by zero.
        return 1 - math.copysign(math.inf, product) if product else math.nan

    return distance_to


_MEASURES: Final = {"euclidean": _euclidean, "cosine": _cosine, "dot_product": _dot_product}
