"""The builder methods of queries, shared by both twins: each returns a new immutable query. Nothing is read here."""

# The functions of this module belong to the class, but are kept off it to keep its public names clean.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, TypeGuard, TypeVar, Union, cast

from typing_extensions import Self

from .._frozen import class_name, own_copy, source
from .._immutable import replace
from .._model.model import Model
from .._types.shapes import hides
from ..codec import Codec, ResolvedField, codec_for
from ..errors import CendryError, DecodeError, InvalidRequestError
from ..filters import And, Asc, Comparison, Desc, Filter, FilterLike, ModelField, Or, as_filters, as_order
from ..paths import FieldPath, exact_text
from ..plan import MAX_COUNT, shown_int
from ..reference import Located, Ref, check_parent, parent_place
from .cursors import settled
from .fields import FieldKey, FieldValues, check_owner, is_iterable, named_field, resolved
from .spec import Cursor, QuerySpec, comparisons

M_co = TypeVar("M_co", bound=Model, covariant=True)
Q = TypeVar("Q", bound="QueryBuilder[Any]")

FilterArgument: TypeAlias = Union[FilterLike, Iterable[FilterLike]]
"""One filter, or several that must all hold."""

OrderArgument: TypeAlias = Union[FieldKey, Asc, Desc]
"""One order; a bare field means ascending."""


CursorArgument: TypeAlias = Union[FieldValues, Model, str]
"""Where results begin or end: values by field, an instance, or a page token."""


