"""The value of rows, shared by both twins: a query and what its results are read as. Nothing is read here."""

# The functions of this module belong to the class, but are kept off it to keep its public names clean.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeGuard, TypeVar, cast

from ..errors import CendryError
from .builders import QueryBuilder, checked_handler, moved, shown_spec
from .cursors import settled
from .output import Output
from .results import ErrorHandler
from .spec import QuerySpec

T_co = TypeVar("T_co", covariant=True)


class RowsValue(Generic[T_co]):
    """The rows of a query, as a value.

    Equality, hash, repr and pickle depend on the query and its columns, never on the context that it is bound to.
    """

    __slots__ = ("__weakref__", "_on_error", "_output", "_source", "_spec")
    _spec: QuerySpec
    _output: Output[T_co]
    _source: Any
    _on_error: ErrorHandler | None
    _query_name: ClassVar[str]

    def _bound(self) -> Any:
        if self._source is None:
            raise CendryError("These rows are not bound to a context, so they can't be read: use ctx.select(rows).")
        if self._spec.read_time is not None:
            self._source.check_moment()
        return self._source

    def __eq__(self, other: object) -> bool:
        return _key(self) == _key(cast("RowsValue[Any]", other)) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(_key(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self._spec, self._output)

    def __repr__(self) -> str:
        return f"{shown_spec(self._query_name, self._spec)}.{self._output!r}"

    # Hidden from type checkers, which report the misuse themselves.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name in _OF_QUERIES:
                raise AttributeError(f"Rows have no {name}(); call it on the query, before its fields are chosen.")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


_OF_QUERIES: Final = frozenset(
    {
        *(name for name in vars(QueryBuilder) if not name.startswith("_")),
        *("aggregate", "avg", "count", "delete", "exists", "explain", "find_nearest", "ids", "on_snapshot"),
        *("partitions", "project", "snapshots", "sum", "update", "values", "watch"),
    }
)
"""What only queries have."""


def _key(rows: RowsValue[Any]) -> tuple[Any, ...]:
    return type(rows), settled(rows._spec), rows._output


def _revive(
    kind: type[RowsValue[Any]],
    spec: QuerySpec,
    output: Output[Any],
    source: Any = None,
    on_error: ErrorHandler | None = None,
) -> Any:
    rows = object.__new__(kind)
    rows._spec = spec
    rows._output = output
    rows._source = source
    rows._on_error = on_error
    return rows


def rows_of(kind: type[RowsValue[Any]], query: QueryBuilder[Any], output: Output[Any]) -> Any:
    """The rows of a query, bound to the same context."""
    return _revive(kind, query._spec, output, query._source, query._on_error)


def is_rows(value: object) -> TypeGuard[RowsValue[Any]]:
    """Whether it is the rows of a query of either twin."""
    return isinstance(value, RowsValue)


def bound_rows(kind: type[RowsValue[Any]], rows: RowsValue[Any], source: Any, on_error: ErrorHandler | None) -> Any:
    """The same rows of the twin `kind`, bound to a context; without `on_error`, they keep their own handler.

    In a context at a past moment, those without a moment get that one.

    Raises:
        TypeError: `on_error` is not callable.
    """
    handler = rows._on_error if on_error is None else checked_handler(on_error)
    return _revive(kind, moved(rows._spec, source.moment), rows._output, source, handler)
