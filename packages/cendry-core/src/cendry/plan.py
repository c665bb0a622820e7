"""Requests to a backend as frozen values, and Firestore's rules for them: implied orders and nested fields.

Paths and names are stored ones; values are stored values.
A stored value is `None`, `bool`, `int`, `float`, `str`, `bytes`, an aware `datetime`, `GeoPoint`, `Vector`, `Ref`,
a `list` of stored values or a `dict` from `str` to stored values. A backend must not change the values in a plan.
The repr of a plan shows no values, since a model may hide them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from itertools import pairwise
from operator import attrgetter, is_
from typing import Any, Final, Literal, Union, cast

from ._immutable import dataclass
from .errors import InvalidRequestError
from .paths import DOCUMENT_ID, FieldPath
from .values import SERVER_TIMESTAMP, ArrayRemove, ArrayUnion, Increment, Maximum, Minimum, Transform, Vector

Operator = Literal[
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not-in",
    "array-contains",
    "array-contains-any",
    "is-null",
    "is-not-null",
    "is-nan",
    "is-not-nan",
]
"""Firestore's field operators; the last four have no value."""


@dataclass(frozen=True, slots=True)
class FieldTransform:
    """A change of one field that the server computes; operands are stored values."""

    path: FieldPath
    transform: Transform = field(repr=False)


