"""Explanations: how the database runs a query, and what it took. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar, final

from .._immutable import dataclass
from ..backend import ExecutionStats, ExplainResult, PlanSummary
from ..plan import AggregationPlan, QueryPlan, figures_of_nothing

T_co = TypeVar("T_co", covariant=True)

_NOTHING_RUN: Final = ExecutionStats(0, timedelta(), 0, {})


@final
@dataclass(frozen=True, slots=True)
class Explanation(Generic[T_co]):
    """How the database runs a query.

    Attributes:
        plan: The indexes that it uses.
        stats: With `analyze`, what it took to run the query; else `None`.
        documents: With `analyze`, the results; else empty.
    """

    plan: PlanSummary
    stats: ExecutionStats | None
    documents: list[T_co]


def nothing_explained(plan: QueryPlan | AggregationPlan, analyze: bool) -> ExplainResult:
    """The result for a query that nothing matches, for which nothing is sent."""
    if not analyze:
        return ExplainResult([], PlanSummary(()), None)
    results = [figures_of_nothing(plan)] if isinstance(plan, AggregationPlan) else []
    return ExplainResult(results, PlanSummary(()), _NOTHING_RUN)


def explanation(explained: ExplainResult, read_results: Callable[[list[Any]], list[T_co]]) -> Explanation[T_co]:
    """The explanation that a result of a backend makes.

    Args:
        explained: The result.
        read_results: Reads the stored documents, or figures.
    """
    return Explanation(explained.plan, explained.stats, read_results(explained.results))


def check_analyze(analyze: object) -> None:
    """Check the argument.

    Raises:
        TypeError: It is not a bool.
    """
    if not isinstance(analyze, bool):
        raise TypeError(f"explain() takes True or False as analyze=, not {analyze!r}.")
