"""The query compiler: from the spec of a query to the plan for a backend."""

from __future__ import annotations

from typing import Any, Final

from .._immutable import dataclass, replace
from .._types.registry import TypeRegistry
from ..codec import Codec, codec_for
from ..errors import CendryError, UnsupportedByBackendError
from ..plan import NOTHING, Bound, Composite, Condition, Order, QueryPlan, Where, reduced
from ..reference import check_parent
from .conditions import compiled_filters, tag_condition
from .cursors import compiled_bounds, compiled_orders
from .spec import OwnCursor, QuerySpec

NATIVE: Final = "Firestore in Native mode does."
"""Who supports what a backend with cursors of its own doesn't."""


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A compiled query: a plan, and whether its results arrive in reverse order.

    Attributes:
        plan: The request to the backend.
        backwards: Whether the results have to be reversed.
        codec: The codec of the model, with the registry of the context.
        tags: The part of the plan's filter that selects the documents of the model, where others share its collection.
    """

    plan: QueryPlan
    backwards: bool
    codec: Codec[Any]
    tags: Condition | None = None

    @property
    def kind(self) -> str:
        """What `tags` select: the tag of the model, or its name if it has none; empty without `tags`."""
        if self.tags is None:
            return ""
        tag = self.codec.shape.tag
        return repr(tag.value) if tag is not None and tag.value is not None else self.codec.model.__qualname__

    def without_tags(self, plan: QueryPlan) -> QueryPlan:
        """A plan of this query without the filter by tags."""
        if self.tags is None or plan.where is NOTHING:
            return plan
        others = plan.where.conditions[1:] if isinstance(plan.where, Composite) else ()
        where = others[0] if len(others) == 1 else Composite("AND", others) if others else None
        return replace(plan, where=where)

    def limited(self, limit: int) -> QueryPlan:
        """The plan with at most this many results."""
        plan = self.plan
        if plan.nearest is not None:
            return replace(plan, nearest=replace(plan.nearest, limit=min(plan.nearest.limit, limit)))
        return replace(plan, limit=limit if plan.limit is None else min(plan.limit, limit))


def compiled(spec: QuerySpec, registry: TypeRegistry, *, complete: bool = False) -> CompiledQuery:
    """Compile a query to a plan; names become stored names, values become stored values.

    Args:
        spec: The spec of the query.
        registry: The registry of the context.
        complete: Whether the plan has to include the implied orders, so that any document can be a cursor.

    Raises:
        CendryError: The query contradicts itself, or lacks the parent that its model declares.
        InvalidValueError: A value doesn't fit its field.
    """
    assert spec.database is None, "the database of a parent is checked before a query is compiled"
    model = spec.model
    codec = codec_for(model, registry)
    backwards = spec.from_last
    if backwards and spec.offset:
        raise CendryError("limit_to_last() counts from the end and offset() from the start; use one of them.")
    parent = spec.parent if spec.group else check_parent(model, spec.parent)
    where = compiled_filters(spec, codec) if spec.filters else None
    tags = None if codec.family is None else tag_condition(model)
    if tags is not None:
        where = _both(tags, where)
    given = where
    if where is not None and (where := reduced(where)) is not NOTHING:
        given = where
    orders = compiled_orders(spec, codec) if spec.orders else ()
    plan = QueryPlan(
        collection=model.__collection__,
        parent=parent,
        group=spec.group,
        where=where,
        orders=orders,
        limit=spec.limit,
        offset=spec.offset,
        read_time=spec.read_time,
        shape=codec.shape,
    )
    if backwards or complete or spec.start is not None or spec.end is not None:
        orders, implied, start, end = compiled_bounds(spec, codec, given, orders, complete=backwards or complete)
        plan = replace(plan, orders=orders, start=start, end=end, implied=implied if complete and not backwards else 0)
        place = None if spec.start is None else spec.start.place
        if isinstance(place, OwnCursor):
            if backwards:
                raise UnsupportedByBackendError("limit_to_last() and last() after a page token", place.backend, NATIVE)
            plan = replace(plan, resume=place.data)
        if backwards:
            plan = turned(plan)
    return CompiledQuery(plan, backwards, codec, tags)


def _both(tags: Condition, where: Where | None) -> Where:
    if where is None:
        return tags
    others = where.conditions if isinstance(where, Composite) and where.op == "AND" else (where,)
    return Composite("AND", (tags, *others))


def turned(plan: QueryPlan) -> QueryPlan:
    """The plan whose results arrive in reverse; its orders must be complete, with `DOCUMENT_ID` last."""
    orders = tuple([Order(order.path, not order.descending) for order in plan.orders])
    return replace(plan, orders=orders, start=_reversed(plan.end), end=_reversed(plan.start), implied=0)


def _reversed(bound: Bound | None) -> Bound | None:
    return None if bound is None else Bound(bound.values, not bound.before)
