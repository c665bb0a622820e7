"""With strict indexes, a warning of queries that use a field as upgrades make it: they see what is stored."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, cast

from cendry._types.evolutions import evolution_of
from cendry.codec.upgrading import compared, run_upgrades
from cendry.errors import DecodeError
from cendry.paths import FieldPath
from cendry.plan import AggregationPlan, Condition, QueryPlan, Where

from ._query import Hit


def has_versions(plan: QueryPlan) -> bool:
    """Whether a query is for documents of a model with versions."""
    return bool(getattr(plan.shape, "version_field", ""))


def warn_of_upgrades(plan: QueryPlan, aggregation: AggregationPlan | None, hits: Iterable[Hit]) -> None:
    """Warn if the upgrade of a stored document would change a field that a query uses.

    Args:
        plan: The query, of a model with versions.
        aggregation: The figures that are computed of it, if there are any.
        hits: All documents where it looks.
    """
    model: type[Any] = cast("Any", plan.shape).python
    evolution = evolution_of(model)
    assert evolution is not None, "the shape of the model has a version"
    field, version = evolution.version_field, evolution.version
    names = {path.segments[0] for path in _used(plan, aggregation)}
    for path, state in hits if names else ():
        stored = state.data.get(field, 1)
        if type(stored) is not int or not 1 <= stored < version:
            continue
        before = {name: value for name, value in state.data.items() if name != field}
        try:
            changed = compared(stored, before, run_upgrades(model, before, stored, path)).changed
        except DecodeError:
            # Reading the document says what is wrong.
            continue
        if touched := sorted(names & changed):
            warnings.warn(
                f"This query on {model.__qualname__} filters, sorts or computes by {touched[0]!r}, which the upgrade "
                f"of document {path!r} from version {stored} to {version} changes; queries see what is stored. "
                "Backfill before you filter on it.",
                stacklevel=2,
            )
            return


def _used(plan: QueryPlan, aggregation: AggregationPlan | None) -> Iterator[FieldPath]:
    """The fields that a query filters and sorts by, and those of its figures."""
    if plan.where is not None:
        yield from _filtered(plan.where)
    for order in plan.orders:
        yield order.path
    for one in () if aggregation is None else aggregation.aggregations:
        if one.path is not None:
            yield one.path


def _filtered(where: Where) -> Iterator[FieldPath]:
    if isinstance(where, Condition):
        yield where.path
    else:
        for part in where.conditions:
            yield from _filtered(part)
