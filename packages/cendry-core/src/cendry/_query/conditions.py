"""From filters to the conditions of a plan: names become stored names, values become stored values."""

# `value` of a comparison is a copy, which immutable values do not need.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from .._frozen import ATOMS
from .._interop.google import from_sdk, sdk_kind
from .._types.families import Family
from .._types.shapes import hides
from ..codec import Codec, ResolvedField
from ..errors import CendryError, InvalidRequestError, InvalidValueError, omitted_none
from ..filters import And, Comparison, Filter, Or
from ..paths import DOCUMENT_ID, FieldPath, check_document_path, exact_text, join_path
from ..plan import Composite, Condition, Where
from ..reference import Located, Ref, check_parent, is_ref, located_path, placed_ref
from .fields import resolved
from .spec import QuerySpec

_MOST_VALUES: Final = {"in": 30, "not-in": 10, "array-contains-any": 30}
"""Values in one filter, at most (https://firebase.google.com/docs/firestore/query-data/queries#query_limitations)."""

_PLACELESS: Final = ATOMS - {Ref}
"""Types of stored values that contain no references."""

_PLAIN: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
"""Operators that compare with one value of the field's type."""


def tag_condition(model: type[Any]) -> Condition | None:
    """The condition by which documents of a class are told from others in its collection; `None` if all of them fit.

    Subclasses are looked up each time, since some may have been defined meanwhile.

    Raises:
        InvalidRequestError: The class and its subclasses have more tags than a filter can.
    """
    family: Family | None = cast("Any", model).__cendry_family__
    if family is None or model is family.root:
        return None
    path, tags = FieldPath(family.field), family.tags_of(model)
    arrays = [tag for tag in family.outermost_tags_of(model) if isinstance(tag, tuple)]
    # An array contains the names of all classes above, so those of subclasses need not be named.
    found: list[Any] = [tag[-1] for tag in arrays] or tags
    limit = _MOST_VALUES["in"]
    if len(found) > limit:
        raise InvalidRequestError.not_sent(
            f"{model.__qualname__} and its subclasses have {len(found)} tags, and a filter takes at most {limit} "
            f"values: query a class that has fewer, or {family.root.__qualname__}, which needs no filter."
        )
    if len(found) == 1:
        return Condition(path, "array-contains" if arrays else "==", found[0])
    return Condition(path, "array-contains-any" if arrays else "in", found)


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
        stored = field.encode(value if type(value) in ATOMS else one.value)
        return Condition(path, op, stored if type(stored) in _PLACELESS else placed(field, stored))
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
    # Nothing is one of no values, which makes sense; to be none of no values only looks like all documents.
    least = 1 if one.op == "not-in" else 0
    if not least <= len(values) <= limit:
        model = spec.model.__qualname__
        expected = f"{least} to {limit} values for {one.op!r}"
        raise InvalidValueError(model, field.text, expected, f"{len(values)} of them")
    return [*map(encode, values)]


def encoder(spec: QuerySpec, field: ResolvedField) -> Callable[[Any], Any]:
    """The function from a Python value of this field to a stored value; for an id, to the document's reference."""
    if field.path is DOCUMENT_ID:
        return lambda value: _id_ref(spec, value)
    return lambda value: placed(field, field.encode(value))


def placed(field: ResolvedField, stored: Any) -> Any:
    """A stored value of a query in which references that name a database know their field, for errors."""
    held: Any = stored
    if isinstance(stored, list):
        return [placed(field, each) for each in held]
    if isinstance(stored, dict):
        return {key: placed(field, each) for key, each in held.items()}
    if not isinstance(stored, Ref) or stored.database is None:
        return held
    is_hidden = field.hidden or hides(field.shape)
    return placed_ref(held, field.model, field.text, is_hidden=is_hidden)


def _element_encoder(spec: QuerySpec, field: ResolvedField, op: str) -> Callable[[Any], Any]:
    encode = field.encode_element
    if encode is None:
        raise InvalidValueError(
            spec.model.__qualname__, field.text, f"an array field for {op!r}", "a field of another type"
        )
    return lambda value: placed(field, encode(value))


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