@dataclass(frozen=True, slots=True)
class Set:
    """Write a document, whether it exists or not.

    Attributes:
        path: The document's path.
        data: The stored fields.
        mask: `None` replaces the whole document. Otherwise only these fields are written; a masked field that `data`
            lacks is removed.
        transforms: Applied after the fields are written; their fields are neither in `data` nor themselves in `mask`.
        update_time: If given, the commit fails unless the document was last changed at exactly this time.
        is_merge: Whether it is a `merge`: some fields of a document that may not exist. A backend that has masks, but
            no merges, refuses it.
        must_exist: Whether the commit fails when there is no such document. Not together with `update_time`.
    """

    path: str
    data: Mapping[str, Any] = field(repr=False)
    mask: tuple[FieldPath, ...] | None = None
    transforms: tuple[FieldTransform, ...] = ()
    update_time: datetime | None = None
    is_merge: bool = False
    must_exist: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """Write a document that must not exist yet."""

    path: str
    data: Mapping[str, Any] = field(repr=False)
    transforms: tuple[FieldTransform, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Change some fields of a document that must exist.

    Attributes:
        path: The document's path.
        data: The new values, nested as they are stored; holds nothing outside `mask`.
        mask: The fields that are written; one that `data` lacks is removed.
        transforms: Applied after the fields are written.
        update_time: If given, the commit fails unless the document was last changed at exactly this time.
    """

    path: str
    data: Mapping[str, Any] = field(repr=False)
    mask: tuple[FieldPath, ...]
    transforms: tuple[FieldTransform, ...] = ()
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document; its subcollections stay.

    Attributes:
        path: The document's path.
        must_exist: Whether the commit fails when there is no such document.
        update_time: If given, the commit fails unless the document was last changed at exactly this time.
    """

    path: str
    must_exist: bool = False
    update_time: datetime | None = None


Write = Union[Set, Create, Update, Delete]
"""One of the four writes; a commit applies any number of them, all or none."""


_IDEMPOTENT: Final[Mapping[type, bool]] = {
    Increment: False,
    ArrayUnion: True,
    ArrayRemove: True,
    Maximum: True,
    Minimum: True,
    # The document then has the time of the repetition, which is the commit that wrote it last.
    type(SERVER_TIMESTAMP): True,
}
"""Whether a transform that is applied twice leaves what it leaves when applied once."""


def is_repeatable(writes: Sequence[Write], *, in_transaction: bool = False) -> bool:
    """Whether a commit may be sent again if its answer was lost, because it can't take effect twice.

    | commit | if it was applied before | repeatable |
    |---|---|---|
    | `Set`, `Delete` | has the same result | yes |
    | with array unions and removals, maximums, minimums, server timestamps | the same | yes |
    | `Create`, `Update`, `must_exist`, `update_time` | has the same result, or is refused | yes |
    | any writes in a transaction | is refused, since a transaction is committed once | yes |
    | with increments, or other transforms, outside a transaction | counts twice | no |

    A refused repetition doesn't show whether the first attempt was applied, so its outcome is unknown.

    Args:
        writes: The writes of the commit.
        in_transaction: Whether it ends a transaction that the database knows by its id.
    """
    if in_transaction:
        return True
    return all(
        _IDEMPOTENT.get(type(one.transform), False)
        for write in writes
        if not isinstance(write, Delete)
        for one in write.transforms
    )


def check_different(writes: Sequence[Write]) -> None:
    """Check that writes that stand by themselves are to different documents, since they are made in any order.

    Raises:
        InvalidRequestError: Two are to the same one.
    """
    if len({write.path for write in writes}) < len(writes):
        raise InvalidRequestError("the same document cannot be written more than once in a single request.")


@dataclass(frozen=True, slots=True)
class Condition:
    """One field, one operator, one stored value (for `in` and similar operators, a list; for unary operators, `None`).

    On `DOCUMENT_ID`, values are `Ref`s.
    """

    path: FieldPath
    op: Operator
    value: Any = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Composite:
    """One or more conditions joined by AND or OR."""

    op: Literal["AND", "OR"]
    conditions: tuple[Where, ...]


Where = Union[Condition, Composite]

NOTHING: Final = Composite("OR", ())
"""The filter that no document matches. Contexts answer plans with it themselves; no backend gets one."""


def reduced(where: Where) -> Where:
    """A filter without the parts that nothing matches: conditions that allow one of no values.

    Returns:
        The filter itself if it has no such parts; `NOTHING` if no document can match.
    """
    if isinstance(where, Condition):
        return NOTHING if where.op in _ONE_OF and not where.value else where
    parts = [reduced(part) for part in where.conditions]
    if where.op == "AND":
        return NOTHING if any(part is NOTHING for part in parts) else _joined(where, parts)
    return _joined(where, [part for part in parts if part is not NOTHING])


def _joined(where: Composite, parts: list[Where]) -> Where:
    if not parts:
        return NOTHING
    if len(parts) == 1:
        return parts[0]
    if len(parts) == len(where.conditions) and all(map(is_, parts, where.conditions)):
        return where
    return Composite(where.op, tuple(parts))


_ONE_OF: Final = frozenset({"in", "array-contains-any"})


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by."""

    path: FieldPath
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A cursor: stored values for the leading orders of the query.

    Attributes:
        values: At most one for each order of the plan, at least one. For an order by `DOCUMENT_ID`, a `Ref`.
        before: Whether the bound is before the documents at these values (`start_at`, `end_before`) or after
            them (`start_after`, `end_at`).
    """

    values: tuple[Any, ...] = field(repr=False)
    before: bool


Distance = Literal["cosine", "euclidean", "dot_product"]
"""How far two vectors are from each other."""

MAX_NEIGHBORS: Final = 1000
"""Documents of one search by vector (https://firebase.google.com/docs/firestore/vector-search#limitations)."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The search for the documents whose vectors are nearest to another one.

    A document without a vector of that dimension in the field is not found. Distances are sorted ascending, with NaN
    last; dot products descending, with NaN first. Documents at one distance stand in the order of the query.

    Attributes:
        path: The field of the vectors.
        vector: The vector.
        limit: The maximum number of documents, from 1 to `MAX_NEIGHBORS`.
        distance: `euclidean`, `cosine` (1 minus the cosine of the angle), or `dot_product`.
        threshold: The largest distance, or the smallest dot product; NaN counts as larger. `None` for any.
    """

    path: FieldPath
    vector: Vector = field(repr=False)
    limit: int
    distance: Distance
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query in Firestore's own terms.

    Attributes:
        collection: The collection id.
        parent: The path of the document that holds the collection; `None` at the root.
        group: Whether all collections of this id below `parent` are meant (a collection group).
        where: The filter, or `None` for all documents.
        orders: Explicit orders. If `start` or `end` is set, every order that it has a value for is listed here.
        start: Where results begin.
        end: Where results end.
        limit: The maximum number of documents, or `None`.
        offset: How many documents to skip; Firestore bills them.
        projection: The stored fields to fetch, or `None` for whole documents; empty for names only.
        read_time: The moment to read at, within the last hour, or `None` for now.
        implied: How many of the last orders are implied rather than part of the query. They make each document's
            position unique, so that it can be a bound; a backend whose results carry cursors may leave them out.
        resume: The cursor of the result after which to continue; never together with `start`. Only for
            backends whose results carry such cursors.
        parts: The fields declared in the maps of the projection, for databases that may store a map as several fields;
            `None` if they can't be listed.
        nearest: The search by vector among the documents of the query, or `None`. The results are then in its order,
            and each has a further attribute `distance`, a `float`; the plan has no bounds, limit, offset or projection.
        shape: The shape of the documents, for databases in which the form of a value depends on it; `None` if unknown.
    """

    collection: str
    parent: str | None = None
    group: bool = False
    where: Where | None = None
    orders: tuple[Order, ...] = ()
    start: Bound | None = None
    end: Bound | None = None
    limit: int | None = None
    offset: int = 0
    projection: tuple[FieldPath, ...] | None = None
    read_time: datetime | None = None
    implied: int = 0
    resume: bytes | None = None
    parts: tuple[FieldPath, ...] | None = ()
    nearest: Nearest | None = None
    shape: object = field(default=None, compare=False, repr=False)


MAX_COUNT: Final = 2**31 - 1
"""The most that `limit` and `offset` can be: Firestore's requests have 32 bits for them."""


def check_counts(limit: int | None, offset: int) -> None:
    """Check that a limit and an offset can be sent.

    Raises:
        InvalidRequestError: One of them has over 32 bits.
    """
    if limit is not None and abs(limit) > MAX_COUNT:
        raise InvalidRequestError(f"limit is {shown_int(limit)}, and the most is {MAX_COUNT}.")
    if abs(offset) > MAX_COUNT:
        raise InvalidRequestError(f"offset is {shown_int(offset)}, and the most is {MAX_COUNT}.")


MAX_REQUEST_BYTES: Final = 10 * 1024 * 1024
"""The size of a request (https://firebase.google.com/docs/firestore/quotas#writes_and_transactions)."""


def request_too_large(
    writes: int, size: int, largest: str, largest_size: int, *, who: str = "Firestore", limit: int = MAX_REQUEST_BYTES
) -> InvalidRequestError:
    """The error of a commit that is too large for one request; it can't be split, since it is all or nothing.

    Args:
        writes: How many writes it has.
        size: Its bytes.
        largest: The path of the document of the largest write.
        largest_size: The bytes of that write.
        who: Whose limit it is.
        limit: The most bytes of a request.
    """
    mib = 1024 * 1024
    return InvalidRequestError(
        f"this commit of {writes} writes is {size / mib:.1f} MiB large, and {who} takes at most "
        f"{limit // mib} MiB in one request; the largest of them, of document {largest!r}, is "
        f"{largest_size / mib:.2f} MiB. Write in several commits, or store less in a document."
    )


def shown_int(number: int) -> str:
    """An int in an error message; Python refuses to write out very long ones."""
    return str(number) if number.bit_length() <= 128 else f"an int of {number.bit_length()} bits"


@dataclass(frozen=True, slots=True)
class GetPlan:
    """Some documents by path.

    Attributes:
        paths: The paths, without duplicates, at least one.
        projection: As in `QueryPlan`.
        read_time: As in `QueryPlan`.
    """

    paths: tuple[str, ...]
    projection: tuple[FieldPath, ...] | None = None
    read_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation over the documents of a query.

    Attributes:
        function: The aggregate function.
        path: The field; `None` for `count`.
        up_to: For `count`, the number at which counting stops; `None` for no limit.
    """

    function: Literal["count", "sum", "avg"]
    path: FieldPath | None = None
    up_to: int | None = None


MAX_AGGREGATIONS: Final = 5
"""Aggregations in one call (https://firebase.google.com/docs/firestore/query-data/aggregation-queries#limitations)."""


@dataclass(frozen=True, slots=True)
class AggregationPlan:
    """Aggregations over one query, computed by the server in one pass; at most 5."""

    query: QueryPlan
    aggregations: tuple[Aggregation, ...] = (Aggregation("count"),)


def figures_of_nothing(plan: AggregationPlan) -> tuple[int | float | None, ...]:
    """The results of aggregations over no documents."""
    return tuple([None if one.function == "avg" else 0 for one in plan.aggregations])


# --- the filter of a query ---

_ELEMENTS: Final = frozenset({"array-contains", "array-contains-any"})


def check_elements(where: Where | None) -> None:
    """Check that a filter asks for elements of one array alone, as Firestore has it.

    Conditions below an OR, and several on one field, are left to the database.

    Raises:
        InvalidRequestError: Several arrays must contain something.
    """
    if not isinstance(where, Composite) or where.op == "OR":
        return
    found = [one for one in where.conditions if isinstance(one, Condition) and one.op in _ELEMENTS]
    names = {str(one.path): None for one in found}
    if len(names) > 1:
        raise InvalidRequestError.not_sent(
            f"Firestore takes one array_contains() or array_contains_any() in a query, and this one has {len(found)}, "
            f"on {' and '.join(map(repr, names))}. A model whose tag is a tuple is found by one of them: query its "
            "base instead, and leave out the documents of other models"
        )


# --- the order of a query ---

INEQUALITIES: Final = frozenset({"<", "<=", ">", ">=", "!=", "not-in", "is-not-null", "is-not-nan"})
"""The operators whose fields Firestore also sorts by."""

_RANGES: Final = frozenset({"<", "<=", ">", ">="})
_segments_of: Final = cast("Callable[[FieldPath], tuple[str, ...]]", attrgetter("segments"))


def is_inequality(op: Operator, value: Any) -> bool:
    """Whether Firestore also sorts by the field of a condition.

    A range that begins or ends at null or NaN matches nothing, and Firestore doesn't sort by its field; the same holds
    for `not-in` with only null.
    """
    if op in _RANGES:
        return value is not None and bool(value == value)
    if op == "not-in":
        return any(one is not None for one in value)
    return op in INEQUALITIES


def inequality_fields(where: Where | None) -> Iterator[FieldPath]:
    """The fields of a filter's inequalities, in its order; one may occur several times, `DOCUMENT_ID` too."""
    if isinstance(where, Condition):
        if is_inequality(where.op, where.value):
            yield where.path
    elif where is not None:
        for condition in where.conditions:
            yield from inequality_fields(condition)


_BY_NAME: Final = Order(DOCUMENT_ID), Order(DOCUMENT_ID, descending=True)


def full_orders(where: Where | None, orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """The orders of a query plus those that Firestore adds, so that no two documents compare equal.

    After the explicit orders come the other fields of inequalities, sorted segment by segment, and finally the
    document's name, all in the direction of the last explicit order; nothing follows an explicit `DOCUMENT_ID`
    (https://firebase.google.com/docs/firestore/query-data/multiple-range-fields).

    Args:
        where: The filter, or `None`.
        orders: The explicit orders.
    """
    known = {order.path.segments for order in orders}
    if DOCUMENT_ID.segments in known:
        return orders
    descending = bool(orders) and orders[-1].descending
    implied = {path.segments: path for path in inequality_fields(where)}
    implied.pop(DOCUMENT_ID.segments, None)
    fields = [Order(implied[segments], descending) for segments in sorted(implied) if segments not in known]
    return (*orders, *fields, _BY_NAME[descending])


# --- nested fields ---

MISSING: Final = object()
"""Stands for a field that a document doesn't have."""

_type_of: Final = cast("Callable[[Any], Any]", type)


def outermost(paths: Iterable[FieldPath]) -> tuple[FieldPath, ...]:
    """The fields that are not inside another one of them, sorted segment by segment, without duplicates."""
    found: list[FieldPath] = []
    for path in sorted(paths, key=_segments_of):
        # In this order, a field is directly followed by everything inside it.
        if not found or not found[-1].is_prefix_of(path):
            found.append(path)
    return tuple(found)


def overlap(paths: Iterable[FieldPath]) -> tuple[FieldPath, FieldPath] | None:
    """The first field that contains another one, with that one; `None` if there is none."""
    for outer, inner in pairwise(sorted(paths, key=_segments_of)):
        if len(outer) < len(inner) and outer.is_prefix_of(inner):
            return outer, inner
    return None


def value_at(data: Mapping[str, Any], segments: tuple[str, ...]) -> Any:
    """The stored value at a field path, not copied, or `MISSING`."""
    value = data.get(segments[0], MISSING)
    # Most paths have one segment, and a loop over the others would double the cost.
    if len(segments) > 1:
        for segment in segments[1:]:
            if _type_of(value) is not dict:
                return MISSING
            value = value.get(segment, MISSING)
    return value


def put_at(data: dict[str, Any], segments: tuple[str, ...], value: Any) -> None:
    """Set the value at a field path; missing maps on the way are created."""
    *above, last = segments
    for segment in above:
        data = data.setdefault(segment, {})
    data[last] = value


def remove_at(data: dict[str, Any], segments: tuple[str, ...]) -> None:
    """Remove the value at a field path, if it is there; the maps on the way must be."""
    *above, last = segments
    for segment in above:
        data = data[segment]
    data.pop(last, None)


def parts_of(names: Iterable[str], declared: Collection[str]) -> dict[str, list[str]]:
    """The names that go on after a declared one with a dot, and are not declared themselves, by the declared one."""
    found: dict[str, list[str]] = {}
    for name in names:
        if "." not in name or name in declared:
            continue
        end = name.find(".")
        while end != -1:
            if name[:end] in declared:
                found.setdefault(name[:end], []).append(name)
            end = name.find(".", end + 1)
    return found


def projected(data: Mapping[str, Any], paths: Iterable[FieldPath]) -> dict[str, Any]:
    """Some fields of a document, nested as they are stored; absent ones are left out.

    Args:
        data: The stored fields; their values are not copied.
        paths: The fields; none may be inside another one (see `outermost`).
    """
    found: dict[str, Any] = {}
    for path in paths:
        segments = path.segments
        value = value_at(data, segments)
        if value is not MISSING:
            put_at(found, segments, value)
    return found
