"""The pages of a query: each continues where the previous one ended, in one run or with tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, cast, final

from .._immutable import dataclass, replace
from .._order import inverted, key_of
from .._types.registry import TypeRegistry
from ..backend import StoredDocument
from ..codec import Codec
from ..errors import (
    CendryError,
    DecodeError,
    InvalidPageTokenError,
    InvalidRequestError,
    MissingIndexError,
    UnsupportedByBackendError,
)
from ..paths import DOCUMENT_ID, split_path
from ..plan import Bound, Condition, Order, QueryPlan, Where, shown_int, value_at
from ..reference import Ref, is_ref
from .builders import counted
from .compile import NATIVE, compiled, turned
from .output import Output
from .results import ErrorHandler, read_all
from .source import TokenSource
from .spec import Cursor, OwnCursor, QuerySpec
from .tokens import Position, digest_of, position_of, token_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_PAGE: Final = 10_000
"""Results on one page with tokens."""


def plan_after(plan: QueryPlan, last: StoredDocument, count: int = 1) -> QueryPlan:
    """The rest of a query after `count` results, of which the last is `last`.

    Args:
        plan: The plan that returned them; its orders must be complete, with `DOCUMENT_ID` last.
        last: The last result, including the fields that the plan sorts by.
        count: The number of results so far.
    """
    limit = None if plan.limit is None else plan.limit - count
    cursor: bytes | None = getattr(last, "cursor", None)
    if cursor is not None:
        return replace(plan, resume=cursor, limit=limit, offset=0)
    return replace(plan, start=Bound(_values(plan, last), before=False), limit=limit, offset=0)


def _values(plan: QueryPlan, result: StoredDocument) -> tuple[Any, ...]:
    """The place of a result in the order of its query."""
    some: Callable[[set[str]], dict[str, Any]] | None = getattr(result, "top_fields", None)
    data = (result.data or {}) if some is None else some({order.path.segments[0] for order in plan.orders})
    return tuple(
        [
            Ref.from_path(result.path) if order.path == DOCUMENT_ID else value_at(data, order.path.segments)
            for order in plan.orders
        ]
    )


class Paging(Generic[T]):
    """The pages of one run of a query: the fetched results and the next plan."""

    __slots__ = ("_backwards", "_fetched", "_next", "_on_error", "_read", "_size")

    def __init__(
        self,
        output: Output[T],
        spec: QuerySpec,
        registry: TypeRegistry,
        size: Any,
        on_error: Callable[[DecodeError], object] | None,
    ) -> None:
        counted("paginate", size)
        query, self._read = output.compiled(spec, registry, complete=True)
        self._next: QueryPlan | None = query.plan
        self._backwards = query.backwards
        self._size: int = size
        self._on_error = on_error
        self._fetched: list[StoredDocument] = []

    @property
    def next_plan(self) -> QueryPlan | None:
        """The plan whose results are needed for the next page, or `None` if there are enough."""
        plan = self._next
        if plan is None or self._backwards:
            return plan
        return replace(plan, limit=self._size if plan.limit is None else min(self._size, plan.limit))

    def add(self, results: list[StoredDocument]) -> None:
        """Add the results of the plan."""
        plan, self._next = self._next, None
        if plan is None or self._backwards:
            # The results arrive in reverse, so the first page needs all of them.
            self._fetched = results[::-1]
            return
        self._fetched = results
        size = self._size if plan.limit is None else min(self._size, plan.limit)
        if len(results) == size and plan.limit != size:
            self._next = plan_after(plan, results[-1], size)

    def take(self) -> list[T]:
        """A page of the fetched results; empty if none of them fits its model.

        A document that doesn't fit its model raises, unless there is a handler; the next call then returns the rest
        of that page.
        """
        page: list[T] = []
        for result in self._fetched[: self._size]:
            try:
                page.append(self._read(result))
            except DecodeError as error:
                self._fetched.remove(result)
                if self._on_error is None:
                    raise
                self._on_error(error)
        del self._fetched[: len(page)]
        return page


# --- pages with tokens ---


@final
@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A page of the results of a query: iterable and sized.

    Attributes:
        items: The results.
        next_token: The token of the page after this one, for `after=`; `None` if nothing follows.
        previous_token: The token of the page before this one, for `before=`; `None` if nothing precedes it, or if the
            database can't read the query backwards.
    """

    items: list[T_co]
    next_token: str | None = None
    previous_token: str | None = None

    def __iter__(self) -> Iterator[T_co]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any, /) -> Any:
        # Pydantic would take the whole docstring, which is about Python.
        found = handler(schema)
        handler.resolve_ref_schema(found)["description"] = "A page of results, with the tokens of its neighbours."
        return found


