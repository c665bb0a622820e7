"""From filters to the conditions of a plan: names become stored names, values become stored values."""

# `value` of a comparison is a copy, which immutable values do not need.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from .._frozen import ATOMS
from .._interop.google import from_sdk, sdk_kind
from ..codec import Codec, ResolvedField
from ..errors import CendryError, InvalidValueError, omitted_none
from ..filters import And, Comparison, Filter, Or
from ..paths import DOCUMENT_ID, check_document_path, exact_text, join_path
from ..plan import Composite, Condition, Where
from ..reference import Located, Ref, check_parent, is_ref, located_path
from .fields import resolved
from .spec import QuerySpec

_MOST_VALUES: Final = {"in": 30, "not-in": 10, "array-contains-any": 30}
"""Values in one filter, at most (https://firebase.google.com/docs/firestore/query-data/queries#query_limitations)."""

_PLAIN: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
"""Operators that compare with one value of the field's type."""


def compiled_filters(spec: QuerySpec, codec: Codec[Any]) -> Where:
    """The filters of a query, of which there is at least one, joined by one AND.

    Raises:
        InvalidValueError: A value doesn't fit its field.
        CendryError: An id doesn't name a document of the query.
    """
    parts: list[Where] = []
    for one in spec.filters:
        if isinstance(one, Comparison):
            parts.append(_condition(spec, codec, one))
        elif isinstance(one, And):
            # The parts of an AND are merged with the other filters, which are joined by AND themselves.
            parts += [_where(spec, codec, part) for part in one.filters]
        else:
            parts.append(_where(spec, codec, one))
    return parts[0] if len(parts) == 1 else Composite("AND", tuple(parts))


def _where(spec: QuerySpec, codec: Codec[Any], one: Filter) -> Where:
    if isinstance(one, Comparison):
        return _condition(spec, codec, one)
    composite = cast("And | Or", one)
    parts = tuple([_where(spec, codec, part) for part in composite.filters])
    return parts[0] if len(parts) == 1 else Composite("AND" if isinstance(one, And) else "OR", parts)


def _condition(spec: QuerySpec, codec: Codec[Any], one: Comparison) -> Condition:
    field, op = resolved(codec, one.field), one.op
    path = field.path
    if op in _PLAIN and path is not DOCUMENT_ID:
        value = one._value
        return Condition(path, op, field.encode(value if type(value) in ATOMS else one.value))
    if field.field is not None and field.field.omits_none and _compares_with_none(one):
        raise omitted_none(spec.model.__qualname__, field.text)
    match op:
        case "is-null" | "is-not-null" | "is-nan" | "is-not-nan":
            if path is DOCUMENT_ID:
                raise InvalidValueError(
                    spec.model.__qualname__, "id", "a document id", f"the operator {op!r}; an id is never null"
                )
            return Condition(path, op)
        case "array-contains":
            return Condition(path, op, _element_encoder(spec, field, op)(one.value))
        case "array-contains-any":
            return Condition(path, op, _several(spec, field, one, _element_encoder(spec, field, op)))
        case "in" | "not-in":
            return Condition(path, op, _several(spec, field, one, encoder(spec, field)))
        case _:
            return Condition(path, op, encoder(spec, field)(one.value))


def _compares_with_none(one: Comparison) -> bool:
    return one.op == "is-null" or (one.op in ("in", "not-in") and any(each is None for each in one.value))


def _several(spec: QuerySpec, field: ResolvedField, one: Comparison, encode: Callable[[Any], Any]) -> list[Any]:
    values, limit = one.value, _MOST_VALUES[one.op]
    if not 1 <= len(values) <= limit:
        model = spec.model.__qualname__
        raise InvalidValueError(model, field.text, f"1 to {limit} values for {one.op!r}", f"{len(values)} of them")
    return [*map(encode, values)]


def encoder(spec: QuerySpec, field: ResolvedField) -> Callable[[Any], Any]:
    """The function from a Python value of this field to a stored value; for an id, to the document's reference."""
    if field.path is DOCUMENT_ID:
        return lambda value: _id_ref(spec, value)
    return field.encode


def _element_encoder(spec: QuerySpec, field: ResolvedField, op: str) -> Callable[[Any], Any]:
    if field.encode_element is None:
        raise InvalidValueError(
            spec.model.__qualname__, field.text, f"an array field for {op!r}", "a field of another type"
        )
    return field.encode_element


def _id_ref(spec: QuerySpec, value: object) -> Ref[Any]:
    """A document id in a filter or a cursor, as the reference that Firestore compares names with."""
    # Only the backend knows whether a database that a reference names is its own.
    if sdk_kind(value) == "reference":
        return cast("Ref[Any]", from_sdk(value))
    if is_ref(value) and value.database is not None:
        return value
    if isinstance(value, Located) and not isinstance(value, type):
        return Ref.from_path(located_path(value))
    if not spec.group:
        parent = check_parent(spec.model, spec.parent)
        return Ref.from_path(join_path(parent, spec.model.__collection__, value))
    value = exact_text(value)
    if isinstance(value, str) and "/" not in value:
        raise CendryError(
            f"{value!r} does not name a document of the collection group {spec.model.__collection__!r}: one id can "
            "exist under many parents. Use a full path ('cities/SF/areas/mission'), a Ref or an instance."
        )
    return Ref.from_path(check_document_path(value))
