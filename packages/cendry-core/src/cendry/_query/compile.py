"""From what a query says to what a backend is asked: names become stored ones, values stored values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from .._immutable import dataclass
from .._interop.google import from_sdk, sdk_kind
from .._types.registry import TypeRegistry
from ..codec import Codec, codec_for
from ..errors import CendryError, InvalidValueError
from ..filters import And, Comparison, Filter, Or
from ..paths import check_document_path, join_path
from ..plan import Bound, Composite, Condition, Order, QueryPlan, Where
from ..reference import Located, Ref, check_parent, located_path
from .criteria import (
    ID_PLACE,
    Criteria,
    Cursor,
    Place,
    Sorting,
    complete_sortings,
    cursor_values,
    explicit_sortings,
    field_place,
    place_text,
    resolved,
    stored_path,
)

_MOST_VALUES: Final = {"in": 30, "not-in": 10, "array-contains-any": 30}
"""Values of one filter (https://firebase.google.com/docs/firestore/query-data/queries#query_limitations)."""

_PLAIN: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
"""Operators that compare with one value, as the field's own."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and whether its results come last one first.

    Attributes:
        plan: What the backend is asked.
        backwards: Whether the results have to be turned round.
        codec: The codec of the model, with the registry of the context.
    """

    plan: QueryPlan
    backwards: bool
    codec: Codec[Any]

    def limited(self, limit: int) -> QueryPlan:
        """The plan with at most this many results."""
        known = self.plan.limit
        return replace(self.plan, limit=limit if known is None else min(known, limit))


def planned(criteria: Criteria, registry: TypeRegistry, *, whole_order: bool = False) -> Planned:
    """What a backend is asked for a query.

    Args:
        criteria: What the query says.
        registry: The registry of the context.
        whole_order: Whether the implicit orders have to stand in the plan, so that any document can be a cursor.

    Raises:
        CendryError: The query contradicts itself, or lacks the parent that its model declares.
        InvalidValueError: A value doesn't fit its field.
    """
    codec = codec_for(criteria.model, registry)
    backwards = criteria.from_last
    if backwards and criteria.offset:
        raise CendryError("limit_to_last() counts from the end and offset() from the start; use one of them.")
    parent = criteria.parent if criteria.group else check_parent(criteria.model, criteria.parent)
    cursors = [one for one in (criteria.start, criteria.end) if one is not None]
    whole = whole_order or backwards or any(one.instance is not None for one in cursors)
    sortings = complete_sortings(criteria) if whole else explicit_sortings(criteria)
    if cursors and not whole:
        sortings = _reached(criteria, sortings)
    start = _bound(criteria, codec, criteria.start, sortings)
    end = _bound(criteria, codec, criteria.end, sortings)
    if backwards:
        start, end = _turned(end), _turned(start)
    return Planned(
        QueryPlan(
            collection=criteria.model.__collection__,
            parent=parent,
            group=criteria.group,
            where=_where_all(criteria, codec),
            orders=tuple([Order(one.path, one.descending is not backwards) for one in sortings]),
            start=start,
            end=end,
            limit=criteria.limit,
            offset=criteria.offset,
            read_time=criteria.read_time,
            implied=len(sortings) - len(explicit_sortings(criteria)) if whole_order and not backwards else 0,
        ),
        backwards,
        codec,
    )


def _reached(criteria: Criteria, explicit: tuple[Sorting, ...]) -> tuple[Sorting, ...]:
    # A cursor may speak of implicit orders; then these are said, and no others.
    complete = complete_sortings(criteria)
    longest = max(len(one.values) for one in (criteria.start, criteria.end) if one is not None)
    return complete[: max(len(explicit), longest)]


def _turned(bound: Bound | None) -> Bound | None:
    return None if bound is None else Bound(bound.values, not bound.before)


def _bound(criteria: Criteria, codec: Codec[Any], cursor: Cursor | None, sortings: tuple[Sorting, ...]) -> Bound | None:
    if cursor is None:
        return None
    given = {stored_path(criteria.model, place): (place, value) for place, value in cursor_values(criteria, cursor)}
    values: list[Any] = []
    for one in sortings[: len(given)]:
        if one.path not in given:
            named = " and ".join(repr(place_text(place)) for place, _ in given.values())
            raise CendryError(
                f"The cursor has values for {named}, and the query sorts by {place_text(one.place)!r} before that. "
                "A cursor has values for the first orders of its query, none left out."
            )
        place, value = given.pop(one.path)
        values.append(_encoder(criteria, codec, place)(value))
    if given:
        named = " and ".join(repr(place_text(place)) for place, _ in given.values())
        raise CendryError(f"The cursor has a value for {named}, and the query doesn't sort by that; add order_by.")
    return Bound(tuple(values), cursor.before)


def _where_all(criteria: Criteria, codec: Codec[Any]) -> Where | None:
    parts: list[Where] = []
    for one in criteria.filters:
        # What is under AND stands beside the other filters, which are under AND themselves.
        inner = one.filters if isinstance(one, And) else (one,)
        parts += [_where(criteria, codec, part) for part in inner]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Composite("AND", tuple(parts))


def _where(criteria: Criteria, codec: Codec[Any], one: Filter) -> Where:
    if isinstance(one, Comparison):
        return _condition(criteria, codec, one)
    composite = cast("And | Or", one)
    parts = tuple([_where(criteria, codec, part) for part in composite.filters])
    return parts[0] if len(parts) == 1 else Composite("AND" if isinstance(one, And) else "OR", parts)


def _condition(criteria: Criteria, codec: Codec[Any], one: Comparison) -> Condition:
    place = field_place(one.field)
    if one.op in _PLAIN and place != ID_PLACE:
        field = resolved(codec, place)
        return Condition(field.path, one.op, field.encode(one.value))
    path = stored_path(criteria.model, place)
    match one.op:
        case "is-null" | "is-not-null" | "is-nan" | "is-not-nan":
            if place == ID_PLACE:
                raise InvalidValueError(
                    criteria.model.__qualname__, "id", "a document id", f"the operator {one.op!r}; an id is never null"
                )
            return Condition(path, one.op)
        case "in" | "not-in":
            return Condition(path, one.op, _several(criteria, place, one, _encoder(criteria, codec, place)))
        case "array-contains":
            return Condition(path, one.op, _element_encoder(criteria, codec, place, one.op)(one.value))
        case "array-contains-any":
            encode = _element_encoder(criteria, codec, place, one.op)
            return Condition(path, one.op, _several(criteria, place, one, encode))
        case _:
            return Condition(path, one.op, _encoder(criteria, codec, place)(one.value))


def _several(criteria: Criteria, place: Place, one: Comparison, encode: Callable[[Any], Any]) -> list[Any]:
    limit = _MOST_VALUES[one.op]
    if not 1 <= len(one.value) <= limit:
        model, field = criteria.model.__qualname__, place_text(place)
        raise InvalidValueError(model, field, f"1 to {limit} values for {one.op!r}", f"{len(one.value)} of them")
    return [*map(encode, one.value)]


def _encoder(criteria: Criteria, codec: Codec[Any], place: Place) -> Callable[[Any], Any]:
    if place == ID_PLACE:
        return lambda value: _id_ref(criteria, value)
    return resolved(codec, place).encode


def _element_encoder(criteria: Criteria, codec: Codec[Any], place: Place, op: str) -> Callable[[Any], Any]:
    encode = None if place == ID_PLACE else resolved(codec, place).encode_element
    if encode is None:
        raise InvalidValueError(
            criteria.model.__qualname__, place_text(place), f"an array field for {op!r}", "a field of another type"
        )
    return encode


def _id_ref(criteria: Criteria, value: object) -> Ref[Any]:
    """A document id in a filter or a cursor, as the reference that Firestore compares names with."""
    if sdk_kind(value) == "reference":
        # Only the backend knows whether its database is this one.
        return cast("Ref[Any]", from_sdk(value))
    if isinstance(value, Located) and not isinstance(value, type):
        return Ref.from_path(located_path(value))
    if not criteria.group:
        parent = check_parent(criteria.model, criteria.parent)
        return Ref.from_path(join_path(parent, criteria.model.__collection__, value))
    if isinstance(value, str) and "/" not in value:
        raise CendryError(
            f"{value!r} names no document of the collection group {criteria.model.__collection__!r}: one id can stand "
            "under many parents. Use a full path ('cities/SF/areas/mission'), a Ref or an instance."
        )
    return Ref.from_path(check_document_path(value))