class TokenPage(Generic[T]):
    """The read of one page: the plan that fetches it, and the page that its results make.

    Args:
        output: What results are read as.
        spec: The query.
        source: The context.
        size: The number of results on the page.
        after: The token of the place where the page begins, or `None`.
        before: The token of the place where it ends, or `None`.
        on_error: The handler of documents that don't fit.

    Raises:
        CendryError: The query sorts by a hidden field.
        InvalidPageTokenError: The token is not one of this query, or both tokens are given.
        InvalidRequestError: The size is not from 1 to 10,000.
        MissingIndexError: The page is before a token, and the query sorts by id alone.
        TypeError: The size is not an int.
        UnsupportedByBackendError: The database can't read the query backwards.
    """

    __slots__ = (
        "_compiled",
        "_digest",
        "_from_last",
        "_keys",
        "_limit",
        "_on_error",
        "_position",
        "_query",
        "_read",
        "_reads_back",
        "_reversible",
        "_size",
        "plan",
    )

    def __init__(
        self,
        output: Output[T],
        spec: QuerySpec,
        source: TokenSource,
        size: Any,
        after: Any,
        before: Any,
        on_error: ErrorHandler | None,
    ) -> None:
        self._size = size = _checked_size(size)
        if after is not None and before is not None:
            raise InvalidPageTokenError("page() takes after= or before=, not both")
        query, self._read = output.compiled(spec, source.registry, complete=True)
        self._compiled = query
        self._query = plan = turned(query.plan) if query.backwards else query.plan
        _check_shown(plan, query.codec)
        self._on_error = on_error
        self._from_last = query.backwards
        self._limit = spec.limit
        self._keys = source.token_keys
        self._digest: bytes | None = None
        self._position: Position | None = None
        self._reads_back = before is not None
        cursors = source.cursor_backend
        if cursors is not None and (before is not None or query.backwards):
            feature = "page(before=)" if before is not None else "page() of limit_to_last()"
            raise UnsupportedByBackendError(feature, cursors, NATIVE)
        self._reversible = cursors is None and not _is_by_id(plan)
        if before is not None and not self._reversible:
            raise MissingIndexError.by_descending_id(plan.collection)
        token = before if after is None else after
        if token is not None:
            self._position = self._checked(
                position_of(token, self._own_digest(), self._keys, len(plan.orders), cursors=cursors is not None)
            )
        self.plan: QueryPlan | None = self._planned()
        """The plan whose results are needed, or `None` if none are."""

    def _own_digest(self) -> bytes:
        if self._digest is None:
            compiled = self._compiled
            self._digest = digest_of(compiled.without_tags(self._query), self._from_last, compiled.kind)
        return self._digest

    def _planned(self) -> QueryPlan | None:
        plan, position, limit, wanted = self._query, self._position, self._limit, self._size + 1
        if position is None:
            if self._from_last:
                return replace(turned(plan), limit=limit)
            return replace(plan, limit=wanted if limit is None else min(wanted, limit))
        if self._reads_back:
            start = plan.start if position.origin is None else Bound(position.origin, before=True)
            return turned(replace(plan, start=start, end=position.cut, limit=wanted, offset=0))
        left = wanted if limit is None else min(wanted, limit - position.count)
        if left <= 0:
            return None
        if position.cursor is not None:
            return replace(plan, resume=position.cursor, limit=left, offset=0)
        return replace(plan, start=position.cut, limit=left, offset=0)

    def refuse(self, error: InvalidRequestError) -> None:
        """Blame a cursor of the database for a plan that it refused: only the database can check it.

        Raises:
            InvalidPageTokenError: The page has such a token.
        """
        if self._position is not None and self._position.cursor is not None:
            raise InvalidPageTokenError(f"the database refused it: {error.detail}") from error

    def page(self, results: list[StoredDocument]) -> Page[T]:
        """The page that the results of the plan make."""
        position, size = self._position, self._size
        if self._reads_back:
            has_more = len(results) > size
            kept = results[:size][::-1]
            assert position is not None
            before = max(position.count - len(kept), 1) if has_more else 0
            after = before + len(kept)
            has_next = self._limit is None or after < self._limit
        else:
            if self._from_last and position is None:
                results = results[::-1]
            has_next = len(results) > size
            kept = results[:size]
            before = 0 if position is None else position.count
            after = before + len(kept)
        origin = self._origin(results)
        page = read_all(kept, self._read, self._on_error)
        first, last = (kept[0], kept[-1]) if kept else (None, None)
        has_previous = before > 0 and self._reversible
        return Page(
            page,
            self._token(after, last, origin, before=False) if has_next else None,
            self._token(before, first, origin, before=True) if has_previous else None,
        )

    def _origin(self, results: list[StoredDocument]) -> tuple[Any, ...] | None:
        """The first result of the walk, where the query itself doesn't say where it begins."""
        if self._position is not None:
            return self._position.origin
        if results and self._reversible and (self._from_last or self._query.offset):
            return _values(self._query, results[0])
        return None

    def _token(self, count: int, result: StoredDocument | None, origin: Any, *, before: bool) -> str:
        position = self._position
        if result is None:
            assert position is not None
            position = replace(position, count=count)
        elif (cursor := getattr(result, "cursor", None)) is not None:
            position = Position(count, cursor=cursor)
        else:
            position = Position(count, Bound(_values(self._query, result), before), None, origin)
        try:
            return token_of(position, self._own_digest(), self._keys)
        except (TypeError, ValueError) as error:
            names = ", ".join(str(order.path) for order in self._query.orders)
            path = None if result is None else result.path
            raise DecodeError(
                path, self._query.collection, names, "values that a page token can hold", str(error)
            ) from error

    def _checked(self, position: Position) -> Position:
        """A position that was checked to be inside the query, since a client may have made it up."""
        if self._from_last and position.origin is None:
            raise InvalidPageTokenError("it doesn't say where the last documents begin")
        _check_inside(self._query, position)
        return position