class QueryBuilder(Generic[M_co]):
    """The builder methods that `Query` and `AsyncQuery` share; each returns a new query.

    Equality, hash, repr and pickle depend on the query itself, never on the context that it is bound to.
    """

    __slots__ = ("__weakref__", "_on_error", "_source", "_spec")
    _spec: QuerySpec
    _source: Any
    _on_error: Callable[[DecodeError], object] | None

    def __init__(
        self,
        model: type[M_co],
        *filters: FilterArgument,
        order_by: OrderArgument | Iterable[OrderArgument] | None = None,
        limit: int | None = None,
        limit_to_last: int | None = None,
        offset: int | None = 0,
        start_at: CursorArgument | None = None,
        start_after: CursorArgument | None = None,
        end_at: CursorArgument | None = None,
        end_before: CursorArgument | None = None,
        parent: Located | None = None,
        group: bool = False,
        read_time: datetime | None = None,
    ) -> None:
        _check_model(model)
        if limit is not None and limit_to_last is not None:
            raise CendryError("A query takes limit= or limit_to_last=, not both.")
        # Missing arguments need no checks: queries are built on hot paths.
        if limit is not None:
            limit = counted("limit", limit)
        elif limit_to_last is not None:
            limit = counted("limit_to_last", limit_to_last)
        start = end = None
        if start_at is not None or start_after is not None:
            start = _one_cursor(model, "start_at", start_at, "start_after", start_after)
        if end_at is not None or end_before is not None:
            end = _one_cursor(model, "end_before", end_before, "end_at", end_at)
        above, database = (None, None) if parent is None else _parent(model, parent, group)
        self._spec = QuerySpec(
            model=model,
            filters=_filters(model, filters),
            orders=() if order_by is None else _orders(model, (order_by,)),
            limit=limit,
            from_last=limit_to_last is not None,
            offset=0 if offset is None else counted("offset", offset, least=0),
            start=start,
            end=end,
            parent=above,
            database=database,
            group=group,
            read_time=None if read_time is None else checked_moment(read_time),
        )
        self._source = None
        self._on_error = None

    def filter(self, *filters: FilterArgument) -> Self:
        """Add filters that must hold as well.

        Args:
            filters: Filters, or iterables of them.

        Raises:
            TypeError: An argument is not a filter, or uses another model's fields.
        """
        spec = self._spec
        return self._with(filters=spec.filters + _filters(spec.model, filters))

    def order_by(self, *orders: OrderArgument | Iterable[OrderArgument]) -> Self:
        """Sort by these fields, after the existing orders.

        Args:
            orders: Fields (ascending), `Asc(field)` and `Desc(field)`, declared names, or iterables of them.

        Raises:
            UnknownFieldError: A name is not declared.
        """
        spec = self._spec
        return self._with(orders=spec.orders + _orders(spec.model, orders))

    def limit(self, count: int | None) -> Self:
        """Return at most `count` documents, from the first; `None` for all.

        Raises:
            ValueError: `count` is less than 1.
            InvalidRequestError: `count` is over 2147483647.
        """
        return self._with(limit=None if count is None else counted("limit", count), from_last=False)

    def limit_to_last(self, count: int | None) -> Self:
        """Return the last `count` documents, in the order of the query.

        The query runs in reverse order, for which the database may need another index; for ids alone, in descending
        order, Firestore always does.

        `None` for all documents, in the same order as without it.

        Raises:
            ValueError: `count` is less than 1.
            InvalidRequestError: `count` is over 2147483647.
        """
        if count is None:
            return self.limit(None)
        return self._with(limit=counted("limit_to_last", count), from_last=True)

    def offset(self, count: int | None) -> Self:
        """Skip the first `count` documents, which Firestore reads and bills all the same; with cursors it does not.

        `None` for no offset.

        Raises:
            ValueError: `count` is negative.
            InvalidRequestError: `count` is over 2147483647.
        """
        return self._with(offset=0 if count is None else counted("offset", count, least=0))

    def start_at(self, cursor: CursorArgument) -> Self:
        """Begin with the documents at the cursor.

        Args:
            cursor: Values for the first orders of the query by field (`{"population": 100}`), an instance, or a token
                of a page of this query. Without `order_by`, the query sorts by the fields of the cursor. A token is a
                place between two results, so that `start_at` and `start_after` mean the same; it is checked when the
                query runs, as in `page`.
        """
        return self._with(start=_cursor(self._spec.model, "start_at", cursor, self._spec.start))

    def start_after(self, cursor: CursorArgument) -> Self:
        """Begin after the documents at the cursor.

        Args:
            cursor: As in `start_at`. With an instance, other documents with equal values are not skipped.
        """
        return self._with(start=_cursor(self._spec.model, "start_after", cursor, self._spec.start))

    def end_at(self, cursor: CursorArgument) -> Self:
        """End with the documents at the cursor.

        Args:
            cursor: As in `start_at`.
        """
        return self._with(end=_cursor(self._spec.model, "end_at", cursor, self._spec.end))

    def end_before(self, cursor: CursorArgument) -> Self:
        """End before the documents at the cursor.

        Args:
            cursor: As in `start_at`.
        """
        return self._with(end=_cursor(self._spec.model, "end_before", cursor, self._spec.end))

    def under(self, parent: Located) -> Self:
        """Query the subcollection of this document; for a collection group, all collections below it.

        Args:
            parent: An instance or a `Ref`. If it names its database, the query runs in a context on that database only.

        Raises:
            CendryError: The model declares another parent.
        """
        above, database = _parent(self._spec.model, parent, self._spec.group)
        return self._with(parent=above, database=database)

    def at(self, read_time: datetime) -> Self:
        """Read the database as it was at an earlier time.

        Args:
            read_time: An aware `datetime` within the last hour, to the microsecond. Whole minutes up to seven days back
                if the database has point-in-time recovery.

        Raises:
            InvalidRequestError: It is naive. Running the query raises it if the moment is in the future (nothing was
                sent then), or too long ago for the database.
        """
        return self._with(read_time=checked_moment(read_time))

    def on_error(self, handler: Callable[[DecodeError], object]) -> Self:
        """Report documents that don't fit the model to `handler`, and continue without them.

        The handler is used where many documents are read: iteration, `to_list`, `paginate`, and rows. It is ignored in
        equality, repr and pickle.

        Args:
            handler: Called with a `DecodeError` that names the document.
        """
        query = self._with()
        query._on_error = checked_handler(handler)
        return query

    def _bound(self) -> Any:
        if self._source is None:
            raise CendryError("This query is not bound to a context, so it can't be run: use ctx.select(query).")
        if self._spec.read_time is not None:
            self._source.check_moment()
        return self._source

    def _with(self, **changes: Any) -> Self:
        query = object.__new__(type(self))
        query._spec = replace(self._spec, **changes) if changes else self._spec
        query._source = self._source
        query._on_error = self._on_error
        return query

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return settled(self._spec) == settled(cast("QueryBuilder[Any]", other)._spec)

    def __hash__(self) -> int:
        return hash((type(self), settled(self._spec)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self._spec)

    def __repr__(self) -> str:
        return shown_spec(type(self).__name__, self._spec)


def _revive(kind: type[QueryBuilder[Any]], spec: QuerySpec) -> QueryBuilder[Any]:
    query = object.__new__(kind)
    query._spec = spec
    query._source = query._on_error = None
    return query


def spec_of(query: QueryBuilder[Any]) -> QuerySpec:
    """The spec of a query."""
    return query._spec


def shown_spec(name: str, spec: QuerySpec) -> str:
    """The source of a call of `name` that creates this query."""
    spec = settled(spec)
    # A token beside another cursor can't be an argument.
    calls = [
        f".{names[cursor.before]}({cursor.token!r})"
        for names, cursor in ((_STARTS, spec.start), (_ENDS, spec.end))
        if cursor is not None and cursor.within is not None
    ]
    return f"{name}({', '.join(_arguments(spec))}){''.join(calls)}"


def is_query(value: object) -> TypeGuard[QueryBuilder[Any]]:
    """Whether it is a query of either twin."""
    return isinstance(value, QueryBuilder)


def rebuilt(kind: type[Any], query: QueryBuilder[Any]) -> Any:
    """The same query as the other twin, not bound to a context."""
    other = _revive(kind, query._spec)
    other._on_error = query._on_error
    return other


def bound(query: Q, source: Any, on_error: Callable[[DecodeError], object] | None) -> Q:
    """Bind a query that only the caller has, without a copy; without `on_error`, it keeps its own handler.

    In a context at a past moment, a query without a moment gets that one.

    Raises:
        TypeError: `on_error` is not callable.
    """
    query._source = source
    if source.moment is not None:
        query._spec = moved(query._spec, source.moment)
    if on_error is not None:
        query._on_error = checked_handler(on_error)
    return query


def moved(spec: QuerySpec, moment: datetime | None) -> QuerySpec:
    """The same query at a moment, unless it has one of its own."""
    return spec if moment is None or spec.read_time is not None else replace(spec, read_time=moment)


# The spec as the arguments of a call


def _arguments(spec: QuerySpec) -> list[str]:
    shown: list[str] = []
    # The model and the filters are positional, and so come first.
    for each in sorted(dataclasses.fields(spec), key=lambda each: each.name not in ("model", "filters")):
        value = getattr(spec, each.name)
        if value != each.default:
            show = _SHOWN.get(each.name)
            shown.append(f"{each.name}={source(value)}" if show is None else show(spec))
    return [one for one in shown if one]


def _shown_orders(spec: QuerySpec) -> str:
    orders = [*map(repr, spec.orders)]
    return f"order_by={orders[0] if len(orders) == 1 else '[' + ', '.join(orders) + ']'}"


def _shown_cursor(spec: QuerySpec, names: tuple[str, str], cursor: Cursor) -> str:
    if cursor.within is not None:
        cursor = cursor.within
    name = names[cursor.before]
    if cursor.token is not None:
        return f"{name}={cursor.token!r}"
    codec = codec_for(spec.model)
    values = (
        f"{(field if isinstance(field, FieldPath) else resolved(codec, field).text)!r}: "
        f"{_shown_value(resolved(codec, field), value)}"
        for field, value in cursor.values
    )
    return f"{name}={{{', '.join(values)}}}"


def _shown_value(field: ResolvedField, value: Any) -> str:
    return "..." if field.hidden or hides(field.shape) else source(value)


def _shown_filters(spec: QuerySpec) -> str:
    """The filters as source. Only the model knows that the value of a stored path is hidden."""
    codec = codec_for(spec.model)
    if not codec.hides or all(isinstance(one.field, ModelField) for one in comparisons(spec.filters)):
        return ", ".join(map(repr, spec.filters))
    return ", ".join(_shown_filter(codec, one) for one in spec.filters)


def _shown_filter(codec: Codec[Any], one: Filter) -> str:
    if not isinstance(one, Comparison):
        composite = cast("And | Or", one)
        parts = ", ".join(_shown_filter(codec, part) for part in composite.filters)
        return f"{type(one).__name__}({parts})"
    if isinstance(one.field, ModelField) or not resolved(codec, one.field).hidden:
        return repr(one)
    return f"Comparison({one.field!r}, {one.op!r}, ...)"


_STARTS: Final = ("start_after", "start_at")
_ENDS: Final = ("end_at", "end_before")

_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "model": lambda spec: class_name(spec.model),
    "filters": _shown_filters,
    "orders": _shown_orders,
    "limit": lambda spec: f"limit{'_to_last' if spec.from_last else ''}={spec.limit}",
    # Shown with the limit.
    "from_last": lambda _: "",
    "start": lambda spec: _shown_cursor(spec, _STARTS, spec.start),
    "end": lambda spec: _shown_cursor(spec, _ENDS, spec.end),
    "parent": lambda spec: f"parent={Ref.from_path(spec.parent, database=spec.database)!r}",
    # Shown with the parent.
    "database": lambda _: "",
}
"""How to show the fields whose name or value differs in the call."""


