# Generated from aio/query.py by tools/twins.py; do not edit.
"""Queries: immutable values that a context runs."""

# An `int` is a `float` to type checkers.
# mypy: disable-error-code="overload-overlap"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from typing_extensions import Self

from ..._aggregates import Aggregate, count
from ..._changes import FieldChange
from ..._immutable import replace
from ..._model.fields import FieldDescriptor
from ..._model.model import Model
from ...errors import BulkFailure
from ...paths import FieldPath
from ...plan import Aggregation, AggregationPlan, Distance
from ...values import Vector
from ..aggregates import AggregateResult, aggregation, of_field, wanted_aggregates
from ..builders import counted
from ..compile import compiled
from ..fields import Changes, FieldKey
from ..listening import ListenableQuery
from ..opening import opened
from ..output import DOCUMENTS
from ..projections import columns
from ..results import paths_of
from ..rows import rows_of
from .results import Results
from .rows import Rows
from .snapshots import LiveQuery
from .source import Source

if TYPE_CHECKING:
    from ...jobs.results import BulkProgress, BulkResult
    from ..explain import Explanation
    from ..nearest import Neighbor

M_co = TypeVar("M_co", bound=Model, covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")


class Query(LiveQuery[M_co], ListenableQuery[M_co], Results[M_co]):
    """A query on one collection: an immutable value, run by a `Cendry`.

    `ctx.select(City, ...)` creates one that is bound to a context; one that is created without a context is run by
    `ctx.select(query)`. Its methods either return another query, or send it. Nothing is sent before that.

    Args:
        model: The class of the documents.
        filters: Filters that must all hold.
        order_by: One order or several; a bare field means ascending.
        limit: The maximum number of documents, from the first.
        limit_to_last: The maximum number of documents, from the last; not together with `limit`.
        offset: How many documents to skip; Firestore reads and bills them all the same.
        start_at: Where to begin: a dict of the values of the fields in `order_by`, an instance, or a page token.
        start_after: Where to begin, exclusive.
        end_at: Where to end, likewise.
        end_before: Where to end, exclusive.
        parent: The parent document of the subcollection.
        group: Whether to query all collections of this name.
        read_time: The point in time to read at, within the last hour.

    Raises:
        CendryError: The arguments contradict each other.
        TypeError: An argument is of the wrong kind.
        UnknownFieldError: A name is not declared.
    """

    __slots__ = ()
    _output = DOCUMENTS

    def exists(self) -> bool:
        """Return whether any document matches; no fields are transferred."""
        source: Source = self._bound()
        query = compiled(opened(self._spec, source), source.registry)
        return source.run(replace(query.limited(1), projection=()), bool, "exists")

    def ids(self) -> list[str]:
        """Return the ids of all documents, in the order of the query; no fields are transferred.

        Returns:
            The ids; of a collection group, the full paths, since one id can exist under many parents. Filters
            on `City.id` accept either.
        """
        source: Source = self._bound()
        query = compiled(opened(self._spec, source), source.registry)
        paths = source.run(replace(query.plan, projection=()), paths_of)
        if not self._spec.group:
            paths = [path[path.rfind("/") + 1 :] for path in paths]
        return paths[::-1] if query.backwards else paths

    def count(self, up_to: int | None = None) -> int:
        """Return the number of matching documents, counted by the database; `limit` and cursors apply.

        Args:
            up_to: The number at which counting stops, 1 or more; the database then reads no further.

        Raises:
            TypeError: `up_to` is not an int.
            ValueError: It is less than 1.
        """
        source: Source = self._bound()
        stop = None if up_to is None else count(up_to).up_to
        query = compiled(opened(self._spec, source), source.registry)
        [number] = source.aggregate(AggregationPlan(query.plan, (Aggregation("count", up_to=stop),)))
        return cast("int", number)

    @overload
    def sum(self, field: FieldDescriptor[int | None], /) -> int: ...
    @overload
    def sum(self, field: FieldDescriptor[float | None], /) -> float: ...
    @overload
    def sum(self, field: str | FieldPath, /) -> int | float: ...
    def sum(self, field: FieldKey, /) -> int | float:
        """Return the sum of a field over the matching documents, computed by the database; `limit` and cursors apply.

        Args:
            field: A field of numbers, as a descriptor, a declared name or a stored path. Documents in which it is
                absent or not a number don't count.

        Returns:
            The sum; 0 if there is nothing to sum up. A sum of integers beyond 64 bits is a `float`, and so is one that
            includes stored floats.

        Raises:
            InvalidValueError: The field doesn't hold numbers; nothing was sent.
            UnknownFieldError: A name is not declared.
        """
        [total] = self._figures((of_field(self._spec.model, "sum", field),))
        return cast("int | float", total)

    def avg(self, field: FieldDescriptor[float | None] | str | FieldPath, /) -> float | None:
        """Return the average of a field over the matching documents, computed by the database.

        Args:
            field: As in `sum`.

        Returns:
            The average; `None` if there is no number.

        Raises:
            InvalidValueError: The field doesn't hold numbers; nothing was sent.
            UnknownFieldError: A name is not declared.
        """
        [average] = self._figures((of_field(self._spec.model, "avg", field),))
        return cast("float | None", average)

    @overload
    def update(
        self,
        changes: Changes,
        /,
        *,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult: ...
    @overload
    def update(
        self,
        change: FieldChange,
        /,
        *changes: FieldChange,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult: ...
    def update(
        self,
        /,
        *given: Any,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult:
        """Make the same changes of all matching documents, each by itself: not atomic, and throttled as in `ctx.bulk`.

        The names of the documents are read at one point in time, and each is written once, whatever the changes do to
        the query. One that is deleted meanwhile is a failure. The names are held in memory.

        Args:
            given: The changes: a dict of new values, transforms or `DELETE_FIELD` by field, or typed changes
                (`City.name.set("x")`).
            max_rate: As in `ctx.bulk`, like the others.
            on_progress: Called with a `BulkProgress` after each request.
            on_error: Called with each `BulkFailure`; without it, failures raise in the end.

        Returns:
            How many documents were written, and the failures.

        Raises:
            BulkError: Some documents were not written, and there is no `on_error`.
            UnknownFieldError: A name is not declared; nothing was read or written, as with the other errors.
            InvalidValueError: A value doesn't fit its field.
            CendryError: Two changes overlap, or there are none; the query is part of a transaction; or documents may be
                of older versions (see `ctx.batch`).
            UnsupportedByBackendError: The backend has no bulk writes.
        """
        source: Source = self._bound()
        plan = replace(compiled(opened(self._spec, source), source.registry).plan, projection=())
        from ...jobs.results import BulkOptions

        options = BulkOptions(max_rate, on_progress, on_error)
        return source.update_found(self._spec.model, plan, given, options)

    def delete(
        self,
        *,
        max_rate: float | None = None,
        on_progress: Callable[[BulkProgress], object] | None = None,
        on_error: Callable[[BulkFailure], object] | None = None,
    ) -> BulkResult:
        """Delete all matching documents, each by itself: not atomic, and throttled as in `ctx.bulk`.

        The names of the documents are read at one point in time, and held in memory. Their subcollections are kept
        (see `ctx.delete_recursive`). Documents that others delete meanwhile count as deleted.

        Args:
            max_rate: As in `ctx.bulk`, like the others.
            on_progress: Called with a `BulkProgress` after each request.
            on_error: Called with each `BulkFailure`; without it, failures raise in the end.

        Returns:
            How many documents were deleted, and the failures.

        Raises:
            BulkError: Some documents were not deleted, and there is no `on_error`.
            CendryError: The query is part of a transaction.
            UnsupportedByBackendError: The backend has no bulk writes.
        """
        source: Source = self._bound()
        plan = replace(compiled(opened(self._spec, source), source.registry).plan, projection=())
        from ...jobs.results import BulkOptions

        return source.delete_found(plan, BulkOptions(max_rate, on_progress, on_error))

    @overload
    def aggregate(self, a: Aggregate[A], /) -> tuple[A]: ...
    @overload
    def aggregate(self, a: Aggregate[A], b: Aggregate[B], /) -> tuple[A, B]: ...
    @overload
    def aggregate(self, a: Aggregate[A], b: Aggregate[B], c: Aggregate[C], /) -> tuple[A, B, C]: ...
    @overload
    def aggregate(self, a: Aggregate[A], b: Aggregate[B], c: Aggregate[C], d: Aggregate[D], /) -> tuple[A, B, C, D]: ...
    @overload
    def aggregate(
        self, a: Aggregate[A], b: Aggregate[B], c: Aggregate[C], d: Aggregate[D], e: Aggregate[E], /
    ) -> tuple[A, B, C, D, E]: ...
    @overload
    def aggregate(self, /, **named: Aggregate[Any]) -> AggregateResult: ...
    def aggregate(self, /, *aggregates: Aggregate[Any], **named: Aggregate[Any]) -> Any:
        """Return up to 5 aggregates of the matching documents, computed by the database in one request.

        Taken together, they see only the documents that have all their fields, as on the server.

        Args:
            aggregates: `count()`, `City.population.sum()`, `City.population.avg()`; at most 5.
            named: The same by name, instead.

        Returns:
            A tuple of the values; with names, an `AggregateResult`. Sums and averages are as in `sum` and `avg`.

        Raises:
            TypeError: There is no aggregate, or some have names and others don't; or a name is one that
                `AggregateResult` itself has, such as `keys`.
            CendryError: There are more than 5; nothing was sent.
            InvalidValueError: A field doesn't hold numbers; nothing was sent.
        """
        values = self._figures(wanted_aggregates(aggregates, named))
        return AggregateResult(named, values) if named else values

    def _figures(self, aggregates: tuple[Aggregate[Any], ...]) -> tuple[Any, ...]:
        source: Source = self._bound()
        plan, read = aggregation(opened(self._spec, source), source.registry, aggregates)
        return read(source.aggregate(plan))

    @overload
    def explain(self, *, analyze: bool = False) -> Explanation[M_co]: ...
    @overload
    def explain(self, a: Aggregate[A], /, *, analyze: bool = False) -> Explanation[tuple[A]]: ...
    @overload
    def explain(self, a: Aggregate[A], b: Aggregate[B], /, *, analyze: bool = False) -> Explanation[tuple[A, B]]: ...
    @overload
    def explain(
        self, a: Aggregate[A], b: Aggregate[B], c: Aggregate[C], /, *, analyze: bool = False
    ) -> Explanation[tuple[A, B, C]]: ...
    @overload
    def explain(
        self, a: Aggregate[A], b: Aggregate[B], c: Aggregate[C], d: Aggregate[D], /, *, analyze: bool = False
    ) -> Explanation[tuple[A, B, C, D]]: ...
    @overload
    def explain(
        self,
        a: Aggregate[A],
        b: Aggregate[B],
        c: Aggregate[C],
        d: Aggregate[D],
        e: Aggregate[E],
        /,
        *,
        analyze: bool = False,
    ) -> Explanation[tuple[A, B, C, D, E]]: ...
    def explain(self, *aggregates: Aggregate[Any], analyze: bool = False) -> Explanation[Any]:
        """Return how Firestore runs the query: the indexes that it uses, and what it took.

        Only a database in production explains queries; neither the emulator nor other backends do.

        Args:
            aggregates: Up to 5 aggregates, as in `aggregate`, to explain how they are computed.
            analyze: Run the query as well, and return its results and statistics. They are billed as the query is.

        Returns:
            The explanation; with aggregates, its `documents` are one tuple of their values.

        Raises:
            UnsupportedByBackendError: The server doesn't explain queries.
            DecodeError: With `analyze`, a document doesn't fit the model, and there is no `on_error` handler.
        """
        if not aggregates:
            return super().explain(analyze=analyze)
        source: Source = self._bound()
        from ..explain import check_analyze, explanation

        check_analyze(analyze)
        plan, read = aggregation(opened(self._spec, source), source.registry, wanted_aggregates(aggregates, {}))
        explained = source.explain(plan, analyze)
        return explanation(explained, lambda results: [read(figures) for figures in results])

    def partitions(self, count: int, /) -> list[Self]:
        """Divide a query on a whole collection group into parts, to be run by several workers.

        Firestore chooses where to divide, at its own discretion, and parts may be of very different sizes.

        Args:
            count: The most parts, 1 or more.

        Returns:
            Up to `count` queries, in the order of the ids, bound to this context; as values they can be pickled and run
            elsewhere. Each document of the query is in exactly one. Where it can't be divided, the query itself: if it
            isn't on a collection group, has filters, orders, cursors, a limit, an offset or a parent, is in a
            transaction, or if the server doesn't do it, such as the emulator.

        Raises:
            TypeError: `count` is not an int.
            ValueError: It is less than 1.
            InvalidRequestError: It is over 2147483647.
        """
        source: Source = self._bound()
        counted("partitions", count)
        plan = compiled(opened(self._spec, source), source.registry).plan
        from ..partitions import divided, is_divisible

        if count == 1 or not is_divisible(plan):
            return [self]
        return divided(self, source.partition(plan, count), count)

    @overload
    def values(self, a: FieldDescriptor[A], /, *, flat: Literal[True]) -> Rows[A]: ...
    @overload
    def values(self, a: FieldKey, /, *, flat: Literal[True]) -> Rows[Any]: ...
    @overload
    def values(self, a: FieldDescriptor[A], /, *, flat: Literal[False] = False) -> Rows[tuple[A]]: ...
    @overload
    def values(
        self, a: FieldDescriptor[A], b: FieldDescriptor[B], /, *, flat: Literal[False] = False
    ) -> Rows[tuple[A, B]]: ...
    @overload
    def values(
        self, a: FieldDescriptor[A], b: FieldDescriptor[B], c: FieldDescriptor[C], /, *, flat: Literal[False] = False
    ) -> Rows[tuple[A, B, C]]: ...
    @overload
    def values(
        self,
        a: FieldDescriptor[A],
        b: FieldDescriptor[B],
        c: FieldDescriptor[C],
        d: FieldDescriptor[D],
        /,
        *,
        flat: Literal[False] = False,
    ) -> Rows[tuple[A, B, C, D]]: ...
    @overload
    def values(
        self,
        a: FieldDescriptor[A],
        b: FieldDescriptor[B],
        c: FieldDescriptor[C],
        d: FieldDescriptor[D],
        e: FieldDescriptor[E],
        /,
        *,
        flat: Literal[False] = False,
    ) -> Rows[tuple[A, B, C, D, E]]: ...
    @overload
    def values(
        self,
        a: FieldDescriptor[A],
        b: FieldDescriptor[B],
        c: FieldDescriptor[C],
        d: FieldDescriptor[D],
        e: FieldDescriptor[E],
        f: FieldDescriptor[F],
        /,
        *,
        flat: Literal[False] = False,
    ) -> Rows[tuple[A, B, C, D, E, F]]: ...
    @overload
    def values(
        self,
        a: FieldDescriptor[A],
        b: FieldDescriptor[B],
        c: FieldDescriptor[C],
        d: FieldDescriptor[D],
        e: FieldDescriptor[E],
        f: FieldDescriptor[F],
        g: FieldDescriptor[G],
        /,
        *,
        flat: Literal[False] = False,
    ) -> Rows[tuple[A, B, C, D, E, F, G]]: ...
    @overload
    def values(
        self,
        a: FieldDescriptor[A],
        b: FieldDescriptor[B],
        c: FieldDescriptor[C],
        d: FieldDescriptor[D],
        e: FieldDescriptor[E],
        f: FieldDescriptor[F],
        g: FieldDescriptor[G],
        h: FieldDescriptor[H],
        /,
        *,
        flat: Literal[False] = False,
    ) -> Rows[tuple[A, B, C, D, E, F, G, H]]: ...
    @overload
    def values(self, a: FieldKey, /, *others: FieldKey, flat: Literal[False] = False) -> Rows[tuple[Any, ...]]: ...
    def values(self, *fields: Any, flat: bool = False) -> Rows[Any]:
        """Return some fields of each document as a tuple; only those are transferred.

        Args:
            fields: Fields, as descriptors, declared names (dotted for nested ones) or stored paths. The types of up to
                8 descriptors are known to type checkers.
            flat: Return the value of the only field, without a tuple.

        Returns:
            Rows that run as this query does; values converted. An absent field is read as its default; inside a map
            that may be `None`, as `None`, since the two can't be distinguished, and so is an absent key of a dict.
            `City.id` is the document's id.

        Raises:
            TypeError: No field is given, or several with `flat=True`; or one is not a field of the model.
            UnknownFieldError: A name is not declared.
        """
        rows: Rows[Any] = rows_of(Rows, self, columns(self._spec.model, "tuple", fields, flat=flat))
        return rows

    def project(self, *fields: FieldKey) -> Rows[dict[str, Any]]:
        """Return some fields of each document as a dict; only those are transferred.

        Args:
            fields: Fields, as descriptors, declared names (dotted for nested ones) or stored paths.

        Returns:
            Rows that run as this query does: dicts by Python name (`"mayor.name"` for nested ones), with `id`, which is
            always the document's (a stored path `id` gets the key "`id`"); values as in `values`.

        Raises:
            TypeError: No field is given, or one is not a field of the model.
            UnknownFieldError: A name is not declared.
        """
        rows: Rows[Any] = rows_of(Rows, self, columns(self._spec.model, "dict", fields, flat=False))
        return rows

    def find_nearest(
        self,
        field: FieldDescriptor[Vector | None] | str | FieldPath,
        vector: Vector | Sequence[float],
        *,
        limit: int,
        distance: Distance = "cosine",
        threshold: float | None = None,
    ) -> Rows[Neighbor[M_co]]:
        """Return the matching documents whose vectors are nearest to another one, the nearest first.

        Documents without a vector of the same dimension in the field are not found. The query's filters, parent and
        collection group say among which documents; its orders decide between equal distances, and then the ids.

        Args:
            field: A field of vectors, as a descriptor, a declared name or a stored path.
            vector: The vector to search for, of 1 to 2,048 finite numbers, as many as the field declares.
            limit: The maximum number of documents, from 1 to 1,000.
            distance: `"cosine"` (1 minus the cosine of the angle, 0 to 2), `"euclidean"`, or `"dot_product"`, which is
                larger for nearer vectors.
            threshold: The largest distance, inclusive; for `"dot_product"`, the smallest.

        Returns:
            Rows that run as this query does. They have no `last`, `page` and `paginate`.

        Raises:
            InvalidRequestError: The query has a limit, an offset or a cursor; or `limit`, `distance` or `threshold` is
                not valid. Nothing was sent, as with the others.
            InvalidValueError: The field doesn't hold vectors, or the vector doesn't fit it.
            TypeError: An argument is of the wrong kind.
            UnknownFieldError: A name is not declared.
        """
        from ..nearest import neighbors

        rows: Rows[Neighbor[M_co]] = rows_of(
            Rows, self, neighbors(self._spec, field, vector, limit, distance, threshold)
        )
        return rows