def placed(spec: QuerySpec, source: TokenSource) -> QuerySpec:
    """The same query with the places of the page tokens that are its cursors.

    Args:
        spec: The query.
        source: The context.

    Raises:
        CendryError: The query sorts by a hidden field.
        InvalidPageTokenError: A token is not one of this query.
        UnsupportedByBackendError: The database has cursors of its own, which only tell where results begin.
    """
    start, end = spec.start, spec.end
    query = compiled(replace(spec, start=_around(start), end=_around(end)), source.registry, complete=True)
    plan = turned(query.plan) if query.backwards else query.plan
    _check_shown(plan, query.codec)
    backend = source.cursor_backend
    if backend is not None and end is not None and end.token is not None:
        raise UnsupportedByBackendError("page tokens as the end of a query", backend, NATIVE)
    bare = query.without_tags(plan)
    digests = [digest_of(bare, from_last, query.kind) for from_last in (query.backwards, not query.backwards)]

    def found(cursor: Cursor | None) -> Cursor | None:
        if cursor is None or cursor.token is None:
            return cursor
        position = _position_in(plan, cursor.token, digests, source)
        if position.cursor is not None:
            assert backend is not None
            return replace(cursor, place=OwnCursor(position.cursor, backend))
        return replace(cursor, place=position.cut)

    return replace(spec, start=found(start), end=found(end))