# Arguments


def _check_model(model: object) -> None:
    if not isinstance(model, type) or not issubclass(model, Model):
        raise TypeError(f"A query takes a Model class first, not {model!r}.")
    if model.__collection__ is None:
        raise TypeError(f"{model.__qualname__} is abstract: it has no collection to query.")


def _filters(model: type[Any], given: tuple[Any, ...]) -> tuple[Filter, ...]:
    for one in given:
        # A quick check that most filters pass.
        if type(one) is not Comparison or getattr(one.field, "_cendry_owner", None) is not model:
            break
    else:
        return given
    filters = as_filters(given)
    for one in filters:
        _check_fields(model, one)
    return filters


def _check_fields(model: type[Any], one: Filter) -> None:
    if isinstance(one, Comparison):
        if isinstance(one.field, ModelField):
            check_owner(model, one.field)
        return
    for part in cast("And | Or", one).filters:
        _check_fields(model, part)


def _orders(model: type[Any], given: Iterable[Any]) -> tuple[Asc | Desc, ...]:
    orders: list[Asc | Desc] = []
    for one in given:
        if not isinstance(one, (str, ModelField, FieldPath, Asc, Desc)) and is_iterable(one):
            orders.extend(_orders(model, one))
            continue
        order = as_order(one)
        if isinstance(order.field, ModelField):
            check_owner(model, order.field)
        else:
            order = type(order)(named_field(model, order.field, "order_by()"))
        orders.append(order)
    return tuple(orders)


def checked_handler(handler: Callable[[DecodeError], object]) -> Callable[[DecodeError], object]:
    """The handler itself.

    Raises:
        TypeError: It is not callable.
    """
    if not callable(handler):
        raise TypeError(f"on_error takes a function of one argument, the DecodeError, not {handler!r}.")
    return handler


def counted(name: str, count: object, least: int = 1) -> int:
    """Check a number of documents.

    Raises:
        TypeError: It is not an int.
        ValueError: It is less than `least`.
        InvalidRequestError: It is more than Firestore's requests can hold.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} takes an int, not {count!r}.")
    if not least <= count <= MAX_COUNT:
        if count < least:
            raise ValueError(f"{name} takes {least} or more, not {shown_int(count)}.")
        raise InvalidRequestError.not_sent(f"{name} takes at most {MAX_COUNT}, not {shown_int(count)}.")
    return count


def checked_moment(moment: object) -> datetime:
    """A moment to read at, checked.

    Raises:
        TypeError: It is not a `datetime`.
        InvalidRequestError: It is naive.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"A read time is a datetime, not {moment!r}.")
    if moment.utcoffset() is None:
        raise InvalidRequestError.not_sent(
            f"A read time is an aware datetime, and {moment!r} is naive; add a time zone, such as tzinfo=timezone.utc."
        )
    return moment


def _parent(model: type[Any], parent: object, group: bool) -> tuple[str | None, str | None]:
    path, database = parent_place(parent)
    if path is not None and not group:
        check_parent(model, path)
    return path, database


def _one_cursor(model: type[Any], before: str, at: object, after: str, past: object) -> Cursor:
    if at is not None and past is not None:
        raise CendryError(f"A query takes {before}= or {after}=, not both.")
    return _cursor(model, after, past) if at is None else _cursor(model, before, at)


def _cursor(model: type[Any], name: str, given: object, known: Cursor | None = None) -> Cursor:
    before = name in ("start_at", "end_before")
    if isinstance(given, str):
        within = known if known is None or known.token is None else known.within
        return Cursor(before, token=exact_text(given), within=within)
    if isinstance(given, Mapping):
        values = [(named_field(model, key, name), own_copy(value)) for key, value in cast("Any", given).items()]
        if not values:
            raise TypeError(f"{name} takes at least one value; the dict is empty.")
        return Cursor(before, tuple(values))
    if isinstance(given, model):
        return Cursor(before, instance=copy.deepcopy(cast("Model", given)))
    raise TypeError(
        f"{name} takes a dict of field values, an instance of {model.__qualname__}, or a page token, not {given!r}."
    )