def _around(cursor: Cursor | None) -> Cursor | None:
    return cursor if cursor is None or cursor.token is None else cursor.within


def _position_in(plan: QueryPlan, token: str, digests: Sequence[bytes], source: TokenSource) -> Position:
    """The position of a token among the results of a query, whose limit may count from either end."""
    keys, orders, cursors = source.token_keys, len(plan.orders), source.cursor_backend is not None
    try:
        position = position_of(token, digests[0], keys, orders, cursors=cursors)
    except InvalidPageTokenError as error:
        try:
            position = position_of(token, digests[1], keys, orders, cursors=cursors)
        except InvalidPageTokenError:
            raise error from None
    _check_inside(plan, position)
    return position


def _check_inside(plan: QueryPlan, position: Position) -> None:
    for values in (None if position.cut is None else position.cut.values, position.origin):
        if values is not None and not _is_inside(plan, values):
            raise InvalidPageTokenError("it names a place outside of the results of the query")


def _checked_size(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"page takes the number of results as an int, not {size!r}.")
    if not 1 <= size <= MAX_PAGE:
        raise InvalidRequestError.not_sent(f"A page has 1 to {MAX_PAGE} results, not {shown_int(size)}.")
    return size


def _check_shown(plan: QueryPlan, codec: Codec[Any]) -> None:
    if not codec.hides:
        return
    for order in plan.orders:
        if order.path != DOCUMENT_ID and codec.resolve_stored(order.path).hidden:
            raise CendryError(
                f"The query sorts by {order.path}, a field with repr=False, whose values a page token would show; "
                "sort by other fields, or use paginate()."
            )


def _is_by_id(plan: QueryPlan) -> bool:
    """Whether all documents of a collection are read by id, which Firestore does in one direction."""
    return plan.orders[0].path == DOCUMENT_ID and (plan.where is None or _is_of_ids(plan.where))


def _is_of_ids(where: Where) -> bool:
    if isinstance(where, Condition):
        return where.path == DOCUMENT_ID
    return all(map(_is_of_ids, where.conditions))


def _is_inside(plan: QueryPlan, values: tuple[Any, ...]) -> bool:
    """Whether a document at these values can be one of the results, filters aside."""
    for order, value in zip(plan.orders, values, strict=True):
        if order.path == DOCUMENT_ID and not (isinstance(value, Ref) and _covers(plan, value.path)):
            return False
    place = _key(plan.orders, values)
    start, end = plan.start, plan.end
    if start is not None:
        first = _key(plan.orders, start.values)
        head = place[: len(first)]
        if head < first or (head == first and not start.before):
            return False
    if end is not None:
        last = _key(plan.orders, end.values)
        head = place[: len(last)]
        if head > last or (head == last and end.before):
            return False
    return True


def _covers(plan: QueryPlan, path: str) -> bool:
    parent, collection, _ = split_path(path)
    if collection != plan.collection:
        return False
    if plan.group:
        return plan.parent is None or path.startswith(f"{plan.parent}/")
    return parent == plan.parent


def _key(orders: Sequence[Order], values: Sequence[Any]) -> bytes:
    keys = map(_key_of, values)
    # A bound of the query may have fewer values than there are orders.
    pairs = zip(keys, orders, strict=False)
    return b"".join([inverted(key) if order.descending else key for key, order in pairs])


def _key_of(value: Any) -> bytes:
    return key_of(_at_home(value) if type(value) in (Ref, list, dict) else value)


def _at_home(value: Any) -> Any:
    """A stored value whose references don't name a database.

    One in a bound of the query may name the context's own; the backend refuses all others.
    """
    if is_ref(value):
        return value if value.database is None else Ref.from_path(value.path)
    if isinstance(value, list):
        return [_at_home(one) for one in cast("Any", value)]
    if isinstance(value, dict):
        return {key: _at_home(one) for key, one in cast("dict[str, Any]", value).items()}
    return value
